//! The plan for a pull request: Markdown as GitHub and GitLab draw it, never longer than a comment may be.

use minijinja::{Environment, Value, context};
use serde::Serialize;

use super::page::{Card, Page, Waiting};
use super::view::View;
use crate::Plan;

/// What GitHub takes in one comment, in characters.
const MOST: usize = 65_536;
/// Columns at which a value is shown line by line.
const WIDTH: usize = 110;
/// Cards that are shown open, where there are no more than these.
const OPEN: usize = 3;

#[derive(Serialize)]
struct Section {
    title: &'static str,
    text: String,
}

/// The plan as Markdown.
///
/// # Errors
/// The template cannot be filled, which would be a mistake of this program.
pub fn render_markdown(plan: &Plan) -> Result<String, String> {
    within(plan, MOST).map_err(|error| format!("the Markdown of a plan cannot be made: {error:#}"))
}

fn within(plan: &Plan, most: usize) -> Result<String, minijinja::Error> {
    let view = View::of(plan);
    let page = Page::of(plan, &view, WIDTH);
    let environment = environment()?;
    let frame = environment.get_template("plan.md")?;
    let draw = |sections: &[Section], cut: &str| -> Result<String, minijinja::Error> {
        let text = frame.render(context! { page => &page, sections => sections, cut => cut })?;
        Ok(squeezed(&text))
    };
    // What has to be there, and the longest words about what is not.
    let bare = draw(&[], &cut_words(usize::MAX, usize::MAX))?.chars().count();
    let mut budget = Budget { left: most.saturating_sub(bare + 600), cut: 0 };
    let mut sections = Vec::new();
    for (title, cards) in [
        ("Changed outside mlp", &page.drift),
        ("Moved by the running platform since the last apply", &page.events),
        ("Changes", &page.groups),
    ] {
        let mut texts = Vec::new();
        for card in cards {
            let open = page.groups.len() <= OPEN && title == "Changes";
            texts.push((card_text(&environment, card, open)?, headline(card)));
        }
        sections.extend(budget.section(title, texts));
    }
    let outputs = page.outputs.iter().map(|output| {
        let head = format!("- {} {}", code(output.symbol), code(&output.path));
        let value = output.value.as_deref().map(|value| format!(" = {}", code(value)));
        let lines = || output.lines.iter().map(|line| code(&format!("{} {}", line.sign, line.text)));
        let whole = value.unwrap_or_else(|| lines().map(|line| format!("<br>{line}")).collect());
        (format!("{head}{whole}\n"), format!("{head}\n"))
    });
    sections.extend(budget.section("Changes to outputs", outputs.collect()));
    let waiting = page.deferred.iter().map(|item| {
        let line = waiting(item);
        (line.clone(), line)
    });
    sections.extend(budget.section("Waiting", waiting.collect()));
    let kept = page.kept.iter().map(|stay| {
        let line = format!("- {}: {}\n", code(&stay.address), code(&stay.reason));
        (line.clone(), line)
    });
    sections.extend(budget.section("Stays in the target", kept.collect()));
    let all = page.drift.len()
        + page.events.len()
        + page.groups.len()
        + page.outputs.len()
        + page.deferred.len()
        + page.kept.len();
    let cut = if budget.cut == 0 { String::new() } else { cut_words(budget.cut, all) };
    draw(&sections, &cut)
}

fn cut_words(cut: usize, all: usize) -> String {
    format!(
        "Of {cut} of {all} entries only the headline or nothing is shown: a comment holds {MOST} characters. \
         `mlp show` of the plan file shows all of it."
    )
}

/// Room for what is still to be said.
struct Budget {
    left: usize,
    cut: usize,
}

impl Budget {
    /// Whole texts while there is room, then headlines, then nothing.
    fn section(&mut self, title: &'static str, texts: Vec<(String, String)>) -> Option<Section> {
        let mut text = String::new();
        // Headlines of what is still to come are worth more than the details of what comes now.
        let mut heads: usize = texts.iter().map(|(_, head)| head.chars().count()).sum();
        for (whole, head) in &texts {
            let short = head.chars().count();
            heads -= short;
            if whole.chars().count() + heads <= self.left {
                self.take(&mut text, whole);
            } else {
                self.cut += 1;
                if short <= self.left {
                    self.take(&mut text, head);
                }
            }
        }
        (!text.is_empty()).then_some(Section { title, text })
    }

    fn take(&mut self, text: &mut String, part: &str) {
        self.left = self.left.saturating_sub(part.chars().count());
        text.push_str(part);
    }
}

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.add_filter("code", |text: &str| Value::from_safe_string(code(text)));
    environment.add_filter("sign", |symbol: &str| sign(symbol).to_owned());
    environment.add_template("card.md", include_str!("templates/card.md.j2"))?;
    environment.add_template("plan.md", include_str!("templates/plan.md.j2"))?;
    Ok(environment)
}

fn card_text(environment: &Environment<'_>, card: &Card, open: bool) -> Result<String, minijinja::Error> {
    let template = environment.get_template("card.md")?;
    // A fence is longer than any row of backticks in it.
    let inside = serde_json::to_string(card).unwrap_or_default();
    let longest = inside.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let text = template.render(context! { card => card, fence => fence, open => open })?;
    // A blank line after the heads of rows comes from the template and means nothing inside the fence.
    let (head, body) = text.split_once(fence.as_str()).unwrap_or((text.as_str(), ""));
    let (inner, tail) = body.split_once(&format!("\n{fence}\n")).unwrap_or((body, ""));
    let inner: Vec<&str> = inner.lines().filter(|line| !line.trim().is_empty()).collect();
    Ok(format!("{head}{fence}{}\n{fence}\n{}\n\n", inner.join("\n"), tail.trim_end()))
}

fn headline(card: &Card) -> String {
    let names: Vec<String> = card.members.iter().take(20).map(|name| code(&name.address)).collect();
    let more = card.members.len().saturating_sub(20);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("- {} {}{more} {}\n", code(card.symbol), names.join(", "), card.phrase)
}

fn waiting(item: &Waiting) -> String {
    let by: Vec<String> = item.filled_by.iter().map(|id| code(id)).collect();
    let by = if by.is_empty() { String::new() } else { format!("; filled by {}", by.join(", ")) };
    format!("- {} {}: {}{by}\n", code("?"), code(&item.address), code(&item.why))
}

/// Text in which nothing is markup, a mention or a link.
fn code(text: &str) -> String {
    let mut safe = String::from("<code>");
    let mut inside_word = false;
    for letter in text.chars() {
        let after_letter = std::mem::replace(&mut inside_word, letter.is_alphanumeric());
        match letter {
            '_' if after_letter => safe.push(letter),
            '\n' | '\r' => safe.push(' '),
            letter
                if letter.is_ascii_alphanumeric()
                    || " .,:;/-=+!()'".contains(letter)
                    || !letter.is_ascii() =>
            {
                safe.push(letter);
            }
            letter => safe.push_str(&format!("&#{};", u32::from(letter))),
        }
    }
    safe + "</code>"
}

/// The sign that a diff colours.
fn sign(symbol: &str) -> &str {
    match symbol {
        "+" => "+",
        "-" => "-",
        _ => "!",
    }
}

/// Never two empty lines in a row outside of fences, which templates leave behind.
fn squeezed(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    let mut empty = false;
    for line in text.lines() {
        let blank = line.trim().is_empty();
        if !(blank && empty) {
            all.push_str(line.trim_end());
            all.push('\n');
        }
        empty = blank;
    }
    all
}
