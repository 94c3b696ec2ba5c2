//! `local_endpoint`: a router and its replicas, run by the supervisor.

use std::path::Path;

use mlp_floor::serve::ReplicaState;
use mlp_provider::{Field, Removal, Reporter, ResourceKind};
use serde_json::{Value as Json, json};

use super::local_pipeline::keep_code;
use super::{Ground, Handler, Native, Observation, seen, with_common};
use crate::documents::Document;
use crate::fault::{Fallible, io};
use crate::mlp_value::KnownValue;
use crate::runtimes;
use crate::supervisor::client;

pub(super) struct Endpoint;

/// The lines of a file that holds secrets.
pub(crate) fn secret_lines(project: &Path, reference: &str) -> Fallible<Vec<String>> {
    let path = project.join(reference.trim_start_matches("file:"));
    let text = std::fs::read_to_string(&path).map_err(|error| io("read the secret in", &path, &error))?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// Keeps the code of what serves instead of the versions' own and builds its runtime; gives its digest and interpreter.
pub(super) fn keep_server(ground: &Ground, config: &KnownValue, reporter: &dyn Reporter) -> Fallible<Json> {
    let address = config.field("address").and_then(KnownValue::as_text).unwrap_or_default();
    let code = config.field("code").map(|code| keep_code(ground, code, address, "serve")).transpose()?;
    let runtime = config.field("runtime");
    if let Some(runtime) = runtime {
        runtimes::ensure(ground, runtime, reporter)?;
    }
    let interpreter = runtime.and_then(|runtime| runtimes::interpreter(ground, runtime));
    Ok(json!({ "code": code, "interpreter": interpreter }))
}

impl Native for Endpoint {
    fn name(&self) -> &'static str {
        "local_endpoint"
    }

    fn kind(&self) -> ResourceKind {
        let fields = with_common(vec![
            Field::required("port", "The port of the router."),
            Field::required("host", "The address the router listens on."),
            Field::required("protocol", "What it answers beside `/v1/predict`."),
            Field::required("follow", "Whether it follows aliases by itself."),
            Field::required("variant", "The models and their shares of the traffic, in basis points."),
            Field::optional("serve", "What serves, instead of what the version says."),
            Field::optional("code", "The code of what serves, instead of the version's own."),
            Field::optional("runtime", "The interpreter that serves, instead of the version's own."),
            Field::optional("secrets", "Where the secrets of the replicas are, by variable."),
            Field::optional("graph", "What each node takes, and what is answered."),
            Field::optional("timeout_ms", "How long an answer may take."),
            Field::optional("start_timeout_ms", "How long a replica may take to become ready."),
            Field::optional("slo", "What is promised, as the router measures it."),
            Field::optional("capture", "What is recorded, and the dataset it becomes."),
            Field::optional("auth", "Where the accepted keys are."),
            Field::optional("limits", "How much may be asked."),
            Field::optional("rollout", "How a new version takes over; at once where it is absent."),
            Field::computed("running", "`yes` while every variant has its replicas."),
        ]);
        ResourceKind::new(self.name(), "A router in front of supervised replicas.", fields)
            // Without a port of its own it has another one whenever it is started anew.
            .lasts("url", &["port", "host", "running"])
    }

    fn folder(&self) -> &'static str {
        "endpoints"
    }
}

impl Handler for Endpoint {
    fn realise(
        &self,
        ground: &Ground,
        _: Option<&Document>,
        config: &KnownValue,
        reporter: &dyn Reporter,
    ) -> Fallible<Json> {
        // With `follow = "plan"` the versions of this moment stay, whatever the aliases do.
        let pinned = if config.field("follow").and_then(KnownValue::as_text) == Some("plan") {
            crate::supervisor::pin(&ground.place, config)?
        } else {
            Json::Null
        };
        let mut resolved = keep_server(ground, config, reporter)?;
        resolved["pinned"] = pinned;
        resolved["directory"] = ground.target.directory.as_str().into();
        Ok(resolved)
    }

    fn observe(&self, ground: &Ground, document: &Document) -> Fallible<Observation> {
        let mut seen = seen("yes");
        let status = client::endpoint(&ground.target, document).ok().flatten();
        let running = status.as_ref().is_some_and(|status| {
            status.document == document.digest
                && status.error.is_none()
                && status.state.as_ref().is_some_and(|state| {
                    // A version on its way is no matter of a plan.
                    state.variants.iter().filter(|variant| variant.of.is_none()).all(|variant| {
                        !variant.replicas.is_empty()
                            && variant.replicas.iter().all(|replica| replica.state == ReplicaState::Ready)
                    })
                })
        });
        seen.computed.insert("running", KnownValue::text(if running { "yes" } else { "no" }));
        let host = document.config.field("host").and_then(KnownValue::as_text).unwrap_or("127.0.0.1");
        let asked =
            document.config.field("port").and_then(KnownValue::as_number).and_then(|port| port.to_i64());
        let bound = status.and_then(|status| status.state).map(|state| i64::from(state.port));
        if let Some(port) = bound.or(asked.filter(|port| *port != 0)) {
            seen.outputs.insert("url", KnownValue::text(format!("http://{host}:{port}")));
        }
        Ok(seen)
    }

    fn remove(&self, _: &Ground, _: &Document) -> Fallible<()> {
        Ok(())
    }

    fn removal(&self, ground: &Ground, document: &Document) -> Fallible<Option<Removal>> {
        let status =
            client::endpoint(&ground.target, document).ok().flatten().and_then(|status| status.state);
        let count: usize =
            status.iter().flat_map(|state| &state.variants).map(|variant| variant.replicas.len()).sum();
        let plural = if count == 1 { "" } else { "es" };
        Ok((count > 0).then(|| Removal { what: format!("{count} process{plural}"), bytes: 0 }))
    }
}
