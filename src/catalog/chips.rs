//! Chips: the same name may stand for several varieties.

use std::fmt;

use crate::rows::{Row, RowProblem, rows};

const COLUMNS: &[&str] = &["chip", "memory_gib", "form", "vendor", "aliases", "slices", "source"];

/// One variety of a chip.
#[derive(Debug, Clone, PartialEq)]
pub struct Chip {
    /// Its name, as a phrase gives it.
    pub name: String,
    /// Nominal memory in GiB.
    pub memory_gib: Option<f64>,
    /// Its form.
    pub form: Option<Form>,
    /// Who makes it.
    pub vendor: String,
    /// Other names.
    pub aliases: Vec<String>,
    /// The parts it can be divided into.
    pub slices: Vec<String>,
    /// Where this was read.
    pub source: String,
}

/// The form of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// On a board with a switch between the devices.
    Sxm,
    /// In pairs with a bridge.
    Nvl,
    /// A card.
    Pcie,
}

impl Form {
    /// The form of that name.
    pub fn of(text: &str) -> Option<Self> {
        match text.to_lowercase().as_str() {
            "sxm" => Some(Self::Sxm),
            "nvl" => Some(Self::Nvl),
            "pcie" => Some(Self::Pcie),
            _ => None,
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sxm => "sxm",
            Self::Nvl => "nvl",
            Self::Pcie => "pcie",
        })
    }
}

impl fmt::Display for Chip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(memory) = self.memory_gib {
            write!(f, " {memory}GiB")?;
        }
        if let Some(form) = self.form {
            write!(f, " {form}")?;
        }
        Ok(())
    }
}

impl Chip {
    /// Whether it is one of Google's tensor processors, which are asked for by topology.
    pub fn is_tpu(&self) -> bool {
        self.name.starts_with("TPU")
    }
}

/// A name without what people write differently: `TPU v5e` is `tpu-v5e`.
pub(crate) fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

pub(crate) fn read(text: &str) -> (Vec<Chip>, Vec<RowProblem>) {
    let (rows, mut problems) = rows(text, COLUMNS);
    let mut chips = Vec::new();
    for row in rows {
        match chip(&row) {
            Ok(chip) => chips.push(chip),
            Err(problem) => problems.push(problem),
        }
    }
    (chips, problems)
}

fn chip(row: &Row) -> Result<Chip, RowProblem> {
    let words =
        |column: &str| row.get(column).unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    Ok(Chip {
        name: row.needed("chip")?.to_owned(),
        memory_gib: row.number("memory_gib")?,
        form: form(row)?,
        vendor: row.get("vendor").unwrap_or_default().to_owned(),
        aliases: words("aliases"),
        slices: words("slices"),
        source: row.needed("source")?.to_owned(),
    })
}

/// The form that a row says.
pub(crate) fn form(row: &Row) -> Result<Option<Form>, RowProblem> {
    let Some(text) = row.get("form") else { return Ok(None) };
    match Form::of(text) {
        Some(form) => Ok(Some(form)),
        None => Err(RowProblem::new(
            row.line,
            format!("`{text}` is not a form"),
            "write sxm, nvl or pcie, or leave it empty",
        )),
    }
}
