//! The whole program with its state in a bucket, on a server that this project did not write. Built with the feature `s3`.
#![cfg(feature = "s3")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test says what it expects by failing"
)]

mod support;

use std::fs;
use std::process::{Command, Stdio};

use support::s3::Server;
use support::scratch::{Scratch, eventually};
use support::{Output, program};

const SPEC: &str = "storage \"lake\" {\n  kind = \"object\"\n}\nvariable \"n\" {\n  type    = number\n  default = 0\n}\n\
    resource \"local_value\" \"v\" {\n  input = var.n\n}\noutput \"n\" {\n  value = local_value.v.output\n}\n";

/// A project with its state in the bucket of a server.
fn specified(scratch: &Scratch, server: &Server, prefix: &str, more: &str) {
    let state = format!(
        "  state {{\n    backend  = \"s3\"\n    bucket   = \"states\"\n    prefix   = \"{prefix}\"\n    region   = \
         \"us-east-1\"\n    endpoint = \"{}\"\n    lease    = \"5s\"\n{more}  }}\n",
        server.endpoint()
    );
    written(scratch, &state, "");
}

fn written(scratch: &Scratch, state: &str, more: &str) {
    let head = "project \"p\" {}\nprovider \"local\" \"here\" {}\nenvironment \"local\" {\n  provider = \
                provider.local.here\n";
    scratch.write("main.mlp", &format!("{head}{state}}}\n{SPEC}{more}"));
}

fn command(scratch: &Scratch, arguments: &[&str]) -> Command {
    let mut command = program(&scratch.dir.path().join("home"));
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env("USER", "ann");
    command.args(arguments).args(["-e", "local"]).current_dir(scratch.root());
    command
}

fn mlp(scratch: &Scratch, arguments: &[&str]) -> Output {
    support::run(&mut command(scratch, arguments))
}

