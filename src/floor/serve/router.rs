//! What the router answers: predictions, health and metrics.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, EXPECT, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::capture::{Captured, Origin};
use super::client::{CallError, Client, error_text};
use super::compose::compose;
use super::graph::GraphSpec;
use super::hush::Secrets;
use super::inference;
use super::metrics::{Busy, Counts, exposition};
use super::refusal::Refusal;
use super::replica::unix_ms;
use super::routing::{Routing, Target, Variant};
use super::shadow::{Original, Shadows};
use super::spec::{ModelLabel, Protocol, VariantSpec};
use super::window::{Ticket, Window};

/// How much of a refused body is read.
const DISCARD: usize = 64 * 1024 * 1024;
/// How long the rest of a refused body is read.
const DISCARD_TIME: Duration = Duration::from_secs(5);

pub(super) type Answer = Response<Full<Bytes>>;

/// The router of one endpoint.
pub(super) struct Router {
    routing: RwLock<Arc<Routing>>,
    client: Client,
    counts: Counts,
    shadows: Shadows,
    born: u64,
    requests: AtomicU64,
}

/// Predictions, and who made them.
pub(super) struct Served<'r> {
    /// None where all nodes of a graph did.
    pub(super) variant: Option<&'r Variant>,
    pub(super) predictions: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Rows<'a> {
    #[serde(borrow)]
    rows: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Predictions {
    predictions: Vec<Box<RawValue>>,
}

#[derive(Serialize)]
struct PredictAnswer<'a> {
    predictions: &'a [Box<RawValue>],
    #[serde(flatten)]
    by: By<'a>,
}

/// Who made predictions.
#[derive(Serialize)]
#[serde(untagged)]
enum By<'a> {
    Variant { variant: &'a str, model: &'a str, version: u64 },
    Graph { nodes: BTreeMap<&'a str, Label<'a>> },
}

#[derive(Serialize)]
struct Label<'a> {
    model: &'a str,
    version: u64,
}

impl<'a> By<'a> {
    fn of(routing: &'a Routing, variant: Option<&'a Variant>) -> Self {
        let label = |model: &'a ModelLabel| Label { model: &model.address, version: model.version };
        match variant {
            Some(Variant { spec, .. }) => {
                let Label { model, version } = label(&spec.model);
                Self::Variant { variant: spec.shown(), model, version }
            }
            None => {
                let own = routing.variants.iter().filter(|variant| variant.spec.of.is_none());
                let nodes = own.map(|variant| (variant.spec.name.as_str(), label(&variant.spec.model)));
                Self::Graph { nodes: nodes.collect() }
            }
        }
    }
}

impl Router {
    pub(super) fn new(routing: Arc<Routing>, client: Client) -> Self {
        Self {
            routing: RwLock::new(routing),
            shadows: Shadows::new(client.clone()),
            client,
            counts: Counts::default(),
            born: unix_ms(),
            requests: AtomicU64::new(0),
        }
    }

