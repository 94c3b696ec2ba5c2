//! Sources against their schema: evaluates, checks the type, fills in defaults, and notes where each value came from.

use mlp_diag::{Diagnostic, Span, one_of};
use mlp_eval::{Expr as Ir, Node, Outcome, PlanValue, Quoted, Scope as _, TraversalStep, reference_of};
use mlp_platform::schema::{Attribute, Known, Scope, Ty};
use mlp_platform::{Because, Edge, Origin, kinds};
use mlp_syntax::{Expr, ExprKind};
use mlp_value::{KnownValue, Path, Step, Value};

use crate::codes;
use crate::dynamic::Binding;
use crate::evaluator::{Evaluated, Evaluator, Instance, forgets, kept};
use crate::expression::lower;
use crate::fit::{describe, fit};
use crate::hints;
use crate::modules::rebased;
use crate::scope::NameScope;
use crate::source::{Parts, Source, alternatives, object_form_of};
use crate::told;

/// The part of `lifecycle` that is looked at after the apply.
pub(crate) const AFTER: &str = "postcondition";
/// The part that is looked at before it, or just before the step.
const BEFORE: &str = "precondition";

/// Items of one list whose places are kept; further ones have the list's.
const MOST_ORIGINS: usize = 64;

/// Evaluates the attributes of one declaration.
pub(crate) struct Checker<'a, 't> {
    pub(crate) evaluator: &'a Evaluator<'t>,
    pub(crate) owner: &'a Instance<'t>,
    found: Evaluated,
    pub(crate) failed: bool,
    /// Items of collections that the blocks being read are made of.
    pub(crate) bindings: Vec<Binding>,
}

impl<'a, 't> Checker<'a, 't> {
    pub(crate) fn new(evaluator: &'a Evaluator<'t>, owner: &'a Instance<'t>) -> Self {
        let found = Evaluated::of(PlanValue::Null);
        Self { evaluator, owner, found, failed: false, bindings: Vec::new() }
    }

    /// The attribute's value; `None` when it is not set or wrong.
    pub(crate) fn attribute(mut self, schema: &'static Attribute) -> Option<Evaluated> {
        let path = Path::of(&[schema.name]);
        let value = match self.owner.declared.parts.get(schema.name) {
            Some(entry) => self.source(&entry.source, schema, &path),
            None => self.default(schema, &path)?,
        };
        self.found.value = value;
        (!self.failed).then_some(self.found)
    }

    pub(crate) fn fail(&mut self, diagnostic: Diagnostic) -> PlanValue {
        self.failed = true;
        self.evaluator.report(diagnostic);
        PlanValue::Null
    }

    pub(crate) fn origin(&mut self, path: &Path, source: &Source<'_>) {
        let span = source.span();
        let origin = match source.tag() {
            Some(name) => Origin::Environment { name: name.to_owned(), span },
            None => Origin::Written { span },
        };
        self.found.origins.push((path.clone(), origin));
    }

    fn default(&mut self, schema: &'static Attribute, path: &Path) -> Option<PlanValue> {
        if schema.default.is_empty() {
            return None;
        }
        let value = self.evaluator.default(schema.default)?;
        self.found.origins.push((path.clone(), Origin::Default));
        Some(value)
    }

    fn source(&mut self, source: &Source<'t>, schema: &'static Attribute, path: &Path) -> PlanValue {
        self.origin(path, source);
        let value = self.typed(source, &schema.ty, path);
        let mut after: Vec<String> = Vec::new();
        let mut holes = false;
        value.walk(&mut |below, inner| {
            if let Value::Hole(unknown) = inner
                && !(schema.name == "lifecycle" && in_condition(below))
            {
                holes = true;
                after.extend(unknown.after.iter().cloned());
            }
        });
        if schema.known != Known::Apply && !self.failed && holes {
            return self.fail(
                Diagnostic::error(codes::NOT_KNOWN, format!("`{path}` must be known when the plan is made"))
                    .at(source.span(), format!("known only after {}", after.join(", ")))
                    .help("give it a value that does not depend on what is created"),
            );
        }
        value
    }

