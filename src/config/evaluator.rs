//! Evaluation on demand: the unit is one attribute of one declaration, computed once, when something first asks for it.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

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
use crate::memo::{Frame, Memo, Values};
use crate::modules::Room;
use crate::near::Near;
use crate::offers::Market;
use crate::scope::NameScope;
use crate::source::{Entry, Source};
use crate::values::plain_parts;

/// A declaration's instance, merged for the environment.
#[derive(Debug, Clone)]
pub(crate) struct Instance<'t> {
    /// Its number: what is computed of it is found by that.
    pub(crate) number: usize,
    pub(crate) address: Address,
    pub(crate) declared: Arc<Declared<'t>>,
    pub(crate) repeat: Repeat,
    /// The room in which its expressions are evaluated.
    pub(crate) room: usize,
}

/// One attribute, computed.
#[derive(Debug, Clone)]
pub(crate) struct Evaluated {
    pub(crate) value: PlanValue,
    pub(crate) sensitive: Vec<Path>,
    /// In the order found: of one path the last holds.
    pub(crate) origins: Vec<(Path, Origin)>,
    pub(crate) edges: Vec<Edge>,
    /// What conditions name.
    pub(crate) because: BTreeMap<Path, Vec<Because>>,
}

impl Evaluated {
    /// A value of which nothing else is known.
    pub(crate) fn of(value: PlanValue) -> Self {
        Self {
            value,
            sensitive: Vec::new(),
            origins: Vec::new(),
            edges: Vec::new(),
            because: BTreeMap::new(),
        }
    }
}

/// An attribute that was computed: `None` when it is not set, or wrong.
type Known = Option<Arc<Evaluated>>;

/// The attributes of one instance that were asked for, by name.
type OfInstance = Vec<(&'static str, Memo<Known>)>;

/// What surrounds the specification.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    pub(crate) environment: String,
    pub(crate) mode: String,
    pub(crate) residency: PlanValueOrNull,
    pub(crate) root: String,
    pub(crate) market: Market,
}

/// The values of attributes' defaults by their text: each is a constant of the language, and reading it takes longer than all else.
static DEFAULTS: Mutex<BTreeMap<&'static str, Option<PlanValue>>> = Mutex::new(BTreeMap::new());

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

/// Everything evaluation needs.
#[derive(Clone)]
pub(crate) struct World<'t> {
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
    pub(crate) text_of: &'t (dyn Fn(Span) -> String + Sync),
    /// Names of attributes that nothing is known of, in the order of the text, and labels of blocks that could not be read.
    pub(crate) misspelt: Vec<Span>,
    pub(crate) unread: BTreeSet<String>,
    /// What the environment sets `variables` to.
    pub(crate) given_variables: Option<Entry<'t>>,
    /// How many instances were numbered.
    numbered: usize,
}

/// The world, and what was found in it. Several may look at one world at once, each with findings of its own.
pub(crate) struct Evaluator<'t> {
    world: Arc<World<'t>>,
    pub(crate) needs: RefCell<Needs>,
    pub(crate) diagnostics: RefCell<Diagnostics>,
    /// What nothing is declared to check by.
    pub(crate) unchecked: RefCell<Diagnostics>,
    /// Expressions kept for later, with the places of what they name.
    pub(crate) quoted: RefCell<Vec<QuotedAt>>,
    /// What was reported already.
    reported: RefCell<HashSet<Diagnostic>>,
    /// What may be meant by names that nothing has.
    pub(crate) near: Near,
    /// The catalogue of hardware, once something asked for it; `None` inside while files are still asked for.
    pub(crate) known_catalog: OnceCell<Option<Arc<mlp_catalog::Catalog>>>,
    /// Texts that must not be shown.
    secrets: OnceCell<BTreeSet<String>>,
    /// Attributes that are set, by the number of their instance.
    attributes: RefCell<Vec<OfInstance>>,
    /// Those that are not.
    unset: RefCell<HashMap<(&'static str, &'static str), Known>>,
    /// Attributes beyond the schema that others asked for.
    open: Values,
    local_values: Values,
    inputs: Values,
    /// Expressions of repeated blocks, by their place in memory: each is read once for all instances.
    lowered: RefCell<HashMap<usize, Arc<mlp_eval::Expr>>>,
    /// All instances of a block as one value, with the number of instances there were: each of thousands may name one of them.
    pub(crate) collections: RefCell<HashMap<Address, (usize, PlanValue)>>,
    stack: RefCell<Vec<Frame>>,
}

impl<'t> Deref for Evaluator<'t> {
    type Target = World<'t>;

    fn deref(&self) -> &World<'t> {
        &self.world
    }
}

