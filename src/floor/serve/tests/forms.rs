//! What is served beside a plain class: a program of any language, scikit-learn, and MLflow's directories.

use std::path::PathBuf;
use std::process::Command;

use super::*;

/// What the real models are made and served with; another list is another environment.
const PACKAGES: &[&str] = &["scikit-learn==1.5.2", "pandas==2.2.3", "mlflow-skinny==2.19.0"];

/// A python with the packages, made once for all runs of the tests. None, said aloud, where they cannot be had.
fn python() -> Option<PathBuf> {
    static FOUND: std::sync::OnceLock<Result<PathBuf, String>> = std::sync::OnceLock::new();
    match FOUND.get_or_init(install) {
        Ok(python) => Some(python.clone()),
        Err(why) => {
            crate::skipping::skip(why);
            None
        }
    }
}

fn install() -> Result<PathBuf, String> {
    let home = std::env::var("HOME").map_err(|_| "there is no home directory".to_owned())?;
    let version = Command::new("python3").arg("--version").output().map_err(|error| error.to_string())?;
    let key = format!("{}{}", String::from_utf8_lossy(&version.stdout), PACKAGES.join(" "));
    let root = Path::new(&home).join(".cache/mlp-test-venv");
    fs::create_dir_all(&root).map_err(|error| error.to_string())?;
    let folder = root.join(&blake3::hash(key.as_bytes()).to_hex()[..16]);
    let python = folder.join("bin/python");
    let lock = fs::File::create(root.join("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    if folder.join("complete").exists() {
        return Ok(python);
    }
    let run = |program: &Path, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(format!("{} failed: {text}", program.display())) }
    };
    run(Path::new("python3"), &["-m", "venv", "--clear", &folder.display().to_string()])?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(&python, &[&install, PACKAGES].concat())?;
    fs::write(folder.join("complete"), "").map_err(|error| error.to_string())?;
    Ok(python)
}

/// Trains a classifier, and writes it for a class of our own and as a directory of MLflow.
const TRAIN: &str = r#"
import pickle, sys
import mlflow.sklearn
from mlflow.models.model import Model
from sklearn.linear_model import LogisticRegression
import pandas

frame = pandas.DataFrame({"age": [20, 25, 30, 60, 65, 70], "calls": [0, 1, 0, 5, 6, 4]})
model = LogisticRegression().fit(frame, [0, 0, 0, 1, 1, 1])
with open("plain/model.pickle", "wb") as file:
    pickle.dump(model, file)
mlflow.sklearn.save_model(model, "mlflow")
description = Model.load("mlflow")
mlflow.sklearn.save_model(model, "sklearn_only")
lines = open("sklearn_only/MLmodel").read()
only = Model.load("sklearn_only")
only.flavors.pop("python_function")
only.save("sklearn_only/MLmodel")
only.flavors.clear()
import os
os.mkdir("neither")
only.save("neither/MLmodel")
"#;

const SCIKIT: &str = r#"
import os, pickle, pandas

class Model:
    @classmethod
    def load(cls, path):
        with open(os.path.join(path, "model.pickle"), "rb") as file:
            return cls(pickle.load(file))

    def __init__(self, model):
        self.model = model

    def predict(self, rows):
        return self.model.predict_proba(pandas.DataFrame(rows)[["age", "calls"]])[:, 1]
"#;

/// A program that knows no python: it reads its model from `$MLP_MODEL` and answers on `$MLP_PORT`.
const PERL: &str = r#"
use IO::Socket::INET;
open(my $f, "<", "$ENV{MLP_MODEL}/value") or die "no model: $!"; my $value = <$f>; chomp $value;
my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => $ENV{MLP_PORT}, Listen => 64, ReuseAddr => 1) or die "listen: $!";
while (my $client = $server->accept) {
  my ($length, $first) = (0, scalar <$client>);
  while (my $line = <$client>) { last if $line =~ /^\r?\n$/; $length = $1 if $line =~ /^content-length:\s*(\d+)/i; }
  my $body = ""; read($client, $body, $length) if $length;
  my $count = () = $body =~ /"x"/g;
  my $answer = $first =~ /healthz/ ? "{}" : "{\"predictions\": [" . join(",", ($value) x $count) . "]}";
  print $client "HTTP/1.1 200 OK\r\nContent-Length: " . length($answer) . "\r\nConnection: close\r\n\r\n" . $answer;
  close $client;
}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_program_serves_on_its_port() {
    if Command::new("perl").arg("-v").output().is_err() {
        crate::skipping::skip("there is no perl");
        return;
    }
    let bench = Bench::new();
    fs::write(bench.path().join("serve.pl"), PERL).unwrap();
    fs::write(bench.path().join("value"), "7\n").unwrap();
    let mut spec = bench.spec(vec![bench.variant("stable", WHOLE, 1)]);
    spec.variants[0].launch = Launch::Command {
        argv: ["/bin/sh", "-c", "exec perl serve.pl"].map(str::to_owned).into(),
        code_dir: bench.path().into(),
        model_dir: bench.path().into(),
    };
    let endpoint = bench.start(spec).await;
    let rows = json!({"rows": [{"x": 1}, {"x": 2}]}).to_string();
    let (status, _, answer) = bench.call(&endpoint, "POST", "/v1/predict", &rows).await;
    assert_eq!((status, &answer["predictions"]), (200, &json!([7, 7])), "{answer}");
    endpoint.stop().await;
}

