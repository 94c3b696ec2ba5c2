//! The stages joined: lower, observe, decide, apply, and converge. Commands call these; nothing here talks to a person.

mod carried;
mod conditions;
mod consequences;
mod converge;
mod depot;
mod emit;
mod generate;
#[cfg(feature = "image")]
pub mod images;
pub mod kept;
mod lowering;
mod native;
pub mod outputs;
pub mod outside;
pub mod place;
pub mod plan_file;
mod planning;
mod providers;
pub mod rebuild;
mod refactor;
mod rehearsal;
pub mod remember;
mod renames;
mod sealing;
mod undecided;
mod vault;

pub use carried::carry;
pub use converge::{Pace, Watcher, apply, converge, first_runs, settle_left};
pub use depot::{depot, key_sources};
pub use emit::emit;
pub use lowering::place as lower_place;
pub use planning::{Planned, Request, generated, home, make_plan, publish, session_for, withdraw};
pub use providers::{built_with, provider};
