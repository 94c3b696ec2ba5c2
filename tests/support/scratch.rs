//! Projects made for one test, of a few files.

use std::fs;
use std::path::PathBuf;

use super::{Output, processes, program};

/// What every specification begins with: a provider that has one GPU.
const HEAD: &str = r#"project "p" {}
provider "local" "here" {
  accelerators = ["NVIDIA L4"]
}
environment "local" {
  provider = provider.local.here
}
"#;

/// A project of its own; when it goes, everything that it started goes too.
pub struct Scratch {
    /// Its place, with a home beside the project.
    pub dir: tempfile::TempDir,
}

impl Scratch {
    /// A project of one file.
    pub fn new(specification: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("mlp-test-").tempdir().unwrap();
        let scratch = Self { dir };
        fs::create_dir(scratch.dir.path().join("home")).unwrap();
        scratch.specify(specification);
        scratch
    }

    /// Its directory.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    /// Replaces its specification.
    pub fn specify(&self, specification: &str) {
        self.write("main.mlp", &format!("{HEAD}{specification}"));
    }

    /// Writes one of its files.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// `main.mlp:<line>` of the first line with these words.
    pub fn place(&self, words: &str) -> String {
        let text = fs::read_to_string(self.root().join("main.mlp")).unwrap();
        format!("main.mlp:{}", text.lines().position(|line| line.contains(words)).unwrap() + 1)
    }

    /// Runs the program in it.
    pub fn mlp(&self, arguments: &[&str]) -> Output {
        let mut command = program(&self.dir.path().join("home"));
        command.args(arguments).args(["-e", "local"]).env("TOKEN", "hunter22");
        super::run(command.current_dir(self.root()))
    }

    /// Applies it.
    pub fn apply(&self) -> Output {
        self.mlp(&["apply", "-auto-approve"])
    }

    /// Runs a pipeline once.
    pub fn run(&self, pipeline: &str) -> Output {
        self.mlp(&["run", pipeline])
    }

    /// Fails unless a plan says this at this line.
    #[track_caller]
    pub fn refused(&self, code: &str, at: &str, words: &str) {
        self.mlp(&["plan"]).ended(1).says(code).says(words).says(&self.place(at));
    }

    /// The files of its environment.
    pub fn home(&self) -> PathBuf {
        self.root().join(".mlp/local")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        processes::kill_all(self.dir.path());
    }
}

/// What the step wrote in the last run.
pub fn written(scratch: &Scratch, step: &str, output: &str) -> String {
    let mut runs: Vec<PathBuf> =
        fs::read_dir(scratch.home().join("runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    runs.sort();
    let report: serde_json::Value =
        serde_json::from_slice(&fs::read(runs.last().unwrap().join("run.json")).unwrap()).unwrap();
    let path = report["steps"][step]["outputs"][output]["path"].as_str().unwrap().to_owned();
    fs::read_to_string(path).unwrap()
}

/// A pipeline of one step.
pub fn one(attributes: &str) -> String {
    format!("pipeline \"p\" {{\n  step \"s\" {{\n    code = \"code\"\n{attributes}\n  }}\n}}\n")
}

/// Asks until the answer is yes, or an attempt too many was made.
#[track_caller]
pub fn eventually(what: &str, mut ask: impl FnMut() -> bool) {
    for _ in 0..1200 {
        if ask() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("{what} does not come about");
}
