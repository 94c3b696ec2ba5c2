//! Progress: a line when something begins and when it ends; on a terminal also one live line for each thing that takes
//! longer than a second, with the time it has taken.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mlp_apply::{ApplyEvent, ApplyReporter};
use mlp_plan::Action;
use mlp_provider::{Event, Reporter};

/// How often the live lines are drawn anew.
const TICK: Duration = Duration::from_millis(500);

#[derive(Debug)]
struct Running {
    since: Instant,
    text: String,
}

#[derive(Debug, Default)]
struct Board {
    running: BTreeMap<String, Running>,
    drawn: usize,
}

#[derive(Debug)]
struct Shared {
    board: Mutex<Board>,
    live: bool,
    json: bool,
    width: usize,
    stop: AtomicBool,
    cancelled: Arc<AtomicU32>,
}

/// Whoever watches for a person.
#[derive(Debug)]
pub struct Progress {
    shared: Arc<Shared>,
    ticker: Option<std::thread::JoinHandle<()>>,
}

impl Progress {
    /// Progress on standard error; `live` on a terminal; `json` writes one JSON event a line to standard output.
    pub fn new(live: bool, json: bool, width: usize, cancelled: Arc<AtomicU32>) -> Self {
        let live = live && !json;
        let shared = Arc::new(Shared {
            board: Mutex::default(),
            live,
            json,
            width,
            stop: AtomicBool::new(false),
            cancelled,
        });
        let ticker = live.then(|| {
            let shared = shared.clone();
            std::thread::spawn(move || {
                while !shared.stop.load(Ordering::Relaxed) {
                    std::thread::sleep(TICK);
                    shared.redraw(&[]);
                }
            })
        });
        Self { shared, ticker }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(ticker) = self.ticker.take() {
            let _ = ticker.join();
        }
        self.shared.erase();
    }
}

impl Shared {
    fn board(&self) -> std::sync::MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn erase(&self) {
        let mut board = self.board();
        let text = erase_text(&mut board);
        let _ = std::io::stderr().write_all(text.as_bytes());
    }

    /// Writes lines that stay, and below them the live ones.
    fn redraw(&self, lines: &[String]) {
        let mut board = self.board();
        let mut text = erase_text(&mut board);
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        if self.live && !self.stop.load(Ordering::Relaxed) {
            for (subject, running) in &board.running {
                let elapsed = running.since.elapsed();
                if elapsed >= Duration::from_secs(1) {
                    let line = format!("  {subject}: {} [{}]", running.text, seconds(elapsed));
                    text.extend(line.chars().take(self.width.saturating_sub(1).max(20)));
                    text.push('\n');
                }
            }
            board.drawn = text.matches('\n').count() - lines.len();
        }
        // Progress that cannot be shown must not stop the work.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }

    fn begin(&self, subject: &str, text: &str) {
        let running = Running { since: Instant::now(), text: text.to_owned() };
        self.board().running.insert(subject.to_owned(), running);
        self.redraw(&[format!("{subject}: {text}…")]);
    }

    fn note(&self, subject: &str, text: &str) {
        let known = {
            let mut board = self.board();
            match board.running.get_mut(subject) {
                Some(running) => {
                    running.text = text.to_owned();
                    true
                }
                None => false,
            }
        };
        if !known || !self.live {
            self.redraw(&[format!("{subject}: {text}")]);
        }
    }

    fn end(&self, subject: &str, text: &str) {
        let elapsed = self.board().running.remove(subject).map(|running| running.since.elapsed());
        let took = elapsed.map(|elapsed| format!(" after {}", seconds(elapsed))).unwrap_or_default();
        self.redraw(&[format!("{subject}: {text}{took}")]);
    }
}

fn erase_text(board: &mut Board) -> String {
    let drawn = std::mem::take(&mut board.drawn);
    if drawn == 0 { String::new() } else { format!("\x1b[{drawn}A\x1b[J") }
}

/// `3.2 s`, `2 m 5 s`.
fn seconds(elapsed: Duration) -> String {
    let whole = elapsed.as_secs();
    if whole < 60 {
        format!("{:.1} s", elapsed.as_secs_f64())
    } else {
        format!("{} m {} s", whole / 60, whole % 60)
    }
}

/// What is being done, and what was done.
fn words(action: Action) -> (&'static str, &'static str) {
    match action {
        Action::Create | Action::Replace => ("creating", "created"),
        Action::Update | Action::Resize => ("updating", "updated"),
        Action::NewVersion => ("making a new version", "new version made"),
        Action::Delete => ("destroying", "destroyed"),
        Action::Forget => ("forgetting", "forgotten"),
        Action::Import => ("taking over", "taken over"),
        Action::Move => ("moving", "moved"),
        _ => ("working", "done"),
    }
}

impl ApplyReporter for Progress {
    fn event(&self, event: ApplyEvent) {
        if self.shared.json {
            return super::events::print_apply(&event);
        }
        match event {
            ApplyEvent::Started { resource, action, .. } => {
                self.shared.begin(&resource.to_string(), words(action).0);
            }
            ApplyEvent::Retry { resource, why } => {
                self.shared.note(&resource.to_string(), &format!("trying again: {why}"));
            }
            ApplyEvent::Waiting { resource, hint } => self.shared.note(&resource.to_string(), &hint),
            ApplyEvent::Provider { resource, event } => match event {
                Event::Started { subject } => self.shared.note(&resource.to_string(), &subject),
                Event::Progress { text, .. } | Event::Line { text, .. } | Event::Finished { text, .. } => {
                    self.shared.note(&resource.to_string(), &text);
                }
            },
            ApplyEvent::Done { resource, action, .. } => {
                self.shared.end(&resource.to_string(), words(action).1)
            }
            ApplyEvent::Failed { resource, diagnostic } => {
                self.shared.end(&resource.to_string(), &format!("FAILED: {}", diagnostic.headline));
            }
            ApplyEvent::Skipped { resource, why } => {
                self.shared.redraw(&[format!("{resource}: not started: {why}")]);
            }
        }
    }
}

impl Reporter for Progress {
    fn event(&self, event: Event) {
        if self.shared.json {
            return super::events::print_run(&event);
        }
        match event {
            Event::Started { subject } => self.shared.begin(&subject, "running"),
            Event::Progress { subject, text } => self.shared.note(&subject, &text),
            Event::Finished { subject, text, good } => {
                let text = if good { text } else { format!("FAILED: {text}") };
                self.shared.end(&subject, &text);
            }
            Event::Line { subject, text } => self.shared.redraw(&[format!("{subject} | {text}")]),
        }
    }

    fn cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::Relaxed) > 0
    }
}
