//! Text to tree and back. What a name means is not known here.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod chunks;
mod codes;
mod convert;
mod editing;
mod explain;
mod format;
mod json;
mod lex;
mod parse;
mod plain;
mod recover;
mod split;
mod template;
mod tree;

pub use chunks::{Changed, Chunks};
pub use codes::CODES;
pub use editing::{Token, TokenKind, shift, shift_diagnostic, tokens};
pub use format::format;
pub use json::parse_json;
pub use parse::{parse, parse_all, parse_expression};
pub use tree::*;
