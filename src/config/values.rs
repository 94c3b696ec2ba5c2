//! The values of variables: which of those given holds, converted to its type.

use std::collections::{BTreeMap, BTreeSet};

use mlp_diag::{Diagnostic, Span, one_of};
use mlp_eval::{Marks, Outcome, PlanValue, Resolved, Scope, Traversal, TraversalStep, evaluate};
use mlp_syntax::{Expr, ExprKind};
use mlp_value::{Type, Value};

use crate::codes;
use crate::evaluator::{Evaluator, Instance};
use crate::expression::{BROKEN, lower};
use crate::index::{Declared, EnvironmentBlock};
use crate::partial::Merged;
use crate::resolve::literal_text;
use crate::scope::NameScope;
use crate::source::{Entry, Parts, Source};
use crate::typexpr::{self, Constraint};
use crate::validation::validate;
use crate::variables::{Assignment, Candidate, Given, Undeclared, VariableStory};

/// A value that a variable is given, before it is computed.
pub(crate) struct Offer<'c, 't> {
    /// By what, for messages.
    pub(crate) from: String,
    pub(crate) told: Told<'c, 't>,
}

/// How it is given.
pub(crate) enum Told<'c, 't> {
    /// In a block: its default, an environment's `variables`.
    Entry(&'c Entry<'t>),
    /// By the call of the module it belongs to.
    Call(&'c Entry<'t>, &'c Instance<'t>),
    /// From outside.
    Outside(&'c Assignment),
    /// As part of a computed object.
    Part(Outcome, Span),
}

impl Offer<'_, '_> {
    pub(crate) fn span(&self) -> Span {
        match &self.told {
            Told::Entry(entry) | Told::Call(entry, _) => entry.source.span(),
            Told::Outside(assignment) => assignment.span,
            Told::Part(_, span) => *span,
        }
    }
}

/// Decides the value of every variable of the project; gives where each comes from.
pub(crate) fn variables<'t>(
    evaluator: &mut Evaluator<'t>,
    declared: &Merged<'t>,
    environment: &EnvironmentBlock<'t>,
    assignments: &[Assignment],
) -> Vec<VariableStory> {
    let all: Vec<&Declared<'t>> = declared.values().filter(|d| d.kind.name == "variable").collect();
    let names: BTreeSet<&str> = all.iter().map(|variable| &*variable.address.name).collect();
    undeclared(evaluator, &names, environment, assignments);
    let mut of_environment = by_environment(evaluator, environment);
    let mut given: BTreeMap<&str, Vec<&Assignment>> = BTreeMap::new();
    for assignment in assignments {
        given.entry(&assignment.name).or_default().push(assignment);
    }
    let mut found: BTreeMap<String, Option<Outcome>> = BTreeMap::new();
    let mut stories = Vec::new();
    for variable in &all {
        let name = &*variable.address.name;
        let mut offers: Vec<Offer<'_, 't>> = of_environment.remove(name).into_iter().collect();
        let given = given.remove(name).unwrap_or_default();
        offers
            .extend(given.into_iter().map(|one| Offer { from: one.from.clone(), told: Told::Outside(one) }));
        let outcome = decide(evaluator, variable, &offers, || no_value(variable));
        stories.push(story(evaluator, variable, &offers, outcome.as_ref()));
        found.insert(name.to_owned(), outcome);
    }
    evaluator.set_variables(found);
    for variable in all {
        validate(evaluator, 0, variable);
    }
    stories
}

fn no_value(variable: &Declared<'_>) -> Diagnostic {
    let name = &variable.address.name;
    Diagnostic::error(codes::VARIABLE, format!("variable `{name}` has no value"))
        .at(variable.header, "declared without a default")
        .help(format!(
            "give it one: `-var {name}=…`, `{name} = …` in `mlp.mlpvars`, `MLP_VAR_{name}`, an environment's `variables`, or a `default`"
        ))
}

