//! How long each stage of a command took, for `--profile`.
//!
//! Any room names its stages with [`stage`]; the program decides whether anybody listens. While nobody does, a stage costs
//! one read of a flag. What is recorded decides nothing: rooms that know no clock still know none, since no time comes
//! back from here.
//!
//! The record is Chrome's trace format, which `chrome://tracing`, Perfetto and Speedscope open.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};

static LISTENING: AtomicBool = AtomicBool::new(false);
static RECORD: Mutex<Option<Record>> = Mutex::new(None);
static NEXT: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// The number of this thread in the record of that number.
    static THREAD: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// Everything that was heard since [`start`].
struct Record {
    /// Which record it is: threads outlive one.
    number: u64,
    began: Instant,
    threads: Vec<String>,
    events: Vec<Event>,
}

struct Event {
    name: &'static str,
    detail: Option<String>,
    thread: u64,
    /// Nothing for a stage of its thread; a number for work that moves between threads.
    task: Option<u64>,
    /// Since the record began, in microseconds.
    from: f64,
    to: f64,
}

/// A stage that lasts until this is dropped.
#[must_use = "a stage ends when this is dropped"]
#[derive(Debug)]
pub struct Stage(Option<Open>);

#[derive(Debug)]
struct Open {
    name: &'static str,
    detail: Option<String>,
    thread: u64,
    task: Option<u64>,
    began: Instant,
}

/// A stage of this thread, which lasts until what is returned is dropped. Stages of one thread nest.
#[inline]
pub fn stage(name: &'static str) -> Stage {
    if LISTENING.load(Ordering::Relaxed) { open(name, None, None) } else { Stage(None) }
}

/// A stage of this thread, and what it is about.
#[inline]
pub fn stage_of(name: &'static str, detail: impl FnOnce() -> String) -> Stage {
    if LISTENING.load(Ordering::Relaxed) { open(name, Some(detail()), None) } else { Stage(None) }
}

/// Work among much of its kind that is under way at once and may go on in another thread, and what it is about.
#[inline]
pub fn task(name: &'static str, detail: impl FnOnce() -> String) -> Stage {
    if !LISTENING.load(Ordering::Relaxed) {
        return Stage(None);
    }
    open(name, Some(detail()), Some(NEXT.fetch_add(1, Ordering::Relaxed)))
}

#[cold]
fn open(name: &'static str, detail: Option<String>, task: Option<u64>) -> Stage {
    let thread = record().as_mut().map_or(0, Record::thread);
    Stage(Some(Open { name, detail, thread, task, began: Instant::now() }))
}

impl Drop for Stage {
    fn drop(&mut self) {
        let Some(Open { name, detail, thread, task, began }) = self.0.take() else { return };
        let now = Instant::now();
        let mut record = record();
        // One that began before this record did is not of it.
        let Some(record) = record.as_mut().filter(|record| began >= record.began) else { return };
        let since = |at: Instant| at.duration_since(record.began).as_secs_f64() * 1e6;
        let event = Event { name, detail, thread, task, from: since(began), to: since(now) };
        record.events.push(event);
    }
}

fn record() -> MutexGuard<'static, Option<Record>> {
    // A thread that panicked left at most one event out.
    RECORD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins to listen.
pub fn start() {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    *record() = Some(Record { number, began: Instant::now(), threads: Vec::new(), events: Vec::new() });
    LISTENING.store(true, Ordering::Relaxed);
}

/// Ends listening: the record as Chrome reads it, where there is one.
pub fn finish() -> Option<Value> {
    LISTENING.store(false, Ordering::Relaxed);
    record().take().map(|record| record.document())
}

impl Record {
    /// The number of this thread, which is named when it is first seen.
    fn thread(&mut self) -> u64 {
        let (record, known) = THREAD.get();
        if record == self.number {
            return known;
        }
        let number = self.threads.len() as u64 + 1;
        let current = std::thread::current();
        self.threads.push(current.name().map_or_else(|| format!("thread {number}"), str::to_owned));
        THREAD.set((self.number, number));
        number
    }

    fn document(mut self) -> Value {
        // What holds others comes before them, though it ended later.
        self.events.sort_by(|a, b| a.from.total_cmp(&b.from).then(b.to.total_cmp(&a.to)));
        let process = std::process::id();
        let mut all = vec![
            json!({ "ph": "M", "name": "process_name", "pid": process, "tid": 0, "args": { "name": "mlp" } }),
        ];
        for (number, name) in (1..).zip(&self.threads) {
            let number: u64 = number;
            all.push(json!({ "ph": "M", "name": "thread_name", "pid": process, "tid": number, "args": { "name": name } }));
        }
        self.events.iter().for_each(|event| event.write(process, &mut all));
        json!({ "displayTimeUnit": "ms", "traceEvents": all })
    }
}

impl Event {
    fn write(&self, process: u32, all: &mut Vec<Value>) {
        let mut one = json!({ "name": self.name, "pid": process, "tid": self.thread, "ts": self.from });
        if let Some(detail) = &self.detail {
            one["args"] = json!({ "of": detail });
        }
        match self.task {
            None => {
                one["ph"] = json!("X");
                one["cat"] = json!("stage");
                one["dur"] = json!(self.to - self.from);
                all.push(one);
            }
            Some(number) => {
                one["ph"] = json!("b");
                one["cat"] = json!("task");
                one["id"] = json!(number);
                let mut end = one.clone();
                end["ph"] = json!("e");
                end["ts"] = json!(self.to);
                all.extend([one, end]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_nest_threads_have_names_and_silence_costs_no_event() {
        drop(stage("before anybody listens"));
        start();
        {
            let _outer = stage("outer");
            let inner = stage_of("inner", || "a file".to_owned());
            drop(inner);
            let other = std::thread::Builder::new().name("helper".to_owned());
            other.spawn(|| drop(stage("elsewhere"))).unwrap().join().unwrap();
            drop(task("step", || "local_value.a".to_owned()));
        }
        let document = finish().unwrap();
        drop(stage("after"));
        assert!(finish().is_none());
        let events = document["traceEvents"].as_array().unwrap();
        let find = |name: &str| events.iter().filter(|event| event["name"] == name).collect::<Vec<_>>();
        let (outer, inner) = (find("outer")[0], find("inner")[0]);
        let end = |event: &Value| event["ts"].as_f64().unwrap() + event["dur"].as_f64().unwrap();
        assert!(outer["ts"].as_f64() <= inner["ts"].as_f64() && end(inner) <= end(outer), "{document}");
        assert_eq!(inner["args"]["of"], "a file");
        assert_ne!(find("elsewhere")[0]["tid"], outer["tid"]);
        assert!(events.iter().any(|event| event["ph"] == "M" && event["args"]["name"] == "helper"));
        let phases: Vec<&Value> = find("step").iter().map(|event| &event["ph"]).collect();
        assert_eq!(phases, ["b", "e"]);
        assert!(find("before anybody listens").is_empty() && find("after").is_empty());
    }
}
