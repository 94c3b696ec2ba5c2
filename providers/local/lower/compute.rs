//! `compute`: what a step reserves of this machine while it runs.

use std::collections::BTreeMap;

use mlp_floor::launch::Machine;
use mlp_provider::{LowerInput, Lowered};

use super::builder::Builder;
use super::step::Written;
use crate::codes;
use crate::mlp_eval::{PlanValue, reference_of};
use crate::mlp_value::facts::{Fact, Need};
use crate::mlp_value::{Number, Value, units};

/// What is read here, were it only to be refused with its reason.
const READ: &[&str] = &[
    "cpu",
    "memory",
    "disk",
    "accelerator.**",
    "nodes.**",
    "fabric",
    "placement",
    "capacity.**",
    "queue.**",
    "idle_after",
];
/// What has no meaning on one machine, and why.
const REFUSED: &[(&str, &str)] = &[
    ("disk", "the disk of this machine is not divided among steps"),
    ("capacity", "a machine that is there already is not bought"),
    ("queue", "steps wait for each other by what they reserve; there is no queue to put them in"),
    ("idle_after", "this machine is not let go when it is idle"),
];
/// The same of an accelerator.
const REFUSED_ACCELERATOR: &[(&str, &str)] = &[
    ("slice", "a GPU is given to one step as a whole: use `count`"),
    ("memory", "GPUs are known by their names alone here"),
    ("form", "GPUs are known by their names alone here"),
    ("topology", "there are no pods of accelerators in one machine"),
];
/// The launcher's own word for the same mistake.
pub(super) const TOO_MUCH: &str = "MLP0761";

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, READ);
    Reserved::default().read(&mut builder, &input.declaration.body, "");
    builder.finish(Vec::new())
}

/// What is reserved, in the words of a step's record.
#[derive(Default)]
struct Reserved {
    fields: BTreeMap<&'static str, PlanValue>,
}

/// What a step reserves: of its compute, and what it says itself instead.
pub(super) fn reserved(builder: &mut Builder<'_>, step: &Written<'_>, name: &str) -> Option<PlanValue> {
    let mut found = Reserved::default();
    if let Some(compute) = step.attribute("compute") {
        let path = step.at(name, "compute");
        match reference_of(compute) {
            // What is wrong with it is said once, where it is declared.
            Some(_) => {
                let declared = builder.referred(compute, "compute", &path)?;
                let input = LowerInput { declaration: declared, ..builder.input };
                let mut own = Builder::new(&input, READ);
                found.read(&mut own, &declared.body, "");
                builder.needs.append(&mut own.needs);
            }
            None => found.read(builder, compute, &format!("{path}.")),
        }
    }
    for word in ["accelerator", "nodes"] {
        if let Some(value) = step.attribute(word) {
            let path = step.at(name, word);
            let prefix = path.strip_suffix(word).unwrap_or_default();
            found.read(builder, &Value::object([(word, value.clone())]), prefix);
        }
    }
    (!found.fields.is_empty()).then(|| Value::object(found.fields))
}

impl Reserved {
    /// Reads the attributes of a pool; `prefix` ends in a point where it is not empty.
    fn read(&mut self, builder: &mut Builder<'_>, body: &PlanValue, prefix: &str) {
        let at = |word: &str| format!("{prefix}{word}");
        refuse(builder, body, prefix, REFUSED);
        one_node(builder, body.field("nodes"), &at("nodes"));
        for word in ["fabric", "placement"] {
            if let Some(text) = body.field(word).and_then(Value::as_text).filter(|text| *text != "any") {
                let what = format!("`{word} = \"{text}\"`");
                builder.not_served(&at(word), &what, "there is one node: leave it out, or use `any`");
            }
        }
        let wanted = ["cpu", "memory", "accelerator"].iter().any(|word| body.field(word).is_some());
        let Some(machine) = wanted.then(|| machine(builder)).flatten() else { return };
        if let Some(cores) = body.field("cpu").and_then(Value::as_number) {
            #[expect(clippy::cast_precision_loss, reason = "no machine has so many cores")]
            if cores.to_f64() > machine.cores as f64 {
                too_much(builder, &at("cpu"), format!("{cores} cores"), format!("{} cores", machine.cores));
            }
            self.fields.insert("cpu", Value::Number(cores.clone()));
        }
        if let Some(text) = body.field("memory").and_then(Value::as_text)
            && let Ok(bytes) = units::bytes(text)
        {
            if bytes > machine.memory {
                too_much(builder, &at("memory"), text.to_owned(), units::format_bytes(machine.memory));
            }
            self.fields.insert("memory", Value::text(text));
        }
        if let Some(accelerator) = body.field("accelerator") {
            self.read_accelerator(builder, accelerator, &at("accelerator"), &machine);
        }
    }

