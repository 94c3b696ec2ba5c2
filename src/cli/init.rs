//! `mlp init`: begin a project; in one that is there, pin what it uses and lies outside it, and see to where states are.

use std::io::Write;
use std::path::{Path, PathBuf};

use mlp_diag::{Diagnostic, Diagnostics, SourceMap};

use super::exit::Exit;
use super::state_place::{self, Wish};
use super::variable_args::VariableArgs;
use super::{Globals, report};
use crate::host::{files, lock};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The project's name; the directory's when left out
    name: Option<String>,
    /// Pin what lies outside the project as it is now, although it is not what mlp.lock says
    #[arg(long)]
    upgrade: bool,
    /// Move the state to where the specification says it is, encrypted as it says
    #[arg(long, conflicts_with_all = ["reconfigure", "name"])]
    migrate_state: bool,
    /// Go on with the place that the specification names, and leave a state in another place where it is
    #[arg(long, conflicts_with = "name")]
    reconfigure: bool,
    #[command(flatten)]
    variables: VariableArgs,
}

impl Args {
    fn wish(&self) -> Wish {
        match (self.migrate_state, self.reconfigure) {
            (true, _) => Wish::Migrate,
            (_, true) => Wish::Reconfigure,
            _ => Wish::Look,
        }
    }
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

/// Writes a first file, or pins; overwrites nothing but the pins, and these only when asked to.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let directory = globals.directory.clone().unwrap_or_else(|| PathBuf::from("."));
    let there = files::with_ending(&directory, ".mlp").unwrap_or_default();
    if args.name.is_none() && !there.is_empty() {
        let pinned = match args.wish() {
            Wish::Look => pin(&directory, args.upgrade, globals),
            _ => Exit::Success,
        };
        return match pinned {
            Exit::Success => state_place::run(args.wish(), &args.variables, globals),
            failed => failed,
        };
    }
    if args.wish() != Wish::Look {
        let problem = Diagnostic::error("MLP0922", "there is no specification here, and so no state to move")
            .help("name the project's directory with -C");
        return report::diagnostics(&[problem], &SourceMap::default(), globals);
    }
    match begin(&directory, args.name.as_deref()) {
        Ok(file) => {
            report::talk(&format!("Wrote {}. Next: mlp plan -e local", file.display()));
            Exit::Success
        }
        Err(diagnostic) => report::diagnostics(&[*diagnostic], &SourceMap::default(), globals),
    }
}

/// Writes `mlp.lock`: what is pinned already stays, unless it is to be pinned anew.
fn pin(directory: &Path, upgrade: bool, globals: &Globals) -> Exit {
    let mut found = files::read_project(directory);
    let outside = found.modules.keys();
    let result = lock::digests(directory, outside.clone());
    let digests = match result {
        Ok(digests) => digests,
        Err(problem) => return report::diagnostics(&[problem], &found.map, globals),
    };
    let mut problems = Diagnostics::new();
    lock::check(directory, outside, &mut found.map, &mut problems);
    problems.retain(Diagnostic::is_error);
    if !upgrade && !problems.is_empty() {
        return report::diagnostics(&problems, &found.map, globals);
    }
    let images = match lock::images(directory) {
        Ok(images) => images,
        Err(problem) => return report::diagnostics(&[*problem], &found.map, globals),
    };
    if digests.is_empty() {
        report::talk(
            "Nothing that the project uses lies outside it: there is nothing to pin. Next: mlp plan",
        );
        return Exit::Success;
    }
    let path = directory.join(lock::LOCK);
    let text = lock::text(&digests, &images);
    if std::fs::read_to_string(&path).is_ok_and(|there| there == text) {
        report::talk(&format!("{} is up to date.", lock::LOCK));
        return Exit::Success;
    }
    if let Err(error) = std::fs::write(&path, text) {
        let problem =
            Diagnostic::error("MLP0922", format!("`{}` cannot be written: {error}", path.display()))
                .help("check its permissions");
        return report::diagnostics(&[problem], &found.map, globals);
    }
    let names: Vec<&str> = digests.keys().map(String::as_str).collect();
    report::talk(&format!(
        "Wrote {}, which pins {}. Keep it under version control.",
        lock::LOCK,
        names.join(", ")
    ));
    Exit::Success
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
