//! Images without a container engine: a base image, the locked packages, the code and the program, as layers whose bytes follow
//! from what is in them. Two builds of the same give one digest, wherever they are made.
//!
//! It knows no specification: what is built of what is said by whoever calls.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod base;

mod code;
mod codes;
mod config;
mod files;
mod index;
mod layer;
mod layout;
mod look;
mod make;
mod markers;
mod packages;
#[cfg(test)]
mod packages_tests;
mod platform;
mod program;
mod registry;
mod requirements;
mod store;
mod tags;
mod wheel;

pub use codes::CODES;
pub use make::{Built, Destination, Folder, Part, Recipe, build};
pub use mlp_floor::Problem;
pub use platform::Platform;
pub use store::Store;
