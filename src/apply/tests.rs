//! Whole applies against a target in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mlp_plan::mlp_provider::mlp_diag::Diagnostic;
use mlp_plan::mlp_provider::mlp_eval::{Expr, Later, Node, PlanValue, Traversal, TraversalStep, Unknown};
use mlp_plan::mlp_provider::mlp_value::{KnownValue, Type, Value};
use mlp_plan::mlp_provider::*;
use mlp_plan::mlp_state::{DirStore, Holder, Record, State, Status, Store, Writer};
use mlp_plan::{Action, Counts, Mode, Part, Plan, PlanStep, RecordTemplate};

use crate::{ApplyEvent, ApplyReporter, Cancel, Options, Outcome, execute, settle};

#[derive(Default)]
struct Fake {
    objects: Mutex<BTreeMap<String, KnownValue>>,
    log: Mutex<Vec<String>>,
    /// How many calls on an identity still fail, how, and whether they happen all the same.
    faults: Mutex<BTreeMap<String, (usize, ErrorClass, bool)>>,
    foreign: Mutex<BTreeSet<String>>,
    /// Identities whose calls never return, after they happened.
    hangs: Mutex<BTreeSet<String>>,
    /// Identities that serve something else than asked.
    wrong: Mutex<BTreeSet<String>>,
    /// Identities that are there and not ready yet.
    starting: Mutex<BTreeSet<String>>,
    /// Identities whose calls wait until another one is under way.
    meets: Mutex<BTreeSet<String>>,
    running: AtomicUsize,
    most: AtomicUsize,
}

impl Fake {
    fn fault(&self, identity: &str, times: usize, class: ErrorClass, happens: bool) {
        self.faults.lock().unwrap().insert(identity.into(), (times, class, happens));
    }

