//! Whole runs with real processes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::*;
use crate::Problem;

mod limits;

/// A project in a temporary directory and what its runs said.
struct Bench {
    dir: tempfile::TempDir,
    /// Outside of the project, where its steps may leave notes for the test.
    notes: tempfile::TempDir,
    events: Arc<Mutex<Vec<Event>>>,
    cancel: watch::Sender<bool>,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("src")).unwrap();
        let cancel = watch::channel(false).0;
        Self { dir, notes: tempfile::tempdir().unwrap(), events: Arc::default(), cancel }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn note(&self, name: &str) -> PathBuf {
        self.notes.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn pipeline(&self, id: &str, steps: Vec<StepSpec>) -> PipelineRun {
        PipelineRun {
            run_id: id.into(),
            pipeline: "pipeline.train".into(),
            work_root: self.path(&format!("runs/{id}")),
            cache_root: self.path("cache"),
            snapshot_root: self.path("snapshots"),
            project_root: self.dir.path().into(),
            gpu_root: None,
            params: BTreeMap::new(),
            steps,
            capacity: Capacity { parallelism: 4, cpu: None, memory: None, gpus: 0 },
            grace_seconds: 0.3,
            log_limit: default_log_limit(),
        }
    }

    async fn try_run(&self, run: PipelineRun) -> Result<RunReport, Vec<Problem>> {
        let events = Arc::clone(&self.events);
        let sink: EventSink = Arc::new(move |event| events.lock().unwrap().push(event));
        run_pipeline(run, sink, self.cancel.subscribe()).await
    }

    async fn run(&self, id: &str, steps: Vec<StepSpec>) -> RunReport {
        let report = self.try_run(self.pipeline(id, steps)).await.unwrap();
        let kept = RunReport::read(&self.path(&format!("runs/{id}"))).unwrap();
        assert_eq!(kept.as_ref(), Some(&report), "the record is what was returned");
        report
    }

    fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }
}

pub(crate) fn step(name: &str, command: &str) -> StepSpec {
    StepSpec {
        name: name.into(),
        code: CodeRef { dir: Some("src".into()), digest: None },
        run: vec![Segment::Literal(command.into())],
        inputs: BTreeMap::new(),
        outputs: BTreeMap::new(),
        params: BTreeMap::new(),
        env: SecretEnv::default(),
        runtime: Interpreter { label: "python 3".into(), ..Interpreter::default() },
        timeout_seconds: Some(60.0),
        retry: Retry::default(),
        cache: None,
        cpu: None,
        memory: None,
        gpus: 0,
        gpu_slots: vec![],
        after: vec![],
    }
}

impl StepSpec {
    fn reads(mut self, input: &str, step: &str, output: &str, kind: ArtifactType) -> Self {
        let binding = InputBinding::StepOutput { step: step.into(), output: output.into(), kind };
        self.inputs.insert(input.into(), binding);
        self
    }

    fn writes(mut self, output: &str, kind: ArtifactType) -> Self {
        self.outputs.insert(output.into(), OutputSpec::new(kind));
        self
    }

    fn after(mut self, step: &str) -> Self {
        self.after.push(step.into());
        self
    }

    fn param(mut self, name: &str, value: Value) -> Self {
        self.params.insert(name.into(), value);
        self
    }
}

fn statuses(report: &RunReport) -> Vec<(&str, StepStatus)> {
    report.steps.iter().map(|(name, step)| (name.as_str(), step.status)).collect()
}

fn reason(report: &RunReport, step: &str) -> String {
    report.steps[step].reason.clone().unwrap()
}

/// Whether a process is there and has not ended.
fn lives(pid_file: &Path) -> bool {
    let pid: u32 = std::fs::read_to_string(pid_file).unwrap().trim().parse().unwrap();
    leftovers::start_ticks(pid).is_some()
}

