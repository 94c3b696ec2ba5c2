//! `mlp gc`: mark what something leads to, sweep the rest. Only what lies in the environment's own directory is looked at.
//!
//! Marked are: what records name, what the versions of models that stay were made of, what kept runs used, what work under
//! way holds ([`crate::holds`]), and whatever is younger than a grace. A store is swept by the names of its objects, which
//! are digests: one that nothing names can be reached by nobody. What cannot be read ends the collection before it begins.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use mlp_floor::launch::{ENVIRONMENT, RunStatus};
use mlp_floor::registry::{AliasMove, Registry};
use mlp_provider::{CollectRequest, Collected, Garbage};
use serde_json::Value as Json;

use crate::documents::{Document, Found};
use crate::fault::{Fallible, fault, io};
use crate::holds::{self, digests_in, files, is_json};
use crate::mlp_value::units;
use crate::resources::{Ground, model_name};
use crate::run::text;
use crate::{dataset, retention, runs, time, triggers};

/// Collects, or says what would be collected.
pub(crate) fn collect(ground: &Ground, request: &CollectRequest) -> Fallible<Collected> {
    let _lock = holds::collecting(&ground.place)?;
    let mut sweep = Sweep::begin(ground, request)?;
    sweep.runs()?;
    sweep.model_versions()?;
    sweep.dataset_versions()?;
    sweep.model_directories()?;
    sweep.code()?;
    sweep.environments()?;
    sweep.cached_results()?;
    sweep.data_objects()?;
    sweep.leftovers()?;
    Ok(sweep.done)
}

struct Sweep<'a> {
    ground: &'a Ground,
    request: &'a CollectRequest,
    registry: Option<Registry>,
    /// Digests that something names.
    marked: BTreeSet<String>,
    /// Runs whose directories stay.
    kept_runs: BTreeSet<String>,
    /// What was made or changed since then stays, in milliseconds of Unix time.
    young: u64,
    /// Whether work goes on.
    busy: bool,
    done: Collected,
}

impl<'a> Sweep<'a> {
    fn begin(ground: &'a Ground, request: &'a CollectRequest) -> Fallible<Self> {
        let grace = u64::try_from(request.grace.as_millis()).unwrap_or(u64::MAX);
        let mut young = time::now_ms().saturating_sub(grace);
        let mut marked = holds::recorded(&ground.place)?;
        let living = holds::living(&ground.place)?;
        let mut done = Collected::default();
        for hold in &living {
            marked.extend(hold.digests.iter().cloned());
            // What it made so far is named by nothing yet.
            young = young.min(hold.since);
            done.kept.push(format!("what {} needs and makes: it is under way", hold.what));
        }
        let path = ground.place.registry();
        let registry = match path.is_file() {
            true => Some(Registry::open(&path).map_err(|problem| fault(&problem, ""))?),
            false => None,
        };
        let (kept_runs, busy) = (BTreeSet::new(), !living.is_empty());
        Ok(Self { ground, request, registry, marked, kept_runs, young, busy, done })
    }

    fn home(&self) -> &Path {
        &self.ground.place.home
    }

    /// The newest runs of each pipeline stay, and those under way.
    fn runs(&mut self) -> Fallible<()> {
        let mut newest: BTreeMap<String, usize> = BTreeMap::new();
        let mut reports = runs::reports(self.ground);
        reports.sort_by_key(|(_, report)| std::cmp::Reverse(report.started));
        let mut known = BTreeSet::new();
        for (path, report) in reports {
            known.insert(path.clone());
            let place = newest.entry(report.pipeline.clone()).or_default();
            *place += 1;
            let going = report.status == RunStatus::Running && report.runner.is_alive();
            if going || *place <= self.request.keep_runs || self.is_young(&path) {
                let text =
                    fs::read_to_string(path.join("run.json")).map_err(|error| io("read", &path, &error))?;
                self.marked.extend(digests_in(&text));
                self.kept_runs.insert(report.run_id);
            } else {
                let why = format!("{} has {} newer runs", report.pipeline, self.request.keep_runs);
                self.remove("run", &report.run_id, &why, &[path])?;
            }
        }
        for path in files(&self.ground.place.runs()).into_iter().filter(|path| !known.contains(path)) {
            if path.join("run.json").exists() {
                let why = "its record cannot be read";
                return Err(holds::unreadable(&path.join("run.json"), why));
            }
            self.remove_unless_young("run", "it never began", &path)?;
        }
        Ok(())
    }

