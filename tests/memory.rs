//! What is remembered: state commands, the history and the way back, encryption, leases, users beside each other, and a lost
//! state made anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test says what it expects by failing"
)]

mod support;

use std::fs;
use std::process::{Command, Stdio};

use support::processes;
use support::program;
use support::scratch::{Scratch, eventually};

/// Two places for data and a value that only the state knows.
const SPEC: &str = "storage \"lake\" {\n  kind = \"object\"\n}\nstorage \"pond\" {\n  kind = \"object\"\n}\n";

fn plan_is_empty(scratch: &Scratch) {
    scratch.mlp(&["plan", "-detailed-exitcode"]).ended(0);
}

fn state_folder(scratch: &Scratch) -> std::path::PathBuf {
    scratch.home().join("state")
}

#[test]
fn state_commands_list_show_move_forget_pull_push_and_verify() {
    let scratch = Scratch::new(SPEC);
    scratch.mlp(&["state", "list"]).ended(0);
    scratch.mlp(&["history"]).ended(0).says("Nothing was applied yet");
    scratch.mlp(&["state", "show", "storage.lake"]).ended(1).says("MLP0951").says("mlp apply");
    scratch.apply().ended(0);
    assert_eq!(scratch.mlp(&["state", "list"]).ended(0).stdout, "storage.lake\nstorage.pond\n");
    scratch.mlp(&["state", "show", "storage.lake"]).ended(0).says("local_directory").says("storage/lake");
    let one = scratch.mlp(&["state", "show", "storage.lake", "-json"]).ended(0).json();
    assert_eq!(one["resources"][0]["kind"], "local_directory");
    scratch.mlp(&["state", "list", "storage.sea"]).ended(1).says("MLP0951").says("storage.lake");
    let first = scratch.mlp(&["state", "pull"]).ended(0).stdout;
    scratch.write("first.json", &first);

    // What moves keeps its name in the target; the specification has to follow.
    scratch.mlp(&["state", "mv", "storage.lake", "storage.sea", "-dry-run"]).ended(0).says("would be");
    scratch.mlp(&["state", "mv", "storage.lake", "storage.pond"]).ended(1).says("remembered already");
    scratch.mlp(&["state", "mv", "storage.lake", "storage.sea"]).ended(0).says("storage.sea now");
    scratch.specify(&SPEC.replace("lake", "sea"));
    plan_is_empty(&scratch);
    scratch.mlp(&["state", "rm", "storage.nothing"]).ended(1).says("MLP0951");
    scratch.mlp(&["state", "rm", "storage.pond"]).ended(0).says("stays in the target");
    assert_eq!(scratch.mlp(&["state", "list"]).ended(0).stdout, "storage.sea\n");

    // An older state is not pushed by mistake, and an edited one not at all.
    scratch.mlp(&["state", "push", "first.json"]).ended(1).says("MLP0953").says("serial");
    scratch.write("edited.json", &first.replacen("local_directory", "local_dataset", 1));
    scratch.mlp(&["state", "push", "edited.json", "-force"]).ended(1).says("MLP0601");
    scratch.mlp(&["state", "push", "first.json", "-force"]).ended(0);
    scratch.specify(SPEC);
    plan_is_empty(&scratch);
    let verified = scratch.mlp(&["state", "verify", "-json"]).ended(0).json();
    assert_eq!(verified["records"], 2);
    let history = scratch.mlp(&["history", "-json"]).ended(0).json();
    let commands: Vec<&str> =
        history["history"].as_array().unwrap().iter().map(|one| one["command"].as_str().unwrap()).collect();
    assert_eq!(
        commands,
        ["apply", "state mv storage.lake storage.sea", "state rm storage.pond", "state push"]
    );
}

