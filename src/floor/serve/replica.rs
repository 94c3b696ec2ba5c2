//! One replica and the loop that keeps it running.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;

use super::client::Client;
use super::process::{Process, Recipe};
use super::spec::HealthSpec;
use crate::Problem;

const FIRST_DELAY: Duration = Duration::from_millis(250);
const LAST_DELAY: Duration = Duration::from_secs(30);
/// A start that finds its port taken is repeated this often before it counts as failed.
const PORT_ATTEMPTS: usize = 5;

/// What happens to the replicas of an endpoint, as it happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EndpointEvent {
    /// A replica process was started.
    Starting {
        /// `endpoint/variant-n`.
        replica: String,
    },
    /// A replica answers.
    Ready {
        /// `endpoint/variant-n`.
        replica: String,
        /// Its process.
        pid: u32,
    },
    /// A replica ended, does not answer, or could not be started.
    Lost {
        /// `endpoint/variant-n`.
        replica: String,
        /// Why.
        error: String,
    },
    /// The router sends requests according to a new specification.
    Switched {
        /// The endpoint.
        endpoint: String,
    },
    /// Everything of the endpoint has ended.
    Stopped {
        /// The endpoint.
        endpoint: String,
    },
}

/// Who is told of events. It is called from the loops of the replicas and has to return soon.
pub type Events = Arc<dyn Fn(EndpointEvent) + Send + Sync>;

/// Where a replica is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplicaState {
    /// The process was started and does not answer yet.
    Starting,
    /// It serves.
    Ready,
    /// It runs but does not answer as it should.
    Unhealthy {
        /// What its last check said.
        error: String,
    },
    /// It ended and is started again later.
    Backoff {
        /// When, in milliseconds since 1970.
        until: u64,
        /// Why it ended.
        error: String,
    },
    /// It was stopped.
    Stopped,
}

/// What is known of a replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaStatus {
    /// Its process, while there is one.
    pub pid: Option<u32>,
    /// The port it answers on, while it is ready.
    pub port: Option<u16>,
    /// Where it is in its life.
    pub state: ReplicaState,
    /// How often it was started again.
    pub restarts: u32,
    /// Since when it is in that state, in milliseconds since 1970.
    pub since: u64,
}

/// What may change while a replica runs.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) health: HealthSpec,
    pub(super) start_timeout: Duration,
}

/// What all replicas of an endpoint share.
pub(super) struct Surroundings {
    pub(super) settings: RwLock<Settings>,
    pub(super) client: Client,
    pub(super) events: Events,
}

