//! The decision.

mod adopt;
mod known;
#[cfg(test)]
mod refactor_tests;
mod removal;
mod replace;
mod schedule;
mod selection;
#[cfg(test)]
mod shown_tests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mlp_diag::{Diagnostic, Diagnostics};
use mlp_eval::PlanValue;
use mlp_provider::{CallKind, Desired, OnDestroy, Owner, ResourceChange, ResourceKind, Seen};
use mlp_state::{Record, Status};
use mlp_value::order::{Waits, in_order};
use mlp_value::{Address, Path, ResourceId};

use crate::changes::created;
use crate::{
    Action, Context, Counts, DeferredItem, DriftItem, FORMAT_VERSION, Mode, Moving, OutputScope, Part, Plan,
    PlanInput, PlanStep, RecordTemplate, codes,
};

/// The old (or only ending) and the new (or only beginning) of a resource.
type StepKey = (ResourceId, Part);

struct Decider<'a, 'i> {
    input: &'a PlanInput<'i>,
    plan: Plan,
    diagnostics: Diagnostics,
    drafts: BTreeMap<StepKey, PlanStep>,
    /// Replacements whose new part comes first.
    new_first: BTreeSet<ResourceId>,
    moving: Moving,
    /// Declarations of which something changes in the target.
    changed: BTreeSet<Address>,
    waiting: BTreeMap<ResourceId, DeferredItem>,
}

/// Decides what has to be done. The plan is the best result there is; with an error it must not be applied.
pub fn decide(input: &PlanInput<'_>) -> (Plan, Diagnostics) {
    let _stage = mlp_trace::stage("decide");
    let mut decider = Decider {
        input,
        plan: Plan {
            format_version: FORMAT_VERSION,
            mlp_version: env!("CARGO_PKG_VERSION").to_owned(),
            mode: input.mode,
            project: input.project.to_owned(),
            environment: input.environment.to_owned(),
            lineage: input.state.lineage.clone(),
            serial: input.state.serial,
            state_digest: input.refactor.state_digest.clone().unwrap_or_else(|| input.state.digest()),
            spec_digest: input.spec_digest.to_owned(),
            steps: Vec::new(),
            drift: Vec::new(),
            events: Vec::new(),
            outputs: Vec::new(),
            deferred: Vec::new(),
            kept: Vec::new(),
            unchanged: Vec::new(),
            counts: Counts::default(),
            consequences: BTreeMap::new(),
            warnings: Vec::new(),
            context: Context {
                provider: input.provider_name.to_owned(),
                provider_version: input.provider.version().to_owned(),
                options: input.options.clone(),
                ..Context::default()
            },
            seal: String::new(),
        },
        diagnostics: Vec::new(),
        drafts: BTreeMap::new(),
        new_first: BTreeSet::new(),
        moving: Moving::default(),
        changed: BTreeSet::new(),
        waiting: BTreeMap::new(),
    };
    decider.run();
    (decider.plan, decider.diagnostics)
}

/// What there should be.
struct Wanted<'i> {
    /// In the order of their ids.
    all: Vec<&'i Desired>,
    places: HashMap<&'i ResourceId, usize>,
}

impl<'i> Wanted<'i> {
    fn of(desired: &'i [Desired], diagnostics: &mut Diagnostics) -> Self {
        let mut all: Vec<&Desired> = desired.iter().collect();
        all.sort_by(|left, right| left.id.cmp(&right.id));
        for twice in all.windows(2).filter(|pair| pair[0].id == pair[1].id) {
            let id = &twice[0].id;
            diagnostics.push(
                Diagnostic::error(codes::TWICE, format!("{id} is desired twice"))
                    .on(&id.address, "")
                    .blame(mlp_diag::Blame::Internal),
            );
        }
        all.dedup_by(|left, right| left.id == right.id);
        let places = all.iter().enumerate().map(|(at, one)| (&one.id, at)).collect();
        Self { all, places }
    }

    fn get(&self, id: &ResourceId) -> Option<&'i Desired> {
        self.places.get(id).map(|at| self.all[*at])
    }

    /// Each after what it needs; and those that need themselves.
    fn in_order(&self) -> (Vec<&'i Desired>, Vec<ResourceId>) {
        let needs =
            |one: &&Desired| one.depends_on.iter().filter_map(|id| self.places.get(id).copied()).collect();
        let waits: Waits = self.all.iter().map(needs).collect();
        let (ordered, circle) = in_order(&waits);
        let circle = circle.into_iter().map(|at| self.all[at].id.clone()).collect();
        (ordered.into_iter().map(|at| self.all[at]).collect(), circle)
    }
}

