//! What a target lists as ours, so that a lost state can be made anew.

use mlp_provider::{Owned, ResourceKind};

use super::{Failure, Sample};

/// What is wrong with a list, while the samples live or after they are gone.
pub(crate) fn check(
    listed: &[Owned],
    kinds: &[ResourceKind],
    samples: &[Sample],
    alive: bool,
) -> Vec<Failure> {
    let in_state = |name: &str| kinds.iter().any(|kind| kind.name == name && kind.in_state);
    let mut failures = Vec::new();
    let mut fail = |kind: &str, question: &'static str, found: String| {
        failures.push(Failure { kind: kind.to_owned(), question, found });
    };
    for desired in samples.iter().map(|sample| &sample.desired).filter(|desired| !in_state(&desired.kind)) {
        let found: Vec<&Owned> = listed.iter().filter(|one| one.identity == desired.identity).collect();
        let one = match (found.as_slice(), alive) {
            ([one], true) => one,
            ([], false) => continue,
            (_, true) => {
                fail(&desired.kind, "what was made is listed once as ours", format!("{} times", found.len()));
                continue;
            }
            (_, false) => {
                fail(&desired.kind, "what was deleted is no longer listed as ours", desired.identity.clone());
                continue;
            }
        };
        if one.resource != desired.kind {
            fail(&desired.kind, "what is listed as ours has its kind", one.resource.clone());
        }
        if one.id.as_ref().is_some_and(|id| *id != desired.id) {
            fail(&desired.kind, "what is listed as ours has its address", format!("{:?}", one.id));
        }
        if !one.untouched {
            fail(&desired.kind, "what nobody edited is listed as untouched", desired.identity.clone());
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mlp_provider::Desired;
    use mlp_provider::mlp_eval::PlanValue;

    use super::*;

    fn sample() -> Sample {
        let desired = Desired::new("model.a".parse().unwrap(), "k", "a", PlanValue::object::<&str>([]));
        Sample { desired, change: Vec::new(), secrets: Vec::new() }
    }

    #[test]
    fn a_list_that_misses_or_mistakes_something_is_found() {
        let right = Owned {
            resource: "k".into(),
            identity: "a".into(),
            id: Some("model.a".parse().unwrap()),
            lineage: "x".into(),
            untouched: true,
            whole: BTreeMap::new(),
        };
        let ask = |listed: &[Owned], alive| check(listed, &[], &[sample()], alive).len();
        assert_eq!(ask(std::slice::from_ref(&right), true), 0);
        assert_eq!(ask(&[], false), 0);
        assert_eq!(ask(&[], true), 1);
        assert_eq!(ask(std::slice::from_ref(&right), false), 1);
        assert_eq!(ask(&[right.clone(), right.clone()], true), 1);
        let other =
            Owned { resource: "l".into(), id: Some("model.b".parse().unwrap()), untouched: false, ..right };
        assert_eq!(ask(&[other], true), 3);
    }
}
