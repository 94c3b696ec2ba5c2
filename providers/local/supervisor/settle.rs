//! One endpoint: what it is to be now, and making it so.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mlp_floor::Problem;
use mlp_floor::serve::{EndpointSpec, Keeper, VariantStatus, View};

use super::protocol::{EndpointReport, VERSION, is_older, keeper_folder};
use super::rollout::{Policy, Rollouts, taken_back, with_versions};
use super::{Key, Supervisor, held, process, spec};
use crate::documents::{Document, Found, Place, write_json};
use crate::fault::{self, Fallible};
use crate::mlp_diag::Diagnostic;

/// How long an endpoint that could not be started is left alone.
const PAUSE: Duration = Duration::from_secs(10);
/// How often in a row a process that lives may leave a question unanswered before it is given up.
const PATIENCE: u32 = 6;
/// How far back a look at a rollout may count: what lies longer back was not watched.
const WATCHED: Duration = Duration::from_secs(5);

/// One endpoint as it runs.
#[derive(Default)]
pub(super) struct Slot {
    keeper: Option<Keeper>,
    view: Option<View>,
    unanswered: u32,
    /// The digest of a specification that could not be applied, and until when it is not tried again.
    failed: Option<(String, Instant)>,
    rollouts: Option<Rollouts>,
    /// Since when the version on its way is watched, if what runs is what the rollouts ask for.
    watched: Option<Instant>,
}

/// What an endpoint is to be.
struct Wanted {
    spec: EndpointSpec,
    policy: Option<Policy>,
}

impl Slot {
    /// Whether a version is on its way.
    pub(super) fn under_way(&self) -> bool {
        self.rollouts.as_ref().is_some_and(Rollouts::under_way)
    }

    /// What failed is tried again at once.
    pub(super) fn forgive(&mut self) {
        self.failed = None;
    }

    /// Lets versions that were taken out be tried again.
    pub(super) fn release(&mut self, key: &Key) -> Result<(), String> {
        self.failed = None;
        let Some(rollouts) = &mut self.rollouts else {
            return Err(format!("endpoint `{}` has no version that is held", key.1));
        };
        if !rollouts.release() {
            return Err(format!("endpoint `{}` has no version that is held", key.1));
        }
        let written = rollouts.write(&Place::new(&key.0), &key.1);
        written.map_err(|error| format!("it cannot write down that versions are released: {error}"))
    }

    fn running(&self) -> &[VariantStatus] {
        let status = self.view.as_ref().and_then(|view| view.status.as_ref());
        status.map(|status| status.variants.as_slice()).unwrap_or_default()
    }

    fn runs(&self, digest: &str) -> bool {
        self.view.as_ref().is_some_and(|view| view.spec.as_deref() == Some(digest))
    }
}

impl Supervisor {
    pub(super) async fn settle(self: Arc<Self>, key: Key, mut slot: tokio::sync::OwnedMutexGuard<Slot>) {
        let place = Place::new(&key.0);
        let document = match place.find(&format!("endpoints/{}", key.1)) {
            Ok(Found::Document(document)) if held(&self.homes).contains(&key.0) => document,
            // Its record is gone, or its environment is no longer kept.
            Ok(Found::Absent | Found::Document(_)) => return self.drop_slot(&key, &mut slot).await,
            // What cannot be read does not end what runs.
            Ok(Found::Broken(_)) | Err(_) => return,
        };
        self.look(&key, &mut slot).await;
        let wanted = match self.wanted(&key, &mut slot, &place, &document) {
            Ok(wanted) => wanted,
            Err(error) => return self.report(&key, &document, &slot, None, Some(*error.diagnostic)),
        };
        let policy = wanted.policy;
        let digest = wanted.spec.digest();
        let older = slot.view.as_ref().is_some_and(|view| is_older(&view.version, VERSION));
        if slot.runs(&digest) && !older {
            slot.failed = None;
            return self.report(&key, &document, &slot, policy.as_ref(), None);
        }
        if slot.failed.as_ref().is_some_and(|(failed, until)| *failed == digest && Instant::now() < *until) {
            return;
        }
        slot.watched = None;
        self.report_held(&key, &slot, policy.as_ref());
        match self.apply(&key, &mut slot, wanted.spec, older).await {
            Ok(()) => {
                slot.failed = None;
                let port = slot.view.as_ref().and_then(|view| view.status.as_ref()).map(|status| status.port);
                held(&self.ports).extend(port.map(|port| (key.clone(), port)));
                self.report(&key, &document, &slot, policy.as_ref(), None);
            }
            Err(problem) => {
                let error = self.refused(&key, &mut slot, &place, &digest, &problem);
                let found = error.map(|problem| fault::diagnostic(&problem, document.address()));
                self.report(&key, &document, &slot, policy.as_ref(), found);
            }
        }
        self.write_status();
    }