#[test]
fn one_goes_back_to_an_apply_by_a_reviewed_plan() {
    let scratch = Scratch::new(SPEC);
    scratch.apply().ended(0);
    scratch.specify(&SPEC.replace("pond", "sea"));
    scratch.write("more.mlp", "storage \"extra\" {\n  kind = \"object\"\n}\n");
    scratch.apply().ended(0);
    scratch.mlp(&["history"]).ended(0).says("2 ").says("apply");
    scratch.mlp(&["history", "1"]).ended(0).says("main.mlp").says("plan ");
    scratch.mlp(&["history", "9"]).ended(1).says("numbered 1 to 2");
    scratch
        .mlp(&["history", "1", "-restore", "-dry-run"])
        .ended(0)
        .says("would write  main.mlp")
        .says("more.mlp");
    // What no apply kept is not overwritten by mistake.
    let edited = format!("{SPEC}# not applied\n");
    scratch.specify(&edited);
    scratch.mlp(&["history", "1", "-restore"]).ended(1).says("MLP0956").says("main.mlp");
    scratch.mlp(&["history", "1", "-restore", "-force"]).ended(0).says("removed more.mlp");
    scratch.mlp(&["plan", "-out", "back.plan"]).ended(0).says("storage.pond").says("storage.extra");
    scratch.mlp(&["apply", "back.plan"]).ended(0);
    let now = scratch.mlp(&["state", "list"]).ended(0).stdout;
    assert_eq!(now, "storage.lake\nstorage.pond\n");
    plan_is_empty(&scratch);
}

#[test]
fn a_lost_state_is_made_anew_from_what_lives() {
    let spec = format!("{SPEC}resource \"local_value\" \"v\" {{\n  input = \"kept nowhere else\"\n}}\n");
    let scratch = Scratch::new(&spec);
    scratch.write("data/rows.csv", "a,b\n1,2\n");
    let data = "source \"rows\" {\n  kind = \"file\"\n  uri  = \"data/rows.csv\"\n}\ndataset \"rows\" {\n  from   = [source.rows]\n  format = \"csv\"\n}\n";
    scratch.specify(&format!("{spec}{data}"));
    scratch.apply().ended(0);
    scratch.mlp(&["state", "rebuild"]).ended(1).says("MLP0958");
    fs::remove_dir_all(state_folder(&scratch)).unwrap();
    scratch.mlp(&["state", "rebuild", "-dry-run"]).ended(0).says("Nothing was changed");
    scratch.mlp(&["state", "rebuild"]).ended(0).says("found   dataset.rows").says("lost    local_value.v");
    scratch.mlp(&["plan"]).ended(0).says("1 to add, 0 to change, 0 to destroy").says("local_value.v");
    scratch.apply().ended(0);
    plan_is_empty(&scratch);

    // What was edited while nobody remembered it shows as drift.
    let record = scratch.home().join("storage/lake.json");
    let text = fs::read_to_string(&record).unwrap();
    assert!(text.contains("storage.lake"), "{text}");
    fs::write(
        &record,
        text.replace(
            "\"address\": \"storage.lake\"",
            "\"address\": \"storage.lake\",\n    \"owner\": \"eve\"",
        ),
    )
    .unwrap();
    fs::remove_dir_all(state_folder(&scratch)).unwrap();
    scratch.mlp(&["state", "rebuild"]).ended(0).says("edited  storage.lake");
    scratch.mlp(&["plan"]).ended(0).says("changed outside").says("storage.lake");

    // A damaged state is moved aside, and what it cannot tell any more is found again.
    scratch.apply().ended(0);
    let snapshot = fs::read_dir(state_folder(&scratch))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with("snapshot"))
        .unwrap();
    fs::write(&snapshot, "{").unwrap();
    scratch.mlp(&["plan"]).ended(1).says("MLP0601").says("state rebuild");
    scratch.mlp(&["state", "rebuild"]).ended(0).says("aside-");
    scratch.mlp(&["plan"]).ended(0).says("1 to add, 0 to change, 0 to destroy");
}

fn with_encryption(encrypt: &str) -> String {
    format!(
        "project \"p\" {{\n  state {{\n    lease = \"5s\"\n{encrypt}\n  }}\n}}\nprovider \"local\" \"here\" {{}}\nenvironment \"local\" {{\n  provider = provider.local.here\n}}\n{SPEC}"
    )
}

/// Whether a text stands in any file below a folder.
fn stands(folder: &std::path::Path, text: &str) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return stands(&path, text);
        }
        String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).contains(text)
    })
}

