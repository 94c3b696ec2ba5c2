//! What is to be run: plain data that the caller has already resolved.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A pipeline to run once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PipelineRun {
    /// The identity of the run, unique within the environment.
    pub run_id: String,
    /// The address of the pipeline, as people write it.
    pub pipeline: String,
    /// The directory of this run alone (`.mlp/<env>/runs/<run_id>`).
    pub work_root: PathBuf,
    /// The results of steps that later runs may reuse.
    pub cache_root: PathBuf,
    /// The snapshots of code, by tree digest.
    pub snapshot_root: PathBuf,
    /// The project: the code of steps that name no directory; relative paths start here.
    pub project_root: PathBuf,
    /// Where runs of this machine that share GPUs agree on who has which; absent means that nobody else runs.
    #[serde(default)]
    pub gpu_root: Option<PathBuf>,
    /// The parameters of the pipeline. A step receives those that its command names, and its own.
    #[serde(default)]
    pub params: BTreeMap<String, Value>,
    /// The steps, in any order.
    pub steps: Vec<StepSpec>,
    /// What may run at the same time.
    #[serde(default)]
    pub capacity: Capacity,
    /// How long a step that is told to end may take before it is killed.
    #[serde(default = "default_grace")]
    pub grace_seconds: f64,
    /// The size at which the log of a step is cut.
    #[serde(default = "default_log_limit")]
    pub log_limit: u64,
}

/// The default of [`PipelineRun::grace_seconds`].
#[must_use]
pub fn default_grace() -> f64 {
    10.0
}

/// The default of [`PipelineRun::log_limit`]: 64 MiB.
#[must_use]
pub fn default_log_limit() -> u64 {
    64 << 20
}

/// What the steps of a run may use together. A limit that is absent does not bind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Capacity {
    /// The number of steps at the same time.
    pub parallelism: usize,
    /// Processor cores that steps reserve from.
    #[serde(default)]
    pub cpu: Option<f64>,
    /// Bytes of memory that steps reserve from.
    #[serde(default)]
    pub memory: Option<u64>,
    /// The number of GPUs of this machine.
    #[serde(default)]
    pub gpus: u32,
}

impl Default for Capacity {
    fn default() -> Self {
        let parallelism = std::thread::available_parallelism().map_or(1, usize::from);
        Self { parallelism, cpu: None, memory: None, gpus: 0 }
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepSpec {
    /// The name, unique in the pipeline.
    pub name: String,
    /// Where its code is.
    #[serde(default)]
    pub code: CodeRef,
    /// The command.
    pub run: Vec<Segment>,
    /// What it reads.
    #[serde(default)]
    pub inputs: BTreeMap<String, InputBinding>,
    /// What it writes.
    #[serde(default)]
    pub outputs: BTreeMap<String, OutputSpec>,
    /// Its own parameters.
    #[serde(default)]
    pub params: BTreeMap<String, Value>,
    /// Secrets: given to the process, kept out of logs and of the cache key, never written to disk.
    #[serde(default, skip_serializing)]
    pub env: SecretEnv,
    /// The interpreter that comes first on the path.
    #[serde(default)]
    pub runtime: Interpreter,
    /// The longest duration of one attempt, in seconds.
    #[serde(default)]
    pub timeout_seconds: Option<f64>,
    /// What is tried again.
    #[serde(default)]
    pub retry: Retry,
    /// Whether its results are reused; absent means that they are if it has outputs, without an age limit.
    #[serde(default)]
    pub cache: Option<CacheSpec>,
    /// Cores it reserves while it runs.
    #[serde(default)]
    pub cpu: Option<f64>,
    /// Bytes of memory it reserves while it runs.
    #[serde(default)]
    pub memory: Option<u64>,
    /// GPUs it has to itself while it runs.
    #[serde(default)]
    pub gpus: u32,
    /// The numbers of the GPUs it may get; any when empty.
    #[serde(default)]
    pub gpu_slots: Vec<u32>,
    /// Steps that must have ended well before it starts, beside those it reads from.
    #[serde(default)]
    pub after: Vec<String>,
}

/// Where the code of a step is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeRef {
    /// The directory; absent means the project.
    #[serde(default)]
    pub dir: Option<PathBuf>,
    /// The snapshot to run. Absent means that the directory is snapshotted when the run starts.
    #[serde(default)]
    pub digest: Option<String>,
}

/// A piece of a command: text for the shell, or a hole that is filled with a quoted value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Segment {
    /// Text as the user wrote it.
    Literal(String),
    /// A word that means itself to the shell, or a piece of one.
    Word(String),
    /// The path of an input.
    Input(String),
    /// The path of an output.
    Output(String),
    /// The value of a parameter.
    Param(String),
    /// The identity of the run.
    RunId,
    /// When the run started, as RFC 3339.
    RunStartedAt,
}

