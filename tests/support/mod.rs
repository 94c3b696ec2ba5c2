//! Runs the program as a person would: on a copy of an example, in a clean environment, and leaves nothing behind.
#![allow(dead_code, reason = "each test file uses its own part of the harness")]

pub mod http;
pub mod plan;
pub mod postgres;
pub mod processes;
pub mod s3;
pub mod scratch;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long any one command may take before it counts as hanging. No test expects anything of the time below it.
const LIMIT: Duration = Duration::from_secs(300);

/// What a variable of the environment says.
pub fn named(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Output {
    /// What was run, for messages.
    pub line: String,
    /// The exit code; `None` when it was ended by a signal or took too long.
    pub code: Option<i32>,
    /// Data.
    pub stdout: String,
    /// Talk.
    pub stderr: String,
}

impl Output {
    /// Both, for questions that do not care which.
    pub fn all(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }

    /// Fails unless it ended with this code.
    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Fails unless it said this.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.all().contains(words), "`{words}` is not in the output of {self}");
        self
    }

    /// Fails if it said this.
    #[track_caller]
    pub fn never_says(self, words: &str) -> Self {
        assert!(!self.all().contains(words), "`{words}` is in the output of {self}");
        self
    }

    /// The standard output as one JSON document.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in the output of {self}"))
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "`{}` (exit code {:?})\n--- stdout\n{}\n--- stderr\n{}",
            self.line, self.code, self.stdout, self.stderr
        )
    }
}

