//! Accepting connections, and ending without cutting one off.

use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::router::Router;
use crate::Problem;

/// A connection without a request is closed after this time.
const IDLE: Duration = Duration::from_secs(75);

/// For so long a listener that hands over tells those it is connected to that they have to connect anew.
const FAREWELL: Duration = Duration::from_secs(2);

/// How far a listener is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Stage {
    Serving,
    /// It accepts nobody; every answer says that the connection ends with it.
    Leaving,
    /// Connections without a request are closed.
    Closing,
}

/// A running listener; dropped, it ends in the background.
pub(super) struct Server {
    stop: watch::Sender<Stage>,
    task: JoinHandle<()>,
}

/// Binds the port of a router.
pub(super) async fn bind(endpoint: &str, host: &str, port: u16) -> Result<TcpListener, Problem> {
    TcpListener::bind((host, port)).await.map_err(|error| {
        let shown = if host.parse::<Ipv6Addr>().is_ok() {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let problem = if error.kind() == std::io::ErrorKind::AddrInUse {
            Problem::new(
                "MLP0781",
                format!("port {port} of endpoint `{endpoint}` is taken by another program"),
            )
            .note(format!("the address is {shown}"))
            .help("choose another port, or leave it out and one is chosen")
        } else {
            Problem::new("MLP0781", format!("endpoint `{endpoint}` cannot listen on {shown}: {error}"))
        };
        problem.at("port")
    })
}

impl Server {
    /// Serves a listener until it is closed; requests under way then have `grace` to finish.
    pub(super) fn start(listener: TcpListener, router: Arc<Router>, grace: Duration) -> Self {
        let (stop, stopped) = watch::channel(Stage::Serving);
        Self { stop, task: tokio::spawn(accept(listener, router, stopped, grace)) }
    }

    /// Closes the port and waits for the requests under way.
    pub(super) async fn close(self) {
        let _ = self.stop.send(Stage::Closing);
        let _ = self.task.await;
    }

    /// Accepts nobody any more, so that another process with the same port does; whoever is connected is told with the
    /// next answer, since a connection that is closed while a request is on its way loses it.
    pub(super) async fn leave(self) {
        let _ = self.stop.send(Stage::Leaving);
        tokio::time::sleep(FAREWELL).await;
        self.close().await;
    }
}

async fn accept(
    listener: TcpListener,
    router: Arc<Router>,
    mut stop: watch::Receiver<Stage>,
    grace: Duration,
) {
    let mut connections = JoinSet::new();
    let stop_connections = stop.clone();
    loop {
        tokio::select! {
            () = reached(&mut stop, Stage::Leaving) => break,
            _ = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&router), stop_connections.clone()));
                }
                // Out of descriptors: those that end meanwhile make room.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
    drop(listener);
    reached(&mut stop, Stage::Closing).await;
    let finish = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(grace, finish).await;
    connections.shutdown().await;
}

async fn connection(stream: TcpStream, router: Arc<Router>, mut stop: watch::Receiver<Stage>) {
    let _ = stream.set_nodelay(true);
    let stage = stop.clone();
    let service = service_fn(move |request| {
        let (router, stage) = (Arc::clone(&router), stage.clone());
        async move {
            let mut answer = router.handle(request).await;
            if let Ok(answer) = &mut answer
                && *stage.borrow() != Stage::Serving
            {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            answer
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    tokio::select! {
        _ = serving.as_mut() => return,
        () = reached(&mut stop, Stage::Closing) => serving.as_mut().graceful_shutdown(),
    }
    let _ = serving.await;
}

/// Returns when a stage is reached, also when nobody is left who could say so.
async fn reached(stop: &mut watch::Receiver<Stage>, stage: Stage) {
    let _ = stop.wait_for(|now| *now >= stage).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = held.local_addr().unwrap().port();
        let problem = bind("churn", "127.0.0.1", port).await.unwrap_err();
        assert_eq!(problem.code, "MLP0781");
        assert!(problem.message.contains(&port.to_string()) && problem.message.contains("churn"));
    }
}
