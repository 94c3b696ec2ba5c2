//! The rows: one file each, and one line in [`ROWS`].

mod apply_objects;
mod apply_values;
mod binary;
mod binary_full;
mod cached;
mod chain_apply;
mod chain_plan;
mod churn;
mod cores;
mod destroy;
mod draw_json;
mod draw_markdown;
mod fan_plan;
mod files_again;
mod files_plan;
mod floor_read;
mod for_each_again;
mod for_each_plan;
mod format;
mod journal;
mod keystroke;
mod modules_plan;
mod pairs_plan;
mod plan_again;
mod plan_change;
mod plan_creates;
mod router_median;
mod router_p99;
mod state_size;
mod steps;
mod validate;
mod version;
mod wide_again;
mod wide_apply;
mod wide_change;
mod wide_destroy;
mod wide_plan;

use crate::row::Row;

/// Everything that is measured, in the order of the table. Rows that use the same project stand together: it is made once.
pub const ROWS: &[&Row] = &[
    &plan_creates::ROW,
    &apply_values::ROW,
    &plan_again::ROW,
    &plan_change::ROW,
    &destroy::ROW,
    &floor_read::ROW,
    &state_size::ROW,
    &journal::ROW,
    &apply_objects::ROW,
    &wide_plan::ROW,
    &wide_apply::ROW,
    &wide_again::ROW,
    &wide_change::ROW,
    &wide_destroy::ROW,
    &chain_plan::ROW,
    &chain_apply::ROW,
    &pairs_plan::ROW,
    &fan_plan::ROW,
    &modules_plan::ROW,
    &for_each_plan::ROW,
    &for_each_again::ROW,
    &files_plan::ROW,
    &files_again::ROW,
    &validate::ROW,
    &format::ROW,
    &draw_json::ROW,
    &draw_markdown::ROW,
    &keystroke::ROW,
    &version::ROW,
    &churn::ROW,
    &binary::ROW,
    &binary_full::ROW,
    &cores::ROW,
    &steps::ROW,
    &cached::ROW,
    &router_median::ROW,
    &router_p99::ROW,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn list_and_folder_agree() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scale/rows");
        let files = std::fs::read_dir(folder).unwrap().count() - 1;
        assert_eq!(ROWS.len(), files, "a file of {folder} is not in ROWS");
        let names: BTreeSet<&str> = ROWS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), ROWS.len(), "two rows have the same name");
    }

    #[test]
    fn every_budget_can_be_judged() {
        for row in ROWS {
            for budget in row.budgets {
                let holds = budget.size.is_none_or(|size| row.sizes.whole.contains(&size));
                assert!(holds, "{}: no size of the whole run is {:?}", row.name, budget.size);
            }
        }
    }
}
