//! A state that is moved to another place, or encrypted where it is: said by every command, done by `mlp init`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test says what it expects by failing"
)]

mod support;

use std::fs;
use std::process::{Command, Stdio};

use support::program;
use support::scratch::{Scratch, eventually};

/// Two places for data, and something that hangs on a value that must not be written down.
const SPEC: &str = "storage \"lake\" {\n  kind = \"object\"\n}\nstorage \"pond\" {\n  kind = \"object\"\n}\n\
    variable \"token\" {\n  type      = string\n  sensitive = true\n  default   = \"canary-7\"\n}\n\
    resource \"local_value\" \"v\" {\n  input = var.token\n}\n\
    output \"lake\" {\n  value = storage.lake.path\n}\n";

/// A project whose environment keeps its state so.
fn specified(scratch: &Scratch, state: &str, more: &str) {
    let text = format!(
        "project \"p\" {{}}\nprovider \"local\" \"here\" {{}}\nenvironment \"local\" {{\n  provider = \
         provider.local.here\n{state}}}\n{SPEC}{more}"
    );
    scratch.write("main.mlp", &text);
}

fn in_directory(path: &str, more: &str) -> String {
    format!("  state {{\n    path  = \"{path}\"\n    lease = \"5s\"\n{more}  }}\n")
}

fn plan_is_empty(scratch: &Scratch) {
    scratch.mlp(&["plan", "-detailed-exitcode"]).ended(0);
}

#[test]
fn nothing_is_moved_where_the_specification_has_mistakes() {
    let scratch = Scratch::new("");
    specified(&scratch, "", "");
    scratch.apply().ended(0);
    specified(&scratch, &in_directory("../shared", ""), "storage \"x\" {\n");
    for wish in ["-migrate-state", "-reconfigure"] {
        scratch.mlp(&["init", wish]).ended(1).says("MLP0105");
    }
    assert!(!scratch.dir.path().join("shared").exists());
}

#[test]
fn a_state_is_moved_to_another_directory_and_back() {
    let scratch = Scratch::new("");
    specified(&scratch, "", "");
    scratch.apply().ended(0);
    let first = scratch.mlp(&["state", "pull"]).ended(0).json();

    // Nothing is planned from a place that has no state while another has it.
    specified(&scratch, &in_directory("../shared", ""), "");
    for command in [&["plan"][..], &["apply", "-auto-approve"], &["state", "list"], &["history"], &["init"]] {
        scratch
            .mlp(command)
            .ended(1)
            .says("MLP0927")
            .says("../shared".trim_start_matches("../"))
            .says("-migrate-state");
    }
    assert!(!scratch.dir.path().join("shared").exists());
    let moved = scratch.mlp(&["init", "-migrate-state"]).ended(0).says("Moved the state of local: 3 records");
    assert!(moved.stderr.contains("Everything was compared"), "{moved}");
    plan_is_empty(&scratch);
    scratch.mlp(&["init"]).ended(0);
    scratch.mlp(&["init", "-migrate-state"]).ended(0).says("nothing to move");
    let second = scratch.mlp(&["state", "pull"]).ended(0).json();
    for part in ["lineage", "serial", "records"] {
        assert_eq!(first[part], second[part], "{part}");
    }
    let history = scratch.mlp(&["history", "-json"]).ended(0).json();
    let commands: Vec<&str> =
        history["history"].as_array().unwrap().iter().map(|one| one["command"].as_str().unwrap()).collect();
    assert_eq!(commands, ["apply", "init -migrate-state"]);
    // What an apply kept of its specification came along.
    scratch.mlp(&["history", "1"]).ended(0).says("main.mlp");

    // Somebody else with the new specification and nothing of their own goes on; the key of sensitive values came along.
    let other = Scratch::new("");
    specified(&other, &in_directory(&scratch.dir.path().join("shared").display().to_string(), ""), "");
    let listed = |scratch: &Scratch| scratch.mlp(&["state", "list"]).ended(0).stdout;
    assert_eq!(listed(&other), listed(&scratch));
    let key = |scratch: &Scratch| fs::read(scratch.home().join("state/seal.key")).unwrap();
    other.mlp(&["plan"]);
    assert_eq!(key(&scratch), key(&other));

    // And somebody with the old one is told where it is, and changes nothing.
    specified(&scratch, "", "");
    fs::remove_file(scratch.home().join("backend.json")).unwrap();
    for command in [&["plan"][..], &["apply", "-auto-approve"], &["init"], &["state", "list"]] {
        scratch.mlp(command).ended(1).says("MLP0607").says("moved to");
    }
    scratch.mlp(&["init", "-migrate-state"]).ended(0).says("Moved the state of local: 3 records");
    plan_is_empty(&scratch);
    other.mlp(&["plan"]).ended(1).says("MLP0607").says("moved to");
    scratch.mlp(&["destroy", "-auto-approve"]).ended(0);
}

