//! The supervisor: one process a project that keeps the endpoints of its environments as their records and the aliases
//! of their models say. It outlives the command and the terminal that started it, and the endpoints outlive it: each lives
//! in a process of its own, which the next supervisor finds again.

pub(crate) mod client;
mod conditions;
mod ingest;
mod process;
pub(crate) mod protocol;
mod rollout;
mod settle;
mod spec;
mod triggers;
mod vault;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mlp_floor::ground_lost;
use mlp_floor::serve::{Keeper, Reading};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, watch};

use crate::codes;
use crate::documents::write_json;
use crate::mlp_diag::{Blame, Diagnostic};
use crate::time::now_ms;
use protocol::{Ask, EndpointReport, PROTOCOL, Request, Response, Status, VERSION};
use settle::Slot;
use vault::Vault;

pub(crate) use conditions::prepare;
pub(crate) use ingest::take as take_captured;
pub(crate) use rollout::needed;
pub(crate) use spec::{environment, find_version, graph_of, launch, pin, version};
pub(crate) use vault::Variables;

/// How often aliases and records are looked at.
const TICK: Duration = Duration::from_secs(1);
/// How often the figures of a version on its way are looked at.
const CLOSE: Duration = Duration::from_millis(200);
/// How often it is written down that the supervisor is still there.
const SIGN: u64 = 10_000;
/// How long an earlier supervisor may take to end.
const SUCCESSION: Duration = Duration::from_secs(10);

/// Names the one endpoint that is to be kept, where not all are.
const ONLY: &str = "MLP_ENDPOINT";

/// An environment's home and the endpoint's name in it.
type Key = (PathBuf, String);

/// Whether the supervisor is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    No,
    /// With everything.
    All,
    /// Alone: the endpoints go on.
    Alone,
}

struct Supervisor {
    folder: PathBuf,
    slots: Mutex<BTreeMap<Key, Arc<tokio::sync::Mutex<Slot>>>>,
    /// The processes of the endpoints, to be asked also while something is changed.
    keepers: Mutex<BTreeMap<Key, Keeper>>,
    reports: Mutex<BTreeMap<Key, EndpointReport>>,
    homes: Mutex<BTreeSet<PathBuf>>,
    /// What the records of each environment read from variables.
    variables: Mutex<BTreeMap<PathBuf, Variables>>,
    /// Ports that endpoints chose, so that they keep them.
    ports: Mutex<BTreeMap<Key, u16>>,
    triggers: triggers::Triggers,
    pace: Arc<tokio::sync::Mutex<ingest::Pace>>,
    /// Whether a version is on its way somewhere.
    close: AtomicBool,
    /// Whether the machine asks everything to end: what ran stays written down.
    leaving: AtomicBool,
    wake: Notify,
    end: watch::Sender<End>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked left a whole value: nothing is changed in several steps.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The body of the process that keeps one endpoint of a project.
///
/// # Errors
/// It cannot work in its folder.
pub async fn keep_endpoint(folder: PathBuf) -> Result<(), Diagnostic> {
    mlp_floor::serve::keep(folder).await.map_err(|problem| crate::fault::diagnostic(&problem, ""))
}

/// The body of the background process of a project: returns when it is told to end, or at once when there is one already.
///
/// # Errors
/// It cannot work in the project's directory.
pub async fn supervise(directory: PathBuf) -> Result<(), Diagnostic> {
    // A session of its own: the terminal that this began in may go.
    let _ = rustix::process::setsid();
    let folder = protocol::folder(&directory);
    let failed = |doing: &str, error: &std::io::Error| {
        Diagnostic::error(codes::SUPERVISOR, format!("cannot {doing} in `{}`: {error}", folder.display()))
            .blame(Blame::Provider)
    };
    fs::create_dir_all(&folder).map_err(|error| failed("work", &error))?;
    let lock = fs::File::create(folder.join("lock")).map_err(|error| failed("lock", &error))?;
    let (socket, _open) = protocol::socket(&folder).map_err(|error| failed("listen", &error))?;
    if !alone(&lock, &socket).await {
        return Ok(());
    }
    let _ = fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).map_err(|error| failed("listen", &error))?;
    let (end, mut ended) = watch::channel(End::No);
    let supervisor = Arc::new(Supervisor::of(folder.clone(), end));
    tokio::spawn(Arc::clone(&supervisor).listen(listener));
    let signal = |kind| tokio::signal::unix::signal(kind).ok();
    let mut hangup = signal(tokio::signal::unix::SignalKind::hangup());
    let mut terminate = signal(tokio::signal::unix::SignalKind::terminate());
    let ground = fs::File::open(&folder).map_err(|error| failed("work", &error))?;
    let lost = ground_lost(&ground, &folder);
    tokio::pin!(lost);
    while *ended.borrow() == End::No {
        supervisor.reconcile();
        supervisor.ingest();
        supervisor.triggers.tick(&held(&supervisor.homes).clone(), now_ms());
        supervisor.write_status();
        let pause = if supervisor.close.load(Ordering::Relaxed) { CLOSE } else { TICK };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = supervisor.wake.notified() => {}
            _ = ended.changed() => {}
            () = told(&mut hangup) => {}
            // Somebody removed the directory of the project, or `.mlp`: the endpoints see that by themselves.
            () = &mut lost => {
                supervisor.leaving.store(true, Ordering::Relaxed);
                supervisor.triggers.stop(None).await;
                return Ok(());
            }
            () = told(&mut terminate) => {
                supervisor.write_status();
                supervisor.leaving.store(true, Ordering::Relaxed);
                break;
            }
        }
    }
    supervisor.triggers.stop(None).await;
    if *ended.borrow() != End::Alone {
        supervisor.stop(|_| true).await;
    }
    supervisor.write_status();
    let _ = fs::remove_file(&socket);
    Ok(())
}

