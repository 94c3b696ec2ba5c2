//! The evaluator against Terraform: generated expressions with Terraform's own answers, each of which is evaluated here through
//! parser and lowering, and must come to the same value or be refused by both.
//!
//! `cargo test -p mlp-config --test terraform -- --ignored ask` writes the corpus anew with the `terraform` on the path.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod ask;
mod generate;
mod pools;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

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
    let mut lines = vec![json!({ "terraform": version, "seed": SEED, "expressions": answers.len() }).to_string()];
    for (at, (group, expr)) in expressions.iter().enumerate() {
        let Some(answer) = answers.get(&at) else { panic!("terraform says nothing of `{expr}`") };
        let mut line = json!({ "group": group, "expr": expr });
        line.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
        lines.push(line.to_string());
    }
    std::fs::write(folder().join("corpus.jsonl"), lines.join("\n") + "\n").unwrap();
}
