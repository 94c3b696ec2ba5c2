//! One step: fill, journal, call, settle, wait, read back, remember.

use std::sync::{Arc, Mutex, PoisonError};

use mlp_plan::mlp_provider::mlp_diag::{Blame, Diagnostic};
use mlp_plan::mlp_provider::mlp_eval::{PlanValue, Unknown};
use mlp_plan::mlp_provider::mlp_value::{Address, KnownValue, ResourceId, Value};
use mlp_plan::mlp_provider::{
    Call, CallKind, ErrorClass, Event, Observed, Owner, ProviderError, Ready, Reporter, ResourceKind, Seen,
    Session,
};
use mlp_plan::mlp_state::{Entry, Record, State, Status, Writer};
use mlp_plan::{Action, OutputScope, PlanStep};

use crate::retry::{Backoff, passes};
use crate::{ApplyEvent, ApplyReporter, Options, codes, compare};

type Result<T> = std::result::Result<T, Box<Diagnostic>>;

/// What all steps share.
pub(crate) struct Shared {
    pub session: Arc<dyn Session>,
    pub journal: Arc<dyn Writer>,
    pub reporter: Arc<dyn ApplyReporter>,
    pub options: Options,
    /// What is remembered, kept here too so that no step copies all of it.
    pub state: Mutex<State>,
    /// Whether an address has resources in the plan: what has none is never given by another step.
    pub planned: std::collections::BTreeSet<Address>,
    pub plan_digest: String,
}

/// A value with its holes filled, and the fields that only the target can tell.
struct Filled {
    value: KnownValue,
    given: Vec<String>,
}

struct Forward<'a> {
    shared: &'a Shared,
    resource: &'a ResourceId,
}

impl Reporter for Forward<'_> {
    fn event(&self, event: Event) {
        self.shared.reporter.event(ApplyEvent::Provider { resource: self.resource.clone(), event });
    }

    fn cancelled(&self) -> bool {
        self.shared.options.cancel.requests() > 1
    }
}

impl Shared {
    fn kind(&self, name: &str) -> Option<&ResourceKind> {
        self.options.kinds.iter().find(|kind| kind.name == name)
    }

    fn is_in_state(&self, step: &PlanStep) -> bool {
        self.kind(&step.kind).is_some_and(|kind| kind.in_state)
    }

