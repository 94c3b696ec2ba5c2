//! What the attributes are tried in and with, and those that show nothing here.

use mlp_platform::schema::{Attribute, Scope, Ty};

/// What the subjects refer to.
pub const WORLD: &str = r#"
project "p" {
  mlp_version = "~> 0.1"
}
provider "local" "here" {
}
environment "local" {
  provider = provider.local.here
}
storage "s" {}
source "src" {
  kind = "file"
  uri  = "data.csv"
}
dataset "d" {
  from   = [source.src]
  schema = { id = "string", at = "timestamp", n = "number" }
}
secret "k" { from = "env:K" }
runtime "r" {
  language = "python"
  version  = "3.12"
}
component "c" {
  run     = "true"
  outputs = { model = "model", scores = { type = "metrics", names = ["auc"] } }
}
component "server" { serve = "python -m http.server $MLP_PORT" }
component "given" {
  run    = "true"
  params = { k = 1 }
}
compute "cpu" { cpu = 1 }
registry "reg" {}
model "m" {
  aliases = ["a", "b"]
  serve   = "module:Class"
}
pipeline "pl" {
  step "one" {
    run     = "true"
    outputs = { out = "table" }
  }
}
endpoint "other" { model = model.m.alias.a }
"#;

/// Each kind with a block that has what it needs, and with what uses it; `@@` is where the attribute goes. An attribute of its own,
/// a line at the block's indentation, gives way to the one that is tried.
pub const SUBJECTS: &[(&str, &str)] = &[
    ("check", "check \"x\" {\non = pipeline.pl\nrun = \"true\"\n@@\n}\n"),
    (
        "component",
        "component \"x\" {\nrun = \"true\"\n@@\n}\npipeline \"user\" {\nstep \"one\" { use = component.x }\n}\nmodel \"user\" { aliases = [\"a\"] }\nendpoint \"user\" {\nmodel = model.user.alias.a\nserve = component.x\n}\n",
    ),
    (
        "compute",
        "compute \"x\" {\ncpu = 1\n@@\n}\npipeline \"user\" {\nstep \"one\" {\nrun = \"true\"\ncompute = compute.x\n}\n}\n",
    ),
    ("dataset", "dataset \"x\" {\nfrom = [source.src]\n@@\n}\n"),
    ("endpoint", "endpoint \"x\" {\nmodel = model.m.alias.a\n@@\n}\n"),
    (
        "endpoint",
        "endpoint \"x\" {\nkind = \"batch\"\nmodel = model.m.alias.a\ninput = dataset.d\noutput = { to = dataset.out }\n@@\n}\ndataset \"out\" { version = \"append-only\" }\n",
    ),
    ("environment", "in environment \"local\""),
    ("project", "in project \"p\""),
    ("provider", "in provider \"local\" \"here\""),
    (
        "model",
        "model \"x\" {\naliases = [\"a\", \"b\"]\n@@\n}\npipeline \"user\" {\nstep \"one\" { use = component.c }\nstep \"register\" {\nregister = model.x\nfrom = step.one.model\n}\n}\nendpoint \"user\" { model = model.x.alias.a }\n",
    ),
    (
        "pipeline",
        "pipeline \"x\" {\nstep = { one = { run = \"true\", outputs = { out = \"table\" } } }\n@@\n}\n",
    ),
    ("registry", "registry \"x\" {\n@@\n}\nmodel \"user\" { registry = registry.x }\n"),
    (
        "runtime",
        "runtime \"x\" {\nlanguage = \"python\"\n@@\n}\npipeline \"user\" {\nstep \"one\" {\nrun = \"true\"\nruntime = runtime.x\n}\n}\n",
    ),
    (
        "secret",
        "secret \"x\" {\nfrom = \"env:OTHER\"\n@@\n}\npipeline \"user\" {\nstep \"one\" {\nrun = \"true\"\nsecrets = { X = secret.x }\n}\n}\n",
    ),
    (
        "source",
        "source \"x\" {\nkind = \"file\"\nuri = \"other.csv\"\n@@\n}\ndataset \"user\" { from = [source.x] }\n",
    ),
    ("storage", "storage \"x\" {\n@@\n}\n"),
];

