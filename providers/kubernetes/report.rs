//! What is told of objects between applies: how they are, and what their pods print.

use futures_util::{AsyncBufReadExt, TryStreamExt};
use kube::api::LogParams;
use kube::core::Request;
use mlp_provider::{ErrorClass, Event, LogQuery, Reporter, StatusEntry};
use serde_json::{Value as Json, json};

use crate::codes;
use crate::fault::{Fallible, failed, fault, helped};
use crate::mlp_value::ResourceId;
use crate::natives::Health;
use crate::pod::SUMMARY;
use crate::pods;
use crate::session::{Kubernetes, Place};

impl Kubernetes {
    pub(crate) async fn status_of(&self, id: &ResourceId, place: Place<'_>) -> Fallible<StatusEntry> {
        let entry = |state: &str, lines: Vec<String>, detail: Json| StatusEntry {
            id: id.clone(),
            state: state.to_owned(),
            lines,
            detail,
        };
        let Some(object) = self.get(place).await? else {
            return Ok(entry("missing", vec![format!("{} is not there", place.said())], Json::Null));
        };
        let detail = json!({
            "kind": place.native.kind, "namespace": place.namespace, "name": place.name, "status": object["status"],
        });
        let seen = match place.native.health(&object) {
            Health::Ready => {
                return Ok(match self.floor_status(id, place, &object).await? {
                    Some(floor) => floor,
                    None => entry("ready", described(place, &object), detail),
                });
            }
            Health::Going(why) | Health::Failed(why) => {
                let look = pods::look(&self.cluster, place, &object).await?;
                [vec![format!("{}: {why}", place.said())], look.lines].concat()
            }
        };
        Ok(entry("degraded", seen, detail))
    }

    pub(crate) async fn logs_of(&self, query: &LogQuery, reporter: &dyn Reporter) -> Fallible<()> {
        let place = self.place(&query.resource, &query.identity)?;
        let of_job = |run: &str| format!("batch.kubernetes.io/job-name={run}");
        let selector = match (place.native.kind, &query.run) {
            ("Deployment", None) => self.get(place).await?.as_ref().and_then(pods::selector),
            ("CronJob", Some(run)) => Some(of_job(run)),
            ("CronJob", None) => self.last_run(place).await?.as_deref().map(of_job),
            _ => None,
        };
        let none =
            |headline: String, help: &str| helped(fault(ErrorClass::Invalid, codes::NO_LOGS, headline), help);
        let Some(selector) = selector else {
            return Err(none(
                format!("{} prints nothing", place.said()),
                "name an endpoint, or a pipeline that ran",
            ));
        };
        let pods = self.cluster.pods(place.namespace, &selector).await?;
        let wanted = |name: &str| query.part.as_deref().is_none_or(|part| part == name);
        let mut found = Vec::new();
        for pod in &pods {
            for list in ["initContainers", "containers"] {
                for container in pod["spec"][list].as_array().into_iter().flatten() {
                    let name = container["name"].as_str().unwrap_or_default();
                    let pod = pod["metadata"]["name"].as_str().unwrap_or_default();
                    found.extend((wanted(name) || wanted(pod)).then(|| (pod.to_owned(), name.to_owned())));
                }
            }
        }
        if found.is_empty() {
            return Err(none(
                format!("there is no pod of {} whose log is asked for", place.said()),
                "see what is there with `mlp status`",
            ));
        }
        let reading = found.iter().map(|(pod, container)| self.log(place, (pod, container), query, reporter));
        futures_util::future::try_join_all(reading).await.map(drop)
    }

    async fn last_run(&self, place: Place<'_>) -> Fallible<Option<String>> {
        let selector = format!("{}={}", crate::run::RUN_OF, place.name);
        let url = format!("/apis/batch/v1/namespaces/{}/jobs", place.namespace);
        let jobs = self.cluster.list(&url, "list jobs", Some(&selector)).await?;
        let text = |job: &Json, name: &str| job["metadata"][name].as_str().unwrap_or_default().to_owned();
        let last = jobs.iter().max_by_key(|job| text(job, "creationTimestamp"));
        Ok(last.map(|job| text(job, "name")))
    }

    /// The lines of one container, as they come.
    async fn log(
        &self,
        place: Place<'_>,
        (pod, container): (&str, &str),
        query: &LogQuery,
        reporter: &dyn Reporter,
    ) -> Fallible<()> {
        let params = LogParams {
            container: Some(container.to_owned()),
            follow: query.follow,
            tail_lines: query.tail.and_then(|lines| i64::try_from(lines).ok()),
            ..LogParams::default()
        };
        let url = format!("/api/v1/namespaces/{}/pods", place.namespace);
        let request = Request::new(url).logs(pod, &params);
        let request =
            request.map_err(|error| fault(ErrorClass::Invalid, codes::NO_LOGS, error.to_string()))?;
        let what = format!("read the log of pod {pod}");
        let stream =
            self.cluster.client()?.request_stream(request).await.map_err(|error| failed(&what, error))?;
        let mut lines = Box::pin(stream).lines();
        let broken = |error: std::io::Error| {
            fault(ErrorClass::Fatal, codes::NO_LOGS, format!("the log of pod {pod} broke off: {error}"))
        };
        while let Some(text) = lines.try_next().await.map_err(broken)? {
            // For programs, and told by `runs`.
            if text.starts_with(SUMMARY) {
                continue;
            }
            reporter.event(Event::Line { subject: format!("{pod}/{container}"), text });
            if reporter.cancelled() {
                break;
            }
        }
        Ok(())
    }
}

/// What a person wants to know of an object that is well.
fn described(place: Place<'_>, object: &Json) -> Vec<String> {
    let number = |path: &str| object.pointer(path).and_then(Json::as_i64);
    let text = |path: &str| object.pointer(path).and_then(Json::as_str);
    let more = match place.native.kind {
        "Deployment" => number("/status/availableReplicas").map(|count| format!("{count} pods are ready")),
        "PersistentVolumeClaim" => text("/status/capacity/storage")
            .map(|size| format!("{size} in {}", text("/spec/volumeName").unwrap_or(""))),
        "CronJob" => Some(match (object.pointer("/spec/suspend"), text("/status/lastScheduleTime")) {
            (Some(Json::Bool(true)), _) => "it has no schedule".to_owned(),
            (_, Some(last)) => format!("last started {last}"),
            (_, None) => format!("{}, not started yet", text("/spec/schedule").unwrap_or_default()),
        }),
        _ => None,
    };
    [Some(place.said()), more].into_iter().flatten().collect()
}