    /// What could not be applied: a new version is held, anything else is tried again later and told.
    fn refused(
        &self,
        key: &Key,
        slot: &mut Slot,
        place: &Place,
        digest: &str,
        problem: &Problem,
    ) -> Option<Problem> {
        let running = slot.running().to_vec();
        if let Some(rollouts) = slot.rollouts.as_mut().filter(|_| !running.is_empty())
            && rollouts.abort_new(&running, &problem.message)
        {
            match rollouts.write(place, &key.1) {
                Ok(()) => return None,
                Err(error) => eprintln!("cannot write down a rollout: {error}"),
            }
        }
        slot.failed = Some((digest.to_owned(), Instant::now() + PAUSE));
        Some(problem.clone())
    }

    /// Finds the process of the endpoint and asks it; one that is gone has left nothing afterwards.
    async fn look(&self, key: &Key, slot: &mut Slot) {
        let folder = keeper_folder(&self.folder, &key.0, &key.1);
        if slot.keeper.is_none() {
            slot.keeper = Keeper::find(&folder).await;
        }
        let Some(keeper) = slot.keeper.clone() else {
            Keeper::clear(&folder).await;
            return;
        };
        match keeper.view().await {
            Ok(view) => {
                held(&self.keepers).insert(key.clone(), keeper);
                (slot.view, slot.unanswered) = (Some(view), 0);
            }
            Err(_) if keeper.lives() && slot.unanswered < PATIENCE => slot.unanswered += 1,
            Err(problem) => {
                eprintln!("{}: {}", key.1, problem.message);
                Keeper::clear(&folder).await;
                held(&self.keepers).remove(key);
                *slot = Slot { rollouts: slot.rollouts.take(), ..Slot::default() };
            }
        }
    }

    /// What is to be served now, by the record, the aliases and the rollouts, which are moved on and written down first.
    fn wanted(&self, key: &Key, slot: &mut Slot, place: &Place, document: &Document) -> Fallible<Wanted> {
        let port = held(&self.ports).get(key).copied();
        let vault = self.vault(&key.0);
        let spec = spec::build(place, document, port, &vault)?;
        let policy = Policy::of(&document.config);
        let Some(policy) = policy else {
            if slot.rollouts.take().is_some() {
                Rollouts::remove(place, &key.1);
            }
            return Ok(Wanted { spec, policy: None });
        };
        let before = slot.rollouts.clone().unwrap_or_else(|| Rollouts::read(place, &key.1));
        let mut rollouts = before.clone();
        rollouts.follow(&spec, slot.running(), &taken_back(place, document)?);
        if rollouts == before {
            self.watch(slot, &mut rollouts, &policy);
        } else {
            slot.watched = None;
        }
        let build = |versions: &_| spec::build(place, &with_versions(document, versions), port, &vault);
        let composed = rollouts.compose(spec, &policy, build)?;
        if rollouts.differs(&before) {
            let path = place.home.join("rollouts");
            rollouts.write(place, &key.1).map_err(|error| fault::io("write", &path, &error))?;
        }
        if slot.runs(&composed.digest()) && rollouts.under_way() {
            slot.watched.get_or_insert_with(Instant::now);
        }
        slot.rollouts = Some(rollouts);
        Ok(Wanted { spec: composed, policy: Some(policy) })
    }

