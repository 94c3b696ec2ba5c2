//! What all lowerings share: looking at the declaration, asking for facts, collecting what is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};

use mlp_provider::{Deferral, Desired, LowerInput, Lowered, Lowering};

use crate::mlp_eval::{PlanValue, reference_of};
use crate::mlp_value::facts::{Fact, Need};
use crate::mlp_value::{Address, Path, PathMap, ResourceId, Value};
use crate::support::DIALECT;

/// Collects the result of one lowering.
pub(super) struct Builder<'a>(Lowering<'a>);

/// The name under which a declaration's object is kept: its own where that is unique, else with a digest of its address.
pub(crate) fn object_name(address: &Address) -> String {
    if address.module.is_empty() && address.key.is_none() {
        return address.name.to_string();
    }
    let text = address.to_string();
    let plain: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '-' })
        .skip_while(|c| *c == '-')
        .take(60)
        .collect();
    let digest = blake3::hash(text.as_bytes()).to_hex();
    format!("{}-{}", plain.trim_end_matches('-'), &digest[..8])
}

/// One digest for the digests of several files.
pub(crate) fn combined_digest(files: &[(String, String)]) -> String {
    match files {
        [(_, digest)] => digest.clone(),
        _ => {
            let text: String = files.iter().map(|(path, digest)| format!("{digest} {path}\n")).collect();
            blake3::hash(text.as_bytes()).to_hex().to_string()
        }
    }
}

impl<'a> Deref for Builder<'a> {
    type Target = Lowering<'a>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Builder<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<'a> Builder<'a> {
    /// Starts with a check that nothing is set that this lowering does not serve.
    pub(super) fn new(input: &LowerInput<'a>, served: &[&str]) -> Self {
        Self(Lowering::new(&DIALECT, input, served))
    }

    pub(super) fn name(&self) -> String {
        object_name(&self.declaration().address)
    }

    /// The one native resource of the declaration.
    pub(super) fn resource(
        &self,
        kind: &str,
        folder: &str,
        stateful: bool,
        mut config: BTreeMap<&str, PlanValue>,
    ) -> Desired {
        let address = &self.declaration().address;
        config.insert("address", Value::text(address.to_string()));
        for common in ["description", "owner", "labels"] {
            if let Some(value) = self.attribute(common) {
                config.insert(common, owner_text(value));
            }
        }
        let config = Value::object(config);
        Desired {
            id: ResourceId::new(address.clone(), ""),
            kind: kind.to_owned(),
            identity: format!("{folder}/{}", self.name()),
            from: self.origins(&config),
            config,
            depends_on: self.dependencies(),
            lifecycle: self.lifecycle(stateful),
            deferred: None,
            lowering_version: super::VERSION,
        }
    }

    /// Native paths that have the same path in the declaration.
    fn origins(&self, config: &PlanValue) -> PathMap<Path> {
        let mut from = PathMap::new();
        config.walk(&mut |path, _| {
            if !path.is_root() && self.declaration().body.get(path).is_some() {
                from.insert(path.clone(), path.clone());
            }
        });
        from
    }

