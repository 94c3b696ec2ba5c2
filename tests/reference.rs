//! Golden plans: what `mlp plan` says of each reference in each of its environments, reviewed by eye. `MLP_UPDATE=1` writes them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeSet;

/// What a machine decides, and so differs from one to the next: the version of its interpreter, its accelerators, whom it reaches.
const OF_THE_MACHINE: &[&str] = &["MLP0720", "MLP0761", "MLP0805"];

/// What was said, without what only this machine says.
fn steady(text: &str) -> String {
    let mut kept = String::new();
    for block in text.split("\n\n") {
        let code = block.trim_start().split(['[', ']']).nth(1).unwrap_or_default();
        let words: Vec<&str> = block.split_whitespace().collect();
        let counted = matches!(words.as_slice(), [count, word, ..] if count.parse::<u32>().is_ok() && word.starts_with("error"));
        if !OF_THE_MACHINE.contains(&code) && !counted {
            kept.push_str(block.trim_end());
            kept.push_str("\n\n");
        }
    }
    format!("{}\n", kept.trim_end())
}

#[test]
fn every_environment_of_the_references_has_its_plan_or_its_refusal() {
    let golden = support::folder("tests/plans");
    let updating = std::env::var_os("MLP_UPDATE").is_some();
    let mut known = BTreeSet::new();
    let mut different = Vec::new();
    for (reference, environments) in [
        ("fraud", &["local", "dev", "testing", "staging", "production"][..]),
        ("support-llm", &["local", "dev", "production", "burst"][..]),
    ] {
        let scratch = tempfile::tempdir().unwrap();
        support::copy(&support::folder(&format!("tests/reference/{reference}")), scratch.path());
        for environment in environments {
            let mut command = support::program(scratch.path());
            let output = support::run(command.args(["plan", "-e", environment]).current_dir(scratch.path()));
            let said = steady(&format!("{}{}", output.stdout, output.stderr));
            let text = format!("$ mlp plan -e {environment}\n{said}exit {}\n", output.code.unwrap_or(-1));
            let name = format!("{reference}-{environment}.txt");
            let path = golden.join(&name);
            known.insert(name.clone());
            if updating {
                std::fs::create_dir_all(&golden).unwrap();
                std::fs::write(&path, &text).unwrap();
            }
            if std::fs::read_to_string(&path).unwrap_or_default() != text {
                different.push(format!("{name} is now:\n{text}"));
            }
        }
    }
    assert!(
        different.is_empty(),
        "look at them, then write them with MLP_UPDATE=1:\n{}",
        different.join("\n")
    );
    let there: BTreeSet<String> = std::fs::read_dir(&golden)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(there, known, "a plan of an environment that is gone");
}
