//! Artifacts from step to step: what a step gives its component must be what that takes, by name and by type.

use mlp_diag::{Diagnostic, Span, one_of};
use mlp_eval::{PlanValue, Quoted, reference_of};
use mlp_platform::Declaration;
use mlp_value::{Path, Value};

use super::members::outputs;
use super::params;
use super::{Whole, names_of};
use crate::calls::call_of;
use crate::codes;

/// An artifact, and where its type is said.
struct Artifact {
    ty: String,
    said: Option<Span>,
}

/// Checks every step of every pipeline.
pub(super) fn check(whole: &Whole<'_, '_>) {
    for pipeline in whole.of_kind("pipeline") {
        params::defaults(whole, pipeline);
        for name in names_of(pipeline.body.field("step")) {
            let at = Path::of(&["step", name]);
            let Some(body) = pipeline.body.get(&at) else { continue };
            let step = Step { whole, pipeline, name, at, body };
            step.component();
            step.sliced();
            params::of_step(whole, pipeline, name);
            step.wanted("from", "register", "model");
            step.wanted("evidence", "register", "metrics");
        }
    }
    for component in whole.of_kind("component") {
        params::defaults(whole, component);
    }
    for experiment in whole.of_kind("experiment") {
        searched(whole, experiment);
    }
}

/// A step, where it stands.
struct Step<'s, 'a, 't> {
    whole: &'s Whole<'a, 't>,
    pipeline: &'a Declaration,
    name: &'a str,
    at: Path,
    body: &'a PlanValue,
}

impl Step<'_, '_, '_> {
    fn place(&self, path: &Path) -> Option<Span> {
        self.whole.place(&self.pipeline.address, path)
    }

    /// What it gives the component it uses, against what that declares.
    fn component(&self) {
        let Some(used) = self.body.field("use") else { return };
        let Some((component, reference)) = self.whole.behind(used) else { return };
        if !reference.path.is_empty() {
            let what = format!("what step `{}` gives to `{reference}` and takes from it", self.name);
            let place = self.place(&self.at.field("use"));
            return self.whole.unchecked(place, what, "use a component that is declared in the project");
        }
        self.inputs(component);
        self.named("params", "parameter", component);
        self.named("outputs", "output", component);
    }

    fn inputs(&self, component: &Declaration) {
        // A name that is not known is most likely the one that is missing.
        if !self.named("inputs", "input", component) {
            return;
        }
        let declared = component.body.field("inputs").and_then(Value::as_object);
        for (input, wanted) in declared.into_iter().flat_map(|inputs| inputs.iter()) {
            let at = self.at.field("inputs").field(input);
            let (ty, optional) = type_of(wanted);
            let there = Path::of(&["inputs", input]);
            match self.pipeline.body.get(&at) {
                None if optional => {}
                None => {
                    let inputs = self.at.field("inputs");
                    let place = self.place(&inputs).or_else(|| self.place(&self.at.field("use")));
                    self.whole.report(
                        Diagnostic::error(
                            codes::WIRING,
                            format!(
                                "step `{}` does not give `{input}` to `{}`",
                                self.name, component.address
                            ),
                        )
                        .at_opt(place, "not among these")
                        .see(
                            self.whole.place(&component.address, &there).unwrap_or(component.header),
                            "taken here",
                        )
                        .help(format!("add `{input} = …`, or declare it `optional({ty:?})`")),
                    );
                }
                Some(given) => self.fits(given, &at, &ty, component, &there),
            }
        }
    }

    /// A value that is given where an artifact of a type is taken.
    fn fits(&self, given: &PlanValue, at: &Path, wanted: &str, component: &Declaration, there: &Path) {
        let Some(artifact) = artifact(self.whole, self.pipeline, given) else { return };
        if goes_into(&artifact.ty, wanted) {
            return;
        }
        let Some(mlp_value::Step::Field(name)) = at.steps().last() else { return };
        let mut problem = Diagnostic::error(
            codes::WIRING,
            format!("`{name}` takes a {wanted}, and this is a {}", artifact.ty),
        )
        .at_opt(self.place(at), format!("a {}", artifact.ty));
        if let Some(span) = self.whole.place(&component.address, there) {
            problem = problem.see(span, format!("a {wanted} is taken here"));
        }
        if let Some(said) = artifact.said {
            problem = problem.see(said, format!("a {} is handed on here", artifact.ty));
        }
        self.whole.report(problem.help(format!("give it a {wanted}")));
    }

    /// Columns that metrics are computed by: which table they are of, only the code of the step knows.
    fn sliced(&self) {
        let at = self.at.field("slices");
        if self.body.field("slices").is_some() {
            let what = format!("the columns by which step `{}` slices its metrics", self.name);
            self.whole.unchecked(self.place(&at), what, "the step itself says which table they are of");
        }
    }

    /// Names that a step uses and its component declares.
    fn named(&self, word: &str, one: &str, component: &Declaration) -> bool {
        let known = names_of(component.body.field(word));
        if component.body.field(word).is_none() && word == "outputs" {
            return true;
        }
        let mut all = true;
        for name in names_of(self.body.field(word)) {
            if known.contains(&name) {
                continue;
            }
            all = false;
            let place = self.whole.name_place(&self.pipeline.address, &self.at.field(word).field(name));
            let declared = self.whole.name_place(&component.address, &Path::of(&[word]));
            self.whole.report(
                Diagnostic::error(codes::MEMBER, format!("`{}` has no {one} `{name}`", component.address))
                    .at_opt(place, "given here")
                    .see(declared.unwrap_or(component.header), format!("its {word}"))
                    .help(one_of(name, known.iter().copied())),
            );
        }
        all
    }

    /// An attribute that wants an artifact of one type.
    fn wanted(&self, attribute: &str, because: &str, wanted: &str) {
        let at = self.at.field(attribute);
        let (Some(given), Some(_)) = (self.body.field(attribute), self.body.field(because)) else { return };
        let Some(artifact) = artifact(self.whole, self.pipeline, given) else { return };
        if goes_into(&artifact.ty, wanted) {
            return;
        }
        let mut problem = Diagnostic::error(
            codes::WIRING,
            format!("`{attribute}` takes a {wanted}, and this is a {}", artifact.ty),
        )
        .at_opt(self.place(&at), format!("a {}", artifact.ty));
        if let Some(said) = artifact.said {
            problem = problem.see(said, format!("a {} is handed on here", artifact.ty));
        }
        self.whole.report(problem.help(format!("name an output that is a {wanted}")));
    }
}