    pub(crate) fn typed(&mut self, source: &Source<'t>, ty: &'static Ty, path: &Path) -> PlanValue {
        match source {
            Source::Expr(expr, _) => self.expression(expr, ty, path),
            Source::Parts(parts, _, span) => match object_form_of(ty, parts.keys().map(String::as_str)) {
                Some(Ty::Map(item)) => {
                    self.each_part(parts, path, |checker, source, path| checker.typed(source, item, path))
                }
                Some(Ty::Labelled(attributes) | Ty::MaybeLabelled(attributes)) => {
                    self.each_part(parts, path, |checker, source, path| match source {
                        Source::Parts(parts, _, span) => {
                            checker.object(parts, attributes, false, path, *span)
                        }
                        Source::Expr(expr, _) => checker.fail(
                            Diagnostic::error(codes::WRONG_TYPE, "a block is expected here")
                                .at(expr.span, "")
                                .help("write an object: `name = { … }`"),
                        ),
                        Source::List(..) | Source::Repeated(_) => PlanValue::Null,
                    })
                }
                Some(Ty::Object(attributes)) => self.object(parts, attributes, false, path, *span),
                Some(Ty::Open(attributes)) => self.object(parts, attributes, true, path, *span),
                _ => {
                    let what = describe(ty);
                    self.fail(
                        Diagnostic::error(codes::WRONG_TYPE, format!("`{path}` cannot be an object"))
                            .at(*span, format!("{what} is expected"))
                            .help(format!("give it {what}")),
                    )
                }
            },
            Source::List(items, _) => {
                let Some(Ty::Repeated(attributes)) =
                    alternatives(ty).into_iter().find(|ty| matches!(ty, Ty::Repeated(_)))
                else {
                    return PlanValue::Null;
                };
                let mut values = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    if let Source::Parts(parts, _, span) = item {
                        values.push(self.object(parts, attributes, false, &path.index(index), *span));
                    }
                }
                PlanValue::list(values)
            }
            Source::Repeated(there) => self.repeated(there, ty, path),
        }
    }

    fn each_part(
        &mut self,
        parts: &Parts<'t>,
        path: &Path,
        mut one: impl FnMut(&mut Self, &Source<'t>, &Path) -> PlanValue,
    ) -> PlanValue {
        let mut values = Vec::new();
        for (name, entry) in parts {
            let path = path.field(name);
            self.origin(&path, &entry.source);
            values.push((name.clone(), one(self, &entry.source, &path)));
        }
        PlanValue::object(values)
    }

    pub(crate) fn object(
        &mut self,
        parts: &Parts<'t>,
        attributes: &'static [Attribute],
        open: bool,
        path: &Path,
        span: Span,
    ) -> PlanValue {
        let mut values: Vec<(String, PlanValue)> = Vec::new();
        for attribute in attributes {
            let path = path.field(attribute.name);
            match parts.get(attribute.name) {
                Some(entry) => {
                    self.origin(&path, &entry.source);
                    values.push((attribute.name.to_owned(), self.typed(&entry.source, &attribute.ty, &path)));
                }
                // Most likely it is the one whose name is misspelt here, and that was said.
                None if attribute.required && self.evaluator.has_misspelt(&[span]) => self.failed = true,
                None if attribute.required => {
                    self.fail(missing(attribute, &path.to_string(), span));
                }
                None => {
                    if let Some(value) = self.default(attribute, &path) {
                        values.push((attribute.name.to_owned(), value));
                    }
                }
            }
        }
        if open {
            for (name, entry) in parts.iter().filter(|(name, _)| !attributes.iter().any(|a| a.name == **name))
            {
                let path = path.field(name);
                self.origin(&path, &entry.source);
                values.push((name.clone(), self.typed(&entry.source, &Ty::Any, &path)));
            }
        }
        PlanValue::object(values)
    }

    /// An expression against its type.
    fn expression(&mut self, expr: &'t Expr, ty: &'static Ty, path: &Path) -> PlanValue {
        let options = alternatives(ty);
        if let Some(Ty::Quoted(scope)) = options.iter().find(|ty| matches!(ty, Ty::Quoted(_))) {
            let only = options.len() == 1;
            if let Some(value) = self.quoted(expr, *scope, only, path) {
                return value;
            }
        }
        if let Some(value) = self.quoted_items(expr, &options, path) {
            return value;
        }
        if options.iter().any(|ty| matches!(ty, Ty::TypeExpr)) {
            return match crate::typexpr::type_of(expr) {
                Ok(found) => PlanValue::text(found.to_string()),
                Err(diagnostic) => self.fail(diagnostic),
            };
        }
        if let Some(value) = self.bare_name(expr, &options, path) {
            return value;
        }
        let Some(outcome) = self.evaluate(expr, path) else {
            self.failed = true;
            return PlanValue::Null;
        };
        match fit(&outcome.value, ty) {
            Ok(value) => {
                self.origins_of_items(expr, path);
                self.rebase(value, &options)
            }
            Err(misfit) => {
                if let Node::Traverse { traversal } = &lower(expr).node {
                    let scope = NameScope::of(self.evaluator, self.owner, path.clone());
                    if let Some(problem) = scope.which_one(traversal, Some(expr.span)) {
                        return self.fail(problem);
                    }
                }
                let (at, mut why) = (misfit.at, misfit.why);
                if outcome.sensitive {
                    why = format!("{} is expected, and this is (sensitive)", describe(ty));
                }
                let place = inner_span(expr, &at).unwrap_or(expr.span);
                let full = at.steps().iter().fold(path.clone(), |mut path, step| {
                    path.push(step.clone());
                    path
                });
                self.fail(
                    Diagnostic::error(misfit.code, format!("`{}` has the wrong type or value", shown(&full)))
                        .at(place, why)
                        .help(misfit.help),
                )
            }
        }
    }

    /// Where the items of a list stand that is written down: a target that refuses one says so there.
    fn origins_of_items(&mut self, expr: &Expr, path: &Path) {
        let Some(origin @ (Origin::Written { .. } | Origin::Environment { .. })) =
            self.found.origins.iter().rfind(|(at, _)| at == path).map(|(_, origin)| origin.clone())
        else {
            return;
        };
        let ExprKind::List(items) = &expr.kind else { return };
        for (index, item) in items.iter().enumerate().take(MOST_ORIGINS) {
            let origin = match &origin {
                Origin::Environment { name, .. } => {
                    Origin::Environment { name: name.clone(), span: item.span }
                }
                _ => Origin::Written { span: item.span },
            };
            self.found.origins.push((path.index(index), origin));
        }
    }

    /// Whether what stands at a path is in no plan and no state.
    fn forgets(&self, path: &Path) -> bool {
        let first = match path.steps().first() {
            Some(Step::Field(name)) => &**name,
            _ => "",
        };
        forgets(self.owner, first)
    }

    /// Paths in a module are relative to it.
    fn rebase(&self, value: PlanValue, options: &[&'static Ty]) -> PlanValue {
        let room = self.evaluator.rooms.get(self.owner.room);
        match (value.as_text(), room) {
            (Some(text), Some(room)) if options.iter().any(|ty| matches!(ty, Ty::Path)) => {
                PlanValue::text(rebased(&room.directory, text))
            }
            _ => value,
        }
    }

    pub(crate) fn evaluate(&mut self, expr: &'t Expr, path: &Path) -> Option<Outcome> {
        let scope = NameScope::of(self.evaluator, self.owner, path.clone()).within(&self.bindings);
        let outcome = self.evaluator.expression(expr, &scope)?;
        if is_condition(path) {
            self.found.because.insert(path.clone(), named(&lower(expr), &scope));
        }
        self.found.edges.extend(scope.edges.into_inner());
        if outcome.sensitive {
            self.found.sensitive.push(path.clone());
        }
        if outcome.ephemeral && !self.forgets(path) {
            self.evaluator.report(kept(expr.span));
            return None;
        }
        Some(outcome)
    }

    /// Kinds and addresses that stand as bare names (`applies = dataset`, `from = dataset.old`).
    fn bare_name(&mut self, expr: &'t Expr, options: &[&'static Ty], path: &Path) -> Option<PlanValue> {
        if !options.iter().any(|ty| matches!(ty, Ty::KindName | Ty::Address)) {
            return None;
        }
        let node = lower(expr).node;
        // `storage.lake[each.key]`: its keys are computed.
        if options.iter().any(|ty| matches!(ty, Ty::Address))
            && matches!(node, Node::Traverse { .. } | Node::Index { .. })
        {
            return Some(match crate::keyed::address(self.evaluator, self.owner, expr, path) {
                Ok(address) => PlanValue::text(address),
                Err(problems) => {
                    self.failed = true;
                    problems.into_iter().for_each(|problem| self.evaluator.report(problem));
                    PlanValue::Null
                }
            });
        }
        let Node::Traverse { traversal } = node else { return None };
        if options.iter().any(|ty| matches!(ty, Ty::KindName)) && traversal.steps.is_empty() {
            if kinds::kind(&traversal.root).is_some() {
                return Some(PlanValue::text(&traversal.root));
            }
            let names: Vec<&str> = kinds::KINDS.iter().map(|kind| kind.name).collect();
            return Some(
                self.fail(
                    Diagnostic::error(
                        codes::WRONG_KIND,
                        format!("`{}` is not a kind of block", traversal.root),
                    )
                    .at(expr.span, "")
                    .help(one_of(&traversal.root, names.iter().copied())),
                ),
            );
        }
        None
    }

    /// A list of conditions as it is written: each item is kept for later by itself.
    fn quoted_items(&mut self, expr: &'t Expr, options: &[&'static Ty], path: &Path) -> Option<PlanValue> {
        let ExprKind::List(items) = &expr.kind else { return None };
        let item = options.iter().find_map(|ty| match ty {
            Ty::List(item) if alternatives(item).iter().any(|ty| matches!(ty, Ty::Quoted(_))) => Some(*item),
            _ => None,
        })?;
        let each = items.iter().enumerate().map(|(at, one)| self.expression(one, item, &path.index(at)));
        let items = each.collect::<Vec<_>>();
        self.origins_of_items(expr, path);
        Some(PlanValue::list(items))
    }

    /// An expression kept for later, closed over what is known; `None` when it does not name anything of the scope and
    /// may as well be computed now.
    fn quoted(&mut self, expr: &'t Expr, scope: Scope, only: bool, path: &Path) -> Option<PlanValue> {
        let mut ir = lower(expr);
        let names = scope.roots();
        let mut uses = false;
        ir.traversals(&mut |traversal, _| uses |= names.contains(&traversal.root.as_ref()));
        // A step's command and parameters without holes are plain values; a condition is always for later.
        if !uses && (!scope.is_condition() || !only) {
            return None;
        }
        let outer = NameScope::of(self.evaluator, self.owner, path.clone()).within(&self.bindings);
        let mut bound = Vec::new();
        let mut problems = Vec::new();
        close(&mut ir, names, &outer, &mut bound, &mut problems);
        let met = outer.met.get();
        self.found.edges.extend(outer.edges.into_inner());
        if met.sensitive {
            self.found.sensitive.push(path.clone());
        }
        if met.ephemeral && !self.forgets(path) {
            problems.push(kept(expr.span));
        }
        if !problems.is_empty() {
            self.failed = true;
            problems.into_iter().for_each(|problem| self.evaluator.report(problem));
            return Some(PlanValue::Null);
        }
        self.evaluator.keep_quoted(&self.owner.address, path, scope, &ir);
        let text = (self.evaluator.text_of)(expr.span);
        let quoted = Quoted { text, scope: scope.name().to_owned(), expr: ir };
        Some(match quoted.to_value() {
            Ok(value) => value.lift(),
            Err(why) => self.fail(Diagnostic::error(codes::SCOPE, why).at(expr.span, "")),
        })
    }
}

