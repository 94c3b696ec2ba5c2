//! Predictions for many rows at once, without a router.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::client::{CallError, Client, error_text};
use super::hush::Secrets;
use super::launch::Launch;
use super::process::{Recipe, install_worker};
use super::replica::{Replica, Settings, Surroundings};
use super::spec::HealthSpec;
use crate::Problem;

/// What a batch prediction is made with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchSpec {
    /// The name in messages and of the log.
    pub name: String,
    /// What is started.
    pub launch: Launch,
    /// What is added to its clean environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Names of those whose values are secrets.
    pub secret: BTreeSet<String>,
    /// How long it may take to become ready.
    pub start_timeout_ms: u64,
    /// How long one chunk may take.
    pub request_timeout_ms: u64,
    /// The folder of its log.
    pub log_dir: PathBuf,
}

/// A started worker that is asked chunk by chunk. Dropped, it is stopped in the background.
pub struct BatchWorker {
    replica: Arc<Replica>,
    client: Client,
    name: String,
    log: PathBuf,
    timeout: Duration,
}

#[derive(Serialize)]
struct Chunk<'a> {
    rows: &'a [Map<String, Value>],
}

#[derive(Deserialize)]
struct Answer {
    predictions: Vec<Value>,
}

impl BatchWorker {
    /// Starts the worker and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready, with the last lines of its log.
    pub async fn start(spec: &BatchSpec) -> Result<Self, Problem> {
        spec.launch.validate()?;
        let worker = install_worker(&spec.log_dir)?;
        let log = worker.with_file_name(format!("{}.log", spec.name.replace('/', "-")));
        let timeout = Duration::from_millis(spec.request_timeout_ms);
        let recipe = Recipe {
            label: spec.name.clone(),
            place: String::new(),
            launch: spec.launch.clone(),
            env: spec.env.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            secrets: Secrets::of(&spec.env, &spec.secret),
            worker,
            log: log.clone(),
            request_timeout: timeout,
        };
        let client = Client::new();
        let settings = Settings {
            // A chunk may take long: only the end of the process counts.
            health: HealthSpec { failures: u32::MAX, ..HealthSpec::default() },
            start_timeout: Duration::from_millis(spec.start_timeout_ms),
        };
        let surroundings =
            Surroundings { settings: settings.into(), client: client.clone(), events: Arc::new(|_| {}) };
        let (replica, started) = Replica::start(recipe, Arc::new(surroundings));
        match started.await {
            Ok(Ok(())) => Ok(Self { replica, client, name: spec.name.clone(), log, timeout }),
            Ok(Err(problem)) => Err(problem),
            Err(_) => {
                Err(Problem::new("MLP0782", format!("worker `{}` was stopped while it started", spec.name)))
            }
        }
    }

    /// The predictions for some rows, in their order.
    ///
    /// # Errors
    /// When the worker fails, takes too long, or answers something else.
    pub async fn predict(&self, rows: &[Map<String, Value>]) -> Result<Vec<Value>, Problem> {
        let failed = |message: String| {
            Problem::new("MLP0783", format!("`{}` cannot predict: {message}", self.name))
                .help(format!("the whole log is `{}`", self.log.display()))
        };
        let port = self.replica.port().ok_or_else(|| failed("its process has ended".into()))?;
        let body = serde_json::to_vec(&Chunk { rows }).map_err(|error| failed(error.to_string()))?;
        match self.client.predict(port, Bytes::from(body), self.timeout).await {
            Ok((200, body)) => match serde_json::from_slice::<Answer>(&body) {
                Ok(answer) if answer.predictions.len() == rows.len() => Ok(answer.predictions),
                Ok(answer) => {
                    Err(failed(format!("{} predictions for {} rows", answer.predictions.len(), rows.len())))
                }
                Err(error) => Err(failed(format!("the answer has no predictions: {error}"))),
            },
            Ok((_, body)) => Err(failed(error_text(&body))),
            Err(CallError::Timeout) => {
                Err(failed(format!("no answer within {} s", self.timeout.as_secs_f64())))
            }
            Err(CallError::TooLong) => Err(failed("the answer is too long; use smaller chunks".into())),
            Err(CallError::Transport(error)) => {
                Err(failed(format!("the process has ended or closed: {error}")))
            }
        }
    }

    /// Stops the worker; nothing of it is left.
    pub async fn stop(self) {
        self.replica.stop().await;
    }
}

/// Starts one worker, sends it the rows in chunks, and stops it.
///
/// # Errors
/// The first failure; predictions before it are dropped. The worker is stopped in any case.
pub async fn predict_batch(
    spec: &BatchSpec,
    rows: &[Map<String, Value>],
    chunk: usize,
) -> Result<Vec<Value>, Problem> {
    let worker = BatchWorker::start(spec).await?;
    let mut predictions = Vec::with_capacity(rows.len());
    let mut outcome = Ok(());
    for (index, part) in rows.chunks(chunk.max(1)).enumerate() {
        match worker.predict(part).await {
            Ok(some) => predictions.extend(some),
            Err(problem) => {
                let first = index * chunk.max(1);
                outcome = Err(problem.note(format!("in rows {first} to {}", first + part.len() - 1)));
                break;
            }
        }
    }
    worker.stop().await;
    outcome.map(|()| predictions)
}
