//! What no kind of a cluster does: versions of datasets, models with gates and aliases, endpoints that serve versions in variants. The
//! provider of the floor does it in pods, on the volume of the environment's registry, by the code that does it everywhere: each
//! resource it makes of a declaration becomes a record, and the pods that work on it are given the records they need.

mod facts;
mod kinds;
pub(crate) mod pods;
pub(crate) mod record;
mod registry;

use std::collections::{BTreeMap, BTreeSet};

use mlp_provider::{Desired, LowerInput, Lowered, Provider};

use super::builder::Builder;
use crate::codes;
use crate::mlp_eval::{PlanValue, reference_of};
use crate::mlp_platform::{Declaration, Platform};
use crate::mlp_value::facts::Need;
use crate::mlp_value::{Address, KnownValue, Path, ResourceId, Value};
use crate::names;
use crate::natives::native;

/// Which resource of the floor an object stands for: its kind and identity there.
pub(crate) const FLOOR: &str = "mlp.dev/floor";
/// The role of a record beside the object that works on it.
const RECORD: &str = "record";
/// What is served, for the question whether it is there.
pub(crate) const SERVES: &str = "mlp.dev/serves";

/// Where an endpoint listens in its pod.
pub(crate) const HOST: &str = "0.0.0.0";
/// The same, its port.
pub(crate) const PORT: i64 = 8080;

/// Kinds that are always the floor's.
pub(crate) const KINDS: &[&str] = &["check", "model", "registry", "source"];

/// What the floor would take and a cluster does not give: kind, attribute, why.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "dataset",
        "storage",
        "what is read from sources is kept in the volume of the registry: leave `storage` out",
    ),
    ("endpoint", "accelerator", "what serves variants runs on processors: name the node with an `override`"),
    (
        "endpoint",
        "auth",
        "keys would have to be in a file of the image; let the cluster's ingress ask for them",
    ),
    ("endpoint", "host", "it listens on all addresses of its pod: leave `host` out"),
    ("endpoint", "secrets", "secrets do not reach replicas in a cluster yet"),
    (
        "pipeline",
        "storage",
        "outputs of runs that register or write versions are kept in the volume of the registry",
    ),
    ("pipeline", "defaults.compute", "its steps share one pod: bound that with an `override`"),
    ("pipeline", "defaults.accelerator", "its steps share one pod: bound that with an `override`"),
    ("pipeline", "defaults.nodes", "its steps share one pod"),
    ("pipeline", "defaults.secrets", "secrets do not reach steps that register or write versions yet"),
];
/// The same of each step.
const REFUSED_OF_STEPS: &[(&str, &str)] = &[
    ("compute", "its steps share one pod: bound that with an `override`"),
    ("accelerator", "its steps share one pod: bound that with an `override`"),
    ("nodes", "its steps share one pod"),
    ("secrets", "secrets do not reach steps that register or write versions yet"),
];

/// Whether objects are made of a declaration: of a registry of images there is none.
pub(super) fn makes_objects(declaration: &Declaration) -> bool {
    declaration.kind != "registry" || registry::holds_models(declaration)
}

/// The registry on whose volume the environment's work is done.
struct Registry {
    address: Address,
    /// Of its objects.
    name: String,
}

/// A declaration lowered by the floor; nothing where a kind of the cluster serves it.
pub(crate) fn lower(floor: Option<&dyn Provider>, input: &LowerInput<'_>) -> Option<Lowered> {
    if !is_of_floor(input.platform, input.declaration) {
        return None;
    }
    let mut builder = Builder::new(input, &[]);
    builder.diagnostics.clear();
    let Some(floor) = floor else {
        let what = format!("`{}`, which the portable floor serves,", input.declaration.kind);
        builder.not_served(
            "",
            &what,
            "use a program built with the feature `local`, whose provider is the floor",
        );
        return Some(builder.finish(Vec::new()));
    };
    if input.declaration.kind == "registry" {
        return Some(registry::lower(input));
    }
    Some(Work { builder, floor }.lower())
}

/// Whether the floor serves a declaration.
fn is_of_floor(platform: &Platform, declaration: &Declaration) -> bool {
    let set = |name: &str| declaration.body.field(name).is_some_and(|value| !value.is_null());
    match declaration.kind {
        "dataset" => set("from") || !set("storage"),
        "endpoint" => {
            let batch = declaration.body.field("kind").and_then(Value::as_text) == Some("batch");
            batch || set("model") || set("variant") || set("graph")
        }
        "pipeline" => {
            checked(platform, declaration)
                || steps(declaration).any(|(_, step)| works_on_versions(platform, step))
        }
        "registry" => registry::holds_models(declaration),
        kind => KINDS.contains(&kind),
    }
}

fn steps(pipeline: &Declaration) -> impl Iterator<Item = (String, &PlanValue)> {
    blocks(pipeline, "step")
}