/// `"table"`, `{ type = "table", optional = true }`, `optional("table")`: the type, and whether it may be absent.
fn type_of(value: &PlanValue) -> (String, bool) {
    if let Some((_, arguments)) = call_of(value) {
        return (arguments.first().and_then(Value::as_text).unwrap_or("file").to_owned(), true);
    }
    let full = value.field("type").and_then(Value::as_text);
    let optional = value.field("optional").and_then(Value::as_bool) == Some(true);
    (value.as_text().or(full).unwrap_or("file").to_owned(), optional)
}

/// A reader of any file takes every kind of file, one of any directory every kind of directory.
fn goes_into(given: &str, wanted: &str) -> bool {
    given == wanted || matches!((given, wanted), ("table" | "metrics", "file") | ("model", "directory"))
}

/// The artifact that a value names; `None` where its type is not said.
fn artifact(whole: &Whole<'_, '_>, pipeline: &Declaration, value: &PlanValue) -> Option<Artifact> {
    let plain = |ty: &str| Some(Artifact { ty: ty.to_owned(), said: None });
    if let Some((_, arguments)) = call_of(value) {
        return artifact(whole, pipeline, arguments.first()?);
    }
    if let Some(quoted) = Quoted::of(value) {
        return called(whole, pipeline, &quoted);
    }
    let reference = reference_of(value)?;
    match &*reference.address.kind {
        "dataset" | "features" => plain("table"),
        "model" => plain("model"),
        "storage" => plain("directory"),
        "pipeline" => {
            let [word, step, rest @ ..] = reference.path.as_slice() else { return None };
            let target = whole.get(&reference.address).filter(|_| word == "step")?;
            let (owner, at, declared) = outputs(whole, target, step)?;
            let name = match rest.first() {
                Some(name) => name.as_str(),
                None => match names_of(Some(declared)).as_slice() {
                    [only] => only,
                    _ => return None,
                },
            };
            let output = declared.field(name)?;
            Some(Artifact { ty: type_of(output).0, said: whole.place(&owner.address, &at.field(name)) })
        }
        _ => None,
    }
}

/// `at(features.x, param.as_of)`: kept for a run, and yet of a type.
fn called(whole: &Whole<'_, '_>, pipeline: &Declaration, quoted: &Quoted) -> Option<Artifact> {
    let mut found = None;
    super::members::in_expression(&quoted.expr, &mut |reference, _| {
        found = found.take().or_else(|| artifact(whole, pipeline, &reference.to_value()));
    });
    found
}

/// What a sweep searches are parameters of the pipeline.
fn searched(whole: &Whole<'_, '_>, experiment: &Declaration) {
    let Some((pipeline, _)) = experiment.body.field("pipeline").and_then(|value| whole.behind(value)) else {
        return;
    };
    let at = Path::of(&["sweep", "search"]);
    let known = names_of(pipeline.body.field("params"));
    for name in names_of(experiment.body.get(&at)) {
        if known.contains(&name) {
            continue;
        }
        let declared = whole.name_place(&pipeline.address, &Path::of(&["params"])).unwrap_or(pipeline.header);
        whole.report(
            Diagnostic::error(codes::MEMBER, format!("`{}` has no parameter `{name}`", pipeline.address))
                .at_opt(whole.name_place(&experiment.address, &at.field(name)), "searched here")
                .see(declared, "its parameters")
                .help(one_of(name, known.iter().copied())),
        );
    }
}
