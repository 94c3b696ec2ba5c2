//! A run of a pipeline: a Job made of the CronJob that holds it, watched to its end.
//!
//! The steps are the containers of one pod, one after another, so that a run that has started needs nobody outside the cluster.

use std::collections::{BTreeMap, BTreeSet};

use kube::api::LogParams;
use mlp_provider::{ErrorClass, Event, Reporter, RunEntry, RunRequest, RunSummary, StepSummary};
use serde_json::{Value as Json, json};

use crate::ask::floor_of;
use crate::codes;
use crate::fault::{Fallible, fault, helped};
use crate::lower::floor::FLOOR;
use crate::lower::params::{PARAMS, text_of, variable};
use crate::mlp_diag::{Blame, Diagnostic, one_of};
use crate::natives::job::ended;
use crate::pod::{GIVEN, Given, SUMMARY};
use crate::pods;
use crate::session::{Kubernetes, Place};

/// How long one look at a run waits for news, in seconds.
const NEWS: u32 = 3;
/// The pipeline a run is of, and who asked.
pub(crate) const RUN_OF: &str = "mlp.dev/run-of";
const WHO: &str = "mlp.dev/who";
const COMMIT: &str = "mlp.dev/commit";

fn jobs(namespace: &str) -> String {
    format!("/apis/batch/v1/namespaces/{namespace}/jobs")
}

fn text<'j>(object: &'j Json, path: &str) -> &'j str {
    object.pointer(path).and_then(Json::as_str).unwrap_or_default()
}

/// Seconds between two times of the cluster; to now where the second is not there yet.
fn seconds(from: &str, to: &str) -> f64 {
    let parse = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let Some(from) = parse(from) else { return 0.0 };
    let to = parse(to).unwrap_or_else(jiff::Timestamp::now);
    to.duration_since(from).as_secs_f64().max(0.0)
}

impl Kubernetes {
    pub(crate) async fn run_once(
        &self,
        request: &RunRequest,
        reporter: &dyn Reporter,
    ) -> Fallible<RunSummary> {
        let place = self.place(&request.resource, &request.identity)?;
        if place.native.kind != "CronJob" {
            let headline = format!("{} cannot be run", place.said());
            return Err(helped(fault(ErrorClass::Invalid, codes::RUN, headline), "name a pipeline"));
        }
        let Some(cron) = self.get(place).await? else {
            let headline = format!("{} is not there", place.said());
            return Err(helped(fault(ErrorClass::Invalid, codes::RUN, headline), "apply first: `mlp apply`"));
        };
        if !request.steps.is_empty() && floor_of(&cron).is_none() {
            let headline = "single steps cannot be run in a cluster".to_owned();
            let error = fault(ErrorClass::Invalid, codes::RUN, headline);
            return Err(helped(error, "run the whole pipeline, or try its steps out in a local environment"));
        }
        let job = job_of(&cron, place, request)?;
        let what = format!("start Job {}/{}", place.namespace, text(&job, "/metadata/name"));
        let job = self.cluster.create(&jobs(place.namespace), &job, &what).await?;
        self.follow(place, job, request, reporter).await
    }

    async fn follow(
        &self,
        place: Place<'_>,
        mut job: Json,
        request: &RunRequest,
        reporter: &dyn Reporter,
    ) -> Fallible<RunSummary> {
        let url = jobs(place.namespace);
        let name = text(&job, "/metadata/name").to_owned();
        let mut steps = Steps::default();
        let mut cancelled = false;
        loop {
            let pods =
                self.cluster.pods(place.namespace, &format!("batch.kubernetes.io/job-name={name}")).await?;
            self.tell(place, &pods, &mut steps, reporter).await;
            if ended(&job).is_some() || cancelled {
                return Ok(self.summary(&job, &pods, steps, request, cancelled).await);
            }
            if reporter.cancelled() {
                cancelled = true;
                let uid = text(&job, "/metadata/uid").to_owned();
                self.cluster.delete(&url, &name, &uid, &format!("end Job {name}")).await?;
                continue;
            }
            let over = |now: &Json| ended(now).is_some();
            self.cluster.until(&url, &job, NEWS, &over).await?;
            match self.cluster.get_at(&url, &name, &format!("read Job {name}")).await? {
                Some(now) => job = now,
                None => {
                    let headline = format!("Job {}/{name} was deleted while it ran", place.namespace);
                    return Err(fault(ErrorClass::Fatal, codes::RUN, headline));
                }
            }
        }
    }

