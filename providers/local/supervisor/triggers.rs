//! The loop without a terminal: the supervisor looks at triggers, and carries out what they start, one run of a pipeline at
//! a time. What is to run is written down before it begins ([`crate::triggers`]), so a crash loses nothing: the next
//! supervisor finds what was cut short.
//!
//! The present comes in with every look, and how a run is carried out is a trait, so that a test is its own clock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use mlp_provider::{Event, Reporter, RunRequest, RunSummary};
use tokio::task::JoinHandle;

use super::held;
use crate::documents::{Document, Found, Place};
use crate::fault::{Fallible, wrong};
use crate::mlp_value::{Address, ResourceId};
use crate::resources::Ground;
use crate::triggers::{self, Firing, Record, Trigger};
use crate::{codes, runs, time};

/// The status of a run that was stopped.
const CANCELLED: &str = "cancelled";

/// An environment's home and what is run in it.
type Key = (PathBuf, String);

/// Carries out runs.
#[async_trait::async_trait]
pub(super) trait Runner: Send + Sync {
    async fn run(&self, work: &Work, reporter: &dyn Reporter) -> Fallible<RunSummary>;
}

/// A run that a trigger started.
pub(super) struct Work {
    pub(super) ground: Ground,
    pub(super) request: RunRequest,
    /// The trigger, for people.
    pub(super) cause: String,
}

/// As `mlp run` does, on what the sources hold now.
pub(super) struct Real;

#[async_trait::async_trait]
impl Runner for Real {
    async fn run(&self, work: &Work, reporter: &dyn Reporter) -> Fallible<RunSummary> {
        let began = time::now_ms();
        let came = match runs::refresh(&work.ground, &work.request.identity, reporter) {
            Ok(()) => runs::carry_out(&work.ground, &work.request, &work.cause, reporter).await,
            Err(error) => Err(error),
        };
        // Nobody reads what a command would have printed: it stands among the runs.
        came.inspect_err(|error| {
            let kept = runs::record_failure(&work.ground, &work.request, &work.cause, (began, error));
            if let Err(error) = kept {
                eprintln!("{}: {}", work.cause, error.diagnostic.headline);
            }
        })
    }
}

struct Job {
    cancel: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

/// The triggers of all environments of a project.
pub(super) struct Triggers {
    runner: Arc<dyn Runner>,
    jobs: Mutex<BTreeMap<Key, Job>>,
    /// What was looked at before, so that what an earlier supervisor left is recognised once.
    known: Mutex<BTreeSet<Key>>,
    homes: Mutex<BTreeSet<PathBuf>>,
    /// Records are read, changed and written as a whole.
    records: Arc<Mutex<()>>,
    /// What was said already, so that a lasting mistake is said once.
    said: Mutex<BTreeMap<Key, String>>,
}

impl Default for Triggers {
    fn default() -> Self {
        Self::new(Arc::new(Real))
    }
}

impl Triggers {
    pub(super) fn new(runner: Arc<dyn Runner>) -> Self {
        Self {
            runner,
            jobs: Mutex::default(),
            known: Mutex::default(),
            homes: Mutex::default(),
            records: Arc::default(),
            said: Mutex::default(),
        }
    }

    /// Looks at every trigger once. What is due is begun beside.
    pub(super) fn tick(&self, homes: &BTreeSet<PathBuf>, now: u64) {
        for home in homes {
            let place = Place::new(home);
            for identity in triggers::identities(&place) {
                let key = (home.clone(), identity);
                match self.look(&place, &key, now) {
                    Ok(()) => {
                        held(&self.said).remove(&key);
                    }
                    Err(error) => self.say(&key, &error.diagnostic.headline),
                }
            }
        }
        held(&self.jobs).retain(|_, job| !job.task.is_finished());
    }

    fn say(&self, key: &Key, what: &str) {
        if held(&self.said).insert(key.clone(), what.to_owned()).as_deref() != Some(what) {
            eprintln!("{} {}: {what}", time::rfc3339(time::now_ms()), key.1);
        }
    }

    fn look(&self, place: &Place, key: &Key, now: u64) -> Fallible<()> {
        let document = match place.find(&key.1)? {
            Found::Document(document) => document,
            Found::Absent => {
                self.cancel(|other| other == key);
                return triggers::forget_identity(place, &key.1);
            }
            // What cannot be read starts nothing, and is not taken for gone.
            Found::Broken(_) => return Ok(()),
        };
        let declared = triggers::declared(&document.config)?;
        let _records = held(&self.records);
        let before = Record::read(place, &key.1)?;
        if declared.is_empty() && before == Record::default() {
            return Ok(());
        }
        let mut record = before.clone();
        let first = !held(&self.known).contains(key);
        if first {
            self.recover(place, &key.0)?;
            record.recover(&declared, now);
        }
        record.look(place, &declared, triggers::paused(&document.config), now);
        let begun =
            if record.waits() && self.is_free(place, key, &document)? { record.begin(now) } else { None };
        if record != before {
            record.write(place, &key.1)?;
        }
        held(&self.known).insert(key.clone());
        if let Some(firing) = begun {
            self.begin(place, key, &document, &declared, &firing)?;
        }
        Ok(())
    }

