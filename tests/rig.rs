//! The cluster of `tests/rig` is what tests may take it for. It is asked by kubectl, which this project did
//! not write. Without a cluster these tests skip; `tests/rig/README.md` says how one is started.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

mod support;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use support::Output;

/// Nothing that these tests wait for takes longer.
const PATIENCE: &str = "--timeout=150s";

/// A namespace of a cluster. It goes with all that is in it.
struct Namespace {
    kubeconfig: String,
    kubectl: String,
    name: String,
    /// An image that this cluster starts containers of; where nothing is started, any name is one.
    image: String,
}

impl Namespace {
    /// One in the cluster of a level, when that runs.
    fn of(level: &str) -> Option<Self> {
        let kubeconfig = std::env::var(format!("MLP_RIG_{}_KUBECONFIG", level.to_uppercase()));
        let Ok(kubeconfig) = kubeconfig else {
            missing(level);
            return None;
        };
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("rig-test-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let image = match level {
            "real" => std::env::var("MLP_RIG_IMAGE").unwrap(),
            _ => "registry.invalid/nothing:1".to_owned(),
        };
        let kubectl = std::env::var("MLP_RIG_KUBECTL").unwrap();
        let made = Self { kubeconfig, kubectl, name, image };
        made.ask(&["create", "namespace", &made.name]).ended(0);
        Some(made)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.kubectl);
        // Beside the kubeconfig, so that what it keeps goes with the cluster.
        let cache = Path::new(&self.kubeconfig).with_file_name("kubectl-cache");
        command.args(["--kubeconfig", &self.kubeconfig, "--namespace", &self.name]);
        command.arg("--cache-dir").arg(cache).args(words);
        command
    }

    fn ask(&self, words: &[&str]) -> Output {
        support::run(&mut self.command(words))
    }

    #[track_caller]
    fn apply(&self, object: &Value) {
        let file = tempfile::NamedTempFile::new().unwrap();
        serde_json::to_writer(File::create(file.path()).unwrap(), object).unwrap();
        let read = Stdio::from(File::open(file.path()).unwrap());
        support::run_fed(&mut self.command(&["apply", "--server-side", "-f", "-"]), read).ended(0);
    }

    /// A pod's template: one container that runs this python, with these volumes at `/<name>`.
    fn template(&self, name: &str, python: &str, claims: &[&str], restart: &str) -> Value {
        let volumes: Vec<Value> = claims
            .iter()
            .map(|claim| json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}}))
            .collect();
        let mounts: Vec<Value> =
            claims.iter().map(|claim| json!({"name": claim, "mountPath": format!("/{claim}")})).collect();
        json!({
            "metadata": {"labels": {"app": name}},
            "spec": {
                "restartPolicy": restart,
                "terminationGracePeriodSeconds": 0,
                "volumes": volumes,
                "containers": [{
                    "name": name,
                    "image": self.image,
                    "command": ["python3", "-c", python],
                    "volumeMounts": mounts,
                }],
            },
        })
    }

    fn deployment(&self, name: &str, python: &str) {
        self.apply(&json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"app": name}},
                "template": self.template(name, python, &[], "Always"),
            },
        }));
        self.ask(&["rollout", "status", PATIENCE, &format!("deployment/{name}")]).ended(0);
    }

    /// Runs a Job to its end; what its pod printed, where pods print.
    fn job(&self, name: &str, python: &str, claims: &[&str]) -> String {
        self.apply(&json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name},
            "spec": {"backoffLimit": 0, "template": self.template(name, python, claims, "Never")},
        }));
        let job = format!("job/{name}");
        let ended = self.ask(&["wait", "--for=condition=complete", PATIENCE, &job]);
        if ended.code != Some(0) {
            panic!("{ended}\n{}\n{}", self.ask(&["describe", "pods"]), self.ask(&["logs", &job]));
        }
        self.ask(&["logs", &job]).stdout
    }

    fn claim(&self, name: &str) {
        self.apply(&json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
        }));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let gone = self.ask(&["delete", "namespace", "--wait=false", "--ignore-not-found", &self.name]);
        if !std::thread::panicking() {
            gone.ended(0);
        }
    }
}

/// Says that no cluster of a level runs. One with real pods needs a right that not every user has.
fn missing(level: &str) {
    let why = format!("no {level} cluster runs; tests/rig/README.md says how it is started");
    if level == "real" && !rustix::process::getuid().is_root() {
        support::skip_unprivileged(&why);
    } else {
        support::skip(&why);
    }
}

