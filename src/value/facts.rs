//! What pure stages ask of the world, and what they were told.
//!
//! A pure stage returns its best result and a set of needs; the host answers them and calls again until nothing new is
//! needed. Every fact used is digested into the plan.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// A question to the host. Paths are relative to the project's directory unless absolute.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// The text of a file.
    Text(String),
    /// The bytes of a file, as hexadecimal text.
    Bytes(String),
    /// The files below a directory, as the text of a JSON list of their paths from it; what mlp and git keep is no part of it.
    Files(String),
    /// Size and BLAKE3 digest of a file, or of every file of a directory.
    Digest(String),
    /// Digest of a code directory less what `.mlpignore` names.
    Tree(String),
    /// An environment variable.
    Env(String),
    /// Marks of what a source outside the project holds, by table, got at a bounded price; its description as JSON.
    Source(String),
    /// The keyed fingerprint of a secret, by its reference (`env:NAME`, `file:PATH`).
    Secret(String),
    /// Where a program is found on the search path, and what it prints for `--version`.
    Program(String),
    /// What this machine has for steps to reserve.
    Machine,
    /// Something that exists in the target of the environment: its fields and what it tells, as the text of a JSON object.
    Look {
        /// Its native kind.
        kind: String,
        /// What identifies it, a JSON object.
        query: String,
    },
    /// What the last apply told of a declaration of this environment, by its address, as the text of a JSON object.
    Remembered(String),
    /// What was built for a runtime of an environment: the record of its image, as the text of a JSON object.
    Image {
        /// What the environment's things are kept under.
        environment: String,
        /// The runtime's address.
        runtime: String,
    },
    /// The outputs of another project's environment as they were last applied, as the text of a JSON object.
    Outputs {
        /// The project's directory.
        project: String,
        /// The environment's name.
        environment: String,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// Text of a file or variable.
    Text(String),
    /// Digest (hex BLAKE3) and size in bytes.
    Digest {
        /// Hex BLAKE3.
        digest: String,
        /// Bytes.
        size: u64,
    },
    /// A program.
    Program {
        /// Absolute path.
        path: String,
        /// Version as it prints it, for example `3.11.7`.
        version: String,
    },
    /// What was asked refuses or does not answer.
    Refused(Box<Refusal>),
    /// A machine.
    Machine {
        /// Processor cores.
        cores: u64,
        /// Bytes of memory.
        memory: u64,
        /// What each GPU is called, by its number.
        gpus: Vec<String>,
    },
    /// There is no such thing.
    Missing,
    /// It is there and cannot be read; why.
    Failed(String),
}

/// Why something outside gave no answer, as a person should be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The diagnostic code.
    pub code: String,
    /// One sentence.
    pub text: String,
    /// The attribute it is about.
    pub at: String,
    /// What explains it.
    pub notes: Vec<String>,
    /// What to do about it.
    pub help: String,
    /// Whether it may pass by itself: nothing is known, and nothing is wrong with the specification.
    pub passing: bool,
}

/// Facts known so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts(BTreeMap<Need, Fact>);

/// Questions still open.
pub type Needs = BTreeSet<Need>;

impl Facts {
    /// The answer, or `None` after noting the question in `needs`.
    pub fn ask(&self, need: Need, needs: &mut Needs) -> Option<&Fact> {
        let answer = self.0.get(&need);
        if answer.is_none() {
            needs.insert(need);
        }
        answer
    }

    /// Adds an answer.
    pub fn insert(&mut self, need: Need, fact: Fact) {
        self.0.insert(need, fact);
    }

    /// Whether the question was answered.
    pub fn knows(&self, need: &Need) -> bool {
        self.0.contains_key(need)
    }

    /// All questions and answers, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Need, &Fact)> {
        self.0.iter()
    }
}
