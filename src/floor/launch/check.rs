//! Whether a pipeline can be run at all: everything that is known before the first process.

use std::collections::{BTreeMap, BTreeSet};

use super::command::{effective_params, variable};
use super::spec::{ArtifactType, InputBinding, PipelineRun, Segment, StepSpec};
use crate::Problem;

/// Checks names, dependencies, holes and capacity, and returns all that is wrong.
#[must_use]
pub fn check(run: &PipelineRun) -> Vec<Problem> {
    let mut problems = Vec::new();
    let by_name: BTreeMap<&str, &StepSpec> =
        run.steps.iter().map(|step| (step.name.as_str(), step)).collect();
    let mut seen = BTreeSet::new();
    for step in &run.steps {
        let subject = format!("step.{}", step.name);
        let mut found = Vec::new();
        if !seen.insert(&step.name) {
            found.push(invalid(format!("there are two steps with the name `{}`", step.name)));
        }
        check_names(step, &mut found);
        check_holes(run, step, &mut found);
        check_bindings(step, &by_name, &mut found);
        check_capacity(run, step, &mut found);
        check_retry(step, &mut found);
        problems.extend(found.into_iter().map(|problem| problem.at(subject.clone())));
    }
    if !(0.0..1e9).contains(&run.grace_seconds) {
        problems.push(invalid("the grace period is not a duration".into()));
    }
    problems.extend(find_cycle(&run.steps, &by_name));
    problems
}

/// The steps that must have ended well before this one starts.
pub(crate) fn dependencies(step: &StepSpec) -> BTreeSet<&str> {
    let read = step.inputs.values().filter_map(|binding| match binding {
        InputBinding::StepOutput { step, .. } => Some(step.as_str()),
        _ => None,
    });
    read.chain(step.after.iter().map(String::as_str)).collect()
}

fn invalid(message: String) -> Problem {
    Problem::new("MLP0760", message)
}

fn check_names(step: &StepSpec, problems: &mut Vec<Problem>) {
    let good = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    };
    for (kind, names) in [
        ("step", vec![&step.name]),
        ("input", step.inputs.keys().collect()),
        ("output", step.outputs.keys().collect()),
        ("parameter", step.params.keys().collect()),
    ] {
        let mut variables = BTreeMap::new();
        for name in names {
            if !good(name) {
                problems.push(
                    invalid(format!("`{name}` cannot be the name of a {kind}"))
                        .help("use letters, digits, `_` and `-`"),
                );
            }
            if let Some(other) = variables.insert(variable("", name), name) {
                let message = format!("the {kind}s `{other}` and `{name}` would be one environment variable");
                problems.push(invalid(message));
            }
        }
    }
    for name in step.env.0.keys().filter(|name| name.starts_with("MLP_") || name.contains(['=', '\0'])) {
        let message = format!("`{name}` cannot be given as an environment variable");
        problems.push(invalid(message).note("names that begin with `MLP_` are set by the launcher"));
    }
}

fn check_holes(run: &PipelineRun, step: &StepSpec, problems: &mut Vec<Problem>) {
    let params = effective_params(run, step);
    for segment in &step.run {
        let unknown = match segment {
            Segment::Input(name) if !step.inputs.contains_key(name) => ("input", name),
            Segment::Output(name) if !step.outputs.contains_key(name) => ("output", name),
            Segment::Param(name) if !params.contains_key(name) => ("parameter", name),
            _ => continue,
        };
        let message =
            format!("the command of step `{}` names an unknown {} `{}`", step.name, unknown.0, unknown.1);
        problems.push(invalid(message));
    }
}

