//! The portable floor: data snapshots and their quality, the embedded registry, the step launcher, and the router.
//!
//! A library over plain data and files: it knows neither the engine nor any provider.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod codes;
mod commit;
pub mod data;
pub mod digest;
pub mod extract;
mod files;
pub mod launch;
mod problem;
pub mod registry;
pub mod schedule;
pub mod serve;
#[cfg(test)]
mod skipping;

pub use commit::commit;
pub use files::{Integrity, ground_lost};
pub use problem::Problem;
