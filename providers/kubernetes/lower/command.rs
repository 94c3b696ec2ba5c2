//! Commands of steps: text of the shell in which what only a run knows is a variable.

use super::builder::Builder;
use super::params::variable;
use crate::codes;
use crate::mlp_diag::one_of;
use crate::mlp_eval::{Expr, Node, Part, PlanValue, Quoted, Traversal, TraversalStep};
use crate::mlp_value::{KnownValue, Value};

/// The names that a command may fill in.
pub(super) struct Holes {
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    pub(super) params: Vec<String>,
}

/// The shell's text for a command; `None` where that was refused.
pub(super) fn shell(builder: &mut Builder<'_>, run: &PlanValue, path: &str, holes: &Holes) -> Option<String> {
    let found = match Quoted::of(run) {
        Some(quoted) => match &quoted.expr.node {
            Node::List { items } => items
                .iter()
                .map(|item| text(item, holes, true))
                .collect::<Result<Vec<_>, _>>()
                .map(|words| words.join(" ")),
            _ => text(&quoted.expr, holes, false),
        },
        None => plain(run),
    };
    match found {
        Ok(command) if !command.trim().is_empty() => Some(command),
        Ok(_) => {
            builder.error(
                codes::VALUE,
                path,
                "this is no command",
                "write a command, or a program and its arguments",
            );
            None
        }
        Err(Wrong::Unknown(word, names)) => {
            let headline = format!("the command names `{word}`, and there is none");
            let help = one_of(&word, names.iter().map(String::as_str));
            builder.error(codes::VALUE, path, headline, &help);
            None
        }
        Err(Wrong::Computed) => {
            builder.not_served(
                path,
                "a command that computes something",
                "use `${input.x}`, `${output.x}`, `${param.x}` and `${run.id}` as they are",
            );
            None
        }
    }
}

enum Wrong {
    Computed,
    Unknown(String, Vec<String>),
}

fn plain(run: &PlanValue) -> Result<String, Wrong> {
    let word = |value: &PlanValue| Some(quoted(&super::params::text_of(&value.known().ok()?)));
    match run {
        Value::Text(text) => Ok(text.to_string()),
        Value::List(items) => items
            .iter()
            .map(word)
            .collect::<Option<Vec<_>>>()
            .map(|words| words.join(" "))
            .ok_or(Wrong::Computed),
        _ => Err(Wrong::Computed),
    }
}

/// A text that the shell takes as it is.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn text(expr: &Expr, holes: &Holes, word: bool) -> Result<String, Wrong> {
    let as_is = |text: &str| if word { quoted(text) } else { text.to_owned() };
    match &expr.node {
        Node::Template { parts } => {
            let one = |part: &Part| match part {
                Part::Text { text } => Ok(as_is(text)),
                Part::Expr { expr } => simple(expr, holes),
                _ => Err(Wrong::Computed),
            };
            parts.iter().map(one).collect()
        }
        Node::Literal { value } => Ok(as_is(&super::params::text_of(value))),
        _ => simple(expr, holes),
    }
}

fn simple(expr: &Expr, holes: &Holes) -> Result<String, Wrong> {
    match &expr.node {
        Node::Literal { value } => Ok(quoted(&super::params::text_of(value))),
        Node::Traverse { traversal } => hole(traversal, holes),
        _ => Err(Wrong::Computed),
    }
}

fn hole(traversal: &Traversal, holes: &Holes) -> Result<String, Wrong> {
    let name = match traversal.steps.as_slice() {
        [TraversalStep::Attr(name) | TraversalStep::Key(name)] => name.to_string(),
        _ => return Err(Wrong::Computed),
    };
    let moments = vec!["id".to_owned()];
    let (what, names) = match traversal.root.as_ref() {
        "input" => ("INPUT", &holes.inputs),
        "output" => ("OUTPUT", &holes.outputs),
        "param" => ("PARAM", &holes.params),
        "run" => ("RUN", &moments),
        _ => return Err(Wrong::Computed),
    };
    if !names.contains(&name) {
        return Err(Wrong::Unknown(format!("{}.{name}", traversal.root), names.clone()));
    }
    let variable = if what == "RUN" { "MLP_RUN_ID".to_owned() } else { variable(what, &name) };
    Ok(format!("\"${variable}\""))
}

/// The parameter of the pipeline that a value is, and nothing else.
pub(super) fn parameter(value: &PlanValue) -> Option<String> {
    let quoted = Quoted::of(value)?;
    match &quoted.expr.node {
        Node::Traverse { traversal } if traversal.root.as_ref() == "param" => {
            match traversal.steps.as_slice() {
                [TraversalStep::Attr(name) | TraversalStep::Key(name)] => Some(name.to_string()),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The value of a quoted expression that computes nothing.
pub(super) fn constant(value: &PlanValue) -> Option<KnownValue> {
    match Quoted::of(value) {
        Some(quoted) => match quoted.expr.node {
            Node::Literal { value } => Some(value),
            _ => None,
        },
        None => value.known().ok(),
    }
}
