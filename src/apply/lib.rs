//! Carry out a plan: steps as their dependencies allow, each call journalled, settled, waited for and read back.
//!
//! How the plan was decided is not known here.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod codes;
mod compare;
mod execute;
mod report;
mod retry;
mod settle;
mod step;
#[cfg(test)]
mod tests;

pub use codes::CODES;
pub use execute::execute;
pub use report::{ApplyEvent, ApplyReporter, Cancel, Gate, Options, Outcome, Skipped};
pub use settle::settle;
