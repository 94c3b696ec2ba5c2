//! What stands in the documentation is true: every example is parsed, and every whole one validated.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::path::Path;

use support::{Project, files};

/// The examples of a page, each with the line it begins at.
fn examples(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (at, line) in text.lines().enumerate() {
        match (&mut open, line.trim()) {
            (None, "```hcl" | "```mlp") => open = Some((at + 2, String::new())),
            (Some(_), "```") => found.extend(open.take()),
            (Some((_, example)), _) => *example += &format!("{line}\n"),
            (None, _) => {}
        }
    }
    found
}

#[test]
fn every_example_is_parsed_and_every_whole_one_is_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The pages of diagnostics and of functions have tests of their own: their examples may be wrong, or expressions.
    let mut pages = files(&root.join("docs"), ".md");
    pages.retain(|page| {
        !["docs/errors", "docs/language/functions"].iter().any(|other| page.starts_with(root.join(other)))
    });
    pages.push(root.join("README.md"));
    let (mut parsed, mut whole) = (0, 0);
    for page in pages {
        for (line, example) in examples(&fs::read_to_string(&page).unwrap()) {
            let place = format!("{}:{line}", page.display());
            // The forms at the head of a kind's page say where its parts go.
            if example.contains('…') {
                continue;
            }
            let file = mlp_diag::FileId(0);
            let (_, problems) = mlp_syntax::parse(file, &example);
            assert!(problems.is_empty(), "{place}: {problems:#?}");
            let formatted = mlp_syntax::format(&example).unwrap();
            assert_eq!(formatted, example, "{place} is not formatted");
            parsed += 1;
            if example.contains("project \"") && example.contains("environment \"") {
                Project::of(&[("main.mlp", &example)]).mlp(&["validate"]).ended(0);
                whole += 1;
            }
        }
    }
    assert!(parsed >= 10 && whole >= 3, "{parsed} examples, {whole} of them whole");
}
