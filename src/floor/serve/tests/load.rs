//! What is refused before a model sees it, and what shadows see.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn load_beyond_the_limit_is_shed_and_counted() {
    let bench = Arc::new(Bench::new());
    let mut spec = bench.spec(vec![bench.variant("stable", WHOLE, 1)]);
    spec.limits.in_flight = 1;
    spec.limits.body = 100;
    let endpoint = bench.start(spec).await;
    let uri = format!("http://127.0.0.1:{}/v1/predict", endpoint.status().port);
    let slow = tokio::spawn({
        let (bench, uri) = (Arc::clone(&bench), uri.clone());
        async move {
            let body = Full::new(Bytes::from_static(br#"{"rows": [{"sleep": 1}]}"#));
            bench.send(Request::post(uri).body(body).unwrap()).await.0
        }
    });
    loop {
        let (_, _, text) = bench.call(&endpoint, "GET", "/metrics", "").await;
        if text.as_str().unwrap().contains("mlp_in_flight{endpoint=\"churn\"} 1\n") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let (status, headers, answer) = bench.predict(&endpoint, json!({})).await;
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("overloaded")));
    assert!(headers.contains_key("retry-after"));
    assert_eq!(slow.await.unwrap(), 200);
    // The place is free again, and a body that is too long does not keep it.
    assert_eq!(bench.predict(&endpoint, json!({"long": "x".repeat(100)})).await.0, 413);
    assert_eq!(bench.predict(&endpoint, json!({})).await.0, 200);
    let (_, _, text) = bench.call(&endpoint, "GET", "/metrics", "").await;
    assert!(text.as_str().unwrap().contains("mlp_shed_total{endpoint=\"churn\"} 1\n"), "{text}");
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_variant_that_answers_garbage_fails_no_request_of_another() {
    let bench = Bench::new();
    let mut spec = bench.spec(vec![bench.variant("good", 5_000, 1), bench.variant("bad", 5_000, 2)]);
    spec.variants[1].launch = Launch::Command {
        argv: vec!["python3".into(), "-c".into(), GARBAGE.into()],
        code_dir: bench.path().into(),
        model_dir: bench.path().into(),
    };
    let endpoint = bench.start(spec).await;
    let mut statuses = BTreeMap::<u16, u64>::new();
    for _ in 0..40 {
        *statuses.entry(bench.predict(&endpoint, json!({})).await.0).or_default() += 1;
    }
    let status = endpoint.status();
    let counts: Vec<_> = status.variants.iter().map(|variant| (variant.requests, variant.errors)).collect();
    assert_eq!(counts, [(statuses[&200], 0), (statuses[&502], statuses[&502])]);
    assert_eq!(statuses.values().sum::<u64>(), 40);
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_are_added_while_requests_wait_and_none_fails() {
    let bench = Arc::new(Bench::new());
    let mut spec = bench.spec(vec![bench.variant("stable", WHOLE, 1)]);
    spec.variants[0].scale = Some(ScaleSpec { max: 3, target: 1.0 });
    let mut endpoint = bench.start(spec.clone()).await;
    let uri = format!("http://127.0.0.1:{}/v1/predict", endpoint.status().port);
    let ended = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..5)
        .map(|_| {
            let (bench, uri, ended) = (Arc::clone(&bench), uri.clone(), Arc::clone(&ended));
            tokio::spawn(async move {
                while !ended.load(Ordering::Relaxed) {
                    let body = Full::new(Bytes::from_static(br#"{"rows": [{"sleep": 0.05}]}"#));
                    let (status, _, answer) = bench.send(Request::post(&uri).body(body).unwrap()).await;
                    assert_eq!(status, 200, "{answer}");
                }
            })
        })
        .collect();
    let first = pids(&endpoint);
    while pids(&endpoint).len() < 3 {
        endpoint.scale().await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Another look, and a change of something else, keep what the load asked for.
    endpoint.scale().await.unwrap();
    spec.limits.body = 1_000;
    endpoint.apply(spec).await.unwrap();
    let now = pids(&endpoint);
    assert!(now.len() == 3 && now.contains(&first[0]));
    ended.store(true, Ordering::Relaxed);
    for task in load {
        task.await.unwrap();
    }
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shadows_are_compared_and_recorded_apart() {
    let bench = Bench::new();
    let mut spec = bench.spec(vec![
        bench.variant("stable", WHOLE, 1),
        bench.variant("same", 0, 1),
        bench.variant("other", 0, 2),
    ]);
    (spec.variants[1].shadow, spec.variants[2].shadow) = (100.0, 100.0);
    let folder = bench.path().join("captured");
    spec.capture = Some(serde_json::from_value(json!({"folder": folder})).unwrap());
    spec.slo = vec![SloSpec { name: "p99".into(), share: 0.99, within_ms: Some(60_000) }];
    let endpoint = bench.start(spec).await;
    for x in 0..3 {
        assert_eq!(bench.predict(&endpoint, json!({"x": x})).await.2["predictions"], json!([x + 1]));
    }
    loop {
        let (_, _, text) = bench.call(&endpoint, "GET", "/metrics", "").await;
        let text = text.as_str().unwrap();
        let says = |name: &str, variant: &str, count: u32| {
            text.contains(&format!("{name}{{endpoint=\"churn\",variant=\"{variant}\"}} {count}\n"))
        };
        if says("mlp_shadow_agreed_total", "same", 3) && says("mlp_shadow_differed_total", "other", 3) {
            assert!(
                says("mlp_shadow_differed_total", "same", 0) && says("mlp_shadow_agreed_total", "other", 0)
            );
            assert!(
                text.contains("mlp_slo_broken_total{endpoint=\"churn\",slo=\"p99\",variant=\"stable\"} 0")
            );
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    endpoint.stop().await;
    let texts = sealed_captures(&folder).unwrap().into_iter().map(|path| fs::read_to_string(path).unwrap());
    let lines: Vec<Value> = texts
        .flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>())
        .collect();
    let of = |variant: &str, shadow: bool| {
        let matches = |line: &&Value| line["mlp_variant"] == variant && line["mlp_shadow"] == shadow;
        lines.iter().filter(matches).count()
    };
    assert_eq!((of("stable", false), of("same", true), of("other", true), lines.len()), (3, 3, 3, 9));
}
