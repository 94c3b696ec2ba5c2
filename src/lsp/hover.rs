//! What is said of the word under the pointer: its documentation, and its value in every environment with where that came from.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use mlp_diag::SourceMap;
use mlp_eval::function;
use mlp_platform::schema::{Attribute, Kind, Known};
use mlp_platform::{Declaration, Layout, Origin, Platform, kinds, show, type_name};
use mlp_value::{Path, Value};

use crate::names::{Mark, Set, Symbol, What};

/// How much of a value is shown.
const SHOWN: usize = 100;

/// What is known of all environments.
pub(crate) struct Values<'v> {
    pub(crate) platforms: &'v BTreeMap<String, Platform>,
    /// Names and lines of the text the platforms were made from.
    pub(crate) sources: &'v SourceMap,
}

/// The text for a mark, in Markdown; `None` where there is nothing to say.
pub(crate) fn hover(mark: &Mark, values: &Values<'_>) -> Option<String> {
    match &mark.what {
        What::Kind(kind) => Some(of_kind(kind)),
        What::Function(name) => of_function(name),
        What::Attribute(set) => Some(of_attribute(set, values)),
        What::Symbol(symbol, _) => Some(of_symbol(symbol, values)),
        What::Part(symbol, word) => of_part(symbol, word, values),
        What::Root(word) => kinds::kind(word).map(of_kind).or_else(|| of_word(word)),
        What::Bound => None,
    }
}

fn of_kind(kind: &Kind) -> String {
    let labels: String = kind.labels.iter().map(|label| format!(" \"<{label}>\"")).collect();
    let mut text = format!("```hcl\n{}{labels} {{ … }}\n```\n\n{}\n", kind.name, kind.doc);
    let required: Vec<String> =
        kind.attributes.iter().filter(|one| one.required).map(|one| format!("`{}`", one.name)).collect();
    if !required.is_empty() {
        text.push_str(&format!("\nMust be set: {}.\n", required.join(", ")));
    }
    text
}

fn of_function(name: &str) -> Option<String> {
    let info = function(name)?;
    let mut text = format!("```hcl\n{}\n```\n\n{}\n", info.signature(), info.doc);
    if let Some((call, result)) = info.examples.first() {
        text.push_str(&format!("\n```hcl\n{call} # {result}\n```\n"));
    }
    Some(text)
}

fn of_word(word: &str) -> Option<String> {
    let text = match word {
        "var" => "The value of a variable.",
        "local" => "A value that `locals` names.",
        "each" => "The key and value of this instance of a block with `for_each`.",
        "count" => "The index of this instance of a block with `count`.",
        "path" => "Directories: `path.module`, `path.root`.",
        "target" => "The environment that is compiled: `target.name`, `target.mode`, `target.residency`.",
        "self" => "The declaration itself, after it was applied.",
        "run" => "The run: `run.id`, `run.started_at`.",
        "param" => "A parameter of the pipeline or step.",
        "input" => "An input of the step, as a path.",
        "output" => "Where the step writes an output.",
        "row" => "A row of the dataset.",
        "candidate" => "The metrics of the version that is judged.",
        "champion" => "The metrics of the version that serves now; null when there is none.",
        "step" => "A step of this pipeline.",
        "node" => "A node of this graph.",
        "metrics" => "The metrics that were measured.",
        _ => return None,
    };
    Some(format!("`{word}` — {text}\n"))
}

/// The documentation of an attribute.
pub(crate) fn about(attribute: &Attribute) -> String {
    let mut facts = vec![type_name(&attribute.ty)];
    if attribute.required {
        facts.push("required".to_owned());
    }
    if !attribute.default.is_empty() {
        facts.push(format!("default `{}`", attribute.default));
    }
    facts.push(match attribute.known {
        Known::Load => "must be known while loading".to_owned(),
        Known::Plan => "must be known when the plan is made".to_owned(),
        Known::Apply => "may be known only after apply".to_owned(),
    });
    format!("**{}** — {}\n\n{}\n", attribute.name, facts.join("; "), attribute.doc)
}

fn of_attribute(set: &Set, values: &Values<'_>) -> String {
    let name = set.path.to_string();
    let mut text = match set.schema {
        Some(schema) => about(schema),
        None => format!("**{name}** of `{}`\n", set.owner.written()),
    };
    text.push_str(&table(values, &set.path, |declaration| {
        let same = declaration.header == set.header;
        same || (set.environment.is_some() && is_same(declaration, &set.owner))
    }));
    text
}

