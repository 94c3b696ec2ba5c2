//! An apply of values each of which waits for the one before.

use crate::row::{CHAINS, NEVER, Row, Way};
use crate::spec::Stage;
use crate::specs::CHAIN;

pub const ROW: Row = Row {
    name: "apply of a chain",
    about: "An apply of values each of which waits for the one before.",
    unit: "values",
    sizes: CHAINS,
    terraform: NEVER,
    way: Way::Stage(&CHAIN, Stage::Apply),
    budgets: &[],
};