#[test]
fn a_project_lives_with_its_state_in_a_bucket() {
    let Some(server) = Server::start() else { return };
    let scratch = Scratch::new("");
    specified(&scratch, &server, "one", "");
    mlp(&scratch, &["init"]).ended(0);
    mlp(&scratch, &["plan", "-out", "made.plan"]).ended(0).says("2 to add");
    mlp(&scratch, &["apply", "made.plan"]).ended(0);
    mlp(&scratch, &["plan", "-detailed-exitcode"]).ended(0);
    assert!(mlp(&scratch, &["state", "list"]).ended(0).stdout.contains("storage.lake\n"));
    mlp(&scratch, &["state", "verify"]).ended(0).says("s3://states/one/p/local");
    mlp(&scratch, &["history"]).ended(0).says("ann@");
    assert!(!scratch.home().join("state").join("journal").exists(), "the state is in the project too");

    // Without credentials nothing is done, and who has none is told so.
    let mut without = program(&scratch.dir.path().join("home"));
    without
        .args(["plan", "-e", "local"])
        .current_dir(scratch.root())
        .env("AWS_EC2_METADATA_DISABLED", "true");
    let said = support::run(without.env("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")).ended(1);
    assert!(said.all().contains("MLP0600") && said.all().contains("s3://states/one/p/local"), "{said}");

    // Many at once: each is told who is applying, or that somebody came between, or it won.
    let racers: Vec<_> = (1..=12)
        .map(|n| {
            let mut racer = command(&scratch, &["apply", "-auto-approve", "-var", &format!("n={n}")]);
            racer.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut won = 0;
    for racer in racers {
        let output = racer.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => won += 1,
            Some(10) => assert!(said.contains("ann@") && said.contains(" until 20"), "{said}"),
            Some(12) => {}
            other => panic!("{other:?}: {said}"),
        }
    }
    assert!(won > 0);
    let history = mlp(&scratch, &["history", "-json", "-n", "100"]).ended(0).json();
    let outcomes = history["history"].as_array().unwrap().iter().map(|one| one["outcome"].as_str().unwrap());
    assert_eq!(outcomes.filter(|outcome| *outcome == "applied").count(), won + 1);

    // One that is killed leaves nothing to unlock, and what it was at is settled.
    let many: String = (0..40).map(|n| format!("storage \"s{n}\" {{\n  kind = \"object\"\n}}\n")).collect();
    scratch.write("more.mlp", &many);
    let mut killed = command(&scratch, &["apply", "-auto-approve", "-parallelism", "1"]);
    let mut killed = killed.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("the first steps", || {
        scratch.home().join("storage/s3").exists()
            || scratch.home().join("s3").exists()
            || killed.try_wait().unwrap().is_some()
    });
    killed.kill().unwrap();
    killed.wait().unwrap();
    mlp(&scratch, &["apply", "-auto-approve"]).ended(0);
    mlp(&scratch, &["plan", "-detailed-exitcode"]).ended(0);
    assert_eq!(mlp(&scratch, &["state", "list"]).ended(0).stdout.lines().count(), 42);
    mlp(&scratch, &["destroy", "-auto-approve"]).ended(0);
    assert_eq!(mlp(&scratch, &["state", "list"]).ended(0).stdout, "");
}

#[test]
fn a_state_is_moved_into_a_bucket_encrypted_there_and_brought_back() {
    let Some(server) = Server::start() else { return };
    let scratch = Scratch::new("");
    written(&scratch, "", "");
    mlp(&scratch, &["apply", "-auto-approve"]).ended(0);
    let pulled = |scratch: &Scratch| mlp(scratch, &["state", "pull"]).ended(0).json()["records"].clone();
    let first = pulled(&scratch);
    specified(&scratch, &server, "two", "");
    mlp(&scratch, &["plan"]).ended(1).says("MLP0927").says("s3://states/two/p/local at http://");
    mlp(&scratch, &["init", "-migrate-state"]).ended(0).says("Moved the state of local: 2 records");
    mlp(&scratch, &["plan", "-detailed-exitcode"]).ended(0);
    assert_eq!(pulled(&scratch), first);

    // In another bucket's folder, encrypted: nothing of it can be read there.
    scratch.write("one.key", "correct horse\n");
    specified(&scratch, &server, "three", "    encrypt  = { passphrase = \"file:one.key\" }\n");
    mlp(&scratch, &["plan"]).ended(1).says("MLP0927");
    mlp(&scratch, &["init", "-migrate-state"]).ended(0).says(", encrypted.");
    mlp(&scratch, &["plan", "-detailed-exitcode"]).ended(0);
    let listing = server.asked("GET /states?list-type=2&prefix=three/").unwrap();
    let names: Vec<&str> = listing.split("<Key>").skip(1).filter_map(|part| part.split('<').next()).collect();
    assert!(names.iter().any(|name| name.contains("/snapshot/")), "{names:?}");
    for name in &names {
        let object = server.asked(&format!("GET /states/{name}")).unwrap();
        assert!(!object.contains("local_directory"), "{name}: {object}");
    }
    specified(&scratch, &server, "two", "");
    fs::remove_file(scratch.home().join("backend.json")).unwrap();
    mlp(&scratch, &["plan"]).ended(1).says("MLP0607").says("moved to s3://states/three/p/local");

    // A move that is killed is finished by the next, wherever it was.
    specified(&scratch, &server, "three", "    encrypt  = { passphrase = \"file:one.key\" }\n");
    mlp(&scratch, &["plan", "-detailed-exitcode"]).ended(0);
    for turn in 0..6u64 {
        let prefix = format!("turn{turn}");
        specified(&scratch, &server, &prefix, "    encrypt  = { passphrase = \"file:one.key\" }\n");
        let mut moving = command(&scratch, &["init", "-migrate-state"]);
        let mut moving =
            moving.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(100 + 150 * turn));
        let _ended_already = moving.kill();
        moving.wait().unwrap();
        mlp(&scratch, &["init", "-migrate-state"]).ended(0);
        mlp(&scratch, &["plan", "-detailed-exitcode"]).ended(0);
        assert_eq!(pulled(&scratch), first);
    }

    // And home again.
    written(&scratch, "", "");
    mlp(&scratch, &["init", "-migrate-state"]).ended(0);
    mlp(&scratch, &["plan", "-detailed-exitcode"]).ended(0);
    assert_eq!(pulled(&scratch), first);
}

#[test]
fn another_project_reads_outputs_from_a_bucket_and_is_told_when_it_may_not() {
    let Some(server) = Server::start() else { return };
    let scratch = Scratch::new("");
    specified(&scratch, &server, "outputs", "");
    mlp(&scratch, &["apply", "-auto-approve", "-var", "n=7"]).ended(0);
    fs::remove_file(scratch.home().join("outputs.json")).unwrap();
    let user = Scratch::new("");
    let reads = "output \"read\" {\n  value = reference.up.n\n}\n";
    let project = scratch.root().display().to_string();
    user.specify(&format!("reference \"up\" {{\n  project = \"{project}\"\n}}\n{reads}"));
    mlp(&user, &["plan"]).ended(0).says("read = 7");
    let mut without = program(&user.dir.path().join("home"));
    without.args(["plan", "-e", "local"]).current_dir(user.root());
    let said = support::run(without.env("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")).ended(1);
    assert!(said.all().contains("s3://states/outputs/p/local"), "{said}");
    mlp(&scratch, &["destroy", "-auto-approve"]).ended(0);
    mlp(&user, &["plan"]).ended(1).says("was never applied");
}
