//! The supervisor: one process a project that keeps the endpoints of its environments as their records and the aliases
//! of their models say. It outlives the command and the terminal that started it.

pub(crate) mod client;
mod ingest;
mod process;
pub(crate) mod protocol;
mod spec;
mod vault;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mlp_floor::serve::{Endpoint, EndpointSpec};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, watch};

use crate::codes;
use crate::documents::{Document, Found, Place, write_json};
use crate::fault;
use crate::mlp_diag::{Blame, Diagnostic};
use protocol::{Ask, EndpointReport, PROTOCOL, Request, Response, Status, VERSION};
use vault::Vault;

pub(crate) use ingest::take as take_captured;
pub(crate) use spec::{environment, find_version, graph_of, launch, pin, version};
pub(crate) use vault::Variables;

/// How often aliases and records are looked at.
const TICK: Duration = Duration::from_secs(1);
/// How long an endpoint that could not be started is left alone.
const PAUSE: Duration = Duration::from_secs(10);

/// An environment's home and the endpoint's name in it.
type Key = (PathBuf, String);

/// One endpoint as it runs.
#[derive(Default)]
struct Slot {
    endpoint: Option<Endpoint>,
    spec: Option<EndpointSpec>,
    failed: Option<(EndpointSpec, Instant)>,
}

