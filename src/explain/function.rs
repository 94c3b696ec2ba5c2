//! A function.

use std::fmt::Write as _;

use mlp_eval::{Documented, LEFT_OUT, documentation};
use serde_json::json;

use super::{Answer, Finder, Question, Unanswered};

/// `join`, `join()`.
pub const FINDER: Finder = Finder { topics: "a function", example: "mlp explain join", names, find };

fn names(_: &Question<'_>) -> Vec<String> {
    documentation().iter().map(|one| one.name.to_owned()).collect()
}

fn find(question: &Question<'_>) -> Result<Option<Answer>, Unanswered> {
    let name = question.topic.trim_end_matches("()");
    let left_out = LEFT_OUT.iter().find(|one| one.name == name).map(|one| Answer {
        text: format!(
            "# {name}\n\nTerraform has this function, and it is left out here: {}.\n\nInstead: {}.\n",
            one.why, one.instead
        ),
        detail: json!({ "function": name, "left_out": one.why, "instead": one.instead }),
    });
    Ok(documentation().iter().find(|one| one.name == name).map(answer).or(left_out))
}

fn answer(one: &Documented) -> Answer {
    let mut text = format!("# {}\n\n{}\n\n    {}\n", one.name, one.doc, one.signature);
    if !one.parameters.is_empty() {
        text.push('\n');
    }
    for (name, ty, nullable) in &one.parameters {
        let null = if *nullable { ", may be null" } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "- `{name}`: {ty}{null}");
    }
    let _ = write!(text, "\nIt gives: {}.\n", one.returns);
    if !one.examples.is_empty() {
        text.push_str("\nFor example:\n\n");
        for (call, result) in one.examples {
            let _ = writeln!(text, "    {call}\n    = {result}");
        }
    }
    let _ = write!(text, "\n{}\n", one.beside_terraform());
    let parameters: Vec<_> = one
        .parameters
        .iter()
        .map(|(name, ty, nullable)| json!({ "name": name, "type": ty, "nullable": nullable }))
        .collect();
    let examples: Vec<_> =
        one.examples.iter().map(|(call, result)| json!({ "call": call, "result": result })).collect();
    Answer {
        text,
        detail: json!({
            "function": one.name, "signature": one.signature, "doc": one.doc, "family": one.family,
            "parameters": parameters, "returns": one.returns, "examples": examples,
        }),
    }
}
