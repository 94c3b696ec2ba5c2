//! Whole endpoints with real workers on loopback.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

mod forms;
mod graph;
mod keeping;
mod load;

const CODE: &str = r#"
import json, os, time

class Model:
    def __init__(self, value):
        self.value = value

    @classmethod
    def load(cls, path):
        with open(os.path.join(path, "model.json")) as file:
            return cls(json.load(file)["value"])

    def predict(self, rows):
        if rows and rows[0].get("sleep"):
            time.sleep(rows[0]["sleep"])
        if rows and rows[0].get("fail"):
            raise KeyError("age")
        if rows and rows[0].get("short"):
            return []
        if rows and rows[0].get("nan"):
            return [float("nan")]
        return [self.value + row.get("x", 0) for row in rows]
"#;

/// A server that says that it is well and answers everything with a word.
const GARBAGE: &str = r#"
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "7")
        self.end_headers()
        self.wfile.write(b"garbage")

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

http.server.HTTPServer(("127.0.0.1", int(os.environ["MLP_PORT"])), Handler).serve_forever()
"#;

struct Bench {
    folder: TempDir,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("code")).unwrap();
        fs::write(folder.path().join("code/churn.py"), CODE).unwrap();
        Self { folder, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn variant(&self, name: &str, weight: u32, value: u64) -> VariantSpec {
        let model_dir = self.path().join(format!("model-{value}"));
        fs::create_dir_all(&model_dir).unwrap();
        fs::write(model_dir.join("model.json"), json!({"value": value}).to_string()).unwrap();
        VariantSpec {
            name: name.into(),
            of: None,
            weight,
            shadow: 0.0,
            replicas: 1,
            scale: None,
            launch: Launch::PythonClass {
                interpreter: "python3".into(),
                class: "churn:Model".into(),
                code_dir: self.path().join("code"),
                model_dir,
            },
            env: BTreeMap::new(),
            secret: std::collections::BTreeSet::new(),
            model: ModelLabel { address: "model.churn".into(), version: value },
            digest: format!("digest-{value}"),
        }
    }

    fn spec(&self, variants: Vec<VariantSpec>) -> EndpointSpec {
        EndpointSpec {
            name: "churn".into(),
            port: 0,
            host: "127.0.0.1".into(),
            protocol: Protocol::Plain,
            variants,
            health: HealthSpec { interval_ms: 200, timeout_ms: 2_000, failures: 3 },
            start_timeout_ms: 60_000,
            request_timeout_ms: 30_000,
            capture: None,
            auth: None,
            limits: LimitSpec::default(),
            graph: None,
            slo: Vec::new(),
            holds: Vec::new(),
            log_dir: self.path().join("logs"),
        }
    }

    async fn start(&self, spec: EndpointSpec) -> Endpoint {
        Endpoint::start(spec, Arc::new(|_| {})).await.unwrap()
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> (u16, HeaderMap, Value) {
        let response = self.client.request(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        (status, headers, serde_json::from_slice(&body).unwrap_or(Value::String(text)))
    }

    async fn call(
        &self,
        endpoint: &Endpoint,
        method: &str,
        path: &str,
        body: &str,
    ) -> (u16, HeaderMap, Value) {
        let uri = format!("http://127.0.0.1:{}{path}", endpoint.status().port);
        let body = Full::new(Bytes::from(body.to_owned()));
        self.send(Request::builder().method(method).uri(uri).body(body).unwrap()).await
    }

    async fn predict(&self, endpoint: &Endpoint, row: Value) -> (u16, HeaderMap, Value) {
        self.call(endpoint, "POST", "/v1/predict", &json!({"rows": [row]}).to_string()).await
    }
}

fn pids(endpoint: &Endpoint) -> Vec<u32> {
    endpoint.status().variants.iter().flat_map(|v| &v.replicas).filter_map(|replica| replica.pid).collect()
}

fn alive(pid: u32) -> bool {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::test_kill_process(pid).is_ok()
}

async fn until(what: impl Fn() -> bool) {
    while !what() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_is_split_by_weight_and_stop_leaves_nothing() {
    let bench = Bench::new();
    let spec = bench.spec(vec![bench.variant("stable", 8_500, 1), bench.variant("next", 1_500, 2)]);
    let events = Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let endpoint =
        Endpoint::start(spec, Arc::new(move |event| heard.lock().unwrap().push(event))).await.unwrap();
    let (mut stable, mut next) = (0_u32, 0_u32);
    for _ in 0..5_000 {
        let (status, _, answer) = bench.predict(&endpoint, json!({"x": 10})).await;
        assert_eq!(status, 200);
        match answer["variant"].as_str().unwrap() {
            "stable" => {
                assert_eq!(
                    answer,
                    json!({
                        "predictions": [11], "variant": "stable", "model": "model.churn", "version": 1
                    })
                );
                stable += 1;
            }
            _ => {
                assert_eq!((&answer["predictions"], &answer["version"]), (&json!([12]), &json!(2)));
                next += 1;
            }
        }
    }
    assert!((f64::from(next) / 5_000.0 - 0.15).abs() < 0.02, "{stable} {next}");
    let status = endpoint.status();
    assert_eq!(
        status.variants.iter().map(|v| (v.requests, v.errors)).fold(0, |sum, (n, e)| sum + n + e),
        5_000
    );
    let (_, _, text) = bench.call(&endpoint, "GET", "/metrics", "").await;
    let line = format!("mlp_requests_total{{endpoint=\"churn\",variant=\"stable\",code=\"200\"}} {stable}\n");
    assert!(text.as_str().unwrap().contains(&line), "{text}");
    assert_eq!(
        serde_json::from_value::<EndpointStatus>(serde_json::to_value(&status).unwrap()).unwrap(),
        status
    );

    let pids = pids(&endpoint);
    assert_eq!(pids.len(), 2);
    endpoint.stop().await;
    assert!(!pids.into_iter().any(alive));
    let events = events.lock().unwrap();
    assert_eq!(events.iter().filter(|event| matches!(event, EndpointEvent::Ready { .. })).count(), 2);
    assert_eq!(events.last(), Some(&EndpointEvent::Stopped { endpoint: "churn".into() }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_replica_costs_no_request_and_comes_back() {
    let bench = Bench::new();
    let mut spec = bench.spec(vec![bench.variant("stable", WHOLE, 1)]);
    spec.variants[0].replicas = 2;
    let endpoint = bench.start(spec).await;
    let victim = pids(&endpoint)[0];
    let pid = rustix::process::Pid::from_raw(i32::try_from(victim).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    for _ in 0..50 {
        assert_eq!(bench.predict(&endpoint, json!({})).await.0, 200);
    }
    let back = || {
        let replica = endpoint.status().variants[0].replicas[0].clone();
        replica.state == ReplicaState::Ready && replica.pid != Some(victim) && replica.restarts == 1
    };
    until(back).await;
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_replica_the_share_goes_to_others_or_is_refused() {
    let bench = Bench::new();
    let endpoint =
        bench.start(bench.spec(vec![bench.variant("a", 5_000, 1), bench.variant("b", 5_000, 2)])).await;
    // A replica that cannot start again: its class is gone.
    fs::remove_file(bench.path().join("code/churn.py")).unwrap();
    let kill = |variant: usize| {
        let pid = endpoint.status().variants[variant].replicas[0].pid.unwrap();
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    };
    kill(0);
    until(|| matches!(endpoint.status().variants[0].replicas[0].state, ReplicaState::Backoff { .. })).await;
    for _ in 0..20 {
        let (status, _, answer) = bench.predict(&endpoint, json!({})).await;
        assert_eq!((status, &answer["variant"]), (200, &json!("b")));
    }
    assert!(endpoint.status().variants[0].rerouted > 0);
    kill(1);
    until(|| endpoint.status().variants[1].replicas[0].port.is_none()).await;
    let (status, headers, answer) = bench.predict(&endpoint, json!({})).await;
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("unavailable")));
    assert!(headers.contains_key("retry-after"));
    assert_eq!(bench.call(&endpoint, "GET", "/healthz", "").await.0, 503);
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_model_under_load_fails_no_request() {
    let bench = Arc::new(Bench::new());
    let mut endpoint = bench.start(bench.spec(vec![bench.variant("stable", WHOLE, 1)])).await;
    let uri = format!("http://127.0.0.1:{}/v1/predict", endpoint.status().port);
    let ended = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU64::new(0));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (bench, uri) = (Arc::clone(&bench), uri.clone());
            let (ended, answered) = (Arc::clone(&ended), Arc::clone(&answered));
            tokio::spawn(async move {
                let mut versions = std::collections::BTreeSet::new();
                while !ended.load(Ordering::Relaxed) {
                    let body = Full::new(Bytes::from_static(br#"{"rows": [{"sleep": 0.002}]}"#));
                    let (status, _, answer) = bench.send(Request::post(&uri).body(body).unwrap()).await;
                    assert_eq!(status, 200, "{answer}");
                    versions.insert(answer["version"].as_u64().unwrap());
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                versions
            })
        })
        .collect();
    until(|| answered.load(Ordering::Relaxed) > 20).await;
    let before = pids(&endpoint);
    endpoint.apply(bench.spec(vec![bench.variant("stable", WHOLE, 2)])).await.unwrap();
    assert!(!before.into_iter().any(alive));
    let switched = answered.load(Ordering::Relaxed);
    until(|| answered.load(Ordering::Relaxed) > switched + 20).await;
    ended.store(true, Ordering::Relaxed);
    for task in load {
        assert!(task.await.unwrap().contains(&2));
    }
    assert_eq!(endpoint.status().variants[0].errors, 0);
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_weights_touches_no_process() {
    let bench = Bench::new();
    let mut endpoint =
        bench.start(bench.spec(vec![bench.variant("a", 9_000, 1), bench.variant("b", 1_000, 2)])).await;
    let (before, port) = (pids(&endpoint), endpoint.status().port);
    endpoint.apply(bench.spec(vec![bench.variant("a", 0, 1), bench.variant("b", WHOLE, 2)])).await.unwrap();
    assert_eq!((pids(&endpoint), endpoint.status().port), (before.clone(), port));
    for _ in 0..20 {
        assert_eq!(bench.predict(&endpoint, json!({})).await.2["variant"], "b");
    }
    let mut more = bench.spec(vec![bench.variant("b", WHOLE, 2)]);
    more.variants[0].replicas = 2;
    endpoint.apply(more).await.unwrap();
    let after = pids(&endpoint);
    assert!(after.len() == 2 && after[0] == before[1] && !alive(before[0]));
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_variant_that_does_not_start_changes_nothing() {
    let bench = Bench::new();
    let mut endpoint = bench.start(bench.spec(vec![bench.variant("stable", WHOLE, 1)])).await;
    let before = (endpoint.spec(), pids(&endpoint));
    let mut broken = bench.spec(vec![bench.variant("stable", WHOLE, 2)]);
    if let Launch::PythonClass { class, .. } = &mut broken.variants[0].launch {
        *class = "churn:Missing".into();
    }
    let problem = endpoint.apply(broken.clone()).await.unwrap_err();
    assert_eq!(problem.code, "MLP0782");
    assert!(problem.message.contains("exit code 3"), "{problem}");
    assert_eq!(problem.subject.as_deref(), Some("variant.stable"));
    assert!(problem.notes.iter().any(|line| line.contains("has no class `Missing`")), "{problem}");
    assert_eq!((endpoint.spec(), pids(&endpoint)), before);
    assert_eq!(bench.predict(&endpoint, json!({})).await.0, 200);
    endpoint.stop().await;
    assert!(Endpoint::start(broken, Arc::new(|_| {})).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_refused_as_json() {
    let bench = Bench::new();
    let mut spec = bench.spec(vec![bench.variant("stable", WHOLE, 1)]);
    spec.request_timeout_ms = 1_500;
    let endpoint = bench.start(spec).await;
    let large = format!("{{\"rows\": [{{\"x\": \"{}\"}}]}}", "x".repeat(16 * 1024 * 1024));
    for (method, path, body, status, code) in [
        ("POST", "/v1/predict", "{\"rows\": [", 400, "invalid_request"),
        ("POST", "/v1/predict", "{\"row\": []}", 400, "invalid_request"),
        ("POST", "/v1/predict", "{\"rows\": [1]}", 400, "invalid_request"),
        ("POST", "/v1/predict", &large, 413, "too_large"),
        ("POST", "/nowhere", &large, 404, "not_found"),
        ("GET", "/v1/predict", "", 405, "method_not_allowed"),
        ("GET", "/", "", 404, "not_found"),
        ("GET", "/v2/health/live", "", 404, "not_found"),
        ("POST", "/v1/predict", "{\"rows\": [{\"fail\": true}]}", 500, "prediction_failed"),
        ("POST", "/v1/predict", "{\"rows\": [{\"short\": true}]}", 500, "prediction_failed"),
        ("POST", "/v1/predict", "{\"rows\": [{\"nan\": true}]}", 500, "prediction_failed"),
        ("POST", "/v1/predict", "{\"rows\": [{\"sleep\": 3}]}", 504, "timeout"),
    ] {
        let (got, _, answer) = bench.call(&endpoint, method, path, body).await;
        assert_eq!((got, answer["error"]["code"].as_str()), (status, Some(code)), "{method} {path} {answer}");
        assert!(answer["error"]["message"].is_string());
    }
    let log = fs::read_to_string(bench.path().join("logs/stable-0.log")).unwrap();
    assert!(log.contains("Traceback") && log.contains("KeyError: 'age'"));
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_limits_and_capture() {
    let bench = Bench::new();
    let mut spec = bench.spec(vec![bench.variant("stable", WHOLE, 1)]);
    let folder = bench.path().join("captured");
    spec.auth = Some(AuthSpec { keys: vec!["one".into(), "two".into()] });
    spec.limits.rate = Some(RequestRate { requests: 3, window_ms: 60_000, per: LimitScope::Key });
    spec.capture = Some(serde_json::from_value(json!({"folder": folder})).unwrap());
    let endpoint = bench.start(spec).await;
    assert_eq!(bench.predict(&endpoint, json!({})).await.0, 401);
    let with = async |name: &'static str, value: &'static str| {
        let uri = format!("http://127.0.0.1:{}/v1/predict", endpoint.status().port);
        let body = Full::new(Bytes::from_static(br#"{"rows": [{"x": 1.10}]}"#));
        bench
            .send(Request::post(uri).header(name, value).header("x-request-id", "r1").body(body).unwrap())
            .await
    };
    for _ in 0..3 {
        assert_eq!(with("authorization", "Bearer one").await.0, 200);
    }
    let (status, headers, _) = with("authorization", "Bearer one").await;
    assert!(status == 429 && headers.contains_key("retry-after"));
    assert_eq!(with("x-api-key", "two").await.0, 200);
    assert_eq!(with("x-api-key", "three").await.0, 401);
    endpoint.stop().await;
    let files = sealed_captures(&folder).unwrap();
    let text: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!((&lines[0]["mlp_request"], &lines[0]["mlp_version"]), (&json!("r1"), &json!(1)));
    assert!(text.contains("\"x\":1.10") && text.contains("\"prediction\":2.1"), "{text}");
    assert!(!text.contains("Bearer"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shadows_see_copies_and_the_open_inference_protocol_is_spoken() {
    let bench = Bench::new();
    let mut spec = bench.spec(vec![bench.variant("stable", WHOLE, 1), bench.variant("dark", 0, 2)]);
    spec.variants[1].shadow = 100.0;
    spec.protocol = Protocol::OpenInferenceV2;
    let endpoint = bench.start(spec).await;
    let body =
        json!({"id": "7", "inputs": [{"name": "x", "shape": [2, 1], "datatype": "INT64", "data": [1, 2]}]});
    let (status, _, answer) =
        bench.call(&endpoint, "POST", "/v2/models/churn/infer", &body.to_string()).await;
    assert_eq!(status, 200);
    assert_eq!(
        answer,
        json!({
            "id": "7", "model_name": "churn", "model_version": "1", "parameters": {"variant": "stable"},
            "outputs": [{"name": "predictions", "datatype": "INT64", "shape": [2], "data": [2, 3]}],
        })
    );
    for path in ["/v2/health/live", "/v2/health/ready", "/v2/models/churn", "/v2/models/churn/ready", "/v2"] {
        assert_eq!(bench.call(&endpoint, "GET", path, "").await.0, 200, "{path}");
    }
    let (status, _, answer) = bench.call(&endpoint, "POST", "/v2/models/churn/infer", "{}").await;
    assert!(status == 400 && answer["error"].is_string());
    assert_eq!(bench.call(&endpoint, "GET", "/v2/models/other", "").await.0, 404);
    assert_eq!(bench.predict(&endpoint, json!({})).await.2["variant"], "stable");
    loop {
        let (_, _, text) = bench.call(&endpoint, "GET", "/metrics", "").await;
        if text
            .as_str()
            .unwrap()
            .contains("mlp_shadow_requests_total{endpoint=\"churn\",variant=\"dark\"} 2\n")
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_stuck_or_answers_garbage_is_replaced_or_named() {
    let bench = Bench::new();
    let mut spec = bench.spec(vec![bench.variant("stable", WHOLE, 1)]);
    spec.request_timeout_ms = 300;
    let endpoint = bench.start(spec).await;
    let first = pids(&endpoint);
    assert_eq!(bench.predict(&endpoint, json!({"sleep": 1_000})).await.0, 504);
    until(|| endpoint.status().variants[0].replicas[0].restarts > 0 && !pids(&endpoint).is_empty()).await;
    assert!(!first.into_iter().any(alive));
    endpoint.stop().await;

    let mut spec = bench.spec(vec![bench.variant("stable", WHOLE, 1)]);
    spec.variants[0].launch = Launch::Command {
        argv: vec!["python3".into(), "-c".into(), GARBAGE.into()],
        code_dir: bench.path().into(),
        model_dir: bench.path().into(),
    };
    let endpoint = bench.start(spec).await;
    let (status, _, answer) = bench.predict(&endpoint, json!({})).await;
    assert_eq!((status, &answer["error"]["code"]), (502, &json!("bad_answer")));
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_predicted_in_chunks() {
    let bench = Bench::new();
    let spec = BatchSpec {
        name: "scores".into(),
        launch: bench.variant("v", WHOLE, 3).launch,
        env: BTreeMap::new(),
        secret: std::collections::BTreeSet::new(),
        start_timeout_ms: 60_000,
        request_timeout_ms: 60_000,
        log_dir: bench.path().join("logs"),
    };
    let rows: Vec<_> = (0..1_000).map(|x| json!({"x": x}).as_object().unwrap().clone()).collect();
    let predictions = predict_batch(&spec, &rows, 128).await.unwrap();
    assert_eq!(predictions, (3..1_003).map(Value::from).collect::<Vec<_>>());
    let failing = [json!({"fail": true}).as_object().unwrap().clone()];
    let problem = predict_batch(&spec, &failing, 10).await.unwrap_err();
    assert!(problem.code == "MLP0783" && problem.message.contains("KeyError"), "{problem}");
}

#[tokio::test]
async fn a_taken_port_is_a_problem() {
    let bench = Bench::new();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut spec = bench.spec(vec![bench.variant("stable", WHOLE, 1)]);
    spec.port = held.local_addr().unwrap().port();
    let problem = Endpoint::start(spec, Arc::new(|_| {})).await.err().unwrap();
    assert_eq!((problem.code, problem.subject.as_deref()), ("MLP0781", Some("port")));
}

#[tokio::test]
async fn a_worker_ends_with_its_supervisor() {
    let bench = Bench::new();
    let variant = bench.variant("v", WHOLE, 1);
    let worker = super::process::install_worker(&bench.path().join("logs")).unwrap();
    let recipe = super::process::Recipe::of("e", &variant, 0, &worker, Duration::from_secs(1));
    let mut process = recipe.spawn().unwrap();
    process.let_go();
    assert_eq!(process.ended().await, "ended with exit code 0");
    process.end().await;
}
