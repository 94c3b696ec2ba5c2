//! A diagnostic's code.

use serde_json::json;

use super::{Answer, Finder, Question, Unanswered};
use crate::codes;

/// `MLP0304`, in either case, with or without its letters.
pub const FINDER: Finder =
    Finder { topics: "the code of a diagnostic", example: "mlp explain MLP0304", names, find };

fn names(_: &Question<'_>) -> Vec<String> {
    codes::all().map(|(code, _)| code.to_owned()).collect()
}

fn find(question: &Question<'_>) -> Result<Option<Answer>, Unanswered> {
    let asked = question.topic.to_ascii_uppercase();
    let found = codes::all().find(|(code, _)| *code == asked || code.strip_prefix("MLP") == Some(&*asked));
    Ok(found.map(|(code, title)| Answer {
        text: format!("# {code}: {title}\n"),
        detail: json!({ "code": code, "title": title }),
    }))
}
