//! What is told of objects between applies: how they are, and what their pods print.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{AsyncBufReadExt, StreamExt, TryStreamExt};
use kube::api::LogParams;
use kube::core::Request;
use mlp_provider::{ErrorClass, Event, LogQuery, Reporter, StatusEntry};
use serde_json::{Value as Json, json};

use crate::codes;
use crate::fault::{Fallible, failed, fault, helped};
use crate::mlp_value::ResourceId;
use crate::natives::Health;
use crate::pod::SUMMARY;
use crate::session::{Kubernetes, Place};
use crate::{marks, pods};

/// How long whoever follows a log waits before it is looked for what began meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

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
        let seen = match marks::health(place.native, &object) {
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
        let mut told: BTreeSet<(String, String, i64)> = BTreeSet::new();
        let mut reading = FuturesUnordered::new();
        loop {
            let pods = self.cluster.pods(place.namespace, &selector).await?;
            let parts = parts(&pods, query.part.as_deref());
            if parts.is_empty() && told.is_empty() {
                return Err(none(
                    format!("there is no pod of {} whose log is asked for", place.said()),
                    "see what is there with `mlp status`",
                ));
            }
            // What has not begun prints nothing yet: whoever follows hears it when it has.
            for part in parts.iter().filter(|part| part.begun) {
                if told.insert((part.pod.clone(), part.container.clone(), part.start)) {
                    let whose = (part.pod.clone(), part.container.clone());
                    reading.push(self.log(place, whose, query, reporter));
                }
            }
            let over = place.native.kind == "CronJob" && pods.iter().all(is_over);
            if !query.follow || over {
                while reading.next().await.transpose()?.is_some() {}
                return Ok(());
            }
            let pause = tokio::time::sleep(LOOK_AGAIN);
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    () = &mut pause => break,
                    Some(ended) = reading.next(), if !reading.is_empty() => {
                        // A pod that goes takes its log with it; the one that takes its place goes on.
                        if let Err(error) = ended {
                            reporter.event(Event::Line { subject: place.said(), text: error.diagnostic.headline });
                        }
                    }
                }
            }
            if reporter.cancelled() {
                return Ok(());
            }
        }
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
        (pod, container): (String, String),
        query: &LogQuery,
        reporter: &dyn Reporter,
    ) -> Fallible<()> {
        let params = LogParams {
            container: Some(container.clone()),
            follow: query.follow,
            tail_lines: query.tail.and_then(|lines| i64::try_from(lines).ok()),
            ..LogParams::default()
        };
        let url = format!("/api/v1/namespaces/{}/pods", place.namespace);
        let request = Request::new(url).logs(&pod, &params);
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

/// A container whose lines are asked for.
struct Part {
    pod: String,
    container: String,
    /// Whether it runs or ran.
    begun: bool,
    /// Which of its starts it is.
    start: i64,
}

/// The containers of pods, or those of the part that is named.
fn parts(pods: &[Json], wanted: Option<&str>) -> Vec<Part> {
    let is_it = |name: &str| wanted.is_none_or(|part| part == name);
    let mut all = Vec::new();
    for pod in pods {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        for (list, states) in
            [("initContainers", "initContainerStatuses"), ("containers", "containerStatuses")]
        {
            for container in pod["spec"][list].as_array().into_iter().flatten() {
                let own = container["name"].as_str().unwrap_or_default();
                if !is_it(own) && !is_it(name) {
                    continue;
                }
                let states = pod["status"][states].as_array();
                let state = states.and_then(|all| all.iter().find(|state| state["name"] == own));
                let is = |of: &str, what: &str| state.is_some_and(|state| !state[of][what].is_null());
                let ran = ["state", "lastState"].iter().any(|of| is(of, "terminated"));
                all.push(Part {
                    pod: name.to_owned(),
                    container: own.to_owned(),
                    begun: ran || is("state", "running"),
                    start: state.and_then(|state| state["restartCount"].as_i64()).unwrap_or(0),
                });
            }
        }
    }
    all
}

/// Whether a pod prints no more.
fn is_over(pod: &Json) -> bool {
    matches!(pod.pointer("/status/phase").and_then(Json::as_str), Some("Succeeded" | "Failed"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_begun_prints_nothing_yet() {
        let pod = json!({
            "metadata": {"name": "x-1"},
            "spec": {"initContainers": [{"name": "make"}], "containers": [{"name": "use"}]},
            "status": {
                "phase": "Pending",
                "initContainerStatuses": [{"name": "make", "state": {"running": {}}}],
                "containerStatuses": [{"name": "use", "state": {"waiting": {"reason": "PodInitializing"}}}],
            },
        });
        let said = |wanted: Option<&str>| -> Vec<(String, bool)> {
            let found = parts(std::slice::from_ref(&pod), wanted);
            found.into_iter().map(|part| (part.container, part.begun)).collect()
        };
        let (make, last) = (("make".to_owned(), true), ("use".to_owned(), false));
        assert_eq!(said(None), [make.clone(), last.clone()]);
        assert_eq!(said(Some("use")), std::slice::from_ref(&last));
        assert_eq!(said(Some("x-1")), [make, last]);
        assert_eq!(said(Some("other")), []);
        assert!(!is_over(&pod));
    }
}