/// What an environment gives, by variable.
fn by_environment<'c, 't>(
    evaluator: &Evaluator<'t>,
    environment: &'c EnvironmentBlock<'t>,
) -> BTreeMap<String, Offer<'c, 't>> {
    let from = environment.declared.address.to_string();
    let Some(entry) = environment.declared.parts.get("variables") else { return BTreeMap::new() };
    let expr = match &entry.source {
        Source::Parts(parts, ..) => {
            let offer = |entry| Offer { from: from.clone(), told: Told::Entry(entry) };
            return parts.iter().map(|(name, entry)| (name.clone(), offer(entry))).collect();
        }
        Source::Expr(expr, _) => expr,
        Source::List(..) | Source::Repeated(_) => return BTreeMap::new(),
    };
    let Some(outcome) = constant(evaluator, expr, 0) else { return BTreeMap::new() };
    // What is no object is refused where the environment itself is checked.
    let parts = outcome.value.as_object().into_iter().flatten().map(|(name, value)| {
        let part = Outcome::marked(value.clone(), outcome.marks());
        (name.to_string(), Offer { from: from.clone(), told: Told::Part(part, expr.span) })
    });
    parts.collect()
}

/// Values for which nothing is declared.
fn undeclared<'t>(
    evaluator: &Evaluator<'t>,
    names: &BTreeSet<&str>,
    environment: &EnvironmentBlock<'t>,
    assignments: &[Assignment],
) {
    let said = |name: &str, from: &str| format!("there is no variable `{name}`, which {from} gives a value");
    if let Some(Entry { source: Source::Parts(parts, ..), .. }) = environment.declared.parts.get("variables")
    {
        for (name, entry) in parts.iter().filter(|(name, _)| !names.contains(name.as_str())) {
            evaluator.report(
                Diagnostic::error(
                    codes::VARIABLE,
                    said(name, &format!("`{}`", environment.declared.address)),
                )
                .at(entry.name, "not declared")
                .help(one_of(name, names.iter().copied())),
            );
        }
    }
    for one in assignments.iter().filter(|one| !names.contains(one.name.as_str())) {
        let headline = said(&one.name, &format!("`{}`", one.from));
        let (problem, declare) = match one.undeclared {
            Undeclared::Nothing => continue,
            Undeclared::Error => (Diagnostic::error(codes::VARIABLE, headline), String::new()),
            Undeclared::Warning => (
                Diagnostic::warning(codes::VARIABLE, headline),
                format!("; or declare it: `variable \"{}\" {{}}`", one.name),
            ),
        };
        let help = one_of(&one.name, names.iter().copied()) + &declare;
        evaluator.report(problem.at(one.name_span, "not declared").help(help));
    }
}

/// A flag of a variable, which is read before anything is computed.
pub(crate) fn flag(evaluator: &Evaluator<'_>, variable: &Declared<'_>, name: &str, unless: bool) -> bool {
    match variable.parts.get(name).map(|entry| &entry.source) {
        None => unless,
        Some(Source::Expr(Expr { kind: ExprKind::Bool(said), .. }, _)) => *said,
        Some(other) => {
            evaluator.report(
                Diagnostic::error(codes::VARIABLE, format!("`{name}` of a variable is `true` or `false`"))
                    .at(other.span(), "read before anything is computed")
                    .help(format!("write `{name} = true`, or leave it out")),
            );
            unless
        }
    }
}

/// The value of a variable: of what it is offered the last, else its default, as its type wants it.
pub(crate) fn decide<'t>(
    evaluator: &Evaluator<'t>,
    variable: &Declared<'t>,
    offers: &[Offer<'_, 't>],
    missing: impl FnOnce() -> Diagnostic,
) -> Option<Outcome> {
    let constraint = constraint(evaluator, variable)?;
    let nullable = flag(evaluator, variable, "nullable", true);
    let given = variable.parts.get("default");
    let default = given.map(|entry| {
        let offer = Offer { from: "its default".to_owned(), told: Told::Entry(entry) };
        let found = computed(evaluator, variable, &offer, &constraint)?;
        if found.value.is_null() && !nullable {
            evaluator.report(null_refused(variable, offer.span(), "its default"));
            return None;
        }
        Some(found)
    });
    let Some(offer) = offers.last() else {
        return default.unwrap_or_else(|| {
            // Most likely the default is what is misspelt, and that was said.
            if !evaluator.has_misspelt(&variable.spans) {
                evaluator.report(missing());
            }
            None
        });
    };
    let found = computed(evaluator, variable, offer, &constraint)?;
    if !found.value.is_null() || nullable {
        return Some(found);
    }
    // Null is as if nothing were given, as it is in Terraform.
    default.unwrap_or_else(|| {
        evaluator.report(null_refused(variable, offer.span(), &offer.from));
        None
    })
}

