//! Broken text in, a diagnostic out: never a panic. Mutations of the specifications that are there, from a seed.
//!
//! `MLP_FUZZ_SECONDS` bounds each target (a second each by default); `MLP_FUZZ_SEED` repeats a run.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mlp_config::{Inputs, environments, resolve};
use mlp_diag::{FileId, SourceMap};
use mlp_eval::{Expr, Resolved, Scope, Traversal, evaluate};
use mlp_plan::Plan;
use mlp_state::{DirStore, Store};
use mlp_value::facts::Facts;

/// Stack enough for the deepest nesting that the parser lets through, as the program itself has.
const STACK: usize = 256 << 20;

/// An input that takes so long counts as one that never ends.
const STUCK: Duration = Duration::from_secs(60);

/// Marsaglia's xorshift: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// What parsers stumble over.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\"",
    "${",
    "%{",
    "%{ if true }",
    "%{ endif }",
    "<<EOT\n",
    "EOT\n",
    "\\",
    "\\u00",
    "\\U0010ffff",
    "#",
    "/*",
    "*/",
    "//",
    "\r\n",
    "\n",
    "\t",
    "\0",
    "\u{feff}",
    "\u{2028}",
    "é",
    "🦀",
    "=",
    "==",
    "=>",
    "...",
    ".",
    ",",
    "?",
    ":",
    "!",
    "-",
    "&&",
    "||",
    "*",
    "/",
    "%",
    "1e999999999",
    "0x",
    "999999999999999999999999999999",
    "-0",
    "1e-400",
    "null",
    "true",
    "for",
    "if",
    "in",
    "for x in ",
    "[*]",
    ".*",
    "[0]",
    "each.key",
    "var.",
    "local.x",
    "path.root",
    "resource \"a_b\" \"c\" {}\n",
    "locals { a = local.a }\n",
    "for_each = { a = 1 }\n",
    "count = 3\n",
    "environment \"local\" {}\n",
    "project \"p\" {}\n",
    "((((((((((((((((",
    "[[[[[[[[[[[[[[[[[[[[",
    "-!-!-!-!-!-!",
    "${\"${\"${\"",
    "range(1000000000)",
    "format(\"%9999999d\", 1)",
    "regex(\"(a+)+$\", \"aaaaaaaaaaaaaaaaaaaa!\")",
    "join(\",\", [1])",
];

fn mutate(random: &mut Random, corpus: &[String]) -> Vec<u8> {
    let mut bytes = corpus[random.below(corpus.len())].clone().into_bytes();
    // Small inputs are mutated more densely, and are faster.
    if bytes.len() > 400 && random.below(3) > 0 {
        let start = random.below(bytes.len());
        let end = (start + 50 + random.below(1500)).min(bytes.len());
        bytes = bytes[start..end].to_vec();
    }
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(30)).min(bytes.len());
        match random.below(7) {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let piece = PIECES[random.below(PIECES.len())];
                bytes.splice(at..at, piece.bytes());
            }
            2 => {
                let piece = PIECES[random.below(PIECES.len())].repeat(1 + random.below(300));
                bytes.splice(at..at, piece.bytes());
            }
            3 => {
                let copied = bytes[at..end].to_vec();
                let to = random.below(bytes.len() + 1);
                bytes.splice(to..to, copied);
            }
            4 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            5 => {
                let other = corpus[random.below(corpus.len())].as_bytes();
                let from = random.below(other.len());
                let to = (from + random.below(200)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            _ => bytes.truncate(at.max(1)),
        }
    }
    bytes
}

fn corpus() -> Vec<String> {
    let paths = [
        support::files(&support::folder("examples"), ".mlp"),
        support::files(&support::folder("tests/reference"), ".mlp"),
    ];
    let mut texts: Vec<String> =
        paths.concat().iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert!(texts.len() >= 3, "the corpus is too small: {}", texts.len());
    texts.push("locals {\n  a = [for x in [1, 2] : x * 2 if x > 1]\n  b = \"${local.a[0]}-%{ if true }x%{ endif }\"\n}\n".into());
    texts
}

