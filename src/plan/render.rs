//! The plan for people and for programs.

mod diff;
mod graph;
mod html;
mod json;
mod markdown;
mod page;
mod text;
mod values;
mod view;

pub use html::render_html;
pub use json::render_json;
pub use markdown::render_markdown;
pub use text::{RenderOptions, render_drift, render_text};