    fn read_accelerator(
        &mut self,
        builder: &mut Builder<'_>,
        value: &PlanValue,
        path: &str,
        machine: &Machine,
    ) {
        let asked = Accelerator::of(value);
        let slots = asked.check(builder, value, path, machine);
        self.fields.insert("gpus", Value::int(i64::try_from(asked.count).unwrap_or(i64::MAX)));
        self.fields
            .insert("gpu_slots", Value::list(slots.into_iter().map(|slot| Value::int(i64::from(slot)))));
    }
}

/// How many GPUs of which names are asked for.
pub(super) struct Accelerator<'v> {
    pub(super) names: Vec<&'v str>,
    pub(super) count: usize,
}

impl<'v> Accelerator<'v> {
    pub(super) fn of(value: &'v PlanValue) -> Self {
        let name = value.field("name");
        let names = match name.and_then(Value::as_list) {
            Some(names) => names.iter().filter_map(Value::as_text).collect(),
            None => name.and_then(Value::as_text).into_iter().collect(),
        };
        let count = value.field("count").and_then(Value::as_number).and_then(Number::to_i64).unwrap_or(1);
        Self { names, count: usize::try_from(count).unwrap_or(usize::MAX) }
    }

    /// Refuses what has no meaning here, and more than the machine has; gives the GPUs that fit.
    pub(super) fn check(
        &self,
        builder: &mut Builder<'_>,
        value: &PlanValue,
        path: &str,
        machine: &Machine,
    ) -> Vec<u32> {
        refuse(builder, value, &format!("{path}."), REFUSED_ACCELERATOR);
        let slots = machine.gpus_called(&self.names);
        if self.count > slots.len() {
            let there = if machine.gpus.is_empty() { "no GPU".to_owned() } else { machine.gpus.join(", ") };
            too_much(builder, path, format!("{} × {}", self.count, self.names.join(" or ")), there);
        }
        slots
    }
}

fn refuse(builder: &mut Builder<'_>, body: &PlanValue, prefix: &str, words: &[(&str, &str)]) {
    for (word, why) in words.iter().filter(|(word, _)| body.field(word).is_some()) {
        builder.not_served(&format!("{prefix}{word}"), &format!("`{word}`"), why);
    }
}

fn one_node(builder: &mut Builder<'_>, nodes: Option<&PlanValue>, path: &str) {
    let number = |value: &PlanValue| value.as_number().and_then(Number::to_i64);
    let most = nodes.and_then(|nodes| number(nodes).or_else(|| number(nodes.field("max")?)));
    if let Some(most) = most.filter(|most| *most > 1) {
        builder.not_served(
            path,
            &format!("work on {most} nodes"),
            "there is one node, this machine: use `nodes = 1`",
        );
    }
}

fn too_much(builder: &mut Builder<'_>, path: &str, asked: String, there: String) {
    builder.error(
        TOO_MUCH,
        path,
        format!("{asked} are asked for, and this machine has {there}"),
        "ask for less in this environment with a partial block, or use a provider that has more",
    );
}

/// This machine, with the GPUs that the provider's block names instead of those that are found.
pub(super) fn machine(builder: &mut Builder<'_>) -> Option<Machine> {
    let found = match builder.ask(Need::Machine)? {
        Fact::Machine { cores, memory, gpus } => {
            Machine { cores: *cores, memory: *memory, gpus: gpus.clone() }
        }
        _ => return None,
    };
    let declared = builder.input.platform.environment.provider_body.field("accelerators");
    if declared.is_some_and(|declared| {
        declared.as_list().is_none_or(|names| names.iter().any(|name| name.as_text().is_none()))
    }) {
        let text = "`accelerators` of the provider's block is no list of names";
        builder.error(
            codes::VALUE,
            "",
            text,
            "write `accelerators = [\"H100\", \"H100\"]`, a name for each GPU",
        );
    }
    Some(match declared.and_then(Value::as_list) {
        Some(names) => {
            Machine { gpus: names.iter().filter_map(Value::as_text).map(str::to_owned).collect(), ..found }
        }
        None => found,
    })
}