    /// Says which steps began and ended since the last look, and what those that ended wrote.
    async fn tell(&self, place: Place<'_>, pods: &[Json], steps: &mut Steps, reporter: &dyn Reporter) {
        for pod in pods {
            for status in statuses(pod) {
                let (step, pod_name) = (text(status, "/name"), text(pod, "/metadata/name"));
                let key = (pod_name.to_owned(), step.to_owned());
                let running = !status["state"]["running"].is_null();
                let over = &status["state"]["terminated"];
                if (running || !over.is_null()) && steps.begun.insert(key.clone()) {
                    reporter.event(Event::Started { subject: step.to_owned() });
                }
                if over.is_null() || !steps.over.insert(key) {
                    continue;
                }
                let params = LogParams { container: Some(step.to_owned()), ..LogParams::default() };
                match self.cluster.logs(place.namespace, pod_name, &params).await {
                    Ok(log) => log.lines().for_each(|line| match line.strip_prefix(SUMMARY) {
                        Some(told) => steps.floor = serde_json::from_str(told).ok(),
                        None => {
                            reporter.event(Event::Line { subject: step.to_owned(), text: line.to_owned() });
                        }
                    }),
                    Err(error) => steps.unread.push(error.diagnostic.headline.clone()),
                }
                let summary = step_summary(over);
                let good = summary.status == "succeeded";
                let text = if good { String::new() } else { summary.reason.clone() };
                reporter.event(Event::Finished { subject: step.to_owned(), text, good });
                steps.summaries.insert(step.to_owned(), summary);
            }
        }
    }

    async fn summary(
        &self,
        job: &Json,
        pods: &[Json],
        steps: Steps,
        request: &RunRequest,
        cancelled: bool,
    ) -> RunSummary {
        if let Some(floor) = steps.floor {
            return RunSummary { run: text(job, "/metadata/name").to_owned(), ..floor };
        }
        let (status, why) = ended(job).unwrap_or(("cancelled", String::new()));
        let started = text(job, "/status/startTime").to_owned();
        let over = text(job, "/status/completionTime");
        let mut problems = Vec::new();
        if status == "failed" {
            let headline = format!("the run failed: {why}");
            let mut look = pods::Look::default();
            if let Some(pod) = pods.last() {
                // What the pod does not tell any more takes nothing from what the Job says.
                let _ = pods::add(&self.cluster, pod, &mut look).await;
            }
            let problem = Diagnostic::error(codes::RUN, headline).blame(Blame::User).on(&request.id, "");
            problems.push(look.lines.into_iter().fold(problem, Diagnostic::note));
        }
        RunSummary {
            run: text(job, "/metadata/name").to_owned(),
            id: request.id.clone(),
            status: if cancelled { "cancelled" } else { status }.to_owned(),
            seconds: seconds(&started, over),
            started,
            steps: steps.summaries,
            results: steps.unread,
            metrics: BTreeMap::new(),
            problems,
        }
    }

    pub(crate) async fn runs_of(&self, address: Option<&str>, limit: u32) -> Fallible<Vec<RunEntry>> {
        let mut selector = crate::marks::selector(&self.target);
        selector = format!("{selector},{RUN_OF}");
        let namespace = &self.cluster.namespace;
        let all = self
            .cluster
            .list(&jobs(namespace), &format!("list jobs in {namespace}"), Some(&selector))
            .await?;
        let mut entries: Vec<RunEntry> = all.iter().map(entry).collect();
        entries.retain(|entry| address.is_none_or(|address| entry.id == address));
        entries.sort_by(|a, b| b.started.cmp(&a.started));
        entries.truncate(limit as usize);
        Ok(entries)
    }
}

fn entry(job: &Json) -> RunEntry {
    let (status, why) = ended(job).unwrap_or(("running", String::new()));
    let annotation =
        |name: &str| job["metadata"]["annotations"][name].as_str().unwrap_or_default().to_owned();
    let who = annotation(WHO);
    let started = text(job, "/metadata/creationTimestamp").to_owned();
    RunEntry {
        run: text(job, "/metadata/name").to_owned(),
        id: annotation("mlp.dev/pipeline"),
        status: status.to_owned(),
        seconds: seconds(&started, text(job, "/status/completionTime")),
        started,
        why,
        cause: if who.is_empty() { "schedule".to_owned() } else { String::new() },
        who,
    }
}

/// What is known of the steps of a run.
#[derive(Default)]
struct Steps {
    begun: BTreeSet<(String, String)>,
    over: BTreeSet<(String, String)>,
    summaries: BTreeMap<String, StepSummary>,
    /// Logs that could not be read.
    unread: Vec<String>,
    /// What the floor says of the whole run, where it did it.
    floor: Option<RunSummary>,
}

fn statuses(pod: &Json) -> impl Iterator<Item = &Json> {
    let all = ["/status/initContainerStatuses", "/status/containerStatuses"];
    all.into_iter().filter_map(|path| pod.pointer(path)?.as_array()).flatten()
}

fn step_summary(over: &Json) -> StepSummary {
    let code = over["exitCode"].as_i64().unwrap_or(0);
    let reason = text(over, "/reason");
    StepSummary {
        status: if code == 0 { "succeeded" } else { "failed" }.to_owned(),
        reason: if code == 0 { String::new() } else { format!("it ended with status {code} ({reason})") },
        seconds: seconds(text(over, "/startedAt"), text(over, "/finishedAt")),
    }
}

