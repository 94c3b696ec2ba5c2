//! `runtime`: a program of this machine whose version fits, and the packages that a lock file adds to it.

use std::collections::BTreeMap;

use mlp_floor::launch::{LockFormat, fits, joint_digest, loose_lines};
use mlp_provider::{LowerInput, Lowered};

use super::builder::Builder;
use crate::codes;
use crate::mlp_eval::{PlanValue, reference_of};
use crate::mlp_value::Value;
use crate::mlp_value::facts::{Fact, Need};

/// Languages with the programs that run them, best first; any other language is run by the program of its name.
const PROGRAMS: &[(&str, &[&str])] = &[
    ("clojure", &["clojure", "java"]),
    ("java", &["java"]),
    ("javascript", &["node"]),
    ("jvm", &["java"]),
    ("kotlin", &["kotlin", "java"]),
    ("node", &["node"]),
    ("python", &["python3"]),
    ("r", &["Rscript"]),
    ("scala", &["scala", "java"]),
    ("shell", &["sh"]),
    ("typescript", &["node"]),
];

const SERVED: &[&str] = &["language", "version", "lock", "env.**"];

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, SERVED);
    let place = Place { address: input.declaration.address.to_string(), prefix: String::new() };
    resolve_body(&mut builder, &input.declaration.body, &place);
    builder.finish(Vec::new())
}

/// Where the attributes of a runtime stand in the specification.
struct Place {
    address: String,
    /// Ends in a point where it is not empty.
    prefix: String,
}

impl Place {
    fn at(&self, word: &str) -> String {
        format!("{}{word}", self.prefix)
    }
}

/// The runtime a value refers to or is, with the program of this machine that fits it.
pub(super) fn resolve(builder: &mut Builder<'_>, value: &PlanValue, path: &str) -> Option<PlanValue> {
    match reference_of(value) {
        Some(_) => {
            let found = builder.referred(value, "runtime", path)?;
            // What is wrong with it is said once, where it is declared.
            let input = LowerInput { declaration: found, ..builder.input };
            let mut own = Builder::new(&input, SERVED);
            let place = Place { address: found.address.to_string(), prefix: String::new() };
            let resolved = resolve_body(&mut own, &found.body, &place);
            builder.needs.append(&mut own.needs);
            resolved
        }
        None => {
            for name in ["image", "base", "registry", "engine", "args"] {
                if value.field(name).is_some() {
                    builder.not_served(&format!("{path}.{name}"), &format!("`{name}` of a runtime"), "");
                }
            }
            let address = builder.declaration().address.to_string();
            resolve_body(builder, value, &Place { address, prefix: format!("{path}.") })
        }
    }
}

/// The interpreter of steps that name no runtime.
pub(super) fn default(builder: &mut Builder<'_>, path: &str) -> Option<PlanValue> {
    let address = builder.declaration().address.to_string();
    let prefix = if path.is_empty() { "runtime.".to_owned() } else { format!("{path}.runtime.") };
    let place = Place { address, prefix };
    resolve_body(builder, &Value::object([("language", Value::text("python"))]), &place)
}

fn resolve_body(builder: &mut Builder<'_>, body: &PlanValue, place: &Place) -> Option<PlanValue> {
    let written = body.field("language").and_then(Value::as_text).unwrap_or("python");
    let language = written.to_lowercase();
    if language.is_empty() || !language.chars().all(|c| c.is_ascii_alphanumeric() || "+-_.".contains(c)) {
        builder.error(codes::RUNTIME, &place.at("language"), format!("`{written}` is no language"), "");
        return None;
    }
    let mut config = BTreeMap::from([("language", Value::text(&language))]);
    config.extend(program(builder, &language, body, place).into_iter().flatten());
    if let Some(constraint) = body.field("version") {
        config.insert("constraint", constraint.clone());
    }
    if let Some(lock) = body.field("lock").and_then(Value::as_text)
        && let Some(lock) = self::lock(builder, &language, lock, place)
    {
        config.insert("lock", lock);
    }
    if let Some(env) = body.field("env") {
        check_variables(builder, env, place);
        config.insert("env", env.clone());
    }
    Some(Value::object(config))
}

fn check_variables(builder: &mut Builder<'_>, env: &PlanValue, place: &Place) {
    let names = env.as_object().into_iter().flat_map(|env| env.keys());
    for name in names.filter(|name| name.starts_with("MLP_")) {
        builder.error(
            codes::RUNTIME,
            &place.at(&format!("env.{name}")),
            format!("`{name}` cannot be set: names that begin with `MLP_` are set by the launcher"),
            "give it another name",
        );
    }
}

