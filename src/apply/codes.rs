//! Diagnostic codes of this room.

/// Codes with their titles.
pub const CODES: mlp_plan::mlp_provider::mlp_diag::CodeList = &[
    (STALE, "the plan is stale"),
    (UNSETTLED, "it cannot be told whether a call was made"),
    (NOT_OURS, "an object of that name belongs to somebody else"),
    (DEADLINE, "the target kept failing"),
    (NOT_READY, "an object did not become ready in time"),
    (READ_BACK, "an object was read back different from what was asked"),
    (GONE, "an object is not there after it was made"),
    (STILL_THERE, "an object is still there after it was deleted"),
    (HOLE, "a value is still not known"),
    (BROKEN, "a step broke off"),
];

pub(crate) const STALE: &str = "MLP0650";
pub(crate) const UNSETTLED: &str = "MLP0651";
pub(crate) const NOT_OURS: &str = "MLP0652";
pub(crate) const DEADLINE: &str = "MLP0653";
pub(crate) const NOT_READY: &str = "MLP0654";
pub(crate) const READ_BACK: &str = "MLP0655";
pub(crate) const GONE: &str = "MLP0656";
pub(crate) const STILL_THERE: &str = "MLP0657";
pub(crate) const HOLE: &str = "MLP0658";
pub(crate) const BROKEN: &str = "MLP0659";
