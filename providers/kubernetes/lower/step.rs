//! One step of a pipeline: a container that finds its inputs where the steps before it left them.

use std::collections::{BTreeMap, BTreeSet};

use super::builder::{Builder, env, list};
use super::command::{self, Holes};
use super::params::{literal, text_of, variable};
use super::{compute, dataset, runtime, secret};
use crate::codes;
use crate::mlp_eval::{PlanValue, Reference, reference_of};
use crate::mlp_platform::Declaration;
use crate::mlp_value::Value;
use crate::natives::MOUNTS;

/// Where the outputs of the steps of a run lie.
const RUN: &str = "/mlp/run";
/// The volume they lie in.
pub(super) const SHARED: &str = "run";

/// A step as it is written.
pub(super) struct Step<'a> {
    pub(super) name: String,
    body: &'a PlanValue,
    component: Option<&'a Declaration>,
    defaults: Option<&'a PlanValue>,
    /// Outputs with their types.
    outputs: BTreeMap<String, String>,
    /// Steps it comes after.
    pub(super) after: BTreeSet<String>,
}

/// What a container needs of its pod.
#[derive(Default)]
pub(super) struct Needed {
    /// Claims by the name of their volume.
    pub(super) claims: BTreeMap<String, String>,
    /// Containers by the parameter of the pipeline that they take.
    pub(super) takers: BTreeMap<String, BTreeSet<String>>,
}

impl<'a> Step<'a> {
    pub(super) fn read(builder: &mut Builder<'a>, name: &str, body: &'a PlanValue) -> Self {
        let component = match body.field("use").filter(|used| !used.is_null()) {
            Some(used) => builder.referred(used, "component", &format!("step.{name}.use")),
            None => None,
        };
        let defaults = builder.attribute("defaults");
        let mut step = Self {
            name: name.to_owned(),
            body,
            component,
            defaults,
            outputs: BTreeMap::new(),
            after: BTreeSet::new(),
        };
        let declared = step.attribute("outputs").and_then(Value::as_object);
        for (output, kind) in declared.into_iter().flatten() {
            let kind = kind.as_text().or_else(|| kind.field("type")?.as_text()).unwrap_or("file");
            step.outputs.insert(output.to_string(), kind.to_owned());
        }
        let own = &builder.declaration().address;
        let inputs = body.field("inputs").and_then(Value::as_object).into_iter().flat_map(|all| all.values());
        let after = body.field("after").and_then(Value::as_list).into_iter().flatten();
        for reference in inputs.chain(after).filter_map(reference_of).filter(|found| found.address == *own) {
            step.after.extend(step_of(&reference).map(|(step, _)| step));
        }
        step
    }

