//! Data to standard output, talk to standard error.

use std::io::Write;

use mlp_diag::{Diagnostic, Severity, SourceMap, render_json, render_text};
use serde_json::json;

use super::Globals;
use super::exit::Exit;
use crate::host::terminal;

/// Version of the JSON documents.
pub const FORMAT_VERSION: u32 = 1;

/// Writes text to standard output; a reader that went away ends the command quietly.
pub fn data(text: &str) {
    let mut stdout = std::io::stdout();
    if stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_err() {
        std::process::exit(Exit::Success as i32);
    }
}

/// Writes a line of talk.
pub fn talk(text: &str) {
    // Nobody listening is no reason to stop.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Shows what is wrong; the exit follows from it.
pub fn diagnostics(all: &[Diagnostic], sources: &SourceMap, globals: &Globals) -> Exit {
    if globals.json {
        let list: Vec<_> = all.iter().map(|diagnostic| render_json(diagnostic, sources)).collect();
        if !list.is_empty() {
            data(&format!("{}\n", json!({ "format_version": FORMAT_VERSION, "diagnostics": list })));
        }
        return Exit::of(all);
    }
    let style = terminal::stderr_style(globals.no_color);
    for diagnostic in all.iter().take(MOST_SHOWN) {
        talk(render_text(diagnostic, sources, style).trim_end());
        talk("");
    }
    if let Some(more) = all.len().checked_sub(MOST_SHOWN).filter(|more| *more > 0) {
        talk(&format!("… and {more} more: mend the first ones; `--json` lists all of them"));
    }
    let errors = all.iter().filter(|diagnostic| diagnostic.is_error()).count();
    let warnings = all.iter().filter(|diagnostic| diagnostic.severity == Severity::Warning).count();
    match (errors, warnings) {
        (0, _) => {}
        (errors, 0) => talk(&count(errors, "error")),
        (errors, warnings) => talk(&format!("{}, {}", count(errors, "error"), count(warnings, "warning"))),
    }
    Exit::of(all)
}

/// So many mistakes are shown to a person.
const MOST_SHOWN: usize = 1000;

/// `1 error`, `2 errors`.
pub fn count(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

/// Shows what a target said of something.
pub fn told(told: &mlp_provider::Shown, globals: &Globals) -> Exit {
    if globals.json {
        data(&format!("{}\n", json!({ "format_version": FORMAT_VERSION, "detail": told.detail })));
    } else {
        told.lines.iter().for_each(|line| data(&format!("{line}\n")));
    }
    Exit::Success
}

/// The target of this environment has no such thing.
pub fn not_offered(what: &str) -> Diagnostic {
    Diagnostic::error("MLP0931", format!("the provider of this environment does not {what}"))
        .help("use its own tools, or an environment of another provider")
}

/// The runtime that waits for targets.
///
/// # Errors
/// The machine has no threads left.
pub fn runtime() -> Result<tokio::runtime::Runtime, Box<Diagnostic>> {
    started(tokio::runtime::Builder::new_multi_thread().thread_name("mlp-io"))
}

/// The runtime that answers requests: a quarter of the cores, since the models need the others. One thread that finds the next
/// request by itself answers it sooner than two that wake each other.
///
/// # Errors
/// The machine has no threads left.
pub fn serving() -> Result<tokio::runtime::Runtime, Box<Diagnostic>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = (cores / 4).max(1);
    started(tokio::runtime::Builder::new_multi_thread().thread_name("mlp-io").worker_threads(workers))
}

fn started(builder: &mut tokio::runtime::Builder) -> Result<tokio::runtime::Runtime, Box<Diagnostic>> {
    builder.enable_all().build().map_err(|error| {
        Box::new(
            Diagnostic::error("MLP0914", format!("the program cannot start its threads: {error}"))
                .blame(mlp_diag::Blame::Provider)
                .help("free some memory or raise the limit of processes"),
        )
    })
}
