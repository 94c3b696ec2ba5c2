//! Names in a cluster: of objects, and what labels may hold.

use crate::mlp_platform::Platform;
use crate::mlp_value::{Address, KnownValue, Value};
use crate::natives::Native;

/// Letters of a name: what is made of it (jobs of a CronJob, pods of a Deployment) has longer ones, and 63 is the end.
const LONGEST: usize = 52;

/// The name of the objects of a declaration, of whatever kind: of the project, the environment and the declaration. Lower-case
/// letters, digits and dashes, a letter first; where that loses something, a digest of the whole makes up for it.
pub(crate) fn object_name(platform: &Platform, address: &Address) -> String {
    let folder = platform.environment.folder();
    let own = match address.module.is_empty() && address.key.is_none() {
        true => address.name.to_string(),
        false => address.to_string(),
    };
    let whole = format!("{}-{folder}-{own}", platform.project.name);
    shortened(&whole, LONGEST)
}

/// What is made once for an environment is called so.
pub(crate) fn of_environment(platform: &Platform) -> String {
    shortened(&format!("mlp-{}-{}", platform.project.name, platform.environment.folder()), LONGEST)
}

fn shortened(whole: &str, longest: usize) -> String {
    let plain: String =
        whole.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let plain = plain.trim_matches('-');
    let starts = plain.starts_with(|c: char| c.is_ascii_lowercase());
    if plain == whole && plain.len() <= longest && starts {
        return plain.to_owned();
    }
    let digest = blake3::hash(whole.as_bytes()).to_hex();
    let first = if starts { "" } else { "m-" };
    let room = longest - 9 - first.len();
    let head: String = plain.chars().take(room).collect();
    format!("{first}{}-{}", head.trim_end_matches('-'), digest.get(..8).unwrap_or_default())
}

/// A text as a label may hold it: at most 63 letters, digits, `-`, `_` and `.`, no sign at an end.
pub(crate) fn label(text: &str) -> String {
    if is_label(text) {
        return text.to_owned();
    }
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let head: String = text.chars().map(plain).take(50).collect();
    let digest = blake3::hash(text.as_bytes()).to_hex();
    let head = head.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    format!("{head}-{}", digest.get(..8).unwrap_or_default()).trim_start_matches('-').to_owned()
}

/// Whether a label may hold a text.
pub(crate) fn is_label(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let end = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= 63 && text.chars().all(good) && end(text.chars().next()) && end(text.chars().last())
}

/// Whether a text may be the name of a label: a name, with a domain before it or not.
pub(crate) fn is_label_name(text: &str) -> bool {
    let (domain, name) = text.split_once('/').map_or((None, text), |(domain, name)| (Some(domain), name));
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    let good = domain.is_none_or(|domain| !domain.is_empty() && domain.chars().all(lower));
    good && !name.is_empty() && is_label(name)
}

/// The namespace that the provider block names.
pub(crate) fn namespace(platform: &Platform) -> Option<&str> {
    platform.environment.provider_body.field("namespace").and_then(Value::as_text)
}

/// The identity of an object.
pub(crate) fn identity(native: &Native, namespace: &str, name: &str) -> String {
    format!("{}/{namespace}/{name}", native.word)
}

/// Namespace and name of an identity; without a namespace it is the one of the provider block.
pub(crate) fn parts<'i>(identity: &'i str, namespace: &'i str) -> Option<(&'i str, &'i str)> {
    let words: Vec<&str> = identity.split('/').collect();
    match words.as_slice() {
        [_, namespace, name] => Some((namespace, name)),
        [_, name] => Some((namespace, name)),
        _ => None,
    }
}

/// The native fields that say where an object lies.
pub(crate) fn place(namespace: &str) -> (&'static str, KnownValue) {
    (crate::natives::NAMESPACE, KnownValue::text(namespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_a_cluster_takes() {
        assert_eq!(shortened("churn-onprem-lake", 52), "churn-onprem-lake");
        for whole in [
            "churn-onprem.ann-lake",
            "Churn-a-b",
            "9lives-a-b",
            &"x".repeat(80),
            "a-b-módulo",
            "a-b-x[\"k\"]",
        ] {
            let name = shortened(whole, 52);
            assert!(
                name.len() <= 52 && name.starts_with(|c: char| c.is_ascii_lowercase()),
                "{whole}: {name}"
            );
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
            assert!(!name.ends_with('-') && name != whole, "{whole}: {name}");
        }
        assert_ne!(shortened("a-b.c", 52), shortened("a-b_c", 52));
    }

    #[test]
    fn labels_hold_what_they_can() {
        for (text, good) in
            [("risk", true), ("", true), ("team.risk_1", true), ("-x", false), ("a b", false), ("ü", false)]
        {
            assert_eq!(is_label(text), good, "{text}");
            assert!(is_label(&label(text)), "{text}");
        }
        assert_eq!(label("onprem.ann"), "onprem.ann");
        assert_ne!(label("a b"), label("a-b"));
        assert!(is_label_name("acme.io/team") && is_label_name("team"));
        assert!(
            !is_label_name("")
                && !is_label_name("/x")
                && !is_label_name("Acme.io/x")
                && !is_label_name("a b")
        );
    }

    #[test]
    fn an_identity_says_where() {
        assert_eq!(parts("service/ml/x", "other"), Some(("ml", "x")));
        assert_eq!(parts("service/x", "other"), Some(("other", "x")));
        assert_eq!(parts("x", "other"), None);
    }
}
