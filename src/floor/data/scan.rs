//! The first pass over the sources of a snapshot: checks everything and writes nothing.

use std::borrow::Cow;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::path::PathBuf;

use super::cell::Cell;
use super::parquet::Kind;
use super::profile::Kinds;
use super::protect::Protection;
use super::quality::{ExpectationResult, QualityChecker};
use super::schema::{SchemaChecker, scale};
use super::snapshot::{Sample, SnapshotRequest, SourceFile};
use super::source::SourceData;
use super::table::{Format, Row, Table, unknown_format};
use crate::Problem;

/// The files a request means, in order, each with its format, and the format of the snapshot.
pub(super) fn discover(request: &SnapshotRequest) -> Result<(Vec<SourceData>, Format), Problem> {
    let mut files = Vec::new();
    for source in &request.sources {
        if source.path.is_dir() {
            files.extend(files_of(source)?);
        } else {
            files.push(source.clone());
        }
    }
    if files.is_empty() {
        return Err(Problem::new("MLP0700", "the data set has no source files").at("from"));
    }
    for file in &mut files {
        file.format = file.format.or_else(|| Format::of(&file.path)).or(request.format);
        if file.format.is_none() {
            return Err(unknown_format(&file.label));
        }
    }
    if let Some(format) = request.format.or_else(|| common_format(&files)) {
        return Ok((files, format));
    }
    let named = files.iter().filter_map(|file| Some(format!("`{}` is {}", file.label, file.format?.name())));
    Err(Problem::new("MLP0702", "the source files have different formats")
        .with_notes(named.take(5))
        .help("say with `format` which one the data set is kept in")
        .at("format"))
}

/// The format that all files have.
fn common_format(files: &[SourceData]) -> Option<Format> {
    let first = files.first()?.format;
    first.filter(|_| files.iter().all(|file| file.format == first))
}

/// The data files of a directory, sorted by name: those with the extension of a known format.
fn files_of(source: &SourceData) -> Result<Vec<SourceData>, Problem> {
    let dir = &source.path;
    let failed = |error| Problem::io("MLP0700", "list", dir, &error);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let wanted = Format::of(&path).is_some_and(|own| source.format.is_none_or(|wanted| wanted == own));
        if path.is_file() && wanted && !hidden {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        let wanted = match source.format {
            Some(format) => format!("`.{}`", format.name()),
            None => "`.csv`, `.jsonl`, `.ndjson` or `.parquet`".to_owned(),
        };
        let text = format!("there is no {wanted} file in `{}`", dir.display());
        return Err(Problem::new("MLP0700", text).at("from"));
    }
    paths.sort();
    let file = |path: PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        SourceData::from(path).named(format!("{}/{name}", source.label.trim_end_matches('/')))
    };
    Ok(paths.into_iter().map(file).collect())
}

/// Reads the rows of several files as one table.
pub(super) struct Rows<'a> {
    files: &'a [SourceData],
    columns: Vec<String>,
    table: Option<Table>,
    read: Vec<SourceFile>,
    /// The type that every file so far gives a column, where all do and agree.
    types: Vec<Option<Kind>>,
}

impl<'a> Rows<'a> {
    pub(super) const fn new(files: &'a [SourceData], columns: Vec<String>) -> Self {
        Self { files, columns, table: None, read: Vec::new(), types: Vec::new() }
    }

    pub(super) fn columns(&self) -> &[String] {
        self.table.as_ref().map_or(&self.columns, Table::columns)
    }

    /// The name of the file of the row that was read last.
    pub(super) fn label(&self) -> &str {
        self.table.as_ref().map_or("", Table::label)
    }

    /// Whether fields of the row that was read last carry no type of their own.
    pub(super) fn untyped(&self) -> bool {
        self.table.as_ref().is_some_and(|table| table.format() == Format::Csv)
    }

