//! A provider over a [`World`].

use std::sync::Arc;
use std::time::Duration;

use mlp_provider::mlp_diag::{Blame, Diagnostic};
use mlp_provider::mlp_eval::PlanValue;
use mlp_provider::mlp_value::{KnownValue, ResourceId, Value};
use mlp_provider::{
    Call, CallKind, Desired, Equality, ErrorClass, Field, LogQuery, LowerInput, Lowered, Presence, Provider,
    ProviderError, Ready, Removal, Reporter, ResourceChange, ResourceKind, RunRequest, RunSummary, Seen,
    Session, StatusEntry, Support, Target,
};

use crate::chance::Fault;
use crate::{Crash, Moment, Stall, World};

/// A provider whose target is a [`World`]; its one kind is `sim_object`.
pub struct Sim {
    world: World,
    kinds: Vec<ResourceKind>,
}

impl Sim {
    /// A provider over that world.
    pub fn new(world: &World) -> Self {
        let fields = vec![
            Field::optional("a", "Changed in place."),
            Field::optional("b", "Fixed at birth.").replaces("it is fixed when the object is made"),
            Field::optional("c", "Content of a version.").new_version("versions do not change"),
            Field::optional("needs", "Identities that must be there.").equality(Equality::Unordered),
            Field::computed("tags", "Marks of the owner."),
        ];
        let kinds = vec![ResourceKind::new("sim_object", "An object in memory.", fields)];
        Self { world: world.clone(), kinds }
    }

    /// A session of a process that dies as `crash` says.
    pub fn session(&self, crash: Arc<Crash>) -> Arc<SimSession> {
        self.stalling(crash, Arc::new(Stall::never()))
    }

    /// A session of a process that may stand still, too.
    pub fn stalling(&self, crash: Arc<Crash>, stall: Arc<Stall>) -> Arc<SimSession> {
        let number = self.world.lock().session();
        Arc::new(SimSession { world: self.world.clone(), number, crash, stall })
    }

    /// Only what changes is sent; what is no longer asked for is sent as null.
    fn body(&self, change: &ResourceChange) -> PlanValue {
        let Some(after) = change.after.as_ref().and_then(Value::as_object) else { return Value::Null };
        let before = match change.kind {
            CallKind::Create | CallKind::Delete => None,
            CallKind::Update | CallKind::NewVersion => change.before.as_ref().and_then(Value::as_object),
        };
        let Some(before) = before else { return Value::object(after.clone()) };
        let mut body = after.clone();
        body.retain(|name, value| before.get(name).map(KnownValue::lift).as_ref() != Some(value));
        let kind = self.kinds.iter().find(|kind| kind.name == change.resource);
        for name in before.keys().filter(|name| !after.contains_key(*name)) {
            let field = kind.and_then(|kind| kind.field(name));
            if field.is_some_and(|field| field.presence != Presence::Computed) {
                body.insert(name.clone(), Value::Null);
            }
        }
        Value::object(body)
    }
}

#[async_trait::async_trait]
impl Provider for Sim {
    fn kind(&self) -> &'static str {
        "sim"
    }

    fn resources(&self) -> &[ResourceKind] {
        &self.kinds
    }

    fn support(&self, _kind: &str) -> Support {
        Support::Refused("the target in memory only has native objects")
    }

    fn lower(&self, _input: &LowerInput<'_>) -> Lowered {
        Lowered::default()
    }

    fn calls(&self, change: &ResourceChange) -> Vec<Call> {
        let operation = match change.kind {
            CallKind::Create => "create",
            CallKind::Update => "update",
            CallKind::NewVersion => "publish",
            CallKind::Delete => "delete",
        };
        vec![Call {
            operation: operation.to_owned(),
            kind: change.kind,
            resource: change.resource.clone(),
            identity: change.identity.clone(),
            body: self.body(change),
        }]
    }

    async fn connect(&self, _target: &Target) -> Result<Arc<dyn Session>, ProviderError> {
        Ok(self.session(Arc::new(Crash::never())))
    }
}

/// The doing half over a [`World`].
pub struct SimSession {
    world: World,
    /// Its number, and how many calls there were before it.
    number: (usize, usize),
    crash: Arc<Crash>,
    stall: Arc<Stall>,
}

fn error(class: ErrorClass, headline: impl Into<String>) -> ProviderError {
    ProviderError::new(class, Diagnostic::error("SIM0001", headline).blame(Blame::Provider))
}

fn dead() -> ProviderError {
    error(ErrorClass::Fatal, "this process is dead")
}

impl SimSession {
    /// What its calls are known by.
    pub fn number(&self) -> usize {
        self.number.0
    }

    /// The way of a question to the target, so that others overtake it.
    async fn travel(&self, operation: &str, identity: &str) {
        let way = {
            let mut inner = self.world.lock();
            let longest = inner.faults.travel;
            inner.dice(&format!("way of {operation}"), identity).below(longest + 1)
        };
        tokio::task::yield_now().await;
        if way > 0 {
            tokio::time::sleep(Duration::from_millis(way)).await;
        }
    }

