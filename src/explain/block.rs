//! A block of the language, or one of its attributes.

use std::fmt::Write as _;

use mlp_diag::FileId;
use mlp_platform::kinds::{self, KINDS};
use mlp_platform::schema::{Attribute, Kind, Known, Merge, Ty};
use mlp_platform::type_name;
use mlp_provider::Support;
use mlp_syntax::{Block, Body};
use serde_json::{Value, json};

use super::{Answer, Finder, Question, Unanswered};

/// `endpoint`, `endpoint.scaling.min`.
pub const FINDER: Finder =
    Finder { topics: "a block or an attribute", example: "mlp explain endpoint.scaling", names, find };

/// Whole specifications, of which a test checks that they are valid: examples are cut out of them.
const EXAMPLES: &[&str] = &[
    include_str!("../../examples/churn/main.mlp"),
    include_str!("../../examples/calls/main.mlp"),
    include_str!("../../tests/reference/support-llm/main.mlp"),
    include_str!("../../tests/reference/fraud/main.mlp"),
];

fn names(question: &Question<'_>) -> Vec<String> {
    let mut names: Vec<String> = KINDS.iter().map(|kind| kind.name.to_owned()).collect();
    if let Some((first, rest)) = question.topic.split_once('.')
        && let Some(kind) = kinds::kind(first)
    {
        let above = rest.rsplit_once('.').map(|(above, _)| above);
        let attributes: Vec<&'static Attribute> = match above {
            None => kind.all_attributes().collect(),
            Some(above) => attribute(kind, above).map(|found| inside(&found.ty)).unwrap_or_default(),
        };
        let before = above.map_or_else(|| first.to_owned(), |above| format!("{first}.{above}"));
        names.extend(attributes.iter().map(|attribute| format!("{before}.{}", attribute.name)));
    }
    names
}

fn find(question: &Question<'_>) -> Result<Option<Answer>, Unanswered> {
    let (first, rest) =
        question.topic.split_once('.').map_or((question.topic, ""), |(first, rest)| (first, rest));
    let Some(kind) = kinds::kind(first) else { return Ok(None) };
    if rest.is_empty() {
        return Ok(Some(of_kind(kind)));
    }
    Ok(attribute(kind, rest).map(|found| of_attribute(kind, rest, found)))
}

/// The attribute at a path; labels stand in it as `<name>` or not at all.
fn attribute(kind: &Kind, path: &str) -> Option<&'static Attribute> {
    let mut words = path.split('.').filter(|word| !word.starts_with('<'));
    let mut found = kind.attribute(words.next()?)?;
    for word in words {
        found = inside(&found.ty).into_iter().find(|attribute| attribute.name == word)?;
    }
    Some(found)
}

fn inside(ty: &'static Ty) -> Vec<&'static Attribute> {
    match ty {
        Ty::Object(list)
        | Ty::Open(list)
        | Ty::Repeated(list)
        | Ty::Labelled(list)
        | Ty::MaybeLabelled(list) => list.iter().collect(),
        Ty::List(inner) | Ty::Map(inner) => inside(inner),
        Ty::OneOf(options) => options.iter().flat_map(inside).collect(),
        _ => Vec::new(),
    }
}

fn of_kind(kind: &'static Kind) -> Answer {
    let labels: String = kind.labels.iter().map(|label| format!(" \"<{label}>\"")).collect();
    let mut text = format!("# {}\n\n{}\n\n    {}{labels} {{ … }}\n", kind.name, kind.doc, kind.name);
    let (required, optional): (Vec<_>, Vec<_>) = kind.attributes.iter().partition(|one| one.required);
    list(&mut text, "Must be set", &required);
    list(&mut text, "May be set", &optional);
    if kind.common {
        let names: Vec<String> = kinds::COMMON.iter().map(|one| format!("`{}`", one.name)).collect();
        let _ = write!(text, "\nAnd what every such block takes: {}.\n", names.join(", "));
    }
    if !kind.outputs.is_empty() {
        text.push_str("\nKnown after apply:\n\n");
        for output in kind.outputs {
            let _ = writeln!(text, "- `{}` ({}): {}", output.name, type_name(&output.ty), output.doc);
        }
    }
    let members: Vec<String> =
        kind.members.iter().map(|one| format!("`{}.<name>.{}.<name>`", kind.name, one.word)).collect();
    if !members.is_empty() {
        let _ = write!(text, "\nWhat it owns is named {}.\n", members.join(", "));
    }
    if kind.partial {
        text.push_str("\nAn environment may hold a partial block of it, which is merged into it.\n");
    }
    providers(&mut text, kind);
    example(&mut text, |block| block.kind.name == kind.name);
    let _ = write!(text, "\n`mlp explain {}.<attribute>` says more of one.\n", kind.name);
    let attributes: Vec<Value> = kind.all_attributes().map(detail).collect();
    Answer {
        text,
        detail: json!({ "block": kind.name, "doc": kind.doc, "labels": kind.labels, "attributes": attributes }),
    }
}

fn list(text: &mut String, title: &str, attributes: &[&Attribute]) {
    if attributes.is_empty() {
        return;
    }
    let _ = write!(text, "\n{title}:\n\n");
    for attribute in attributes {
        let default = if attribute.default.is_empty() {
            String::new()
        } else {
            format!(", default `{}`", attribute.default)
        };
        let _ = writeln!(
            text,
            "- `{}` ({}{default}): {}",
            attribute.name,
            type_name(&attribute.ty),
            attribute.doc
        );
    }
}

fn of_attribute(kind: &'static Kind, path: &str, found: &'static Attribute) -> Answer {
    let mut text = format!("# {}.{path}\n\n{}\n\n", kind.name, found.doc);
    let _ = writeln!(text, "- type: {}", type_name(&found.ty));
    match (found.required, found.default) {
        (true, _) => text.push_str("- must be set\n"),
        (_, "") => {}
        (_, default) => {
            let _ = writeln!(text, "- default: `{default}`");
        }
    }
    let _ = writeln!(text, "- must be known {}", known(found.known));
    if kind.partial {
        text.push_str(match found.merge {
            Merge::Fields => "- in an environment: merged with the declaration's, field by field\n",
            Merge::Whole => "- in an environment: replaces the declaration's\n",
        });
    }
    list(&mut text, "It holds", &inside(&found.ty));
    providers(&mut text, kind);
    let words: Vec<&str> = path.split('.').filter(|word| !word.starts_with('<')).collect();
    example(&mut text, |block| block.kind.name == kind.name && sets(&block.body, &words));
    let mut detail = detail(found);
    detail["block"] = json!(kind.name);
    detail["path"] = json!(path);
    Answer { text, detail }
}

fn known(known: Known) -> &'static str {
    match known {
        Known::Load => "while the specification is loaded",
        Known::Plan => "when the plan is made",
        Known::Apply => "only when it is applied",
    }
}

