//! A plan of so many changes, drawn as JSON.

use crate::row::{NEVER, Row, Sizes, Way};

pub const ROW: Row = Row {
    name: "draw as JSON",
    about: "A saved plan of so many changes, read and drawn as JSON.",
    unit: "changes",
    sizes: Sizes { quick: &[1_000], whole: &[1_000, 10_000, 100_000] },
    terraform: NEVER,
    way: Way::Own(|lab, size| lab.drawn("json", size)),
    budgets: &[],
};
