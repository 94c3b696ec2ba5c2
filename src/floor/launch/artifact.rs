//! What a step wrote: checked against what was declared, then moved to where it stays.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::report::Artifact;
use super::spec::{ArtifactType, OutputSpec, TableFormat};
use crate::Problem;
use crate::data::{Format, Table};
use crate::digest::{digest_path, list_files};

/// The file name of an output: tables and metrics say what they are.
pub(crate) fn file_name(name: &str, spec: &OutputSpec) -> String {
    match (spec.kind, spec.format) {
        (ArtifactType::Table, TableFormat::Csv) => format!("{name}.csv"),
        (ArtifactType::Table, TableFormat::Jsonl) => format!("{name}.jsonl"),
        (ArtifactType::Metrics, _) => format!("{name}.json"),
        _ => name.to_string(),
    }
}

/// Checks the output at `staged` and moves it to `target`, read-only.
pub(crate) fn accept(
    name: &str,
    spec: &OutputSpec,
    staged: &Path,
    target: &Path,
) -> Result<Artifact, Problem> {
    let link = std::fs::symlink_metadata(staged);
    if link.is_err() {
        return Err(missing(name, spec, staged));
    }
    check(name, spec, staged)?;
    let failed = |error: std::io::Error| Problem::io("MLP0763", "keep the output", target, &error);
    if spec.kind == ArtifactType::Model && staged.is_file() {
        std::fs::create_dir_all(target).map_err(failed)?;
        std::fs::rename(staged, target.join("model")).map_err(failed)?;
    } else {
        std::fs::rename(staged, target).map_err(failed)?;
    }
    protect(target).map_err(failed)?;
    let digest = digest_path(target).map_err(failed)?;
    Ok(Artifact { path: target.to_path_buf(), digest, kind: spec.kind })
}

fn missing(name: &str, spec: &OutputSpec, staged: &Path) -> Problem {
    let file = staged.file_name().map(|file| file.to_string_lossy().into_owned()).unwrap_or_default();
    let variable = super::command::variable("MLP_OUTPUT_", name);
    Problem::new(
        "MLP0767",
        format!("the step ended well but did not write its output `{name}` ({})", spec.kind),
    )
    .note(format!("it was to be at the path in `{variable}`, which ends in `{file}`"))
    .help(format!("write the output to the path in `{variable}`, or take `{name}` out of `outputs`"))
}

fn check(name: &str, spec: &OutputSpec, path: &Path) -> Result<(), Problem> {
    let wrong = |what: String| Problem::new("MLP0768", format!("the output `{name}` {what}"));
    let is_dir = path.is_dir();
    match spec.kind {
        ArtifactType::Table | ArtifactType::File | ArtifactType::Metrics if !path.is_file() => {
            return Err(wrong(format!("must be a file, since it is declared as {}", spec.kind)));
        }
        ArtifactType::Directory if !is_dir => {
            return Err(wrong("must be a directory, since it is declared as one".into()));
        }
        _ => {}
    }
    let links = if is_dir { list_files(path).map(|files| files.len()) } else { plain_file(path) };
    let files = links.map_err(|error| {
        wrong(format!("cannot be kept: {error}")).help("write copies of the files in place of links")
    })?;
    match spec.kind {
        ArtifactType::Model if files == 0 => Err(wrong("is an empty directory".into())),
        ArtifactType::Table => check_table(spec, path).map_err(wrong),
        ArtifactType::Metrics => read_metrics(path, spec.names.as_deref().unwrap_or_default()).map(|_| ()),
        _ => Ok(()),
    }
}

fn plain_file(path: &Path) -> std::io::Result<usize> {
    if std::fs::symlink_metadata(path)?.is_file() {
        return Ok(1);
    }
    Err(std::io::Error::new(std::io::ErrorKind::InvalidData, format!("{} is a link", path.display())))
}

fn protect(path: &Path) -> std::io::Result<()> {
    let files: Vec<PathBuf> = if path.is_dir() {
        list_files(path)?.iter().map(|relative| path.join(relative)).collect()
    } else {
        vec![path.to_path_buf()]
    };
    files.iter().try_for_each(|file| {
        let executable = std::fs::metadata(file)?.permissions().mode() & 0o111;
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o444 | executable))
    })
}