/// Asks one target until the time is up. A panic names the seed and shows the input.
fn fuzz(target: &'static str, corpus: Vec<String>, mut ask: impl FnMut(&[u8]) + Send + 'static) {
    let seconds = std::env::var("MLP_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1.0);
    let seed = std::env::var("MLP_FUZZ_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0x9e37_79b9_7f4a_7c15_u64);
    let current = Arc::new(Mutex::new((0_u64, Vec::new())));
    let told = Arc::clone(&current);
    let work = move || {
        let mut random = Random(seed.max(1));
        let began = Instant::now();
        let mut count = 0_u64;
        while count < 20 || began.elapsed() < Duration::from_secs_f64(seconds) {
            let input = mutate(&mut random, &corpus);
            *told.lock().unwrap() = (count, input.clone());
            if catch_unwind(AssertUnwindSafe(|| ask(&input))).is_err() {
                panic!(
                    "{target}: input {count} of MLP_FUZZ_SEED={seed} panics:\n{:?}",
                    String::from_utf8_lossy(&input)
                );
            }
            count += 1;
        }
        println!("figure: fuzz {target}: {count} inputs in {:.0} s", began.elapsed().as_secs_f64());
    };
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(work).unwrap();
    let mut last = (0, Instant::now());
    while !thread.is_finished() {
        std::thread::sleep(Duration::from_millis(20));
        let (count, input) = current.lock().unwrap().clone();
        if count != last.0 {
            last = (count, Instant::now());
        }
        let shown = String::from_utf8_lossy(&input);
        assert!(
            last.1.elapsed() < STUCK,
            "{target}: input {count} of MLP_FUZZ_SEED={seed} does not end:\n{shown:?}"
        );
    }
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// The tree without the places in it.
fn shape(text: &str) -> Option<String> {
    let (tree, diagnostics) = mlp_syntax::parse(FileId(0), text);
    if !diagnostics.is_empty() {
        return None;
    }
    let spans = format!("{tree:?}");
    let mut plain = String::new();
    let mut rest = spans.as_str();
    while let Some(at) = rest.find("Span {") {
        plain.push_str(&rest[..at]);
        rest = rest[at..].split_once('}').map_or("", |(_, after)| after);
        // The span's file is a struct of its own.
        rest = rest.trim_start_matches([' ', '}']);
    }
    Some(plain + rest)
}

#[test]
fn parsing_never_panics_and_formatting_changes_no_meaning() {
    fuzz("parse and format", corpus(), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let before = shape(&text);
        if let Ok(formatted) = mlp_syntax::format(&text) {
            let Some(before) = before else { return };
            assert_eq!(shape(&formatted).as_ref(), Some(&before), "formatting changed the meaning");
            let again = mlp_syntax::format(&formatted).expect("what was formatted can be formatted");
            assert_eq!(again, formatted, "formatting twice is not formatting once");
        }
    });
}

/// Values in JSON are read where another reader of JSON reads an object, and nowhere else.
#[test]
fn reading_values_in_json_never_panics_and_reads_what_is_json() {
    let corpus = [
        r#"{"a": [1, -2.5, 1e-3, {"b": null}], "c": true, "d": "\u00e9\uD83D\uDE00\/\n ${x}"}"#,
        "{ \"names\": [\"eu\", \"us\"], \"limits\": { \"most\": 8 }, \"empty\": {}, \"none\": [] }\r\n",
    ];
    fuzz("values in JSON", corpus.map(str::to_owned).to_vec(), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let (_, problems) = mlp_syntax::parse_json(FileId(0), &text);
        for problem in &problems {
            let place = problem.place().expect("a mistake has a place");
            assert!(text.get(place.start as usize..place.end as usize).is_some(), "{problem:?}");
        }
        // What only one of the two readers minds: names given twice, depth, numbers beyond a float, a mark of byte order.
        let minded = problems.iter().any(|one| ["MLP0103", "MLP0104"].contains(&one.code.as_str()));
        if minded || text.starts_with('\u{feff}') {
            return;
        }
        match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(value) => assert_eq!(value.is_object(), problems.is_empty(), "{text:?}: {problems:?}"),
            Err(error) if error.to_string().contains("out of range") => {}
            Err(error) => assert!(!problems.is_empty(), "{text:?}: {error}"),
        }
    });
}

