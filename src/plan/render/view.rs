//! What is to be shown of a plan, before anybody knows where: the same for a terminal, a pull request and a page.

use std::collections::{BTreeMap, BTreeSet};

use mlp_eval::PlanValue;
use mlp_value::{KnownValue, ResourceId, Value, units};

use super::diff::{Extent, Line, are_json, diff, is_long_text};
use super::values::Words;
use crate::{
    Action, Cause, DriftItem, EventItem, FieldChange, Mode, OriginKind, OriginText, Part, Plan, PlanStep,
};

/// A plan as it is shown.
pub(crate) struct View<'p> {
    pub plan: &'p Plan,
    pub words: Words<'p>,
    /// What is done, identical changes together.
    pub groups: Vec<Group<'p>>,
    /// What changed outside `mlp`.
    pub drift: Vec<Group<'p>>,
    /// What the running platform moved by itself.
    pub events: Vec<Group<'p>>,
    /// Outputs that change.
    pub outputs: Vec<Row<'p>>,
}

/// Resources of which the same is to be said.
pub(crate) struct Group<'p> {
    pub symbol: &'static str,
    /// The word of its action, for a filter: `create`.
    pub action: &'static str,
    /// What happens, after its name: "will be created".
    pub phrase: &'static str,
    pub reason: Option<&'p str>,
    pub kind: &'p str,
    pub members: Vec<Member<'p>>,
    pub rows: Vec<Row<'p>>,
    /// What ending it loses.
    pub loses: Vec<String>,
    /// What follows from it.
    pub leads: BTreeSet<String>,
}

/// One of the resources of a group.
pub(crate) struct Member<'p> {
    pub resource: &'p ResourceId,
    pub place: Option<&'p str>,
    /// Number of its step; 0 where there is none.
    pub number: u32,
}

/// A field that changes.
pub(crate) struct Row<'p> {
    pub symbol: &'static str,
    pub change: &'p FieldChange,
    pub before: Option<PlanValue>,
    /// Where else the same is written, for the other members of the group.
    pub places: BTreeSet<&'p str>,
    /// A value nobody wrote, of something new.
    pub default: bool,
}

impl<'p> View<'p> {
    pub fn of(plan: &'p Plan) -> Self {
        let changed = plan.outputs.iter().filter(|output| output.action != Action::NoOp);
        Self {
            plan,
            words: Words::of(plan),
            groups: groups(plan),
            drift: drift(plan),
            events: events(plan),
            outputs: changed.map(row).collect(),
        }
    }

    /// The signs that occur, with what they mean.
    pub fn legend(&self) -> Vec<(&'static str, &'static str)> {
        let used: BTreeSet<&str> = self.groups.iter().map(|group| group.symbol).collect();
        LEGEND.iter().copied().filter(|(symbol, _)| used.contains(symbol)).collect()
    }

    /// `Plan: 3 to add, 1 to change, 0 to destroy.`
    pub fn summary(&self) -> String {
        summary(self.plan)
    }
}

const LEGEND: &[(&str, &str)] = &[
    ("+", "create"),
    ("~", "update in place"),
    ("+~", "new version"),
    ("-", "destroy"),
    ("-/+", "destroy, then create"),
    ("+/-", "create, then destroy"),
    ("<-", "take over"),
    ("->", "move"),
    ("<=", "read again"),
    (".", "forget"),
];

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
    if counts.read > 0 && plan.mode == Mode::RefreshOnly {
        return format!("Plan: {} to read again, nothing to change{extra}.", counts.read);
    }
    if plan.changes_resources() {
        let (add, change, destroy) = (counts.add, counts.change, counts.destroy);
        return format!("Plan: {add} to add, {change} to change, {destroy} to destroy{extra}.");
    }
    let waits = extra.strip_prefix(", ").map(|extra| format!(" ({extra})")).unwrap_or_default();
    if plan.changes_outputs() {
        return format!("Plan: only outputs change, and nothing in the target{waits}.");
    }
    match plan.mode {
        Mode::Destroy => format!("No changes. There is nothing to destroy{waits}."),
        Mode::RefreshOnly => format!("No changes. What is there is what is remembered{waits}."),
        Mode::Apply if plan.context.options.no_refresh => {
            format!("No changes. What is remembered is what is written{waits}; what is there was not read.")
        }
        Mode::Apply => format!("No changes. What is there is what is written{waits}."),
    }
}

