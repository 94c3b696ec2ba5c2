//! Lower, observe, decide.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use mlp_diag::{Diagnostic, Diagnostics, SourceMap};
use mlp_plan::{Action, Mode, OriginKind, OriginText, Plan, PlanInput, PlanOptions, Refactor, decide};
use mlp_platform::{Origin, Platform};
use mlp_provider::{Desired, Observed, Owner, Provider, Seen, Session, Target};
use mlp_state::{Depot, Loaded, Record, State};
use mlp_value::facts::{Fact, Facts, Need};
use mlp_value::{KnownValue, ResourceId, Value};

use super::conditions::{Conditions, conditions, preconditions};
use super::depot::{depot, share_key};
use super::generate::{Generated, generate};
use super::kept::Made;
use super::lowering::{lower, origin, place};
use super::outputs::{self, Told};
use super::refactor::{Refactored, imports, refactor, with_imports};
use super::renames::Names;
use super::sealing::Sealing;
use super::undecided::{undecided, waiting_blocks};
use super::vault::Vault;

/// What a plan is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Apply, destroy, or only look.
    pub mode: Mode,
    /// Selectors.
    pub options: PlanOptions,
}

/// A plan with everything that carrying it out needs.
pub struct Planned {
    /// Whether an apply that broke off left calls whose outcome is not known.
    pub unsettled: bool,
    /// The decision.
    pub plan: Plan,
    /// The doing half.
    pub session: Arc<dyn Session>,
    /// The memory.
    pub store: Arc<dyn Depot>,
    /// The native resources as they should be.
    pub desired: Vec<Desired>,
    /// What must not be written down.
    pub vault: Arc<Vault>,
    /// Where the session works.
    pub target: Target,
    /// What must hold once it is applied.
    pub conditions: Conditions,
    /// What it was made of.
    pub made: Made,
}

impl Planned {
    /// The session an apply works with: behind the vault, and of that lineage: the first apply gives one, and what it makes
    /// must carry it.
    ///
    /// # Errors
    /// The target cannot be reached.
    pub async fn session_of(
        &self,
        provider: &dyn Provider,
        lineage: &str,
    ) -> Result<Arc<dyn Session>, Diagnostics> {
        let mut inner = self.session.clone();
        if self.target.lineage != lineage {
            let target = Target { lineage: lineage.to_owned(), ..self.target.clone() };
            inner = provider.connect(&target).await.map_err(|error| vec![*error.diagnostic])?;
        }
        Ok(Arc::new(Sealing { inner, vault: self.vault.clone() }))
    }

    /// Whether the sensitive values of a plan are those of now.
    pub fn knows_values_of(&self, plan: &Plan) -> bool {
        let known = |value: &mlp_eval::PlanValue| self.vault.unseal(value).is_ok();
        plan.steps.iter().all(|step| step.calls.iter().all(|call| known(&call.body)))
    }
}

/// Where an environment keeps its things.
pub fn home(directory: &FsPath, environment: &str) -> PathBuf {
    directory.join(".mlp").join(environment)
}

/// Tells other projects the outputs as they are now.
///
/// # Errors
/// The state cannot be read, or the outputs cannot be written.
pub fn publish(platform: &Platform, directory: &FsPath) -> Result<(), Diagnostic> {
    let depot = depot(platform, directory)?;
    let state = depot.read()?.state;
    outputs::publish(platform, directory, &*depot, &state)
}

/// Takes the outputs of an environment away that was destroyed.
///
/// # Errors
/// The store cannot be written.
pub fn withdraw(platform: &Platform, directory: &FsPath) -> Result<(), Diagnostic> {
    depot(platform, directory).and_then(|depot| outputs::withdraw(platform, directory, &*depot))
}

/// The session of the environment's provider.
///
/// # Errors
/// The target cannot be reached, or the state cannot be read.
pub async fn session_for(
    platform: &Platform,
    provider: &dyn Provider,
    directory: &FsPath,
) -> Result<(Arc<dyn Session>, Arc<dyn Depot>, Loaded), Diagnostics> {
    session_as(platform, provider, directory, false).await
}

