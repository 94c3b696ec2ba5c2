//! The calls: each one request of the API server, its answer as JSON.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use kube::api::{
    AttachParams, DeleteParams, ListParams, LogParams, Patch, PatchParams, Preconditions, WatchEvent,
    WatchParams,
};
use kube::core::Request;
use mlp_provider::ErrorClass;
use serde_json::Value as Json;
use tokio::io::AsyncReadExt;

use crate::codes;
use crate::fault::{Fallible, failed, fault, retry_after, unreachable};
use crate::natives::Native;
use crate::session::Place;

/// The name under which our fields are managed.
pub(crate) const MANAGER: &str = "mlp";
/// The longest that one answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Objects in one page of a list.
const PAGE: u32 = 500;

/// A cluster, and the namespace in it.
pub(crate) struct Cluster {
    config: kube::Config,
    /// The client of each runtime: it lives by a task of the one it was made in, and commands have several in turn.
    clients: Mutex<Option<(tokio::runtime::Id, kube::Client)>>,
    /// The context.
    pub name: String,
    /// Its address.
    pub server: String,
    /// Where things go.
    pub namespace: String,
}

/// How an object is applied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Applying {
    /// Only to see what would come of it.
    pub dry_run: bool,
    /// Whether fields of other managers are taken over.
    pub force: bool,
}

type Built = Result<http::Request<Vec<u8>>, kube::core::request::Error>;

fn built(request: Built) -> Fallible<http::Request<Vec<u8>>> {
    request.map_err(|error| fault(ErrorClass::Invalid, codes::VALUE, error.to_string()))
}

impl Cluster {
    /// A cluster by its configuration; nothing is asked of it yet.
    pub(crate) fn new(config: kube::Config, name: String) -> Self {
        let (server, namespace) = (config.cluster_url.to_string(), config.default_namespace.clone());
        Self { config, clients: Mutex::new(None), name, server, namespace }
    }

    /// The same cluster for another session.
    #[cfg(test)]
    pub(crate) fn again(&self) -> Self {
        Self::new(self.config.clone(), self.name.clone())
    }

    /// The client for where we run.
    pub(crate) fn client(&self) -> Fallible<kube::Client> {
        let here = tokio::runtime::Handle::current().id();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = clients.as_ref().filter(|(made, _)| *made == here) {
            return Ok(client.clone());
        }
        let what = format!("use the context `{}` ({})", self.name, self.server);
        let client = kube::Client::try_from(self.config.clone()).map_err(|error| failed(&what, error))?;
        *clients = Some((here, client.clone()));
        Ok(client)
    }

    pub(crate) fn get_request(path: &str) -> Fallible<http::Request<Vec<u8>>> {
        let request = http::Request::get(path).body(Vec::new());
        request.map_err(|error| fault(ErrorClass::Invalid, codes::VALUE, error.to_string()))
    }

    /// One call with a JSON answer.
    pub(crate) async fn call(&self, what: &str, request: http::Request<Vec<u8>>) -> Fallible<Json> {
        let answer = tokio::time::timeout(PATIENCE, self.client()?.request::<Json>(request)).await;
        let error = match answer {
            Ok(Ok(json)) => return Ok(json),
            Ok(Err(error)) => error,
            Err(_) => return Err(unreachable(what, &format!("no answer in {} s", PATIENCE.as_secs()))),
        };
        if let Some(pause) = retry_after(&error) {
            tokio::time::sleep(pause).await;
        }
        Err(failed(what, error))
    }

    /// An object by its place; `None` where there is none.
    pub(crate) async fn get_at(&self, url: &str, name: &str, what: &str) -> Fallible<Option<Json>> {
        self.find(built(Request::new(url).get(name, &kube::api::GetParams::default()))?, what).await
    }

    /// What lies at an address of the server; `None` where there is nothing.
    pub(crate) async fn find_at(&self, path: &str, what: &str) -> Fallible<Option<Json>> {
        self.find(Self::get_request(path)?, what).await
    }

    async fn find(&self, request: http::Request<Vec<u8>>, what: &str) -> Fallible<Option<Json>> {
        let answer = tokio::time::timeout(PATIENCE, self.client()?.request::<Json>(request)).await;
        match answer {
            Ok(Ok(json)) => Ok(Some(json)),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(None),
            Ok(Err(error)) => Err(failed(what, error)),
            Err(_) => Err(unreachable(what, &format!("no answer in {} s", PATIENCE.as_secs()))),
        }
    }

