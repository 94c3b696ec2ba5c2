//! The contract with a user's code, through the program as a person runs it: several languages, locked packages, checks,
//! reservations, data between pipelines, and everything that can go wrong.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::{Output, processes};

const HEAD: &str = r#"project "p" {}
provider "local" "here" {
  accelerators = ["NVIDIA H100"]
}
environment "local" {
  provider = provider.local.here
}
"#;

/// A project of its own; when it goes, everything that it started goes too.
struct Scratch {
    dir: tempfile::TempDir,
}

impl Scratch {
    fn new(specification: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("mlp-test-").tempdir().unwrap();
        let scratch = Self { dir };
        fs::create_dir(scratch.dir.path().join("home")).unwrap();
        scratch.specify(specification);
        scratch
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    fn specify(&self, specification: &str) {
        self.write("main.mlp", &format!("{HEAD}{specification}"));
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// `main.mlp:<line>` of the first line with these words.
    fn place(&self, words: &str) -> String {
        let text = fs::read_to_string(self.root().join("main.mlp")).unwrap();
        format!("main.mlp:{}", text.lines().position(|line| line.contains(words)).unwrap() + 1)
    }

    fn mlp(&self, arguments: &[&str]) -> Output {
        let mut command = support::program(&self.dir.path().join("home"));
        command.args(arguments).args(["-e", "local"]).env("TOKEN", "hunter22");
        support::run(command.current_dir(self.root()))
    }

    fn apply(&self) -> Output {
        self.mlp(&["apply", "-auto-approve"])
    }

    fn run(&self, pipeline: &str) -> Output {
        self.mlp(&["run", pipeline])
    }

    /// Fails unless a plan says this at this line.
    #[track_caller]
    fn refused(&self, code: &str, at: &str, words: &str) {
        self.mlp(&["plan"]).ended(1).says(code).says(words).says(&self.place(at));
    }

    fn home(&self) -> PathBuf {
        self.root().join(".mlp/local")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        processes::kill_all(self.dir.path());
    }
}

fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(
            std::env::var_os("MLP_REQUIRE_SERVERS").is_none() || program != "perl",
            "{program} is missing"
        );
        eprintln!("SKIPPED the step in {program}: it is not on the search path");
    }
    found
}

const LANGUAGES: &str = r#"
source "raw" {
  kind = "file"
  uri  = "data/raw.csv"
}
secret "token" {
  from = "env:TOKEN"
}
runtime "perl" {
  language = "perl"
  version  = ">=5.8"
}
component "clean" {
  code    = "code"
  run     = "sh clean.sh"
  inputs  = { raw = "table" }
  outputs = { rows = "table" }
}
pipeline "train" {
  params = { lr = 0.1 }
  step "clean" {
    use     = component.clean
    inputs  = { raw = source.raw }
    secrets = { TOKEN = secret.token }
  }
  step "fit" {
    code    = "code"
    run     = "python3 fit.py"
    params  = { lr = param.lr, words = ["a b", "c"] }
    inputs  = { train = step.clean.rows }
    outputs = { model = "model", metrics = { type = "metrics", names = ["rows"] } }
  }
  step "stranger" {
    code    = "code"
    run     = "python3 stranger.py --in ${input.train} --out ${output.report}"
    inputs  = { train = step.clean.rows }
    outputs = { report = "file" }
  }
  step "count" {
    code    = "code"
    runtime = runtime.perl
    run     = "perl -ne 'END { print \"$.\\n\" }' ${input.train} > ${output.lines}"
    inputs  = { train = step.clean.rows }
    outputs = { lines = "file" }
  }
NODE
JAVA
}
"#;

const NODE: &str = r#"  step "node" {
    code    = "code"
    runtime = { language = "javascript", version = ">=12" }
    run     = "node sum.js"
    inputs  = { train = step.clean.rows }
    outputs = { metrics = "metrics" }
  }
"#;