/// The same; `take_over` says whether fields of other managers of the target are taken over.
async fn session_as(
    platform: &Platform,
    provider: &dyn Provider,
    directory: &FsPath,
    take_over: bool,
) -> Result<(Arc<dyn Session>, Arc<dyn Depot>, Loaded), Diagnostics> {
    let store = depot(platform, directory).map_err(|diagnostic| vec![diagnostic])?;
    let loaded = store.read().map_err(|diagnostic| vec![diagnostic])?;
    share_key(&*store, platform, directory).map_err(|diagnostic| vec![diagnostic])?;
    let target = Target { take_over, ..target(platform, directory, &loaded) };
    let session = provider.connect(&target).await.map_err(|error| vec![*error.diagnostic])?;
    Ok((session, store, loaded))
}

/// Where an environment's session works.
pub(super) fn target(platform: &Platform, directory: &FsPath, loaded: &Loaded) -> Target {
    let secrets = platform.declarations.values().filter(|declaration| declaration.kind == "secret");
    let secrets = secrets.filter_map(|secret| {
        let from = secret.body.field("from").and_then(Value::as_text)?;
        Some((secret.address.to_string(), from.to_owned()))
    });
    Target {
        project: platform.project.name.clone(),
        environment: platform.environment.name.clone(),
        lineage: loaded.state.lineage.clone(),
        directory: directory.display().to_string(),
        home: home(directory, &platform.environment.folder()).display().to_string(),
        provider: platform.environment.provider_body.known().unwrap_or(KnownValue::Null),
        program: std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default(),
        secrets: secrets.collect(),
        take_over: false,
    }
}

/// The blocks of what is imported and nothing declares.
///
/// # Errors
/// The target cannot be reached, or nothing can be written for one of the objects.
pub async fn generated(
    platform: &Platform,
    provider: &dyn Provider,
    directory: &FsPath,
) -> Result<Generated, Diagnostics> {
    let (session, ..) = session_for(platform, provider, directory).await?;
    generate(platform, provider, &*session).await
}

/// A target that cannot try a call knows of no other managers of a field either.
fn no_managers(provider: &dyn Provider) -> Diagnostic {
    let headline = format!("the provider `{}` knows no managers of fields", provider.kind());
    Diagnostic::error("MLP0931", headline)
        .note("`--force-conflicts` takes over fields that another manager has set")
        .help("leave `--force-conflicts` out: what was changed outside mlp is put back by every apply")
}