struct Supervisor {
    folder: PathBuf,
    slots: Mutex<BTreeMap<Key, Arc<tokio::sync::Mutex<Slot>>>>,
    reports: Mutex<BTreeMap<Key, EndpointReport>>,
    homes: Mutex<BTreeSet<PathBuf>>,
    /// What the records of each environment read from variables.
    variables: Mutex<BTreeMap<PathBuf, Variables>>,
    /// Ports that endpoints chose, so that they keep them.
    ports: Mutex<BTreeMap<Key, u16>>,
    pace: Arc<tokio::sync::Mutex<ingest::Pace>>,
    wake: Notify,
    end: watch::Sender<bool>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked left a whole value: nothing is changed in several steps.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The body of the background process of a project: returns when it is told to end, or at once when there is one already.
///
/// # Errors
/// It cannot work in the project's directory.
pub async fn supervise(directory: PathBuf) -> Result<(), Diagnostic> {
    // Fails where the process leads a session already, and that is what is wanted.
    let _ = rustix::process::setsid();
    let folder = protocol::folder(&directory);
    let failed = |doing: &str, error: &std::io::Error| {
        Diagnostic::error(codes::SUPERVISOR, format!("cannot {doing} in `{}`: {error}", folder.display()))
            .blame(Blame::Provider)
    };
    fs::create_dir_all(&folder).map_err(|error| failed("work", &error))?;
    let lock = fs::File::create(folder.join("lock")).map_err(|error| failed("lock", &error))?;
    if lock.try_lock().is_err() {
        return Ok(());
    }
    let before: Status = read(&folder.join("status.json"));
    process::end(&before.processes).await;
    let (socket, _open) = protocol::socket(&folder).map_err(|error| failed("listen", &error))?;
    let _ = fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).map_err(|error| failed("listen", &error))?;
    let (end, mut ended) = watch::channel(false);
    let ports = before
        .endpoints
        .into_iter()
        .filter_map(|report| Some(((report.home, report.name), report.state?.port)));
    let supervisor = Arc::new(Supervisor {
        slots: Mutex::default(),
        reports: Mutex::default(),
        homes: Mutex::new(read(&folder.join("homes.json"))),
        variables: Mutex::default(),
        ports: Mutex::new(ports.collect()),
        pace: Arc::default(),
        wake: Notify::new(),
        end,
        folder,
    });
    tokio::spawn(Arc::clone(&supervisor).listen(listener));
    let signal = |kind| tokio::signal::unix::signal(kind).ok();
    let mut terminate = signal(tokio::signal::unix::SignalKind::terminate());
    while !*ended.borrow() {
        supervisor.reconcile();
        supervisor.ingest();
        supervisor.write_status();
        let told = async {
            match &mut terminate {
                Some(terminate) => terminate.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = supervisor.wake.notified() => {}
            _ = ended.changed() => {}
            _ = told => break,
        }
    }
    supervisor.stop(|_| true).await;
    supervisor.write_status();
    let _ = fs::remove_file(&socket);
    Ok(())
}

fn read<T: serde::de::DeserializeOwned + Default>(path: &Path) -> T {
    // What cannot be read is as if it were not there: records say what is to run.
    fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

impl Supervisor {
    /// Looks at every record once; what has to change is done beside.
    fn reconcile(self: &Arc<Self>) {
        let homes = held(&self.homes).clone();
        let mut wanted = BTreeSet::new();
        for home in homes {
            for name in names(&home) {
                wanted.insert((home.clone(), name));
            }
        }
        let known: Vec<Key> = held(&self.slots).keys().cloned().collect();
        for key in known.into_iter().chain(wanted.iter().cloned()).collect::<BTreeSet<_>>() {
            let slot = Arc::clone(held(&self.slots).entry(key.clone()).or_default());
            // One that is being changed is looked at next time.
            let Ok(slot) = slot.try_lock_owned() else { continue };
            tokio::spawn(Arc::clone(self).settle(key, slot));
        }
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

    async fn settle(self: Arc<Self>, key: Key, mut slot: tokio::sync::OwnedMutexGuard<Slot>) {
        let place = Place::new(&key.0);
        let document = match place.find(&format!("endpoints/{}", key.1)) {
            Ok(Found::Document(document)) if held(&self.homes).contains(&key.0) => document,
            // Its record is gone, or its environment is no longer kept.
            Ok(Found::Absent | Found::Document(_)) => return self.drop_slot(&key, &mut slot).await,
            // What cannot be read does not end what runs.
            Ok(Found::Broken(_)) | Err(_) => return,
        };
        let port = held(&self.ports).get(&key).copied();
        let variables = held(&self.variables).get(&key.0).cloned().unwrap_or_default();
        let spec = match spec::build(&place, &document, port, &Vault::of(variables)) {
            Ok(spec) => spec,
            Err(error) => return self.report(&key, &document, &slot, Some(*error.diagnostic)),
        };
        if slot.spec.as_ref() == Some(&spec) {
            return self.report(&key, &document, &slot, None);
        }
        if slot.failed.as_ref().is_some_and(|(failed, until)| *failed == spec && Instant::now() < *until) {
            return;
        }
        let outcome = match &mut slot.endpoint {
            Some(endpoint) => endpoint.apply(spec.clone()).await,
            None => Endpoint::start(spec.clone(), Arc::new(|_| {}))
                .await
                .map(|endpoint| slot.endpoint = Some(endpoint)),
        };
        match outcome {
            Ok(()) => {
                let bound = slot.endpoint.as_ref().map(|endpoint| endpoint.status().port);
                held(&self.ports).extend(bound.map(|port| (key.clone(), port)));
                // With a chosen port the next look sees the port that was chosen.
                let port = if spec.port == 0 { bound.unwrap_or(0) } else { spec.port };
                slot.spec = Some(EndpointSpec { port, ..spec });
                slot.failed = None;
                self.report(&key, &document, &slot, None);
            }
            Err(problem) => {
                slot.failed = Some((spec, Instant::now() + PAUSE));
                let found = fault::diagnostic(&problem, document.address());
                self.report(&key, &document, &slot, Some(found));
            }
        }
        self.write_status();
    }

    async fn drop_slot(&self, key: &Key, slot: &mut Slot) {
        if let Some(endpoint) = slot.endpoint.take() {
            endpoint.stop().await;
        }
        held(&self.slots).remove(key);
        held(&self.reports).remove(key);
        self.write_status();
    }

    fn report(&self, key: &Key, document: &Document, slot: &Slot, error: Option<Diagnostic>) {
        let report = EndpointReport {
            home: key.0.clone(),
            name: key.1.clone(),
            document: document.digest.clone(),
            error,
            state: slot.endpoint.as_ref().map(Endpoint::status),
        };
        held(&self.reports).insert(key.clone(), report);
    }

    fn status(&self) -> Status {
        let slots: Vec<(Key, _)> =
            held(&self.slots).iter().map(|(key, slot)| (key.clone(), Arc::clone(slot))).collect();
        let mut reports = held(&self.reports);
        for (key, slot) in slots {
            if let (Ok(slot), Some(report)) = (slot.try_lock(), reports.get_mut(&key)) {
                report.state = slot.endpoint.as_ref().map(Endpoint::status);
            }
        }
        let endpoints: Vec<EndpointReport> = reports.values().cloned().collect();
        let replicas =
            endpoints.iter().filter_map(|report| report.state.as_ref()).flat_map(|state| &state.variants);
        let pids = replicas.flat_map(|variant| &variant.replicas).filter_map(|replica| replica.pid);
        let processes = pids.filter_map(|pid| Some((pid, process::started(pid)?))).collect();
        Status { pid: std::process::id(), endpoints, processes }
    }

    fn write_status(&self) {
        let path = self.folder.join("status.json");
        let status = self.status();
        if read::<Status>(&path) != status
            && let Err(error) = write_json(&path, &status)
        {
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
        let mut ends = false;
        match serde_json::from_str::<Request>(&line) {
            // Any version may ask who is there and tell it to end.
            Ok(request)
                if request.protocol == PROTOCOL || matches!(request.ask, Ask::Hello | Ask::Shutdown) =>
            {
                ends = self.answer(request.ask, &mut response).await;
            }
            Ok(request) => {
                response.refused = Some(format!("it does not speak protocol {}", request.protocol))
            }
            Err(error) => response.refused = Some(format!("it does not understand: {error}")),
        }
        let mut text = serde_json::to_vec(&response)?;
        text.push(b'\n');
        stream.write_all(&text).await?;
        stream.shutdown().await?;
        if ends {
            // Only a supervisor that is ending already has nobody who listens.
            let _ = self.end.send(true);
        }
        Ok(())
    }

    /// Does what is asked, and says whether it was the last.
    async fn answer(&self, ask: Ask, response: &mut Response) -> bool {
        match ask {
            Ask::Hello => {}
            Ask::Status => response.status = Some(self.status()),
            Ask::Reconcile { home, variables } => {
                held(&self.variables).insert(home.clone(), variables);
                self.change_homes(response, |homes| homes.insert(home));
                held(&self.slots)
                    .values()
                    .filter_map(|slot| slot.try_lock().ok().map(|mut slot| slot.failed = None))
                    .count();
                self.wake.notify_one();
            }
            Ask::StopEndpoint { home, name } => self.stop(|key| *key == (home.clone(), name.clone())).await,
            Ask::Forget { home } => {
                self.change_homes(response, |homes| homes.remove(&home));
                self.stop(|key| key.0 == home).await;
                return held(&self.homes).is_empty();
            }
            Ask::Shutdown => {
                self.stop(|_| true).await;
                return true;
            }
        }
        false
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
    stems.filter(|stem| !stem.starts_with('.')).collect()
}
