//! Pods in which `mlp` itself works: on the volume of the registry, with the records they need beside it.

use std::collections::BTreeMap;

use super::Registry;
use crate::codes;
use crate::lower::builder::{Builder, env};
use crate::lower::runtime;
use crate::mlp_eval::{PlanValue, Reference};
use crate::mlp_value::Value;
use crate::names;

/// The program in the image.
const PROGRAM: &str = "/mlp/bin/mlp";
/// Where the volume lies in every pod.
pub(crate) const HOME: &str = "/mlp/registry";
/// Where the records lie, a folder each.
pub(crate) const RECORDS: &str = "/mlp/records";
/// The registry whose volume a pod works on: a volume is on one node at a time, and so are they.
const BESIDE: &str = "mlp.dev/registry";
/// What a pod does.
pub(crate) const PART: &str = "mlp.dev/part";

/// What a pod is made of.
pub(super) struct Image {
    name: String,
    /// Where the project lies in it, where it was built of the project; else the image says where it starts.
    folder: Option<String>,
}

/// One pod.
pub(super) struct Pod<'r> {
    pub(super) registry: &'r Registry,
    pub(super) image: Image,
    /// The name of its container.
    pub(super) name: &'static str,
    /// What the program is told.
    pub(super) arguments: Vec<String>,
    /// The ConfigMaps with the records.
    pub(super) records: Vec<String>,
    /// Variables of its own.
    pub(super) variables: Vec<PlanValue>,
    /// More fields of the container.
    pub(super) container: Vec<(&'static str, PlanValue)>,
    /// Whether it is started again by the node.
    pub(super) stays: bool,
}

impl Pod<'_> {
    /// The labels by which it is found.
    pub(super) fn labels(&self, builder: &Builder<'_>) -> BTreeMap<&'static str, PlanValue> {
        let platform = builder.input.platform;
        BTreeMap::from([
            ("mlp.dev/project", Value::text(names::label(&platform.project.name))),
            ("mlp.dev/environment", Value::text(names::label(&platform.environment.folder()))),
            (BESIDE, Value::text(&self.registry.name)),
            (PART, Value::text(self.name)),
        ])
    }

    /// Its specification.
    pub(super) fn spec(&self, builder: &Builder<'_>) -> PlanValue {
        let platform = builder.input.platform;
        let words = [PROGRAM.to_owned(), "in-pod".to_owned()].into_iter().chain(self.arguments.clone());
        let mut volumes =
            vec![volume("registry", "persistentVolumeClaim", ("claimName", &self.registry.name))];
        let mut mounts = vec![mount("registry", HOME.to_owned(), false)];
        for (index, record) in self.records.iter().enumerate() {
            let name = format!("record-{index}");
            volumes.push(volume(&name, "configMap", ("name", record)));
            mounts.push(mount(&name, format!("{RECORDS}/{record}"), true));
        }
        let variables =
            [env("MLP_PROJECT", &platform.project.name), env("MLP_ENVIRONMENT", &platform.environment.name)];
        let container = [
            ("name", Value::text(self.name)),
            ("image", Value::text(&self.image.name)),
            ("command", Value::list(words.map(Value::text))),
            ("env", Value::list(variables.into_iter().chain(self.variables.clone()))),
            ("volumeMounts", Value::list(mounts)),
        ];
        let folder = self.image.folder.as_ref().map(|folder| ("workingDir", Value::text(folder)));
        let container = Value::object(container.into_iter().chain(folder).chain(self.container.clone()));
        let beside = Value::object([(BESIDE, Value::text(&self.registry.name))]);
        let term = Value::object([
            ("labelSelector", Value::object([("matchLabels", beside)])),
            ("topologyKey", Value::text("kubernetes.io/hostname")),
        ]);
        let required = [("requiredDuringSchedulingIgnoredDuringExecution", Value::list([term]))];
        let mut fields = vec![
            ("affinity", Value::object([("podAffinity", Value::object(required))])),
            ("containers", Value::list([container])),
            ("volumes", Value::list(volumes)),
        ];
        if !self.stays {
            fields.push(("restartPolicy", Value::text("Never")));
        }
        Value::object(fields)
    }
}

fn volume(name: &str, kind: &str, (word, source): (&str, &str)) -> PlanValue {
    let source = Value::object([(word, Value::text(source))]);
    Value::object([("name", Value::text(name)), (kind, source)])
}

fn mount(name: &str, path: String, read_only: bool) -> PlanValue {
    let mut fields = vec![("mountPath", Value::text(path)), ("name", Value::text(name))];
    if read_only {
        fields.push(("readOnly", Value::Bool(true)));
    }
    Value::object(fields)
}

/// The one image of these runtimes; where none is named, that of all runtimes of the environment.
pub(super) fn image(builder: &mut Builder<'_>, own: &[(PlanValue, String)]) -> Option<Image> {
    let declared: Vec<(PlanValue, String)> = match own {
        [] => {
            let runtimes =
                builder.input.platform.declarations.values().filter(|found| found.kind == "runtime");
            let named = runtimes.map(|found| Reference { address: found.address.clone(), path: Vec::new() });
            named.map(|reference| (reference.to_value(), String::new())).collect()
        }
        own => own.to_vec(),
    };
    let mut found: BTreeMap<String, (Option<String>, String)> = BTreeMap::new();
    for (value, path) in &declared {
        let what = (builder.declaration().address.to_string(), path.clone());
        let image = runtime::named(builder, Some(value), (&what.0, &what.1))?;
        let folder = image.folder(builder, None, path);
        found.entry(image.name().to_owned()).or_insert_with(|| (folder, path.clone()));
    }
    let mut all = found.into_iter();
    match (all.next(), all.next()) {
        (Some((name, (folder, _))), None) => Some(Image { name, folder }),
        (Some((first, _)), Some((second, (_, path)))) => {
            let headline = format!("it would have to run in two images, `{first}` and `{second}`");
            let help = "what registers versions, checks data or serves variants runs in one pod: give all its runtimes one image, or name one with `runtime`";
            builder.error(codes::IMAGE, &path, headline, help);
            None
        }
        (None, _) => {
            let help = "declare `runtime \"py\" { image = \"registry/name@sha256:…\" }`, which holds the code, its packages and mlp, or one with a `base`, on which `mlp image build` builds it";
            builder.error(
                codes::IMAGE,
                "",
                "no runtime of this environment says in which image it runs",
                help,
            );
            None
        }
    }
}
