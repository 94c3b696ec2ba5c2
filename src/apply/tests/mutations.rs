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
    assert!(run(0, Bug::None).is_ok());
}

#[test]
fn a_journal_that_forgets_what_was_begun_is_found() {
    found(Bug::ForgetsBegin);
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

#[test]
fn a_journal_that_takes_what_a_former_holder_writes_is_found() {
    found(Bug::NoFence);
}
