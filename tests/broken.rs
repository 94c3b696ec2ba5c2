//! Broken specifications and all that is said of them: `tests/broken` is data, `tests/broken/README.md` says how it is read.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One broken project.
#[derive(Debug, Default)]
struct Case {
    name: String,
    files: Vec<(String, String)>,
    commands: Vec<String>,
    expected: String,
    /// The lines of the document that the expected output takes.
    lines: std::ops::Range<usize>,
}

/// The cases of a document.
fn cases(document: &str) -> Vec<Case> {
    let mut found: Vec<Case> = Vec::new();
    let mut lines = document.lines().enumerate();
    while let Some((_, line)) = lines.next() {
        if let Some(name) = line.strip_prefix("## ") {
            found.push(Case { name: name.trim().to_owned(), ..Case::default() });
            continue;
        }
        let Some(info) = line.strip_prefix("```") else { continue };
        let mut text = String::new();
        let mut range = 0..0;
        for (number, line) in lines.by_ref() {
            if range.start == 0 {
                range.start = number;
            }
            range.end = number;
            if line == "```" {
                break;
            }
            text.push_str(line);
            text.push('\n');
        }
        let case = found.last_mut().expect("a block before the first heading");
        match info {
            "sh" => case.commands.extend(text.lines().map(str::to_owned)),
            "text" => (case.expected, case.lines) = (text, range),
            _ => {
                let name = info.split_once(' ').map_or("main.mlp", |(_, name)| name);
                case.files.push((name.to_owned(), text));
            }
        }
    }
    found
}

/// What a person sees of a case.
fn seen(case: &Case, base: &str) -> String {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("project");
    let write = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    if !case.files.iter().any(|(name, _)| name == "base.mlp") {
        write("base.mlp", base);
    }
    case.files.iter().for_each(|(name, text)| write(name, text));
    let validate = ["mlp validate".to_owned()];
    let commands = if case.commands.is_empty() { &validate[..] } else { &case.commands };
    let mut all = String::new();
    for line in commands {
        let words = line.split_whitespace();
        let arguments: Vec<&str> = words.clone().filter(|word| !is_assignment(word)).skip(1).collect();
        let mut command = support::program(scratch.path());
        command.args(arguments).current_dir(&directory);
        for (name, value) in words.filter(|word| is_assignment(word)).filter_map(|word| word.split_once('='))
        {
            command.env(name, value);
        }
        let output = support::run(&mut command);
        if commands.len() > 1 {
            all.push_str(&format!("$ {line}\n"));
        }
        for part in [&output.stderr, &output.stdout] {
            all.push_str(&part.replace(&*directory.to_string_lossy(), "<project>"));
        }
        if output.code != Some(1) {
            all.push_str(&format!("exit code {}\n", output.code.unwrap_or(-1)));
        }
    }
    let lines: Vec<&str> = all.lines().map(str::trim_end).collect();
    format!("{}\n", lines.join("\n").trim_end())
}

/// `NAME=value` before the program.
fn is_assignment(word: &str) -> bool {
    word.starts_with("MLP_") && word.contains('=')
}

/// The document with the outputs as they are.
fn rewritten(document: &str, cases: &[Case], outputs: &[String]) -> String {
    let lines: Vec<&str> = document.lines().collect();
    let mut text = String::new();
    let mut at = 0;
    for (case, output) in cases.iter().zip(outputs) {
        for line in &lines[at..case.lines.start] {
            text.push_str(&format!("{line}\n"));
        }
        text.push_str(output);
        at = case.lines.end;
    }
    lines[at..].iter().for_each(|line| text.push_str(&format!("{line}\n")));
    text
}

fn documents() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(support::folder("tests/broken"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .filter(|path| path.file_stem().is_some_and(|name| name != "README"))
        .collect();
    found.sort();
    found
}

fn check(path: &Path, base: &str) -> Vec<String> {
    let document = std::fs::read_to_string(path).unwrap();
    let cases = cases(&document);
    let name = path.file_name().unwrap().to_string_lossy();
    let without: Vec<&str> =
        cases.iter().filter(|case| case.lines.start == 0).map(|case| case.name.as_str()).collect();
    assert!(without.is_empty(), "{name}: no ```text in {without:?}");
    let outputs: Vec<String> = cases.iter().map(|case| seen(case, base)).collect();
    if std::env::var_os("MLP_UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(path, rewritten(&document, &cases, &outputs)).unwrap();
        return Vec::new();
    }
    let told = |(case, output): (&Case, &String)| {
        (case.expected != *output)
            .then(|| format!("{name}: {}\n--- expected\n{}--- said\n{output}", case.name, case.expected))
    };
    cases.iter().zip(&outputs).filter_map(told).collect()
}

#[test]
fn every_broken_specification_is_told_what_is_wrong() {
    let base = std::fs::read_to_string(support::folder("tests/broken").join("base.mlp")).unwrap();
    let documents = documents();
    let faults: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = documents.iter().map(|path| scope.spawn(|| check(path, &base))).collect();
        running.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    assert!(
        faults.is_empty(),
        "{}\n{} cases differ; MLP_UPDATE=1 writes what is said now, and you read the difference",
        faults.join("\n"),
        faults.len()
    );
}

#[test]
fn there_are_many_and_each_has_a_name_of_its_own() {
    let mut names = BTreeSet::new();
    for path in documents() {
        for case in cases(&std::fs::read_to_string(&path).unwrap()) {
            assert!(case.expected.contains("[MLP") || case.expected.contains("error:"), "{}", case.name);
            assert!(names.insert(case.name.clone()), "`{}` is there twice", case.name);
        }
    }
    assert!(names.len() >= 150, "only {} cases", names.len());
}

/// Codes of the text's own rooms that no broken specification shows, each with its reason.
const NOT_SHOWN: &[(&str, &str)] = &[
    ("MLP0102", "a file of 16 MiB, or a block of a million words, is no data for a person to review"),
    ("MLP0210", "the parser refuses what is nested so deeply before the evaluator sees it"),
    ("MLP0342", "the signature is read from a file beside the specification; `meaning` tests it"),
    ("MLP0348", "a note of a plan that goes on; `environments` of the configuration test it"),
];

#[test]
fn every_code_that_text_can_cause_is_shown() {
    let mut all = String::new();
    documents().iter().for_each(|path| all.push_str(&std::fs::read_to_string(path).unwrap()));
    let pages = std::fs::read_dir(support::folder("docs/errors")).unwrap();
    let codes = pages.map(|page| page.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned());
    let of_text: BTreeSet<String> =
        codes.filter(|code| ["MLP01", "MLP02", "MLP03"].iter().any(|room| code.starts_with(room))).collect();
    let missing: Vec<&String> = of_text
        .iter()
        .filter(|code| !all.contains(&format!("[{code}]")))
        .filter(|code| !NOT_SHOWN.iter().any(|(known, _)| known == code))
        .collect();
    assert!(missing.is_empty(), "no broken specification shows {missing:?}");
    let stale: Vec<&str> =
        NOT_SHOWN.iter().map(|(code, _)| *code).filter(|code| all.contains(&format!("[{code}]"))).collect();
    assert!(stale.is_empty(), "{stale:?} are shown after all");
}
