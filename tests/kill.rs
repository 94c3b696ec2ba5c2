//! Nothing is lost: `mlp up` is killed at seeded instants, and the next one finishes the work.
//!
//! `MLP_KILLS` says how often (default 6 for an `up` from nothing, 40 for an apply), `MLP_SEED` where chance begins.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test says what it expects by failing"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use support::{Project, processes, program};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// SplitMix64: small, seeded, good enough for instants.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^= mixed >> 27;
        mixed % end
    }
}

/// Starts a command and kills it after a while; whether it was still running.
fn killed(project: &Project, arguments: &[&str], after: Duration) -> bool {
    let mut command = program(&project.directory().parent().unwrap().join("home"));
    command.current_dir(project.directory()).args(arguments).stdin(Stdio::null());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(after);
    processes::kill(child.id());
    !child.wait().unwrap().success()
}

/// The longest wait before a kill, in milliseconds: an `up` from nothing takes a few seconds.
const LONGEST: u64 = 3_000;

#[test]
fn a_killed_up_is_finished_by_the_next() {
    let kills = number("MLP_KILLS", 6);
    let seed = number("MLP_SEED", 7);
    let mut chance = Chance(seed);
    let mut at_each = Vec::new();
    let project = Project::churn();
    for kill in 0..kills {
        let wait = chance.below(LONGEST);
        at_each.push(wait);
        killed(&project, &["up", "-e", "local", "-auto-approve"], Duration::from_millis(wait));
        let why = format!("seed {seed}, kill {kill}, waits {at_each:?}");
        let up = project.mlp(&["up", "-e", "local", "-auto-approve"]);
        assert_eq!(up.code, Some(0), "{why}\n{}", up.all());
        let plan = project.mlp(&["plan", "-e", "local", "-detailed-exitcode"]);
        assert_eq!(plan.code, Some(0), "{why}\n{}", plan.all());
        let replicas = project.running().len();
        // The supervisor, the router and one replica for each of the two variants: none twice, none left over.
        assert_eq!(replicas, 4, "{why}\n{:?}", project.running());
        let destroyed = project.mlp(&["destroy", "-e", "local", "-auto-approve"]);
        assert_eq!(destroyed.code, Some(0), "{why}\n{}", destroyed.all());
        assert!(project.running().is_empty(), "{why}\n{:?}", project.running());
    }
    println!("figure: {kills} kills of `mlp up` (seed {seed}), every one finished by the next");
}

/// Fifty and some resources, most of which differ between the two: created, changed in place, made anew and deleted.
const FIFTY: &str = r#"
project "fifty" {}
provider "local" "here" {}
environment "local" { provider = provider.local.here }
variable "second" {
  type    = bool
  default = false
}
storage "both" {
  count   = 16
  kind    = "object"
  pattern = var.second ? "random" : "scan"
}
storage "kinds" {
  count = 4
  kind  = var.second ? "volume" : "object"
}
storage "only" {
  for_each = var.second ? toset(["e", "f", "g", "h"]) : toset(["a", "b", "c", "d"])
}
source "rows" {
  kind = "file"
  uri  = "data/rows.csv"
}
dataset "rows" {
  count  = 6
  from   = [source.rows]
  format = var.second ? "jsonl" : "csv"
}
resource "local_value" "plain" {
  count            = 16
  input            = "${count.index} ${var.second} ${storage.both[0].path}"
  triggers_replace = count.index < 8 ? var.second : null
}
resource "local_value" "follows" {
  input = local_value.plain[0].id
}
pipeline "train" {
  step "fit" {
    code    = "src"
    run     = "mkdir ${output.model} && cp ${input.rows} ${output.model}/rows"
    inputs  = { rows = dataset.rows[0] }
    outputs = { model = "model" }
  }
  step "register" {
    register = model.m
    alias    = "champion"
    from     = step.fit.model
  }
}
model "m" {
  serve   = "serve:Model"
  aliases = ["champion"]
}
endpoint "m" {
  port    = PORT
  scaling = { min = var.second ? 2 : 1 }
  variant "stable" { model = model.m.alias.champion }
}
"#;

const SERVE: &str = r#"
class Model:
    def load(self, path):
        pass
    def predict(self, rows):
        return [1 for _ in rows]
"#;

