//! Writes the declarations of imported objects that have none.

use mlp_diag::{Diagnostic, Diagnostics};
use mlp_eval::{Quoted, reference_of};
use mlp_platform::schema::{Attribute, Ty};
use mlp_platform::{Declaration, Platform, kinds};
use mlp_provider::{Declared, Provider, Seen, Session};
use mlp_value::{Address, KnownValue, Value};

/// Names that a condition may hold and that mean something only where it was written.
const ELSEWHERE: &[&str] = &["var.", "local.", "each.", "count.", "module."];

/// What is written, and what is to be said of it.
#[derive(Debug, Default)]
pub struct Generated {
    /// The blocks, formatted; empty when every imported object is declared.
    pub text: String,
    /// Their addresses.
    pub addresses: Vec<String>,
    /// What could not be told from the objects.
    pub warnings: Diagnostics,
}

/// The blocks of what `import` names and nothing declares, from the objects as they are.
///
/// # Errors
/// There is no such object, or nothing can be written for it.
pub async fn generate(
    platform: &Platform,
    provider: &dyn Provider,
    session: &dyn Session,
) -> Result<Generated, Diagnostics> {
    let mut generated = Generated::default();
    let mut problems = Diagnostics::new();
    for import in platform.declarations.values().filter(|one| one.kind == "import") {
        let text = |name: &str| import.body.field(name).and_then(Value::as_text).unwrap_or_default();
        let Ok(to) = text("to").parse::<Address>() else { continue };
        if platform.declarations.keys().any(|known| known.without_key() == to.without_key()) {
            continue;
        }
        match one(provider, session, import, &to, text("id")).await {
            Err(problem) => problems.push(*problem),
            Ok(found) => generated.add(&to, &found),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    generated.text = mlp_syntax::format(&generated.text)?;
    Ok(generated)
}

fn wrong(import: &Declaration, path: &str, headline: String, help: impl Into<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic::error("MLP0938", headline).on(&import.address, path).help(help))
}

async fn one(
    provider: &dyn Provider,
    session: &dyn Session,
    import: &Declaration,
    to: &Address,
    id: &str,
) -> Result<Declared, Box<Diagnostic>> {
    if to.key.is_some() || !to.module.is_empty() {
        let headline = format!("no block can be written for {to}");
        let help = "an instance, or what lies in a module, is declared by hand where its block stands";
        return Err(wrong(import, "to", headline, help));
    }
    let natives = provider.natives(&to.kind);
    if natives.is_empty() {
        let headline =
            format!("no block can be written for a `{}` of the provider {}", to.kind, provider.kind());
        return Err(wrong(import, "to", headline, format!("declare {to} by hand")));
    }
    for native in natives {
        let seen = session.read(native, id).await.map_err(|error| error.diagnostic)?;
        if let Seen::Present(found) = seen
            && let Some(declared) = provider.declare(native, &found.config)
        {
            return Ok(declared);
        }
    }
    let headline = format!("there is no {} `{id}` to take over", natives.join(" or "));
    Err(wrong(import, "id", headline, "write its identifier as the target knows it"))
}

impl Generated {
    fn add(&mut self, to: &Address, found: &Declared) {
        let mut left = found.left.clone();
        let attributes =
            kinds::kind(&to.kind).map(|kind| kind.all_attributes().collect::<Vec<_>>()).unwrap_or_default();
        let mut writer = Writer { text: String::new(), left: &mut left };
        for (name, value) in &found.body {
            let schema = attributes.iter().find(|attribute| attribute.name == name);
            writer.attribute(name, value, schema.map(|schema| &schema.ty), name);
        }
        let body = writer.text;
        left.sort();
        left.dedup();
        let mut note = String::new();
        if !left.is_empty() {
            note = format!("# The object does not tell how to declare: {}.\n", left.join(", "));
            self.warnings.push(
                Diagnostic::warning("MLP0938", format!("the block of {to} is not all there is to it"))
                    .note(format!("the object does not tell how to declare: {}", left.join(", ")))
                    .help("complete the block by hand; the plan shows what would change otherwise"),
            );
        }
        let gap = if self.text.is_empty() { "" } else { "\n" };
        self.text += &format!("{gap}{note}{} \"{}\" {{\n{body}}}\n", to.kind, to.name);
        self.addresses.push(to.to_string());
    }
}

struct Writer<'w> {
    text: String,
    left: &'w mut Vec<String>,
}

