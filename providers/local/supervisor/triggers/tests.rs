//! The loop with a clock of its own: no test waits for a minute.

use std::time::{Duration, Instant};

use mlp_floor::registry::Outcome;
use mlp_provider::{RollbackAct, RollbackRequest, Session, ShowQuery};
use serde_json::{Value as Json, json};
use tokio::sync::Notify;

use super::*;
use crate::fixture::{Deaf, Fixture, PIPELINE};
use crate::mlp_value::KnownValue;
use crate::triggers::State;

const HOUR: u64 = 3_600_000;
/// 2026-01-01T00:00:00Z
const START: u64 = 1_767_225_600_000;

fn nightly(catch_up: &str) -> Json {
    json!({ "nightly": { "cron": "0 3 * * *", "timezone": "UTC", "catch_up": catch_up } })
}

/// The supervisor's loop of one environment, at moments that the test chooses.
struct Clock<'f> {
    fixture: &'f Fixture,
    triggers: Triggers,
    homes: BTreeSet<PathBuf>,
}

impl<'f> Clock<'f> {
    fn new(fixture: &'f Fixture, runner: Arc<dyn Runner>) -> Self {
        let homes = BTreeSet::from([fixture.ground.place.home.clone()]);
        Self { fixture, triggers: Triggers::new(runner), homes }
    }

    fn record(&self) -> Record {
        Record::read(&self.fixture.ground.place, PIPELINE).unwrap()
    }

    fn tick(&self, now: u64) -> Record {
        self.triggers.tick(&self.homes, now);
        self.record()
    }

