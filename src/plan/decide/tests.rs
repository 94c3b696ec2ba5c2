//! Decisions as data, each through one check, and what must hold of every plan.

use std::sync::Arc;

use mlp_eval::{Expr, Later, Node, Traversal, TraversalStep, Unknown};
use mlp_provider::{
    Call, Deferral, ErrorClass, Field, Lasting, Lifecycle, LowerInput, Lowered, Observed, Provider,
    ProviderError, Session, Support, Target,
};
use mlp_state::{State, Status};
use mlp_value::{KnownValue, Type, Value};
use proptest::prelude::*;

use super::*;
use crate::{OriginKind, OriginText, PlanOptions, Refactor, RenderOptions, render_json, render_text};

struct Fake(Vec<ResourceKind>);

#[async_trait::async_trait]
impl Provider for Fake {
    fn kind(&self) -> &'static str {
        "fake"
    }
    fn resources(&self) -> &[ResourceKind] {
        &self.0
    }
    fn support(&self, _: &str) -> Support {
        Support::Native
    }
    fn lower(&self, _: &LowerInput<'_>) -> Lowered {
        Lowered::default()
    }
    fn calls(&self, change: &ResourceChange) -> Vec<Call> {
        vec![Call {
            operation: "put".into(),
            kind: change.kind,
            resource: change.resource.clone(),
            identity: change.identity.clone(),
            body: change.after.clone().unwrap_or(Value::Null),
        }]
    }
    async fn connect(&self, _: &Target) -> Result<Arc<dyn Session>, ProviderError> {
        Err(ProviderError::new(ErrorClass::Fatal, Diagnostic::error("MLP0000", "there is no target")))
    }
}

fn fake() -> Fake {
    Fake(vec![ResourceKind::new(
        "thing",
        "A thing.",
        vec![
            Field::required("size", "Size."),
            Field::optional("zone", "Zone.").replaces("a thing cannot move"),
            Field::optional("data", "Data.").new_version("the data changed"),
            Field::optional("token", "Token.").secret(),
            Field::optional("pace", "Pace.").runtime(),
            Field::optional("text", "Text."),
            Field::computed("intact", "Whether it is whole."),
            Field::optional("mark", "What it holds.").new_version("the data changed").advances(),
        ],
    )])
}

pub(super) fn known(json: serde_json::Value) -> KnownValue {
    KnownValue::from_json(&json).unwrap()
}

/// `a size=1 zone=x <- b,c`: a desired thing; `!protect`, `!keep`, `!cbd`, `!wait` say more.
fn thing(line: &str) -> Desired {
    let (fields, needs) = line.split_once("<-").unwrap_or((line, ""));
    let mut words = fields.split_whitespace();
    let id: ResourceId = format!("model.{}", words.next().unwrap()).parse().unwrap();
    let mut lifecycle = Lifecycle::default();
    let mut deferred = None;
    let mut config = BTreeMap::new();
    let mut identity = id.to_string();
    for word in words {
        match word.split_once('=') {
            Some(("identity", name)) => identity = name.to_owned(),
            Some((name, value)) => {
                let value = value.parse().map_or_else(|_| Value::text(value), Value::int);
                config.insert(name.to_owned(), value);
            }
            None if word == "!protect" => lifecycle.protect = true,
            None if word == "!keep" => lifecycle.on_destroy = OnDestroy::Keep,
            None if word == "!cbd" => lifecycle.create_before_destroy = true,
            None if word == "!ignore" => lifecycle.ignore_changes = vec![Path::of(&["size"])],
            None => deferred = Some(Deferral { why: "no version".into(), filled_by: vec![] }),
        }
    }
    let depends_on = needs.split(',').map(str::trim).filter(|name| !name.is_empty());
    Desired {
        depends_on: depends_on.map(|name| format!("model.{name}").parse().unwrap()).collect(),
        lifecycle,
        deferred,
        ..Desired::new(id, "thing", identity, PlanValue::object(config))
    }
}

