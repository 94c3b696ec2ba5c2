//! What an expression may name in its own scope: a step's inputs, outputs and parameters, a declaration's attributes in a policy,
//! what an endpoint is measured by.

use mlp_diag::{Diagnostic, Span, one_of};
use mlp_eval::{Expr, Traversal, TraversalStep};
use mlp_platform::Declaration;
use mlp_platform::kinds::KINDS;
use mlp_platform::schema::{Attribute, Kind, Scope, Ty};
use mlp_value::{Path, Step, Value};

use super::{Whole, names_of};
use crate::check::MEASURES;
use crate::codes;
use crate::source::alternatives;

/// What a run tells of itself.
const RUN: &[&str] = &["id", "started_at"];

/// Checks every name of every expression that is kept for later.
pub(super) fn check(whole: &Whole<'_, '_>) {
    for (declaration, quoted) in whole.quoted() {
        each(&quoted.expr, quoted.scope.roots(), &mut |traversal, span| {
            let named = Named { whole, declaration, at: &quoted.at, traversal, span };
            match quoted.scope {
                Scope::Step | Scope::Command | Scope::Binding => named.of_step(),
                Scope::Policy => named.of_policy(),
                Scope::Metric => named.of_metric(),
                // Columns and metrics have rules of their own.
                Scope::Row | Scope::Gate | Scope::Check => {}
            }
        });
    }
}

/// Every traversal of an expression that starts with one of these names.
pub(super) fn each(expr: &Expr, roots: &[&str], visit: &mut dyn FnMut(&Traversal, Option<Span>)) {
    expr.traversals(&mut |traversal, span| {
        if roots.contains(&&*traversal.root) {
            visit(traversal, span);
        }
    });
}

/// The words behind the root of a traversal.
pub(super) fn words(traversal: &Traversal) -> Vec<&str> {
    let word = |step| match step {
        &TraversalStep::Attr(ref name) | &TraversalStep::Key(ref name) => Some(&**name),
        TraversalStep::Index(_) => None,
    };
    traversal.steps.iter().map_while(word).collect()
}

struct Named<'n, 'a, 't> {
    whole: &'n Whole<'a, 't>,
    declaration: &'a Declaration,
    at: &'n Path,
    traversal: &'n Traversal,
    span: Option<Span>,
}

impl Named<'_, '_, '_> {
    fn unknown(&self, headline: String, name: &str, known: &[&str], see: Option<Span>) {
        let mut problem = Diagnostic::error(codes::UNKNOWN_NAME, headline)
            .at_opt(self.span, "named here")
            .help(one_of(name, known.iter().copied()));
        if let Some(see) = see {
            problem = problem.see(see, "declared here");
        }
        self.whole.report(problem);
    }

    /// The name behind a root; says so where there is none.
    fn name(&self, known: &[&str]) -> Option<&str> {
        let name = words(self.traversal).first().copied();
        if name.is_none() {
            let root = &self.traversal.root;
            self.unknown(format!("`{root}` needs a name: `{root}.<name>`"), "", known, None);
        }
        name
    }

    fn of_step(&self) {
        let root = &*self.traversal.root;
        if root == "run" {
            return self.one_of_known("run", RUN, None);
        }
        let step = match (self.declaration.kind, self.at.steps()) {
            ("pipeline", [Step::Field(word), Step::Field(name), ..]) if &**word == "step" => Some(&**name),
            ("pipeline", _) if root == "param" => None,
            ("component", _) => return self.of_component(self.declaration),
            _ => return,
        };
        match (root, step) {
            // The parameters of a step's own expressions are the pipeline's; its command also sees its own.
            ("param", step) => {
                let mut known = names_of(self.declaration.body.field("params"));
                let own = step.map(|step| Path::of(&["step", step, "params"]));
                let is_command = self.at.steps().last() == Some(&Step::Field("run".into()));
                if let Some(own) = own.filter(|_| is_command) {
                    known.extend(names_of(self.declaration.body.get(&own)));
                }
                let see = self.whole.name_place(&self.declaration.address, &Path::of(&["params"]));
                self.one_of_known("param", &known, see);
            }
            (_, Some(step)) => self.of_own_step(root, step),
            _ => {}
        }
    }

    /// `input.x` and `output.x` of a step with a command of its own.
    fn of_own_step(&self, root: &str, step: &str) {
        let word = if root == "input" { "inputs" } else { "outputs" };
        let at = Path::of(&["step", step, word]);
        let Some(body) = self.declaration.body.get(&at) else {
            let name = words(self.traversal).first().copied().unwrap_or("name");
            let way_out = if word == "inputs" { "what it reads" } else { "the type of what it writes" };
            return self.whole.report(
                Diagnostic::error(codes::UNKNOWN_NAME, format!("step `{step}` has no `{word}`"))
                    .at_opt(self.span, "named here")
                    .help(format!("say {way_out} in the step: `{word} = {{ {name} = … }}`")),
            );
        };
        let see = self.whole.name_place(&self.declaration.address, &at);
        self.one_of_known(root, &names_of(Some(body)), see);
    }

    fn of_component(&self, component: &Declaration) {
        let root = &*self.traversal.root;
        let word = match root {
            "input" => "inputs",
            "output" => "outputs",
            _ => "params",
        };
        let known = names_of(component.body.field(word));
        let see = self.whole.name_place(&component.address, &Path::of(&[word]));
        self.one_of_known(root, &known, see);
    }

    fn one_of_known(&self, root: &str, known: &[&str], see: Option<Span>) {
        let Some(name) = self.name(known) else { return };
        if !known.contains(&name) {
            self.unknown(format!("there is no `{root}.{name}` here"), name, known, see);
        }
    }

    /// `self.a.b` of the kinds that a policy is about.
    fn of_policy(&self) {
        let kinds: Vec<String> = match self.declaration.body.field("applies") {
            Some(Value::Text(name)) => vec![name.to_string()],
            other => names_of(other).into_iter().map(str::to_owned).collect(),
        };
        let about: Vec<_> = KINDS
            .iter()
            .filter(|kind| kinds.is_empty() || kinds.iter().any(|name| name == kind.name))
            .collect();
        let words = words(self.traversal);
        if words.is_empty() || about.iter().any(|kind| kind.open) {
            return;
        }
        let fits = |kind: &Kind| {
            let attributes: Vec<&'static Attribute> = kind.all_attributes().collect();
            leads(&attributes, &words)
        };
        let verdicts: Vec<Result<(), (usize, Vec<&str>)>> = about.iter().map(|kind| fits(kind)).collect();
        if verdicts.iter().any(Result::is_ok) {
            return;
        }
        let deepest = verdicts.into_iter().filter_map(Result::err).max_by_key(|(depth, _)| *depth);
        let Some((depth, known)) = deepest else { return };
        let path = words[..depth].join(".");
        let of = if path.is_empty() {
            about.iter().map(|kind| kind.name).take(3).collect::<Vec<_>>().join(", ")
        } else {
            path
        };
        self.unknown(format!("`{of}` has no attribute `{}`", words[depth]), words[depth], &known, None);
    }

    /// `self.error_rate` of what is rolled out.
    fn of_metric(&self) {
        if self.declaration.kind != "endpoint" {
            return;
        }
        self.one_of_known("self", MEASURES, None);
    }
}

