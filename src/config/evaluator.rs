//! Evaluation on demand: the unit is one attribute of one declaration, computed once, when something first asks for it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;

use mlp_diag::{Diagnostic, Diagnostics, FileId, Span};
use mlp_eval::{Outcome, PlanValue, evaluate};
use mlp_platform::schema::Attribute;
use mlp_platform::{Because, Deferred, Edge, Origin};
use mlp_syntax::{Expr, Ident};
use mlp_value::facts::{Facts, Needs};
use mlp_value::{Address, Path};

use crate::check::Checker;
use crate::codes;
use crate::expression::lower;
use crate::index::Declared;
use crate::instances::Repeat;
use crate::meaning::any_within;
use crate::modules::Room;
use crate::offers::Market;
use crate::scope::NameScope;
use crate::source::{Entry, Source};
use crate::values::plain_parts;

/// A declaration's instance, merged for the environment.
#[derive(Debug, Clone)]
pub(crate) struct Instance<'t> {
    pub(crate) address: Address,
    pub(crate) declared: Rc<Declared<'t>>,
    pub(crate) repeat: Repeat,
    /// The room in which its expressions are evaluated.
    pub(crate) room: usize,
}

/// One attribute, computed.
#[derive(Debug, Clone)]
pub(crate) struct Evaluated {
    pub(crate) value: PlanValue,
    pub(crate) sensitive: Vec<Path>,
    pub(crate) origins: BTreeMap<Path, Origin>,
    pub(crate) edges: Vec<Edge>,
    /// What conditions name.
    pub(crate) because: BTreeMap<Path, Vec<Because>>,
}

/// An attribute that was computed: `None` when it is not set, or wrong.
type Known = Option<Rc<Evaluated>>;

enum Memo<T> {
    Busy,
    Done(T),
}

/// Values of names by room.
type Values = RefCell<BTreeMap<(usize, String), Memo<Option<Outcome>>>>;

/// What surrounds the specification.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    pub(crate) environment: String,
    pub(crate) mode: String,
    pub(crate) residency: PlanValueOrNull,
    pub(crate) root: String,
    pub(crate) market: Market,
}

thread_local! {
    /// The values of attributes' defaults by their text: each is a constant of the language, and reading it takes longer than all else.
    static DEFAULTS: RefCell<BTreeMap<&'static str, Option<PlanValue>>> = const { RefCell::new(BTreeMap::new()) };
}

/// An expression that is kept for later, as it stands after what is known was put in.
#[derive(Debug, Clone)]
pub(crate) struct QuotedAt {
    pub(crate) owner: Address,
    pub(crate) at: Path,
    pub(crate) scope: mlp_platform::schema::Scope,
    pub(crate) expr: mlp_eval::Expr,
}

/// A plan value, null unless said.
#[derive(Debug, Clone)]
pub(crate) struct PlanValueOrNull(pub(crate) PlanValue);

impl Default for PlanValueOrNull {
    fn default() -> Self {
        Self(PlanValue::Null)
    }
}

