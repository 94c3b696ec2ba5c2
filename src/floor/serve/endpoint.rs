//! An endpoint: its replicas, its router, and changes without a failed request.

use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::access::Limiter;
use super::capture::Capture;
use super::client::Client;
use super::hold::Holds;
use super::metrics::VariantMetrics;
use super::process::{Recipe, install_worker};
use super::replica::{EndpointEvent, Events, Replica, ReplicaStatus, Settings, Started, Surroundings};
use super::router::Router;
use super::routing::{Routing, Variant};
use super::scale::Scales;
use super::server::{Server, bind};
use super::spec::{EndpointSpec, LimitScope, ModelLabel, VariantSpec};
use super::window::Reading;
use crate::Problem;

/// What is added to the time of a request when its end is waited for.
const MARGIN: Duration = Duration::from_secs(1);

/// A running endpoint. Dropped, it ends in the background; `stop` waits for it.
pub struct Endpoint {
    surroundings: Arc<Surroundings>,
    router: Arc<Router>,
    server: Server,
    /// The listening socket once more, for whoever takes over.
    listening: OwnedFd,
    port: Arc<AtomicU16>,
    scales: Scales,
    holds: Holds,
}

/// Looks at a running endpoint, also while it changes.
#[derive(Clone)]
pub(super) struct Viewer {
    router: Arc<Router>,
    port: Arc<AtomicU16>,
}

/// What an endpoint looks like now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndpointStatus {
    /// Its name.
    pub name: String,
    /// The address it listens on.
    pub host: String,
    /// The port it listens on.
    pub port: u16,
    /// Its variants.
    pub variants: Vec<VariantStatus>,
}

/// What a variant looks like now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VariantStatus {
    /// Its name.
    pub name: String,
    /// The variant whose version it is to replace.
    #[serde(default)]
    pub of: Option<String>,
    /// Its share of the traffic in basis points.
    pub weight: u32,
    /// The model version behind it.
    pub model: ModelLabel,
    /// The digest of that version.
    pub digest: String,
    /// Its replicas.
    pub replicas: Vec<ReplicaStatus>,
    /// Requests it answered since the endpoint was started.
    pub requests: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// Requests of its share that others served.
    pub rerouted: u64,
    /// What it did in the last half minute.
    #[serde(default)]
    pub reading: Reading,
}

/// The replicas of a new picture: those that go on, and those that were started for it.
struct Staged {
    variants: Vec<Variant>,
    started: Vec<(Arc<Replica>, Started)>,
}

impl Endpoint {
    /// Binds the port, starts all replicas and waits until they are ready.
    ///
    /// # Errors
    /// When the specification is refused, the port is taken, or a replica does not become ready (with the
    /// last lines of its log); nothing is left running then.
    pub async fn start(spec: EndpointSpec, events: Events) -> Result<Self, Problem> {
        Self::start_on(None, spec, events).await
    }

    /// As `start`, on a socket that listens already where one is given.
    ///
    /// # Errors
    /// As `start`.
    pub(super) async fn start_on(
        listener: Option<TcpListener>,
        spec: EndpointSpec,
        events: Events,
    ) -> Result<Self, Problem> {
        spec.validate()?;
        let listener = match listener {
            Some(listener) => adopt(listener)?,
            None => bind(&spec.name, &spec.host, spec.port).await?,
        };
        let listening = duplicate(&listener)?;
        let port = local_port(&listener)?;
        let worker = install_worker(&spec.log_dir)?;
        let capture = open_capture(&spec)?;
        let client = Client::new();
        let surroundings =
            Arc::new(Surroundings { settings: RwLock::new(settings(&spec)), client: client.clone(), events });
        let holds = Holds::take(&spec.holds)?;
        let scales = Scales::default();
        let staged = stage(&spec, None, &surroundings, &worker, &scales);
        let variants = ready(staged).await?;
        let limiter = spec.limits.rate.as_ref().map(|rate| Arc::new(Limiter::new(rate)));
        let grace = drain_time(&spec);
        let routing = Arc::new(Routing::new(spec, variants, limiter, capture));
        let router = Arc::new(Router::new(routing, client));
        let server = Server::start(listener, Arc::clone(&router), grace);
        let port = Arc::new(AtomicU16::new(port));
        Ok(Self { surroundings, router, server, listening, port, scales, holds })
    }

