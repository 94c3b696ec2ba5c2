//! What a cluster does to its callers on a bad day, done on purpose: a proxy on loopback stands between the session and a real API
//! server, loses replies, resets connections and answers for it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use kube::client::Body;
use mlp_provider::{CallKind, ErrorClass, Event, Owner, Ready, Reporter, Seen, Session};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::cluster::Cluster;
use crate::live::World;
use crate::session;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The server is never asked.
    Reset,
    /// It is asked, and its answer is lost.
    Lost,
    /// It is never asked, and this is said for it.
    Says(u16),
}

/// Which requests are hit, and how often.
struct Plan {
    fault: Fault,
    verb: &'static str,
    left: AtomicU32,
}

/// What is carried through.
struct Proxy {
    client: kube::Client,
    plan: Mutex<Option<Arc<Plan>>>,
    hits: AtomicU32,
}

struct Quiet;

impl Reporter for Quiet {
    fn event(&self, _event: Event) {}
}

impl Proxy {
    fn hit(&self, verb: &str) -> Option<Fault> {
        let plan = self.plan.lock().unwrap().clone()?;
        let mine = plan.verb == verb;
        let left = |left: u32| left.checked_sub(1);
        let hit = mine && plan.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok();
        hit.then(|| {
            self.hits.fetch_add(1, Ordering::SeqCst);
            plan.fault
        })
    }

    async fn serve(self: Arc<Self>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let proxy = self.clone();
            tokio::spawn(async move { proxy.answer(stream).await });
        }
    }

    /// One request; a connection carries no more.
    async fn answer(&self, stream: TcpStream) -> Option<()> {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let mut words = line.split_whitespace();
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut request = http::Request::builder().method(method.as_str()).uri(path.as_str());
        let mut length = 0;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().ok()?,
                "content-type" | "accept" => request = request.header(name, value),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        let verb = if path.contains("watch=") { "WATCH" } else { method.as_str() };
        let fault = self.hit(verb);
        match fault {
            Some(Fault::Reset) => return None,
            Some(Fault::Says(code)) => {
                let mut status = json!({
                    "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": "Test",
                    "message": "the object has been modified; please apply your changes to the latest version",
                });
                if code == 429 {
                    status["details"] = json!({"retryAfterSeconds": 1});
                }
                return say(&mut stream, code, status.to_string().as_bytes()).await;
            }
            Some(Fault::Lost) | None => {}
        }
        let answer = self.client.send(request.body(Body::from(body)).ok()?).await.ok()?;
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect_bytes().await.ok()?;
        match fault {
            Some(_) => None,
            None => say(&mut stream, code, &bytes).await,
        }
    }
}

async fn say(stream: &mut BufReader<TcpStream>, code: u16, body: &[u8]) -> Option<()> {
    let head = format!(
        "HTTP/1.1 {code} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(body).await.ok()?;
    stream.flush().await.ok()
}

/// A session through a proxy, and the proxy.
async fn through(world: &World) -> (session::Kubernetes, Arc<Proxy>) {
    let client = world.cluster.client().unwrap();
    let proxy = Arc::new(Proxy { client, plan: Mutex::default(), hits: AtomicU32::new(0) });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(proxy.clone().serve(listener));
    let mut config = kube::Config::new(address.parse().unwrap());
    config.default_namespace = world.cluster.namespace.clone();
    (session::Kubernetes::new(Cluster::new(config, "proxy".to_owned()), &world.target), proxy)
}

/// Whatever goes wrong on the way of a call, it passes, is classed as what passes, and leaves one object that is ours.
#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_on_the_way_makes_no_second_object() {
    let Some(world) = World::new().await else { return };
    let (session, proxy) = through(&world).await;
    let kind = "kubernetes_config_map";
    let faults =
        [Fault::Reset, Fault::Lost, Fault::Says(409), Fault::Says(429), Fault::Says(500), Fault::Says(503)];
    for (number, fault) in faults.into_iter().enumerate() {
        for (change, verb) in [
            (CallKind::Create, "PATCH"),
            (CallKind::Update, "PATCH"),
            (CallKind::Update, "GET"),
            (CallKind::Delete, "DELETE"),
        ] {
            let name = format!("x-{number}");
            let call = world.call(change, kind, &name, json!({"data": {"a": format!("{change:?}{verb}")}}));
            let plan = Plan { fault, verb, left: AtomicU32::new(2) };
            *proxy.plan.lock().unwrap() = Some(Arc::new(plan));
            let before = proxy.hits.load(Ordering::SeqCst);
            let mut tries = 0;
            while let Err(error) = session.perform(&call, &Quiet).await {
                let passes = matches!(error.class, ErrorClass::Transient | ErrorClass::Throttled);
                assert!(passes, "{fault:?} {verb}: {:?} {}", error.class, error.diagnostic.headline);
                tries += 1;
                assert!(tries < 6, "{fault:?} {verb} does not pass");
            }
            assert!(proxy.hits.load(Ordering::SeqCst) > before, "{fault:?} {verb} was never hit");
            *proxy.plan.lock().unwrap() = None;
            let seen = session.read(kind, &call.identity).await.unwrap();
            match (change, seen) {
                (CallKind::Delete, Seen::Absent) => {}
                (_, Seen::Present(seen)) => {
                    assert_eq!(seen.owner, Owner::Mine);
                    assert_eq!(seen.config.to_plain_json()["data"]["a"], format!("{change:?}{verb}"));
                }
                (_, seen) => panic!("{fault:?} {verb}: {seen:?}"),
            }
        }
    }
    let url = format!("/api/v1/namespaces/{}/configmaps", world.cluster.namespace);
    let maps = world.cluster.list(&url, "list", None).await.unwrap();
    let ours = |map: &&serde_json::Value| map["metadata"]["name"].as_str().unwrap().starts_with("x-");
    assert_eq!(maps.iter().filter(ours).count(), 0);
    world.end().await;
}

/// A watch that is told its version is too old, or that breaks, is begun again from what is there now.
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_ends_early_is_no_answer() {
    let Some(world) = World::new().await else { return };
    let (session, proxy) = through(&world).await;
    for fault in [Fault::Says(410), Fault::Reset] {
        let name = format!("x-{}", proxy.hits.load(Ordering::SeqCst));
        let quota =
            world.call(CallKind::Create, "kubernetes_resource_quota", &name, json!({"hard": {"pods": "5"}}));
        session.perform(&quota, &Quiet).await.unwrap();
        *proxy.plan.lock().unwrap() = Some(Arc::new(Plan { fault, verb: "WATCH", left: AtomicU32::new(1) }));
        let mut looks = 0;
        loop {
            match session.ready(&quota.resource, &quota.identity).await {
                Ok(Ready::Yes) => break,
                Ok(Ready::Wait(_)) => {}
                Ok(other) => panic!("{other:?}"),
                Err(error) => assert_eq!(error.class, ErrorClass::Transient, "{}", error.diagnostic.headline),
            }
            looks += 1;
            assert!(looks < 30, "it does not become ready");
        }
        *proxy.plan.lock().unwrap() = None;
    }
    world.end().await;
}
