//! What a step prints: kept in its log up to a limit, searched for progress, without its secrets.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};

/// The word that begins a progress line.
pub(crate) const PROGRESS: &str = "mlp:progress";
const LONGEST_LINE: usize = 64 * 1024;
const TAIL: usize = 20;

/// Called with the fraction and the text of each progress line.
pub(crate) type OnProgress = Arc<dyn Fn(f64, String) + Send + Sync>;

/// The log of one step, over all its attempts.
#[derive(Clone)]
pub(crate) struct StepLog {
    inner: Arc<Mutex<Inner>>,
    on_progress: OnProgress,
}

struct Inner {
    file: File,
    room: u64,
    full: bool,
    tail: VecDeque<String>,
    secrets: Vec<Vec<u8>>,
}

impl StepLog {
    pub(crate) fn create(
        path: &Path,
        limit: u64,
        secrets: impl Iterator<Item = String>,
        on_progress: OnProgress,
    ) -> std::io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        // Of a secret of many lines each line counts; a very short word would blot out ordinary text.
        let lines =
            secrets.flat_map(|text| text.lines().map(|line| line.trim().into()).collect::<Vec<String>>());
        let mut secrets: Vec<Vec<u8>> =
            lines.filter(|line| line.len() >= 4).map(String::into_bytes).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let inner = Inner { file, room: limit, full: false, tail: VecDeque::new(), secrets };
        Ok(Self { inner: Arc::new(Mutex::new(inner)), on_progress })
    }

    /// A line of our own.
    pub(crate) fn say(&self, line: &str) {
        self.lock().write(format!("mlp: {line}\n").as_bytes());
    }

    /// The last lines.
    pub(crate) fn tail(&self) -> Vec<String> {
        self.lock().tail.iter().cloned().collect()
    }

    /// Reads until the other end is closed.
    pub(crate) async fn pump(self, mut from: impl AsyncRead + Unpin) {
        let mut pending: Vec<u8> = Vec::new();
        let mut buffer = vec![0_u8; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            pending.extend_from_slice(&buffer[..read]);
            let mut start = 0;
            while let Some(length) = pending[start..].iter().position(|byte| *byte == b'\n') {
                self.line(&pending[start..=start + length]);
                start += length + 1;
            }
            pending.drain(..start);
            if pending.len() > LONGEST_LINE {
                self.line(&pending);
                pending.clear();
            }
        }
        if !pending.is_empty() {
            pending.push(b'\n');
            self.line(&pending);
        }
    }

    fn line(&self, line: &[u8]) {
        let progress = {
            let mut inner = self.lock();
            let line = redact(line, &inner.secrets);
            let text = String::from_utf8_lossy(&line).trim_end().to_string();
            let progress = parse_progress(&text);
            inner.write(&line);
            if progress.is_none() {
                inner.tail.push_back(super::cache::shorten_to(&text, 500));
                if inner.tail.len() > TAIL {
                    inner.tail.pop_front();
                }
            }
            progress
        };
        if let Some((fraction, text)) = progress {
            (self.on_progress)(fraction, text);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// A log that cannot be written, as on a full disk, must not end the step that fills it.
    fn write(&mut self, line: &[u8]) {
        if self.full {
            return;
        }
        if line.len() as u64 > self.room {
            self.full = true;
            let _ = self.file.write_all(b"mlp: the log is cut here, it reached its limit\n");
            return;
        }
        self.room -= line.len() as u64;
        let _ = self.file.write_all(line);
    }
}

fn parse_progress(line: &str) -> Option<(f64, String)> {
    let rest = line.strip_prefix(PROGRESS)?.strip_prefix(' ')?.trim_start();
    let (number, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let fraction: f64 = number.parse().ok()?;
    fraction.is_finite().then(|| (fraction.clamp(0.0, 1.0), text.trim().to_string()))
}

fn redact(line: &[u8], secrets: &[Vec<u8>]) -> Vec<u8> {
    let mut line = line.to_vec();
    for secret in secrets {
        let mut clean = Vec::with_capacity(line.len());
        let mut rest = line.as_slice();
        while let Some(at) = rest.windows(secret.len()).position(|window| window == secret) {
            clean.extend_from_slice(&rest[..at]);
            clean.extend_from_slice(b"(sensitive)");
            rest = &rest[at + secret.len()..];
        }
        clean.extend_from_slice(rest);
        line = clean;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn logged(limit: u64, text: &str) -> (String, Vec<(f64, String)>, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let on_progress: OnProgress =
            Arc::new(move |fraction, text| sink.lock().unwrap().push((fraction, text)));
        let secrets = ["hunter22".to_string(), "ab".to_string()].into_iter();
        let log = StepLog::create(&path, limit, secrets, on_progress).unwrap();
        log.clone().pump(text.as_bytes()).await;
        let progress = seen.lock().unwrap().clone();
        (std::fs::read_to_string(path).unwrap(), progress, log.tail())
    }

    #[tokio::test]
    async fn progress_lines_are_events_and_secrets_are_not_kept() {
        let text = "start ab\nmlp:progress 0.4 half way\npassword=hunter22\nmlp:progress x\nend";
        let (log, progress, tail) = logged(1000, text).await;
        assert_eq!(progress, [(0.4, "half way".to_string())]);
        assert_eq!(tail, ["start ab", "password=(sensitive)", "mlp:progress x", "end"]);
        assert!(log.contains("password=(sensitive)\n") && log.ends_with("end\n"));
    }

    #[tokio::test]
    async fn a_long_log_is_cut_with_a_mark_and_progress_goes_on() {
        let (log, progress, tail) = logged(10, "12345678\nabcdef\nmlp:progress 2\n").await;
        assert_eq!(log, "12345678\nmlp: the log is cut here, it reached its limit\n");
        assert_eq!(progress, [(1.0, String::new())]);
        assert_eq!(tail.last().unwrap(), "abcdef");
    }
}
