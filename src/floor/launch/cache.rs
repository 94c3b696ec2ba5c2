//! Results that are reused, and the reason of each decision.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::code::{copy_path, remove_tree, replace_tree, unique_name};
use super::report::{Artifact, now_ms, write_json};
use super::spec::{CacheKey, CacheSpec, OutputSpec, Segment, StepSpec};
use crate::Problem;
use crate::digest::digest_path;

/// Everything that decides what a step computes. Secrets are no part of it: they are never written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeyParts {
    pub(crate) format_version: u32,
    pub(crate) pipeline: String,
    pub(crate) step: String,
    pub(crate) code: String,
    pub(crate) command: Vec<Segment>,
    pub(crate) params: BTreeMap<String, Value>,
    pub(crate) inputs: BTreeMap<String, Option<String>>,
    pub(crate) runtime: String,
    pub(crate) outputs: BTreeMap<String, OutputSpec>,
}

impl KeyParts {
    /// Without what does not count.
    pub(crate) fn counting(mut self, key: CacheKey) -> Self {
        let ignored = || "not counted".to_string();
        if !key.code {
            self.code = ignored();
        }
        if !key.inputs {
            self.inputs.values_mut().for_each(|digest| *digest = Some(ignored()));
        }
        if !key.params {
            self.params.clear();
        }
        if !key.runtime {
            self.runtime = ignored();
        }
        self
    }

    /// The name of the results under which they are kept.
    pub(crate) fn key(&self) -> Result<String, Problem> {
        let text = serde_json::to_vec(self).map_err(|error| {
            Problem::new("MLP0763", format!("the cache key of a step cannot be written: {error}"))
        })?;
        Ok(blake3::hash(&text).to_hex().to_string())
    }
}

/// What a step was when it last ended well, to say what changed since.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LastRun {
    pub(crate) key: String,
    pub(crate) parts: KeyParts,
    pub(crate) files: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    run_id: String,
    created_ms: u64,
    outputs: BTreeMap<String, Kept>,
    metrics: Map<String, Value>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    file: String,
    #[serde(flatten)]
    artifact: Artifact,
}

/// The decision about one step.
#[derive(Debug)]
pub(crate) enum Lookup {
    Hit { reason: String, outputs: BTreeMap<String, Artifact>, metrics: Map<String, Value> },
    Miss { reason: String },
}

/// The cache of one step.
#[derive(Debug, Clone)]
pub(crate) struct StepCache {
    root: PathBuf,
    last: PathBuf,
    /// Why the step always runs, if it does.
    off: Option<&'static str>,
    ttl_seconds: Option<u64>,
    key: CacheKey,
}

impl StepCache {
    /// The cache of a step of a pipeline. One without outputs is there for its effect, which no file is.
    pub(crate) fn new(root: &Path, pipeline: &str, step: &StepSpec) -> Self {
        let folder = pipeline.replace(|c: char| !c.is_ascii_alphanumeric() && !"._-".contains(c), "_");
        let off = match step.cache {
            Some(CacheSpec { enabled: true, .. }) => None,
            Some(_) => Some("the cache of this step is off"),
            None if step.outputs.is_empty() => Some("it has no outputs, so it always runs"),
            None => None,
        };
        Self {
            root: root.to_path_buf(),
            last: root.join("last").join(folder).join(format!("{}.json", step.name)),
            off,
            ttl_seconds: step.cache.and_then(|cache| cache.ttl_seconds),
            key: step.cache.map(|cache| cache.key).unwrap_or_default(),
        }
    }

    /// Looks for results and says why they are or are not there.
    pub(crate) fn look_up(&self, now: &LastRun) -> Lookup {
        if let Some(reason) = self.off {
            return Lookup::Miss { reason: reason.into() };
        }
        let dir = self.root.join(&now.key);
        let miss = |reason: String| Lookup::Miss { reason: format!("miss: {reason}") };
        let entry: Entry = match read_json(&dir.join("entry.json")) {
            Some(entry) => entry,
            None if dir.exists() => return miss("cached output was damaged".into()),
            None => return miss(self.explain(now)),
        };
        if let Some(ttl) = self.ttl_seconds
            && now_ms().saturating_sub(entry.created_ms) > ttl.saturating_mul(1000)
        {
            return miss(format!("cached output is older than {ttl} s"));
        }
        let mut outputs = BTreeMap::new();
        for (name, kept) in entry.outputs {
            let path = dir.join(&kept.file);
            if !digest_path(&path).is_ok_and(|digest| digest == kept.artifact.digest) {
                return miss("cached output was damaged".into());
            }
            outputs.insert(name, Artifact { path, ..kept.artifact });
        }
        let reason = format!("hit: {} as in run {}", self.key.words(), entry.run_id);
        Lookup::Hit { reason, outputs, metrics: entry.metrics }
    }

