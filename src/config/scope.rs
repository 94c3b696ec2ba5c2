//! What names mean while a specification is evaluated.

use std::cell::{Cell, RefCell};

use mlp_diag::{Diagnostic, Span, one_of};
use mlp_eval::{
    Expr, Later, Marks, Node, PlanValue, Reference, Resolved, Scope, Traversal, TraversalStep, Unknown,
    reference_of,
};
use mlp_platform::kinds;
use mlp_platform::schema::{Kind, Ty};
use mlp_platform::{Edge, EdgeKind};
use mlp_value::facts::{Fact, Need};
use mlp_value::{Address, Key, Path, Type};

use crate::check::AFTER;
use crate::codes;
use crate::dynamic::Binding;
use crate::evaluator::{Evaluator, Instance};
use crate::expression::BROKEN;
use crate::hints;
use crate::instances::Repeat;
use crate::modules::rebased;

mod behind;
mod names;
mod reads;
mod strange;

use names::Names;

/// Members that are named without the declaration's own address inside it: `step.fit.model` in a pipeline.
const LOCAL_MEMBERS: &[&str] = &["step", "node"];

/// Names for the expressions of one declaration.
pub(crate) struct NameScope<'a, 't> {
    evaluator: &'a Evaluator<'t>,
    room: usize,
    owner: Option<&'a Instance<'t>>,
    at: Path,
    /// Items of collections that blocks are made of, the innermost last.
    bindings: Vec<Binding>,
    /// Value edges met on the way.
    pub(crate) edges: RefCell<Vec<Edge>>,
    /// The marks of all values met on the way.
    pub(crate) met: Cell<Marks>,
}

type Found = Result<Resolved, Diagnostic>;

/// What the beginning of a traversal names.
enum Named {
    /// A declaration, and how many steps its name takes.
    One(Address, usize),
    /// All instances of a block.
    All(Resolved),
}

impl<'a, 't> NameScope<'a, 't> {
    /// Outside any declaration: locals, variables.
    pub(crate) fn root(evaluator: &'a Evaluator<'t>) -> Self {
        Self::room(evaluator, 0)
    }

    /// Inside a module, outside any declaration.
    pub(crate) fn room(evaluator: &'a Evaluator<'t>, room: usize) -> Self {
        let (at, bindings, edges, met) = (Path::default(), Vec::new(), RefCell::default(), Cell::default());
        Self { evaluator, room, owner: None, at, bindings, edges, met }
    }

    pub(crate) fn evaluator(&self) -> &'a Evaluator<'t> {
        self.evaluator
    }

    /// Whether its expressions are computed for several instances.
    pub(crate) fn is_shared(&self) -> bool {
        self.room > 0 || self.owner.is_some_and(|owner| !matches!(owner.repeat, Repeat::None))
    }

    fn module(&self) -> &[std::sync::Arc<str>] {
        self.evaluator.rooms.get(self.room).map(|room| room.module.as_slice()).unwrap_or_default()
    }

    fn directory(&self) -> &str {
        self.evaluator.rooms.get(self.room).map_or(".", |room| room.directory.as_str())
    }

    /// Inside a declaration, at an attribute.
    pub(crate) fn of(evaluator: &'a Evaluator<'t>, owner: &'a Instance<'t>, at: Path) -> Self {
        let (bindings, edges, met) = (Vec::new(), RefCell::default(), Cell::default());
        Self { evaluator, room: owner.room, owner: Some(owner), at, bindings, edges, met }
    }

    /// The same, where these items have names too.
    pub(crate) fn within(mut self, bindings: &[Binding]) -> Self {
        self.bindings = bindings.to_vec();
        self
    }

    /// `item.key`, `item.value` of a `dynamic` block; other words behind its name mean what they mean outside.
    fn bound(&self, traversal: &Traversal) -> Option<Resolved> {
        let binding = self.bindings.iter().rfind(|binding| *binding.name == *traversal.root)?;
        let value = match traversal.steps.first().and_then(word)? {
            "key" => binding.key.clone(),
            "value" => binding.value.clone(),
            _ => return None,
        };
        Some(Resolved::plain(value, 1, false))
    }

