//! `runtime`: an image, one that is there or one that was built for it, and variables.

use mlp_provider::{ImageInputs, ImageRecord, ImageSource, LowerInput, Lowered, code_place, image_sources};

use super::builder::{Builder, env};
use crate::codes;
use crate::mlp_eval::{PlanValue, reference_of};
use crate::mlp_platform::Declaration;
use crate::mlp_value::Value;
use crate::mlp_value::facts::{Fact, Need};

/// What is served of a runtime whose image is there.
const FINISHED: &[&str] = &["image", "language", "version", "env.**"];
/// What is served of one whose image is built.
const BUILT: &[&str] = &["base", "registry", "language", "version", "lock", "env.**"];
/// The search path of python's modules.
const MODULES: &str = "PYTHONPATH";

/// What a container is made of.
pub(super) struct Image {
    name: String,
    env: Vec<PlanValue>,
    /// Whether it was built of the project, so that the code is in it.
    built: bool,
}

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let built = is_set(&input.declaration.body, "base");
    let finished = is_set(&input.declaration.body, "image");
    let mut builder = Builder::new(input, if built && !finished { BUILT } else { FINISHED });
    if built && !finished {
        to_build(&mut builder);
    }
    let image = builder.text("image").map(str::to_owned);
    if let Some(image) = image {
        check(&mut builder, &image, "image");
    }
    builder.finish(Vec::new())
}

fn is_set(body: &PlanValue, word: &str) -> bool {
    body.field(word).is_some_and(|value| !value.is_null())
}

/// Says what is wrong with a runtime whose image is built, once: at its own place.
fn to_build(builder: &mut Builder<'_>) {
    let language = builder.text("language").unwrap_or("python");
    let other = !language.eq_ignore_ascii_case("python");
    for word in ["lock", "version"] {
        if other && builder.attribute(word).is_some() {
            let help = "take a base image that has them, and leave it out";
            builder.not_served(word, &format!("`{word}` of `{language}` in an image that is built"), help);
        }
    }
    let declaration = builder.declaration();
    let Some(source) = source(builder, declaration) else { return };
    let environment = builder.input.platform.environment.name.clone();
    let help = format!("run `mlp image build -e {environment}`; `mlp up -e {environment}` does it by itself");
    let address = &declaration.address;
    match found(builder, &source) {
        Found::Open | Found::Ready => {}
        Found::Wrong(at, why) => builder.error(codes::VALUE, at, why, "name what is in the project"),
        Found::Missing => {
            builder.error(
                codes::NOT_BUILT,
                "base",
                format!("the image of {address} is not built yet"),
                &help,
            );
        }
        Found::Stale => {
            let headline =
                format!("the image of {address} was built of something else than what is there now");
            builder.error(codes::NOT_BUILT, "base", headline, &help);
        }
    }
}

/// What is known of an image that is built.
enum Found {
    Open,
    Ready,
    Missing,
    Stale,
    Wrong(&'static str, String),
}

/// Nothing where nothing runs in it.
fn source<'a>(builder: &Builder<'a>, runtime: &Declaration) -> Option<ImageSource<'a>> {
    image_sources(builder.input.platform).into_iter().find(|source| source.runtime.address == runtime.address)
}

fn found(builder: &mut Builder<'_>, source: &ImageSource<'_>) -> Found {
    let inputs = match source.inputs(&mut |need| builder.ask(need)) {
        ImageInputs::Open => return Found::Open,
        ImageInputs::Wrong { at, why } => return Found::Wrong(at, why),
        ImageInputs::Known(inputs) => inputs,
    };
    match asked(builder, source.runtime) {
        None => Found::Open,
        Some(Fact::Failed(why)) => Found::Wrong("base", format!("what was built cannot be read: {why}")),
        Some(Fact::Text(_)) => match record(builder, source.runtime) {
            Some(record) if record.inputs == inputs => Found::Ready,
            _ => Found::Stale,
        },
        Some(_) => Found::Missing,
    }
}

fn asked<'a>(builder: &mut Builder<'a>, runtime: &Declaration) -> Option<&'a Fact> {
    let environment = builder.input.platform.environment.folder();
    builder.ask(Need::Image { environment, runtime: runtime.address.to_string() })
}

/// What was built for a runtime.
fn record(builder: &mut Builder<'_>, runtime: &Declaration) -> Option<ImageRecord> {
    match asked(builder, runtime)? {
        Fact::Text(text) => serde_json::from_str(text).ok(),
        _ => None,
    }
}

