//! Diagnostic codes of this room.

/// Codes with their titles.
pub const CODES: mlp_diag::CodeList = &[
    (STATE_UNREADABLE, "the state cannot be read"),
    (STATE_DAMAGED, "the state is damaged"),
    (STATE_NEWER, "the state was written by a newer mlp"),
    (JOURNAL_DAMAGED, "the journal is damaged"),
    (STATE_UNWRITABLE, "the state cannot be written"),
    (STATE_FOREIGN, "the state belongs to something else"),
    (STATE_LOCKED, "the state is encrypted and its key is not there"),
    (STATE_ELSEWHERE, "the state was moved, or is being moved"),
    (KEY_WRONG, "a key of the state cannot be used"),
    (STATE_IN_THE_WAY, "another state is where one is to be moved to"),
    (LEASE_HELD, "somebody else is applying"),
    (LEASE_LOST, "the lease was lost"),
];

pub(crate) const STATE_UNREADABLE: &str = "MLP0600";
pub(crate) const STATE_DAMAGED: &str = "MLP0601";
pub(crate) const STATE_NEWER: &str = "MLP0602";
pub(crate) const JOURNAL_DAMAGED: &str = "MLP0603";
pub(crate) const STATE_UNWRITABLE: &str = "MLP0604";
pub(crate) const STATE_FOREIGN: &str = "MLP0605";
pub(crate) const STATE_LOCKED: &str = "MLP0606";
pub(crate) const STATE_ELSEWHERE: &str = "MLP0607";
pub(crate) const KEY_WRONG: &str = "MLP0608";
pub(crate) const STATE_IN_THE_WAY: &str = "MLP0609";
pub(crate) const LEASE_HELD: &str = "MLP0610";
pub(crate) const LEASE_LOST: &str = "MLP0611";
