//! A plan as plain data for templates: what a pull request and a page show.

use serde::Serialize;

use super::diff::{Extent, Line};
use super::view::{Group, Row, View};
use crate::{Mode, Plan};

/// All of it.
#[derive(Serialize)]
pub(crate) struct Page {
    pub project: String,
    pub environment: String,
    pub provider: String,
    pub provider_version: String,
    pub mlp_version: String,
    pub mode: &'static str,
    pub summary: String,
    pub digest: String,
    pub serial: u64,
    pub selection: Vec<String>,
    pub legend: Vec<Meaning>,
    pub groups: Vec<Card>,
    pub drift: Vec<Card>,
    pub events: Vec<Card>,
    pub outputs: Vec<Field>,
    pub deferred: Vec<Waiting>,
    pub kept: Vec<Stay>,
    pub notices: Vec<Told>,
    pub unchanged: Vec<String>,
}

/// A sign and what it means.
#[derive(Serialize)]
pub(crate) struct Meaning {
    pub symbol: &'static str,
    pub text: &'static str,
}

/// Resources of which the same is said.
#[derive(Serialize)]
pub(crate) struct Card {
    pub symbol: &'static str,
    pub action: &'static str,
    pub phrase: &'static str,
    pub kind: String,
    /// The portable noun, or the native type of what is declared by itself.
    pub noun: String,
    pub title: String,
    pub members: Vec<Name>,
    pub reason: Option<String>,
    pub rows: Vec<Field>,
    /// Rows nobody wrote.
    pub defaults: Vec<Field>,
    pub loses: Vec<String>,
    pub leads: Vec<String>,
}

/// One of them.
#[derive(Serialize)]
pub(crate) struct Name {
    pub address: String,
    pub place: Option<String>,
    /// The line that stands there.
    pub line: Option<String>,
    pub number: u32,
}

/// A field that changes.
#[derive(Serialize)]
pub(crate) struct Field {
    pub symbol: &'static str,
    pub path: String,
    /// Both values in one line, where that holds them.
    pub value: Option<String>,
    pub before: Option<String>,
    pub after: Option<String>,
    /// Both values line by line, where one does not hold them.
    pub lines: Vec<Line>,
    pub note: String,
    /// The line it was written on.
    pub source: Option<String>,
}

/// Something that waits.
#[derive(Serialize)]
pub(crate) struct Waiting {
    pub address: String,
    pub why: String,
    pub through: Vec<String>,
    pub filled_by: Vec<String>,
}

/// Something that stays in the target.
#[derive(Serialize)]
pub(crate) struct Stay {
    pub address: String,
    pub reason: String,
}

/// A warning.
#[derive(Serialize)]
pub(crate) struct Told {
    pub headline: String,
    pub text: String,
}

impl Page {
    /// Of a plan, with values that fit so many columns.
    pub fn of(plan: &Plan, view: &View<'_>, width: usize) -> Self {
        let cards =
            |groups: &[Group<'_>]| groups.iter().map(|group| card(plan, view, group, width)).collect();
        let texts = |ids: &[mlp_value::ResourceId]| ids.iter().map(ToString::to_string).collect();
        let waiting = |item: &crate::DeferredItem| Waiting {
            address: item.resource.to_string(),
            why: item.why.clone(),
            through: texts(&item.through),
            filled_by: texts(&item.filled_by),
        };
        let context = &plan.context;
        Self {
            project: plan.project.clone(),
            environment: plan.environment.clone(),
            provider: context.provider.clone(),
            provider_version: context.provider_version.clone(),
            mlp_version: plan.mlp_version.clone(),
            mode: match plan.mode {
                Mode::Apply => "Plan",
                Mode::Destroy => "Plan to destroy",
                Mode::RefreshOnly => "Plan to refresh",
            },
            summary: view.summary(),
            digest: plan.digest(),
            serial: plan.serial,
            selection: selection(plan),
            legend: view.legend().into_iter().map(|(symbol, text)| Meaning { symbol, text }).collect(),
            groups: cards(&view.groups),
            drift: cards(&view.drift),
            events: cards(&view.events),
            outputs: view.outputs.iter().map(|row| field(plan, view, row, width)).collect(),
            deferred: plan.deferred.iter().map(waiting).collect(),
            kept: plan
                .kept
                .iter()
                .map(|kept| Stay { address: kept.resource.to_string(), reason: kept.reason.clone() })
                .collect(),
            notices: context
                .notices
                .iter()
                .map(|notice| Told { headline: notice.headline.clone(), text: notice.text.clone() })
                .collect(),
            unchanged: plan.unchanged.iter().map(|one| one.resource.to_string()).collect(),
        }
    }
}

/// What was asked for on the command line beside the whole.
fn selection(plan: &Plan) -> Vec<String> {
    let options = &plan.context.options;
    let mut all = Vec::new();
    for (name, list) in
        [("--target", &options.targets), ("--exclude", &options.excludes), ("--replace", &options.replace)]
    {
        all.extend(list.iter().map(|selector| format!("{name} {selector}")));
    }
    all.extend(options.no_refresh.then(|| "--refresh=false".to_owned()));
    all
}

fn card(plan: &Plan, view: &View<'_>, group: &Group<'_>, width: usize) -> Card {
    let names: Vec<Name> = group
        .members
        .iter()
        .map(|member| Name {
            address: member.resource.to_string(),
            place: member.place.map(str::to_owned),
            line: member.place.and_then(|place| plan.context.lines.get(place)).cloned(),
            number: member.number,
        })
        .collect();
    let title = match names.as_slice() {
        [one] => format!("{} {}", one.address, group.phrase),
        all => format!("{} resources {}, each in the same way", all.len(), group.phrase),
    };
    let (defaults, rows): (Vec<&Row<'_>>, Vec<&Row<'_>>) = group.rows.iter().partition(|row| row.default);
    let fields = |rows: Vec<&Row<'_>>| rows.into_iter().map(|row| field(plan, view, row, width)).collect();
    Card {
        symbol: group.symbol,
        action: group.action,
        phrase: group.phrase,
        kind: group.kind.to_owned(),
        noun: group
            .members
            .first()
            .map(|member| member.resource.address.kind.to_string())
            .unwrap_or_default(),
        title,
        members: names,
        reason: group.reason.map(str::to_owned),
        rows: fields(rows),
        defaults: fields(defaults),
        loses: group.loses.clone(),
        leads: group.leads.iter().cloned().collect(),
    }
}

fn field(plan: &Plan, view: &View<'_>, row: &Row<'_>, width: usize) -> Field {
    let inline = row.inline(&view.words);
    let fits = !row.is_long() && inline.chars().count() <= width;
    let change = row.change;
    let hidden = change.sensitive;
    let place = change.origin.as_ref().map(|origin| origin.place.as_str());
    Field {
        symbol: row.symbol,
        path: change.path.to_string(),
        before: row.before.as_ref().filter(|_| fits && !hidden).map(|value| view.words.inline(value)),
        after: change.after.as_ref().filter(|_| fits && !hidden).map(|value| view.words.inline(value)),
        value: fits.then_some(inline),
        lines: if fits { Vec::new() } else { row.diff(Extent { width, whole: false }, &view.words) },
        note: row.note(),
        source: place.filter(|_| !hidden).and_then(|place| plan.context.lines.get(place)).cloned(),
    }
}