    /// The picture for a new request.
    pub(super) fn routing(&self) -> Arc<Routing> {
        Arc::clone(&self.routing.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the picture for all new requests; the old one is returned.
    pub(super) fn switch(&self, routing: Arc<Routing>) -> Arc<Routing> {
        std::mem::replace(&mut *self.routing.write().unwrap_or_else(PoisonError::into_inner), routing)
    }

    /// Answers one request.
    pub(super) async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Result<Answer, Infallible> {
        let routing = self.routing();
        let id = self.request_id(request.headers());
        let (parts, mut body) = request.into_parts();
        let path = parts.uri.path();
        let open_inference = routing.spec.protocol == Protocol::OpenInferenceV2 && names_v2(path);
        let outcome = if open_inference {
            inference::handle(&self, &routing, &parts, &mut body, &id).await
        } else {
            self.plain(&routing, &parts, &mut body, &id).await
        };
        let mut answer = match outcome {
            Ok(answer) => answer,
            Err(refusal) => {
                discard(&parts, &mut body).await;
                if open_inference { inference::refused(&refusal) } else { refusal.answer() }
            }
        };
        if let Ok(id) = id.parse() {
            answer.headers_mut().insert("x-request-id", id);
        }
        Ok(answer)
    }

    async fn plain(
        &self,
        routing: &Arc<Routing>,
        request: &Parts,
        body: &mut Incoming,
        id: &str,
    ) -> Result<Answer, Refusal> {
        match request.uri.path() {
            "/v1/predict" => {
                allow(request, &Method::POST)?;
                self.predict(routing, request, body, id).await
            }
            "/healthz" => {
                allow(request, &Method::GET)?;
                Ok(health(routing.ready(), "status", "ok", "unavailable"))
            }
            "/metrics" => {
                allow(request, &Method::GET)?;
                let text = exposition(routing, &self.counts);
                Ok(answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text.into()))
            }
            path => Err(Refusal::new(404, "not_found", format!("there is nothing at `{path}`"))),
        }
    }

    async fn predict(
        &self,
        routing: &Arc<Routing>,
        request: &Parts,
        body: &mut Incoming,
        id: &str,
    ) -> Result<Answer, Refusal> {
        let (body, _busy) = self.admitted_body(routing, request, body).await?;
        let rows = read_rows(&body).map_err(|refusal| self.counted(refusal))?;
        let served = self.ask(routing, body.clone(), &rows, id).await?;
        let by = By::of(routing, served.variant);
        Ok(json(StatusCode::OK, &PredictAnswer { predictions: &served.predictions, by }))
    }

    /// Counts a refusal that reached no variant.
    pub(super) fn counted(&self, refusal: Refusal) -> Refusal {
        self.counts.refuse(refusal.status);
        refusal
    }

    /// The body of a request that may be asked, and its place among those under way.
    pub(super) async fn admitted_body(
        &self,
        routing: &Routing,
        request: &Parts,
        body: &mut Incoming,
    ) -> Result<(Bytes, Busy<'_>), Refusal> {
        let admitted = match admit(routing, &request.headers).and_then(|()| self.room(routing)) {
            Ok(busy) => read_body(routing, body).await.map(|body| (body, busy)),
            Err(refusal) => Err(refusal),
        };
        admitted.map_err(|refusal| self.counted(refusal))
    }

    /// A place among the requests under way; without one the load is shed.
    fn room(&self, routing: &Routing) -> Result<Busy<'_>, Refusal> {
        let most = routing.spec.limits.in_flight;
        self.counts.in_flight.enter(u64::from(most)).ok_or_else(|| {
            self.counts.shed.fetch_add(1, Ordering::Relaxed);
            let text = format!("{most} requests are under way, which is the most that is served");
            Refusal::new(503, "overloaded", text).retry_after(Duration::from_secs(1))
        })
    }