    /// Looks until so many firings ended.
    async fn until_ended(&self, count: usize, now: u64) -> Record {
        let began = Instant::now();
        loop {
            let record = self.tick(now);
            if record.history.len() >= count && record.queue.is_empty() {
                return record;
            }
            assert!(began.elapsed() < Duration::from_secs(120), "no end of {record:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Day after day at three: a run with this score, and what it came to.
    async fn night(&self, day: u64, score: &str) -> String {
        self.fixture.score(score);
        let before = self.record().history.len();
        let record = self.until_ended(before + 1, START + (24 * day + 3) * HOUR).await;
        record.history.last().unwrap().outcome.clone().unwrap()
    }
}

/// A run that ends when it is told to, or is stopped.
#[derive(Default)]
struct Slow {
    go: Notify,
    begun: AtomicBool,
}

#[async_trait::async_trait]
impl Runner for Slow {
    async fn run(&self, work: &Work, reporter: &dyn Reporter) -> Fallible<RunSummary> {
        self.begun.store(true, Ordering::Relaxed);
        while !reporter.cancelled() {
            let told = tokio::time::timeout(Duration::from_millis(20), self.go.notified()).await;
            if told.is_ok() {
                break;
            }
        }
        Ok(RunSummary {
            run: "r".into(),
            id: work.request.id.clone(),
            status: if reporter.cancelled() { CANCELLED.into() } else { "succeeded".into() },
            started: String::new(),
            seconds: 0.0,
            steps: BTreeMap::new(),
            results: Vec::new(),
            metrics: BTreeMap::new(),
            problems: Vec::new(),
        })
    }
}

fn rollback(act: RollbackAct) -> RollbackRequest {
    RollbackRequest {
        resource: "local_model".into(),
        identity: "models/m".into(),
        alias: None,
        act,
        who: "ana".into(),
        why: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_retrains_the_gate_decides_and_a_rollback_survives_the_next_run() {
    let fixture = Fixture::new(nightly("none")).await;
    let clock = Clock::new(&fixture, Arc::new(Real));
    assert!(clock.tick(START).queue.is_empty());
    let first = clock.night(0, "0.8").await;
    assert!(first.starts_with("succeeded"), "{first}");
    assert_eq!((fixture.alias("latest"), fixture.alias("champion")), (Some(1), Some(1)));

    // A worse one is refused, and that is recorded.
    let worse = clock.night(1, "0.6").await;
    assert!(worse.contains("refused version 2"), "{worse}");
    assert_eq!((fixture.alias("latest"), fixture.alias("champion")), (Some(2), Some(1)));
    let decision = fixture.registry().decisions("m", 1).unwrap().remove(0);
    assert_eq!((decision.version, decision.outcome), (2, Outcome::Refused));
    assert!(decision.conditions.contains(&"candidate.auc = 0.6".to_owned()), "{decision:?}");

    clock.night(2, "0.9").await;
    assert_eq!(fixture.alias("champion"), Some(3));
    let told = fixture.session.rollback(&rollback(RollbackAct::Back)).await.unwrap().unwrap();
    assert_eq!((&told.detail["from"], &told.detail["to"]), (&json!(3), &json!(1)), "{told:?}");

    // A better one comes, and the alias stays where it was put.
    clock.night(3, "0.95").await;
    assert_eq!((fixture.alias("latest"), fixture.alias("champion")), (Some(4), Some(1)));
    assert_eq!(fixture.registry().decisions("m", 1).unwrap()[0].outcome, Outcome::Held);

    fixture.session.rollback(&rollback(RollbackAct::Release)).await.unwrap();
    clock.night(4, "0.96").await;
    assert_eq!(fixture.alias("champion"), Some(5));

    let version = fixture.registry().version("m", 5).unwrap();
    assert_eq!(
        (version.card["intended_use"].as_str(), version.tags["team"].as_str()),
        (Some("tests"), "risk")
    );
    let origin = fixture.registry().origin(version.run.as_ref().unwrap()).unwrap().unwrap();
    assert!(origin.cause.contains("nightly") && origin.cause.contains("2026-01-05T03:00:00Z"), "{origin:?}");
    let runs = fixture.session.runs(Some("pipeline.train"), 10).await.unwrap().unwrap();
    assert_eq!(runs.len(), 5);
    assert!(runs[0].cause.contains("nightly"), "{runs:?}");
    let query = ShowQuery { resource: "local_model".into(), identity: "models/m".into(), compare: None };
    let told = fixture.session.show(&query).await.unwrap().unwrap();
    let text = told.lines.join("\n");
    for words in ["5 (challenger, champion, latest)", "back 3 → 1, held", "refused version 2", "team=risk"]
    {
        assert!(text.contains(words), "`{words}` is not in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_run_at_a_time_and_catch_up_says_what_becomes_of_the_others() {
    for (catch_up, ran, missed) in [("none", 1, 2), ("last", 2, 1), ("all", 3, 0)] {
        let fixture = Fixture::new(nightly(catch_up)).await;
        let slow = Arc::new(Slow::default());
        let clock = Clock::new(&fixture, slow.clone());
        clock.tick(START);
        // The first goes on for two days.
        for day in 0..3 {
            clock.tick(START + (24 * day + 3) * HOUR);
        }
        let began = Instant::now();
        let record = loop {
            slow.go.notify_one();
            let record = clock.tick(START + 52 * HOUR);
            if record.queue.is_empty() {
                break record;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{record:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert_eq!((record.history.len(), record.schedules["nightly"].missed), (ran, missed), "{catch_up}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_cut_short_is_begun_again_or_given_up() {
    for (catch_up, again) in [("none", false), ("last", true), ("all", true)] {
        let fixture = Fixture::new(nightly(catch_up)).await;
        let slow = Arc::new(Slow::default());
        let crashed = Clock::new(&fixture, slow.clone());
        crashed.tick(START);
        let record = crashed.tick(START + 3 * HOUR);
        assert_eq!(record.queue[0].state, State::Running);
        held(&crashed.triggers.jobs).values().for_each(|job| job.task.abort());

        let next = Clock::new(&fixture, Arc::new(Real));
        let record = next.until_ended(1, START + 3 * HOUR + 30_000).await;
        let outcome = record.history[0].outcome.clone().unwrap();
        assert_eq!(outcome.starts_with("succeeded"), again, "{catch_up}: {outcome}");
        assert_eq!(record.history[0].attempts, if again { 2 } else { 1 });
        assert_eq!(fixture.alias("champion"), again.then_some(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_that_ends_in_order_hands_its_work_over() {
    for (pause, outcome) in [(30_000, "succeeded"), (HOUR, "interrupted")] {
        let fixture = Fixture::new(nightly("none")).await;
        let first = Clock::new(&fixture, Arc::new(Slow::default()));
        first.tick(START);
        first.tick(START + 3 * HOUR);
        first.triggers.stop(None).await;
        let record = first.record();
        assert_eq!((record.queue[0].state, record.queue[0].attempts), (State::Waiting, 0));
        // The hand-over is dated by the real clock.
        let handed = record.queue[0].handed.unwrap();
        let next = Clock::new(&fixture, Arc::new(Real));
        let record = next.until_ended(1, handed + pause).await;
        let came = record.history[0].outcome.clone().unwrap();
        assert!(came.starts_with(outcome), "{came}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_is_not_as_expected_ends_the_run_before_it_begins() {
    let fixture = Fixture::new(nightly("none")).await;
    let clock = Clock::new(&fixture, Arc::new(Real));
    clock.tick(START);
    // A source that is gone.
    let config = json!({ "address": "dataset.d", "version": "content", "sources": [{ "path": "gone.csv" }] });
    let config = KnownValue::from_json(&config).unwrap();
    let dataset = Document::new(&fixture.ground.target, "local_dataset", config, json!({}));
    fixture.ground.place.put("datasets/d", &dataset).unwrap();
    let mut pipeline = fixture.ground.place.get(PIPELINE).unwrap();
    let mut json = pipeline.config.to_plain_json();
    json["step"]["fit"]["inputs"] = json!({ "data": { "dataset": "d", "type": "table" } });
    pipeline.config = KnownValue::from_json(&json).unwrap();
    fixture.ground.place.put(PIPELINE, &pipeline).unwrap();
    let record = clock.until_ended(1, START + 3 * HOUR).await;
    assert_eq!(record.history[0].outcome.as_deref(), Some("failed: `gone.csv` does not exist"));
    let runs = fixture.session.runs(None, 10).await.unwrap().unwrap();
    assert_eq!((runs[0].status.as_str(), runs[0].why.as_str()), ("failed", "`gone.csv` does not exist"));
    assert!(runs[0].cause.contains("nightly"));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_time_without_a_supervisor_the_status_says_what_was_missed() {
    let fixture = Fixture::new(nightly("last")).await;
    let clock = Clock::new(&fixture, Arc::new(Real));
    clock.tick(START);
    let document = fixture.ground.place.get(PIPELINE).unwrap();
    let later = START + 75 * HOUR + 30 * 60_000;
    let (lines, json) = crate::triggers::describe(&fixture.ground, &document, later).unwrap();
    let text = lines.join("\n");
    for words in ["nightly (0 3 * * * UTC)", "next 2026-01-05T03:00:00Z", "missed 4", "nobody watches"] {
        assert!(text.contains(words), "`{words}` is not in\n{text}");
    }
    assert_eq!((json["triggers"][0]["missed"].as_u64(), json["watched"].as_bool()), (Some(4), Some(false)));

    let record = clock.until_ended(1, later).await;
    assert_eq!((record.history[0].scheduled, record.schedules["nightly"].missed), (START + 75 * HOUR, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_within_the_minute_starts_nothing_twice() {
    let fixture = Fixture::new(nightly("all")).await;
    let clock = Clock::new(&fixture, Arc::new(Real));
    clock.tick(START);
    let three = START + 3 * HOUR;
    clock.until_ended(1, three + 5000).await;
    for now in [three - 20_000, three - 1, three, three + 1000, three + 40_000] {
        let record = clock.tick(now);
        assert_eq!((record.history.len(), record.queue.len()), (1, 0), "{now}");
    }
    // Nor by another supervisor.
    let next = Clock::new(&fixture, Arc::new(Real));
    next.tick(three - 5000);
    let record = next.tick(three);
    assert_eq!((record.history.len(), record.queue.len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn paused_triggers_start_nothing_and_make_up_for_nothing() {
    let fixture = Fixture::new(nightly("all")).await;
    let clock = Clock::new(&fixture, Arc::new(Real));
    let mut document = fixture.ground.place.get(PIPELINE).unwrap();
    let written = document.clone();
    let mut config = document.config.as_object().cloned().unwrap();
    config.insert("paused".into(), KnownValue::Bool(true));
    document.config = KnownValue::Object(config.into());
    fixture.ground.place.put(PIPELINE, &document).unwrap();
    for day in 0..3 {
        assert!(clock.tick(START + (24 * day + 4) * HOUR).queue.is_empty());
    }
    fixture.ground.place.put(PIPELINE, &written).unwrap();
    let record = clock.tick(START + 54 * HOUR);
    assert_eq!((record.queue.len(), record.schedules["nightly"].missed), (0, 0));
    clock.until_ended(1, START + 75 * HOUR).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_that_grows_starts_a_run() {
    let rows = json!({ "": { "dataset": "d", "address": "dataset.d", "rows": 100, "cooldown": "1h" } });
    let fixture = Fixture::new(rows).await;
    let dataset = |rows: u64| {
        let config = KnownValue::from_json(&json!({ "address": "dataset.d" })).unwrap();
        let document =
            Document::new(&fixture.ground.target, "local_dataset", config, json!({ "rows": rows }));
        fixture.ground.place.put("datasets/d", &document).unwrap();
    };
    let clock = Clock::new(&fixture, Arc::new(Real));
    dataset(1000);
    clock.tick(START);
    dataset(1099);
    assert!(clock.tick(START + 1).queue.is_empty());
    dataset(1100);
    clock.until_ended(1, START + 2).await;
    // Not again within the cooldown, and not for what was counted.
    dataset(1300);
    let record = clock.tick(START + 3);
    assert_eq!((record.history.len(), record.queue.len()), (1, 0));
    clock.until_ended(2, START + HOUR + 2).await;
    assert_eq!(clock.tick(START + 9 * HOUR).history.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_begin_is_recorded_with_its_reason() {
    let fixture = Fixture::new(nightly("none")).await;
    let clock = Clock::new(&fixture, Arc::new(Real));
    clock.tick(START);
    fixture.score("nonsense");
    let record = clock.until_ended(1, START + 3 * HOUR).await;
    let outcome = record.history[0].outcome.clone().unwrap();
    assert!(outcome.starts_with("failed: step `fit` failed"), "{outcome}");
    assert_eq!(fixture.alias("latest"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_a_command_is_waited_for() {
    let fixture = Fixture::new(nightly("last")).await;
    let clock = Clock::new(&fixture, Arc::new(Slow::default()));
    clock.tick(START);
    // This process stands for the command.
    let summary = runs::carry_out(&fixture.ground, &fixture.request(), "", &Deaf).await.unwrap();
    let path = fixture.ground.place.runs().join(&summary.run).join("run.json");
    let ended = std::fs::read_to_string(&path).unwrap();
    let mut report: Json = serde_json::from_str(&ended).unwrap();
    report["status"] = json!("running");
    std::fs::write(&path, report.to_string()).unwrap();
    let record = clock.tick(START + 3 * HOUR);
    assert_eq!(record.queue[0].state, State::Waiting);
    std::fs::write(&path, ended).unwrap();
    let record = clock.tick(START + 3 * HOUR + 1000);
    assert_eq!(record.queue[0].state, State::Running);
    clock.triggers.stop(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metric_that_is_missing_is_an_error_that_is_recorded() {
    let fixture = Fixture::new(nightly("none")).await;
    let script = fixture.project().join("code/fit.sh");
    let text = std::fs::read_to_string(&script).unwrap();
    std::fs::write(&script, text.replace("\"auc\"", "\"accuracy\"")).unwrap();
    fixture.pipeline(nightly("none")).await;
    let mut pipeline = fixture.ground.place.get(PIPELINE).unwrap();
    let mut json = pipeline.config.to_plain_json();
    json["step"]["fit"]["outputs"]["metrics"]["names"] = json!(["accuracy"]);
    pipeline.config = KnownValue::from_json(&json).unwrap();
    fixture.ground.place.put(PIPELINE, &pipeline).unwrap();
    let clock = Clock::new(&fixture, Arc::new(Real));
    clock.tick(START);
    let outcome = clock.night(0, "0.8").await;
    assert!(outcome.starts_with("failed") && outcome.contains("no metric `auc`"), "{outcome}");
    assert_eq!((fixture.alias("latest"), fixture.alias("champion")), (Some(1), None));
    let decision = fixture.registry().decisions("m", 1).unwrap().remove(0);
    assert_eq!((decision.version, decision.outcome), (1, Outcome::Undecided));
}
