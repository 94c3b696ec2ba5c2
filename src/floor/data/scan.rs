//! The first pass over the sources of a snapshot: checks everything and writes nothing.

use std::collections::{BinaryHeap, HashSet};
use std::path::{Path, PathBuf};

use super::cell::Cell;
use super::protect::Protection;
use super::quality::{ExpectationResult, QualityChecker};
use super::schema::SchemaChecker;
use super::snapshot::{Sample, SnapshotRequest, SourceFile};
use super::table::{Format, Row, Table};
use crate::Problem;

/// The files a request means, in order, and their format.
pub(super) fn discover(request: &SnapshotRequest) -> Result<(Vec<PathBuf>, Format), Problem> {
    let mut files = Vec::new();
    for source in &request.sources {
        if source.is_dir() {
            files.extend(files_of(source, request.format)?);
        } else {
            files.push(source.clone());
        }
    }
    let Some(first) = files.first() else {
        return Err(Problem::new("MLP0700", "the data set has no source files").at("from"));
    };
    let unknown = |path: &Path| {
        Problem::new("MLP0702", format!("the format of `{}` is unknown", path.display()))
            .help("name the file `.csv`, `.jsonl` or `.ndjson`, or set `format`")
            .at("format")
    };
    let format = request.format.or_else(|| Format::of(first)).ok_or_else(|| unknown(first))?;
    for file in &files {
        match request.format.or_else(|| Format::of(file)) {
            None => return Err(unknown(file)),
            Some(other) if other != format => {
                return Err(Problem::new("MLP0702", "the source files have different formats")
                    .note(format!("`{}` and `{}`", first.display(), file.display()))
                    .help("make a data set of each format")
                    .at("from"));
            }
            Some(_) => {}
        }
    }
    Ok((files, format))
}

/// The data files of a directory, sorted by name: those with the extension of a known format.
fn files_of(dir: &Path, format: Option<Format>) -> Result<Vec<PathBuf>, Problem> {
    let failed = |error| Problem::io("MLP0700", "list", dir, &error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let wanted = Format::of(&path).is_some_and(|own| format.is_none_or(|wanted| wanted == own));
        if path.is_file() && wanted && !hidden {
            files.push(path);
        }
    }
    if files.is_empty() {
        let text = format!("there is no `.csv`, `.jsonl` or `.ndjson` file in `{}`", dir.display());
        return Err(Problem::new("MLP0700", text).at("from"));
    }
    files.sort();
    Ok(files)
}

/// Reads the rows of several files as one table.
pub(super) struct Rows<'a> {
    files: &'a [PathBuf],
    format: Format,
    columns: Vec<String>,
    table: Option<Table>,
    read: Vec<SourceFile>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(files: &'a [PathBuf], format: Format, columns: Vec<String>) -> Self {
        Self { files, format, columns, table: None, read: Vec::new() }
    }

    pub(super) fn columns(&self) -> &[String] {
        self.table.as_ref().map_or(&self.columns, Table::columns)
    }

    /// The name of the file of the row that was read last.
    pub(super) fn label(&self) -> &str {
        self.table.as_ref().map_or("", Table::label)
    }

    pub(super) fn next_row(&mut self) -> Result<Option<Row>, Problem> {
        loop {
            if let Some(table) = &mut self.table {
                if let Some(row) = table.next_row()? {
                    return Ok(Some(row));
                }
                let (digest, bytes) = table.digest();
                self.read.push(SourceFile { path: table.label().to_owned(), digest, bytes });
                self.columns = table.columns().to_vec();
                self.table = None;
            }
            let Some(path) = self.files.get(self.read.len()) else { return Ok(None) };
            self.table = Some(Table::open_like(path, self.format, &self.columns)?);
        }
    }

    /// The files that were read to their end.
    pub(super) fn sources(self) -> Vec<SourceFile> {
        self.read
    }
}

/// Which rows a snapshot keeps.
pub(super) enum Selection {
    All,
    /// Rows whose hash is at most this.
    Below(u64),
    /// Rows by their index.
    Indexes(HashSet<u64>),
}

impl Selection {
    pub(super) fn keeps(&self, index: u64, hash: impl FnOnce() -> u64) -> bool {
        match self {
            Self::All => true,
            Self::Below(bound) => hash() <= *bound,
            Self::Indexes(indexes) => indexes.contains(&index),
        }
    }
}

