//! How the process of a replica is started.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::spec::refused;
use crate::Problem;

/// How a replica is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Launch {
    /// A python class behind the shipped worker: `module:Class` with `load(path)` and `predict(rows)`.
    PythonClass {
        /// The python program.
        interpreter: PathBuf,
        /// `module:Class`.
        class: String,
        /// The folder of the code, first on the module path and the working directory.
        code_dir: PathBuf,
        /// The model directory.
        model_dir: PathBuf,
    },
    /// Any program that answers `POST /predict` and `GET /healthz` on `$MLP_PORT`, its model in `$MLP_MODEL`.
    Command {
        /// The program and its arguments.
        argv: Vec<String>,
        /// The working directory.
        code_dir: PathBuf,
        /// The model directory.
        model_dir: PathBuf,
    },
    /// A model directory of MLflow behind the shipped worker.
    Mlmodel {
        /// The python program, which has `mlflow`.
        interpreter: PathBuf,
        /// The folder of the code, first on the module path and the working directory.
        code_dir: PathBuf,
        /// The model directory, with its file `MLmodel`.
        model_dir: PathBuf,
    },
}

impl Launch {
    /// The model directory.
    #[must_use]
    pub fn model_dir(&self) -> &PathBuf {
        match self {
            Self::PythonClass { model_dir, .. }
            | Self::Command { model_dir, .. }
            | Self::Mlmodel { model_dir, .. } => model_dir,
        }
    }

    /// The folder of the code.
    #[must_use]
    pub fn code_dir(&self) -> &PathBuf {
        match self {
            Self::PythonClass { code_dir, .. }
            | Self::Command { code_dir, .. }
            | Self::Mlmodel { code_dir, .. } => code_dir,
        }
    }

    /// Refuses what could never start.
    pub(super) fn validate(&self) -> Result<(), Problem> {
        if let Self::Command { argv, .. } = self
            && argv.first().is_none_or(String::is_empty)
        {
            return Err(refused("the command is empty").at("serve"));
        }
        for (what, path) in [("code directory", self.code_dir()), ("model directory", self.model_dir())] {
            if !path.is_dir() {
                return Err(refused(format!("the {what} `{}` does not exist", path.display())));
            }
        }
        if let Self::Mlmodel { model_dir, .. } = self
            && !model_dir.join("MLmodel").is_file()
        {
            return Err(refused(format!("there is no file `MLmodel` in `{}`", model_dir.display()))
                .help("name a class with `serve = \"module:Class\"`, or a command")
                .at("serve"));
        }
        Ok(())
    }
}
