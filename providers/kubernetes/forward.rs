//! A port of this machine that leads to the pods of an object: each connection goes to a pod that is ready when it is made, so that
//! the next one finds another when a pod has gone.

use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use mlp_provider::{ErrorClass, Event, ForwardRequest, Reporter};
use serde_json::Value as Json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::codes;
use crate::fault::{Fallible, failed, fault, helped};
use crate::natives::condition;
use crate::pods;
use crate::session::{Kubernetes, Place};

/// Tries to find a pod for one connection, while pods take each other's place.
const TRIES: u32 = 20;
/// The pause between them.
const PAUSE: Duration = Duration::from_millis(500);

impl Kubernetes {
    /// Listens until it is told to stop; `opened` hears the address.
    pub(crate) async fn forward_to(
        &self,
        request: &ForwardRequest,
        opened: &(dyn Fn(String) + Send + Sync),
        reporter: &dyn Reporter,
    ) -> Fallible<()> {
        let place = self.place(&request.resource, &request.identity)?;
        // Where nothing can be reached that is said at once, and not to whoever calls first.
        self.way(place).await?;
        let cannot = |error: std::io::Error| {
            let headline = format!("cannot listen on 127.0.0.1:{}: {error}", request.port);
            helped(fault(ErrorClass::Invalid, codes::FORWARD, headline), "choose another port with `--port`")
        };
        let listener = TcpListener::bind(("127.0.0.1", request.port)).await.map_err(cannot)?;
        opened(format!("http://{}", listener.local_addr().map_err(cannot)?));
        let mut open = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (near, _) = accepted.map_err(cannot)?;
                    open.push(self.carry(place, near));
                }
                Some(ended) = open.next(), if !open.is_empty() => {
                    if let Err(error) = ended {
                        let text = error.diagnostic.headline;
                        reporter.event(Event::Line { subject: place.said(), text });
                    }
                }
            }
        }
    }

    /// Carries one connection to its end.
    async fn carry(&self, place: Place<'_>, mut near: TcpStream) -> Fallible<()> {
        let (pod, port) = self.way_soon(place).await?;
        let what = format!("reach port {port} of pod {pod}");
        let pods: kube::Api<Pod> = kube::Api::namespaced(self.cluster.client()?, place.namespace);
        let mut through = pods.portforward(&pod, &[port]).await.map_err(|error| failed(&what, error))?;
        let why = through.take_error(port);
        let far = through.take_stream(port);
        let broken =
            |why: String| fault(ErrorClass::Transient, codes::FORWARD, format!("cannot {what}: {why}"));
        let Some(mut far) = far else { return Err(broken("the cluster gave no stream".to_owned())) };
        let copied = copy_bidirectional(&mut near, &mut far).await;
        drop(far);
        through.abort();
        // What the pod answered instead of a stream; a caller that hangs up is no error.
        let said = why.and_then(|why| why.now_or_never().flatten());
        match (said, copied) {
            (Some(why), _) => Err(broken(why)),
            _ => Ok(()),
        }
    }

    /// The way there; while pods take each other's place there is none for a moment.
    async fn way_soon(&self, place: Place<'_>) -> Fallible<(String, u16)> {
        let mut tries = 1;
        loop {
            match self.way(place).await {
                Err(error) if error.class == ErrorClass::Transient && tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                found => return found,
            }
        }
    }

    /// A pod that is ready, and the port it listens on.
    async fn way(&self, place: Place<'_>) -> Fallible<(String, u16)> {
        let Some(object) = self.get(place).await? else {
            let headline = format!("{} is not there", place.said());
            return Err(helped(
                fault(ErrorClass::Invalid, codes::FORWARD, headline),
                "apply first: `mlp apply`",
            ));
        };
        let selector = match place.native.kind {
            "Deployment" => pods::selector(&object),
            "Service" => labels(&object["spec"]["selector"]),
            _ => None,
        };
        let Some(selector) = selector else {
            let headline = format!("{} has no pods that listen", place.said());
            let error = fault(ErrorClass::Invalid, codes::FORWARD, headline);
            return Err(helped(
                error,
                "name an endpoint, or a native `kubernetes_deployment` or `kubernetes_service`",
            ));
        };
        let all = self.cluster.pods(place.namespace, &selector).await?;
        let ready = |pod: &&Json| {
            pod["metadata"]["deletionTimestamp"].is_null()
                && condition(pod, "Ready").is_some_and(|(status, ..)| status == "True")
        };
        let Some(pod) = all.iter().find(ready) else {
            let look = pods::look(&self.cluster, place, &object).await?;
            let headline = look.said(&format!("no pod of {} is ready", place.said()));
            let error = fault(ErrorClass::Transient, codes::FORWARD, headline);
            return Err(helped(error, "see what it waits for with `mlp status`"));
        };
        let Some(port) = port(&object, pod) else {
            let headline = format!("{} names no port that its pods listen on", place.said());
            let error = fault(ErrorClass::Invalid, codes::FORWARD, headline);
            return Err(helped(error, "give its container `ports = [{ containerPort = 8080 }]`"));
        };
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        Ok((name.to_owned(), port))
    }
}

fn labels(selector: &Json) -> Option<String> {
    let pairs: Option<Vec<String>> = selector
        .as_object()?
        .iter()
        .map(|(name, value)| Some(format!("{name}={}", value.as_str()?)))
        .collect();
    pairs.filter(|pairs| !pairs.is_empty()).map(|pairs| pairs.join(","))
}

/// The port of a pod that an object leads to: that of a Service, by number or name, else the first of its containers.
fn port(object: &Json, pod: &Json) -> Option<u16> {
    let containers = pod.pointer("/spec/containers")?.as_array()?;
    let ports = || containers.iter().filter_map(|one| one["ports"].as_array()).flatten();
    let number = |value: &Json| value.as_u64().and_then(|port| u16::try_from(port).ok());
    match object.pointer("/spec/ports/0") {
        Some(port) => match &port["targetPort"] {
            Json::String(name) => number(&ports().find(|port| port["name"] == **name)?["containerPort"]),
            Json::Null => number(&port["port"]),
            target => number(target),
        },
        None => number(&ports().next()?["containerPort"]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_service_leads_to_the_port_that_it_names() {
        let pod = json!({"spec": {"containers": [
            {"name": "sidecar"}, {"name": "main", "ports": [{"containerPort": 8080, "name": "http"}]},
        ]}});
        let service = |port: Json| json!({"spec": {"ports": [port]}});
        for (object, wanted) in [
            (json!({"spec": {"template": {}}}), Some(8080)),
            (service(json!({"port": 80, "targetPort": "http"})), Some(8080)),
            (service(json!({"port": 80, "targetPort": 9})), Some(9)),
            (service(json!({"port": 80})), Some(80)),
            (service(json!({"port": 80, "targetPort": "grpc"})), None),
        ] {
            assert_eq!(port(&object, &pod), wanted, "{object}");
        }
        assert_eq!(labels(&json!({"b": "2", "a": "1"})).as_deref(), Some("a=1,b=2"));
        assert_eq!(labels(&json!({})), None);
    }
}
