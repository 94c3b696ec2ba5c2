//! What a scope knows of words that name nothing, so that the way out can be told.

use mlp_syntax::ExprKind;

use super::*;
use crate::source::Source;

impl NameScope<'_, '_> {
    /// Whether a name can begin with this word.
    pub(crate) fn begins(&self, root: &str) -> bool {
        ["var", "local", "each", "count", "path", "target", "self", BROKEN].contains(&root)
            || LOCAL_MEMBERS.contains(&root)
            || kinds::kind(root).is_some()
            || self.evaluator.natives.contains(root)
            || self.bindings.iter().any(|binding| binding.name == root)
    }

    /// Whether an attribute of a declaration holds this name: in a list, or as a label.
    pub(super) fn declares(&self, instance: &Instance<'_>, attribute: &str, name: &str) -> bool {
        match instance.declared.parts.get(attribute).map(|entry| &entry.source) {
            Some(Source::Expr(mlp_syntax::Expr { kind: ExprKind::List(items), .. }, _)) => {
                items.iter().any(|item| matches!(&item.kind, ExprKind::Text(text) if text == name))
            }
            Some(Source::Parts(parts, ..)) => parts.contains_key(name),
            _ => false,
        }
    }
}
