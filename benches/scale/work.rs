//! What `mlp` is given to do, as data: a specification, what happens before, and the command that is measured.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::measure::{Measure, command};

/// One line of the table.
pub struct Work {
    /// Its name.
    pub name: &'static str,
    specification: fn(usize) -> String,
    /// Commands that lead up to it, and the last, which is measured.
    before: &'static [&'static [&'static str]],
    /// A text of the specification that is replaced before the measured command.
    edit: Option<(&'static str, &'static str)>,
    measured: &'static [&'static str],
}

const APPLY: &[&str] = &["apply", "-e", "local", "--auto-approve"];
const PLAN: &[&str] = &["plan", "-e", "local"];
const DESTROY: &[&str] = &["destroy", "-e", "local", "--auto-approve"];

/// Everything that is measured, in the order of the table.
pub const WORKS: &[Work] = &[
    Work { name: "validate", specification: directories, before: &[], edit: None, measured: &["validate"] },
    Work {
        name: "format",
        specification: directories,
        before: &[],
        edit: None,
        measured: &["fmt", "--check"],
    },
    Work { name: "plan of creates", specification: directories, before: &[], edit: None, measured: PLAN },
    Work { name: "apply", specification: directories, before: &[], edit: None, measured: APPLY },
    Work {
        name: "plan without change",
        specification: directories,
        before: &[APPLY],
        edit: None,
        measured: PLAN,
    },
    Work {
        name: "plan of one change",
        specification: directories,
        before: &[APPLY],
        edit: Some(("description = \"number 7\"", "description = \"number seven\"")),
        measured: PLAN,
    },
    Work { name: "destroy", specification: directories, before: &[APPLY], edit: None, measured: DESTROY },
    Work { name: "plan of for_each", specification: for_each, before: &[], edit: None, measured: PLAN },
    Work { name: "plan of a chain", specification: chain, before: &[], edit: None, measured: PLAN },
];

impl Work {
    /// Does it once, in a fresh project of `size` blocks.
    pub fn measure(&self, size: usize) -> Result<Measure, String> {
        let project = tempfile::tempdir().map_err(|error| error.to_string())?;
        let file = project.path().join("main.mlp");
        let mut text = (self.specification)(size);
        write(&file, &text)?;
        for arguments in self.before {
            mlp(arguments, project.path())?;
        }
        if let Some((old, new)) = self.edit {
            text = text.replacen(old, new, 1);
            write(&file, &text)?;
        }
        mlp(self.measured, project.path())
    }
}

fn mlp(arguments: &[&str], directory: &Path) -> Result<Measure, String> {
    command(env!("CARGO_BIN_EXE_mlp"), arguments, directory)
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| format!("cannot write `{}`: {error}", file.display()))
}

const HEAD: &str = r#"project "bench" {
  mlp_version = "~> 0.1"
}
provider "local" "here" {}
environment "local" {
  provider = provider.local.here
}
"#;

/// `size` directories: each is an object with an outside effect.
fn directories(size: usize) -> String {
    blocks(size, |text, n| {
        writeln!(
            text,
            "storage \"s{n}\" {{\n  kind        = \"object\"\n  description = \"number {n}\"\n  labels      = {{ n = \"{n}\", team = \"growth\" }}\n}}"
        )
    })
}

/// The same by one block.
fn for_each(size: usize) -> String {
    format!(
        "{HEAD}storage \"s\" {{\n  for_each    = {{ for n in range({size}) : \"k${{n}}\" => n }}\n  kind        = \"object\"\n  description = \"number ${{each.value}}\"\n}}\n"
    )
}

/// Each takes its description from the one before.
fn chain(size: usize) -> String {
    blocks(size, |text, n| {
        let description = match n.checked_sub(1) {
            None => "\"first\"".to_owned(),
            Some(before) => format!("storage.s{before}.description"),
        };
        writeln!(text, "storage \"s{n}\" {{\n  kind        = \"object\"\n  description = {description}\n}}")
    })
}

fn blocks(size: usize, mut block: impl FnMut(&mut String, usize) -> std::fmt::Result) -> String {
    let mut text = HEAD.to_owned();
    for n in 0..size {
        // Writing to a text cannot fail.
        let _ = block(&mut text, n);
    }
    text
}
