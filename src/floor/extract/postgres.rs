//! Tables of a PostgreSQL server, in one read-only transaction that sees one moment.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::future::Future;
use std::io::Write as _;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value as Json, json};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls, Transaction};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::keep::{Output, Session, write_failed};
use super::postgres_uri::{Address, parse};
use super::wire::{
    ABSENT, BROKE_OFF, DENIED, LOOK, NOT_DATA, SETTING, UNREACHABLE, absent, chain, quoted, quoted_word,
};
use super::{SourceSpec, TableSpec};
use crate::Problem;

/// How long the server may work before the next row comes, where the specification says nothing.
const SILENCE: Duration = Duration::from_secs(600);

/// Values in one form, and rows in the order in which they lie.
const SETTINGS: &str = "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; \
    SET LOCAL IntervalStyle = 'iso_8601'; SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; \
    SET LOCAL synchronize_seqscans = off; SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL lock_timeout = '10s'";

/// Where a failure happened, for what is said of it.
struct Ground<'a> {
    address: &'a Address,
    silence: Duration,
    has_secret: bool,
}

pub(super) fn look(
    spec: &SourceSpec,
    project: &Path,
    secret: Option<&str>,
) -> Result<BTreeMap<String, String>, Problem> {
    let address = parse(&spec.uri)?;
    let ground = Ground { address: &address, silence: LOOK * 2, has_secret: secret.is_some() };
    run(async {
        let mut client = connect(&ground, project, secret).await?;
        let transaction = begin(&ground, &mut client).await?;
        let limit = format!("SET LOCAL statement_timeout = '{}s'", LOOK.as_secs());
        ground.wait(transaction.batch_execute(&limit), None).await?;
        let mut marks = BTreeMap::new();
        for table in &spec.tables {
            let mark = mark(&ground, &transaction, table).await?;
            let mark = blake3::hash(mark.as_bytes()).to_hex()[..32].to_owned();
            marks.insert(table.name.clone(), mark);
        }
        Ok(marks)
    })
}

pub(super) fn extract(
    spec: &SourceSpec,
    project: &Path,
    secret: Option<&str>,
    session: &mut Session,
) -> Result<(), Problem> {
    let address = parse(&spec.uri)?;
    let silence = spec.timeout_seconds.map_or(SILENCE, Duration::from_secs);
    let ground = Ground { address: &address, silence, has_secret: secret.is_some() };
    run(async {
        let mut client = connect(&ground, project, secret).await?;
        let transaction = begin(&ground, &mut client).await?;
        for table in &spec.tables {
            read_table(&ground, &transaction, table, session).await?;
        }
        Ok(())
    })
}

/// Runs on this thread alone.
fn run<T>(work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Problem::new(UNREACHABLE, format!("no connection is possible: {error}")))?;
    runtime.block_on(work)
}

