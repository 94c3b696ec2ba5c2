//! The one question: only `yes` approves.

use std::io::{BufRead, IsTerminal, Write};

/// What a person said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// `yes`.
    Approved,
    /// Anything else.
    Declined,
    /// Nobody is there to ask.
    Nobody,
}

/// Asks whether to go on.
pub fn approve(question: &str) -> Answer {
    if !std::io::stdin().is_terminal() {
        return Answer::Nobody;
    }
    let mut stderr = std::io::stderr();
    let asked = write!(stderr, "\n{question}\n  Only `yes` approves.\n\n  Enter a value: ")
        .and_then(|()| stderr.flush());
    let mut line = String::new();
    if asked.is_err() || std::io::stdin().lock().read_line(&mut line).is_err() {
        return Answer::Nobody;
    }
    if line.trim() == "yes" { Answer::Approved } else { Answer::Declined }
}