    fn declared(&self, root: &str, traversal: &Traversal, span: Option<Span>) -> Found {
        let native = || kinds::kind("resource").filter(|_| self.evaluator.natives.contains(root));
        let Some(kind) = kinds::kind(root).or_else(native) else { return Err(self.unknown_root(root, span)) };
        let (address, used) = match self.address(kind, traversal, span)? {
            Named::One(address, used) => (address, used),
            Named::All(found) => return Ok(found),
        };
        if kind.name == "environment" {
            return self.environment(address, used, traversal, span);
        }
        let rest = &traversal.steps[used..];
        if kind.name == "standard"
            && let Some(found) = self.of_standard(&address, rest, span)?
        {
            return Ok(Resolved { consumed: used + found.consumed, ..found });
        }
        match (kind.name, rest.first().map(|step| word(step))) {
            ("module", Some(Some(name))) => self.given_by(&address, name, &rest[1..], span),
            _ => self.part_of(&address, kind, rest, span),
        }
        .map(|found| Resolved { consumed: used + found.consumed, ..found })
    }

    fn environment(&self, address: Address, used: usize, traversal: &Traversal, span: Option<Span>) -> Found {
        let known = &self.evaluator.environments;
        if !known.contains(&*address.name) {
            if self.evaluator.unread.contains(&*address.name) {
                return Err(followup(format!("`{address}` could not be read"), span));
            }
            let names: Vec<&str> = known.iter().map(String::as_str).collect();
            return Err(Diagnostic::error(codes::UNKNOWN_NAME, format!("there is no `{address}`"))
                .at_opt(span, "not declared")
                .help(one_of(&address.name, names.iter().copied())));
        }
        if let Some(step) = traversal.steps.get(used) {
            return Err(Diagnostic::error(
                codes::UNKNOWN_NAME,
                format!("`environment` has nothing called `{}`", text(step)),
            )
            .at_opt(span, "")
            .help(format!("write `{address}`; what holds in the one that is compiled is in `target`")));
        }
        Ok(reference(address, &[], used))
    }

    /// What a traversal starts with.
    fn address(
        &self,
        kind: &'static Kind,
        traversal: &Traversal,
        span: Option<Span>,
    ) -> Result<Named, Diagnostic> {
        let native = kind.name == "resource" && &*traversal.root != "resource";
        let labels = if native { 1 } else { kind.labels.len().min(2) };
        let names: Vec<&str> = traversal.steps.iter().take(labels).filter_map(word).collect();
        if names.len() < labels {
            let wanted: String = kind.labels.iter().map(|label| format!(".<{label}>")).collect();
            return Err(Diagnostic::error(
                codes::UNKNOWN_NAME,
                format!("`{traversal}` names no `{}`", kind.name),
            )
            .at_opt(span, "")
            .help(format!("write `{}{wanted}`", kind.name)));
        }
        // A module inherits the environments and providers of the project.
        let module = if matches!(kind.name, "environment" | "provider") { &[] } else { self.module() };
        let plain = match (kind.name, names.as_slice()) {
            ("resource", [ty, name]) => Address::new(ty, name),
            ("resource", [name]) => Address::new(&traversal.root, name),
            _ => Address::new(kind.name, &names.join(".")),
        };
        let mut base = plain;
        base.module = module.to_vec();
        if !self.evaluator.repeated.contains(&base) {
            return Ok(Named::One(base, labels));
        }
        let key = match traversal.steps.get(labels) {
            Some(TraversalStep::Key(key)) => Some(Key::Text(key.clone())),
            Some(TraversalStep::Index(index)) => Some(Key::Index(*index)),
            Some(TraversalStep::Attr(word)) => {
                let keys: Vec<String> = self.keys(&base);
                return Err(Diagnostic::error(
                    codes::UNKNOWN_NAME,
                    format!("`{base}` has several instances"),
                )
                .at_opt(span, "which one is meant?")
                .help(format!("write one of {}, or `{base}[*].{word}` for all", keys.join(", "))));
            }
            None => None,
        };
        if self.evaluator.pending.contains(&base) {
            return Err(Diagnostic::error(
                codes::CYCLE,
                format!("the instances of `{base}` follow from themselves"),
            )
            .at_opt(span, format!("which instances there are must be known before `{base}` is expanded"))
            .help("make it for each of something else"));
        }
        if let Some(deferred) = self.evaluator.deferred.get(&base) {
            let value = unknown_instances(&base, &deferred.after);
            return Ok(Named::All(Resolved::plain(value, labels, false)));
        }
        Ok(match key {
            Some(key) => Named::One(base.with_key(key), labels + 1),
            None => Named::All(Resolved::plain(self.all(&base), labels, false)),
        })
    }

