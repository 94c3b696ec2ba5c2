//! One answer of several models: the nodes of a graph are asked as soon as what they need is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use tokio::task::JoinSet;

use super::client::Client;
use super::graph::{Answers, GraphSpec, Mismatch, Values};
use super::refusal::Refusal;
use super::router::{read_predictions, send};
use super::routing::Routing;

/// Asks all nodes; those that do not need each other at the same time. The first that fails ends the others.
pub(super) async fn compose(
    client: &Client,
    routing: &Arc<Routing>,
    graph: &GraphSpec,
    rows: &[&RawValue],
) -> Result<Values, Refusal> {
    let mut answers = Answers::new();
    let mut begun = BTreeSet::new();
    let mut asked = JoinSet::new();
    loop {
        for (name, feed) in &graph.nodes {
            if begun.contains(name) || !feed.needs().all(|needed| answers.contains_key(needed)) {
                continue;
            }
            begun.insert(name);
            let rows = feed.rows(rows, &answers).map_err(lacking)?;
            asked.spawn(ask(client.clone(), Arc::clone(routing), name.clone(), rows));
        }
        match asked.join_next().await {
            None => break,
            Some(Ok((name, outcome))) => {
                answers.insert(name.clone(), outcome.map_err(|refusal| refusal.of_node(&name))?);
            }
            // Only a task that was ended from outside has no outcome: the endpoint is ending.
            Some(Err(_)) => return Err(Refusal::new(503, "unavailable", "the endpoint is ending")),
        }
    }
    graph.output.answer(rows, &answers).map_err(lacking)
}

fn lacking(mismatch: Mismatch) -> Refusal {
    let text = format!("node `{}`: {}", mismatch.node, mismatch.message);
    Refusal::new(502, "bad_answer", text).of_node(&mismatch.node)
}

async fn ask(
    client: Client,
    routing: Arc<Routing>,
    name: String,
    rows: Values,
) -> (String, Result<Values, Refusal>) {
    let outcome = predictions(&client, &routing, &name, &rows).await;
    (name, outcome)
}

async fn predictions(
    client: &Client,
    routing: &Routing,
    name: &str,
    rows: &Values,
) -> Result<Values, Refusal> {
    let started = Instant::now();
    let Some((variant, target)) = routing.node(name) else {
        let text = format!("no replica of node `{name}` is ready");
        return Err(Refusal::new(503, "unavailable", text).retry_after(Duration::from_secs(1)));
    };
    let body = serde_json::to_vec(&BTreeMap::from([("rows", rows)]))
        .map_err(|error| Refusal::new(500, "bad_rows", error.to_string()))?;
    let (variant, ticket, outcome) = send(client, routing, variant, target, body.into()).await;
    let outcome = read_predictions(&variant.spec, outcome, rows.len());
    let status = outcome.as_ref().map_or_else(|refusal| refusal.status, |_| 200);
    ticket.answered(status, started.elapsed());
    outcome
}