    /// Keeps copies of the results of a step that ended well.
    pub(crate) fn keep(
        &self,
        now: &LastRun,
        run_id: &str,
        outputs: &BTreeMap<String, Artifact>,
        metrics: &Map<String, Value>,
    ) -> Result<(), Problem> {
        if self.off.is_some() {
            return Ok(());
        }
        // Another run was faster; somebody may be reading what it kept.
        if matches!(self.look_up(now), Lookup::Hit { .. }) {
            return Ok(());
        }
        let failed = |error: std::io::Error| Problem::io("MLP0763", "keep results in", &self.root, &error);
        let temporary = self.root.join(unique_name());
        let mut entry = Entry {
            run_id: run_id.to_string(),
            created_ms: now_ms(),
            outputs: BTreeMap::new(),
            metrics: metrics.clone(),
        };
        std::fs::create_dir_all(&temporary).map_err(failed)?;
        for (name, artifact) in outputs {
            let file = artifact.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let file = format!("o-{file}");
            copy_path(&artifact.path, &temporary.join(&file)).map_err(failed)?;
            entry.outputs.insert(name.clone(), Kept { file, artifact: artifact.clone() });
        }
        write_json(&temporary.join("entry.json"), &entry)?;
        let placed = replace_tree(&temporary, &self.root.join(&now.key));
        placed.inspect_err(|_| remove_tree(&temporary)).map_err(failed)
    }

    /// Remembers what the step is now, for the next explanation.
    pub(crate) fn remember(&self, now: &LastRun) -> Result<(), Problem> {
        // Most steps are what they were, and reading a file costs a fraction of writing one.
        if read_json::<LastRun>(&self.last).is_some_and(|last| last == *now) {
            return Ok(());
        }
        write_json(&self.last, now)
    }

    fn explain(&self, now: &LastRun) -> String {
        match read_json::<LastRun>(&self.last) {
            None => "first run".into(),
            Some(last) => explain(&last, now),
        }
    }
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// What differs between a step then and now.
fn explain(last: &LastRun, now: &LastRun) -> String {
    let mut reasons = Vec::new();
    if last.parts.code != now.parts.code {
        reasons.push(format!("code changed ({})", changed_files(&last.files, &now.files)));
    }
    if last.parts.command != now.parts.command {
        reasons.push("command changed".to_string());
    }
    for name in differing(&last.parts.params, &now.parts.params) {
        let show = |value: Option<&Value>| value.map(|value| shorten(&value.to_string()));
        reasons.push(match (show(last.parts.params.get(name)), show(now.parts.params.get(name))) {
            (Some(was), Some(is)) => format!("parameter {name} changed {was} → {is}"),
            (None, _) => format!("parameter {name} is new"),
            (_, None) => format!("parameter {name} is gone"),
        });
    }
    for name in differing(&last.parts.inputs, &now.parts.inputs) {
        reasons.push(format!("input {name} changed"));
    }
    if last.parts.runtime != now.parts.runtime {
        reasons.push(format!("runtime changed {} → {}", last.parts.runtime, now.parts.runtime));
    }
    for name in differing(&last.parts.outputs, &now.parts.outputs) {
        reasons.push(format!("declaration of output {name} changed"));
    }
    if reasons.is_empty() { "cached output is gone".into() } else { reasons.join("; ") }
}

fn differing<'a, V: PartialEq>(was: &'a BTreeMap<String, V>, is: &'a BTreeMap<String, V>) -> Vec<&'a str> {
    let mut names: Vec<&str> = was.keys().chain(is.keys()).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| was.get(*name) != is.get(*name));
    names
}

fn changed_files(was: &BTreeMap<String, String>, is: &BTreeMap<String, String>) -> String {
    let names = differing(was, is);
    let shown = names.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => "which files may be executed".into(),
        1..=3 => shown,
        more => format!("{shown} and {} more", more - 3),
    }
}

