//! Questions to the pods that work on the volume of the registry. They are asked by running `mlp` beside what runs there already: no
//! port is open for it, and who may ask is who may start programs in pods of the namespace.

use mlp_provider::{
    CallKind, Desired, ErrorClass, Event, Provider, ProviderError, Removal, Reporter, ResourceChange,
    RollbackRequest, Session, ShowQuery, Shown, StatusEntry,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::codes;
use crate::fault::{Fallible, fault, helped, unreachable};
use crate::lower::floor::pods::PART;
use crate::lower::floor::{FLOOR, HOST, PORT, SERVES};
use crate::marks;
use crate::mlp_diag::Diagnostic;
use crate::mlp_eval::PlanValue;
use crate::mlp_value::{Address, KnownValue, ResourceId, Value};
use crate::session::{Kubernetes, Place};

/// A resource of the floor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Of {
    pub(crate) kind: String,
    pub(crate) identity: String,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(crate) enum Ask {
    /// Whether what serves these models still has to wait.
    Deferred { models: Vec<KnownValue> },
    /// How it is.
    Status { of: Of, id: ResourceId },
    /// Its versions.
    Show { query: ShowQuery },
    /// The way back.
    Rollback { request: RollbackRequest },
    /// Lets versions that were taken out be tried again.
    Release { of: Of },
    /// What deleting it would lose.
    Removal { of: Of },
    /// It is declared no more.
    Forget { of: Of },
}

/// What is answered, as one line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Told(Json),
    Refused(ErrorClass, Box<Diagnostic>),
}

/// Does what is asked, in the pod.
pub(crate) async fn answer(floor: &dyn Provider, session: &dyn Session, ask: Ask) -> Fallible<Json> {
    Ok(match ask {
        Ask::Deferred { models } => {
            let numbered = models.iter().enumerate().map(|(at, model)| (at.to_string(), model.lift()));
            let config = PlanValue::object([("variant", PlanValue::object(numbered))]);
            let id = ResourceId::new(Address::new("endpoint", "asked"), "");
            json!(session.deferred(&Desired::new(id, "local_endpoint", "", config)).await?)
        }
        Ask::Status { of, id } => json!(session.status(&[(id, of.kind, of.identity)]).await?.first()),
        Ask::Show { query } => json!(session.show(&query).await?),
        Ask::Rollback { request } => json!(session.rollback(&request).await?),
        Ask::Release { of } => json!(session.release(&of.kind, &of.identity).await?),
        Ask::Removal { of } => json!(session.removal(&of.kind, &of.identity).await?),
        Ask::Forget { of } => {
            let Of { kind, identity } = of;
            let change = ResourceChange {
                resource: kind,
                identity,
                kind: CallKind::Delete,
                before: None,
                after: None,
                takes_over: false,
            };
            for call in floor.calls(&change) {
                session.perform(&call, &Silent).await?;
            }
            Json::Null
        }
    })
}

/// Whoever asks sees the answer alone.
struct Silent;

impl Reporter for Silent {
    fn event(&self, _: Event) {}
}

/// The resource of the floor that an object stands for.
pub(crate) fn floor_of(object: &Json) -> Option<Of> {
    let text = object["metadata"]["annotations"][FLOOR].as_str()?;
    let (kind, identity) = text.split_once(' ')?;
    Some(Of { kind: kind.to_owned(), identity: identity.to_owned() })
}

impl Kubernetes {
    /// Asks the pod that answers for the registry; nothing where there is none.
    async fn ask_keeper<T: DeserializeOwned>(&self, ask: &Ask) -> Fallible<Option<T>> {
        self.ask(&format!("{PART}=keeper"), "keeper", ask).await
    }

    async fn ask<T: DeserializeOwned>(&self, part: &str, container: &str, ask: &Ask) -> Fallible<Option<T>> {
        let selector = format!("{},{part}", marks::selector(&self.target));
        let namespace = &self.cluster.namespace;
        let pods = self.cluster.pods(namespace, &selector).await?;
        let runs = |pod: &&Json| {
            pod["status"]["phase"] == "Running" && pod["metadata"]["deletionTimestamp"].is_null()
        };
        let Some(pod) = pods.iter().find(runs).and_then(|pod| pod["metadata"]["name"].as_str()) else {
            return Ok(None);
        };
        let words = ["/mlp/bin/mlp", "in-pod", "ask"].map(str::to_owned).into_iter();
        let text = serde_json::to_string(ask)
            .map_err(|error| fault(ErrorClass::Fatal, codes::CLUSTER, error.to_string()))?;
        let said = self.cluster.exec(namespace, pod, container, words.chain([text]).collect()).await?;
        let line = said.lines().last().unwrap_or_default();
        let what = format!("ask pod {namespace}/{pod}");
        match serde_json::from_str::<Answer>(line) {
            Ok(Answer::Told(json)) => serde_json::from_value(json).map(Some).map_err(|error| {
                unreachable(&what, &format!("its answer is of another version of mlp: {error}"))
            }),
            Ok(Answer::Refused(class, found)) => Err(ProviderError { class, diagnostic: found }),
            Err(_) => Err(unreachable(&what, &format!("it answered `{line}`"))),
        }
    }

