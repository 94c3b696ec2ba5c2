//! Rows of cells as Parquet: each column gets the type its source, its schema or its values have.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_cast::parse::string_to_timestamp_nanos;
use arrow_cast::{CastOptions, cast, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::cell::Cell;
use super::parquet_read::is_text;
use super::schema::ColumnType;
use super::time::parse_timestamp;

const BATCH: usize = 4096;

/// The type of a column whose source has one of its own, as it is written: what only says how it is stored goes.
pub(super) fn kept(own: &DataType) -> DataType {
    match own {
        DataType::Dictionary(_, value) => kept(value),
        DataType::RunEndEncoded(_, values) => kept(values.data_type()),
        DataType::Date64 => DataType::Date32,
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("UTC".into())),
        other if is_text(other) => DataType::Utf8,
        other => other.clone(),
    }
}

/// The type of a column of a declared type, or of what was found in it.
pub(super) fn typed(kind: ColumnType) -> DataType {
    match kind {
        ColumnType::String | ColumnType::Any => DataType::Utf8,
        ColumnType::Number => DataType::Float64,
        ColumnType::Integer => DataType::Int64,
        ColumnType::Bool => DataType::Boolean,
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ColumnType::Date => DataType::Date32,
    }
}

/// Writes a Parquet file.
pub(super) struct ParquetWriter<W: Write + Send> {
    writer: ArrowWriter<W>,
    schema: SchemaRef,
    texts: Vec<StringBuilder>,
    rows: usize,
}

impl<W: Write + Send> ParquetWriter<W> {
    pub(super) fn new(output: W, columns: &[String], types: &[DataType]) -> io::Result<Self> {
        let fields: Vec<Field> =
            columns.iter().zip(types).map(|(name, kind)| Field::new(name, kind.clone(), true)).collect();
        let schema = Arc::new(Schema::new(fields));
        // The same rows are the same file, whichever release of the library writes it.
        let properties = WriterProperties::builder()
            .set_created_by("mlp".to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let writer = ArrowWriter::try_new(output, Arc::clone(&schema), Some(properties)).map_err(io_error)?;
        let texts = types.iter().map(|_| StringBuilder::new()).collect();
        Ok(Self { writer, schema, texts, rows: 0 })
    }

    pub(super) fn write(&mut self, cells: &[Cell]) -> io::Result<()> {
        for (text, cell) in self.texts.iter_mut().zip(cells) {
            if cell.is_null() {
                text.append_null();
            } else {
                text.append_value(cell.text());
            }
        }
        self.rows += 1;
        if self.rows == BATCH { self.batch() } else { Ok(()) }
    }

    fn batch(&mut self) -> io::Result<()> {
        self.rows = 0;
        let columns = self.texts.iter_mut().zip(self.schema.fields());
        let columns = columns.map(|(text, field)| {
            array(text.finish(), field.data_type())
                .map_err(|error| io::Error::other(format!("column `{}`: {error}", field.name())))
        });
        let columns = columns.collect::<io::Result<Vec<_>>>()?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(io::Error::other)?;
        self.writer.write(&batch).map_err(io_error)
    }

    /// Writes the rest and gives back what it wrote to.
    pub(super) fn finish(mut self) -> io::Result<W> {
        if self.rows > 0 {
            self.batch()?;
        }
        self.writer.into_inner().map_err(io_error)
    }
}

/// Texts as values of a type.
fn array(texts: StringArray, kind: &DataType) -> Result<ArrayRef, ArrowError> {
    match kind {
        DataType::Utf8 => Ok(Arc::new(texts)),
        DataType::Timestamp(unit, _) => {
            let times = texts.iter().map(|text| text.map(|text| time(text, *unit)).transpose());
            let times = times.collect::<Result<Int64Array, _>>()?;
            cast(&times, kind)
        }
        _ => cast_with_options(&texts, kind, &CastOptions { safe: false, ..CastOptions::default() }),
    }
}

/// Units since 1970.
fn time(text: &str, unit: TimeUnit) -> Result<i64, ArrowError> {
    let per_second: i64 = match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    if let Ok(nanos) = string_to_timestamp_nanos(text) {
        return Ok(nanos.div_euclid(1_000_000_000 / per_second));
    }
    // Notations that only this project reads (no seconds), and years that do not fit nanoseconds.
    let seconds =
        parse_timestamp(text).ok_or_else(|| ArrowError::CastError(format!("`{text}` is no time")))?;
    Ok((seconds * per_second as f64).round() as i64)
}

/// A full disk must be told from everything else.
fn io_error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(inner) => io::Error::other(inner),
        },
        other => io::Error::other(other),
    }
}