async fn connect(ground: &Ground<'_>, project: &Path, secret: Option<&str>) -> Result<Client, Problem> {
    let mut config = ground.address.config.clone();
    if let Some(secret) = secret {
        config.password(secret);
    }
    // The driver's future drives the connection; it ends with it, and every request then fails with its reason.
    if ground.address.encrypted {
        let tls = MakeRustlsConnect::new(tls(project, ground.address.roots.as_deref())?);
        let (client, connection) = ground.wait(config.connect(tls), None).await?;
        tokio::spawn(connection);
        Ok(client)
    } else {
        let (client, connection) = ground.wait(config.connect(NoTls), None).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

fn tls(project: &Path, roots: Option<&str>) -> Result<ClientConfig, Problem> {
    let mut store = RootCertStore::empty();
    if let Some(name) = roots {
        let refused = |why: String| {
            Problem::new(SETTING, format!("the certificates in `{name}` cannot be used: {why}"))
                .at("uri")
                .help("`sslrootcert` names a PEM file of the authorities to trust")
        };
        let found =
            CertificateDer::pem_file_iter(project.join(name)).map_err(|error| refused(error.to_string()))?;
        for certificate in found {
            let certificate = certificate.map_err(|error| refused(error.to_string()))?;
            store.add(certificate).map_err(|error| refused(error.to_string()))?;
        }
        if store.is_empty() {
            return Err(refused("there are none".to_owned()));
        }
    } else {
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Problem::new(SETTING, format!("no encryption is possible: {error}")).at("uri"))?;
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}

async fn begin<'c>(ground: &Ground<'_>, client: &'c mut Client) -> Result<Transaction<'c>, Problem> {
    let started = client
        .build_transaction()
        .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
        .read_only(true)
        .start();
    let transaction = ground.wait(started, None).await?;
    ground.wait(transaction.batch_execute(SETTINGS), None).await?;
    Ok(transaction)
}

impl Ground<'_> {
    /// Waits for an answer, but not for ever.
    async fn wait<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
        table: Option<&TableSpec>,
    ) -> Result<T, Problem> {
        match tokio::time::timeout(self.silence, answer).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.failed(&error, table)),
            Err(_) => {
                let text = format!("`{}` said nothing for {} s", self.address.label, self.silence.as_secs());
                Err(Problem::new(UNREACHABLE, text)
                    .at("uri")
                    .help("try again, or give the source a longer `timeout`"))
            }
        }
    }

    /// What the server or the connection says, as a problem of an attribute.
    fn failed(&self, error: &tokio_postgres::Error, table: Option<&TableSpec>) -> Problem {
        let label = &self.address.label;
        if let Some(found) = error.as_db_error() {
            return self.refused(found, table);
        }
        let said = chain(error);
        if said.contains("password missing") {
            return Problem::new(DENIED, format!("`{label}` asks for a password"))
                .at("secret")
                .help("declare a `secret` with `from = \"env:NAME\"` or `\"file:PATH\"`, and name it here");
        }
        if said.contains("certificate") || said.contains("TLS") || said.contains("tls") {
            return Problem::new(DENIED, format!("no encrypted connection to `{label}` is possible: {said}"))
                .at("uri")
                .help("name its authority with `?sslrootcert=FILE`, or do without encryption with `?sslmode=disable`");
        }
        if table.is_some() {
            return Problem::new(BROKE_OFF, format!("`{label}` went away while it was read: {said}"))
                .at("uri")
                .help("see why the database ended, and apply again: nothing was changed here");
        }
        Problem::new(UNREACHABLE, format!("`{label}` cannot be reached: {said}"))
            .at("uri")
            .help("start the database, or correct the address")
    }

    fn refused(&self, found: &tokio_postgres::error::DbError, table: Option<&TableSpec>) -> Problem {
        let (label, said, code) = (&self.address.label, found.message(), found.code());
        let at = |attribute: &str| table.map_or_else(|| "tables".to_owned(), |table| table.at(attribute));
        let name = table.map_or("", |table| table.name.as_str());
        let at_relation = || {
            table.map_or_else(
                || "tables".to_owned(),
                |table| match table.query {
                    Some(_) => table.at("query"),
                    None => "tables".to_owned(),
                },
            )
        };
        if [&SqlState::INVALID_PASSWORD, &SqlState::INVALID_AUTHORIZATION_SPECIFICATION].contains(&code) {
            let at = if self.has_secret { "secret" } else { "uri" };
            return Problem::new(DENIED, format!("`{label}` refuses the credentials: {said}"))
                .at(at)
                .help("correct the user in `uri` and the value of its `secret`");
        }
        if *code == SqlState::INVALID_CATALOG_NAME {
            return absent(format!("{label}: {said}"), "uri", "correct the name of the database");
        }
        if *code == SqlState::INSUFFICIENT_PRIVILEGE {
            return Problem::new(DENIED, format!("`{label}` does not let this user read `{name}`: {said}"))
                .at(at_relation())
                .help("grant it: `GRANT SELECT ON ... TO ...`");
        }
        if [&SqlState::UNDEFINED_TABLE, &SqlState::INVALID_SCHEMA_NAME].contains(&code) {
            return absent(
                format!("`{label}` has not what is read as `{name}`: {said}"),
                at_relation(),
                "name one of its tables or views; `schema.name` where it is not in the search path",
            );
        }
        if *code == SqlState::UNDEFINED_COLUMN {
            return absent(format!("`{name}` of `{label}`: {said}"), at("cursor"), "name one of its columns");
        }
        if *code == SqlState::QUERY_CANCELED || *code == SqlState::LOCK_NOT_AVAILABLE {
            return Problem::new(
                UNREACHABLE,
                format!("`{label}` did not answer about `{name}` in time: {said}"),
            )
            .at(at_relation())
            .help("an index on the cursor column makes this quick");
        }
        let class = code.code().get(..2).unwrap_or_default();
        // The server is starting or ending, has no more connections, or lost its own.
        if matches!(class, "57" | "53" | "08" | "58") {
            let (kind, text) = if table.is_some() {
                (BROKE_OFF, format!("`{label}` went away while `{name}` was read: {said}"))
            } else {
                (UNREACHABLE, format!("`{label}` cannot be used now: {said}"))
            };
            return Problem::new(kind, text)
                .at("uri")
                .help("apply again when the database is well: nothing was changed here");
        }
        Problem::new(ABSENT, format!("`{name}` of `{label}` cannot be read: {said}"))
            .at(at_relation())
            .help("correct the name or the query")
    }
}

