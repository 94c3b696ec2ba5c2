//! New versions under load, and supervisors that come and go, through the program as a person runs it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use support::http::Client;
use support::{Project, processes};

const MAIN: &str = r#"
project "tiny" {
  mlp_version = "~> 0.1"
}
provider "local" "here" {}
environment "local" {
  provider = provider.local.here
}
runtime "py" {
  language = "python"
  version  = ">=3.8"
}
pipeline "train" {
  params = { behaviour = "good" }
  step "fit" {
    runtime = runtime.py
    code    = "src"
    run     = "python3 fit.py --model ${output.model} --behaviour ${param.behaviour}"
    params  = { behaviour = param.behaviour }
    outputs = { model = "model" }
  }
  step "register" {
    register = model.m
    alias    = "champion"
    from     = step.fit.model
  }
}
model "m" {
  serve   = "serve:Model"
  aliases = ["champion"]
}
endpoint "m" {
  port = PORT
  variant "stable" {
    model = model.m.alias.champion
  }
  rollout {
    steps    = [50, 100]
    hold     = "HOLD"
    abort_on = [self.error_rate > 0.1, self.p95 > "250ms"]
  }
}
"#;

const FIT: &str = r#"
import argparse, json, os
parser = argparse.ArgumentParser()
parser.add_argument("--model")
parser.add_argument("--behaviour")
asked = parser.parse_args()
os.makedirs(asked.model, exist_ok=True)
with open(os.path.join(asked.model, "model.json"), "w") as file:
    json.dump({"behaviour": asked.behaviour}, file)
"#;

const SERVE: &str = r#"
import json, os, time

class Model:
    def __init__(self, behaviour):
        self.behaviour = behaviour

    @classmethod
    def load(cls, path):
        with open(os.path.join(path, "model.json")) as file:
            behaviour = json.load(file)["behaviour"]
        if behaviour == "absent":
            raise ValueError("this model cannot be loaded")
        return cls(behaviour)

    def predict(self, rows):
        if self.behaviour == "bad":
            raise ValueError("this model fails")
        if self.behaviour == "slow":
            time.sleep(0.5)
        return [1 for _ in rows]
"#;

const ROW: &str = r#"{"rows": [{"x": 1}]}"#;

fn project(hold: &str) -> Project {
    let main = MAIN.replace("HOLD", hold);
    let project = Project::of(&[("main.mlp", &main), ("src/fit.py", FIT), ("src/serve.py", SERVE)]);
    project.mlp(&["up", "-e", "local", "--auto-approve"]).ended(0);
    assert_eq!(versions(&project, 4), [1]);
    project
}

fn train(project: &Project, behaviour: &str) {
    let param = format!("behaviour={behaviour}");
    project.mlp(&["run", "pipeline.train", "-e", "local", "-param", &param]).ended(0);
}