/// The place of a row in the order of a sample: by content and seed, so that it stays where it is when others change.
pub(super) fn sample_hash(seed: u64, columns: &[String], cells: &[Cell]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    for (name, cell) in columns.iter().zip(cells).filter(|(_, cell)| !cell.is_null()) {
        let text = cell.json();
        for part in [name.as_bytes(), text.as_bytes()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// What the first pass found.
pub(super) struct Scan {
    pub(super) columns: Vec<String>,
    pub(super) sources: Vec<SourceFile>,
    pub(super) selection: Selection,
    pub(super) schema_failures: Vec<String>,
    pub(super) quality: Vec<ExpectationResult>,
}

/// Checks every row of the sources, before any masking and sampling.
pub(super) fn scan(
    request: &SnapshotRequest,
    files: &[PathBuf],
    format: Format,
    protection: &Protection,
) -> Result<Scan, Problem> {
    let mut sampler = Sampler::new(request.sample.as_ref())?;
    let schema = request.schema.as_deref().unwrap_or_default();
    let mut schema_checker = SchemaChecker::new(schema, request.strict, protection)?;
    let mut quality_checker = QualityChecker::new(&request.quality, &request.predicates, protection)?;
    let mut rows = Rows::new(files, format, Vec::new());
    while let Some(mut row) = rows.next_row()? {
        let columns = rows.columns();
        sampler.add(columns, &row.cells);
        if format == Format::Csv {
            schema_checker.coerce(columns, &mut row.cells);
        }
        schema_checker.check(columns, rows.label(), row.line, &row.cells);
        quality_checker.check(columns, rows.label(), row.line, &row.cells)?;
    }
    let columns = rows.columns().to_vec();
    protection.check(&columns)?;
    // Without a declared schema there is nothing columns could be unexpected in.
    let schema_failures = if request.schema.is_some() { schema_checker.finish(&columns) } else { Vec::new() };
    Ok(Scan {
        quality: quality_checker.finish(&columns, request.now)?,
        sources: rows.sources(),
        selection: sampler.finish(),
        schema_failures,
        columns,
    })
}

/// Chooses the rows of a sample while they go by.
enum Sampler {
    All,
    Below(u64),
    Smallest { count: usize, seed: u64, heap: BinaryHeap<(u64, u64)>, index: u64 },
}

impl Sampler {
    fn new(sample: Option<&Sample>) -> Result<Self, Problem> {
        let invalid = |text: String| Problem::new("MLP0711", text).at("sample");
        match sample {
            None => Ok(Self::All),
            Some(Sample { rows: Some(rows), fraction: None, seed }) => {
                let count = usize::try_from(*rows).map_err(|_| {
                    invalid(format!("a sample of {rows} rows is larger than this machine's memory"))
                })?;
                Ok(Self::Smallest { count, seed: *seed, heap: BinaryHeap::new(), index: 0 })
            }
            Some(Sample { rows: None, fraction: Some(fraction), .. })
                if *fraction > 0.0 && *fraction <= 1.0 =>
            {
                // The conversion saturates: a fraction of 1 keeps every row.
                Ok(Self::Below((fraction * u64::MAX as f64) as u64))
            }
            Some(Sample { rows: None, fraction: Some(fraction), .. }) => {
                Err(invalid(format!("a sample of {fraction} of the rows is impossible"))
                    .help("the fraction is above 0 and at most 1"))
            }
            Some(_) => Err(invalid("a sample has either a number of rows or a fraction of them".to_owned())),
        }
    }

    fn add(&mut self, columns: &[String], cells: &[Cell]) {
        if let Self::Smallest { count, seed, heap, index } = self {
            heap.push((sample_hash(*seed, columns, cells), *index));
            if heap.len() > *count {
                heap.pop();
            }
            *index += 1;
        }
    }

    fn finish(self) -> Selection {
        match self {
            Self::All => Selection::All,
            Self::Below(bound) => Selection::Below(bound),
            Self::Smallest { heap, .. } => {
                Selection::Indexes(heap.into_iter().map(|(_, index)| index).collect())
            }
        }
    }
}