    /// `keep` of models; what the versions that stay were made of is marked.
    fn model_versions(&mut self) -> Fallible<()> {
        let mut going = BTreeSet::new();
        for path in files(&self.home().join("models")).into_iter().filter(|path| is_json(path)) {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let record = self.ground.place.get(&format!("models/{stem}"))?;
            let Some(registry) = &self.registry else { break };
            for version in retention::surplus(self.ground, registry, &record)? {
                going.insert((version.model.clone(), version.number));
                let bytes = size(Path::new(&version.path));
                let failed = |problem: mlp_floor::Problem| fault(&problem, record.address());
                if !self.request.dry_run {
                    let by = AliasMove {
                        why: "collected".to_owned(),
                        who: self.request.who.clone(),
                        at: time::rfc3339(time::now_ms()),
                    };
                    registry.delete_version(&version.model, version.number, &by).map_err(failed)?;
                }
                self.done.garbage.push(Garbage {
                    what: "model version".to_owned(),
                    name: format!("{} version {}", record.address(), version.number),
                    why: format!("`keep` of {} has enough newer ones", model_name(&record.config)),
                    bytes,
                });
            }
        }
        let Some(registry) = &self.registry else { return Ok(()) };
        let failed = |problem: mlp_floor::Problem| fault(&problem, "");
        for model in registry.models().map_err(failed)? {
            for version in registry.versions(&model.name).map_err(failed)? {
                if !going.contains(&(version.model.clone(), version.number)) {
                    let text = serde_json::to_string(&version).unwrap_or_default();
                    self.marked.extend(digests_in(&text));
                }
            }
        }
        Ok(())
    }

    /// `protection.retain` of datasets: versions that are older and that nothing leads to.
    fn dataset_versions(&mut self) -> Fallible<()> {
        for path in files(&self.home().join("datasets")).into_iter().filter(|path| is_json(path)) {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let Found::Document(record) = self.ground.place.find(&format!("datasets/{stem}"))? else {
                continue;
            };
            self.versions_of(&record)?;
        }
        Ok(())
    }

    fn versions_of(&mut self, record: &Document) -> Fallible<()> {
        let failed = |problem: mlp_floor::Problem| fault(&problem, record.address());
        let store = self.ground.place.store(&record.config);
        let name = dataset::name_of(&record.config);
        let unnamed: Vec<_> = store
            .versions(&name)
            .map_err(failed)?
            .into_iter()
            .filter(|version| !self.marked.contains(&version.digest))
            .collect();
        let retain = record.config.field("protection").and_then(|protection| text(protection, "retain"));
        let Some(retain) = retain.and_then(|text| units::duration(text).ok()) else {
            if !unnamed.is_empty() {
                let count = unnamed.len();
                self.done.kept.push(format!(
                    "{count} earlier versions of {}: `protection.retain` says how long they stay, and is not set",
                    record.address()
                ));
            }
            return Ok(());
        };
        let age = u64::try_from(retain.as_millis()).unwrap_or(u64::MAX);
        let before = time::rfc3339(time::now_ms().saturating_sub(age));
        for version in unnamed.into_iter().filter(|version| version.created_at < before) {
            let object = store.object_path(&version.digest);
            if self.is_young(&object) {
                continue;
            }
            let bytes = size(&object);
            if !self.request.dry_run {
                store.remove(&name, &version.digest).map_err(failed)?;
            }
            self.done.garbage.push(Garbage {
                what: "dataset version".to_owned(),
                name: format!("{} version {}", record.address(), short(&version.digest)),
                why: "it is older than `protection.retain`, and nothing leads to it".to_owned(),
                bytes,
            });
        }
        Ok(())
    }

