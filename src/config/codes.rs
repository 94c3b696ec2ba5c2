//! Diagnostic codes of this room.

/// Codes with their titles.
pub const CODES: mlp_diag::CodeList = &[
    (UNKNOWN_BLOCK, "unknown block"),
    (LABELS, "wrong number of labels"),
    (DUPLICATE, "declared twice"),
    (UNKNOWN_ATTRIBUTE, "unknown attribute"),
    (MISSING_ATTRIBUTE, "missing attribute"),
    (WRONG_TYPE, "wrong type"),
    (UNKNOWN_NAME, "unknown name"),
    (NOT_A_REFERENCE, "a reference is expected"),
    (WRONG_KIND, "a reference to the wrong kind"),
    (CYCLE, "an attribute that needs itself"),
    (UNKNOWN_ENVIRONMENT, "unknown environment"),
    (NO_PROJECT, "no project block"),
    (VARIABLE, "a variable without a valid value"),
    (REPEAT, "for_each or count cannot be used so"),
    (NOT_KNOWN, "a value that must be known by now"),
    (PARTIAL, "a block that cannot stand in an environment"),
    (MEMBER, "a name that the declaration does not own"),
    (SCOPE, "a name that is not in scope"),
    (VERSION, "written for another version of mlp"),
    (MODULE, "a module that cannot be used so"),
    (LOOK_UP, "a look-up that finds nothing"),
    (OTHERS_OUTPUT, "an output of another project that cannot be used"),
    (EPHEMERAL, "a value that must not be kept where it would be"),
    (CATALOG, "hardware that nobody knows, or that may be several things"),
    (ELSEWHERE, "a declaration that this environment does not have"),
    (WIRING, "an artifact of another type"),
    (COLUMN, "a column that the declared schema lacks"),
    (SIGNATURE, "a signature that lacks what the features of an endpoint give"),
    (TRAFFIC, "traffic that does not sum"),
    (METRIC, "a metric that is not among the declared names"),
    (CONDITION, "what is no condition"),
    (RESIDENCY, "a place where data may not be"),
    (UNCHECKED, "what could not be checked"),
    (BROUGHT, "what comes along with `only`"),
    (MOVED, "a declaration that cannot have moved or gone so"),
];

pub(crate) const UNKNOWN_BLOCK: &str = "MLP0301";
pub(crate) const LABELS: &str = "MLP0302";
pub(crate) const DUPLICATE: &str = "MLP0303";
pub(crate) const UNKNOWN_ATTRIBUTE: &str = "MLP0304";
pub(crate) const MISSING_ATTRIBUTE: &str = "MLP0305";
pub(crate) const WRONG_TYPE: &str = "MLP0306";
pub(crate) const UNKNOWN_NAME: &str = "MLP0307";
pub(crate) const NOT_A_REFERENCE: &str = "MLP0308";
pub(crate) const WRONG_KIND: &str = "MLP0309";
pub(crate) const CYCLE: &str = "MLP0310";
pub(crate) const UNKNOWN_ENVIRONMENT: &str = "MLP0311";
pub(crate) const NO_PROJECT: &str = "MLP0312";
pub(crate) const VARIABLE: &str = "MLP0313";
pub(crate) const REPEAT: &str = "MLP0314";
pub(crate) const NOT_KNOWN: &str = "MLP0315";
pub(crate) const PARTIAL: &str = "MLP0316";
pub(crate) const MEMBER: &str = "MLP0317";
pub(crate) const SCOPE: &str = "MLP0318";
pub(crate) const VERSION: &str = "MLP0319";
pub(crate) const MODULE: &str = "MLP0321";
pub(crate) const LOOK_UP: &str = "MLP0322";
pub(crate) const OTHERS_OUTPUT: &str = "MLP0323";
pub(crate) const EPHEMERAL: &str = "MLP0325";
pub(crate) const CATALOG: &str = "MLP0324";
pub(crate) const ELSEWHERE: &str = "MLP0330";
/// The evaluator's own, for expressions that it does not see before a run.
pub(crate) const UNKNOWN_FUNCTION: &str = "MLP0201";
pub(crate) const WIRING: &str = "MLP0340";
pub(crate) const COLUMN: &str = "MLP0341";
pub(crate) const SIGNATURE: &str = "MLP0342";
pub(crate) const TRAFFIC: &str = "MLP0343";
pub(crate) const METRIC: &str = "MLP0344";
pub(crate) const CONDITION: &str = "MLP0345";
pub(crate) const RESIDENCY: &str = "MLP0346";
pub(crate) const UNCHECKED: &str = "MLP0347";
pub(crate) const BROUGHT: &str = "MLP0348";
pub(crate) const MOVED: &str = "MLP0349";
