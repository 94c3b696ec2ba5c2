//! What editors read: the extension's files agree with the language, and its grammar highlights as it should.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

fn json(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(support::folder("editors/vscode").join(path)).unwrap())
        .unwrap()
}

#[test]
fn the_grammar_knows_every_block() {
    let grammar = json("syntaxes/mlp.tmLanguage.json");
    let pattern = grammar["repository"]["block"]["patterns"][0]["match"].as_str().unwrap();
    let words = pattern.split('(').nth(1).unwrap().split(')').next().unwrap();
    let known: BTreeSet<&str> = words.split('|').collect();
    let wanted: BTreeSet<&str> = mlp_platform::kinds::KINDS.iter().map(|kind| kind.name).collect();
    assert_eq!(known, wanted, "editors/vscode/syntaxes/mlp.tmLanguage.json, `block`");
}

#[test]
fn the_extension_names_files_that_are_there() {
    let package = json("package.json");
    let contributes = &package["contributes"];
    for path in
        [&package["main"], &contributes["languages"][0]["configuration"], &contributes["grammars"][0]["path"]]
    {
        assert!(support::folder("editors/vscode").join(path.as_str().unwrap()).is_file(), "{path}");
    }
    json("language-configuration.json");
    assert_eq!(package["version"], env!("CARGO_PKG_VERSION"));
    let source = std::fs::read_to_string(support::folder("editors/vscode").join("extension.js")).unwrap();
    assert!(source.contains("args: [\"lsp\"]"));
}

/// Where the engine that highlights in the editor is installed.
fn engine() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let modules = home.join(".cache/mlp-tools/textmate/node_modules");
    let has_node = Command::new("node")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    (has_node && modules.join("vscode-textmate").is_dir()).then_some(modules)
}

#[test]
fn the_extension_starts_the_server_and_ends_it() {
    let node = Command::new("node").arg("--version").stdout(Stdio::null()).status();
    if !node.is_ok_and(|status| status.success()) {
        return support::skip("node is not here");
    }
    let mut command = Command::new("node");
    let said = support::run(command.arg(support::folder("editors/vscode").join("test/load.js"))).ended(0);
    let wanted = ["command mlp.restart", "server /some/mlp lsp", "started", "stopped", "done"];
    assert_eq!(said.stdout.lines().collect::<Vec<_>>(), wanted, "{said}");
}

/// The tokens of a text: line, text, scopes.
fn tokens(modules: &PathBuf, text: &str) -> Vec<(usize, String, String)> {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("x.mlp");
    std::fs::write(&file, text).unwrap();
    let folder = support::folder("editors/vscode");
    let mut command = Command::new("node");
    command.arg(folder.join("test/tokens.js")).arg(folder.join("syntaxes/mlp.tmLanguage.json")).arg(&file);
    let said = support::run(command.env("NODE_PATH", modules)).ended(0);
    let line = |line: &str| {
        let mut parts = line.split('\t');
        let mut next = || parts.next().unwrap_or_default().to_owned();
        (next().parse().unwrap(), next(), next())
    };
    said.stdout.lines().map(line).collect()
}

const SAMPLE: &str = r#"# a comment
endpoint "fraud" { // another
  kind    = "on\"line ${upper(var.x)} $${no}"
  weight  = 1.5e3 + -2
  open    = true && model.m.alias.champion != null
  variant "stable" { traffic = 5 }
  text    = <<-EOT
    plain %{ if true }yes %{ for a in b }${a}%{ endfor }%{ endif } "quoted"
  EOT
  list    = [for k, v in { a = 1 } : v... if k == "a"] /* x */
}
dataset.x
"#;

#[test]
fn the_grammar_highlights_as_an_editor_does() {
    let Some(modules) = engine() else { return support::skip("node with vscode-textmate is not here") };
    let found = tokens(&modules, SAMPLE);
    for (line, text, scope) in [
        (1, " a comment", "comment.line"),
        (2, "endpoint", "storage.type.block"),
        (2, "\"fraud\"", "entity.name.label"),
        (2, " another", "comment.line"),
        (3, "kind", "variable.other.property"),
        (3, "\\\"", "constant.character.escape"),
        (3, "upper", "entity.name.function"),
        (3, "var", "variable.language"),
        (3, ".x", "variable.other.member"),
        (3, "$$", "constant.character.escape"),
        (3, "{no}", "string.quoted"),
        (4, "1.5e3", "constant.numeric"),
        (4, "+", "keyword.operator.arithmetic"),
        (5, "true", "constant.language"),
        (5, "model", "variable.language"),
        (5, ".m.alias.champion", "variable.other.member"),
        (5, "null", "constant.language"),
        (6, "variant", "entity.name.tag"),
        (6, "traffic", "variable.other.property"),
        (6, "5", "constant.numeric"),
        (7, "EOT", "keyword.control.heredoc"),
        (8, "if", "keyword.control"),
        (8, "for", "keyword.control"),
        (8, " \"quoted\"", "string.unquoted.heredoc"),
        (9, "EOT", "keyword.control.heredoc"),
        (10, "for", "keyword.control"),
        (10, "...", "keyword.operator.splat"),
        (10, " x ", "comment.block"),
        (12, "dataset", "variable.language"),
    ] {
        let is_it =
            |token: &&(usize, String, String)| token.0 == line && token.1 == text && token.2.contains(scope);
        assert!(found.iter().any(|token| is_it(&token)), "{line}: {text:?} as {scope}: {found:#?}");
    }
}

#[test]
fn every_word_of_the_references_is_highlighted() {
    let Some(modules) = engine() else { return support::skip("node with vscode-textmate is not here") };
    for name in ["fraud", "support-llm"] {
        let path = support::folder("tests/reference").join(name).join("main.mlp");
        let text = std::fs::read_to_string(path).unwrap();
        let found = tokens(&modules, &text);
        let plain: Vec<_> = found.iter().filter(|(_, _, scopes)| scopes.is_empty()).collect();
        // A bare name is no reference: `number` as a type, `dataset` as the name of a kind.
        let allowed = |text: &str| text.trim().chars().all(|c| c.is_alphanumeric() || c == '_');
        assert!(plain.iter().all(|(_, text, _)| allowed(text)), "{name}: {plain:?}");
        let comments = text.lines().filter(|line| line.trim_start().starts_with('#')).count();
        let found_comments =
            found.iter().filter(|(_, text, scopes)| text == "#" && scopes.contains("comment")).count();
        assert!(found_comments >= comments, "{name}: {found_comments} of {comments}");
    }
}
