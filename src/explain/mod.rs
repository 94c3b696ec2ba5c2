//! `mlp explain TOPIC`: everything that has a name has a page. Each kind of name is one file here and one line in
//! [`FINDERS`].

mod address;
mod block;
mod code;
mod function;
mod pages;
mod variable;

use mlp_diag::{Diagnostic, Diagnostics, SourceMap, one_of};

pub use code::page;

use crate::cli::Globals;
use crate::cli::project::VariableArgs;

/// The list of finders; the first that knows the topic answers.
const FINDERS: &[Finder] =
    &[code::FINDER, block::FINDER, function::FINDER, variable::FINDER, address::FINDER];

/// What is asked, and about which project.
pub struct Question<'a> {
    /// The words of the person: `MLP0304`, `dataset.version`, `var.size`.
    pub topic: &'a str,
    /// The project's directory and the environment.
    pub globals: &'a Globals,
    /// Values of variables given on the command line.
    pub variables: &'a VariableArgs,
}

/// What is known of a topic.
#[derive(Debug)]
pub struct Answer {
    /// For a person, in Markdown; ends in a newline.
    pub text: String,
    /// The same for a program.
    pub detail: serde_json::Value,
}

/// Why there is no answer although the topic is known: the project cannot be read.
pub type Unanswered = (Diagnostics, SourceMap);

/// One kind of topic.
pub struct Finder {
    /// What its topics are, as in "the code of a diagnostic".
    pub topics: &'static str,
    /// One of them, as an example.
    pub example: &'static str,
    /// All names it knows; used where none of them is meant.
    pub names: fn(&Question<'_>) -> Vec<String>,
    /// The answer, if the topic is one of its own.
    pub find: fn(&Question<'_>) -> Result<Option<Answer>, Unanswered>,
}

/// The answer of the first finder that knows the topic.
///
/// # Errors
/// Nobody knows it, or the project it is about cannot be read.
pub fn explain(question: &Question<'_>) -> Result<Answer, Unanswered> {
    for finder in FINDERS {
        if let Some(answer) = (finder.find)(question)? {
            return Ok(answer);
        }
    }
    let names: Vec<String> = FINDERS.iter().flat_map(|finder| (finder.names)(question)).collect();
    Err((vec![nobody_knows(question.topic, &names)], SourceMap::default()))
}

fn nobody_knows(topic: &str, names: &[String]) -> Diagnostic {
    let problem = Diagnostic::error("MLP0932", format!("nothing is called `{topic}`"));
    // Numbers are near to each other without being meant.
    if topic.trim_start_matches(['M', 'L', 'P', 'm', 'l', 'p']).parse::<u32>().is_ok() {
        return problem
            .help("docs/errors lists every code; it stands in brackets behind `error` or `warning`");
    }
    match mlp_diag::did_you_mean(topic, names.iter().map(String::as_str)) {
        Some(_) => problem.help(one_of(topic, names.iter().map(String::as_str))),
        None => {
            let kinds: Vec<String> =
                FINDERS.iter().map(|finder| format!("{} (`{}`)", finder.topics, finder.example)).collect();
            problem.help(format!("ask for {}", kinds.join(", or for ")))
        }
    }
}
