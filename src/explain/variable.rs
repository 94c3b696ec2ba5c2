//! Variables: every value one was given, and which of them holds.

use mlp_config::VariableStory;
use mlp_diag::{Diagnostic, SourceMap};

use super::{Answer, Finder, Question, Unanswered};
use crate::cli::project::Project;

/// Its line in the list.
pub const FINDER: Finder = Finder { topics: "a variable with its values", example: "var.size", names, find };

/// What variables begin with.
const VAR: &str = "var.";

/// Whether a topic is the name of a variable, perhaps of a module's.
fn is_variable(topic: &str) -> bool {
    topic.starts_with(VAR) || (topic.starts_with("module.") && topic.contains(".var."))
}

/// The stories of all variables by environment.
fn stories(question: &Question<'_>) -> (Project, Vec<(String, Vec<VariableStory>)>) {
    let project = Project::read(question.globals, question.variables);
    let environments = match &question.globals.environment {
        Some(name) => vec![name.clone()],
        None => project.environments(),
    };
    let found = environments.into_iter().map(|name| {
        let stories = project.variables(&name);
        (name, stories)
    });
    let found = found.collect();
    (project, found)
}

fn names(question: &Question<'_>) -> Vec<String> {
    if !is_variable(question.topic) {
        return Vec::new();
    }
    let (_, all) = stories(question);
    let mut names: Vec<String> =
        all.into_iter().flat_map(|(_, stories)| stories).map(|story| story.name).collect();
    names.sort();
    names.dedup();
    names
}

fn find(question: &Question<'_>) -> Result<Option<Answer>, Unanswered> {
    if !is_variable(question.topic) {
        return Ok(None);
    }
    let (project, all) = stories(question);
    if let Some(name) = &question.globals.environment {
        let known = project.environments();
        if !known.contains(name) {
            let help = mlp_diag::one_of(name, known.iter().map(String::as_str));
            let problem =
                Diagnostic::error("MLP0913", format!("there is no environment `{name}`")).help(help);
            return Err((vec![problem], SourceMap::default()));
        }
    }
    let of_it = |stories: Vec<VariableStory>| stories.into_iter().find(|story| story.name == question.topic);
    let found: Vec<(String, VariableStory)> =
        all.into_iter().filter_map(|(name, stories)| Some((name, of_it(stories)?))).collect();
    let Some((_, first)) = found.first() else { return Ok(None) };
    let mut text = head(first, &project.sources);
    for (environment, story) in &found {
        text += &in_environment(environment, story, &project.sources);
    }
    if !first.name.starts_with("module.") {
        text += ORDER;
    }
    let detail = found.iter().map(|(environment, story)| detail(environment, story, &project.sources));
    let detail = serde_json::json!({
        "name": first.name,
        "declared": project.sources.place(first.declared),
        "description": first.description,
        "type": first.ty,
        "environments": detail.collect::<Vec<_>>(),
    });
    Ok(Some(Answer { text, detail }))
}

/// In which order values are taken.
const ORDER: &str = "
The later wins: its default, the environment's `variables`, MLP_VAR_<name>, mlp.mlpvars, mlp.mlpvars.json,
*.auto.mlpvars and *.auto.mlpvars.json by name, then -var-file and -var as they stand on the command line.
";

fn head(story: &VariableStory, sources: &SourceMap) -> String {
    let words: String = story.words.iter().map(|word| format!(", {word}")).collect();
    let mut text = format!("# {}\n\n", story.name);
    if let Some(description) = &story.description {
        text += &format!("{description}\n\n");
    }
    text + &format!("Type {}{words}; declared at {}.\n", story.ty, sources.place(story.declared))
}

fn in_environment(environment: &str, story: &VariableStory, sources: &SourceMap) -> String {
    let mut text = format!("\n## In {environment}\n\n");
    match &story.value {
        Some(value) => text += &format!("{} = {value}\n\n", story.name),
        None if story.candidates.is_empty() => text += "It is given no value.\n",
        None => text += "It has no valid value: `mlp validate` says why.\n\n",
    }
    let widest = story.candidates.iter().map(|one| one.from.chars().count()).max().unwrap_or(0);
    for one in story.candidates.iter().rev() {
        let mark = if one.wins { "→" } else { " " };
        let place = sources.place(one.place);
        let place = if place.starts_with('<') { String::new() } else { format!("  ({place})") };
        text += &format!("{mark} {:widest$}  {}{place}\n", one.from, on_one_line(&one.shown));
    }
    text
}

/// A value that was written over several lines, shortened to one.
fn on_one_line(text: &str) -> String {
    const LONGEST: usize = 80;
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match flat.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &flat[..at]),
        None => flat,
    }
}

fn detail(environment: &str, story: &VariableStory, sources: &SourceMap) -> serde_json::Value {
    let candidates = story.candidates.iter().map(|one| {
        serde_json::json!({
            "from": one.from, "place": sources.place(one.place), "written": one.shown, "wins": one.wins,
        })
    });
    serde_json::json!({
        "environment": environment,
        "value": story.value,
        "candidates": candidates.collect::<Vec<_>>(),
    })
}