    /// Goes over to another specification without a failed request: new replicas are ready before the router
    /// sends them anything, and old ones are stopped when their requests are answered. What differs in
    /// weights, limits or labels alone touches no process.
    ///
    /// # Errors
    /// As `start`; everything is then as it was.
    pub async fn apply(&mut self, spec: EndpointSpec) -> Result<(), Problem> {
        self.change(spec).await?.settle().await;
        Ok(())
    }

    /// The same without waiting for the requests under way: new ones go by the new specification already, and what is left
    /// of the old one ends when `settle` is called on what this gives.
    ///
    /// # Errors
    /// As `start`; everything is then as it was.
    pub(super) async fn change(&mut self, spec: EndpointSpec) -> Result<Leftover, Problem> {
        spec.validate()?;
        let old = self.router.routing();
        if spec.name != old.spec.name {
            return Err(Problem::new(
                "MLP0780",
                format!("endpoint `{}` cannot become `{}`", old.spec.name, spec.name),
            )
            .at("name"));
        }
        let port = self.port.load(Ordering::Relaxed);
        let moves = spec.host != old.spec.host || (spec.port != 0 && spec.port != port);
        let listener = if moves { Some(bind(&spec.name, &spec.host, spec.port).await?) } else { None };
        let new_port = listener.as_ref().map(local_port).transpose()?;
        let worker = install_worker(&spec.log_dir)?;
        let holds = Holds::take(&spec.holds)?;
        let capture = match &old.capture {
            Some(open) if Some(&open.spec) == spec.capture.as_ref() => Some(Arc::clone(open)),
            _ => open_capture(&spec)?,
        };
        let before = self.replace_settings(settings(&spec));
        let staged = stage(&spec, Some(&old), &self.surroundings, &worker, &self.scales);
        let variants = match ready(staged).await {
            Ok(variants) => variants,
            Err(problem) => {
                self.replace_settings(before);
                return Err(problem);
            }
        };
        let limiter = next_limiter(&spec, &old);
        let grace = drain_time(&spec).max(drain_time(&old.spec));
        let name = spec.name.clone();
        drop(old);
        let next = Arc::new(Routing::new(spec, variants, limiter, capture));
        let old = self.router.switch(Arc::clone(&next));
        (self.surroundings.events)(EndpointEvent::Switched { endpoint: name });
        let mut server = None;
        if let (Some(listener), Some(port)) = (listener, new_port) {
            self.listening = duplicate(&listener)?;
            self.port.store(port, Ordering::Relaxed);
            let here = Server::start(listener, Arc::clone(&self.router), grace);
            server = Some(std::mem::replace(&mut self.server, here));
        }
        // What only the old picture used is let go when it has ended.
        let held = std::mem::replace(&mut self.holds, holds);
        Ok(Leftover { old, next, server, grace, held })
    }

    /// Follows the load: replicas are added at once, and ended when they were too many for a while.
    ///
    /// # Errors
    /// A replica does not become ready; everything is then as it was.
    pub async fn scale(&mut self) -> Result<(), Problem> {
        let before = self.scales.clone();
        if !self.scales.look(&self.router.routing(), Instant::now()) {
            return Ok(());
        }
        let outcome = self.apply(self.spec()).await;
        if outcome.is_err() {
            self.scales = before;
        }
        outcome
    }

    /// What it looks like now.
    #[must_use]
    pub fn status(&self) -> EndpointStatus {
        self.viewer().status()
    }

    pub(super) fn viewer(&self) -> Viewer {
        Viewer { router: Arc::clone(&self.router), port: Arc::clone(&self.port) }
    }

    /// The listening socket, for a process that takes over.
    pub(super) fn listening(&self) -> std::io::Result<OwnedFd> {
        self.listening.try_clone()
    }

    /// Ends as `stop` does while another process serves the same port.
    pub(super) async fn leave(self) {
        let Self { surroundings, router, server, listening, .. } = self;
        drop(listening);
        server.leave().await;
        end(&surroundings, &router).await;
    }

    /// The specification it runs by.
    #[must_use]
    pub fn spec(&self) -> EndpointSpec {
        self.router.routing().spec.clone()
    }

