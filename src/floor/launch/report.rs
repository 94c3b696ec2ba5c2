//! What happened in a run: the record on disk, and the events while it goes on.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::spec::ArtifactType;
use crate::Problem;
use crate::data::time::civil_from_days;

/// Where the events of a run go.
pub type EventSink = Arc<dyn Fn(Event) + Send + Sync>;

/// Something that happened to a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Its process is being started.
    StepStarted {
        /// The step.
        step: String,
        /// Why it runs, in words of the cache.
        reason: String,
        /// Counted from 1.
        attempt: u32,
    },
    /// It said how far it is.
    StepProgress {
        /// The step.
        step: String,
        /// From 0 to 1.
        fraction: f64,
        /// What it says.
        text: String,
    },
    /// Its outputs are those of an earlier run.
    StepCached {
        /// The step.
        step: String,
        /// Why.
        reason: String,
    },
    /// An attempt failed and another will follow.
    StepRetried {
        /// The step.
        step: String,
        /// The attempt that failed.
        attempt: u32,
        /// Why it failed.
        why: String,
        /// The wait before the next one.
        wait_seconds: f64,
    },
    /// It ended well.
    StepFinished {
        /// The step.
        step: String,
        /// How long it took, all attempts together.
        seconds: f64,
        /// What it measured.
        metrics: Map<String, Value>,
    },
    /// It failed for good.
    StepFailed {
        /// The step.
        step: String,
        /// Why.
        problem: Problem,
        /// The end of its log.
        log_tail: Vec<String>,
    },
    /// It was not run, because of another step.
    StepSkipped {
        /// The step.
        step: String,
        /// Because of which.
        reason: String,
    },
    /// It was ended, or not started, because the run was cancelled.
    StepCancelled {
        /// The step.
        step: String,
    },
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Steps run or wait.
    Running,
    /// Every step ended well.
    Succeeded,
    /// A step failed.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

/// How far a step is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// It waits for others or for room.
    #[default]
    Pending,
    /// It runs.
    Running,
    /// It ran and ended well.
    Succeeded,
    /// It was not run: its outputs are those of an earlier run.
    Cached,
    /// It failed.
    Failed,
    /// It was not run, because one that it depends on did not end well.
    Skipped,
    /// It was ended or not started, because the run was cancelled.
    Cancelled,
}

impl StepStatus {
    /// Whether its outputs are there.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, Self::Succeeded | Self::Cached)
    }
}

/// An output that passed its checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Where it is.
    pub path: PathBuf,
    /// What it contains: `digest_file` or `digest_tree`.
    pub digest: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: ArtifactType,
}

/// A [`Problem`] as it is kept on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The code of the problem.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// Facts about it.
    #[serde(default)]
    pub notes: Vec<String>,
    /// What to do about it.
    #[serde(default)]
    pub help: Option<String>,
    /// The attribute it is about (`step.fit.timeout`).
    #[serde(default)]
    pub subject: Option<String>,
    /// The end of the step's log.
    #[serde(default)]
    pub log_tail: Vec<String>,
}

impl From<&Problem> for Failure {
    fn from(problem: &Problem) -> Self {
        Self {
            code: problem.code.to_string(),
            message: problem.message.clone(),
            notes: problem.notes.clone(),
            help: problem.help.clone(),
            subject: problem.subject.clone(),
            log_tail: Vec::new(),
        }
    }
}

/// What happened to one step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// How far it is.
    pub status: StepStatus,
    /// Why it ran, was reused or was skipped.
    #[serde(default)]
    pub reason: Option<String>,
    /// When it started, in milliseconds of Unix time.
    #[serde(default)]
    pub started: Option<u64>,
    /// When it ended.
    #[serde(default)]
    pub ended: Option<u64>,
    /// Its outputs by name.
    #[serde(default)]
    pub outputs: BTreeMap<String, Artifact>,
    /// What it measured.
    #[serde(default)]
    pub metrics: Map<String, Value>,
    /// The digest of the code it ran, whose snapshot is kept.
    #[serde(default)]
    pub code: Option<String>,
    /// Why it failed.
    #[serde(default)]
    pub problem: Option<Failure>,
}