    fn look<T>(&self, operation: &str, identity: &str, look: impl FnOnce() -> T) -> Result<T, ProviderError> {
        if self.crash.is_gone() {
            return Err(dead());
        }
        let fails = {
            let mut inner = self.world.lock();
            let percent = inner.faults.transient;
            inner.dice(operation, identity).percent(percent)
        };
        if fails { Err(error(ErrorClass::Transient, "the target did not answer")) } else { Ok(look()) }
    }
}

#[async_trait::async_trait]
impl Session for SimSession {
    async fn read(&self, _resource: &str, identity: &str) -> Result<Seen, ProviderError> {
        self.travel("read", identity).await;
        self.stall.pass().await;
        self.look("read", identity, || self.world.lock().look(identity))
    }

    async fn perform(&self, call: &Call, _reporter: &dyn Reporter) -> Result<(), ProviderError> {
        self.travel(&call.operation, &call.identity).await;
        let meant_before = !self.stall.goes();
        self.stall.pass().await;
        let Ok(body) = call.body.known() else {
            return Err(error(ErrorClass::Invalid, "the call has a hole"));
        };
        let moment = self.crash.act();
        if matches!(moment, Moment::Before | Moment::Dead) {
            return Err(dead());
        }
        let mut inner = self.world.lock();
        // What was meant before it stood still: a call says for which state of the object.
        if meant_before && self.stall.stood() && inner.is_contested(&call.identity, self.number) {
            return Err(error(ErrorClass::Conflict, "somebody else changed it meanwhile"));
        }
        let mut dice = inner.dice(&call.operation, &call.identity);
        let fault = inner.faults.of_call(&mut dice);
        match fault {
            Fault::Throttled => return Err(error(ErrorClass::Throttled, "too many calls")),
            Fault::Transient => return Err(error(ErrorClass::Transient, "the call did not arrive")),
            Fault::Lost | Fault::Twice | Fault::None => {}
        }
        // Whoever lost an answer has to look, and a target that hides what it made would leave no way to settle it.
        let lag = if fault == Fault::Lost { 0 } else { dice.below(inner.faults.stale + 1) };
        let slow = dice.below(inner.faults.slow + 1);
        let refused = |why: String| error(ErrorClass::Invalid, why);
        inner.effect((self.number.0, call), &body, lag, slow).map_err(refused)?;
        // A target tells the second delivery of a create by its number, and answers as to the first.
        if fault == Fault::Twice && call.kind != CallKind::Create {
            inner.effect((self.number.0, call), &body, lag, slow).map_err(refused)?;
        }
        match (moment, fault) {
            (Moment::After, _) => Err(dead()),
            (_, Fault::Lost) => Err(error(ErrorClass::Transient, "the answer was lost")),
            _ => Ok(()),
        }
    }

    async fn ready(&self, _resource: &str, identity: &str) -> Result<Ready, ProviderError> {
        self.travel("ready", identity).await;
        self.stall.pass().await;
        Ok(match self.look("ready", identity, || self.world.lock().is_ready(identity))? {
            Some(true) => Ready::Yes,
            Some(false) => Ready::Wait("starting".to_owned()),
            None => Ready::Never(error(ErrorClass::Fatal, "there is no such object").diagnostic),
        })
    }

    async fn removal(&self, _resource: &str, identity: &str) -> Result<Option<Removal>, ProviderError> {
        let found = self.world.objects().contains_key(identity);
        Ok(found.then(|| Removal { what: "1 object".to_owned(), bytes: 0 }))
    }

    async fn deferred(&self, _desired: &Desired) -> Result<bool, ProviderError> {
        Ok(false)
    }

    async fn run(&self, request: &RunRequest, _reporter: &dyn Reporter) -> Result<RunSummary, ProviderError> {
        Err(error(ErrorClass::Invalid, format!("{} cannot be run", request.identity)))
    }

    async fn status(
        &self,
        resources: &[(ResourceId, String, String)],
    ) -> Result<Vec<StatusEntry>, ProviderError> {
        let objects = self.world.objects();
        let entry = |(id, _, identity): &(ResourceId, String, String)| StatusEntry {
            id: id.clone(),
            state: if objects.contains_key(identity) { "ready" } else { "missing" }.to_owned(),
            lines: Vec::new(),
            detail: serde_json::Value::Null,
        };
        Ok(resources.iter().map(entry).collect())
    }

    async fn logs(&self, query: &LogQuery, _reporter: &dyn Reporter) -> Result<(), ProviderError> {
        Err(error(ErrorClass::Invalid, format!("{} has no logs", query.identity)))
    }

    async fn close_environment(&self) -> Result<Vec<String>, ProviderError> {
        Ok(Vec::new())
    }
}
