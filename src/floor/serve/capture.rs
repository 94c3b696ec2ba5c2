//! Requests and predictions, recorded as JSON lines without holding up a response.
//!
//! One line is one row of a request: its fields under their own names, what was predicted as `prediction` (or, where an
//! object was, as `prediction_<member>`), and what the router knows under names that begin with `mlp_`. Lines go to a file
//! that is sealed when it is large or old enough; whoever makes versions of a dataset takes the sealed ones away.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::value::{RawValue, to_raw_value};

use super::spec::{CaptureSpec, VariantSpec};
use super::spread::Spread;
use crate::Problem;
use crate::data::RowProtection;
use crate::launch::rfc3339;

/// Lines that wait to be written; beyond it they are dropped and counted, since serving comes first.
const QUEUE: usize = 4_096;
/// What an unsealed file is called, with the process that writes it.
const OPEN: &str = "open-";
const SEALED: &str = "jsonl";

/// Tells the files of one process apart.
static FILES: AtomicU64 = AtomicU64::new(0);

/// Who answered.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin<'a> {
    /// A variant that serves.
    Variant(&'a VariantSpec),
    /// A variant that was asked beside it.
    Shadow(&'a VariantSpec),
    /// All nodes of a graph.
    Graph,
}

/// One request.
#[derive(Debug)]
pub(super) struct Captured<'a> {
    /// Milliseconds since 1970.
    pub(super) at: u64,
    pub(super) request_id: &'a str,
    pub(super) origin: Origin<'a>,
    pub(super) status: u16,
    pub(super) latency_ms: f64,
    pub(super) rows: &'a [&'a RawValue],
    /// None when it failed.
    pub(super) predictions: Option<&'a [Box<RawValue>]>,
}

/// An open capture and the thread that writes it.
pub(super) struct Capture {
    pub(super) spec: CaptureSpec,
    protection: RowProtection,
    spread: Spread,
    dropped: Arc<AtomicU64>,
    writer: Mutex<Option<Writer>>,
}

/// Where lines go, and the thread that takes them.
type Writer = (SyncSender<Vec<u8>>, JoinHandle<()>);
type Line = BTreeMap<String, Box<RawValue>>;

/// The files of a capture folder that are complete, oldest first.
///
/// # Errors
/// The folder cannot be read; one that is not there is empty.
pub fn sealed_captures(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == SEALED))
        .collect();
    found.sort();
    Ok(found)
}

