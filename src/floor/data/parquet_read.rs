//! Parquet as rows of cells: every type is read into the notation that CSV and JSON Lines use, nothing rounded.

use std::io;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::DataType;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::cell::Cell;
use super::guard::guarded;
use super::seal::{self, Blob, BlobReader, DAMAGED};
use crate::Problem;

const BATCH: usize = 2048;

/// The rows of a Parquet file.
pub(super) struct ParquetRows {
    reader: ParquetRecordBatchReader,
    label: String,
    columns: Vec<String>,
    types: Vec<DataType>,
    /// The cells of the batch that is being read, by column.
    batch: Vec<Vec<Cell>>,
    at: usize,
    line: u64,
}

struct BlobFile(Arc<Blob>);

impl Length for BlobFile {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl ChunkReader for BlobFile {
    type T = io::BufReader<BlobReader>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(io::BufReader::new(BlobReader::new(Arc::clone(&self.0), start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        // What a damaged file asks for may be larger than all of it.
        if start.checked_add(length as u64).is_none_or(|end| end > self.0.len()) {
            return Err(ParquetError::EOF(format!("{length} bytes from {start} are beyond its end")));
        }
        let mut buffer = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match self.0.read_at(start + filled as u64, &mut buffer[filled..])? {
                0 => return Err(ParquetError::EOF("it ends too early".to_owned())),
                count => filled += count,
            }
        }
        Ok(buffer.into())
    }
}

impl ParquetRows {
    pub(super) fn open(blob: Arc<Blob>, label: &str) -> Result<Self, Problem> {
        let builder = guarded(|| ParquetRecordBatchReaderBuilder::try_new(BlobFile(blob)))
            .and_then(|opened| opened.map_err(|error| error.to_string()))
            .map_err(|why| damaged(label, &why))?;
        let fields = builder.schema().fields().clone();
        for (at, field) in fields.iter().enumerate() {
            if fields[..at].iter().any(|other| other.name() == field.name()) {
                let text = format!("{label}: two columns are called `{}`", field.name());
                return Err(Problem::new("MLP0701", text).help("rename one of the two columns"));
            }
            if !readable(field.data_type()) {
                let text = format!(
                    "{label}: the column `{}` holds {}, which is not read",
                    field.name(),
                    field.data_type()
                );
                return Err(Problem::new("MLP0732", text).help(
                    "write it as text, numbers, times, or lists and structures of these, or leave it out",
                ));
            }
        }
        let columns = fields.iter().map(|field| field.name().clone()).collect();
        let types = fields.iter().map(|field| field.data_type().clone()).collect();
        let reader = guarded(move || builder.with_batch_size(BATCH).build())
            .and_then(|built| built.map_err(|error| error.to_string()))
            .map_err(|why| damaged(label, &why))?;
        Ok(Self { reader, label: label.to_owned(), columns, types, batch: Vec::new(), at: 0, line: 0 })
    }

    /// The names of its columns.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The types of its columns.
    pub(super) fn types(&self) -> &[DataType] {
        &self.types
    }

    /// The number of the next row, from 1, and its cells in the given order.
    pub(super) fn next_row(&mut self, order: &[usize]) -> Result<Option<(u64, Vec<Cell>)>, Problem> {
        while self.batch.first().is_none_or(|column| self.at >= column.len()) {
            let next = guarded(|| self.reader.next().map(|batch| batch.map_err(|error| error.to_string())));
            let next = next.and_then(Option::transpose).map_err(|why| damaged(&self.label, &why))?;
            let Some(batch) = next.filter(|batch| batch.num_columns() > 0) else { return Ok(None) };
            let read = guarded(|| cells(&batch)).and_then(|read| read);
            self.batch = read.map_err(|why| damaged(&self.label, &why))?;
            self.at = 0;
        }
        let take = |column: &mut Vec<Cell>, row: usize| std::mem::replace(&mut column[row], Cell::Null);
        let row = self.at;
        let found = order.iter().map(|at| take(&mut self.batch[*at], row)).collect();
        self.at += 1;
        self.line += 1;
        Ok(Some((self.line, found)))
    }
}

fn damaged(label: &str, why: &str) -> Problem {
    if why.contains(DAMAGED) {
        return seal::damaged(Path::new(label));
    }
    Problem::new("MLP0701", format!("`{label}` cannot be read as Parquet: {why}"))
        .help("write the file again; it is damaged, cut off, or no Parquet file")
}

/// Whether values of the type can be cells.
fn readable(kind: &DataType) -> bool {
    match kind {
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_)
        | DataType::Union(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_) => false,
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            readable(field.data_type())
        }
        DataType::Struct(fields) => fields.iter().all(|field| readable(field.data_type())),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                fields.len() == 2 && is_text(fields[0].data_type()) && readable(fields[1].data_type())
            }
            _ => false,
        },
        DataType::Dictionary(_, value) => readable(value),
        DataType::RunEndEncoded(_, values) => readable(values.data_type()),
        _ => true,
    }
}