fn null_refused(variable: &Declared<'_>, span: Span, from: &str) -> Diagnostic {
    Diagnostic::error(codes::VARIABLE, format!("variable `{}` may not be null", variable.address.name))
        .at(span, "this is null")
        .see(variable.header, "declared with `nullable = false`")
        .note(format!("the value comes from {}", quoted(from)))
        .help("give it a value, or take `nullable = false` away")
}

fn quoted(from: &str) -> String {
    if from.contains(' ') { from.to_owned() } else { format!("`{from}`") }
}

/// The type of a variable; `None` when it is wrong, which was reported.
pub(crate) fn constraint<'t>(evaluator: &Evaluator<'t>, variable: &Declared<'t>) -> Option<Constraint> {
    match variable.parts.get("type").map(|entry| &entry.source) {
        None => Some(Constraint::any()),
        Some(Source::Expr(expr, _)) => {
            typexpr::constraint(expr).map_err(|problem| evaluator.report(problem)).ok()
        }
        Some(other) => {
            evaluator.report(
                Diagnostic::error(codes::WRONG_TYPE, "this is not a type")
                    .at(other.span(), "a type is expected here")
                    .help("write `type = object({ name = string })`"),
            );
            None
        }
    }
}

/// What an offer comes to, as the type wants it.
fn computed<'t>(
    evaluator: &Evaluator<'t>,
    variable: &Declared<'t>,
    offer: &Offer<'_, 't>,
    constraint: &Constraint,
) -> Option<Outcome> {
    let outcome = match &offer.told {
        Told::Part(outcome, _) => outcome.clone(),
        Told::Outside(assignment) => from_outside(evaluator, variable, assignment, constraint)?,
        Told::Entry(entry) => match &entry.source {
            Source::Expr(expr, _) => constant(evaluator, expr, 0)?,
            _ => plain_parts(evaluator, entry, &NameScope::root(evaluator))?,
        },
        Told::Call(entry, call) => {
            let scope = NameScope::of(evaluator, call, mlp_value::Path::of(&[&*variable.address.name]));
            match &entry.source {
                Source::Expr(expr, _) => evaluator.expression(expr, &scope)?,
                _ => plain_parts(evaluator, entry, &scope)?,
            }
        }
    };
    let sensitive = outcome.sensitive || flag(evaluator, variable, "sensitive", false);
    let ephemeral = flag(evaluator, variable, "ephemeral", false);
    if outcome.ephemeral && !ephemeral {
        evaluator.report(not_ephemeral(variable, offer.span()));
        return None;
    }
    match constraint.convert(&outcome) {
        Ok(found) => Some(Outcome { sensitive, ephemeral, ..found }),
        Err(why) => {
            let ty = &constraint.ty;
            // Neither the value nor the line it stands on is shown.
            let (span, why) = match sensitive {
                true => (variable.header, "(sensitive)".to_owned()),
                false => (offer.span(), why),
            };
            let name = &variable.address.name;
            let mut problem = Diagnostic::error(
                codes::VARIABLE,
                format!("the value of variable `{name}` is not {}", article(ty)),
            )
            .at(span, why)
            .note(format!("the value comes from {}", quoted(&offer.from)))
            .help(format!("give it {}", article(ty)));
            if !sensitive {
                problem = problem.see(variable.header, "declared here");
            }
            evaluator.report(problem);
            None
        }
    }
}

fn not_ephemeral(variable: &Declared<'_>, span: Span) -> Diagnostic {
    let headline =
        format!("variable `{}` may be kept, and is given a value that must not be", variable.address.name);
    Diagnostic::error(codes::EPHEMERAL, headline)
        .at(span, "something in it is ephemeral")
        .see(variable.header, "not declared with `ephemeral = true`")
        .help("add `ephemeral = true` to the variable; `ephemeralasnull(…)` gives null instead")
}

/// A type with the article before it.
fn article(ty: &Type) -> String {
    let word = ty.to_string();
    let a = if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{a} {word}")
}