    /// Where the row that was read last is of an earlier version of the same data set: the columns masked in it.
    pub(super) fn earlier(&self) -> Option<&'a [String]> {
        self.files.get(self.read.len())?.masked.as_deref()
    }

    pub(super) fn next_row(&mut self) -> Result<Option<Row>, Problem> {
        loop {
            if let Some(table) = &mut self.table {
                if let Some(row) = table.next_row()? {
                    return Ok(Some(row));
                }
                let (digest, bytes) = table.digest()?;
                self.read.push(SourceFile { path: table.label().to_owned(), digest, bytes });
                self.columns = table.columns().to_vec();
                self.table = None;
            }
            let Some(file) = self.files.get(self.read.len()) else { return Ok(None) };
            let table = Table::open_source(file, &self.columns)?;
            self.agree(&table);
            self.table = Some(table);
        }
    }

    fn agree(&mut self, table: &Table) {
        let own = table.types();
        if self.read.is_empty() {
            self.types = own.into_iter().flatten().map(Some).collect();
            return;
        }
        for (at, known) in self.types.iter_mut().enumerate() {
            let other = own.as_ref().and_then(|own| own.get(at));
            *known = known.take().filter(|known| other == Some(known));
        }
    }

    /// The files that were read to their end, and the types they agree on.
    pub(super) fn finish(self) -> (Vec<SourceFile>, Vec<Option<Kind>>) {
        (self.read, self.types)
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
/// The content is what is written, so that rows of an earlier version keep their places.
pub(super) fn sample_hash(
    seed: u64,
    columns: &[String],
    cells: &[Cell],
    protection: &Protection,
    accepted: bool,
) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    for (name, cell) in columns.iter().zip(cells).filter(|(_, cell)| !cell.is_null()) {
        let written = if accepted { Cow::Borrowed(cell) } else { protection.written(name, cell) };
        let text = written.json();
        for part in [name.as_bytes(), text.as_bytes()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// Leaves out rows that an earlier version has already.
pub(super) struct Repeats {
    only_new: bool,
    known: HashMap<[u8; 16], u32>,
}

impl Repeats {
    pub(super) fn new(only_new: bool) -> Self {
        Self { only_new, known: HashMap::new() }
    }

    /// Prepares a row of the earlier version, and says of every other whether it is left out.
    pub(super) fn leave_out(
        &mut self,
        columns: &[String],
        cells: &mut [Cell],
        protection: &Protection,
        earlier: Option<&[String]>,
    ) -> bool {
        if let Some(masked) = earlier {
            protection.again(columns, cells, masked);
        }
        if !self.only_new {
            return false;
        }
        let print = fingerprint(columns, cells, protection, earlier.is_some());
        if earlier.is_some() {
            *self.known.entry(print).or_default() += 1;
            return false;
        }
        match self.known.get_mut(&print).filter(|count| **count > 0) {
            None => false,
            Some(count) => {
                *count -= 1;
                true
            }
        }
    }
}

/// What a row holds, whatever notation the format has for it: numbers and times by what they mean.
fn fingerprint(columns: &[String], cells: &[Cell], protection: &Protection, accepted: bool) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    for (name, cell) in columns.iter().zip(cells).filter(|(_, cell)| !cell.is_null()) {
        let written = if accepted { Cow::Borrowed(cell) } else { protection.written(name, cell) };
        let text = match scale(&written) {
            Some(position) => format!("{position}"),
            None => written.text().into_owned(),
        };
        for part in [name.as_bytes(), text.as_bytes()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    short
}

/// What the first pass found.
pub(super) struct Scan {
    pub(super) columns: Vec<String>,
    pub(super) sources: Vec<SourceFile>,
    pub(super) selection: Selection,
    pub(super) schema_failures: Vec<String>,
    pub(super) quality: Vec<ExpectationResult>,
    /// The types that the sources themselves give the columns.
    pub(super) types: Vec<Option<Kind>>,
    /// The narrowest type of the values of each column.
    pub(super) kinds: Vec<Kinds>,
}

/// Checks every row of the sources, before any masking and sampling.
pub(super) fn scan(
    request: &SnapshotRequest,
    files: &[SourceData],
    protection: &Protection,
) -> Result<Scan, Problem> {
    let mut sampler = Sampler::new(request.sample.as_ref())?;
    let schema = request.schema.as_deref().unwrap_or_default();
    let mut schema_checker = SchemaChecker::new(schema, request.strict, protection)?;
    let mut quality_checker = QualityChecker::new(&request.quality, &request.predicates, protection)?;
    let mut kinds: Vec<Kinds> = Vec::new();
    let mut repeats = Repeats::new(request.only_new);
    let mut rows = Rows::new(files, Vec::new());
    while let Some(mut row) = rows.next_row()? {
        let columns = rows.columns();
        if rows.untyped() {
            schema_checker.coerce(columns, &mut row.cells);
        }
        let earlier = rows.earlier();
        if repeats.leave_out(columns, &mut row.cells, protection, earlier) {
            continue;
        }
        sampler.add(|seed| sample_hash(seed, columns, &row.cells, protection, earlier.is_some()));
        kinds.resize_with(columns.len(), Kinds::default);
        kinds.iter_mut().zip(&row.cells).for_each(|(kinds, cell)| kinds.add(cell));
        if earlier.is_some() {
            schema_checker.note(columns, &row.cells);
            quality_checker.note(columns, &row.cells);
        } else {
            let sound = schema_checker.check(columns, rows.label(), row.line, &row.cells);
            quality_checker.check(columns, (rows.label(), row.line), &row.cells, sound)?;
        }
    }
    let columns = rows.columns().to_vec();
    kinds.resize_with(columns.len(), Kinds::default);
    protection.check(&columns)?;
    // Without a declared schema there is nothing columns could be unexpected in.
    let schema_failures = if request.schema.is_some() { schema_checker.finish(&columns) } else { Vec::new() };
    let (sources, types) = rows.finish();
    Ok(Scan {
        quality: quality_checker.finish(&columns, request.now)?,
        selection: sampler.finish(),
        sources,
        schema_failures,
        columns,
        types,
        kinds,
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

    fn add(&mut self, hash: impl FnOnce(u64) -> u64) {
        if let Self::Smallest { count, seed, heap, index } = self {
            heap.push((hash(*seed), *index));
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
