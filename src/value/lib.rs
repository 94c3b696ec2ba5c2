//! Values, types, paths and addresses: what a thing is, apart from what hangs on it and where it came from.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod address;
pub mod facts;
mod json;
mod number;
pub mod order;
mod path;
mod path_map;
mod resource_id;
mod sealed;
mod types;
pub mod units;
mod value;

pub use address::{Address, Key, Words};
pub use number::Number;
pub use path::{Path, Step};
pub use path_map::PathMap;
pub use resource_id::ResourceId;
pub use sealed::{fingerprint_of, has_sealed, sealed};
pub use types::Type;
pub use value::{KnownValue, Never, Object, Value};