#[test]
fn a_state_and_a_plan_are_encrypted_and_given_another_key() {
    let scratch = Scratch::new("");
    scratch.write("one.key", "correct horse\n");
    scratch.write("main.mlp", &with_encryption("    encrypt = { passphrase = \"file:one.key\" }"));
    scratch.mlp(&["plan", "-out", "made.plan"]).ended(0);
    assert!(!stands(&scratch.root(), "local_directory"), "the plan is not encrypted");
    scratch.mlp(&["show", "made.plan"]).ended(0).says("storage.lake");
    scratch.mlp(&["apply", "made.plan"]).ended(0);
    assert!(!stands(&state_folder(&scratch), "storage.lake"), "the state is not encrypted");
    scratch.mlp(&["state", "verify"]).ended(0).says("; encrypted");
    plan_is_empty(&scratch);

    // Without the key nothing is read, and nothing is written.
    fs::rename(scratch.root().join("one.key"), scratch.root().join("hidden")).unwrap();
    scratch.mlp(&["plan"]).ended(1).says("MLP0950").says("one.key");
    scratch.write("main.mlp", &with_encryption(""));
    scratch.mlp(&["apply", "-auto-approve"]).ended(1).says("MLP0606").says("encrypt");
    fs::rename(scratch.root().join("hidden"), scratch.root().join("one.key")).unwrap();

    // Another key, with the one before beside it; then it is needed no more.
    scratch.write("two.key", "battery staple\n");
    scratch.write(
        "main.mlp",
        &with_encryption(
            "    encrypt {\n      passphrase = \"file:two.key\"\n      previous = [{ passphrase = \"file:one.key\" }]\n    }",
        ).replace("\"pond\"", "\"sea\""),
    );
    scratch.apply().ended(0);
    scratch.write(
        "main.mlp",
        &with_encryption("    encrypt = { passphrase = \"file:two.key\" }").replace("\"pond\"", "\"sea\""),
    );
    plan_is_empty(&scratch);
    assert!(!stands(&state_folder(&scratch), "storage."), "the state is not encrypted");
    scratch.write("main.mlp", &with_encryption("    encrypt = { passphrase = \"file:one.key\" }"));
    scratch.mlp(&["plan"]).ended(1).says("MLP0606");
    scratch.write("main.mlp", &with_encryption("    encrypt = {}"));
    scratch.mlp(&["plan"]).ended(1).says("names no key");
    scratch.write("main.mlp", &with_encryption("    encrypt = { recipients = [\"age1x\"] }"));
    scratch.mlp(&["plan"]).ended(1).says("could not be read again");
    scratch.write("main.mlp", &with_encryption("    bucket = \"b\""));
    scratch.mlp(&["plan"]).ended(1).says("MLP0304").says("bucket");
}

#[test]
fn sixty_four_applies_race_and_every_loser_is_told_who_holds_the_lease() {
    let scratch = Scratch::new(
        "variable \"n\" {\n  type    = number\n  default = 0\n}\nresource \"local_value\" \"v\" {\n  input = var.n\n}\n",
    );
    scratch.mlp(&["apply", "-auto-approve", "-var", "n=0"]).ended(0);
    let mut running = Vec::new();
    let mut ended = Vec::new();
    for n in 1..=64 {
        let mut command = program(&scratch.dir.path().join("home"));
        let value = format!("n={n}");
        command.args(["apply", "-auto-approve", "-e", "local", "-var", &value]).current_dir(scratch.root());
        command.env("USER", "ann").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        running.push(command.spawn().unwrap());
        // As many at once as the machine bears.
        if running.len() == 16 {
            ended.extend(running.drain(..).map(|child| child.wait_with_output().unwrap()));
        }
    }
    let mut won = 0;
    for output in ended {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => won += 1,
            Some(10) => {
                assert!(
                    said.contains("ann@") && said.contains("(process ") && said.contains(" until 20"),
                    "{said}"
                );
            }
            // Somebody else was there between the plan and the lease.
            Some(12) => {}
            other => panic!("{other:?}: {said}"),
        }
    }
    assert!(won > 0);
    let history = scratch.mlp(&["history", "-json", "-n", "100"]).ended(0).json();
    let outcomes = history["history"].as_array().unwrap().iter().map(|one| one["outcome"].as_str().unwrap());
    assert_eq!(outcomes.filter(|outcome| *outcome == "applied").count(), won + 1);
    scratch.mlp(&["state", "verify"]).ended(0);
}

