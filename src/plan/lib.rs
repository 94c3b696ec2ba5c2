//! Decide: what has to be done so that what is there becomes what is written, and how to show it.
//!
//! Pure: no network, no clock, no files.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod changes;
mod codes;
mod compare;
mod decide;
mod file;
mod input;
mod moving;
mod order;
mod plan;
mod render;
mod resolve;
mod select;
mod words;

pub use codes::CODES;
pub use decide::decide;
pub use input::{Import, PlanInput, PlanOptions, Refactor, Removed};
pub use moving::Moving;
pub use plan::{
    Context, Counts, DeferredItem, DriftItem, EventItem, FORMAT_VERSION, FieldChange, Given, Kept, Notice,
    Plan, PlanStep, RecordTemplate, Unchanged,
};
pub use render::{RenderOptions, render_drift, render_html, render_json, render_markdown, render_text};
pub use resolve::OutputScope;
pub use words::{Action, Cause, Mode, OriginKind, OriginText, Part};
pub use {mlp_provider, mlp_state};
