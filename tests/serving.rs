//! What an endpoint can do and what it refuses, through the program as a person runs it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::{Value as Json, json};
use support::http::Client;
use support::{Output, Project};

const MAIN: &str = r#"
project "serving" {}

provider "local" "here" {}

environment "local" {
  provider = provider.local.here
}

model "m" {
  serve   = "serve:Model"
  aliases = ["live"]
}

pipeline "make" {
  step "fit" {
    code    = "src"
    run     = "mkdir ${output.model} && echo 7 > ${output.model}/value"
    outputs = { model = "model" }
  }
  step "register" {
    register = model.m
    alias    = "live"
    from     = step.fit.model
  }
}

endpoint "e" {
  port  = PORT
  model = model.m.alias.live
}
"#;

const SERVE: &str = r#"
import os, time

class Model:
    @classmethod
    def load(cls, path):
        with open(os.path.join(path, "value")) as file:
            return cls(int(file.read()))

    def __init__(self, value):
        self.value = value

    def predict(self, rows):
        return [os.environ.get(row.get("ask", ""), self.value) for row in rows]

class Slow(Model):
    @classmethod
    def load(cls, path):
        time.sleep(1000)
"#;

/// Answers on its port, whatever it is asked: well on `/healthz`, and else with what its argument says.
const PROGRAM: &str = r#"
import http.server, os, sys, time

class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, text):
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self):
        self.answer("{}")

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if sys.argv[1] == "slow":
            time.sleep(1000)
        self.answer('{"predictions": [%s]}' % open(os.environ["MLP_MODEL"] + "/value").read() if sys.argv[1] == "well" else "garbage")

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["MLP_PORT"])), Handler).serve_forever()
"#;

fn project() -> Project {
    let project = Project::of(&[("main.mlp", MAIN), ("src/serve.py", SERVE)]);
    std::fs::create_dir(project.directory().join("server")).unwrap();
    std::fs::write(project.directory().join("server/app.py"), PROGRAM).unwrap();
    project
}

fn up(project: &Project) -> Output {
    project.mlp(&["up", "-e", "local", "--auto-approve"])
}