    fn outputs(&self, address: &Address) -> Option<PlanValue> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.outputs(address).map(|outputs| outputs.lift())
    }

    fn retrying(&self, step: &PlanStep, error: &ProviderError) {
        let why = error.diagnostic.headline.clone();
        self.reporter.event(ApplyEvent::Retry { resource: step.resource.clone(), why });
    }

    /// Appends to the journal and keeps our copy in step with it.
    fn remember(&self, step: u32, call: u32, put: Option<Record>, remove: Option<ResourceId>) -> Result<()> {
        let put = put.map(Arc::new);
        let entry = Entry::Done { step, call, put: put.clone(), remove: remove.clone() };
        self.journal.append(&entry).map_err(Box::new)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = remove {
            state.remove(&id);
        }
        if let Some(record) = put {
            state.put(record);
        }
        Ok(())
    }

    /// What is remembered so far is remembered under the step's own id from now on.
    fn renamed(&self, step: &PlanStep, from: &ResourceId) -> Result<()> {
        let entry = Entry::Move { step: step.number, from: from.clone(), to: step.resource.clone() };
        self.journal.append(&entry).map_err(Box::new)?;
        self.state.lock().unwrap_or_else(PoisonError::into_inner).rename(from, &step.resource);
        Ok(())
    }

    /// The old object is remembered beside the one that is about to be made.
    fn depose(&self, step: &PlanStep, deposed: &ResourceId) -> Result<()> {
        let current = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.resources.get(&step.resource).cloned()
        };
        let Some(current) = current else { return Ok(()) };
        // What needs it needs its successor by now, and whether it is whole no longer matters.
        let old = Record { id: deposed.clone(), status: Status::Ready, ..Record::clone(&current) };
        self.remember(step.number, DEPOSING, Some(old), None)
    }

    /// Fills every hole; one that waits for nothing that has resources is left to the target and becomes null.
    fn fill(&self, step: &PlanStep, value: &PlanValue) -> Result<Filled> {
        let outputs = |address: &Address| self.outputs(address);
        let scope = OutputScope::new(&outputs);
        let filled = scope.fill(value).map_err(|problems| {
            let broken =
                || Diagnostic::error(codes::HOLE, "a value cannot be computed").blame(Blame::Internal);
            let first = problems.into_iter().next().unwrap_or_else(broken);
            Box::new(if first.subject.is_none() { first.on(&step.resource, "") } else { first })
        })?;
        let mut given = Vec::new();
        for (name, field) in filled.as_object().into_iter().flatten() {
            if field.has_holes() {
                given.push(name.to_string());
            }
        }
        let value = filled.fill(&mut |hole: &Unknown| self.left_to_target(step, hole))?;
        Ok(Filled { value, given })
    }

    fn left_to_target(&self, step: &PlanStep, hole: &Unknown) -> Result<KnownValue> {
        let other = |text: &&String| {
            text.parse::<Address>().is_ok_and(|address| {
                address != step.resource.address
                    && (self.planned.contains(&address) || self.outputs(&address).is_some())
            })
        };
        match hole.after.iter().find(other) {
            None => Ok(Value::Null),
            Some(address) => Err(Box::new(
                Diagnostic::error(
                    codes::HOLE,
                    format!("a value of {} is not known after {address}", step.resource),
                )
                .on(&step.resource, "")
                .help(format!("see that {address} is applied and gives this value, then apply again")),
            )),
        }
    }
}

/// Stands for no call of a step, but for what is remembered before the first.
const DEPOSING: u32 = u32::MAX - 1;

/// Carries out one step. What goes wrong is said of its resource, unless it is known more exactly.
pub(crate) async fn carry_out(shared: &Shared, step: &PlanStep) -> Result<()> {
    let _task = mlp_trace::task("step", || step.resource.to_string());
    attempt(shared, step).await.map_err(|problem| {
        let placed = problem.subject.is_some() || !problem.labels.is_empty();
        if placed { problem } else { Box::new(problem.on(&step.resource, "")) }
    })
}

async fn attempt(shared: &Shared, step: &PlanStep) -> Result<()> {
    let gate = shared.options.gate.as_ref().filter(|_| step.record.is_some());
    if let Some(problem) = gate.and_then(|gate| gate.refuses(step, &|address| shared.outputs(address))) {
        return Err(Box::new(problem));
    }
    if let Some(from) = &step.moved_from {
        shared.renamed(step, from)?;
    }
    if let (Some(deposed), Some(_)) = (&step.deposed, &step.record) {
        shared.depose(step, deposed)?;
    }
    match (&step.record, &step.config) {
        (Some(_), Some(config)) => {
            let asked = shared.fill(step, config)?;
            make(shared, step, &asked).await
        }
        (Some(_), None) => make(shared, step, &Filled { value: Value::Null, given: Vec::new() }).await,
        (None, _) => end(shared, step).await,
    }
}

fn is_new(step: &PlanStep) -> bool {
    matches!(step.action, Action::Create | Action::Replace | Action::NewVersion)
}