impl DerefMut for Evaluator<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        Arc::make_mut(&mut self.world)
    }
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
        text_of: &'t (dyn Fn(Span) -> String + Sync),
    ) -> Self {
        Self::of(Arc::new(World {
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
            misspelt: Vec::new(),
            unread: BTreeSet::new(),
            given_variables: None,
            numbered: 0,
        }))
    }

    fn of(world: Arc<World<'t>>) -> Self {
        Self {
            world,
            needs: RefCell::default(),
            diagnostics: RefCell::default(),
            unchecked: RefCell::default(),
            quoted: RefCell::default(),
            reported: RefCell::default(),
            near: Near::default(),
            known_catalog: OnceCell::new(),
            secrets: OnceCell::new(),
            attributes: RefCell::default(),
            unset: RefCell::default(),
            open: RefCell::default(),
            local_values: RefCell::default(),
            inputs: RefCell::default(),
            lowered: RefCell::default(),
            collections: RefCell::default(),
            stack: RefCell::default(),
        }
    }

    /// Another that looks at the same world and has found nothing yet.
    pub(crate) fn beside(&self) -> impl Fn() -> Self + Send + Sync + use<'t> {
        let world = self.world.clone();
        move || Self::of(world.clone())
    }

    /// Takes over what another found of the same world.
    pub(crate) fn take_over(&self, other: Self) {
        self.needs.borrow_mut().append(&mut other.needs.into_inner());
        self.unchecked.borrow_mut().append(&mut other.unchecked.into_inner());
        self.quoted.borrow_mut().append(&mut other.quoted.into_inner());
        // Attributes are not asked for once all declarations are there.
        for (mine, others) in [(&self.local_values, other.local_values), (&self.inputs, other.inputs)] {
            mine.borrow_mut().take_over(others.into_inner());
        }
    }

    /// The number of the next instance.
    pub(crate) fn number(&mut self) -> usize {
        self.numbered += 1;
        self.numbered - 1
    }

    /// The values of the project's variables, once they are decided.
    pub(crate) fn set_variables(&mut self, variables: BTreeMap<String, Option<Outcome>>) {
        self.variables = variables;
        self.secrets = OnceCell::new();
    }

    /// Texts that must not be shown.
    pub(crate) fn secrets(&self, find: impl FnOnce() -> BTreeSet<String>) -> &BTreeSet<String> {
        self.secrets.get_or_init(find)
    }

    /// The instances of a block, by key.
    pub(crate) fn instances_of(&self, base: &Address) -> Vec<&Instance<'t>> {
        let of_it = |instance: &&Instance<'t>| instance.address.is_of(base);
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
        let known = || DEFAULTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known().get(text) {
            return known.clone();
        }
        // The kinds' own test parses every one of them.
        let expr = mlp_syntax::parse_expression(FileId(u32::MAX), text).ok()?;
        let value = evaluate(&lower(&expr), &NameScope::root(self)).ok().map(|outcome| outcome.value);
        known().insert(text, value.clone());
        value
    }

    /// An attribute that is not set: its default, the same for all.
    fn unset(&self, schema: &'static Attribute) -> Known {
        if schema.default.is_empty() {
            return None;
        }
        let key = (schema.name, schema.default);
        if let Some(known) = self.unset.borrow().get(&key) {
            return known.clone();
        }
        let known = self.default(schema.default).map(|value| {
            let origins = vec![(Path::of(&[schema.name]), Origin::Default)];
            Arc::new(Evaluated { origins, ..Evaluated::of(value) })
        });
        self.unset.borrow_mut().insert(key, known.clone());
        known
    }

    /// Computes an expression for an instance; `None` after reporting what is wrong.
    pub(crate) fn expression(&self, expr: &Expr, scope: &NameScope<'_, 't>) -> Option<Outcome> {
        match evaluate(&self.lowered(expr, scope), scope) {
            Ok(outcome) => Some(outcome),
            Err(diagnostics) => {
                diagnostics.into_iter().for_each(|diagnostic| self.report(diagnostic));
                None
            }
        }
    }

    /// The expression as the interpreter takes it, kept where many instances share it.
    fn lowered(&self, expr: &Expr, scope: &NameScope<'_, 't>) -> Arc<mlp_eval::Expr> {
        if !scope.is_shared() {
            return Arc::new(lower(expr));
        }
        let place = std::ptr::from_ref(expr).addr();
        if let Some(known) = self.lowered.borrow().get(&place) {
            return known.clone();
        }
        let lowered = Arc::new(lower(expr));
        self.lowered.borrow_mut().insert(place, lowered.clone());
        lowered
    }

    /// One attribute of one declaration; `None` when it is wrong (reported) or not set.
    pub(crate) fn attribute(
        &self,
        instance: &Instance<'t>,
        schema: &'static Attribute,
        from: Option<Span>,
    ) -> Result<Known, Diagnostic> {
        if !instance.declared.parts.contains_key(schema.name) {
            return Ok(self.unset(schema));
        }
        let frame = || Frame::Attribute(instance.address.clone(), schema.name, from);
        let known = self.attributes.borrow().get(instance.number).and_then(|all| {
            let found = all.iter().find(|(name, _)| *name == schema.name)?;
            Some(found.1.clone())
        });
        match known {
            Some(Memo::Done(done)) => return Ok(done),
            Some(Memo::Busy) => return Err(self.cycle(&frame())),
            None => {}
        }
        self.enter(frame())?;
        self.keep(instance.number, schema.name, Memo::Busy);
        let compute = || Checker::new(self, instance).attribute(schema).map(Arc::new);
        let done = stacker::maybe_grow(STACK_LEFT, STACK_PIECE, compute);
        self.stack.borrow_mut().pop();
        self.keep(instance.number, schema.name, Memo::Done(done.clone()));
        Ok(done)
    }

    /// Gives away what is known of an instance that is declared; what others ask for later is computed once more.
    pub(crate) fn give_away(&self, instance: &Instance<'t>) {
        let mut all = self.attributes.borrow_mut();
        if let Some(known) = all.get_mut(instance.number) {
            // What is being computed for somebody else stays marked, and what is wrong stays told.
            known.retain(|(_, memo)| !matches!(memo, Memo::Done(Some(_))));
        }
    }

    fn keep(&self, number: usize, name: &'static str, memo: Memo<Known>) {
        let mut all = self.attributes.borrow_mut();
        if all.len() <= number {
            all.resize_with((number + 1).max(self.numbered), Vec::new);
        }
        match all[number].iter_mut().find(|(known, _)| *known == name) {
            Some((_, there)) => *there = memo,
            None => all[number].push((name, memo)),
        }
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
        let frame = || self.in_room(room, format!("local.{name}"), from);
        self.once(&self.local_values, room, name, frame, || {
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
        let frame = || self.in_room(room, format!("var.{name}"), from);
        self.once(&self.inputs, room, name, frame, || self.module_variable(room, name))
    }

    fn in_room(&self, room: usize, what: String, from: Option<Span>) -> Frame {
        let inside = self.rooms.get(room).map(|room| room.module.as_slice()).unwrap_or_default();
        Frame::Named(inside.iter().map(|call| format!("module.{call}.")).collect::<String>() + &what, from)
    }

    /// Computes something once; what needs itself on the way is refused.
    fn once(
        &self,
        memo: &Values,
        within: usize,
        name: &str,
        frame: impl Fn() -> Frame,
        compute: impl FnOnce() -> Option<Outcome>,
    ) -> Result<Option<Outcome>, Diagnostic> {
        match memo.borrow().get(within, name) {
            Some(Memo::Done(done)) => return Ok(done.clone()),
            Some(Memo::Busy) => return Err(self.cycle(&frame())),
            None => {}
        }
        self.enter(frame())?;
        memo.borrow_mut().put(within, name, Memo::Busy);
        let done = stacker::maybe_grow(STACK_LEFT, STACK_PIECE, compute);
        self.stack.borrow_mut().pop();
        memo.borrow_mut().put(within, name, Memo::Done(done.clone()));
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
        let frame = || Frame::Open(instance.address.clone(), name.to_owned(), from);
        let found = self.once(&self.open, instance.number, name, frame, || {
            let scope = NameScope::of(self, instance, Path::of(&[name]));
            let outcome = match &entry.source {
                Source::Expr(expr, _) => self.expression(expr, &scope),
                _ => plain_parts(self, entry, &scope),
            };
            if outcome.as_ref().is_some_and(|found| found.ephemeral) && !forgets(instance, name) {
                self.report(kept(entry.source.span()));
                return None;
            }
            outcome
        });
        // Of those that nothing refers to there may be a million: only what another asked for is kept.
        if found.is_ok() && self.stack.borrow().is_empty() {
            self.open.borrow_mut().forget(instance.number, name);
        }
        found
    }

    fn enter(&self, frame: Frame) -> Result<(), Diagnostic> {
        let mut stack = self.stack.borrow_mut();
        if stack.len() >= DEEPEST {
            let headline = format!("`{frame}` lies at the end of a chain of more than {DEEPEST} references");
            return Err(Diagnostic::error(codes::CYCLE, headline)
                .at_opt(frame.from(), "the last one")
                .help("shorten the chain, for example by naming the first value where the last is needed"));
        }
        stack.push(frame);
        Ok(())
    }

    /// A cycle, with every place that makes an edge of it.
    fn cycle(&self, again: &Frame) -> Diagnostic {
        let stack = self.stack.borrow();
        let start = stack.iter().position(|frame| frame.is(again)).unwrap_or(0);
        let mut names: Vec<String> = stack[start..].iter().map(ToString::to_string).collect();
        names.push(again.to_string());
        let mut diagnostic = Diagnostic::error(codes::CYCLE, format!("`{again}` needs itself"))
            .at_opt(again.from(), format!("needs `{again}` again"))
            .note(format!("the way round: {}", names.join(" → ")))
            .help("give one of them a value of its own");
        for frame in &stack[start + 1..] {
            if let Some(span) = frame.from() {
                diagnostic = diagnostic.see(span, format!("needs `{frame}`"));
            }
        }
        diagnostic
    }
}
