//! Writes a table in its normal form, encrypts it where that is wanted, and digests it on the way.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use super::cell::Cell;
use super::keys::Key;
use super::parquet::{Kind, ParquetWriter};
use super::seal::SealWriter;
use super::store::write_problem;
use super::table::Format;
use crate::Problem;

/// The form of a table: its format, its columns, and their types where the format has types.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) format: Format,
    pub(super) columns: Vec<String>,
    pub(super) types: Vec<Kind>,
}

/// Writes a table: CSV with `\n` and quotes only where needed, JSON Lines with every column in every row, or Parquet.
pub(super) struct TableWriter {
    columns: Vec<String>,
    output: Output,
}

enum Output {
    Csv(Box<csv::Writer<HashingWriter>>),
    Json(Box<HashingWriter>),
    Parquet(Box<ParquetWriter<HashingWriter>>),
}

/// What was written.
pub(super) struct Written {
    pub(super) digest: String,
    pub(super) bytes: u64,
}

impl TableWriter {
    /// Writes to a new file; with a key it is encrypted, and its digest says nothing to who does not have the key.
    pub(super) fn new(file: File, layout: &Layout, key: Option<&Key>) -> Result<Self, Problem> {
        let file = BufWriter::with_capacity(128 * 1024, file);
        let (sink, hasher) = match key {
            None => (Sink::Clear(file), blake3::Hasher::new()),
            Some(key) => {
                let hasher = blake3::Hasher::new_keyed(&key.derive(DIGEST));
                (Sink::Sealed(Box::new(SealWriter::new(file, key)?)), hasher)
            }
        };
        let writer = HashingWriter { sink, hasher, bytes: 0 };
        Self::start(writer, layout).map_err(|error| write_problem("the snapshot".as_ref(), &error))
    }

    fn start(writer: HashingWriter, layout: &Layout) -> io::Result<Self> {
        let output = match layout.format {
            Format::Csv => {
                let mut writer = csv::WriterBuilder::new().from_writer(writer);
                writer.write_record(&layout.columns).map_err(io::Error::from)?;
                Output::Csv(Box::new(writer))
            }
            Format::JsonLines => Output::Json(Box::new(writer)),
            Format::Parquet => {
                Output::Parquet(Box::new(ParquetWriter::new(writer, &layout.columns, &layout.types)?))
            }
        };
        Ok(Self { columns: layout.columns.clone(), output })
    }

    pub(super) fn write(&mut self, cells: &[Cell]) -> io::Result<()> {
        match &mut self.output {
            Output::Csv(writer) => {
                for cell in cells {
                    writer.write_field(cell.text().as_ref()).map_err(io::Error::from)?;
                }
                writer.write_record(None::<&[u8]>).map_err(io::Error::from)
            }
            Output::Json(writer) => writer.write_all(json_line(&self.columns, cells).as_bytes()),
            Output::Parquet(writer) => writer.write(cells),
        }
    }

    /// Flushes everything to the disk.
    pub(super) fn finish(self) -> io::Result<Written> {
        let writer = match self.output {
            Output::Csv(writer) => writer
                .into_inner()
                .map_err(|error| io::Error::new(error.error().kind(), error.to_string()))?,
            Output::Json(writer) => *writer,
            Output::Parquet(writer) => writer.finish()?,
        };
        let file = match writer.sink {
            Sink::Clear(file) => file,
            Sink::Sealed(sealed) => sealed.finish()?,
        };
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(Written { digest: writer.hasher.finalize().to_hex().to_string(), bytes: writer.bytes })
    }
}

/// What the digest of encrypted content is keyed with.
pub(super) const DIGEST: &str = "mlp 2026 digest of encrypted data";

/// One row as a JSON object.
fn json_line(columns: &[String], cells: &[Cell]) -> String {
    let mut line = String::from("{");
    for (at, (name, cell)) in columns.iter().zip(cells).enumerate() {
        if at > 0 {
            line.push(',');
        }
        line.push_str(&serde_json::Value::from(name.as_str()).to_string());
        line.push(':');
        line.push_str(&cell.json());
    }
    line.push_str("}\n");
    line
}

