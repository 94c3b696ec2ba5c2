//! The process that keeps one endpoint, from the inside: its router and its replicas, and nothing it decides by itself.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::value::to_raw_value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::endpoint::{Endpoint, Viewer};
use super::keeper::{
    Answer, Ask, PROTOCOL, Record, Request, VERSION, ask, read_record, remove_record, socket, spawn,
    unreachable, write_record,
};
use super::process::mark;
use super::replica::EndpointEvent;
use super::spec::EndpointSpec;
use crate::Problem;
use crate::files::ground_lost;

/// Without an endpoint for so long, nobody wants this process any more.
const IDLE: Duration = Duration::from_secs(60);

/// How often the load is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How long the number of replicas is left alone that could not be changed.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

struct Keeping {
    folder: PathBuf,
    /// Changed by one at a time.
    endpoint: tokio::sync::Mutex<Option<Endpoint>>,
    seen: Mutex<Seen>,
    /// What is left of specifications that were replaced.
    settling: Mutex<JoinSet<()>>,
    inherited: Mutex<Option<TcpListener>>,
    /// The process whose endpoint this one takes over.
    before: Mutex<Option<Record>>,
    end: Notify,
}

/// What is told about the endpoint, also while it changes.
#[derive(Default)]
struct Seen {
    viewer: Option<Viewer>,
    spec: Option<String>,
}

/// Keeps the endpoint of a folder until it is told to stop. A listening socket as standard input is the port that another
/// process hands over.
///
/// # Errors
/// The folder cannot be used.
pub async fn keep(folder: PathBuf) -> Result<(), Problem> {
    // A session of its own: the terminal that this began in may go.
    let _ = rustix::process::setsid();
    let failed = |error: &std::io::Error| Problem::io("MLP0786", "listen in", &folder, error);
    let mut hangup = signal(SignalKind::hangup()).map_err(|error| failed(&error))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| failed(&error))?;
    let (path, _open) = socket(&folder, std::process::id()).map_err(|error| failed(&error))?;
    let _ = fs::remove_file(&path);
    let inherited = inherited();
    let before =
        read_record(&folder).filter(|record| inherited.is_some() && record.pid != std::process::id());
    if before.is_none() {
        // Before anybody can ask for something: whoever starts this may be gone by then, and has to find it again.
        write_record(&folder, &mark()).map_err(|error| failed(&error))?;
    }
    let listener = UnixListener::bind(&path).map_err(|error| failed(&error))?;
    let keeping = Arc::new(Keeping {
        folder: folder.clone(),
        endpoint: tokio::sync::Mutex::default(),
        seen: Mutex::default(),
        settling: Mutex::default(),
        inherited: Mutex::new(inherited),
        before: Mutex::new(before),
        end: Notify::new(),
    });
    let accepting = tokio::spawn(Arc::clone(&keeping).listen(listener));
    let scaling = tokio::spawn(Arc::clone(&keeping).scale());
    let ground = File::open(&folder).map_err(|error| failed(&error))?;
    let lost = ground_lost(&ground, &folder);
    tokio::pin!(lost);
    loop {
        tokio::select! {
            () = &mut lost => break,
            () = keeping.end.notified() => break,
            _ = terminate.recv() => break,
            _ = hangup.recv() => {}
            () = tokio::time::sleep(IDLE) => {
                if keeping.endpoint.try_lock().is_ok_and(|endpoint| endpoint.is_none()) {
                    break;
                }
            }
        }
    }
    accepting.abort();
    scaling.abort();
    keeping.stop().await;
    remove_record(&folder);
    let _ = fs::remove_file(path);
    Ok(())
}

/// The port that was handed over, if standard input is one.
fn inherited() -> Option<TcpListener> {
    let stdin = std::io::stdin().as_fd().try_clone_to_owned().ok()?;
    let metadata = File::from(stdin.try_clone().ok()?).metadata().ok()?;
    if !std::os::unix::fs::FileTypeExt::is_socket(&metadata.file_type()) {
        return None;
    }
    let listener = TcpListener::from(stdin);
    listener.local_addr().ok().map(|_| listener)
}

