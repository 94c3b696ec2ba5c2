//! Several models that answer together.

use super::*;

/// Doubles `x`, unless it is told to fail, to wait or to answer without it.
const NODE: &str = r#"
import json, os, time

class Model:
    def __init__(self, value):
        self.value = value

    @classmethod
    def load(cls, path):
        with open(os.path.join(path, "model.json")) as file:
            return cls(json.load(file)["value"])

    def predict(self, rows):
        time.sleep(max((row.get("sleep", 0) for row in rows), default=0))
        if any(row.get("x") == self.value for row in rows):
            raise KeyError("x")
        return [{} if row.get("silent") else {"x": row["x"] * 2 + row.get("more", 0)} for row in rows]
"#;

fn pick(text: &str) -> Pick {
    let mut words = text.split('.').map(str::to_owned);
    Pick { node: words.next().unwrap(), path: words.collect() }
}

/// `last` takes the answers of `left` and `right`, which need each other in nothing.
fn diamond(bench: &Bench) -> EndpointSpec {
    fs::write(bench.path().join("code/churn.py"), NODE).unwrap();
    let mut spec = bench.spec(vec![
        bench.variant("left", WHOLE, 101),
        bench.variant("right", WHOLE, 102),
        bench.variant("last", WHOLE, 103),
    ]);
    let both = [("x", "left.x"), ("more", "right.x")].map(|(name, from)| (name.to_owned(), pick(from)));
    spec.graph = Some(GraphSpec {
        nodes: BTreeMap::from([
            ("left".to_owned(), Feed::Request),
            ("right".to_owned(), Feed::Request),
            ("last".to_owned(), Feed::Object(both.into())),
        ]),
        output: Feed::Node(pick("last.x")),
    });
    spec
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_answer_together_and_each_is_counted_and_blamed_by_itself() {
    let bench = Bench::new();
    let endpoint = bench.start(diamond(&bench)).await;
    let rows = json!({"rows": [{"x": 1}, {"x": 2}]}).to_string();
    let (status, _, answer) = bench.call(&endpoint, "POST", "/v1/predict", &rows).await;
    assert_eq!((status, &answer["predictions"]), (200, &json!([6, 12])), "{answer}");
    assert_eq!(answer["nodes"]["right"], json!({"model": "model.churn", "version": 102}));
    assert!(answer.get("variant").is_none());

    // `right` raises an error: the others are as well as before.
    let (status, _, answer) = bench.predict(&endpoint, json!({"x": 102})).await;
    assert_eq!((status, &answer["error"]["node"]), (500, &json!("right")), "{answer}");
    let (status, _, answer) = bench.predict(&endpoint, json!({"x": 1, "silent": true})).await;
    assert_eq!((status, &answer["error"]["code"]), (502, &json!("bad_answer")), "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("no `x`"), "{answer}");

    let (_, _, text) = bench.call(&endpoint, "GET", "/metrics", "").await;
    for line in [
        r#"mlp_requests_total{endpoint="churn",variant="right",code="500"} 1"#,
        r#"mlp_requests_total{endpoint="churn",variant="last",code="200"} 1"#,
        r#"mlp_requests_total{endpoint="churn",variant="(graph)",code="200"} 1"#,
        r#"mlp_requests_total{endpoint="churn",variant="(graph)",code="502"} 1"#,
        r#"mlp_request_duration_seconds_count{endpoint="churn",variant="(graph)"} 3"#,
    ] {
        assert!(text.as_str().unwrap().contains(line), "{line}\n{text}");
    }
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_goes_over_to_another_version_by_itself() {
    let bench = Bench::new();
    let mut endpoint = bench.start(diamond(&bench)).await;
    let before = pids(&endpoint);
    let mut next = diamond(&bench);
    next.variants[1] = bench.variant("right", WHOLE, 202);
    next.protocol = Protocol::OpenInferenceV2;
    endpoint.apply(next).await.unwrap();
    let after = pids(&endpoint);
    assert!(before[0] == after[0] && before[1] != after[1] && before[2] == after[2]);
    let (_, _, answer) = bench.predict(&endpoint, json!({"x": 102})).await;
    assert_eq!((&answer["predictions"], &answer["nodes"]["right"]["version"]), (&json!([612]), &json!(202)));
    let body = json!({"inputs": [{"name": "x", "shape": [1], "datatype": "INT64", "data": [1]}]});
    let (_, _, answer) = bench.call(&endpoint, "POST", "/v2/models/churn/infer", &body.to_string()).await;
    assert_eq!(answer["model_version"], "left=101,right=202,last=103");
    assert_eq!(answer["outputs"][0]["data"], json!([6]));
    // Without one of its nodes nothing can be answered.
    fs::remove_file(bench.path().join("code/churn.py")).unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(after[0]).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    until(|| endpoint.status().variants[0].replicas[0].port.is_none()).await;
    let (status, _, answer) = bench.predict(&endpoint, json!({"x": 1})).await;
    assert_eq!((status, &answer["error"]["node"]), (503, &json!("left")), "{answer}");
    assert_eq!(bench.call(&endpoint, "GET", "/healthz", "").await.0, 503);
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_do_not_need_each_other_are_asked_at_the_same_time() {
    let bench = Bench::new();
    let endpoint = Arc::new(bench.start(diamond(&bench)).await);
    let asked = Arc::clone(&endpoint);
    let request = tokio::spawn(async move {
        let bench = Bench::new();
        bench.predict(&asked, json!({"x": 1, "sleep": 1})).await.0
    });
    // Both are busy in one moment: one after the other would never show this.
    let busy = |text: &Value, variant: &str| {
        let line = format!("mlp_variant_in_flight{{endpoint=\"churn\",variant=\"{variant}\"}} 1\n");
        text.as_str().unwrap().contains(&line)
    };
    loop {
        let (_, _, text) = bench.call(&endpoint, "GET", "/metrics", "").await;
        if busy(&text, "left") && busy(&text, "right") {
            break;
        }
        assert!(!request.is_finished(), "they were never busy together");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(request.await.unwrap(), 200);
    let Ok(endpoint) = Arc::try_unwrap(endpoint) else { panic!("it is still asked") };
    endpoint.stop().await;
}
