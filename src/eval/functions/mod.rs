//! The functions of the language: one file a family, one list of all.

mod call;
mod collection;
mod date;
mod encoding;
mod filesystem;
mod numeric;
mod set;
mod string;
mod types;
mod verbs;

use std::sync::LazyLock;

use mlp_value::Type;

use crate::PlanValue;
pub(crate) use call::{Arguments, call};

/// A function of the language.
#[derive(Debug, Clone)]
pub struct FunctionInfo {
    /// Its name.
    pub name: &'static str,
    /// How it is called: `element(list, index)`.
    pub signature: &'static str,
    /// What it does, in one sentence.
    pub doc: &'static str,
    pub(crate) returns: Type,
    pub(crate) least: usize,
    pub(crate) most: usize,
    pub(crate) holes: Holes,
    pub(crate) body: Body,
}

/// When arguments that are not known make the result unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holes {
    /// A hole anywhere in an argument does.
    Anywhere,
    /// Only an argument that is itself a hole does; items may be holes.
    Argument,
    /// None: the function decides.
    Never,
}

/// How a function is computed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body {
    /// From its arguments' values; `None` when that cannot be known yet.
    Values(fn(&Arguments<'_>) -> Result<Option<PlanValue>, String>),
    /// By the interpreter, which decides what to evaluate.
    Form(Form),
}

/// Functions that look at how their arguments come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Try,
    Can,
    Sensitive,
    Nonsensitive,
    IsSensitive,
}

pub(crate) type Given = Result<Option<PlanValue>, String>;

/// Any number of arguments.
pub(crate) const MANY: usize = usize::MAX;

const fn function(
    name: &'static str,
    signature: &'static str,
    doc: &'static str,
    returns: Type,
    (least, most): (usize, usize),
    body: fn(&Arguments<'_>) -> Given,
) -> FunctionInfo {
    FunctionInfo {
        name,
        signature,
        doc,
        returns,
        least,
        most,
        holes: Holes::Anywhere,
        body: Body::Values(body),
    }
}

/// A function that takes items which are not known yet as they are.
const fn structural(
    name: &'static str,
    signature: &'static str,
    doc: &'static str,
    returns: Type,
    (least, most): (usize, usize),
    body: fn(&Arguments<'_>) -> Given,
) -> FunctionInfo {
    FunctionInfo {
        name,
        signature,
        doc,
        returns,
        least,
        most,
        holes: Holes::Argument,
        body: Body::Values(body),
    }
}

/// The same function, which decides itself what follows from what is not known.
const fn deciding(mut function: FunctionInfo) -> FunctionInfo {
    function.holes = Holes::Never;
    function
}

static ALL: LazyLock<Vec<FunctionInfo>> = LazyLock::new(|| {
    let families: [&[FunctionInfo]; 8] = [
        collection::FUNCTIONS,
        date::FUNCTIONS,
        encoding::FUNCTIONS,
        filesystem::FUNCTIONS,
        numeric::FUNCTIONS,
        set::FUNCTIONS,
        string::FUNCTIONS,
        types::FUNCTIONS,
    ];
    let mut all: Vec<FunctionInfo> = families.concat();
    all.sort_by_key(|function| function.name);
    all
});

/// All functions, by name.
pub fn functions() -> &'static [FunctionInfo] {
    &ALL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_documented_and_stands_once() {
        for (index, function) in functions().iter().enumerate() {
            assert!(function.signature.starts_with(&format!("{}(", function.name)), "{}", function.name);
            assert!(function.doc.ends_with('.'), "{}", function.name);
            assert!(function.least <= function.most);
            assert!(
                functions()[..index].iter().all(|other| other.name != function.name),
                "{} twice",
                function.name
            );
        }
    }
}
