//! The plan for people, on a terminal.

use super::diff::Extent;
use super::view::{Group, Row, View};
use crate::Plan;

/// How to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenderOptions {
    /// ANSI colours; never the only carrier of meaning.
    pub color: bool,
    /// Columns of the terminal.
    pub width: usize,
    /// Everything, also what was shortened.
    pub verbose: bool,
}

/// Lines of a long value that are shown unless everything is asked for.
const SHORT: usize = 16;

struct Page<'v> {
    view: &'v View<'v>,
    options: RenderOptions,
    text: String,
}

/// The plan as text.
pub fn render_text(plan: &Plan, options: RenderOptions) -> String {
    let options = RenderOptions { width: options.width.max(40), ..options };
    let view = View::of(plan);
    let mut page = Page { view: &view, options, text: String::new() };
    if let Some(place) = &plan.context.place {
        page.wrapped("", "  ", &format!("On {place}:"), Some("1"));
        page.line("");
    }
    page.found("Changed outside mlp:", &view.drift);
    page.found("Since the last apply, the running platform moved by itself:", &view.events);
    page.steps();
    page.outputs();
    page.deferred();
    page.kept();
    page.wrapped("", "", &view.summary(), None);
    page.text
}

/// What changed outside `mlp` and what the running platform moved, as text; empty where nothing did.
pub fn render_drift(plan: &Plan, options: RenderOptions) -> String {
    let options = RenderOptions { width: options.width.max(40), ..options };
    let view = View::of(plan);
    let mut page = Page { view: &view, options, text: String::new() };
    page.found("Changed outside mlp:", &view.drift);
    page.found("Since the last apply, the running platform moved by itself:", &view.events);
    page.text
}

fn color_of(symbol: &str) -> Option<&'static str> {
    match symbol {
        "+" | "<-" => Some("32"),
        "-" | "-/+" | "+/-" => Some("31"),
        "~" | "+~" | "<=" | "!" => Some("33"),
        "?" | "." | "->" | "*" => Some("36"),
        _ => None,
    }
}

