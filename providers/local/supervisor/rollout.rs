//! Rollouts: how a new version of a model takes over the share of its variant, step by step, and gives it back.
//!
//! What is decided is written down before it is done, so that whoever supervises next goes on from there. A step is held for
//! time in which somebody looked: neither a supervisor that was away nor a clock that was changed shortens it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use mlp_floor::registry::Registry;
use mlp_floor::serve::{EndpointSpec, MOST_FAILURES, Reading, VariantSpec, VariantStatus};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::conditions;
use super::protocol::RolloutReport;
use crate::documents::{Document, Found, Place, write_json};
use crate::fault::{Fallible, fault};
use crate::mlp_eval::Quoted;
use crate::mlp_value::{KnownValue, Number, units};
use crate::time::{now_ms, rfc3339};

const FORMAT_VERSION: u32 = 1;
/// A replica that was started anew so often during a rollout does not stay up.
const MOST_RESTARTS: u32 = 3;

/// How a new version takes over.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Policy {
    /// Percentages of the variant's share; the last one is 100.
    steps: Vec<u32>,
    hold: Duration,
    abort_on: Vec<Quoted>,
}

/// A version of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Version {
    number: u64,
    digest: String,
}

/// A version on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Next {
    version: Version,
    step: usize,
    /// For how long the step was held.
    held_ms: u64,
}

/// A version that is not tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    version: Version,
    /// When it was taken out, in milliseconds since 1970.
    at: u64,
    why: String,
}

/// One variant: what serves it, what is on its way and what was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Track {
    serving: Version,
    #[serde(default)]
    next: Option<Next>,
    #[serde(default)]
    held: Option<Held>,
}

/// The variants whose alias was taken back and is held there.
pub(super) fn taken_back(place: &Place, document: &Document) -> Fallible<BTreeSet<String>> {
    let failed = |problem: mlp_floor::Problem| fault(&problem, document.address());
    let variants = document.config.field("variant").and_then(KnownValue::as_object);
    let mut found = BTreeSet::new();
    if variants.is_none() || !place.registry().is_file() {
        return Ok(found);
    }
    let registry = Registry::open(&place.registry()).map_err(failed)?;
    for (name, variant) in variants.into_iter().flat_map(|variants| variants.iter()) {
        let word = |name: &str| variant.field(name).and_then(KnownValue::as_text);
        let (Some(model), Some(alias)) = (word("model"), word("alias")) else { continue };
        if registry.model(model).map_err(failed)?.is_none() {
            continue;
        }
        let aliases = registry.aliases(model).map_err(failed)?;
        if aliases.iter().any(|known| known.alias == alias && known.held) {
            found.insert(name.to_string());
        }
    }
    Ok(found)
}

/// The variants of an endpoint, as they are kept on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rollouts {
    format_version: u32,
    variants: BTreeMap<String, Track>,
}

impl From<&VariantSpec> for Version {
    fn from(variant: &VariantSpec) -> Self {
        Self { number: variant.model.version, digest: variant.digest.clone() }
    }
}

impl Policy {
    /// What the record of an endpoint says; none where a new version takes over at once.
    pub(super) fn of(config: &KnownValue) -> Option<Self> {
        let rollout = config.field("rollout")?;
        let steps = rollout.field("steps").and_then(KnownValue::as_list).unwrap_or_default();
        let steps = steps.iter().filter_map(|step| step.as_number()?.to_i64()?.try_into().ok()).collect();
        let hold = rollout.field("hold_ms").and_then(KnownValue::as_number).and_then(Number::to_i64);
        let abort_on = rollout.field("abort_on").and_then(KnownValue::as_list).unwrap_or_default();
        Some(Self {
            steps,
            hold: Duration::from_millis(hold.and_then(|hold| hold.try_into().ok()).unwrap_or(0)),
            abort_on: abort_on.iter().filter_map(Quoted::of).collect(),
        })
    }

    fn percent(&self, step: usize) -> u32 {
        self.steps.get(step).copied().unwrap_or(100)
    }
}

impl Next {
    /// It as it runs.
    fn among<'v>(&self, variant: &str, running: &'v [VariantStatus]) -> Option<&'v VariantStatus> {
        let is_it = |seen: &&VariantStatus| {
            seen.of.as_deref() == Some(variant) && seen.model.version == self.version.number
        };
        running.iter().find(is_it)
    }
}

impl Track {
    fn serving(version: Version) -> Self {
        Self { serving: version, next: None, held: None }
    }

    /// The alias names a version.
    fn follow(&mut self, wanted: &Version) {
        if self.held.as_ref().is_some_and(|held| held.version != *wanted) {
            self.held = None;
        }
        if self.serving == *wanted || self.held.is_some() {
            self.next = None;
        } else if self.next.as_ref().is_none_or(|next| next.version != *wanted) {
            self.next = Some(Next { version: wanted.clone(), step: 0, held_ms: 0 });
        }
    }

