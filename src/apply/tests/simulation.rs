//! Many small histories that chance decides: changes, faults and crashes, and what must hold after each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::result_large_err)]

mod harness;

use harness::{Bug, run};

/// So many histories when `MLP_SEEDS` does not say.
const SEEDS: u64 = 1_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

#[test]
fn every_history_converges_and_loses_nothing() {
    let seeds = match number("MLP_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("MLP_SEEDS").unwrap_or(SEEDS),
    };
    let (mut raced, histories) = (0, seeds.end - seeds.start);
    for seed in seeds {
        match run(seed, Bug::None) {
            Ok(told) => raced += told.raced,
            Err(why) => panic!("seed {seed}: {why}\nrun it alone with MLP_SEED={seed}"),
        }
    }
    println!("figure: {histories} histories of changes, faults, crashes and {raced} races of two applies");
    assert!(histories < 50 || raced > histories / 2, "only {raced} races in {histories} histories");
}

#[test]
fn a_seed_repeats_exactly() {
    for seed in 0..100 {
        assert_eq!(run(seed, Bug::None), run(seed, Bug::None), "seed {seed}");
    }
}
