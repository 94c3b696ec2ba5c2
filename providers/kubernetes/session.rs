//! The doing half.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use mlp_provider::{
    Call, CallKind, Desired, ErrorClass, ForwardRequest, LogQuery, Observed, Owned, Owner, ProviderError,
    Ready, Removal, Reporter, RollbackRequest, RunEntry, RunRequest, RunSummary, Seen, Session, ShowQuery,
    Shown, StatusEntry, Target,
};
use serde_json::Value as Json;
use tokio::sync::Mutex;

use crate::cluster::{Applying, Cluster};
use crate::codes;
use crate::discovery::Discovery;
use crate::expected::Hope;
use crate::fault::{Fallible, fault, helped};
use crate::mlp_diag::{Diagnostic, Diagnostics};
use crate::mlp_value::ResourceId;
use crate::natives::{Health, NATIVES, Native, manifest, native};
use crate::shape::{Shape, differences};
use crate::{marks, names, pods};

/// How long one look at something that is not ready yet waits for news, in seconds.
const NEWS: u32 = 5;
/// How long a deletion may take, in looks.
const LOOKS: u32 = 60;
/// How the call is called that takes over what others made.
pub(crate) const TAKE: &str = "take";

/// A session with one cluster.
pub(crate) struct Kubernetes {
    pub(crate) cluster: Cluster,
    pub(crate) target: Target,
    /// What was found in each collection before anything was done.
    lists: Mutex<BTreeMap<(&'static str, &'static str, String), Found>>,
    /// What the cluster serves beside the kinds with a table.
    pub(crate) discovery: Discovery,
    /// What is wanted of objects, by their identities.
    pub(crate) hopes: Mutex<BTreeMap<String, Hope>>,
    /// Whether something was done: from then on every look is a call.
    acted: AtomicBool,
}

/// One object is read by itself, several of a kind by one list.
enum Found {
    Once,
    All(BTreeMap<String, Json>),
}

/// Where an object is.
#[derive(Clone, Copy)]
pub(crate) struct Place<'p> {
    pub native: &'static Native,
    pub namespace: &'p str,
    pub name: &'p str,
}

impl Place<'_> {
    pub(crate) fn said(&self) -> String {
        match self.native.namespaced() {
            true => format!("{} {}/{}", self.native.kind, self.namespace, self.name),
            false => format!("{} {}", self.native.kind, self.name),
        }
    }
}

impl Kubernetes {
    pub(crate) fn new(cluster: Cluster, target: &Target) -> Self {
        let target = target.clone();
        Self {
            cluster,
            target,
            lists: Mutex::default(),
            discovery: Discovery::default(),
            hopes: Mutex::default(),
            acted: AtomicBool::new(false),
        }
    }

    /// Where an object of a kind with a table is.
    pub(crate) fn place<'p>(&'p self, resource: &str, identity: &'p str) -> Fallible<Place<'p>> {
        let found = native(resource).zip(names::parts(identity, &self.cluster.namespace));
        let (native, (namespace, name)) = found.ok_or_else(|| {
            fault(ErrorClass::Invalid, codes::VALUE, format!("there is no `{resource}` called `{identity}`"))
        })?;
        Ok(Place { native, namespace, name })
    }

    pub(crate) async fn get(&self, place: Place<'_>) -> Fallible<Option<Json>> {
        self.cluster.get(place.native, place.namespace, place.name).await
    }

    /// An object as a plan sees it: by one list of its kind as soon as a second one is asked for.
    async fn look(&self, place: Place<'_>) -> Fallible<Option<Json>> {
        if self.acted.load(Ordering::Relaxed) {
            return self.get(place).await;
        }
        let mut lists = self.lists.lock().await;
        let key = (place.native.api, place.native.plural, place.namespace.to_owned());
        match lists.get(&key) {
            Some(Found::All(all)) => return Ok(all.get(place.name).cloned()),
            None => {
                lists.insert(key, Found::Once);
                drop(lists);
                return self.get(place).await;
            }
            Some(Found::Once) => {}
        }
        let what = format!("list {} in {}", place.native.plural, place.namespace);
        let all = self.cluster.all(place.native, &place.native.url(place.namespace), &what, None).await?;
        let name = |object: &Json| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let all: BTreeMap<String, Json> = all.into_iter().map(|object| (name(&object), object)).collect();
        let found = all.get(place.name).cloned();
        lists.insert(key, Found::All(all));
        Ok(found)
    }