    /// The secrets it uses, also through declarations that are no resources themselves: fingerprints by address.
    fn credentials(&mut self) -> Option<PlanValue> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&Address> = self.declaration().edges.iter().map(|edge| &edge.to).collect();
        let mut found = BTreeMap::new();
        while let Some(address) = open.pop() {
            let Some(target) = self.input.platform.declarations.get(address) else { continue };
            if !seen.insert(address) || DIALECT.is_native(target.kind) {
                continue;
            }
            open.extend(target.edges.iter().map(|edge| &edge.to));
            if target.kind == "secret"
                && let Some(from) = target.body.field("from").and_then(Value::as_text)
                && let Some(Fact::Text(fingerprint)) = self.ask(Need::Secret(from.to_owned()))
            {
                found.insert(address.to_string(), Value::text(fingerprint));
            }
        }
        (!found.is_empty()).then(|| Value::object(found))
    }

    pub(super) fn finish(mut self, mut desired: Vec<Desired>) -> Lowered {
        if let Some(credentials) = self.credentials() {
            for desired in &mut desired {
                let mut fields = desired.config.as_object().cloned().unwrap_or_default();
                fields.insert("credentials".into(), credentials.clone());
                desired.config = Value::object(fields);
            }
        }
        self.0.finish(desired)
    }

    /// The model version a value refers to, and what is known of it before there is one.
    pub(super) fn model(
        &mut self,
        value: &PlanValue,
        path: &str,
    ) -> Option<BTreeMap<&'static str, PlanValue>> {
        let model = self.referred(value, "model", path)?;
        let reference = reference_of(value)?;
        let mut config = BTreeMap::from([
            ("model", Value::text(object_name(&model.address))),
            ("address", Value::text(model.address.to_string())),
        ]);
        match reference.member() {
            Some(("alias", alias)) => config.insert("alias", Value::text(alias)),
            Some(("version", number)) => config.insert("version", Value::Number(number.parse().ok()?)),
            _ => config.insert("alias", Value::text("latest")),
        };
        Some(config)
    }

    /// Why something that serves these models may have to wait, and which pipelines would end that.
    pub(super) fn deferral(&self, models: &[BTreeMap<&'static str, PlanValue>]) -> Option<Deferral> {
        let mut why = BTreeSet::new();
        let mut filled_by = BTreeSet::new();
        for model in models {
            let address = model.get("address").and_then(Value::as_text).unwrap_or_default();
            match model.get("alias").and_then(Value::as_text) {
                Some(alias) => {
                    why.insert(format!("{address} has no version under alias {alias}"));
                    filled_by.extend(self.fillers(address, alias));
                }
                None => {
                    why.insert(format!("{address} does not have the version it names"));
                }
            }
        }
        let why = why.into_iter().collect::<Vec<_>>().join("; ");
        if models.is_empty() {
            None
        } else {
            Some(Deferral { why, filled_by: filled_by.into_iter().collect() })
        }
    }

    /// Pipelines that register the model under the alias, or under one from which a gate leads to it.
    fn fillers(&self, model: &str, alias: &str) -> BTreeSet<ResourceId> {
        let declarations = &self.input.platform.declarations;
        let gates = declarations
            .values()
            .find(|found| found.address.to_string() == model)
            .and_then(|found| found.body.field("gate")?.as_object());
        let mut aliases = BTreeSet::from([alias.to_owned()]);
        let mut grew = true;
        while grew {
            let steps = gates.iter().flat_map(|gates| gates.values());
            let leads = steps.filter(|gate| {
                gate.field("to").and_then(Value::as_text).is_some_and(|to| aliases.contains(to))
            });
            let more: Vec<String> =
                leads.filter_map(|gate| Some(gate.field("from")?.as_text()?.to_owned())).collect();
            let before = aliases.len();
            aliases.extend(more);
            grew = aliases.len() > before;
        }
        let registers = |step: &PlanValue| {
            step.field("register")
                .and_then(reference_of)
                .is_some_and(|found| found.address.to_string() == model)
                && (alias == "latest"
                    || step
                        .field("alias")
                        .and_then(Value::as_text)
                        .is_some_and(|found| aliases.contains(found)))
        };
        declarations
            .values()
            .filter(|found| found.kind == "pipeline")
            .filter(|found| {
                found
                    .body
                    .field("step")
                    .and_then(Value::as_object)
                    .is_some_and(|steps| steps.values().any(registers))
            })
            .map(|found| ResourceId::new(found.address.clone(), ""))
            .collect()
    }
}

/// A team is named by its address.
fn owner_text(value: &PlanValue) -> PlanValue {
    match reference_of(value) {
        Some(reference) => Value::text(reference.to_string()),
        None => value.clone(),
    }
}
