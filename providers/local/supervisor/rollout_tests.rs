//! The state machine of a rollout, without processes.

use mlp_floor::serve::{ModelLabel, ReplicaState, ReplicaStatus};

use super::*;

fn spec(weight: u32, version: u64) -> EndpointSpec {
    let variant = json!({
        "name": "stable", "weight": weight, "digest": format!("d{version}"),
        "launch": {"command": {"argv": ["true"], "code_dir": "/", "model_dir": "/"}},
        "model": {"address": "model.m", "version": version},
    });
    let other = json!({
        "name": "other", "weight": 10_000 - weight, "digest": "d9",
        "launch": {"command": {"argv": ["true"], "code_dir": "/", "model_dir": "/"}},
        "model": {"address": "model.m", "version": 9},
    });
    serde_json::from_value(json!({"name": "e", "variants": [variant, other], "log_dir": "/"})).unwrap()
}

fn policy(steps: &[u32]) -> Policy {
    Policy { steps: steps.to_vec(), hold: Duration::from_secs(10), abort_on: Vec::new() }
}

fn seen(version: u64, restarts: u32) -> Vec<VariantStatus> {
    vec![VariantStatus {
        name: format!("stable~{version}"),
        of: Some("stable".into()),
        weight: 1,
        model: ModelLabel { address: "model.m".into(), version },
        digest: format!("d{version}"),
        replicas: vec![ReplicaStatus {
            pid: Some(1),
            port: Some(1),
            state: ReplicaState::Ready,
            restarts,
            since: 0,
        }],
        requests: 0,
        errors: 0,
        rerouted: 0,
        reading: Reading::default(),
    }]
}

/// The shares by name, with the version behind each.
fn shares(rollouts: &Rollouts, policy: &Policy, wanted: u64) -> Vec<(String, u32, u64)> {
    let old = |versions: &BTreeMap<String, u64>| Ok::<_, ()>(spec(8_000, versions["stable"]));
    let composed = rollouts.compose(spec(8_000, wanted), policy, old).unwrap();
    let sum: u32 = composed.variants.iter().map(|variant| variant.weight).sum();
    assert_eq!(sum, 10_000);
    let all =
        composed.variants.into_iter().map(|variant| (variant.name, variant.weight, variant.model.version));
    all.filter(|(name, ..)| name != "other").collect()
}

fn stable(weight: u32, version: u64) -> (String, u32, u64) {
    ("stable".into(), weight, version)
}

fn next(weight: u32, version: u64) -> (String, u32, u64) {
    (format!("stable~{version}"), weight, version)
}

fn begun() -> Rollouts {
    let mut rollouts = Rollouts::default();
    rollouts.follow(&spec(8_000, 1), &[], &BTreeSet::new());
    assert!(!rollouts.under_way());
    rollouts.follow(&spec(8_000, 2), &[], &BTreeSet::new());
    rollouts
}

#[test]
fn a_version_takes_over_in_steps_inside_its_share() {
    let (mut rollouts, policy) = (begun(), policy(&[5, 25, 100]));
    let almost = Duration::from_millis(9_999);
    for (left, taken) in [(7_600, 400), (6_000, 2_000), (0, 8_000)] {
        assert_eq!(shares(&rollouts, &policy, 2), [stable(left, 1), next(taken, 2)]);
        rollouts.look(&policy, &seen(2, 0), almost);
        assert_eq!(shares(&rollouts, &policy, 2), [stable(left, 1), next(taken, 2)], "held");
        rollouts.look(&policy, &seen(2, 0), Duration::from_millis(1));
    }
    assert!(!rollouts.under_way());
    assert_eq!(shares(&rollouts, &policy, 2), [stable(8_000, 2)]);
}

#[test]
fn only_time_in_which_it_was_seen_counts() {
    let (mut rollouts, policy) = (begun(), policy(&[50, 100]));
    rollouts.look(&policy, &[], Duration::from_secs(3_600));
    assert_eq!(shares(&rollouts, &policy, 2), [stable(4_000, 1), next(4_000, 2)]);
    let mut starting = seen(2, 0);
    starting[0].replicas[0].state = ReplicaState::Starting;
    rollouts.look(&policy, &starting, Duration::from_secs(3_600));
    assert_eq!(shares(&rollouts, &policy, 2), [stable(4_000, 1), next(4_000, 2)]);
}