    async fn observed(&self, place: Place<'_>, identity: &str, object: &Json) -> Fallible<Observed> {
        let hopes = self.hopes.lock().await;
        let hoped = hopes.get(identity).and_then(|hope| hope.shape.as_ref());
        marks::observed(place.native, object, (&self.target, &self.cluster.namespace), hoped)
            .map_err(|why| fault(ErrorClass::Fatal, codes::CLUSTER, format!("{}: {why}", place.said())))
    }

    /// The object that a call asks for, its configuration, and what of it is ours.
    async fn wanted(&self, call: &Call, place: Place<'_>) -> Fallible<(Json, Json, Shape)> {
        let config = call.body.known().map_err(|_| {
            fault(
                ErrorClass::Invalid,
                codes::VALUE,
                format!("{} has values that are not known", place.said()),
            )
        })?;
        let config = config.to_plain_json();
        let types = match place.native.is_whole() {
            true => self.discovery.types(&self.cluster, place.native).await?,
            false => None,
        };
        let shape = marks::shape(place.native, &config, types.as_ref());
        let mut object = manifest(place.native, place.namespace, place.name, &config);
        marks::mark(place.native, &mut object, &config, &shape, &self.target);
        Ok((object, config, shape))
    }

    async fn apply(&self, call: &Call, place: Place<'_>) -> Fallible<()> {
        let (mut object, ..) = self.wanted(call, place).await?;
        let there = self.get(place).await?;
        match (&there, call.kind) {
            (Some(there), _) if marks::owner(there, &self.target) != Owner::Mine => {
                self.takes(call, place, there)?;
            }
            (Some(there), _) if !there["metadata"]["deletionTimestamp"].is_null() => {
                let headline = format!("{} is still being deleted", place.said());
                return Err(fault(ErrorClass::Transient, codes::HELD, headline));
            }
            (None, CallKind::Update) => {
                let headline = format!("{} was deleted meanwhile", place.said());
                return Err(helped(fault(ErrorClass::Conflict, codes::REFUSED, headline), "plan again"));
            }
            _ => {}
        }
        if let Some(uid) = there.as_ref().and_then(|there| there["metadata"]["uid"].as_str()) {
            // Exactly this object is changed, not one that took its name.
            object["metadata"]["uid"] = uid.into();
        }
        let how = Applying { dry_run: false, force: self.target.take_over };
        self.cluster.apply(place.native, &object, how).await.map(drop)
    }

    /// Whether a call may take over an object that is not ours: one without marks, or with those of another state where that is
    /// asked for.
    fn takes(&self, call: &Call, place: Place<'_>, there: &Json) -> Fallible<()> {
        if !call.operation.ends_with(TAKE) {
            return Err(not_ours(place));
        }
        let foreign = marks::owner(there, &self.target) == Owner::Foreign;
        if !foreign || self.target.take_over {
            return Ok(());
        }
        let headline = format!("{} belongs to another state of mlp", place.said());
        let error = fault(ErrorClass::Conflict, codes::TAKEN, headline);
        let help = "have it forgotten there (`mlp state rm`), then take it over with `--force-conflicts`";
        Err(helped(error, help))
    }

    /// What an update is refused for that an object made anew would not be: the cluster says of a new one that it would take it.
    async fn only_anew(&self, place: Place<'_>, object: &Json, error: ProviderError) -> ProviderError {
        let mut new = object.clone();
        let head: String = place.name.chars().take(50).collect();
        new["metadata"]["name"] = format!("{head}-made-anew").into();
        let how = Applying { dry_run: true, force: false };
        match self.cluster.apply(place.native, &new, how).await {
            Ok(_) => {
                let mut said = error.diagnostic;
                let tried = format!("cannot apply {}: ", place.said());
                if let Some(reason) = said.headline.strip_prefix(&tried) {
                    said.headline = reason.to_owned();
                }
                ProviderError { class: ErrorClass::Fixed, diagnostic: said }
            }
            Err(_) => error,
        }
    }

