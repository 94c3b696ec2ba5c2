//! The stages joined: lower, observe, decide, apply, and converge. Commands call these; nothing here talks to a person.

mod consequences;
mod converge;
mod lowering;
mod planning;
mod providers;
mod sealing;
mod vault;

pub use converge::{Watcher, apply, converge, first_runs};
pub use lowering::place as lower_place;
pub use planning::{Planned, Request, make_plan, session_for};
pub use providers::{built_with, provider};