/// A text that fits into a line.
pub(crate) fn shorten(text: &str) -> String {
    shorten_to(text, 60)
}

/// A text of at most so many characters.
pub(crate) fn shorten_to(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_string();
    }
    format!("{}…", text.chars().take(longest - 1).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(code: &str, lr: f64) -> LastRun {
        let parts = KeyParts {
            format_version: 1,
            pipeline: "pipeline.p".into(),
            step: "fit".into(),
            code: code.into(),
            command: vec![],
            params: BTreeMap::from([("lr".to_string(), Value::from(lr))]),
            inputs: BTreeMap::from([("train".to_string(), Some("d1".to_string()))]),
            runtime: "python 3.11".into(),
            outputs: BTreeMap::new(),
        };
        let files = BTreeMap::from([("fit.py".to_string(), code.to_string())]);
        LastRun { key: parts.key().unwrap(), parts, files }
    }

    #[test]
    fn the_reason_names_every_change() {
        assert_eq!(explain(&last("c", 0.1), &last("c", 0.2)), "parameter lr changed 0.1 → 0.2");
        assert_eq!(explain(&last("c", 0.1), &last("d", 0.1)), "code changed (fit.py)");
        assert_eq!(explain(&last("c", 0.1), &last("c", 0.1)), "cached output is gone");
        let mut other = last("c", 0.1);
        other.parts.inputs.insert("train".into(), Some("d2".into()));
        other.parts.runtime = "python 3.12".into();
        let reason = explain(&last("c", 0.1), &other);
        assert_eq!(reason, "input train changed; runtime changed python 3.11 → python 3.12");
    }

    #[test]
    fn what_does_not_count_changes_nothing() {
        let key = CacheKey::of(&["inputs", "runtime"]);
        let key_of = |last: LastRun| last.parts.counting(key).key().unwrap();
        assert_eq!(key_of(last("c", 0.1)), key_of(last("d", 0.2)));
        let mut other = last("c", 0.1);
        other.parts.inputs.insert("train".into(), Some("d2".into()));
        assert_ne!(key_of(last("c", 0.1)), key_of(other));
        assert_eq!(CacheKey::of(&["code", "inputs"]).words(), "code and inputs");
    }

    #[test]
    fn kept_results_are_found_until_damaged_or_too_old() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("out");
        std::fs::write(&file, "x").unwrap();
        let artifact = Artifact {
            digest: digest_path(&file).unwrap(),
            path: file,
            kind: crate::launch::ArtifactType::File,
        };
        let root = dir.path().join("cache");
        let cache = |spec: Option<CacheSpec>| {
            let mut step = crate::launch::tests::step("fit", "true");
            step.outputs.insert("o".into(), OutputSpec::new(crate::launch::ArtifactType::File));
            step.cache = spec;
            StepCache::new(&root, "pipeline.p", &step)
        };
        let (cache, cache_with) = (cache(None), cache);
        let now = last("c", 0.1);
        let reason = |cache: &StepCache| match cache.look_up(&now) {
            Lookup::Hit { reason, .. } | Lookup::Miss { reason } => reason,
        };
        assert_eq!(reason(&cache), "miss: first run");
        let outputs = BTreeMap::from([("o".to_string(), artifact)]);
        cache.keep(&now, "r1", &outputs, &Map::new()).unwrap();
        assert_eq!(reason(&cache), "hit: code, inputs and parameters as in run r1");
        let off = CacheSpec { enabled: false, ttl_seconds: None, key: CacheKey::default() };
        assert_eq!(reason(&cache_with(Some(off))), "the cache of this step is off");
        let entry = root.join(&now.key).join("entry.json");
        let mut old: Entry = read_json(&entry).unwrap();
        old.created_ms = 0;
        write_json(&entry, &old).unwrap();
        let ttl = CacheSpec { enabled: true, ttl_seconds: Some(60), key: CacheKey::default() };
        assert_eq!(reason(&cache_with(Some(ttl))), "miss: cached output is older than 60 s");
        std::fs::remove_file(root.join(&now.key).join("o-out")).unwrap();
        assert_eq!(reason(&cache), "miss: cached output was damaged");
    }
}