enum Sink {
    Clear(BufWriter<File>),
    Sealed(Box<SealWriter<BufWriter<File>>>),
}

struct HashingWriter {
    sink: Sink,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Write for HashingWriter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = match &mut self.sink {
            Sink::Clear(file) => file.write(buffer)?,
            Sink::Sealed(sealed) => sealed.write(buffer)?,
        };
        self.hasher.update(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Clear(file) => file.flush(),
            Sink::Sealed(sealed) => sealed.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parquet::typed;
    use super::super::schema::ColumnType;
    use super::super::table::Table;
    use super::*;

    fn layout(format: Format, columns: &[(&str, ColumnType)]) -> Layout {
        let (columns, types) = columns.iter().map(|(name, kind)| ((*name).to_owned(), typed(*kind))).unzip();
        Layout { format, columns, types }
    }

    fn write(format: Format) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t");
        let layout = layout(format, &[("a", ColumnType::Number), ("b \"q\"", ColumnType::String)]);
        let mut writer = TableWriter::new(File::create(&path).unwrap(), &layout, None).unwrap();
        writer.write(&[Cell::from_csv("1.10"), Cell::Text("x,\"y\"".into())]).unwrap();
        writer.write(&[Cell::Null, Cell::Json("[1]".into())]).unwrap();
        let written = writer.finish().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(written.digest, blake3::hash(text.as_bytes()).to_hex().to_string());
        assert_eq!(written.bytes, text.len() as u64);
        text
    }

    #[test]
    fn csv_and_json_lines_have_one_form() {
        assert_eq!(write(Format::Csv), "a,\"b \"\"q\"\"\"\n1.10,\"x,\"\"y\"\"\"\n,[1]\n");
        assert_eq!(
            write(Format::JsonLines),
            "{\"a\":1.10,\"b \\\"q\\\"\":\"x,\\\"y\\\"\"}\n{\"a\":null,\"b \\\"q\\\"\":[1]}\n"
        );
    }

    #[test]
    fn parquet_keeps_every_type_and_the_same_rows_are_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let columns = [
            ("i", ColumnType::Integer),
            ("n", ColumnType::Number),
            ("b", ColumnType::Bool),
            ("s", ColumnType::String),
            ("t", ColumnType::Timestamp),
            ("d", ColumnType::Date),
        ];
        let mut digests = Vec::new();
        for name in ["one", "two"] {
            let file = File::create(dir.path().join(name)).unwrap();
            let mut writer = TableWriter::new(file, &layout(Format::Parquet, &columns), None).unwrap();
            for at in 0..5000 {
                let row =
                    ["9007199254740993", "0.1", "true", "007", "2026-01-31T13:00:00.25+01:00", "2026-01-31"];
                let mut cells: Vec<Cell> = row.iter().map(|text| Cell::from_csv(text)).collect();
                if at % 2 == 1 {
                    cells[at % 6] = Cell::Null;
                }
                writer.write(&cells).unwrap();
            }
            digests.push(writer.finish().unwrap().digest);
        }
        assert_eq!(digests[0], digests[1]);
        let mut table = Table::open(&dir.path().join("one"), Format::Parquet).unwrap();
        assert_eq!(table.columns(), ["i", "n", "b", "s", "t", "d"]);
        let first = table.next_row().unwrap().unwrap();
        let texts: Vec<_> = first.cells.iter().map(Cell::text).collect();
        assert_eq!(
            texts,
            ["9007199254740993", "0.1", "true", "007", "2026-01-31T12:00:00.250Z", "2026-01-31"]
        );
        assert!(first.cells[0].is_integer() && first.cells[1].number().is_some());
        let mut rows = 1;
        while let Some(row) = table.next_row().unwrap() {
            rows += 1;
            assert_eq!(row.line, rows);
            assert_eq!(row.cells.iter().filter(|cell| cell.is_null()).count() as u64, (rows - 1) % 2);
        }
        assert_eq!(rows, 5000);
    }
}
