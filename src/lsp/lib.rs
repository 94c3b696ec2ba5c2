//! The server behind an editor: what is wrong as it is written, and what every word means.
//!
//! It speaks the Language Server Protocol over a pair of streams. What it knows of the machine it asks a [`Host`].
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod actions;
mod analysis;
mod catalog;
mod complete;
mod context;
mod host;
mod hover;
mod names;
mod navigate;
mod outline;
mod project;
mod requests;
mod server;
mod state;
mod text;
mod uri;
mod wire;

pub use host::Host;
pub use hover::{looked_up, origin};
pub use server::{Server, serve};

/// Stack enough for the deepest nesting that the parser lets through.
const STACK: usize = 64 << 20;
