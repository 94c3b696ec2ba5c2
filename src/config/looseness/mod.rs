//! Nothing is accepted by looseness: every attribute and every reference of both reference specifications is misspelt, given a
//! wrong type and pointed at a wrong kind, and each time exactly one diagnostic must say so, at that place.
//!
//! The mutants are made from the parsed tree, so the files' own growth is covered by itself. What cannot be told is listed in
//! `exempt.rs` with its reason; an exemption that no mutant needs any more fails.

mod exempt;
mod mutate;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use mlp_diag::{Diagnostic, SourceMap, Span};
use mlp_syntax::Tree;
use mlp_value::facts::{Fact, Facts, Need};

use crate::{Inputs, Module, resolve};
use exempt::EXEMPT;
use mutate::{Mutant, mutants};

/// A reference specification, read once.
struct Reference {
    name: &'static str,
    sources: SourceMap,
    tree: Tree,
    environments: Vec<String>,
    facts: Facts,
    /// The directories of its standards, with their trees.
    standards: Vec<(String, Vec<Tree>)>,
    /// A declaration that nothing of the file may refer to but what takes any.
    stranger: &'static str,
}

impl Reference {
    fn read(name: &'static str, stranger: &'static str) -> Self {
        let folder = format!("{}/../../tests/reference/{name}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(format!("{folder}/main.mlp")).unwrap();
        let mut sources = SourceMap::default();
        let file = sources.add("main.mlp", text.as_str());
        let (tree, diagnostics) = mlp_syntax::parse(file, &text);
        assert_eq!(diagnostics, []);
        let environments = crate::environments(&[&tree]);
        let standards = standards(Path::new(&folder), &mut sources);
        let facts = Facts::default();
        let mut found = Self { name, sources, tree, environments, facts, standards, stranger };
        // A question and what follows from its answer: one round more than there are.
        for _ in 0..3 {
            for need in found.needs() {
                let fact = match &need {
                    Need::Text(path) => match std::fs::read_to_string(format!("{folder}/{path}")) {
                        Ok(text) => Fact::Text(text),
                        Err(_) => Fact::Missing,
                    },
                    Need::Digest(path) if Path::new(&folder).join(path).exists() => {
                        Fact::Digest { digest: "0".repeat(64), size: 1 }
                    }
                    other => panic!("{other:?}"),
                };
                found.facts.insert(need, fact);
            }
        }
        assert_eq!(found.said(&found.tree), Vec::<Diagnostic>::new(), "{name}");
        found
    }

    fn inputs<'a>(
        &'a self,
        trees: &'a [&'a Tree],
        modules: &'a [Module<'a>],
        environment: &'a str,
    ) -> Inputs<'a> {
        Inputs { trees, sources: &self.sources, environment, assignments: &[], root: ".", modules }
    }

    fn modules(&self) -> Vec<Module<'_>> {
        let mut all = Vec::new();
        for (directory, trees) in &self.standards {
            all.push(Module { directory: directory.clone(), trees: trees.iter().collect() });
        }
        all
    }

    fn needs(&self) -> BTreeSet<Need> {
        let trees = [&self.tree];
        let modules = self.modules();
        let one = |name: &String| resolve(&self.inputs(&trees, &modules, name), &self.facts).needs;
        self.environments.iter().flat_map(one).collect()
    }

    /// What is said of a tree, in all its environments.
    fn said(&self, tree: &Tree) -> Vec<Diagnostic> {
        // A mutant may misspell an environment away.
        self.said_in(tree, crate::environments(&[tree]))
    }

    fn said_in(&self, tree: &Tree, environments: Vec<String>) -> Vec<Diagnostic> {
        let (trees, modules) = ([tree], self.modules());
        let each = environments.iter().map(|environment| {
            let mut facts = std::borrow::Cow::Borrowed(&self.facts);
            loop {
                let found = resolve(&self.inputs(&trees, &modules, environment), &facts);
                if found.needs.is_empty() {
                    return found.diagnostics;
                }
                // A mutant may ask for what is not there.
                let facts = facts.to_mut();
                found.needs.into_iter().for_each(|need| facts.insert(need, Fact::Missing));
            }
        });
        crate::together(&environments, each.collect())
    }
}

/// The standards that lie beside a reference.
fn standards(folder: &Path, sources: &mut SourceMap) -> Vec<(String, Vec<Tree>)> {
    let vendor = folder.join("vendor");
    let names = std::fs::read_dir(&vendor).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let one = |name: std::ffi::OsString| {
        let name = name.into_string().unwrap();
        let path = format!("vendor/{name}/standard.mlp");
        let text = std::fs::read_to_string(folder.join(&path)).unwrap();
        let file = sources.add(&path, text.as_str());
        let (tree, diagnostics) = mlp_syntax::parse(file, &text);
        assert_eq!(diagnostics, []);
        (format!("vendor/{name}"), vec![tree])
    };
    names.map(one).collect()
}