/// A mark of what a table holds, without reading it: the counters of the tables the planner would read for it, and the
/// largest value of its cursor where those say nothing.
async fn mark(
    ground: &Ground<'_>,
    transaction: &Transaction<'_>,
    table: &TableSpec,
) -> Result<String, Problem> {
    // Whoever may not read the table, or misspelt a column, learns it from this as well.
    let columns: String =
        table.cursor.iter().chain(&table.key).map(|name| format!(", {}", quoted_word(name))).collect();
    let sql = format!("EXPLAIN (VERBOSE, FORMAT JSON) SELECT *{columns} FROM {}", table.relation());
    let row = ground.wait(transaction.query_one(&sql, &[]), Some(table)).await.map_err(before_reading)?;
    let text: ExplainText = row.try_get(0).map_err(|error| ground.failed(&error, Some(table)))?;
    let plan: Json = serde_json::from_str(&text.0).unwrap_or_default();
    let mut found = Relations::default();
    found.collect(&plan);
    if found.names.is_empty() || found.foreign {
        return largest_mark(ground, transaction, table).await;
    }
    let sql = "SELECT c.oid::text, coalesce(pg_relation_filenode(c.oid), 0)::text, \
        coalesce(s.n_tup_ins, 0)::text, coalesce(s.n_tup_upd, 0)::text, coalesce(s.n_tup_del, 0)::text, s.relid IS NULL \
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid \
        WHERE n.nspname = $1 AND c.relname = $2";
    let mut marks = Vec::new();
    for (schema, name) in &found.names {
        let row = ground
            .wait(transaction.query_opt(sql, &[schema, name]), Some(table))
            .await
            .map_err(before_reading)?;
        let Some(row) = row else { continue };
        if row.get::<_, bool>(5) {
            return largest_mark(ground, transaction, table).await;
        }
        let values: Vec<String> = (0..5).map(|index| row.get::<_, String>(index)).collect();
        marks.push(values.join(" "));
    }
    Ok(format!("{} {}", serde_json::to_string(table).unwrap_or_default(), marks.join(",")))
}

/// Nothing has been read yet: what went away may come back.
fn before_reading(mut problem: Problem) -> Problem {
    if problem.code == BROKE_OFF {
        problem.code = UNREACHABLE;
    }
    problem
}

