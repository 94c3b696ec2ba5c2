//! The second pass over the sources of a snapshot: writes the rows that are kept under a temporary name.

use std::fs::{self, File, OpenOptions};
use std::io;

use super::cell::Cell;
use super::keys::Key;
use super::parquet::typed;
use super::profile::{ColumnProfile, Kinds, Profiler};
use super::protect::Protection;
use super::scan::{Repeats, Rows, Scan, sample_hash};
use super::schema::{ColumnType, SchemaChecker};
use super::snapshot::{MANIFEST_VERSION, Manifest, SnapshotRequest};
use super::source::SourceData;
use super::store::{Store, list, remove_file, write_problem};
use super::table::Format;
use super::writer::{Layout, TableWriter, Written};
use crate::Problem;
use crate::files::{TempPath, unique_name};

/// Content that is written but has no name yet.
pub(super) struct Staged {
    pub(super) path: TempPath,
    /// Held while the content is written, so that another process knows that it is not a left-over.
    _lock: File,
    written: Written,
    rows: u64,
    columns: Vec<ColumnProfile>,
}

/// What a snapshot is written with.
pub(super) struct Pass<'a> {
    pub(super) request: &'a SnapshotRequest,
    pub(super) files: &'a [SourceData],
    pub(super) format: Format,
    pub(super) protection: &'a Protection,
    /// The key it is encrypted with.
    pub(super) seal: Option<&'a Key>,
}

impl Store {
    /// The second pass: writes the rows that are kept, protected, under a temporary name.
    pub(super) fn stage(&self, pass: &Pass<'_>, scan: &Scan) -> Result<Staged, Problem> {
        let Pass { request, protection, .. } = pass;
        let layout = layout(pass, scan)?;
        let (path, output, held) = self.temporary()?;
        let failed = |error: io::Error| write_problem(&path.0, &error);
        let schema = request.schema.as_deref().unwrap_or_default();
        let mut types = SchemaChecker::new(schema, false, protection)?;
        let seed = request.sample.as_ref().map_or(0, |sample| sample.seed);
        let mut writer = TableWriter::new(output, &layout, pass.seal)?;
        let mut profiler = Profiler::new(&scan.columns, protection);
        let mut repeats = Repeats::new(request.only_new);
        let mut rows = Rows::new(pass.files, scan.columns.clone());
        let (mut index, mut kept) = (0, 0);
        while let Some(mut row) = rows.next_row()? {
            if rows.untyped() {
                types.coerce(&scan.columns, &mut row.cells);
            }
            let earlier = rows.earlier();
            if repeats.leave_out(&scan.columns, &mut row.cells, protection, earlier) {
                continue;
            }
            let accepted = earlier.is_some();
            let hash = || sample_hash(seed, &scan.columns, &row.cells, protection, accepted);
            index += 1;
            if !scan.selection.keeps(index - 1, hash) {
                continue;
            }
            if rows.untyped() && pass.format != Format::Csv {
                even(&mut row.cells, scan);
            }
            let named = scan.columns.iter().zip(row.cells);
            let cells: Vec<_> = named
                .map(|(name, cell)| if accepted { cell } else { protection.apply(name, cell) })
                .collect();
            writer.write(&cells).map_err(failed)?;
            profiler.add(&cells);
            kept += 1;
        }
        if rows.finish().0 != scan.sources {
            return Err(Problem::new(
                "MLP0700",
                format!("the sources of `{}` changed while they were read", request.name),
            )
            .help("try again when nothing writes to them"));
        }
        let written = writer.finish().map_err(failed)?;
        let columns = profiler.finish(&scan.columns, schema);
        Ok(Staged { path, _lock: held, written, rows: kept, columns })
    }

    /// A new temporary file: its path, the file, and a hold on it. Left-overs of processes that died are removed.
    fn temporary(&self) -> Result<(TempPath, File, File), Problem> {
        let _lock = self.lock()?;
        let dir = self.root.join("tmp");
        let failed = |error: io::Error| write_problem(&dir, &error);
        fs::create_dir_all(&dir).map_err(failed)?;
        for path in list(&dir)? {
            let left_over = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
            if left_over {
                remove_file(&path)?;
            }
        }
        let path = TempPath(dir.join(unique_name("object-")));
        let file = OpenOptions::new().write(true).create_new(true).open(&path.0).map_err(failed)?;
        let held = file.try_clone().map_err(failed)?;
        held.lock().map_err(failed)?;
        Ok((path, file, held))
    }
}

/// CSV has no types: a column that holds numbers and texts is one of texts where the format has types.
fn even(cells: &mut [Cell], scan: &Scan) {
    for (cell, kinds) in cells.iter_mut().zip(&scan.kinds) {
        if kinds.is_mixed() {
            *cell = std::mem::replace(cell, Cell::Null).coerced(ColumnType::String);
        }
    }
}

/// The form of what is written: a column's type is the one its sources give it, else the declared one, else the narrowest
/// that holds its values. Masked values are text.
fn layout(pass: &Pass<'_>, scan: &Scan) -> Result<Layout, Problem> {
    let schema = pass.request.schema.as_deref().unwrap_or_default();
    let mut types = Vec::new();
    for (at, name) in scan.columns.iter().enumerate() {
        let declared = schema.iter().find(|column| column.name == *name).map(|column| column.kind);
        let declared = declared.filter(|kind| *kind != ColumnType::Any);
        let own = scan.types.get(at).and_then(Option::as_ref).filter(|_| !pass.protection.masks(name));
        if let (Format::Parquet, Some(own)) = (pass.format, own)
            && !own.is_kept()
        {
            return Err(Problem::new(
                "MLP0732",
                format!("the column `{name}` holds {own}, which is not kept in Parquet"),
            )
            .help("keep the data set as JSON Lines: `format = \"jsonl\"`")
            .at("format"));
        }
        let found = scan.kinds.get(at).and_then(Kinds::column_type);
        let fits = |kind: &ColumnType| *kind != ColumnType::Integer || found == Some(ColumnType::Integer);
        types.push(match own {
            _ if pass.protection.masks(name) => typed(ColumnType::String),
            Some(own) => own.clone(),
            None => typed(declared.filter(fits).or(found).unwrap_or(ColumnType::String)),
        });
    }
    Ok(Layout { format: pass.format, columns: scan.columns.clone(), types })
}

/// The description of what was written.
pub(super) fn manifest_of(
    pass: &Pass<'_>,
    scan: &Scan,
    staged: &Staged,
    mask_key: Option<&Key>,
) -> Result<Manifest, Problem> {
    let request = pass.request;
    Ok(Manifest {
        format_version: MANIFEST_VERSION,
        name: request.name.clone(),
        digest: staged.written.digest.clone(),
        format: pass.format,
        rows: staged.rows,
        bytes: staged.written.bytes,
        columns: staged.columns.clone(),
        sources: scan.sources.clone(),
        schema_digest: request.schema_digest()?,
        quality: scan.quality.clone(),
        sample: request.sample.clone(),
        mask: request.mask.clone(),
        redact: request.redact.clone(),
        mask_key: mask_key.map(Key::id),
        sealed: pass.seal.map(Key::id),
        created_at: request.created_at.clone(),
    })
}
