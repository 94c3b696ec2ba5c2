//! Diagnostic codes of this room.

/// Codes with their titles.
pub const CODES: mlp_diag::CodeList = &[
    (CYCLE, "resources wait for each other"),
    (TWICE, "a resource is desired twice"),
    (NO_SUCH_KIND, "a resource of a kind the provider does not have"),
    (RESIDUAL, "a value that was to be known later cannot be computed"),
    (IN_PLACE_ORDER, "a resource cannot be created before its old self is destroyed"),
    (PARTIAL, "the plan covers a part of the environment"),
    (NOT_OURS, "an object of that name exists and is not ours"),
    (PROTECTED, "a protected resource would be destroyed"),
    (KEPT_REPLACE, "a resource that is kept would be replaced"),
    (IMPORT, "an import that cannot be done"),
    (NO_MATCH, "a selector matches nothing"),
    (SELECTION, "a selection that does not hold together"),
    (LEFT_BEHIND, "a selection leaves out what needs what changes"),
];

pub(crate) const CYCLE: &str = "MLP0501";
pub(crate) const TWICE: &str = "MLP0502";
pub(crate) const NO_SUCH_KIND: &str = "MLP0503";
pub(crate) const RESIDUAL: &str = "MLP0504";
pub(crate) const IN_PLACE_ORDER: &str = "MLP0505";
pub(crate) const PARTIAL: &str = "MLP0506";
pub(crate) const NOT_OURS: &str = "MLP0520";
pub(crate) const PROTECTED: &str = "MLP0521";
pub(crate) const KEPT_REPLACE: &str = "MLP0522";
pub(crate) const IMPORT: &str = "MLP0523";
pub(crate) const NO_MATCH: &str = "MLP0530";
pub(crate) const SELECTION: &str = "MLP0531";
pub(crate) const LEFT_BEHIND: &str = "MLP0532";
