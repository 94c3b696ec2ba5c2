//! The work in a pod: `mlp in-pod …` is the program of its container. The records that are mounted are brought about on the volume of
//! the registry by the provider of the floor, and then worked on by it, as on one machine.

mod records;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mlp_provider::{
    CallKind, ErrorClass, Event, LogQuery, Provider, ProviderError, Reporter, ResourceChange, RunRequest,
    RunSummary, Seen, Session, Target,
};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

use crate::ask::{self, Answer, Ask};
use crate::codes;
use crate::fault::{Fallible, fault, helped};
use crate::lower::floor::pods::{HOME, RECORDS};
use crate::mlp_diag::Diagnostic;
use crate::mlp_value::{KnownValue, ResourceId};
use records::Record;

/// How the last line of a run begins, which says how it went.
pub(crate) const SUMMARY: &str = "mlp:summary ";
/// What was given for a run.
pub(crate) const GIVEN: &str = "MLP_GIVEN";
/// After so many looks in vain an endpoint is given up.
const IN_VAIN: u32 = 6;
/// How often it is looked whether an endpoint is still kept.
const LOOK: Duration = Duration::from_secs(5);

/// Finds the program of a name with the version that a constraint wants: its path and version, or why not.
pub type Find<'a> = &'a (dyn Fn(&str, Option<&str>) -> Result<(String, String), String> + Sync);

/// Where the work is done.
pub struct Ground<'a> {
    /// Who does it.
    pub floor: &'a dyn Provider,
    /// The project: the directory that the image starts in.
    pub directory: PathBuf,
    /// This program.
    pub program: String,
    /// Looks for programs in the image.
    pub find: Find<'a>,
    /// Ends what the floor runs beside this process, and keeps its records.
    pub leave: &'a (dyn Fn() -> Result<(), Box<Diagnostic>> + Sync),
}

/// What a run is given beside its record.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Given {
    pub(crate) params: BTreeMap<String, KnownValue>,
    pub(crate) who: String,
    pub(crate) commit: Option<String>,
    pub(crate) fresh: bool,
    pub(crate) steps: Vec<String>,
}

/// What happens, a line each on standard output.
struct Lines {
    cancelled: AtomicBool,
}

impl Reporter for Lines {
    fn event(&self, event: Event) {
        match event {
            Event::Started { subject } => println!("{subject}: started"),
            Event::Progress { subject, text } => println!("{subject}: {text}"),
            Event::Finished { subject, text, good } => {
                println!("{subject}: {} {text}", if good { "done" } else { "failed" });
            }
            Event::Line { subject, text } => println!("{subject} | {text}"),
        }
    }

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

fn lines() -> Arc<Lines> {
    Arc::new(Lines { cancelled: AtomicBool::new(false) })
}

fn io(doing: &str, path: &Path, error: &std::io::Error) -> ProviderError {
    fault(ErrorClass::Fatal, codes::IN_POD, format!("cannot {doing} `{}`: {error}", path.display()))
}

impl Ground<'_> {
    fn target(&self) -> Target {
        let named = |name: &str| std::env::var(name).unwrap_or_default();
        Target {
            project: named("MLP_PROJECT"),
            environment: named("MLP_ENVIRONMENT"),
            lineage: "cluster".to_owned(),
            directory: self.directory.display().to_string(),
            home: HOME.to_owned(),
            provider: KnownValue::Null,
            program: self.program.clone(),
            secrets: BTreeMap::new(),
            take_over: false,
        }
    }

    async fn session(&self) -> Fallible<Arc<dyn Session>> {
        self.floor.connect(&self.target()).await
    }

    /// Brings the records about that are mounted: those that are not as they were when that was done last.
    async fn bring_all(&self, session: &dyn Session, reporter: &dyn Reporter) -> Fallible<Vec<Record>> {
        let _alone = alone("bring")?;
        let records = records::read(Path::new(RECORDS), self.find)?;
        for record in &records {
            // What another pod starts is no work of this one.
            self.bring(session, record, reporter).await?;
        }
        Ok(records)
    }

