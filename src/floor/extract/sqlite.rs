//! Tables of a SQLite file, in one read transaction.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{Value as Cell, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Rows, Transaction};
use serde_json::{Value as Json, json};

use super::keep::{Output, Session, write_failed};
use super::wire::{ABSENT, BROKE_OFF, NOT_DATA, SETTING, SILENCE, UNREACHABLE, absent, quoted, quoted_word};
use super::{SourceSpec, TableSpec};
use crate::Problem;

pub(super) fn check(spec: &SourceSpec) -> Result<(), Problem> {
    if file_name(&spec.uri).is_empty() || spec.uri.contains('?') {
        let text = format!("`{}` is no path of a SQLite file", spec.uri);
        return Err(Problem::new(SETTING, text).at("uri").help("write a path: `data/orders.db`"));
    }
    if spec.secret.is_some() {
        return Err(Problem::new(SETTING, "a SQLite file is opened without a secret")
            .at("secret")
            .help("leave `secret` out; an encrypted database cannot be read here"));
    }
    Ok(())
}

fn file_name(uri: &str) -> &str {
    ["sqlite://", "file://", "sqlite:", "file:"]
        .iter()
        .find_map(|scheme| uri.strip_prefix(scheme))
        .unwrap_or(uri)
}

/// A mark of what the file holds, without reading it: SQLite's change counter, and the sizes and times of the file and its
/// log. What only looks as if it had changed is found to be the same version when it is read.
pub(super) fn look(spec: &SourceSpec, project: &Path) -> Result<BTreeMap<String, String>, Problem> {
    let path = project.join(file_name(&spec.uri));
    let mark = mark(&path).map_err(|error| open_failed(&path, &error))?;
    let mut connection = open(spec, &path)?;
    let transaction = connection.transaction().map_err(|error| failed(&path, None, &error))?;
    for table in &spec.tables {
        shape(&transaction, &path, table)?;
    }
    Ok(spec.tables.iter().map(|table| (table.name.clone(), mark.clone())).collect())
}

fn open_failed(path: &Path, error: &std::io::Error) -> Problem {
    if error.kind() == std::io::ErrorKind::NotFound {
        let text = format!("there is no file `{}`", path.display());
        return absent(text, "uri", "correct the path; a database is only read, never made");
    }
    Problem::io(UNREACHABLE, "read", path, error).at("uri")
}

fn mark(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let mut header = Vec::new();
    fs::File::open(path)?.take(100).read_to_end(&mut header)?;
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let _ = write!(text, "{:?}", header.get(24..28));
    for file in [path.to_path_buf(), PathBuf::from(log)] {
        // An empty log is the same as none.
        if let Ok(found) = fs::metadata(&file)
            && found.len() > 0
        {
            let _ = write!(text, " {} {}.{:09}", found.len(), found.mtime(), found.mtime_nsec());
        }
    }
    Ok(blake3::hash(text.as_bytes()).to_hex()[..32].to_owned())
}

fn open(spec: &SourceSpec, path: &Path) -> Result<Connection, Problem> {
    match fs::metadata(path) {
        Err(error) => return Err(open_failed(path, &error)),
        Ok(found) if !found.is_file() => {
            let text = format!("`{}` is no file", path.display());
            return Err(absent(text, "uri", "name a file that is a SQLite database"));
        }
        Ok(_) => {}
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| failed(path, None, &error))?;
    let patience = spec.timeout_seconds.map_or(SILENCE, Duration::from_secs);
    connection.busy_timeout(patience).map_err(|error| failed(path, None, &error))?;
    Ok(connection)
}

/// What SQLite says, as a problem of the file or of a table's attribute.
fn failed(path: &Path, table: Option<&TableSpec>, error: &rusqlite::Error) -> Problem {
    let file = path.display();
    let said = error.to_string();
    let code = error.sqlite_error_code();
    let at = table
        .map_or("uri".to_owned(), |table| table.at(if table.query.is_some() { "query" } else { "cursor" }));
    match code {
        Some(ErrorCode::NotADatabase) => Problem::new(NOT_DATA, format!("`{file}` is no SQLite database"))
            .at("uri")
            .help("name a SQLite file; an encrypted one cannot be read here"),
        Some(ErrorCode::DatabaseCorrupt) => {
            Problem::new(NOT_DATA, format!("the database `{file}` is damaged: {said}"))
                .at("uri")
                .help("see what `PRAGMA integrity_check` says of it")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Problem::new(UNREACHABLE, format!("the database `{file}` is locked by another program"))
                .at("uri")
                .help("try again when the other program is done")
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            Problem::new(UNREACHABLE, format!("the database `{file}` cannot be opened: {said}"))
                .at("uri")
                .help("its file and its directory must be readable")
        }
        Some(ErrorCode::SystemIoFailure) => {
            Problem::new(BROKE_OFF, format!("reading `{file}` failed: {said}")).at("uri")
        }
        _ => Problem::new(ABSENT, format!("`{file}`: {said}")).at(at).help("correct the name or the query"),
    }
}