/// What kind of thing an input or output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactType {
    /// Rows, as CSV or JSON Lines.
    Table,
    /// A directory that a server can load.
    Model,
    /// A JSON object of numbers.
    Metrics,
    /// Any file.
    File,
    /// Any directory.
    Directory,
}

impl fmt::Display for ArtifactType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::Model => "model",
            Self::Metrics => "metrics",
            Self::File => "file",
            Self::Directory => "directory",
        })
    }
}

/// Where an input comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputBinding {
    /// Something on disk, such as a dataset version.
    File {
        /// Where it is.
        path: PathBuf,
        /// What it is.
        #[serde(rename = "type")]
        kind: ArtifactType,
        /// What it must contain (`digest_file` or `digest_tree`); absent means whatever it contains now.
        #[serde(default)]
        digest: Option<String>,
    },
    /// An output of another step.
    StepOutput {
        /// The step.
        step: String,
        /// Its output.
        output: String,
        /// What the reader expects it to be.
        #[serde(rename = "type")]
        kind: ArtifactType,
    },
    /// An optional input that nobody gave.
    Absent,
}

/// An output and what is checked of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputSpec {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: ArtifactType,
    /// For metrics: the names that must be there.
    #[serde(default)]
    pub names: Option<Vec<String>>,
    /// For tables: the columns that must be there.
    #[serde(default)]
    pub columns: Option<Vec<String>>,
    /// For tables: how rows are written.
    #[serde(default)]
    pub format: TableFormat,
}

impl OutputSpec {
    /// An output of a kind of which nothing more is declared.
    #[must_use]
    pub fn new(kind: ArtifactType) -> Self {
        Self { kind, names: None, columns: None, format: TableFormat::Csv }
    }
}

/// How the rows of a table are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableFormat {
    /// Comma-separated, the first line names the columns.
    #[default]
    Csv,
    /// One JSON object a line.
    Jsonl,
}

/// Environment variables whose values are secret: shown by name only.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SecretEnv(pub BTreeMap<String, String>);

impl fmt::Debug for SecretEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.keys().map(|name| (name, "(sensitive)"))).finish()
    }
}

/// The interpreter of a step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    /// The directory of its programs, put first on `PATH`.
    #[serde(default)]
    pub bin_dir: Option<PathBuf>,
    /// What it is (`python 3.11.7`, a lock file's digest): part of the cache key.
    #[serde(default)]
    pub label: String,
    /// Variables that its processes see; they are no secrets.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// What is tried again, and how often.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    /// Attempts after the first.
    #[serde(default)]
    pub max: u32,
    /// `error`, `timeout` or `temporary`; empty means `error`. Exit status 75 is always tried again.
    #[serde(default)]
    pub on: Vec<String>,
    /// The wait before the second attempt; it doubles with each, up to five minutes.
    #[serde(default)]
    pub backoff_seconds: f64,
}

/// Whether and how long results are reused.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CacheSpec {
    /// Whether they are reused at all.
    pub enabled: bool,
    /// The age after which they are not.
    #[serde(default)]
    pub ttl_seconds: Option<u64>,
    /// What must be equal, beside the command and the declared outputs.
    #[serde(default)]
    pub key: CacheKey,
}

/// What must be equal for results to be reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CacheKey {
    /// The code.
    pub code: bool,
    /// The contents of the inputs.
    pub inputs: bool,
    /// The parameters.
    pub params: bool,
    /// The runtime.
    pub runtime: bool,
}

impl Default for CacheKey {
    fn default() -> Self {
        Self { code: true, inputs: true, params: true, runtime: true }
    }
}

impl CacheKey {
    /// Of the words of the language; all of it where none is given.
    #[must_use]
    pub fn of(words: &[&str]) -> Self {
        let has = |word: &str| words.is_empty() || words.contains(&word);
        Self { code: has("code"), inputs: has("inputs"), params: has("params"), runtime: has("runtime") }
    }

    /// Its words, for people: `code, inputs and params`.
    pub(crate) fn words(self) -> String {
        let all = [(self.code, "code"), (self.inputs, "inputs"), (self.params, "parameters")];
        let mut words: Vec<&str> = all.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
        match words.pop() {
            Some(last) if words.is_empty() => last.to_string(),
            Some(last) => format!("{} and {last}", words.join(", ")),
            None => "command".to_string(),
        }
    }
}