async fn told(signal: &mut Option<tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Ends the supervisor of a project with its endpoints, whose records stay; returns when their requests are answered.
///
/// # Errors
/// It does not answer.
pub fn leave(directory: &Path) -> Result<(), Box<Diagnostic>> {
    client::ask(directory, Ask::Shutdown).map(drop).map_err(|error| error.diagnostic)
}

/// Whether this is the only supervisor. One that is about to end is waited for.
async fn alone(lock: &fs::File, socket: &Path) -> bool {
    let locked = async {
        while lock.try_lock().is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = locked => true,
        () = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            while UnixStream::connect(socket).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        } => false,
        () = tokio::time::sleep(SUCCESSION) => false,
    }
}

fn read<T: serde::de::DeserializeOwned + Default>(path: &Path) -> T {
    // What cannot be read is as if it were not there: records say what is to run.
    fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

impl Supervisor {
    /// Goes on from what an earlier one wrote down.
    fn of(folder: PathBuf, end: watch::Sender<End>) -> Self {
        let before = protocol::last_status(&folder).unwrap_or_default();
        let ports = before
            .endpoints
            .into_iter()
            .filter_map(|report| Some(((report.home, report.name), report.state?.port)));
        // Also those whose records are gone by now: their processes may still run.
        let known: BTreeSet<Key> = read(&folder.join("endpoints.json"));
        Self {
            slots: Mutex::new(known.into_iter().map(|key| (key, Arc::default())).collect()),
            keepers: Mutex::default(),
            reports: Mutex::default(),
            homes: Mutex::new(read(&folder.join("homes.json"))),
            variables: Mutex::default(),
            ports: Mutex::new(ports.collect()),
            triggers: triggers::Triggers::default(),
            pace: Arc::default(),
            close: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            wake: Notify::new(),
            end,
            folder,
        }
    }

    /// Where the secrets of an environment are.
    fn vault(&self, home: &Path) -> Vault {
        Vault::of(held(&self.variables).get(home).cloned().unwrap_or_default())
    }

    /// Looks at every record once; what has to change is done beside.
    fn reconcile(self: &Arc<Self>) {
        let homes = held(&self.homes).clone();
        let wanted = homes.iter().flat_map(|home| names(home).into_iter().map(|name| (home.clone(), name)));
        let known: Vec<Key> = held(&self.slots).keys().cloned().collect();
        let mut close = false;
        for key in known.into_iter().chain(wanted).collect::<BTreeSet<_>>() {
            let slot = Arc::clone(held(&self.slots).entry(key.clone()).or_default());
            // One that is being changed is looked at next time.
            let Ok(slot) = slot.try_lock_owned() else { continue };
            close |= slot.under_way();
            tokio::spawn(Arc::clone(self).settle(key, slot));
        }
        self.close.store(close, Ordering::Relaxed);
    }

    /// Makes versions of what was recorded, unless that is under way.
    fn ingest(&self) {
        let Ok(mut pace) = Arc::clone(&self.pace).try_lock_owned() else { return };
        if !pace.is_due() {
            return;
        }
        let homes = held(&self.homes).clone();
        tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            for problem in homes.iter().flat_map(|home| ingest::take_all(home)) {
                eprintln!("recorded requests wait: {problem}");
            }
            pace.took(began.elapsed());
        });
    }

    /// What runs, asked now.
    async fn status(&self) -> Status {
        let keepers: Vec<(Key, Keeper)> =
            held(&self.keepers).iter().map(|(key, keeper)| (key.clone(), keeper.clone())).collect();
        let mut asked = tokio::task::JoinSet::new();
        for (key, keeper) in keepers {
            asked.spawn(async move { (key, keeper.view().await) });
        }
        while let Some(answer) = asked.join_next().await {
            if let Ok((key, Ok(view))) = answer
                && let Some(report) = held(&self.reports).get_mut(&key)
            {
                report.state = view.status;
            }
        }
        self.last()
    }

    /// What ran when it was looked at last.
    fn last(&self) -> Status {
        let endpoints = held(&self.reports).values().cloned().collect();
        Status { pid: std::process::id(), endpoints, boot: protocol::boot(), at: now_ms() }
    }

    /// Writes down what runs, without what changes with every request, for times in which nobody can be asked.
    fn write_status(&self) {
        if self.leaving.load(Ordering::Relaxed) {
            return;
        }
        let path = self.folder.join("status.json");
        let mut status = self.last();
        let variants = status.endpoints.iter_mut().filter_map(|report| report.state.as_mut());
        for variant in variants.flat_map(|state| &mut state.variants) {
            (variant.requests, variant.errors, variant.rerouted) = (0, 0, 0);
            variant.reading = Reading::default();
        }
        for report in &mut status.endpoints {
            report.rollouts.iter_mut().filter(|one| one.held_at.is_none()).for_each(|one| {
                one.text = format!("version {} was taking over", one.version);
            });
        }
        let before = protocol::last_status(&self.folder).unwrap_or_default();
        let fresh = status.at.saturating_sub(before.at) < SIGN && before.at <= status.at;
        if fresh && (Status { at: before.at, ..status.clone() }) == before {
            return;
        }
        if let Err(error) = write_json(&path, &status) {
            eprintln!("cannot write `{}`: {error}", path.display());
        }
    }

    /// Ends the endpoints that are meant, and waits for it.
    async fn stop(&self, meant: impl Fn(&Key) -> bool) {
        let slots: Vec<(Key, _)> =
            held(&self.slots).iter().map(|(key, slot)| (key.clone(), Arc::clone(slot))).collect();
        for (key, slot) in slots.into_iter().filter(|(key, _)| meant(key)) {
            let mut slot = slot.lock().await;
            self.drop_slot(&key, &mut slot).await;
        }
    }

    async fn listen(self: Arc<Self>, listener: UnixListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let supervisor = Arc::clone(&self);
            tokio::spawn(async move {
                if let Err(error) = supervisor.converse(stream).await {
                    eprintln!("a conversation broke off: {error}");
                }
            });
        }
    }

    async fn converse(&self, mut stream: UnixStream) -> std::io::Result<()> {
        let mut line = String::new();
        BufReader::new(&mut stream).read_line(&mut line).await?;
        let mut response =
            Response { protocol: PROTOCOL, version: VERSION.to_owned(), refused: None, status: None };
        let mut ends = End::No;
        match serde_json::from_str::<Request>(&line) {
            // Any version may ask who is there and tell it to end.
            Ok(request)
                if request.protocol == PROTOCOL
                    || matches!(request.ask, Ask::Hello | Ask::Retire | Ask::Shutdown) =>
            {
                ends = self.answer(request.ask, &mut response).await;
            }
            Ok(request) => {
                response.refused = Some(format!(
                    "it is of mlp {VERSION} and speaks protocol {PROTOCOL}, not {}; use that version of mlp",
                    request.protocol
                ));
            }
            Err(error) => response.refused = Some(format!("it does not understand: {error}")),
        }
        let mut text = serde_json::to_vec(&response)?;
        text.push(b'\n');
        let told = stream.write_all(&text).await;
        let _ = stream.shutdown().await;
        if ends != End::No {
            // Only a supervisor that is ending already has nobody who listens.
            let _ = self.end.send(ends);
        }
        told
    }

    /// Does what is asked, and says whether it was the last.
    async fn answer(&self, ask: Ask, response: &mut Response) -> End {
        match ask {
            Ask::Hello => {}
            Ask::Status => response.status = Some(self.status().await),
            Ask::Reconcile { home, variables } => {
                held(&self.variables).insert(home.clone(), variables);
                self.change_homes(response, |homes| homes.insert(home));
                let slots: Vec<_> = held(&self.slots).values().map(Arc::clone).collect();
                slots.iter().filter_map(|slot| slot.try_lock().ok()).for_each(|mut slot| slot.forgive());
                self.wake.notify_one();
            }
            Ask::StopEndpoint { home, name } => self.stop(|key| *key == (home.clone(), name.clone())).await,
            Ask::Release { home, name } => self.release(&(home, name), response).await,
            Ask::Forget { home } => {
                self.change_homes(response, |homes| homes.remove(&home));
                self.triggers.stop(Some(&home)).await;
                self.stop(|key| key.0 == home).await;
                if held(&self.homes).is_empty() {
                    return End::All;
                }
            }
            Ask::Retire => return End::Alone,
            Ask::Shutdown => {
                self.stop(|_| true).await;
                return End::All;
            }
        }
        End::No
    }

    async fn release(&self, key: &Key, response: &mut Response) {
        let slot = held(&self.slots).get(key).map(Arc::clone);
        let Some(slot) = slot else {
            response.refused = Some(format!("it does not run endpoint `{}`", key.1));
            return;
        };
        response.refused = slot.lock().await.release(key).err();
        self.wake.notify_one();
    }

    fn change_homes(&self, response: &mut Response, change: impl FnOnce(&mut BTreeSet<PathBuf>) -> bool) {
        let mut homes = held(&self.homes);
        if change(&mut homes)
            && let Err(error) = write_json(&self.folder.join("homes.json"), &*homes)
        {
            response.refused = Some(format!("it cannot write down which environments it keeps: {error}"));
        }
    }
}

/// The names of the endpoints that have a record.
fn names(home: &Path) -> Vec<String> {
    let entries = fs::read_dir(home.join("endpoints")).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let records = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let stems = records.filter_map(|path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    // In a pod of its own there is one endpoint to keep: the others of the volume have theirs.
    let only = std::env::var(ONLY).ok();
    stems.filter(|stem| !stem.starts_with('.') && only.as_ref().is_none_or(|only| only == stem)).collect()
}