async fn make(shared: &Shared, step: &PlanStep, asked: &Filled) -> Result<()> {
    if shared.is_in_state(step) {
        return keep(shared, step, asked).await;
    }
    let last = step.calls.len().saturating_sub(1);
    let outputs = || step.outputs.clone().unwrap_or_else(|| Value::object::<&str>([]));
    let tainted = |reason: &str| Status::Tainted { reason: reason.to_owned() };
    let record =
        |status| step.record.as_ref().map(|template| template.record(asked.value.clone(), outputs(), status));
    for (index, call) in (0u32..).zip(&step.calls) {
        let status = if index as usize == last { Status::Ready } else { tainted("it was made in part") };
        journalled(shared, step, index, call, record(status).map(Arc::new)).await?;
        // Until it was read back, something new counts as half made, and something old as it was.
        let half = is_new(step).then(|| record(tainted("it was made and never became ready"))).flatten();
        shared.remember(step.number, index, half, None)?;
    }
    if !step.calls.is_empty() {
        until_ready(shared, step).await?;
    }
    let observed = match read(shared, step).await? {
        Seen::Present(observed) => observed,
        Seen::Absent => return Err(gone(step)),
    };
    let kind = shared.kind(&step.kind);
    let different: Vec<String> = compare::differences(kind, &asked.value, &observed.config)
        .into_iter()
        .filter(|name| !asked.given.contains(name))
        .collect();
    if !step.calls.is_empty() && !different.is_empty() {
        return Err(read_back(step, &different, asked, &observed));
    }
    let base = if asked.value.is_null() { &observed.config } else { &asked.value };
    let applied = compare::applied(kind, base, &asked.given, &observed.config);
    let done = step.record.as_ref().map(|template| template.record(applied, observed.outputs, Status::Ready));
    shared.remember(step.number, u32::try_from(last).unwrap_or(u32::MAX), done, None)
}

/// What nothing is made of outside needs no `begin`: remembering it is all that is done.
async fn keep(shared: &Shared, step: &PlanStep, asked: &Filled) -> Result<()> {
    let mut outputs = step.outputs.clone().unwrap_or_else(|| Value::object::<&str>([]));
    if let Some(call) = step.calls.first() {
        let call = Call { body: asked.value.lift(), ..call.clone() };
        let before = step.outputs.as_ref().filter(|_| !is_new(step));
        let told = shared.session.remember(&call, before, &call_key(shared, step, 0)).await;
        outputs = told.map_err(|error| error.diagnostic)?;
    }
    let record = step.record.as_ref();
    let done = record.map(|template| template.record(asked.value.clone(), outputs, Status::Ready));
    shared.remember(step.number, 0, done, None)
}

/// What names one call of one plan, and no other.
fn call_key(shared: &Shared, step: &PlanStep, index: u32) -> String {
    format!("{}-{}-{index}", shared.plan_digest.get(..16).unwrap_or_default(), step.number)
}

async fn end(shared: &Shared, step: &PlanStep) -> Result<()> {
    let ended = step.deposed.as_ref().unwrap_or(&step.resource).clone();
    if shared.is_in_state(step) {
        return shared.remember(step.number, 0, None, Some(ended));
    }
    let last = step.calls.len().saturating_sub(1);
    for (index, call) in (0u32..).zip(&step.calls) {
        journalled(shared, step, index, call, None).await?;
        if (index as usize) < last {
            shared.remember(step.number, index, None, None)?;
        }
    }
    if !step.calls.is_empty() {
        until_gone(shared, step).await?;
    }
    shared.remember(step.number, u32::try_from(last).unwrap_or(u32::MAX), None, Some(ended))
}

/// One call between its `begin` and what came of it.
async fn journalled(
    shared: &Shared,
    step: &PlanStep,
    index: u32,
    call: &Call,
    record: Option<Arc<Record>>,
) -> Result<()> {
    let body = shared.fill(step, &call.body)?.value;
    let call = Call { body: body.lift(), ..call.clone() };
    let json = serde_json::to_vec(&call).map_err(|error| broken(step, &error.to_string()))?;
    let begin = Entry::Begin {
        step: step.number,
        call: index,
        // What ends after its successor was made is remembered beside it.
        resource: match (&step.deposed, &step.record) {
            (Some(deposed), None) => deposed.clone(),
            _ => step.resource.clone(),
        },
        operation: call.operation.clone(),
        call_digest: blake3::hash(&json).to_hex().to_string(),
        key: call_key(shared, step, index),
        record,
    };
    begin_call(shared, step, begin).await?;
    match perform(shared, step, &call).await {
        Ok(()) => Ok(()),
        Err((diagnostic, uncertain)) => {
            let message = diagnostic.headline.clone();
            let failed = Entry::Failed { step: step.number, call: index, message, uncertain };
            shared.journal.append(&failed).map_err(Box::new)?;
            Err(diagnostic)
        }
    }
}

