//! Writes a table in its normal form and digests it on the way.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use super::cell::Cell;
use super::table::Format;

/// Writes a table: CSV with `\n` and quotes only where needed, or JSON Lines with every column in every row.
pub(super) struct TableWriter {
    columns: Vec<String>,
    output: Output,
}

enum Output {
    Csv(Box<csv::Writer<HashingWriter>>),
    Json(Box<HashingWriter>),
}

/// What was written.
pub(super) struct Written {
    pub(super) digest: String,
    pub(super) bytes: u64,
}

impl TableWriter {
    pub(super) fn new(file: File, format: Format, columns: &[String]) -> io::Result<Self> {
        let writer = HashingWriter {
            file: BufWriter::with_capacity(128 * 1024, file),
            hasher: blake3::Hasher::new(),
            bytes: 0,
        };
        let output = match format {
            Format::Csv => {
                let mut writer = csv::WriterBuilder::new().from_writer(writer);
                writer.write_record(columns).map_err(io::Error::from)?;
                Output::Csv(Box::new(writer))
            }
            Format::JsonLines => Output::Json(Box::new(writer)),
        };
        Ok(Self { columns: columns.to_vec(), output })
    }

    pub(super) fn write(&mut self, cells: &[Cell]) -> io::Result<()> {
        match &mut self.output {
            Output::Csv(writer) => {
                for cell in cells {
                    writer.write_field(cell.text().as_ref()).map_err(io::Error::from)?;
                }
                writer.write_record(None::<&[u8]>).map_err(io::Error::from)
            }
            Output::Json(writer) => {
                let mut line = String::from("{");
                for (at, (name, cell)) in self.columns.iter().zip(cells).enumerate() {
                    if at > 0 {
                        line.push(',');
                    }
                    line.push_str(&serde_json::Value::from(name.as_str()).to_string());
                    line.push(':');
                    line.push_str(&cell.json());
                }
                line.push_str("}\n");
                writer.write_all(line.as_bytes())
            }
        }
    }

    /// Flushes everything to the disk.
    pub(super) fn finish(self) -> io::Result<Written> {
        let writer = match self.output {
            Output::Csv(writer) => {
                writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?
            }
            Output::Json(writer) => *writer,
        };
        let file = writer.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(Written { digest: writer.hasher.finalize().to_hex().to_string(), bytes: writer.bytes })
    }
}

struct HashingWriter {
    file: BufWriter<File>,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Write for HashingWriter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.file.write(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(format: Format) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t");
        let mut writer =
            TableWriter::new(File::create(&path).unwrap(), format, &["a".into(), "b \"q\"".into()]).unwrap();
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
}