const JAVA: &str = r#"  step "java" {
    code    = "code"
    runtime = { language = "java", version = ">=11" }
    run     = "java Count.java"
    inputs  = { train = step.clean.rows }
    outputs = { copy = "table" }
  }
"#;

fn languages() -> Scratch {
    let node = if has("node") { NODE } else { "" };
    let java = if has("java") { JAVA } else { "" };
    assert!(has("perl"));
    let scratch = Scratch::new(&LANGUAGES.replace("NODE\n", node).replace("JAVA\n", java));
    scratch.write("data/raw.csv", "a,b\n1,2\n#\n3,4\n");
    scratch.write("README.md", "not code\n");
    scratch.write(
        "code/clean.sh",
        "grep -v '^#' \"$MLP_INPUT_raw\" > \"$MLP_OUTPUT_rows\"\necho \"with $TOKEN\"\n",
    );
    scratch.write("code/helper.py", "def scale(x):\n    return x * 2\n");
    scratch.write(
        "code/fit.py",
        "import csv, json, os, helper\n\
         rows = list(csv.DictReader(open(os.environ['MLP_INPUT_train'])))\n\
         assert json.loads(os.environ['MLP_PARAM_words']) == ['a b', 'c']\n\
         print(os.environ['MLP_PROGRESS'], 0.5, 'half')\n\
         out = os.environ['MLP_OUTPUT_model']\n\
         os.mkdir(out)\n\
         lr = float(os.environ['MLP_PARAM_lr'])\n\
         json.dump({'lr': lr}, open(os.path.join(out, 'm.json'), 'w'))\n\
         json.dump({'rows': helper.scale(len(rows))}, open(os.environ['MLP_METRICS'], 'w'))\n",
    );
    scratch.write(
        "code/stranger.py",
        "import argparse\nparser = argparse.ArgumentParser()\n\
         parser.add_argument('--in', dest='source')\nparser.add_argument('--out')\n\
         args = parser.parse_args()\nopen(args.out, 'w').write(open(args.source).read().upper())\n",
    );
    scratch.write(
        "code/sum.js",
        "const fs = require('fs');\nconst lines = fs.readFileSync(process.env.MLP_INPUT_train, 'utf8').trim().split('\\n');\n\
         fs.writeFileSync(process.env.MLP_OUTPUT_metrics, JSON.stringify({ lines: lines.length }));\n",
    );
    scratch.write(
        "code/Count.java",
        "import java.nio.file.*;\npublic class Count {\n  public static void main(String[] a) throws Exception {\n    \
         Files.copy(Path.of(System.getenv(\"MLP_INPUT_train\")), Path.of(System.getenv(\"MLP_OUTPUT_copy\")));\n  }\n}\n",
    );
    scratch
}

#[test]
fn steps_in_several_languages_keep_one_contract_and_are_reused_with_reasons() {
    let scratch = languages();
    scratch.apply().ended(0);
    let first = scratch.run("pipeline.train").ended(0).says("miss: first run");
    first.never_says("hunter22");
    scratch.mlp(&["logs", "pipeline.train", "clean"]).ended(0).says("with (sensitive)");
    scratch.mlp(&["logs", "pipeline.train", "fit"]).ended(0).says("mlp:progress 0.5 half");

    // Outside of `code` nothing counts; a helper that is imported does.
    scratch.write("README.md", "edited\n");
    scratch.mlp(&["plan", "-detailed-exitcode"]).ended(0);
    let again = scratch.run("pipeline.train").ended(0).says("hit: code, inputs and parameters as in run");
    again.never_says("miss:");
    scratch.write("code/helper.py", "def scale(x):\n    return x * 3\n");
    scratch.apply().ended(0);
    scratch.run("pipeline.train").ended(0).says("miss: code changed (helper.py)");
    scratch
        .mlp(&["run", "pipeline.train", "-param", "lr=0.2"])
        .ended(0)
        .says("parameter lr changed 0.1 → 0.2");
    scratch.mlp(&["run", "pipeline.train", "-param", "rate=0.2"]).ended(1).says("no parameter `rate`");
    scratch.mlp(&["run", "pipeline.train", "-param", "lr=fast"]).ended(1).says("`lr` is a number");
    scratch.write("data/raw.csv", "a,b\n9,9\n");
    scratch.run("pipeline.train").ended(0).says("miss: input raw changed");
}