    async fn delete(&self, place: Place<'_>, reporter: &dyn Reporter) -> Fallible<()> {
        let Some(there) = self.get(place).await? else { return Ok(()) };
        if marks::owner(&there, &self.target) != Owner::Mine {
            return Err(not_ours(place));
        }
        let url = place.native.url(place.namespace);
        let uid = there["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        self.cluster.delete(&url, place.name, &uid, &format!("delete {}", place.said())).await?;
        let mut last = there;
        for _ in 0..LOOKS {
            let now = self.get(place).await?;
            let Some(now) = now.filter(|now| now["metadata"]["uid"].as_str() == Some(&uid)) else {
                return Ok(());
            };
            if reporter.cancelled() {
                return Err(held(place, &now));
            }
            self.cluster.until(&url, &now, NEWS, &|_| false).await?;
            last = now;
        }
        Err(held(place, &last))
    }

    async fn health(&self, place: Place<'_>, object: &Json) -> Fallible<Health> {
        match marks::health(place.native, object) {
            Health::Going(_) if self.waits_for_its_pod(place, object).await? => Ok(Health::Ready),
            health => Ok(health),
        }
    }

    /// Whether a volume is made only when a pod asks for it, so that there is nothing to wait for.
    async fn waits_for_its_pod(&self, place: Place<'_>, object: &Json) -> Fallible<bool> {
        let class = object.pointer("/spec/storageClassName").and_then(Json::as_str);
        let Some(class) = class.filter(|_| place.native.kind == "PersistentVolumeClaim") else {
            return Ok(false);
        };
        const WAITS: &str = "WaitForFirstConsumer";
        let url = "/apis/storage.k8s.io/v1/storageclasses";
        match self.cluster.get_at(url, class, &format!("read the storage class {class}")).await {
            Ok(class) => Ok(class.is_some_and(|class| class["volumeBindingMode"] == WAITS)),
            // Who may not look at classes, which are the whole cluster's, is told by the claim a little later.
            Err(error) if error.class == ErrorClass::Denied => {
                let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
                let events = self.cluster.events(place.namespace, uid).await?;
                Ok(events.iter().any(|event| event["reason"] == WAITS))
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn owned_one(&self, native: &'static Native, object: &Json) -> Option<Owned> {
        let text = |name: &str| object["metadata"][name].as_str();
        let id = marks::resource(object).and_then(|text| text.parse::<ResourceId>().ok());
        Some(Owned {
            resource: native.name(),
            // What lies in no namespace is named as if it lay in the one of the session.
            identity: names::identity(
                native,
                text("namespace").unwrap_or(&self.cluster.namespace),
                text("name")?,
            ),
            id,
            lineage: marks::lineage(object).to_owned(),
            untouched: marks::untouched(native, object),
            whole: BTreeMap::new(),
        })
    }
}

fn not_ours(place: Place<'_>) -> ProviderError {
    helped(
        fault(
            ErrorClass::Conflict,
            codes::REFUSED,
            format!("{} exists and does not carry our marks", place.said()),
        ),
        "nothing that is not certainly ours is changed: give the declaration another name, or delete the object by hand",
    )
}

/// What is deleted and still there, and who holds it.
fn held(place: Place<'_>, object: &Json) -> ProviderError {
    let finalizers: Vec<&str> =
        object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let headline = match finalizers.as_slice() {
        [] => format!("{} is still there after it was deleted", place.said()),
        all => format!("{} is not let go: it waits for {}", place.said(), all.join(", ")),
    };
    let help = match finalizers.contains(&"kubernetes.io/pvc-protection") {
        true => "a pod still uses it: see which with `kubectl describe pvc`, and apply again when it is gone",
        false => {
            "each of these names belongs to a controller that has work left: see whether it runs, then apply again"
        }
    };
    helped(fault(ErrorClass::Fatal, codes::HELD, headline), help)
}

#[async_trait::async_trait]
impl Session for Kubernetes {
    fn place(&self) -> Option<String> {
        let cluster = &self.cluster;
        Some(format!(
            "cluster {} (context {}), namespace {}",
            cluster.server, cluster.name, cluster.namespace
        ))
    }

    async fn expect(&self, wanted: &[(&Desired, Option<&str>)]) -> Result<Diagnostics, ProviderError> {
        self.expected(wanted).await
    }

    async fn read(&self, resource: &str, identity: &str) -> Result<Seen, ProviderError> {
        let Some(place) = self.found(resource, identity).await? else { return Ok(Seen::Absent) };
        let Some(object) = self.look(place).await? else { return Ok(Seen::Absent) };
        let (place, object) = self.as_written(place, identity, object).await?;
        Ok(Seen::Present(self.observed(place, identity, &object).await?))
    }

    async fn perform(&self, call: &Call, reporter: &dyn Reporter) -> Result<(), ProviderError> {
        self.acted.store(true, Ordering::Relaxed);
        match (self.of_call(call).await?, call.kind) {
            (Some(place), CallKind::Delete) => {
                if let Some(object) = self.get(place).await? {
                    self.floor_forget(&object).await?;
                }
                self.delete(place, reporter).await
            }
            (Some(place), _) => self.apply(call, place).await,
            // What the cluster does not serve is not there.
            (None, CallKind::Delete) => Ok(()),
            (None, _) => {
                let headline = format!("the cluster does not serve the kind of `{}` yet", call.identity);
                Err(fault(ErrorClass::Transient, codes::KIND, headline))
            }
        }
    }

    fn rehearses(&self) -> bool {
        true
    }

    async fn rehearse(&self, call: &Call) -> Result<(), ProviderError> {
        // A kind that this specification itself defines is served after that.
        let Some(place) = self.of_call(call).await? else { return Ok(()) };
        let (object, config, shape) = self.wanted(call, place).await?;
        if call.operation.ends_with(TAKE)
            && let Some(there) = self.get(place).await?
        {
            self.takes(call, place, &there)?;
        }
        let how = Applying { dry_run: true, force: self.target.take_over };
        let made = match self.cluster.apply(place.native, &object, how).await {
            Ok(made) => made,
            Err(error)
                if error.class == ErrorClass::Invalid
                    && call.kind == CallKind::Update
                    && !call.operation.ends_with(TAKE)
                    && !place.native.stateful =>
            {
                return Err(self.only_anew(place, &object, error).await);
            }
            Err(error) => return Err(error),
        };
        let (wanted, found) = marks::came_to(place.native, &made, &config, &shape);
        let mut other = Vec::new();
        differences("", &wanted, &found, &mut other);
        match other.as_slice() {
            [] => Ok(()),
            all => Err(otherwise(place, &call.body, all)),
        }
    }

    async fn refused(&self, calls: &[(&ResourceId, &Call)]) -> Result<Diagnostics, ProviderError> {
        Self::refused(self, calls).await
    }

    async fn ready(&self, resource: &str, identity: &str) -> Result<Ready, ProviderError> {
        let Some(place) = self.found(resource, identity).await? else {
            return Ok(Ready::Wait("the cluster does not serve its kind yet".into()));
        };
        if place.native.health.is_none() {
            return Ok(Ready::Yes);
        }
        let Some(object) = self.get(place).await? else { return Ok(Ready::Wait("it is not there".into())) };
        match self.health(place, &object).await? {
            Health::Ready => return Ok(Ready::Yes),
            Health::Failed(why) => return self.never(place, &object, &why).await,
            Health::Going(_) => {}
        }
        let over = |now: &Json| !matches!(marks::health(place.native, now), Health::Going(_));
        self.cluster.until(&place.native.url(place.namespace), &object, NEWS, &over).await?;
        let Some(object) = self.get(place).await? else { return Ok(Ready::Wait("it is not there".into())) };
        match self.health(place, &object).await? {
            Health::Ready => Ok(Ready::Yes),
            Health::Failed(why) => self.never(place, &object, &why).await,
            Health::Going(doing) => {
                let seen = pods::look(&self.cluster, place, &object).await?;
                match seen.hopeless {
                    true => self.never(place, &object, &doing).await,
                    false => Ok(Ready::Wait(seen.said(&doing))),
                }
            }
        }
    }

    async fn removal(&self, resource: &str, identity: &str) -> Result<Option<Removal>, ProviderError> {
        let Some(place) = self.found(resource, identity).await? else { return Ok(None) };
        let Some(object) = self.get(place).await? else { return Ok(None) };
        match place.native.kind {
            _ if place.native.stateful => Ok(Some(volume(&object))),
            "Namespace" | "CustomResourceDefinition" if place.native.is_whole() => {
                Ok(Some(everything(&object)))
            }
            _ => self.floor_removal(&object).await,
        }
    }

    async fn deferred(&self, desired: &Desired) -> Result<bool, ProviderError> {
        self.waits(desired).await
    }

    async fn show(&self, query: &ShowQuery) -> Result<Option<Shown>, ProviderError> {
        let place = Self::place(self, &query.resource, &query.identity)?;
        self.floor_show(place, query).await
    }

    async fn rollback(&self, request: &RollbackRequest) -> Result<Option<Shown>, ProviderError> {
        let place = Self::place(self, &request.resource, &request.identity)?;
        self.floor_rollback(place, request).await
    }

    async fn release(&self, resource: &str, identity: &str) -> Result<bool, ProviderError> {
        let place = Self::place(self, resource, identity)?;
        self.floor_release(place).await
    }

    async fn run(&self, request: &RunRequest, reporter: &dyn Reporter) -> Result<RunSummary, ProviderError> {
        self.run_once(request, reporter).await
    }

    async fn runs(&self, address: Option<&str>, limit: u32) -> Result<Option<Vec<RunEntry>>, ProviderError> {
        self.runs_of(address, limit).await.map(Some)
    }

    async fn status(
        &self,
        resources: &[(ResourceId, String, String)],
    ) -> Result<Vec<StatusEntry>, ProviderError> {
        let mut entries = Vec::new();
        for (id, resource, identity) in resources {
            match self.found(resource, identity).await? {
                Some(place) => entries.push(self.status_of(id, place).await?),
                None => entries.push(StatusEntry {
                    id: id.clone(),
                    state: "missing".to_owned(),
                    lines: vec![format!("the cluster does not serve the kind of `{identity}`")],
                    detail: Json::Null,
                }),
            }
        }
        Ok(entries)
    }

    async fn owned(&self) -> Result<Option<Vec<Owned>>, ProviderError> {
        let selector = marks::selector(&self.target);
        let mut all = Vec::new();
        for native in NATIVES {
            let namespace = &self.cluster.namespace;
            let what = format!("list {} in {namespace}", native.plural);
            let found = self.cluster.all(native, &native.url(namespace), &what, Some(&selector)).await?;
            let by_fields = found.iter().filter(|object| !marks::was_whole(object));
            // A run is its pipeline's, and goes with it.
            let declared = by_fields.filter(|one| one["metadata"]["labels"][crate::run::RUN_OF].is_null());
            all.extend(declared.filter_map(|object| self.owned_one(native, object)));
        }
        all.extend(self.owned_whole(&marks::selector_anywhere(&self.target)).await?);
        Ok(Some(all))
    }

    async fn logs(&self, query: &LogQuery, reporter: &dyn Reporter) -> Result<(), ProviderError> {
        self.logs_of(query, reporter).await
    }

    fn forwards(&self) -> bool {
        true
    }

    async fn forward(
        &self,
        request: &ForwardRequest,
        opened: &(dyn Fn(String) + Send + Sync),
        reporter: &dyn Reporter,
    ) -> Result<(), ProviderError> {
        self.forward_to(request, opened, reporter).await
    }

    async fn close_environment(&self) -> Result<Vec<String>, ProviderError> {
        // What runs in the cluster ends with its objects.
        Ok(Vec::new())
    }
}

/// A volume that goes with what is deleted.
fn volume(object: &Json) -> Removal {
    let size =
        object.pointer("/status/capacity/storage").or(object.pointer("/spec/resources/requests/storage"));
    let size = size.and_then(Json::as_str).unwrap_or("unknown size");
    // How much of it is used no API tells.
    Removal { what: format!("a volume of {size}"), bytes: 0 }
}

/// What goes with an object that holds others.
fn everything(object: &Json) -> Removal {
    let what = match object.pointer("/spec/names/kind").and_then(Json::as_str) {
        Some(kind) => format!("every {kind} of the cluster"),
        None => "everything in it".to_owned(),
    };
    Removal { what, bytes: 0 }
}

impl Kubernetes {
    async fn never(&self, place: Place<'_>, object: &Json, why: &str) -> Fallible<Ready> {
        let seen = pods::look(&self.cluster, place, object).await?;
        let headline = format!("{} does not become ready: {why}", place.said());
        let diagnostic = Diagnostic::error(codes::NOT_READY, headline)
            .blame(crate::mlp_diag::Blame::Provider)
            .help("mend what the cluster says of it, then apply again; that is safe");
        Ok(Ready::Never(Box::new(seen.lines.into_iter().fold(diagnostic, Diagnostic::note))))
    }
}

/// What the cluster would make of an object in other words than ours: a plan could never be empty again.
fn otherwise(
    place: Place<'_>,
    body: &crate::mlp_eval::PlanValue,
    all: &[(String, Json, Json)],
) -> ProviderError {
    let headline = format!("the cluster would write {} of {} otherwise", fields(all), place.said());
    let mut diagnostic = Diagnostic::error(codes::VALUE, headline)
        .help("write it in the cluster's own words, so that a plan after the apply is empty");
    for (path, wanted, found) in all {
        let found = if found.is_null() { "nothing".to_owned() } else { format!("`{found}`") };
        diagnostic = diagnostic.note(format!("{path}: `{wanted}` becomes {found}"));
    }
    let address = body.field(crate::natives::ADDRESS).and_then(crate::mlp_value::Value::as_text);
    if let Some(id) = address.and_then(|text| text.parse::<ResourceId>().ok()) {
        let path = all.first().map_or("", |first| first.0.as_str());
        diagnostic = diagnostic.on(&id.address, path);
    }
    ProviderError::new(ErrorClass::Invalid, diagnostic)
}

fn fields(all: &[(String, Json, Json)]) -> String {
    all.iter().map(|(path, ..)| format!("`{path}`")).collect::<Vec<_>>().join(", ")
}