fn word(action: Action) -> &'static str {
    match action {
        Action::NoOp => "no-op",
        Action::Resize => "resize",
        Action::Update => "update",
        Action::Create => "create",
        Action::Replace => "replace",
        Action::Delete => "delete",
        Action::Read => "read",
        Action::Import => "import",
        Action::Move => "move",
        Action::Forget => "forget",
        Action::Defer => "defer",
        Action::NewVersion => "new-version",
    }
}

/// Ids whose successor is made before they end.
pub(crate) fn new_first(plan: &Plan) -> BTreeSet<&ResourceId> {
    let halves = |part: Part| plan.steps.iter().filter(move |step| step.part == Some(part));
    let old: BTreeMap<&ResourceId, u32> =
        halves(Part::Old).map(|step| (&step.resource, step.number)).collect();
    halves(Part::New)
        .filter(|new| old.get(&new.resource).is_some_and(|old| *old > new.number))
        .map(|step| &step.resource)
        .collect()
}

fn groups(plan: &Plan) -> Vec<Group<'_>> {
    let (new_first, leads) = (new_first(plan), leads_to(plan));
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut at: BTreeMap<String, usize> = BTreeMap::new();
    // What the platform moved stands with the events.
    let is_shown = |step: &&PlanStep| {
        step.part != Some(Part::Old) && (step.action != Action::Read || plan.mode == Mode::RefreshOnly)
    };
    for step in plan.steps.iter().filter(is_shown) {
        let first = new_first.contains(&step.resource);
        let symbol = if first { "+/-" } else { step.action.symbol() };
        let key = key(step, symbol);
        let known = key.as_ref().and_then(|key| at.get(key)).and_then(|at| groups.get_mut(*at));
        let group = match known {
            Some(group) => {
                for (row, change) in group.rows.iter_mut().zip(shown(&step.changes, &step.resource)) {
                    row.places.extend(place_of(change));
                }
                group
            }
            None => {
                if let Some(key) = key {
                    at.insert(key, groups.len());
                }
                groups.push(Group {
                    symbol,
                    action: word(step.action),
                    phrase: step.action.phrase(),
                    reason: step.reason.as_deref(),
                    kind: &step.kind,
                    members: Vec::new(),
                    rows: rows(&step.changes, &step.resource),
                    loses: Vec::new(),
                    leads: BTreeSet::new(),
                });
                let Some(group) = groups.last_mut() else { continue };
                group
            }
        };
        group.members.push(Member {
            resource: &step.resource,
            place: step.place.as_deref(),
            number: step.number,
        });
        group.loses.extend(loses(step));
        group.leads.extend(leads.get(&step.number).into_iter().flatten().cloned());
    }
    groups
}

/// What two steps must have in common to be shown as one; `None` where there is nothing to be shown once.
fn key(step: &PlanStep, symbol: &str) -> Option<String> {
    let own = step.resource.address.to_string();
    let mut text = format!("{symbol}\n{}\n{:?}", step.kind, step.reason);
    let mut any = false;
    for change in shown(&step.changes, &step.resource) {
        any = true;
        let origin = change.origin.as_ref().map(|origin| (origin.kind, origin.environment.as_deref()));
        let values = serde_json::to_string(&(&change.before, &change.after)).ok()?;
        text.push_str(&format!(
            "\n{} {:?} {:?} {:?} {} {origin:?} {values}",
            change.path, change.action, change.cause, change.reason, change.sensitive
        ));
    }
    (any || step.action == Action::Delete).then(|| text.replace(&own, "\u{0}"))
}

/// Changes less those that say no more than the head of the step does.
fn shown<'p>(changes: &'p [FieldChange], own: &ResourceId) -> impl Iterator<Item = &'p FieldChange> {
    let own = own.address.to_string();
    changes.iter().filter(move |change| {
        let itself = change.action == Action::Create
            && change.path.to_string() == "address"
            && change.after.as_ref().and_then(Value::as_text) == Some(own.as_str());
        !itself
    })
}

fn rows<'p>(changes: &'p [FieldChange], own: &ResourceId) -> Vec<Row<'p>> {
    shown(changes, own).map(row).collect()
}

fn row(change: &FieldChange) -> Row<'_> {
    Row {
        symbol: symbol(change),
        before: change.before.as_ref().map(KnownValue::lift),
        places: place_of(change).into_iter().collect(),
        default: is_created_default(change),
        change,
    }
}

fn symbol(change: &FieldChange) -> &'static str {
    match (change.action, &change.before, &change.after) {
        (Action::Create, ..) => "+",
        (Action::Delete, ..) => "-",
        _ if change.sensitive => "~",
        (Action::Replace, ..) => "-/+",
        (Action::NewVersion, ..) => "+~",
        (_, None, _) => "+",
        (_, _, None) => "-",
        _ => "~",
    }
}