/// `load` as an ordinary method: of an object that fills itself, and of one that gives another.
const ORDINARY: &str = r#"
class Filled:
    def load(self, path):
        self.value = 7
    def predict(self, rows):
        return [self.value] * len(rows)

class Maker:
    def load(self, path):
        made = Filled()
        made.load(path)
        return made
    def predict(self, rows):
        raise ValueError("this is the maker")
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_class_may_load_into_itself() {
    for class in ["ordinary:Filled", "ordinary:Maker"] {
        let bench = Bench::new();
        fs::write(bench.path().join("ordinary.py"), ORDINARY).unwrap();
        let mut spec = bench.spec(vec![bench.variant("stable", WHOLE, 1)]);
        let Launch::PythonClass { class: target, code_dir, .. } = &mut spec.variants[0].launch else {
            unreachable!()
        };
        (*target, *code_dir) = (class.to_owned(), bench.path().into());
        let endpoint = bench.start(spec).await;
        let (status, _, answer) = bench.call(&endpoint, "POST", "/v1/predict", r#"{"rows": [{}, {}]}"#).await;
        assert_eq!((status, &answer["predictions"]), (200, &json!([7, 7])), "{answer}");
        endpoint.stop().await;
    }
}

fn mlmodel(bench: &Bench, interpreter: &Path, folder: &str) -> EndpointSpec {
    let mut spec = bench.spec(vec![bench.variant("stable", WHOLE, 1)]);
    spec.variants[0].launch = Launch::Mlmodel {
        interpreter: interpreter.into(),
        code_dir: bench.path().join("code"),
        model_dir: bench.path().join(folder),
    };
    spec
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scikit_learn_and_the_directories_of_mlflow_are_served() {
    let Some(python) = python() else { return };
    let bench = Bench::new();
    fs::create_dir(bench.path().join("plain")).unwrap();
    let made = Command::new(&python).args(["-c", TRAIN]).current_dir(bench.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let rows = json!({"rows": [{"age": 22, "calls": 0}, {"age": 66, "calls": 5}]}).to_string();

    fs::write(bench.path().join("code/scikit.py"), SCIKIT).unwrap();
    let mut spec = bench.spec(vec![bench.variant("stable", WHOLE, 1)]);
    spec.variants[0].launch = Launch::PythonClass {
        interpreter: python.clone(),
        class: "scikit:Model".into(),
        code_dir: bench.path().join("code"),
        model_dir: bench.path().join("plain"),
    };
    let mut endpoint = bench.start(spec).await;
    let (status, _, answer) = bench.call(&endpoint, "POST", "/v1/predict", &rows).await;
    let chance = |index: usize| answer["predictions"][index].as_f64().unwrap();
    assert!(status == 200 && chance(0) < 0.5 && chance(1) > 0.5, "{answer}");

    for folder in ["mlflow", "sklearn_only"] {
        endpoint.apply(mlmodel(&bench, &python, folder)).await.unwrap();
        let (status, _, answer) = bench.call(&endpoint, "POST", "/v1/predict", &rows).await;
        assert_eq!((status, &answer["predictions"]), (200, &json!([0, 1])), "{folder} {answer}");
    }
    // What cannot be loaded changes nothing and says why.
    let problem = endpoint.apply(mlmodel(&bench, &python, "neither")).await.unwrap_err();
    assert!(problem.notes.iter().any(|line| line.contains("`python_function`")), "{problem}");
    assert_eq!(bench.call(&endpoint, "POST", "/v1/predict", &rows).await.0, 200);
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runtime_without_mlflow_and_a_directory_without_its_file_say_so() {
    let bench = Bench::new();
    fs::create_dir(bench.path().join("mlflow")).unwrap();
    let spec = mlmodel(&bench, Path::new("python3"), "mlflow");
    let problem = Endpoint::start(spec.clone(), Arc::new(|_| {})).await.err().unwrap();
    assert_eq!((problem.code, problem.subject.as_deref()), ("MLP0780", Some("serve")), "{problem}");
    fs::write(bench.path().join("mlflow/MLmodel"), "flavors: {}\n").unwrap();
    // Isolated mode and an empty path: whatever this machine has, it has no `mlflow` here.
    let bare = bench.path().join("bare");
    fs::write(&bare, "#!/bin/sh\nexec python3 -S -E \"$@\"\n").unwrap();
    fs::set_permissions(&bare, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let problem = Endpoint::start(mlmodel(&bench, &bare, "mlflow"), Arc::new(|_| {})).await.err().unwrap();
    assert!(problem.notes.iter().any(|line| line.contains("add `mlflow`")), "{problem}");
}
