//! A file's text, and the way between bytes and the positions of the protocol, which count UTF-16 units.

use lsp_types::{Position, Range};

/// A text with the places where its lines begin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) text: String,
    lines: Vec<usize>,
}

impl Text {
    pub(crate) fn new(text: String) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, lines }
    }

    /// The byte of a position; a position behind a line's end is the end, as the protocol wants it.
    pub(crate) fn offset(&self, position: Position) -> usize {
        let Some(start) = self.lines.get(position.line as usize) else { return self.text.len() };
        let end = self.lines.get(position.line as usize + 1).copied().unwrap_or(self.text.len());
        let line = self.text[*start..end].trim_end_matches(['\n', '\r']);
        let mut units = 0;
        for (at, c) in line.char_indices() {
            if units >= position.character {
                return start + at;
            }
            units += c.len_utf16() as u32;
        }
        start + line.len()
    }

    /// The position of a byte.
    pub(crate) fn position(&self, offset: usize) -> Position {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let line = self.lines.partition_point(|start| *start <= end).saturating_sub(1);
        let start = self.lines.get(line).copied().unwrap_or_default();
        let units = self.text[start..end].encode_utf16().count();
        Position { line: number(line), character: number(units) }
    }

    /// The range of some bytes.
    pub(crate) fn range(&self, bytes: std::ops::Range<usize>) -> Range {
        Range { start: self.position(bytes.start), end: self.position(bytes.end) }
    }

    /// The range of the whole.
    pub(crate) fn whole(&self) -> Range {
        self.range(0..self.text.len())
    }

    /// The text with a part of it replaced; without a range all of it.
    pub(crate) fn edited(&self, range: Option<Range>, with: &str) -> Self {
        let Some(range) = range else { return Self::new(with.to_owned()) };
        let start = self.offset(range.start);
        let end = self.offset(range.end).max(start);
        let mut text = String::with_capacity(self.text.len() + with.len());
        text.push_str(&self.text[..start]);
        text.push_str(with);
        text.push_str(&self.text[end..]);
        Self::new(text)
    }
}

fn number(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_utf16() {
        let text = Text::new("a\r\nü🦀x\n".to_owned());
        for (offset, line, character) in [(0, 0, 0), (3, 1, 0), (5, 1, 1), (9, 1, 3), (10, 1, 4), (11, 2, 0)]
        {
            let position = Position { line, character };
            assert_eq!(text.position(offset), position);
            assert_eq!(text.offset(position), offset);
        }
        // Behind the end of a line, of the text, and inside a character.
        assert_eq!(text.offset(Position { line: 0, character: 99 }), 1);
        assert_eq!(text.offset(Position { line: 99, character: 0 }), 11);
        assert_eq!(text.position(6).character, 1);
    }

    #[test]
    fn edits_replace_what_they_name() {
        let text = Text::new("a = 1\nb = 2\n".to_owned());
        let at = |line, character| Position { line, character };
        assert_eq!(text.edited(Some(Range { start: at(1, 4), end: at(1, 5) }), "3").text, "a = 1\nb = 3\n");
        assert_eq!(text.edited(None, "x").text, "x");
        assert_eq!(text.edited(Some(Range { start: at(1, 4), end: at(0, 0) }), "y").text, "a = 1\nb = y2\n");
    }
}
