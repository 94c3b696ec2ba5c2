//! What the terminal is.

use std::io::IsTerminal;

use mlp_diag::Style;

/// Columns where nobody says.
const DEFAULT_WIDTH: usize = 100;

/// How to draw for standard error: colour only to a terminal and never with `NO_COLOR`.
pub fn stderr_style(no_color: bool) -> Style {
    style(std::io::stderr().is_terminal(), no_color)
}

/// How to draw for standard output.
pub fn stdout_style(no_color: bool) -> Style {
    style(std::io::stdout().is_terminal(), no_color)
}

/// Whether progress may be drawn over itself.
pub fn is_live() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn style(terminal: bool, no_color: bool) -> Style {
    let asked_not = no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Style { color: terminal && !asked_not, width: width() }
}

fn width() -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let measured =
        || rustix::termios::tcgetwinsize(std::io::stderr()).ok().map(|size| usize::from(size.ws_col));
    said.or_else(measured).filter(|width| *width > 0).unwrap_or(DEFAULT_WIDTH)
}
