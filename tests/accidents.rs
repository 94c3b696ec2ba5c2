//! What happens to machines: disks fill up, directories vanish or refuse, readers go away, clocks are set back. Each ends in
//! a diagnostic with a way out, and the next command finishes the work.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use support::{Output, Project, processes, program, run, skip, vanish};

const SOME: &str = r#"
project "some" {}
provider "local" "here" {}
environment "local" { provider = provider.local.here }
storage "s" { count = 8 }
resource "local_value" "v" { input = storage.s[3].path }
source "rows" {
  kind = "file"
  uri  = "rows.csv"
}
dataset "rows" { from = [source.rows] }
"#;

/// A project whose data file has some hundred kilobytes.
fn some() -> Project {
    let rows: String = (0..40_000).map(|row| format!("{row},{}\n", row * 7)).collect();
    Project::of(&[("main.mlp", SOME), ("rows.csv", &format!("id,x\n{rows}"))])
}

fn apply(project: &Project) -> Output {
    project.mlp(&["apply", "-e", "local", "-auto-approve"])
}

/// Fails unless everything is as it should be.
#[track_caller]
fn whole(project: &Project) {
    project.mlp(&["plan", "-e", "local", "-detailed-exitcode"]).ended(0);
}

/// Runs a script for the shell in which mounts are its own; nothing where that is not allowed.
fn in_own_mounts(project: &Project, script: &str) -> Option<Output> {
    let isolated =
        |mode: &str| Command::new("unshare").arg(mode).arg("true").output().is_ok_and(|o| o.status.success());
    let Some(mode) = ["-m", "-rm"].into_iter().find(|mode| isolated(mode)) else {
        skip("mounts of one's own are not allowed (`unshare -rm`)");
        return None;
    };
    let mut command = Command::new("unshare");
    command
        .args([mode, "sh", "-ec", script])
        .current_dir(project.directory())
        .env("MLP", env!("CARGO_BIN_EXE_mlp"));
    Some(run(&mut command))
}

#[test]
fn a_full_disk_is_told_and_what_was_done_is_kept() {
    let project = some();
    std::fs::create_dir(project.directory().join(".mlp")).unwrap();
    // The disk holds what an apply begins with, and not the snapshot of the data.
    let script = "mount -t tmpfs -o size=300k none .mlp\n\
         \"$MLP\" apply -e local -auto-approve && echo \"filled: no\" || echo \"filled: $?\"\n\
         mount -o remount,size=20m .mlp\n\
         \"$MLP\" apply -e local -auto-approve\n\"$MLP\" plan -e local -detailed-exitcode\n\
         ls -A .mlp/local/data/objects .mlp/local/data | grep -c new- || true\n";
    let Some(told) = in_own_mounts(&project, script) else { return };
    let told =
        told.ended(0).says("filled: 15").says("No space left on device").says("Applying again is safe");
    told.says("1 added").says("No changes.").never_says("panicked");
}

#[test]
fn a_disk_that_is_full_from_the_start_changes_nothing() {
    let project = some();
    std::fs::create_dir(project.directory().join(".mlp")).unwrap();
    let script = "mount -t tmpfs -o size=4k none .mlp\n\
         \"$MLP\" apply -e local -auto-approve && echo \"ended: no\" || echo \"ended: $?\"\n\
         mount -o remount,size=20m .mlp\n\
         \"$MLP\" apply -e local -auto-approve\n\"$MLP\" plan -e local -detailed-exitcode\n";
    let Some(told) = in_own_mounts(&project, script) else { return };
    told.ended(0).says("ended: 1").says("No space left on device").says("No changes.").never_says("panicked");
}

#[test]
fn a_directory_that_may_not_be_written_is_told_before_anything_is_made() {
    let project = some();
    std::fs::create_dir(project.directory().join(".mlp")).unwrap();
    let script = "mount -t tmpfs -o ro none .mlp\n\
         \"$MLP\" plan -e local\n\
         \"$MLP\" apply -e local -auto-approve && echo \"ended: no\" || echo \"ended: $?\"\n";
    let Some(told) = in_own_mounts(&project, script) else { return };
    let told = told.ended(0).says("10 to add").says("ended: 1").says("Read-only file system");
    told.says("help:").never_says("panicked");
    apply(&project).ended(0);
    whole(&project);
}