/// Whether words lead through attributes; else how far they lead, and what is known there.
fn leads(attributes: &[&'static Attribute], words: &[&str]) -> Result<(), (usize, Vec<&'static str>)> {
    let Some((first, rest)) = words.split_first() else { return Ok(()) };
    let Some(found) = attributes.iter().find(|attribute| attribute.name == *first) else {
        return Err((0, attributes.iter().map(|attribute| attribute.name).collect()));
    };
    within(&found.ty, rest).map_err(|(depth, known)| (depth + 1, known))
}

fn within(ty: &'static Ty, words: &[&str]) -> Result<(), (usize, Vec<&'static str>)> {
    if words.is_empty() {
        return Ok(());
    }
    let mut closest: Option<(usize, Vec<&str>)> = None;
    for option in alternatives(ty) {
        let found = match option {
            Ty::Object(attributes) => leads(&attributes.iter().collect::<Vec<_>>(), words),
            Ty::Labelled(attributes) | Ty::MaybeLabelled(attributes) => {
                let rest = &words[1..];
                leads(&attributes.iter().collect::<Vec<_>>(), rest)
                    .map_err(|(depth, known)| (depth + 1, known))
            }
            Ty::Map(inner) => within(inner, &words[1..]).map_err(|(depth, known)| (depth + 1, known)),
            // What is anything may hold anything; a list has its own words.
            Ty::Any | Ty::Open(_) | Ty::List(_) | Ty::Repeated(_) | Ty::Ref(_) | Ty::Quoted(_) => Ok(()),
            _ => Err((0, Vec::new())),
        };
        match found {
            Ok(()) => return Ok(()),
            Err(why) => {
                if closest.as_ref().is_none_or(|known| known.0 < why.0 || known.1.is_empty()) {
                    closest = Some(why);
                }
            }
        }
    }
    closest.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_through_objects() {
        let kind = mlp_platform::kinds::kind("dataset").unwrap();
        let attributes: Vec<&'static Attribute> = kind.all_attributes().collect();
        assert_eq!(leads(&attributes, &["protection", "encrypt"]), Ok(()));
        assert_eq!(leads(&attributes, &["protection", "encrypt", "key"]), Ok(()));
        assert_eq!(leads(&attributes, &["labels", "any"]), Ok(()));
        assert_eq!(leads(&attributes, &["protection", "encript"]).unwrap_err().0, 1);
        assert_eq!(leads(&attributes, &["clasification"]).unwrap_err().0, 0);
    }
}
