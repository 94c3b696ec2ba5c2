//! The simulation can fail: bugs made on purpose are found by it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::result_large_err)]

mod harness;

use harness::{Bug, run};

/// So many histories at most until a bug is found.
const SEEDS: u64 = 100;

fn found(bug: Bug) -> String {
    (0..SEEDS)
        .find_map(|seed| run(seed, bug).err())
        .unwrap_or_else(|| panic!("{bug:?} was not found in {SEEDS} histories"))
}

#[test]
fn without_bugs_nothing_is_found() {
    assert_eq!(run(0, Bug::None), Ok(()));
}

#[test]
fn a_journal_that_forgets_what_was_begun_leaves_orphans() {
    let why = found(Bug::ForgetsBegin);
    assert!(why.contains("no memory"), "{why}");
}

#[test]
fn a_journal_that_forgets_what_was_removed_is_found() {
    found(Bug::ForgetsDone);
}

#[test]
fn a_session_that_sees_nothing_after_a_lost_answer_makes_things_twice() {
    let why = found(Bug::BlindAfterLoss);
    assert!(why.contains("made twice"), "{why}");
}

#[test]
fn steps_out_of_order_are_found() {
    let why = found(Bug::NoOrder);
    assert!(why.contains("needs") || why.contains("needed"), "{why}");
}
