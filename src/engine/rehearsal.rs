//! What a plan would do, tried without any effect where the target can: what it would refuse is refused before anything is changed.

use std::sync::Arc;

use mlp_diag::{Diagnostic, Diagnostics};
use mlp_plan::{Action, Plan, PlanStep};
use mlp_provider::{Call, Session};
use mlp_value::ResourceId;
use tokio::task::JoinSet;

/// Calls that are tried at once.
const AT_ONCE: usize = 16;

/// What the target says of the plan's calls: those that the credentials may not make, else those that it would refuse; nothing
/// where it cannot be asked.
pub(super) async fn rehearse(session: &Arc<dyn Session>, plan: &Plan) -> Diagnostics {
    if !session.rehearses() {
        return Vec::new();
    }
    match forbidden(session, plan).await {
        forbidden if forbidden.is_empty() => tried_out(session, plan).await,
        forbidden => forbidden,
    }
}

async fn forbidden(session: &Arc<dyn Session>, plan: &Plan) -> Diagnostics {
    let calls: Vec<(&ResourceId, &Call)> = plan
        .steps
        .iter()
        .flat_map(|step| step.calls.iter().map(move |call| (&step.resource, call)))
        .collect();
    if calls.is_empty() {
        return Vec::new();
    }
    session.refused(&calls).await.unwrap_or_else(|error| vec![*error.diagnostic])
}

async fn tried_out(session: &Arc<dyn Session>, plan: &Plan) -> Diagnostics {
    let _stage = mlp_trace::stage("rehearse");
    let mut open = plan.steps.iter().flat_map(tried);
    let mut running = JoinSet::new();
    let mut found: Vec<(ResourceId, Diagnostic)> = Vec::new();
    loop {
        while running.len() < AT_ONCE
            && let Some((id, call)) = open.next()
        {
            let session = session.clone();
            running.spawn(async move {
                let refused = session.rehearse(&call).await.err()?.diagnostic;
                let placed = refused.subject.is_some();
                let refused = if placed { *refused } else { refused.on(&id.address, "") };
                Some((id, refused))
            });
        }
        match running.join_next().await {
            Some(Ok(said)) => found.extend(said),
            // A task that broke off said why; what it would have found the apply finds.
            Some(Err(_)) => {}
            None => break,
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found.into_iter().map(|(_, diagnostic)| diagnostic).collect()
}

/// The calls of a step that can be tried before the others are made: all values known, and nothing deleted first.
fn tried(step: &PlanStep) -> impl Iterator<Item = (ResourceId, Call)> {
    let alone = matches!(step.action, Action::Create | Action::Update | Action::Resize | Action::Import);
    let calls = step.calls.iter().filter(move |call| alone && !call.body.has_holes());
    calls.map(|call| (step.resource.clone(), call.clone()))
}
