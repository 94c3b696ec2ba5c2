//! The router's side of the connections to replicas: kept alive and pooled.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// The longest answer of a replica that is read.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Asks replicas.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
}

/// Why a replica gave no answer.
#[derive(Debug)]
pub(super) enum CallError {
    /// None in time.
    Timeout,
    /// The connection could not be made or broke.
    Transport(String),
    /// The answer is longer than any that is read.
    TooLong,
}

impl Client {
    pub(super) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_max_idle_per_host(64)
            .build(connector);
        Self { pool }
    }

    /// Whether the replica says that it can serve.
    pub(super) async fn healthy(&self, port: u16, timeout: Duration) -> Result<(), String> {
        match self.call(Method::GET, port, "/healthz", Bytes::new(), timeout).await {
            Ok((200, _)) => Ok(()),
            Ok((status, body)) => Err(format!("the health check answered {status}: {}", error_text(&body))),
            Err(CallError::Timeout) => Err("the health check timed out".into()),
            Err(CallError::TooLong) => Err("the health check answered without end".into()),
            Err(CallError::Transport(error)) => Err(format!("the health check failed: {error}")),
        }
    }

    /// Asks for predictions: the status and the body of the answer.
    pub(super) async fn predict(
        &self,
        port: u16,
        body: Bytes,
        timeout: Duration,
    ) -> Result<(u16, Bytes), CallError> {
        self.call(Method::POST, port, "/predict", body, timeout).await
    }

    async fn call(
        &self,
        method: Method,
        port: u16,
        path: &str,
        body: Bytes,
        timeout: Duration,
    ) -> Result<(u16, Bytes), CallError> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://127.0.0.1:{port}{path}"))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| CallError::Transport(error.to_string()))?;
        let exchange = async {
            let response = self.pool.request(request).await.map_err(|error| transport(&error))?;
            let status = response.status().as_u16();
            match Limited::new(response.into_body(), MAX_ANSWER).collect().await {
                Ok(body) => Ok((status, body.to_bytes())),
                Err(error) if error.is::<LengthLimitError>() => Err(CallError::TooLong),
                Err(error) => Err(transport(&*error)),
            }
        };
        tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(CallError::Timeout))
    }
}

/// The innermost cause says what happened; the outer ones say "client error".
fn transport(error: &(dyn std::error::Error + 'static)) -> CallError {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    CallError::Transport(cause.to_string())
}

/// The text of `{"error": "..."}`, or the beginning of whatever was answered instead.
pub(super) fn error_text(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Answer {
        error: String,
    }
    match serde_json::from_slice::<Answer>(body) {
        Ok(answer) => answer.error,
        Err(_) => String::from_utf8_lossy(body).chars().take(200).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_read_from_any_answer() {
        assert_eq!(error_text(br#"{"error": "KeyError: 'age'"}"#), "KeyError: 'age'");
        assert_eq!(error_text(b"<html>"), "<html>");
    }

    #[tokio::test]
    async fn a_closed_port_is_a_transport_error() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = Client::new();
        let hanging = client.predict(port, Bytes::new(), Duration::from_millis(50)).await;
        assert!(matches!(hanging, Err(CallError::Timeout)));
        drop(listener);
        let refused = client.predict(port, Bytes::new(), Duration::from_secs(5)).await;
        assert!(matches!(refused, Err(CallError::Transport(_))), "{refused:?}");
    }
}