/// A package made by hand, so that nothing is downloaded.
const WHEEL: &str = r#"
import sys, zipfile
folder, version = sys.argv[1:]
info = f"tinything-{version}.dist-info"
with zipfile.ZipFile(f"{folder}/tinything-{version}-py3-none-any.whl", "w") as wheel:
    wheel.writestr("tinything.py", f"VERSION = {version!r}\n")
    wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tinything\nVersion: {version}\n")
    wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(f"{info}/RECORD", "")
"#;

const LOCKED: &str = r#"
runtime "py" {
  language = "python"
  lock     = "requirements.txt"
}
pipeline "p" {
  step "ask" {
    code    = "code"
    runtime = runtime.py
    run     = "python3 -c 'import tinything, os; open(os.environ[\"MLP_OUTPUT_v\"], \"w\").write(tinything.VERSION)'"
    outputs = { v = "file" }
  }
}
"#;

fn locked(package: &str) -> Scratch {
    let scratch = Scratch::new(LOCKED);
    scratch.write("code/nothing.txt", "");
    fs::create_dir(scratch.root().join("wheels")).unwrap();
    for version in ["1.0", "2.0"] {
        let wheels = scratch.root().join("wheels");
        let made = Command::new("python3").arg("-c").arg(WHEEL).arg(wheels).arg(version).status().unwrap();
        assert!(made.success());
    }
    scratch.write("requirements.txt", &format!("--no-index\n--find-links wheels\n{package}\n"));
    scratch
}