    /// References to all instances.
    fn all(&self, base: &Address) -> PlanValue {
        let count = self.evaluator.instances.len();
        if let Some((_, known)) =
            self.evaluator.collections.borrow().get(base).filter(|(then, _)| *then == count)
        {
            return known.clone();
        }
        let all = self.collected(base);
        self.evaluator.collections.borrow_mut().insert(base.clone(), (count, all.clone()));
        all
    }

    /// By key, or as a list where they are counted.
    fn collected(&self, base: &Address) -> PlanValue {
        let all = self.evaluator.instances_of(base);
        let counted = all.iter().all(|instance| matches!(instance.repeat, Repeat::Count(_)));
        let refer = |address: &Address| Reference { address: address.clone(), path: Vec::new() }.to_value();
        if counted && self.evaluator.counted.contains(base) {
            return PlanValue::list(all.iter().map(|instance| refer(&instance.address)));
        }
        let by_key = all.iter().filter_map(|instance| match &instance.repeat {
            Repeat::Each(key, _) => Some((key.clone(), refer(&instance.address))),
            _ => None,
        });
        PlanValue::object(by_key)
    }

    fn keys(&self, base: &Address) -> Vec<String> {
        let all = self.evaluator.instances_of(base);
        all.iter().take(12).map(|instance| format!("`{}`", instance.address)).collect()
    }

    /// What is said where all instances are named and one is wanted.
    pub(crate) fn which_one(&self, traversal: &Traversal, span: Option<Span>) -> Option<Diagnostic> {
        let native = || kinds::kind("resource").filter(|_| self.evaluator.natives.contains(&*traversal.root));
        let kind = kinds::kind(&traversal.root).or_else(native)?;
        let Ok(Named::All(found)) = self.address(kind, traversal, span) else { return None };
        if found.consumed != traversal.steps.len() || found.value.has_holes() {
            return None;
        }
        let items: Vec<PlanValue> = match &found.value {
            mlp_value::Value::List(items) => items.to_vec(),
            mlp_value::Value::Object(items) => items.values().cloned().collect(),
            _ => return None,
        };
        let names: Vec<String> =
            items.iter().take(12).filter_map(|item| Some(format!("`{}`", reference_of(item)?))).collect();
        let help = match names.is_empty() {
            true => format!(
                "it has no instances: its `for_each` or `count` came to nothing; all of them are `values({traversal})`"
            ),
            false => format!("write one of {}; all of them are `values({traversal})`", names.join(", ")),
        };
        Some(
            Diagnostic::error(codes::UNKNOWN_NAME, format!("`{traversal}` has several instances"))
                .at_opt(span, "which one is meant?")
                .help(help),
        )
    }

    fn undeclared(&self, kind: &Kind, address: &Address, span: Option<Span>) -> Diagnostic {
        if address.name.split('.').any(|name| self.evaluator.unread.contains(name)) {
            return followup(format!("`{address}` could not be read"), span);
        }
        if let Some(why) = self.evaluator.elsewhere.get(&address.without_key()) {
            return Diagnostic::error(
                codes::ELSEWHERE,
                format!("`{address}` is not part of this environment"),
            )
            .at_opt(span, "referred to here")
            .note(why.clone())
            .help("include it here, or give this attribute another value in the environment");
        }
        if self.evaluator.nameless.contains(kind.name) {
            return followup(format!("`{address}` may be the block without a name"), span);
        }
        if self.evaluator.repeated.contains(&address.without_key()) {
            let keys = self.keys(&address.without_key());
            return Diagnostic::error(codes::UNKNOWN_NAME, format!("there is no `{address}`"))
                .at_opt(span, "no such instance")
                .help(match keys.as_slice() {
                    [] => format!("`{}` has no instances here", address.without_key()),
                    _ => format!("there is {}", keys.join(", ")),
                });
        }
        let near = self.evaluator.near.help(&address.without_key().to_string(), &address.name, || {
            let of_it = |one: &&Address| one.kind == address.kind && one.module == address.module;
            let all = self.evaluator.instances.keys().filter(of_it);
            all.map(|one| (one.name.to_string(), format!("{}.{}", one.kind, one.name))).collect()
        });
        let mut outer = address.clone();
        outer.module.clear();
        let outside = !address.module.is_empty() && self.evaluator.instances.contains_key(&outer);
        let help = near.filter(|_| !outside).unwrap_or_else(|| {
            if outside {
                return hints::outside(address);
            }
            let labels: String = address.name.split('.').map(|label| format!(" \"{label}\"")).collect();
            format!("declare it: `{}{labels} {{ … }}`", kind.name)
        });
        Diagnostic::error(codes::UNKNOWN_NAME, format!("there is no `{address}`"))
            .at_opt(span, "not declared")
            .help(help)
    }

