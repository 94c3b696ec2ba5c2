//! The second pass over the sources of a snapshot: writes the rows that are kept under a temporary name.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::PathBuf;

use super::profile::{ColumnProfile, Profiler};
use super::protect::Protection;
use super::scan::{Rows, Scan, sample_hash};
use super::schema::SchemaChecker;
use super::snapshot::{MANIFEST_VERSION, Manifest, SnapshotRequest};
use super::store::{Store, list, remove_file, write_problem};
use super::table::Format;
use super::writer::{TableWriter, Written};
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

impl Store {
    /// The second pass: writes the rows that are kept, protected, under a temporary name.
    pub(super) fn stage(
        &self,
        request: &SnapshotRequest,
        files: &[PathBuf],
        format: Format,
        protection: &Protection,
        scan: &Scan,
    ) -> Result<Staged, Problem> {
        let (path, output, held) = self.temporary()?;
        let failed = |error: io::Error| write_problem(&path.0, &error);
        let schema = request.schema.as_deref().unwrap_or_default();
        let mut types = SchemaChecker::new(schema, false, protection)?;
        let seed = request.sample.as_ref().map_or(0, |sample| sample.seed);
        let mut writer = TableWriter::new(output, format, &scan.columns).map_err(failed)?;
        let mut profiler = Profiler::new(&scan.columns, |name| protection.masks(name));
        let mut rows = Rows::new(files, format, scan.columns.clone());
        let (mut index, mut kept) = (0, 0);
        while let Some(mut row) = rows.next_row()? {
            let hash = || sample_hash(seed, &scan.columns, &row.cells);
            index += 1;
            if !scan.selection.keeps(index - 1, hash) {
                continue;
            }
            if format == Format::Csv {
                types.coerce(&scan.columns, &mut row.cells);
            }
            let cells: Vec<_> =
                scan.columns.iter().zip(row.cells).map(|(name, cell)| protection.apply(name, cell)).collect();
            writer.write(&cells).map_err(failed)?;
            profiler.add(&cells);
            kept += 1;
        }
        if rows.sources() != scan.sources {
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

/// The description of what was written.
pub(super) fn manifest_of(
    request: &SnapshotRequest,
    format: Format,
    scan: &Scan,
    staged: &Staged,
) -> Result<Manifest, Problem> {
    Ok(Manifest {
        format_version: MANIFEST_VERSION,
        name: request.name.clone(),
        digest: staged.written.digest.clone(),
        format,
        rows: staged.rows,
        bytes: staged.written.bytes,
        columns: staged.columns.clone(),
        sources: scan.sources.clone(),
        schema_digest: request.schema_digest()?,
        quality: scan.quality.clone(),
        sample: request.sample.clone(),
        mask: request.mask.clone(),
        redact: request.redact.clone(),
        created_at: request.created_at.clone(),
    })
}