    /// Asks the variant whose turn it is, or all nodes of a graph; counts, captures and shadows.
    pub(super) async fn ask<'r>(
        &self,
        routing: &'r Arc<Routing>,
        body: Bytes,
        rows: &[&RawValue],
        id: &str,
    ) -> Result<Served<'r>, Refusal> {
        match &routing.spec.graph {
            Some(graph) => self.ask_graph(routing, graph, rows, id).await,
            None => self.ask_one(routing, body, rows, id).await,
        }
    }

    async fn ask_one<'r>(
        &self,
        routing: &'r Arc<Routing>,
        body: Bytes,
        rows: &[&RawValue],
        id: &str,
    ) -> Result<Served<'r>, Refusal> {
        let started = Instant::now();
        let Some((variant, target)) = routing.choose() else {
            let refusal =
                Refusal::new(503, "unavailable", "no replica is ready").retry_after(Duration::from_secs(1));
            return Err(self.counted(refusal));
        };
        let copies = self.shadows.copy(routing, &Original { serving: variant, body: &body, id });
        let (variant, ticket, outcome) = send(&self.client, routing, variant, target, body).await;
        let outcome = read_predictions(&variant.spec, outcome, rows.len());
        let asked = Asked { origin: Origin::Variant(&variant.spec), id, started };
        let status = asked.record(routing, rows, &outcome);
        variant.metrics.promised(&routing.spec.slo, status, started.elapsed());
        ticket.answered(status, started.elapsed());
        let predictions = outcome?;
        copies.compare(&predictions);
        Ok(Served { variant: Some(variant), predictions })
    }

    async fn ask_graph<'r>(
        &self,
        routing: &'r Arc<Routing>,
        graph: &GraphSpec,
        rows: &[&RawValue],
        id: &str,
    ) -> Result<Served<'r>, Refusal> {
        let started = Instant::now();
        let outcome = compose(&self.client, routing, graph, rows).await;
        let asked = Asked { origin: Origin::Graph, id, started };
        let status = asked.record(routing, rows, &outcome);
        self.counts.graph.count(status, started.elapsed());
        self.counts.graph.promised(&routing.spec.slo, status, started.elapsed());
        Ok(Served { variant: None, predictions: outcome? })
    }

    /// The name of a request in the response and the capture: the caller's own, if it gives a usable one.
    fn request_id(&self, headers: &HeaderMap) -> String {
        let own = headers.get("x-request-id").and_then(|value| value.to_str().ok());
        match own {
            Some(own) if !own.is_empty() && own.len() <= 128 => own.to_owned(),
            _ => format!("{:x}-{:x}", self.born, self.requests.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

fn names_v2(path: &str) -> bool {
    path == "/v2" || path.starts_with("/v2/")
}

fn admit(routing: &Routing, headers: &HeaderMap) -> Result<(), Refusal> {
    let key = match &routing.keys {
        None => 0,
        Some(keys) => keys.identify(headers).ok_or_else(|| {
            let message = "a valid key is needed, as `Authorization: Bearer <key>` or `X-API-Key: <key>`";
            Refusal::new(401, "unauthorized", message)
        })?,
    };
    let Some(limiter) = &routing.limiter else { return Ok(()) };
    #[expect(clippy::cast_precision_loss, reason = "seconds for a message")]
    limiter.take(key, Instant::now()).map_err(|wait| {
        let seconds = limiter.spec.window_ms as f64 / 1_000.0;
        let message = format!("more than {} requests within {seconds} s", limiter.spec.requests);
        Refusal::new(429, "too_many_requests", message).retry_after(wait)
    })
}

async fn read_body(routing: &Routing, body: &mut Incoming) -> Result<Bytes, Refusal> {
    let most = routing.spec.limits.body;
    let too_large = || Refusal::new(413, "too_large", format!("the body is longer than {most} bytes"));
    if body.size_hint().lower() > most {
        return Err(too_large());
    }
    let timeout = Duration::from_millis(routing.spec.request_timeout_ms);
    let limited = Limited::new(body, usize::try_from(most).unwrap_or(usize::MAX));
    match tokio::time::timeout(timeout, limited.collect()).await {
        Err(_) => Err(Refusal::new(408, "request_timeout", "the body did not arrive in time")),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(Refusal::new(400, "bad_request", format!("the body cannot be read: {error}"))),
        Ok(Ok(body)) => Ok(body.to_bytes()),
    }
}

/// Reads what a refused caller still sends, within bounds: a connection closed before would hide the answer.
async fn discard(request: &Parts, body: &mut Incoming) {
    // Who waits for a go-ahead has sent nothing, and reading would be the go-ahead.
    if request.headers.contains_key(EXPECT) {
        return;
    }
    let mut left = DISCARD;
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(DISCARD_TIME, read).await;
}

fn read_rows(body: &Bytes) -> Result<Vec<&RawValue>, Refusal> {
    let invalid = |message: String| Refusal::new(400, "invalid_request", message);
    let parsed: Rows<'_> = serde_json::from_slice(body)
        .map_err(|error| invalid(format!("the body is not {{\"rows\": [{{…}}]}}: {error}")))?;
    match parsed.rows.iter().position(|row| !row.get().starts_with('{')) {
        Some(index) => Err(invalid(format!("row {index} is not an object"))),
        None => Ok(parsed.rows),
    }
}

/// The predictions of an answer, one for each row.
pub(super) fn read_predictions(
    variant: &VariantSpec,
    outcome: Result<(u16, Bytes), CallError>,
    rows: usize,
) -> Result<Vec<Box<RawValue>>, Refusal> {
    predictions_of(outcome, rows).map_err(|mut refusal| {
        // Code that fails may tell with what.
        refusal.message = Secrets::of(&variant.env, &variant.secret).clean(&refusal.message);
        refusal
    })
}

fn predictions_of(
    outcome: Result<(u16, Bytes), CallError>,
    rows: usize,
) -> Result<Vec<Box<RawValue>>, Refusal> {
    let garbage = |message: String| Refusal::new(502, "bad_answer", message);
    match outcome {
        Ok((200, body)) => match serde_json::from_slice::<Predictions>(&body) {
            Ok(answer) if answer.predictions.len() == rows => Ok(answer.predictions),
            Ok(answer) => Err(garbage(format!("{} predictions for {rows} rows", answer.predictions.len()))),
            Err(error) => Err(garbage(format!("the replica did not answer with predictions: {error}"))),
        },
        Ok((400, body)) => Err(Refusal::new(400, "invalid_rows", error_text(&body))),
        Ok((500, body)) => Err(Refusal::new(500, "prediction_failed", error_text(&body))),
        Ok((status, body)) => Err(garbage(format!("the replica answered {status}: {}", error_text(&body)))),
        Err(CallError::Timeout) => Err(Refusal::new(504, "timeout", "the prediction took too long")),
        Err(CallError::TooLong) => Err(garbage("the replica answered without end".into())),
        Err(CallError::Transport(error)) => {
            let message = format!("the replica cannot be reached: {error}");
            Err(Refusal::new(502, "unreachable", message).retry_after(Duration::from_secs(1)))
        }
    }
}

/// A request that was asked, as it is recorded.
struct Asked<'a> {
    origin: Origin<'a>,
    id: &'a str,
    started: Instant,
}

impl Asked<'_> {
    /// Captures it, and gives the status that it is counted under.
    fn record(
        &self,
        routing: &Routing,
        rows: &[&RawValue],
        outcome: &Result<Vec<Box<RawValue>>, Refusal>,
    ) -> u16 {
        let status = outcome.as_ref().map_or_else(|refusal| refusal.status, |_| 200);
        if let Some(capture) = routing.capture.as_ref().filter(|capture| capture.takes()) {
            capture.record(&Captured {
                at: unix_ms(),
                request_id: self.id,
                origin: self.origin,
                status,
                latency_ms: self.started.elapsed().as_secs_f64() * 1_000.0,
                rows,
                predictions: outcome.as_ref().ok().map(Vec::as_slice),
            });
        }
        status
    }
}

/// Sends a request; where the connection fails, once more to another, if possible of the same variant.
pub(super) async fn send<'r>(
    client: &Client,
    routing: &'r Routing,
    variant: &'r Variant,
    target: Target,
    body: Bytes,
) -> (&'r Variant, Ticket<'r>, Result<(u16, Bytes), CallError>) {
    let ticket = Window::enter(&variant.metrics);
    let timeout = Duration::from_millis(routing.spec.request_timeout_ms);
    let first = client.predict(target.port, body.clone(), timeout).await;
    if !matches!(first, Err(CallError::Transport(_))) {
        return (variant, ticket, first);
    }
    target.replica.suspect(target.port);
    let other = variant.target(Some(target.port)).map(|target| (variant, target));
    // The nodes of a graph are no substitutes for each other.
    let elsewhere = || match routing.spec.graph {
        Some(_) => routing.node(variant.spec.shown()),
        None => routing.choose_ready(),
    };
    let Some((variant, target)) = other.or_else(elsewhere) else {
        return (variant, ticket, first);
    };
    ticket.lost();
    let ticket = Window::enter(&variant.metrics);
    let second = client.predict(target.port, body, timeout).await;
    if matches!(second, Err(CallError::Transport(_))) {
        target.replica.suspect(target.port);
    }
    (variant, ticket, second)
}

/// Refuses another method than the one that is meant.
pub(super) fn allow(request: &Parts, method: &Method) -> Result<(), Refusal> {
    if request.method == method {
        return Ok(());
    }
    Err(Refusal::new(405, "method_not_allowed", format!("use {method}")).allow(method))
}

/// 200 or 503 with one member.
pub(super) fn health<T: Serialize>(ready: bool, name: &str, yes: T, no: T) -> Answer {
    let (status, value) = if ready { (StatusCode::OK, yes) } else { (StatusCode::SERVICE_UNAVAILABLE, no) };
    json(status, &BTreeMap::from([(name, value)]))
}

/// A JSON answer.
pub(super) fn json<T: Serialize>(status: StatusCode, value: &T) -> Answer {
    // Only maps with other keys than text cannot be written, and there are none.
    let body = serde_json::to_vec(value).unwrap_or_default();
    answer(status, "application/json", body.into())
}

fn answer(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
