//! The doing half: reads and changes objects, and hands runs and endpoints on to those who run them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use mlp_provider::{
    Call, CallKind, CollectRequest, Collected, Desired, Event, LogQuery, Observed, Owned, Owner,
    ProviderError, Ready, Removal, Reporter, RollbackRequest, RunEntry, RunRequest, RunSummary, Seen,
    Session, ShowQuery, Shown, StatusEntry, Target,
};

use crate::codes;
use crate::collect;
use crate::documents::{Document, Found, Place, sweep_unfinished};
use crate::fault::{Fallible, io, wrong};
use crate::mlp_diag::Subject;
use crate::mlp_value::{KnownValue, ResourceId, units};
use crate::resources::{Ground, Handler, REMEMBERED, handler, natives};
use crate::supervisor::protocol::{Ask, RolloutReport};
use crate::supervisor::{Variables, client, find_version, take_captured};

/// A session on this machine.
pub(crate) struct Local {
    ground: Ground,
    /// Set once what earlier processes left half written is gone.
    swept: Once,
}

impl Local {
    /// Makes nothing: a plan only looks.
    pub(crate) fn open(target: &Target) -> Self {
        let place = Place::new(PathBuf::from(&target.home));
        Self { ground: Ground { target: target.clone(), place }, swept: Once::new() }
    }

    fn handler(resource: &str) -> Fallible<&'static dyn Handler> {
        handler(resource).ok_or_else(|| unknown_kind(resource))
    }

    fn look(&self, resource: &str, identity: &str) -> Fallible<Seen> {
        let document = match self.ground.place.find(identity)? {
            Found::Absent => return Ok(Seen::Absent),
            Found::Broken(why) => {
                let intact = KnownValue::text(format!("its record is damaged: {why}"));
                return Ok(Seen::Present(Observed {
                    config: KnownValue::object([("intact", intact)]),
                    outputs: KnownValue::object::<&str>([]),
                    // It lies where only this environment writes.
                    owner: Owner::Mine,
                }));
            }
            Found::Document(document) => document,
        };
        let seen = Self::handler(resource)?.observe(&self.ground, &document)?;
        let mut config = document.config.as_object().cloned().unwrap_or_default();
        for (name, value) in seen.computed {
            config.insert(name.into(), value);
        }
        if !document.is_untouched() {
            config.insert("intact".into(), KnownValue::text("its record was edited"));
        }
        Ok(Seen::Present(Observed {
            config: KnownValue::Object(config.into()),
            outputs: KnownValue::object(seen.outputs),
            owner: document.owner(&self.ground.target),
        }))
    }

    fn change(&self, call: &Call, reporter: &dyn Reporter) -> Fallible<()> {
        let _lock = crate::holds::changing(&self.ground.place)?;
        let home = &self.ground.place.home;
        self.swept.call_once(|| natives().for_each(|kind| sweep_unfinished(&home.join(kind.folder()))));
        let handler = Self::handler(&call.resource)?;
        let before = match self.ground.place.find(&call.identity)? {
            Found::Document(document) => Some(document),
            Found::Absent | Found::Broken(_) => None,
        };
        if call.kind == CallKind::Delete {
            return self.delete(call, handler, before.as_deref());
        }
        let config = known(call)?;
        let resolved = handler.realise(&self.ground, before.as_deref(), &config, reporter)?;
        let document = Document::new(&self.ground.target, &call.resource, config, resolved);
        self.ground.place.put(&call.identity, &document)?;
        if call.resource == "local_endpoint" || has_triggers(&document.config) {
            client::ensure(&self.ground.target)?;
            let variables = Variables::asked_for(&self.ground.place);
            let home = self.ground.place.home.clone();
            client::tell(&self.ground.target, Ask::Reconcile { home, variables })?;
        }
        Ok(())
    }

    fn delete(&self, call: &Call, handler: &dyn Handler, before: Option<&Document>) -> Fallible<()> {
        if let Some(document) = before {
            handler.remove(&self.ground, document)?;
        }
        self.ground.place.remove(&call.identity)?;
        if call.resource == "local_endpoint" {
            let name = call.identity.rsplit('/').next().unwrap_or_default().to_owned();
            client::tell(
                &self.ground.target,
                Ask::StopEndpoint { home: self.ground.place.home.clone(), name: name.clone() },
            )?;
            self.take_rest(&name, before)?;
        }
        Ok(())
    }

    /// What an endpoint that has ended recorded last.
    fn take_rest(&self, name: &str, before: Option<&Document>) -> Fallible<()> {
        if let Some(document) = before {
            take_captured(&self.ground.place, name, document)?;
        }
        let folder = self.ground.place.captured(name);
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io("remove", &folder, &error)),
            _ => Ok(()),
        }
    }

    fn endpoint_ready(&self, identity: &str) -> Fallible<Ready> {
        let document = self.ground.place.get(identity)?;
        let Some(report) = client::endpoint(&self.ground.target, &document)? else {
            return Ok(Ready::Wait("starting its replicas".to_owned()));
        };
        if report.document != document.digest {
            return Ok(Ready::Wait("starting its replicas".to_owned()));
        }
        Ok(match report.error {
            Some(found) => {
                let headline = found.headline.clone();
                let mut never = crate::mlp_diag::Diagnostic::error(codes::NOT_READY, headline);
                never.subject = found.subject.map(|subject| declared(&document, subject));
                never.notes = found.notes;
                never.help = found.help;
                Ready::Never(Box::new(never))
            }
            None => self.rolled_out(identity, &document, &report.rollouts),
        })
    }

    /// It serves; whether its new versions do as well.
    fn rolled_out(&self, identity: &str, document: &Document, rollouts: &[RolloutReport]) -> Ready {
        // What was taken out before this record was written is no news.
        let written =
            std::fs::metadata(self.ground.place.document(identity)).and_then(|file| file.modified()).ok();
        let written = written.map_or(0, crate::time::unix_ms);
        if let Some(held) = rollouts.iter().find(|one| one.held_at.is_some_and(|at| at >= written)) {
            let path = format!("variant.{}.model", held.variant);
            let mut found = crate::mlp_diag::Diagnostic::error(codes::ROLLED_BACK, held.text.clone())
                .on(document.address(), path)
                .help("register a better version, or let it be tried again with `mlp release`");
            found.subject = found.subject.map(|subject| declared(document, subject));
            return Ready::Never(Box::new(found));
        }
        match rollouts.iter().find(|one| one.held_at.is_none()) {
            Some(one) => Ready::Underway(format!("`{}`: {}", one.variant, one.step)),
            None => Ready::Yes,
        }
    }
}

