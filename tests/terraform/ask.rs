//! Terraform's own answers: every expression is an output of one plan, and those that Terraform refuses are taken out until the
//! rest of them plans.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::pools::SHARED_PREAMBLE;

/// What Terraform says of an expression.
pub fn answers(expressions: &[(String, String)], files: &Path) -> BTreeMap<usize, Value> {
    let room = tempfile::tempdir().unwrap();
    copy(files, &room.path().join("files"));
    let mut refused: BTreeMap<usize, Value> = BTreeMap::new();
    for round in 0..60 {
        write(room.path(), expressions, &refused);
        let before = refused.len();
        let output = terraform(room.path(), &["plan", "-json", "-input=false", "-lock=false", "-out=plan"]);
        for (at, answer) in problems(&output) {
            refused.entry(at).or_insert(answer);
        }
        if refused.len() == before {
            assert!(room.path().join("plan").exists(), "terraform made no plan in round {round}:\n{output}");
            let shown = terraform(room.path(), &["show", "-json", "plan"]);
            let plan: Value = serde_json::from_str(&exact(&shown)).unwrap();
            let mut all = refused;
            all.extend(known(&plan, expressions.len()));
            return all;
        }
        eprintln!("round {round}: {} refused of {}", refused.len(), expressions.len());
    }
    panic!("terraform finds new faults for ever");
}

/// Numbers as texts behind `#`: a reader of JSON takes them for floats and loses digits.
fn exact(json: &str) -> String {
    let (mut done, mut within, mut escaped) = (String::with_capacity(json.len()), false, false);
    let mut letters = json.chars().peekable();
    while let Some(letter) = letters.next() {
        if !within && (letter == '-' || letter.is_ascii_digit()) {
            let mut number = String::from(letter);
            while let Some(more) =
                letters.next_if(|letter| letter.is_ascii_digit() || ".eE+-".contains(*letter))
            {
                number.push(more);
            }
            // More digits than are compared only fill the corpus.
            let point = number.find('.').unwrap_or(number.len());
            number.truncate(number.len().min(point + 45));
            done.push_str(&format!("\"#{number}\""));
            continue;
        }
        if letter == '"' && !escaped {
            within = !within;
        }
        escaped = within && letter == '\\' && !escaped;
        done.push(letter);
    }
    done
}

/// Terraform's version.
pub fn version() -> Option<String> {
    let output = Command::new("terraform").args(["version", "-json"]).output().ok()?;
    let json: Value = serde_json::from_slice(&output.stdout).ok()?;
    Some(json.get("terraform_version")?.as_str()?.to_owned())
}

/// The names of Terraform's functions.
pub fn functions() -> Vec<String> {
    let output = Command::new("terraform").args(["metadata", "functions", "-json"]).output().unwrap();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names = json["function_signatures"].as_object().unwrap().keys();
    names.filter(|name| !name.contains("::")).cloned().collect()
}

fn terraform(room: &Path, arguments: &[&str]) -> String {
    let output = Command::new("terraform")
        .args(arguments)
        .current_dir(room)
        .env("CHECKPOINT_DISABLE", "1")
        .env_remove("TF_CLI_CONFIG_FILE")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Each expression in a file of its own, so that a diagnostic tells by the file's name which one it means.
fn write(room: &Path, expressions: &[(String, String)], refused: &BTreeMap<usize, Value>) {
    let unknown = "resource \"terraform_data\" \"u\" {}\nlocals {\n  u_str = terraform_data.u.id\n}\n";
    std::fs::write(room.join("main.tf"), format!("{unknown}{SHARED_PREAMBLE}")).unwrap();
    for (at, (_, expr)) in expressions.iter().enumerate() {
        let path = room.join(format!("e{at}.tf"));
        if refused.contains_key(&at) {
            let _ = std::fs::remove_file(path);
        } else {
            let text = format!("output \"e{at}\" {{\n  sensitive = true\n  value = {expr}\n}}\n");
            std::fs::write(path, text).unwrap();
        }
    }
}

/// What is wrong, by the number of the expression.
fn problems(output: &str) -> BTreeMap<usize, Value> {
    let mut found = BTreeMap::new();
    for line in output.lines() {
        let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
        let diagnostic = &line["diagnostic"];
        if diagnostic["severity"] != "error" {
            continue;
        }
        // Terraform computes infinity and cannot write it down.
        let detail = diagnostic["detail"].as_str().unwrap_or_default();
        let infinite =
            detail.split("output value \"e").skip(1).filter_map(|rest| rest.split_once('"')?.0.parse().ok());
        let infinite: Vec<usize> = infinite.collect();
        if !infinite.is_empty() {
            found.extend(infinite.into_iter().map(|at| (at, json!({ "infinite": true }))));
            continue;
        }
        let file = diagnostic["range"]["filename"].as_str().unwrap_or_default();
        let at = file.strip_prefix('e').and_then(|name| name.strip_suffix(".tf")?.parse().ok());
        let at = at.unwrap_or_else(|| panic!("a fault that is no expression's: {diagnostic:#}"));
        let mut why = diagnostic["summary"].as_str().unwrap_or_default().to_owned();
        if !detail.is_empty() {
            why = format!("{why}: {detail}");
        }
        let why: String = why.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(240).collect();
        found.insert(at, json!({ "error": why }));
    }
    found
}

/// The values of a plan's outputs, and what of them is known only after apply.
fn known(plan: &Value, count: usize) -> BTreeMap<usize, Value> {
    let mut found = BTreeMap::new();
    for at in 0..count {
        let name = format!("e{at}");
        let change = &plan["output_changes"][&name];
        if change.is_null() {
            continue;
        }
        let mut answer = json!({ "value": change["after"] });
        if let Some(ty) = plan["planned_values"]["outputs"][&name].get("type") {
            answer["type"] = ty.clone();
        }
        match &change["after_unknown"] {
            Value::Bool(false) => {}
            unknown => answer["unknown"] = unknown.clone(),
        }
        found.insert(at, answer);
    }
    found
}