fn post(project: &Project, body: &Json) -> (u16, Json) {
    let (status, body) =
        Client::connect(project.ports[0]).unwrap().post("/v1/predict", &body.to_string()).unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

fn predict(project: &Project) -> (u16, Json) {
    post(project, &json!({"rows": [{}]}))
}

/// An apply that cannot succeed names the user's line and leaves no worker.
#[track_caller]
fn fails(project: &Project, words: &str, line: &str) {
    let at = format!("main.mlp:{}", project.line_of(line));
    let said = up(project).says(words).says(&at);
    // Nothing was done, or all but the endpoint.
    assert!(matches!(said.code, Some(1 | 15)), "{said}");
    let workers = project.running().into_iter().filter(|one| one.environment.contains("MLP_REPLICA="));
    assert_eq!(workers.count(), 0, "a replica is left");
    assert!(Client::connect(project.ports[0]).is_err(), "something listens");
}

#[test]
fn what_cannot_start_is_said_at_its_line_and_leaves_nothing() {
    let project = project();
    project.edit("\"serve:Model\"", "\"serve:Missing\"");
    fails(&project, "has no class `Missing`", "endpoint \"e\"");
    project.edit(
        "  model = model.m.alias.live\n",
        "  model    = model.m.alias.live\n  serve    = \"serve:Slow\"\n  timeouts = { create = \"1s\" }\n",
    );
    fails(&project, "did not answer within 1 s", "endpoint \"e\"");
    project.edit("  serve    = \"serve:Slow\"\n", "  serve    = \"exit 7; # ./\"\n");
    fails(&project, "exit code 7", "endpoint \"e\"");
    // The port is another program's.
    let held = std::net::TcpListener::bind(("127.0.0.1", project.ports[0])).unwrap();
    project.edit("\"exit 7; # ./\"", "\"serve:Model\"");
    let line = format!("main.mlp:{}", project.line_of("port  = "));
    assert_ne!(up(&project).says("is taken by another program").says(&line).code, Some(0));
    drop(held);
    up(&project).ended(0);
    assert_eq!(
        predict(&project),
        (200, json!({"predictions": [7], "variant": "main", "model": "model.m", "version": 1}))
    );
    // What is on this machine needs no way to it.
    let forward = project.mlp(&["forward", "endpoint.e", "-e", "local"]).ended(1);
    forward.says("MLP0931").says("is here already: http://127.0.0.1:");
}

#[test]
fn a_component_serves_by_a_command_and_a_bad_variant_harms_no_other() {
    let project = project();
    let text = project.text();
    let component = |name: &str| {
        format!(
            "\ncomponent \"{name}\" {{\n  code  = \"server\"\n  serve = \"exec python3 app.py {name}\"\n}}\n"
        )
    };
    std::fs::write(
        project.directory().join("main.mlp"),
        text + &component("well") + &component("garbage") + &component("slow"),
    )
    .unwrap();
    project.edit(
        "  model = model.m.alias.live\n",
        "  model   = model.m.alias.live\n  timeout = \"1s\"\n  serve   = component.well\n",
    );
    up(&project).ended(0);
    assert_eq!(predict(&project).1["predictions"], json!([7]));
    for (serve, status, code) in [("garbage", 502, "bad_answer"), ("slow", 504, "timeout")] {
        let before = if serve == "garbage" { "well" } else { "garbage" };
        project.edit(&format!("serve   = component.{before}"), &format!("serve   = component.{serve}"));
        project.mlp(&["apply", "-e", "local", "--auto-approve"]).ended(0);
        let (found, answer) = predict(&project);
        assert_eq!((found, &answer["error"]["code"]), (status, &json!(code)), "{answer}");
    }
    // What serves nothing is refused where it is named.
    project.edit("  serve = \"exec python3 app.py garbage\"\n", "");
    project.edit("component.slow", "component.garbage");
    let line = format!("main.mlp:{}", project.line_of("serve   = component"));
    project.mlp(&["plan", "-e", "local"]).ended(1).says("serves nothing").says(&line);
}

#[test]
fn keys_and_secrets_come_from_the_environment_of_the_command() {
    let project = project();
    let text = project.text();
    let secrets = "\nsecret \"keys\" {\n  from = \"env:SERVING_KEYS\"\n}\n\nsecret \"token\" {\n  from = \"env:SERVING_TOKEN\"\n}\n";
    std::fs::write(project.directory().join("main.mlp"), text + secrets).unwrap();
    project.edit(
        "  model = model.m.alias.live\n",
        "  model   = model.m.alias.live\n  auth    = { keys_from = secret.keys }\n  secrets = { TOKEN = secret.token }\n  limits  = { requests = \"3/h\", body = \"1KiB\", concurrency = 8 }\n",
    );
    up(&project).ended(1).says("has no variable `SERVING_KEYS`").says("env:SERVING_TOKEN");
    let variables = [("SERVING_KEYS", "one\ntwo"), ("SERVING_TOKEN", "canary")];
    project.mlp_with(&["up", "-e", "local", "--auto-approve"], &variables).ended(0);
    let with = |key: &str, body: &Json| {
        let mut client = Client::connect(project.ports[0]).unwrap();
        let header = format!("Authorization: Bearer {key}");
        let (status, body) = client.post_with("/v1/predict", &header, &body.to_string()).unwrap();
        (status, serde_json::from_str::<Json>(&body).unwrap())
    };
    let rows = json!({"rows": [{"ask": "TOKEN"}]});
    assert_eq!(predict(&project).0, 401);
    assert_eq!(with("three", &rows).0, 401);
    assert_eq!(with("one", &rows).1["predictions"], json!(["canary"]));
    assert_eq!(with("one", &json!({"rows": [{"ask": "x".repeat(2_000)}]})).0, 413);
    assert_eq!(with("one", &rows).0, 200);
    assert_eq!(with("one", &rows).0, 429);
    assert_eq!(with("two", &rows).0, 200);
    // The values are nowhere in what is kept.
    for path in support::files(&project.directory().join(".mlp").join("local"), "") {
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(6).any(|part| part == b"canary"), "{} has the secret", path.display());
    }
}