    async fn bring(&self, session: &dyn Session, record: &Record, reporter: &dyn Reporter) -> Fallible<()> {
        let seen = session.read(&record.kind, &record.identity).await?;
        let intact = match &seen {
            Seen::Present(seen) => seen.config.field("intact").and_then(KnownValue::as_text) == Some("yes"),
            Seen::Absent => false,
        };
        let stamp = Path::new(HOME).join("records").join(record.identity.replace('/', "-"));
        if intact && std::fs::read_to_string(&stamp).is_ok_and(|text| text == record.digest) {
            return Ok(());
        }
        let change = ResourceChange {
            resource: record.kind.clone(),
            identity: record.identity.clone(),
            kind: if seen == Seen::Absent { CallKind::Create } else { CallKind::Update },
            before: None,
            after: Some(record.config.lift()),
            takes_over: false,
        };
        for call in self.floor.calls(&change) {
            session.perform(&call, reporter).await?;
        }
        let folder = stamp.parent().unwrap_or(Path::new(HOME));
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&stamp, &record.digest))
            .map_err(|error| io("write", &stamp, &error))
    }

    /// Makes the version of a dataset that its record asks for.
    ///
    /// # Errors
    /// It cannot be read, or is not as expected.
    pub async fn dataset(&self, identity: &str) -> Result<(), Box<Diagnostic>> {
        let session = self.session().await.map_err(told)?;
        let records = self.bring_all(&*session, &*lines()).await.map_err(told)?;
        let record = own(&records, identity).map_err(told)?;
        if let Seen::Present(seen) = session.read(&record.kind, identity).await.map_err(told)? {
            println!("{}: version {}", record.address, seen.outputs.to_plain_json());
        }
        Ok(())
    }

    /// Runs a pipeline or a batch once; whether it went well.
    ///
    /// # Errors
    /// It could not be started.
    pub async fn run(&self, identity: &str) -> Result<Result<(), Vec<Diagnostic>>, Box<Diagnostic>> {
        let reporter = lines();
        let cancel = Arc::clone(&reporter);
        let mut end = signal(SignalKind::terminate())
            .map_err(|error| told(io("listen for", Path::new("SIGTERM"), &error)))?;
        tokio::spawn(async move {
            end.recv().await;
            cancel.cancelled.store(true, Ordering::Relaxed);
        });
        // One run of it at a time: each closes the record of one that was lost.
        let _alone = alone(identity).map_err(told)?;
        let session = self.session().await.map_err(told)?;
        let records = self.bring_all(&*session, &*reporter).await.map_err(told)?;
        let record = own(&records, identity).map_err(told)?;
        let given = std::env::var(GIVEN).ok();
        let given: Given = given.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let request = RunRequest {
            resource: record.kind.clone(),
            identity: identity.to_owned(),
            id: ResourceId::new(record.address.clone(), ""),
            params: given.params,
            // Nobody is told who started a Job; without a command it was a schedule.
            who: if given.who.is_empty() { "schedule".to_owned() } else { given.who },
            commit: given.commit,
            fresh: given.fresh,
            steps: given.steps,
        };
        let summary = session.run(&request, &*reporter).await.map_err(told)?;
        let query = LogQuery {
            resource: record.kind.clone(),
            identity: identity.to_owned(),
            part: None,
            run: Some(summary.run.clone()),
            tail: None,
            follow: false,
        };
        // Steps that said nothing have no log.
        let _ = session.logs(&query, &*reporter).await;
        say(&summary);
        Ok(match summary.status.as_str() {
            "succeeded" => Ok(()),
            status if summary.problems.is_empty() => {
                Err(vec![Diagnostic::error(codes::RUN, format!("the run ended: {status}"))])
            }
            _ => Err(summary.problems),
        })
    }

    /// Serves an endpoint until it is told to end.
    ///
    /// # Errors
    /// It cannot be kept.
    pub async fn serve(&self, identity: &str) -> Result<(), Box<Diagnostic>> {
        let mut end = signal(SignalKind::terminate())
            .map_err(|error| told(io("listen for", Path::new("SIGTERM"), &error)))?;
        let session = self.session().await.map_err(told)?;
        let reporter = lines();
        let records = self.bring_all(&*session, &*reporter).await.map_err(told)?;
        let record = own(&records, identity).map_err(told)?;
        // Whatever an earlier pod brought about, here nothing runs yet.
        let change = ResourceChange {
            resource: record.kind.clone(),
            identity: identity.to_owned(),
            kind: CallKind::Update,
            before: None,
            after: Some(record.config.lift()),
            takes_over: false,
        };
        for call in self.floor.calls(&change) {
            session.perform(&call, &*reporter).await.map_err(told)?;
        }
        let id = ResourceId::new(record.address.clone(), "");
        let asked = [(id, record.kind.clone(), identity.to_owned())];
        let (mut said, mut vain) = (String::new(), 0);
        loop {
            tokio::select! {
                _ = end.recv() => break,
                () = tokio::time::sleep(LOOK) => {}
            }
            let status = session.status(&asked).await.map_err(told)?;
            let Some(entry) = status.first() else { continue };
            let lines = entry.lines.join("; ");
            if said != lines && (entry.state != "running" || said.is_empty()) {
                println!("{}: {lines}", entry.state);
                said.clone_from(&lines);
            }
            let stands =
                entry.state == "stopped" && (entry.detail.is_null() || !entry.detail["error"].is_null());
            vain = if stands { vain + 1 } else { 0 };
            // The node starts the pod again, and tells whoever looks what it said.
            if vain == IN_VAIN {
                let headline = format!("`{}` does not serve: {lines}", record.address);
                return Err(told(fault(ErrorClass::Fatal, codes::IN_POD, headline)));
            }
        }
        (self.leave)()
    }

    /// Is there for those who ask, until it is told to end.
    ///
    /// # Errors
    /// The volume cannot be written to.
    pub async fn keep(&self) -> Result<(), Box<Diagnostic>> {
        let mut end = signal(SignalKind::terminate())
            .map_err(|error| told(io("listen for", Path::new("SIGTERM"), &error)))?;
        let folder = Path::new(HOME).join("records");
        std::fs::create_dir_all(&folder).map_err(|error| told(io("write to", &folder, &error)))?;
        println!("the registry is on the volume at {HOME}");
        end.recv().await;
        Ok(())
    }

    /// Answers one question, as a line of JSON.
    pub async fn ask(&self, text: &str) -> String {
        let answer = match self.answer(text).await {
            Ok(json) => Answer::Told(json),
            Err(error) => Answer::Refused(error.class, error.diagnostic),
        };
        serde_json::to_string(&answer).unwrap_or_default()
    }

    async fn answer(&self, text: &str) -> Fallible<serde_json::Value> {
        let asked: Ask = serde_json::from_str(text).map_err(|error| {
            fault(
                ErrorClass::Invalid,
                codes::IN_POD,
                format!("the mlp of the image does not know what is asked: {error}"),
            )
        })?;
        let session = self.session().await?;
        ask::answer(self.floor, &*session, asked).await
    }
}

fn told(error: ProviderError) -> Box<Diagnostic> {
    error.diagnostic
}

fn own<'r>(records: &'r [Record], identity: &str) -> Fallible<&'r Record> {
    records.iter().find(|record| record.identity == identity).ok_or_else(|| {
        fault(
            ErrorClass::Invalid,
            codes::IN_POD,
            format!("the record of `{identity}` is not mounted in {RECORDS}"),
        )
    })
}

/// Waits until nobody else does the same on the volume.
fn alone(what: &str) -> Fallible<File> {
    let folder = Path::new(HOME).join("records");
    let path = folder.join(format!("{}.lock", what.replace('/', "-")));
    let locked = std::fs::create_dir_all(&folder).and_then(|()| File::create(&path)).and_then(|file| {
        if file.try_lock().is_err() {
            println!("waits for another pod that does the same");
            file.lock()?;
        }
        Ok(file)
    });
    locked.map_err(|error| {
        helped(
            io("lock", &path, &error),
            "see that the volume of the registry is mounted and can be written to",
        )
    })
}

fn say(summary: &RunSummary) {
    for line in &summary.results {
        println!("{line}");
    }
    println!("{SUMMARY}{}", serde_json::to_string(summary).unwrap_or_default());
}