    /// The step's own attribute, else its component's, else the pipeline's default.
    fn attribute(&self, name: &str) -> Option<&'a PlanValue> {
        let component = || self.component.and_then(|component| component.body.field(name));
        let defaults = || self.defaults.and_then(|defaults| defaults.field(name));
        let set = |value: &&PlanValue| !value.is_null();
        self.body
            .field(name)
            .filter(set)
            .or_else(|| component().filter(set))
            .or_else(|| defaults().filter(set))
    }

    fn at(&self, word: &str) -> String {
        format!("step.{}.{word}", self.name)
    }

    /// The number of tries after the first, and the seconds that one may take.
    pub(super) fn bounds(&self) -> (Option<&'a PlanValue>, Option<&'a str>) {
        let retry = self.attribute("retry").and_then(|retry| retry.field("max"));
        (retry, self.attribute("timeout").and_then(Value::as_text))
    }

    fn output(&self, output: &str) -> String {
        let ending = match self.outputs.get(output).map(String::as_str) {
            Some("table") => ".csv",
            Some("metrics") => ".json",
            _ => "",
        };
        format!("{RUN}/{}/{output}{ending}", self.name)
    }

    /// The container.
    pub(super) fn container(
        &self,
        builder: &mut Builder<'a>,
        steps: &BTreeMap<String, Step<'a>>,
        needed: &mut Needed,
    ) -> Option<PlanValue> {
        let coded = self.component.and_then(|component| component.body.field("code"));
        if coded.is_some_and(|code| !code.is_null()) {
            let help = "code reaches a container in its image: leave `code` out of the component";
            builder.not_served(&self.at("use"), "a component with `code`", help);
        }
        let Some(run) = self.attribute("run") else {
            let path = format!("step.{}", self.name);
            builder.error(
                codes::VALUE,
                &path,
                format!("step `{}` has nothing to run", self.name),
                "give it `run`, or `use`",
            );
            return None;
        };
        let what = format!("step `{}`", self.name);
        let at = self.at("runtime");
        let image = runtime::image(builder, self.attribute("runtime"), (&what, &at));
        let mut mounts = vec![mount(&format!("{RUN}/{}", self.name), SHARED, &self.name, false)];
        let mut variables = self.fixed(builder);
        let holes = self.holes(builder);
        let script = command::shell(builder, run, &self.at("run"), &holes);
        variables.extend(self.inputs(builder, steps, needed, &mut mounts));
        variables.extend(self.outputs.keys().map(|name| env(variable("OUTPUT", name), self.output(name))));
        variables.extend(self.params(builder, needed, script.as_deref().unwrap_or_default()));
        variables.extend(secret::variables(builder, self.attribute("secrets"), &self.at("secrets")));
        let resources =
            self.attribute("compute").and_then(|value| compute::resolve(builder, value, &self.at("compute")));
        let image = image?;
        variables.extend(image.env);
        let words = ["/bin/sh", "-c"].map(Value::text).into_iter();
        let script = self.script(&script?);
        let mut fields = vec![
            ("name", Value::text(&self.name)),
            ("image", Value::text(image.name)),
            ("command", Value::list(words.chain([Value::text(literal(&script))]))),
            ("env", Value::list(variables)),
            ("volumeMounts", Value::list(mounts)),
        ];
        fields.extend(resources.map(|resources| ("resources", resources)));
        Some(Value::object(fields))
    }

    /// The command, and then a look at whether what it should hand on is there.
    fn script(&self, command: &str) -> String {
        let mut script = format!("(\n{command}\n) || exit $?\n");
        for output in self.outputs.keys() {
            let variable = variable("OUTPUT", output);
            script.push_str(&format!(
                "[ -e \"${variable}\" ] || {{ echo 'mlp: the output {output} is missing' >&2; exit 1; }}\n"
            ));
        }
        script
    }

    fn fixed(&self, builder: &Builder<'_>) -> Vec<PlanValue> {
        let field =
            Value::object([("fieldPath", Value::text("metadata.labels['batch.kubernetes.io/job-name']"))]);
        let run = Value::object([
            ("name", Value::text("MLP_RUN_ID")),
            ("valueFrom", Value::object([("fieldRef", field)])),
        ]);
        let metrics =
            self.outputs.iter().find(|(_, kind)| *kind == "metrics").map(|(name, _)| self.output(name));
        let folder = format!("{RUN}/{}", self.name);
        vec![
            run,
            env("MLP_PIPELINE", builder.declaration().address.to_string()),
            env("MLP_STEP", &self.name),
            env("MLP_STEP_DIR", &folder),
            env("MLP_METRICS", metrics.unwrap_or_else(|| format!("{folder}/metrics.json"))),
            env("MLP_PROGRESS", "mlp:progress"),
        ]
    }

    fn holes(&self, builder: &Builder<'_>) -> Holes {
        let keys = |value: Option<&PlanValue>| -> Vec<String> {
            value
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(|all| all.keys())
                .map(ToString::to_string)
                .collect()
        };
        let both = |word: &str| {
            let component = self.component.and_then(|component| component.body.field(word));
            [keys(self.body.field(word)), keys(component)].concat()
        };
        let params = [both("params"), keys(builder.attribute("params"))].concat();
        Holes { inputs: both("inputs"), outputs: self.outputs.keys().cloned().collect(), params }
    }

    fn inputs(
        &self,
        builder: &mut Builder<'a>,
        steps: &BTreeMap<String, Step<'a>>,
        needed: &mut Needed,
        mounts: &mut Vec<PlanValue>,
    ) -> Vec<PlanValue> {
        let mut variables = Vec::new();
        let mut mounted = BTreeSet::new();
        let own = self.body.field("inputs").and_then(Value::as_object);
        let mut given = BTreeSet::new();
        for (input, value) in own.into_iter().flatten() {
            given.insert(input.to_string());
            let path = self.at(&format!("inputs.{input}"));
            let Some(found) = self.input(builder, steps, value, &path) else { continue };
            if mounted.insert(found.mounted.clone()) {
                mounts.push(found.mount());
            }
            if let Some(claim) = &found.claim {
                needed.claims.insert(found.volume.clone(), claim.clone());
            }
            variables.push(env(variable("INPUT", input), &found.path));
        }
        let declared = self.component.and_then(|component| component.body.field("inputs")?.as_object());
        for (input, kind) in declared.into_iter().flatten().filter(|(input, _)| !given.contains(&***input)) {
            if kind.field("optional").and_then(Value::as_bool) == Some(true) {
                variables.push(env(variable("INPUT", input), ""));
            } else {
                let headline = format!("the input `{input}` is missing");
                builder.error(
                    codes::VALUE,
                    &self.at("inputs"),
                    headline,
                    "give it, or declare it `optional(...)`",
                );
            }
        }
        variables
    }

    fn input(
        &self,
        builder: &mut Builder<'a>,
        steps: &BTreeMap<String, Step<'a>>,
        value: &PlanValue,
        path: &str,
    ) -> Option<Input> {
        let help = "refer to the output of a step, a storage or a dataset";
        let Some(reference) = reference_of(value) else {
            builder.not_served(path, "an input that is no reference", help);
            return None;
        };
        if reference.address == builder.declaration().address {
            let found = step_of(&reference).and_then(|(step, output)| Some((steps.get(&step)?, output?)));
            let Some((step, output)) = found.filter(|(step, output)| step.outputs.contains_key(output))
            else {
                builder.error(codes::UNRESOLVED, path, format!("`{reference}` is no output of a step"), "");
                return None;
            };
            return Some(Input {
                path: step.output(&output),
                mounted: format!("{RUN}/{}", step.name),
                volume: SHARED.to_owned(),
                folder: step.name.clone(),
                claim: None,
            });
        }
        let (storage, folder) = match reference.address.kind.as_ref() {
            "storage" => (builder.referred(value, "storage", path)?, String::new()),
            "dataset" if reference.path.is_empty() => {
                let found = builder.referred(value, "dataset", path)?;
                let storage = found.body.field("storage").filter(|storage| !storage.is_null())?;
                (builder.referred(storage, "storage", path)?, dataset::folder(&found.address))
            }
            other => {
                builder.not_served(path, &format!("an input from a {other}"), help);
                return None;
            }
        };
        let claim = dataset::claim(builder, storage);
        let mounted = format!("{MOUNTS}/{claim}");
        let path = if folder.is_empty() { mounted.clone() } else { format!("{mounted}/{folder}") };
        let volume = format!(
            "storage-{}",
            crate::names::label(&storage.address.name).to_lowercase().replace(['_', '.'], "-")
        );
        Some(Input { path, mounted, volume, folder: String::new(), claim: Some(claim) })
    }

    /// Its own parameters, and those of the pipeline that they or its command name.
    fn params(&self, builder: &mut Builder<'a>, needed: &mut Needed, script: &str) -> Vec<PlanValue> {
        let mut all: BTreeMap<String, PlanValue> = BTreeMap::new();
        let mut taken = BTreeSet::new();
        let own = self.body.field("params").and_then(Value::as_object);
        let passed: BTreeSet<String> =
            own.into_iter().flat_map(|own| own.values()).filter_map(command::parameter).collect();
        let named = |name: &str| script.contains(&format!("\"${}\"", variable("PARAM", name)));
        let whole = builder.attribute("params").and_then(Value::as_object).into_iter().flatten();
        for (name, value) in whole.filter(|(name, _)| passed.contains(&***name) || named(name)) {
            let default = value.field("default").unwrap_or(value);
            if let Some(text) = constant(builder, default, &format!("params.{name}")) {
                all.insert(name.to_string(), env(variable("PARAM", name), literal(&text)));
                taken.insert(name.to_string());
            }
        }
        let declared = self.component.and_then(|component| component.body.field("params")?.as_object());
        let defaults =
            declared.into_iter().flatten().filter(|(name, _)| own.is_none_or(|own| !own.contains_key(*name)));
        let mut later = Vec::new();
        for (name, value) in defaults.chain(own.into_iter().flatten()) {
            let path = self.at(&format!("params.{name}"));
            match command::parameter(value) {
                Some(of) if of == **name && taken.contains(&of) => {}
                Some(of) if taken.contains(&of) => {
                    later.push(env(variable("PARAM", name), format!("$({})", variable("PARAM", &of))));
                    if taken.remove(&**name) {
                        all.remove(&**name);
                    }
                }
                _ => {
                    let default = value.field("default").unwrap_or(value);
                    if let Some(text) = constant(builder, default, &path) {
                        all.insert(name.to_string(), env(variable("PARAM", name), literal(&text)));
                        taken.remove(&**name);
                    }
                }
            }
        }
        for name in taken {
            needed.takers.entry(name).or_default().insert(self.name.clone());
        }
        all.into_values().chain(later).collect()
    }
}