#[test]
fn a_gpu_belongs_to_one_variant() {
    let project = project();
    project.edit(
        "provider \"local\" \"here\" {}",
        "provider \"local\" \"here\" {\n  accelerators = [\"A10G\", \"L4\"]\n}",
    );
    let two = "  accelerator = { name = \"A10G\" }\n  variant \"a\" {\n    model   = model.m.alias.live\n    traffic = 50\n  }\n  variant \"b\" {\n    model   = model.m.alias.live\n    traffic = 50\n  }\n";
    project.edit("  model = model.m.alias.live\n", two);
    let line = format!("main.mlp:{}", project.line_of("accelerator = "));
    let refused = project.mlp(&["plan", "-e", "local"]).ended(1).says(&line);
    refused.says("given to variant `a` of endpoint.e");
    // With two that fit, each has its own, and a run does not get them.
    project.edit("name = \"A10G\"", "name = [\"A10G\", \"L4\"]");
    up(&project).ended(0);
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..20 {
        let (status, answer) = post(&project, &json!({"rows": [{"ask": "CUDA_VISIBLE_DEVICES"}]}));
        assert_eq!(status, 200, "{answer}");
        seen.insert(answer["variant"].as_str().unwrap().to_owned(), answer["predictions"][0].clone());
    }
    assert_eq!(seen, [("a".to_owned(), json!("0")), ("b".to_owned(), json!("1"))].into());
    let lock = std::fs::File::open(project.directory().join(".mlp/gpu/gpu-0")).unwrap();
    assert!(lock.try_lock().is_err(), "a run could take the GPU");
}

#[test]
fn what_an_endpoint_cannot_do_is_refused_at_its_line() {
    let refused = |before: &str, after: &str, words: &str, line: &str| {
        let project = project();
        let text = project.text();
        let more = "\nsource \"s\" {\n  kind = \"file\"\n  uri  = \"main.mlp\"\n}\n\ndataset \"read\" {\n  from   = [source.s]\n  format = \"csv\"\n}\n";
        std::fs::write(project.directory().join("main.mlp"), text + more).unwrap();
        project.edit(before, after);
        let at = format!("main.mlp:{}", project.line_of(line));
        project.mlp(&["plan", "-e", "local"]).ended(1).says(words).says(&at);
    };
    let model = "  model = model.m.alias.live\n";
    let with = |line: &str| format!("  model = model.m.alias.live\n  {line}\n");
    let graph = |input: &str, output: &str| {
        format!(
            "  graph {{\n    node \"a\" {{\n      model = model.m.alias.live\n      {input}\n    }}\n    {output}\n  }}\n"
        )
    };
    for (after, words, line) in [
        (with("capture = { to = dataset.read }"), "nothing can be recorded", "capture"),
        (with("limits = { requests = \"3/h\" }"), "nobody can tell one caller", "limits"),
        (
            with("limits = { per = \"endpoint\", tokens = \"3/h\" }"),
            "`limits.tokens` is not served",
            "limits",
        ),
        (with("scaling = { min = 1, target = 3 }"), "follows nothing", "scaling"),
        (with("scaling = { max = 3, metric = \"queue_depth\" }"), "scaling by `queue_depth`", "scaling"),
        (with("serve = \"serve.Model\""), "neither `module:Class` nor a command", "serve = \"serve.Model\""),
        (with("accelerator = { name = \"A10G\" }"), "this machine has no GPU", "accelerator"),
        (graph("input = node.a.x", "output = node.a"), "waits for itself", "input = node.a.x"),
        (graph("", "output = node.b"), "no node `b`", "output = node.b"),
        (model.to_owned() + &graph("", "output = node.a"), "not both", "  model = model.m"),
    ] {
        refused(model, &after, words, line);
    }
}