/// Everything evaluation needs, and what it found.
pub(crate) struct Evaluator<'t> {
    pub(crate) surroundings: Surroundings,
    pub(crate) instances: BTreeMap<Address, Instance<'t>>,
    /// Addresses of declarations with `for_each` or `count`.
    pub(crate) repeated: BTreeSet<Address>,
    /// More modules are called than are read: what was found is not all there is.
    pub(crate) overflown: bool,
    /// Standards that were read.
    pub(crate) packs: BTreeSet<Address>,
    /// Of the blocks with `for_each` or `count`, those that are not expanded yet.
    pub(crate) pending: BTreeSet<Address>,
    /// Of these, those with `count`.
    pub(crate) counted: BTreeSet<Address>,
    /// Of these, those whose instances are known only after something was applied.
    pub(crate) deferred: BTreeMap<Address, Deferred>,
    /// Addresses declared for other environments only, and why they are not here.
    pub(crate) elsewhere: BTreeMap<Address, String>,
    pub(crate) environments: BTreeSet<String>,
    /// Kinds of which a block lacks its name.
    pub(crate) nameless: BTreeSet<String>,
    /// The project's own room first, then those of modules.
    pub(crate) rooms: Vec<Room<'t>>,
    /// Native kinds that `resource` blocks declare: their names start a traversal too.
    pub(crate) natives: BTreeSet<String>,
    pub(crate) variables: BTreeMap<String, Option<Outcome>>,
    pub(crate) facts: &'t Facts,
    /// The source text of a span.
    pub(crate) text_of: &'t dyn Fn(Span) -> String,
    pub(crate) needs: RefCell<Needs>,
    pub(crate) diagnostics: RefCell<Diagnostics>,
    /// What nothing is declared to check by.
    pub(crate) unchecked: RefCell<Diagnostics>,
    /// Expressions kept for later, with the places of what they name.
    pub(crate) quoted: RefCell<Vec<QuotedAt>>,
    /// Names of attributes that nothing is known of, in the order of the text, and labels of blocks that could not be read.
    pub(crate) misspelt: Vec<Span>,
    pub(crate) unread: BTreeSet<String>,
    /// What the environment sets `variables` to.
    pub(crate) given_variables: Option<Entry<'t>>,
    /// What was reported already.
    reported: RefCell<HashSet<Diagnostic>>,
    attributes: RefCell<BTreeMap<(Address, String), Memo<Known>>>,
    local_values: Values,
    inputs: Values,
    stack: RefCell<Vec<(String, Option<Span>)>>,
}

/// How deep one attribute may need another: beyond it the chain is refused instead of taking all memory.
const DEEPEST: usize = 100_000;
/// Each link of a chain of references is computed inside the one before it; when less than this is left of the stack, it goes on
/// in a new piece, so that the length of a chain is bounded by memory and not by the thread.
const STACK_LEFT: usize = 256 << 10;
const STACK_PIECE: usize = 8 << 20;

/// Whether what an attribute holds is in no plan and no state.
pub(crate) fn forgets(instance: &Instance<'_>, attribute: &str) -> bool {
    instance.declared.kind.name == "provider" || attribute == "lifecycle"
}

/// What is said of a value that must not be kept, where it would be.
pub(crate) fn kept(span: Span) -> Diagnostic {
    Diagnostic::error(codes::EPHEMERAL, "an ephemeral value would be kept here")
        .at(span, "something in it is ephemeral")
        .note("what a declaration holds is written to plans and states")
        .help("use it in a `provider` block, in `locals` or in conditions; where a target needs a secret, refer to a `secret`; `ephemeralasnull(…)` gives null instead")
}

impl<'t> Evaluator<'t> {
    pub(crate) fn new(
        surroundings: Surroundings,
        locals: &'t BTreeMap<String, (&'t Ident, &'t Expr)>,
        facts: &'t Facts,
        text_of: &'t dyn Fn(Span) -> String,
    ) -> Self {
        Self {
            surroundings,
            instances: BTreeMap::new(),
            repeated: BTreeSet::new(),
            overflown: false,
            packs: BTreeSet::new(),
            pending: BTreeSet::new(),
            counted: BTreeSet::new(),
            deferred: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
            environments: BTreeSet::new(),
            nameless: BTreeSet::new(),
            rooms: vec![Room {
                module: Vec::new(),
                directory: ".".to_owned(),
                locals,
                variables: BTreeMap::new(),
                call: None,
            }],
            natives: BTreeSet::new(),
            variables: BTreeMap::new(),
            facts,
            text_of,
            needs: RefCell::default(),
            diagnostics: RefCell::default(),
            unchecked: RefCell::default(),
            quoted: RefCell::default(),
            misspelt: Vec::new(),
            unread: BTreeSet::new(),
            given_variables: None,
            reported: RefCell::default(),
            attributes: RefCell::default(),
            local_values: RefCell::default(),
            inputs: RefCell::default(),
            stack: RefCell::default(),
        }
    }

