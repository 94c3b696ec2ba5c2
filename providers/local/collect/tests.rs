//! What goes and what stays, with real runs and real files.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::fixture::{Deaf, Fixture};
use crate::runs::carry_out;

fn request(dry_run: bool, keep_runs: usize) -> CollectRequest {
    CollectRequest { dry_run, grace: Duration::ZERO, keep_runs, who: "ana".into() }
}

async fn run(fixture: &Fixture, score: &str) -> String {
    fixture.score(score);
    carry_out(&fixture.ground, &fixture.request(), "", &Deaf).await.unwrap().run
}

/// Every file of the environment, without what locks and databases do.
fn everything(fixture: &Fixture) -> Vec<PathBuf> {
    let files = mlp_floor::digest::list_files(&fixture.ground.place.home).unwrap();
    files.into_iter().filter(|path| !path.starts_with("holds")).collect()
}

fn names(collected: &Collected, what: &str) -> Vec<String> {
    let meant = collected.garbage.iter().filter(|one| one.what == what);
    meant.map(|one| one.name.clone()).collect()
}

fn plant(fixture: &Fixture, path: &str, text: &str) {
    let path = fixture.ground.place.home.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nothing_leads_to_goes_and_the_rest_stays() {
    let fixture = Fixture::new(json!({})).await;
    // Five versions; champion is 5 and was 4 before. `keep` has room for two.
    let mut made = Vec::new();
    for score in ["0.8", "0.81", "0.82", "0.83"] {
        made.push(run(&fixture, score).await);
    }
    let old_code = files(&fixture.ground.place.code());
    fs::write(fixture.project().join("code/README"), "other code").unwrap();
    fixture.pipeline(json!({})).await;
    made.push(run(&fixture, "0.84").await);
    let unused = "c".repeat(64);
    plant(&fixture, &format!("code/{unused}/main.py"), "print()");
    plant(&fixture, &format!("code/{unused}.json"), "{}");
    plant(&fixture, &format!("data/objects/cc/{unused}"), "rows");
    plant(&fixture, &format!("registry/models/m/{unused}/weights"), "1");
    plant(&fixture, &format!("cache/{unused}/entry.json"), "{\"run_id\": \"gone\"}");
    plant(&fixture, "logs/gone/stable-0.log", "hello");
    plant(&fixture, "triggers/pipelines/gone.json", "{}");
    plant(&fixture, "code/.tmp-1-1/x", "x");
    let environment = |key: char, lock: &str| {
        let path = format!("runtimes/{}/mlp-runtime.json", key.to_string().repeat(32));
        plant(&fixture, &path, &json!({ "lock": { "digest": lock } }).to_string());
    };
    environment('a', &"d".repeat(64));
    environment('b', &"e".repeat(64));
    plant(&fixture, "rollouts/locked.json", &json!({ "lock": "e".repeat(64) }).to_string());
    fs::write(fixture.project().join("precious"), "not ours").unwrap();

    let before = everything(&fixture);
    let dry = collect(&fixture.ground, &request(true, 2)).unwrap();
    assert_eq!(everything(&fixture), before, "a dry run removes nothing");
    let done = collect(&fixture.ground, &request(false, 2)).unwrap();
    assert_eq!(done, dry, "a dry run says what a real one does");

    assert_eq!(names(&done, "run").len(), 3, "{done:?}");
    assert!(made[3..].iter().all(|run| fixture.ground.place.runs().join(run).is_dir()));
    assert!(made[..3].iter().all(|run| !fixture.ground.place.runs().join(run).exists()));
    for what in [
        "code",
        "data",
        "model directory",
        "cached result",
        "logs",
        "triggers",
        "unfinished copy",
        "environment",
    ] {
        assert_eq!(names(&done, what).len(), 1, "{what}: {done:?}");
    }
    assert!(
        fixture.ground.place.home.join("runtimes").join("b".repeat(32)).is_dir(),
        "a record names its lock"
    );
    assert!(done.garbage.iter().find(|one| one.what == "code").unwrap().bytes > 0);
    // The old code made version 4, which a rollback would serve.
    assert!(old_code.iter().all(|path| path.exists()));
    assert_eq!(fixture.alias("champion"), Some(5));
    assert!(fixture.project().join("precious").exists());
    let registry = fixture.registry();
    for version in registry.versions("m").unwrap() {
        assert!(Path::new(&version.path).is_dir(), "{version:?}");
    }
    assert_eq!(collect(&fixture.ground, &request(false, 2)).unwrap().garbage, []);
    run(&fixture, "0.85").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_young_or_pinned_stays() {
    let fixture = Fixture::new(json!({})).await;
    for score in ["0.8", "0.81", "0.82"] {
        run(&fixture, score).await;
    }
    let unused = "c".repeat(64);
    plant(&fixture, &format!("code/{unused}/main.py"), "print()");
    let hour = CollectRequest { grace: Duration::from_secs(3600), ..request(false, 1) };
    assert_eq!(collect(&fixture.ground, &hour).unwrap().garbage, []);

    // An endpoint on version 1 by its number keeps it, whatever `keep` says.
    assert!(fixture.registry().version("m", 1).is_err(), "version 1 was pruned when 3 came");
    let endpoint = |version: i64| {
        let config = json!({
            "address": "endpoint.e",
            "variant": { "a": { "model": "m", "address": "model.m", "version": version } },
        });
        let config = crate::mlp_value::KnownValue::from_json(&config).unwrap();
        let document =
            Document::new(&fixture.ground.target, "local_endpoint", config, serde_json::Value::Null);
        fixture.ground.place.put("endpoints/e", &document).unwrap();
    };
    endpoint(2);
    for score in ["0.9", "0.91", "0.92"] {
        run(&fixture, score).await;
    }
    let numbers: Vec<u32> =
        fixture.registry().versions("m").unwrap().iter().map(|version| version.number).collect();
    assert_eq!(numbers, [2, 5, 6]);
    fixture.ground.place.remove("endpoints/e").unwrap();
    let done = collect(&fixture.ground, &request(false, 10)).unwrap();
    assert_eq!(names(&done, "model version"), ["model.m version 2"], "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_under_way_loses_nothing() {
    let fixture = Fixture::new(json!({})).await;
    let go = fixture.project().join("go");
    let wait = format!("while [ ! -e {} ]; do sleep 0.05; done\n", go.display());
    let script = fixture.project().join("code/fit.sh");
    let fit = fs::read_to_string(&script).unwrap();
    fs::write(&script, format!("{wait}{fit}")).unwrap();
    fixture.pipeline(json!({})).await;
    let (ground, asked) = (fixture.ground.clone(), fixture.request());
    let running = tokio::spawn(async move { carry_out(&ground, &asked, "", &Deaf).await });
    let began = std::time::Instant::now();
    while !runs::is_running(&fixture.ground, "pipeline.train") {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not begin");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The records lead to other code now; what the run uses is held.
    fs::write(&script, &fit).unwrap();
    fixture.pipeline(json!({})).await;
    let used = holds::living(&fixture.ground.place).unwrap().remove(0).digests;
    for _ in 0..3 {
        let done = collect(&fixture.ground, &request(false, 0)).unwrap();
        assert!(done.kept.iter().any(|kept| kept.contains("pipelines/train")), "{done:?}");
        assert_eq!(names(&done, "run"), Vec::<String>::new());
    }
    let kept = files(&fixture.ground.place.code());
    assert!(used.iter().any(|digest| kept.contains(&fixture.ground.place.code().join(digest))));
    fs::write(go, "").unwrap();
    let summary = running.await.unwrap().unwrap();
    assert_eq!(summary.status, "succeeded", "{:?}", summary.problems);
    assert_eq!(fixture.alias("champion"), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_is_not_known_what_is_needed_nothing_goes() {
    let fixture = Fixture::new(json!({})).await;
    let unused = "c".repeat(64);
    plant(&fixture, &format!("code/{unused}/main.py"), "print()");
    plant(&fixture, "models/m.json", "{ half");
    assert_eq!(collect(&fixture.ground, &request(false, 0)).unwrap_err().diagnostic.code, "MLP0810");
    assert!(fixture.ground.place.code().join(unused).is_dir());
}