    pub(crate) async fn get(
        &self,
        native: &'static Native,
        namespace: &str,
        name: &str,
    ) -> Fallible<Option<Json>> {
        let place = Place { native, namespace, name };
        self.get_at(&native.url(namespace), name, &format!("read {}", place.said())).await
    }

    /// All objects of a kind, each saying what it is: in a list only the list does.
    pub(crate) async fn all(
        &self,
        native: &Native,
        url: &str,
        what: &str,
        selector: Option<&str>,
    ) -> Fallible<Vec<Json>> {
        let mut all = self.list(url, what, selector).await?;
        for object in &mut all {
            object["apiVersion"] = native.api.into();
            object["kind"] = native.kind.into();
        }
        Ok(all)
    }

    /// All objects of a collection, page by page.
    pub(crate) async fn list(&self, url: &str, what: &str, selector: Option<&str>) -> Fallible<Vec<Json>> {
        let mut all = Vec::new();
        let mut from: Option<String> = None;
        loop {
            let mut params = ListParams::default().limit(PAGE);
            params.label_selector = selector.map(str::to_owned);
            params.continue_token = from;
            let mut answer = self.call(what, built(Request::new(url).list(&params))?).await?;
            if let Some(Json::Array(items)) = answer.get_mut("items").map(Json::take) {
                all.extend(items);
            }
            from = answer.pointer("/metadata/continue").and_then(Json::as_str).map(str::to_owned);
            if from.as_deref().is_none_or(str::is_empty) {
                return Ok(all);
            }
        }
    }

    /// Server-side apply under our name, unknown fields refused; gives the object as it is then.
    pub(crate) async fn apply(
        &self,
        native: &'static Native,
        object: &Json,
        how: Applying,
    ) -> Fallible<Json> {
        let text = |path: &str| object.pointer(path).and_then(Json::as_str).unwrap_or_default();
        let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
        let mut params = PatchParams::apply(MANAGER).validation_strict();
        params.dry_run = how.dry_run;
        params.force = how.force;
        let request = Request::new(native.url(namespace)).patch(name, &params, &Patch::Apply(object));
        let place = Place { native, namespace, name };
        self.call(&format!("apply {}", place.said()), built(request)?).await
    }

    /// Deletes exactly that object, its pods first.
    pub(crate) async fn delete(&self, url: &str, name: &str, uid: &str, what: &str) -> Fallible<()> {
        let exactly = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
        let params = DeleteParams::foreground().preconditions(exactly);
        let request = built(Request::new(url).delete(name, &params))?;
        match tokio::time::timeout(PATIENCE, self.client()?.request::<Json>(request)).await {
            Ok(Ok(_)) => Ok(()),
            // It is gone, or another has its name: what was to end has ended.
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(()),
            Ok(Err(error)) => Err(failed(what, error)),
            Err(_) => Err(unreachable(what, &format!("no answer in {} s", PATIENCE.as_secs()))),
        }
    }

    /// Creates an object under a name of its own.
    pub(crate) async fn create(&self, url: &str, object: &Json, what: &str) -> Fallible<Json> {
        let bytes = serde_json::to_vec(object)
            .map_err(|error| fault(ErrorClass::Invalid, codes::VALUE, error.to_string()))?;
        let params = kube::api::PostParams { field_manager: Some(MANAGER.into()), ..Default::default() };
        self.call(what, built(Request::new(url).create(&params, bytes))?).await
    }