fn place_of(change: &FieldChange) -> Option<&str> {
    change.origin.as_ref().map(|origin| origin.place.as_str()).filter(|place| !place.is_empty())
}

/// A value nobody wrote, of something new.
fn is_created_default(change: &FieldChange) -> bool {
    let default = change.origin.as_ref().is_some_and(|origin| origin.kind == OriginKind::Default);
    default && change.before.is_none() && change.action == Action::Create
}

fn loses(step: &PlanStep) -> Option<String> {
    let removal = step.removal.as_ref()?;
    let size = match removal.bytes {
        0 => String::new(),
        bytes => format!(" ({} freed)", units::format_bytes(bytes)),
    };
    Some(format!("{}{size}", removal.what))
}

fn drift<'p>(plan: &'p Plan) -> Vec<Group<'p>> {
    let item = |item: &'p DriftItem| Group {
        symbol: if item.gone { "-" } else { "!" },
        action: "drift",
        phrase: if item.gone { "was deleted" } else { "was changed" },
        ..found(&item.resource, &item.kind, &item.changes)
    };
    plan.drift.iter().map(item).collect()
}

fn events<'p>(plan: &'p Plan) -> Vec<Group<'p>> {
    let item = |item: &'p EventItem| Group {
        symbol: "*",
        action: "event",
        phrase: "moved on",
        ..found(&item.resource, &item.kind, &item.changes)
    };
    plan.events.iter().map(item).collect()
}

fn found<'p>(resource: &'p ResourceId, kind: &'p str, changes: &'p [FieldChange]) -> Group<'p> {
    Group {
        symbol: "",
        action: "",
        phrase: "",
        reason: None,
        kind,
        members: vec![Member { resource, place: None, number: 0 }],
        rows: rows(changes, resource),
        loses: Vec::new(),
        leads: BTreeSet::new(),
    }
}

impl Row<'_> {
    /// What a person should know beside the value, in brackets; empty where there is nothing.
    pub fn note(&self) -> String {
        let change = self.change;
        let mut notes = Vec::new();
        if change.action == Action::Replace {
            notes.push("forces replacement".to_owned());
        }
        notes.extend(change.reason.clone());
        if change.cause.is_outside() && change.action != Action::Read || change.cause == Cause::Memory {
            notes.push(change.cause.phrase().to_owned());
        }
        if change.cause == Cause::Unset && change.action != Action::Create {
            notes.push("no longer set".to_owned());
        }
        notes.extend(change.origin.as_ref().and_then(|origin| self.origin(origin)));
        if notes.is_empty() { String::new() } else { format!("({})", notes.join("; ")) }
    }

    fn origin(&self, origin: &OriginText) -> Option<String> {
        let more = match self.places.len() {
            0 | 1 => String::new(),
            2 => " and one more place".to_owned(),
            count => format!(" and {} more places", count - 1),
        };
        match (origin.kind, &origin.environment) {
            (OriginKind::Default, _) => Some("default".to_owned()),
            (OriginKind::Environment, Some(name)) => {
                Some(format!("environment.{name}, {}{more}", origin.place))
            }
            _ if origin.place.is_empty() => None,
            _ => Some(format!("{}{more}", origin.place)),
        }
    }

    /// Both values in one line.
    pub fn inline(&self, words: &Words<'_>) -> String {
        match (&self.before, &self.change.after) {
            _ if self.change.sensitive => "(sensitive)".to_owned(),
            (Some(before), Some(after)) => format!("{} -> {}", words.inline(before), words.inline(after)),
            (Some(before), None) if self.change.action == Action::Read => {
                format!("{} -> null", words.inline(before))
            }
            (Some(before), None) => words.inline(before),
            (None, Some(after)) => words.inline(after),
            (None, None) => "null".to_owned(),
        }
    }

    /// Whether it is shown in several lines even where one would hold it.
    pub fn is_long(&self) -> bool {
        let (before, after) = (self.before.as_ref(), self.change.after.as_ref());
        !self.change.sensitive
            && ([before, after].into_iter().flatten().any(is_long_text) || are_json(before, after))
    }

    /// Both values line by line.
    pub fn diff(&self, extent: Extent, words: &Words<'_>) -> Vec<Line> {
        if self.change.sensitive {
            return vec![Line { sign: " ", text: "(sensitive)".to_owned() }];
        }
        diff(self.before.as_ref(), self.change.after.as_ref(), extent, words)
    }
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
    for step in plan.steps.iter().filter(|step| step.action != Action::Read) {
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