    /// Once for each environment: runs whose process is gone are ended and remembered as interrupted.
    fn recover(&self, place: &Place, home: &Path) -> Fallible<()> {
        if held(&self.homes).insert(home.to_path_buf()) {
            let target = triggers::target(place)?;
            runs::recover(&Ground { target, place: place.clone() })?;
        }
        Ok(())
    }

    /// Whether nothing runs, here or by a command.
    fn is_free(&self, place: &Place, key: &Key, document: &Document) -> Fallible<bool> {
        if held(&self.jobs).get(key).is_some_and(|job| !job.task.is_finished()) {
            return Ok(false);
        }
        let ground = Ground { target: triggers::target(place)?, place: place.clone() };
        Ok(!runs::is_running(&ground, document.address()))
    }

    fn begin(
        &self,
        place: &Place,
        key: &Key,
        document: &Document,
        declared: &[Trigger],
        firing: &Firing,
    ) -> Fallible<()> {
        let ground = Ground { target: triggers::target(place)?, place: place.clone() };
        let address = document.address().parse::<Address>();
        let address =
            address.map_err(|why| wrong(codes::TRIGGER, why.to_string(), document.address(), ""))?;
        let trigger = declared.iter().find(|trigger| trigger.label == firing.trigger);
        let title = trigger.map_or_else(|| format!("trigger {}", firing.trigger), Trigger::title);
        let work = Work {
            request: RunRequest {
                resource: document.kind.clone(),
                identity: key.1.clone(),
                id: ResourceId::new(address, ""),
                params: BTreeMap::new(),
                who: title.clone(),
                commit: mlp_floor::commit(Path::new(&ground.target.directory)),
                fresh: false,
                steps: Vec::new(),
            },
            cause: format!("{title} at {}", time::rfc3339(firing.scheduled)),
            ground,
        };
        let cancel = Arc::new(AtomicBool::new(false));
        let (runner, records, stop) =
            (Arc::clone(&self.runner), Arc::clone(&self.records), Arc::clone(&cancel));
        let task = tokio::spawn(async move {
            let said = Said { cause: work.cause.clone(), cancel: stop };
            said.line("begins");
            let came = runner.run(&work, &said).await;
            // One that ended before it heard that it is to stop has ended.
            let stopped =
                said.cancelled() && came.as_ref().map_or(true, |summary| summary.status == CANCELLED);
            let (run, outcome) = outcome(came);
            said.line(&outcome);
            let _records = held(&records);
            let written = settle(&work, |record, now| match stopped {
                true => record.hand_over(now),
                false => record.finish(run, outcome, now),
            });
            if let Err(error) = written {
                said.line(&error.diagnostic.headline);
            }
        });
        held(&self.jobs).insert(key.clone(), Job { cancel, task });
        Ok(())
    }

    fn cancel(&self, meant: impl Fn(&Key) -> bool) {
        for (_, job) in held(&self.jobs).iter().filter(|(key, _)| meant(key)) {
            job.cancel.store(true, Ordering::Relaxed);
        }
    }

    /// Ends the runs of an environment, or of all, and waits for it.
    pub(super) async fn stop(&self, home: Option<&Path>) {
        let meant = |key: &Key| home.is_none_or(|home| key.0 == home);
        self.cancel(meant);
        let jobs: Vec<Job> = {
            let mut all = held(&self.jobs);
            let keys: Vec<Key> = all.keys().filter(|key| meant(key)).cloned().collect();
            keys.iter().filter_map(|key| all.remove(key)).collect()
        };
        for job in jobs {
            // A run that panicked has ended too.
            let _ = job.task.await;
        }
        held(&self.known).retain(|key| !meant(key));
        held(&self.homes).retain(|known| home.is_some_and(|home| known != home));
    }
}

/// The run, and how it went.
fn outcome(came: Fallible<RunSummary>) -> (Option<String>, String) {
    match came {
        Ok(summary) => {
            let why: Vec<String> = summary.problems.iter().map(|problem| problem.headline.clone()).collect();
            let results = if why.is_empty() { summary.results } else { why };
            let text = if results.is_empty() {
                summary.status
            } else {
                format!("{}: {}", summary.status, results.join("; "))
            };
            (Some(summary.run), text)
        }
        Err(error) => (None, format!("failed: {}", error.diagnostic.headline)),
    }
}

/// Writes down what became of a run.
fn settle(work: &Work, change: impl FnOnce(&mut Record, u64)) -> Fallible<()> {
    let (place, identity) = (&work.ground.place, &work.request.identity);
    let mut record = Record::read(place, identity)?;
    change(&mut record, time::now_ms());
    // Its pipeline may be gone by now, and its triggers with it.
    if matches!(place.find(identity)?, Found::Absent) {
        return triggers::forget_identity(place, identity);
    }
    record.write(place, identity)
}

#[cfg(test)]
mod tests;

/// Tells the supervisor's log.
struct Said {
    cause: String,
    cancel: Arc<AtomicBool>,
}

impl Said {
    fn line(&self, text: &str) {
        eprintln!("{} {}: {text}", time::rfc3339(time::now_ms()), self.cause);
    }
}

impl Reporter for Said {
    fn event(&self, event: Event) {
        if let Event::Finished { subject, text, .. } = event {
            self.line(&format!("{subject}: {text}"));
        }
    }

    fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}