    /// Somebody looked at the version on its way, which has its share since before `elapsed`.
    fn look(&mut self, policy: &Policy, seen: &VariantStatus, elapsed: Duration) {
        let Some(next) = &mut self.next else { return };
        let restarts = seen.replicas.iter().map(|replica| replica.restarts).max().unwrap_or(0);
        if restarts >= MOST_RESTARTS {
            return self.abort(format!("its replicas do not stay up: started anew {restarts} times"));
        }
        if seen.reading.failed_in_a_row >= MOST_FAILURES {
            return self.abort(format!("the last {MOST_FAILURES} answers in a row failed"));
        }
        if let Some(why) =
            policy.abort_on.iter().find_map(|condition| conditions::fires(condition, &seen.reading))
        {
            return self.abort(why);
        }
        let elapsed = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        next.held_ms = next.held_ms.saturating_add(elapsed);
        let whole =
            seen.replicas.iter().all(|replica| replica.state == mlp_floor::serve::ReplicaState::Ready);
        if u128::from(next.held_ms) < policy.hold.as_millis() || !whole {
            return;
        }
        (next.step, next.held_ms) = (next.step + 1, 0);
        if next.step >= policy.steps.len() {
            let version = next.version.clone();
            *self = Self::serving(version);
        }
    }

    fn abort(&mut self, why: String) {
        if let Some(next) = self.next.take() {
            self.held = Some(Held { version: next.version, at: now_ms(), why });
        }
    }
}

impl Rollouts {
    fn path(place: &Place, name: &str) -> PathBuf {
        place.home.join("rollouts").join(format!("{name}.json"))
    }

    /// What was written down; nothing where there was nothing, or nothing that can be read: what runs says what serves.
    pub(super) fn read(place: &Place, name: &str) -> Self {
        let text = std::fs::read(Self::path(place, name)).ok();
        let found: Option<Self> = text.and_then(|text| serde_json::from_slice(&text).ok());
        found.filter(|found| found.format_version == FORMAT_VERSION).unwrap_or_default()
    }

    pub(super) fn write(&self, place: &Place, name: &str) -> std::io::Result<()> {
        write_json(&Self::path(place, name), &Self { format_version: FORMAT_VERSION, ..self.clone() })
    }

    pub(super) fn remove(place: &Place, name: &str) {
        // What is not there needs no removing.
        let _ = std::fs::remove_file(Self::path(place, name));
    }

    /// Every alias names a version. A variant that nothing is known of is served by what runs, or by that at once; so is one
    /// whose alias was taken back: what it goes back to has served before, and whoever took it back does not want to wait.
    pub(super) fn follow(
        &mut self,
        wanted: &EndpointSpec,
        running: &[VariantStatus],
        taken_back: &BTreeSet<String>,
    ) {
        self.variants.retain(|name, _| wanted.variants.iter().any(|variant| variant.name == *name));
        for variant in &wanted.variants {
            let version = Version::from(variant);
            let track = self.variants.entry(variant.name.clone()).or_insert_with(|| {
                let runs = running.iter().find(|runs| runs.name == variant.name && runs.of.is_none());
                let runs =
                    runs.map(|runs| Version { number: runs.model.version, digest: runs.digest.clone() });
                Track::serving(runs.unwrap_or_else(|| version.clone()))
            });
            // Without a share there is nothing to take over in steps.
            if variant.weight == 0 || taken_back.contains(&variant.name) {
                *track = Track::serving(version);
            } else {
                track.follow(&version);
            }
        }
    }

    /// Somebody looked at what runs, which is what these rollouts ask for since before `elapsed`.
    pub(super) fn look(&mut self, policy: &Policy, running: &[VariantStatus], elapsed: Duration) {
        for (name, track) in &mut self.variants {
            if let Some(seen) = track.next.as_ref().and_then(|next| next.among(name, running)) {
                track.look(policy, seen, elapsed);
            }
        }
    }

    /// What could not even be started is not tried again; whether there was any.
    pub(super) fn abort_new(&mut self, running: &[VariantStatus], why: &str) -> bool {
        let mut any = false;
        for (name, track) in &mut self.variants {
            if track.next.as_ref().is_some_and(|next| next.among(name, running).is_none()) {
                track.abort(format!("it could not be started: {why}"));
                any = true;
            }
        }
        any
    }

    /// Lets held versions be tried again; whether there were any.
    pub(super) fn release(&mut self) -> bool {
        self.variants.values_mut().filter_map(|track| track.held.take()).count() > 0
    }

    /// Whether there is more to write down than a part of a second.
    pub(super) fn differs(&self, other: &Self) -> bool {
        let seconds = |rollouts: &Self| {
            let mut rollouts = rollouts.clone();
            let next = rollouts.variants.values_mut().filter_map(|track| track.next.as_mut());
            next.for_each(|next| next.held_ms /= 1_000);
            rollouts.variants
        };
        seconds(self) != seconds(other)
    }

    /// Whether a version is on its way.
    pub(super) fn under_way(&self) -> bool {
        self.variants.values().any(|track| track.next.is_some())
    }