/// What the step wrote in the last run.
fn written(scratch: &Scratch, step: &str, output: &str) -> String {
    let mut runs: Vec<PathBuf> =
        fs::read_dir(scratch.home().join("runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    runs.sort();
    let report: serde_json::Value =
        serde_json::from_slice(&fs::read(runs.last().unwrap().join("run.json")).unwrap()).unwrap();
    let path = report["steps"][step]["outputs"][output]["path"].as_str().unwrap().to_owned();
    fs::read_to_string(path).unwrap()
}

#[test]
fn locked_packages_are_installed_once_and_count_for_reuse() {
    let scratch = locked("tinything==1.0");
    scratch.apply().ended(0);
    scratch.mlp(&["plan", "-detailed-exitcode"]).ended(0);
    scratch.run("pipeline.p").ended(0);
    assert_eq!(written(&scratch, "ask", "v"), "1.0");

    // Nothing is written at home. (pip asks `rustc` for its version, and rustup's makes its folder when it is asked.)
    let home = fs::read_dir(scratch.dir.path().join("home")).unwrap();
    let home: Vec<_> =
        home.map(|entry| entry.unwrap().file_name()).filter(|name| name != ".rustup").collect();
    assert!(home.is_empty(), "{home:?}");

    scratch.write("requirements.txt", "--no-index\n--find-links wheels\ntinything==2.0\n");
    scratch.mlp(&["plan", "-detailed-exitcode"]).ended(2);
    scratch.apply().ended(0);
    scratch.run("pipeline.p").ended(0).says("miss: runtime changed python");
    assert_eq!(written(&scratch, "ask", "v"), "2.0");

    // An environment that is gone is drift, and is built again.
    fs::remove_dir_all(scratch.home().join("runtimes")).unwrap();
    scratch.mlp(&["plan", "-detailed-exitcode"]).ended(2);
    scratch.apply().ended(0);
    scratch.mlp(&["plan", "-detailed-exitcode"]).ended(0);
}

#[test]
fn an_environment_that_cannot_be_built_is_told_at_its_line() {
    let scratch = locked("tinything==9.9");
    let place = scratch.place("lock     =");
    scratch.apply().ended(1).says("MLP0772").says("tinything==9.9").says(&place);
    let left: Vec<String> = fs::read_dir(scratch.home().join("runtimes"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir() && !entry.file_name().to_string_lossy().starts_with('.'))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(left.is_empty(), "{left:?}");

    scratch.write("requirements.txt", "tinything>=1\n");
    scratch.refused("MLP0805", "lock     =", "line 1, `tinything>=1`, has no exact version");
    fs::remove_file(scratch.root().join("requirements.txt")).unwrap();
    scratch.refused("MLP0805", "lock     =", "there is no file `requirements.txt`");
    scratch.specify(&LOCKED.replace("python\"\n", "r\"\n").replace("requirements.txt", "renv.lock"));
    scratch.mlp(&["plan"]).ended(1).says("renv.lock").says(&scratch.place("lock     ="));
    scratch.specify(&LOCKED.replace("lock     = \"requirements.txt\"", "version  = \">=99\""));
    scratch.refused("MLP0805", "version  =", "`>=99` is needed");
    scratch.specify(&LOCKED.replace("\"python\"\n  lock     = \"requirements.txt\"", "\"nosuchlanguage\""));
    scratch.refused("MLP0805", "language =", "there is no nosuchlanguage on the search path");
}

const CHECKED: &str = r#"
model "m" {
  aliases = ["good"]
}
pipeline "p" {
  params = { score = 0.9 }
  step "fit" {
    code    = "code"
    run     = "mkdir $MLP_OUTPUT_model; echo ${param.score} > $MLP_OUTPUT_model/score; echo '{\"auc\": 0.9}' > $MLP_METRICS"
    outputs = { model = "model", metrics = "metrics" }
  }
  step "register" {
    register = model.m
    alias    = "good"
    from     = step.fit.model
    evidence = step.fit.metrics
  }
}
check "sound" {
  on      = pipeline.p
  code    = "tests"
  run     = "python3 sound.py ${input.model}"
  message = "Look at the score."
  timeout = "1m"
}
"#;

fn versions(scratch: &Scratch) -> usize {
    let status = scratch.mlp(&["status", "--json"]).ended(0).json();
    let models = status["resources"].as_array().unwrap();
    let model = models.iter().find(|one| one["id"].to_string().contains("model.m")).unwrap();
    model["detail"]["versions"].as_array().unwrap().len()
}

#[test]
fn a_check_with_a_command_is_a_gate() {
    let scratch = Scratch::new(CHECKED);
    scratch.write("code/nothing.txt", "");
    scratch.write(
        "tests/sound.py",
        "import os, sys\nassert os.environ['MLP_INPUT_fit_model'] == sys.argv[1]\n\
         score = float(open(sys.argv[1] + '/score').read())\nprint('the score is', score)\nsys.exit(score < 0.5)\n",
    );
    scratch.apply().ended(0);
    scratch.mlp(&["plan", "-detailed-exitcode"]).ended(0);
    scratch.run("pipeline.p").ended(0);
    assert_eq!(versions(&scratch), 1);
    let refused = scratch.mlp(&["run", "pipeline.p", "-param", "score=0.1"]).ended(11);
    let refused = refused.says("MLP0830").says("check.sound failed").says("the score is 0.1");
    refused.says("Look at the score.").says(&scratch.place("run     = \"python3 sound.py"));
    assert_eq!(versions(&scratch), 1, "what the check refused is not registered");
    scratch.mlp(&["logs", "pipeline.p", "check-sound"]).ended(0).says("the score is 0.1");

    // The check's own code is part of what is planned.
    scratch.write("tests/sound.py", "print('always')\n");
    scratch.mlp(&["plan", "-detailed-exitcode"]).ended(2);

    scratch.specify(&CHECKED.replace("${input.model}", "${input.modle}"));
    scratch.refused("MLP0806", "python3 sound.py", "did you mean `model`");
    scratch.specify(&CHECKED.replace("code    = \"tests\"", "code    = \"gone\""));
    scratch.refused("MLP0809", "code    = \"gone\"", "there is no code directory `gone`");
}

const WRITES: &str = r#"
dataset "scores" {
  format = "csv"
  schema = { id = { type = "integer" }, score = { type = "number", max = 1 } }
}
pipeline "make" {
  params = { top = 1 }
  step "score" {
    code   = "code"
    run    = "printf 'id,score\n1,0.5\n2,${param.top}\n' > $MLP_OUTPUT_scores"
    writes = [dataset.scores]
  }
}
pipeline "use" {
  step "read" {
    code    = "code"
    run     = "cp ${input.scores} ${output.copy}"
    inputs  = { scores = dataset.scores }
    outputs = { copy = "table" }
  }
}
"#;

#[test]
fn what_one_pipeline_writes_another_reads() {
    let scratch = Scratch::new(WRITES);
    scratch.write("code/nothing.txt", "");
    scratch.apply().ended(0);
    scratch.run("pipeline.use").ended(1).says("`dataset.scores` has no version yet");
    scratch.run("pipeline.make").ended(0).says("dataset.scores has 2 rows");
    scratch.run("pipeline.use").ended(0);
    assert_eq!(written(&scratch, "read", "copy"), "id,score\n1,0.5\n2,1\n");
    scratch.mlp(&["plan", "-detailed-exitcode"]).ended(0);
    // What breaks the schema becomes no version; the version before stays.
    scratch
        .mlp(&["run", "pipeline.make", "-param", "top=7"])
        .ended(1)
        .says("MLP0703")
        .says("the data of `scores`");
    scratch.run("pipeline.use").ended(0).says("hit:");
}

#[test]
fn what_a_step_asks_for_is_reserved_or_refused() {
    let step = |name: &str, attributes: &str| {
        format!("  step \"{name}\" {{\n    code = \"code\"\n    run = \"sh gpu.sh\"\n{attributes}\n  }}\n")
    };
    let gpu = "    accelerator = { name = \"H100\" }";
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
        ("    compute = compute.big", "MLP0761", "2 × H100"),
        ("    nodes = 2", "MLP0802", "2 nodes"),
        ("    compute = { queue = { name = \"q\" } }", "MLP0802", "`queue`"),
        ("    compute = { fabric = \"rdma\" }", "MLP0802", "rdma"),
        ("    accelerator = { name = \"TPU-v6e\" }", "MLP0761", "TPU-v6e"),
    ] {
        let compute = "compute \"big\" {\n  accelerator = { name = \"H100\", count = 2 }\n}\n";
        let compute = if attributes.contains("compute.big") { compute } else { "" };
        scratch.specify(&format!("{compute}pipeline \"p\" {{\n{}}}\n", step("a", attributes)));
        let at = if compute.is_empty() { attributes.trim_end() } else { "accelerator = {" };
        scratch.refused(code, at, words);
    }
    // What a step says itself stands instead of its compute's.
    let small = "compute \"c\" {\n  cpu = 1\n  accelerator = { name = \"H100\" }\n}\n";
    let own = "    compute = compute.c\n    nodes = 1";
    scratch.specify(&format!("{small}pipeline \"p\" {{\n{}}}\n", step("a", own)));
    scratch.mlp(&["plan"]).ended(0);
}

/// A pipeline of one step.
fn one(attributes: &str) -> String {
    format!("pipeline \"p\" {{\n  step \"s\" {{\n    code = \"code\"\n{attributes}\n  }}\n}}\n")
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
        ("    run = \"cat ${input.x}\"", "MLP0806", "the command names `input.x`"),
        ("    run = \"echo ${output.y}\"", "MLP0806", "`output.y`"),
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
fn a_cache_can_count_less_and_storage_is_an_input() {
    let spec = r#"
storage "lake" {
  kind = "object"
}
pipeline "p" {
  params = { lr = 1 }
  step "s" {
    code    = "code"
    run     = "ls ${input.lake} > ${output.names}; cat word.txt"
    inputs  = { lake = storage.lake }
    outputs = { names = "file" }
    cache   = { key = ["inputs", "runtime"] }
  }
}
"#;
    let scratch = Scratch::new(spec);
    scratch.write("code/word.txt", "one\n");
    scratch.apply().ended(0);
    fs::write(scratch.home().join("storage/lake/a.bin"), "1").unwrap();
    scratch.run("pipeline.p").ended(0);
    assert_eq!(written(&scratch, "s", "names"), "a.bin\n");
    scratch.write("code/word.txt", "two\n");
    scratch.apply().ended(0);
    scratch.run("pipeline.p").ended(0).says("hit: inputs as in run");
    fs::write(scratch.home().join("storage/lake/b.bin"), "1").unwrap();
    scratch.run("pipeline.p").ended(0).says("miss: input lake changed");
    scratch.mlp(&["run", "pipeline.p", "--fresh"]).ended(0).says("the cache of this step is off");
}

#[test]
fn a_part_of_a_pipeline_can_be_tried_out() {
    let scratch = Scratch::new(WRITES);
    scratch.write("code/nothing.txt", "");
    scratch.apply().ended(0);
    let tried = scratch.mlp(&["run", "pipeline.make", "--step", "score"]).ended(0);
    tried.says("nothing is registered or written to datasets");
    scratch.run("pipeline.use").ended(1).says("has no version yet");
    scratch.mlp(&["run", "pipeline.make", "--step", "scroe"]).ended(1).says("did you mean `score`");
}

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

/// Asks until the answer is yes, or an attempt too many was made.
#[track_caller]
fn eventually(what: &str, mut ask: impl FnMut() -> bool) {
    for _ in 0..1200 {
        if ask() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("{what} does not come about");
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
fn a_uv_lock_is_installed_by_uv() {
    let scratch = locked("tinything==1.0");
    let uv = Command::new("uv").arg("--version").output();
    if !uv.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("MLP_REQUIRE_SERVERS").is_none(), "uv is missing");
        eprintln!("SKIPPED the lock file of uv: uv is not on the search path");
        return;
    }
    scratch.write(
        "pyproject.toml",
        "[project]\nname = \"p\"\nversion = \"1\"\nrequires-python = \">=3.8\"\ndependencies = [\"tinything==2.0\"]\n\
         [tool.uv]\nno-index = true\nfind-links = [\"wheels\"]\n",
    );
    let lock = Command::new("uv")
        .args(["lock", "--python", "python3"])
        .current_dir(scratch.root())
        .output()
        .unwrap();
    assert!(lock.status.success(), "{lock:?}");
    scratch.specify(&LOCKED.replace("requirements.txt", "uv.lock"));
    scratch.apply().ended(0);
    scratch.run("pipeline.p").ended(0);
    assert_eq!(written(&scratch, "ask", "v"), "2.0");
}

#[test]
fn the_documented_example_runs_as_it_stands() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/steps.md")).unwrap();
    let (_, rest) = text.split_once("```python\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let spec = r#"
source "raw" {
  kind = "file"
  uri  = "raw.csv"
}
pipeline "p" {
  step "s" {
    code    = "code"
    run     = "python3 train.py"
    params  = { lr = 0.5 }
    inputs  = { train = source.raw }
    outputs = { model = "model" }
  }
}
"#;
    let scratch = Scratch::new(spec);
    scratch.write("raw.csv", "a\n1\n2\n");
    scratch.write("code/train.py", example);
    scratch.apply().ended(0);
    scratch.run("pipeline.p").ended(0).says("succeeded");
}
