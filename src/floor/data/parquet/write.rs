//! Rows of cells as Parquet: each column gets the type its source, its schema or its values have.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, FloatType,
    Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;

use super::kind::{Kind, Unit};
use super::{decimal, parse};
use crate::data::cell::Cell;

/// A group of rows ends after this many rows, or when they take this many bytes: so much is in memory.
const GROUP_ROWS: usize = 1024 * 1024;
const GROUP_BYTES: usize = 64 * 1024 * 1024;

/// Writes a Parquet file.
pub(in crate::data) struct ParquetWriter<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
}

/// The values of a column in the group of rows that is being gathered.
struct Column {
    name: String,
    kind: Kind,
    /// 1 where there is a value, 0 where there is null.
    defined: Vec<i16>,
    values: Values,
}

enum Values {
    Bool(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Bytes(Vec<ByteArray>),
    Fixed(Vec<FixedLenByteArray>),
}

impl<W: Write + Send> ParquetWriter<W> {
    pub(in crate::data) fn new(output: W, columns: &[String], types: &[Kind]) -> io::Result<Self> {
        let columns = columns.iter().zip(types).map(|(name, kind)| Column::new(name, kind));
        let columns = columns.collect::<io::Result<Vec<_>>>()?;
        let fields = columns.iter().map(|column| column.schema().map(Arc::new));
        let fields = fields.collect::<Result<_, _>>().map_err(io_error)?;
        let schema = Type::group_type_builder("schema").with_fields(fields).build().map_err(io_error)?;
        // The same rows are the same file, whichever release of the library writes it.
        let properties = WriterProperties::builder()
            .set_created_by("mlp".to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let writer = SerializedFileWriter::new(output, Arc::new(schema), Arc::new(properties));
        Ok(Self { writer: writer.map_err(io_error)?, columns, rows: 0, bytes: 0 })
    }

    pub(in crate::data) fn write(&mut self, cells: &[Cell]) -> io::Result<()> {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            self.bytes += column.push(cell)?;
        }
        self.rows += 1;
        if self.rows == GROUP_ROWS || self.bytes >= GROUP_BYTES {
            self.group().map_err(io_error)
        } else {
            Ok(())
        }
    }

    /// Writes what was gathered as a group of rows.
    fn group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for column in &mut self.columns {
            let Some(mut writer) = group.next_column()? else { break };
            column.flush(&mut writer)?;
            writer.close()?;
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }

    /// Writes the rest and gives back what it wrote to.
    pub(in crate::data) fn finish(mut self) -> io::Result<W> {
        if self.rows > 0 {
            self.group().map_err(io_error)?;
        }
        self.writer.into_inner().map_err(io_error)
    }
}

impl Column {
    fn new(name: &str, kind: &Kind) -> io::Result<Self> {
        let values = match physical(kind) {
            Some((Physical::BOOLEAN, _)) => Values::Bool(Vec::new()),
            Some((Physical::INT32, _)) => Values::Int32(Vec::new()),
            Some((Physical::INT64, _)) => Values::Int64(Vec::new()),
            Some((Physical::FLOAT, _)) => Values::Float(Vec::new()),
            Some((Physical::DOUBLE, _)) => Values::Double(Vec::new()),
            Some((Physical::BYTE_ARRAY, _)) => Values::Bytes(Vec::new()),
            Some((Physical::FIXED_LEN_BYTE_ARRAY, _)) => Values::Fixed(Vec::new()),
            Some((Physical::INT96, _)) | None => {
                return Err(io::Error::other(format!("column `{name}`: {kind} is not kept in Parquet")));
            }
        };
        Ok(Self { name: name.to_owned(), kind: kind.clone(), defined: Vec::new(), values })
    }

    fn schema(&self) -> Result<Type, ParquetError> {
        let (physical, logical) = physical(&self.kind).unwrap_or((Physical::BYTE_ARRAY, None));
        let builder = Type::primitive_type_builder(&self.name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical);
        let builder = match self.kind {
            Kind::Decimal { precision, scale } => {
                builder.with_precision(precision as i32).with_scale(scale as i32).with_length(self.length())
            }
            _ => builder.with_length(self.length()),
        };
        builder.build()
    }

    /// How many bytes a value of a fixed number of them has.
    fn length(&self) -> i32 {
        match self.kind {
            Kind::Float16 => 2,
            Kind::Decimal { precision, .. } => decimal::length(precision) as i32,
            _ => -1,
        }
    }

    /// Takes a value, and says how many bytes it takes.
    fn push(&mut self, cell: &Cell) -> io::Result<usize> {
        if cell.is_null() {
            self.defined.push(0);
            return Ok(size_of::<i16>());
        }
        let size = self.value(cell).ok_or_else(|| {
            io::Error::other(format!("column `{}`: `{}` is no {}", self.name, cell.text(), self.kind))
        })?;
        self.defined.push(1);
        Ok(size + size_of::<i16>())
    }