/// The program of this machine that runs the language, and its version.
fn program(
    builder: &mut Builder<'_>,
    language: &str,
    body: &PlanValue,
    place: &Place,
) -> Option<[(&'static str, PlanValue); 2]> {
    let own = [language];
    let known = PROGRAMS.iter().find(|(name, _)| *name == language);
    let candidates: &[&str] = known.map_or(&own, |(_, programs)| programs);
    let at = place.at("language");
    for (index, name) in candidates.iter().enumerate() {
        match builder.ask(Need::Program((*name).to_owned())) {
            None => return None,
            Some(Fact::Program { path, version }) => {
                // A stand-in such as `java` for `scala` has a version of its own, which says nothing of the language.
                let shown = if index == 0 { version.clone() } else { format!("by {name} {version}") };
                let version = if index == 0 { version.as_str() } else { "" };
                check_version(builder, (name, path, version), body, place);
                return Some([("program", Value::text(path)), ("version", Value::text(shown))]);
            }
            Some(Fact::Failed(why)) => {
                let help = format!("put a {name} that works on the search path");
                builder.error(codes::RUNTIME, &at, format!("`{name}` cannot be used: {why}"), &help);
                return None;
            }
            Some(_) => {}
        }
    }
    let text =
        format!("there is no {} on the search path, which `{language}` needs", candidates.join(" or "));
    builder.error(codes::RUNTIME, &at, text, &format!("install {}", candidates[0]));
    None
}

fn check_version(
    builder: &mut Builder<'_>,
    (name, program, version): (&str, &str, &str),
    body: &PlanValue,
    place: &Place,
) {
    let Some(constraint) = body.field("version").and_then(Value::as_text) else { return };
    // A program that is found only where it will run is checked there.
    if !program.starts_with('/') {
        return;
    }
    let text = match fits(version, constraint) {
        Some(true) => return,
        _ if version.is_empty() => {
            format!("`{name}` does not tell a version of the language, and `{constraint}` is needed")
        }
        None => format!("`{constraint}` is no constraint on a version such as `>=3.8`"),
        Some(false) => format!("{name} is version {version} here, and `{constraint}` is needed"),
    };
    let help = format!("change the constraint, or put another {name} before `{program}` on the search path");
    builder.error(codes::RUNTIME, &place.at("version"), text, &help);
}

/// The lock file with the digest of its content.
fn lock(builder: &mut Builder<'_>, language: &str, path: &str, place: &Place) -> Option<PlanValue> {
    let at = place.at("lock");
    if language != "python" {
        let help = "install its packages on this machine, or start the step by a program that brings its own";
        builder.not_served(&at, &format!("a lock file of `{language}`"), help);
        return None;
    }
    let Some(format) = LockFormat::of(path) else {
        let help = "name a `requirements.txt` with exact versions, a `uv.lock` or a `pylock.toml`";
        builder.error(codes::RUNTIME, &at, format!("`{path}` is no lock file that is known here"), help);
        return None;
    };
    let content = content(builder, path, &at)?;
    if format == LockFormat::Requirements {
        check_exact(builder, path, content, &at);
    }
    let digest_of = |text: &str| blake3::hash(text.as_bytes()).to_hex().to_string();
    let mut digest = digest_of(content);
    if let Some(companion) = format.companion(std::path::Path::new(path)) {
        let beside = self::content(builder, &companion.to_string_lossy(), &at)?;
        digest = joint_digest(&digest, &digest_of(beside));
    }
    let word = match format {
        LockFormat::Requirements => "requirements",
        LockFormat::Uv => "uv",
        LockFormat::Pylock => "pylock",
    };
    let known = format.needs_uv().then(|| builder.ask(Need::Program("uv".to_owned()))).flatten();
    if known.is_some_and(|found| !matches!(found, Fact::Program { .. })) {
        let text = format!("`{path}` is installed by `uv`, which is not on the search path");
        let help = "install uv, or name what it exports: `uv export --format requirements-txt \
                    --no-emit-project > requirements.txt`";
        builder.error(codes::RUNTIME, &at, text, help);
    }
    Some(Value::object([
        ("path", Value::text(path)),
        ("format", Value::text(word)),
        ("digest", Value::text(digest)),
        ("address", Value::text(&place.address)),
        ("at", Value::text(&at)),
    ]))
}

fn content<'a>(builder: &mut Builder<'a>, path: &str, at: &str) -> Option<&'a str> {
    let (text, help) = match builder.ask(Need::Text(path.to_owned()))? {
        Fact::Text(text) => return Some(text),
        Fact::Failed(why) => (format!("`{path}` cannot be read: {why}"), ""),
        _ => (format!("there is no file `{path}`"), "name a file of the project"),
    };
    builder.error(codes::RUNTIME, at, text, help);
    None
}

/// A file that leaves something open locks nothing: what is installed would depend on the day.
fn check_exact(builder: &mut Builder<'_>, path: &str, content: &str, at: &str) {
    let loose = loose_lines(content);
    let Some(first) = loose.first() else { return };
    let more = if loose.len() > 1 { format!(" (and {} more)", loose.len() - 1) } else { String::new() };
    builder.error(
        codes::RUNTIME,
        at,
        format!("`{path}` is not exact: line {}, `{}`, {}{more}", first.line, first.text, first.why),
        "write every package as `name==version`, as `pip freeze` and `uv pip compile` do",
    );
}