/// The labelled blocks of a kind that stand in a declaration.
fn blocks<'d>(of: &'d Declaration, kind: &str) -> impl Iterator<Item = (String, &'d PlanValue)> + use<'d> {
    let blocks = of.body.field(kind).and_then(Value::as_object).into_iter().flatten();
    blocks.map(|(name, block)| (name.to_string(), block))
}

fn checked(platform: &Platform, pipeline: &Declaration) -> bool {
    let mut checks = platform.declarations.values().filter(|found| found.kind == "check");
    checks.any(|check| {
        check.body.field("on").and_then(reference_of).is_some_and(|on| on.address == pipeline.address)
    })
}

/// Whether a step makes or takes versions.
fn works_on_versions(platform: &Platform, step: &PlanValue) -> bool {
    let set = |name: &str| step.field(name).is_some_and(|value| !value.is_null());
    let inputs = step.field("inputs").and_then(Value::as_object).into_iter().flat_map(|all| all.values());
    let mut referred = inputs.filter_map(reference_of);
    set("register")
        || set("writes")
        || referred.any(|found| match platform.declarations.get(&found.address) {
            Some(target) if target.kind == "dataset" => is_of_floor(platform, target),
            Some(target) => matches!(target.kind, "model" | "source"),
            None => false,
        })
}

/// What the record of a declaration is called.
fn record_name(platform: &Platform, address: &Address) -> String {
    format!("{}-{}", names::object_name(platform, address), address.kind)
}

/// One declaration at work.
struct Work<'a, 'f> {
    builder: Builder<'a>,
    floor: &'f dyn Provider,
}

impl Work<'_, '_> {
    fn lower(mut self) -> Lowered {
        self.refuse();
        let (lowered, untold) = facts::lower(self.floor, &self.builder.input);
        self.builder.needs.extend(lowered.needs);
        // That the pipelines of the floor run as Jobs here is what `job` says.
        let jobs = self.builder.text("engine").is_some_and(|engine| engine == "job");
        let known = |found: &crate::mlp_diag::Diagnostic| {
            jobs && found.subject.as_ref().is_some_and(|subject| subject.path == "engine")
        };
        self.builder.diagnostics.extend(lowered.diagnostics.into_iter().filter(|found| !known(found)));
        untold.iter().for_each(|need| self.untold(need));
        let Some(desired) = lowered.desired.into_iter().next() else {
            return self.builder.finish(Vec::new());
        };
        let made = self.registry().and_then(|registry| {
            let record = self.record(&desired, &registry)?;
            kinds::objects(&mut self.builder, &registry, record, &desired)
        });
        self.builder.finish(made.unwrap_or_default())
    }

    /// What is set and would have no meaning here.
    fn refuse(&mut self) {
        let kind = self.builder.declaration().kind;
        for (of, path, why) in REFUSED {
            // What is written by runs may lie in a volume of its own.
            if *of == kind && self.builder.attribute(path).is_some() {
                self.builder.not_served(path, &format!("`{path}`"), why);
            }
        }
        for (label, trigger) in blocks(self.builder.declaration(), "trigger") {
            for word in ["dataset", "rows", "cooldown", "monitor", "breaches"] {
                if trigger.field(word).is_some_and(|value| !value.is_null()) {
                    let help = "a schedule starts it: `cron = \"0 3 * * 1\"`";
                    self.builder.not_served(&format!("trigger.{label}.{word}"), &format!("`{word}`"), help);
                }
            }
        }
        if kind == "dataset" && self.reads_what_runs_write() {
            let help = "let a step of a pipeline read it, and write the other";
            self.builder.not_served("from", "a dataset made from one that runs write", help);
        }
        if kind != "pipeline" {
            return;
        }
        for (name, step) in steps(self.builder.declaration()) {
            for (word, why) in REFUSED_OF_STEPS {
                if step.field(word).is_some_and(|value| !value.is_null()) {
                    self.builder.not_served(&format!("step.{name}.{word}"), &format!("`{word}`"), why);
                }
            }
        }
    }

    /// Whether it is made of a dataset whose versions are known only when a run has written them: a record is of one moment.
    fn reads_what_runs_write(&self) -> bool {
        let from = self.builder.attribute("from").and_then(Value::as_list).unwrap_or_default();
        let all = &self.builder.input.platform.declarations;
        let targets = from.iter().filter_map(reference_of).filter_map(|found| all.get(&found.address));
        let made = |target: &Declaration| target.body.field("from").is_some_and(|from| !from.is_null());
        targets.filter(|target| target.kind == "dataset").any(|target| !made(target))
    }

    fn untold(&mut self, need: &Need) {
        let what = match need {
            Need::Secret(from) => format!("the secret `{from}`"),
            Need::Source(_) => "a source outside the project".to_owned(),
            _ => "what this declaration asks of this machine".to_owned(),
        };
        let help = "read a file of the project that is in the image, or let a step read it";
        self.builder.not_served("", &what, help);
    }

    /// The registry of the environment.
    fn registry(&mut self) -> Option<Registry> {
        let platform = self.builder.input.platform;
        let found: Vec<&Declaration> =
            platform.declarations.values().filter(|one| registry::holds_models(one)).collect();
        match found.as_slice() {
            [one] => Some(Registry {
                address: one.address.clone(),
                name: names::object_name(platform, &one.address),
            }),
            [] => {
                let headline =
                    "this environment has no registry, on whose volume versions are kept".to_owned();
                let help = match self.builder.declaration().kind {
                    "dataset" => {
                        "declare `registry \"models\" {}`, or keep the data in a volume of your own with `storage = storage.x`"
                    }
                    _ => "declare `registry \"models\" {}`",
                };
                self.builder.error(codes::VALUE, "", headline, help);
                None
            }
            [_, second, ..] => {
                let headline =
                    format!("this environment has two registries, and `{}` is the second", second.address);
                self.builder.error(codes::VALUE, "", headline, "leave one of them out: `except`");
                None
            }
        }
    }

    /// The record of what the floor makes.
    fn record(&mut self, desired: &Desired, registry: &Registry) -> Option<Record> {
        if let Some(storage) = desired.depends_on.iter().find(|id| id.address.kind.as_ref() == "storage") {
            let what = format!("`{}`, beside what the registry keeps,", storage.address);
            self.builder.not_served("", &what, "keep data for such steps in a `dataset`");
            return None;
        }
        let Ok(config) = desired.config.known() else {
            let headline =
                "a value of it is known only after an apply, and its record would have to wait".to_owned();
            self.builder.error(codes::VALUE, "", headline, "write the value, or give it as a variable");
            return None;
        };
        let config = in_cluster(&config, &desired.kind);
        let entries = record::entries(desired, &config);
        let digest = record::digest(&entries);
        let own = self.builder.declaration().address.clone();
        let role = if matches!(own.kind.as_ref(), "dataset" | "model") { "" } else { RECORD };
        let data = entries.iter().map(|(name, (_, text))| (name.clone(), Value::text(text)));
        let fields = vec![("data", Value::object(data))];
        let mut made = self.builder.object(role, native("kubernetes_config_map")?, fields);
        let name = record_name(self.builder.input.platform, &own);
        made.identity = names::identity(
            native("kubernetes_config_map")?,
            names::namespace(self.builder.input.platform).unwrap_or_default(),
            &name,
        );
        made.lifecycle = self.builder.lifecycle(role.is_empty());
        made.depends_on.remove(&ResourceId::new(own, ""));
        made.depends_on.insert(ResourceId::new(registry.address.clone(), ""));
        made.depends_on.insert(ResourceId::new(registry.address.clone(), registry::KEEPER));
        for (name, (native, _)) in &entries {
            made.from.insert(Path::of(&["data", name]), written(desired, native));
        }
        kinds::note(&mut made, &[(FLOOR, format!("{} {}", desired.kind, desired.identity))]);
        Some(Record { made, digest })
    }
}

/// A record and a digest of what it says.
struct Record {
    made: Desired,
    digest: String,
}

/// Where a field of the floor is written.
fn written(desired: &Desired, native: &Path) -> Path {
    let mut at = Some(native.clone());
    while let Some(path) = at {
        if let Some(found) = desired.from.get(&path) {
            return found.clone();
        }
        at = path.parent();
    }
    native.clone()
}

/// What of a configuration is so only in a pod: schedules are the cluster's, packages those of the image, and whoever serves does so
/// for all of the cluster.
fn in_cluster(config: &KnownValue, kind: &str) -> KnownValue {
    let mut fields: BTreeMap<String, KnownValue> = config
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.to_string(), value.clone()))
        .collect();
    fields.remove("trigger");
    if kind == "local_endpoint" {
        fields.insert("host".to_owned(), KnownValue::text(HOST));
        fields.insert("port".to_owned(), KnownValue::int(PORT));
    }
    record::changed(&KnownValue::object(fields), &|object| {
        if object.contains_key("program") && object.contains_key("language") {
            object.remove("lock");
            object.remove("version");
        }
    })
}

/// The records that work on a declaration needs, its own among them.
fn records(platform: &Platform, own: &Address) -> Vec<String> {
    let mut found = BTreeSet::from([own.clone()]);
    let mut seen = BTreeSet::new();
    let mut open = vec![own.clone()];
    while let Some(address) = open.pop() {
        let Some(declaration) = platform.declarations.get(&address).filter(|_| seen.insert(address.clone()))
        else {
            continue;
        };
        match declaration.kind {
            "dataset" | "model" => drop(found.insert(address.clone())),
            // What another one works on is its own affair.
            "pipeline" | "endpoint" if address != *own => continue,
            _ => {}
        }
        open.extend(declaration.edges.iter().map(|edge| edge.to.clone()));
    }
    found.iter().map(|address| record_name(platform, address)).collect()
}