/// Attributes that show nothing in what is lowered, and why that is right.
pub const NOTHING: &[(&str, &str)] = &[
    ("common.count", "makes instances: `src/config/tests.rs`, `tests/blocks.rs`"),
    ("common.environments", "decides which declarations there are: `src/config/select_tests.rs`"),
    ("common.for_each", "makes instances: `src/config/tests.rs`, `tests/blocks.rs`"),
    ("common.lifecycle.postcondition.**", "looked at by the engine after the apply: `tests/blocks.rs`"),
    ("common.lifecycle.precondition.**", "looked at by the engine before the plan: `tests/blocks.rs`"),
    ("common.lifecycle.replace_triggered_by", "joined by the engine: `tests/blocks.rs`"),
    ("common.override.**", "put in by the engine: `tests/blocks.rs`"),
    ("common.provider", "the engine refuses another than the environment's: `tests/blocks.rs`"),
    (
        "component.inputs.type",
        "the step that uses it is refused while it gives nothing: `src/config/meaning/wiring.rs`",
    ),
    ("data.**", "looked up while the specification is resolved: `tests/blocks.rs`"),
    ("endpoint.features", "a kind that this provider refuses: nothing to refer to"),
    ("endpoint.graph.node", "a graph is tried as a whole, and in `tests/serving.rs`"),
    ("endpoint.graph.node.input", "a graph is tried as a whole, and in `tests/serving.rs`"),
    ("endpoint.graph.node.model", "a graph is tried as a whole, and in `tests/serving.rs`"),
    ("endpoint.graph.output", "a graph is tried as a whole, and in `tests/serving.rs`"),
    ("endpoint.trigger.monitor", "a kind that this provider refuses: nothing to refer to"),
    ("endpoint.variant.shadow", "a shadow needs another variant beside it: `tests/serving.rs`"),
    ("environment.description", "says something to people"),
    ("environment.except", "decides which declarations there are: `src/config/select_tests.rs`"),
    ("environment.only", "decides which declarations there are: `src/config/select_tests.rs`"),
    ("environment.provider", "decides who lowers at all"),
    ("environment.residency", "refuses places: `src/config/meaning/residency.rs`; a machine has none"),
    ("environment.state", "the engine opens the store, and refuses what it does not have"),
    ("**.accelerator.topology", "belongs to slices of TPUs, which this provider refuses by their chip"),
    ("environment.state.backend", "the engine opens the store, and refuses what it does not have"),
    ("environment.state.encrypt.**", "the engine opens the store with it: `tests/memory.rs`"),
    ("environment.state.lease", "how long the engine's lease lasts: `tests/memory.rs`"),
    ("environment.variables", "gives variables their values: `src/config/values.rs`"),
    ("import.**", "a word to the engine about what is there: `tests/blocks.rs`"),
    ("locals.**", "names for expressions"),
    ("module.**", "opened while the specification is resolved: `src/config/module_tests.rs`"),
    ("moved.**", "a word to the engine about what is there: `tests/blocks.rs`"),
    ("output.**", "shown by the engine: `tests/blocks.rs`"),
    ("pipeline.trigger.monitor", "a kind that this provider refuses: nothing to refer to"),
    ("project.description", "says something to people"),
    ("project.mlp_version", "refuses other editions: `src/config/resolve.rs`"),
    ("project.state", "the engine opens the store, and refuses what it does not have"),
    ("project.state.backend", "the engine opens the store, and refuses what it does not have"),
    ("project.state.encrypt.**", "the engine opens the store with it: `tests/memory.rs`"),
    ("project.state.lease", "how long the engine's lease lasts: `tests/memory.rs`"),
    ("project.version", "is told to other projects: `tests/blocks.rs`"),
    ("provider.description", "says something to people"),
    ("reference.**", "read while the specification is resolved: `tests/blocks.rs`"),
    ("removed.**", "a word to the engine about what is there: `tests/blocks.rs`"),
    ("resource.**", "native fields, made by the engine: `tests/blocks.rs`"),
    ("source.catalog", "says something to people"),
    ("source.catalog.meaning", "says something to people"),
    ("source.catalog.owner", "says something to people"),
    ("source.catalog.structure", "says something to people"),
    ("variable.**", "gives expressions their values: `src/config/values.rs`"),
];

/// Whether another attribute of the same object has to be there for one to mean something.
pub fn needed(path: &str, other: &Attribute, of: &Attribute) -> bool {
    let with = |names: &[&str]| names.contains(&other.name) && !names.contains(&of.name);
    other.required
        || match path {
            "pipeline.step" if of.name == "params" => other.name == "use",
            "pipeline.step" if of.name == "alias" => other.name == "register",
            "pipeline.step" => !matches!(of.name, "use" | "register" | "run") && other.name == "run",
            "pipeline.trigger" | "endpoint.trigger" => match of.name {
                "timezone" | "catch_up" => with(&["cron"]),
                "rows" | "cooldown" => with(&["dataset"]),
                _ => false,
            },
            "endpoint.limits" => with(&["requests"]),
            _ => false,
        }
}

/// Values of an attribute: by its path where its type does not say enough, else by its type.
pub fn sample(path: &str, ty: &'static Ty) -> Vec<String> {
    if let Some((_, values)) = BY_PATH.iter().find(|(known, _)| *known == path) {
        return values.iter().map(|value| (*value).to_owned()).collect();
    }
    by_type(path, ty)
}