fn check_table(spec: &OutputSpec, path: &Path) -> Result<(), String> {
    let found = match spec.format {
        _ if is_parquet(path) => parquet_columns(path)?,
        TableFormat::Csv => csv_columns(path)?,
        TableFormat::Jsonl => jsonl_columns(path)?,
    };
    let declared = spec.columns.as_deref().unwrap_or_default();
    let absent: Vec<_> = declared.iter().filter(|column| !found.contains(column)).cloned().collect();
    if absent.is_empty() {
        return Ok(());
    }
    Err(format!("has no column {}; its columns are {}", list(&absent), list(&found)))
}

/// Whether a file is Apache Parquet, whatever it is called: it begins with its mark.
#[must_use]
pub fn is_parquet(path: &Path) -> bool {
    use std::io::Read;
    let mut mark = [0; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut mark)).is_ok() && mark == *b"PAR1"
}

fn parquet_columns(path: &Path) -> Result<Vec<String>, String> {
    let refused = |problem: Problem| format!("is not Parquet: {}", problem.message);
    let mut table = Table::open(path, Format::Parquet).map_err(refused)?;
    while table.next_row().map_err(refused)?.is_some() {}
    Ok(table.columns().to_vec())
}

fn csv_columns(path: &Path) -> Result<Vec<String>, String> {
    let mut reader = csv::Reader::from_path(path).map_err(|error| format!("cannot be read: {error}"))?;
    let header = reader.headers().map_err(|error| format!("is not CSV: {error}"))?.clone();
    if header.is_empty() {
        return Err("is empty; a table starts with a line that names its columns".into());
    }
    let mut seen = BTreeSet::new();
    for column in &header {
        if column.trim().is_empty() || !seen.insert(column) {
            return Err(format!("has an empty or repeated column name in its first line: `{column}`"));
        }
    }
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(|error| format!("is not CSV: {error}"))? {}
    Ok(header.iter().map(str::to_string).collect())
}

fn jsonl_columns(path: &Path) -> Result<Vec<String>, String> {
    let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut columns = None;
    for (index, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|error| format!("cannot be read at line {}: {error}", index + 1))?;
        if line.trim().is_empty() {
            continue;
        }
        let row: std::collections::BTreeMap<String, IgnoredAny> = serde_json::from_str(&line)
            .map_err(|error| format!("has no JSON object in line {}: {error}", index + 1))?;
        columns.get_or_insert_with(|| row.into_keys().collect());
    }
    columns.ok_or_else(|| "is empty; a table in JSON Lines has at least one row".into())
}

/// Reads and checks a metrics file: finite numbers at the top, `slices` and `series` of them below.
pub(crate) fn read_metrics(path: &Path, names: &[String]) -> Result<Map<String, Value>, Problem> {
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let wrong = |what: String| Problem::new("MLP0769", format!("the metrics in `{file}` {what}"));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let metrics: Map<String, Value> = serde_json::from_str(&text).map_err(|error| {
        let problem = wrong(format!("are not a JSON object of numbers: {error}"));
        if ["NaN", "Infinity"].iter().any(|word| text.contains(word)) {
            return problem.help("leave a metric out where it has no finite value");
        }
        problem
    })?;
    for (name, value) in &metrics {
        let good = match name.as_str() {
            "slices" | "series" => value.is_object() && leaves_are_numbers(value),
            _ => value.as_f64().is_some_and(f64::is_finite),
        };
        if !good {
            let shown = super::cache::shorten(&value.to_string());
            return Err(wrong(format!("hold `{name}` = {shown}, which is not a finite number"))
                .help("numbers stand at the top; objects of numbers only in `slices` and `series`"));
        }
    }
    let absent: Vec<String> =
        names.iter().filter(|name| !metrics.get(*name).is_some_and(Value::is_number)).cloned().collect();
    if !absent.is_empty() {
        let there: Vec<String> = metrics.keys().cloned().collect();
        return Err(wrong(format!("do not hold the declared {}; they hold {}", list(&absent), list(&there))));
    }
    Ok(metrics)
}