    /// Closes the port, lets the requests under way finish, and ends all processes.
    pub async fn stop(self) {
        let Self { surroundings, router, server, listening, .. } = self;
        drop(listening);
        server.close().await;
        end(&surroundings, &router).await;
    }

    fn replace_settings(&self, settings: Settings) -> Settings {
        let mut current = self.surroundings.settings.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, settings)
    }
}

/// What is left of a specification that was replaced.
pub(super) struct Leftover {
    old: Arc<Routing>,
    next: Arc<Routing>,
    server: Option<Server>,
    grace: Duration,
    held: Holds,
}

impl Leftover {
    /// Waits for the requests under way and ends what only they need.
    pub(super) async fn settle(mut self) {
        if let Some(server) = self.server.take() {
            server.close().await;
        }
        drain(&self.old, self.grace).await;
        retire(&self.old, Some(&self.next)).await;
        drop(self.held);
    }
}

impl Viewer {
    /// What the endpoint looks like now.
    pub(super) fn status(&self) -> EndpointStatus {
        let routing = self.router.routing();
        EndpointStatus {
            name: routing.spec.name.clone(),
            host: routing.spec.host.clone(),
            port: self.port.load(Ordering::Relaxed),
            variants: routing.variants.iter().map(variant_status).collect(),
        }
    }
}

async fn end(surroundings: &Surroundings, router: &Router) {
    let routing = router.routing();
    retire(&routing, None).await;
    (surroundings.events)(EndpointEvent::Stopped { endpoint: routing.spec.name.clone() });
}

fn adopt(listener: TcpListener) -> Result<tokio::net::TcpListener, Problem> {
    let adopted = listener.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(listener));
    adopted.map_err(|error| Problem::new("MLP0781", format!("the port that was handed over: {error}")))
}

fn duplicate(listener: &tokio::net::TcpListener) -> Result<OwnedFd, Problem> {
    let copy = listener.as_fd().try_clone_to_owned();
    copy.map_err(|error| Problem::new("MLP0781", format!("the port cannot be kept: {error}")))
}

fn settings(spec: &EndpointSpec) -> Settings {
    Settings { health: spec.health.clone(), start_timeout: Duration::from_millis(spec.start_timeout_ms) }
}

/// The longest time until every request under way is answered: each may be sent twice.
fn drain_time(spec: &EndpointSpec) -> Duration {
    Duration::from_millis(spec.request_timeout_ms) * 2 + MARGIN
}

fn local_port(listener: &tokio::net::TcpListener) -> Result<u16, Problem> {
    let address = listener.local_addr();
    address
        .map(|address| address.port())
        .map_err(|error| Problem::new("MLP0781", format!("no port: {error}")))
}

fn open_capture(spec: &EndpointSpec) -> Result<Option<Arc<Capture>>, Problem> {
    spec.capture.as_ref().map(Capture::open).transpose().map(|capture| capture.map(Arc::new))
}

/// A limit that did not change goes on counting.
fn next_limiter(spec: &EndpointSpec, old: &Routing) -> Option<Arc<Limiter>> {
    let rate = spec.limits.rate.as_ref()?;
    let same_keys = rate.per == LimitScope::All || spec.auth == old.spec.auth;
    match &old.limiter {
        Some(limiter) if limiter.spec == *rate && same_keys => Some(Arc::clone(limiter)),
        _ => Some(Arc::new(Limiter::new(rate))),
    }
}

/// Starts what the specification needs beyond what runs already.
fn stage(
    spec: &EndpointSpec,
    old: Option<&Routing>,
    surroundings: &Arc<Surroundings>,
    worker: &Path,
    scales: &Scales,
) -> Staged {
    let mut staged = Staged { variants: Vec::new(), started: Vec::new() };
    for variant in &spec.variants {
        let before = old.and_then(|old| old.variants.iter().find(|before| before.spec.name == variant.name));
        let serving = old.and_then(|old| predecessor(old, variant));
        let mut replicas = serving.map(|before| kept(spec, old, before, variant)).unwrap_or_default();
        let count = scales.count(variant);
        replicas.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        for index in u32::try_from(replicas.len()).unwrap_or(u32::MAX)..count {
            let timeout = Duration::from_millis(spec.request_timeout_ms);
            let recipe = Recipe::of(&spec.name, variant, index, worker, timeout);
            let (replica, started) = Replica::start(recipe, Arc::clone(surroundings));
            staged.started.push((Arc::clone(&replica), started));
            replicas.push(replica);
        }
        let metrics = before.map_or_else(|| Arc::new(VariantMetrics::default()), |v| Arc::clone(&v.metrics));
        staged.variants.push(Variant::new(variant.clone(), replicas, metrics));
    }
    staged
}