    /// The instances of a block, by key.
    pub(crate) fn instances_of(&self, base: &Address) -> Vec<&Instance<'t>> {
        let of_it = |instance: &&Instance<'t>| instance.address.without_key() == *base;
        self.instances.range(base.clone()..).map(|(_, one)| one).take_while(of_it).collect()
    }

    pub(crate) fn report(&self, diagnostic: Diagnostic) {
        let diagnostic = self.hushed(diagnostic);
        if self.reported.borrow_mut().insert(diagnostic.clone()) {
            self.diagnostics.borrow_mut().push(diagnostic);
        }
    }

    /// Keeps a quoted expression for the checks that need the whole.
    pub(crate) fn keep_quoted(
        &self,
        owner: &Address,
        at: &Path,
        scope: mlp_platform::schema::Scope,
        expr: &mlp_eval::Expr,
    ) {
        let one = QuotedAt { owner: owner.clone(), at: at.clone(), scope, expr: expr.clone() };
        self.quoted.borrow_mut().push(one);
    }

    /// Whether an attribute is misspelt within one of these.
    pub(crate) fn has_misspelt(&self, within: &[Span]) -> bool {
        within.iter().any(|whole| any_within(&self.misspelt, *whole))
    }

    /// The value of an attribute's default: an expression without names, the same wherever it stands.
    pub(crate) fn default(&self, text: &'static str) -> Option<PlanValue> {
        if let Some(known) = DEFAULTS.with_borrow(|all| all.get(text).cloned()) {
            return known;
        }
        // The kinds' own test parses every one of them.
        let expr = mlp_syntax::parse_expression(FileId(u32::MAX), text).ok()?;
        let value = evaluate(&lower(&expr), &NameScope::root(self)).ok().map(|outcome| outcome.value);
        DEFAULTS.with_borrow_mut(|all| all.insert(text, value.clone()));
        value
    }

    /// Computes an expression for an instance; `None` after reporting what is wrong.
    pub(crate) fn expression(&self, expr: &Expr, scope: &NameScope<'_, 't>) -> Option<Outcome> {
        match evaluate(&lower(expr), scope) {
            Ok(outcome) => Some(outcome),
            Err(diagnostics) => {
                diagnostics.into_iter().for_each(|diagnostic| self.report(diagnostic));
                None
            }
        }
    }

    /// One attribute of one declaration; `None` when it is wrong (reported) or not set.
    pub(crate) fn attribute(
        &self,
        instance: &Instance<'t>,
        schema: &'static Attribute,
        from: Option<Span>,
    ) -> Result<Option<Rc<Evaluated>>, Diagnostic> {
        let key = (instance.address.clone(), schema.name.to_owned());
        match self.attributes.borrow().get(&key) {
            Some(Memo::Done(done)) => return Ok(done.clone()),
            Some(Memo::Busy) => return Err(self.cycle(&format!("{}.{}", key.0, key.1), from)),
            None => {}
        }
        self.enter(format!("{}.{}", key.0, key.1), from)?;
        self.attributes.borrow_mut().insert(key.clone(), Memo::Busy);
        let compute = || Checker::new(self, instance).attribute(schema).map(Rc::new);
        let done = stacker::maybe_grow(STACK_LEFT, STACK_PIECE, compute);
        self.stack.borrow_mut().pop();
        self.attributes.borrow_mut().insert(key, Memo::Done(done.clone()));
        Ok(done)
    }

    /// A local value; `None` when it is wrong, which was reported where it is written.
    pub(crate) fn local(
        &self,
        room: usize,
        name: &str,
        from: Option<Span>,
    ) -> Result<Option<Outcome>, Diagnostic> {
        let Some((_, expr)) = self.rooms.get(room).and_then(|room| room.locals.get(name)) else {
            return Ok(None);
        };
        self.once(&self.local_values, room, name, &format!("local.{name}"), from, || {
            self.expression(expr, &NameScope::room(self, room))
        })
    }

    /// The value of a variable; `None` when it is wrong, which was reported.
    pub(crate) fn variable(
        &self,
        room: usize,
        name: &str,
        from: Option<Span>,
    ) -> Result<Option<Outcome>, Diagnostic> {
        if room == 0 {
            return Ok(self.variables.get(name).cloned().flatten());
        }
        self.once(&self.inputs, room, name, &format!("var.{name}"), from, || self.module_variable(room, name))
    }

    /// Computes something once; what needs itself on the way is refused.
    fn once(
        &self,
        memo: &Values,
        room: usize,
        name: &str,
        what: &str,
        from: Option<Span>,
        compute: impl FnOnce() -> Option<Outcome>,
    ) -> Result<Option<Outcome>, Diagnostic> {
        let inside = self.rooms.get(room).map(|room| room.module.as_slice()).unwrap_or_default();
        let what = inside.iter().map(|call| format!("module.{call}.")).collect::<String>() + what;
        let key = (room, name.to_owned());
        match memo.borrow().get(&key) {
            Some(Memo::Done(done)) => return Ok(done.clone()),
            Some(Memo::Busy) => return Err(self.cycle(&what, from)),
            None => {}
        }
        self.enter(what, from)?;
        memo.borrow_mut().insert(key.clone(), Memo::Busy);
        let done = stacker::maybe_grow(STACK_LEFT, STACK_PIECE, compute);
        self.stack.borrow_mut().pop();
        memo.borrow_mut().insert(key, Memo::Done(done.clone()));
        Ok(done)
    }

    /// An attribute beyond the schema, of a kind that takes any.
    pub(crate) fn open_attribute(
        &self,
        instance: &Instance<'t>,
        name: &str,
        from: Option<Span>,
    ) -> Result<Option<Outcome>, Diagnostic> {
        let Some(entry) = instance.declared.parts.get(name) else { return Ok(None) };
        let what = format!("{}.{name}", instance.address);
        if self.stack.borrow().iter().any(|(busy, _)| *busy == what) {
            return Err(self.cycle(&what, from));
        }
        self.enter(what, from)?;
        let scope = NameScope::of(self, instance, Path::of(&[name]));
        let outcome = match &entry.source {
            Source::Expr(expr, _) => self.expression(expr, &scope),
            _ => plain_parts(self, entry, &scope),
        };
        self.stack.borrow_mut().pop();
        if outcome.as_ref().is_some_and(|found| found.ephemeral) && !forgets(instance, name) {
            self.report(kept(entry.source.span()));
            return Ok(None);
        }
        Ok(outcome)
    }

    fn enter(&self, what: String, from: Option<Span>) -> Result<(), Diagnostic> {
        let mut stack = self.stack.borrow_mut();
        if stack.len() >= DEEPEST {
            return Err(Diagnostic::error(
                codes::CYCLE,
                format!("`{what}` lies at the end of a chain of more than {DEEPEST} references"),
            )
            .at_opt(from, "the last one")
            .help("shorten the chain, for example by naming the first value where the last is needed"));
        }
        stack.push((what, from));
        Ok(())
    }

    /// A cycle, with every place that makes an edge of it.
    fn cycle(&self, what: &str, from: Option<Span>) -> Diagnostic {
        let stack = self.stack.borrow();
        let start = stack.iter().position(|(name, _)| name == what).unwrap_or(0);
        let names: Vec<&str> = stack[start..].iter().map(|(name, _)| name.as_str()).chain([what]).collect();
        let mut diagnostic = Diagnostic::error(codes::CYCLE, format!("`{what}` needs itself"))
            .at_opt(from, format!("needs `{what}` again"))
            .note(format!("the way round: {}", names.join(" → ")))
            .help("give one of them a value of its own");
        for (name, span) in &stack[start + 1..] {
            if let Some(span) = span {
                diagnostic = diagnostic.see(*span, format!("needs `{name}`"));
            }
        }
        diagnostic
    }
}
