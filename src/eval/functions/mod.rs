//! The functions of the language: one file a family, one list of all.

mod arguments;
mod call;
mod collection;
mod date;
mod define;
mod document;
mod encoding;
mod filesystem;
mod gather;
mod hash;
mod json;
mod left_out;
mod network;
mod numeric;
mod own;
mod pattern;
mod set;
mod special;
mod string;
mod types;
mod verbs;
mod yaml;

use std::sync::LazyLock;

pub(crate) use arguments::{Arguments, Fault, Given};
pub(crate) use call::call;
pub(crate) use define::Form;
pub use define::{FunctionInfo, Parameter, Terraform};
pub use document::{Documented, documentation, function_table};
pub use left_out::{LEFT_OUT, LeftOut};

/// The families by the title they have in the documentation.
const FAMILIES: [(&str, &[FunctionInfo]); 13] = [
    ("Numbers", numeric::FUNCTIONS),
    ("Text", string::FUNCTIONS),
    ("Patterns", pattern::FUNCTIONS),
    ("Lists and objects", collection::FUNCTIONS),
    ("Gathering", gather::FUNCTIONS),
    ("Sets", set::FUNCTIONS),
    ("Encoding", encoding::FUNCTIONS),
    ("Files", filesystem::FUNCTIONS),
    ("Dates", date::FUNCTIONS),
    ("Digests", hash::FUNCTIONS),
    ("Addresses of networks", network::FUNCTIONS),
    ("Types and marks", types::FUNCTIONS),
    ("Models and data", own::FUNCTIONS),
];

static ALL: LazyLock<Vec<FunctionInfo>> = LazyLock::new(|| {
    let families = FAMILIES.iter().map(|(_, functions)| *functions);
    let mut all: Vec<FunctionInfo> = families.flatten().cloned().collect();
    all.sort_by_key(|function| function.name);
    all
});

/// All functions, by name.
pub fn functions() -> &'static [FunctionInfo] {
    &ALL
}

/// The function of that name.
pub fn function(name: &str) -> Option<&'static FunctionInfo> {
    let at = functions().binary_search_by(|function| function.name.cmp(name)).ok()?;
    functions().get(at)
}
