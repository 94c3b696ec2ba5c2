//! Selectors: which resources are meant by `--target`, `--exclude` and `--replace`.

use mlp_diag::{Diagnostic, Diagnostics, one_of};
use mlp_value::ResourceId;

use crate::codes;

/// Whether a selector means a resource: by id, by address with or without key, by a module it lies in, or with `*` for anything.
pub(crate) fn matches(selector: &str, id: &ResourceId) -> bool {
    let mut names = vec![id.to_string(), id.address.to_string(), id.address.without_key().to_string()];
    for call in id.address.enclosing() {
        names.extend([call.to_string(), call.without_key().to_string()]);
    }
    names.iter().any(|name| if selector.contains('*') { glob(selector, name) } else { selector == name })
}

fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

/// An error for every selector that matches nothing.
pub(crate) fn unmatched(option: &str, selectors: &[String], ids: &[&ResourceId]) -> Diagnostics {
    let unmatched = selectors.iter().filter(|selector| !ids.iter().any(|id| matches(selector, id)));
    unmatched
        .map(|selector| {
            let names: Vec<String> = ids.iter().map(|id| id.address.to_string()).collect();
            Diagnostic::error(codes::NO_MATCH, format!("`--{option} {selector}` matches nothing"))
                .help(one_of(selector, names.iter().map(String::as_str)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_means_what_it_says() {
        let id: ResourceId = "dataset.x[\"eu\"]/object".parse().unwrap();
        for good in ["dataset.x[\"eu\"]/object", "dataset.x[\"eu\"]", "dataset.x", "dataset.*", "*", "d*x*"] {
            assert!(matches(good, &id), "{good}");
        }
        for bad in ["dataset.y", "dataset", "model.*", "*.z", ""] {
            assert!(!matches(bad, &id), "{bad}");
        }
        let inner: ResourceId = "module.m[\"eu\"].dataset.x".parse().unwrap();
        for good in ["module.m", "module.m[\"eu\"]", "module.m[\"eu\"].dataset.x"] {
            assert!(matches(good, &inner), "{good}");
        }
        assert!(!matches("module.n", &inner) && !matches("dataset.x", &inner));
        let errors = unmatched("target", &["dataset.y".into()], &[&id]);
        assert_eq!(errors[0].code, "MLP0530");
    }
}
