//! Endpoints in processes of their own: started, left alone, handed over, and ended.

use std::path::PathBuf;

use super::*;

/// Part of the path of a folder that a child of these tests keeps.
const MARK: &str = "mlp-keeping-test";

/// No test: the body of the processes that these tests start, which are this program with the folder as the last word.
#[test]
fn the_body_of_a_child() {
    let folder = PathBuf::from(std::env::args().next_back().unwrap_or_default());
    if folder.to_string_lossy().contains(MARK) && folder.is_dir() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(keep(folder)).unwrap();
    }
}

fn argv() -> Vec<String> {
    let program = std::env::current_exe().unwrap().to_string_lossy().into_owned();
    let own = "serve::tests::keeping::the_body_of_a_child";
    [&program, "--exact", own, "--nocapture"].map(str::to_owned).to_vec()
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix(MARK).tempdir().unwrap()
}

/// What a process that ended leaves beside its log.
fn left(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name != "log")
        .collect()
}

fn replicas(view: &View) -> Vec<u32> {
    let variants = &view.status.as_ref().unwrap().variants;
    variants.iter().flat_map(|variant| &variant.replicas).filter_map(|replica| replica.pid).collect()
}

fn port(view: &View) -> u16 {
    view.status.as_ref().unwrap().port
}