const BY_PATH: &[(&str, &[&str])] = &[
    ("common.depends_on", &["[storage.s]", "[dataset.d]", "[model.m]"]),
    ("model.aliases", &["[\"a\", \"c\"]"]),
    ("model.gate.from", &["\"a\""]),
    ("model.gate.to", &["\"b\""]),
    ("pipeline.step.use", &["component.given"]),
    ("pipeline.step.params", &["{ k = 7 }"]),
    ("pipeline.step.register", &["model.m"]),
    ("pipeline.step.alias", &["\"b\""]),
    ("endpoint.graph", &["{ node = { x = { model = model.m.alias.a } }, output = node.x }"]),
    ("endpoint.features", &[]),
    ("compute.capacity.reservation", &["{ aws = \"one\" }"]),
    ("endpoint.capacity.reservation", &["{ aws = \"one\" }"]),
    ("pipeline.step.capacity.reservation", &["{ aws = \"one\" }"]),
    ("component.inputs", &["{ k = { type = \"table\", optional = true } }"]),
];

fn by_type(path: &str, ty: &'static Ty) -> Vec<String> {
    let texts = |values: &[&str]| values.iter().map(|value| format!("\"{value}\"")).collect::<Vec<_>>();
    let plain = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
    match ty {
        // Chips that the catalogue knows, each of one reading.
        Ty::Text if path.ends_with("accelerator.name") => texts(&["H200", "L4"]),
        Ty::Text if path.ends_with("accelerator.slice") => texts(&["1g.18gb", "7g.141gb"]),
        Ty::Any => plain(&["7", "\"seven\""]),
        Ty::Text => texts(&["one", "two"]),
        Ty::Path => texts(&["one.json", "two.json"]),
        Ty::Form(form) => vec![format!("\"{}\"", form.example.replace('…', "00"))],
        Ty::Enum(words) => texts(words),
        Ty::Number => plain(&["0.5", "7"]),
        Ty::Integer(least, _) => vec![(least.max(&1) + 1).to_string(), least.max(&1).to_string()],
        Ty::Bool => plain(&["true", "false"]),
        Ty::Duration => texts(&["7m", "3h"]),
        Ty::Bytes => texts(&["3GiB", "64MiB"]),
        Ty::SizeBound => texts(&[">=40GiB"]),
        Ty::Money => texts(&["7 USD"]),
        Ty::Rate => texts(&["7/min"]),
        Ty::TypeExpr => plain(&["string"]),
        Ty::Address => plain(&["storage.s"]),
        Ty::KindName => plain(&["dataset"]),
        Ty::Ref(kinds) => kinds.iter().filter_map(|kind| reference(kind)).map(str::to_owned).collect(),
        Ty::List(item) => by_type(path, item).into_iter().map(|value| format!("[{value}]")).collect(),
        Ty::Map(item) => by_type(path, item).into_iter().map(|value| format!("{{ k = {value} }}")).collect(),
        Ty::Object(attributes) | Ty::Open(attributes) | Ty::MaybeLabelled(attributes) => {
            vec![object(path, attributes)]
        }
        Ty::Labelled(attributes) => vec![format!("{{ x = {} }}", object(path, attributes))],
        Ty::Repeated(_) => Vec::new(),
        Ty::OneOf(options) => options.iter().flat_map(|option| by_type(path, option)).collect(),
        Ty::Quoted(scope) => plain(match scope {
            Scope::Row => &["row.id != \"\""],
            Scope::Gate => &["candidate.auc > 0.5"],
            Scope::Command => &["\"echo ${run.id}\"", "\"false\""],
            Scope::Step => &["run.id", "7"],
            Scope::Binding => &[],
            Scope::Check => &["metrics.auc > 0.5"],
            Scope::Metric => &["self.error_rate > 0.5"],
            Scope::Policy => &["self.description != null"],
        }),
    }
}

/// An object with what it needs; the first attribute where it needs nothing.
fn object(path: &str, attributes: &'static [Attribute]) -> String {
    let mut items: Vec<String> = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.required) {
        if let Some(value) = sample(&format!("{path}.{}", attribute.name), &attribute.ty).first() {
            items.push(format!("{} = {value}", attribute.name));
        }
    }
    if items.is_empty()
        && let Some(first) = attributes.first()
        && let Some(value) = sample(&format!("{path}.{}", first.name), &first.ty).first()
    {
        items.push(format!("{} = {value}", first.name));
    }
    format!("{{ {} }}", items.join(", "))
}

/// A declaration of a kind, or something that is one.
fn reference(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "storage" => "storage.s",
        "source" => "source.src",
        "dataset" => "dataset.d",
        "secret" => "secret.k",
        "runtime" => "runtime.r",
        "component" => "component.c",
        "compute" => "compute.cpu",
        "registry" => "registry.reg",
        "model" => "model.m.alias.b",
        "pipeline" => "pipeline.pl",
        "endpoint" => "endpoint.other",
        "artifact" => "pipeline.pl.step.one.out",
        "environment" => "environment.local",
        "provider" => "provider.local.here",
        _ => return None,
    })
}