impl Page<'_> {
    fn paint(&self, code: Option<&str>, text: &str) -> String {
        match code {
            Some(code) if self.options.color && !text.is_empty() => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            _ => text.to_owned(),
        }
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    /// Text broken at blanks; later lines are indented by `hang` more and repeat no sign but `#`.
    fn wrapped(&mut self, indent: &str, hang: &str, text: &str, code: Option<&str>) {
        let again = if indent.contains('#') { indent.to_owned() } else { " ".repeat(indent.len()) };
        let mut row = indent.to_owned();
        let mut empty = true;
        for word in text.split(' ') {
            if !empty && row.chars().count() + 1 + word.chars().count() > self.options.width {
                let painted = self.paint(code, &row);
                self.line(&painted);
                row = format!("{again}{hang}");
                empty = true;
            }
            if !empty {
                row.push(' ');
            }
            row.push_str(word);
            empty = false;
        }
        let painted = self.paint(code, &row);
        self.line(&painted);
    }

    /// What was found otherwise than it is remembered.
    fn found(&mut self, title: &str, groups: &[Group<'_>]) {
        if groups.is_empty() {
            return;
        }
        self.wrapped("", "", title, Some("1"));
        self.line("");
        for group in groups {
            for member in &group.members {
                self.wrapped("  # ", "  ", &format!("{} {}", member.resource, group.phrase), Some("1"));
            }
            group.rows.iter().for_each(|row| self.field(row));
            self.line("");
        }
    }

    fn steps(&mut self) {
        let view = self.view;
        if view.groups.is_empty() {
            return;
        }
        self.wrapped("", "", "What will be done:", Some("1"));
        for (symbol, meaning) in view.legend() {
            let sign = self.paint(color_of(symbol), &format!("{symbol:>3}"));
            self.line(&format!("  {sign} {meaning}"));
        }
        self.line("");
        view.groups.iter().for_each(|group| self.group(group));
    }

    fn group(&mut self, group: &Group<'_>) {
        let title = match group.members.as_slice() {
            [one] => format!("{} {}", one.resource, group.phrase),
            all => format!("{} resources {}, each in the same way", all.len(), group.phrase),
        };
        self.wrapped("  # ", "  ", &title, Some("1"));
        if let Some(reason) = group.reason {
            self.wrapped("  # ", "  ", &format!("({reason})"), None);
        }
        let head = self.paint(color_of(group.symbol), group.symbol);
        for member in &group.members {
            let line = format!("{}  [{}]", member.resource, group.kind);
            let place = member.place.map(|place| format!("   ({place})")).unwrap_or_default();
            let long = 3 + group.symbol.chars().count() + line.chars().count() + place.chars().count();
            let place = if long <= self.options.width { place } else { String::new() };
            self.line(&format!("  {head} {line}{place}"));
        }
        let mut hidden = 0;
        for row in &group.rows {
            if row.default && !self.options.verbose {
                hidden += 1;
            } else {
                self.field(row);
            }
        }
        if hidden > 0 {
            self.line(&format!("        … {hidden} defaults (--verbose shows them)"));
        }
        for loss in &group.loses {
            self.wrapped("      ", "  ", &format!("loses: {loss}"), Some("31"));
        }
        if !group.leads.is_empty() {
            let follows: Vec<&str> = group.leads.iter().map(String::as_str).collect();
            self.wrapped("      ", "  ", &format!("leads to: {}", follows.join(", ")), None);
        }
        self.line("");
    }

    fn field(&mut self, row: &Row<'_>) {
        let symbol = row.symbol;
        let note = row.note();
        let head = format!("{} = ", row.change.path);
        let value = row.inline(&self.view.words);
        let start = 6 + symbol.chars().count() + 1 + head.chars().count();
        let sign = self.paint(color_of(symbol), symbol);
        let room = self.options.width;
        if row.is_long() || start + value.chars().count() > room {
            self.line(&format!("      {sign} {head}"));
            self.several(row);
            if !note.is_empty() {
                self.wrapped("          ", "", &note, None);
            }
        } else if note.is_empty() || start + value.chars().count() + 3 + note.chars().count() <= room {
            let gap = if note.is_empty() { "" } else { "   " };
            let note = self.paint(Some("2"), &note);
            self.line(&format!("      {sign} {head}{value}{gap}{note}"));
        } else {
            self.line(&format!("      {sign} {head}{value}"));
            self.wrapped("          ", "", &note, None);
        }
    }

    /// A value too long for a line, or two compared line by line.
    fn several(&mut self, row: &Row<'_>) {
        let extent = Extent { width: self.options.width.saturating_sub(12), whole: self.options.verbose };
        let rows = row.diff(extent, &self.view.words);
        let shown = if self.options.verbose || rows.len() <= SHORT { rows.len() } else { SHORT };
        let hidden = rows.len() - shown;
        for row in rows.into_iter().take(shown) {
            let painted = self.paint(color_of(row.sign), &format!("{} {}", row.sign, row.text));
            self.line(&format!("          {painted}"));
        }
        if hidden > 0 {
            self.line(&format!("          … {hidden} more lines (--verbose shows them)"));
        }
    }

    fn outputs(&mut self) {
        let view = self.view;
        if view.outputs.is_empty() {
            return;
        }
        self.wrapped("", "", "Changes to outputs:", Some("1"));
        self.line("");
        view.outputs.iter().for_each(|row| self.field(row));
        self.line("");
    }

    fn deferred(&mut self) {
        let plan = self.view.plan;
        if plan.deferred.is_empty() {
            return;
        }
        self.wrapped("", "", "Waiting:", Some("1"));
        self.line("");
        for item in &plan.deferred {
            self.wrapped("  ? ", "  ", &format!("{}: {}", item.resource, item.why), color_of("?"));
            if !item.through.is_empty() {
                let through = item.through.iter().map(ToString::to_string).collect::<Vec<_>>().join(" -> ");
                self.wrapped("      ", "  ", &format!("through: {through}"), None);
            }
            if !item.filled_by.is_empty() {
                let by = item.filled_by.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                self.wrapped("      ", "  ", &format!("filled by: {by} (`mlp up` runs it)"), None);
            }
        }
        self.line("");
    }

    fn kept(&mut self) {
        let plan = self.view.plan;
        if plan.kept.is_empty() {
            return;
        }
        self.wrapped("", "", "Stays:", Some("1"));
        self.line("");
        for item in &plan.kept {
            self.wrapped("  . ", "  ", &format!("{}: {}", item.resource, item.reason), None);
        }
        self.line("");
    }
}
