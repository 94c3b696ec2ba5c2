//! What the tools are given: specifications of any size, as files, for `mlp` and the same for `terraform`.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Blocks in one file, so that no file grows beyond what an editor would open.
const IN_ONE_FILE: usize = 10_000;

/// A specification that both tools can be given.
pub struct Spec {
    /// Its name, for the folder of its projects.
    pub name: &'static str,
    /// How `mlp` is told.
    pub mlp: fn(&mut Files, usize) -> io::Result<()>,
    /// How `terraform` is told, and the attributes of each resource in its state, where it is given one.
    pub terraform: Option<Peer>,
    /// A text of the specification that is replaced where one field is to change.
    pub edit: (&'static str, &'static str),
}

/// The same for `terraform`.
#[derive(Clone, Copy)]
pub struct Peer {
    /// Its specification.
    pub files: fn(&mut Files, usize) -> io::Result<()>,
    /// The resource `n` as its state holds it once applied: its name, the type and the value of its input, as JSON. Without it,
    /// its state is made by an apply.
    pub applied: Option<Applied>,
}

/// Gives the name of a resource, and the type and the value of its input.
pub type Applied = fn(usize) -> (String, String, String);

/// A stage in the life of a specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Language and types.
    Validate,
    /// Whether it is formatted.
    Format,
    /// Nothing is there yet.
    Plan,
    /// Everything is made.
    Apply,
    /// Nothing is to be done.
    Again,
    /// One field differs.
    Change,
    /// Everything is taken away.
    Destroy,
}

/// Writes the files of a specification.
pub struct Files {
    directory: PathBuf,
    ending: &'static str,
    per_file: usize,
    text: String,
    blocks: usize,
    written: usize,
}

impl Files {
    /// Files below a directory.
    pub fn new(directory: &Path, ending: &'static str) -> Self {
        let directory = directory.to_owned();
        Self { directory, ending, per_file: IN_ONE_FILE, text: String::new(), blocks: 0, written: 0 }
    }

    /// With so many blocks in each.
    pub fn of(&mut self, per_file: usize) -> &mut Self {
        self.per_file = per_file.max(1);
        self
    }

    /// One more block.
    pub fn block(&mut self, text: std::fmt::Arguments<'_>) -> io::Result<()> {
        self.text.write_fmt(text).map_err(io::Error::other)?;
        self.text.push('\n');
        self.blocks += 1;
        if self.blocks == self.per_file { self.flush() } else { Ok(()) }
    }

    /// A file of its own.
    pub fn file(&mut self, name: &str, text: &str) -> io::Result<()> {
        let path = self.directory.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, text)
    }

    /// What is not written yet.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.blocks > 0 {
            let name = format!("part{:03}.{}", self.written, self.ending);
            fs::write(self.directory.join(name), &self.text)?;
            self.text.clear();
            self.blocks = 0;
            self.written += 1;
        }
        Ok(())
    }
}

/// What every project of `mlp` begins with.
pub const HEAD: &str = r#"project "bench" {
  mlp_version = "~> 0.1"
}

provider "local" "here" {}

environment "local" {
  provider = provider.local.here
}
"#;

/// Writes a specification.
pub fn write(spec: &Spec, directory: &Path, size: usize) -> io::Result<()> {
    let mut files = Files::new(directory, "mlp");
    files.file("main.mlp", HEAD)?;
    (spec.mlp)(&mut files, size)?;
    files.flush()
}

/// Writes it for `terraform`.
pub fn write_peer(peer: &Peer, directory: &Path, size: usize) -> io::Result<()> {
    let mut files = Files::new(directory, "tf");
    (peer.files)(&mut files, size)?;
    files.flush()
}

/// The state that `terraform` would have after an apply: applying thousands takes it a quarter of an hour, and its other
/// commands are not to wait for that.
pub fn write_peer_state(peer: &Peer, directory: &Path, size: usize, version: &str) -> io::Result<bool> {
    let Some(applied) = peer.applied else { return Ok(false) };
    let mut text = format!(
        "{{\"version\":4,\"terraform_version\":\"{version}\",\"serial\":1,\"lineage\":\"5b6a8f57-3a54-4a0c-9d5e-1f6f3c2b1a00\",\"outputs\":{{}},\"resources\":["
    );
    for n in 0..size {
        let (name, kind, value) = applied(n);
        let comma = if n == 0 { "" } else { "," };
        let dynamic = format!("{{\"value\":{value},\"type\":{kind}}}");
        write!(
            text,
            "{comma}\n{{\"mode\":\"managed\",\"type\":\"terraform_data\",\"name\":\"{name}\",\"provider\":\"provider[\\\"terraform.io/builtin/terraform\\\"]\",\"instances\":[{{\"schema_version\":0,\"attributes\":{{\"id\":\"{n:08}-0000-4000-8000-000000000000\",\"input\":{dynamic},\"output\":{dynamic},\"triggers_replace\":null}},\"sensitive_attributes\":[]}}]}}"
        )
        .map_err(io::Error::other)?;
    }
    text.push_str("],\"check_results\":null}\n");
    fs::write(directory.join("terraform.tfstate"), text)?;
    Ok(true)
}

/// Puts one text in place of another, in the one file that has it.
pub fn replace(directory: &Path, old: &str, new: &str) -> io::Result<()> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|end| end == "mlp" || end == "tf")) {
        let text = fs::read_to_string(path)?;
        if text.contains(old) {
            return fs::write(path, text.replacen(old, new, 1));
        }
    }
    Err(io::Error::other(format!("no file says `{old}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_cut_at_blocks_and_edited_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Files::new(folder.path(), "mlp");
        files.of(2);
        for n in 0..5 {
            files.block(format_args!("block {n};")).unwrap();
        }
        files.flush().unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(
            (read("part000.mlp"), read("part002.mlp")),
            ("block 0;\nblock 1;\n".into(), "block 4;\n".into())
        );
        replace(folder.path(), "block 3", "block three").unwrap();
        assert_eq!(read("part001.mlp"), "block 2;\nblock three;\n");
        assert!(replace(folder.path(), "block 9", "").is_err());
    }
}
