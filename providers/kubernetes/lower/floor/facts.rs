//! What the lowerings of the floor ask of the world, answered for the cluster: files and code of the project are those of the
//! image and planned by what they hold here; programs are looked for in the pod; this machine is no measure.

use mlp_provider::{LowerInput, Lowered, Provider};

use crate::mlp_platform::Platform;
use crate::mlp_value::Value;
use crate::mlp_value::facts::{Fact, Facts, Need, Needs};

/// What the floor makes of a declaration. What it could not be told is in the second part, what has to be found out first in the needs.
pub(super) fn lower(floor: &dyn Provider, input: &LowerInput<'_>) -> (Lowered, Vec<Need>) {
    let mut facts = Facts::default();
    loop {
        let mut lowered = floor.lower(&LowerInput { facts: &facts, ..*input });
        let (mut open, mut refused) = (Needs::new(), Vec::new());
        let mut more = Vec::new();
        for need in std::mem::take(&mut lowered.needs) {
            match answer(input.platform, &need) {
                Answer::This(fact) => more.push((need, fact)),
                Answer::Never => refused.push(need),
                Answer::Project => {
                    if let Some(fact) = input.facts.ask(need.clone(), &mut open) {
                        more.push((need, fact.clone()));
                    }
                }
            }
        }
        if more.is_empty() {
            lowered.needs = open;
            return (lowered, refused);
        }
        more.into_iter().for_each(|(need, fact)| facts.insert(need, fact));
    }
}

enum Answer {
    /// As it is in the cluster.
    This(Fact),
    /// As it is in the project.
    Project,
    /// It cannot be told for the cluster.
    Never,
}

fn answer(platform: &Platform, need: &Need) -> Answer {
    match need {
        // Found on the search path of the pod, where its version is checked.
        Need::Program(name) => Answer::This(Fact::Program { path: name.clone(), version: String::new() }),
        // The scheduler knows what nodes have.
        Need::Machine => Answer::This(Fact::Machine { cores: 1 << 20, memory: 1 << 60, gpus: Vec::new() }),
        Need::Digest(path) if is_generated(platform, path) => Answer::This(Fact::Missing),
        // The records of this machine say nothing of the cluster.
        Need::Text(path) if path.starts_with(".mlp/") => Answer::This(Fact::Missing),
        Need::Text(_) | Need::Bytes(_) | Need::Files(_) | Need::Digest(_) | Need::Tree(_) => Answer::Project,
        _ => Answer::Never,
    }
}

/// Whether a command makes the file: then it is made in the cluster, whatever lies here.
fn is_generated(platform: &Platform, path: &str) -> bool {
    let text = |source: &crate::mlp_platform::Declaration, name: &str| {
        source.body.field(name).and_then(Value::as_text).map(str::to_owned)
    };
    platform.declarations.values().filter(|found| found.kind == "source").any(|source| {
        let uri = text(source, "uri");
        uri.is_some_and(|uri| uri.strip_prefix("file://").unwrap_or(&uri) == path)
            && text(source, "generate").is_some()
    })
}
