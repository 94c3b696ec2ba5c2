//! Triggers: what they wait for, and the durable queue of what they started. The supervisor looks at them; commands only
//! read. One record for each pipeline or batch endpoint: `triggers/<identity>.json` in the environment.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mlp_floor::schedule::{CatchUp, Memory, Schedule};
use mlp_provider::Target;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::codes;
use crate::documents::{Document, Found, Place, write_json};
use crate::fault::{Fallible, fault, io, wrong};
use crate::lower::object_name;
use crate::mlp_value::{KnownValue, Number, units};
use crate::resources::Ground;
use crate::run::text;
use crate::time;

const FORMAT_VERSION: u32 = 1;
/// Firings that are remembered after they ended.
const REMEMBERED: usize = 50;
/// How often a firing is begun that a crash cut short.
const MOST_ATTEMPTS: u32 = 3;
/// How long what one supervisor leaves to the next is not late: an upgrade takes no longer.
const SUCCESSION_MS: u64 = 600_000;
/// The folders of what may have triggers.
const FOLDERS: &[(&str, &str)] = &[("local_batch_endpoint", "batch"), ("local_pipeline", "pipelines")];

/// What a trigger waits for.
#[derive(Debug, Clone)]
pub(crate) enum Waits {
    /// For the instants of a schedule.
    Schedule { schedule: Box<Schedule>, catch_up: CatchUp },
    /// For new rows of a dataset, a pause after the last time.
    Rows { dataset: String, address: String, rows: u64, cooldown_ms: u64 },
}

/// One trigger of a record.
#[derive(Debug, Clone)]
pub(crate) struct Trigger {
    /// Its label; empty for the only one.
    pub(crate) label: String,
    pub(crate) waits: Waits,
}

impl Trigger {
    /// For people: `trigger weekly (0 3 * * 1 UTC)`.
    pub(crate) fn title(&self) -> String {
        let what = match &self.waits {
            Waits::Schedule { schedule, .. } => schedule.key().to_owned(),
            Waits::Rows { address, rows: 1, .. } => format!("new rows of {address}"),
            Waits::Rows { address, rows, .. } => format!("{rows} new rows of {address}"),
        };
        if self.label.is_empty() {
            format!("trigger ({what})")
        } else {
            format!("trigger {} ({what})", self.label)
        }
    }

    /// What becomes of a firing that comes too late or was cut short. Rows that were counted are gone from the count, so
    /// that what they started is made up for.
    fn catch_up(&self) -> CatchUp {
        match &self.waits {
            Waits::Schedule { catch_up, .. } => *catch_up,
            Waits::Rows { .. } => CatchUp::Last,
        }
    }
}

/// The triggers of a record.
pub(crate) fn declared(config: &KnownValue) -> Fallible<Vec<Trigger>> {
    let written = config.field("trigger").and_then(KnownValue::as_object);
    let address = text(config, "address").unwrap_or_default();
    written
        .into_iter()
        .flat_map(|written| written.iter())
        .map(|(label, fields)| {
            Ok(Trigger { label: label.to_string(), waits: waits(address, label, fields)? })
        })
        .collect()
}

fn waits(address: &str, label: &str, fields: &KnownValue) -> Fallible<Waits> {
    let at = |word: &str| crate::mlp_value::Path::of(&["trigger", label, word]).to_string();
    if let Some(cron) = text(fields, "cron") {
        let schedule = Schedule::parse(cron, text(fields, "timezone").unwrap_or("UTC"))
            .map_err(|problem| fault(&problem.at(at("cron")), address))?;
        let catch_up = text(fields, "catch_up").and_then(CatchUp::of).unwrap_or_default();
        return Ok(Waits::Schedule { schedule: Box::new(schedule), catch_up });
    }
    let cooldown = match text(fields, "cooldown") {
        Some(written) => {
            units::duration(written).map_err(|why| wrong(codes::TRIGGER, why, address, &at("cooldown")))?
        }
        None => std::time::Duration::ZERO,
    };
    let rows = fields.field("rows").and_then(KnownValue::as_number).and_then(Number::to_i64);
    Ok(Waits::Rows {
        dataset: text(fields, "dataset").unwrap_or_default().to_owned(),
        address: text(fields, "address").unwrap_or_default().to_owned(),
        rows: rows.and_then(|rows| u64::try_from(rows).ok()).unwrap_or(1),
        cooldown_ms: u64::try_from(cooldown.as_millis()).unwrap_or(u64::MAX),
    })
}

