//! A lost state made anew from what lives: what carries our marks is found, read, and joined with what the specification says
//! of it. What lived only in the state is named, and the next plan creates it.
//!
//! What an object was last made as is not remembered any more, but it can be told apart: an object whose digest among its marks
//! still fits is as it was made, and where the specification says otherwise by now, that is a change like any other. One whose
//! digest does not fit was edited by somebody else: for it what the specification says counts as what was made, so that the
//! next plan shows the edit as drift.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path as FsPath;
use std::sync::Arc;

use mlp_diag::{Diagnostic, Diagnostics, SourceMap};
use mlp_platform::Platform;
use mlp_provider::{Desired, OnDestroy, Owned, Presence, Provider, ResourceKind, Seen, Session, Target};
use mlp_state::{Loaded, Record, State, Status};
use mlp_value::facts::{Fact, Facts, Need};
use mlp_value::{KnownValue, ResourceId};
use serde::Serialize;

use super::lowering::lower;
use super::planning::{home, placed, target, with_places};
use super::refactor::refactor;
use super::renames::Names;
use super::sealing::Sealing;
use super::vault::Vault;

/// What can be said of a rebuilt state.
#[derive(Debug, Serialize)]
pub struct Rebuilt {
    /// The state.
    #[serde(skip)]
    pub state: State,
    /// What lives and is remembered again.
    pub found: Vec<ResourceId>,
    /// Of those, what was edited since it was made.
    pub edited: Vec<ResourceId>,
    /// What lived only in the state: the next plan creates it.
    pub lost: Vec<ResourceId>,
    /// What the specification wants and nobody made or somebody deleted.
    pub absent: Vec<ResourceId>,
    /// What lives, carries our marks, and cannot be told whose declaration it was.
    pub unknown: Vec<String>,
}

/// What a state is rebuilt from.
pub struct Remains<'a> {
    /// The specification.
    pub platform: &'a Platform,
    /// Its text.
    pub sources: &'a SourceMap,
    /// The provider of the environment.
    pub provider: &'a dyn Provider,
    /// The project's directory.
    pub directory: &'a FsPath,
    /// Answers what the lowerings ask.
    pub answer: &'a (dyn Fn(&Need) -> Fact + Sync),
    /// What is still remembered, where the old state can be read.
    pub before: Option<&'a State>,
    /// The lineage to go on with, where several are found.
    pub lineage: Option<&'a str>,
}

/// Makes a state of what lives.
///
/// # Errors
/// The target does not answer or cannot tell what is ours, or the specification is wrong.
pub async fn rebuild(remains: &Remains<'_>) -> Result<Rebuilt, Diagnostics> {
    let (platform, provider, sources) = (remains.platform, remains.provider, remains.sources);
    let place = |diagnostics| with_places(diagnostics, platform, sources);
    let folder = platform.environment.folder();
    let mut empty = State::empty(&platform.project.name, &folder);
    let nobody = Loaded { state: empty.clone(), unfinished: Vec::new() };
    let anybody = target(platform, remains.directory, &nobody);
    let owned = listed(provider, &anybody).await.map_err(place)?;
    empty.lineage = lineage(&owned, remains).map_err(|problem| vec![*problem])?;
    let ours = Target { lineage: empty.lineage.clone(), ..anybody };
    let session = provider.connect(&ours).await.map_err(|error| vec![*error.diagnostic])?;
    let owned: Vec<Owned> =
        owned.into_iter().filter(|one| one.lineage == empty.lineage || one.lineage.is_empty()).collect();

    // What was made under another address is found by the blocks that say where it went.
    let mut skeleton = empty.clone();
    let provider_name = format!("{}.{}", platform.environment.provider.0, platform.environment.provider.1);
    owned.iter().filter_map(|one| bare(one, &provider_name)).for_each(|record| skeleton.put(record));
    let skeleton = refactor(platform, &skeleton, sources).map_err(place)?.state;
    let lowering = lower(platform, provider, &Names::of(&skeleton), &mut Facts::default(), remains.answer);
    placed(lowering.diagnostics, platform, sources)?;
    let state_directory = home(remains.directory, &folder).join("state");
    let vault = Arc::new(
        Vault::open(platform, &state_directory, provider, &empty).map_err(|problem| vec![*problem])?,
    );
    let mut desired = lowering.desired;
    for one in &mut desired {
        vault.seal_desired(one, platform, provider).map_err(|problem| place(vec![*problem]))?;
    }
    let joining = Joining {
        session: Sealing { inner: session, vault },
        provider,
        provider_name,
        desired: desired.iter().map(|one| (one.identity.as_str(), one)).collect(),
        renamed: skeleton.resources.values().map(|record| (record.identity.as_str(), &**record)).collect(),
        places: &|one: &Desired| {
            let declaration = platform.declarations.get(&one.id.address)?;
            Some(sources.place(declaration.header))
        },
    };
    let mut rebuilt = Rebuilt {
        state: empty,
        found: Vec::new(),
        edited: Vec::new(),
        lost: Vec::new(),
        absent: Vec::new(),
        unknown: Vec::new(),
    };
    for one in &owned {
        joining.add(one, &mut rebuilt).await.map_err(place)?;
    }
    rebuilt.account(&desired, provider, remains.before);
    Ok(rebuilt)
}

async fn listed(provider: &dyn Provider, target: &Target) -> Result<Vec<Owned>, Diagnostics> {
    let session = provider.connect(target).await.map_err(|error| vec![*error.diagnostic])?;
    session.owned().await.map_err(|error| vec![*error.diagnostic])?.ok_or_else(|| {
        vec![
            Diagnostic::error("MLP0954", "the provider of this environment does not list what it made").help(
                "bring a copy of the state back with `mlp state push`, or take objects over with `import`",
            ),
        ]
    })
}