fn unknown_kind(resource: &str) -> ProviderError {
    wrong(codes::REFUSED, format!("the local provider makes no `{resource}`"), resource, "")
}

/// The body of a call, in which no hole is left.
fn known(call: &Call) -> Fallible<KnownValue> {
    call.body.known().map_err(|hole| {
        let waits = format!("a value is not known: it waits for {}", hole.after.join(", "));
        wrong(codes::VALUE, waits, &call.identity, "")
    })
}

/// The place in the declaration that a native one comes from: the nodes of a graph are variants of its endpoint.
fn declared(document: &Document, subject: Subject) -> Subject {
    let name = subject.path.strip_prefix("variant.").map(str::to_owned);
    match name.filter(|_| document.config.field("graph").is_some()) {
        Some(name) => Subject { path: format!("graph.node.{name}"), ..subject },
        None => subject,
    }
}

/// Whether something is started by itself, so that somebody has to watch.
fn has_triggers(config: &KnownValue) -> bool {
    config.field("trigger").and_then(KnownValue::as_object).is_some_and(|triggers| !triggers.is_empty())
}

/// The models that something serves, as they stand in its fields.
fn models(config: &KnownValue) -> Vec<KnownValue> {
    let variants = config.field("variant").and_then(KnownValue::as_object);
    let mut found: Vec<KnownValue> =
        variants.into_iter().flat_map(|variants| variants.values().cloned()).collect();
    found.extend(config.field("model").cloned());
    found
}

