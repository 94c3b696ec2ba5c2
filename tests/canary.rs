//! A canary in every place where a secret may be, and a search for it, its base64 and its hex in everything that comes out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use support::http::Client;
use support::{Output, Project, files};

/// The canaries, by the place where each is planted. None is part of another.
const PLANTED: &[(&str, &str)] = &[
    ("MLP_VAR_token", "canary-variable-7f3a1c"),
    ("CANARY_KEYS", "canary-endpoint-key-19be"),
    ("CANARY_STEP", "canary-step-secret-c4d2"),
    ("CANARY_SERVER", "canary-server-secret-88e1"),
    ("CANARY_WEB", "canary-source-password-5b"),
    ("CANARY_BASIC", "ann:canary-basic-auth-2d9f"),
];
/// One that lies in a file of the project.
const FILE: &str = "canary-in-a-file-61aa0";

const MAIN: &str = r#"
project "canary" {}
provider "local" "here" {}
environment "local" { provider = provider.local.here }

variable "token" {
  type      = string
  sensitive = true
}
secret "keys" { from = "env:CANARY_KEYS" }
secret "step" { from = "env:CANARY_STEP" }
secret "file" { from = "file:hidden.txt" }
secret "server" { from = "env:CANARY_SERVER" }
secret "web" { from = "env:CANARY_WEB" }
secret "basic" { from = "env:CANARY_BASIC" }

source "web" {
  kind   = "http"
  uri    = "http://127.0.0.1:SITE/token.csv"
  secret = secret.web
}
source "basic" {
  kind   = "http"
  uri    = "http://127.0.0.1:SITE/basic.csv"
  secret = secret.basic
  auth   = "basic"
}
dataset "web" { from = [source.web] }
dataset "basic" { from = [source.basic] }
dataset "seen" {
  format  = "jsonl"
  version = "append-only"
}

resource "local_value" "alone" { input = var.token }
resource "local_value" "joined" {
  input = {
    url    = "https://me:${var.token}@host/${upper(var.token)}"
    list   = ["plain", base64encode(var.token)]
    header = { authorization = "Bearer ${var.token}" }
  }
}
output "hidden" {
  value     = "is ${var.token}"
  sensitive = true
}

model "m" {
  serve   = "serve:Model"
  aliases = ["live"]
}
pipeline "make" {
  step "fit" {
    code    = "src"
    run     = "python3 fit.py"
    secrets = { STEP = secret.step, FILE = secret.file }
    outputs = { model = "model" }
  }
  step "register" {
    register = model.m
    alias    = "live"
    from     = step.fit.model
  }
}
pipeline "crash" {
  step "crash" {
    code    = "src"
    run     = "python3 crash.py"
    secrets = { STEP = secret.step }
  }
}
endpoint "e" {
  port    = PORT
  model   = model.m.alias.live
  auth    = { keys_from = secret.keys }
  secrets = { SERVER = secret.server }
  capture = { to = dataset.seen }
}
"#;

const FIT: &str = r#"
import os
for name in ("STEP", "FILE"):
    print("the secret is", os.environ[name], flush=True)
os.mkdir(os.environ["MLP_OUTPUT_model"])
open(os.path.join(os.environ["MLP_OUTPUT_model"], "value"), "w").write("7")
"#;

const CRASH: &str = r#"
import os
raise RuntimeError("cannot use " + os.environ["STEP"])
"#;

const SERVE: &str = r#"
import os, sys

print("starting with", os.environ["SERVER"], flush=True)

class Model:
    @classmethod
    def load(cls, path):
        return cls()

    def predict(self, rows):
        if rows[0].get("crash"):
            raise RuntimeError("cannot use " + os.environ["SERVER"])
        if rows[0].get("die"):
            print("dying with", os.environ["SERVER"], file=sys.stderr, flush=True)
            os._exit(3)
        return [7 for _ in rows]
"#;