    fn happen(&self, call: &Call) {
        let body = call.body.known().unwrap();
        let mut objects = self.objects.lock().unwrap();
        match call.kind {
            CallKind::Delete => drop(objects.remove(&call.identity)),
            _ => drop(objects.insert(call.identity.clone(), body)),
        }
        self.log.lock().unwrap().push(format!("{} {}", call.operation, call.identity));
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl Session for Fake {
    async fn read(&self, _: &str, identity: &str) -> Result<Seen, ProviderError> {
        let Some(config) = self.objects.lock().unwrap().get(identity).cloned() else {
            return Ok(Seen::Absent);
        };
        let mut fields = config.as_object().unwrap().clone();
        if self.wrong.lock().unwrap().contains(identity) {
            fields.insert("size".into(), KnownValue::int(-1));
        }
        let running = !self.starting.lock().unwrap().contains(identity);
        fields.insert("running".into(), KnownValue::Bool(running));
        let owner =
            if self.foreign.lock().unwrap().contains(identity) { Owner::Foreign } else { Owner::Mine };
        let outputs = KnownValue::object([("url", KnownValue::text(format!("http://{identity}")))]);
        Ok(Seen::Present(Observed { config: KnownValue::object(fields), outputs, owner }))
    }

    async fn perform(&self, call: &Call, _: &dyn Reporter) -> Result<(), ProviderError> {
        self.most.fetch_max(self.running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let meets = self.meets.lock().unwrap().contains(&call.identity);
        for _ in 0..if meets { 10_000 } else { 1 } {
            tokio::time::sleep(Duration::from_millis(2)).await;
            if self.most.load(Ordering::SeqCst) > 1 {
                break;
            }
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
        let fault = {
            let mut faults = self.faults.lock().unwrap();
            faults.get_mut(&call.identity).filter(|fault| fault.0 > 0).map(|fault| {
                fault.0 -= 1;
                *fault
            })
        };
        if let Some((_, class, happens)) = fault {
            if happens {
                self.happen(call);
            }
            return Err(ProviderError::new(class, Diagnostic::error("MLP0800", "it hiccups")));
        }
        self.happen(call);
        if self.hangs.lock().unwrap().contains(&call.identity) {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn ready(&self, _: &str, identity: &str) -> Result<Ready, ProviderError> {
        let starting = self.starting.lock().unwrap().contains(identity);
        Ok(if starting { Ready::Wait("it starts".into()) } else { Ready::Yes })
    }

    async fn removal(&self, _: &str, _: &str) -> Result<Option<Removal>, ProviderError> {
        Ok(None)
    }

    async fn deferred(&self, _: &Desired) -> Result<bool, ProviderError> {
        Ok(false)
    }

    async fn run(&self, _: &RunRequest, _: &dyn Reporter) -> Result<RunSummary, ProviderError> {
        Err(ProviderError::new(ErrorClass::Invalid, Diagnostic::error("MLP0800", "nothing runs here")))
    }

    async fn status(
        &self,
        _: &[(mlp_plan::mlp_provider::mlp_value::ResourceId, String, String)],
    ) -> Result<Vec<StatusEntry>, ProviderError> {
        Ok(Vec::new())
    }

    async fn logs(&self, _: &LogQuery, _: &dyn Reporter) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn close_environment(&self) -> Result<Vec<String>, ProviderError> {
        Ok(Vec::new())
    }
}

struct Silent;

impl ApplyReporter for Silent {
    fn event(&self, _: ApplyEvent) {}
}

fn step(number: u32, name: &str, after: &[u32], action: Action, config: PlanValue) -> PlanStep {
    let id: mlp_plan::mlp_provider::mlp_value::ResourceId = format!("thing.{name}").parse().unwrap();
    let (operation, kind) = match action {
        Action::Delete => ("end", CallKind::Delete),
        Action::Update => ("change", CallKind::Update),
        _ => ("make", CallKind::Create),
    };
    let template = RecordTemplate {
        id: id.clone(),
        kind: "fake_thing".into(),
        provider: "fake.here".into(),
        identity: name.into(),
        depends_on: Vec::new(),
        protect: false,
        keep: false,
        schema_version: 1,
        lowering_version: 1,
        place: None,
        made_as: None,
    };
    let call = Call {
        operation: operation.into(),
        kind,
        resource: "fake_thing".into(),
        identity: name.into(),
        body: config.clone(),
    };
    let ends = action == Action::Delete;
    PlanStep {
        number,
        resource: id,
        kind: "fake_thing".into(),
        identity: name.into(),
        provider: "fake.here".into(),
        action,
        part: None,
        reason: None,
        calls: vec![call],
        after: after.to_vec(),
        changes: Vec::new(),
        record: (!ends).then_some(template),
        before: None,
        config: (!ends).then_some(config),
        outputs: None,
        secret: Vec::new(),
        stateful: false,
        place: None,
        removal: None,
        deposed: None,
        moved_from: None,
    }
}

fn make(number: u32, name: &str, after: &[u32]) -> PlanStep {
    step(number, name, after, Action::Create, PlanValue::object([("size", PlanValue::int(1))]))
}

fn plan(state: &State, steps: Vec<PlanStep>) -> Plan {
    Plan {
        format_version: mlp_plan::FORMAT_VERSION,
        mlp_version: "0".into(),
        mode: Mode::Apply,
        project: "p".into(),
        environment: "e".into(),
        lineage: state.lineage.clone(),
        serial: state.serial,
        state_digest: state.digest(),
        spec_digest: String::new(),
        steps,
        drift: Vec::new(),
        events: Vec::new(),
        outputs: Vec::new(),
        deferred: Vec::new(),
        kept: Vec::new(),
        unchanged: Vec::new(),
        counts: Counts::default(),
        consequences: BTreeMap::new(),
        warnings: Vec::new(),
        context: mlp_plan::Context::default(),
        seal: String::new(),
    }
}

struct Bench {
    dir: tempfile::TempDir,
    fake: Arc<Fake>,
    options: Options,
}

impl Bench {
    fn new() -> Self {
        let mut options = Options::new(&[]);
        options.backoff = Duration::from_millis(1);
        options.retry_deadline = Duration::from_secs(20);
        Self { dir: tempfile::tempdir().unwrap(), fake: Arc::default(), options }
    }

    fn store(&self) -> DirStore {
        DirStore::new(self.dir.path(), "p", "e")
    }

    fn open(&self) -> Arc<dyn Writer> {
        Arc::from(self.store().open(&Holder::here()).unwrap())
    }

    async fn go(&self, steps: Vec<PlanStep>) -> Outcome {
        let journal = self.open();
        let plan = plan(&journal.loaded().state, steps);
        let outcome =
            execute(&plan, self.fake.clone(), journal.clone(), &self.options, Arc::new(Silent)).await;
        journal.close(outcome.word(), "").unwrap();
        outcome
    }

    fn names(&self) -> Vec<String> {
        self.store().read().unwrap().state.resources.keys().map(ToString::to_string).collect()
    }
}

#[tokio::test]
async fn steps_come_after_what_they_depend_on_and_side_by_side_otherwise() {
    let mut bench = Bench::new();
    bench.options.parallelism = 2;
    bench.fake.meets.lock().unwrap().extend(["a".to_owned(), "c".to_owned()]);
    let steps =
        vec![make(1, "a", &[]), make(2, "b", &[1]), make(3, "c", &[]), make(4, "d", &[]), make(5, "e", &[2])];
    let outcome = bench.go(steps).await;
    assert!(outcome.is_complete(), "{outcome:?}");
    let log = bench.fake.log();
    let at = |name: &str| log.iter().position(|line| line.ends_with(name)).unwrap();
    assert!(at("a") < at("b") && at("b") < at("e"), "{log:?}");
    assert_eq!(bench.fake.most.load(Ordering::SeqCst), 2);
    assert_eq!(bench.names(), ["thing.a", "thing.b", "thing.c", "thing.d", "thing.e"]);
}

#[tokio::test]
async fn a_failure_stops_only_what_depends_on_it() {
    let bench = Bench::new();
    bench.fake.fault("a", 1, ErrorClass::Denied, false);
    let outcome =
        bench.go(vec![make(1, "a", &[]), make(2, "b", &[1]), make(3, "c", &[2]), make(4, "d", &[])]).await;
    assert_eq!(outcome.done, [4]);
    assert_eq!(outcome.failed.len(), 1);
    let skipped: BTreeSet<_> = outcome.skipped.iter().map(|skipped| skipped.resource.to_string()).collect();
    assert_eq!(skipped, BTreeSet::from(["thing.b".to_owned(), "thing.c".to_owned()]));
    assert!(outcome.skipped.iter().all(|skipped| skipped.why == "thing.a failed"));
    assert_eq!(bench.names(), ["thing.d"]);
    assert!(bench.store().read().unwrap().unfinished.is_empty());
}

#[tokio::test]
async fn what_passes_is_tried_again_and_a_lost_answer_makes_nothing_twice() {
    let bench = Bench::new();
    bench.fake.fault("a", 3, ErrorClass::Throttled, false);
    bench.fake.fault("b", 1, ErrorClass::Transient, true);
    bench.fake.fault("c", 2, ErrorClass::Transient, false);
    let outcome = bench.go(vec![make(1, "a", &[]), make(2, "b", &[]), make(3, "c", &[])]).await;
    assert!(outcome.is_complete(), "{outcome:?}");
    let mut log = bench.fake.log();
    log.sort();
    assert_eq!(log, ["make a", "make b", "make c"]);
}

#[tokio::test]
async fn a_lost_answer_about_what_is_not_ours_stops_the_step() {
    let bench = Bench::new();
    bench.fake.foreign.lock().unwrap().insert("a".into());
    bench.fake.fault("a", 1, ErrorClass::Transient, true);
    let outcome = bench.go(vec![make(1, "a", &[])]).await;
    assert_eq!(outcome.failed[0].1.code, "MLP0652");
    assert!(bench.names().is_empty());
}

#[tokio::test]
async fn what_is_read_back_different_is_a_failure_and_tainted() {
    let bench = Bench::new();
    bench.fake.wrong.lock().unwrap().insert("a".into());
    let outcome = bench.go(vec![make(1, "a", &[])]).await;
    assert_eq!(outcome.failed[0].1.code, "MLP0655");
    let state = bench.store().read().unwrap().state;
    assert!(matches!(state.resources.values().next().unwrap().status, Status::Tainted { .. }));
}

#[tokio::test]
async fn holes_are_filled_from_the_outputs_of_earlier_steps() {
    let bench = Bench::new();
    let traversal = Traversal {
        root: "thing".into(),
        steps: vec![TraversalStep::Attr("a".into()), TraversalStep::Attr("url".into())],
    };
    let hole = Unknown::from(Later {
        ty: Type::String,
        not_null: true,
        prefix: None,
        residual: Box::new(Expr::new(Node::Traverse { traversal }, None)),
        after: vec!["thing.a".into()],
    });
    let config = PlanValue::object([("to", Value::Hole(hole))]);
    let outcome = bench.go(vec![make(1, "a", &[]), step(2, "b", &[1], Action::Create, config)]).await;
    assert!(outcome.is_complete(), "{outcome:?}");
    let objects = bench.fake.objects.lock().unwrap();
    assert_eq!(objects["b"].field("to").unwrap().as_text(), Some("http://a"));
}

#[tokio::test]
async fn a_delete_forgets() {
    let bench = Bench::new();
    assert!(bench.go(vec![make(1, "a", &[]), make(2, "b", &[])]).await.is_complete());
    let outcome = bench.go(vec![step(1, "a", &[], Action::Delete, PlanValue::Null)]).await;
    assert!(outcome.is_complete(), "{outcome:?}");
    assert_eq!(bench.names(), ["thing.b"]);
}

#[tokio::test]
async fn what_moved_is_renamed_and_nothing_is_called() {
    let bench = Bench::new();
    assert!(bench.go(vec![make(1, "a", &[])]).await.is_complete());
    let mut moved = make(1, "a", &[]);
    moved.resource = "thing.b".parse().unwrap();
    moved.action = Action::Move;
    moved.calls.clear();
    moved.moved_from = Some("thing.a".parse().unwrap());
    moved.record.as_mut().unwrap().id = moved.resource.clone();
    let outcome = bench.go(vec![moved]).await;
    assert!(outcome.is_complete(), "{outcome:?}");
    assert_eq!(bench.names(), ["thing.b"]);
    assert_eq!(bench.fake.log(), ["make a"]);
}

/// Half of a replacement whose new object comes first; it has another name.
fn replaced(name: &str, part: Part, mut step: PlanStep) -> PlanStep {
    step.action = Action::Replace;
    step.deposed = Some(mlp_plan::mlp_state::deposed(&step.resource, name));
    step.part = Some(part);
    if let (Part::New, Some(record)) = (part, &mut step.record) {
        record.identity = format!("{name}2");
        step.identity.clone_from(&record.identity);
        step.calls[0].identity.clone_from(&record.identity);
    }
    step
}

#[tokio::test]
async fn an_old_object_that_will_not_go_is_still_remembered() {
    let bench = Bench::new();
    assert!(bench.go(vec![make(1, "a", &[])]).await.is_complete());
    let aside = mlp_plan::mlp_state::deposed(&"thing.a".parse().unwrap(), "a");
    let new = replaced("a", Part::New, make(1, "a", &[]));
    let old = replaced("a", Part::Old, step(2, "a", &[1], Action::Delete, PlanValue::Null));
    bench.fake.fault("a", 1, ErrorClass::Denied, false);
    let outcome = bench.go(vec![new, old]).await;
    assert_eq!((outcome.done.as_slice(), outcome.failed.len()), (&[1][..], 1), "{outcome:?}");
    let state = bench.store().read().unwrap().state;
    let known: Vec<(String, &str)> =
        state.resources.values().map(|record| (record.id.to_string(), record.identity.as_str())).collect();
    assert_eq!(known, [("thing.a".to_owned(), "a2"), (aside.to_string(), "a")]);
}

#[tokio::test]
async fn a_plan_over_another_state_does_nothing() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut plan = plan(&journal.loaded().state, vec![make(1, "a", &[])]);
    plan.state_digest = "other".into();
    let outcome = execute(&plan, bench.fake.clone(), journal, &bench.options, Arc::new(Silent)).await;
    assert!(outcome.stale && bench.fake.log().is_empty(), "{outcome:?}");
}

#[tokio::test]
async fn the_first_wish_to_stop_starts_nothing_new_and_the_second_waits_for_nothing() {
    let mut bench = Bench::new();
    bench.options.cancel = Cancel::default();
    bench.options.cancel.request();
    let outcome = bench.go(vec![make(1, "a", &[])]).await;
    assert!(outcome.cancelled && outcome.skipped.len() == 1 && bench.fake.log().is_empty(), "{outcome:?}");

    bench.options.cancel = Cancel::default();
    bench.fake.hangs.lock().unwrap().insert("a".into());
    let cancel = bench.options.cancel.clone();
    let fake = bench.fake.clone();
    let stop = async move {
        while fake.log().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        cancel.request();
        cancel.request();
    };
    let (outcome, ()) = tokio::join!(bench.go(vec![make(1, "a", &[]), make(2, "b", &[1])]), stop);
    assert!(outcome.cancelled && outcome.skipped.len() == 2, "{outcome:?}");
    assert_eq!(bench.store().read().unwrap().unfinished.len(), 1);
}

/// Begins an apply and breaks it off when so many calls were made; the lease looks as if its process were gone.
async fn broken_off(bench: &Bench, steps: Vec<PlanStep>, calls: usize) {
    {
        let journal = bench.open();
        let plan = plan(&journal.loaded().state, steps);
        let run = execute(&plan, bench.fake.clone(), journal, &bench.options, Arc::new(Silent));
        let made = async {
            while bench.fake.log().len() < calls {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! { _ = run => panic!("it hangs"), () = made => {} }
    }
    let of_lease = |path: &std::path::PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("lease-"))
    };
    let files = std::fs::read_dir(bench.dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let path = files.filter(of_lease).max().unwrap();
    let mut lease: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    lease["holder"]["started"] = 1.into();
    std::fs::write(&path, lease.to_string()).unwrap();
}

#[tokio::test]
async fn after_a_crash_the_next_run_looks_and_converges() {
    let bench = Bench::new();
    bench.fake.hangs.lock().unwrap().insert("b".into());
    broken_off(&bench, vec![make(1, "a", &[]), make(2, "b", &[1])], 2).await;
    assert_eq!(bench.store().read().unwrap().unfinished.len(), 1);
    let journal = bench.open();
    let session: Arc<dyn Session> = bench.fake.clone();
    assert_eq!(settle(&session, &journal, &[]).await.unwrap(), 1);
    let loaded = journal.loaded();
    assert!(loaded.unfinished.is_empty());
    assert_eq!(loaded.state.resources.len(), 2);
    assert!(loaded.state.resources.values().all(|record| record.status == Status::Ready));
    assert_eq!(bench.fake.log().len(), 2);
}

#[tokio::test]
async fn what_is_on_its_way_to_be_ready_after_a_crash_is_not_remembered_as_how_it_should_be() {
    let mut bench = Bench::new();
    let fields = vec![Field::required("size", ""), Field::computed("running", "")];
    bench.options.kinds = vec![ResourceKind::new("fake_thing", "", fields)];
    bench.go(vec![make(1, "a", &[])]).await;
    bench.fake.hangs.lock().unwrap().extend(["a".to_owned(), "b".to_owned()]);
    bench.fake.starting.lock().unwrap().extend(["a".to_owned(), "b".to_owned()]);
    let size = PlanValue::object([("size", PlanValue::int(2))]);
    let steps = vec![step(1, "a", &[], Action::Update, size), make(2, "b", &[])];
    broken_off(&bench, steps, 3).await;
    let journal = bench.open();
    let session: Arc<dyn Session> = bench.fake.clone();
    assert_eq!(settle(&session, &journal, &bench.options.kinds).await.unwrap(), 2);
    let state = journal.loaded().state;
    let record = |id: &str| &state.resources[&id.parse().unwrap()];
    let a = record("thing.a");
    assert_eq!((a.applied.field("size"), a.status == Status::Ready), (Some(&KnownValue::int(2)), true));
    assert_eq!(a.applied.field("running"), Some(&KnownValue::Bool(true)));
    assert!(matches!(record("thing.b").status, Status::Tainted { .. }));
}

#[tokio::test]
async fn what_may_still_come_in_the_place_of_another_is_remembered_beside_it() {
    let bench = Bench::new();
    assert!(bench.go(vec![make(1, "a", &[])]).await.is_complete());
    bench.fake.hangs.lock().unwrap().insert("a2".into());
    broken_off(&bench, vec![replaced("a", Part::New, make(1, "a", &[]))], 2).await;
    assert_eq!(settled_unseen(&bench, "a2").await, [("a2".to_owned(), false), ("a".to_owned(), true)]);
}

#[tokio::test]
async fn what_may_still_come_in_the_place_of_what_is_gone_is_remembered() {
    let bench = Bench::new();
    assert!(bench.go(vec![make(1, "a", &[])]).await.is_complete());
    bench.fake.objects.lock().unwrap().remove("a");
    bench.fake.hangs.lock().unwrap().insert("a2".into());
    // Nothing is set aside: there is nothing left of it.
    let again = PlanStep { deposed: None, ..replaced("a", Part::New, make(1, "a", &[])) };
    broken_off(&bench, vec![again], 2).await;
    assert_eq!(settled_unseen(&bench, "a2").await, [("a2".to_owned(), false)]);
}

/// What is remembered after settling while the target does not show an object yet: names, and whether they are whole.
async fn settled_unseen(bench: &Bench, name: &str) -> Vec<(String, bool)> {
    bench.fake.objects.lock().unwrap().remove(name);
    let journal = bench.open();
    let session: Arc<dyn Session> = bench.fake.clone();
    assert_eq!(settle(&session, &journal, &[]).await.unwrap(), 1);
    let state = journal.loaded().state;
    let said = |record: &Arc<Record>| (record.identity.clone(), record.status == Status::Ready);
    state.resources.values().map(said).collect()
}