    /// Whether what serves versions still has to wait for them.
    pub(crate) async fn waits(&self, desired: &Desired) -> Fallible<bool> {
        let served = desired.config.field("annotations").and_then(|notes| notes.field(SERVES));
        let Some(text) = served.and_then(Value::as_text) else { return Ok(false) };
        let models = serde_json::from_str(text).unwrap_or_default();
        // Where nobody answers yet, nothing is registered yet.
        Ok(self.ask_keeper(&Ask::Deferred { models }).await?.unwrap_or(true))
    }

    /// How a resource of the floor is, beside what the cluster says of its object.
    pub(crate) async fn floor_status(
        &self,
        id: &ResourceId,
        place: Place<'_>,
        object: &Json,
    ) -> Fallible<Option<StatusEntry>> {
        let Some(of) = floor_of(object) else { return Ok(None) };
        let ask = Ask::Status { id: id.clone(), of: of.clone() };
        match (of.kind.as_str(), place.native.kind) {
            _ if is_kept(&of) => Ok(self.ask_keeper(&ask).await?.map(declared)),
            ("local_endpoint", "Deployment") => {
                let told = self.ask(&server_of(object), "server", &ask).await?;
                let service = crate::natives::native("kubernetes_service");
                let service = match service {
                    Some(native) => self.get(Place { native, ..place }).await?,
                    None => None,
                };
                let port =
                    service.as_ref().and_then(|service| service.pointer("/spec/ports/0/port")?.as_i64());
                let port = port.unwrap_or(PORT);
                let url = format!("http://{}.{}.svc:{port}", place.name, place.namespace);
                Ok(told.map(|entry| reached(entry, &url)))
            }
            _ => Ok(None),
        }
    }

    pub(crate) async fn floor_show(&self, place: Place<'_>, query: &ShowQuery) -> Fallible<Option<Shown>> {
        let Some(of) = self.get(place).await?.as_ref().and_then(floor_of) else { return Ok(None) };
        let query = ShowQuery { resource: of.kind, identity: of.identity, compare: query.compare.clone() };
        self.must(self.ask_keeper(&Ask::Show { query }).await?)
    }

    pub(crate) async fn floor_rollback(
        &self,
        place: Place<'_>,
        request: &RollbackRequest,
    ) -> Fallible<Option<Shown>> {
        let Some(of) = self.get(place).await?.as_ref().and_then(floor_of) else { return Ok(None) };
        let request = RollbackRequest { resource: of.kind, identity: of.identity, ..request.clone() };
        self.must(self.ask_keeper(&Ask::Rollback { request }).await?)
    }

    pub(crate) async fn floor_release(&self, place: Place<'_>) -> Fallible<bool> {
        let Some(object) = self.get(place).await? else { return Ok(false) };
        match floor_of(&object) {
            Some(of) if of.kind == "local_endpoint" => {
                self.must(self.ask(&server_of(&object), "server", &Ask::Release { of }).await?)
            }
            _ => Ok(false),
        }
    }

    pub(crate) async fn floor_removal(&self, object: &Json) -> Fallible<Option<Removal>> {
        match floor_of(object) {
            Some(of) if is_kept(&of) => Ok(self.ask_keeper(&Ask::Removal { of }).await?.flatten()),
            _ => Ok(None),
        }
    }

    /// Takes out of the registry what is declared no more; with the registry itself all of it goes.
    pub(crate) async fn floor_forget(&self, object: &Json) -> Fallible<()> {
        match floor_of(object) {
            Some(of) if is_kept(&of) => self.ask_keeper::<Json>(&Ask::Forget { of }).await.map(drop),
            _ => Ok(()),
        }
    }

    fn must<T>(&self, answer: Option<T>) -> Fallible<T> {
        answer.ok_or_else(|| {
            let headline = format!("no pod in {} answers for it", self.cluster.namespace);
            helped(
                fault(ErrorClass::Transient, codes::CLUSTER, headline),
                "see with `mlp status` what keeps the pod from running",
            )
        })
    }
}

/// What no pod has worked on yet is declared all the same.
fn declared(entry: StatusEntry) -> StatusEntry {
    match entry.state.as_str() {
        "missing" => {
            StatusEntry { state: "ready".to_owned(), lines: vec!["no version yet".to_owned()], ..entry }
        }
        _ => entry,
    }
}

/// An endpoint as it is reached: its pod knows only where it listens.
fn reached(entry: StatusEntry, url: &str) -> StatusEntry {
    let own = format!("http://{HOST}:{PORT}");
    let mut detail = entry.detail;
    if let Some(curl) = detail["curl"].as_str() {
        detail["curl"] = json!(curl.replace(&own, url));
    }
    StatusEntry { lines: entry.lines.iter().map(|line| line.replace(&own, url)).collect(), detail, ..entry }
}

/// What is kept in the registry, and not by the object alone.
fn is_kept(of: &Of) -> bool {
    matches!(of.kind.as_str(), "local_model" | "local_dataset")
}

/// The pods of an endpoint.
fn server_of(object: &Json) -> String {
    crate::pods::selector(object).unwrap_or_else(|| format!("{PART}=server"))
}
