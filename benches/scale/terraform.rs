//! The same work for `terraform`, with its resource that needs no provider and has no effect outside its state.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use super::measure::{Measure, command};

/// Its version, where it is installed.
pub fn version() -> Option<String> {
    let output = Command::new("terraform").arg("version").env("CHECKPOINT_DISABLE", "1").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().map(str::to_owned)
}

/// Every work that both can do, once each.
pub fn measure(size: usize) -> Result<Vec<(&'static str, Measure)>, String> {
    let project = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = project.path().join("main.tf");
    let mut text = String::new();
    for n in 0..size {
        // Writing to a text cannot fail.
        let _ = writeln!(
            text,
            "resource \"terraform_data\" \"s{n}\" {{\n  input = {{ description = \"number {n}\", team = \"growth\" }}\n}}"
        );
    }
    fs::write(&file, &text).map_err(|error| error.to_string())?;
    let run = |arguments: &[&str]| command("terraform", arguments, project.path());
    run(&["init", "-no-color"])?;
    let mut done = vec![("validate", run(&["validate"])?), ("plan of creates", run(&["plan"])?)];
    done.push(("apply", run(&["apply", "-auto-approve"])?));
    done.push(("plan without change", run(&["plan"])?));
    fs::write(&file, text.replacen("number 7\"", "number seven\"", 1)).map_err(|error| error.to_string())?;
    done.push(("plan of one change", run(&["plan"])?));
    done.push(("destroy", run(&["destroy", "-auto-approve"])?));
    Ok(done)
}
