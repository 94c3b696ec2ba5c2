//! Apply a plan; and `up`: apply, run the pipelines that fill what is missing, apply again.

use std::collections::BTreeSet;
use std::sync::Arc;

use mlp_apply::{ApplyReporter, Cancel, Options, Outcome, execute, settle};
use mlp_diag::{Diagnostic, Diagnostics};
use mlp_plan::Plan;
use mlp_provider::{Provider, Reporter, RunRequest, RunSummary, Session};
use mlp_state::{Entry, Holder, Writer, rfc3339, unix_now};
use mlp_value::ResourceId;

use super::Planned;

/// Who watches: one thing that hears of applies and of runs.
#[derive(Clone)]
pub struct Watcher {
    /// Of applies.
    pub apply: Arc<dyn ApplyReporter>,
    /// Of runs.
    pub run: Arc<dyn Reporter>,
    /// The wish to stop.
    pub cancel: Cancel,
    /// Who asked.
    pub who: String,
    /// On which commit.
    pub commit: Option<String>,
}

/// How much at once, and how long.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Steps at once.
    pub parallelism: usize,
    /// Whether to wait for rollouts.
    pub follow_through: bool,
}

/// Applies a plan under the lease, journalled.
///
/// # Errors
/// The lease is held by somebody else, or the journal cannot be written. What failed of the plan is in the outcome.
pub async fn apply(
    planned: &Planned,
    provider: &dyn Provider,
    command: &str,
    pace: Pace,
    watcher: &Watcher,
) -> Result<Outcome, Diagnostics> {
    let _stage = mlp_trace::stage("apply");
    let one = |diagnostic: Diagnostic| vec![diagnostic];
    let writer: Arc<dyn Writer> = Arc::from(planned.store.open(&holder(&watcher.who)).map_err(one)?);
    let session = planned.session_of(provider, &writer.loaded().state.lineage).await?;
    let when = rfc3339(unix_now());
    let apply = format!("{when}-{}", writer.token());
    writer
        .append(&Entry::Open {
            apply: apply.clone(),
            who: watcher.who.clone(),
            command: command.to_owned(),
            when,
            plan_digest: planned.plan.digest(),
            commit: watcher.commit.clone(),
        })
        .map_err(one)?;
    let directory = std::path::Path::new(&planned.target.directory);
    planned.made.keep(&*planned.store, directory, &planned.vault, &apply).map_err(one)?;
    let heartbeat = tokio::spawn({
        let writer = writer.clone();
        async move {
            // A lease that was lost shows at the next journal entry, which is refused.
            while writer.renew().is_ok() {
                tokio::time::sleep(writer.heartbeat()).await;
            }
        }
    });
    let mut options = Options::new(provider.resources());
    options.parallelism = pace.parallelism.max(1);
    options.follow_through = pace.follow_through;
    options.cancel = watcher.cancel.clone();
    options.gate = Some(planned.conditions.before.clone());
    let mut outcome = execute(&planned.plan, session, writer.clone(), &options, watcher.apply.clone()).await;
    heartbeat.abort();
    if outcome.is_complete() {
        outcome.problems.extend(planned.conditions.violated(&writer.loaded().state));
    }
    writer.close(word(&outcome), &summary(&planned.plan, &outcome)).map_err(one)?;
    Ok(outcome)
}

/// Settles, under the lease, what an apply that broke off left unknown: what was planned before is then to be planned again,
/// since other things are remembered now.
///
/// # Errors
/// The lease is held by somebody else, or the target does not tell what became of a call.
pub async fn settle_left(planned: &Planned, provider: &dyn Provider, who: &str) -> Result<(), Diagnostics> {
    let one = |diagnostic: Diagnostic| vec![diagnostic];
    let writer: Arc<dyn Writer> = Arc::from(planned.store.open(&holder(who)).map_err(one)?);
    let session = planned.session_of(provider, &writer.loaded().state.lineage).await?;
    let when = rfc3339(unix_now());
    writer
        .append(&Entry::Open {
            apply: format!("{when}-{}", writer.token()),
            who: who.to_owned(),
            command: "settle".to_owned(),
            when,
            plan_digest: String::new(),
            commit: None,
        })
        .map_err(one)?;
    let settled = settle(&session, &writer, &Options::new(provider.resources()).kinds).await;
    let (word, count) = match &settled {
        Ok(count) => ("done", *count),
        Err(_) => ("failed", 0),
    };
    writer.close(word, &format!("{count} calls of an apply that broke off were settled")).map_err(one)?;
    settled.map(drop)
}

