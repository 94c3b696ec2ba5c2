//! `kubernetes_job`.

use serde_json::Value as Json;

use super::{Form, Health, Member, Native, condition, nothing};

const FIXED: &str = "a Job is one piece of work, which is not changed once it is there";

pub(super) const NATIVE: Native = Native {
    word: "job",
    doc: "Work that is done once.",
    api: "batch/v1",
    form: Form::Fields,
    kind: "Job",
    plural: "jobs",
    stateful: false,
    members: &[
        Member::new("spec.template", "What its pod is like.").required().fixed(FIXED),
        Member::new("spec.backoffLimit", "How often it is tried again.").fixed(FIXED),
        Member::new("spec.activeDeadlineSeconds", "How long it may take."),
        Member::new("spec.ttlSecondsAfterFinished", "How long it stays after its end."),
        Member::new("spec.suspend", "Whether it rests."),
        Member::new("spec.parallelism", "How many pods work at once."),
        Member::new("spec.completions", "How many pods have to end well.").fixed(FIXED),
    ],
    health: Some(health),
    tells: nothing,
};

/// How a Job ended: `succeeded`, or `failed` and why.
pub(crate) fn ended(job: &Json) -> Option<(&'static str, String)> {
    let is = |kind: &str| condition(job, kind).filter(|(status, ..)| *status == "True");
    if is("Complete").or(is("SuccessCriteriaMet")).is_some() {
        return Some(("succeeded", String::new()));
    }
    is("Failed")
        .or(is("FailureTarget"))
        .map(|(_, reason, message)| ("failed", format!("{reason}: {message}")))
}

fn health(job: &Json) -> Health {
    match ended(job) {
        Some(("succeeded", _)) => Health::Ready,
        Some((_, why)) => Health::Failed(why),
        None if job.pointer("/spec/suspend") == Some(&Json::Bool(true)) => Health::Ready,
        None => Health::Going("its pod works".into()),
    }
}
