//! Decide: what has to be done so that what is there becomes what is written, and how to show it.
//!
//! Pure: no network, no clock, no files.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod changes;
mod codes;
mod compare;
mod decide;
mod order;
mod plan;
mod render;
mod resolve;
mod select;

pub use codes::CODES;
pub use decide::{Import, PlanInput, PlanOptions, Refactor, Removed, decide};
pub use plan::{
    Action, Counts, DeferredItem, DriftItem, FORMAT_VERSION, FieldChange, Kept, Mode, OriginKind, OriginText,
    Part, Plan, PlanStep, RecordTemplate,
};
pub use render::{RenderOptions, render_json, render_text};
pub use resolve::OutputScope;
pub use {mlp_provider, mlp_state};
