//! Lowerings: pure functions from a portable declaration to native resources, one file a kind.

mod builder;
mod check;
mod component;
mod compute;
mod dataset;
mod endpoint;
mod gpus;
mod graph;
mod inputs;
mod model;
mod params;
mod pipeline;
mod registry;
mod rollout;
mod runtime;
mod schema_file;
mod secret;
mod serving;
mod source;
mod step;
mod storage;
mod trigger;
mod upstream;
mod versioned;
mod writes;

use mlp_provider::{LowerInput, Lowered};

pub(crate) use builder::{combined_digest, object_name};
pub(crate) use params::fits;
pub(crate) use runtime::fits as version_fits;
pub(crate) use upstream::{held, recipe, written};

type Lower = fn(&LowerInput<'_>) -> Lowered;

/// The version of the lowerings, kept with what they made.
const VERSION: u32 = 1;

/// Each kind with its lowering, in the order of their names.
const LOWERINGS: &[(&str, Lower)] = &[
    ("check", check::lower),
    ("component", component::lower),
    ("compute", compute::lower),
    ("dataset", dataset::lower),
    ("endpoint", endpoint::lower),
    ("model", model::lower),
    ("pipeline", pipeline::lower),
    ("registry", registry::lower),
    ("runtime", runtime::lower),
    ("secret", secret::lower),
    ("source", source::lower),
    ("storage", storage::lower),
];

/// Lowers one declaration; what is refused as a whole never comes here.
pub(crate) fn lower(input: &LowerInput<'_>) -> Lowered {
    match LOWERINGS.iter().find(|(kind, _)| *kind == input.declaration.kind) {
        Some((_, lower)) => lower(input),
        None => Lowered::default(),
    }
}

#[cfg(test)]
pub(crate) fn lowers(kind: &str) -> bool {
    LOWERINGS.iter().any(|(name, _)| *name == kind)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn list_and_folder_agree() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("lower");
        let helpers = [
            "mod",
            "builder",
            "gpus",
            "graph",
            "inputs",
            "params",
            "rollout",
            "schema_file",
            "serving",
            "step",
            "trigger",
            "upstream",
            "versioned",
            "writes",
        ];
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .filter(|name| !helpers.contains(&name.as_str()))
            .collect();
        let listed: Vec<String> = LOWERINGS.iter().map(|(kind, _)| (*kind).to_owned()).collect();
        assert_eq!(files.into_iter().collect::<Vec<_>>(), listed);
    }
}