/// What is wrong with what is said of a mutant; nothing when it is as it should be.
///
/// What is told just so in one environment is told so in the others too; only `MLP_EVERY_ENVIRONMENT` looks at all of them always.
fn verdict(reference: &Reference, mutant: &Mutant, tree: &Tree) -> Option<String> {
    let mut environments = crate::environments(&[tree]);
    if std::env::var_os("MLP_EVERY_ENVIRONMENT").is_none() && !environments.is_empty() {
        let one = environments.swap_remove(mutant.span.start as usize % environments.len());
        judged(reference, mutant, &reference.said_in(tree, vec![one]))?;
    }
    judged(reference, mutant, &reference.said(tree))
}

fn judged(reference: &Reference, mutant: &Mutant, said: &[Diagnostic]) -> Option<String> {
    let place = |diagnostic: &Diagnostic| diagnostic.place();
    let inside = |span: Span| {
        span.file == mutant.span.file && span.start >= mutant.span.start && span.end <= mutant.span.end
    };
    match said {
        [one] if place(one).is_some_and(inside) => None,
        [] => Some("accepted".to_owned()),
        [one] => Some(format!("elsewhere: {}", line(reference, one))),
        several => {
            let lines: Vec<String> = several.iter().take(3).map(|one| line(reference, one)).collect();
            Some(format!("{} diagnostics: {}", several.len(), lines.join(" | ")))
        }
    }
}

fn line(reference: &Reference, diagnostic: &Diagnostic) -> String {
    let at = diagnostic.place().map_or("nowhere".to_owned(), |span| {
        let text = reference.sources.text(span.file);
        let row = text[..span.start as usize].lines().count();
        format!("{row}: {}", text[span.start as usize..span.end as usize].lines().next().unwrap_or_default())
    });
    format!("{} {} [{at}]", diagnostic.code, diagnostic.headline)
}

/// Checks all mutants, those of each half of the file in a thread of their own.
fn check(reference: &Reference, used: &mut BTreeSet<usize>) -> (usize, String) {
    let all = mutants(&reference.tree, reference.stranger);
    let wanted = std::env::var("LOOSENESS").unwrap_or_default();
    let all: Vec<Mutant> = all.into_iter().filter(|one| one.path.starts_with(&wanted)).collect();
    let mut failures = String::new();
    let found: Vec<Option<String>> = std::thread::scope(|scope| {
        let halves: Vec<_> = all
            .chunks(all.len().div_ceil(2).max(1))
            .map(|half| {
                scope.spawn(move || {
                    let one = |mutant: &Mutant| {
                        verdict(reference, mutant, &mutant.of(&reference.tree, reference.stranger))
                    };
                    half.iter().map(one).collect::<Vec<_>>()
                })
            })
            .collect();
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    });
    for (mutant, found) in all.iter().zip(found) {
        let exempt =
            EXEMPT.iter().position(|(way, path, _)| *way == mutant.way && mutant.is_at(reference.name, path));
        match (found, exempt) {
            (None, _) => {}
            (Some(_), Some(index)) => {
                used.insert(index);
            }
            (Some(why), None) => {
                let text = reference.sources.text(mutant.span.file);
                let row = text[..mutant.span.start as usize].lines().count();
                let _ = writeln!(
                    failures,
                    "{}:{row}: {:?} {} `{}`: {why}",
                    reference.name, mutant.way, mutant.path, mutant.what
                );
            }
        }
    }
    (all.len(), failures)
}

#[test]
fn nothing_is_accepted_by_looseness() {
    let references = [("fraud", "experiment.fraud_tuning"), ("support-llm", "budget.support_llm")];
    let mut used = BTreeSet::new();
    let mut failures = String::new();
    let mut count = 0;
    for (name, stranger) in references {
        let reference = Reference::read(name, stranger);
        let (all, found) = check(&reference, &mut used);
        count += all;
        failures.push_str(&found);
    }
    let stale: Vec<_> = EXEMPT.iter().enumerate().filter(|(index, _)| !used.contains(index)).collect();
    let lines = failures.lines().count();
    assert!(failures.is_empty(), "{lines} of {count} mutants:\n{failures}\nstale exemptions: {stale:?}");
    assert!(stale.is_empty(), "nothing needs these exemptions any more: {stale:?}");
    assert!(count > 2000, "only {count} mutants: the walk has lost its way");
}