async fn appears(path: &Path) {
    while !std::fs::read_to_string(path).is_ok_and(|text| text.ends_with('\n')) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits for the processes of `stubborn`.
async fn both_appear(bench: &Bench) {
    appears(&bench.note("away")).await;
    appears(&bench.note("here")).await;
}

/// Three steps in python: a table, a model that imports a helper, and metrics of both.
fn training(bench: &Bench, lr: f64) -> Vec<StepSpec> {
    bench.write("src/helper.py", "def scale(x):\n    return x * 2\n");
    bench.write(
        "src/split.py",
        "import os, shutil\nshutil.copy(os.environ['MLP_INPUT_raw'], os.environ['MLP_OUTPUT_train'])\n",
    );
    bench.write(
        "src/fit.py",
        "import os, json, helper\n\
         rows = open(os.environ['MLP_INPUT_train']).read().split()[1:]\n\
         print(os.environ['MLP_PROGRESS'], 0.5, 'half way')\n\
         out = os.environ['MLP_OUTPUT_model']\n\
         os.mkdir(out)\n\
         lr = float(os.environ['MLP_PARAM_lr'])\n\
         json.dump({'w': helper.scale(len(rows)) * lr}, open(os.path.join(out, 'm.json'), 'w'))\n",
    );
    bench.write(
        "src/evaluate.py",
        "import os, json, sys\n\
         w = json.load(open(os.path.join(sys.argv[1], 'm.json')))['w']\n\
         json.dump({'auc': w, 'slices': {'all': {'auc': w}}}, open(os.environ['MLP_METRICS'], 'w'))\n",
    );
    let mut split = step("split", "python3 split.py").writes("train", ArtifactType::Table);
    let raw = InputBinding::File { path: "raw.csv".into(), kind: ArtifactType::Table, digest: None };
    split.inputs.insert("raw".into(), raw);
    let fit = step("fit", "python3 fit.py")
        .reads("train", "split", "train", ArtifactType::Table)
        .writes("model", ArtifactType::Model)
        .param("lr", json!(lr));
    let mut evaluate = step("evaluate", "python3 evaluate.py ")
        .reads("model", "fit", "model", ArtifactType::Model)
        .writes("metrics", ArtifactType::Metrics);
    evaluate.run.push(Segment::Input("model".into()));
    vec![evaluate, fit, split]
}

#[tokio::test]
async fn steps_run_in_the_order_of_what_they_read_and_are_reused_with_reasons() {
    use StepStatus::{Cached, Succeeded};
    let bench = Bench::new();
    bench.write("raw.csv", "a\n1\n2\n");
    let report = bench.run("r1", training(&bench, 0.1)).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{report:#?}");
    assert_eq!(report.steps["evaluate"].metrics["auc"], json!(0.4));
    assert_eq!(reason(&report, "fit"), "miss: first run");
    let half = Event::StepProgress { step: "fit".into(), fraction: 0.5, text: "half way".into() };
    assert!(bench.events().contains(&half));

    bench.write("README.md", "outside the code");
    let report = bench.run("r2", training(&bench, 0.1)).await;
    assert_eq!(statuses(&report), [("evaluate", Cached), ("fit", Cached), ("split", Cached)]);
    assert_eq!(reason(&report, "fit"), "hit: code, inputs and parameters as in run r1");
    assert_eq!(report.steps["evaluate"].metrics["auc"], json!(0.4));

    let report = bench.run("r3", training(&bench, 0.2)).await;
    assert_eq!(statuses(&report), [("evaluate", Succeeded), ("fit", Succeeded), ("split", Cached)]);
    assert_eq!(reason(&report, "fit"), "miss: parameter lr changed 0.1 → 0.2");
    assert_eq!(reason(&report, "evaluate"), "miss: input model changed");

    bench.write("raw.csv", "a\n1\n2\n3\n");
    let report = bench.run("r4", training(&bench, 0.2)).await;
    assert_eq!(reason(&report, "split"), "miss: input raw changed");
    assert_eq!(reason(&report, "fit"), "miss: input train changed");

    let steps = training(&bench, 0.2);
    bench.write("src/helper.py", "def scale(x):\n    return x * 3\n");
    let report = bench.run("r5", steps).await;
    assert_eq!(reason(&report, "fit"), "miss: code changed (helper.py)");
}

#[tokio::test]
async fn a_damaged_result_is_made_again() {
    let bench = Bench::new();
    bench.write("raw.csv", "a\n1\n");
    bench.run("r1", training(&bench, 0.1)).await;
    let report = bench.run("r2", training(&bench, 0.1)).await;
    let kept = &report.steps["fit"].outputs["model"].path.join("m.json");
    std::fs::remove_file(kept).unwrap();
    let report = bench.run("r3", training(&bench, 0.1)).await;
    assert_eq!(reason(&report, "fit"), "miss: cached output was damaged");
    assert_eq!(report.status, RunStatus::Succeeded);
    let report = bench.run("r4", training(&bench, 0.1)).await;
    assert!(reason(&report, "fit").starts_with("hit"));
}

#[tokio::test]
async fn a_failed_step_takes_only_its_dependants_with_it() {
    use StepStatus::{Failed, Skipped, Succeeded};
    let bench = Bench::new();
    let steps = vec![
        step("bad", "echo about to fail; exit 3"),
        step("child", "true").after("bad"),
        step("grandchild", "true").after("child"),
        step("other", "true"),
        step("other2", "true").after("other"),
    ];
    let report = bench.run("r1", steps).await;
    assert_eq!(report.status, RunStatus::Failed);
    let expected = [
        ("bad", Failed),
        ("child", Skipped),
        ("grandchild", Skipped),
        ("other", Succeeded),
        ("other2", Succeeded),
    ];
    assert_eq!(statuses(&report), expected);
    assert_eq!(reason(&report, "child"), "step `bad` failed");
    let failed = bench.events().into_iter().find_map(|event| match event {
        Event::StepFailed { problem, log_tail, .. } => Some((problem, log_tail)),
        _ => None,
    });
    let (problem, log_tail) = failed.unwrap();
    assert_eq!(problem.message, "step `bad` ended with exit status 3");
    assert_eq!(log_tail, ["about to fail"]);
    assert_eq!(reason(&report, "other"), "it has no outputs, so it always runs");
    assert_eq!(std::fs::read_to_string(bench.path("runs/r1/bad/log")).unwrap(), "about to fail\n");
}

/// Leaves a process in a session of its own, and one that ignores being asked to end, and notes their ids.
fn stubborn(bench: &Bench) -> String {
    let dir = bench.notes.path().display();
    format!(
        "python3 -c 'import os,time,signal\n\
         if os.fork() == 0:\n    os.setsid()\n    \
         open(\"{dir}/away\",\"w\").write(str(os.getpid())+\"\\n\")\n    \
         time.sleep(600)\n\
         signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
         open(\"{dir}/here\",\"w\").write(str(os.getpid())+\"\\n\")\n\
         time.sleep(600)'"
    )
}

#[tokio::test]
async fn a_timeout_ends_everything_the_step_started() {
    let bench = Bench::new();
    let mut slow = step("slow", &stubborn(&bench));
    slow.timeout_seconds = Some(3.0);
    let report = bench.run("r1", vec![slow]).await;
    let problem = report.steps["slow"].problem.as_ref().unwrap();
    assert_eq!(problem.message, "step `slow` took longer than its timeout of 3 s");
    assert!(!lives(&bench.note("away")) && !lives(&bench.note("here")));
}

#[tokio::test]
async fn a_step_that_ends_leaves_no_process_behind() {
    let bench = Bench::new();
    let dir = bench.dir.path().display();
    let command = format!(
        "(sleep 600 & echo $! > {dir}/plain); setsid sleep 600 & echo $! > {dir}/session; \
         env -i sleep 600 & echo $! > {dir}/bare"
    );
    let report = bench.run("r1", vec![step("quick", &command)]).await;
    assert_eq!(report.status, RunStatus::Succeeded);
    for name in ["plain", "session", "bare"] {
        assert!(!lives(&bench.path(name)), "{name}");
    }
}

#[tokio::test]
async fn cancelling_ends_what_runs_and_starts_nothing_more() {
    use StepStatus::{Cancelled, Succeeded};
    let bench = Bench::new();
    let steps = vec![
        step("first", "true"),
        step("long", &stubborn(&bench)).after("first"),
        step("next", "true").after("long"),
    ];
    let stop = async {
        both_appear(&bench).await;
        let running = RunReport::read(&bench.path("runs/r1")).unwrap().unwrap();
        assert_eq!(running.status, RunStatus::Running);
        assert_eq!(running.steps["long"].status, StepStatus::Running);
        assert!(!running.is_abandoned());
        let again = bench.try_run(bench.pipeline("r1", vec![step("first", "true")])).await.unwrap_err();
        assert!(again[0].message.contains("is under way"));
        bench.cancel.send(true).unwrap();
    };
    let (report, ()) = tokio::join!(bench.run("r1", steps), stop);
    assert_eq!(report.status, RunStatus::Cancelled);
    assert_eq!(statuses(&report), [("first", Succeeded), ("long", Cancelled), ("next", Cancelled)]);
    assert!(!lives(&bench.note("away")) && !lives(&bench.note("here")));
}

#[tokio::test]
async fn a_dropped_run_leaves_no_process_and_an_abandoned_one_is_closed() {
    let bench = Bench::new();
    let work_root = bench.path("runs/r1");
    tokio::select! {
        _ = bench.try_run(bench.pipeline("r1", vec![step("long", &stubborn(&bench))])) => unreachable!(),
        () = both_appear(&bench) => {}
    }
    while lives(&bench.note("away")) || lives(&bench.note("here")) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(close_abandoned(&work_root).unwrap(), None, "its runner, this test, is still there");
    let mut report = RunReport::read(&work_root).unwrap().unwrap();
    report.runner.started_ticks += 1;
    report.write(&work_root).unwrap();
    let closed = close_abandoned(&work_root).unwrap().unwrap();
    assert_eq!(closed.status, RunStatus::Cancelled);
    assert_eq!(closed.steps["long"].status, StepStatus::Cancelled);
}

#[tokio::test]
async fn exit_status_75_is_tried_again_and_other_failures_as_declared() {
    let bench = Bench::new();
    let counter = bench.path("count");
    let command = format!("echo x >> {0}; test $(wc -l < {0}) -ge 3 || exit 75", counter.display());
    let mut flaky = step("flaky", &command);
    flaky.retry = Retry { max: 2, on: vec!["timeout".into()], backoff_seconds: 0.01 };
    let report = bench.run("r1", vec![flaky.clone()]).await;
    assert_eq!(report.status, RunStatus::Succeeded);
    assert_eq!(std::fs::read_to_string(&counter).unwrap(), "x\nx\nx\n");
    let retried = bench.events().iter().filter(|event| matches!(event, Event::StepRetried { .. })).count();
    assert_eq!(retried, 2);

    let other = bench.path("other");
    flaky.run = vec![Segment::Literal(format!("echo x >> {}; exit 1", other.display()))];
    assert_eq!(bench.run("r2", vec![flaky.clone()]).await.status, RunStatus::Failed);
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "x\n", "an error is not what it retries on");
    flaky.retry.on = vec!["error".into()];
    let report = bench.run("r3", vec![flaky]).await;
    assert!(report.steps["flaky"].problem.as_ref().unwrap().notes[1].contains("tried 3 times"));
}

#[tokio::test]
async fn outputs_and_metrics_are_checked() {
    let bench = Bench::new();
    let mut metrics = step("metrics", "echo '{\"auc\": \"high\"}' > $MLP_METRICS");
    metrics.outputs.insert("m".into(), OutputSpec::new(ArtifactType::Metrics));
    let steps = vec![
        metrics,
        step("missing", "true").writes("table", ArtifactType::Table),
        step("free", "echo '{\"loss\": 0.5}' > $MLP_METRICS"),
    ];
    let report = bench.run("r1", steps).await;
    let code = |name: &str| report.steps[name].problem.as_ref().unwrap().code.clone();
    assert_eq!((code("metrics"), code("missing")), ("MLP0769".into(), "MLP0767".into()));
    assert_eq!(report.steps["free"].metrics["loss"], json!(0.5));
}

#[tokio::test]
async fn the_environment_is_clean_and_secrets_are_kept_nowhere() {
    let bench = Bench::new();
    let mut show =
        step("show", "env; printf '%s' ").param("text", json!("it's")).param("list", json!([1, 2]));
    show.run.push(Segment::Param("rate".into()));
    show.inputs.insert("baseline".into(), InputBinding::Absent);
    show.env.0.insert("TOKEN".into(), "s3cr3t-value".into());
    let mut run = bench.pipeline("r1", vec![show]);
    run.params = BTreeMap::from([("rate".into(), json!(0.5)), ("unused".into(), json!(1))]);
    assert!(
        !serde_json::to_string(&run).unwrap().contains("s3cr3t") && !format!("{run:?}").contains("s3cr3t")
    );
    bench.try_run(run).await.unwrap();
    let log = std::fs::read_to_string(bench.path("runs/r1/show/log")).unwrap();
    for line in
        ["MLP_INPUT_baseline=", "MLP_PARAM_text=it's", "MLP_PARAM_list=[1,2]", "TOKEN=(sensitive)", "0.5"]
    {
        assert!(log.lines().any(|found| found == line), "{line} in {log}");
    }
    assert!(!log.contains("CARGO") && !log.contains("unused"));
    let mut pending = vec![bench.dir.path().to_path_buf()];
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let text = std::fs::read(&path).unwrap();
            assert!(!String::from_utf8_lossy(&text).contains("s3cr3t"), "{}", path.display());
        }
    }
}

