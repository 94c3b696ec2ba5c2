//! The stages joined: lower, observe, decide, apply, and converge. Commands call these; nothing here talks to a person.

mod conditions;
mod consequences;
mod converge;
mod generate;
mod lowering;
mod native;
pub mod outside;
mod planning;
mod providers;
mod refactor;
mod renames;
mod sealing;
mod undecided;
mod vault;

pub use converge::{Pace, Watcher, apply, converge, first_runs, settle_left};
pub use lowering::place as lower_place;
pub use planning::{Planned, Request, generated, home, make_plan, publish, session_for};
pub use providers::{built_with, provider};