async fn begin_call(shared: &Shared, step: &PlanStep, begin: Entry) -> Result<()> {
    if !shared.journal.begin_waits() {
        return shared.journal.begin(&begin).map_err(Box::new);
    }
    let journal = shared.journal.clone();
    let begun = tokio::task::spawn_blocking(move || journal.begin(&begin)).await;
    begun.map_err(|error| broken(step, &error.to_string()))?.map_err(Box::new)
}

/// Makes a call until it succeeds or cannot; with the error, whether it may have happened all the same.
async fn perform(
    shared: &Shared,
    step: &PlanStep,
    call: &Call,
) -> std::result::Result<(), (Box<Diagnostic>, bool)> {
    let mut backoff = Backoff::new(&step.identity, shared.options.backoff, shared.options.retry_deadline);
    let forward = Forward { shared, resource: &step.resource };
    loop {
        let error = match shared.session.perform(call, &forward).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let uncertain = error.class == ErrorClass::Transient;
        if !passes(&error) {
            return Err((error.diagnostic, false));
        }
        // A new version of what is there already cannot be told from the old by its name; it is content-addressed, so it is
        // simply made again.
        let creates = call.kind == CallKind::Create;
        if uncertain && creates && was_made(shared, step, call).await.map_err(|problem| (problem, true))? {
            return Ok(());
        }
        shared.retrying(step, &error);
        if !backoff.wait().await {
            return Err((given_up(step, *error.diagnostic), uncertain));
        }
        // The wait may have outlasted the lease, and whoever has it now may have done this already.
        shared.journal.renew().map_err(|problem| (Box::new(problem), uncertain))?;
    }
}

/// Whether a create of which the answer was lost has happened.
async fn was_made(shared: &Shared, step: &PlanStep, call: &Call) -> Result<bool> {
    match read_object(shared, step, &call.resource, &call.identity).await? {
        Seen::Absent => Ok(false),
        Seen::Present(Observed { owner: Owner::Mine, .. }) => Ok(true),
        Seen::Present(_) => Err(Box::new(
            Diagnostic::error(
                codes::NOT_OURS,
                format!("`{}` exists and does not carry our marks", call.identity),
            )
            .on(&step.resource, "")
            .blame(Blame::Provider)
            .note("the answer to the call that makes it was lost, so it cannot be told who made it")
            .help("delete the object if it is not needed, or give the declaration another name"),
        )),
    }
}

async fn read(shared: &Shared, step: &PlanStep) -> Result<Seen> {
    read_object(shared, step, &step.kind, &step.identity).await
}

async fn read_object(shared: &Shared, step: &PlanStep, kind: &str, identity: &str) -> Result<Seen> {
    let mut backoff = Backoff::new(&step.identity, shared.options.backoff, shared.options.retry_deadline);
    loop {
        match shared.session.read(kind, identity).await {
            Ok(seen) => return Ok(seen),
            Err(error) if !passes(&error) => return Err(error.diagnostic),
            Err(error) => {
                shared.retrying(step, &error);
                if !backoff.wait().await {
                    return Err(given_up(step, *error.diagnostic));
                }
            }
        }
    }
}

