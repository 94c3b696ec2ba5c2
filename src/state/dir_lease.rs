//! The lease of a directory store: a file of a new name for each change, which only one can make.

use std::path::Path;

use mlp_diag::{Blame, Diagnostic};

use crate::codes;
use crate::files::{compare_and_swap, remove_before};
use crate::lease::Lease;
use crate::watch::Watch;

/// Reads the lease; none yet is one of token 0.
pub(crate) fn read_lease(root: &Path) -> Result<Lease, Diagnostic> {
    numbered_lease(root).map(|(_, lease)| lease)
}

fn numbered_lease(root: &Path) -> Result<(u64, Lease), Diagnostic> {
    let found = Watch::read(root)?;
    Ok(found.map_or_else(|| (0, Lease::default()), |(watch, lease)| (watch.number(), lease)))
}

pub(crate) fn parse_lease(name: &str, bytes: &[u8]) -> Result<Lease, Diagnostic> {
    serde_json::from_slice(bytes).map_err(|error| {
        Diagnostic::error(codes::STATE_DAMAGED, format!("{name} is damaged: {error}"))
            .blame(Blame::Provider)
            .help("restore it from a backup: it holds the number that keeps two applies apart")
    })
}

/// Reads, changes and writes the lease with nobody else between: whoever comes second begins again with what is there then.
pub(crate) fn change_lease<T>(
    root: &Path,
    mut change: impl FnMut(&mut Lease) -> Result<T, Diagnostic>,
) -> Result<T, Diagnostic> {
    loop {
        let (number, mut lease) = numbered_lease(root)?;
        let result = change(&mut lease)?;
        if compare_and_swap(root, "lease", number + 1, &lease)? {
            remove_before(root, "lease", number + 1);
            return Ok(result);
        }
    }
}
