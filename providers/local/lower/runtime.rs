//! `runtime`: a program of this machine whose version fits.

use std::collections::BTreeMap;

use mlp_provider::{LowerInput, Lowered};

use super::builder::Builder;
use crate::codes;
use crate::mlp_eval::{PlanValue, reference_of};
use crate::mlp_value::Value;
use crate::mlp_value::facts::{Fact, Need};

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, &["language", "version", "env.**"]);
    let body = &input.declaration.body;
    resolve_body(&mut builder, body, "");
    builder.finish(Vec::new())
}

/// The runtime a value refers to or is, with the program of this machine that fits it.
pub(super) fn resolve(builder: &mut Builder<'_>, value: &PlanValue, path: &str) -> Option<PlanValue> {
    match reference_of(value) {
        Some(_) => {
            let found = builder.referred(value, "runtime", path)?;
            resolve_body(builder, &found.body, path)
        }
        None => {
            for name in ["lock", "image", "engine", "args"] {
                if value.field(name).is_some() {
                    builder.not_served(&format!("{path}.{name}"), &format!("`{name}` of a runtime"), "");
                }
            }
            resolve_body(builder, value, path)
        }
    }
}

/// The interpreter of steps that name no runtime.
pub(super) fn default(builder: &mut Builder<'_>, path: &str) -> Option<PlanValue> {
    resolve_body(builder, &Value::object([("language", Value::text("python"))]), path)
}

fn resolve_body(builder: &mut Builder<'_>, body: &PlanValue, path: &str) -> Option<PlanValue> {
    let language = body.field("language").and_then(Value::as_text).unwrap_or("python");
    if language != "python" {
        builder.not_served(
            if path.is_empty() { "language" } else { path },
            &format!("a runtime of language `{language}`"),
            "use `language = \"python\"`; a step's command may start any program of this machine",
        );
        return None;
    }
    let mut config = BTreeMap::from([("language", Value::text(language))]);
    let constraint = body.field("version").and_then(Value::as_text);
    match builder.ask(Need::Program("python3".to_owned())) {
        None => {}
        Some(Fact::Program { path: program, version }) => {
            if let Some(constraint) = constraint.filter(|constraint| fits(version, constraint) != Some(true))
            {
                let at = if path.is_empty() { "version" } else { path };
                let text = match fits(version, constraint) {
                    None => format!("`{constraint}` is no constraint on a version such as `>=3.8`"),
                    _ => format!("python3 is version {version} here, and `{constraint}` is needed"),
                };
                builder.error(
                    codes::RUNTIME,
                    at,
                    text,
                    &format!(
                        "change the constraint, or put another python3 before `{program}` on the search path"
                    ),
                );
            }
            config.insert("program", Value::text(program));
            config.insert("version", Value::text(version));
        }
        Some(_) => {
            builder.error(codes::RUNTIME, path, "there is no python3 on the search path", "install python3");
        }
    }
    if let Some(constraint) = constraint {
        config.insert("constraint", Value::text(constraint));
    }
    if let Some(env) = body.field("env") {
        config.insert("env", env.clone());
    }
    Some(Value::object(config))
}

/// Whether a version fits `>=3.8, <4`, `~> 3.10` or `3.11`; `None` when that is no constraint.
fn fits(version: &str, constraint: &str) -> Option<bool> {
    let found = numbers(version)?;
    let mut all = true;
    for part in constraint.split(',').map(str::trim) {
        let at = part.find(|c: char| c.is_ascii_digit())?;
        let wanted = numbers(&part[at..])?;
        let prefix = found.iter().take(wanted.len()).eq(wanted.iter());
        all &= match part[..at].trim() {
            ">=" => found >= wanted,
            ">" => found > wanted && !prefix,
            "<=" => found <= wanted || prefix,
            "<" => found < wanted,
            "!=" => !prefix,
            "" | "=" | "==" => prefix,
            // The last number given may grow.
            "~>" | "~=" => {
                let fixed = &wanted[..wanted.len().saturating_sub(1)];
                found >= wanted && found.iter().take(fixed.len()).eq(fixed.iter())
            }
            _ => return None,
        };
    }
    Some(all)
}

fn numbers(text: &str) -> Option<Vec<u64>> {
    let plain: String = text.trim().chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    plain.trim_end_matches('.').split('.').map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_fit_constraints() {
        for (constraint, expected) in [
            (">=3.8", Some(true)),
            (">=3.12", Some(false)),
            ("3.11", Some(true)),
            ("3", Some(true)),
            ("3.1", Some(false)),
            ("~> 3.10", Some(true)),
            ("~> 3.10.0", Some(false)),
            (">=3.8, <4", Some(true)),
            (">=3.8, !=3.11", Some(false)),
            ("newest", None),
            ("=>3", None),
        ] {
            assert_eq!(fits("3.11.7", constraint), expected, "{constraint}");
        }
    }
}