    /// What is served now: from a specification by the aliases and a way to make one by other versions.
    pub(super) fn compose<E>(
        &self,
        wanted: EndpointSpec,
        policy: &Policy,
        with_versions: impl FnOnce(&BTreeMap<String, u64>) -> Result<EndpointSpec, E>,
    ) -> Result<EndpointSpec, E> {
        let behind = |variant: &&VariantSpec| {
            self.variants.get(&variant.name).is_some_and(|track| track.serving != Version::from(*variant))
        };
        let kept: BTreeMap<String, u64> = wanted
            .variants
            .iter()
            .filter(behind)
            .filter_map(|variant| {
                Some((variant.name.clone(), self.variants.get(&variant.name)?.serving.number))
            })
            .collect();
        if kept.is_empty() {
            return Ok(wanted);
        }
        let serving = with_versions(&kept)?;
        let mut variants = Vec::new();
        for new in wanted.variants {
            let Some(old) =
                serving.variants.iter().find(|old| old.name == new.name && kept.contains_key(&old.name))
            else {
                variants.push(new);
                continue;
            };
            let next = self.variants.get(&new.name).and_then(|track| track.next.as_ref());
            let part = next.map_or(0, |next| share(new.weight, policy.percent(next.step)));
            variants.push(VariantSpec { weight: new.weight - part, ..old.clone() });
            if next.is_some() {
                variants.push(new.rolled_out(part));
            }
        }
        Ok(EndpointSpec { variants, ..wanted })
    }

    /// What people are told of it.
    pub(super) fn report(&self, policy: &Policy, running: &[VariantStatus]) -> Vec<RolloutReport> {
        let mut found = Vec::new();
        for (name, track) in &self.variants {
            if let Some(next) = &track.next {
                let seen = next.among(name, running);
                let step = step(next, track.serving.number, policy);
                let figures = figures(next, policy, seen.map(|seen| &seen.reading));
                found.push(RolloutReport {
                    variant: name.clone(),
                    version: next.version.number,
                    held_at: None,
                    text: format!("{step}, {figures}"),
                    step,
                });
            }
            if let Some(held) = &track.held {
                found.push(RolloutReport {
                    variant: name.clone(),
                    version: held.version.number,
                    held_at: Some(held.at),
                    step: String::new(),
                    text: format!(
                        "version {} was taken out at {} and is held: {}; version {} serves",
                        held.version.number,
                        rfc3339(held.at),
                        held.why,
                        track.serving.number
                    ),
                });
            }
        }
        found
    }
}

/// A percentage of a share in basis points; of a share there is always some.
fn share(weight: u32, percent: u32) -> u32 {
    let part = (u64::from(weight) * u64::from(percent) + 50) / 100;
    u32::try_from(part).unwrap_or(weight).clamp(1, weight)
}

fn step(next: &Next, serving: u64, policy: &Policy) -> String {
    format!(
        "version {} takes over from version {serving}: step {} of {}, {} % of its share",
        next.version.number,
        next.step + 1,
        policy.steps.len(),
        policy.percent(next.step)
    )
}

fn figures(next: &Next, policy: &Policy, reading: Option<&Reading>) -> String {
    let left = policy.hold.saturating_sub(Duration::from_millis(next.held_ms));
    let left = Duration::from_secs(left.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX));
    match reading {
        None => "starting".to_owned(),
        Some(reading) => {
            format!("held for another {}; {}", units::format_duration(left), conditions::describe(reading))
        }
    }
}

/// The record of an endpoint with other versions in place of those its aliases name.
pub(super) fn with_versions(document: &Document, versions: &BTreeMap<String, u64>) -> Document {
    let mut changed = document.clone();
    let mut pinned =
        document.resolved.get("pinned").and_then(|pinned| pinned.as_object().cloned()).unwrap_or_default();
    pinned.extend(versions.iter().map(|(name, number)| (name.clone(), json!(number))));
    if !changed.resolved.is_object() {
        changed.resolved = json!({});
    }
    changed.resolved["pinned"] = pinned.into();
    changed
}

/// The versions of a model that rollouts of an environment still serve or are about to: no alias may name them any more.
pub(crate) fn needed(place: &Place, model: &str) -> Vec<u64> {
    let entries = std::fs::read_dir(place.home.join("rollouts")).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| Some(entry.path().file_stem()?.to_string_lossy().into_owned()));
    names.flat_map(|name| of_model(place, &name, model)).collect()
}

fn of_model(place: &Place, name: &str, model: &str) -> Vec<u64> {
    // Without its record nothing is served.
    let Ok(Found::Document(document)) = place.find(&format!("endpoints/{name}")) else { return Vec::new() };
    let serves = |variant: &str| {
        let written = document.config.field("variant").and_then(|variants| variants.field(variant));
        written.and_then(|variant| variant.field("model")).and_then(KnownValue::as_text) == Some(model)
    };
    let tracks = Rollouts::read(place, name).variants.into_iter().filter(|(variant, _)| serves(variant));
    tracks
        .flat_map(|(_, track)| {
            track.next.map(|next| next.version.number).into_iter().chain([track.serving.number])
        })
        .collect()
}

#[cfg(test)]
#[path = "rollout_tests.rs"]
mod tests;