/// What is there, by what it is, for one of the two specifications.
fn whole(project: &Project, second: bool, why: &str) {
    let flag = format!("second={second}");
    let plan = project.mlp(&["plan", "-e", "local", "-var", &flag, "-detailed-exitcode"]);
    assert_eq!(plan.code, Some(0), "{why}\n{}", plan.all());
    let names = |folder: &Path| -> BTreeSet<String> {
        let found = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        found.map(|name| name.to_string_lossy().into_owned()).collect()
    };
    let home = project.home("local");
    // A directory and a record for each storage, a record for each dataset, and nothing beside them.
    assert_eq!(names(&home.join("storage")).len(), 2 * 24, "{why}\n{:?}", names(&home.join("storage")));
    assert_eq!(names(&home.join("datasets")).len(), 6, "{why}\n{:?}", names(&home.join("datasets")));
    let state = project.mlp(&["show", "-e", "local", "--json"]).ended(0).json();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for resource in state["resources"].as_object().unwrap().values() {
        *kinds.entry(resource["kind"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let expected = [
        ("local_dataset", 6),
        ("local_directory", 24),
        ("local_endpoint", 1),
        ("local_model", 1),
        ("local_pipeline", 1),
        ("local_value", 17),
    ];
    assert_eq!(kinds, expected.map(|(kind, count)| (kind.to_owned(), count)).into(), "{why}");
    // The supervisor, the router and the replicas, once the old ones have ended.
    let replicas = if second { 2 } else { 1 };
    let began = Instant::now();
    while project.running().len() != 2 + replicas {
        assert!(began.elapsed() < Duration::from_secs(60), "{why}\n{:?}", project.running());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_killed_apply_of_fifty_resources_is_finished_by_the_next() {
    let (kills, seed) = (number("MLP_KILLS", 40), number("MLP_SEED", 11));
    let mut chance = Chance(seed);
    let files = [("main.mlp", FIFTY), ("data/rows.csv", "id,x\n1,2\n2,3\n"), ("src/serve.py", SERVE)];
    let project = Project::of(&files);
    project.mlp(&["up", "-e", "local", "-auto-approve"]).ended(0);
    whole(&project, false, "at first");
    let began = Instant::now();
    project.mlp(&["apply", "-e", "local", "-var", "second=true", "-auto-approve"]).ended(0);
    // Kills fall anywhere within an apply, which takes as long as this one.
    let longest = u64::try_from(began.elapsed().as_micros()).unwrap();
    whole(&project, true, "then");
    let (mut at_each, mut met) = (Vec::new(), 0);
    for kill in 0..kills {
        let second = kill % 2 == 1;
        let flag = format!("second={second}");
        let apply = ["apply", "-e", "local", "-var", &flag, "-auto-approve"];
        let wait = chance.below(longest);
        at_each.push(wait);
        met += usize::from(killed(&project, &apply, Duration::from_micros(wait)));
        let why = format!("seed {seed}, kill {kill}, waits of {at_each:?} microseconds");
        let next = project.mlp(&apply);
        assert_eq!(next.code, Some(0), "{why}\n{}", next.all());
        whole(&project, second, &why);
    }
    assert!(met * 2 > usize::try_from(kills).unwrap(), "only {met} of {kills} kills met an apply at work");
    println!(
        "figure: {kills} kills of an apply of 50 resources (seed {seed}), every one finished by the next"
    );
}

const TWENTY: &str = r#"
project "twenty" {}
provider "local" "here" {}
environment "local" { provider = provider.local.here }
storage "s" { count = 20 }
resource "local_value" "v" {
  count = 5
  input = storage.s[3].path
}
"#;

/// The segment of the journal that was written last, if an apply was killed at work.
fn last_segment(project: &Project) -> Option<PathBuf> {
    let numbered = |folder: &Path| {
        let found = std::fs::read_dir(folder).ok()?.map(|entry| entry.unwrap().path());
        let number = |path: &PathBuf| path.file_stem()?.to_str()?.parse::<u64>().ok();
        found.filter_map(|path| Some((number(&path)?, path))).max().map(|(_, path)| path)
    };
    numbered(&numbered(&project.home("local").join("state/journal"))?)
}

#[test]
fn the_last_write_of_a_journal_may_be_torn_at_every_byte() {
    // A byte is a byte; the short run looks at some of them.
    let step = if number("MLP_KILLS", 0) >= 300 { 1 } else { 9 };
    let project = Project::of(&[("main.mlp", TWENTY)]);
    let storage = project.home("local").join("storage");
    let made = || std::fs::read_dir(&storage).map_or(0, |entries| entries.count());
    let apply = ["apply", "-e", "local", "-auto-approve"];
    let began = Instant::now();
    let (segment, bytes) = loop {
        assert!(began.elapsed() < Duration::from_secs(120), "no kill meets an apply at work");
        let mut command = program(&project.directory().parent().unwrap().join("home"));
        command.current_dir(project.directory()).args(apply).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while made() < 10 && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        processes::kill(child.id());
        child.wait().unwrap();
        let segment = last_segment(&project);
        let bytes = segment.as_ref().map(|path| std::fs::read(path).unwrap()).unwrap_or_default();
        if let Some(segment) = segment.filter(|_| bytes.iter().filter(|byte| **byte == b'\n').count() > 5) {
            break (segment, bytes);
        }
        project.mlp(&["destroy", "-e", "local", "-auto-approve"]).ended(0);
    };
    let kept = project.directory().join("kept");
    support::copy_all(&project.home("local"), &kept);
    let line = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let mut cuts: Vec<usize> = (line..bytes.len()).step_by(step).collect();
    cuts.push(bytes.len() - 1);
    for cut in &cuts {
        support::vanish(&project.home("local"));
        support::copy_all(&kept, &project.home("local"));
        std::fs::write(&segment, &bytes[..*cut]).unwrap();
        let why = format!("torn at byte {cut} of {}", bytes.len());
        let next = project.mlp(&apply);
        assert_eq!(next.code, Some(0), "{why}\n{}", next.all());
        assert_eq!(made(), 2 * 20, "{why}");
        let plan = project.mlp(&["plan", "-e", "local", "-detailed-exitcode"]);
        assert_eq!(plan.code, Some(0), "{why}\n{}", plan.all());
        let state = project.mlp(&["show", "-e", "local", "--json"]).ended(0).json();
        assert_eq!(state["resources"].as_object().unwrap().len(), 25, "{why}");
    }
    println!("figure: a journal of {} bytes torn at {} places of its last line", bytes.len(), cuts.len());
}

/// The line of a trace on which a call on a path that holds `place` ended, from a line on; `word` is something it wrote.
fn ended(trace: &[&str], from: usize, call: &str, place: &str, word: &str) -> usize {
    let begins = |line: &&str| {
        let rest = line.split_once(' ').map_or("", |(_, rest)| rest.trim_start());
        rest.starts_with(&format!("{call}(")) && rest.contains(place) && rest.contains(word)
    };
    let at = trace.iter().skip(from).position(begins);
    let at = from + at.unwrap_or_else(|| panic!("no {call} on {place} with {word} in\n{}", trace.join("\n")));
    if !trace[at].contains("<unfinished ...>") {
        return at;
    }
    let thread = trace[at].split(' ').next().unwrap();
    let resumed = format!("<... {call} resumed>");
    let end = trace.iter().skip(at).position(|line| line.starts_with(thread) && line.contains(&resumed));
    at + end.unwrap()
}

#[test]
fn what_begins_is_on_the_disk_before_its_call() {
    if std::process::Command::new("strace").arg("-V").output().is_err() {
        support::skip("there is no strace to look at the order of calls");
        return;
    }
    let project = Project::of(&[("main.mlp", &TWENTY.replace("20", "6"))]);
    let trace = project.directory().join("trace");
    let mut command = std::process::Command::new("strace");
    let clean = program(project.directory().parent().unwrap());
    command.env_clear().envs(clean.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.args(["-f", "-y", "-s", "500", "-e", "trace=write,fdatasync,mkdir", "-o"]).arg(&trace);
    command.arg(env!("CARGO_BIN_EXE_mlp")).args(["apply", "-e", "local", "-auto-approve"]);
    support::run(command.current_dir(project.directory())).ended(0);
    let text = std::fs::read_to_string(&trace).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for number in 0..6 {
        let word = format!("storage.s[{number}]");
        let begun = ended(
            &lines,
            0,
            "write",
            "/journal/",
            &format!("\\\"begin\\\",\\\"step\\\":{}", step_of(&lines, &word)),
        );
        let durable = ended(&lines, begun, "fdatasync", "/journal/", "");
        let made = ended(&lines, 0, "mkdir", &format!("/storage/storage-s-{number}-"), "");
        assert!(begun < durable && durable < made, "{word}: {begun} {durable} {made}\n{text}");
    }
    // What has no effect outside is not begun, only done.
    assert!(
        !text.contains("begin\\\",\\\"step\\\":0")
            && !lines.iter().any(|line| line.contains("\\\"begin\\\"") && line.contains("local_value"))
    );
}

/// The number of the step that begins on a resource.
fn step_of(trace: &[&str], resource: &str) -> u32 {
    let resource = format!("\\\"resource\\\":\\\"{resource}\\\"");
    let line = trace.iter().find(|line| line.contains("\\\"begin\\\"") && line.contains(&resource)).unwrap();
    let (_, rest) = line.split_once("\\\"step\\\":").unwrap();
    rest.split(',').next().unwrap().parse().unwrap()
}
