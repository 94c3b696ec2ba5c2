//! Tables in files: CSV with a header (RFC 4180), JSON Lines of objects and Parquet, read row by row.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::cell::Cell;
use super::parquet::{Kind, ParquetRows};
use super::seal::{Blob, BlobReader, damaged};
use super::source::SourceData;
use crate::Problem;

/// The format of a table's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// The format a file's extension stands for: `.csv`; `.jsonl` or `.ndjson`; `.parquet`.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }

    /// Its name in a specification.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
            Self::Parquet => "parquet",
        }
    }

    /// The format of this name in a specification.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "csv" => Some(Self::Csv),
            "jsonl" => Some(Self::JsonLines),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// One row: where it starts and its cells, in the order of [`Table::columns`].
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The line the row starts on, from 1; in Parquet the number of the row.
    pub line: u64,
    /// The cells; as many as the table has columns so far.
    pub cells: Vec<Cell>,
}

/// A table that is read row by row.
pub struct Table {
    label: String,
    format: Format,
    columns: Vec<String>,
    source: Source,
}

enum Source {
    Csv { reader: csv::Reader<HashingReader>, record: csv::StringRecord, order: Vec<usize> },
    Json { reader: BufReader<HashingReader>, line: u64, index: HashMap<String, usize> },
    Parquet { rows: Box<ParquetRows>, order: Vec<usize>, blob: Arc<Blob> },
}

impl Table {
    /// Opens a table. The columns of a CSV or Parquet file are read at once; those of JSON Lines are found row by row.
    pub fn open(path: &Path, format: Format) -> Result<Self, Problem> {
        Self::open_source(&SourceData::new(path, Some(format)), &[])
    }

    /// Opens a table whose columns are given in the order of another one: a CSV or Parquet file must have the same
    /// columns, JSON Lines may add some. No columns given accepts any.
    pub(super) fn open_source(source: &SourceData, columns: &[String]) -> Result<Self, Problem> {
        let label = source.label.clone();
        let Some(format) = source.format.or_else(|| Format::of(&source.path)) else {
            return Err(unknown_format(&label));
        };
        let blob = Blob::open(&source.path, source.key.as_ref())?;
        let input = || HashingReader {
            input: BlobReader::new(Arc::clone(&blob), 0),
            hasher: blake3::Hasher::new(),
            bytes: 0,
            ends_in_crlf: None,
        };
        match format {
            Format::Csv => Self::open_csv(label, input(), columns),
            Format::JsonLines => {
                let index = columns.iter().cloned().enumerate().map(|(at, name)| (name, at)).collect();
                let reader = BufReader::with_capacity(128 * 1024, input());
                let source = Source::Json { reader, line: 0, index };
                Ok(Self { label, format, columns: columns.to_vec(), source })
            }
            Format::Parquet => {
                let rows = Box::new(ParquetRows::open(Arc::clone(&blob), &label)?);
                let columns = if columns.is_empty() { rows.columns() } else { columns }.to_vec();
                let order = order_of(&label, rows.columns(), &columns)?;
                Ok(Self { label, format, columns, source: Source::Parquet { rows, order, blob } })
            }
        }
    }

    fn open_csv(label: String, input: HashingReader, columns: &[String]) -> Result<Self, Problem> {
        let mut reader = csv::ReaderBuilder::new().buffer_capacity(128 * 1024).from_reader(input);
        let header: Vec<String> = match reader.headers() {
            Ok(header) => header.iter().map(str::to_owned).collect(),
            Err(error) => return Err(csv_problem(&label, &[], 0, &error)),
        };
        check_header(&label, &header)?;
        let columns = if columns.is_empty() { header.clone() } else { columns.to_vec() };
        let order = order_of(&label, &header, &columns)?;
        let source = Source::Csv { reader, record: csv::StringRecord::new(), order };
        Ok(Self { label, format: Format::Csv, columns, source })
    }

    /// The format of the file.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// The types of the columns as the file itself declares them; none where it does not.
    pub(super) fn types(&self) -> Option<Vec<Kind>> {
        match &self.source {
            Source::Parquet { rows, order, .. } => {
                Some(order.iter().map(|at| rows.types()[*at].clone()).collect())
            }
            _ => None,
        }
    }

