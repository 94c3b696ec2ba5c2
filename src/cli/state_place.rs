//! The part of `mlp init` that looks where states are, and moves them when asked to.

use mlp_diag::{Diagnostic, Diagnostics};
use serde_json::json;

use super::exit::Exit;
use super::project::Project;
use super::variable_args::VariableArgs;
use super::{Globals, report};
use crate::engine::place::{Migrated, Standing, migrate, reconfigure, standing};
use crate::engine::remember::{Act, counted};
use crate::host::who;

/// What is to be done about a state that is elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Say so.
    Look,
    /// Move it.
    Migrate,
    /// Go on with the place that is named.
    Reconfigure,
}

/// The codes of a state that is not where it is looked for, or not as it is to be.
const ELSEWHERE: &[&str] = &["MLP0607", "MLP0927"];

/// What was done for one environment.
struct Done {
    lines: Vec<String>,
    document: serde_json::Value,
}

/// Looks at the state of each environment, or of the one that is named.
pub fn run(wish: Wish, variables: &VariableArgs, globals: &Globals) -> Exit {
    let project = Project::read(globals, variables);
    // Who asks of none by name may not have the credentials of all.
    let lenient = wish == Wish::Look && globals.environment.is_none();
    let environments = globals.environment.clone().map_or_else(|| project.environments(), |one| vec![one]);
    let mut problems = Diagnostics::new();
    let mut documents = Vec::new();
    for environment in environments {
        match of(&project, &environment, wish) {
            Ok(done) => {
                done.lines.iter().for_each(|line| report::talk(line));
                documents.push(done.document);
            }
            Err(found) if lenient && !found.iter().any(|one| ELSEWHERE.contains(&&*one.code)) => {
                let why = found.first().map(|one| one.headline.clone()).unwrap_or_default();
                report::talk(&format!("The state of {environment} was not looked at: {why}."));
                documents.push(json!({ "environment": environment, "state": "unknown" }));
            }
            Err(found) => {
                problems.extend(found.into_iter().filter(|one| !problems.contains(one)).collect::<Vec<_>>())
            }
        }
    }
    if !problems.is_empty() {
        return report::diagnostics(&problems, &project.sources, globals);
    }
    if globals.json {
        let document = json!({ "format_version": report::FORMAT_VERSION, "states": documents });
        report::data(&format!("{document}\n"));
    }
    Exit::Success
}

fn of(project: &Project, environment: &str, wish: Wish) -> Result<Done, Diagnostics> {
    let one = |diagnostic: Diagnostic| vec![diagnostic];
    // Where it is to be may stand in what cannot be read.
    let platform = match project.platform_of_state(environment, wish != Wish::Look) {
        Ok(platform) => platform,
        // What is wrong with a specification is said by what works with it.
        Err(_) if wish == Wish::Look => {
            let line =
                format!("The state of {environment} was not looked at: `mlp validate` says what is wrong.");
            let document = json!({ "environment": environment, "state": "unknown" });
            return Ok(Done { lines: vec![line], document });
        }
        Err(problems) => return Err(problems),
    };
    let directory = &project.directory;
    let done = |lines: Vec<String>, state: &str| Done {
        lines,
        document: json!({ "environment": environment, "state": state }),
    };
    match wish {
        Wish::Look => match standing(&platform, directory).map_err(one)? {
            Standing::Here => Ok(done(Vec::new(), "here")),
            Standing::Elsewhere(problem) => Err(vec![*problem]),
            Standing::OtherKeys { encrypted } => Err(one(other_keys(environment, encrypted))),
        },
        Wish::Reconfigure => {
            reconfigure(&platform, directory).map_err(one)?;
            Ok(done(vec![format!("The state of {environment} is where the specification says.")], "here"))
        }
        Wish::Migrate => {
            let act = Act {
                user: who::user(),
                who: who::who(),
                command: "init -migrate-state".to_owned(),
                commit: who::commit(directory),
            };
            migrate(&platform, directory, &act).map(|migrated| told(environment, &migrated))
        }
    }
}

fn other_keys(environment: &str, encrypted: bool) -> Diagnostic {
    let headline = match encrypted {
        true => format!("the state of `{environment}` is not encrypted as `encrypt` says"),
        false => format!("the state of `{environment}` is encrypted, and `state` names no key"),
    };
    Diagnostic::error("MLP0927", headline)
        .note("what is written from now on is; what is there is written anew by the next apply")
        .help("`mlp init -migrate-state` writes everything anew now")
}

fn told(environment: &str, migrated: &Migrated) -> Done {
    let lines = match migrated {
        Migrated::Nothing => vec![format!(
            "The state of {environment} is where the specification says: there is nothing to move."
        )],
        Migrated::Rewritten(remembered) => {
            vec![format!(
                "The state of {environment} is encrypted as the specification says: {}.",
                remembered.done.join(", ")
            )]
        }
        Migrated::Moved { from, to, what, encrypted } => vec![
            format!(
                "{} the state of {environment}: {}, {} of the history, {} kept beside them{}.",
                if what.finished { "Finished moving" } else { "Moved" },
                counted(what.records),
                report::count(what.applies, "entry").replace("entrys", "entries"),
                report::count(what.kept, "thing"),
                if *encrypted { ", encrypted" } else { "" }
            ),
            format!("  from {from}"),
            format!("  to   {to}"),
            "Everything was compared; the old place is marked as left, and nothing of it was deleted."
                .to_owned(),
        ],
    };
    let document = match migrated {
        Migrated::Nothing => json!({ "environment": environment, "state": "here" }),
        Migrated::Rewritten(_) => json!({ "environment": environment, "state": "rewritten" }),
        Migrated::Moved { from, to, what, encrypted } => json!({
            "environment": environment, "state": "moved", "from": from, "to": to, "records": what.records,
            "history": what.applies, "kept": what.kept, "digest": what.digest, "encrypted": encrypted,
            "finished": what.finished,
        }),
    };
    Done { lines, document }
}