#[test]
fn an_aborted_version_is_held_until_the_alias_moves_or_it_is_released() {
    let (mut rollouts, policy) = (begun(), policy(&[5, 100]));
    rollouts.look(&policy, &seen(2, MOST_RESTARTS), Duration::from_secs(1));
    assert_eq!(shares(&rollouts, &policy, 2), [stable(8_000, 1)]);
    rollouts.follow(&spec(8_000, 2), &[], &BTreeSet::new());
    assert_eq!(shares(&rollouts, &policy, 2), [stable(8_000, 1)], "not tried again");
    let report = rollouts.report(&policy, &[]);
    assert!(report[0].held_at.is_some() && report[0].text.contains("do not stay up"), "{report:?}");

    let mut moved = rollouts.clone();
    moved.follow(&spec(8_000, 3), &[], &BTreeSet::new());
    assert_eq!(shares(&moved, &policy, 3), [stable(7_600, 1), next(400, 3)]);
    moved.follow(&spec(8_000, 2), &[], &BTreeSet::new());
    assert_eq!(shares(&moved, &policy, 2), [stable(7_600, 1), next(400, 2)], "it was named anew");

    assert!(rollouts.release() && !rollouts.release());
    rollouts.follow(&spec(8_000, 2), &[], &BTreeSet::new());
    assert_eq!(shares(&rollouts, &policy, 2), [stable(7_600, 1), next(400, 2)]);
}

#[test]
fn an_alias_that_was_taken_back_takes_over_at_once() {
    let (mut rollouts, policy) = (begun(), policy(&[5, 100]));
    rollouts.look(&policy, &seen(2, MOST_RESTARTS), Duration::from_secs(1));
    let other: BTreeSet<String> = ["other".to_owned()].into();
    rollouts.follow(&spec(8_000, 3), &[], &other);
    assert_eq!(shares(&rollouts, &policy, 3), [stable(7_600, 1), next(400, 3)]);
    rollouts.follow(&spec(8_000, 2), &[], &["stable".to_owned()].into());
    assert_eq!(shares(&rollouts, &policy, 2), [stable(8_000, 2)]);
    assert_eq!(rollouts.report(&policy, &[]), Vec::new());
}

#[test]
fn an_alias_that_moves_back_ends_it() {
    let (mut rollouts, policy) = (begun(), policy(&[5, 100]));
    rollouts.follow(&spec(8_000, 1), &[], &BTreeSet::new());
    assert_eq!(shares(&rollouts, &policy, 1), [stable(8_000, 1)]);
    assert_eq!(rollouts.report(&policy, &[]), Vec::new());
}

#[test]
fn what_cannot_be_started_is_held_and_what_runs_is_not() {
    let mut rollouts = begun();
    assert!(!rollouts.abort_new(&seen(2, 0), "no"));
    // What still runs of the version before on its way is no reason to try this one again.
    assert!(rollouts.abort_new(&seen(3, 0), "no class"));
    let report = rollouts.report(&policy(&[100]), &[]);
    assert!(report[0].text.contains("no class"), "{report:?}");
}

#[test]
fn a_version_that_is_served_without_an_alias_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path());
    begun().write(&place, "e").unwrap();
    assert_eq!(needed(&place, "m"), Vec::<u64>::new(), "nothing is served without a record");
    let variant = KnownValue::object([("stable", KnownValue::object([("model", KnownValue::text("m"))]))]);
    let document = Document {
        format_version: 1,
        kind: "local_endpoint".into(),
        project: "p".into(),
        environment: "e".into(),
        lineage: "l".into(),
        config: KnownValue::object([("variant", variant)]),
        resolved: json!({}),
        digest: String::new(),
    };
    place.put("endpoints/e", &document).unwrap();
    let mut found = needed(&place, "m");
    found.sort_unstable();
    assert_eq!(found, [1, 2]);
    assert_eq!(needed(&place, "other"), Vec::<u64>::new());
}

#[test]
fn what_was_written_is_read_and_without_it_what_runs_counts() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path());
    let mut rollouts = begun();
    rollouts.look(&policy(&[5, 100]), &seen(2, 0), Duration::from_secs(4));
    rollouts.write(&place, "e").unwrap();
    let read = Rollouts::read(&place, "e");
    assert_eq!(read.variants, rollouts.variants);

    Rollouts::remove(&place, "e");
    let mut fresh = Rollouts::read(&place, "e");
    let mut running = seen(1, 0);
    (running[0].name, running[0].of) = ("stable".into(), None);
    fresh.follow(&spec(8_000, 2), &running, &BTreeSet::new());
    assert_eq!(shares(&fresh, &policy(&[5, 100]), 2), [stable(7_600, 1), next(400, 2)]);
}