#[test]
fn a_state_is_encrypted_where_it_is_and_while_it_is_moved() {
    let scratch = Scratch::new("");
    scratch.write("one.key", "correct horse\n");
    specified(&scratch, "", "");
    scratch.apply().ended(0);
    let clear = |place: &str| {
        let output = Command::new("grep")
            .args(["-r", "-l", "local_directory"])
            .arg(scratch.root().join(place))
            .output();
        !output.unwrap().stdout.is_empty()
    };
    assert!(clear(".mlp/local/state"));
    let keys = "    encrypt = { passphrase = \"file:one.key\" }\n";
    specified(&scratch, &format!("  state {{\n{keys}  }}\n"), "");
    scratch.mlp(&["init"]).ended(1).says("MLP0927").says("not encrypted as `encrypt` says");
    scratch.mlp(&["init", "-migrate-state"]).ended(0).says("encrypted as the specification says");
    assert!(!clear(".mlp/local/state"));
    scratch.mlp(&["init"]).ended(0);
    plan_is_empty(&scratch);

    // To another place, with another key: which one opens the old place is remembered.
    scratch.write("two.key", "battery staple\n");
    let keys = "    encrypt = { passphrase = \"file:two.key\" }\n";
    specified(&scratch, &in_directory("../shared", keys), "");
    fs::rename(scratch.root().join("one.key"), scratch.root().join("hidden")).unwrap();
    scratch.mlp(&["plan"]).ended(1).says("MLP0927").says("cannot be read");
    scratch.mlp(&["init", "-migrate-state"]).ended(1).says("MLP0927").says("cannot be read");
    fs::rename(scratch.root().join("hidden"), scratch.root().join("one.key")).unwrap();
    scratch.mlp(&["plan"]).ended(1).says("MLP0927");
    scratch.mlp(&["init", "-migrate-state"]).ended(0).says(", encrypted.");
    assert!(!clear("../shared"));
    plan_is_empty(&scratch);
    scratch.mlp(&["state", "verify"]).ended(0).says("; encrypted");
}

#[test]
fn a_state_is_not_moved_under_an_apply_nor_over_another_state() {
    let scratch = Scratch::new("");
    let many: String = (0..300).map(|n| format!("storage \"s{n}\" {{\n  kind = \"object\"\n}}\n")).collect();
    specified(&scratch, &in_directory("../first", ""), &many);
    let mut command = program(&scratch.dir.path().join("home"));
    command.args(["apply", "-auto-approve", "-e", "local", "-parallelism", "1"]).current_dir(scratch.root());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let segment = scratch.dir.path().join("first/p/local/journal/1/1.jsonl");
    eventually("the first steps", || {
        fs::read_to_string(&segment).is_ok_and(|text| text.lines().count() > 10)
    });
    specified(&scratch, &in_directory("../second", ""), &many);
    let refused = scratch.mlp(&["init", "-migrate-state"]).ended(10).says("MLP0610").says(" until 20");
    assert!(refused.all().contains(&format!("(process {})", child.id())), "{refused}");
    // Killed while it is at work: what is unsettled is moved too, and settled there.
    child.kill().unwrap();
    child.wait().unwrap();
    scratch.mlp(&["init", "-migrate-state"]).ended(0);
    scratch.apply().ended(0);
    plan_is_empty(&scratch);
    assert_eq!(scratch.mlp(&["state", "list"]).ended(0).stdout.lines().count(), 303);
    scratch.mlp(&["history"]).ended(0).says("broken off").says("init -migrate-state");

    // Two states of different lineages are never made one.
    let other = Scratch::new("");
    specified(&other, "", "");
    other.apply().ended(0);
    let there = scratch.dir.path().join("second").display().to_string();
    specified(&other, &in_directory(&there, ""), "");
    other.mlp(&["init", "-migrate-state"]).ended(1).says("MLP0609").says("another lineage");
    specified(&other, "", "");
    plan_is_empty(&other);
    plan_is_empty(&scratch);
    // Who wants the other one says so.
    specified(&other, &in_directory(&there, ""), &many);
    other.mlp(&["init", "-reconfigure"]).ended(0);
    assert_eq!(other.mlp(&["state", "list"]).ended(0).stdout.lines().count(), 303);
}