fn things(text: &str) -> Vec<Desired> {
    text.split(';').map(str::trim).filter(|line| !line.is_empty()).map(thing).collect()
}

fn state_of(desired: &[Desired]) -> State {
    let mut state = State::empty("p", "e");
    for one in desired {
        state.put(Record {
            id: one.id.clone(),
            kind: one.kind.clone(),
            provider: "fake.here".into(),
            identity: one.identity.clone(),
            applied: one.config.known().unwrap(),
            outputs: known(serde_json::json!({"url": "http://a"})),
            depends_on: one.depends_on.iter().cloned().collect(),
            protect: one.lifecycle.protect,
            keep: one.lifecycle.on_destroy == OnDestroy::Keep,
            schema_version: 1,
            lowering_version: 1,
            status: Status::Ready,
            place: Some("main.mlp:3".into()),
            made_as: None,
        });
    }
    state
}

pub(super) struct World {
    pub(super) mode: Mode,
    pub(super) desired: Vec<Desired>,
    pub(super) state: State,
    pub(super) observed: BTreeMap<ResourceId, Seen>,
    pub(super) options: PlanOptions,
    pub(super) refactor: Refactor,
    /// Whether things hold data.
    stateful: bool,
    /// Outputs that stay when something is changed in place.
    lasting: Vec<Lasting>,
}

impl World {
    pub(super) fn new(desired: &str, state: &str) -> Self {
        let state = state_of(&things(state));
        let seen = |record: &Record| seen(record.applied.clone(), Owner::Mine);
        let observed = state.resources.values().map(|record| (record.id.clone(), seen(record))).collect();
        let options = PlanOptions::default();
        let refactor = Refactor::default();
        let desired = things(desired);
        Self {
            mode: Mode::Apply,
            desired,
            state,
            observed,
            options,
            refactor,
            stateful: false,
            lasting: Vec::new(),
        }
    }

    pub(super) fn plan(&self) -> (Plan, Diagnostics) {
        let mut provider = fake();
        for kind in &mut provider.0 {
            kind.stateful = self.stateful;
            kind.lasting.clone_from(&self.lasting);
        }
        let input = PlanInput {
            mode: self.mode,
            project: "p",
            environment: "e",
            provider_name: "fake.here",
            desired: &self.desired,
            kinds: &|name| provider.resource(name),
            provider: &provider,
            state: &self.state,
            observed: &self.observed,
            origins: &|_, path| {
                (path.is_root() || *path == Path::of(&["size"])).then(|| OriginText {
                    place: "main.mlp:21".into(),
                    environment: (!path.is_root()).then(|| "dev".into()),
                    kind: if path.is_root() { OriginKind::Written } else { OriginKind::Environment },
                })
            },
            still_deferred: &self
                .desired
                .iter()
                .filter(|one| one.deferred.is_some())
                .map(|one| one.id.clone())
                .collect(),
            options: &self.options,
            spec_digest: "s",
            anew: &BTreeMap::new(),
            refactor: &self.refactor,
        };
        decide(&input)
    }

    pub(super) fn see(&mut self, name: &str, what: Seen) {
        self.observed.insert(format!("model.{name}").parse().unwrap(), what);
    }

    /// `create a; update b <1; !MLP0521`: steps in order with the steps they come after, then errors.
    pub(super) fn check(&self, wanted: &str) {
        let (plan, diagnostics) = self.plan();
        let mut words: Vec<String> = plan
            .steps
            .iter()
            .map(|step| {
                let action = serde_json::to_value(step.action).unwrap();
                let part = match step.part {
                    Some(Part::Old) => "-old",
                    Some(Part::New) => "-new",
                    None => "",
                };
                let after: Vec<String> = step.after.iter().map(ToString::to_string).collect();
                let after = if after.is_empty() { String::new() } else { format!(" <{}", after.join(",")) };
                format!("{}{part} {}{after}", action.as_str().unwrap(), step.resource.address.name)
            })
            .collect();
        words.extend(plan.deferred.iter().map(|item| format!("defer {}", item.resource.address.name)));
        words.extend(plan.drift.iter().map(|item| format!("drift {}", item.resource.address.name)));
        words.extend(plan.kept.iter().map(|item| format!("kept {}", item.resource.address.name)));
        words.extend(diagnostics.iter().map(|one| format!("!{}", one.code)));
        assert_eq!(words.join("; "), wanted, "{plan:#?}");
    }
}