/// A value from outside. Text is itself where text, a number or a truth value is wanted, and an expression elsewhere.
fn from_outside<'t>(
    evaluator: &Evaluator<'t>,
    variable: &Declared<'t>,
    assignment: &Assignment,
    constraint: &Constraint,
) -> Option<Outcome> {
    let text = match &assignment.given {
        Given::Expr(expr) => return constant(evaluator, expr, 0),
        Given::Text(text) => text,
    };
    let typed = variable.parts.contains_key("type");
    let like = match variable.parts.get("default").map(|entry| &entry.source) {
        Some(Source::Expr(expr, _)) if !typed => literal_kind(expr),
        Some(_) if !typed => Like::Structure,
        _ => Like::Text,
    };
    let plain = match constraint.ty {
        Type::String | Type::Number | Type::Bool => true,
        Type::Any if !typed => !matches!(like, Like::Structure),
        _ => false,
    };
    if plain {
        let value = match like {
            Like::Number => text.parse().map(Value::Number).ok(),
            Like::Bool => text.parse().map(Value::Bool).ok(),
            _ => None,
        };
        return Some(Outcome::plain(value.unwrap_or_else(|| PlanValue::text(text))));
    }
    match mlp_syntax::parse_expression(assignment.span.file, text) {
        Ok(expr) => constant(evaluator, &expr, 0),
        Err(problems) => {
            let said = format!("`{}` is a {}: its value is an expression", assignment.name, constraint.ty);
            problems.into_iter().for_each(|problem| evaluator.report(problem.note(said.clone())));
            None
        }
    }
}

/// What an untyped variable's default looks like: text given from outside is read as the same.
enum Like {
    Text,
    Number,
    Bool,
    Structure,
}

fn literal_kind(expr: &Expr) -> Like {
    match &expr.kind {
        ExprKind::Number(_) => Like::Number,
        ExprKind::Unary(mlp_syntax::UnaryOp::Negate, inner) => literal_kind(inner),
        ExprKind::Bool(_) => Like::Bool,
        ExprKind::List(_) | ExprKind::Object(_) | ExprKind::For(_) => Like::Structure,
        _ => Like::Text,
    }
}

/// Computes what may name nothing but the target and paths.
pub(crate) fn constant<'t>(evaluator: &Evaluator<'t>, expr: &Expr, room: usize) -> Option<Outcome> {
    let scope = Constant { inner: NameScope::room(evaluator, room) };
    match evaluate(&lower(expr), &scope) {
        Ok(outcome) => Some(outcome),
        Err(diagnostics) => {
            diagnostics.into_iter().for_each(|diagnostic| evaluator.report(diagnostic));
            None
        }
    }
}

/// Where the values of variables are computed: they are what all else is computed from.
struct Constant<'a, 't> {
    inner: NameScope<'a, 't>,
}

impl Scope for Constant<'_, '_> {
    fn resolve(&self, traversal: &Traversal, span: Option<Span>) -> Result<Resolved, Diagnostic> {
        let first = match traversal.steps.first() {
            Some(TraversalStep::Attr(name)) => &**name,
            _ => "",
        };
        match (&*traversal.root, first) {
            (BROKEN | "path", _) | ("target", "name" | "mode") => self.inner.resolve(traversal, span),
            (_, "") => Err(Diagnostic::error(
                codes::SCOPE,
                format!("`{traversal}` means nothing in the value of a variable"),
            )
            .at_opt(span, "")
            .help(format!("if text is meant, put it in quotes: \"{traversal}\""))),
            _ => Err(Diagnostic::error(
                codes::SCOPE,
                format!("the value of a variable cannot name `{traversal}`"),
            )
            .at_opt(span, "variables are what all else is computed from")
            .help("compute it in a `locals` block, where other values can be named; here `target.name`, `target.mode` and `path.root` can be")),
        }
    }

    fn read_file(&self, path: &str) -> Result<Option<String>, String> {
        self.inner.read_file(path)
    }

    fn read_bytes(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        self.inner.read_bytes(path)
    }

    fn list_files(&self, path: &str) -> Result<Option<Vec<String>>, String> {
        self.inner.list_files(path)
    }

    fn file_exists(&self, path: &str) -> Result<Option<bool>, String> {
        self.inner.file_exists(path)
    }

