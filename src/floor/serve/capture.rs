//! Requests and predictions, recorded as JSON lines without holding up a response.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use serde::Serialize;
use serde_json::value::RawValue;

use super::spec::CaptureSpec;
use super::spread::Spread;
use crate::Problem;

/// Lines that wait to be written; beyond it they are dropped and counted, since serving comes first.
const QUEUE: usize = 4_096;

/// One line.
#[derive(Debug, Serialize)]
pub(super) struct Captured<'a> {
    /// Milliseconds since 1970.
    pub(super) at: u64,
    pub(super) request_id: &'a str,
    pub(super) variant: &'a str,
    pub(super) model: &'a str,
    pub(super) version: u64,
    pub(super) status: u16,
    pub(super) latency_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rows: Option<&'a [&'a RawValue]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) predictions: Option<&'a [Box<RawValue>]>,
}

/// An open capture file and the thread that writes it.
pub(super) struct Capture {
    pub(super) spec: CaptureSpec,
    spread: Spread,
    dropped: Arc<AtomicU64>,
    writer: Mutex<Option<Writer>>,
}

/// Where lines go, and the thread that takes them.
type Writer = (SyncSender<Vec<u8>>, JoinHandle<()>);

impl Capture {
    pub(super) fn open(spec: &CaptureSpec) -> Result<Self, Problem> {
        let open = || {
            if let Some(folder) = spec.path.parent() {
                fs::create_dir_all(folder)?;
            }
            OpenOptions::new().create(true).append(true).open(&spec.path)
        };
        let file =
            open().map_err(|error| Problem::io("MLP0785", "open", &spec.path, &error).at("capture"))?;
        let (sender, lines) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&dropped);
        let thread = std::thread::spawn(move || write_all(file, &lines, &counted));
        let writer = Mutex::new(Some((sender, thread)));
        Ok(Self { spec: spec.clone(), spread: Spread::capture(), dropped, writer })
    }

    /// Whether this request belongs to the sample.
    pub(super) fn takes(&self) -> bool {
        self.spread.takes(self.spec.sample)
    }

    pub(super) fn record(&self, captured: &Captured<'_>) {
        let Ok(mut line) = serde_json::to_vec(captured) else { return };
        line.push(b'\n');
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.as_ref().is_none_or(|(sender, _)| sender.try_send(line).is_err()) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
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

fn write_all(mut file: File, lines: &Receiver<Vec<u8>>, dropped: &AtomicU64) {
    for line in lines {
        if file.write_all(&line).is_err() {
            dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_whole_when_it_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/captured.jsonl");
        let capture =
            Capture::open(&CaptureSpec { path: path.clone(), inputs: true, outputs: false, sample: 1.0 });
        let capture = capture.unwrap();
        let row = serde_json::value::to_raw_value(&serde_json::json!({"a": 1})).unwrap();
        for _ in 0..100 {
            capture.record(&Captured {
                at: 1,
                request_id: "r",
                variant: "v",
                model: "model.m",
                version: 2,
                status: 200,
                latency_ms: 0.5,
                rows: Some(&[&row]),
                predictions: None,
            });
        }
        capture.close().await;
        assert_eq!(capture.dropped(), 0);
        let text = fs::read_to_string(path).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 100);
        assert_eq!(lines[0]["rows"][0]["a"], 1);
        assert!(lines[0].get("predictions").is_none());
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let spec = CaptureSpec { path: folder.path().into(), inputs: true, outputs: true, sample: 1.0 };
        let problem = Capture::open(&spec).err().unwrap();
        assert_eq!(problem.code, "MLP0785");
    }
}