pub(super) fn seen(config: KnownValue, owner: Owner) -> Seen {
    Seen::Present(Observed { config, outputs: known(serde_json::json!({"url": "http://a"})), owner })
}

#[test]
fn desired_against_what_was_applied() {
    for (desired, state, wanted) in [
        ("a size=1", "", "create a"),
        ("a size=1", "a size=1", ""),
        ("b size=1 <- a; a size=1", "", "create a; create b <1"),
        ("a size=2; b size=2 <- a", "a size=1; b size=1 <- a", "update a; update b <1"),
        ("a size=1 data=y", "a size=1 data=x", "new_version a"),
        ("a size=1 zone=y", "a size=1 zone=x", "replace-old a; replace-new a <1"),
        ("a size=1 zone=y !cbd identity=n", "a size=1 zone=x", "replace-new a; replace-old a <1"),
        ("a size=1 pace=9", "a size=1 pace=1", ""),
        ("a size=9 !ignore", "a size=1", ""),
        ("a size=1", "a size=1 text=x", "update a"),
        ("a size=1 !protect", "a size=1", "update a"),
        ("", "a size=1; b size=1 <- a", "delete b; delete a <1"),
        ("b size=2", "a size=1; b size=1 <- a", "update b; delete a <1"),
        ("", "a size=1 !keep", "forget a; kept a"),
        ("", "a size=1 !protect", "delete a; !MLP0521"),
        ("a zone=y !protect", "a zone=x !protect", "replace-old a; replace-new a <1; !MLP0521"),
        ("a zone=y !keep", "a zone=x !keep", "replace-old a; replace-new a <1; !MLP0522"),
        ("a !wait; b <- a; c size=1", "", "create c; defer a; defer b"),
        ("a <- b; b <- a", "", "!MLP0501"),
        ("a; a", "", "create a; !MLP0502"),
        // The one that let go of `d` now needs `x`, which can only be replaced once `d` is gone.
        (
            "f size=1 <- x; x zone=y",
            "f size=1 <- d; d size=1 <- x; x zone=x",
            "delete d; replace-old x <1; replace-new x <2; update f <3",
        ),
    ] {
        World::new(desired, state).check(wanted);
    }
}

#[test]
fn what_is_there_against_what_was_applied() {
    for (json, wanted) in [
        (serde_json::json!({"size": 7}), "update a; drift a"),
        (serde_json::json!({"size": 1, "pace": 5}), ""),
        (serde_json::json!({"size": 1, "text": "added by somebody"}), ""),
    ] {
        let mut world = World::new("a size=1 pace=1", "a size=1 pace=1");
        world.see("a", seen(known(json), Owner::Mine));
        world.check(wanted);
    }
    let mut world = World::new("a size=1", "a size=1 intact=yes");
    world.see("a", seen(known(serde_json::json!({"size": 1, "intact": "no"})), Owner::Mine));
    world.check("update a; drift a");
    world.mode = Mode::RefreshOnly;
    world.check("read a; drift a");
    let mut world = World::new("a size=1", "a size=1; b size=1");
    world.see("a", Seen::Absent);
    world.see("b", Seen::Absent);
    world.check("create a; forget b; drift a; drift b");
    for (owner, wanted) in
        [(Owner::Mine, "import a"), (Owner::Foreign, "!MLP0520"), (Owner::CannotTell, "!MLP0520")]
    {
        let mut world = World::new("a size=1", "");
        world.see("a", seen(known(serde_json::json!({"size": 1})), owner));
        world.check(wanted);
    }
}

