//! Tests that have nothing to test with.

use std::io::Write;

/// Says that a test is skipped, past the test runner that would keep it to itself. It is counted, and it is a failure where
/// nothing may be missing.
pub(crate) fn skip(why: &str) {
    assert!(std::env::var_os("MLP_REQUIRE_SERVERS").is_none(), "{why}, and MLP_REQUIRE_SERVERS is set");
    skip_unprivileged(why);
}

/// The same for what needs a right that not every user of a machine has.
pub(crate) fn skip_unprivileged(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {why}");
}
