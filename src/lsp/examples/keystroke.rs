//! How long a keystroke takes in a large project: from the change to the diagnostics of all of it.
//!
//! `cargo run --release -p mlp-lsp --example keystroke -- 10000`
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use mlp_lsp::{Host, Server};
use mlp_value::facts::{Fact, Need};
use serde_json::{Value, json};

#[path = "../../config/examples/mixed/mod.rs"]
mod mixed;

/// Files in memory.
struct Files(BTreeMap<String, String>);

impl Host for Files {
    fn read(&self, path: &str) -> Option<String> {
        self.0.get(path).cloned()
    }

    fn names(&self, directory: &str, ending: &str) -> Vec<String> {
        let all = self.0.keys().filter(|name| directory == "." && name.ends_with(ending));
        all.cloned().collect()
    }

    fn was_applied(&self) -> bool {
        false
    }

    fn answer(&self, _: &str, _: &Need) -> Fact {
        Fact::Missing
    }
}

const HEAD: &str = "project \"p\" {}\nprovider \"local\" \"here\" {}\nenvironment \"local\" {\n  provider = provider.local.here\n}\nvariable \"v\" {\n  default = 2\n}\n";

fn tell(server: &mut Server, message: &Value) {
    server.hear(message.to_string().as_bytes()).unwrap();
}

fn main() {
    let count = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let all: Vec<String> = (0..count).map(mixed::block).collect();
    let mut files = BTreeMap::from([("main.mlp".to_owned(), HEAD.to_owned())]);
    for (number, part) in all.chunks(1000).enumerate() {
        files.insert(format!("part{number:03}.mlp"), part.concat());
    }
    let (name, text) =
        files.iter().nth(files.len() / 2).map(|(name, text)| (name.clone(), text.clone())).unwrap();
    let line = text[..text.find("  kind").unwrap()].lines().count();
    let files = Arc::new(Files(files));
    let mut server = Server::new(Box::new(move |_: &Path| files.clone()));
    let uri = format!("file:///p/{name}");
    let began = Instant::now();
    tell(
        &mut server,
        &json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": { "capabilities": {}, "rootUri": "file:///p" } }),
    );
    tell(&mut server, &json!({ "jsonrpc": "2.0", "method": "initialized", "params": {} }));
    let document = json!({ "uri": uri, "languageId": "mlp", "version": 1, "text": text });
    tell(
        &mut server,
        &json!({ "jsonrpc": "2.0", "method": "textDocument/didOpen", "params": { "textDocument": document } }),
    );
    server.settle();
    println!("{count} blocks opened and checked: {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    let (mut taken_over, mut checked) = (Vec::new(), Vec::new());
    for round in 0..20 {
        let start = json!({ "line": line, "character": 3 });
        let (end, with) =
            if round % 2 == 0 { (start.clone(), "x") } else { (json!({ "line": line, "character": 4 }), "") };
        let change = json!({ "range": { "start": start, "end": end }, "text": with });
        let params =
            json!({ "textDocument": { "uri": uri, "version": round + 2 }, "contentChanges": [change] });
        let began = Instant::now();
        tell(&mut server, &json!({ "jsonrpc": "2.0", "method": "textDocument/didChange", "params": params }));
        taken_over.push(began.elapsed().as_secs_f64() * 1e3);
        let said = server.settle();
        checked.push(began.elapsed().as_secs_f64() * 1e3);
        let mut out = String::new();
        write!(out, "{said:?}").unwrap();
        assert!(!said.is_empty(), "nothing was said of {out}");
    }
    for (what, mut times) in [("text read", taken_over), ("all of it checked", checked)] {
        times.sort_by(f64::total_cmp);
        println!(
            "keystroke to {what}: median {:.1} ms, most {:.1} ms",
            times[times.len() / 2],
            times[times.len() - 1]
        );
    }
}
