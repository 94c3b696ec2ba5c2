//! Counting with valgrind, so that two countings of the same program agree.
//!
//! One processor and one worker thread, addresses that are not shuffled, no simulated caches, a clean environment, and an
//! apply of one step at a time. What is left to chance is the seed of hash tables.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::works::{Work, specification};

/// How many functions are remembered of each command.
const REMEMBERED: usize = 40;

/// What a command took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    /// Of all its threads.
    pub instructions: u64,
    /// Of the functions that took most by themselves.
    pub alone: BTreeMap<String, u64>,
    /// Of the program's own functions that took most with what they call.
    pub with_callees: BTreeMap<String, u64>,
}

impl Count {
    /// As it is recorded.
    pub fn to_json(&self) -> Value {
        json!({ "instructions": self.instructions, "alone": self.alone, "with_callees": self.with_callees })
    }

    /// As it was recorded.
    pub fn from_json(value: &Value) -> Option<Self> {
        let functions = |name: &str| {
            let all = value[name].as_object()?.iter();
            all.map(|(name, count)| Some((name.clone(), count.as_u64()?))).collect::<Option<_>>()
        };
        Some(Self {
            instructions: value["instructions"].as_u64()?,
            alone: functions("alone")?,
            with_callees: functions("with_callees")?,
        })
    }
}

/// Counts commands of one program.
pub struct Counter {
    program: PathBuf,
    /// Words before `valgrind` that take chance away, where the machine allows them.
    prefix: Vec<&'static str>,
}

impl Counter {
    /// For a program.
    pub fn new(program: &Path) -> Result<Self, String> {
        let named = std::fs::canonicalize(program).map_err(|error| {
            format!("`{}`: {error}; build it with `cargo build --release`", program.display())
        })?;
        if quiet(Command::new("valgrind").arg("--version")).is_err() {
            return Err("`valgrind` is not installed".to_owned());
        }
        let mut prefix = Vec::new();
        for words in [&["taskset", "-c", "0"] as &[&str], &["setarch", "-R"]] {
            if quiet(Command::new(words[0]).args(&words[1..]).arg("true")).is_ok() {
                prefix.extend(words);
            } else {
                eprintln!("`{}` does not work here: counts vary more", words.join(" "));
            }
        }
        Ok(Self { program: named, prefix })
    }

    /// Counts a command in a fresh project.
    pub fn count(&self, work: &Work) -> Result<Count, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        // The length of a path is part of what is counted, so it is always the same.
        let project = folder.path().join("project");
        let made = std::fs::create_dir(&project)
            .and_then(|()| std::fs::write(project.join("main.mlp"), specification()));
        made.map_err(|error| error.to_string())?;
        for words in work.before {
            quiet(self.clean(Command::new(&self.program).args(*words)).current_dir(&project))?;
        }
        let out = folder.path().join("callgrind.out");
        let mut words: Vec<&str> = self.prefix.clone();
        words.extend(["valgrind", "--tool=callgrind", "--cache-sim=no"]);
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(format!("--callgrind-out-file={}", out.display()));
        command.arg(&self.program).args(work.counted);
        quiet(self.clean(&mut command).current_dir(&project))?;
        let instructions = total(&out)?;
        let own = |name: &str| name.starts_with("mlp") || name.starts_with("<mlp");
        Ok(Count {
            instructions,
            alone: functions(&out, "--inclusive=no", &|_| true)?,
            with_callees: functions(&out, "--inclusive=yes", &own)?,
        })
    }

    /// The same environment each time.
    fn clean<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("HOME", "/nonexistent").env("NO_COLOR", "1");
        command.env("TOKIO_WORKER_THREADS", "1").env("RAYON_NUM_THREADS", "1")
    }
}

fn quiet(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output();
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{command:?} ended with {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

/// The sum that stands in what callgrind writes.
fn total(out: &Path) -> Result<u64, String> {
    let text = std::fs::read_to_string(out).map_err(|error| error.to_string())?;
    let line =
        text.lines().rev().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    line.and_then(|word| word.trim().parse().ok()).ok_or_else(|| "callgrind wrote no sum".to_owned())
}

/// The functions that took most.
fn functions(out: &Path, how: &str, wanted: &dyn Fn(&str) -> bool) -> Result<BTreeMap<String, u64>, String> {
    let annotate = Command::new("callgrind_annotate")
        .args(["--threshold=100", "--auto=no", how])
        .arg(out)
        .output()
        .map_err(|error| format!("callgrind_annotate: {error}"))?;
    let text = String::from_utf8_lossy(&annotate.stdout);
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    for (name, count) in text.lines().filter_map(function).filter(|(name, _)| wanted(name)) {
        let kept = found.entry(name).or_default();
        *kept = if how.ends_with("yes") { count.max(*kept) } else { *kept + count };
    }
    let mut most: Vec<(String, u64)> = found.into_iter().collect();
    most.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(most.into_iter().take(REMEMBERED).collect())
}

/// A line of `callgrind_annotate`: `1,234 (5.6%)  file:function [object]`.
fn function(line: &str) -> Option<(String, u64)> {
    let (number, rest) = line.trim_start().split_once(' ')?;
    let count = number.replace(',', "").parse().ok()?;
    let rest = rest.trim_start();
    let rest =
        rest.split_once(')').filter(|_| rest.starts_with('(')).map_or(rest, |(_, rest)| rest).trim_start();
    let rest = rest.rsplit_once(" [").map_or(rest, |(rest, _)| rest);
    // `???:` stands where no file is known.
    let name = rest.split_once(':').filter(|(file, _)| !file.contains("::")).map_or(rest, |(_, name)| name);
    // The sum of all is no function.
    (name != "PROGRAM TOTALS").then(|| (plain(name), count))
}

/// A name without the hash that differs from build to build, and without the mark of recursion.
fn plain(name: &str) -> String {
    let name = name.split('\'').next().unwrap_or(name);
    match name.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            name.to_owned()
        }
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_tool_are_read() {
        let read = |line: &str| function(line);
        assert_eq!(
            read(
                "12,345,678 (10.2%)  ???:mlp_config::evaluator::Evaluator::once::h0123456789abcdef'2 [/x/mlp]"
            ),
            Some(("mlp_config::evaluator::Evaluator::once".to_owned(), 12_345_678))
        );
        assert_eq!(
            read("  1,000 ( 0.1%)  ./malloc/malloc.c:malloc [/usr/lib/libc.so.6]"),
            Some(("malloc".to_owned(), 1000))
        );
        assert_eq!(read("163,460,563 (100.0%)  PROGRAM TOTALS"), None);
        assert_eq!(read("Profile data file 'callgrind.out' (creator: callgrind-3.19.0)"), None);
        let count =
            Count { instructions: 5, alone: BTreeMap::from([("a".to_owned(), 3)]), ..Count::default() };
        assert_eq!(Count::from_json(&count.to_json()), Some(count));
    }
}