/// Asks without end from several clients, each of which keeps its connection, until it is told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    counts: Arc<[AtomicU64; 2]>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn on(port: u16) -> Self {
        let (stop, counts) =
            (Arc::new(AtomicBool::new(false)), Arc::new([AtomicU64::new(0), AtomicU64::new(0)]));
        let client = |_| {
            let (stop, counts) = (Arc::clone(&stop), Arc::clone(&counts));
            tokio::spawn(async move {
                let client: Client<HttpConnector, Full<Bytes>> =
                    Client::builder(TokioExecutor::new()).build_http();
                while !stop.load(Ordering::Relaxed) {
                    let request = Request::post(format!("http://127.0.0.1:{port}/v1/predict"))
                        .body(Full::new(Bytes::from_static(br#"{"rows": [{"x": 1}]}"#)))
                        .unwrap();
                    let good = match client.request(request).await {
                        Ok(answer) => answer.status() == 200 && answer.into_body().collect().await.is_ok(),
                        Err(_) => false,
                    };
                    counts[usize::from(!good)].fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let clients = (0..4).map(client).collect();
        Self { stop, counts, clients }
    }

    async fn more(&self, requests: u64) {
        let wanted = self.counts[0].load(Ordering::Relaxed) + requests;
        until(|| self.counts[0].load(Ordering::Relaxed) >= wanted).await;
    }

    async fn failed(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        self.counts[1].load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_outlives_whoever_started_it_and_is_found_again() {
    // The path of the socket is longer than an address may be.
    let (bench, scratch) = (Bench::new(), folder());
    let folder = scratch.path().join("a".repeat(120));
    fs::create_dir(&folder).unwrap();
    let spec = bench.spec(vec![bench.variant("stable", WHOLE, 1)]);
    let digest = spec.digest();
    let first = Keeper::start(&folder, &argv()).await.unwrap();
    first.apply(spec.clone()).await.unwrap();
    let before = first.view().await.unwrap();
    drop(first);
    let found = Keeper::find(&folder).await.unwrap();
    let view = found.view().await.unwrap();
    assert_eq!((view.pid, view.spec.as_deref()), (before.pid, Some(digest.as_str())));
    assert_eq!((replicas(&view), port(&view)), (replicas(&before), port(&before)));

    // What is refused is said as it would be here, and changes nothing.
    let problem = found.apply(bench.spec(vec![bench.variant("stable", 9_000, 1)])).await.unwrap_err();
    assert_eq!(problem.code, "MLP0780");
    assert_eq!(found.view().await.unwrap().spec.as_deref(), Some(digest.as_str()));

    found.stop().await.unwrap();
    until(|| left(&folder).is_empty()).await;
    assert!(Keeper::find(&folder).await.is_none());
    assert!(replicas(&view).into_iter().all(|pid| !alive(pid)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_program_takes_over_without_a_failed_request() {
    let (bench, folder) = (Bench::new(), folder());
    let first = Keeper::start(folder.path(), &argv()).await.unwrap();
    first.apply(bench.spec(vec![bench.variant("stable", WHOLE, 1)])).await.unwrap();
    let before = first.view().await.unwrap();
    let load = Load::on(port(&before));
    load.more(50).await;

    // One that does not become ready takes nothing over.
    let mut broken = bench.variant("stable", WHOLE, 2);
    broken.launch = Launch::Command {
        argv: vec!["/bin/false".into()],
        code_dir: bench.path().into(),
        model_dir: bench.path().into(),
    };
    assert_eq!(first.replace(argv(), bench.spec(vec![broken])).await.unwrap_err().code, "MLP0782");
    load.more(50).await;
    assert_eq!(Keeper::find(folder.path()).await.unwrap().pid(), first.pid());

    let next = first.replace(argv(), bench.spec(vec![bench.variant("stable", WHOLE, 1)])).await.unwrap();
    load.more(50).await;
    assert_eq!(load.failed().await, 0);
    let after = next.view().await.unwrap();
    assert_eq!(port(&after), port(&before));
    assert_ne!(after.pid, before.pid);
    until(|| !alive(before.pid)).await;
    assert!(replicas(&before).into_iter().all(|pid| !alive(pid)));
    assert_eq!(Keeper::find(folder.path()).await.unwrap().pid(), next.pid());
    next.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_process_leaves_is_ended() {
    let (bench, folder) = (Bench::new(), folder());
    let mut stubborn = bench.variant("stable", WHOLE, 1);
    fs::write(bench.path().join("code/server.py"), GARBAGE).unwrap();
    stubborn.launch = Launch::Command {
        argv: vec!["python3".into(), "server.py".into()],
        code_dir: bench.path().join("code"),
        model_dir: bench.path().into(),
    };
    let keeper = Keeper::start(folder.path(), &argv()).await.unwrap();
    keeper.apply(bench.spec(vec![stubborn])).await.unwrap();
    let view = keeper.view().await.unwrap();
    let victim = rustix::process::Pid::from_raw(i32::try_from(view.pid).unwrap()).unwrap();
    rustix::process::kill_process(victim, rustix::process::Signal::KILL).unwrap();
    until(|| !alive(view.pid)).await;
    assert!(Keeper::find(folder.path()).await.is_none());
    assert!(replicas(&view).into_iter().all(alive), "a command does not see that its starter is gone");
    Keeper::clear(folder.path()).await;
    until(|| replicas(&view).into_iter().all(|pid| !alive(pid))).await;
    assert_eq!(left(folder.path()), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_was_rolled_out_goes_on_in_its_own_processes() {
    let bench = Bench::new();
    let stable = |weight, version| bench.variant("stable", weight, version);
    let mut endpoint = bench.start(bench.spec(vec![stable(WHOLE, 1)])).await;
    let part = bench.spec(vec![stable(7_500, 1), stable(0, 2).rolled_out(2_500)]);
    endpoint.apply(part).await.unwrap();
    let mut versions = BTreeMap::<u64, u32>::new();
    for _ in 0..400 {
        let (status, _, answer) = bench.predict(&endpoint, json!({"x": 1})).await;
        assert_eq!((status, answer["variant"].as_str()), (200, Some("stable")));
        *versions.entry(answer["version"].as_u64().unwrap()).or_default() += 1;
    }
    assert!((95..=105).contains(&versions[&2]), "{versions:?}");
    let status = endpoint.status();
    let next = status.variants.iter().find(|variant| variant.of.is_some()).unwrap();
    assert_eq!((next.name.as_str(), next.of.as_deref()), ("stable~2", Some("stable")));
    assert_eq!((next.reading.requests, next.reading.error_rate), (u64::from(versions[&2]), Some(0.0)));
    let pid = next.replicas[0].pid;

    // With the whole share, a version that is not there gives it back.
    endpoint.apply(bench.spec(vec![stable(0, 1), stable(0, 2).rolled_out(WHOLE)])).await.unwrap();
    let victim = rustix::process::Pid::from_raw(i32::try_from(pid.unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(victim, rustix::process::Signal::KILL).unwrap();
    let (status, _, answer) = bench.predict(&endpoint, json!({"x": 1})).await;
    assert_eq!((status, answer["version"].as_u64()), (200, Some(1)));
    until(|| {
        let again = &endpoint.status().variants[1].replicas[0];
        again.state == ReplicaState::Ready && again.pid != pid
    })
    .await;

    let pid = endpoint.status().variants[1].replicas[0].pid;
    endpoint.apply(bench.spec(vec![stable(WHOLE, 2)])).await.unwrap();
    assert_eq!(endpoint.status().variants[0].replicas[0].pid, pid);
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_only_fails_is_not_asked_on_while_nobody_decides() {
    let bench = Bench::new();
    let mut broken = bench.variant("stable", 0, 2);
    fs::write(bench.path().join("code/broken.py"), CODE.replace("return [self.value", "raise KeyError() #"))
        .unwrap();
    if let Launch::PythonClass { class, .. } = &mut broken.launch {
        *class = "broken:Model".into();
    }
    let spec = bench.spec(vec![bench.variant("stable", 5_000, 1), broken.rolled_out(5_000)]);
    let endpoint = bench.start(spec).await;
    let mut failed = 0;
    for _ in 0..200 {
        let (status, ..) = bench.predict(&endpoint, json!({"x": 1})).await;
        failed += u64::from(status != 200);
    }
    assert_eq!(failed, MOST_FAILURES);
    assert_eq!(endpoint.status().variants[1].reading.failed_in_a_row, MOST_FAILURES);
    endpoint.stop().await;
}