pub(super) const fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

pub(super) const fn is_nested(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(..)
            | DataType::Struct(_)
            | DataType::Map(..)
    )
}

fn cells(batch: &RecordBatch) -> Result<Vec<Vec<Cell>>, String> {
    batch.columns().iter().map(|column| column_cells(column).map_err(|error| error.to_string())).collect()
}

fn column_cells(array: &ArrayRef) -> Result<Vec<Cell>, arrow_schema::ArrowError> {
    let array = plain(array)?;
    if is_nested(array.data_type()) {
        let json =
            |row| if array.is_null(row) { Ok(Cell::Null) } else { json_of(&array, row).map(Cell::Json) };
        return (0..array.len()).map(json).collect();
    }
    let options = FormatOptions::new().with_display_error(false);
    let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
    let mut found = Vec::with_capacity(array.len());
    for row in 0..array.len() {
        found.push(if array.is_null(row) {
            Cell::Null
        } else if let DataType::Boolean = array.data_type() {
            Cell::Bool(array.as_boolean().value(row))
        } else {
            let text = formatter.value(row).try_to_string()?;
            if array.data_type().is_numeric() { number(text) } else { Cell::Text(text) }
        });
    }
    Ok(found)
}

/// A number as it is shown; what is no number (pandas' missing value) is null.
fn number(text: String) -> Cell {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Cell::Number { value, text },
        Ok(value) if value.is_nan() => Cell::Null,
        _ => Cell::Text(text),
    }
}

/// The array without what only says how it is stored: dictionaries, the names of time zones.
fn plain(array: &ArrayRef) -> Result<ArrayRef, arrow_schema::ArrowError> {
    let wanted = match array.data_type() {
        DataType::Dictionary(_, value) => value.as_ref().clone(),
        DataType::RunEndEncoded(_, values) => values.data_type().clone(),
        DataType::Date64 => DataType::Date32,
        // What is kept is the instant, always as UTC.
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("+00:00".into())),
        _ => return Ok(Arc::clone(array)),
    };
    let cast = arrow_cast::cast(array, &wanted)?;
    if cast.data_type() == array.data_type() { Ok(cast) } else { plain(&cast) }
}

/// One value as JSON text.
fn json_of(array: &ArrayRef, row: usize) -> Result<String, arrow_schema::ArrowError> {
    if array.is_null(row) {
        return Ok("null".to_owned());
    }
    match array.data_type() {
        DataType::List(_) => json_list(&array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => json_list(&array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => json_list(&array.as_fixed_size_list().value(row)),
        DataType::Struct(fields) => {
            let fields = fields.iter().zip(array.as_struct().columns());
            let fields = fields.map(|(field, column)| Ok((field.name().clone(), json_of(column, row)?)));
            json_object(fields.collect::<Result<Vec<_>, arrow_schema::ArrowError>>()?)
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (plain(entries.column(0))?, entries.column(1));
            let keys = column_cells(&keys)?;
            let fields = keys.iter().enumerate();
            let fields = fields.map(|(at, key)| Ok((key.text().into_owned(), json_of(values, at)?)));
            json_object(fields.collect::<Result<Vec<_>, arrow_schema::ArrowError>>()?)
        }
        _ => {
            let one = column_cells(&array.slice(row, 1))?;
            Ok(one.first().map_or("null".to_owned(), |cell| cell.json().into_owned()))
        }
    }
}

fn json_list(items: &ArrayRef) -> Result<String, arrow_schema::ArrowError> {
    let items = (0..items.len()).map(|at| json_of(items, at)).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("[{}]", items.join(",")))
}

fn json_object(fields: Vec<(String, String)>) -> Result<String, arrow_schema::ArrowError> {
    let fields = fields.into_iter().map(|(name, value)| format!("{}:{value}", Cell::Text(name).json()));
    Ok(format!("{{{}}}", fields.collect::<Vec<_>>().join(",")))
}
