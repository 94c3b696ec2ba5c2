//! What the pods of an object say for themselves: why they wait, what they warned of, and their last lines.

use kube::api::LogParams;
use serde_json::Value as Json;

use crate::cluster::Cluster;
use crate::fault::Fallible;
use crate::session::Place;

/// Lines of a log in a message.
const LINES: i64 = 8;
/// Warnings in a message.
const WARNINGS: usize = 3;
/// So many starts in vain and a program will not start.
const STARTS: i64 = 3;

/// What was seen.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Look {
    /// A line each.
    pub lines: Vec<String>,
    /// Whether waiting longer will not help.
    pub hopeless: bool,
}

impl Look {
    /// In one line, behind what is waited for.
    pub(crate) fn said(&self, doing: &str) -> String {
        match self.lines.as_slice() {
            [] => doing.to_owned(),
            all => format!("{doing}; {}", all.join("; ")),
        }
    }
}

/// The labels of the pods of an object, as a selector.
pub(crate) fn selector(object: &Json) -> Option<String> {
    let labels = object.pointer("/spec/selector/matchLabels")?.as_object()?;
    let pairs: Vec<String> =
        labels.iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?))).collect();
    (!pairs.is_empty()).then(|| pairs.join(","))
}

/// Looks at an object's warnings, and at its pods where it has some.
pub(crate) async fn look(cluster: &Cluster, place: Place<'_>, object: &Json) -> Fallible<Look> {
    let mut seen = Look::default();
    if !place.native.namespaced() {
        // What is told of it lies in a namespace that is not ours to read: its conditions have to do.
        return Ok(seen);
    }
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    seen.lines.extend(warned(&cluster.warnings(place.namespace, uid).await?));
    let Some(selector) = selector(object).filter(|_| matches!(place.native.kind, "Deployment" | "Job"))
    else {
        return Ok(seen);
    };
    for pod in cluster.pods(place.namespace, &selector).await?.iter().filter(|pod| !is_ready(pod)) {
        add(cluster, pod, &mut seen).await?;
        // One says what is wrong with all: they are the same.
        if !seen.lines.is_empty() {
            break;
        }
    }
    Ok(seen)
}

fn is_ready(pod: &Json) -> bool {
    crate::natives::condition(pod, "Ready").is_some_and(|(status, ..)| status == "True")
}

/// Adds what one pod says.
pub(crate) async fn add(cluster: &Cluster, pod: &Json, seen: &mut Look) -> Fallible<()> {
    let text = |path: &str| pod.pointer(path).and_then(Json::as_str).unwrap_or_default();
    let (name, namespace) = (text("/metadata/name"), text("/metadata/namespace"));
    if let Some(("False", reason, message)) = crate::natives::condition(pod, "PodScheduled") {
        seen.lines.push(format!("pod {name} has no node: {reason}: {message}"));
    }
    for trouble in troubles(pod) {
        seen.lines.push(format!("pod {name}, container {}: {}", trouble.container, trouble.why));
        seen.hopeless |= trouble.hopeless;
        if trouble.ran {
            let params = LogParams {
                container: Some(trouble.container.clone()),
                tail_lines: Some(LINES),
                previous: trouble.restarted,
                ..LogParams::default()
            };
            // A log that cannot be had takes nothing from what is known already.
            let text = cluster.logs(namespace, name, &params).await.unwrap_or_default();
            seen.lines.extend(text.lines().map(|line| format!("| {line}")));
        }
    }
    if seen.lines.is_empty() {
        let uid = text("/metadata/uid");
        seen.lines.extend(warned(&cluster.warnings(namespace, uid).await?));
    }
    Ok(())
}

fn warned(events: &[Json]) -> Vec<String> {
    let text = |event: &Json| {
        let reason = event["reason"].as_str().unwrap_or_default();
        format!("{reason}: {}", event["message"].as_str().unwrap_or_default().trim())
    };
    let mut said: Vec<String> = Vec::new();
    for line in events.iter().rev().map(text) {
        if !said.contains(&line) && said.len() < WARNINGS {
            said.push(line);
        }
    }
    said
}

/// What is wrong with a container.
#[derive(Debug, PartialEq)]
struct Trouble {
    container: String,
    why: String,
    ran: bool,
    restarted: bool,
    hopeless: bool,
}

fn troubles(pod: &Json) -> Vec<Trouble> {
    let all = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let statuses = all.iter().filter_map(|path| pod.pointer(path)?.as_array()).flatten();
    statuses.filter_map(trouble).collect()
}

fn trouble(status: &Json) -> Option<Trouble> {
    let container = status["name"].as_str().unwrap_or_default().to_owned();
    let restarts = status["restartCount"].as_i64().unwrap_or(0);
    let waiting = &status["state"]["waiting"];
    let ended = match &status["state"]["terminated"] {
        Json::Null => &status["lastState"]["terminated"],
        now => now,
    };
    let text = |value: &Json, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let failed = ended["exitCode"].as_i64().filter(|code| *code != 0);
    let reason = text(waiting, "reason");
    let common = ["PodInitializing", "ContainerCreating", ""];
    let why = match (common.contains(&reason.as_str()), failed) {
        (false, Some(code)) => format!("{reason}, it ended with status {code}"),
        (false, None) => format!("{reason}: {}", text(waiting, "message")),
        (true, Some(code)) => format!("it ended with status {code} ({})", text(ended, "reason")),
        (true, None) => return None,
    };
    Some(Trouble {
        container,
        why,
        ran: failed.is_some(),
        restarted: failed.is_some() && status["state"]["terminated"].is_null(),
        hopeless: matches!(reason.as_str(), "InvalidImageName" | "CreateContainerConfigError")
            || (reason == "CrashLoopBackOff" && restarts >= STARTS),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_container_says_what_is_wrong() {
        let status = |state: Json, last: Json, restarts: i64| json!({"name": "main", "state": state, "lastState": last, "restartCount": restarts});
        let waiting = |reason: &str| json!({"waiting": {"reason": reason, "message": "m"}});
        let ended = json!({"terminated": {"exitCode": 2, "reason": "Error"}});
        for (status, why, hopeless) in [
            (status(waiting("ImagePullBackOff"), json!({}), 0), Some("ImagePullBackOff: m"), false),
            (status(waiting("InvalidImageName"), json!({}), 0), Some("InvalidImageName: m"), true),
            (
                status(waiting("CrashLoopBackOff"), ended.clone(), 1),
                Some("CrashLoopBackOff, it ended with status 2"),
                false,
            ),
            (
                status(waiting("CrashLoopBackOff"), ended.clone(), 3),
                Some("CrashLoopBackOff, it ended with status 2"),
                true,
            ),
            (status(ended.clone(), json!({}), 0), Some("it ended with status 2 (Error)"), false),
            (status(waiting("ContainerCreating"), json!({}), 0), None, false),
            (status(json!({"running": {}}), json!({}), 0), None, false),
        ] {
            let found = trouble(&status);
            assert_eq!(found.as_ref().map(|found| found.why.as_str()), why, "{status}");
            assert_eq!(found.is_some_and(|found| found.hopeless), hopeless, "{status}");
        }
    }

    #[test]
    fn the_same_warning_is_said_once() {
        let event = |reason: &str| json!({"reason": reason, "message": "m "});
        let events = [event("A"), event("B"), event("B")];
        assert_eq!(warned(&events), ["B: m", "A: m"]);
    }
}