    /// Changes of one object from a version on, for so many seconds.
    pub(crate) async fn watch(
        &self,
        url: &str,
        name: &str,
        version: &str,
        seconds: u32,
    ) -> Fallible<BoxStream<'static, Result<WatchEvent<Json>, kube::Error>>> {
        let params = WatchParams::default().fields(&format!("metadata.name={name}")).timeout(seconds);
        let request = built(Request::new(url).watch(&params, version))?;
        let events = self.client()?.request_events::<Json>(request).await;
        let events = events.map_err(|error| failed(&format!("watch {name}"), error))?;
        Ok(Box::pin(events))
    }

    /// Waits until an object is as wanted, is gone, or the time is over; the caller looks again.
    pub(crate) async fn until(
        &self,
        url: &str,
        object: &Json,
        seconds: u32,
        wanted: &(dyn Fn(&Json) -> bool + Sync),
    ) -> Fallible<()> {
        let text = |path: &str| object.pointer(path).and_then(Json::as_str).unwrap_or_default();
        let (name, version) = (text("/metadata/name"), text("/metadata/resourceVersion"));
        let mut events = self.watch(url, name, version, seconds).await?;
        let watching = async {
            // What ends a watch early (a version that is too old, a connection that breaks) is no answer: the caller looks again.
            while let Ok(Some(event)) = events.try_next().await {
                match event {
                    WatchEvent::Added(now) | WatchEvent::Modified(now) if wanted(&now) => break,
                    WatchEvent::Deleted(_) | WatchEvent::Error(_) => break,
                    _ => {}
                }
            }
        };
        // The server ends it by itself; a connection that died without a word must not hold us.
        let limit = Duration::from_secs(u64::from(seconds) + 5);
        let _ = tokio::time::timeout(limit, watching).await;
        Ok(())
    }

    /// The last lines of a container.
    pub(crate) async fn logs(&self, namespace: &str, pod: &str, params: &LogParams) -> Fallible<String> {
        let request = built(Request::new(format!("/api/v1/namespaces/{namespace}/pods")).logs(pod, params))?;
        let what = format!("read the log of pod {namespace}/{pod}");
        match tokio::time::timeout(PATIENCE, self.client()?.request_text(request)).await {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(error)) => Err(failed(&what, error)),
            Err(_) => Err(unreachable(&what, &format!("no answer in {} s", PATIENCE.as_secs()))),
        }
    }

    /// Runs a program in a container and gives what it writes on standard output.
    pub(crate) async fn exec(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        words: Vec<String>,
    ) -> Fallible<String> {
        let what = format!("run mlp in pod {namespace}/{pod}");
        let pods: kube::Api<k8s_openapi::api::core::v1::Pod> =
            kube::Api::namespaced(self.client()?, namespace);
        let params = AttachParams::default().container(container).stderr(false);
        let running = async {
            let mut process = pods.exec(pod, words, &params).await.map_err(|error| failed(&what, error))?;
            let mut text = String::new();
            if let Some(mut stdout) = process.stdout() {
                let read = stdout.read_to_string(&mut text).await;
                read.map_err(|error| unreachable(&what, &error.to_string()))?;
            }
            // How it ended is said by its last line.
            let _ = process.join().await;
            Ok(text)
        };
        match tokio::time::timeout(PATIENCE, running).await {
            Ok(result) => result,
            Err(_) => Err(unreachable(&what, &format!("no answer in {} s", PATIENCE.as_secs()))),
        }
    }

    /// Pods with these labels.
    pub(crate) async fn pods(&self, namespace: &str, selector: &str) -> Fallible<Vec<Json>> {
        self.list(&format!("/api/v1/namespaces/{namespace}/pods"), "list pods", Some(selector)).await
    }

    /// Warnings about an object, the newest last.
    pub(crate) async fn warnings(&self, namespace: &str, uid: &str) -> Fallible<Vec<Json>> {
        let mut events = self.events(namespace, uid).await?;
        events.retain(|event| event["type"] == "Warning");
        Ok(events)
    }

    /// Events of an object, the newest last.
    pub(crate) async fn events(&self, namespace: &str, uid: &str) -> Fallible<Vec<Json>> {
        let fields = format!("involvedObject.uid={uid}");
        let params = ListParams::default().fields(&fields).limit(PAGE);
        let request = Request::new(format!("/api/v1/namespaces/{namespace}/events")).list(&params);
        let mut answer = self.call("list events", built(request)?).await?;
        let Some(Json::Array(mut items)) = answer.get_mut("items").map(Json::take) else {
            return Ok(Vec::new());
        };
        let when = |event: &Json| {
            let time = event["lastTimestamp"].as_str().or(event["eventTime"].as_str());
            time.or(event.pointer("/metadata/creationTimestamp").and_then(Json::as_str)).map(str::to_owned)
        };
        items.sort_by_cached_key(when);
        Ok(items)
    }
}
