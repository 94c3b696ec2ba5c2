//! Lowerings: pure functions from a portable declaration to native resources, one file a kind.

mod builder;
mod command;
mod component;
mod compute;
mod dataset;
mod endpoint;
pub(crate) mod floor;
pub(crate) mod params;
mod pipeline;
mod registry;
mod resource;
mod runtime;
mod secret;
mod step;
mod storage;
mod team;
mod trigger;

use mlp_provider::{LowerInput, Lowered, Provider};

type Lower = fn(&LowerInput<'_>) -> Lowered;

/// The version of the lowerings, kept with what they made.
const VERSION: u32 = 1;

/// Each kind with its lowering, in the order of their names.
const LOWERINGS: &[(&str, Lower)] = &[
    ("component", component::lower),
    ("compute", compute::lower),
    ("dataset", dataset::lower),
    ("endpoint", endpoint::lower),
    ("pipeline", pipeline::lower),
    ("registry", registry::lower),
    ("resource", resource::lower),
    ("runtime", runtime::lower),
    ("secret", secret::lower),
    ("storage", storage::lower),
    ("team", team::lower),
];

/// Lowers one declaration, by the floor where no kind of the cluster serves it; what is refused as a whole never comes here.
pub(crate) fn lower(floor: Option<&dyn Provider>, input: &LowerInput<'_>) -> Lowered {
    if let Some(lowered) = floor::lower(floor, input) {
        return lowered;
    }
    match LOWERINGS.iter().find(|(kind, _)| *kind == input.declaration.kind) {
        Some((_, lower)) => lower(input),
        None => Lowered::default(),
    }
}

#[cfg(test)]
pub(crate) fn lowers(kind: &str) -> bool {
    floor::KINDS.contains(&kind) || LOWERINGS.iter().any(|(name, _)| *name == kind)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn list_and_folder_agree() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("lower");
        let helpers = ["mod", "builder", "command", "floor", "params", "step", "trigger"];
        let stem = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()
        };
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(stem)
            .filter(|name| !helpers.contains(&name.as_str()))
            .collect();
        let listed: Vec<String> = LOWERINGS.iter().map(|(kind, _)| (*kind).to_owned()).collect();
        assert_eq!(files.into_iter().collect::<Vec<_>>(), listed);
    }
}
