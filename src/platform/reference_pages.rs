//! The reference pages of the language, generated from the kinds.

use std::fmt::Write as _;

use crate::kinds::{COMMON, KINDS};
use crate::schema::{Attribute, Kind, Known, Merge, Ty};

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferencePage {
    /// The name of its file.
    pub file: String,
    /// Its text in Markdown.
    pub text: String,
}

/// An index, the common attributes, and one page for each kind.
pub fn reference_pages() -> Vec<ReferencePage> {
    let mut pages = vec![index(), common()];
    pages.extend(KINDS.iter().map(|kind| page(kind)));
    pages
}

const GENERATED: &str = "<!-- Generated from src/platform/kinds; run its tests with MLP_UPDATE=1. -->\n\n";

fn index() -> ReferencePage {
    let mut text = format!("{GENERATED}# Blocks\n\n| block | what it declares |\n|---|---|\n");
    for kind in KINDS {
        line(&mut text, format_args!("| [`{0}`]({0}.md) | {1} |", kind.name, kind.doc));
    }
    text.push_str("\nMost blocks also take the [common attributes](common-attributes.md).\n");
    text.push_str("\nExpressions are those of Terraform, with these [functions](functions.md).\n");
    ReferencePage { file: "README.md".to_owned(), text }
}

fn common() -> ReferencePage {
    let mut text = format!("{GENERATED}# Common attributes\n\nEvery resource-like block takes these.\n\n");
    attribute_table(&mut text, COMMON);
    ReferencePage { file: "common-attributes.md".to_owned(), text }
}

fn page(kind: &Kind) -> ReferencePage {
    let labels: String = kind.labels.iter().map(|label| format!(" \"<{label}>\"")).collect();
    let mut text = format!("{GENERATED}# {}\n\n{}\n\n", kind.name, kind.doc);
    line(&mut text, format_args!("```hcl\n{}{labels} {{ … }}\n```\n", kind.name));
    if !kind.attributes.is_empty() {
        attribute_table(&mut text, kind.attributes);
        text.push('\n');
    }
    if kind.open {
        text.push_str("Attributes of other names are accepted.\n\n");
    }
    if kind.common {
        text.push_str("It also takes the [common attributes](common-attributes.md).\n\n");
    }
    members(&mut text, kind);
    outputs(&mut text, kind);
    if kind.partial {
        text.push_str("An environment may hold a partial block of it.\n");
    }
    ReferencePage { file: format!("{}.md", kind.name), text: format!("{}\n", text.trim_end()) }
}

fn members(text: &mut String, kind: &Kind) {
    if kind.members.is_empty() {
        return;
    }
    text.push_str("## Members\n\n| reference | names | is |\n|---|---|---|\n");
    for member in kind.members {
        let names = match member.names_from {
            "" => "any".to_owned(),
            attribute => format!("those in `{attribute}`"),
        };
        let reference = format!("{}.<name>.{}.<name>", kind.name, member.word);
        line(text, format_args!("| `{reference}` | {names} | {} |", member.is));
    }
    text.push('\n');
}

fn outputs(text: &mut String, kind: &Kind) {
    if kind.outputs.is_empty() {
        return;
    }
    text.push_str("## Known after apply\n\n| attribute | type | meaning |\n|---|---|---|\n");
    for output in kind.outputs {
        line(text, format_args!("| `{}` | {} | {} |", output.name, type_name(&output.ty), output.doc));
    }
    text.push('\n');
}

fn attribute_table(text: &mut String, attributes: &[Attribute]) {
    text.push_str("| attribute | type | default | merged | known | meaning |\n|---|---|---|---|---|---|\n");
    rows(text, "", attributes);
}

fn rows(text: &mut String, prefix: &str, attributes: &[Attribute]) {
    for attribute in attributes {
        let name = format!("{prefix}{}", attribute.name);
        line(
            text,
            format_args!(
                "| `{name}` | {} | {} | {} | {} | {} |",
                type_name(&attribute.ty),
                default(attribute),
                if attribute.merge == Merge::Fields { "fields" } else { "whole" },
                known(attribute.known),
                attribute.doc.replace('|', "\\|"),
            ),
        );
        nested(text, &name, &attribute.ty);
    }
}