/// A table as it is: its columns, and what identifies a row.
struct Shape {
    columns: Vec<String>,
    key: Vec<String>,
    rowid: bool,
}

fn shape(transaction: &Transaction<'_>, path: &Path, table: &TableSpec) -> Result<Shape, Problem> {
    let fail = |error: rusqlite::Error| failed(path, Some(table), &error);
    let mut kind = String::new();
    if table.query.is_none() {
        let (schema, name) = table.name.split_once('.').unwrap_or(("main", &table.name));
        let sql = format!(
            "SELECT type, name FROM {}.sqlite_master WHERE lower(name) = lower(?1) AND type IN ('table', 'view')",
            quoted_word(schema)
        );
        let found = transaction.query_row(&sql, [name], |row| row.get::<_, String>(0));
        kind = match found {
            Ok(kind) => kind,
            Err(rusqlite::Error::QueryReturnedNoRows) => return Err(no_table(transaction, path, table)),
            Err(error) => return Err(fail(error)),
        };
    }
    let statement = transaction.prepare(&format!("SELECT * FROM {}", table.relation())).map_err(fail)?;
    if !statement.readonly() {
        return Err(Problem::new(
            SETTING,
            format!("the query of `{}` would change the database", table.name),
        )
        .at(table.at("query"))
        .help("a source is only read: write a `SELECT`"));
    }
    let columns: Vec<String> = statement.column_names().iter().map(ToString::to_string).collect();
    drop(statement);
    for name in table.cursor.iter().chain(&table.key) {
        if !columns.contains(name) {
            let text = format!("`{}` has no column `{name}`", table.name);
            let attribute = if table.cursor.as_ref() == Some(name) { "cursor" } else { "key" };
            return Err(absent(text, table.at(attribute), "name one of its columns")
                .note(format!("its columns are: {}", columns.join(", "))));
        }
    }
    let mut key = table.key.clone();
    if key.is_empty() && kind == "table" {
        let sql = "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk";
        let name = table.name.rsplit('.').next().unwrap_or_default();
        let mut statement = transaction.prepare(sql).map_err(fail)?;
        key = statement
            .query_map([name], |row| row.get(0))
            .and_then(Iterator::collect::<Result<Vec<String>, _>>)
            .map_err(fail)?;
    }
    let rowid = kind == "table"
        && transaction.prepare(&format!("SELECT rowid FROM {} LIMIT 0", quoted(&table.name))).is_ok();
    Ok(Shape { columns, key, rowid })
}

fn no_table(transaction: &Transaction<'_>, path: &Path, table: &TableSpec) -> Problem {
    let sql = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY 1";
    let names = transaction.prepare(sql).and_then(|mut statement| {
        statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()
    });
    let text = format!("`{}` has no table `{}`", path.display(), table.name);
    let problem = absent(text, "tables", "name one of its tables or views");
    match names {
        Ok(names) if !names.is_empty() => problem.note(format!("its tables are: {}", names.join(", "))),
        _ => problem.note("it has no tables"),
    }
}

pub(super) fn extract(spec: &SourceSpec, project: &Path, session: &mut Session) -> Result<(), Problem> {
    let path = project.join(file_name(&spec.uri));
    let mut connection = open(spec, &path)?;
    // One transaction: all tables are of one moment, whatever is written meanwhile.
    let transaction = connection.transaction().map_err(|error| failed(&path, None, &error))?;
    for table in &spec.tables {
        read_table(&transaction, &path, table, session)?;
    }
    Ok(())
}