impl Keeping {
    async fn listen(self: Arc<Self>, listener: UnixListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let keeping = Arc::clone(&self);
            tokio::spawn(async move {
                if let Err(error) = keeping.converse(stream).await {
                    eprintln!("a conversation broke off: {error}");
                }
            });
        }
    }

    async fn converse(self: Arc<Self>, mut stream: UnixStream) -> std::io::Result<()> {
        let mut line = String::new();
        BufReader::new(&mut stream).read_line(&mut line).await?;
        let (mut answer, ends) = match serde_json::from_str::<Request>(&line) {
            Ok(request) => {
                let ends = matches!(request.ask, Ask::Stop | Ask::Leave);
                // What was begun is brought to its end, also when whoever asked is gone meanwhile.
                let work = tokio::spawn(Arc::clone(&self).answer(request.ask));
                (work.await.map_err(std::io::Error::other)?, ends)
            }
            Err(error) => {
                let problem = unreachable(format!("the process of an endpoint does not understand: {error}"));
                (Answer { problem: Some(problem.into()), ..Answer::default() }, false)
            }
        };
        (answer.protocol, answer.version, answer.pid) = (PROTOCOL, VERSION.to_owned(), std::process::id());
        let mut text = serde_json::to_vec(&answer)?;
        text.push(b'\n');
        let told = stream.write_all(&text).await;
        if ends {
            self.end.notify_one();
        }
        told
    }

    async fn answer(self: Arc<Self>, ask: Ask) -> Answer {
        let outcome = match ask {
            Ask::Status => Ok(None),
            Ask::Apply(spec) => self.apply(*spec).await.map(|()| None),
            Ask::HandOver { argv } => self.hand_over(&argv).await.map(Some),
            Ask::Leave => {
                let endpoint = self.endpoint.lock().await.take();
                if let Some(endpoint) = endpoint {
                    endpoint.leave().await;
                }
                self.settled().await;
                Ok(None)
            }
            Ask::Stop => {
                self.stop().await;
                Ok(None)
            }
        };
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answer = Answer {
            spec: seen.spec.clone(),
            // A status is plain data: it can always be written.
            status: seen.viewer.as_ref().and_then(|viewer| to_raw_value(&viewer.status()).ok()),
            ..Answer::default()
        };
        match outcome {
            Ok(started) => answer.started = started,
            Err(problem) => answer.problem = Some(problem.into()),
        }
        answer
    }

    async fn apply(&self, spec: EndpointSpec) -> Result<(), Problem> {
        let digest = spec.digest();
        let mut slot = self.endpoint.lock().await;
        if let Some(endpoint) = slot.as_mut() {
            let leftover = endpoint.change(spec).await?;
            self.see(endpoint, digest);
            // Whoever decides is free to look on while long requests come to their end.
            let mut settling = self.settling.lock().unwrap_or_else(PoisonError::into_inner);
            while settling.try_join_next().is_some() {}
            settling.spawn(leftover.settle());
            return Ok(());
        }
        let listener = self.inherited.lock().unwrap_or_else(PoisonError::into_inner).take();
        let told = Arc::new(|event: EndpointEvent| {
            if let Ok(line) = serde_json::to_string(&event) {
                println!("{line}");
            }
        });
        let endpoint = Endpoint::start_on(listener, spec, told).await?;
        self.see(&endpoint, digest);
        *slot = Some(endpoint);
        drop(slot);
        let before = self.before.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(before) = before {
            write_record(&self.folder, &mark())
                .map_err(|error| Problem::io("MLP0786", "take over", &self.folder, &error))?;
            // One that is gone already has nothing to leave.
            let _ = ask(&self.folder, before.pid, Ask::Leave, None).await;
        }
        Ok(())
    }

    /// Lets the endpoint follow its load.
    async fn scale(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let outcome = match self.endpoint.lock().await.as_mut() {
                Some(endpoint) => endpoint.scale().await,
                None => Ok(()),
            };
            if let Err(problem) = outcome {
                eprintln!("the number of replicas stays as it is: {problem}");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }

    fn see(&self, endpoint: &Endpoint, digest: String) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Seen { viewer: Some(endpoint.viewer()), spec: Some(digest) };
    }

    async fn hand_over(&self, argv: &[String]) -> Result<u32, Problem> {
        let slot = self.endpoint.lock().await;
        let endpoint = slot.as_ref().ok_or_else(|| unreachable("there is no endpoint to hand over"))?;
        let failed = |error: &std::io::Error| Problem::io("MLP0786", "hand over", &self.folder, error);
        let listening = endpoint.listening().map_err(|error| failed(&error))?;
        let mut child = spawn(&self.folder, argv, Stdio::from(listening)).map_err(|error| failed(&error))?;
        let pid = child.id();
        std::thread::spawn(move || child.wait());
        Ok(pid)
    }

    async fn stop(&self) {
        let endpoint = self.endpoint.lock().await.take();
        if let Some(endpoint) = endpoint {
            endpoint.stop().await;
        }
        self.settled().await;
    }

    /// Waits until nothing is left of what was replaced.
    async fn settled(&self) {
        let mut settling = std::mem::take(&mut *self.settling.lock().unwrap_or_else(PoisonError::into_inner));
        while settling.join_next().await.is_some() {}
    }
}