    /// The names of the columns found so far.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The name of the file, as it was given.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The next row, or none at the end.
    pub fn next_row(&mut self) -> Result<Option<Row>, Problem> {
        match &mut self.source {
            Source::Csv { reader, record, order } => {
                match reader.read_record(record) {
                    Ok(true) => {}
                    Ok(false) => return Ok(None),
                    Err(error) => {
                        return Err(csv_problem(&self.label, &self.columns, behind(reader), &error));
                    }
                }
                let line = start_line(reader, record);
                let cells =
                    order.iter().map(|at| Cell::from_csv(record.get(*at).unwrap_or_default())).collect();
                Ok(Some(Row { line, cells }))
            }
            Source::Json { reader, line, index } => {
                next_json_row(&self.label, reader, line, index, &mut self.columns)
            }
            Source::Parquet { rows, order, .. } => {
                Ok(rows.next_row(order)?.map(|(line, cells)| Row { line, cells }))
            }
        }
    }

    /// The digest and size of what has been read; of the whole file once [`Self::next_row`] gave none.
    pub(super) fn digest(&self) -> Result<(String, u64), Problem> {
        let input = match &self.source {
            Source::Csv { reader, .. } => reader.get_ref(),
            Source::Json { reader, .. } => reader.get_ref(),
            Source::Parquet { blob, .. } => {
                let mut hasher = blake3::Hasher::new();
                io::copy(&mut BlobReader::new(Arc::clone(blob), 0), &mut hasher)
                    .map_err(|error| read_problem(&self.label, &error))?;
                return Ok((hasher.finalize().to_hex().to_string(), blob.len()));
            }
        };
        Ok((input.hasher.finalize().to_hex().to_string(), input.bytes))
    }
}

/// What is said when reading fails; encrypted content that does not open is data that is not what it was.
pub(super) fn read_problem(label: &str, error: &io::Error) -> Problem {
    if error.kind() == io::ErrorKind::InvalidData {
        return damaged(Path::new(label));
    }
    Problem::new("MLP0700", format!("cannot read `{label}`: {error}"))
}

/// What is said of a file whose format nothing tells.
pub(super) fn unknown_format(label: &str) -> Problem {
    Problem::new("MLP0702", format!("the format of `{label}` is unknown"))
        .help("name the file `.csv`, `.jsonl`, `.ndjson` or `.parquet`, or set `format`")
        .at("format")
}

/// A file that is digested while it is read.
struct HashingReader {
    input: BlobReader,
    hasher: blake3::Hasher,
    bytes: u64,
    /// Whether the first line ends in `\r\n`; none before its end has been read.
    ends_in_crlf: Option<bool>,
}

impl Read for HashingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        let read = &buffer[..count];
        self.hasher.update(read);
        if self.ends_in_crlf.is_none()
            && let Some(end) = read.iter().position(|byte| *byte == b'\n')
        {
            self.ends_in_crlf = Some(end > 0 && read[end - 1] == b'\r');
        }
        self.bytes += count as u64;
        Ok(count)
    }
}

fn check_header(label: &str, header: &[String]) -> Result<(), Problem> {
    if header.is_empty() {
        return Err(Problem::new("MLP0701", format!("`{label}` is empty: a CSV file starts with a header")));
    }
    for (at, name) in header.iter().enumerate() {
        if name.is_empty() {
            let text = format!("{label}:1: column {} of the header has no name", at + 1);
            return Err(Problem::new("MLP0701", text).help("name every column in the first line"));
        }
        if header[..at].contains(name) {
            return Err(Problem::new("MLP0701", format!("{label}:1: the header names `{name}` twice"))
                .help("rename one of the two columns"));
        }
    }
    Ok(())
}