#[async_trait::async_trait]
impl Session for Local {
    async fn read(&self, resource: &str, identity: &str) -> Result<Seen, ProviderError> {
        self.look(resource, identity)
    }

    async fn perform(&self, call: &Call, reporter: &dyn Reporter) -> Result<(), ProviderError> {
        self.change(call, reporter)
    }

    async fn remember(
        &self,
        call: &Call,
        before: Option<&KnownValue>,
        key: &str,
    ) -> Result<KnownValue, ProviderError> {
        let kind = REMEMBERED.iter().find(|kind| kind.name() == call.resource);
        let kind = kind.ok_or_else(|| unknown_kind(&call.resource))?;
        Ok(KnownValue::object(kind.outputs(&known(call)?, before, key)))
    }

    async fn ready(&self, resource: &str, identity: &str) -> Result<Ready, ProviderError> {
        if resource == "local_endpoint" { self.endpoint_ready(identity) } else { Ok(Ready::Yes) }
    }

    async fn removal(&self, resource: &str, identity: &str) -> Result<Option<Removal>, ProviderError> {
        match self.ground.place.find(identity)? {
            Found::Document(document) => Self::handler(resource)?.removal(&self.ground, &document),
            Found::Absent | Found::Broken(_) => Ok(None),
        }
    }

    async fn owned(&self) -> Result<Option<Vec<Owned>>, ProviderError> {
        crate::owned::owned(&self.ground).map(Some)
    }