fn leaves_are_numbers(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64().is_some_and(f64::is_finite),
        Value::Array(items) => items.iter().all(leaves_are_numbers),
        Value::Object(fields) => fields.values().all(leaves_are_numbers),
        _ => false,
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".into();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(spec: &OutputSpec, content: &str) -> Result<Artifact, Problem> {
        let dir = tempfile::tempdir().unwrap();
        let staged = dir.path().join(file_name("out", spec));
        std::fs::write(&staged, content).unwrap();
        accept("out", spec, &staged, &dir.path().join("kept"))
    }

    #[test]
    fn tables_need_a_header_and_the_declared_columns() {
        let mut spec = OutputSpec::new(ArtifactType::Table);
        spec.columns = Some(vec!["a".into(), "z".into()]);
        assert!(accepted(&spec, "").unwrap_err().message.contains("is empty"));
        assert!(accepted(&spec, "a,b\n1,2\n").unwrap_err().message.contains("no column `z`"));
        assert!(accepted(&spec, "a,a\n1,2\n").unwrap_err().message.contains("repeated"));
        assert!(accepted(&spec, "a,z\n1\n").unwrap_err().message.contains("is not CSV"));
        accepted(&spec, "a,z\n1,2\n").unwrap();
        spec.format = TableFormat::Jsonl;
        assert!(accepted(&spec, "\n").unwrap_err().message.contains("is empty"));
        assert!(accepted(&spec, "{\"a\":1,\"z\":2}\n[1]\n").unwrap_err().message.contains("line 2"));
        accepted(&spec, "{\"a\":1,\"z\":2}\n").unwrap();
    }

    #[test]
    fn a_table_may_be_parquet_and_is_read_as_what_it_is() {
        let spec = OutputSpec::new(ArtifactType::Table);
        let message = accepted(&spec, "PAR1 and nothing more").unwrap_err().message;
        assert!(message.contains("is not Parquet"), "{message}");
    }

    #[test]
    fn metrics_are_finite_numbers_by_declared_names() {
        let mut spec = OutputSpec::new(ArtifactType::Metrics);
        spec.names = Some(vec!["auc".into()]);
        assert!(accepted(&spec, r#"{"auc": NaN}"#).unwrap_err().help.unwrap().contains("finite"));
        assert!(accepted(&spec, r#"{"auc": "0.9"}"#).unwrap_err().message.contains("not a finite number"));
        assert!(accepted(&spec, r#"{"loss": 1}"#).unwrap_err().message.contains("declared `auc`"));
        assert!(accepted(&spec, r#"{"auc": 1, "slices": {"eu": {"auc": null}}}"#).is_err());
        accepted(&spec, r#"{"auc": 0.9, "slices": {"eu": {"auc": 0.8}}, "series": {"loss": [1, 0.5]}}"#)
            .unwrap();
    }

    #[test]
    fn a_model_is_a_directory_and_a_file_becomes_one() {
        let dir = tempfile::tempdir().unwrap();
        let spec = OutputSpec::new(ArtifactType::Model);
        std::fs::write(dir.path().join("m"), "weights").unwrap();
        let kept = dir.path().join("kept");
        accept("m", &spec, &dir.path().join("m"), &kept).unwrap();
        assert_eq!(std::fs::read_to_string(kept.join("model")).unwrap(), "weights");
        std::fs::create_dir(dir.path().join("empty")).unwrap();
        assert!(accept("m", &spec, &dir.path().join("empty"), &kept).unwrap_err().message.contains("empty"));
    }

    #[test]
    fn a_missing_output_is_named_and_links_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let spec = OutputSpec::new(ArtifactType::File);
        let problem = accept("x-y", &spec, &dir.path().join("x-y"), &dir.path().join("kept")).unwrap_err();
        assert_eq!(problem.code, "MLP0767");
        assert!(problem.help.unwrap().contains("MLP_OUTPUT_x_y"));
        std::fs::write(dir.path().join("real"), "1").unwrap();
        std::os::unix::fs::symlink(dir.path().join("real"), dir.path().join("link")).unwrap();
        let problem = accept("l", &spec, &dir.path().join("link"), &dir.path().join("kept")).unwrap_err();
        assert_eq!(problem.code, "MLP0768");
    }
}
