//! Nothing is lost: `mlp up` is killed at seeded instants, and the next one finishes the work.
//!
//! `MLP_KILLS` says how often (default 6), `MLP_SEED` where chance begins.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test says what it expects by failing"
)]

mod support;

use std::time::Duration;

use support::{Project, processes, program};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The longest wait before a kill, in milliseconds: an `up` from nothing takes a few seconds.
const LONGEST: u64 = 3_000;

#[test]
fn a_killed_up_is_finished_by_the_next() {
    let kills = number("MLP_KILLS", 6);
    let seed = number("MLP_SEED", 7);
    let mut state = seed;
    let mut at_each = Vec::new();
    let project = Project::churn();
    for kill in 0..kills {
        // SplitMix64: small, seeded, good enough for instants.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^= mixed >> 27;
        let wait = mixed % LONGEST;
        at_each.push(wait);
        let mut command = program(&project.directory().parent().unwrap().join("home"));
        command.current_dir(project.directory()).args(["up", "-e", "local", "-auto-approve"]);
        command.stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        processes::kill(child.id());
        child.wait().unwrap();
        let why = format!("seed {seed}, kill {kill}, waits {at_each:?}");
        let up = project.mlp(&["up", "-e", "local", "-auto-approve"]);
        assert_eq!(up.code, Some(0), "{why}\n{}", up.all());
        let plan = project.mlp(&["plan", "-e", "local", "-detailed-exitcode"]);
        assert_eq!(plan.code, Some(0), "{why}\n{}", plan.all());
        let replicas = project.running().len();
        // The supervisor, the router and one replica for each of the two variants: none twice, none left over.
        assert_eq!(replicas, 4, "{why}\n{:?}", project.running());
        let destroyed = project.mlp(&["destroy", "-e", "local", "-auto-approve"]);
        assert_eq!(destroyed.code, Some(0), "{why}\n{}", destroyed.all());
        assert!(project.running().is_empty(), "{why}\n{:?}", project.running());
    }
    println!("figure: {kills} kills of `mlp up` (seed {seed}), every one finished by the next");
}
