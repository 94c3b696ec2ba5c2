//! Steps that go wrong, hang, ask for too much or are cut off, through the program as a person runs it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use support::processes;
use support::scratch::{Scratch, eventually, one};

/// Starts a run of which one step waits, and gives the process once the step does.
fn waiting(scratch: &Scratch) -> std::process::Child {
    scratch.write("code/wait.sh", "trap '' TERM\necho waiting\nsetsid sleep 600 &\nsleep 600\n");
    scratch.specify(&one("    run = \"sh wait.sh\""));
    scratch.apply().ended(0);
    let mut command = support::program(&scratch.dir.path().join("home"));
    command.args(["run", "pipeline.p", "-e", "local"]).current_dir(scratch.root());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().unwrap();
    eventually("the step", || sleeping(scratch) == 2);
    child
}

fn sleeping(scratch: &Scratch) -> usize {
    processes::mentioning(&scratch.root()).iter().filter(|found| found.command.starts_with("sleep")).count()
}

#[test]
fn what_goes_wrong_in_a_step_is_told_at_its_line() {
    let scratch = Scratch::new("");
    scratch.write("code/nothing.txt", "");
    scratch.write("data/secret.csv", "a\n1\n");
    scratch.write(
        "code/peek.py",
        "import os, sys\npath = os.environ['MLP_STEP_DIR'].split('/.mlp/')[0] + '/data/' + sys.argv[1]\n\
         try:\n    open(path, sys.argv[2]).close()\nexcept OSError:\n    pass\n",
    );
    for (attributes, code, words) in [
        ("    run = \"echo its last words; exit 3\"", "MLP0765", "ended with exit status 3"),
        ("    run = \"sleep 600\"\n    timeout = \"1s\"", "MLP0766", "longer than its timeout of 1 s"),
        ("    run = \"no-such-program\"", "MLP0765", "a program of the command was not found"),
        ("    run = \"true\"\n    outputs = { t = \"table\" }", "MLP0767", "did not write its output `t`"),
        ("    run = \"echo > elsewhere.csv\"\n    outputs = { t = \"table\" }", "MLP0767", "`t`"),
        ("    run = \"python3 peek.py secret.csv r\"", "MLP0773", "reads `data/secret.csv` of the project"),
        ("    run = \"python3 peek.py new.csv w\"", "MLP0773", "writes `data/new.csv` of the project"),
        (
            "    run = \"ulimit -f 100; yes > ${output.f}\"\n    outputs = { f = \"file\" }",
            "MLP0765",
            "step `s` failed",
        ),
        (
            "    run = \"exit 1\"\n    retry = { max = 2, on = [\"error\"], backoff = \"10ms\" }",
            "MLP0765",
            "it was tried 3 times",
        ),
    ] {
        scratch.specify(&one(attributes));
        scratch.apply().ended(0);
        scratch.run("pipeline.p").ended(1).says(code).says(words).says("main.mlp:");
    }
    assert!(!scratch.root().join("data/new.csv").exists());
    assert!(!scratch.root().join("elsewhere.csv").exists());

    // What a step leaves in the background is gone when it ends.
    scratch.specify(&one("    run = \"setsid sleep 600 & sleep 600 & true\""));
    scratch.apply().ended(0);
    scratch.run("pipeline.p").ended(0);
    let left: Vec<_> = processes::mentioning(&scratch.root())
        .into_iter()
        .filter(|found| found.command.contains("sleep"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_is_wrong_with_a_step_is_known_before_anything_runs() {
    let scratch = Scratch::new("");
    scratch.write("code/nothing.txt", "");
    for (attributes, code, words) in [
        ("    run = \"cat ${input.x}\"", "MLP0307", "step `s` has no `inputs`"),
        ("    run = \"echo ${output.y}\"", "MLP0307", "step `s` has no `outputs`"),
        (
            "    run = \"true\"\n    runtime = { language = \"nosuch\" }",
            "MLP0805",
            "no nosuch on the search path",
        ),
        ("    run = \"true\"\n    max_cost = \"3 USD\"", "MLP0802", "this machine has no price"),
    ] {
        scratch.specify(&one(attributes));
        scratch.mlp(&["plan"]).ended(1).says(code).says(words).says("main.mlp:");
    }
    scratch.specify(&one("    run = \"true\"").replace("\"code\"", "\"gone\""));
    scratch.refused("MLP0809", "code = ", "there is no code directory `gone`");
}

#[test]
fn a_run_that_is_cancelled_leaves_no_process() {
    let scratch = Scratch::new("");
    scratch.write("code/nothing.txt", "");
    let mut child = waiting(&scratch);
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(14));
    assert_eq!(sleeping(&scratch), 0);
    scratch.mlp(&["logs", "pipeline.p", "s", "--follow"]).ended(0).says("waiting");
}

#[test]
fn what_a_killed_run_left_is_ended_by_the_next() {
    let scratch = Scratch::new("");
    scratch.write("code/nothing.txt", "");
    let mut child = waiting(&scratch);
    processes::kill(child.id());
    child.wait().unwrap();
    assert_eq!(sleeping(&scratch), 2, "nobody was there to end them");
    scratch.specify(&one("    run = \"echo done\""));
    scratch.apply().ended(0);
    scratch.run("pipeline.p").ended(0);
    assert_eq!(sleeping(&scratch), 0);
}

#[test]
fn what_a_step_asks_for_is_reserved_or_refused() {
    let step = |name: &str, attributes: &str| {
        format!("  step \"{name}\" {{\n    code = \"code\"\n    run = \"sh gpu.sh\"\n{attributes}\n  }}\n")
    };
    let gpu = "    accelerator = { name = \"L4\" }";
    let scratch = Scratch::new(&format!("pipeline \"p\" {{\n{}{}}}\n", step("a", gpu), step("b", gpu)));
    // Whoever has the GPU finds nobody else at work, and sees its number.
    let lock = scratch.dir.path().join("lock");
    let script = format!(
        "set -e\ntest \"$CUDA_VISIBLE_DEVICES\" = 0\nmkdir {0}\nsleep 0.3\nrmdir {0}\n",
        lock.display()
    );
    scratch.write("code/gpu.sh", &script);
    scratch.apply().ended(0);
    scratch.run("pipeline.p").ended(0);

    for (attributes, code, words) in [
        ("    compute = { cpu = 100000 }", "MLP0761", "100000 cores"),
        ("    compute = { memory = \"900PiB\" }", "MLP0761", "900PiB"),
        ("    compute = compute.big", "MLP0761", "2 × L4"),
        ("    nodes = 2", "MLP0802", "2 nodes"),
        ("    compute = { queue = { name = \"q\" } }", "MLP0802", "`queue`"),
        ("    compute = { fabric = \"rdma\" }", "MLP0802", "rdma"),
        ("    accelerator = { name = \"TPU-v6e\" }", "MLP0761", "TPU-v6e"),
    ] {
        let compute = "compute \"big\" {\n  accelerator = { name = \"L4\", count = 2 }\n}\n";
        let compute = if attributes.contains("compute.big") { compute } else { "" };
        scratch.specify(&format!("{compute}pipeline \"p\" {{\n{}}}\n", step("a", attributes)));
        let at = if compute.is_empty() { attributes.trim_end() } else { "accelerator = {" };
        scratch.refused(code, at, words);
    }
    // What a step says itself stands instead of its compute's.
    let small = "compute \"c\" {\n  cpu = 1\n  accelerator = { name = \"L4\" }\n}\n";
    let own = "    compute = compute.c\n    nodes = 1";
    scratch.specify(&format!("{small}pipeline \"p\" {{\n{}}}\n", step("a", own)));
    scratch.mlp(&["plan"]).ended(0);
}

/// A python3 that tells when it makes an environment, and is slow about it while a file is there.
const SLOW: &str = "#!/bin/sh\ncase \"$*\" in\n*'-m venv'*)\n  [ -e NOTES/slow ] && touch NOTES/building && sleep 600\n  ;;\nesac\n\
                    exec REAL \"$@\"\n";

#[test]
fn a_build_that_is_killed_is_done_again() {
    let spec = "runtime \"py\" {\n  lock = \"requirements.txt\"\n}\n".to_owned()
        + &one("    run = \"python3 -c 'import sys; print(sys.prefix)'\"\n    runtime = runtime.py");
    let scratch = Scratch::new(&spec);
    scratch.write("code/nothing.txt", "");
    scratch.write("requirements.txt", "# nothing but an environment\n");
    let notes = scratch.dir.path().join("notes");
    fs::create_dir(&notes).unwrap();
    fs::write(notes.join("slow"), "").unwrap();
    let real = support::run(Command::new("sh").args(["-c", "command -v python3"])).stdout;
    let slow = SLOW.replace("NOTES", &notes.display().to_string()).replace("REAL", real.trim());
    fs::write(notes.join("python3"), slow).unwrap();
    fs::set_permissions(notes.join("python3"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", notes.display(), std::env::var("PATH").unwrap());
    let apply = || {
        let mut command = support::program(&scratch.dir.path().join("home"));
        command
            .args(["apply", "-e", "local", "-auto-approve"])
            .current_dir(scratch.root())
            .env("PATH", &path);
        command
    };

    let mut child = apply().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("the build", || notes.join("building").exists() && sleeping(&scratch) == 1);
    processes::kill(child.id());
    child.wait().unwrap();
    fs::remove_file(notes.join("slow")).unwrap();
    // The installer that was left is ended, and what it had made is not taken for whole.
    support::run(&mut apply()).ended(0);
    assert_eq!(sleeping(&scratch), 0);
    let mut run = support::program(&scratch.dir.path().join("home"));
    run.args(["run", "pipeline.p", "-e", "local"]).current_dir(scratch.root()).env("PATH", &path);
    support::run(&mut run).ended(0);
    scratch.mlp(&["logs", "pipeline.p"]).ended(0).says(".mlp/local/runtimes/");
}