    fn unknown_root(&self, root: &str, span: Option<Span>) -> Diagnostic {
        let problem = Diagnostic::error(codes::UNKNOWN_NAME, format!("`{root}` means nothing here"))
            .at_opt(self.word_at(span, root), "not a name");
        if root == "self" {
            return problem.help("`self` can be used in a `postcondition` and in conditions over metrics");
        }
        if let Some(meant) = self.evaluator.near.named(self.module(), root, || {
            let here = |known: &&Address| &*known.name == root && known.module == self.module();
            self.evaluator.instances.keys().find(here).cloned()
        }) {
            return problem.help(format!("write `{meant}`: a declaration is named with its kind"));
        }
        let words = ["var", "local", "each", "count", "path", "target"];
        let all: Vec<&str> = words.into_iter().chain(kinds::KINDS.iter().map(|kind| kind.name)).collect();
        if let Some(help) = hints::literal(root).or_else(|| hints::listed_name(root, &self.at)) {
            return problem.help(help);
        }
        problem.help(match mlp_diag::did_you_mean(root, all) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "a name begins with `var`, `local`, `each`, `count`, `path`, `target` or the kind of a block, \
                     as in `dataset.orders`; text stands in double quotes"
                .to_owned(),
        })
    }

    /// The place of one word of a traversal.
    fn word_at(&self, span: Option<Span>, word: &str) -> Option<Span> {
        let whole = span?;
        let text = (self.evaluator.text_of)(whole);
        let ends = |at: usize| {
            let edge = |c: Option<char>| c.is_none_or(|c| !(c.is_alphanumeric() || c == '_' || c == '-'));
            edge(text[..at].chars().next_back()) && edge(text[at + word.len()..].chars().next())
        };
        let mut found = text.match_indices(word).map(|(at, _)| at).filter(|at| ends(*at));
        match (found.next(), found.next()) {
            (Some(at), None) => {
                let start = whole.start as usize + at;
                Some(Span::new(whole.file, start, start + word.len()))
            }
            _ => span,
        }
    }

    fn named<'n>(
        &self,
        what: &str,
        traversal: &'n Traversal,
        names: &Names<'_>,
        span: Option<Span>,
    ) -> Result<&'n str, Diagnostic> {
        // All of them are looked at only where none is meant: a large project has many, and names them often.
        let near = |name: &str| {
            self.evaluator.near.help(&format!("{}:{what}.{name}", self.room), name, || {
                names.all().into_iter().map(|name| (name.to_owned(), format!("{what}.{name}"))).collect()
            })
        };
        match traversal.steps.first().and_then(word) {
            Some(name) if names.has(name) => Ok(name),
            Some(name) => {
                let help = near(name).unwrap_or_else(|| match what {
                    "var" => format!("declare it: `variable \"{name}\" {{ … }}`"),
                    _ => format!("declare it: `locals {{ {name} = … }}`"),
                });
                Err(Diagnostic::error(codes::UNKNOWN_NAME, format!("there is no `{what}.{name}`"))
                    .at_opt(self.word_at(span, name), "not declared")
                    .help(help))
            }
            None => {
                Err(Diagnostic::error(codes::UNKNOWN_NAME, format!("`{what}` needs a name: `{what}.<name>`"))
                    .at_opt(span, "names nothing")
                    .help(near("").unwrap_or_else(|| one_of("", []))))
            }
        }
    }

    fn variable(&self, traversal: &Traversal, span: Option<Span>) -> Found {
        let names = match self.evaluator.rooms.get(self.room) {
            Some(room) if self.room > 0 => Names::Inputs(&room.variables),
            _ => Names::Variables(&self.evaluator.variables),
        };
        let name = self.named("var", traversal, &names, span)?;
        match self.evaluator.variable(self.room, name, span)? {
            Some(found) => Ok(Resolved::of(found, 1)),
            // What is wrong with it was reported at the variable.
            _ => Err(followup(format!("`var.{name}` has no valid value"), span)),
        }
    }

    fn local(&self, traversal: &Traversal, span: Option<Span>) -> Found {
        let room = self.evaluator.rooms.get(self.room);
        let names = room.map_or(Names::Words(&[]), |room| Names::Locals(room.locals));
        let name = self.named("local", traversal, &names, span)?;
        match self.evaluator.local(self.room, name, span)? {
            Some(found) => Ok(Resolved::of(found, 1)),
            None => Err(followup(format!("`local.{name}` has no valid value"), span)),
        }
    }

    /// Whether this is looked at after the apply: then the declaration's own outputs are known.
    fn is_after(&self) -> bool {
        let mut steps = self.at.steps().iter();
        let mut next = || match steps.next() {
            Some(mlp_value::Step::Field(name)) => Some(&**name),
            _ => None,
        };
        (next(), next()) == (Some("lifecycle"), Some(AFTER))
    }

    fn each(&self, traversal: &Traversal, span: Option<Span>) -> Found {
        match (self.owner.map(|owner| &owner.repeat), traversal.root.as_ref()) {
            (Some(Repeat::Each(key, value)), "each") => {
                Ok(match self.named("each", traversal, &Names::Words(&["key", "value"]), span)? {
                    "key" => Resolved::plain(PlanValue::text(key), 1, false),
                    _ => Resolved::of(value.clone(), 1),
                })
            }
            (Some(Repeat::Count(index)), "count") => {
                self.named("count", traversal, &Names::Words(&["index"]), span)?;
                Ok(Resolved::plain(PlanValue::Number((*index).into()), 1, false))
            }
            (_, root) => {
                let attribute = if root == "each" { "for_each" } else { "count" };
                // One that the block does not take was told.
                let spans = self.owner.map(|owner| owner.declared.spans.as_slice()).unwrap_or_default();
                if self.evaluator.has_misspelt(spans) {
                    return Err(followup(format!("`{root}` has no value here"), span));
                }
                Err(Diagnostic::error(
                    codes::SCOPE,
                    format!("`{root}` can be used only in a block with `{attribute}`"),
                )
                .at_opt(span, "")
                .help(format!("add `{attribute} = …` to the block")))
            }
        }
    }

    fn surroundings(&self, traversal: &Traversal, span: Option<Span>) -> Found {
        let around = &self.evaluator.surroundings;
        let value = if traversal.root.as_ref() == "path" {
            match self.named("path", traversal, &Names::Words(&["module", "root"]), span)? {
                "module" if self.directory() != "." => PlanValue::text(self.directory()),
                _ => PlanValue::text(&around.root),
            }
        } else {
            match self.named("target", traversal, &Names::Words(&["name", "mode", "residency"]), span)? {
                "name" => PlanValue::text(&around.environment),
                "mode" => PlanValue::text(&around.mode),
                _ => around.residency.0.clone(),
            }
        };
        Ok(Resolved::plain(value, 1, false))
    }
}