    /// Directories of models that no version is registered on.
    fn model_directories(&mut self) -> Fallible<()> {
        for model in
            files(&self.home().join("registry").join("models")).into_iter().filter(|path| path.is_dir())
        {
            self.sweep_named("model directory", "no version is registered on it", &model)?;
        }
        Ok(())
    }

    fn code(&mut self) -> Fallible<()> {
        self.sweep_named("code", "no pipeline, model or kept run uses it", &self.ground.place.code())
    }

    /// Environments of runtimes with packages: those stay whose lock file a record names, and those that a version of a model
    /// was made in, since it is served there.
    fn environments(&mut self) -> Fallible<()> {
        let root = self.home().join("runtimes");
        if self.busy {
            if root.is_dir() {
                self.done
                    .kept
                    .push("environments of runtimes: work that is under way may use them".to_owned());
            }
            return Ok(());
        }
        // What begins with a dot are locks and builds, which the next build clears away.
        for path in files(&root).into_iter().filter(|path| !file_name(path).starts_with('.')) {
            let description = fs::read_to_string(path.join(ENVIRONMENT)).unwrap_or_default();
            let named = |digest: String| self.marked.contains(&digest);
            if !named(file_name(&path)) && !digests_in(&description).any(named) {
                self.remove_unless_young(
                    "environment",
                    "no record and no version of a model leads to it",
                    &path,
                )?;
            }
        }
        Ok(())
    }

    /// Sweeps a folder whose entries are called by digests (`<digest>`, `<digest>.json`), and what writing them left.
    fn sweep_named(&mut self, what: &str, why: &str, folder: &Path) -> Fallible<()> {
        let mut groups: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for path in files(folder) {
            match digests_in(&file_name(&path)).next() {
                Some(digest) => groups.entry(digest).or_default().push(path),
                None => self.sweep_temporary(&path)?,
            }
        }
        for (digest, paths) in groups {
            if !self.marked.contains(&digest) && !paths.iter().any(|path| self.is_young(path)) {
                self.remove(what, short(&digest), why, &paths)?;
            }
        }
        Ok(())
    }

    /// What a process wrote and did not give its name, because it died.
    fn sweep_temporary(&mut self, path: &Path) -> Fallible<()> {
        let name = file_name(path);
        let is_temporary = [".tmp-", ".new-"].iter().any(|prefix| name.starts_with(prefix));
        if is_temporary {
            self.remove_unless_young("unfinished copy", "nobody finishes it", path)
        } else {
            Ok(())
        }
    }

    /// The last result of each step of a pipeline stays, and those of kept runs; a run under way may use any.
    fn cached_results(&mut self) -> Fallible<()> {
        let cache = self.home().join("cache");
        if self.busy {
            if cache.is_dir() {
                self.done.kept.push("cached results: a run that is under way may use them".to_owned());
            }
            return Ok(());
        }
        let pipelines = self.pipelines()?;
        for folder in files(&cache.join("last")) {
            if pipelines.contains(&file_name(&folder)) {
                for path in files(&folder).into_iter().filter(|path| is_json(path)) {
                    let text = fs::read_to_string(&path).map_err(|error| io("read", &path, &error))?;
                    let last: Json = serde_json::from_str(&text).unwrap_or(Json::Null);
                    self.marked.extend(last.get("key").and_then(Json::as_str).map(str::to_owned));
                }
            } else {
                self.remove_unless_young("cached result", "its pipeline is gone", &folder)?;
            }
        }
        for path in files(&cache) {
            let name = file_name(&path);
            let Some(key) = digests_in(&name).next() else {
                self.sweep_temporary(&path)?;
                continue;
            };
            let entry = fs::read_to_string(path.join("entry.json")).ok();
            let entry: Option<Json> = entry.and_then(|text| serde_json::from_str(&text).ok());
            let run = entry.as_ref().and_then(|entry| entry.get("run_id")?.as_str());
            let kept = run.is_some_and(|run| self.kept_runs.contains(run));
            if !kept && !self.marked.contains(&key) {
                self.remove_unless_young(
                    "cached result",
                    "no step's last result, and its run is gone",
                    &path,
                )?;
            }
        }
        Ok(())
    }