/// Makes a plan.
///
/// # Errors
/// Everything that stands in its way.
pub async fn make_plan(
    platform: &Platform,
    sources: &SourceMap,
    provider: &dyn Provider,
    directory: &FsPath,
    answer: &(dyn Fn(&Need) -> Fact + Sync),
    request: &Request,
) -> Result<Planned, Diagnostics> {
    let _stage = mlp_trace::stage("plan");
    let take_over = request.options.force_conflicts;
    let (session, store, loaded) = session_as(platform, provider, directory, take_over).await?;
    if take_over && !session.rehearses() {
        return Err(vec![no_managers(provider)]);
    }
    let state_directory = home(directory, &platform.environment.folder()).join("state");
    let vault = Vault::open(platform, &state_directory, provider, &loaded.state);
    let vault = Arc::new(vault.map_err(|diagnostic| vec![*diagnostic])?);
    let Refactored { state, mut refactor } = refactor(platform, &loaded.state, sources)
        .map_err(|diagnostics| with_places(diagnostics, platform, sources))?;
    let names = Names::of(&state);
    let (mut desired, mut warnings) = (Vec::new(), Vec::new());
    let mut facts = Facts::default();
    if request.mode != Mode::Destroy {
        placed(preconditions(platform), platform, sources)?;
        let mut lowering = lower(platform, provider, &names, &mut facts, answer);
        refactor.imports = imports(platform, &state, &lowering.desired, &*session, sources)
            .await
            .map_err(|diagnostics| with_places(diagnostics, platform, sources))?;
        let imported = with_imports(&names, &refactor.imports);
        if imported != names {
            lowering = lower(platform, provider, &imported, &mut facts, answer);
        }
        lowering.diagnostics.iter_mut().for_each(|diagnostic| vault.scrub(diagnostic));
        placed(lowering.diagnostics.clone(), platform, sources)?;
        warnings = with_places(lowering.diagnostics, platform, sources);
        desired = lowering.desired;
        let wanted: Vec<(&Desired, Option<&str>)> = desired
            .iter()
            .map(|one| (one, refactor.imports.get(&one.id).map(|import| import.identity.as_str())))
            .collect();
        let mut unknown = session.expect(&wanted).await.map_err(|error| vec![*error.diagnostic])?;
        unknown.iter_mut().for_each(|diagnostic| vault.scrub(diagnostic));
        placed(unknown, platform, sources)?;
    }
    let sealed = desired.iter_mut().map(|one| vault.seal_desired(one, platform, provider));
    let problems: Diagnostics = sealed.filter_map(|sealed| sealed.err()).map(|problem| *problem).collect();
    placed(problems, platform, sources)?;
    let sealing = Sealing { inner: session.clone(), vault: vault.clone() };
    let options = &request.options;
    let observed = observe(&sealing, provider, &state, &desired, (&refactor, options))
        .await
        .map_err(|diagnostics| with_places(diagnostics, platform, sources))?;
    let waiting = still_deferred(&*session, &desired)
        .await
        .map_err(|diagnostics| with_places(diagnostics, platform, sources))?;
    let provider_name = format!("{}.{}", platform.environment.provider.0, platform.environment.provider.1);
    let by_id: HashMap<&ResourceId, &Desired> = desired.iter().map(|one| (&one.id, one)).collect();
    let origins = |id: &ResourceId, path: &mlp_value::Path| {
        if path.is_root() {
            let span = platform.declarations.get(&id.address)?.header;
            return Some(origin_text(&Origin::Written { span }, sources));
        }
        origin(platform, by_id.get(id)?, path).map(|origin| origin_text(origin, sources))
    };
    let spec_digest = spec_digest(platform, sources);
    let decided = undecided(platform, &state);
    let sealing: Arc<dyn Session> = Arc::new(sealing);
    let mut anew = BTreeMap::new();
    // Once more for what the target says it can only make anew; what is made anew is not tried again.
    let mut plan = loop {
        let kinds = |kind: &str| provider.resource(kind);
        let (mut plan, mut diagnostics) = decide(&PlanInput {
            mode: request.mode,
            project: &platform.project.name,
            environment: &platform.environment.name,
            provider_name: &provider_name,
            desired: &desired,
            kinds: &kinds,
            provider,
            state: &decided,
            observed: &observed,
            origins: &origins,
            still_deferred: &waiting,
            options: &request.options,
            anew: &anew,
            spec_digest: &spec_digest,
            refactor: &refactor,
        });
        let told = diagnostics.iter_mut().chain(&mut plan.warnings);
        told.for_each(|diagnostic| vault.scrub(diagnostic));
        placed(diagnostics, platform, sources)?;
        let rehearsed = super::rehearsal::rehearse(&sealing, &plan).await;
        placed(rehearsed.refused, platform, sources)?;
        if rehearsed.anew.is_empty() {
            break plan;
        }
        anew.extend(rehearsed.anew);
    };
    plan.warnings.splice(0..0, platform.environment.notes.iter().cloned().chain(warnings));
    if request.mode != Mode::Destroy {
        let blocks = waiting_blocks(platform, &plan);
        plan.deferred.extend(blocks);
    }
    plan.context.place = session.place();
    fill_removals(&*session, provider, &mut plan).await?;
    let told = Told::of(&plan, &state, provider);
    let outputs = outputs::changes(platform, directory, &*store, (plan.mode, &told))
        .map_err(|diagnostic| vec![diagnostic])?;
    let conditions = match request.mode {
        Mode::Destroy => Conditions::default(),
        _ => {
            conditions(platform, &plan, &told).map_err(|problems| with_places(problems, platform, sources))?
        }
    };
    plan.outputs = outputs;
    plan.consequences = super::consequences::consequences(platform, &plan);
    let target = Target { take_over, ..target(platform, directory, &loaded) };
    let unsettled = !loaded.unfinished.is_empty();
    let made = Made::of(platform, sources, &facts);
    Ok(Planned { unsettled, plan, session, store, desired, vault, target, conditions, made })
}

pub(super) fn with_places(
    mut diagnostics: Diagnostics,
    platform: &Platform,
    sources: &SourceMap,
) -> Diagnostics {
    diagnostics.iter_mut().for_each(|diagnostic| place(diagnostic, platform, sources));
    diagnostics
}

pub(super) fn placed(
    diagnostics: Diagnostics,
    platform: &Platform,
    sources: &SourceMap,
) -> Result<(), Diagnostics> {
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(with_places(diagnostics, platform, sources));
    }
    Ok(())
}

