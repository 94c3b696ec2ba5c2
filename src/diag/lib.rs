//! Say what is wrong and where: diagnostics as data, spans, and their rendering to text and JSON.
//!
//! This room knows nothing of providers, terminals or the language: who detects a problem speaks of an address and a
//! path or of a span; who renders adds file and line.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod codes;
mod diagnostic;
mod render;
mod sarif;
mod source;
mod suggest;

pub use codes::{CodeList, title_of};
pub use diagnostic::{Blame, Diagnostic, Diagnostics, Label, Severity, Subject};
pub use render::{Style, render_json, render_text};
pub use sarif::{Rule, render_sarif};
pub use source::{FileId, LineCol, SourceMap, Span, Spanned};
pub use suggest::{did_you_mean, one_of};
