//! Names to values: variables, locals, references and environments, resolved into typed declarations with origins.
//!
//! Pure: what it needs of the world it asks for. It knows no cloud and no prior state.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod accelerators;
mod broken;
mod calls;
mod check;
mod circles;
mod codes;
mod dynamic;
mod evaluator;
mod expression;
mod fit;
mod hints;
mod hush;
mod in_parallel;
mod index;
mod inherit;
mod instances;
mod keyed;
mod look;
mod made;
mod meaning;
mod memo;
mod modules;
mod near;
mod offers;
mod once;
mod ordering;
mod partial;
mod remembered;
mod resolve;
mod scope;
mod select;
mod slips;
mod source;
mod spread;
mod standards;
mod together;
mod told;
mod typexpr;
mod validation;
mod values;
mod variables;
mod versions;
mod words;

pub use accelerators::OWN_CATALOG;
pub use check::inner_span;
pub use codes::CODES;
pub use expression::lower;
pub use index::{Index, environments};
pub use modules::{Module, called, module_directory};
pub use resolve::{Inputs, Resolution, resolve};
pub use together::together;
pub use variables::{
    Assignment, Candidate, Given, Undeclared, VALUE_FILES, VariableStory, assignments, is_automatic,
    read_unasked, values_tree,
};

#[cfg(test)]
mod looseness;
#[cfg(test)]
mod module_tests;
#[cfg(test)]
mod select_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod variable_tests;
