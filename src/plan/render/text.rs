//! The plan for people.

use std::collections::{BTreeMap, BTreeSet};

use mlp_eval::PlanValue;
use mlp_value::{KnownValue, Value, units};
use similar::{ChangeTag, TextDiff};

use super::values::{inline, lines};
use crate::{Action, FieldChange, Mode, OriginKind, OriginText, Part, Plan, PlanStep};

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
/// Unchanged lines shown around a changed one.
const CONTEXT: usize = 2;

struct Page {
    options: RenderOptions,
    text: String,
}

/// The plan as text.
pub fn render_text(plan: &Plan, options: RenderOptions) -> String {
    let options = RenderOptions { width: options.width.max(40), ..options };
    let mut page = Page { options, text: String::new() };
    page.drift(plan);
    page.steps(plan);
    page.deferred(plan);
    page.kept(plan);
    let summary = summary(plan);
    page.wrapped("", "", &summary, None);
    page.text
}

/// `Plan: 3 to add, 1 to change, 0 to destroy.`
fn summary(plan: &Plan) -> String {
    let counts = plan.counts;
    let mut extra = String::new();
    for (count, what) in [
        (counts.import, "to take over"),
        (counts.moved, "to move"),
        (counts.forget, "to forget"),
        (counts.deferred, "deferred"),
    ] {
        if count > 0 {
            extra.push_str(&format!(", {count} {what}"));
        }
    }
    if !plan.is_empty() {
        let (add, change, destroy) = (counts.add, counts.change, counts.destroy);
        return format!("Plan: {add} to add, {change} to change, {destroy} to destroy{extra}.");
    }
    let waits = extra.strip_prefix(", ").map(|extra| format!(" ({extra})")).unwrap_or_default();
    match plan.mode {
        Mode::Destroy => format!("No changes. There is nothing to destroy{waits}."),
        Mode::RefreshOnly => format!("No changes. What is there is what is remembered{waits}."),
        Mode::Apply => format!("No changes. What is there is what is written{waits}."),
    }
}

fn color_of(symbol: &str) -> Option<&'static str> {
    match symbol {
        "+" | "<-" => Some("32"),
        "-" | "-/+" | "+/-" => Some("31"),
        "~" | "+~" | "<=" => Some("33"),
        "?" | "." | "->" => Some("36"),
        _ => None,
    }
}

impl Page {
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

    fn drift(&mut self, plan: &Plan) {
        if plan.drift.is_empty() {
            return;
        }
        self.wrapped("", "", "Changed outside mlp:", Some("1"));
        self.line("");
        for item in &plan.drift {
            let what = if item.gone { "was deleted" } else { "was changed" };
            self.wrapped("  # ", "  ", &format!("{} {what}", item.resource), Some("1"));
            for change in &item.changes {
                self.field(change);
            }
            self.line("");
        }
    }

    fn steps(&mut self, plan: &Plan) {
        let shown: Vec<&PlanStep> = plan.steps.iter().filter(|step| step.part != Some(Part::Old)).collect();
        if shown.is_empty() {
            return;
        }
        self.wrapped("", "", "What will be done:", Some("1"));
        self.line("");
        let new_first: BTreeSet<&mlp_value::ResourceId> = shown
            .iter()
            .filter(|new| {
                let old = plan.steps.iter().find(|one| {
                    new.part.is_some() && one.resource == new.resource && one.part == Some(Part::Old)
                });
                old.is_some_and(|old| old.number > new.number)
            })
            .map(|step| &step.resource)
            .collect();
        let leads = leads_to(plan);
        // Steps that do the same to several resources are shown once.
        let mut groups: Vec<(String, Vec<&PlanStep>)> = Vec::new();
        let mut at: BTreeMap<String, usize> = BTreeMap::new();
        for step in shown {
            let symbol = if new_first.contains(&step.resource) { "+/-" } else { step.action.symbol() };
            let body = self.body(step);
            let key = format!("{symbol}\n{}\n{:?}\n{body}", step.kind, step.reason);
            let alone = body.is_empty();
            match at.get(&key).filter(|_| !alone) {
                Some(group) => groups[*group].1.push(step),
                None => {
                    at.insert(key, groups.len());
                    groups.push((symbol.to_owned(), vec![step]));
                }
            }
        }
        for (symbol, steps) in groups {
            self.group(&symbol, &steps, &leads);
        }
    }

