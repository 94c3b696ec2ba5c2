//! What every native resource is asked.

use std::time::Duration;

use mlp_provider::mlp_eval::PlanValue;
use mlp_provider::mlp_value::{KnownValue, Value};
use mlp_provider::{
    CallKind, Change, Desired, Equality, ErrorClass, Event, Field, Observed, Ownership, Presence, Provider,
    ProviderError, Ready, Reporter, ResourceChange, ResourceKind, Seen, Session,
};

const TRIES: u32 = 2000;
const PAUSE: Duration = Duration::from_millis(5);

/// An object to ask a kind with.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The object; its configuration has no holes.
    pub desired: Desired,
    /// Fields to change in place afterwards, with their new values.
    pub change: Vec<(String, KnownValue)>,
    /// Texts of secrets behind it: no call may show them.
    pub secrets: Vec<String>,
}

/// A question that was not answered as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Native kind.
    pub kind: String,
    /// Which question.
    pub question: &'static str,
    /// What was found.
    pub found: String,
}

struct Quiet;

impl Reporter for Quiet {
    fn event(&self, _event: Event) {}
}

struct Asker<'a> {
    provider: &'a dyn Provider,
    session: &'a dyn Session,
    failures: Vec<Failure>,
}

/// Asks every kind of the provider the same questions; samples are made, changed and deleted in the order given, which
/// must be one in which each has what it needs.
pub async fn ask(provider: &dyn Provider, session: &dyn Session, samples: &[Sample]) -> Vec<Failure> {
    let mut asker = Asker { provider, session, failures: Vec::new() };
    for kind in provider.resources() {
        asker.table(kind);
        if !samples.iter().any(|sample| sample.desired.kind == kind.name) {
            asker.fail(&kind.name, "there is a sample of it", "none was given");
        }
    }
    for sample in samples {
        asker.life(sample).await;
    }
    asker.listed(samples, true).await;
    for sample in samples.iter().rev() {
        asker.death(sample).await;
    }
    asker.listed(samples, false).await;
    asker.failures
}

