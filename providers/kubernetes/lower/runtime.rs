//! `runtime`: an image, and variables.

use mlp_provider::{LowerInput, Lowered};

use super::builder::{Builder, env};
use crate::codes;
use crate::mlp_eval::{PlanValue, reference_of};
use crate::mlp_value::Value;

const SERVED: &[&str] = &["image", "language", "version", "env.**"];

/// What a container is made of.
pub(super) struct Image {
    pub(super) name: String,
    pub(super) env: Vec<PlanValue>,
}

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, SERVED);
    let image = builder.text("image").map(str::to_owned);
    if let Some(image) = image {
        check(&mut builder, &image, "image");
    }
    builder.finish(Vec::new())
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
    if body.and_then(|body| body.field("version")).is_some_and(|version| !version.is_null()) {
        let help = "the language is that of the image: leave `version` out";
        builder.not_served(path, "a runtime with a `version`", help);
    }
    named(builder, value, (what, path))
}

/// The image that a runtime names; says so where there is none.
pub(super) fn named(
    builder: &mut Builder<'_>,
    value: Option<&PlanValue>,
    (what, path): (&str, &str),
) -> Option<Image> {
    let body = match value {
        None => None,
        Some(value) if reference_of(value).is_some() => Some(&builder.referred(value, "runtime", path)?.body),
        Some(value) => Some(value),
    };
    let named = body.and_then(|body| body.field("image")).and_then(Value::as_text);
    let Some(named) = named else {
        let headline = format!("{what} has no image to run in");
        let help =
            "give its `runtime` an `image = \"registry/name@sha256:…\"` that holds the code and its packages";
        builder.error(codes::IMAGE, path, headline, help);
        return None;
    };
    // A runtime that is declared by itself is checked there, once.
    if value.is_some_and(|value| reference_of(value).is_none()) {
        check(builder, named, &format!("{path}.image"));
    }
    let written = body.and_then(|body| body.field("env")).and_then(Value::as_object);
    let variables = written.into_iter().flatten();
    let variables = variables.map(|(name, value)| env(name, value.as_text().unwrap_or_default()));
    Some(Image { name: named.to_owned(), env: variables.collect() })
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