#[tokio::test]
async fn a_pipeline_that_cannot_be_run_is_refused_with_all_reasons() {
    let bench = Bench::new();
    let mut hole = step("hole", "echo ");
    hole.run.push(Segment::Param("nothing".into()));
    let steps = vec![
        step("a", "true").after("b"),
        step("b", "true").after("a"),
        step("c", "true").after("nobody"),
        step("d", "true").reads("x", "a", "y", ArtifactType::Table),
        hole,
        step("bad/name", "true"),
    ];
    let problems = bench.try_run(bench.pipeline("r1", steps)).await.unwrap_err();
    let all: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    for part in [
        "`a` needs `b` needs `a`",
        "unknown step `nobody`",
        "`y`, which step `a` does not",
        "`nothing`",
        "bad/name",
    ] {
        assert!(all.iter().any(|message| message.contains(part)), "{part} in {all:#?}");
    }
    assert!(!bench.path("runs").exists());
}

#[tokio::test]
async fn an_input_that_is_not_what_was_recorded_is_refused() {
    let bench = Bench::new();
    bench.write("raw.csv", "a\n1\n");
    let digest = Some(crate::digest::digest_file(&bench.path("raw.csv")).unwrap());
    let mut read = step("read", "cat $MLP_INPUT_raw");
    let binding = InputBinding::File { path: "raw.csv".into(), kind: ArtifactType::Table, digest };
    read.inputs.insert("raw".into(), binding);
    assert_eq!(bench.run("r1", vec![read.clone()]).await.status, RunStatus::Succeeded);
    bench.write("raw.csv", "a\n9\n");
    let report = bench.run("r2", vec![read]).await;
    assert_eq!(report.steps["read"].problem.as_ref().unwrap().code, "MLP0770");
}

#[tokio::test]
async fn a_planned_snapshot_is_run_although_the_code_was_edited_since() {
    let bench = Bench::new();
    bench.write("src/say.sh", "echo planned\n");
    let mut say = step("say", "sh say.sh");
    let src = bench.path("src");
    say.code.digest = Some(scan_code(bench.dir.path(), &src).unwrap().digest);
    assert_eq!(bench.run("r1", vec![say.clone()]).await.status, RunStatus::Succeeded);
    bench.write("src/say.sh", "echo edited\n");
    assert_eq!(bench.run("r2", vec![say.clone()]).await.status, RunStatus::Succeeded);
    assert_eq!(std::fs::read_to_string(log_path(&bench.path("runs/r2"), "say")).unwrap(), "planned\n");
    say.code.digest = Some("0".repeat(64));
    let problems = bench.try_run(bench.pipeline("r3", vec![say])).await.unwrap_err();
    assert_eq!((problems[0].code, problems[0].subject.as_deref()), ("MLP0771", Some("step.say.code")));
}
