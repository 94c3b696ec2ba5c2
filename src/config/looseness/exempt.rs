//! What a mutant may get away with, and why.

use super::mutate::Way;

/// The way of a mutant, where it is (`*` stands for one word, `**` at the end for any), and why it cannot be told.
pub(super) const EXEMPT: &[(Way, &str, &str)] = &[];