impl Writer<'_> {
    /// An attribute, or the nested blocks that stand for it.
    fn attribute(&mut self, name: &str, value: &KnownValue, ty: Option<&Ty>, path: &str) {
        if names_elsewhere(value) {
            self.left.push(path.to_owned());
            return;
        }
        let object =
            value.as_object().filter(|_| reference_of(value).is_none() && Quoted::of(value).is_none());
        match (ty.and_then(form), object) {
            (Some(Form::Block(attributes)), Some(items)) => {
                self.block(&format!("{name} {{\n"), items, attributes, path);
            }
            (Some(Form::Labelled(attributes)), Some(items)) => {
                for (label, inner) in items.iter() {
                    let path = format!("{path}.{label}");
                    match inner.as_object() {
                        _ if names_elsewhere(inner) => self.left.push(path),
                        Some(items) => {
                            self.block(&format!("{name} {} {{\n", quoted(label)), items, attributes, &path)
                        }
                        None => self.left.push(path),
                    }
                }
            }
            _ => self.text += &format!("{name} = {}\n", expression(value)),
        }
    }

    fn block(
        &mut self,
        head: &str,
        items: &mlp_value::Object<mlp_value::Never>,
        attributes: &'static [Attribute],
        path: &str,
    ) {
        // A block without what it must have says nothing.
        let mut inner = Writer { text: String::new(), left: self.left };
        for (name, value) in items.iter().filter(|(_, value)| !value.is_null()) {
            let schema = attributes.iter().find(|attribute| *attribute.name == **name);
            inner.attribute(name, value, schema.map(|schema| &schema.ty), &format!("{path}.{name}"));
        }
        let text = inner.text;
        self.text += &format!("{head}{text}}}\n");
    }
}

enum Form {
    Block(&'static [Attribute]),
    Labelled(&'static [Attribute]),
}

fn form(ty: &Ty) -> Option<Form> {
    match ty {
        Ty::Object(attributes) | Ty::Open(attributes) => Some(Form::Block(attributes)),
        Ty::Labelled(attributes) => Some(Form::Labelled(attributes)),
        _ => None,
    }
}

/// Whether a condition lies directly in it that names what means something only elsewhere.
fn names_elsewhere(value: &KnownValue) -> bool {
    let of = |value: &KnownValue| {
        Quoted::of(value).is_some_and(|quoted| ELSEWHERE.iter().any(|root| quoted.text.contains(root)))
    };
    of(value) || value.as_object().is_some_and(|items| items.values().any(of))
}

/// A value as it is written.
fn expression(value: &KnownValue) -> String {
    if let Some(reference) = reference_of(value) {
        return reference.to_string();
    }
    if let Some(quoted) = Quoted::of(value) {
        return quoted.text;
    }
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => quoted(text),
        Value::List(items) => format!("[{}]", items.iter().map(expression).collect::<Vec<_>>().join(", ")),
        Value::Object(items) if items.is_empty() => "{}".to_owned(),
        Value::Object(items) => {
            let items = items.iter().map(|(key, item)| format!("{} = {}\n", key_of(key), expression(item)));
            format!("{{\n{}}}", items.collect::<String>())
        }
        Value::Hole(never) => match *never {},
    }
}

fn key_of(key: &str) -> String {
    let plain = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain { key.to_owned() } else { quoted(key) }
}

/// Text in quotes, with nothing in it that would be computed.
fn quoted(text: &str) -> String {
    let mut written = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => written += "\\\"",
            '\\' => written += "\\\\",
            '\n' => written += "\\n",
            '\r' => written += "\\r",
            '\t' => written += "\\t",
            c => written.push(c),
        }
    }
    written.push('"');
    written.replace("${", "$${").replace("%{", "%%{")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_the_language_reads_them() {
        for (value, wanted) in [
            (KnownValue::text("a \"b\" ${c} %{d}\n"), "\"a \\\"b\\\" $${c} %%{d}\\n\""),
            (KnownValue::list([KnownValue::int(1), Value::Bool(true)]), "[1, true]"),
            (KnownValue::object([("a-b", Value::Null)]), "{\n\"a-b\" = null\n}"),
            (
                mlp_eval::Reference {
                    address: "model.m".parse().unwrap(),
                    path: vec!["alias".into(), "x".into()],
                }
                .to_value(),
                "model.m.alias.x",
            ),
        ] {
            let text = expression(&value);
            assert_eq!(text, wanted);
            mlp_syntax::parse_expression(mlp_diag::FileId(0), &text).unwrap();
        }
    }
}