async fn until_ready(shared: &Shared, step: &PlanStep) -> Result<()> {
    let deadline = || Backoff::new(&step.identity, shared.options.backoff, shared.options.ready_timeout);
    let mut waits = deadline();
    let mut said = String::new();
    let tell = |said: &mut String, hint: String| {
        if hint != *said {
            said.clone_from(&hint);
            shared.reporter.event(ApplyEvent::Waiting { resource: step.resource.clone(), hint });
        }
    };
    loop {
        match shared.session.ready(&step.kind, &step.identity).await {
            Ok(Ready::Yes) => return Ok(()),
            Ok(Ready::Never(problem)) => return Err(problem),
            Ok(Ready::Wait(hint)) => tell(&mut said, hint),
            Ok(Ready::Underway(_))
                if !shared.options.follow_through || shared.options.cancel.requests() > 0 =>
            {
                return Ok(());
            }
            Ok(Ready::Underway(hint)) => {
                tell(&mut said, hint);
                // It takes as long as the specification says, and serves meanwhile.
                waits = deadline();
            }
            Err(error) if !passes(&error) => return Err(error.diagnostic),
            Err(error) => shared.retrying(step, &error),
        }
        if !waits.wait().await {
            let seconds = shared.options.ready_timeout.as_secs();
            let headline = format!("{} did not become ready within {seconds} s", step.resource);
            let late = Diagnostic::error(codes::NOT_READY, headline)
                .on(&step.resource, "")
                .blame(Blame::Provider)
                .help("look at its logs with `mlp logs`; applying again is safe");
            return Err(Box::new(if said.is_empty() {
                late
            } else {
                late.note(format!("it was last: {said}"))
            }));
        }
    }
}

async fn until_gone(shared: &Shared, step: &PlanStep) -> Result<()> {
    let mut waits = Backoff::new(&step.identity, shared.options.backoff, shared.options.ready_timeout);
    while read(shared, step).await? != Seen::Absent {
        if !waits.wait().await {
            let headline = format!("{} is still there after it was deleted", step.resource);
            return Err(Box::new(
                Diagnostic::error(codes::STILL_THERE, headline)
                    .on(&step.resource, "")
                    .blame(Blame::Provider)
                    .help("see what still uses it, then apply again"),
            ));
        }
    }
    Ok(())
}

fn given_up(step: &PlanStep, cause: Diagnostic) -> Box<Diagnostic> {
    let mut problem = Diagnostic::error(codes::DEADLINE, format!("{}: {}", step.resource, cause.headline))
        .blame(Blame::Provider)
        .note("it was tried again until the deadline")
        .help(
            cause.help.clone().unwrap_or_else(|| "apply again once the target answers; that is safe".into()),
        );
    problem.labels = cause.labels;
    problem.notes.extend(cause.notes);
    problem.subject = cause.subject;
    Box::new(if problem.subject.is_none() { problem.on(&step.resource, "") } else { problem })
}

fn gone(step: &PlanStep) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::error(codes::GONE, format!("{} is not there after it was applied", step.resource))
            .on(&step.resource, "")
            .blame(Blame::Provider)
            .help("see whether something else deletes it, then apply again"),
    )
}

fn read_back(step: &PlanStep, different: &[String], asked: &Filled, observed: &Observed) -> Box<Diagnostic> {
    let headline = format!("{} was read back different: {}", step.resource, different.join(", "));
    let mut problem = Diagnostic::error(codes::READ_BACK, headline)
        .on(&step.resource, different.first().map_or("", String::as_str))
        .blame(Blame::Provider)
        .help("apply again; if it stays, something else changes it or the target does not do what it says");
    for name in different.iter().filter(|name| !step.secret.contains(name)) {
        let text = |value: &KnownValue| match value.field(name) {
            Some(value) => serde_json::to_string(value).unwrap_or_default(),
            None => "nothing".to_owned(),
        };
        let note = format!("{name}: asked for {}, found {}", text(&asked.value), text(&observed.config));
        problem = problem.note(note);
    }
    Box::new(problem)
}

fn broken(step: &PlanStep, why: &str) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::error(codes::BROKEN, format!("{} broke off: {why}", step.resource))
            .on(&step.resource, "")
            .blame(Blame::Internal)
            .help("apply again; that is safe"),
    )
}