fn check_bindings(step: &StepSpec, by_name: &BTreeMap<&str, &StepSpec>, problems: &mut Vec<Problem>) {
    for other in dependencies(step).into_iter().filter(|other| !by_name.contains_key(other)) {
        problems.push(invalid(format!("step `{}` depends on an unknown step `{other}`", step.name)));
    }
    for (name, binding) in &step.inputs {
        let InputBinding::StepOutput { step: from, output, kind } = binding else { continue };
        let Some(source) = by_name.get(from.as_str()) else { continue };
        match source.outputs.get(output) {
            None => {
                let there: Vec<&str> = source.outputs.keys().map(String::as_str).collect();
                let message = format!("input `{name}` reads `{output}`, which step `{from}` does not write");
                problems.push(invalid(message).note(format!("its outputs: {}", there.join(", "))));
            }
            Some(spec) if !fits(spec.kind, *kind) => problems.push(invalid(format!(
                "input `{name}` is a {kind}, but `{from}.{output}` is a {}",
                spec.kind
            ))),
            Some(_) => {}
        }
    }
}

/// A reader of any file takes every kind of file, one of any directory every kind of directory.
fn fits(written: ArtifactType, read: ArtifactType) -> bool {
    use ArtifactType::{Directory, File, Metrics, Model, Table};
    written == read || matches!((written, read), (Table | Metrics, File) | (Model, Directory))
}

fn check_capacity(run: &PipelineRun, step: &StepSpec, problems: &mut Vec<Problem>) {
    let mut exceeds = |what: &str, asked: String, offered: String| {
        let message = format!("step `{}` asks for {asked} {what}, and {offered} are there", step.name);
        problems.push(Problem::new("MLP0761", message));
    };
    let capacity = run.capacity;
    if let (Some(asked), Some(offered)) = (step.cpu, capacity.cpu)
        && asked > offered
    {
        exceeds("cores", asked.to_string(), offered.to_string());
    }
    if let (Some(asked), Some(offered)) = (step.memory, capacity.memory)
        && asked > offered
    {
        exceeds("bytes of memory", asked.to_string(), offered.to_string());
    }
    if step.gpus > capacity.gpus {
        exceeds("GPUs", step.gpus.to_string(), capacity.gpus.to_string());
    }
}

fn check_retry(step: &StepSpec, problems: &mut Vec<Problem>) {
    let known = ["error", "timeout", "temporary"];
    for word in step.retry.on.iter().filter(|word| !known.contains(&word.as_str())) {
        let message = format!("`{word}` is nothing that can be tried again");
        problems.push(invalid(message).help("retry on `error`, `timeout` or `temporary`"));
    }
    let seconds = [Some(step.retry.backoff_seconds), step.timeout_seconds];
    // A billion seconds is more than anybody waits and less than a duration can hold.
    if seconds.into_iter().flatten().any(|value| !(0.0..1e9).contains(&value)) {
        problems.push(invalid(format!("step `{}` has a time that is not a duration", step.name)));
    }
}

fn find_cycle(steps: &[StepSpec], by_name: &BTreeMap<&str, &StepSpec>) -> Option<Problem> {
    let mut done = BTreeSet::new();
    steps.iter().find_map(|step| walk(&step.name, by_name, &mut done))
}

/// Follows what a step needs, to the end, without recursion: a chain may be as long as a pipeline.
fn walk<'a>(
    name: &'a str,
    by_name: &BTreeMap<&'a str, &'a StepSpec>,
    done: &mut BTreeSet<&'a str>,
) -> Option<Problem> {
    let needs = |name: &str| by_name.get(name).map(|step| dependencies(step)).unwrap_or_default().into_iter();
    let mut path: Vec<(&str, std::collections::btree_set::IntoIter<&str>)> = Vec::new();
    let mut on_path = BTreeSet::new();
    let mut open = vec![name];
    loop {
        if let Some(next) = open.pop() {
            if done.contains(next) || !by_name.contains_key(next) {
                continue;
            }
            if !on_path.insert(next) {
                let circle =
                    path.iter().map(|(step, _)| *step).skip_while(|step| *step != next).chain([next]);
                let shown = circle.map(|step| format!("`{step}`")).collect::<Vec<_>>().join(" needs ");
                return Some(
                    invalid(format!("the steps wait for each other: {shown}")).at(format!("step.{next}")),
                );
            }
            path.push((next, needs(next)));
        }
        let (step, left) = path.last_mut()?;
        match left.next() {
            Some(next) => open.push(next),
            None => {
                on_path.remove(step);
                done.insert(step);
                path.pop();
            }
        }
    }
}
