//! `mlp init`: begin a project.

use std::io::Write;
use std::path::{Path, PathBuf};

use mlp_diag::{Diagnostic, SourceMap};

use super::exit::Exit;
use super::{Globals, report};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The project's name; the directory's when left out
    name: Option<String>,
}

fn starter(name: &str) -> String {
    format!(
        r#"project "{name}" {{
  mlp_version = "~> 0.1"
}}

provider "local" "here" {{}}

environment "local" {{
  provider = provider.local.here
}}

storage "lake" {{
  kind = "object"
}}
"#
    )
}

/// Writes a first file; overwrites nothing.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let directory = globals.directory.clone().unwrap_or_else(|| PathBuf::from("."));
    match begin(&directory, args.name.as_deref()) {
        Ok(file) => {
            report::talk(&format!("Wrote {}. Next: mlp plan -e local", file.display()));
            Exit::Success
        }
        Err(diagnostic) => report::diagnostics(&[*diagnostic], &SourceMap::default(), globals),
    }
}

fn begin(directory: &Path, name: Option<&str>) -> Result<PathBuf, Box<Diagnostic>> {
    let fail = |what: String, help: &str| Box::new(Diagnostic::error("MLP0922", what).help(help.to_owned()));
    std::fs::create_dir_all(directory).map_err(|error| {
        fail(format!("`{}` cannot be made: {error}", directory.display()), "name another directory")
    })?;
    // All files of a directory are one project, and it has one `project` block.
    let there = crate::host::files::with_ending(directory, ".mlp")?;
    if let Some(file) = there.first().and_then(|path| path.file_name()) {
        return Err(fail(
            format!("there is a specification already: `{}`", file.to_string_lossy()),
            "name another directory with -C; mlp init never overwrites a file",
        ));
    }
    let whole = std::fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    let from_directory =
        whole.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name: String = name
        .unwrap_or(&from_directory)
        .chars()
        .map(|c| if c.is_alphanumeric() || c == '_' || c == '-' { c } else { '-' })
        .collect();
    let name =
        if name.starts_with(|c: char| c.is_alphabetic() || c == '_') { name } else { format!("p{name}") };
    let file = directory.join("main.mlp");
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&file)
        .and_then(|mut open| open.write_all(starter(&name).as_bytes()))
        .map_err(|error| {
            fail(
                format!("`{}` cannot be written: {error}", file.display()),
                "mlp init never overwrites a file",
            )
        })?;
    let ignore = directory.join(".gitignore");
    let ignored = std::fs::read_to_string(&ignore).unwrap_or_default();
    if !ignored.lines().any(|line| line.trim() == ".mlp/") {
        let lead = if ignored.is_empty() || ignored.ends_with('\n') { "" } else { "\n" };
        std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&ignore)
            .and_then(|mut open| open.write_all(format!("{lead}.mlp/\n").as_bytes()))
            .map_err(|error| {
                fail(format!("`{}` cannot be written: {error}", ignore.display()), "check its permissions")
            })?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overwritten_and_the_starter_is_formatted() {
        let directory = tempfile::tempdir().unwrap();
        begin(directory.path(), Some("9 lives")).unwrap();
        let text = std::fs::read_to_string(directory.path().join("main.mlp")).unwrap();
        assert!(text.contains("project \"p9-lives\""), "{text}");
        assert_eq!(mlp_syntax::format(&text).unwrap(), text);
        assert!(begin(directory.path(), None).is_err());
    }
}
