//! A function.

use mlp_eval::functions;
use serde_json::json;

use super::{Answer, Finder, Question, Unanswered};

/// `join`, `join()`.
pub const FINDER: Finder = Finder { topics: "a function", example: "mlp explain join", names, find };

fn names(_: &Question<'_>) -> Vec<String> {
    functions().iter().map(|info| info.name.to_owned()).collect()
}

fn find(question: &Question<'_>) -> Result<Option<Answer>, Unanswered> {
    let name = question.topic.trim_end_matches("()");
    let found = functions().iter().find(|info| info.name == name);
    Ok(found.map(|info| Answer {
        text: format!("# {}\n\n    {}\n\n{}\n", info.name, info.signature, info.doc),
        detail: json!({ "function": info.name, "signature": info.signature, "doc": info.doc }),
    }))
}
