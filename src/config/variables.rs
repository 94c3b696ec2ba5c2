//! Values given to variables from outside, and what a person is told of where a value comes from.
//!
//! The order, the later wins: the default, the environment's `variables`, `MLP_VAR_<name>`, `mlp.mlpvars`, `mlp.mlpvars.json`,
//! `*.auto.mlpvars` and `*.auto.mlpvars.json` in the order of their names, then `-var-file` and `-var` in the order of the command line.

use std::collections::HashMap;

use mlp_diag::{Diagnostic, Diagnostics, FileId, Span};
use mlp_syntax::{Expr, Tree};

use crate::codes;

/// A value given to a variable from outside.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// The value.
    pub given: Given,
    /// Where the value is written.
    pub span: Span,
    /// Where the name is written, or the value where that has no place of its own.
    pub name_span: Span,
    /// From where, for messages: `-var`, `MLP_VAR_x`, a file's name.
    pub from: String,
    /// What a variable nobody declares means.
    pub undeclared: Undeclared,
}

/// How a value is given.
#[derive(Debug, Clone)]
pub enum Given {
    /// As an expression, in a file.
    Expr(Expr),
    /// As text, from `MLP_VAR_x` and `-var`: the variable's type says how it is read.
    Text(String),
}

/// What a value means for which no variable is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undeclared {
    /// A mistake: it was given for this command (`-var`).
    Error,
    /// Worth a word: a file may be shared between projects.
    Warning,
    /// Nothing: environment variables are shared between everything.
    Nothing,
}

/// Where the value of one variable comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct VariableStory {
    /// `var.size`, `module.shop.var.region`.
    pub name: String,
    /// Where it is declared.
    pub declared: Span,
    /// What it is for, where that is said.
    pub description: Option<String>,
    /// Its type.
    pub ty: String,
    /// Words that hold of it: `sensitive`, `ephemeral`, `not nullable`.
    pub words: Vec<&'static str>,
    /// The value it has; `None` when it has none or a wrong one.
    pub value: Option<String>,
    /// Every value it was given, the weakest first.
    pub candidates: Vec<Candidate>,
}

/// A value that a variable was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// By what: `its default`, `environment.staging`, `-var`.
    pub from: String,
    /// Where it is written.
    pub place: Span,
    /// The value, masked where it is secret.
    pub shown: String,
    /// Whether it is the one that holds.
    pub wins: bool,
}

/// How files of values end.
pub const VALUE_FILES: &[&str] = &[".mlpvars", ".mlpvars.json"];

/// Reads a file of values: JSON where its name says so.
pub fn values_tree(name: &str, file: FileId, text: &str) -> (Tree, Diagnostics) {
    if name.ends_with(".json") { mlp_syntax::parse_json(file, text) } else { mlp_syntax::parse(file, text) }
}

/// Which of these files are read without being named, in the order in which the later wins.
pub fn read_unasked<'n>(names: impl Iterator<Item = &'n str> + Clone) -> Vec<&'n str> {
    let own = ["mlp.mlpvars", "mlp.mlpvars.json"];
    let mut found: Vec<&str> =
        own.into_iter().filter_map(|own| names.clone().find(|name| *name == own)).collect();
    let mut given: Vec<&str> = names.filter(|name| is_automatic(name)).collect();
    given.sort_unstable();
    found.extend(given);
    found
}

/// Whether a file of values is one of those that are read by their ending.
pub fn is_automatic(name: &str) -> bool {
    name.ends_with(".auto.mlpvars") || name.ends_with(".auto.mlpvars.json")
}

/// The assignments of an `.mlpvars` file.
pub fn assignments(tree: &Tree, from: &str, diagnostics: &mut Diagnostics) -> Vec<Assignment> {
    for block in &tree.body.blocks {
        diagnostics.push(
            Diagnostic::error(codes::VARIABLE, "a variables file holds attributes only")
                .at(block.header, "a block")
                .help("write `name = value`, one a line; variables are declared in *.mlp files"),
        );
    }
    let mut found: Vec<Assignment> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    for attribute in &tree.body.attributes {
        let name = &attribute.name;
        if let Some(first) = known.get(name.name.as_str()).and_then(|at| found.get(*at)) {
            diagnostics.push(
                Diagnostic::error(codes::DUPLICATE, format!("`{}` is set twice", name.name))
                    .at(name.span, "again here")
                    .see(first.span, "first here")
                    .help("keep one of the two"),
            );
            continue;
        }
        known.insert(&name.name, found.len());
        found.push(Assignment {
            name: name.name.clone(),
            given: Given::Expr(attribute.expr.clone()),
            span: attribute.expr.span,
            name_span: name.span,
            from: from.to_owned(),
            undeclared: Undeclared::Warning,
        });
    }
    found
}