impl Capture {
    pub(super) fn open(spec: &CaptureSpec) -> Result<Self, Problem> {
        let protection = RowProtection::with_key_in(&spec.key, &spec.mask, &spec.redact)?;
        let failed =
            |error: &io::Error| Problem::io("MLP0785", "write in", &spec.folder, error).at("capture");
        fs::create_dir_all(&spec.folder).map_err(|error| failed(&error))?;
        adopt(&spec.folder).map_err(|error| failed(&error))?;
        // What cannot be written is said now, not when the first request comes.
        let probe = open_path(&spec.folder);
        File::create(&probe).and_then(|_| fs::remove_file(&probe)).map_err(|error| failed(&error))?;
        let segments = Segments { spec: spec.clone(), open: None };
        let (sender, lines) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&dropped);
        let thread = std::thread::spawn(move || segments.write_all(&lines, &counted));
        let writer = Mutex::new(Some((sender, thread)));
        Ok(Self { spec: spec.clone(), protection, spread: Spread::capture(), dropped, writer })
    }

    /// Whether this request belongs to the sample.
    pub(super) fn takes(&self) -> bool {
        self.spread.takes(self.spec.sample)
    }

    pub(super) fn record(&self, captured: &Captured<'_>) {
        let Ok(lines) = self.lines(captured) else { return };
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        for line in lines {
            if writer.as_ref().is_none_or(|(sender, _)| sender.try_send(line).is_err()) {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn lines(&self, captured: &Captured<'_>) -> serde_json::Result<Vec<Vec<u8>>> {
        let known = known(captured)?;
        let mut lines = Vec::with_capacity(captured.rows.len());
        for (index, row) in captured.rows.iter().enumerate() {
            let mut line =
                if self.spec.inputs { serde_json::from_str::<Line>(row.get())? } else { Line::new() };
            if let Some(prediction) =
                captured.predictions.and_then(|all| all.get(index)).filter(|_| self.spec.outputs)
            {
                predicted(&mut line, prediction)?;
            }
            for (name, value) in &mut line {
                *value = self.protection.apply(name, value)?;
            }
            line.insert("mlp_row".to_owned(), to_raw_value(&index)?);
            line.extend(known.iter().map(|(name, value)| (name.clone(), value.clone())));
            let mut text = serde_json::to_vec(&line)?;
            text.push(b'\n');
            lines.push(text);
        }
        Ok(lines)
    }

    /// How many lines were not written.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Writes what waits, and ends.
    pub(super) async fn close(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((sender, thread)) = writer {
            drop(sender);
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// What the router knows of a request, the same for all of its rows.
fn known(captured: &Captured<'_>) -> serde_json::Result<Line> {
    let (spec, shadow) = match captured.origin {
        Origin::Variant(spec) => (Some(spec), false),
        Origin::Shadow(spec) => (Some(spec), true),
        Origin::Graph => (None, false),
    };
    let mut line = Line::new();
    let mut put = |name: &str, value: Box<RawValue>| line.insert(format!("mlp_{name}"), value);
    put("at", to_raw_value(&rfc3339(captured.at))?);
    put("request", to_raw_value(captured.request_id)?);
    put("variant", to_raw_value(spec.map_or("graph", VariantSpec::shown))?);
    put("model", to_raw_value(&spec.map(|spec| spec.model.address.as_str()))?);
    put("version", to_raw_value(&spec.map(|spec| spec.model.version))?);
    put("shadow", to_raw_value(&shadow)?);
    put("status", to_raw_value(&captured.status)?);
    put("latency_ms", to_raw_value(&captured.latency_ms)?);
    Ok(line)
}

fn predicted(line: &mut Line, prediction: &RawValue) -> serde_json::Result<()> {
    if prediction.get().starts_with('{') {
        let members: Line = serde_json::from_str(prediction.get())?;
        line.extend(members.into_iter().map(|(name, value)| (format!("prediction_{name}"), value)));
    } else {
        line.insert("prediction".to_owned(), prediction.to_owned());
    }
    Ok(())
}

/// The file that is written, and those that are sealed.
struct Segments {
    spec: CaptureSpec,
    open: Option<Segment>,
}

struct Segment {
    file: File,
    path: PathBuf,
    bytes: u64,
    since: Instant,
}

impl Segments {
    fn write_all(mut self, lines: &Receiver<Vec<u8>>, dropped: &AtomicU64) {
        let age = Duration::from_millis(self.spec.seal_after_ms);
        loop {
            let wait = self.open.as_ref().map_or(age, |open| age.saturating_sub(open.since.elapsed()));
            match lines.recv_timeout(wait) {
                Ok(line) => {
                    if self.write(&line).is_err() {
                        dropped.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let full = self
                .open
                .as_ref()
                .is_some_and(|open| open.bytes >= self.spec.segment_bytes || open.since.elapsed() >= age);
            if full && self.seal().is_err() {
                dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        // A file that cannot be renamed now is adopted by the next that opens the folder.
        let _ = self.seal();
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let open = self.file()?;
        open.file.write_all(line)?;
        open.bytes += line.len() as u64;
        Ok(())
    }

    /// The open file; refused while nobody takes the sealed ones away.
    fn file(&mut self) -> io::Result<&mut Segment> {
        let next = match self.open.take() {
            Some(open) => open,
            None => {
                if sealed_captures(&self.spec.folder)?.len() >= self.spec.segments {
                    return Err(io::Error::other("there are too many files that nobody took"));
                }
                let path = open_path(&self.spec.folder);
                Segment { file: File::create(&path)?, path, bytes: 0, since: Instant::now() }
            }
        };
        Ok(self.open.insert(next))
    }

    fn seal(&mut self) -> io::Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        open.file.sync_data()?;
        seal(&open.path)
    }
}

/// A file of its own, which no other process takes for abandoned.
fn open_path(folder: &Path) -> PathBuf {
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    folder.join(format!("{OPEN}{}-{number}", std::process::id()))
}

/// Gives a file its final name, by which files sort in the order in which they were sealed.
fn seal(path: &Path) -> io::Result<()> {
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let name = format!("{:014}-{}-{number:06}.{SEALED}", super::replica::unix_ms(), std::process::id());
    fs::rename(path, path.with_file_name(name))
}

/// Seals what processes left that are gone; half a line at the end is cut off.
fn adopt(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(rest) = name.strip_prefix(OPEN) else { continue };
        let pid: Option<i32> = rest.split('-').next().and_then(|pid| pid.parse().ok());
        let alive = pid
            .and_then(rustix::process::Pid::from_raw)
            .is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok());
        if alive {
            continue;
        }
        let text = fs::read(entry.path())?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if whole == 0 {
            fs::remove_file(entry.path())?;
            continue;
        }
        File::options().write(true).open(entry.path())?.set_len(whole as u64)?;
        seal(&entry.path())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec(folder: &Path) -> CaptureSpec {
        serde_json::from_value(json!({"folder": folder})).unwrap()
    }

    fn record(capture: &Capture, row: &Value, prediction: &Value) {
        let variant: VariantSpec = serde_json::from_value(json!({
            "name": "v", "weight": 1, "digest": "d", "model": {"address": "model.m", "version": 2},
            "launch": {"command": {"argv": ["true"], "code_dir": "/tmp", "model_dir": "/tmp"}},
        }))
        .unwrap();
        let row = to_raw_value(row).unwrap();
        capture.record(&Captured {
            at: 1_000,
            request_id: "r",
            origin: Origin::Variant(&variant),
            status: 200,
            latency_ms: 0.5,
            rows: &[&row],
            predictions: Some(&[to_raw_value(prediction).unwrap()]),
        });
    }

    fn lines(folder: &Path) -> Vec<Value> {
        let files = sealed_captures(folder).unwrap();
        let texts = files.iter().map(|path| fs::read_to_string(path).unwrap());
        texts
            .flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>())
            .collect()
    }

    #[tokio::test]
    async fn a_row_is_a_line_and_protected_before_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep");
        let mut spec = spec(&path);
        (spec.mask, spec.redact) = (vec!["id".into()], vec!["email".into()]);
        let store = crate::data::Store::new(folder.path());
        store.mask_key("log").unwrap();
        spec.key = folder.path().join(".key");
        let capture = Capture::open(&spec).unwrap();
        for _ in 0..100 {
            let row = json!({"id": "c-1", "note": "ask a@b.example", "mlp_status": 5});
            record(&capture, &row, &json!({"p": 0.25, "to": "a@b.example"}));
        }
        capture.close().await;
        assert_eq!(capture.dropped(), 0);
        let lines = lines(&path);
        assert_eq!(lines.len(), 100);
        let line = &lines[0];
        assert_eq!((&line["note"], &line["prediction_to"]), (&json!("ask [email]"), &json!("[email]")));
        assert!(line["id"].as_str().is_some_and(|id| id.len() == 16 && id != "c-1"), "{line}");
        assert_eq!((&line["prediction_p"], &line["mlp_status"]), (&json!(0.25), &json!(200)));
        assert_eq!(
            (&line["mlp_at"], &line["mlp_model"]),
            (&json!("1970-01-01T00:00:01Z"), &json!("model.m"))
        );
    }

    #[tokio::test]
    async fn files_are_bounded_and_lines_beyond_them_counted() {
        let folder = tempfile::tempdir().unwrap();
        let mut spec = spec(folder.path());
        (spec.segment_bytes, spec.segments) = (1, 3);
        spec.outputs = false;
        let capture = Capture::open(&spec).unwrap();
        for number in 0..10 {
            record(&capture, &json!({"a": number}), &json!(1));
        }
        capture.close().await;
        let lines = lines(folder.path());
        assert_eq!(lines.iter().map(|line| line["a"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(lines[0].get("prediction").is_none());
        assert_eq!(capture.dropped(), 7);
    }

    #[tokio::test]
    async fn what_a_killed_process_left_is_taken_without_half_a_line() {
        let folder = tempfile::tempdir().unwrap();
        // No process has this number: it is beyond what the system gives.
        fs::write(folder.path().join("open-2147483646-0"), "{\"a\": 1}\n{\"a\":").unwrap();
        Capture::open(&spec(folder.path())).unwrap().close().await;
        assert_eq!(lines(folder.path()), [json!({"a": 1})]);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let problem = Capture::open(&spec(&file.join("below"))).err().unwrap();
        assert_eq!(problem.code, "MLP0785");
    }
}