/// A path as a person writes it: a block without a label has none.
fn shown(path: &Path) -> String {
    path.to_string().replace("[\"\"]", "")
}

/// Whether a path is that of a condition of `lifecycle`.
fn is_condition(path: &Path) -> bool {
    let field = |step: Option<&Step>, word: &str| matches!(step, Some(Step::Field(name)) if &**name == word);
    let first = path.steps().first();
    (field(first, "lifecycle") || field(first, BEFORE)) && field(path.steps().last(), "condition")
}

/// Whether a path below `lifecycle` lies in a condition: these may wait for what is made.
fn in_condition(below: &Path) -> bool {
    matches!(below.steps().first(), Some(Step::Field(name)) if matches!(&**name, BEFORE | AFTER))
}

/// The names of an expression with their values, each once; references and names bound inside it tell nothing.
fn named(expr: &Ir, scope: &NameScope<'_, '_>) -> Vec<Because> {
    let mut found: Vec<Because> = Vec::new();
    expr.traversals(&mut |traversal, span| {
        let name = traversal.to_string();
        if found.iter().any(|one| one.name == name) {
            return;
        }
        let whole = Ir::new(Node::Traverse { traversal: traversal.clone() }, span);
        if let Ok(Outcome { value, sensitive, ephemeral, .. }) = mlp_eval::evaluate(&whole, scope)
            && reference_of(&value).is_none()
        {
            found.push(Because { name, value, sensitive: sensitive || ephemeral });
        }
    });
    told::prices(expr, scope, &mut found);
    found
}

