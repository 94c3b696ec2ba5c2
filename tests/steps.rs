//! The contract with a user's code, through the program as a person runs it: several languages, locked packages, checks,
//! and data between pipelines.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::scratch::{Scratch, written};

/// Whether a language is there. Perl is everywhere; the others are tried where they are.
fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("not tried: a step in {program}, which is not on the search path");
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
R
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

const R: &str = r#"  step "r" {
    code    = "code"
    runtime = { language = "r", version = ">=3" }
    run     = "Rscript count.R"
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
    let r = if has("Rscript") { R } else { "" };
    assert!(has("perl"));
    let scratch = Scratch::new(
        &LANGUAGES.replace("NODE\n", node).replace("JAVA\n", java).replace("R\n}", &format!("{r}}}")),
    );
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
        "code/count.R",
        "rows <- read.csv(Sys.getenv('MLP_INPUT_train'))\n\
         cat(sprintf('{\"rows\": %d}', nrow(rows)), file = Sys.getenv('MLP_OUTPUT_metrics'))\n",
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
pipeline "reuse" {
  step "read" {
    code    = "code"
    run     = "test -z ${input.model} && echo none > ${output.s} || cp ${input.model}/score ${output.s}"
    inputs  = { model = model.m.alias.good }
    outputs = { s = "file" }
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
    scratch.run("pipeline.reuse").ended(0);
    assert_eq!(written(&scratch, "read", "s"), "none\n");
    scratch.run("pipeline.p").ended(0);
    assert_eq!(versions(&scratch), 1);
    scratch.run("pipeline.reuse").ended(0).says("miss: input model changed");
    assert_eq!(written(&scratch, "read", "s"), "0.9\n");
    let refused = scratch.mlp(&["run", "pipeline.p", "-param", "score=0.1"]).ended(11);
    let refused = refused.says("MLP0830").says("check.sound failed").says("the score is 0.1");
    refused.says("Look at the score.").says(&scratch.place("run     = \"python3 sound.py"));
    assert_eq!(versions(&scratch), 1, "what the check refused is not registered");
    scratch.mlp(&["logs", "pipeline.p", "check-sound"]).ended(0).says("the score is 0.1");

    // The check's own code is part of what is planned.
    scratch.write("tests/sound.py", "print('always')\n");
    scratch.mlp(&["plan", "-detailed-exitcode"]).ended(2);

    scratch.specify(&CHECKED.replace("sound.py ${input.model}", "sound.py ${input.modle}"));
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
dataset "history" {
  version = "append-only"
}
pipeline "note" {
  step "add" {
    code   = "code"
    run    = "printf 'id\n1\n2\n' > $MLP_OUTPUT_history"
    writes = [dataset.history]
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
    // To one that grows, rows are added each time the step ran, and only then.
    scratch.run("pipeline.note").ended(0).says("dataset.history has 2 rows");
    scratch.run("pipeline.note").ended(0).says("nothing is appended");
    scratch.mlp(&["run", "pipeline.note", "--fresh"]).ended(0).says("dataset.history has 4 rows");
    // What breaks the schema becomes no version; the version before stays.
    scratch
        .mlp(&["run", "pipeline.make", "-param", "top=7"])
        .ended(1)
        .says("MLP0703")
        .says("the data of `scores`");
    scratch.run("pipeline.use").ended(0).says("hit:");
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

const WORDS: &str = r#"
locals {
  program = ["cp", "it's.txt"]
}
pipeline "p" {
  params = { say = "a $HOME; b" }
  step "plain" {
    code    = "code"
    run     = concat(local.program, ["kept copy.txt"])
    outputs = {}
  }
  step "holes" {
    code    = "code"
    run     = ["sh", "-c", "printf '%s|' \"$@\" > ${output.words}", "sh", param.say, "run ${param.say}", 3, ""]
    outputs = { words = "file" }
  }
}
"#;

#[test]
fn a_command_may_be_a_program_and_its_arguments() {
    let scratch = Scratch::new(WORDS);
    scratch.write("code/it's.txt", "");
    scratch.apply().ended(0);
    scratch.run("pipeline.p").ended(0);
    assert_eq!(written(&scratch, "holes", "words"), "a $HOME; b|run a $HOME; b|3||");
    for wrong in ["run = 3", "run = []", "run = [[\"cp\"]]", "run = { a = 1 }", "run = \"\""] {
        scratch.specify(&WORDS.replace("run     = concat(local.program, [\"kept copy.txt\"])", wrong));
        let code = if wrong == "run = \"\"" { "MLP0806" } else { "MLP0306" };
        scratch.refused(code, wrong, "a command, or a program and its arguments");
    }
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

#[test]
fn a_uv_lock_is_installed_by_uv() {
    let scratch = locked("tinything==1.0");
    let uv = Command::new("uv").arg("--version").output();
    if !uv.is_ok_and(|output| output.status.success()) {
        support::skip("the lock file of uv: uv is not on the search path");
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