/// This process, of the user in `user@host`.
fn holder(who: &str) -> Holder {
    Holder::of(who.split('@').next().unwrap_or(who))
}

fn word(outcome: &Outcome) -> &'static str {
    if outcome.stale {
        "stale"
    } else if outcome.cancelled {
        "cancelled"
    } else if outcome.failed.is_empty() && outcome.problems.is_empty() {
        "applied"
    } else {
        "partly applied"
    }
}

fn summary(plan: &Plan, outcome: &Outcome) -> String {
    format!(
        "{} of {} steps done, {} failed, {} not started",
        outcome.done.len(),
        plan.steps.len(),
        outcome.failed.len(),
        outcome.skipped.len()
    )
}

/// What running the missing pipelines came to.
#[derive(Debug, Default)]
pub struct Converged {
    /// The runs, in order.
    pub runs: Vec<RunSummary>,
    /// What could not be started.
    pub problems: Diagnostics,
}

/// Runs what fills the deferred resources of a plan, each once.
pub async fn converge(planned: &Planned, already: &mut BTreeSet<ResourceId>, watcher: &Watcher) -> Converged {
    let mut converged = Converged::default();
    let fillers: BTreeSet<ResourceId> =
        planned.plan.deferred.iter().flat_map(|deferred| deferred.filled_by.iter().cloned()).collect();
    for id in fillers {
        if watcher.run.cancelled() || !already.insert(id.clone()) {
            continue;
        }
        let Some(desired) = planned.desired.iter().find(|desired| desired.id == id) else { continue };
        match run(&*planned.session, &id, &desired.kind, &desired.identity, watcher).await {
            Ok(summary) => converged.runs.push(summary),
            Err(diagnostic) => converged.problems.push(*diagnostic),
        }
    }
    converged
}

async fn run(
    session: &dyn Session,
    id: &ResourceId,
    kind: &str,
    identity: &str,
    watcher: &Watcher,
) -> Result<RunSummary, Box<Diagnostic>> {
    let request = RunRequest {
        resource: kind.to_owned(),
        identity: identity.to_owned(),
        id: id.clone(),
        params: std::collections::BTreeMap::new(),
        who: watcher.who.clone(),
        commit: watcher.commit.clone(),
        fresh: false,
        steps: Vec::new(),
    };
    session.run(&request, &*watcher.run).await.map_err(|error| error.diagnostic)
}

/// The state of something that could run and never did.
const NEVER_RUN: &str = "never run";

/// Runs what can run by itself and never did: batch endpoints.
///
/// # Errors
/// The target did not say how things are.
pub async fn first_runs(planned: &Planned, watcher: &Watcher) -> Result<Converged, Diagnostics> {
    let of_batch = |desired: &&mlp_provider::Desired| &*desired.id.address.kind == "endpoint";
    let resources: Vec<(ResourceId, String, String)> = planned
        .desired
        .iter()
        .filter(of_batch)
        .map(|desired| (desired.id.clone(), desired.kind.clone(), desired.identity.clone()))
        .collect();
    let entries = planned.session.status(&resources).await.map_err(|error| vec![*error.diagnostic])?;
    let mut converged = Converged::default();
    for entry in entries.iter().filter(|entry| entry.state == NEVER_RUN) {
        let Some(desired) = planned.desired.iter().find(|desired| desired.id == entry.id) else { continue };
        match run(&*planned.session, &entry.id, &desired.kind, &desired.identity, watcher).await {
            Ok(summary) => converged.runs.push(summary),
            Err(diagnostic) => converged.problems.push(*diagnostic),
        }
    }
    Ok(converged)
}