/// Replaces every name that is not of the quoted scope by its value now.
fn close(
    expr: &mut Ir,
    names: &[&str],
    outer: &NameScope<'_, '_>,
    bound: &mut Vec<String>,
    problems: &mut Vec<Diagnostic>,
) {
    if let Node::Traverse { traversal } = &expr.node {
        let root = traversal.root.as_ref();
        if names.contains(&root) || root.starts_with('$') || bound.iter().any(|name| name == root) {
            return;
        }
        if measured(traversal, outer, expr.span, problems) {
            return;
        }
        match outer.resolve(traversal, expr.span) {
            Err(problem) => {
                let alone = traversal.steps.is_empty();
                let strange = !outer.begins(root) && hints::literal(root).is_none();
                let help = strange.then(|| hints::of_scope(root, alone, names)).flatten();
                problems.push(match help {
                    Some(help) => problem.help(help),
                    None => problem,
                });
            }
            Ok(found) => match found.value.known() {
                Ok(value) => match rest(&value, &traversal.steps[found.consumed..]) {
                    Some(value) => expr.node = Node::Literal { value },
                    None => problems.push(
                        Diagnostic::error(
                            codes::UNKNOWN_NAME,
                            format!("`{traversal}` has no such attribute"),
                        )
                        .at_opt(expr.span, "")
                        .help("name an attribute that it has"),
                    ),
                },
                Err(unknown) => problems.push(
                    Diagnostic::error(
                        codes::NOT_KNOWN,
                        format!("`{traversal}` must be known when the plan is made"),
                    )
                    .at_opt(expr.span, format!("known only after {}", unknown.after.join(", ")))
                    .help("give it a value that does not depend on what is created"),
                ),
            },
        }
        return;
    }
    let before = bound.len();
    if let Node::For { parts } = &expr.node {
        bound.extend(parts.key_name.iter().chain([&parts.value_name]).map(ToString::to_string));
    }
    expr.children_mut(&mut |child| close(child, names, outer, bound, problems));
    bound.truncate(before);
    if let Node::Call { function, .. } = &expr.node
        && problems.is_empty()
        && mlp_eval::function(function).is_some_and(mlp_eval::FunctionInfo::reads_catalog)
    {
        told::priced(expr, names, outer, problems);
    }
}