/// A diagnostic that only follows from one already reported: dropped when others are shown.
pub(crate) fn followup(headline: String, span: Option<Span>) -> Diagnostic {
    Diagnostic::note_only(codes::UNKNOWN_NAME, headline).at_opt(span, "")
}

fn word(step: &TraversalStep) -> Option<&str> {
    match step {
        TraversalStep::Attr(name) => Some(name),
        TraversalStep::Key(_) | TraversalStep::Index(_) => None,
    }
}

fn text(step: &TraversalStep) -> String {
    match step {
        TraversalStep::Attr(name) | TraversalStep::Key(name) => name.to_string(),
        TraversalStep::Index(index) => index.to_string(),
    }
}

fn reference(address: Address, words: &[String], consumed: usize) -> Resolved {
    let value = Reference { address, path: words.to_vec() }.to_value();
    Resolved::plain(value, consumed, false)
}

/// What stands for the instances of a block while nobody knows which there are.
fn unknown_instances(base: &Address, after: &[String]) -> PlanValue {
    PlanValue::Hole(Unknown::from(Later {
        ty: Type::Any,
        not_null: true,
        prefix: None,
        residual: Box::new(Expr::new(Node::Traverse { traversal: Traversal::of(base) }, None)),
        after: after.to_vec(),
    }))
}

fn unknown(address: &Address, output: &str, ty: &Ty) -> PlanValue {
    let mut traversal = Traversal::of(address);
    traversal.steps.push(TraversalStep::Attr(output.into()));
    let ty = match ty {
        Ty::Text | Ty::Enum(_) | Ty::Path => Type::String,
        Ty::Number | Ty::Integer(..) => Type::Number,
        Ty::Bool => Type::Bool,
        _ => Type::Any,
    };
    let residual = Expr::new(Node::Traverse { traversal }, None);
    PlanValue::Hole(Unknown::from(Later {
        ty,
        not_null: true,
        prefix: None,
        residual: Box::new(residual),
        after: vec![address.to_string()],
    }))
}
