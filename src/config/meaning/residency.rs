//! Where data may be: every place that the specification names must be one that its environment permits.

use mlp_diag::{Diagnostic, Span};
use mlp_platform::Declaration;
use mlp_value::{Path, Value};

use super::Whole;
use super::schema_file::texts;
use crate::codes;

/// The settings of a provider, and of a state's store, that say where it is.
const PLACES: &[&str] = &["region", "location"];

/// Checks the providers that an environment uses, and its state, against its `residency`.
pub(super) fn check(whole: &Whole<'_, '_>) {
    for environment in whole.of_kind("environment") {
        let at = Path::of(&["residency"]);
        let permitted: Vec<&str> = texts(&environment.body, &at).into_iter().map(|(_, text)| text).collect();
        if environment.body.field("residency").is_none_or(Value::is_null) {
            continue;
        }
        let rule = Rule { whole, environment, permitted };
        rule.provider(environment);
        for declaration in whole.sound().filter(|one| one.kind != "environment") {
            if declaration.body.field("provider").is_some() {
                rule.provider(declaration);
            }
        }
        rule.place_of(environment, &["state"], environment.header);
        for project in whole.of_kind("project").filter(|_| environment.body.field("state").is_none()) {
            rule.place_of(project, &["state"], environment.header);
        }
    }
}

struct Rule<'r, 'a, 't> {
    whole: &'r Whole<'a, 't>,
    environment: &'a Declaration,
    permitted: Vec<&'r str>,
}

impl Rule<'_, '_, '_> {
    /// The provider that a declaration is made with.
    fn provider(&self, of: &Declaration) {
        let Some((provider, _)) = of.body.field("provider").and_then(|value| self.whole.behind(value)) else {
            return;
        };
        let used = self.whole.place(&of.address, &Path::of(&["provider"])).unwrap_or(of.header);
        if self.place_of(provider, &[], used) || provider.address.name.starts_with("local.") {
            return;
        }
        self.whole.unchecked(
            Some(used),
            format!(
                "whether `{}` lies where environment `{}` permits",
                provider.address, self.environment.address.name
            ),
            "say where it is: `location` in the provider's block",
        );
    }

    /// Whether a declaration says where it is; refuses a place that is not permitted.
    fn place_of(&self, of: &Declaration, within: &[&str], used: Span) -> bool {
        let mut said = false;
        for word in PLACES {
            let at = Path::of(within).field(word);
            let Some(place) = of.body.get(&at).and_then(Value::as_text) else { continue };
            said = true;
            if self.permitted.iter().any(|permitted| lies_in(place, permitted)) {
                continue;
            }
            let listed: Vec<String> = self.permitted.iter().map(|one| format!("`{one}`")).collect();
            let mut problem = Diagnostic::error(
                codes::RESIDENCY,
                format!(
                    "`{}` is in `{place}`, where data of environment `{}` may not be",
                    of.address, self.environment.address.name
                ),
            )
            .at_opt(self.whole.place(&of.address, &at), "this place")
            .see(used, "used here");
            if let Some(span) = self.whole.place(&self.environment.address, &Path::of(&["residency"])) {
                problem = problem.see(span, "where data may be");
            }
            let permitted = if listed.is_empty() { "none".to_owned() } else { listed.join(", ") };
            self.whole.report(problem.help(format!("permitted are: {permitted}")));
        }
        said
    }
}

/// `eu-west-1a` lies in `eu-west-1`, and that in `eu`.
fn lies_in(place: &str, permitted: &str) -> bool {
    match place.strip_prefix(permitted) {
        Some("") => true,
        // A zone is its region with one letter more.
        Some(rest) => rest.starts_with('-') || (rest.len() == 1 && rest.chars().all(char::is_alphabetic)),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_lies_in_its_region() {
        for (place, permitted, wanted) in [
            ("eu-west-1", "eu-west-1", true),
            ("eu-west-1a", "eu-west-1", true),
            ("eu-west-1", "eu", true),
            ("europe-west4-a", "europe-west4", true),
            ("europe-west4", "eu", false),
            ("us-east-1", "eu", false),
            ("eu-west-10", "eu-west-1", false),
        ] {
            assert_eq!(lies_in(place, permitted), wanted, "{place} {permitted}");
        }
    }
}