    fn group(&mut self, symbol: &str, steps: &[&PlanStep], leads: &BTreeMap<u32, BTreeSet<String>>) {
        let Some(first) = steps.first() else { return };
        let names: Vec<String> = steps.iter().map(|step| step.resource.to_string()).collect();
        let title = match names.as_slice() {
            [name] => format!("{name} {}", first.action.phrase()),
            names => format!("{} resources {}: {}", names.len(), first.action.phrase(), names.join(", ")),
        };
        self.wrapped("  # ", "  ", &title, Some("1"));
        if let Some(reason) = &first.reason {
            self.wrapped("  # ", "  ", &format!("({reason})"), None);
        }
        let head = self.paint(color_of(symbol), symbol);
        let place = first.place.as_ref().map(|place| format!("   ({place})")).unwrap_or_default();
        for step in steps {
            let line = format!("  {head} {}  [{}]", step.resource, step.kind);
            let fits = 3 + symbol.chars().count() + plain_length(step) + place.chars().count();
            if steps.len() == 1 && fits <= self.options.width {
                self.line(&format!("{line}{place}"));
            } else {
                self.line(&line);
            }
        }
        let body = self.body(first);
        self.text.push_str(&body);
        for step in steps {
            if let Some(removal) = &step.removal {
                let size = if removal.bytes > 0 {
                    format!(" ({} freed)", units::format_bytes(removal.bytes))
                } else {
                    String::new()
                };
                self.wrapped("      ", "  ", &format!("loses: {}{size}", removal.what), Some("31"));
            }
        }
        let follows: BTreeSet<&str> =
            steps.iter().filter_map(|step| leads.get(&step.number)).flatten().map(String::as_str).collect();
        if !follows.is_empty() {
            let follows = follows.into_iter().collect::<Vec<_>>().join(", ");
            self.wrapped("      ", "  ", &format!("leads to: {follows}"), None);
        }
        self.line("");
    }

    /// The lines below a step's head.
    fn body(&self, step: &PlanStep) -> String {
        let mut page = Page { options: self.options, text: String::new() };
        let plain = |change: &&FieldChange| self.options.verbose || !is_created_default(change);
        for change in step.changes.iter().filter(plain) {
            page.field(change);
        }
        let hidden = step.changes.iter().filter(|change| !plain(change)).count();
        if hidden > 0 {
            page.line(&format!("        … {hidden} defaults (--verbose shows them)"));
        }
        page.text
    }