#[test]
fn formatting_the_corpus_keeps_its_meaning() {
    for text in corpus() {
        let formatted = mlp_syntax::format(&text).unwrap();
        assert_eq!(shape(&formatted), shape(&text));
        assert!(shape(&text).is_some_and(|shape| !shape.contains("Span")));
    }
}

#[test]
fn resolving_never_panics() {
    fuzz("resolve", corpus(), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let mut sources = SourceMap::default();
        let file = sources.add("main.mlp", text.as_ref());
        let (tree, _) = mlp_syntax::parse(file, &text);
        let mut names = environments(&[&tree]);
        names.push("nowhere".to_owned());
        for environment in names.iter().take(3) {
            let inputs = Inputs {
                trees: &[&tree],
                sources: &sources,
                environment,
                assignments: &[],
                root: ".",
                modules: &[],
            };
            let found = resolve(&inputs, &Facts::default());
            let style = mlp_diag::Style { color: false, width: 80 };
            found.diagnostics.iter().for_each(|one| drop(mlp_diag::render_text(one, &sources, style)));
        }
    });
}

/// Knows two names.
struct Names;

impl Scope for Names {
    fn resolve(
        &self,
        traversal: &Traversal,
        span: Option<mlp_diag::Span>,
    ) -> Result<Resolved, mlp_diag::Diagnostic> {
        let value = match traversal.root.as_ref() {
            "x" => mlp_value::Value::text("a"),
            "xs" => mlp_value::Value::List(vec![mlp_value::Value::text("b"), mlp_value::Value::Null].into()),
            _ => return Err(mlp_diag::Diagnostic::error("MLP0000", "no such name").at_opt(span, "")),
        };
        Ok(Resolved::plain(value, 0, false))
    }
}