impl<'a> Decider<'a, '_> {
    fn run(&mut self) {
        let input = self.input;
        let wanted = Wanted::of(input.desired, &mut self.diagnostics);
        let selected = self.selected();
        if input.mode != Mode::Destroy {
            let (ordered, circle) = wanted.in_order();
            self.report_circle(&circle);
            for desired in ordered.into_iter().filter(|one| selected.contains(&one.id)) {
                self.desired(desired);
            }
        }
        for (id, record) in &input.state.resources {
            if selected.contains(id) && (input.mode == Mode::Destroy || wanted.get(id).is_none()) {
                self.unwanted(record);
            }
        }
        self.left_behind(&selected);
        self.finish(&wanted);
    }

    fn report_circle(&mut self, circle: &[ResourceId]) {
        if let Some(first) = circle.first() {
            let names = circle.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            self.diagnostics.push(
                Diagnostic::error(codes::CYCLE, format!("resources wait for each other: {names}"))
                    .on(&first.address, "")
                    .help("take one of the references or `depends_on` between them away"),
            );
        }
    }

    fn observed(&self, id: &ResourceId) -> Option<&'a Seen> {
        self.input.observed.get(id)
    }

    fn place(&self, id: &ResourceId) -> Option<String> {
        (self.input.origins)(id, &Path::default())
            .map(|origin| origin.place)
            .filter(|place| !place.is_empty())
    }

    /// What is asked for, with every hole filled that can be.
    fn computed(&self, desired: &Desired) -> Result<PlanValue, Diagnostics> {
        let (input, moving) = (self.input, &self.moving);
        // What something tells now counts, where it was looked at.
        let now = |id: &ResourceId| match input.observed.get(id) {
            Some(Seen::Present(seen)) => Some(&seen.outputs),
            _ => None,
        };
        let outputs = |address: &Address| moving.left(address, input.state.outputs_as(address, &now)?.lift());
        OutputScope::new(&outputs).fill(&desired.config)
    }

    fn filled(&mut self, desired: &Desired) -> PlanValue {
        match self.computed(desired) {
            Ok(value) => value,
            Err(errors) => {
                self.diagnostics.extend(errors.into_iter().map(|error| error.on(&desired.id.address, "")));
                desired.config.clone()
            }
        }
    }

    fn desired(&mut self, desired: &Desired) {
        let Some(kind) = (self.input.kinds)(&desired.kind) else {
            let headline =
                format!("the provider {} has no resource `{}`", self.input.provider_name, desired.kind);
            self.diagnostics
                .push(Diagnostic::error(codes::NO_SUCH_KIND, headline).on(&desired.id.address, ""));
            return;
        };
        if let Some(deferral) =
            desired.deferred.as_ref().filter(|_| self.input.still_deferred.contains(&desired.id))
        {
            let item = DeferredItem {
                resource: desired.id.clone(),
                kind: desired.kind.clone(),
                why: deferral.why.clone(),
                filled_by: deferral.filled_by.clone(),
                through: Vec::new(),
            };
            self.defer(item);
            return;
        }
        let config = self.filled(desired);
        match (self.input.state.resources.get(&desired.id), self.observed(&desired.id)) {
            (Some(record), Some(Seen::Absent)) => self.gone(desired, kind, config, record),
            (Some(record), Some(Seen::Present(seen))) => {
                self.known(desired, kind, config, record, Some(seen));
            }
            (Some(record), None) => self.known(desired, kind, config, record, None),
            (None, Some(Seen::Present(seen)))
                if seen.owner == Owner::Mine || self.input.refactor.imports.contains_key(&desired.id) =>
            {
                self.adopt(desired, kind, config, seen);
            }
            (None, Some(Seen::Present(seen))) => self.not_ours(desired, seen.owner),
            (None, _) => self.create(desired, kind, config, None),
        }
    }

    fn defer(&mut self, item: DeferredItem) {
        self.moving.hide(&item.resource.address);
        self.waiting.insert(item.resource.clone(), item.clone());
        self.plan.deferred.push(item);
    }

    fn not_ours(&mut self, desired: &Desired, owner: Owner) {
        let whose =
            if owner == Owner::Foreign { "belongs to somebody else" } else { "carries no mark of an owner" };
        let headline = format!("{} exists already as {} and {whose}", desired.id, desired.identity);
        let id = &desired.id;
        self.diagnostics.push(
            Diagnostic::error(codes::NOT_OURS, headline)
                .on(&id.address, "")
                .note("nothing that is not certainly ours is changed or overwritten")
                .help(format!(
                    "rename {0}, remove the object by hand, or take it over: \
                     `import {{ to = {0}, id = \"{1}\" }}`, an attribute a line",
                    id.address, desired.identity
                )),
        );
    }

    fn gone(&mut self, desired: &Desired, kind: &ResourceKind, config: PlanValue, record: &Record) {
        // What was never whole is not missed.
        if let (Status::Tainted { reason }, Mode::Apply) = (&record.status, self.input.mode) {
            return self.create(desired, kind, config, Some(reason.clone()));
        }
        self.gone_drift(record);
        if self.input.mode == Mode::RefreshOnly {
            self.forget(record, "deleted outside mlp");
        } else {
            self.create(desired, kind, config, Some("deleted outside mlp".to_owned()));
        }
    }

    /// Notes that something was deleted outside `mlp`.
    fn gone_drift(&mut self, record: &Record) {
        self.plan.drift.push(DriftItem {
            resource: record.id.clone(),
            kind: record.kind.clone(),
            gone: true,
            before: record.applied.clone(),
            after: None,
            changes: Vec::new(),
        });
    }

    fn template(&self, desired: &Desired, kind: &ResourceKind, identity: &str) -> RecordTemplate {
        RecordTemplate {
            id: desired.id.clone(),
            kind: desired.kind.clone(),
            provider: self.input.provider_name.to_owned(),
            identity: identity.to_owned(),
            depends_on: desired.depends_on.iter().cloned().collect(),
            protect: desired.lifecycle.protect,
            keep: desired.lifecycle.on_destroy == OnDestroy::Keep,
            schema_version: kind.schema_version,
            lowering_version: desired.lowering_version,
            place: self.place(&desired.id),
            made_as: match self.input.refactor.imports.get(&desired.id) {
                Some(import) => import.made_as.clone().filter(|made_as| *made_as != desired.id.address),
                None => self.input.state.resources.get(&desired.id).and_then(|record| record.made_as.clone()),
            },
        }
    }

    fn step(&self, desired: &Desired, kind: &ResourceKind, identity: &str, action: Action) -> PlanStep {
        PlanStep {
            number: 0,
            resource: desired.id.clone(),
            kind: desired.kind.clone(),
            identity: identity.to_owned(),
            provider: self.input.provider_name.to_owned(),
            action,
            part: None,
            reason: None,
            calls: Vec::new(),
            after: Vec::new(),
            changes: Vec::new(),
            record: Some(self.template(desired, kind, identity)),
            before: None,
            config: None,
            outputs: None,
            secret: kind.fields.iter().filter(|field| field.secret).map(|field| field.name.clone()).collect(),
            stateful: kind.stateful,
            place: self.place(&desired.id),
            removal: None,
            deposed: None,
            moved_from: self.input.refactor.moved.get(&desired.id).cloned(),
        }
    }

    fn calls(&self, step: &PlanStep, kind: CallKind) -> Vec<mlp_provider::Call> {
        self.input.provider.calls(&ResourceChange {
            resource: step.kind.clone(),
            identity: step.identity.clone(),
            kind,
            before: step.before.clone(),
            after: step.config.clone(),
            takes_over: step.action == Action::Import,
        })
    }

    /// Takes a beginning step, or defers it with what it waits for.
    fn begin(&mut self, step: PlanStep, desired: &Desired) {
        if let Some(cause) = desired.depends_on.iter().find_map(|id| self.waiting.get(id)) {
            let mut through = vec![cause.resource.clone()];
            through.extend(cause.through.iter().cloned());
            let item = DeferredItem {
                resource: step.resource,
                kind: step.kind,
                why: cause.why.clone(),
                filled_by: cause.filled_by.clone(),
                through,
            };
            self.defer(item);
            return;
        }
        if step.action != Action::Move {
            self.moving.note(&step, (self.input.kinds)(&step.kind));
        }
        if !step.calls.is_empty() {
            self.changed.insert(step.resource.address.clone());
        }
        self.drafts.insert((step.resource.clone(), Part::New), step);
    }

    fn create(&mut self, desired: &Desired, kind: &ResourceKind, config: PlanValue, reason: Option<String>) {
        if self.input.mode == Mode::RefreshOnly {
            return;
        }
        // What can stand beside its successor is named by its content: the name follows from what is asked for.
        let remembered = (!desired.lifecycle.create_before_destroy)
            .then(|| Some(self.input.state.resources.get(&desired.id)?.identity.clone()))
            .flatten();
        let identity = remembered.unwrap_or_else(|| desired.identity.clone());
        let mut step = self.step(desired, kind, &identity, Action::Create);
        let origins = self.input.origins;
        step.changes = created(kind, &config, &|path| origins(&desired.id, path));
        step.reason = reason;
        step.config = Some(config);
        step.calls = self.calls(&step, CallKind::Create);
        self.begin(step, desired);
    }
}