/// For each wanted column, where it stands in this file.
fn order_of(label: &str, header: &[String], columns: &[String]) -> Result<Vec<usize>, Problem> {
    let positions: HashMap<&str, usize> =
        header.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let order: Vec<usize> = columns.iter().filter_map(|name| positions.get(name.as_str()).copied()).collect();
    if order.len() == columns.len() && header.len() == columns.len() {
        return Ok(order);
    }
    let missing =
        columns.iter().filter(|name| !header.contains(name)).map(|name| format!("missing: `{name}`"));
    let extra =
        header.iter().filter(|name| !columns.contains(name)).map(|name| format!("only here: `{name}`"));
    Err(Problem::new("MLP0701", format!("{label}:1: other columns than the files before it"))
        .with_notes(missing.chain(extra))
        .help("files of one data set have the same columns; make two data sets of them otherwise"))
}

/// How many lines the reader's count is behind when it starts a record: it ends a record at `\r` and counts the `\n`
/// with the next one.
fn behind(reader: &csv::Reader<HashingReader>) -> u64 {
    u64::from(reader.get_ref().ends_in_crlf == Some(true))
}

/// The line a record starts on. The reader's own count is that of the end of the record before, blank lines between
/// not counted; counting back from the end of this one finds those, but is one off in a last line that does not end.
fn start_line(reader: &csv::Reader<HashingReader>, record: &csv::StringRecord) -> u64 {
    let behind = behind(reader);
    let inside = record.as_slice().bytes().filter(|byte| *byte == b'\n').count() as u64;
    let from_end = (reader.position().line() + behind).saturating_sub(inside + 1);
    record.position().map_or(0, csv::Position::line).saturating_add(behind).max(from_end)
}

fn csv_problem(label: &str, columns: &[String], behind: u64, error: &csv::Error) -> Problem {
    let line = |at: &Option<csv::Position>| at.as_ref().map_or(1, csv::Position::line) + behind;
    match error.kind() {
        csv::ErrorKind::Io(error) => read_problem(label, error),
        csv::ErrorKind::Utf8 { pos, err } => {
            let column =
                columns.get(err.field()).map_or_else(String::new, |name| format!(", column `{name}`"));
            let text = format!("{label}:{}{column}: not UTF-8", line(pos));
            Problem::new("MLP0701", text).help("save the file as UTF-8")
        }
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let text = format!("{label}:{}: {len} fields where the header has {expected_len}", line(pos));
            Problem::new("MLP0701", text).help("quote fields that contain a comma, a quote or a line break")
        }
        _ => Problem::new("MLP0701", format!("{label}: {error}")),
    }
}

fn next_json_row(
    label: &str,
    reader: &mut BufReader<HashingReader>,
    line: &mut u64,
    index: &mut HashMap<String, usize>,
    columns: &mut Vec<String>,
) -> Result<Option<Row>, Problem> {
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let count = reader.read_until(b'\n', &mut buffer).map_err(|error| read_problem(label, &error))?;
        if count == 0 {
            return Ok(None);
        }
        *line += 1;
        let bytes =
            if *line == 1 { buffer.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&buffer) } else { &buffer };
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let at = error.valid_up_to() + 1;
            Problem::new("MLP0701", format!("{label}:{line}:{at}: not UTF-8")).help("save the file as UTF-8")
        })?;
        if !text.trim().is_empty() {
            let cells =
                json_cells(text, index, columns).map_err(|error| json_problem(label, *line, &error))?;
            return Ok(Some(Row { line: *line, cells }));
        }
    }
}

fn json_cells(
    text: &str,
    index: &mut HashMap<String, usize>,
    columns: &mut Vec<String>,
) -> Result<Vec<Cell>, serde_json::Error> {
    let Fields(fields) = serde_json::from_str(text)?;
    let mut cells = vec![Cell::Null; columns.len()];
    let mut seen = vec![false; columns.len()];
    for (name, raw) in fields {
        let at = match index.get(&name) {
            Some(at) => *at,
            None => {
                index.insert(name.clone(), columns.len());
                columns.push(name.clone());
                cells.push(Cell::Null);
                seen.push(false);
                columns.len() - 1
            }
        };
        if std::mem::replace(&mut seen[at], true) {
            return Err(serde::de::Error::custom(format!("`{name}` twice in one object")));
        }
        cells[at] = Cell::from_json(raw.get())?;
    }
    Ok(cells)
}