impl Asker<'_> {
    fn fail(&mut self, kind: &str, question: &'static str, found: impl Into<String>) {
        self.failures.push(Failure { kind: kind.to_owned(), question, found: found.into() });
    }

    fn table(&mut self, kind: &ResourceKind) {
        if kind.doc.trim().is_empty() {
            self.fail(&kind.name, "it is documented", "it is not");
        }
        for field in &kind.fields {
            if field.doc.trim().is_empty() {
                self.fail(&kind.name, "every field is documented", field.name.clone());
            }
            if let Change::Replace(reason) | Change::NewVersion(reason) = &field.change
                && reason.trim().is_empty()
            {
                self.fail(&kind.name, "every costly change has a reason", field.name.clone());
            }
        }
    }

    /// What the target lists as ours; a target that lists nothing is not asked.
    async fn listed(&mut self, samples: &[Sample], alive: bool) {
        match self.session.owned().await {
            Ok(None) => {}
            Ok(Some(listed)) => {
                let found = crate::ownership::check(&listed, self.provider.resources(), samples, alive);
                self.failures.extend(found);
            }
            Err(error) => {
                self.fail(self.provider.kind(), "it lists what is ours", error.diagnostic.headline.clone())
            }
        }
    }

    async fn life(&mut self, sample: &Sample) {
        let desired = &sample.desired;
        let Ok(first) = desired.config.known() else {
            self.fail(&desired.kind, "a sample has no holes", desired.id.to_string());
            return;
        };
        if !self.change(sample, CallKind::Create, None, Some(&desired.config)).await {
            return;
        }
        let Some(made) = self.look(sample, "what was made is there").await else { return };
        let (told, made) = (made.outputs, made.config);
        self.compare(sample, "what is read is what was asked for", &first, &made, &[]);
        if sample.change.is_empty() {
            return;
        }
        let mut fields = first.as_object().cloned().unwrap_or_default();
        fields.extend(sample.change.iter().map(|(name, value)| (name.as_str().into(), value.clone())));
        let second = KnownValue::object(fields);
        if !self.change(sample, CallKind::Update, Some(&made), Some(&second.lift())).await {
            return;
        }
        let Some(changed) = self.look(sample, "what was changed is there").await else { return };
        self.last(sample, &told, &changed.outputs);
        let changed = changed.config;
        self.compare(sample, "an update does what it was asked", &second, &changed, &[]);
        let touched: Vec<&str> = sample.change.iter().map(|(name, _)| name.as_str()).collect();
        self.compare(sample, "an update touches only what changed", &made, &changed, &touched);
    }

    /// Outputs that are said to last are after a change in place what they were before it.
    fn last(&mut self, sample: &Sample, before: &KnownValue, after: &KnownValue) {
        let kind = self.provider.resource(&sample.desired.kind);
        let changes = |field: &str| sample.change.iter().any(|(name, _)| name == field);
        for name in kind.into_iter().flat_map(|kind| kind.lasting(&changes)) {
            if before.field(name).is_none() || before.field(name) != after.field(name) {
                self.fail(&sample.desired.kind, "what lasts stays as it is", name.to_owned());
            }
        }
    }

    async fn death(&mut self, sample: &Sample) {
        let config = sample.desired.config.known().ok();
        if !self.change(sample, CallKind::Delete, config.as_ref(), None).await {
            return;
        }
        for _ in 0..TRIES {
            match self.session.read(&sample.desired.kind, &sample.desired.identity).await {
                Ok(Seen::Absent) => return,
                Ok(Seen::Present(_)) => tokio::time::sleep(PAUSE).await,
                Err(error) if passes(&error) => tokio::time::sleep(PAUSE).await,
                Err(error) => {
                    self.fail(&sample.desired.kind, "it can be read", error.diagnostic.headline.clone());
                    return;
                }
            }
        }
        self.fail(&sample.desired.kind, "what was deleted reads as absent", sample.desired.identity.clone());
    }

    /// Makes the calls of a change and waits until the object is ready.
    async fn change(
        &mut self,
        sample: &Sample,
        kind: CallKind,
        before: Option<&KnownValue>,
        after: Option<&PlanValue>,
    ) -> bool {
        let desired = &sample.desired;
        let calls = self.provider.calls(&ResourceChange {
            resource: desired.kind.clone(),
            identity: desired.identity.clone(),
            kind,
            before: before.cloned(),
            after: after.cloned(),
            takes_over: false,
        });
        for call in &calls {
            let shown = format!("{call:?} {}", serde_json::to_string(call).unwrap_or_default());
            if sample.secrets.iter().any(|secret| shown.contains(secret.as_str())) {
                self.fail(&desired.kind, "a secret never appears in a call", call.operation.clone());
            }
            if let Err(found) = self.perform(call).await {
                self.fail(&desired.kind, "its calls are accepted", format!("{}: {found}", call.operation));
                return false;
            }
        }
        kind == CallKind::Delete || self.ready(sample).await
    }

    async fn perform(&self, call: &mlp_provider::Call) -> Result<(), String> {
        for _ in 0..TRIES {
            match self.session.perform(call, &Quiet).await {
                Ok(()) => return Ok(()),
                Err(error) if !passes(&error) => return Err(error.diagnostic.headline.clone()),
                Err(_) => {}
            }
            // After a lost answer a create is only tried again when there is nothing.
            let seen = self.session.read(&call.resource, &call.identity).await;
            if call.kind == CallKind::Create && matches!(seen, Ok(Seen::Present(_))) {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err("it kept failing".to_owned())
    }

    async fn ready(&mut self, sample: &Sample) -> bool {
        let desired = &sample.desired;
        for _ in 0..TRIES {
            match self.session.ready(&desired.kind, &desired.identity).await {
                Ok(Ready::Yes | Ready::Underway(_)) => return true,
                Ok(Ready::Never(problem)) => {
                    self.fail(&desired.kind, "it becomes ready", problem.headline);
                    return false;
                }
                Ok(Ready::Wait(_)) | Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
        self.fail(&desired.kind, "it becomes ready", "it did not in time");
        false
    }

    async fn look(&mut self, sample: &Sample, question: &'static str) -> Option<Observed> {
        let desired = &sample.desired;
        for _ in 0..TRIES {
            match self.session.read(&desired.kind, &desired.identity).await {
                Ok(Seen::Present(observed)) => return Some(observed),
                Ok(Seen::Absent) => break,
                Err(error) if passes(&error) => tokio::time::sleep(PAUSE).await,
                Err(error) => {
                    self.fail(&desired.kind, question, error.diagnostic.headline.clone());
                    return None;
                }
            }
        }
        self.fail(&desired.kind, question, "nothing was read");
        None
    }

    /// Compares every field of `wanted` that can be compared, but for `except`.
    fn compare(
        &mut self,
        sample: &Sample,
        question: &'static str,
        wanted: &KnownValue,
        seen: &KnownValue,
        except: &[&str],
    ) {
        let kind = self.provider.resource(&sample.desired.kind).cloned();
        for (name, value) in
            wanted.as_object().into_iter().flatten().filter(|(name, _)| !except.contains(&&***name))
        {
            let Some(field) = kind.as_ref().and_then(|kind| kind.field(name)) else {
                self.fail(&sample.desired.kind, "every field stands in the table", name.to_string());
                continue;
            };
            let found = seen.field(name).unwrap_or(&Value::Null);
            if !is_theirs(field) && !same(&field.equality, value, found) {
                self.fail(&sample.desired.kind, question, name.to_string());
            }
        }
    }
}

fn is_theirs(field: &Field) -> bool {
    field.write_only || field.ownership == Ownership::Runtime || field.presence == Presence::Computed
}

fn same(equality: &Equality, left: &KnownValue, right: &KnownValue) -> bool {
    let sorted = |items: &[KnownValue]| {
        let mut texts: Vec<String> =
            items.iter().map(|item| serde_json::to_string(item).unwrap_or_default()).collect();
        texts.sort();
        texts
    };
    let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    match (equality, left, right) {
        (Equality::Unordered | Equality::Keyed(_), Value::List(left), Value::List(right)) => {
            sorted(left) == sorted(right)
        }
        (Equality::CaseInsensitive, Value::Text(left), Value::Text(right)) => {
            left.to_lowercase() == right.to_lowercase()
        }
        (Equality::Json, Value::Text(left), Value::Text(right)) => parsed(left) == parsed(right),
        (Equality::Float(tolerance), Value::Number(left), Value::Number(right)) => {
            let (left, right) = (left.to_f64(), right.to_f64());
            let near = tolerance.parse::<f64>().unwrap_or_default() * left.abs().max(right.abs());
            (left - right).abs() <= near
        }
        _ => left == right,
    }
}

fn passes(error: &ProviderError) -> bool {
    matches!(error.class, ErrorClass::Transient | ErrorClass::Throttled)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Crash, Faults, Sim, World};

    fn sample(name: &str, config: serde_json::Value, change: &[(&str, &str)]) -> Sample {
        let config = KnownValue::from_json(&config).unwrap().lift();
        let desired = Desired::new(format!("sim.{name}").parse().unwrap(), "sim_object", name, config);
        let change =
            change.iter().map(|(name, value)| ((*name).to_owned(), KnownValue::text(value))).collect();
        Sample { desired, change, secrets: vec!["hunter2".into()] }
    }

    fn samples() -> Vec<Sample> {
        vec![
            sample("x", serde_json::json!({"a": "1", "b": "2"}), &[("a", "3")]),
            sample("y", serde_json::json!({"c": "1", "needs": ["x"]}), &[("a", "3")]),
        ]
    }

    #[tokio::test]
    async fn the_fake_answers_every_question_whatever_befalls_it() {
        for seed in 0..50 {
            let world = World::default();
            let faults = if seed == 0 { Faults::default() } else { Faults::rough(seed) };
            world.misbehave(faults);
            let sim = Sim::new(&world);
            let session = sim.session(Arc::new(Crash::never()));
            assert_eq!(ask(&sim, &*session, &samples()).await, [], "seed {seed}");
            assert_eq!(world.violations(), [""; 0], "seed {seed}");
            assert!(world.objects().is_empty() && !world.calls().is_empty());
        }
    }

    #[tokio::test]
    async fn wrong_answers_are_told() {
        let world = World::default();
        let sim = Sim::new(&world);
        let session = sim.session(Arc::new(Crash::never()));
        let leaking = vec![sample("x", serde_json::json!({"a": "hunter2"}), &[])];
        let found = ask(&sim, &*session, &leaking).await;
        assert!(
            found.iter().any(|failure| failure.question == "a secret never appears in a call"),
            "{found:?}"
        );
        let unknown = vec![sample("x", serde_json::json!({"z": "1"}), &[])];
        let found = ask(&sim, &*session, &unknown).await;
        assert!(
            found.iter().any(|failure| failure.question == "every field stands in the table"),
            "{found:?}"
        );
        let found = ask(&sim, &*session, &[]).await;
        assert!(found.iter().any(|failure| failure.question == "there is a sample of it"), "{found:?}");
        let dead = sim.session(Arc::new(Crash::at(0, false)));
        let found = ask(&sim, &*dead, &samples()).await;
        assert!(found.iter().any(|failure| failure.question == "its calls are accepted"), "{found:?}");
    }
}
