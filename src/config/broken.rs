//! What only follows from text that could not be read: its mistake was told, and one mistake is told once.

use std::collections::{BTreeMap, HashSet};

use mlp_diag::{Diagnostic, Diagnostics, FileId, Severity, Span};
use mlp_syntax::Tree;

use crate::codes;
use crate::evaluator::Evaluator;
use crate::resolve::Inputs;
use crate::slips::NOWHERE;

/// What is found missing where names were lost.
const OF_LOST_NAMES: &[&str] =
    &[codes::UNKNOWN_NAME, codes::UNKNOWN_ENVIRONMENT, codes::NO_PROJECT, codes::MEMBER, codes::VARIABLE];

/// Leaves out what a broken attribute, an incomplete block or a lost one would make seem wrong elsewhere.
pub(crate) fn drop_consequences(inputs: &Inputs<'_>, diagnostics: &mut Diagnostics) {
    let modules = inputs.modules.iter().flat_map(|module| module.trees.iter());
    let trees: Vec<&Tree> = inputs.trees.iter().chain(modules).copied().collect();
    let lost = trees.iter().any(|tree| tree.lost);
    // Broken pieces do not overlap: the last that begins before a place is the only one that may hold it.
    let pieces = trees.iter().flat_map(|tree| &tree.broken);
    let broken: BTreeMap<(FileId, u32), u32> =
        pieces.map(|span| ((span.file, span.start), span.end)).collect();
    let covered = |place: Span| {
        let before = broken.range(..=(place.file, place.start)).next_back();
        before.is_some_and(|((file, _), end)| *file == place.file && place.end <= *end)
    };
    let incomplete: HashSet<Span> = trees.iter().flat_map(|tree| &tree.incomplete).copied().collect();
    let follows = |diagnostic: &Diagnostic| {
        let Some(place) = diagnostic.place() else {
            return lost && OF_LOST_NAMES.contains(&diagnostic.code.as_str());
        };
        place.file == NOWHERE
            || covered(place)
            || (diagnostic.code == codes::MISSING_ATTRIBUTE && incomplete.contains(&place))
            || (lost && OF_LOST_NAMES.contains(&diagnostic.code.as_str()))
    };
    let of_text = lost || !broken.is_empty() || !incomplete.is_empty();
    diagnostics
        .retain(|diagnostic| !follows(diagnostic) && (!of_text || diagnostic.severity != Severity::Note));
}

/// Looks at local values that nothing uses: their mistakes are mistakes too. That one names what another environment has
/// is none while it is not used in this one.
pub(crate) fn unused(evaluator: &Evaluator<'_>) {
    let before = evaluator.diagnostics.borrow().len();
    for (room, inside) in evaluator.rooms.iter().enumerate() {
        for name in inside.locals.keys() {
            if let Err(problem) = evaluator.local(room, name, None) {
                evaluator.report(problem);
            }
        }
    }
    let mut all = evaluator.diagnostics.borrow_mut();
    let found = all.split_off(before);
    all.extend(found.into_iter().filter(|problem| problem.code != codes::ELSEWHERE));
}
