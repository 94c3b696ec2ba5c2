//! Text as the language counts it: in Unicode's composed form, and in characters as a reader sees them.

use std::sync::Arc;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use unicode_segmentation::UnicodeSegmentation;

/// The text in composed form (NFC), so that what looks the same is the same.
pub(crate) fn normalized(text: &Arc<str>) -> Arc<str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return text.clone();
    }
    Arc::from(text.nfc().collect::<String>())
}

/// Characters as a reader sees them.
pub(crate) fn characters(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.graphemes(true)
}