/// Whether triggers only look.
pub(crate) fn paused(config: &KnownValue) -> bool {
    config.field("paused").and_then(KnownValue::as_bool).unwrap_or(false)
}

/// How far a firing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Waiting,
    Running,
    Ended,
}

/// One time that a trigger started something, or is to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Firing {
    pub(crate) trigger: String,
    /// The instant it was scheduled for, or at which the rows were seen.
    pub(crate) scheduled: u64,
    pub(crate) state: State,
    /// How often it was begun.
    #[serde(default)]
    pub(crate) attempts: u32,
    #[serde(default)]
    pub(crate) started: Option<u64>,
    #[serde(default)]
    pub(crate) ended: Option<u64>,
    /// The run, once it ended.
    #[serde(default)]
    pub(crate) run: Option<String>,
    /// When a supervisor that was told to end left it to the next.
    #[serde(default)]
    pub(crate) handed: Option<u64>,
    /// `succeeded`, `failed: …`, `interrupted`.
    #[serde(default)]
    pub(crate) outcome: Option<String>,
}

/// What was last seen of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rows {
    rows: u64,
    /// When it last started something.
    #[serde(default)]
    fired: u64,
}

/// What is durable about the triggers of one pipeline or batch endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    format_version: u32,
    #[serde(default)]
    pub(crate) schedules: BTreeMap<String, Memory>,
    #[serde(default)]
    rows: BTreeMap<String, Rows>,
    /// What is to run, in order; the first may be running.
    #[serde(default)]
    pub(crate) queue: Vec<Firing>,
    /// What ended, newest last.
    #[serde(default)]
    pub(crate) history: Vec<Firing>,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            format_version: FORMAT_VERSION,
            schedules: BTreeMap::new(),
            rows: BTreeMap::new(),
            queue: Vec::new(),
            history: Vec::new(),
        }
    }
}

