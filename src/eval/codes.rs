//! Diagnostic codes of this room.

/// Codes with their titles.
pub const CODES: mlp_diag::CodeList = &[
    (UNKNOWN_FUNCTION, "there is no such function"),
    (ARGUMENT_COUNT, "wrong number of arguments"),
    (FUNCTION_FAILED, "a function refuses its arguments"),
    (OPERAND, "an operand is of the wrong type"),
    (DIVISION_BY_ZERO, "division by zero"),
    (NO_SUCH_ELEMENT, "there is no such attribute or item"),
    (NULL_VALUE, "null where a value is needed"),
    (WRONG_TYPE, "a value of another type is needed here"),
    (DUPLICATE_KEY, "a key is produced twice"),
    (TOO_DEEP, "an expression is nested too deeply"),
    (TOO_LARGE, "an expression produces too much"),
];

pub(crate) const UNKNOWN_FUNCTION: &str = "MLP0201";
pub(crate) const ARGUMENT_COUNT: &str = "MLP0202";
pub(crate) const FUNCTION_FAILED: &str = "MLP0203";
pub(crate) const OPERAND: &str = "MLP0204";
pub(crate) const DIVISION_BY_ZERO: &str = "MLP0205";
pub(crate) const NO_SUCH_ELEMENT: &str = "MLP0206";
pub(crate) const NULL_VALUE: &str = "MLP0207";
pub(crate) const WRONG_TYPE: &str = "MLP0208";
pub(crate) const DUPLICATE_KEY: &str = "MLP0209";
pub(crate) const TOO_DEEP: &str = "MLP0210";
pub(crate) const TOO_LARGE: &str = "MLP0211";
