//! Files of the project that a step touches without declaring them, as far as they can be seen: a python process is
//! asked by an audit hook before it opens a file. What other programs open is not seen; the relative paths of the
//! project do not exist for them, since they work in a copy of their code.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Problem;

/// The hook, which python runs when it starts, as `sitecustomize`.
const HOOK: &str = include_str!("guard.py");
const FOLDER: &str = "guard";
const REPORT: &str = "undeclared";

/// The directory of the hook, for the front of `PYTHONPATH`.
pub(crate) fn folder(step_dir: &Path) -> PathBuf {
    step_dir.join(FOLDER)
}

/// Writes the hook for one attempt: below the project, only `allowed` and the step's own directory may be touched.
pub(crate) fn write(step_dir: &Path, project: &Path, allowed: &[PathBuf]) -> std::io::Result<()> {
    let report = step_dir.join(REPORT);
    match std::fs::remove_file(&report) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let folder = folder(step_dir);
    std::fs::create_dir_all(&folder)?;
    let mut all = vec![literal(step_dir)];
    all.extend(allowed.iter().map(|path| literal(path)));
    // The text of a JSON string is the text of a python string too.
    let hook = HOOK
        .replace("@PROJECT@", &literal(project).to_string())
        .replace("@ALLOWED@", &Value::Array(all).to_string())
        .replace("@REPORT@", &literal(&report).to_string());
    std::fs::write(folder.join("sitecustomize.py"), hook)
}

fn literal(path: &Path) -> Value {
    Value::from(path.to_string_lossy())
}

/// What was refused to the attempt, if anything was.
pub(crate) fn refused(step: &str, step_dir: &Path) -> Option<Problem> {
    let text = String::from_utf8_lossy(&std::fs::read(step_dir.join(REPORT)).ok()?).into_owned();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.dedup();
    let (word, path) = lines.first()?.split_once(' ')?;
    let verb = if word == "write" { "writes" } else { "reads" };
    let message = format!("step `{step}` {verb} `{path}` of the project, which it does not declare");
    let more = lines.iter().skip(1).take(9).filter_map(|line| line.split_once(' '));
    let notes = more.map(|(word, path)| format!("also refused: to {word} `{path}`"));
    let help = if word == "write" {
        "write results to the paths of `outputs`; what else a step writes is lost with its working directory"
    } else {
        "give it in `inputs` (a source, a dataset, an artifact), or move it into the step's `code` directory"
    };
    Some(Problem::new("MLP0773", message).with_notes(notes).help(help).at(format!("step.{step}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Output};

    /// Runs python with the hook, in a project with some files.
    fn python(script: &str) -> (tempfile::TempDir, Output) {
        let project = tempfile::tempdir().unwrap();
        let step = project.path().join(".mlp/runs/r1/fit");
        std::fs::create_dir_all(step.join("code")).unwrap();
        for name in ["declared.csv", "secret.csv"] {
            std::fs::write(project.path().join(name), "a\n1\n").unwrap();
        }
        write(&step, project.path(), &[project.path().join("declared.csv")]).unwrap();
        let output = Command::new("python3")
            .args(["-c", script])
            .current_dir(step.join("code"))
            .env("PYTHONPATH", folder(&step))
            .env("PROJECT", project.path())
            .output()
            .unwrap();
        (project, output)
    }

    fn problem(project: &tempfile::TempDir) -> Option<Problem> {
        refused("fit", &project.path().join(".mlp/runs/r1/fit"))
    }

    #[test]
    fn what_is_declared_may_be_read_and_the_own_directory_written() {
        let script = "import os, json, tempfile, sqlite3\n\
                      open(os.environ['PROJECT'] + '/declared.csv').read()\n\
                      open('x', 'w').write('1'); os.mkdir('d'); os.rename('x', 'd/y'); os.listdir('d')\n\
                      sqlite3.connect(':memory:')\n\
                      open('/etc/passwd').read()";
        let (project, output) = python(script);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(problem(&project), None);
    }

    #[test]
    fn an_undeclared_read_fails_with_its_path_also_when_the_step_goes_on() {
        let script = "import os\n\
                      try:\n    open(os.path.join(os.environ['PROJECT'], 'sub', '..', 'secret.csv'))\n\
                      except OSError as error:\n    print(error)";
        let (project, output) = python(script);
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("does not declare"));
        let problem = problem(&project).unwrap();
        assert_eq!(
            (problem.code, problem.message.as_str()),
            ("MLP0773", "step `fit` reads `secret.csv` of the project, which it does not declare")
        );
    }

    #[test]
    fn writing_elsewhere_in_the_project_is_refused() {
        for script in [
            "import os; open(os.environ['PROJECT'] + '/new.csv', 'w')",
            "import os; os.mkdir(os.environ['PROJECT'] + '/new.csv')",
            "import os; open('x', 'w').close(); os.rename('x', os.environ['PROJECT'] + '/new.csv')",
            "import pathlib, os; (pathlib.Path(os.environ['PROJECT']) / 'new.csv').write_text('x')",
        ] {
            let (project, output) = python(script);
            assert!(!output.status.success(), "{script}");
            let message = problem(&project).unwrap().message;
            assert!(message.contains("writes `new.csv`"), "{script}: {message}");
            assert!(!project.path().join("new.csv").exists());
        }
    }

    #[test]
    fn listing_the_project_is_refused_without_failing_who_only_looks_for_modules() {
        let script =
            "import os, sys\nsys.path.append(os.environ['PROJECT'])\nimport wave, chunk_that_is_not_there";
        let (project, output) = python(script);
        assert!(String::from_utf8_lossy(&output.stderr).contains("ModuleNotFoundError"), "{output:?}");
        assert_eq!(problem(&project), None);
    }

    #[test]
    fn a_sitecustomize_of_the_user_still_runs() {
        let project = tempfile::tempdir().unwrap();
        let step = project.path().join("step");
        let own = project.path().join("step/own");
        std::fs::create_dir_all(&own).unwrap();
        std::fs::write(own.join("sitecustomize.py"), "print('mine')").unwrap();
        write(&step, project.path(), &[]).unwrap();
        let path = std::env::join_paths([folder(&step), own]).unwrap();
        let output =
            Command::new("python3").args(["-c", "print('done')"]).env("PYTHONPATH", path).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "mine\ndone\n", "{output:?}");
    }
}
