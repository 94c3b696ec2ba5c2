//! What the editor's server asks of the machine.

use mlp_value::facts::{Fact, Need};

/// The files of a project and what can be found out about its surroundings; paths are relative to the project.
pub trait Host: Send + Sync {
    /// The text of a file; `None` where there is none that can be read.
    fn read(&self, path: &str) -> Option<String>;

    /// The names of a directory's files that end so, in order.
    fn names(&self, directory: &str, ending: &str) -> Vec<String>;

    /// Whether something was ever applied from here.
    fn was_applied(&self) -> bool;

    /// Answers a question that the resolution of an environment has.
    fn answer(&self, environment: &str, need: &Need) -> Fact;
}