/// What a running endpoint is measured by; it is read when the expression is evaluated.
pub(crate) const MEASURES: &[&str] =
    &["p50_ms", "p90_ms", "p95_ms", "p99_ms", "p50", "p95", "p99", "error_rate", "requests", "availability"];

/// Whether a traversal names a measure of an endpoint; that the endpoint is declared is checked here.
fn measured(
    traversal: &mlp_eval::Traversal,
    outer: &NameScope<'_, '_>,
    span: Option<Span>,
    problems: &mut Vec<Diagnostic>,
) -> bool {
    let [first @ .., TraversalStep::Attr(measure)] = traversal.steps.as_slice() else { return false };
    if &*traversal.root != "endpoint" || !MEASURES.contains(&&**measure) {
        return false;
    }
    let declared = mlp_eval::Traversal { root: traversal.root.clone(), steps: first.to_vec() };
    problems.extend(outer.resolve(&declared, span).err());
    true
}

fn rest(value: &KnownValue, steps: &[TraversalStep]) -> Option<KnownValue> {
    let found = steps.iter().try_fold(value, |value, step| match step {
        TraversalStep::Attr(name) | TraversalStep::Key(name) => value.step(&Step::Field(name.clone())),
        TraversalStep::Index(index) => value.step(&Step::Index(usize::try_from(*index).ok()?)),
    });
    found.cloned()
}