async fn largest_mark(
    ground: &Ground<'_>,
    transaction: &Transaction<'_>,
    table: &TableSpec,
) -> Result<String, Problem> {
    let Some(cursor) = &table.cursor else {
        let text = format!("`{}` has no counters by which a plan could see that it changed", table.name);
        return Err(Problem::new(SETTING, text)
            .at(table.at("query"))
            .note("it is no table of this server: a foreign table, or a query that reads no table")
            .help("name a column that grows with every change: `tables = { name = { cursor = \"updated_at\" } }`"));
    };
    let cursor = quoted_word(cursor);
    let sql = format!("SELECT max({cursor})::text FROM {}", table.relation());
    let row = ground.wait(transaction.query_one(&sql, &[]), Some(table)).await.map_err(before_reading)?;
    let largest: Option<String> = row.get(0);
    Ok(format!("{} {largest:?}", serde_json::to_string(table).unwrap_or_default()))
}

/// The text of a plan, whose type is `json`.
struct ExplainText(String);

impl<'a> tokio_postgres::types::FromSql<'a> for ExplainText {
    fn from_sql(
        _: &tokio_postgres::types::Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(std::str::from_utf8(raw)?.to_owned()))
    }

    fn accepts(ty: &tokio_postgres::types::Type) -> bool {
        matches!(*ty, tokio_postgres::types::Type::JSON | tokio_postgres::types::Type::TEXT)
    }
}

/// The tables a plan reads.
#[derive(Default)]
struct Relations {
    names: std::collections::BTreeSet<(String, String)>,
    foreign: bool,
}

impl Relations {
    fn collect(&mut self, plan: &Json) {
        match plan {
            Json::Array(items) => items.iter().for_each(|item| self.collect(item)),
            Json::Object(items) => {
                let text = |name: &str| items.get(name).and_then(Json::as_str);
                self.foreign |= text("Node Type") == Some("Foreign Scan");
                if let (Some(schema), Some(name)) = (text("Schema"), text("Relation Name")) {
                    self.names.insert((schema.to_owned(), name.to_owned()));
                }
                items.values().for_each(|item| self.collect(item));
            }
            _ => {}
        }
    }
}

/// What is to be read of a table.
struct Reading {
    key: Vec<String>,
    /// The largest value of the cursor now, and its type.
    position: Option<Json>,
    shape: Json,
    /// What the rows are called in the query: no column has this name.
    row: String,
}

async fn reading(
    ground: &Ground<'_>,
    transaction: &Transaction<'_>,
    table: &TableSpec,
) -> Result<Reading, Problem> {
    let sql = format!("SELECT * FROM {}", table.relation());
    let statement = ground.wait(transaction.prepare(&sql), Some(table)).await?;
    let columns: Vec<&str> = statement.columns().iter().map(|column| column.name()).collect();
    let types: Vec<&str> = statement.columns().iter().map(|column| column.type_().name()).collect();
    for name in table.cursor.iter().chain(&table.key) {
        if !columns.contains(&name.as_str()) {
            let attribute = if table.cursor.as_ref() == Some(name) { "cursor" } else { "key" };
            let text = format!("`{}` has no column `{name}`", table.name);
            return Err(absent(text, table.at(attribute), "name one of its columns")
                .note(format!("its columns are: {}", columns.join(", "))));
        }
    }
    let mut key = table.key.clone();
    if key.is_empty() && table.query.is_none() {
        let sql = "SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid \
            AND a.attnum = ANY (i.indkey) WHERE i.indrelid = to_regclass($1) AND i.indisprimary \
            ORDER BY array_position(i.indkey::int2[], a.attnum)";
        let name = quoted(&table.name);
        let rows = ground.wait(transaction.query(sql, &[&name]), Some(table)).await?;
        key = rows.iter().map(|row| row.get::<_, String>(0)).collect();
    }
    let position = match &table.cursor {
        Some(cursor) => {
            let cursor = quoted_word(cursor);
            let sql = format!(
                "SELECT max({cursor})::text, pg_typeof(max({cursor}))::text FROM {}",
                table.relation()
            );
            let row = ground.wait(transaction.query_one(&sql, &[]), Some(table)).await?;
            Some(json!({ "value": row.get::<_, Option<String>>(0), "type": row.get::<_, String>(1) }))
        }
        None => None,
    };
    let kind = position.as_ref().map(|position| position["type"].clone());
    let shape = json!([table, columns, types, key, kind]);
    let mut row = "mlp_row".to_owned();
    while columns.contains(&row.as_str()) {
        row.push('_');
    }
    Ok(Reading { key, position, shape, row })
}

