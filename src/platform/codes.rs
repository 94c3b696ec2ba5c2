//! Diagnostic codes of this room.

/// Codes with their titles.
pub const CODES: mlp_diag::CodeList = &[];