/// The versions that answer so many requests.
fn versions(project: &Project, requests: usize) -> Vec<u64> {
    let mut client = Client::connect(project.ports[0]).unwrap();
    let mut found: Vec<u64> = (0..requests)
        .map(|_| {
            let (status, body) = client.post("/v1/predict", ROW).unwrap();
            assert_eq!(status, 200, "{body}");
            let answer: Json = serde_json::from_str(&body).unwrap();
            assert_eq!(answer["variant"], "stable");
            answer["version"].as_u64().unwrap()
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn status(project: &Project) -> String {
    project.mlp(&["status", "-e", "local"]).ended(0).stdout
}

#[track_caller]
fn nothing_to_do(project: &Project) {
    project.mlp(&["plan", "-e", "local", "-detailed-exitcode"]).ended(0).says("No changes.");
}

/// Asks until the answer is yes, or an attempt too many was made.
#[track_caller]
fn eventually(project: &Project, what: &str, mut ask: impl FnMut() -> bool) {
    let began = Instant::now();
    while !ask() {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "{what} does not come about:\n{}",
            status(project)
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The processes of the project with these words in their command line.
fn pids(project: &Project, words: &str) -> Vec<u32> {
    let mut found: Vec<u32> =
        project.running().iter().filter(|one| one.command.contains(words)).map(|one| one.pid).collect();
    found.sort_unstable();
    found
}

fn supervisor(project: &Project) -> u32 {
    let found = pids(project, "background local");
    assert_eq!(found.len(), 1, "{:?}", project.running());
    found[0]
}

/// Several clients that ask without a pause, each on a connection that it keeps, until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    good: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    fn on(project: &Project) -> Self {
        let (stop, good, failed) = <(Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let port = project.ports[0];
        let clients = (0..4)
            .map(|_| {
                let (stop, good, failed) = (stop.clone(), good.clone(), failed.clone());
                std::thread::spawn(move || {
                    let mut client = None;
                    while !stop.load(Ordering::Relaxed) {
                        let mut open = match client.take() {
                            Some(open) => open,
                            None => match Client::connect(port) {
                                Ok(open) => open,
                                Err(_) => {
                                    failed.fetch_add(1, Ordering::Relaxed);
                                    continue;
                                }
                            },
                        };
                        let answered = matches!(open.post("/v1/predict", ROW), Ok((200, _)));
                        if answered { &good } else { &failed }.fetch_add(1, Ordering::Relaxed);
                        if !open.closes() {
                            client = Some(open);
                        }
                        // The machine has other things to do as well.
                        std::thread::sleep(Duration::from_millis(2));
                    }
                })
            })
            .collect();
        Self { stop, good, failed, clients }
    }

    fn more(&self, requests: u64) {
        let wanted = self.good.load(Ordering::Relaxed) + requests;
        while self.good.load(Ordering::Relaxed) < wanted {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// How many requests failed since this was asked last.
    fn failures(&self) -> u64 {
        self.failed.swap(0, Ordering::Relaxed)
    }

    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().for_each(|client| client.join().unwrap());
        self.failed.load(Ordering::Relaxed)
    }
}

#[test]
fn a_version_that_fails_or_is_slow_is_taken_out_and_a_good_one_takes_over() {
    let project = project("6s");
    let load = Load::on(&project);
    load.more(50);

    train(&project, "bad");
    eventually(&project, "a held version 2", || status(&project).contains("version 2 was taken out"));
    assert_eq!(versions(&project, 20), [1]);
    let failed = load.failures();
    assert!((1..=30).contains(&failed), "{failed} requests failed");
    let said = status(&project);
    assert!(said.contains("requests failed") || said.contains("in a row failed"), "{said}");
    nothing_to_do(&project);

    train(&project, "slow");
    eventually(&project, "a held version 3", || status(&project).contains("version 3 was taken out"));
    assert!(status(&project).contains("self.p95"), "{}", status(&project));
    assert_eq!(versions(&project, 20), [1]);

    train(&project, "absent");
    eventually(&project, "a held version 4", || status(&project).contains("version 4 was taken out"));
    assert!(status(&project).contains("could not be started"), "{}", status(&project));
    // It is tried again when somebody says so, and only then.
    project.mlp(&["release", "endpoint.m", "-e", "local"]).ended(0);
    eventually(&project, "a version 4 held again", || status(&project).contains("version 4 was taken out"));

    train(&project, "better");
    eventually(&project, "a part for version 5", || status(&project).contains("version 5 takes over"));
    eventually(&project, "both versions", || versions(&project, 20) == [1, 5]);
    nothing_to_do(&project);
    eventually(&project, "version 5 alone", || versions(&project, 20) == [5]);
    eventually(&project, "the end of the rollout", || !status(&project).contains("takes over"));
    project.mlp(&["release", "endpoint.m", "-e", "local"]).ended(1).says("holds no version back");
    load.more(50);
    assert_eq!(load.end(), 0, "no request failed since the version that fails");
}

#[test]
fn endpoints_outlive_their_supervisor_and_a_rollout_goes_on() {
    let project = project("6s");
    let (router, replicas) = (pids(&project, "background endpoint"), pids(&project, "worker.py"));
    for pid in router.iter().copied().chain([supervisor(&project)]) {
        assert_eq!(processes::session(pid), Some(pid), "{pid} would go with the terminal that started it");
    }
    let load = Load::on(&project);
    load.more(50);

    // In the middle of a rollout, without any farewell.
    train(&project, "better");
    eventually(&project, "both versions", || versions(&project, 20) == [1, 2]);
    processes::kill(supervisor(&project));
    let said = status(&project);
    assert!(said.contains("no supervisor watches it") && said.contains("mlp apply"), "{said}");
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(versions(&project, 20), [1, 2], "time in which nobody watches is no time that a step is held");
    project.mlp(&["apply", "-e", "local", "-auto-approve"]).ended(0);
    assert_eq!(versions(&project, 20), [2], "apply waits until the rollout is through");
    assert_eq!(pids(&project, "background endpoint"), router);
    eventually(&project, "the end of the replicas before", || {
        pids(&project, "worker.py").iter().all(|pid| !replicas.contains(pid))
    });
    nothing_to_do(&project);

    // A newer version of the program tells the supervisor to leave its endpoints to the next one.
    let (before, replicas) = (supervisor(&project), pids(&project, "worker.py"));
    let mut stream = UnixStream::connect(project.directory().join(".mlp/supervisor/s")).unwrap();
    writeln!(stream, r#"{{"protocol": 2, "op": "retire"}}"#).unwrap();
    BufReader::new(stream).read_line(&mut String::new()).unwrap();
    eventually(&project, "the end of the supervisor", || pids(&project, "background local").is_empty());
    project.mlp(&["apply", "-e", "local", "-auto-approve"]).ended(0);
    assert_ne!(supervisor(&project), before);
    assert_eq!((pids(&project, "background endpoint"), pids(&project, "worker.py")), (router, replicas));

    // What an apply starts it waits for, unless it is told not to, and says when it goes wrong.
    processes::kill(supervisor(&project));
    train(&project, "other");
    project.mlp(&["apply", "-e", "local", "-auto-approve", "-no-wait"]).ended(0);
    eventually(&project, "version 3 alone", || versions(&project, 20) == [3]);
    eventually(&project, "the end of the rollout", || !status(&project).contains("takes over"));
    processes::kill(supervisor(&project));
    train(&project, "absent");
    let failed = project.mlp(&["apply", "-e", "local", "-auto-approve"]);
    assert_ne!(failed.code, Some(0), "{failed}");
    failed.says("version 4 was taken out").says("could not be started").says("MLP0823");
    assert_eq!(versions(&project, 20), [3]);
    project.mlp(&["apply", "-e", "local", "-auto-approve"]).ended(0);
    load.more(50);
    assert_eq!(load.end(), 0);
}

/// The same with two models that answer together.
fn composed() -> Project {
    let (head, _) = MAIN.split_once("endpoint \"m\"").unwrap();
    let start = head.find("pipeline").unwrap();
    let second = head[start..].replace("pipeline \"train\"", "pipeline \"train_second\"");
    let second = second.replace("model.m", "model.n").replace("model \"m\"", "model \"n\"");
    let endpoint = r#"
endpoint "m" {
  port = PORT
  graph {
    node "first" {
      model = model.m.alias.champion
    }
    node "second" {
      model = model.n.alias.champion
    }
    output = {
      one = node.first.value
      two = node.second.value
    }
  }
  rollout {
    steps = [50, 100]
    hold  = "2s"
  }
}
"#;
    let main = format!("{head}{second}{endpoint}");
    let serve = SERVE.replace("[1 for _ in rows]", "[{\"value\": self.behaviour} for _ in rows]");
    let project = Project::of(&[("main.mlp", &main), ("src/fit.py", FIT), ("src/serve.py", &serve)]);
    project.mlp(&["up", "-e", "local", "--auto-approve"]).ended(0);
    project
}

#[test]
fn every_model_of_a_graph_has_its_own_rollout() {
    let project = composed();
    let answers = |wanted: [&str; 2]| {
        let mut client = Client::connect(project.ports[0]).unwrap();
        (0..10).all(|_| {
            let (status, body) = client.post("/v1/predict", ROW).unwrap();
            let answer: Json = serde_json::from_str(&body).unwrap();
            let found = &answer["predictions"][0];
            status == 200 && found["one"] == wanted[0] && found["two"] == wanted[1]
        })
    };
    assert!(answers(["good", "good"]));
    let load = Load::on(&project);
    load.more(20);
    train(&project, "bad");
    eventually(&project, "a held version", || status(&project).contains("first: version 2 was taken out"));
    let failed = load.failures();
    assert!((1..=30).contains(&failed), "{failed} requests failed");
    assert!(answers(["good", "good"]));

    project.mlp(&["run", "pipeline.train_second", "-e", "local", "-param", "behaviour=better"]).ended(0);
    eventually(&project, "the other model's version", || answers(["good", "better"]));
    assert!(status(&project).contains("first: version 2 was taken out"), "{}", status(&project));
    train(&project, "best");
    eventually(&project, "both new versions", || answers(["best", "better"]));
    assert_eq!(load.end(), 0);
}

/// This program with an older version in place of its own.
fn older(folder: &Path) -> PathBuf {
    let version = env!("CARGO_PKG_VERSION").as_bytes();
    let older: Vec<u8> =
        version.iter().map(|byte| if byte.is_ascii_digit() { b'0' } else { *byte }).collect();
    let mut program = std::fs::read(env!("CARGO_BIN_EXE_mlp")).unwrap();
    let mut at = 0;
    while let Some(found) = program[at..].windows(version.len()).position(|part| part == version) {
        at += found + version.len();
        program[at - version.len()..at].copy_from_slice(&older);
    }
    let path = folder.join("mlp");
    std::fs::write(&path, program).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_newer_program_takes_over_supervisor_and_endpoints_without_a_failed_request() {
    // The older version does not fulfil what the specification asks of the program.
    let main = MAIN.replace("HOLD", "3s").replace("  mlp_version = \"~> 0.1\"\n", "");
    let project = Project::of(&[("main.mlp", &main), ("src/fit.py", FIT), ("src/serve.py", SERVE)]);
    let older = older(&project.directory());
    let mut up = Command::new(&older);
    up.args(["up", "-e", "local", "--auto-approve"]).current_dir(project.directory());
    support::run(&mut up).ended(0);
    let names = |words: &str| pids(&project, &format!("{} background {words}", older.display()));
    assert_eq!((names("local").len(), names("endpoint").len()), (1, 1), "{:?}", project.running());
    let load = Load::on(&project);
    load.more(50);

    project.edit("hold     = \"3s\"", "hold     = \"2s\"");
    project.mlp(&["apply", "-e", "local", "-auto-approve"]).ended(0);
    eventually(&project, "the end of the older processes", || {
        names("local").is_empty() && names("endpoint").is_empty()
    });
    supervisor(&project);
    assert_eq!(pids(&project, "background endpoint").len(), 1);
    load.more(50);
    assert_eq!(load.end(), 0);
    eventually(&project, "one replica", || pids(&project, "worker.py").len() == 1);
    nothing_to_do(&project);
}

#[test]
fn a_rollout_that_can_never_be_is_refused_with_its_line() {
    let project = Project::of(&[("main.mlp", MAIN), ("src/fit.py", FIT), ("src/serve.py", SERVE)]);
    project.edit("HOLD", "3s");
    let line = format!("main.mlp:{}", project.line_of("abort_on"));
    let mut before = "[self.error_rate > 0.1, self.p95 > \"250ms\"]".to_owned();
    for (after, code, says) in [
        ("[self.p98 > \"60ms\"]", "MLP0307", "p95"),
        ("[self.p99 > 60]", "MLP0808", "no unit"),
        ("[self.p99 > \"soon\"]", "MLP0808", "a duration"),
        ("[self.error_rate]", "MLP0808", "cannot be judged"),
    ] {
        project.edit(&before, after);
        let said = project.mlp(&["validate"]);
        let said = if said.code == Some(0) { project.mlp(&["plan", "-e", "local"]) } else { said };
        said.ended(1).says(code).says(says).says(&line);
        before = after.to_owned();
    }
    project.edit(&before, "[]");
    project.edit("steps    = [50, 100]", "steps    = [50, 20]");
    project.mlp(&["plan", "-e", "local"]).ended(1).says("MLP0808").says("percentages that grow");
    project.edit("steps    = [50, 20]", "strategy = \"all_at_once\"");
    project.mlp(&["plan", "-e", "local"]).ended(1).says("MLP0808").says("takes over all at once");
}

#[test]
fn a_newer_supervisor_is_left_alone_and_named() {
    let main = MAIN.replace("HOLD", "3s");
    let project = Project::of(&[("main.mlp", &main), ("src/fit.py", FIT), ("src/serve.py", SERVE)]);
    let folder = project.directory().join(".mlp/supervisor");
    std::fs::create_dir_all(&folder).unwrap();
    let listener = UnixListener::bind(folder.join("s")).unwrap();
    let newer = std::thread::spawn(move || {
        let mut asked = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(&mut stream).read_line(&mut line).unwrap();
            writeln!(stream, r#"{{"protocol": 99, "version": "999.0.0", "later": true}}"#).unwrap();
            if line.contains("enough") {
                return asked;
            }
            asked.push(line);
        }
    });
    let said = project.mlp(&["up", "-e", "local", "--auto-approve"]);
    assert_ne!(said.code, Some(0), "{said}");
    said.says("999.0.0").says("MLP0820");
    let mut stream = UnixStream::connect(folder.join("s")).unwrap();
    writeln!(stream, "enough").unwrap();
    let asked = newer.join().unwrap();
    assert!(asked.iter().all(|line| !line.contains("shutdown") && !line.contains("retire")), "{asked:?}");
    assert!(pids(&project, "background").is_empty());
    std::fs::remove_file(folder.join("s")).unwrap();
}

#[test]
fn after_a_restart_of_the_machine_status_says_what_is_down_and_what_was_missed() {
    let project = project("1s");
    // What a restart does, as far as a test may: everything is asked to end, and the machine has another name for this time.
    processes::terminate(supervisor(&project));
    eventually(&project, "the end of all processes", || project.running().is_empty());
    let path = project.directory().join(".mlp/supervisor/status.json");
    let mut record: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert!(record["boot"].is_string(), "{record}");
    record["boot"] = "another".into();
    std::fs::write(&path, record.to_string()).unwrap();
    train(&project, "better");

    let said = status(&project);
    assert!(said.contains("the machine was started anew"), "{said}");
    assert!(said.contains("is down"), "{said}");
    assert!(said.contains("missed: stable is to serve model.m version 2"), "{said}");
    project.mlp(&["apply", "-e", "local", "-auto-approve"]).ended(0);
    eventually(&project, "version 2", || versions(&project, 20) == [2]);

    // A router that dies is started anew on its port, and what it left is ended first.
    let (router, replicas) = (pids(&project, "background endpoint"), pids(&project, "worker.py"));
    router.iter().copied().for_each(processes::kill);
    eventually(&project, "another router", || {
        pids(&project, "background endpoint").iter().any(|pid| !router.contains(pid))
    });
    eventually(&project, "an answer", || {
        Client::connect(project.ports[0]).is_ok_and(|mut client| client.post("/v1/predict", ROW).is_ok())
    });
    assert!(pids(&project, "worker.py").iter().all(|pid| !replicas.contains(pid)));

    // Also what nobody supervises is ended by the end of the environment.
    processes::kill(supervisor(&project));
    project.mlp(&["destroy", "-e", "local", "-auto-approve"]).ended(0);
    eventually(&project, "the end of all processes", || project.running().is_empty());
}
