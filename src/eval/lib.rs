//! The one evaluator: a small versioned IR of expressions, its interpreter, the functions, and values not known yet.
//!
//! Configuration uses it, apply uses it, gates and checks use it. It knows neither files nor syntax nor what a name means:
//! a [`Scope`] resolves references.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod behind;
mod branch;
mod budget;
mod close;
mod codes;
mod convert;
mod equality;
mod functions;
mod interpret;
mod ir;
mod iterate;
mod navigate;
mod operators;
mod quoted;
mod scope;
mod template;
#[cfg(test)]
mod tests;
mod text;
mod typed;
mod unknown;

pub use codes::CODES;
pub use convert::{convert, type_of};
pub use functions::{
    Documented, FunctionInfo, LEFT_OUT, LeftOut, Parameter, Terraform, documentation, function,
    function_table, functions,
};
pub use interpret::evaluate;
pub use ir::{BinaryOp, Expr, ForExpr, Node, Part, Traversal, TraversalStep, UnaryOp};
pub use quoted::{Quoted, Reference, reference_of};
pub use scope::{Marks, Outcome, Resolved, Scope};
pub use unknown::{Later, PlanValue, Unknown, residual_of};
