//! What the cluster answers instead of what was asked for, in our words.

use kube::core::Status;
use mlp_provider::{ErrorClass, ProviderError};

use crate::codes;
use crate::mlp_diag::{Blame, Diagnostic};

/// What may fail here.
pub(crate) type Fallible<T> = Result<T, ProviderError>;

/// A failure with its class.
pub(crate) fn fault(class: ErrorClass, code: &str, headline: impl Into<String>) -> ProviderError {
    ProviderError::new(class, Diagnostic::error(code, headline).blame(Blame::Provider))
}

/// The same with a way out.
pub(crate) fn helped(error: ProviderError, help: impl Into<String>) -> ProviderError {
    ProviderError { class: error.class, diagnostic: Box::new(error.diagnostic.help(help)) }
}

/// A call that failed; `what` is what was tried, "apply Deployment ml/churn".
pub(crate) fn failed(what: &str, error: kube::Error) -> ProviderError {
    match error {
        kube::Error::Api(status) => refused(what, &status),
        kube::Error::Auth(error) => helped(
            fault(ErrorClass::Denied, codes::CLUSTER, format!("cannot {what}: {error}")),
            "see that the credentials of the context work: `kubectl --context NAME auth whoami`",
        ),
        kube::Error::SerdeError(error) => {
            fault(ErrorClass::Fatal, codes::CLUSTER, format!("cannot {what}: the answer is no JSON: {error}"))
        }
        other => unreachable(what, &chain(&other)),
    }
}

/// No answer, or none that is whole: whether it was done is not known.
pub(crate) fn unreachable(what: &str, why: &str) -> ProviderError {
    helped(
        fault(ErrorClass::Transient, codes::CLUSTER, format!("cannot {what}: {why}")),
        "see that the cluster answers from here, and that the provider's `context` is the right one",
    )
}

/// An error with its causes, each said once.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = cause.source();
    }
    text
}

fn refused(what: &str, status: &Status) -> ProviderError {
    let message = if status.message.is_empty() { &status.reason } else { &status.message };
    let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
    let taken: Vec<String> = causes
        .iter()
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| format!("`{}`: {}", cause.field.trim_start_matches('.'), cause.message))
        .collect();
    if !taken.is_empty() {
        return conflict(what, taken);
    }
    let says = |class, code| fault(class, code, format!("cannot {what}: {message}"));
    match status.code {
        // The counter of a quota was changed by two at once: nothing is wrong with the object.
        409 if message.contains("please apply your changes to the latest version") => {
            says(ErrorClass::Transient, codes::REFUSED)
        }
        409 => helped(says(ErrorClass::Conflict, codes::REFUSED), "plan again: it changed meanwhile"),
        401 => helped(
            says(ErrorClass::Denied, codes::DENIED),
            "the cluster does not know these credentials: log in again, or name another context",
        ),
        403 if message.contains("exceeded quota") => helped(
            says(ErrorClass::Invalid, codes::REFUSED),
            "ask for less, or have the namespace's ResourceQuota raised",
        ),
        403 if causes.iter().any(|cause| cause.reason == "NamespaceTerminating") => helped(
            says(ErrorClass::Invalid, codes::REFUSED),
            "wait until the namespace is gone and make it anew, or name another one in the provider block",
        ),
        403 => helped(
            says(ErrorClass::Denied, codes::DENIED),
            "have the verb permitted: `mlp emit rbac` writes the role that is needed",
        ),
        404 if message.starts_with("namespaces ") => helped(
            says(ErrorClass::Invalid, codes::REFUSED),
            "make the namespace first (`kubectl create namespace NAME`), or name another one in the provider block",
        ),
        404 => says(ErrorClass::Conflict, codes::REFUSED),
        // A field that the kind does not have is answered as if the server had failed.
        500 if message.contains("failed to create typed patch object") => helped(
            says(ErrorClass::Invalid, codes::REFUSED),
            "the cluster's own words say which field is wrong: change it in the specification",
        ),
        410 | 500 | 502..=504 => says(ErrorClass::Transient, codes::CLUSTER),
        429 => says(ErrorClass::Throttled, codes::CLUSTER),
        400 | 413 | 415 | 422 => helped(
            says(ErrorClass::Invalid, codes::REFUSED),
            "the cluster's own words say which field is wrong: change it in the specification",
        ),
        _ => says(ErrorClass::Fatal, codes::CLUSTER),
    }
}