/// What is missing, said at the block.
pub(crate) fn missing(attribute: &Attribute, path: &str, span: Span) -> Diagnostic {
    Diagnostic::error(codes::MISSING_ATTRIBUTE, format!("`{path}` is missing"))
        .at(span, format!("`{}` must be set here", attribute.name))
        .help(format!("add `{} = …`: {}", attribute.name, attribute.doc))
}

/// Where an inner value of a literal list or object stands.
pub fn inner_span(expr: &Expr, path: &Path) -> Option<Span> {
    let mut at = expr;
    for step in path.steps() {
        at = match (&at.kind, step) {
            // The arguments of a call that stays one.
            (mlp_syntax::ExprKind::Call { .. }, Step::Field(name)) if &**name == "args" => at,
            (mlp_syntax::ExprKind::Call { arguments, .. }, Step::Index(index)) => arguments.get(*index)?,
            (mlp_syntax::ExprKind::Parens(inner), _) => return inner_span(inner, path),
            (mlp_syntax::ExprKind::List(items), Step::Index(index)) => items.get(*index)?,
            (mlp_syntax::ExprKind::Object(items), Step::Field(name)) => {
                let is_it = |key: &Expr| match &key.kind {
                    mlp_syntax::ExprKind::Text(text) | mlp_syntax::ExprKind::Name(text) => **text == **name,
                    _ => false,
                };
                items.iter().find(|(key, _)| is_it(key)).map(|(_, value)| value)?
            }
            _ => return None,
        };
    }
    Some(at.span)
}

/// Edges to what a value refers to by name.
pub(crate) fn identity_edges(value: &PlanValue, at: &Path, edges: &mut Vec<Edge>) {
    let ordering = at.steps().first().is_some_and(|step| *step == Step::Field("depends_on".into()));
    let kind = if ordering { mlp_platform::EdgeKind::Ordering } else { mlp_platform::EdgeKind::Identity };
    value.walk(&mut |path, inner| {
        if let Some(reference) = reference_of(inner) {
            let mut at = at.clone();
            path.steps().iter().for_each(|step| at.push(step.clone()));
            edges.push(Edge { to: reference.address, kind, at });
        }
    });
}
