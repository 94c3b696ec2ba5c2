//! What steps reserve, what they may touch, and what happens when there is no room.

use super::*;

#[tokio::test]
async fn steps_without_an_order_run_together_within_the_bounds() {
    // Each waits until the other is there, which only ends when both run at once.
    let bench = Bench::new();
    let meet = |me: &str, other: &str| {
        let dir = bench.dir.path().display();
        let wait = format!("touch {dir}/{me}; until [ -e {dir}/{other} ]; do sleep 0.01; done");
        step(me, &wait)
    };
    let report = bench.run("r1", vec![meet("a", "b"), meet("b", "a")]).await;
    assert_eq!(report.status, RunStatus::Succeeded);

    // One GPU: whoever has it finds nobody else at work, and sees its number.
    let alone = format!(
        "mkdir {0}/lock && test \"$CUDA_VISIBLE_DEVICES\" = 0 && sleep 0.05 && rmdir {0}/lock",
        bench.dir.path().display()
    );
    let mut steps: Vec<_> = ["x", "y", "z"].iter().map(|name| step(name, &alone)).collect();
    steps.iter_mut().for_each(|step| {
        step.gpus = 1;
        step.cache = Some(CacheSpec { enabled: false, ttl_seconds: None, key: CacheKey::default() });
    });
    let mut run = bench.pipeline("r2", steps.clone());
    run.capacity.gpus = 1;
    assert_eq!(bench.try_run(run).await.unwrap().status, RunStatus::Succeeded);

    steps[0].gpus = 2;
    let problems = bench.try_run(bench.pipeline("r3", steps)).await.unwrap_err();
    assert_eq!(problems[0].code, "MLP0761");
}

#[tokio::test]
async fn two_runs_that_want_the_same_gpu_wait_for_one_another() {
    let bench = Bench::new();
    let lock = bench.note("lock");
    let alone = format!("mkdir {0} && sleep 0.2 && rmdir {0}", lock.display());
    let run = |id: &str| {
        let mut step = step("fit", &alone);
        step.gpus = 1;
        let mut run = bench.pipeline(id, vec![step]);
        run.capacity.gpus = 1;
        run.gpu_root = Some(bench.path("gpu"));
        bench.try_run(run)
    };
    let (one, other) = tokio::join!(run("r1"), run("r2"));
    assert_eq!(one.unwrap().status, RunStatus::Succeeded);
    assert_eq!(other.unwrap().status, RunStatus::Succeeded);
}

#[tokio::test]
async fn an_undeclared_file_of_the_project_fails_the_step_with_its_path() {
    let bench = Bench::new();
    bench.write("secret.csv", "a\n1\n");
    bench.write("src/peek.py", "import os, sys\ntry:\n    open(sys.argv[1])\nexcept OSError:\n    pass\n");
    let root = bench.dir.path().display().to_string();
    let mut peek = step("peek", &format!("python3 peek.py {root}/secret.csv"));
    peek.retry = Retry { max: 3, on: vec![], backoff_seconds: 0.0 };
    let report = bench.run("r1", vec![peek.clone()]).await;
    let problem = report.steps["peek"].problem.as_ref().unwrap();
    assert_eq!(problem.code, "MLP0773");
    assert!(problem.message.contains("reads `secret.csv`"), "{}", problem.message);
    // What is declared may be read, wherever it is.
    let binding = InputBinding::File { path: "secret.csv".into(), kind: ArtifactType::Table, digest: None };
    peek.inputs.insert("data".into(), binding);
    let report = bench.run("r2", vec![peek]).await;
    assert_eq!(report.status, RunStatus::Succeeded, "{report:#?}");
}

#[tokio::test]
async fn a_step_that_fills_the_disk_fails_and_leaves_nothing_half_made() {
    let bench = Bench::new();
    // A limit on the size of files stands for a disk that is full.
    let mut fill = step("fill", "ulimit -f 100; yes > $MLP_OUTPUT_big").writes("big", ArtifactType::File);
    fill.timeout_seconds = Some(60.0);
    let report = bench.run("r1", vec![fill, step("next", "true").after("fill")]).await;
    assert_eq!(report.status, RunStatus::Failed);
    assert!(report.steps["fill"].problem.is_some());
    assert!(!bench.path("runs/r1/fill/staging").exists() && !bench.path("runs/r1/fill/outputs").exists());
    assert_eq!(report.steps["next"].status, StepStatus::Skipped);
    assert!(!bench.path("cache").exists() || std::fs::read_dir(bench.path("cache")).unwrap().count() == 0);
}

/// A small disk, for as long as the test runs.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(place: &Path) -> Option<Self> {
        std::fs::create_dir_all(place).unwrap();
        let mut command = std::process::Command::new("mount");
        command.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(place);
        let mounted = command.output().is_ok_and(|output| output.status.success());
        mounted.then(|| Self(place.to_path_buf()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[tokio::test]
async fn a_disk_that_is_full_is_named_as_the_cause_and_freed_again() {
    let bench = Bench::new();
    let Some(_disk) = SmallDisk::mount(&bench.path("runs")) else {
        crate::skipping::skip_unprivileged("the full disk: this user may not mount one");
        return;
    };
    let fill = step("fill", "yes > $MLP_OUTPUT_big").writes("big", ArtifactType::File);
    let report = bench.run("r1", vec![fill]).await;
    assert_eq!(report.status, RunStatus::Failed);
    let problem = report.steps["fill"].problem.as_ref().unwrap();
    assert!(problem.notes.iter().any(|note| note.contains("no room left on the disk")), "{problem:?}");
    // There is room again for a step that needs less.
    let small = step("small", "echo 1 > $MLP_OUTPUT_one").writes("one", ArtifactType::File);
    assert_eq!(bench.run("r2", vec![small]).await.status, RunStatus::Succeeded);
}