/// The rows of the attributes inside a type, each with the path that leads to it.
fn nested(text: &mut String, name: &str, ty: &Ty) {
    match *ty {
        Ty::Object(attributes) | Ty::Open(attributes) | Ty::Repeated(attributes) => {
            rows(text, &format!("{name}."), attributes);
        }
        Ty::Labelled(attributes) => rows(text, &format!("{name}.<name>."), attributes),
        Ty::MaybeLabelled(attributes) => rows(text, &format!("{name}."), attributes),
        Ty::List(inner) => nested(text, &format!("{name}[]"), inner),
        Ty::Map(inner) => nested(text, &format!("{name}.<key>"), inner),
        Ty::OneOf(types) => types.iter().for_each(|ty| nested(text, name, ty)),
        _ => {}
    }
}

fn default(attribute: &Attribute) -> String {
    match (attribute.required, attribute.default) {
        (true, _) => "required".to_owned(),
        (false, "") => String::new(),
        (false, expression) => format!("`{expression}`"),
    }
}

fn known(known: Known) -> &'static str {
    match known {
        Known::Load => "load",
        Known::Plan => "plan",
        Known::Apply => "apply",
    }
}

/// A type in words.
pub fn type_name(ty: &Ty) -> String {
    match *ty {
        Ty::Any => "any".to_owned(),
        Ty::Text => "text".to_owned(),
        Ty::Enum(words) => codes(words, ", "),
        Ty::Number => "number".to_owned(),
        Ty::Integer(i64::MIN, i64::MAX) => "whole number".to_owned(),
        Ty::Integer(from, i64::MAX) => format!("whole number from {from}"),
        Ty::Integer(from, to) => format!("whole number from {from} to {to}"),
        Ty::Bool => "bool".to_owned(),
        Ty::Duration => "duration".to_owned(),
        Ty::Bytes => "size".to_owned(),
        Ty::SizeBound => "size or bound on it".to_owned(),
        Ty::Money => "money".to_owned(),
        Ty::Rate => "rate".to_owned(),
        Ty::Path => "path".to_owned(),
        Ty::TypeExpr => "type".to_owned(),
        Ty::Address => "address".to_owned(),
        Ty::KindName => "name of a block".to_owned(),
        Ty::Ref([]) => "reference".to_owned(),
        Ty::Ref(names) => format!("reference to {}", codes(names, " or ")),
        Ty::Quoted(scope) => format!("expression over {}", codes(scope.roots(), ", ")),
        Ty::List(item) => format!("list of ({})", type_name(item)),
        Ty::Map(value) => format!("map of ({})", type_name(value)),
        Ty::Object(_) | Ty::Open(_) => "object".to_owned(),
        Ty::Repeated(_) => "blocks".to_owned(),
        Ty::Labelled(_) => "labelled blocks".to_owned(),
        Ty::MaybeLabelled(_) => "block, or labelled blocks".to_owned(),
        Ty::OneOf(types) => types.iter().map(type_name).collect::<Vec<_>>().join("; or "),
    }
}

fn codes(words: &[&str], between: &str) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(between)
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{arguments}");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::generated::{assert_current, repository, updating};

    #[test]
    fn pages_are_current_and_no_others_are_there() {
        let pages = reference_pages();
        for page in &pages {
            assert_current(&format!("docs/language/{}", page.file), &page.text);
        }
        let wanted: BTreeSet<&str> = pages.iter().map(|page| page.file.as_str()).collect();
        for entry in std::fs::read_dir(repository("docs/language")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            // The pages of functions are written by the evaluator.
            if matches!(name.as_str(), "functions" | "functions.md") {
                continue;
            }
            assert!(wanted.contains(name.as_str()), "docs/language/{name} belongs to no kind");
        }
        assert!(!updating() || pages.len() == KINDS.len() + 2);
    }

    #[test]
    fn nested_attributes_stand_under_their_path() {
        let pages = reference_pages();
        let dataset = pages.iter().find(|page| page.file == "dataset.md").unwrap();
        assert!(dataset.text.contains("| `quality.expect.<name>.max_lag` | duration |"), "{}", dataset.text);
    }
}