#[test]
fn a_move_that_is_killed_is_finished_by_the_next() {
    for turn in 0..8u64 {
        let scratch = Scratch::new("");
        specified(&scratch, "", "");
        scratch.apply().ended(0);
        specified(&scratch, &in_directory("../shared", ""), "");
        let mut command = program(&scratch.dir.path().join("home"));
        command.args(["init", "-migrate-state", "-e", "local"]).current_dir(scratch.root());
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(15 + turn * 12));
        let _ended_already = child.kill();
        child.wait().unwrap();
        scratch.mlp(&["init", "-migrate-state"]).ended(0);
        plan_is_empty(&scratch);
        assert_eq!(scratch.mlp(&["state", "list"]).ended(0).stdout.lines().count(), 3);
        scratch.mlp(&["state", "verify"]).ended(0);
        specified(&scratch, "", "");
        fs::remove_file(scratch.home().join("backend.json")).unwrap();
        scratch.mlp(&["plan"]).ended(1).says("MLP0607");
    }
}

#[test]
fn what_is_encrypted_or_elsewhere_is_looked_up_with_its_key_and_refused_without() {
    let scratch = Scratch::new("");
    scratch.write("one.key", "correct horse\n");
    let keys = "    encrypt = { passphrase = \"file:one.key\" }\n";
    let reader = "environment \"reader\" {\n  provider = provider.local.here\n}\n";
    specified(&scratch, &in_directory("../shared", keys), reader);
    scratch.apply().ended(0);
    let read = |more: &str| {
        scratch.write("more.mlp", more);
        let mut command = program(&scratch.dir.path().join("home"));
        support::run(command.args(["plan", "-e", "reader"]).current_dir(scratch.root()))
    };
    let look = "data \"local_directory\" \"there\" {\n  id          = \"storage/lake\"\n  environment = \"local\"\n}\n\
                output \"there\" {\n  value = data.local_directory.there.path\n}\n";
    read(look).ended(0).says("there = \"").says("storage/lake");
    let hidden = scratch.root().join("hidden");
    fs::rename(scratch.root().join("one.key"), &hidden).unwrap();
    read(look).ended(1).says("the key of the state is not there").says("one.key");
    fs::rename(&hidden, scratch.root().join("one.key")).unwrap();
    fs::remove_file(scratch.root().join("more.mlp")).unwrap();

    // Another project reads the outputs where the state is: a fresh checkout has nothing else.
    fs::remove_file(scratch.home().join("outputs.json")).unwrap();
    let user = |more: &str| {
        scratch.write(
            "../user/main.mlp",
            &format!(
                "project \"user\" {{}}\nprovider \"local\" \"here\" {{}}\nenvironment \"local\" {{\n  provider = \
                 provider.local.here\n}}\nreference \"up\" {{\n  project = \"../project\"\n}}\noutput \"read\" {{\n  \
                 value = reference.up.lake\n}}\n{more}"
            ),
        );
        let mut command = program(&scratch.dir.path().join("home"));
        let user = scratch.dir.path().join("user");
        support::run(command.args(["plan", "-e", "local"]).current_dir(user))
    };
    user("").ended(0).says("read = \"").says("storage/lake");
    fs::rename(scratch.root().join("one.key"), &hidden).unwrap();
    user("").ended(1).says("the key of the state is not there");
    fs::rename(&hidden, scratch.root().join("one.key")).unwrap();
    scratch.mlp(&["destroy", "-auto-approve"]).ended(0);
    user("").ended(1).says("was never applied");
}