fn conflict(what: &str, taken: Vec<String>) -> ProviderError {
    let headline = format!("cannot {what}: fields that we set belong to another manager by now");
    let error = helped(
        fault(ErrorClass::Conflict, codes::TAKEN, headline),
        "agree on who sets them; `--force-conflicts` takes them over, `lifecycle { ignore_changes = [...] }` leaves them",
    );
    let diagnostic = taken.into_iter().fold(*error.diagnostic, Diagnostic::note);
    ProviderError { class: error.class, diagnostic: Box::new(diagnostic) }
}

/// How long the cluster asks to wait before the next try, where it says so.
pub(crate) fn retry_after(error: &kube::Error) -> Option<std::time::Duration> {
    let kube::Error::Api(status) = error else { return None };
    let seconds = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
    (seconds > 0).then(|| std::time::Duration::from_secs(u64::from(seconds.min(10))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn class(status: serde_json::Value) -> (ErrorClass, String) {
        let status: Status = serde_json::from_value(status).unwrap();
        let error = failed("apply Deployment ml/x", kube::Error::Api(Box::new(status)));
        (error.class, error.diagnostic.code.to_string())
    }

    #[test]
    fn answers_have_their_classes() {
        for (status, wanted, code) in [
            (json!({"code": 429, "reason": "TooManyRequests"}), ErrorClass::Throttled, codes::CLUSTER),
            (json!({"code": 500, "reason": "InternalError"}), ErrorClass::Transient, codes::CLUSTER),
            (
                json!({"code": 500, "message": "failed to create typed patch object: .x: field not declared in schema"}),
                ErrorClass::Invalid,
                codes::REFUSED,
            ),
            (json!({"code": 410, "reason": "Expired"}), ErrorClass::Transient, codes::CLUSTER),
            (json!({"code": 422, "message": "spec.x: Invalid value"}), ErrorClass::Invalid, codes::REFUSED),
            (json!({"code": 403, "message": "exceeded quota: q"}), ErrorClass::Invalid, codes::REFUSED),
            (json!({"code": 403, "message": "cannot patch"}), ErrorClass::Denied, codes::DENIED),
            (
                json!({"code": 409, "message": "the object has been modified; please apply your changes to the latest version and try again"}),
                ErrorClass::Transient,
                codes::REFUSED,
            ),
            (json!({"code": 409, "message": "UID in precondition"}), ErrorClass::Conflict, codes::REFUSED),
            (
                json!({"code": 404, "message": "namespaces \"x\" not found"}),
                ErrorClass::Invalid,
                codes::REFUSED,
            ),
        ] {
            assert_eq!(class(status.clone()), (wanted, code.to_owned()), "{status}");
        }
    }

    #[test]
    fn a_conflict_names_the_field_and_the_other_manager() {
        let status: Status = serde_json::from_value(json!({
            "code": 409, "reason": "Conflict", "message": "Apply failed with 1 conflict",
            "details": {"causes": [{"reason": "FieldManagerConflict", "field": ".spec.replicas",
                                     "message": "conflict with \"kubectl-scale\" using apps/v1"}]},
        }))
        .unwrap();
        let error = failed("apply Deployment ml/x", kube::Error::Api(Box::new(status)));
        assert_eq!(error.class, ErrorClass::Conflict);
        assert_eq!(
            error.diagnostic.notes,
            ["`spec.replicas`: conflict with \"kubectl-scale\" using apps/v1"]
        );
        assert!(error.diagnostic.help.unwrap().contains("--force-conflicts"));
    }
}
