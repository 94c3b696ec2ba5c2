//! The same hard questions to every resource, and a target in memory that misbehaves on purpose.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod chance;
mod fake;
mod ownership;
mod questions;
mod world;

pub use chance::{Crash, Dice, Faults, Moment, Stall};
pub use fake::{Sim, SimSession};
pub use mlp_provider;
pub use questions::{Failure, Sample, ask};
pub use world::{RecordedCall, World};