    /// The pipelines there are, as the cache calls them.
    fn pipelines(&self) -> Fallible<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        for path in files(&self.home().join("pipelines")).into_iter().filter(|path| is_json(path)) {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let record = self.ground.place.get(&format!("pipelines/{stem}"))?;
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            found.insert(record.address().replace(|c: char| !plain(c), "_"));
        }
        Ok(found)
    }

    /// Contents that no version of a dataset describes.
    fn data_objects(&mut self) -> Fallible<()> {
        let mut roots = vec![self.home().join("data")];
        roots.extend(files(&self.home().join("storage")).into_iter().filter(|path| path.is_dir()));
        for root in roots {
            for dataset in files(&root.join("versions")) {
                for path in files(&dataset) {
                    let text = fs::read_to_string(&path).map_err(|error| io("read", &path, &error))?;
                    self.marked.extend(digests_in(&text));
                }
            }
            for folder in files(&root.join("objects")) {
                self.sweep_named("data", "no version of a dataset describes it", &folder)?;
            }
            for path in files(&root.join("tmp")) {
                self.remove_unless_young("unfinished copy", "nobody finishes it", &path)?;
            }
        }
        Ok(())
    }

    /// Logs of endpoints and records of triggers whose object is gone, and files of work that died.
    fn leftovers(&mut self) -> Fallible<()> {
        for path in files(&self.home().join("logs")) {
            let name = file_name(&path);
            let record = |folder: &str| self.ground.place.document(&format!("{folder}/{name}")).exists();
            if !record("endpoints") && !record("batch") {
                self.remove_unless_young("logs", "its endpoint is gone", &path)?;
            }
        }
        for identity in triggers::identities(&self.ground.place) {
            let path = triggers::path(&self.ground.place, &identity);
            if path.exists() && !self.ground.place.document(&identity).exists() {
                self.remove_unless_young("triggers", "what they started is gone", &path)?;
            }
        }
        if !self.busy {
            for path in files(&self.home().join("tmp")) {
                self.remove_unless_young("unfinished copy", "nobody finishes it", &path)?;
            }
        }
        Ok(())
    }

    fn is_young(&self, path: &Path) -> bool {
        let modified = fs::symlink_metadata(path).and_then(|found| found.modified()).ok();
        let since = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        // What cannot be dated is not old.
        since.is_none_or(|since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX) >= self.young)
    }

    fn remove_unless_young(&mut self, what: &str, why: &str, path: &Path) -> Fallible<()> {
        if self.is_young(path) {
            return Ok(());
        }
        self.remove(what, &file_name(path), why, &[path.to_path_buf()])
    }

    fn remove(&mut self, what: &str, name: &str, why: &str, paths: &[PathBuf]) -> Fallible<()> {
        let bytes = paths.iter().map(|path| size(path)).sum();
        if !self.request.dry_run {
            for path in paths {
                let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
                match removed {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(io("remove", path, &error));
                    }
                    _ => {}
                }
            }
        }
        let (what, name, why) = (what.to_owned(), name.to_owned(), why.to_owned());
        self.done.garbage.push(Garbage { what, name, why, bytes });
        Ok(())
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// The bytes of a file, or of the files below a directory; links are not followed.
pub(crate) fn size(path: &Path) -> u64 {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => files(path).iter().map(|inner| size(inner)).sum(),
        Ok(found) => found.len(),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests;
