//! The only place that touches the machine: files, environment, clock, terminal.

pub mod facts;
pub mod files;
pub mod lock;
pub mod terminal;
pub mod who;