impl Record {
    /// Reads the record of an identity; one that was never written is empty.
    pub(crate) fn read(place: &Place, identity: &str) -> Fallible<Self> {
        let path = path(place, identity);
        let damaged = |why: String| {
            let mut error =
                wrong(codes::TRIGGER, format!("`{}` cannot be read: {why}", path.display()), identity, "");
            error.diagnostic.help = Some("remove it: its triggers begin anew then".to_owned());
            error
        };
        match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(io("read", &path, &error)),
            Ok(bytes) => match serde_json::from_slice::<Self>(&bytes) {
                Ok(record) if record.format_version > FORMAT_VERSION => {
                    Err(damaged("it was written by a newer version".to_owned()))
                }
                Ok(record) => Ok(record),
                Err(error) => Err(damaged(error.to_string())),
            },
        }
    }

    pub(crate) fn write(&self, place: &Place, identity: &str) -> Fallible<()> {
        let path = path(place, identity);
        write_json(&path, self).map_err(|error| io("write", &path, &error))
    }

    /// Puts into the queue what became due. The caller writes the record before anything is begun.
    pub(crate) fn look(&mut self, place: &Place, triggers: &[Trigger], paused: bool, now: u64) {
        self.drop_unknown(triggers);
        for trigger in triggers {
            match &trigger.waits {
                Waits::Schedule { schedule, catch_up } => {
                    let memory = self.schedules.entry(trigger.label.clone()).or_default();
                    if paused {
                        // What passes meanwhile is not missed, and is not made up for when the pause ends.
                        if memory.overdue(schedule, now).is_some() || *memory == Memory::default() {
                            memory.skip(schedule, now);
                        }
                        continue;
                    }
                    for instant in memory.due(schedule, *catch_up, now).fire {
                        self.enqueue(trigger, instant);
                    }
                }
                Waits::Rows { dataset, rows, cooldown_ms, .. } => {
                    let Some(there) = rows_of(place, dataset) else { continue };
                    let seen =
                        self.rows.entry(trigger.label.clone()).or_insert(Rows { rows: there, fired: 0 });
                    // A version with fewer rows is where counting begins again.
                    seen.rows = seen.rows.min(there);
                    let rested = now >= seen.fired.saturating_add(*cooldown_ms) || now < seen.fired;
                    if !paused && rested && there - seen.rows >= *rows {
                        *seen = Rows { rows: there, fired: now };
                        self.enqueue(trigger, now);
                    }
                }
            }
        }
    }

    /// One run at a time: what comes while another waits or runs is missed, takes the place of the one that waits, or
    /// waits too, as `catch_up` says.
    fn enqueue(&mut self, trigger: &Trigger, scheduled: u64) {
        let waits = |firing: &Firing| firing.trigger == trigger.label && firing.state == State::Waiting;
        match trigger.catch_up() {
            CatchUp::None if !self.queue.is_empty() => return self.miss(&trigger.label, scheduled),
            CatchUp::Last => {
                let replaced: Vec<u64> =
                    self.queue.iter().filter(|firing| waits(firing)).map(|firing| firing.scheduled).collect();
                self.queue.retain(|firing| !waits(firing));
                replaced.into_iter().for_each(|scheduled| self.miss(&trigger.label, scheduled));
            }
            CatchUp::None | CatchUp::All => {}
        }
        self.queue.push(Firing {
            trigger: trigger.label.clone(),
            scheduled,
            state: State::Waiting,
            attempts: 0,
            started: None,
            ended: None,
            run: None,
            handed: None,
            outcome: None,
        });
    }

    fn miss(&mut self, label: &str, scheduled: u64) {
        if let Some(memory) = self.schedules.get_mut(label) {
            memory.miss(1, Some(scheduled));
        }
    }

    /// A trigger that is no longer declared waits for nothing; what it started goes on.
    fn drop_unknown(&mut self, triggers: &[Trigger]) {
        let known = |label: &str| triggers.iter().any(|trigger| trigger.label == label);
        self.schedules.retain(|label, _| known(label));
        self.rows.retain(|label, _| known(label));
        self.queue.retain(|firing| firing.state == State::Running || known(&firing.trigger));
    }

    /// The one that runs is stopped because its supervisor ends; the next begins it again.
    pub(crate) fn hand_over(&mut self, now: u64) {
        if let Some(first) = self.queue.first_mut().filter(|first| first.state == State::Running) {
            first.state = State::Waiting;
            // That was no failure of its own.
            first.attempts = first.attempts.saturating_sub(1);
            first.handed = Some(now);
        }
    }

    /// What an earlier supervisor began and did not end: begun again, or given up, as its trigger says. What it handed over
    /// in order is begun again in any case, unless much time went by.
    pub(crate) fn recover(&mut self, triggers: &[Trigger], now: u64) {
        for mut firing in std::mem::take(&mut self.queue) {
            let trigger = triggers.iter().find(|trigger| trigger.label == firing.trigger);
            let again = trigger.is_some_and(|trigger| trigger.catch_up() != CatchUp::None);
            let late = firing.handed.is_some_and(|handed| now.saturating_sub(handed) >= SUCCESSION_MS);
            if firing.state == State::Waiting && (again || !late) {
                self.queue.push(firing);
            } else if again && firing.attempts < MOST_ATTEMPTS {
                firing.state = State::Waiting;
                self.queue.push(firing);
            } else {
                self.miss(&firing.trigger.clone(), firing.scheduled);
                firing.outcome = Some(format!("interrupted after {} attempts", firing.attempts));
                self.end(firing, now);
            }
        }
    }

    /// Whether something waits and nothing runs.
    pub(crate) fn waits(&self) -> bool {
        self.queue.first().is_some_and(|first| first.state == State::Waiting)
    }

    /// Begins the first that waits, where nothing runs; the caller writes the record and runs it.
    pub(crate) fn begin(&mut self, now: u64) -> Option<Firing> {
        let first = self.queue.first_mut().filter(|first| first.state == State::Waiting)?;
        first.state = State::Running;
        first.attempts += 1;
        first.started = Some(now);
        Some(first.clone())
    }

    /// The one that runs has ended.
    pub(crate) fn finish(&mut self, run: Option<String>, outcome: String, now: u64) {
        if self.queue.first().is_some_and(|first| first.state == State::Running) {
            let mut firing = self.queue.remove(0);
            firing.run = run;
            firing.outcome = Some(outcome);
            self.end(firing, now);
        }
    }

    fn end(&mut self, mut firing: Firing, now: u64) {
        firing.state = State::Ended;
        firing.ended = Some(now);
        self.history.push(firing);
        let surplus = self.history.len().saturating_sub(REMEMBERED);
        self.history.drain(..surplus);
    }
}