fn json_problem(label: &str, line: u64, error: &serde_json::Error) -> Problem {
    let full = error.to_string();
    // serde_json ends its text with its own place, in which every row is line 1.
    let reason = full.rfind(" at line ").map_or(full.as_str(), |at| &full[..at]);
    let column = if error.column() > 0 { format!(":{}", error.column()) } else { String::new() };
    Problem::new("MLP0701", format!("{label}:{line}{column}: {reason}"))
        .help("each line must be one JSON object")
}

/// The fields of one object, in their order and with their exact text.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, content: &[u8]) -> Result<(Vec<String>, Vec<Row>), Problem> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        let mut table = Table::open(&path, Format::of(&path).unwrap())?;
        let mut rows = Vec::new();
        while let Some(row) = table.next_row()? {
            rows.push(row);
        }
        assert_eq!(
            table.digest().unwrap(),
            (blake3::hash(content).to_hex().to_string(), content.len() as u64)
        );
        Ok((table.columns().to_vec(), rows))
    }

    fn message(name: &str, content: &[u8]) -> String {
        let message = read(name, content).unwrap_err().message;
        message.split_once(name).map_or(message.clone(), |(_, rest)| rest.to_owned())
    }

    #[test]
    fn csv_with_quotes_breaks_and_a_byte_order_mark() {
        let (columns, rows) = read("a.csv", b"\xef\xbb\xbfa,b\r\n1,\"x, \"\"y\"\"\nz\"\r\n,w\r\n").unwrap();
        assert_eq!(columns, ["a", "b"]);
        assert_eq!(rows[0].cells[1], Cell::Text("x, \"y\"\nz".into()));
        assert_eq!((rows[1].line, &rows[1].cells[0]), (4, &Cell::Null));
    }

    #[test]
    fn lines_are_counted_as_an_editor_does() {
        for end in ["\n", "\r\n"] {
            let text = ["a,b", "1,1", "", "2,\"x", "y\"", "", "", "3,3", "4,4"].join(end);
            for text in [text.clone(), text + end] {
                let (_, rows) = read("a.csv", text.as_bytes()).unwrap();
                let lines: Vec<u64> = rows.iter().map(|row| row.line).collect();
                assert_eq!(lines, [2, 4, 8, 9], "{text:?}");
            }
        }
    }

    #[test]
    fn json_lines_find_their_columns_and_keep_numbers_exact() {
        let text = b"{\"b\":1.10,\"a\":\"x\"}\n\n{\"a\":null,\"c\":[1, 2]}\n";
        let (columns, rows) = read("a.jsonl", text).unwrap();
        assert_eq!(columns, ["b", "a", "c"]);
        assert_eq!(rows[0].cells[0].text(), "1.10");
        assert_eq!(rows[1].line, 3);
        assert_eq!(rows[1].cells, [Cell::Null, Cell::Null, Cell::Json("[1, 2]".into())]);
    }

    #[test]
    fn mistakes_name_line_and_column() {
        assert_eq!(message("a.csv", b"a,b\n1,2\n3\n"), ":3: 1 fields where the header has 2");
        assert_eq!(message("a.csv", b"a,b\r\n1,2\r\n3\r\n"), ":3: 1 fields where the header has 2");
        assert_eq!(message("a.csv", b"a,b\n1,\xff\n"), ":2, column `b`: not UTF-8");
        assert_eq!(message("a.csv", b"a,a\n"), ":1: the header names `a` twice");
        assert!(message("a.csv", b"").contains("is empty"));
        assert_eq!(message("a.jsonl", b"{\"a\":1}\n{\"a\":}\n"), ":2:6: expected value");
        assert!(message("a.jsonl", b"[1]\n").contains("expected a JSON object"));
        assert!(message("a.jsonl", b"{\"a\":1,\"a\":2}\n").contains("`a` twice"));
        assert!(message("a.jsonl", b"{\"a\":1}\n{\"a\":\"\xff\"}\n").starts_with(":2:7: not UTF-8"));
    }
}
