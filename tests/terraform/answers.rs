//! The evaluator against Terraform: generated expressions with Terraform's own answers, each of which is evaluated here through
//! parser and lowering, and must come to the same value or be refused by both.
//!
//! `cargo test -p mlp-config --test terraform -- --ignored ask` writes the corpus anew with the `terraform` on the path.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod ask;
mod compare;
mod generate;
mod pools;
mod world;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use compare::Verdict;

const SEED: u64 = 0x5eed_0005;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/terraform")
}

/// Asks Terraform; a second or two for a round.
#[test]
#[ignore = "writes the corpus, and needs terraform"]
fn ask_terraform() {
    let version = ask::version().expect("terraform is on the path");
    let expressions = generate::expressions(SEED);
    let answers = ask::answers(&expressions, &folder().join("files"));
    let mut lines =
        vec![json!({ "terraform": version, "seed": SEED, "expressions": answers.len() }).to_string()];
    for (at, (group, expr)) in expressions.iter().enumerate() {
        let Some(answer) = answers.get(&at) else { panic!("terraform says nothing of `{expr}`") };
        let mut line = json!({ "group": group, "expr": expr });
        line.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
        lines.push(line.to_string());
    }
    std::fs::write(folder().join("corpus.jsonl"), lines.join("\n") + "\n").unwrap();
    std::fs::write(folder().join("functions.txt"), ask::functions().join("\n") + "\n").unwrap();
}

/// One difference that is a decision, or several that one pattern describes.
struct Decision {
    /// What the expressions contain or are called.
    expressions: Vec<String>,
    why: String,
}

/// Justified differences: `## why` and below it expressions, one a line, with line ends written as `\\n`.
fn decisions() -> Vec<Decision> {
    let text = std::fs::read_to_string(folder().join("differences.txt")).unwrap_or_default();
    let mut all: Vec<Decision> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match (line.strip_prefix("## "), all.last_mut()) {
            (Some(why), _) => all.push(Decision { expressions: Vec::new(), why: why.to_owned() }),
            (None, Some(last)) => last.expressions.push(line.to_owned()),
            (None, None) => {}
        }
    }
    all
}

fn one_line(expr: &str) -> String {
    expr.replace('\n', "\\n")
}

#[test]
fn expressions_come_to_what_terraform_says() {
    let corpus = std::fs::read_to_string(folder().join("corpus.jsonl")).unwrap();
    let mut lines = corpus.lines();
    let head: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    let cases: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(head["expressions"].as_u64().unwrap() as usize, cases.len());
    assert!(cases.len() >= 2_000, "the corpus has shrunk to {}", cases.len());
    let world = world::World::new(&folder());
    let mut different = std::collections::BTreeMap::new();
    for case in &cases {
        let expr = case["expr"].as_str().unwrap();
        if let Verdict::Different(how) = compare::compare(world.evaluate(expr), case) {
            different.insert(one_line(expr), how);
        }
    }
    let decisions = decisions();
    let mut faults = Vec::new();
    let mut listed = std::collections::BTreeSet::new();
    for decision in &decisions {
        for expr in &decision.expressions {
            if !different.contains_key(expr) {
                faults.push(format!("STALE: `{expr}` no longer differs, but is listed ({})", decision.why));
            }
            listed.insert(expr.clone());
        }
    }
    let unlisted = different.iter().filter(|(expr, _)| !listed.contains(*expr));
    faults.extend(unlisted.map(|(expr, how)| format!("{expr}\n    {how}")));
    eprintln!("{} expressions, {} differ, {} listed", cases.len(), different.len(), listed.len());
    if let Ok(path) = std::env::var("MLP_DIFFERENCES") {
        std::fs::write(path, faults.join("\n")).unwrap();
    }
    assert!(faults.is_empty(), "{} differences without a decision:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_function_of_terraform_is_there_or_left_out_with_a_reason() {
    let text = std::fs::read_to_string(folder().join("functions.txt")).unwrap();
    let theirs: std::collections::BTreeSet<&str> = text.lines().collect();
    assert!(theirs.len() > 100);
    for name in &theirs {
        let left_out = mlp_eval::LEFT_OUT.iter().any(|left| left.name == *name);
        assert!(left_out || mlp_eval::function(name).is_some(), "{name} is missing");
    }
    for function in mlp_eval::functions() {
        let own = function.terraform == mlp_eval::Terraform::Own;
        assert_eq!(!theirs.contains(function.name), own, "{}", function.name);
    }
}

/// What stands on a function's page is true.
#[test]
fn examples_of_functions_come_to_what_they_say() {
    let world = world::World::new(&folder());
    // What the catalogue answers is tried where there is one: `src/config/offers.rs`.
    for function in mlp_eval::functions().iter().filter(|function| !function.reads_catalog()) {
        for (call, result) in function.examples {
            let (call_is, result_is) = (world.evaluate(call), world.evaluate(result));
            assert!(call_is.is_ok(), "{call}: {call_is:?}");
            assert_eq!(call_is.unwrap().value, result_is.unwrap().value, "{call}");
        }
    }
}
