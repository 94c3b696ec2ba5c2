//! The formatter against Terraform's: `tests/format` has untidy files and what `terraform fmt` (1.11) makes of them;
//! `MLP_UPDATE=1` asks it again.
//!
//! It differs on purpose in four things, which are not in these files: runs of blank lines become one; spaces at the end of
//! comments go; `} : {` stays at the indentation of what it closes; and the inside of strings is the author's.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use mlp_diag::FileId;

/// Untidy and tidy text of each file.
fn pairs() -> Vec<(String, String, String)> {
    let folder = support::folder("tests/format");
    let found = support::files(&folder, ".untidy");
    let read = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
    let pair = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, read(&path), read(&path.with_extension("mlp")))
    };
    found.into_iter().map(pair).collect()
}

/// With `MLP_UPDATE=1` Terraform is asked again.
fn ask_terraform() {
    for (name, untidy, _) in pairs() {
        let mut command = Command::new("terraform");
        command.args(["fmt", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("terraform is needed to write what it makes of them");
        child.stdin.take().unwrap().write_all(untidy.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{name}");
        std::fs::write(support::folder("tests/format").join(format!("{name}.mlp")), output.stdout).unwrap();
    }
}

/// A tree without its spans, as text.
fn shape(text: &str) -> String {
    let (tree, problems) = mlp_syntax::parse(FileId(0), text);
    assert!(problems.is_empty(), "{text}: {problems:?}");
    let shown = format!("{tree:?}");
    let mut pieces = shown.split("Span { file: FileId(0), start: ");
    let first = pieces.next().unwrap().to_owned();
    pieces.fold(first, |all, piece| all + &piece[piece.find('}').unwrap() + 1..])
}

#[test]
fn untidy_files_become_what_terraform_makes_of_them() {
    if std::env::var_os("MLP_UPDATE").is_some_and(|value| value == "1") {
        ask_terraform();
    }
    let pairs = pairs();
    assert!(pairs.len() >= 12, "only {} files", pairs.len());
    for (name, untidy, tidy) in pairs {
        let formatted = mlp_syntax::format(&untidy).unwrap();
        assert_eq!(formatted, tidy, "{name}");
        assert_eq!(mlp_syntax::format(&tidy).unwrap(), tidy, "{name}, again");
        assert_eq!(shape(&untidy), shape(&tidy), "{name}");
        let comments = |text: &str| text.matches('#').count() + text.matches("//").count();
        assert_eq!(comments(&untidy), comments(&tidy), "{name}: a comment was lost");
    }
}

#[test]
fn differences_are_shown_as_a_patch_and_standard_input_is_formatted() {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(scratch.path().join("main.mlp"), "locals {\n  a=1\n  bb = 2 # two\n}\n").unwrap();
    let mlp = |arguments: &[&str]| {
        support::run(support::program(scratch.path()).args(arguments).current_dir(scratch.path()))
    };
    let output = mlp(&["fmt", "--check", "--diff"]).ended(3);
    for line in ["--- main.mlp", "+++ main.mlp", "-  a=1", "+  a  = 1", "   bb = 2 # two"] {
        assert!(output.stdout.lines().any(|found| found == line), "`{line}` in {output}");
    }
    mlp(&["fmt", "-check"]).ended(3);
    let mut child = support::program(scratch.path())
        .args(["fmt", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"a=1\n").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"a = 1\n");
}