#[test]
fn a_stopped_holder_cannot_write_once_it_was_taken_over() {
    let scratch = Scratch::new("");
    let many: String = (0..400).map(|n| format!("storage \"s{n}\" {{\n  kind = \"object\"\n}}\n")).collect();
    scratch.write("main.mlp", &(with_encryption("").replace("5s", "6s") + &many));
    let mut command = program(&scratch.dir.path().join("home"));
    command.args(["apply", "-auto-approve", "-e", "local", "-parallelism", "1"]).current_dir(scratch.root());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let signal = |name: &str| {
        assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
    };
    let segment = state_folder(&scratch).join("journal/1/1.jsonl");
    eventually("the first steps", || {
        fs::read_to_string(&segment).is_ok_and(|text| text.lines().count() > 10)
    });
    signal("-STOP");
    let pulled = scratch.mlp(&["state", "pull"]).ended(0).stdout;
    scratch.write("pulled.json", &pulled);
    let mut waited = 0;
    loop {
        let push = scratch.mlp(&["state", "push", "-force", "pulled.json"]);
        if push.code != Some(10) {
            push.ended(0);
            break;
        }
        waited += 1;
        assert!(waited < 1000, "the lease does not expire");
    }
    assert!(waited > 0, "the lease was taken from its holder before it expired");
    signal("-CONT");
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_ne!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("MLP0611") && said.contains("took it over"), "{said}");
    scratch.mlp(&["state", "verify"]).ended(0);
    let before = scratch.mlp(&["state", "list"]).ended(0).stdout.lines().count();
    assert!(before < 402, "{before}");
    scratch.apply().ended(0);
    plan_is_empty(&scratch);
    assert_eq!(scratch.mlp(&["state", "list"]).ended(0).stdout.lines().count(), 402);
    scratch.mlp(&["history"]).ended(0).says("broken off").says("state push");
}

#[test]
fn two_users_in_development_never_see_each_other() {
    let scratch = Scratch::new("");
    scratch.write(
        "main.mlp",
        &format!("project \"p\" {{}}\nprovider \"local\" \"here\" {{}}\nenvironment \"local\" {{\n  provider = provider.local.here\n  mode     = \"development\"\n}}\n{SPEC}\
         pipeline \"p\" {{\n  step \"s\" {{\n    code = \"code\"\n    run  = \"true\"\n  }}\n}}\n"),
    );
    scratch.write("code/x.txt", "x");
    let mlp = |user: &str, arguments: &[&str]| {
        let mut command = program(&scratch.dir.path().join("home"));
        command.args(arguments).args(["-e", "local"]).env("USER", user);
        support::run(command.current_dir(scratch.root()))
    };
    let both = |arguments: &[&str]| {
        std::thread::scope(|scope| {
            let ann = scope.spawn(|| mlp("ann", arguments));
            let bob = scope.spawn(|| mlp("bob", arguments));
            ann.join().unwrap().ended(0);
            bob.join().unwrap().ended(0);
        });
    };
    both(&["apply", "-auto-approve"]);
    both(&["run", "pipeline.p"]);
    for (user, other) in [("ann", "bob"), ("bob", "ann")] {
        mlp(user, &["history"]).ended(0).says(&format!("{user}@")).never_says(&format!("{other}@"));
        mlp(user, &["runs"]).ended(0).says(&format!("{user}@")).never_says(&format!("{other}@"));
        assert!(scratch.root().join(format!(".mlp/local.{user}/state")).is_dir());
    }
    let lineage = |user: &str| mlp(user, &["state", "verify", "-json"]).ended(0).json()["lineage"].clone();
    assert_ne!(lineage("ann"), lineage("bob"));
    // What one pulled is not the other's.
    scratch.write("ann.json", &mlp("ann", &["state", "pull"]).ended(0).stdout);
    mlp("bob", &["state", "push", "ann.json", "-force"]).ended(1).says("MLP0953").says("local.ann");
    mlp("ann", &["destroy", "-auto-approve"]).ended(0);
    assert_eq!(mlp("ann", &["state", "list"]).ended(0).stdout, "");
    mlp("bob", &["plan", "-detailed-exitcode"]).ended(0);
    both(&["destroy", "-auto-approve"]);
    assert!(!scratch.root().join(".mlp/local").exists());
    assert!(processes::mentioning(&scratch.root()).is_empty());
}