/// Every expression below a value of JSON that can be read as one.
fn expressions(json: &serde_json::Value, found: &mut Vec<Expr>) {
    if let Ok(expr) = serde_json::from_value::<Expr>(json.clone()) {
        found.push(expr);
        return;
    }
    match json {
        serde_json::Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        serde_json::Value::Object(items) => items.values().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

#[test]
fn evaluating_what_was_read_from_disk_never_panics() {
    let nodes = [
        r#"{"op":"literal","value":"x"}"#,
        r#"{"op":"literal","value":{"number":"1e9999"}}"#,
        r#"{"op":"traverse","traversal":{"root":"x","steps":[]}}"#,
        r#"{"op":"traverse","traversal":{"root":"xs","steps":[{"index":99999999999}]}}"#,
        r#"{"op":"list","items":[{"op":"literal","value":null},{"op":"traverse","traversal":{"root":"y","steps":[]}}]}"#,
        r#"{"op":"call","name":"range","arguments":[{"op":"literal","value":1}]}"#,
    ];
    fuzz("evaluate", nodes.map(str::to_owned).to_vec(), |bytes| {
        let mut found = Vec::new();
        if let Ok(json) = serde_json::from_slice(bytes) {
            expressions(&json, &mut found);
        }
        found.iter().for_each(|expr| drop(evaluate(expr, &Names)));
    });
}

#[test]
fn decoding_a_plan_never_panics() {
    let plan = support::plan::empty();
    assert!(Plan::from_json(&plan).is_ok(), "{:?}", Plan::from_json(&plan));
    fuzz("plan", vec![plan], |bytes| {
        if let Ok(plan) = Plan::from_json(&String::from_utf8_lossy(bytes)) {
            let options = mlp_plan::RenderOptions { color: false, width: 80, verbose: true };
            drop((mlp_plan::render_text(&plan, options), mlp_plan::render_json(&plan), plan.digest()));
        }
    });
}

#[test]
fn reading_a_damaged_state_never_panics() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("state");
    let store = DirStore::new(&root, "p", "e");
    let writer = store.open(&mlp_state::Holder::here()).unwrap();
    let open = mlp_state::Entry::Open {
        apply: "1".into(),
        who: "ann@here".into(),
        command: "apply".into(),
        when: "2026-01-01T00:00:00Z".into(),
        plan_digest: "0".into(),
        commit: None,
    };
    writer.append(&open).unwrap();
    writer.close("done", "nothing").unwrap();
    let files = support::files(&root, ".json");
    assert!(!files.is_empty(), "the store wrote nothing below {}", root.display());
    let texts = files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let mut turn = 0;
    fuzz("state", texts, move |bytes| {
        let _scratch = &scratch;
        turn += 1;
        let path = &files[turn % files.len()];
        let whole = std::fs::read(path).unwrap();
        std::fs::write(path, bytes).unwrap();
        // A diagnostic is the answer that is wanted, and a state that was not changed after all is one too.
        drop((store.read(), store.history()));
        std::fs::write(path, whole).unwrap();
    });
}

/// A directory that holds nothing.
struct Nothing;

impl mlp_lsp::Host for Nothing {
    fn read(&self, _: &str) -> Option<String> {
        None
    }

    fn names(&self, _: &str, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn was_applied(&self) -> bool {
        true
    }

    fn answer(&self, _: &str, _: &mlp_value::facts::Need) -> mlp_value::facts::Fact {
        mlp_value::facts::Fact::Missing
    }
}

/// A conversation of an editor, one message a line.
fn conversation(text: &str) -> String {
    let uri = "file:///p/main.mlp";
    let at = |line: u32, character: u32| serde_json::json!({ "line": line, "character": character });
    let asked = |id: u32, method: &str, line: u32, character: u32| {
        let params = serde_json::json!({
            "textDocument": { "uri": uri }, "position": at(line, character), "newName": "neu",
            "context": { "includeDeclaration": true, "diagnostics": [] }, "range": { "start": at(line, 0), "end": at(line, 9) },
            "options": { "tabSize": 2, "insertSpaces": true },
        });
        serde_json::json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
    };
    let mut all = vec![
        serde_json::json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": { "capabilities": {}, "rootUri": "file:///p" } }),
        serde_json::json!({ "jsonrpc": "2.0", "method": "initialized", "params": {} }),
        serde_json::json!({ "jsonrpc": "2.0", "method": "textDocument/didOpen", "params": {
            "textDocument": { "uri": uri, "languageId": "mlp", "version": 1, "text": text } } }),
    ];
    let methods = [
        "completion",
        "hover",
        "definition",
        "references",
        "documentHighlight",
        "prepareRename",
        "rename",
        "formatting",
        "documentSymbol",
        "semanticTokens/full",
        "codeAction",
    ];
    for (number, method) in (1..).zip(methods) {
        let change =
            serde_json::json!({ "range": { "start": at(number, 3), "end": at(number, 5) }, "text": "é🦀${" });
        all.push(asked(number, &format!("textDocument/{method}"), number * 7, number));
        all.push(serde_json::json!({ "jsonrpc": "2.0", "method": "textDocument/didChange", "params": {
            "textDocument": { "uri": uri, "version": number }, "contentChanges": [change] } }));
        all.push(asked(number + 100, &format!("textDocument/{method}"), number, 4));
    }
    all.iter().map(|one| format!("{one}\n")).collect()
}

#[test]
fn serving_an_editor_never_panics() {
    let conversations = corpus().iter().map(|text| conversation(text)).collect();
    fuzz("lsp", conversations, |bytes| {
        let mut server = mlp_lsp::Server::new(Box::new(|_| Arc::new(Nothing)));
        for line in bytes.split(|byte| *byte == b'\n') {
            let Some(answers) = server.hear(line) else { break };
            drop(answers);
        }
        drop(server.settle());
    });
}