    fn field(&mut self, change: &FieldChange) {
        let symbol = match (change.action, &change.before, &change.after) {
            _ if change.sensitive => "~",
            (Action::Replace, ..) => "-/+",
            (Action::NewVersion, ..) => "+~",
            (_, None, _) => "+",
            (_, _, None) => "-",
            _ => "~",
        };
        let mut notes = Vec::new();
        if change.action == Action::Replace {
            notes.push("forces replacement".to_owned());
        }
        notes.extend(change.reason.clone());
        if change.drift && change.action != Action::Read {
            notes.push("changed outside mlp".to_owned());
        }
        notes.extend(change.origin.as_ref().and_then(origin));
        let note = if notes.is_empty() { String::new() } else { format!("({})", notes.join("; ")) };
        let head = format!("{} = ", change.path);
        let before: Option<PlanValue> = change.before.as_ref().map(KnownValue::lift);
        let value = match (&before, &change.after) {
            _ if change.sensitive => "(sensitive)".to_owned(),
            (Some(before), Some(after)) => format!("{} -> {}", inline(before), inline(after)),
            (Some(before), None) => inline(before),
            (None, Some(after)) => inline(after),
            (None, None) => "null".to_owned(),
        };
        let start = 6 + symbol.chars().count() + 1 + head.chars().count();
        let sign = self.paint(color_of(symbol), symbol);
        let room = self.options.width;
        let many = [before.as_ref(), change.after.as_ref()].into_iter().flatten().any(is_long_text);
        if many || start + value.chars().count() > room {
            self.line(&format!("      {sign} {head}"));
            self.several(before.as_ref(), change.after.as_ref());
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
    fn several(&mut self, before: Option<&PlanValue>, after: Option<&PlanValue>) {
        let width = self.options.width.saturating_sub(12);
        // Both are laid out item by item, so that the comparison is one of items.
        let layout = |value: Option<&PlanValue>, other: Option<&PlanValue>| {
            let compared = other.is_some() && value.is_some_and(|value| matches!(value, Value::List(_)));
            let all = value.map(|value| lines(value, if compared { width.min(40) } else { width }));
            all.unwrap_or_default().into_iter().flat_map(|line| folded(&line, width)).collect::<Vec<_>>()
        };
        let (old, new) = (layout(before, after), layout(after, before));
        let (old, new): (Vec<&str>, Vec<&str>) =
            (old.iter().map(String::as_str).collect(), new.iter().map(String::as_str).collect());
        let diff = TextDiff::from_slices(&old, &new);
        let mut rows: Vec<(&str, String)> = Vec::new();
        let groups = diff.grouped_ops(if self.options.verbose { usize::MAX / 4 } else { CONTEXT });
        for (number, group) in groups.iter().enumerate() {
            if number > 0 {
                rows.push((" ", "…".to_owned()));
            }
            for change in group.iter().flat_map(|operation| diff.iter_changes(operation)) {
                let sign = match change.tag() {
                    ChangeTag::Delete => "-",
                    ChangeTag::Insert => "+",
                    ChangeTag::Equal => " ",
                };
                rows.push((sign, change.value().to_owned()));
            }
        }
        let shown = if self.options.verbose || rows.len() <= SHORT { rows.len() } else { SHORT };
        let hidden = rows.len() - shown;
        for (sign, row) in rows.into_iter().take(shown) {
            let painted = self.paint(color_of(sign), &format!("{sign} {row}"));
            self.line(&format!("          {painted}"));
        }
        if hidden > 0 {
            self.line(&format!("          … {hidden} more lines (--verbose shows them)"));
        }
    }

    fn deferred(&mut self, plan: &Plan) {
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

    fn kept(&mut self, plan: &Plan) {
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

fn plain_length(step: &PlanStep) -> usize {
    step.resource.to_string().chars().count() + step.kind.chars().count() + 4
}

fn is_long_text(value: &PlanValue) -> bool {
    value.as_text().is_some_and(|text| text.contains('\n'))
}

fn origin(origin: &OriginText) -> Option<String> {
    match (origin.kind, &origin.environment) {
        (OriginKind::Default, _) => Some("default".to_owned()),
        (OriginKind::Environment, Some(name)) => Some(format!("environment.{name}, {}", origin.place)),
        _ if origin.place.is_empty() => None,
        _ => Some(origin.place.clone()),
    }
}

/// A value nobody wrote, of something new.
fn is_created_default(change: &FieldChange) -> bool {
    let default = change.origin.as_ref().is_some_and(|origin| origin.kind == crate::OriginKind::Default);
    default && change.before.is_none() && change.action == Action::Create
}

/// A line broken into pieces of that many characters.
fn folded(line: &str, width: usize) -> Vec<String> {
    let letters: Vec<char> = line.chars().collect();
    if letters.is_empty() {
        return vec![String::new()];
    }
    letters.chunks(width.max(20)).map(|piece| piece.iter().collect()).collect()
}

/// For each step, the resources whose steps come directly after it.
fn leads_to(plan: &Plan) -> BTreeMap<u32, BTreeSet<String>> {
    let by_number: BTreeMap<u32, &PlanStep> = plan.steps.iter().map(|step| (step.number, step)).collect();
    // The old half of a replacement speaks through the new one, which is the one that is shown.
    let shown: BTreeMap<_, u32> = plan
        .steps
        .iter()
        .filter(|step| step.part != Some(Part::Old))
        .map(|step| (&step.resource, step.number))
        .collect();
    let mut all: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    for (resource, later) in &plan.consequences {
        if let Some(number) = shown.get(resource) {
            all.entry(*number).or_default().extend(later.iter().cloned());
        }
    }
    for step in &plan.steps {
        for before in step.after.iter().filter_map(|number| by_number.get(number)) {
            if before.resource != step.resource
                && !matches!(before.action, Action::Delete | Action::Forget)
                && let Some(number) = shown.get(&before.resource)
            {
                let word = format!("{} {}", step.resource, step.action.phrase());
                all.entry(*number).or_default().insert(word);
            }
        }
    }
    all
}
