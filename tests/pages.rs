//! The pages of the diagnostics: a wrong example gives exactly its code, a right one none.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What a page says of when its code is told.
const AT_ONCE: &str = "Told by `mlp validate`.";

/// What the headings of pages are that are not about the text of a specification.
const OF_COMMANDS: &[(&str, &str)] = &[("Wrong", "What leads to it"), ("Right", "The way out")];

/// The fenced block under a heading: its language and its text.
fn example<'p>(page: &'p str, heading: &str) -> (&'p str, &'p str) {
    let other = OF_COMMANDS.iter().find(|(plain, _)| *plain == heading).unwrap().1;
    let heading = if page.contains(&format!("\n## {other}\n")) { other } else { heading };
    let section = page
        .split(&format!("\n## {heading}\n\n```"))
        .nth(1)
        .unwrap_or_else(|| panic!("no {heading}: {page}"));
    section.split("\n```\n").next().unwrap().split_once('\n').unwrap()
}

/// The codes of all errors that `mlp validate` tells of an example.
fn told(text: &str) -> BTreeSet<String> {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(scratch.path().join("main.mlp"), format!("{text}\n")).unwrap();
    if !text.contains("project \"") && !text.contains("provider \"local\" \"here\"") {
        let base = support::folder("tests/broken").join("base.mlp");
        std::fs::copy(base, scratch.path().join("base.mlp")).unwrap();
    }
    let mut command = support::program(scratch.path());
    let output = support::run(command.args(["validate", "--json"]).current_dir(scratch.path()));
    let json = output.json();
    let all = json["diagnostics"].as_array().unwrap();
    let errors = all.iter().filter(|one| one["severity"] == "error");
    errors.map(|one| one["code"].as_str().unwrap().to_owned()).collect()
}

/// Programs beside ours that pages name.
const OTHERS: &[&str] = &["age-keygen ", "export ", "git ", "kubectl "];

/// Whether the program knows the words of a command line; nothing is run.
fn is_understood(line: &str) -> bool {
    let scratch = tempfile::tempdir().unwrap();
    let mut command = support::program(scratch.path());
    let line = line.split(" #").next().unwrap().split(" >").next().unwrap();
    // What is set for the one command stands before it; other programs are not ours to judge.
    let words = line.split_whitespace().skip_while(|word| word.contains('='));
    let Some("mlp") = words.clone().next() else { return OTHERS.iter().any(|one| line.starts_with(one)) };
    command.args(words.skip(1)).arg("--help");
    support::run(&mut command).code == Some(0)
}

/// What is wrong with a page.
fn faults(path: &Path) -> Vec<String> {
    let page = std::fs::read_to_string(path).unwrap();
    let code = path.file_stem().unwrap().to_string_lossy().into_owned();
    let mut found = Vec::new();
    for heading in ["Wrong", "Right"] {
        let (language, text) = example(&page, heading);
        if language == "sh" {
            let lines = text.lines().filter(|line| !is_understood(line));
            found.extend(lines.map(|line| format!("{code}, {heading}: `{line}` is no command")));
            continue;
        }
        let codes = told(text);
        let earlier = page.split("`mlp validate` tells it as ").nth(1).and_then(|rest| rest.get(..7));
        let expected: BTreeSet<String> = match (heading, earlier) {
            ("Wrong", Some(earlier)) => [earlier.to_owned()].into(),
            ("Wrong", None) if page.contains(AT_ONCE) => [code.clone()].into(),
            _ => BTreeSet::new(),
        };
        if codes != expected {
            found.push(format!("{code}, {heading}: {codes:?}, not {expected:?}"));
        }
    }
    found
}

#[test]
fn wrong_examples_are_wrong_and_right_ones_right() {
    let mut pages: Vec<PathBuf> = std::fs::read_dir(support::folder("docs/errors"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_stem().is_some_and(|name| name != "README"))
        .collect();
    pages.sort();
    assert!(pages.len() >= 150, "only {} pages", pages.len());
    let faults: Vec<String> = std::thread::scope(|scope| {
        let parts: Vec<_> = pages
            .chunks(pages.len().div_ceil(4))
            .map(|part| scope.spawn(|| part.iter().flat_map(|path| faults(path)).collect::<Vec<_>>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
