//! The plan for people and for programs.

mod json;
mod text;
mod values;

pub use json::render_json;
pub use text::{RenderOptions, render_text};