/// A web server that answers once it is asked rightly, and shows what it was asked with where it refuses.
fn web(refuses: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut head = Vec::new();
            let mut part = [0; 1024];
            while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
                match stream.read(&mut part) {
                    Ok(count @ 1..) => head.extend_from_slice(&part[..count]),
                    _ => break,
                }
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let refused = refuses.load(Ordering::Relaxed);
            let (status, body) = match refused {
                true => ("403 You sent this", format!("denied: {head}")),
                false => ("200 OK", "id,x\n1,2\n".to_owned()),
            };
            let reason = if refused { head.lines().collect::<Vec<_>>().join(" ") } else { String::new() };
            let answer = format!(
                "HTTP/1.1 {status} {reason}\r\nETag: \"1\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
                body.len(),
                if head.starts_with("HEAD") { "" } else { &body }
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    port
}

const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 of what certainly comes of these bytes wherever they lie in longer ones: from the offset, without the edges.
fn base64(bytes: &[u8], offset: usize) -> String {
    let shifted = [vec![0; offset], bytes.to_vec()].concat();
    let text: String = shifted
        .chunks_exact(3)
        .flat_map(|three| {
            let number = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
            [18, 12, 6, 0].map(|by| char::from(DIGITS[(number >> by & 63) as usize]))
        })
        .collect();
    text.chars().skip(if offset == 0 { 0 } else { 4 }).collect()
}

/// The forms in which a canary would be known.
fn forms() -> Vec<(String, String)> {
    let mut all = Vec::new();
    let planted = PLANTED.iter().copied().chain([("a file", FILE)]);
    for (place, value) in planted {
        let value = value.rsplit(':').next().unwrap();
        let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
        let mut forms = vec![value.to_owned(), value.to_uppercase(), hex.to_uppercase(), hex];
        forms.extend((0..3).map(|offset| base64(value.as_bytes(), offset)));
        all.extend(forms.into_iter().map(|form| (place.to_owned(), form)));
    }
    all
}

/// Fails if any canary stands there in any form.
fn found(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    forms()
        .into_iter()
        .find(|(_, form)| text.contains(form.as_str()))
        .map(|(place, form)| format!("{form} of {place}"))
}

/// Everything that was found, with where.
#[derive(Default)]
struct Search(Mutex<BTreeMap<String, String>>);

impl Search {
    fn look(&self, place: &str, text: &[u8]) {
        if let Some(what) = found(text) {
            let at = text.iter().take(4000).copied().collect::<Vec<u8>>();
            let shown = format!("{what}\n{}", String::from_utf8_lossy(&at));
            self.0.lock().unwrap().insert(place.to_owned(), shown);
        }
    }

    fn output(&self, output: &Output) {
        self.look(&format!("stdout of {}", output.line), output.stdout.as_bytes());
        self.look(&format!("stderr of {}", output.line), output.stderr.as_bytes());
    }

    /// Files of a directory, less those that are the secret itself.
    fn files(&self, project: &Project) {
        for path in files(&project.directory(), "") {
            if !path.ends_with("hidden.txt") {
                self.look(&path.display().to_string(), &std::fs::read(&path).unwrap_or_default());
            }
        }
    }

    /// Command lines of all processes of this machine, over and over until it is told to stop.
    fn processes(search: Arc<Self>, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<usize> {
        std::thread::spawn(move || {
            let mut seen = 0;
            while !stop.load(Ordering::Relaxed) {
                for entry in std::fs::read_dir("/proc").unwrap().flatten() {
                    let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                    seen += usize::from(!line.is_empty());
                    search.look(&format!("{}", entry.path().join("cmdline").display()), &line);
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            seen
        })
    }
}

/// All that a person can ask for.
const QUESTIONS: &[&[&str]] = &[
    &["plan"],
    &["plan", "--json"],
    &["plan", "--verbose", "-out=a.plan"],
    &["plan", "--format", "markdown"],
    &["plan", "--format", "html"],
    &["show", "a.plan"],
    &["show", "a.plan", "--json"],
    &["show", "a.plan", "--format", "html"],
    &["show"],
    &["show", "--json"],
    &["drift", "--json"],
    &["status"],
    &["status", "--json"],
    &["output"],
    &["runs"],
    &["runs", "--json"],
    &["logs", "pipeline.make", "fit"],
    &["logs", "pipeline.crash", "crash"],
    &["logs", "endpoint.e"],
    &["validate"],
    &["gc", "--dry-run"],
];

struct World {
    project: Project,
    search: Arc<Search>,
    refuses: Arc<AtomicBool>,
}

impl World {
    fn new() -> Self {
        let refuses = Arc::new(AtomicBool::new(false));
        let main = MAIN.replace("SITE", &web(refuses.clone()).to_string());
        let files = [
            ("main.mlp", main.as_str()),
            ("src/fit.py", FIT),
            ("src/crash.py", CRASH),
            ("src/serve.py", SERVE),
        ];
        let project = Project::of(&files);
        project.write("hidden.txt", FILE);
        Self { project, search: Arc::default(), refuses }
    }

    /// Runs the program with the canaries in its environment.
    fn mlp(&self, arguments: &[&str]) -> Output {
        let output = self.project.mlp_with(&[arguments, &["-e", "local"]].concat(), PLANTED);
        self.search.output(&output);
        output
    }

    fn post(&self, row: &serde_json::Value) -> u16 {
        let header = format!("Authorization: Bearer {}", PLANTED[1].1);
        let mut client = Client::connect(self.project.ports[0]).unwrap();
        let body = json!({ "rows": [row] }).to_string();
        let Ok((status, body)) = client.post_with("/v1/predict", &header, &body) else { return 0 };
        self.search.look("an answer of the endpoint", body.as_bytes());
        status
    }
}

#[test]
fn no_secret_comes_out_anywhere() {
    let world = World::new();
    let stop = Arc::new(AtomicBool::new(false));
    let watcher = Search::processes(world.search.clone(), stop.clone());
    world.mlp(&["plan", "-out=a.plan"]).ended(0);
    world.mlp(&["apply", "a.plan", "--json"]).ended(0);
    world.mlp(&["up", "--auto-approve"]).ended(0);
    world.mlp(&["run", "pipeline.crash"]).ended(1).says("(sensitive)");
    assert_eq!(world.post(&json!({"x": 1})), 200);
    assert_ne!(world.post(&json!({"crash": true})), 200);
    assert_ne!(world.post(&json!({"die": true})), 200);
    for question in QUESTIONS {
        world.mlp(question);
    }
    // A server that echoes what it is asked with, and errors about the values themselves.
    world.refuses.store(true, Ordering::Relaxed);
    world.mlp(&["plan"]).ended(1).says("403");
    world.refuses.store(false, Ordering::Relaxed);
    let text = world.project.text();
    for wrong in [
        "resource \"local_value\" \"wrong\" { input = tonumber(var.token) }\n",
        "resource \"local_value\" \"wrong\" { input = jsondecode(var.token) }\n",
        "resource \"local_value\" \"wrong\" { input = { a = 1 }[var.token] }\n",
        "dataset \"wrong\" { version = var.token }\n",
        "dataset \"wrong\" { from = [var.token] }\n",
        "check \"wrong\" { on = dataset.web\n assert = var.token }\n",
        "output \"wrong\" { value = var.token }\n",
        "locals { wrong = file(var.token) }\nresource \"local_value\" \"w\" { input = local.wrong }\n",
        "resource \"local_value\" \"w\" {\n for_each = [var.token]\n input = each.key\n}\n",
    ] {
        world.project.write("main.mlp", &format!("{text}{wrong}"));
        world.mlp(&["plan"]);
        world.mlp(&["plan", "--json"]);
    }
    let checked = text.replace(
        "  type      = string\n",
        "  type      = string\n  validation {\n    condition     = length(var.token) > 1000\n    error_message = \"too short: ${var.token}\"\n  }\n",
    );
    world.project.write("main.mlp", &checked);
    world.mlp(&["plan"]).ended(1).says("MLP0313");
    world.project.write("main.mlp", &text);
    world.search.files(&world.project);
    world.mlp(&["destroy", "--auto-approve"]).ended(0);
    world.search.files(&world.project);
    stop.store(true, Ordering::Relaxed);
    assert!(watcher.join().unwrap() > 100, "no process was looked at");
    let leaks = world.search.0.lock().unwrap();
    let all: Vec<String> = leaks.iter().map(|(place, what)| format!("=== {place}: {what}")).collect();
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn the_search_finds_what_is_there() {
    let value = PLANTED[2].1;
    for bytes in [
        format!("x{value}y").into_bytes(),
        value.to_uppercase().into_bytes(),
        value.bytes().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes(),
        base64(format!("user:{value}!!").as_bytes(), 0).into_bytes(),
        base64(format!("u:{value}!").as_bytes(), 0).into_bytes(),
        base64(format!("me:{value}!!!").as_bytes(), 0).into_bytes(),
    ] {
        assert!(found(&bytes).is_some(), "{}", String::from_utf8_lossy(&bytes));
    }
    assert_eq!(found(b"nothing of the kind, canary"), None);
}
