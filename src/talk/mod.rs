//! Talk while work goes on: progress on standard error, questions, and what runs where at the end.

mod ask;
mod events;
mod progress;
mod summary;
mod upkeep;

pub use ask::{Answer, approve};
pub use progress::Progress;
pub use summary::{run_lines, status_lines};
pub use upkeep::{collected_lines, runs_lines};