fn read_table(
    transaction: &Transaction<'_>,
    path: &Path,
    table: &TableSpec,
    session: &mut Session,
) -> Result<(), Problem> {
    let fail = |error: rusqlite::Error| failed(path, Some(table), &error);
    let shape = shape(transaction, path, table)?;
    let remembered = json!([table, shape.columns, shape.key]);
    let kept =
        session.kept(&table.name).filter(|(kept, _)| kept.shape == remembered && table.cursor.is_some());
    let from = kept.as_ref().and_then(|(kept, _)| cell_of(&kept.position));
    let position = match &table.cursor {
        Some(cursor) => {
            let sql = format!("SELECT max({}) FROM {}", quoted_word(cursor), table.relation());
            let largest: Cell = transaction.query_row(&sql, [], |row| row.get(0)).map_err(fail)?;
            Some(position_of(&largest, table)?)
        }
        None => None,
    };
    let mut sql = format!("SELECT * FROM {}", table.relation());
    let mut order: Vec<String> = Vec::new();
    if let Some(cursor) = &table.cursor {
        let cursor = quoted_word(cursor);
        if from.is_some() {
            let _ = write!(sql, " WHERE {cursor} >= ?1 OR {cursor} IS NULL");
        }
        order.push(format!("{cursor} ASC NULLS LAST"));
    }
    order.extend(shape.key.iter().map(|name| quoted_word(name)));
    if shape.key.is_empty() && shape.rowid {
        order.push("rowid".to_owned());
    }
    if !order.is_empty() {
        let _ = write!(sql, " ORDER BY {}", order.join(", "));
    }
    let mut statement = transaction.prepare(&sql).map_err(fail)?;
    let mut rows = match &from {
        Some(from) => statement.query([from]).map_err(fail)?,
        None => statement.query([]).map_err(fail)?,
    };
    let mut read = session.output(&table.name, "jsonl")?;
    let count = write_rows(&mut rows, &shape.columns, &mut read).map_err(|error| match error {
        RowError::Database(error) => fail(error),
        RowError::Problem(problem) => problem.at(table.at("")),
    })?;
    let keeps = position.map(|position| (position, remembered));
    // Without a position nothing goes on from what was kept.
    let before = kept.filter(|_| from.is_some()).map(|(_, before)| before);
    session.give_table(
        &table.name,
        (read, count),
        before.as_deref().map(|before| (before, shape.key.as_slice())),
        keeps,
    )
}

enum RowError {
    Database(rusqlite::Error),
    Problem(Problem),
}

fn write_rows(rows: &mut Rows<'_>, columns: &[String], out: &mut Output) -> Result<u64, RowError> {
    let names: Vec<String> = columns.iter().map(|name| Json::from(name.as_str()).to_string()).collect();
    let mut count = 0;
    let mut line = String::new();
    while let Some(row) = rows.next().map_err(RowError::Database)? {
        line.clear();
        for (index, name) in names.iter().enumerate() {
            line.push(if index == 0 { '{' } else { ',' });
            line.push_str(name);
            line.push(':');
            let value = row.get_ref(index).map_err(RowError::Database)?;
            if let Err(why) = write_value(value, &mut line) {
                let text = format!("column `{}` of row {}: {why}", columns[index], count + 1);
                return Err(RowError::Problem(
                    Problem::new(NOT_DATA, text).help("correct the value, or leave it out with a `query`"),
                ));
            }
        }
        line.push_str("}\n");
        out.write_all(line.as_bytes()).map_err(|error| RowError::Problem(write_failed(&out.path, &error)))?;
        count += 1;
    }
    Ok(count)
}

fn write_value(value: ValueRef<'_>, line: &mut String) -> Result<(), &'static str> {
    match value {
        ValueRef::Null => line.push_str("null"),
        ValueRef::Integer(number) => {
            let _ = write!(line, "{number}");
        }
        ValueRef::Real(number) if number.is_finite() => {
            let _ = write!(line, "{number:?}");
        }
        ValueRef::Real(_) => return Err("it is no finite number"),
        ValueRef::Text(bytes) => {
            let text = std::str::from_utf8(bytes).map_err(|_| "its text is not UTF-8")?;
            line.push_str(&Json::from(text).to_string());
        }
        ValueRef::Blob(bytes) => {
            line.push_str("\"\\\\x");
            bytes.iter().for_each(|byte| {
                let _ = write!(line, "{byte:02x}");
            });
            line.push('"');
        }
    }
    Ok(())
}

/// A cursor's value as it is remembered; null while the table is empty.
fn position_of(cell: &Cell, table: &TableSpec) -> Result<Json, Problem> {
    Ok(match cell {
        Cell::Null => Json::Null,
        Cell::Integer(number) => json!({ "integer": number }),
        Cell::Real(number) => json!({ "real": format!("{number:?}") }),
        Cell::Text(text) => json!({ "text": text }),
        Cell::Blob(_) => {
            let text = format!("the cursor of `{}` holds bytes, which have no order people mean", table.name);
            return Err(Problem::new(SETTING, text)
                .at(table.at("cursor"))
                .help("name a column of numbers, texts or times"));
        }
    })
}

fn cell_of(position: &Json) -> Option<Cell> {
    if let Some(number) = position.get("integer") {
        return number.as_i64().map(Cell::Integer);
    }
    if let Some(number) = position.get("real") {
        return number.as_str()?.parse().ok().map(Cell::Real);
    }
    position.get("text")?.as_str().map(|text| Cell::Text(text.to_owned()))
}
