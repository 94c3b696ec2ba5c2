//! The top-level items of a text that changes: what was not touched is not looked at again.

use std::ops::Range;

use mlp_diag::FileId;

use crate::split::{is_bare_header, next_alone, split_up};

/// The bytes of each top-level item of a text. Read by itself an item means what it means in the file, so what did not change
/// need not be read again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chunks {
    /// One after the other.
    pub ranges: Vec<Range<usize>>,
    /// Whether each ends by itself, and none is read as it is for the sake of another.
    alone: bool,
}

/// The items of a text after a change, and how many at its beginning and at its end are those that were there before.
#[derive(Debug, PartialEq, Eq)]
pub struct Changed {
    /// The items now.
    pub chunks: Chunks,
    /// So many of the first are where they were.
    pub first: usize,
    /// So many of the last are the last from before, moved.
    pub last: usize,
}

impl Chunks {
    /// Those of a text.
    pub fn of(text: &str) -> Self {
        let (items, alone) = split_up(FileId(0), text);
        let ranges = items.iter().map(|item| item.range()).map(|(start, end)| start..end).collect();
        Self { ranges, alone }
    }

    /// Those of a changed text; `self` are those of the text before.
    pub fn changed(&self, before: &str, text: &str) -> Changed {
        let anew = || Changed { chunks: Self::of(text), first: 0, last: 0 };
        if self.alone { self.again(before, text).unwrap_or_else(anew) } else { anew() }
    }

    fn again(&self, before: &str, text: &str) -> Option<Changed> {
        let (start, end) = same_ends(before, text);
        // What moved: the same bytes stand so far from where they stood.
        let stood = |at: usize| (at + end >= text.len()).then(|| (at + before.len()) - text.len());
        // The item before the change may go on into it, and the one before that may be a header without a brace.
        let first = self.ranges.partition_point(|range| range.start <= start).saturating_sub(2);
        let mut ranges = self.ranges[..first].to_vec();
        let mut pos = ranges.last().map_or(0, |range| range.end);
        loop {
            let Some(item) = next_alone(text, pos)? else {
                let chunks = Self { ranges, alone: true };
                return Some(Changed { chunks, first, last: 0 });
            };
            let range = item.range();
            let known = stood(range.0).and_then(|at| {
                let place = self.ranges[first..].binary_search_by_key(&at, |range| range.start).ok()?;
                Some(first + place)
            });
            if let Some(known) = known {
                let moved = |range: &Range<usize>| {
                    (range.start + text.len()) - before.len()..(range.end + text.len()) - before.len()
                };
                ranges.extend(self.ranges[known..].iter().map(moved));
                let chunks = Self { ranges, alone: true };
                return Some(Changed { chunks, first, last: self.ranges.len() - known });
            }
            // A header without a brace speaks for what follows it.
            if is_bare_header(text, &item.tokens) {
                return None;
            }
            pos = range.1;
            ranges.push(range.0..range.1);
        }
    }
}

/// How many bytes two texts have in common at their beginnings, and at their ends behind that; both between characters.
fn same_ends(before: &str, text: &str) -> (usize, usize) {
    let most = before.len().min(text.len());
    let (left, right) = (before.as_bytes(), text.as_bytes());
    let mut start = left.iter().zip(right).take_while(|(left, right)| left == right).count();
    while !(before.is_char_boundary(start) && text.is_char_boundary(start)) {
        start -= 1;
    }
    let pairs = left.iter().rev().zip(right.iter().rev());
    let mut end = pairs.take(most - start).take_while(|(left, right)| left == right).count();
    while !(before.is_char_boundary(before.len() - end) && text.is_char_boundary(text.len() - end)) {
        end -= 1;
    }
    (start, end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(before: &str, text: &str) -> Changed {
        let found = Chunks::of(before).changed(before, text);
        assert_eq!(found.chunks, Chunks::of(text), "{before:?} {text:?}");
        let known = Chunks::of(before);
        let cut = |text: &str, ranges: &[Range<usize>]| -> Vec<String> {
            ranges.iter().map(|range| text[range.clone()].to_owned()).collect()
        };
        let (old, new) = (cut(before, &known.ranges), cut(text, &found.chunks.ranges));
        assert_eq!(old[..found.first], new[..found.first]);
        assert_eq!(old[old.len() - found.last..], new[new.len() - found.last..]);
        assert!(found.first + found.last <= old.len().min(new.len()), "{before:?} {text:?}");
        found
    }

    #[test]
    fn what_is_not_touched_stays() {
        let text = "a {\n  b = 1\n}\n# é\nc {\n}\n\nd = 1\ne {\n}\n";
        for (from, to, first, last) in [
            ("c {", "c {\n  f = 1", 0, 2),
            ("# é", "# e", 0, 3),
            ("d = 1\n", "", 1, 1),
            ("d = 1", "d = 1\nf = 2", 2, 1),
            ("b = 1", "b = 2", 0, 3),
        ] {
            let found = check(text, &text.replacen(from, to, 1));
            assert_eq!((found.first, found.last), (first, last), "{from} {to}");
        }
        // An open bracket, or one too many, changes what others are.
        check(text, &text.replacen("c {", "c {\n  {", 1));
        check(text, &text.replacen("d = 1", "}", 1));
        check(text, &text.replacen("c {", "c \"x\"", 1));
        check(text, &text.replacen("d = 1", "d = <<E", 1));
        check(text, &text.replacen("# é", "/* é", 1));
    }

    proptest! {
        #[test]
        fn a_change_is_as_good_as_a_fresh_look(
            text in "(a \"b\" \\{\n|  c = 1\n|\\}\n|# d\n|/\\*|\\*/\n|<<E\n|E\n|\"|e \"f\"\n| |\\[|\n){0,30}",
            piece in "(\\{|\\}|\n|\"|#|x|/\\*|g \"h\"\n|  ){0,3}",
            at in 0usize..200,
            length in 0usize..6,
        ) {
            let start = at.min(text.len());
            let end = (start + length).min(text.len());
            let mut after = text.clone();
            after.replace_range(start..end, &piece);
            check(&text, &after);
        }
    }
}
