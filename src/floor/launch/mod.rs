//! The launcher: runs the steps of a pipeline as processes of this machine, in dependency order and in
//! parallel, from snapshots of their code and in the environments of their runtimes, and reuses results where nothing
//! changed.
//!
//! The contract with the code that runs is `docs/steps.md`.

mod artifact;
mod cache;
mod check;
mod code;
mod command;
mod guard;
mod ignore;
mod leftovers;
pub(crate) use leftovers::{is_alive, start_ticks};
mod lockfile;
mod log;
mod machine;
mod process;
mod report;
mod reserve;
mod runtime;
mod schedule;
mod spec;
mod step;
#[cfg(test)]
mod tests;
mod version;
mod waiting;

pub use artifact::is_parquet;
pub use check::check;
pub use code::{CodeSnapshot, check_out, load_snapshot, scan_code, snapshot_code};
pub use lockfile::{LockFormat, Loose, lock_entries, loose_lines};
pub use machine::Machine;
pub(crate) use report::rfc3339;
pub use report::{
    Artifact, Event, EventSink, Failure, RunReport, RunStatus, Runner, StepReport, StepStatus, log_path,
};
pub use runtime::{Builder, ENVIRONMENT, LockFile, Runtime, RuntimeSpec, joint_digest, lock_digest};
pub use schedule::{close_abandoned, run_pipeline};
pub use spec::{
    ArtifactType, CacheKey, CacheSpec, Capacity, CodeRef, InputBinding, Interpreter, OutputSpec, PipelineRun,
    Retry, SecretEnv, Segment, StepSpec, TableFormat, default_grace, default_log_limit,
};
pub use version::fits;
