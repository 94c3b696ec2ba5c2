//! Files, spans, and the way from a byte offset to a line a person can find.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// The number of a source file in a [`SourceMap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileId(pub u32);

/// A half-open range of bytes in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A span of bytes `start..end` in `file`.
    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { file, start: clamp(start), end: clamp(end) }
    }

    /// The smallest span that covers both; `self` when they lie in different files.
    pub fn to(self, other: Span) -> Span {
        if self.file != other.file {
            return self;
        }
        Span { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// A value with the place it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spanned<T> {
    /// What was written.
    pub value: T,
    /// Where.
    pub span: Span,
}

/// A position for people: both count from one; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineCol {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// The source files of a project, kept for messages.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SourceMap {
    files: Vec<SourceFile>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "(String, String)", into = "(String, String)")]
struct SourceFile {
    name: String,
    text: String,
    /// Where each line begins, found out when it is first asked for: a plan asks once for every attribute.
    line_starts: OnceLock<Vec<u32>>,
}

impl From<(String, String)> for SourceFile {
    fn from((name, text): (String, String)) -> Self {
        Self { name, text, line_starts: OnceLock::new() }
    }
}

impl From<SourceFile> for (String, String) {
    fn from(file: SourceFile) -> Self {
        (file.name, file.text)
    }
}

impl SourceFile {
    fn line_starts(&self) -> &[u32] {
        self.line_starts.get_or_init(|| {
            let after = |(at, _)| u32::try_from(at + 1).unwrap_or(u32::MAX);
            std::iter::once(0).chain(self.text.match_indices('\n').map(after)).collect()
        })
    }
}

impl SourceMap {
    /// Adds a file under the name a person knows it by, and gives its number.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push((name.into(), text.into()).into());
        id
    }

    /// The file's name; empty for a number that was never given out.
    pub fn name(&self, file: FileId) -> &str {
        self.files.get(file.0 as usize).map_or("", |file| &file.name)
    }

    /// The file's text; empty for a number that was never given out.
    pub fn text(&self, file: FileId) -> &str {
        self.files.get(file.0 as usize).map_or("", |file| &file.text)
    }

    /// All files in the order they were added.
    pub fn files(&self) -> impl Iterator<Item = (FileId, &str, &str)> {
        self.files.iter().zip(0u32..).map(|(file, id)| (FileId(id), file.name.as_str(), file.text.as_str()))
    }

    /// Line and column of a byte offset.
    pub fn line_col(&self, file: FileId, offset: u32) -> LineCol {
        let Some(file) = self.files.get(file.0 as usize) else { return LineCol { line: 1, column: 1 } };
        let mut end = (offset as usize).min(file.text.len());
        while !file.text.is_char_boundary(end) {
            end -= 1;
        }
        let starts = file.line_starts();
        let line = starts.partition_point(|start| *start as usize <= end);
        let line_start = line.checked_sub(1).and_then(|at| starts.get(at)).map_or(0, |start| *start as usize);
        LineCol { line, column: file.text[line_start..end].chars().count() + 1 }
    }

    /// `main.mlp:41`, as it stands in plans and messages.
    pub fn place(&self, span: Span) -> String {
        format!("{}:{}", self.name(span.file), self.line_col(span.file, span.start).line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let mut map = SourceMap::default();
        let file = map.add("a.mlp", "x = 1\nü = zz\n");
        assert_eq!(map.line_col(file, 11), LineCol { line: 2, column: 5 });
        assert_eq!(map.place(Span::new(file, 11, 12)), "a.mlp:2");
    }

    #[test]
    fn an_offset_inside_a_character_or_past_the_end_is_no_panic() {
        let mut map = SourceMap::default();
        let file = map.add("a.mlp", "ü");
        assert_eq!(map.line_col(file, 1).column, 1);
        assert_eq!(map.line_col(file, 99).column, 2);
    }
}
