//! `model`: a row of the embedded registry.

use std::collections::BTreeMap;

use mlp_provider::{LowerInput, Lowered};

use super::builder::{Builder, object_name};
use super::{runtime, step};
use crate::codes;
use crate::mlp_value::Value;
use crate::mlp_value::facts::{Fact, Need};

const SERVED: &[&str] = &[
    "registry",
    "kind",
    "signature",
    "serve",
    "code",
    "runtime",
    "runtime.language",
    "runtime.version",
    "runtime.lock",
    "runtime.env.**",
    "aliases",
    "keep.**",
    "card.**",
    "license",
    "gate.*.from",
    "gate.*.to",
    "gate.*.assert",
    "gate.*.message",
];

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, SERVED);
    let mut config = BTreeMap::new();
    for name in ["kind", "aliases", "keep", "card", "license", "gate"] {
        if let Some(value) = builder.attribute(name) {
            config.insert(name, value.clone());
        }
    }
    if let Some(registry) = builder.attribute("registry")
        && let Some(found) = builder.referred(registry, "registry", "registry")
    {
        config.insert("registry", Value::text(object_name(&found.address)));
    }
    if let Some(kind) = builder.text("kind").filter(|kind| *kind != "full") {
        builder.not_served("kind", &format!("a model of kind `{kind}`"), "use `kind = \"full\"`");
    }
    if let Some(serve) = builder.text("serve") {
        if let Err(why) = crate::forms::form(serve) {
            builder.error(codes::VALUE, "serve", why, super::serving::FORMS);
        }
        config.insert("serve", Value::text(serve));
    }
    if let Some(path) = builder.text("signature") {
        match builder.ask(Need::Text(path.to_owned())) {
            Some(Fact::Text(text)) => {
                config.insert("signature", Value::text(text));
            }
            None => {}
            Some(_) => builder.error(codes::VALUE, "signature", format!("`{path}` cannot be read"), ""),
        }
    }
    if let Some(code) = builder.text("code")
        && let Some(code) = step::code(&mut builder, code, "code")
    {
        config.insert("code", code);
    }
    if let Some(value) = builder.attribute("runtime")
        && let Some(found) = runtime::resolve(&mut builder, value, "runtime")
    {
        config.insert("runtime", found);
    }
    gates(&mut builder);
    let desired = builder.resource("local_model", "models", true, config);
    builder.finish(vec![desired])
}

fn gates(builder: &mut Builder<'_>) {
    let Some(gates) = builder.attribute("gate").and_then(Value::as_object) else { return };
    let aliases: Vec<&str> = builder
        .attribute("aliases")
        .and_then(Value::as_list)
        .unwrap_or_default()
        .iter()
        .filter_map(Value::as_text)
        .collect();
    for (name, gate) in gates.iter() {
        for end in ["from", "to"] {
            let Some(alias) = gate.field(end).and_then(Value::as_text) else { continue };
            if alias != "latest" && !aliases.contains(&alias) {
                let help = crate::mlp_diag::one_of(alias, aliases.iter().copied());
                builder.error(
                    codes::UNRESOLVED,
                    &format!("gate.{name}.{end}"),
                    format!("`{alias}` is not among `aliases`"),
                    &help,
                );
            }
        }
    }
}