fn detail(attribute: &Attribute) -> Value {
    json!({
        "name": attribute.name, "doc": attribute.doc, "type": type_name(&attribute.ty), "required": attribute.required,
        "default": Some(attribute.default).filter(|default| !default.is_empty()),
        "known": match attribute.known { Known::Load => "load", Known::Plan => "plan", Known::Apply => "apply" },
    })
}

/// What the providers of this program make of a kind.
fn providers(text: &mut String, kind: &Kind) {
    for name in crate::engine::built_with() {
        let Ok(provider) = crate::engine::provider(name) else { continue };
        let said = match provider.support(kind.name) {
            Support::Native => "makes it, and refuses at its place what it cannot honour of it".to_owned(),
            Support::Emulated => "does it with means of its own, where the target has none".to_owned(),
            Support::Refused(why) => format!("does not serve it. {}", sentence(why)),
            Support::Declarative => "makes nothing of it by itself; it shapes what others become".to_owned(),
        };
        let _ = write!(text, "\nThe provider `{name}` {said}.\n");
    }
}

/// The way out of a refusal, as a sentence without its end.
fn sentence(why: &str) -> String {
    let way = why.split_once(": ").map_or(why, |(_, way)| way).trim_end_matches('.');
    let mut letters = way.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

/// Whether a body sets what a path names.
fn sets(body: &Body, words: &[&str]) -> bool {
    let [first, rest @ ..] = words else { return true };
    let in_attribute =
        |attribute: &mlp_syntax::Attribute| attribute.name.name == *first && in_object(&attribute.expr, rest);
    body.attributes.iter().any(in_attribute)
        || body.blocks.iter().any(|block| block.kind.name == *first && sets(&block.body, rest))
}

fn in_object(expr: &mlp_syntax::Expr, words: &[&str]) -> bool {
    use mlp_syntax::ExprKind;
    let [first, rest @ ..] = words else { return true };
    match &expr.kind {
        ExprKind::Object(items) => items.iter().any(|(key, value)| {
            let named = matches!(&key.kind, ExprKind::Text(name) | ExprKind::Name(name) if name == first);
            (named && in_object(value, rest)) || in_object(value, words)
        }),
        ExprKind::List(items) => items.iter().any(|item| in_object(item, words)),
        _ => false,
    }
}

/// The shortest block of the examples that is one.
fn example(text: &mut String, is_one: impl Fn(&Block) -> bool) {
    let mut shortest: Option<&str> = None;
    for (number, source) in (0u32..).zip(EXAMPLES) {
        let (tree, _) = mlp_syntax::parse(FileId(number), source);
        for block in tree.body.blocks.iter().filter(|block| is_one(block)) {
            let Some(written) = source.get(block.span.start as usize..block.span.end as usize) else {
                continue;
            };
            if shortest.is_none_or(|known| written.len() < known.len()) {
                shortest = Some(written);
            }
        }
    }
    if let Some(written) = shortest {
        let _ = write!(text, "\nFor example:\n\n");
        for line in written.lines() {
            let _ = writeln!(text, "{}", format!("    {line}").trim_end());
        }
    }
}