    /// Counts the time since the last look for the version on its way, and judges it.
    fn watch(&self, slot: &mut Slot, rollouts: &mut Rollouts, policy: &Policy) {
        let Some(since) = slot.watched else { return };
        let now = Instant::now();
        rollouts.look(policy, slot.running(), now.duration_since(since).min(WATCHED));
        slot.watched = Some(now);
    }

    async fn apply(
        &self,
        key: &Key,
        slot: &mut Slot,
        spec: EndpointSpec,
        older: bool,
    ) -> Result<(), Problem> {
        let folder = keeper_folder(&self.folder, &key.0, &key.1);
        let keeper = match slot.keeper.clone() {
            Some(keeper) if older => keeper.replace(process::keeper(), spec).await?,
            Some(keeper) => {
                keeper.apply(spec).await?;
                keeper
            }
            None => {
                self.remember()
                    .map_err(|error| Problem::io("MLP0786", "write down in", &self.folder, &error))?;
                let keeper = Keeper::start(&folder, &process::keeper()).await?;
                if let Err(problem) = keeper.apply(spec).await {
                    // Nothing is left running.
                    let _ = keeper.stop().await;
                    return Err(problem);
                }
                keeper
            }
        };
        slot.view = Some(keeper.view().await?);
        held(&self.keepers).insert(key.clone(), keeper.clone());
        slot.keeper = Some(keeper);
        Ok(())
    }

    /// Writes down whose processes may run, before one is started.
    fn remember(&self) -> std::io::Result<()> {
        let known: BTreeSet<Key> = held(&self.slots).keys().cloned().collect();
        write_json(&self.folder.join("endpoints.json"), &known)
    }

    /// Ends an endpoint with its process and forgets it.
    pub(super) async fn drop_slot(&self, key: &Key, slot: &mut Slot) {
        let folder = keeper_folder(&self.folder, &key.0, &key.1);
        let keeper = match slot.keeper.take() {
            Some(keeper) => Some(keeper),
            None => Keeper::find(&folder).await,
        };
        if let Some(keeper) = keeper
            && let Err(problem) = keeper.stop().await
        {
            eprintln!("{}: {}", key.1, problem.message);
        }
        Keeper::clear(&folder).await;
        held(&self.keepers).remove(key);
        held(&self.slots).remove(key);
        held(&self.reports).remove(key);
        *slot = Slot::default();
        if let Err(error) = self.remember() {
            eprintln!("cannot write down in `{}`: {error}", self.folder.display());
        }
        // What rolled out is of no use without its endpoint; an environment that is only left alone keeps it.
        if let Ok(Found::Absent) = Place::new(&key.0).find(&format!("endpoints/{}", key.1)) {
            Rollouts::remove(&Place::new(&key.0), &key.1);
            let _ = std::fs::remove_dir_all(&folder);
        }
        self.write_status();
    }

    /// Tells at once of a version that is taken out: doing so waits for the requests under way.
    fn report_held(&self, key: &Key, slot: &Slot, policy: Option<&Policy>) {
        let rollouts = slot.rollouts.as_ref().zip(policy);
        let told = rollouts.map(|(rollouts, policy)| rollouts.report(policy, slot.running()));
        if let (Some(report), Some(told)) = (held(&self.reports).get_mut(key), told)
            && told.iter().any(|one| one.held_at.is_some())
        {
            report.rollouts = told;
        }
    }

    fn report(
        &self,
        key: &Key,
        document: &Document,
        slot: &Slot,
        policy: Option<&Policy>,
        error: Option<Diagnostic>,
    ) {
        let rollouts = slot.rollouts.as_ref().zip(policy);
        let report = EndpointReport {
            home: key.0.clone(),
            name: key.1.clone(),
            document: document.digest.clone(),
            error,
            state: slot.view.as_ref().and_then(|view| view.status.clone()),
            rollouts: rollouts
                .map(|(rollouts, policy)| rollouts.report(policy, slot.running()))
                .unwrap_or_default(),
        };
        held(&self.reports).insert(key.clone(), report);
    }
}