impl Surroundings {
    fn settings(&self) -> Settings {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Hears how the first start of a replica ended.
pub(super) type Started = oneshot::Receiver<Result<(), Problem>>;

/// A replica: dropped, it is stopped in the background.
pub(super) struct Replica {
    inner: Arc<Inner>,
    stop: watch::Sender<bool>,
    task: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

struct Inner {
    recipe: Recipe,
    surroundings: Arc<Surroundings>,
    /// The port to send requests to; 0 while there is none.
    port: AtomicU16,
    /// All of the status but the port.
    status: Mutex<ReplicaStatus>,
    suspected: Notify,
}

/// How a stage of a replica's life ended.
enum Outcome {
    Stopped,
    Lost(Problem),
}

impl Replica {
    /// Starts a replica. The receiver hears whether the first start succeeded; if not, there is no second.
    pub(super) fn start(recipe: Recipe, surroundings: Arc<Surroundings>) -> (Arc<Self>, Started) {
        let inner = Arc::new(Inner {
            recipe,
            surroundings,
            port: AtomicU16::new(0),
            status: Mutex::new(ReplicaStatus {
                pid: None,
                port: None,
                state: ReplicaState::Starting,
                restarts: 0,
                since: unix_ms(),
            }),
            suspected: Notify::new(),
        });
        let (stop, stopped) = watch::channel(false);
        let (first, started) = oneshot::channel();
        let task = tokio::spawn(Arc::clone(&inner).run(stopped, first));
        (Arc::new(Self { inner, stop, task: tokio::sync::Mutex::new(Some(task)) }), started)
    }

    /// The port to send a request to, if it is ready.
    pub(super) fn port(&self) -> Option<u16> {
        match self.inner.port.load(Ordering::Acquire) {
            0 => None,
            port => Some(port),
        }
    }

    /// Takes it out until its next check: a connection to `port` has failed.
    pub(super) fn suspect(&self, port: u16) {
        if self.inner.port.compare_exchange(port, 0, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.inner.suspected.notify_one();
        }
    }

    pub(super) fn status(&self) -> ReplicaStatus {
        ReplicaStatus { port: self.port(), ..self.inner.status().clone() }
    }

    /// Stops it and waits until its processes are gone.
    pub(super) async fn stop(&self) {
        let _ = self.stop.send(true);
        if let Some(task) = self.task.lock().await.take() {
            let _ = task.await;
        }
    }
}

impl Inner {
    fn status(&self) -> MutexGuard<'_, ReplicaStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, state: ReplicaState, pid: Option<u32>) {
        let mut status = self.status();
        (status.state, status.pid, status.since) = (state, pid, unix_ms());
    }

    fn tell(&self, event: EndpointEvent) {
        (self.surroundings.events)(event);
    }

    fn label(&self) -> String {
        self.recipe.label.clone()
    }

    async fn run(
        self: Arc<Self>,
        mut stop: watch::Receiver<bool>,
        first: oneshot::Sender<Result<(), Problem>>,
    ) {
        let mut first = Some(first);
        let mut delay = FIRST_DELAY;
        loop {
            let outcome = match self.bring_up(&mut stop).await {
                Ok(process) => {
                    if let Some(first) = first.take() {
                        let _ = first.send(Ok(()));
                    }
                    let ready_at = Instant::now();
                    let outcome = self.keep(process, &mut stop).await;
                    if ready_at.elapsed() >= LAST_DELAY {
                        delay = FIRST_DELAY;
                    }
                    outcome
                }
                Err(outcome) => outcome,
            };
            let Outcome::Lost(problem) = outcome else { break };
            self.tell(EndpointEvent::Lost { replica: self.label(), error: problem.message.clone() });
            if let Some(first) = first.take() {
                self.enter(ReplicaState::Stopped, None);
                let _ = first.send(Err(problem));
                return;
            }
            if self.back_off(delay, problem.message, &mut stop).await {
                break;
            }
            delay = (delay * 2).min(LAST_DELAY);
            self.status().restarts += 1;
        }
        self.enter(ReplicaState::Stopped, None);
    }

    /// Waits before the next start; true when it was stopped meanwhile.
    async fn back_off(&self, delay: Duration, error: String, stop: &mut watch::Receiver<bool>) -> bool {
        let until = unix_ms().saturating_add(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        self.enter(ReplicaState::Backoff { until, error }, None);
        tokio::select! {
            () = stopped(stop) => true,
            () = tokio::time::sleep(delay) => false,
        }
    }

    /// Starts the process and waits until it answers.
    async fn bring_up(&self, stop: &mut watch::Receiver<bool>) -> Result<Process, Outcome> {
        let mut attempt = 1;
        loop {
            self.tell(EndpointEvent::Starting { replica: self.label() });
            let mut process =
                self.recipe.spawn().map_err(|error| Outcome::Lost(self.cannot_start(&error)))?;
            self.enter(ReplicaState::Starting, Some(process.pid));
            let port = process.port();
            let (outcome, exited) = tokio::select! {
                () = stopped(stop) => (Outcome::Stopped, false),
                end = process.ended() => (Outcome::Lost(self.problem(&format!("the process {end}"))), true),
                answer = self.answers(port) => match answer {
                    Ok(()) => {
                        self.serve_from(&process);
                        return Ok(process);
                    }
                    Err(error) => (Outcome::Lost(self.problem(&error)), false),
                },
            };
            let again = exited && attempt < PORT_ATTEMPTS && process.lost_its_port();
            let tail = process.log_tail();
            process.end().await;
            if !again {
                return Err(match outcome {
                    Outcome::Lost(problem) => Outcome::Lost(problem.with_notes(tail)),
                    Outcome::Stopped => Outcome::Stopped,
                });
            }
            attempt += 1;
        }
    }

    /// Waits until the health check passes; fails when the time for the start is over.
    async fn answers(&self, port: u16) -> Result<(), String> {
        let settings = self.surroundings.settings();
        let timeout = Duration::from_millis(settings.health.timeout_ms);
        let poll = async {
            let mut pause = Duration::from_millis(10);
            while self.surroundings.client.healthy(port, timeout).await.is_err() {
                tokio::time::sleep(pause).await;
                pause = (pause * 3 / 2).min(Duration::from_millis(200));
            }
        };
        tokio::time::timeout(settings.start_timeout, poll)
            .await
            .map_err(|_| format!("it did not answer within {} s", settings.start_timeout.as_secs_f64()))
    }

    fn serve_from(&self, process: &Process) {
        self.enter(ReplicaState::Ready, Some(process.pid));
        self.port.store(process.port(), Ordering::Release);
        self.tell(EndpointEvent::Ready { replica: self.label(), pid: process.pid });
    }

    /// Watches a ready process until it is stopped or lost, and ends it.
    async fn keep(&self, mut process: Process, stop: &mut watch::Receiver<bool>) -> Outcome {
        let mut failures = 0;
        let port = process.port();
        let outcome = loop {
            let verdict = tokio::select! {
                biased;
                () = stopped(stop) => break Outcome::Stopped,
                end = process.ended() => {
                    break Outcome::Lost(self.lost(&format!("the process {end}"), &process));
                }
                verdict = self.next_check(port) => verdict,
            };
            match verdict {
                Ok(()) => {
                    failures = 0;
                    if self.port.swap(port, Ordering::AcqRel) == 0 {
                        self.enter(ReplicaState::Ready, Some(process.pid));
                    }
                }
                Err(error) => {
                    failures += 1;
                    if failures >= self.surroundings.settings().health.failures {
                        self.port.store(0, Ordering::Release);
                        self.enter(ReplicaState::Unhealthy { error: error.clone() }, Some(process.pid));
                        break Outcome::Lost(self.lost(&error, &process));
                    }
                }
            }
        };
        self.port.store(0, Ordering::Release);
        process.end().await;
        outcome
    }

    /// The next health check: after the interval, or at once when a request has failed to connect.
    async fn next_check(&self, port: u16) -> Result<(), String> {
        let health = self.surroundings.settings().health;
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(health.interval_ms)) => {}
            () = self.suspected.notified() => {}
        }
        self.surroundings.client.healthy(port, Duration::from_millis(health.timeout_ms)).await
    }

    fn lost(&self, error: &str, process: &Process) -> Problem {
        // Out of the rotation before anything else: what is known to be gone gets no request.
        self.port.store(0, Ordering::Release);
        self.problem(error).with_notes(process.log_tail())
    }

    fn problem(&self, error: &str) -> Problem {
        Problem::new("MLP0782", format!("replica `{}` is not ready: {error}", self.recipe.label))
            .help(format!("the whole log is `{}`", self.recipe.log.display()))
            .at(&self.recipe.place)
    }

    fn cannot_start(&self, error: &std::io::Error) -> Problem {
        self.problem(&format!("it cannot be started: {error}"))
            .note(format!("the command is {}", self.recipe.command()))
    }
}

/// Returns when a task is to stop, also when its handle is gone.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

pub(super) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