fn answers(cluster: &Namespace) {
    let version = cluster.ask(&["get", "--raw", "/version"]).ended(0).json();
    assert_eq!(version["minor"], "36", "{version}");
    // Without a stamp a program that is built from its module calls itself v0.0.0.
    assert!(version["gitVersion"].as_str().unwrap().starts_with("v1.36."), "{version}");
    cluster.ask(&["wait", "--for=condition=Ready", PATIENCE, "nodes", "--all"]).ended(0);
    cluster.claim("data");
    let bound = "--for=jsonpath={.status.phase}=Bound";
    cluster.ask(&["wait", bound, PATIENCE, "persistentvolumeclaim/data"]).ended(0);
}

#[test]
fn both_levels_answer_and_bind_volumes() {
    for level in ["pretend", "real"] {
        let Some(cluster) = Namespace::of(level) else { continue };
        answers(&cluster);
    }
}

#[test]
fn pretended_deployments_become_available_and_pretended_jobs_complete() {
    let Some(cluster) = Namespace::of("pretend") else { return };
    cluster.deployment("server", "");
    cluster.job("work", "", &[]);
    let pods = cluster.ask(&["get", "pods", "-o", "json"]).ended(0).json();
    assert_eq!(pods["items"].as_array().unwrap().len(), 3, "{pods}");
    // It goes only when a controller has emptied it.
    cluster.ask(&["delete", "namespace", PATIENCE, &cluster.name]).ended(0);
}

#[test]
fn a_pretended_pod_fails_where_its_label_says_so() {
    let Some(cluster) = Namespace::of("pretend") else { return };
    let mut pod = cluster.template("broken", "", &[], "Never");
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!("broken");
    pod["metadata"]["labels"]["pod-container-running-failed.stage.kwok.x-k8s.io"] = json!("true");
    cluster.apply(&pod);
    let failed = "--for=jsonpath={.status.phase}=Failed";
    cluster.ask(&["wait", failed, PATIENCE, "pod/broken"]).ended(0);
}

#[test]
fn a_real_pod_prints_a_line() {
    let Some(cluster) = Namespace::of("real") else { return };
    assert_eq!(cluster.job("work", "print(6 * 7)", &[]), "42\n");
}

#[test]
fn real_pods_share_a_volume() {
    let Some(cluster) = Namespace::of("real") else { return };
    cluster.claim("data");
    cluster.job("write", "open('/data/x', 'w').write('kept')", &["data"]);
    assert_eq!(cluster.job("read", "print(open('/data/x').read())", &["data"]), "kept\n");
}

#[test]
fn real_pods_reach_a_service_by_its_name() {
    let Some(cluster) = Namespace::of("real") else { return };
    let words = "class H(http.server.BaseHTTPRequestHandler):\n def do_GET(self):\n  self.send_response(200)\n  \
                 self.end_headers()\n  self.wfile.write(b'hello')\n";
    let served =
        format!("import http.server\n{words}http.server.ThreadingHTTPServer(('', 8000), H).serve_forever()");
    cluster.deployment("hello", &served);
    cluster.apply(&json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "hello"},
        "spec": {"selector": {"app": "hello"}, "ports": [{"port": 80, "targetPort": 8000}]},
    }));
    // A new service takes a moment to be known by name and by address.
    let asked = "import time, urllib.request as r\nfor _ in range(200):\n try:\n  \
                 print(r.urlopen('http://hello', timeout=5).read().decode()); break\n except OSError:\n  \
                 time.sleep(0.2)\nelse:\n raise SystemExit('no answer')";
    assert_eq!(cluster.job("ask", asked, &[]), "hello\n");
}

#[test]
fn every_part_of_the_cluster_is_in_the_list() {
    let folder = support::folder("tests/rig/parts");
    let list = std::fs::read_to_string(folder.join("__init__.py")).unwrap();
    let list = list.split("PARTS = [").nth(1).unwrap().split(']').next().unwrap();
    let listed: BTreeSet<&str> = list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let files = support::files(&folder, ".py");
    let names = files.iter().map(|path| path.file_stem().unwrap().to_str().unwrap());
    // What several parts share says so by having no start.
    let parts: BTreeSet<&str> = names
        .zip(&files)
        .filter(|(_, path)| std::fs::read_to_string(path).unwrap().contains("\ndef start("))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(listed, parts);
}