/// A value that the cluster can be given as it is.
fn constant(builder: &mut Builder<'_>, value: &PlanValue, path: &str) -> Option<String> {
    let found = command::constant(value);
    if found.is_none() && !value.has_holes() {
        builder.not_served(
            path,
            "a parameter that is computed by a run",
            "use `param.x` as it is, or a constant",
        );
    }
    found.map(|known| text_of(&known))
}

/// An input: where it is, and what has to be mounted for that.
struct Input {
    path: String,
    mounted: String,
    volume: String,
    folder: String,
    claim: Option<String>,
}

impl Input {
    fn mount(&self) -> PlanValue {
        mount(&self.mounted, &self.volume, &self.folder, true)
    }
}

/// A mount; what steps hand on lies in a folder of its run.
fn mount(path: &str, volume: &str, folder: &str, read_only: bool) -> PlanValue {
    let mut fields = vec![("mountPath", Value::text(path)), ("name", Value::text(volume))];
    if !folder.is_empty() {
        fields.push(("subPathExpr", Value::text(format!("runs/$(MLP_RUN_ID)/{folder}"))));
    }
    if read_only {
        fields.push(("readOnly", Value::Bool(true)));
    }
    Value::object(fields)
}

/// Step and output of a reference into a pipeline.
fn step_of(reference: &Reference) -> Option<(String, Option<String>)> {
    match reference.path.as_slice() {
        [word, step] if word == "step" => Some((step.clone(), None)),
        [word, step, output] if word == "step" => Some((step.clone(), Some(output.clone()))),
        _ => None,
    }
}

/// Volumes of a pod: that of its run, and those of storages.
pub(super) fn volumes(shared: Option<&str>, needed: &Needed) -> Option<(&'static str, PlanValue)> {
    let claimed = |name: &str, claim: &str| {
        let claim = Value::object([("claimName", Value::text(claim))]);
        Value::object([("name", Value::text(name)), ("persistentVolumeClaim", claim)])
    };
    let run = match shared {
        Some(claim) => claimed(SHARED, claim),
        None => Value::object([("name", Value::text(SHARED)), ("emptyDir", Value::object::<&str>([]))]),
    };
    let storages = needed.claims.iter().map(|(name, claim)| claimed(name, claim));
    list("volumes", [run].into_iter().chain(storages).collect())
}