#[test]
fn the_tainted_and_the_chosen_are_made_anew() {
    let mut world = World::new("a size=1", "a size=1");
    world
        .state
        .resources
        .values_mut()
        .for_each(|record| Arc::make_mut(record).status = Status::Tainted { reason: "half".into() });
    world.check("replace-old a; replace-new a <1");
    // What holds data is made whole in place.
    world.stateful = true;
    world.check("update a");
    let mut world = World::new("a size=2; b size=2 <- a; c size=2", "a size=1; b size=1 <- a; c size=1");
    world.options.targets = vec!["model.b".into()];
    world.check("update a; update b <1");
    world.options = PlanOptions { excludes: vec!["model.a".into()], ..PlanOptions::default() };
    world.check("update c");
    world.options = PlanOptions { replace: vec!["model.c".into()], ..PlanOptions::default() };
    world.check("update a; update b <1; replace-old c; replace-new c <3");
    world.options = PlanOptions { targets: vec!["model.x".into()], ..PlanOptions::default() };
    world.check("!MLP0530");
}

#[test]
fn destroying_ends_all_in_the_order_of_needs() {
    let mut world = World::new("a; b <- a", "a size=1; b size=1 <- a; c size=1 !keep; d size=1 !protect");
    world.mode = Mode::Destroy;
    world.check("delete b; delete a <1; forget c; delete d; kept c; !MLP0521");
}

#[test]
fn a_hole_is_filled_from_what_stays_and_left_where_something_moves() {
    let hole = || {
        let traversal = Traversal {
            root: "model".into(),
            steps: vec![TraversalStep::Attr("a".into()), TraversalStep::Attr("url".into())],
        };
        PlanValue::Hole(Unknown::from(Later {
            ty: Type::String,
            not_null: true,
            prefix: None,
            residual: Box::new(Expr::new(Node::Traverse { traversal }, None)),
            after: vec!["model.a".into()],
        }))
    };
    let with_hole = |world: &mut World| world.desired[1].config = PlanValue::object([("text", hole())]);
    let mut still = World::new("a size=1; b <- a", "a size=1; b text=http://a <- a");
    with_hole(&mut still);
    still.check("");
    let mut moving = World::new("a size=2; b <- a", "a size=1; b text=http://a <- a");
    with_hole(&mut moving);
    moving.check("update a; update b <1");
    let options = RenderOptions { color: false, width: 80, verbose: false };
    let text = render_text(&moving.plan().0, options);
    assert!(text.contains("text = \"http://a\" -> (known after model.a is updated)"), "{text}");
    assert!(text.contains("leads to: model.b will be updated in place"), "{text}");
    assert_eq!(render_json(&moving.plan().0)["resource_changes"][1]["change"]["after_unknown"]["text"], true);
    // What a change in place leaves as it is need not be waited for; a new object tells everything anew.
    let lasting =
        |output: &str, unless: &str| vec![Lasting { output: output.into(), unless: vec![unless.into()] }];
    moving.lasting = lasting("url", "text");
    moving.check("update a");
    moving.lasting = lasting("url", "size");
    moving.check("update a; update b <1");
    moving.lasting = lasting("other", "text");
    moving.check("update a; update b <1");
    let mut anew = World::new("a size=1 zone=y; b <- a", "a size=1 zone=x; b text=http://a <- a");
    with_hole(&mut anew);
    anew.lasting = lasting("url", "text");
    anew.check("replace-old a; replace-new a <1; update b <2");
}

