//! What a plan would do, tried without any effect where the target can: what it would refuse is refused before anything is changed,
//! and what it would only make anew is planned so.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlp_diag::{Diagnostic, Diagnostics};
use mlp_plan::{Action, Plan, PlanStep};
use mlp_provider::{Call, ErrorClass, Session};
use mlp_value::ResourceId;
use tokio::task::JoinSet;

/// Calls that are tried at once.
const AT_ONCE: usize = 16;

/// What came of it.
#[derive(Default)]
pub(super) struct Rehearsed {
    /// What the target would refuse.
    pub refused: Diagnostics,
    /// What it cannot change and would make anew, with its reason.
    pub anew: BTreeMap<ResourceId, String>,
}

/// What the target says of the plan's calls: those that the credentials may not make, else those that it would refuse; nothing
/// where it cannot be asked.
pub(super) async fn rehearse(session: &Arc<dyn Session>, plan: &Plan) -> Rehearsed {
    if !session.rehearses() {
        return Rehearsed::default();
    }
    match forbidden(session, plan).await {
        forbidden if forbidden.is_empty() => tried_out(session, plan).await,
        refused => Rehearsed { refused, ..Rehearsed::default() },
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

async fn tried_out(session: &Arc<dyn Session>, plan: &Plan) -> Rehearsed {
    let _stage = mlp_trace::stage("rehearse");
    let mut open = plan.steps.iter().flat_map(tried);
    let mut running = JoinSet::new();
    let mut found: Vec<(ResourceId, Diagnostic)> = Vec::new();
    let mut anew = BTreeMap::new();
    loop {
        while running.len() < AT_ONCE
            && let Some((id, action, call)) = open.next()
        {
            let session = session.clone();
            running.spawn(async move {
                let error = session.rehearse(&call).await.err()?;
                // What is taken over is never made anew.
                let fixed = error.class == ErrorClass::Fixed && action != Action::Import;
                let placed = error.diagnostic.subject.is_some();
                let said = *error.diagnostic;
                Some((id.clone(), fixed, if placed { said } else { said.on(&id.address, "") }))
            });
        }
        match running.join_next().await {
            Some(Ok(Some((id, true, said)))) => drop(anew.insert(id, said.headline)),
            Some(Ok(Some((id, false, said)))) => found.push((id, said)),
            Some(Ok(None)) => {}
            // A task that broke off said why; what it would have found the apply finds.
            Some(Err(_)) => {}
            None => break,
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Rehearsed { refused: found.into_iter().map(|(_, diagnostic)| diagnostic).collect(), anew }
}

/// The calls of a step that can be tried before the others are made: all values known, and nothing deleted first.
fn tried(step: &PlanStep) -> impl Iterator<Item = (ResourceId, Action, Call)> {
    let alone = matches!(step.action, Action::Create | Action::Update | Action::Resize | Action::Import);
    let calls = step.calls.iter().filter(move |call| alone && !call.body.has_holes());
    calls.map(|call| (step.resource.clone(), step.action, call.clone()))
}
