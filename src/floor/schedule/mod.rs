//! When something is to happen: cron expressions in a time zone, and what was already done about them.
//!
//! A [`Schedule`] is pure: it says which instants it means. [`Memory`] is what has to be durable so that each of them is
//! answered once: whatever the clock does, and whoever crashed in between.

mod cron;
mod memory;

pub use cron::Schedule;
pub use memory::{CatchUp, Due, Memory};