fn rows_of(place: &Place, dataset: &str) -> Option<u64> {
    match place.find(&format!("datasets/{dataset}")) {
        Ok(Found::Document(document)) => document.resolved.get("rows").and_then(Json::as_u64),
        _ => None,
    }
}

fn folder(place: &Place) -> PathBuf {
    place.home.join("triggers")
}

pub(crate) fn path(place: &Place, identity: &str) -> PathBuf {
    folder(place).join(format!("{identity}.json"))
}

/// The identities of what has a record of its own kind, or of triggers.
pub(crate) fn identities(place: &Place) -> Vec<String> {
    let mut found = std::collections::BTreeSet::new();
    for root in [place.home.clone(), folder(place)] {
        for (_, kind) in FOLDERS {
            let entries = std::fs::read_dir(root.join(kind)).into_iter().flatten().flatten();
            for path in entries.map(|entry| entry.path()) {
                let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
                let is_record = path.extension().is_some_and(|end| end == "json");
                if let Some(name) = name.filter(|name| is_record && !name.starts_with('.')) {
                    found.insert(format!("{kind}/{name}"));
                }
            }
        }
    }
    found.into_iter().collect()
}

/// The identity of what a record describes.
pub(crate) fn identity_of(document: &Document) -> Option<String> {
    let (_, folder) = FOLDERS.iter().find(|(kind, _)| *kind == document.kind)?;
    Some(format!("{folder}/{}", object_name(&document.address().parse().ok()?)))
}

/// Keeps what a run needs that no command starts: where it works. Secrets are in there by reference only.
pub(crate) fn prepare(ground: &Ground, config: &KnownValue) -> Fallible<()> {
    if declared(config)?.is_empty() {
        return Ok(());
    }
    let path = folder(&ground.place).join("target.json");
    write_json(&path, &ground.target).map_err(|error| io("write", &path, &error))
}

/// Where runs work that no command starts.
pub(crate) fn target(place: &Place) -> Fallible<Target> {
    let path = folder(place).join("target.json");
    let bytes = std::fs::read(&path).map_err(|error| io("read", &path, &error))?;
    serde_json::from_slice(&bytes).map_err(|error| io("read", &path, &std::io::Error::other(error)))
}

/// Forgets the triggers of something that is removed.
pub(crate) fn forget(place: &Place, document: &Document) -> Fallible<()> {
    match identity_of(document) {
        Some(identity) => forget_identity(place, &identity),
        None => Ok(()),
    }
}

