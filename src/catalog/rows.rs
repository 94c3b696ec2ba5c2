//! Rows of comma-separated files, by the names of their columns.

use std::collections::BTreeMap;

/// A row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowProblem {
    /// Its line in the file, from 1.
    pub line: u64,
    /// What is wrong.
    pub why: String,
    /// The way out.
    pub help: String,
}

impl RowProblem {
    pub(crate) fn new(line: u64, why: impl Into<String>, help: impl Into<String>) -> Self {
        Self { line, why: why.into(), help: help.into() }
    }
}

/// One row.
pub(crate) struct Row {
    pub(crate) line: u64,
    cells: BTreeMap<String, String>,
}

impl Row {
    /// A cell; `None` when it is empty, or there is no such column.
    pub(crate) fn get(&self, column: &str) -> Option<&str> {
        self.cells.get(column).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// A cell that is a number.
    pub(crate) fn number<N: std::str::FromStr>(&self, column: &str) -> Result<Option<N>, RowProblem> {
        let Some(text) = self.get(column) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            RowProblem::new(
                self.line,
                format!("`{text}` in the column `{column}` is not a number"),
                "write a number such as 2.10, or leave the cell empty where it is not known",
            )
        })
    }

    /// A cell that must be there.
    pub(crate) fn needed(&self, column: &str) -> Result<&str, RowProblem> {
        self.get(column).ok_or_else(|| {
            RowProblem::new(self.line, format!("the column `{column}` is empty"), format!("say `{column}`"))
        })
    }
}

/// The rows of a file with these columns.
pub(crate) fn rows(text: &str, columns: &[&str]) -> (Vec<Row>, Vec<RowProblem>) {
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(text.as_bytes());
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    let headers: Vec<String> = match reader.headers() {
        Ok(headers) => headers.iter().map(str::to_owned).collect(),
        Err(error) => {
            return (rows, vec![RowProblem::new(1, error.to_string(), "write it as comma-separated values")]);
        }
    };
    for header in headers.iter().filter(|header| !columns.contains(&header.as_str())) {
        problems.push(RowProblem::new(
            1,
            format!("there is no column `{header}`"),
            format!("the columns are {}", columns.join(", ")),
        ));
    }
    for record in reader.records() {
        match record {
            Err(error) => {
                let line = error.position().map_or(1, csv::Position::line);
                problems.push(RowProblem::new(
                    line,
                    error.to_string(),
                    "give every row as many cells as the first",
                ));
            }
            Ok(record) => {
                let line = record.position().map_or(1, csv::Position::line);
                let cells = headers.iter().cloned().zip(record.iter().map(str::to_owned)).collect();
                rows.push(Row { line, cells });
            }
        }
    }
    (rows, problems)
}