/// Whether an image is named by its digest.
fn is_pinned(image: &str) -> bool {
    let hex = |digest: &str| digest.len() == 64 && digest.chars().all(|c| c.is_ascii_hexdigit());
    image.rsplit_once("@sha256:").is_some_and(|(_, digest)| hex(digest))
}

fn check(builder: &mut Builder<'_>, image: &str, path: &str) {
    if builder.is_production() && !is_pinned(image) {
        let headline = format!("`{image}` is not pinned, and the environment is one of production");
        let help = "write it with its digest: `image = \"registry/name@sha256:…\"`";
        builder.error(codes::IMAGE, path, headline, help);
    }
}

/// The image that something runs in by itself, where nothing checks the version of its language.
pub(super) fn image(
    builder: &mut Builder<'_>,
    value: Option<&PlanValue>,
    (what, path): (&str, &str),
) -> Option<Image> {
    let body = value.map(|value| match reference_of(value) {
        Some(found) => builder.follow(&found, "runtime").map_or(value, |found| &found.body),
        None => value,
    });
    let versioned =
        |body: &PlanValue| is_set(body, "version") && (is_set(body, "image") || !is_set(body, "base"));
    if body.is_some_and(versioned) {
        let help = "the language is that of the image: leave `version` out";
        builder.not_served(path, "a runtime with a `version`", help);
    }
    named(builder, value, (what, path))
}

/// The image that a runtime names, or that was built for it; says so where there is none.
pub(super) fn named(
    builder: &mut Builder<'_>,
    value: Option<&PlanValue>,
    (what, path): (&str, &str),
) -> Option<Image> {
    let mut declared = None;
    let body = match value {
        None => None,
        Some(value) if reference_of(value).is_some() => {
            declared = Some(builder.referred(value, "runtime", path)?);
            declared.map(|runtime| &runtime.body)
        }
        Some(value) => Some(value),
    };
    let written = body.and_then(|body| body.field("env")).and_then(Value::as_object);
    let variables = written.into_iter().flatten();
    let env = variables.map(|(name, value)| env(name, value.as_text().unwrap_or_default())).collect();
    let named = body.and_then(|body| body.field("image")).and_then(Value::as_text);
    if named.is_none() && body.is_some_and(|body| is_set(body, "base")) {
        // What is wrong with it, and whether it is of what is there now, is said where it is declared; where it is written in place,
        // `base` is refused.
        let record = record(builder, declared?)?;
        return Some(Image { name: record.reference, env, built: true });
    }
    let Some(named) = named else {
        let headline = format!("{what} has no image to run in");
        let help = "give its `runtime` an `image = \"registry/name@sha256:…\"` that holds the code and its packages, or a `base` on which `mlp image build` builds one";
        builder.error(codes::IMAGE, path, headline, help);
        return None;
    };
    // A runtime that is declared by itself is checked there, once.
    if declared.is_none() {
        check(builder, named, &format!("{path}.image"));
    }
    Some(Image { name: named.to_owned(), env, built: false })
}

impl Image {
    /// The name it is pulled by.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Where a container works: in its code, where that is in the image; else where the image says.
    pub(super) fn folder(
        &self,
        builder: &mut Builder<'_>,
        code: Option<&PlanValue>,
        at: &str,
    ) -> Option<String> {
        let code = code.and_then(Value::as_text);
        if !self.built {
            if code.is_some() {
                let help = "build the code into the image and leave `code` out; or give the runtime a `base` instead of an `image`, and `mlp image build` does that";
                builder.not_served(at, "`code` beside a finished image", help);
            }
            return None;
        }
        Some(code_place(code.unwrap_or(".")))
    }

    /// Its variables; modules are found in the folder of the code.
    pub(super) fn variables(self, folder: Option<&str>) -> Vec<PlanValue> {
        let is_named = |value: &PlanValue| value.field("name").and_then(Value::as_text) == Some(MODULES);
        let modules = folder.filter(|_| !self.env.iter().any(is_named)).map(|folder| env(MODULES, folder));
        modules.into_iter().chain(self.env).collect()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_image_is_pinned_by_its_digest() {
        let digest = "a".repeat(64);
        assert!(super::is_pinned(&format!("r.io/x@sha256:{digest}")));
        assert!(super::is_pinned(&format!("r.io/x:1.2@sha256:{digest}")));
        for image in ["r.io/x:1.2", "x", "x@sha256:abc"] {
            assert!(!super::is_pinned(image), "{image}");
        }
    }
}