    async fn deferred(&self, desired: &Desired) -> Result<bool, ProviderError> {
        // What is not known yet is no model: only names and numbers stand there.
        let Ok(config) = desired.config.fill(&mut |_| Ok::<_, ()>(KnownValue::Null)) else { return Ok(true) };
        for model in models(&config) {
            if find_version(&self.ground.place, &model)?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn run(&self, request: &RunRequest, reporter: &dyn Reporter) -> Result<RunSummary, ProviderError> {
        crate::runs::carry_out(&self.ground, request, "", reporter).await
    }

    async fn runs(&self, address: Option<&str>, limit: u32) -> Result<Option<Vec<RunEntry>>, ProviderError> {
        crate::runs::list(&self.ground, address, limit).map(Some)
    }

    async fn rollback(&self, request: &RollbackRequest) -> Result<Option<Shown>, ProviderError> {
        if request.resource != "local_model" {
            return Ok(None);
        }
        let told = crate::rollback::rollback(&self.ground, request)?;
        let variables = Variables::asked_for(&self.ground.place);
        let home = self.ground.place.home.clone();
        client::tell(&self.ground.target, Ask::Reconcile { home, variables })?;
        Ok(Some(told))
    }

    async fn show(&self, query: &ShowQuery) -> Result<Option<Shown>, ProviderError> {
        match query.resource.as_str() {
            "local_dataset" => crate::show::dataset(&self.ground, query).map(Some),
            "local_model" => crate::describe::model(&self.ground, query).map(Some),
            _ => Ok(None),
        }
    }

    async fn collect(&self, request: &CollectRequest) -> Result<Option<Collected>, ProviderError> {
        collect::collect(&self.ground, request).map(Some)
    }

    async fn status(
        &self,
        resources: &[(ResourceId, String, String)],
    ) -> Result<Vec<StatusEntry>, ProviderError> {
        resources
            .iter()
            .map(|(id, resource, identity)| crate::status::entry(&self.ground, id, resource, identity))
            .collect()
    }

    async fn logs(&self, query: &LogQuery, reporter: &dyn Reporter) -> Result<(), ProviderError> {
        let mut shown: BTreeMap<PathBuf, u64> = BTreeMap::new();
        let mut tail = query.tail;
        loop {
            // Asked before the files are read: what is written last is not missed.
            let over = !query.follow || crate::status::is_over(&self.ground, query)?;
            match crate::status::log_files(&self.ground, query) {
                Ok(files) => {
                    for (subject, path) in files {
                        let from = shown.get(&path).copied().unwrap_or(0);
                        let to = show(&subject, &path, from, tail, reporter);
                        shown.insert(path, to);
                    }
                    tail = None;
                }
                Err(error) if over => return Err(error),
                // The first step of a run has not said anything yet.
                Err(_) => {}
            }
            if over || reporter.cancelled() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn release(&self, resource: &str, identity: &str) -> Result<bool, ProviderError> {
        if resource != "local_endpoint" {
            return Ok(false);
        }
        let document = self.ground.place.get(identity)?;
        client::ensure(&self.ground.target)?;
        let report = client::endpoint(&self.ground.target, &document)?;
        let held = report.is_some_and(|report| report.rollouts.iter().any(|one| one.held_at.is_some()));
        if held {
            let name = identity.rsplit('/').next().unwrap_or_default().to_owned();
            client::tell(&self.ground.target, Ask::Release { home: self.ground.place.home.clone(), name })?;
        }
        Ok(held)
    }

    async fn close_environment(&self) -> Result<Vec<String>, ProviderError> {
        let directory = Path::new(&self.ground.target.directory);
        let before = client::status(&self.ground.target)?;
        client::tell(&self.ground.target, Ask::Forget { home: self.ground.place.home.clone() })?;
        let mut said = self.leftovers();
        let Some(before) = before else { return Ok(said) };
        for _ in 0..20 {
            if client::ask(directory, Ask::Hello).ok().flatten().is_none() {
                said.push(format!("ended: the supervisor (process {})", before.pid));
                return Ok(said);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(said)
    }
}

/// What stays in an environment's directory after everything in it was destroyed, and why.
const STAYS: &[(&str, &str)] = &[
    ("code", "the code that runs and kept models were made with"),
    ("keys", "the key of masked and encrypted data"),
    ("extract", "from where the sources of kept datasets are read on"),
    ("logs", "what replicas said"),
    ("registry", "the history of runs and aliases"),
    ("runs", "what runs did"),
    ("runtimes", "the environments that runs and kept models were made with"),
    ("state", "what is remembered, and the history of applies"),
];

impl Local {
    /// Ends the cache, which can be made anew, and names what stays with its size.
    fn leftovers(&self) -> Vec<String> {
        let home = &self.ground.place.home;
        crate::dataset::Copies::sweep(&self.ground.place.runs());
        let cache = home.join("cache");
        let mut said = Vec::new();
        let freed = collect::size(&cache);
        if std::fs::remove_dir_all(&cache).is_ok() && freed > 0 {
            said.push(format!("deleted: the cache of steps ({})", units::format_bytes(freed)));
        }
        // Nothing is started or held any more where nothing is left.
        for folder in ["triggers", "holds"] {
            let _ = std::fs::remove_dir_all(home.join(folder));
        }
        for (name, why) in STAYS {
            let bytes = collect::size(&home.join(name));
            if bytes > 0 {
                said.push(format!(
                    "stays: {} ({}): {why}",
                    home.join(name).display(),
                    units::format_bytes(bytes)
                ));
            }
        }
        said
    }
}

/// Shows the whole lines of a file from a position on, and gives the position after them.
fn show(subject: &str, path: &Path, from: u64, tail: Option<usize>, reporter: &dyn Reporter) -> u64 {
    use std::io::{Read, Seek, SeekFrom};
    let mut text = Vec::new();
    let read = std::fs::File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(from))?;
        file.read_to_end(&mut text)
    });
    if read.is_err() {
        return from;
    }
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let shown = String::from_utf8_lossy(&text[..whole]).into_owned();
    let lines: Vec<&str> = shown.lines().collect();
    let skip = tail.map_or(0, |tail| lines.len().saturating_sub(tail));
    for line in lines.into_iter().skip(skip) {
        reporter.event(Event::Line { subject: subject.to_owned(), text: line.to_owned() });
    }
    from + whole as u64
}
