//! Parquet as rows of cells: every type is read into the notation that CSV and JSON Lines use, nothing rounded.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};

use super::kind::Kind;
use super::leaf::Leaf;
use super::shape::{self, Shape};
use super::{assemble, hint};
use crate::Problem;
use crate::data::cell::Cell;
use crate::data::guard::guarded;
use crate::data::seal::{self, Blob, BlobReader, DAMAGED};

/// How many rows are read at a time.
const BATCH: usize = 2048;

/// The rows of a Parquet file.
pub(in crate::data) struct ParquetRows {
    reader: SerializedFileReader<BlobFile>,
    label: String,
    columns: Vec<String>,
    types: Vec<Kind>,
    shapes: Vec<Shape>,
    /// The leaf columns, by their number in the file.
    leaves: Vec<Leaf>,
    /// The group of rows that comes next, and how many rows of the one before are left.
    group: usize,
    left: usize,
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
    pub(in crate::data) fn open(blob: Arc<Blob>, label: &str) -> Result<Self, Problem> {
        let opened = guarded(|| {
            let reader = SerializedFileReader::new(BlobFile(blob)).map_err(|error| error.to_string())?;
            let found = shapes_of(&reader)?;
            Ok((reader, found))
        });
        let (reader, found) = opened.and_then(|opened| opened).map_err(|why| damaged(label, &why))?;
        for (at, (name, shape)) in found.iter().enumerate() {
            if found[..at].iter().any(|(other, _)| other == name) {
                let text = format!("{label}: two columns are called `{name}`");
                return Err(Problem::new("MLP0701", text).help("rename one of the two columns"));
            }
            let kind = shape.kind();
            if !kind.is_readable() {
                let text = format!("{label}: the column `{name}` holds {kind}, which is not read");
                return Err(Problem::new("MLP0732", text).help(
                    "write it as text, numbers, times, or lists and structures of these, or leave it out",
                ));
            }
        }
        let (columns, shapes): (Vec<String>, Vec<Shape>) = found.into_iter().unzip();
        let leaves = leaves_of(&reader, &shapes);
        Ok(Self {
            types: shapes.iter().map(|shape| shape.kind().kept()).collect(),
            reader,
            label: label.to_owned(),
            columns,
            shapes,
            leaves,
            group: 0,
            left: 0,
            batch: Vec::new(),
            at: 0,
            line: 0,
        })
    }

    /// The names of its columns.
    pub(in crate::data) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The types of its columns, as they are written.
    pub(in crate::data) fn types(&self) -> &[Kind] {
        &self.types
    }

    /// The number of the next row, from 1, and its cells in the given order.
    pub(in crate::data) fn next_row(&mut self, order: &[usize]) -> Result<Option<(u64, Vec<Cell>)>, Problem> {
        if self.batch.first().is_none_or(|column| self.at >= column.len()) {
            let read = guarded(|| self.next_batch()).and_then(|read| read);
            if !read.map_err(|why| damaged(&self.label, &why))? {
                return Ok(None);
            }
        }
        let take = |column: &mut Vec<Cell>, row: usize| std::mem::replace(&mut column[row], Cell::Null);
        let row = self.at;
        let found = order.iter().map(|at| take(&mut self.batch[*at], row)).collect();
        self.at += 1;
        self.line += 1;
        Ok(Some((self.line, found)))
    }

    /// Reads the next rows, and says whether there were any.
    fn next_batch(&mut self) -> Result<bool, String> {
        while self.left == 0 {
            if self.shapes.is_empty() || self.group == self.reader.metadata().num_row_groups() {
                return Ok(false);
            }
            self.next_group()?;
        }
        let rows = self.left.min(BATCH);
        self.left -= rows;
        self.leaves.iter_mut().try_for_each(|leaf| leaf.read(rows))?;
        self.batch.clear();
        for shape in &self.shapes {
            self.batch.push(assemble::cells(shape, &mut self.leaves, rows)?);
        }
        self.at = 0;
        Ok(true)
    }

    fn next_group(&mut self) -> Result<(), String> {
        let group = self.reader.get_row_group(self.group).map_err(|error| error.to_string())?;
        self.left = usize::try_from(group.metadata().num_rows()).map_err(|error| error.to_string())?;
        for (at, leaf) in self.leaves.iter_mut().enumerate() {
            leaf.go_on(group.get_column_reader(at).map_err(|error| error.to_string())?);
        }
        self.group += 1;
        Ok(())
    }
}

/// The columns of a file, with what Arrow's writers say about them.
fn shapes_of(reader: &SerializedFileReader<BlobFile>) -> Result<Vec<(String, Shape)>, String> {
    let metadata = reader.metadata().file_metadata();
    let said =
        metadata.key_value_metadata().and_then(|said| said.iter().find(|said| said.key == "ARROW:schema"));
    let hint = said.and_then(|said| said.value.as_deref()).map(hint::decode).transpose()?;
    shape::columns(metadata.schema_descr(), hint.as_ref())
}

fn leaves_of(reader: &SerializedFileReader<BlobFile>, shapes: &[Shape]) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    for shape in shapes {
        shape.each_leaf(&mut |column, kind| {
            let schema = reader.metadata().file_metadata().schema_descr();
            let column = schema.column(column);
            leaves.push(Leaf::new(kind.clone(), column.max_def_level(), column.max_rep_level()));
        });
    }
    leaves
}

fn damaged(label: &str, why: &str) -> Problem {
    if why.contains(DAMAGED) {
        return seal::damaged(Path::new(label));
    }
    Problem::new("MLP0701", format!("`{label}` cannot be read as Parquet: {why}"))
        .help("write the file again; it is damaged, cut off, or no Parquet file")
}