/// The process that carries out a run: its id and, since ids are reused, when it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runner {
    /// The process id.
    pub pid: u32,
    /// Its start, in clock ticks since the machine started; 0 where the system does not say.
    pub started_ticks: u64,
}

impl Runner {
    /// This process.
    #[must_use]
    pub fn current() -> Self {
        Self::of(std::process::id())
    }

    pub(crate) fn of(pid: u32) -> Self {
        Self { pid, started_ticks: super::leftovers::start_ticks(pid).unwrap_or(0) }
    }

    /// Whether the process is still there.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        super::leftovers::is_alive(self.pid, self.started_ticks)
    }
}

/// The record of a run, kept as `run.json` in its directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// The version of this record.
    pub format_version: u32,
    /// The identity of the run.
    pub run_id: String,
    /// The address of the pipeline.
    pub pipeline: String,
    /// How far it is.
    pub status: RunStatus,
    /// Who carries it out.
    pub runner: Runner,
    /// When it started, in milliseconds of Unix time.
    pub started: u64,
    /// When it ended.
    #[serde(default)]
    pub ended: Option<u64>,
    /// The parameters of the pipeline.
    #[serde(default)]
    pub params: BTreeMap<String, Value>,
    /// The steps by name.
    pub steps: BTreeMap<String, StepReport>,
}

impl RunReport {
    /// Whether the record says that the run goes on although nobody carries it out any more.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.status == RunStatus::Running && !self.runner.is_alive()
    }

    /// The record of the run in a directory; nothing where there was none.
    pub fn read(work_root: &Path) -> Result<Option<Self>, Problem> {
        let path = work_root.join("run.json");
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Problem::io("MLP0763", "read", &path, &error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            Problem::new("MLP0763", format!("`{}` is not the record of a run: {error}", path.display()))
        })
    }

    /// Writes the record, so that a reader sees either the old one or the new one.
    pub(crate) fn write(&self, work_root: &Path) -> Result<(), Problem> {
        write_json(&work_root.join("run.json"), self)
    }
}

/// Writes a value as JSON under a temporary name and renames it.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Problem> {
    let failed = |error: &std::io::Error| Problem::io("MLP0763", "write", path, error);
    let text = serde_json::to_vec_pretty(value).map_err(|error| failed(&error.into()))?;
    let parent = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(|error| failed(&error))?;
    let temporary = parent.join(super::code::unique_name());
    let written = std::fs::File::create(&temporary).and_then(|mut file| file.write_all(&text));
    written.and_then(|()| std::fs::rename(&temporary, path)).map_err(|error| failed(&error))
}

/// The log of a step of the run in a directory.
#[must_use]
pub fn log_path(work_root: &Path, step: &str) -> PathBuf {
    work_root.join(step).join("log")
}

/// Now, in milliseconds of Unix time.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A moment as RFC 3339 in UTC (`2024-02-29T12:00:00Z`).
pub(crate) fn rfc3339(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000;
    let days = i64::try_from(seconds / 86_400).unwrap_or(i64::MAX);
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_rfc_3339() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_709_208_000_999), "2024-02-29T12:00:00Z");
        assert_eq!(rfc3339(1_735_689_599_000), "2024-12-31T23:59:59Z");
    }

    #[test]
    fn a_run_whose_runner_is_gone_is_abandoned() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(RunReport::read(dir.path()).unwrap(), None);
        let mut report = RunReport {
            format_version: 1,
            run_id: "r1".into(),
            pipeline: "pipeline.p".into(),
            status: RunStatus::Running,
            runner: Runner::current(),
            started: 1,
            ended: None,
            params: BTreeMap::new(),
            steps: BTreeMap::new(),
        };
        report.write(dir.path()).unwrap();
        assert_eq!(RunReport::read(dir.path()).unwrap().as_ref(), Some(&report));
        assert!(!report.is_abandoned());
        let mut child = std::process::Command::new("true").spawn().unwrap();
        report.runner = Runner { pid: child.id(), started_ticks: 1 };
        child.wait().unwrap();
        assert!(report.is_abandoned());
    }
}