pub(crate) fn forget_identity(place: &Place, identity: &str) -> Fallible<()> {
    let path = path(place, identity);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io("remove", &path, &error)),
        _ => Ok(()),
    }
}

/// Whether somebody watches the triggers; without triggers nobody needs to.
pub(crate) fn watched(ground: &Ground, config: &KnownValue) -> KnownValue {
    let triggers = config.field("trigger").and_then(KnownValue::as_object);
    let idle = triggers.is_none_or(|triggers| triggers.is_empty());
    KnownValue::text(if idle || crate::supervisor::client::keeps(&ground.target) { "yes" } else { "no" })
}

/// What `mlp status` says of the triggers of a record: lines for people, and the same for programs.
pub(crate) fn describe(ground: &Ground, document: &Document, now: u64) -> Fallible<(Vec<String>, Json)> {
    let triggers = declared(&document.config)?;
    let Some(identity) = identity_of(document).filter(|_| !triggers.is_empty()) else {
        return Ok((Vec::new(), Json::Null));
    };
    let record = Record::read(&ground.place, &identity)?;
    let watched = crate::supervisor::client::keeps(&ground.target);
    let paused = paused(&document.config);
    let (mut lines, mut detail) = (Vec::new(), Vec::new());
    for trigger in &triggers {
        let (line, json) = one(&record, trigger, now, paused);
        lines.push(line);
        detail.push(json);
    }
    if paused {
        lines.push("triggers are paused: the environment is in the development mode".to_owned());
    } else if !watched {
        lines.push("nobody watches the triggers: `mlp up` starts the supervisor again".to_owned());
    }
    let queue: Vec<Json> = record.queue.iter().map(shown).collect();
    Ok((lines, json!({ "watched": watched, "paused": paused, "triggers": detail, "queue": queue })))
}

fn one(record: &Record, trigger: &Trigger, now: u64, paused: bool) -> (String, Json) {
    let mut parts = vec![trigger.title()];
    let mut json = json!({ "label": trigger.label, "title": trigger.title() });
    if let Waits::Schedule { schedule, .. } = &trigger.waits {
        let memory = record.schedules.get(&trigger.label).cloned().unwrap_or_default();
        // What passed while nobody looked is missed already, or will be made up for.
        let (overdue, newest) = memory.overdue(schedule, now).unwrap_or_default();
        if let Some(next) = schedule.next_after(now).filter(|_| !paused) {
            parts.push(format!("next {}", time::rfc3339(next)));
            json["next"] = time::rfc3339(next).into();
        }
        let missed = if paused { memory.missed } else { memory.missed + overdue };
        json["missed"] = missed.into();
        if let Some(last) = memory.last_missed.max((overdue > 0).then_some(newest)).filter(|_| missed > 0) {
            parts.push(format!("missed {missed}, the last of them {}", time::rfc3339(last)));
            json["last_missed"] = time::rfc3339(last).into();
        }
    }
    let started = record.queue.iter().find(|firing| firing.state == State::Running);
    let last = started
        .filter(|firing| firing.trigger == trigger.label)
        .or_else(|| record.history.iter().rev().find(|firing| firing.trigger == trigger.label));
    match last {
        Some(firing) => {
            let run = firing.run.as_ref().map(|run| format!("run {run} ")).unwrap_or_default();
            let outcome = firing.outcome.as_deref().unwrap_or("under way");
            parts.push(format!("last {} {run}{outcome}", time::rfc3339(firing.scheduled)));
            json["last"] = shown(firing);
        }
        None => parts.push("nothing started yet".to_owned()),
    }
    (parts.join(", "), json)
}

fn shown(firing: &Firing) -> Json {
    json!({
        "trigger": firing.trigger,
        "scheduled": time::rfc3339(firing.scheduled),
        "state": firing.state,
        "attempts": firing.attempts,
        "run": firing.run,
        "outcome": firing.outcome,
    })
}
