//! Names to values: variables, locals, references and environments, resolved into typed declarations with origins.
//!
//! Pure: what it needs of the world it asks for. It knows no cloud and no prior state.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod accelerators;
mod broken;
mod check;
mod circles;
mod codes;
mod dynamic;
mod evaluator;
mod expression;
mod fit;
mod index;
mod instances;
mod look;
mod made;
mod modules;
mod ordering;
mod references;
mod remembered;
mod resolve;
mod scope;
mod select;
mod slips;
mod source;
mod spread;
mod standards;
mod typexpr;
mod validation;
mod values;
mod variables;
mod versions;
mod words;

pub use accelerators::OWN_CATALOG;
pub use codes::CODES;
pub use expression::lower;
pub use index::{Index, environments};
pub use modules::{Module, called, module_directory};
pub use resolve::{Inputs, Resolution, resolve};
pub use variables::{Assignment, Candidate, Given, Undeclared, VariableStory, assignments};

#[cfg(test)]
mod module_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod variable_tests;