    fn offers(&self, of: &PlanValue, narrowed: &PlanValue) -> Result<Option<PlanValue>, (usize, String)> {
        self.inner.offers(of, narrowed)
    }

    fn price(&self, of: &PlanValue, narrowed: &PlanValue) -> Result<Option<PlanValue>, (usize, String)> {
        self.inner.price(of, narrowed)
    }

    fn is_mistake(&self, problem: &Diagnostic) -> bool {
        self.inner.is_mistake(problem)
    }
}

/// A value that was opened into parts, computed part by part.
pub(crate) fn plain_parts<'t>(
    evaluator: &Evaluator<'t>,
    entry: &Entry<'t>,
    scope: &NameScope<'_, 't>,
) -> Option<Outcome> {
    let mut marks = Marks::default();
    let value = of_source(evaluator, &entry.source, scope, &mut marks)?;
    Some(Outcome::marked(value, marks))
}

fn of_source<'t>(
    evaluator: &Evaluator<'t>,
    source: &Source<'t>,
    scope: &NameScope<'_, 't>,
    marks: &mut Marks,
) -> Option<PlanValue> {
    match source {
        Source::Expr(expr, _) => {
            let outcome = evaluator.expression(expr, scope)?;
            *marks |= outcome.marks();
            Some(outcome.value)
        }
        Source::Parts(parts, ..) => of_parts(evaluator, parts, scope, marks),
        Source::List(items, _) => items
            .iter()
            .map(|item| of_source(evaluator, item, scope, marks))
            .collect::<Option<Vec<_>>>()
            .map(PlanValue::list),
        // No open body has repeated blocks: the reader refuses them there.
        Source::Repeated(_) => None,
    }
}

fn of_parts<'t>(
    evaluator: &Evaluator<'t>,
    parts: &Parts<'t>,
    scope: &NameScope<'_, 't>,
    marks: &mut Marks,
) -> Option<PlanValue> {
    let mut items = Vec::new();
    for (name, entry) in parts {
        items.push((name.clone(), of_source(evaluator, &entry.source, scope, marks)?));
    }
    Some(PlanValue::object(items))
}

/// Where the value of a variable comes from, told for a person.
pub(crate) fn story<'t>(
    evaluator: &Evaluator<'t>,
    variable: &Declared<'t>,
    offers: &[Offer<'_, 't>],
    outcome: Option<&Outcome>,
) -> VariableStory {
    let is = |name: &str, wanted: bool| {
        let source = variable.parts.get(name).map(|entry| &entry.source);
        matches!(source, Some(Source::Expr(expr, _)) if expr.kind == ExprKind::Bool(wanted))
    };
    let secret = is("sensitive", true) || is("ephemeral", true) || outcome.is_some_and(|it| it.sensitive);
    let text = |span: Span| match secret {
        true => "(sensitive)".to_owned(),
        false => (evaluator.text_of)(span),
    };
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut add = |from: &str, place: Span| {
        candidates.push(Candidate { from: from.to_owned(), place, shown: text(place), wins: false });
    };
    if let Some(entry) = variable.parts.get("default") {
        add("its default", entry.source.span());
    }
    offers.iter().for_each(|offer| add(&offer.from, offer.span()));
    if let Some(last) = candidates.last_mut() {
        last.wins = true;
    }
    let words = [("sensitive", is("sensitive", true)), ("ephemeral", is("ephemeral", true))];
    let words = words.into_iter().chain([("not nullable", is("nullable", false))]);
    let ty = variable.parts.get("type").map(|entry| (evaluator.text_of)(entry.source.span()));
    let inside: String = variable.address.module.iter().map(|call| format!("module.{call}.")).collect();
    VariableStory {
        name: format!("{inside}var.{}", variable.address.name),
        declared: variable.header,
        description: literal_text(variable.parts.get("description")),
        ty: ty.unwrap_or_else(|| "any".to_owned()),
        words: words.filter(|(_, holds)| *holds).map(|(word, _)| word).collect(),
        value: outcome.map(|outcome| match secret {
            true => "(sensitive)".to_owned(),
            false => outcome.value.to_plain_json_with(&mut |_| "(known after apply)".into()).to_string(),
        }),
        candidates,
    }
}