fn of_symbol(symbol: &Symbol, values: &Values<'_>) -> String {
    let mut text = format!("`{}`\n", symbol.written());
    if let Some(kind) = kinds::kind(&symbol.words[0]).filter(|_| !symbol.is_member()) {
        text.push_str(&format!("\n{}\n", kind.doc));
    }
    let of = |declaration: &&Declaration| is_same(declaration, symbol);
    let any = values.platforms.values().flat_map(|platform| platform.declarations.values()).find(of);
    if let Some(declaration) = any {
        if let Some(said) = declaration.body.field("description").and_then(Value::as_text) {
            text.push_str(&format!("\n{said}\n"));
        }
        text.push_str(&format!("\nDeclared at {}.\n", values.sources.place(declaration.header)));
    }
    let shown = match symbol.words[0].as_str() {
        "variable" | "output" => Path::of(&["value"]),
        _ if symbol.is_member() => return text,
        _ => {
            let here: Vec<&str> = values
                .platforms
                .iter()
                .filter(|(_, platform)| platform.declarations.values().any(|one| is_same(one, symbol)))
                .map(|(name, _)| name.as_str())
                .collect();
            if !here.is_empty() && here.len() < values.platforms.len() {
                text.push_str(&format!("\nPart of: {}.\n", here.join(", ")));
            }
            return text;
        }
    };
    text.push_str(&table(values, &shown, |declaration| is_same(declaration, symbol)));
    text
}

fn of_part(symbol: &Symbol, word: &str, values: &Values<'_>) -> Option<String> {
    let kind = kinds::kind(&symbol.words[0])?;
    if let Some(output) = kind.outputs.iter().find(|output| output.name == word) {
        let about = format!("**{word}** — {}; known after apply\n\n{}\n", type_name(&output.ty), output.doc);
        return Some(about);
    }
    let attribute = kind.attribute(word)?;
    let rows = table(values, &Path::of(&[word]), |declaration| is_same(declaration, symbol));
    Some(format!("{}{rows}", about(attribute)))
}

fn is_same(declaration: &Declaration, symbol: &Symbol) -> bool {
    let [kind, rest @ ..] = symbol.words.as_slice() else { return false };
    let (kind, name) = match (kind.as_str(), rest) {
        ("resource", [ty, name, ..]) => (ty.as_str(), name.clone()),
        (kind, rest) => {
            let labels = kinds::kind(kind).map_or(1, |kind| kind.labels.len()).min(rest.len());
            (kind, rest[..labels].join("."))
        }
    };
    let address = &declaration.address;
    let in_room = (symbol.room == crate::project::ROOT) == address.module.is_empty();
    in_room && *address.kind == *kind && *address.name == *name
}

/// One line for each environment and instance; environments that agree share one.
fn table(values: &Values<'_>, path: &Path, of: impl Fn(&Declaration) -> bool) -> String {
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    for (environment, platform) in values.platforms {
        for declaration in platform.declarations.values().filter(|one| of(one)) {
            let Some((value, origin)) = looked_up(declaration, path, values.sources) else { continue };
            let key = declaration
                .address
                .key
                .as_ref()
                .map(|_| format!("`{}` ", declaration.address))
                .unwrap_or_default();
            let row = format!("{key}`{}` ({origin})", value.replace('`', "'"));
            match rows.iter_mut().find(|(known, _)| *known == row) {
                Some((_, environments)) => environments.push(environment.clone()),
                None => rows.push((row, vec![environment.clone()])),
            }
        }
    }
    let all = values.platforms.len();
    let mut text = String::new();
    for (row, environments) in rows.iter().take(12) {
        let every = all > 1 && environments.len() == all;
        let names = if every { "every environment".to_owned() } else { environments.join(", ") };
        // Writing to a string cannot fail.
        let _ = write!(text, "\n- {names}: {row}");
    }
    if rows.len() > 12 {
        let _ = write!(text, "\n- and {} more", rows.len() - 12);
    }
    if text.is_empty() { text } else { format!("\n{text}\n") }
}

/// The value at a path of a declaration and where it came from.
pub fn looked_up(declaration: &Declaration, path: &Path, sources: &SourceMap) -> Option<(String, String)> {
    let value = declaration.body.get(path)?;
    let hidden: Vec<Path> =
        declaration.sensitive.iter().filter(|one| path.starts_with(one)).cloned().collect();
    let shown = if hidden.is_empty() {
        let below = declaration.sensitive.iter().filter(|one| one.starts_with(path));
        let relative: Vec<Path> = below.map(|one| below_path(one, path)).collect();
        show(value, &relative, Layout::Line(SHOWN))
    } else {
        "(sensitive value)".to_owned()
    };
    Some((shown, origin(declaration.origins.of(path), sources)))
}

fn below_path(path: &Path, above: &Path) -> Path {
    let mut relative = Path::default();
    path.steps().iter().skip(above.steps().len()).for_each(|step| relative.push(step.clone()));
    relative
}

/// Where a value came from, in words.
pub fn origin(origin: Option<&Origin>, sources: &SourceMap) -> String {
    match origin {
        Some(Origin::Written { span }) => sources.place(*span),
        Some(Origin::Environment { name, span }) => format!("environment.{name}, {}", sources.place(*span)),
        Some(Origin::Default) | None => "default".to_owned(),
    }
}
