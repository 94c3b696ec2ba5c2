//! A plan of values each of which waits for the one before.

use crate::row::{CHAINS, CHAINS_PEER, Row, Way};
use crate::spec::Stage;
use crate::specs::CHAIN;

pub const ROW: Row = Row {
    name: "plan of a chain",
    about: "A plan of values each of which waits for the one before.",
    unit: "values",
    sizes: CHAINS,
    terraform: CHAINS_PEER,
    way: Way::Stage(&CHAIN, Stage::Plan),
    budgets: &[],
};