/// The variant whose processes may go on as this one: the one of its name, or its own version that was rolled out.
fn predecessor<'r>(old: &'r Routing, variant: &VariantSpec) -> Option<&'r Variant> {
    let named = old.variants.iter().find(|before| before.spec.name == variant.name);
    let same = |before: &&Variant| before.spec.same_process(variant);
    let rolled_out = || {
        let of_it = |before: &&Variant| before.spec.of.as_deref() == Some(variant.name.as_str());
        old.variants.iter().filter(of_it).find(same)
    };
    named.filter(same).or_else(rolled_out).or(named)
}

/// The replicas of a variant that can serve its new form as they are.
fn kept(
    spec: &EndpointSpec,
    old: Option<&Routing>,
    before: &Variant,
    after: &VariantSpec,
) -> Vec<Arc<Replica>> {
    // The worker is told the time of a request and the place of its log when it is started.
    let same_place = old.is_some_and(|old| {
        old.spec.request_timeout_ms == spec.request_timeout_ms && old.spec.log_dir == spec.log_dir
    });
    if !same_place || !before.spec.same_process(after) {
        return Vec::new();
    }
    before.replicas.clone()
}

/// Waits until everything that was started is ready; if something is not, all of it is stopped.
async fn ready(staged: Staged) -> Result<Vec<Variant>, Problem> {
    let mut replicas = Vec::new();
    let mut starting = tokio::task::JoinSet::new();
    for (replica, started) in staged.started {
        replicas.push(replica);
        starting.spawn(started);
    }
    let mut failure = None;
    // The first failure ends the wait: the others are stopped, ready or not.
    while let (None, Some(outcome)) = (&failure, starting.join_next().await) {
        if let Ok(Ok(Err(problem))) = outcome {
            failure = Some(problem);
        }
    }
    let Some(problem) = failure else { return Ok(staged.variants) };
    stop_all(replicas).await;
    Err(problem)
}

async fn stop_all(replicas: Vec<Arc<Replica>>) {
    let mut stopping = tokio::task::JoinSet::new();
    for replica in replicas {
        stopping.spawn(async move { replica.stop().await });
    }
    while stopping.join_next().await.is_some() {}
}

/// Waits until no request holds the old picture any more.
async fn drain(old: &Arc<Routing>, grace: Duration) {
    let answered = async {
        while Arc::strong_count(old) > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let _ = tokio::time::timeout(grace, answered).await;
}

/// Ends what an old picture has and the next one has not.
async fn retire(old: &Routing, next: Option<&Routing>) {
    let stays = |replica: &Arc<Replica>| {
        next.is_some_and(|next| {
            next.variants.iter().flat_map(|v| &v.replicas).any(|other| Arc::ptr_eq(other, replica))
        })
    };
    let gone = old.variants.iter().flat_map(|variant| &variant.replicas).filter(|replica| !stays(replica));
    stop_all(gone.cloned().collect()).await;
    if let Some(capture) = &old.capture {
        let continues =
            next.and_then(|next| next.capture.as_ref()).is_some_and(|other| Arc::ptr_eq(other, capture));
        if !continues {
            capture.close().await;
        }
    }
}

fn variant_status(variant: &Variant) -> VariantStatus {
    let (requests, errors) = variant.metrics.totals();
    VariantStatus {
        name: variant.spec.name.clone(),
        of: variant.spec.of.clone(),
        weight: variant.spec.weight,
        model: variant.spec.model.clone(),
        digest: variant.spec.digest.clone(),
        replicas: variant.replicas.iter().map(|replica| replica.status()).collect(),
        requests,
        errors,
        rerouted: variant.metrics.rerouted.load(Ordering::Relaxed),
        reading: variant.metrics.window.reading(),
    }
}