#[test]
fn what_is_not_permitted_is_told_with_its_path() {
    let project = some();
    apply(&project).ended(0);
    let mode = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    let records = project.home("local").join("storage");
    mode(&records, 0o555);
    // Who may do everything is refused nothing: then another user tries.
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlp"));
    if std::fs::write(records.join("probe"), "").is_ok() {
        std::fs::remove_file(records.join("probe")).unwrap();
        if Command::new("setpriv").arg("--version").output().is_err() {
            skip("there is no setpriv to try it as another user");
            return;
        }
        let copy = project.directory().join("mlp");
        std::fs::copy(env!("CARGO_BIN_EXE_mlp"), &copy).unwrap();
        let open = ["-R", "a+rwX"].map(std::ffi::OsStr::new);
        assert!(
            Command::new("chmod")
                .args(open)
                .arg(project.directory().parent().unwrap())
                .status()
                .unwrap()
                .success()
        );
        mode(&records, 0o555);
        command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&copy);
    }
    project.edit("storage \"s\" { count = 8 }", "storage \"s\" { count = 9 }");
    let told = run(command.args(["apply", "-e", "local", "-auto-approve"]).current_dir(project.directory()));
    let told = told.ended(1).says("Permission denied").says(".mlp/local/storage").says("main.mlp:");
    told.says("help: see that the directory belongs").never_says("panicked");
    mode(&records, 0o755);
    apply(&project).ended(0);
    whole(&project);
}

#[test]
fn what_vanished_is_made_again() {
    let project = Project::churn();
    project.mlp(&["up", "-e", "local", "-auto-approve"]).ended(0);
    // Also what runs has lost its ground: it is ended, and its ports are free for those who come after.
    vanish(&project.directory().join(".mlp"));
    project.mlp(&["up", "-e", "local", "-auto-approve"]).ended(0);
    whole(&project);
    assert_eq!(project.running().len(), 4, "{:?}", project.running());
    project.mlp(&["destroy", "-e", "local", "-auto-approve"]).ended(0);
    assert!(project.running().is_empty(), "{:?}", project.running());
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let project = some();
    for arguments in [
        &["plan", "-e", "local"][..],
        &["plan", "-e", "local", "--json"],
        &["apply", "-e", "local", "-auto-approve"],
    ] {
        let mut command = program(&project.directory());
        command.args(arguments).current_dir(project.directory()).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let told = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(!said.contains("panicked") && told.status.code().is_some(), "{arguments:?}: {told:?}");
    }
    // The apply whose reader went away did its work, or the next one does.
    apply(&project).ended(0);
    whole(&project);
}

#[test]
fn a_home_is_not_needed() {
    let project = some();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlp"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).current_dir(project.directory());
    run(command.args(["up", "-e", "local", "-auto-approve"])).ended(0).never_says("panicked");
    whole(&project);
}

#[test]
fn a_clock_that_goes_backwards_harms_nothing() {
    if Command::new("faketime").arg("--version").output().is_err() {
        skip("there is no faketime to set a clock back");
        return;
    }
    let project = some();
    // The wrapper is a process of its own; what it preloads is used without it, so that a kill meets the program.
    let preload = Command::new("faketime").args(["-f", "+0d", "printenv", "LD_PRELOAD"]).output().unwrap();
    let preload = String::from_utf8(preload.stdout).unwrap().trim().to_owned();
    let command_at = |when: &str, arguments: &[&str]| {
        let mut command = program(project.directory().parent().unwrap());
        command.env("LD_PRELOAD", &preload).env("FAKETIME", when).current_dir(project.directory());
        command.args(arguments);
        command
    };
    let at = |when: &str, arguments: &[&str]| run(&mut command_at(when, arguments));
    at("+2d", &["apply", "-e", "local", "-auto-approve"]).ended(0);
    whole(&project);
    project.edit("storage \"s\" { count = 8 }", "storage \"s\" { count = 9 }");
    at("-400d", &["apply", "-e", "local", "-auto-approve"]).ended(0).says("1 added");
    project.edit("storage \"s\" { count = 9 }", "storage \"s\" { count = 7 }");
    apply(&project).ended(0).says("2 destroyed");
    whole(&project);

    // A killed apply of the future holds its lease for no longer than its heart would have.
    project.edit("storage \"s\" { count = 7 }", "storage \"s\" { count = 200 }");
    let mut command = command_at("+2d", &["apply", "-e", "local", "-auto-approve"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let storage = project.home("local").join("storage");
    let made = || std::fs::read_dir(&storage).map_or(0, |entries| entries.count());
    while made() < 40 && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
    processes::kill(child.id());
    child.wait().unwrap();
    apply(&project).ended(0);
    whole(&project);
}

#[test]
fn without_python_a_project_says_what_it_needs() {
    let project = Project::churn();
    let tools = project.directory().join("tools");
    std::fs::create_dir(&tools).unwrap();
    let sh = Command::new("sh").args(["-c", "command -v sh"]).output().unwrap();
    std::os::unix::fs::symlink(String::from_utf8(sh.stdout).unwrap().trim(), tools.join("sh")).unwrap();
    let path = tools.display().to_string();
    let told = project.mlp_with(&["up", "-e", "local", "-auto-approve"], &[("PATH", &path)]);
    assert!(matches!(told.code, Some(1 | 15)), "{told}");
    told.says("python3").says("main.mlp:").says("help:").never_says("panicked");
    project.mlp(&["up", "-e", "local", "-auto-approve"]).ended(0);
    whole(&project);
}