/// The digest of the specification's text and of the values of its variables. Sensitive ones are not part of it: their
/// fingerprints stand in the plan itself.
fn spec_digest(platform: &Platform, sources: &SourceMap) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut add = |part: &str| {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    };
    // Where a value was given does not matter, but what it is.
    let values = |name: &str| mlp_config::VALUE_FILES.iter().any(|ending| name.ends_with(ending));
    let given = |name: &str| name.starts_with('<') || values(name) || name == "mlp.lock";
    for (_, name, text) in sources.files().filter(|(_, name, _)| !given(name)) {
        add(name);
        add(text);
    }
    for declaration in platform.declarations.values().filter(|one| one.kind == "variable") {
        add(&declaration.address.name);
        // A variable's value is plain data, which JSON always holds.
        let value = declaration.body.field("value");
        add(&value.and_then(|value| serde_json::to_string(value).ok()).unwrap_or_default());
    }
    hasher.finalize().to_hex().to_string()
}

fn origin_text(origin: &Origin, sources: &SourceMap) -> OriginText {
    let place = |span| sources.place(span);
    match origin {
        Origin::Written { span } => {
            OriginText { place: place(*span), environment: None, kind: OriginKind::Written }
        }
        Origin::Environment { name, span } => {
            OriginText { place: place(*span), environment: Some(name.clone()), kind: OriginKind::Environment }
        }
        Origin::Default => OriginText { place: String::new(), environment: None, kind: OriginKind::Default },
    }
}

/// Reads everything that is remembered or wanted.
async fn observe(
    session: &dyn Session,
    provider: &dyn Provider,
    state: &State,
    desired: &[Desired],
    (refactor, options): (&Refactor, &PlanOptions),
) -> Result<BTreeMap<ResourceId, Seen>, Diagnostics> {
    let _stage = mlp_trace::stage("observe");
    let identity = |desired: &'_ Desired| match refactor.imports.get(&desired.id) {
        Some(import) => import.identity.clone(),
        None => desired.identity.clone(),
    };
    let mut wanted: Vec<(&ResourceId, &str, String)> =
        desired.iter().map(|desired| (&desired.id, desired.kind.as_str(), identity(desired))).collect();
    // What is remembered is read by the identity it was created under.
    if options.no_refresh {
        // What is remembered counts as what is there; what is new may be there all the same.
        wanted.retain(|(id, ..)| !state.resources.contains_key(*id));
    } else {
        let remembered = state.resources.values();
        wanted.splice(
            0..0,
            remembered.map(|record| (&record.id, record.kind.as_str(), record.identity.clone())),
        );
    }
    wanted.sort_by_key(|(id, ..)| *id);
    wanted.dedup_by_key(|(id, ..)| *id);
    let mut observed = Vec::with_capacity(wanted.len());
    let mut problems = Diagnostics::new();
    for (id, kind, identity) in wanted {
        if provider.is_in_state(kind) {
            observed.push((id.clone(), state.resources.get(id).map_or(Seen::Absent, |it| remembered(it))));
            continue;
        }
        match session.read(kind, &identity).await {
            Ok(seen) => observed.push((id.clone(), seen)),
            Err(error) => problems.push(*error.diagnostic),
        }
    }
    if problems.is_empty() { Ok(observed.into_iter().collect()) } else { Err(problems) }
}

/// Of what lives in the state alone, the record is what is seen.
fn remembered(record: &Record) -> Seen {
    let (config, outputs) = (record.applied.clone(), record.outputs.clone());
    Seen::Present(Observed { config, outputs, owner: Owner::Mine })
}

async fn still_deferred(
    session: &dyn Session,
    desired: &[Desired],
) -> Result<BTreeSet<ResourceId>, Diagnostics> {
    let mut waiting = BTreeSet::new();
    for desired in desired.iter().filter(|desired| desired.deferred.is_some()) {
        if session.deferred(desired).await.map_err(|error| vec![*error.diagnostic])? {
            waiting.insert(desired.id.clone());
        }
    }
    Ok(waiting)
}

/// What each delete will lose, with sizes.
async fn fill_removals(
    session: &dyn Session,
    provider: &dyn Provider,
    plan: &mut Plan,
) -> Result<(), Diagnostics> {
    let deletes = plan.steps.iter_mut().filter(|step| step.action == Action::Delete);
    for step in deletes.filter(|step| !provider.is_in_state(&step.kind)) {
        step.removal =
            session.removal(&step.kind, &step.identity).await.map_err(|error| vec![*error.diagnostic])?;
    }
    Ok(())
}