async fn read_table(
    ground: &Ground<'_>,
    transaction: &Transaction<'_>,
    table: &TableSpec,
    session: &mut Session,
) -> Result<(), Problem> {
    let reading = reading(ground, transaction, table).await?;
    let kept = session.kept(&table.name).filter(|(kept, _)| kept.shape == reading.shape);
    let from = kept.as_ref().and_then(|(kept, _)| kept.position["value"].as_str().map(str::to_owned));
    let sql = select(table, &reading, from.is_some());
    let parameters: Vec<&String> = from.iter().collect();
    let rows = ground.wait(transaction.query_raw(&sql, parameters), Some(table)).await?;
    let mut rows = pin!(rows);
    let mut read = session.output(&table.name, "jsonl")?;
    let mut count: u64 = 0;
    // Row by row: the server waits while we write.
    while let Some(row) = ground.wait(rows.as_mut().try_next(), Some(table)).await.map_err(in_the_middle)? {
        let line: &str = row.try_get(0).map_err(|error| {
            let text = format!("row {} of `{}` cannot be read: {}", count + 1, table.name, chain(&error));
            Problem::new(NOT_DATA, text).at("tables")
        })?;
        write_line(&mut read, line).map_err(|error| write_failed(&read.path, &error))?;
        count += 1;
    }
    let keeps = reading.position.map(|position| (position, reading.shape));
    // Without a position nothing goes on from what was kept.
    let before = kept.filter(|_| from.is_some()).map(|(_, before)| before);
    session.give_table(
        &table.name,
        (read, count),
        before.as_deref().map(|before| (before, reading.key.as_slice())),
        keeps,
    )
}

/// A silence in the middle is no matter of reaching the server.
fn in_the_middle(mut problem: Problem) -> Problem {
    if problem.code == UNREACHABLE {
        problem.code = BROKE_OFF;
    }
    problem
}

fn write_line(out: &mut Output, line: &str) -> std::io::Result<()> {
    // `row_to_json` writes one line: line breaks in texts are escaped.
    out.write_all(line.as_bytes())?;
    out.write_all(b"\n")
}

/// The query for the rows as JSON, in an order that reading on continues.
fn select(table: &TableSpec, reading: &Reading, from: bool) -> String {
    let row = &reading.row;
    let mut sql = format!("SELECT row_to_json({row})::text FROM (SELECT * FROM {}", table.relation());
    let mut order: Vec<String> = Vec::new();
    if let Some(cursor) = &table.cursor {
        let cursor = quoted_word(cursor);
        if from {
            let kind =
                reading.position.as_ref().and_then(|position| position["type"].as_str()).unwrap_or("text");
            let _ = write!(sql, " WHERE {cursor} >= CAST($1::text AS {kind}) OR {cursor} IS NULL");
        }
        order.push(format!("{cursor} ASC NULLS LAST"));
    }
    let _ = write!(sql, ") AS {row}");
    order.extend(reading.key.iter().map(|name| quoted_word(name)));
    if !order.is_empty() && reading.key.is_empty() {
        order.push(format!("row_to_json({row})::text COLLATE \"C\""));
    }
    if !order.is_empty() {
        let _ = write!(sql, " ORDER BY {}", order.join(", "));
    }
    sql
}