#[test]
fn people_see_what_changes_and_why_and_no_secret() {
    let state = "a size=8090 zone=x token=hush; b size=1; c size=1";
    let (plan, _) = World::new("a size=8091 zone=x token=hush2; b size=2; c size=2; w !wait", state).plan();
    for width in [80, 200] {
        let text = render_text(&plan, RenderOptions { color: false, width, verbose: false });
        for wanted in [
            "  # model.a will be updated in place",
            "      ~ size = 8090 -> 8091   (environment.dev, main.mlp:21)",
            "      ~ token = (sensitive)",
            "  # 2 resources will be updated in place, each in the same way",
            "  ? model.w: no version",
            "Plan: 0 to add, 3 to change, 0 to destroy, 1 deferred.",
        ] {
            assert!(text.contains(wanted), "{wanted}\n{text}");
        }
        assert!(!text.contains("hush") && !text.contains('\u{1b}'), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
        let colored = render_text(&plan, RenderOptions { color: true, width, verbose: false });
        let mut plain = String::new();
        let mut inside = false;
        for letter in colored.chars() {
            match letter {
                '\u{1b}' => inside = true,
                'm' if inside => inside = false,
                _ if inside => {}
                _ => plain.push(letter),
            }
        }
        assert_eq!(plain, text);
    }
    assert!(!render_json(&plan).to_string().contains("hush"));
    assert!(
        render_text(&World::new("", "").plan().0, RenderOptions { color: false, width: 80, verbose: false })
            .starts_with("No changes.")
    );
}

#[test]
fn long_values_are_compared_line_by_line() {
    let mut world = World::new("a size=1", "a size=1");
    let config = |middle: &str| {
        let line = |n| if n == 20 { format!("{middle}\n") } else { format!("line {n}\n") };
        KnownValue::object([("text", KnownValue::text((0..40).map(line).collect::<String>()))])
    };
    let id = world.desired[0].id.clone();
    world.desired[0].config = config("new").lift();
    Arc::make_mut(world.state.resources.get_mut(&id).unwrap()).applied = config("old");
    world.see("a", seen(config("old"), Owner::Mine));
    let shown = render_text(&world.plan().0, RenderOptions { color: false, width: 80, verbose: false });
    assert!(shown.contains("- old") && shown.contains("+ new") && shown.contains("  line 19"), "{shown}");
    assert!(!shown.contains("line 3\n"), "{shown}");
}

/// What the state would be after the plan's own result.
fn carried_out(world: &World, plan: &Plan) -> World {
    let mut state = world.state.clone();
    let mut observed = world.observed.clone();
    for step in &plan.steps {
        match &step.record {
            Some(record) => {
                let config = step.config.as_ref().unwrap().known().unwrap();
                observed.insert(step.resource.clone(), seen(config.clone(), Owner::Mine));
                state.put(record.record(config, KnownValue::Null, Status::Ready));
            }
            None => {
                state.remove(&step.resource);
                observed.insert(step.resource.clone(), Seen::Absent);
            }
        }
    }
    World {
        stateful: false,
        lasting: Vec::new(),
        mode: world.mode,
        desired: world.desired.clone(),
        state,
        observed,
        refactor: Refactor::default(),
        options: world.options.clone(),
    }
}

prop_compose! {
    fn some_things()(sizes in proptest::collection::vec(proptest::option::of((0_u8..3, 0_u8..2, any::<u8>())), 6)) -> String {
        let mut lines = Vec::new();
        for (at, size) in sizes.iter().enumerate() {
            if let Some((size, zone, needs)) = size {
                let needs: Vec<String> = (0..at)
                    .filter(|other| needs >> other & 1 == 1 && sizes[*other].is_some())
                    .map(|other| format!("t{other}"))
                    .collect();
                lines.push(format!("t{at} size={size} zone=z{zone} <- {}", needs.join(",")));
            }
        }
        lines.join(";")
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn plans_are_the_same_in_any_order_and_empty_once_carried_out(desired in some_things(), state in some_things()) {
        let mut world = World::new(&desired, &state);
        let (plan, diagnostics) = world.plan();
        prop_assert!(diagnostics.is_empty());
        prop_assert_eq!(&world.plan().0, &plan);
        for step in &plan.steps {
            prop_assert!(step.after.iter().all(|before| *before < step.number));
        }
        let text = String::from_utf8(plan.to_file().unwrap()).unwrap();
        let back = Plan::from_json(&text).unwrap();
        prop_assert_eq!(&back, &plan);
        prop_assert_eq!(back.digest(), plan.digest());
        let after = carried_out(&world, &plan);
        prop_assert!(after.plan().0.is_empty());
        world.desired.reverse();
        prop_assert_eq!(&world.plan().0, &plan);
    }
}