/// The Job of one run.
fn job_of(cron: &Json, place: Place<'_>, request: &RunRequest) -> Fallible<Json> {
    let template = &cron["spec"]["jobTemplate"];
    let mut job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": template["metadata"],
        "spec": template["spec"],
    });
    give_params(&mut job, request)?;
    if !job["metadata"]["annotations"][FLOOR].is_null() {
        give_all(&mut job, request);
    }
    let now = jiff::Timestamp::now();
    let digest = blake3::hash(format!("{now} {} {}", std::process::id(), request.who).as_bytes()).to_hex();
    let metadata = &mut job["metadata"];
    metadata["name"] = json!(format!("{}-{}", place.name, digest.get(..8).unwrap_or_default()));
    metadata["namespace"] = json!(place.namespace);
    // The run goes with its pipeline.
    metadata["ownerReferences"] = json!([{
        "apiVersion": "batch/v1", "kind": "CronJob", "name": place.name, "uid": cron["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true,
    }]);
    metadata["annotations"]["cronjob.kubernetes.io/instantiate"] = json!("manual");
    metadata["annotations"][WHO] = json!(request.who);
    if let Some(commit) = &request.commit {
        metadata["annotations"][COMMIT] = json!(commit);
    }
    Ok(job)
}

/// Puts the values that were given for this run in the place of the pipeline's own.
fn give_params(job: &mut Json, request: &RunRequest) -> Fallible<()> {
    let written = job["metadata"]["annotations"][PARAMS].as_str().unwrap_or("{}");
    let known: BTreeMap<String, Vec<String>> = serde_json::from_str(written).unwrap_or_default();
    for (name, value) in &request.params {
        let Some(takers) = known.get(name) else {
            let headline = format!("the pipeline has no parameter `{name}`");
            let help = one_of(name, known.keys().map(String::as_str));
            return Err(helped(fault(ErrorClass::Invalid, codes::RUN, headline), help));
        };
        for list in ["initContainers", "containers"] {
            let all = job["spec"]["template"]["spec"][list].as_array_mut();
            for container in all.into_iter().flatten() {
                if takers.iter().any(|taker| container["name"] == taker.as_str()) {
                    set(container, &variable("PARAM", name), &text_of(value));
                }
            }
        }
    }
    Ok(())
}

/// What the floor is given for this run.
fn give_all(job: &mut Json, request: &RunRequest) {
    let given = Given {
        params: request.params.clone(),
        who: request.who.clone(),
        commit: request.commit.clone(),
        fresh: request.fresh,
        steps: request.steps.clone(),
    };
    let text = serde_json::to_string(&given).unwrap_or_default();
    let container = &mut job["spec"]["template"]["spec"]["containers"][0];
    if let Some(variables) = container["env"].as_array_mut() {
        variables.push(json!({ "name": GIVEN, "value": text }));
    }
}

fn set(container: &mut Json, variable: &str, value: &str) {
    for one in container["env"].as_array_mut().into_iter().flatten() {
        if one["name"] == variable {
            one["value"] = json!(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mlp_value::KnownValue;

    fn request(params: &[(&str, KnownValue)]) -> RunRequest {
        RunRequest {
            resource: "kubernetes_cron_job".into(),
            identity: "cron_job/ml/p".into(),
            id: "pipeline.p".parse().unwrap(),
            params: params.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            who: "ann@host".into(),
            commit: None,
            fresh: false,
            steps: Vec::new(),
        }
    }

    #[test]
    fn a_run_is_a_job_with_the_parameters_that_were_given() {
        let cron = json!({"metadata": {"uid": "u"}, "spec": {"jobTemplate": {
            "metadata": {"labels": {RUN_OF: "p"}, "annotations": {PARAMS: "{\"lr\":[\"fit\"]}"}},
            "spec": {"template": {"spec": {"containers": [
                {"name": "fit", "env": [{"name": "MLP_PARAM_lr", "value": "0.1"}]},
                {"name": "own", "env": [{"name": "MLP_PARAM_lr", "value": "7"}]},
            ]}}},
        }}});
        let native = crate::natives::native("kubernetes_cron_job").unwrap();
        let place = Place { native, namespace: "ml", name: "p" };
        let job = job_of(&cron, place, &request(&[("lr", KnownValue::text("0.2"))])).unwrap();
        let value = |at: usize| job["spec"]["template"]["spec"]["containers"][at]["env"][0]["value"].clone();
        assert_eq!((value(0), value(1)), (json!("0.2"), json!("7")));
        assert_eq!(job["metadata"]["ownerReferences"][0]["uid"], "u");
        assert!(text(&job, "/metadata/name").starts_with("p-"));
        let error = job_of(&cron, place, &request(&[("rate", KnownValue::text("1"))])).unwrap_err();
        assert!(error.diagnostic.help.unwrap().contains("`lr`"));
    }

    #[test]
    fn a_job_says_how_it_ended() {
        let job = |kind: &str| json!({"status": {"conditions": [{"type": kind, "status": "True", "reason": "R", "message": "m"}]}});
        assert_eq!(ended(&job("Complete")), Some(("succeeded", String::new())));
        assert_eq!(ended(&job("Failed")), Some(("failed", "R: m".into())));
        assert_eq!(ended(&json!({})), None);
        assert!((seconds("2026-01-01T00:00:00Z", "2026-01-01T00:01:30Z") - 90.0).abs() < 1e-9);
    }
}
