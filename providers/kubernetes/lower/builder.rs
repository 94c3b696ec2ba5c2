//! What all lowerings share: looking at the declaration, following its references, and making objects of it.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use mlp_provider::{Desired, LowerInput, Lowered, Lowering};

use crate::codes;
use crate::mlp_eval::{PlanValue, reference_of};
use crate::mlp_value::{Path, PathMap, ResourceId, Value};
use crate::names;
use crate::natives::{ADDRESS, Native};
use crate::support::DIALECT;

/// Where a person reads what an object is for.
const DESCRIPTION: &str = "mlp.dev/description";
/// The label that names an owner.
const OWNER: &str = "mlp.dev/owner";

/// Collects the result of one lowering.
pub(super) struct Builder<'a>(Lowering<'a>);

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

    /// The labels that people give: of the provider, the environment and the declaration, and whose it is.
    fn labels(&mut self) -> BTreeMap<String, PlanValue> {
        let environment = &self.input.platform.environment;
        let given = [environment.provider_body.field("labels"), environment.body.field("labels")];
        let mut all: BTreeMap<String, PlanValue> = given
            .into_iter()
            .flatten()
            .chain(self.attribute("labels"))
            .filter_map(Value::as_object)
            .flatten()
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect();
        if let Some(owner) = self.attribute("owner") {
            let name = match reference_of(owner) {
                Some(team) => team.address.name.to_string(),
                None => owner.as_text().unwrap_or_default().to_owned(),
            };
            all.insert(OWNER.to_owned(), Value::text(names::label(&name)));
        }
        for (name, value) in &all {
            let good = value.as_text().is_none_or(names::is_label) && names::is_label_name(name);
            if !good {
                let shown = value.as_text().unwrap_or_default();
                let headline = format!("`{name} = \"{shown}\"` cannot be a label in a cluster");
                let help = "a label has at most 63 letters, digits, `-`, `_` and `.`, and begins and ends with a letter or digit";
                self.error(codes::VALUE, &format!("labels.{name}"), headline, help);
            }
        }
        all
    }

    /// What objects of the declaration are called.
    pub(super) fn name(&self) -> String {
        names::object_name(self.input.platform, &self.declaration().address)
    }

    /// One object of the declaration.
    pub(super) fn object(
        &mut self,
        role: &str,
        native: &'static Native,
        fields: Vec<(&str, PlanValue)>,
    ) -> Desired {
        let address = &self.declaration().address;
        let id = ResourceId::new(address.clone(), role);
        let namespace = names::namespace(self.input.platform).unwrap_or_default();
        let mut config: BTreeMap<&str, PlanValue> = fields.into_iter().collect();
        config.insert(ADDRESS, Value::text(id.to_string()));
        config.insert(crate::natives::NAMESPACE, Value::text(namespace));
        let labels = self.labels();
        if !labels.is_empty() {
            config.insert("labels", Value::object(labels));
        }
        if let Some(text) = self.text("description") {
            config.insert("annotations", Value::object([(DESCRIPTION, Value::text(text))]));
        }
        let mut depends_on = self.dependencies();
        let declarations = &self.input.platform.declarations;
        depends_on.retain(|id| declarations.get(&id.address).is_none_or(super::floor::makes_objects));
        if !role.is_empty() {
            depends_on.insert(ResourceId::new(address.clone(), ""));
        }
        Desired {
            identity: names::identity(native, namespace, &self.name()),
            id,
            kind: native.name(),
            from: PathMap::from([
                (Path::of(&["labels"]), Path::of(&["labels"])),
                (Path::of(&["annotations"]), Path::of(&["description"])),
            ]),
            config: Value::object(config),
            depends_on,
            lifecycle: self.lifecycle(native.stateful),
            deferred: None,
            lowering_version: super::VERSION,
        }
    }

    pub(super) fn finish(self, desired: Vec<Desired>) -> Lowered {
        self.0.finish(desired)
    }
}

/// Says where a field of an object comes from.
pub(super) fn from(desired: &mut Desired, native: &[&str], written: &str) {
    desired.from.insert(Path::of(native), written.parse().unwrap_or_default());
}

/// A list that is not there when it is empty: the API server leaves empty lists out.
pub(super) fn list(name: &'static str, items: Vec<PlanValue>) -> Option<(&'static str, PlanValue)> {
    (!items.is_empty()).then(|| (name, Value::list(items)))
}

/// An environment variable of a container.
pub(super) fn env(name: impl AsRef<str>, value: impl AsRef<str>) -> PlanValue {
    let (name, value) = (name.as_ref(), value.as_ref());
    // The API server leaves an empty value out.
    let value = (!value.is_empty()).then(|| ("value", Value::text(value)));
    Value::object([("name", Value::text(name))].into_iter().chain(value))
}
