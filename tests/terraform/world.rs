//! The scope in which the expressions are evaluated here: the same locals as Terraform has, and the same files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mlp_config::lower;
use mlp_diag::{Diagnostic, FileId, SourceMap, Span};
use mlp_eval::{
    Expr, Later, Node, Outcome, PlanValue, Resolved, Scope, Traversal, TraversalStep, Unknown, evaluate,
};
use mlp_value::Type;

use super::pools::SHARED_PREAMBLE;

pub struct World {
    folder: PathBuf,
    file: FileId,
    locals: BTreeMap<String, Expr>,
}

impl World {
    pub fn new(folder: &Path) -> Self {
        let file = SourceMap::default().add("corpus.mlp", SHARED_PREAMBLE);
        let (tree, problems) = mlp_syntax::parse(file, SHARED_PREAMBLE);
        assert!(problems.is_empty(), "{problems:?}");
        let block = &tree.body.blocks[0];
        let locals =
            block.body.attributes.iter().map(|one| (one.name.name.clone(), lower(&one.expr))).collect();
        Self { folder: folder.to_owned(), file, locals }
    }

    /// Parses and evaluates an expression, as the value of an attribute.
    pub fn evaluate(&self, expr: &str) -> Result<Outcome, String> {
        let why = |problems: Vec<Diagnostic>| {
            problems.first().map_or_else(String::new, |problem| problem.headline.clone())
        };
        let text = format!("locals {{\n  value = {expr}\n}}\n");
        let (tree, problems) = mlp_syntax::parse(self.file, &text);
        if !problems.is_empty() {
            return Err(format!("syntax: {}", why(problems)));
        }
        let attribute = &tree.body.blocks[0].body.attributes[0];
        evaluate(&lower(&attribute.expr), self).map_err(why)
    }
}

fn hole(ty: Type, name: &str) -> Outcome {
    let steps = vec![TraversalStep::Attr(name.into())];
    let traversal = Traversal { root: "local".into(), steps };
    Outcome::plain(PlanValue::Hole(Unknown::from(Later {
        ty,
        not_null: true,
        prefix: None,
        residual: Box::new(Expr::new(Node::Traverse { traversal }, None)),
        after: vec!["storage.u".to_owned()],
    })))
}

impl Scope for World {
    fn resolve(&self, traversal: &Traversal, span: Option<Span>) -> Result<Resolved, Diagnostic> {
        let name = match (&*traversal.root, traversal.steps.first()) {
            ("local", Some(TraversalStep::Attr(name))) => name.to_string(),
            _ => {
                return Err(
                    Diagnostic::error("MLP0300", format!("`{traversal}` means nothing")).at_opt(span, "")
                );
            }
        };
        let outcome = match (name.as_str(), self.locals.get(&name)) {
            ("u_str", _) => hole(Type::String, "u_str"),
            (_, Some(expr)) => evaluate(expr, self).map_err(|mut problems| problems.swap_remove(0))?,
            _ => return Err(Diagnostic::error("MLP0300", format!("no `local.{name}`")).at_opt(span, "")),
        };
        Ok(Resolved::of(outcome, 1))
    }

    fn is_mistake(&self, problem: &Diagnostic) -> bool {
        problem.code == "MLP0300"
    }

    fn read_file(&self, path: &str) -> Result<Option<String>, String> {
        let bytes = self.read_bytes(path)?.unwrap_or_default();
        String::from_utf8(bytes).map(Some).map_err(|_| format!("`{path}` is not text"))
    }

    fn read_bytes(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        std::fs::read(self.folder.join(path)).map(Some).map_err(|error| format!("`{path}`: {error}"))
    }

    fn file_exists(&self, path: &str) -> Result<Option<bool>, String> {
        let path = self.folder.join(path);
        if path.is_dir() {
            return Err("it is a directory".to_owned());
        }
        Ok(Some(path.exists()))
    }

    fn list_files(&self, path: &str) -> Result<Option<Vec<String>>, String> {
        fn walk(folder: &Path, prefix: &str, all: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
                if entry.path().is_dir() {
                    walk(&entry.path(), &format!("{name}/"), all);
                } else {
                    all.push(name);
                }
            }
        }
        let mut all = Vec::new();
        walk(&self.folder.join(path), "", &mut all);
        Ok(Some(all))
    }
}
