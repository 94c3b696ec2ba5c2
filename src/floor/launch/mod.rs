//! The launcher: runs the steps of a pipeline as processes of this machine, in dependency order and in
//! parallel, from snapshots of their code, and reuses results where nothing changed.
//!
//! The contract with the code that runs is `docs/steps.md`.

mod artifact;
mod cache;
mod check;
mod code;
mod command;
mod ignore;
mod leftovers;
pub(crate) use leftovers::{is_alive, start_ticks};
mod log;
mod process;
mod report;
mod schedule;
mod spec;
mod step;
#[cfg(test)]
mod tests;

pub use check::check;
pub use code::{CodeSnapshot, check_out, load_snapshot, scan_code, snapshot_code};
pub use report::{
    Artifact, Event, EventSink, Failure, RunReport, RunStatus, Runner, StepReport, StepStatus, log_path,
};
pub use schedule::{close_abandoned, run_pipeline};
pub use spec::{
    ArtifactType, CacheSpec, Capacity, CodeRef, InputBinding, Interpreter, OutputSpec, PipelineRun, Retry,
    SecretEnv, Segment, StepSpec, TableFormat, default_grace, default_log_limit,
};