/// The lineage to go on with: that of what lives.
fn lineage(owned: &[Owned], remains: &Remains<'_>) -> Result<String, Box<Diagnostic>> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for one in owned.iter().filter(|one| !one.lineage.is_empty()) {
        *counts.entry(&one.lineage).or_default() += 1;
    }
    if let Some(wanted) = remains.lineage {
        if counts.contains_key(wanted) {
            return Ok(wanted.to_owned());
        }
        let known: Vec<&str> = counts.keys().copied().collect();
        let error = Diagnostic::error("MLP0954", format!("nothing here is of the lineage `{wanted}`"));
        return Err(Box::new(error.help(mlp_diag::one_of(wanted, known))));
    }
    match counts.len() {
        0 => Ok(remains.before.map(|before| before.lineage.clone()).unwrap_or_default()),
        1 => Ok(counts.into_keys().next().unwrap_or_default().to_owned()),
        _ => {
            let each: Vec<String> =
                counts.iter().map(|(lineage, count)| format!("{count} objects of {lineage}")).collect();
            Err(Box::new(
                Diagnostic::error("MLP0954", "what lives here was made by several states")
                    .note(each.join(", "))
                    .help("choose one with `--lineage`"),
            ))
        }
    }
}

/// A record that knows only what marks tell.
fn bare(owned: &Owned, provider: &str) -> Option<Record> {
    Some(Record {
        id: owned.id.clone()?,
        kind: owned.resource.clone(),
        provider: provider.to_owned(),
        identity: owned.identity.clone(),
        applied: KnownValue::object::<&str>([]),
        outputs: KnownValue::object::<&str>([]),
        depends_on: Vec::new(),
        protect: false,
        keep: false,
        schema_version: 1,
        lowering_version: 1,
        status: Status::Ready,
        place: None,
        made_as: None,
    })
}

/// What lives, joined with what the specification says of it.
struct Joining<'a> {
    session: Sealing,
    provider: &'a dyn Provider,
    provider_name: String,
    desired: BTreeMap<&'a str, &'a Desired>,
    /// By identity, under the address each has now.
    renamed: BTreeMap<&'a str, &'a Record>,
    places: &'a (dyn Fn(&Desired) -> Option<String> + Sync),
}

impl Joining<'_> {
    async fn add(&self, owned: &Owned, rebuilt: &mut Rebuilt) -> Result<(), Diagnostics> {
        let seen = self.session.read(&owned.resource, &owned.identity).await;
        let Seen::Present(seen) = seen.map_err(|error| vec![*error.diagnostic])? else { return Ok(()) };
        let desired = self.desired.get(owned.identity.as_str()).copied();
        let base = self.renamed.get(owned.identity.as_str()).map(|record| Record::clone(record));
        let known = desired.map(|one| Owned { id: Some(one.id.clone()), ..owned.clone() });
        let base = base.or_else(|| bare(&known?, &self.provider_name));
        let Some(mut record) = base else {
            rebuilt.unknown.push(format!("{} `{}`", owned.resource, owned.identity));
            return Ok(());
        };
        let kind = self.provider.resource(&owned.resource);
        record.schema_version = kind.map_or(1, |kind| kind.schema_version);
        record.outputs = seen.outputs;
        record.applied = seen.config;
        if let Some(desired) = desired {
            record.id = desired.id.clone();
            record.depends_on = desired.depends_on.iter().cloned().collect();
            record.protect = desired.lifecycle.protect;
            record.keep = desired.lifecycle.on_destroy == OnDestroy::Keep;
            record.lowering_version = desired.lowering_version;
            record.place = (self.places)(desired);
            if !owned.untouched {
                record.applied = as_specified(&record.applied, desired, kind, &owned.whole);
            }
        }
        if !owned.untouched {
            rebuilt.edited.push(record.id.clone());
        }
        rebuilt.found.push(record.id.clone());
        rebuilt.state.put(record);
        Ok(())
    }
}

/// What the specification says, and of what is seen only what the target gives or what cannot be said before an apply.
fn as_specified(
    seen: &KnownValue,
    desired: &Desired,
    kind: Option<&ResourceKind>,
    whole: &BTreeMap<String, KnownValue>,
) -> KnownValue {
    let given = |name: &str| {
        let field = kind.and_then(|kind| kind.field(name));
        field.is_some_and(|field| matches!(field.presence, Presence::Computed | Presence::ServerDefault))
    };
    let mut all = BTreeMap::new();
    for (name, value) in seen.as_object().into_iter().flatten() {
        let said = desired.config.field(name);
        if said.map_or_else(|| given(name), |said| said.known().is_err()) {
            all.insert(name.clone(), value.clone());
        }
    }
    for (name, value) in desired.config.as_object().into_iter().flatten() {
        all.extend(value.known().ok().map(|known| (name.clone(), known)));
    }
    all.extend(whole.iter().map(|(name, value)| (name.as_str().into(), value.clone())));
    KnownValue::object(all)
}

impl Rebuilt {
    /// Says what is not there, and takes over what only the old state knows.
    fn account(&mut self, desired: &[Desired], provider: &dyn Provider, before: Option<&State>) {
        let kept = before.into_iter().flat_map(|state| state.resources.values());
        kept.filter(|record| provider.is_in_state(&record.kind))
            .for_each(|record| self.state.put(record.clone()));
        let here: BTreeSet<ResourceId> = self.state.resources.keys().cloned().collect();
        for one in desired.iter().filter(|one| !here.contains(&one.id)) {
            if provider.is_in_state(&one.kind) {
                self.lost.push(one.id.clone());
            } else if one.deferred.is_none() {
                self.absent.push(one.id.clone());
            }
        }
    }
}