    fn value(&mut self, cell: &Cell) -> Option<usize> {
        let (kind, text) = (&self.kind, cell.text());
        let unscaled = |text: &str| match *kind {
            Kind::Decimal { precision, scale } => decimal::from_text(text, precision, scale),
            _ => None,
        };
        Some(match &mut self.values {
            Values::Bool(values) => {
                values.push(parse::bool(cell)?);
                size_of::<bool>()
            }
            Values::Int32(values) => {
                values.push(match unscaled(&text) {
                    Some([.., a, b, c, d]) => i32::from_be_bytes([a, b, c, d]),
                    None => parse::i32(&text, kind)?,
                });
                size_of::<i32>()
            }
            Values::Int64(values) => {
                values.push(match unscaled(&text) {
                    Some([.., a, b, c, d, e, f, g, h]) => i64::from_be_bytes([a, b, c, d, e, f, g, h]),
                    None => parse::i64(&text, kind)?,
                });
                size_of::<i64>()
            }
            Values::Float(values) => {
                values.push(parse::f32(&text)?);
                size_of::<f32>()
            }
            Values::Double(values) => {
                values.push(parse::f64(cell)?);
                size_of::<f64>()
            }
            Values::Bytes(values) => {
                values.push(ByteArray::from(text.as_bytes()));
                text.len() + size_of::<ByteArray>()
            }
            Values::Fixed(values) => {
                let bytes = match *kind {
                    Kind::Decimal { precision, .. } => {
                        let bytes = unscaled(&text)?;
                        Bytes::copy_from_slice(&bytes[bytes.len() - decimal::length(precision)..])
                    }
                    _ => Bytes::copy_from_slice(&half::f16::from_f32(parse::f32(&text)?).to_le_bytes()),
                };
                let size = bytes.len() + size_of::<ByteArray>();
                values.push(ByteArray::from(bytes).into());
                size
            }
        })
    }

    /// Writes the values and forgets them.
    fn flush(&mut self, writer: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let defined = Some(&*self.defined);
        match &mut self.values {
            Values::Bool(values) => writer.typed::<BoolType>().write_batch(values, defined, None)?,
            Values::Int32(values) => writer.typed::<Int32Type>().write_batch(values, defined, None)?,
            Values::Int64(values) => writer.typed::<Int64Type>().write_batch(values, defined, None)?,
            Values::Float(values) => writer.typed::<FloatType>().write_batch(values, defined, None)?,
            Values::Double(values) => writer.typed::<DoubleType>().write_batch(values, defined, None)?,
            Values::Bytes(values) => writer.typed::<ByteArrayType>().write_batch(values, defined, None)?,
            Values::Fixed(values) => {
                writer.typed::<FixedLenByteArrayType>().write_batch(values, defined, None)?
            }
        };
        self.defined.clear();
        match &mut self.values {
            Values::Bool(values) => values.clear(),
            Values::Int32(values) => values.clear(),
            Values::Int64(values) => values.clear(),
            Values::Float(values) => values.clear(),
            Values::Double(values) => values.clear(),
            Values::Bytes(values) => values.clear(),
            Values::Fixed(values) => values.clear(),
        }
        Ok(())
    }
}

/// How a type is stored; none where it is not.
fn physical(kind: &Kind) -> Option<(Physical, Option<LogicalType>)> {
    Some(match *kind {
        Kind::Null => (Physical::INT32, Some(LogicalType::Unknown)),
        Kind::Bool => (Physical::BOOLEAN, None),
        Kind::Int { bits: 32, signed: true } => (Physical::INT32, None),
        Kind::Int { bits: 64, signed: true } => (Physical::INT64, None),
        Kind::Int { bits: 64, signed } => (Physical::INT64, Some(LogicalType::integer(64, signed))),
        Kind::Int { bits, signed } => (Physical::INT32, Some(LogicalType::integer(bits as i8, signed))),
        Kind::Float16 => (Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Float16)),
        Kind::Float32 => (Physical::FLOAT, None),
        Kind::Float64 => (Physical::DOUBLE, None),
        Kind::Decimal { precision, scale } => {
            let logical = LogicalType::decimal(scale as i32, precision as i32);
            let physical = match precision {
                ..=9 => Physical::INT32,
                10..=18 => Physical::INT64,
                _ => Physical::FIXED_LEN_BYTE_ARRAY,
            };
            (physical, Some(logical))
        }
        Kind::Date => (Physical::INT32, Some(LogicalType::Date)),
        Kind::Time(unit) => {
            let physical = if unit == Unit::Millisecond { Physical::INT32 } else { Physical::INT64 };
            (physical, Some(LogicalType::time(false, time_unit(unit)?)))
        }
        Kind::Timestamp { unit, utc } => {
            (Physical::INT64, Some(LogicalType::timestamp(utc, time_unit(unit)?)))
        }
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        _ => return None,
    })
}

const fn time_unit(unit: Unit) -> Option<TimeUnit> {
    match unit {
        Unit::Second => None,
        Unit::Millisecond => Some(TimeUnit::MILLIS),
        Unit::Microsecond => Some(TimeUnit::MICROS),
        Unit::Nanosecond => Some(TimeUnit::NANOS),
    }
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
