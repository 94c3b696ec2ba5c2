//! An answer that is not what was asked for.

use std::time::Duration;

use hyper::header::{ALLOW, CONNECTION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Method, StatusCode};
use serde_json::json;

use super::router::{Answer, json};

/// A status with a code for programs and a message for people.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    retry_after: Option<Duration>,
    allow: Option<String>,
    node: Option<String>,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None, allow: None, node: None }
    }

    /// Says when it may succeed.
    pub(super) fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Says which method is meant.
    pub(super) fn allow(mut self, method: &Method) -> Self {
        self.allow = Some(method.to_string());
        self
    }

    /// Says which node of a graph it comes from.
    pub(super) fn of_node(mut self, node: &str) -> Self {
        self.node = Some(node.to_owned());
        self
    }

    /// The answer with `{"error": {"code", "message"}}`, and `node` where one of a graph is to blame.
    pub(super) fn answer(&self) -> Answer {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(node) = &self.node {
            error["node"] = node.as_str().into();
        }
        self.answer_with(&json!({"error": error}))
    }

    /// The answer with another body.
    pub(super) fn answer_with(&self, body: &serde_json::Value) -> Answer {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = json(status, body);
        let headers = answer.headers_mut();
        if let Some(wait) = self.retry_after {
            // Rounded up: a caller that comes back on time is served.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, seconds.max(1).into());
        }
        if let Some(method) = self.allow.as_ref().and_then(|method| method.parse().ok()) {
            headers.insert(ALLOW, method);
        }
        match self.status {
            401 => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            // The rest of the body is not read, so that nothing can follow it.
            408 | 413 => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_times_are_rounded_up() {
        let answer = Refusal::new(429, "too_many", "").retry_after(Duration::from_millis(1_200)).answer();
        assert_eq!(answer.headers()[RETRY_AFTER], "2");
        assert_eq!(answer.status(), 429);
        let answer = Refusal::new(405, "method", "").allow(&Method::POST).answer();
        assert_eq!(answer.headers()[ALLOW], "POST");
    }
}