/// Everything that a stream says until it ends, or until nobody waits any more: a process that outlives its parent may
/// hold the stream open.
fn drain(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut part = vec![0; 8192];
        while let Ok(count @ 1..) = stream.read(&mut part) {
            if sender.send(part[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

fn gathered(receiver: &Receiver<Vec<u8>>) -> String {
    let mut all = Vec::new();
    while let Ok(part) = receiver.recv_timeout(Duration::from_secs(3)) {
        all.extend(part);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Runs a command in a process group of its own; when it takes too long, the whole group is killed.
pub fn run(command: &mut Command) -> Output {
    run_fed(command, Stdio::null())
}

/// The same with something to read.
pub fn run_fed(command: &mut Command, input: Stdio) -> Output {
    let line = format!("{command:?}");
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
    let stdout = drain(child.stdout.take().unwrap());
    let stderr = drain(child.stderr.take().unwrap());
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > LIMIT {
            processes::kill_group(child.id());
            child.wait().unwrap();
            let said = gathered(&stdout) + &gathered(&stderr);
            panic!("{line}\ntook longer than {LIMIT:?} and was killed; until then it said:\n{said}");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    Output { line, code: status.code(), stdout: gathered(&stdout), stderr: gathered(&stderr) }
}

/// The program in a clean environment: only what a person's shell would give, and no colours asked for.
pub fn program(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlp"));
    clean(&mut command, home);
    command
}

fn clean(command: &mut Command, home: &Path) {
    command
        .env_clear()
        .env("HOME", home)
        .env("LANG", "C.UTF-8")
        .env("PATH", std::env::var_os("PATH").unwrap());
}

/// A folder of this project.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// All files below a folder with this ending, in order, without what runs left there.
pub fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type().unwrap().is_dir() {
                if name != ".mlp" {
                    open.push(entry.path());
                }
            } else if name.ends_with(ending) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

/// Copies a folder, without what runs left there.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        // What a run by hand left there is not part of the example.
        let made = [".mlp", "__pycache__", "customers.csv", "recordings.csv", "pairs.csv", "tickets.csv"];
        if made.iter().any(|skip| name == *skip) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(name));
        } else {
            std::fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}

/// Removes a directory that others still write to: one that a file was put into meanwhile is emptied again.
pub fn vanish(directory: &Path) {
    for _ in 0..1000 {
        match std::fs::remove_dir_all(directory) {
            Ok(()) => return,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return,
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(10)),
        }
    }
    panic!("{} does not go away", directory.display());
}

/// Copies a folder as it is.
pub fn copy_all(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success(), "{} cannot be copied", from.display());
}

/// A port that nothing listens on, and that no other test of this process was given. It lies below the range from which
/// systems take ports for outgoing connections, so that nobody else is given it while a test expects silence there.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(64);
    for _ in 0..PORTS.len() {
        let offset = first.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % PORTS.len() as u32;
        let port = PORTS.start + offset as u16;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("all ports of {PORTS:?} are taken");
}

/// From where tests take ports.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Says that a test has nothing to test with. It is counted, and it is a failure where nothing may be missing.
pub fn skip(why: &str) {
    assert!(std::env::var_os("MLP_REQUIRE_SERVERS").is_none(), "{why}, and MLP_REQUIRE_SERVERS is set");
    skip_unprivileged(why);
}

/// The same for what needs a right that not every user of a machine has.
pub fn skip_unprivileged(why: &str) {
    // What the print macros write is caught by the test runner; this is not.
    let _ = writeln!(std::io::stderr(), "SKIPPED {why}");
}

/// A project in a directory of its own. When it goes, everything that it started goes too.
pub struct Project {
    scratch: tempfile::TempDir,
    name: String,
    /// Ports that nothing listens on, for its endpoints.
    pub ports: [u16; 2],
    used: Mutex<BTreeSet<String>>,
}

impl Project {
    fn named(name: &str) -> Self {
        let scratch = tempfile::Builder::new().prefix("mlp-test-").tempdir().unwrap();
        std::fs::create_dir(scratch.path().join("home")).unwrap();
        std::fs::create_dir(scratch.path().join(name)).unwrap();
        Self { scratch, name: name.to_owned(), ports: [free_port(), free_port()], used: Mutex::default() }
    }

    /// A copy of an example. Its ports, `port = 80…`, become free ones: the smallest number is the first of `ports`.
    pub fn example(name: &str) -> Self {
        let project = Self::named(name);
        copy(&folder("examples").join(name), &project.directory());
        let mut text = project.text();
        let written = |line: &str| {
            line.trim().strip_prefix("port = ").filter(|port| port.starts_with("80")).map(str::to_owned)
        };
        let written: BTreeSet<String> = text.lines().filter_map(written).collect();
        assert!(written.len() <= project.ports.len(), "{written:?}");
        for (port, free) in written.iter().zip(project.ports) {
            text = text.replace(&format!("port = {port}"), &format!("port = {free}"));
        }
        project.write("main.mlp", &text);
        project
    }

    /// A copy of `examples/churn`.
    pub fn churn() -> Self {
        Self::example("churn")
    }

    /// A project of these files, each with its path; `PORT` in them is the port of its endpoint.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let project = Self::named("written");
        files.iter().for_each(|(path, text)| {
            project.write(path, &text.replace("PORT", &project.ports[0].to_string()));
        });
        project
    }

    /// Writes a file of the project.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.directory().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Its directory.
    pub fn directory(&self) -> PathBuf {
        self.scratch.path().join(&self.name)
    }

    /// Its specification.
    pub fn text(&self) -> String {
        std::fs::read_to_string(self.directory().join("main.mlp")).unwrap()
    }

    /// Replaces words of the specification that stand there exactly once.
    #[track_caller]
    pub fn edit(&self, before: &str, after: &str) {
        let text = self.text();
        assert_eq!(text.matches(before).count(), 1, "`{before}` does not stand exactly once in main.mlp");
        std::fs::write(self.directory().join("main.mlp"), text.replacen(before, after, 1)).unwrap();
    }

    /// The line, from 1, on which words first stand in the specification.
    #[track_caller]
    pub fn line_of(&self, words: &str) -> usize {
        self.text().lines().position(|line| line.contains(words)).expect("the words are in main.mlp") + 1
    }

    /// Runs the program in the project's directory.
    pub fn mlp(&self, arguments: &[&str]) -> Output {
        self.mlp_with(arguments, &[])
    }

    /// Runs the program with variables beside those a shell gives.
    pub fn mlp_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        if let Some(at) = arguments.iter().position(|word| *word == "-e") {
            self.used.lock().unwrap().insert(arguments[at + 1].to_owned());
        }
        let mut command = program(&self.scratch.path().join("home"));
        command.envs(variables.iter().copied());
        run(command.args(arguments).current_dir(self.directory()))
    }

    /// Runs a line as if it were pasted into a shell. Where curl is missing, a small stand-in on python's urllib takes its
    /// place and says so.
    pub fn paste(&self, line: &str) -> Output {
        let mut command = Command::new("sh");
        clean(command.arg("-c").arg(line), self.scratch.path());
        if !Command::new("curl").arg("--version").output().is_ok_and(|output| output.status.success()) {
            eprintln!("curl is missing; the line is run by python3's urllib instead");
            let tools = self.scratch.path().join("tools");
            std::fs::create_dir_all(&tools).unwrap();
            let stand_in = tools.join("curl");
            std::fs::write(&stand_in, CURL).unwrap();
            std::fs::set_permissions(&stand_in, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
            let path = std::env::var("PATH").unwrap();
            command.env("PATH", format!("{}:{path}", tools.display()));
        }
        run(command.current_dir(self.directory()))
    }

    /// Everything of the project that runs.
    pub fn running(&self) -> Vec<processes::Process> {
        processes::mentioning(self.scratch.path())
    }

    /// The files of an environment.
    pub fn home(&self, environment: &str) -> PathBuf {
        self.directory().join(".mlp").join(environment)
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let used = self.used.get_mut().map(std::mem::take).unwrap_or_default();
        for environment in used {
            if self.home(&environment).exists() {
                let mut command = program(&self.scratch.path().join("home"));
                command.args(["destroy", "-e", &environment, "--auto-approve"]).current_dir(self.directory());
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
                // A failing test must end too: a destroy that hangs is cut off by the killing below.
                if let Ok(mut child) = command.spawn() {
                    for _ in 0..600 {
                        if child.try_wait().map_or(true, |ended| ended.is_some()) {
                            break;
                        }
                        std::thread::sleep(Duration::from_millis(100));
                    }
                    processes::kill_group(child.id());
                    let _ = child.wait();
                }
            }
        }
        processes::kill_all(self.scratch.path());
    }
}

const CURL: &str = r#"#!/usr/bin/env python3
import sys, urllib.request
url, data, headers, method = None, None, {}, None
words = iter(sys.argv[1:])
for word in words:
    if word in ("-H", "--header"):
        name, _, value = next(words).partition(":")
        headers[name.strip()] = value.strip()
    elif word in ("-d", "--data", "--data-raw"):
        data = next(words).encode()
    elif word in ("-X", "--request"):
        method = next(words)
    elif not word.startswith("-"):
        url = word
request = urllib.request.Request(url, data=data, headers=headers, method=method)
sys.stdout.write(urllib.request.urlopen(request, timeout=30).read().decode())
"#;
