//! The list of diagnostic codes: each room keeps its own list, the program joins them.

/// A room's codes with their titles.
pub type CodeList = &'static [(&'static str, &'static str)];

/// The title of a code among the given lists.
pub fn title_of(code: &str, lists: &[CodeList]) -> Option<&'static str> {
    lists.iter().flat_map(|list| list.iter()).find(|(known, _)| *known == code).map(|(_, title)| *title)
}
