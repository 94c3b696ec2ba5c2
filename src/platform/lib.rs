//! The portable nouns, typed: one file a kind with its schema and documentation, and what a resolved specification is.
//!
//! No cloud's words, no syntax.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod codes;
mod declaration;
pub mod forms;
#[cfg(test)]
mod generated;
mod json_schema;
pub mod kinds;
pub mod moves;
pub mod phrases;
mod reference_pages;
pub mod schema;
mod show;

pub use codes::CODES;
pub use declaration::{
    Because, Declaration, Deferred, Edge, EdgeKind, Environment, Mode, Origin, Origins, Platform, Project,
};
pub use json_schema::json_schema;
pub use reference_pages::{ReferencePage, reference_pages, type_name};
pub use show::{Layout, quoted, show};
