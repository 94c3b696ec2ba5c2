//! What all lowerings share: looking at the declaration, following its references, and making objects of it.

use std::collections::{BTreeMap, BTreeSet};

use mlp_provider::{Desired, Lifecycle, LowerInput, Lowered, OnDestroy};

use crate::codes;
use crate::mlp_diag::Diagnostic;
use crate::mlp_eval::{PlanValue, reference_of};
use crate::mlp_platform::{Declaration, Mode, Origin};
use crate::mlp_value::facts::{Fact, Need, Needs};
use crate::mlp_value::{Address, Path, ResourceId, Value};
use crate::names;
use crate::natives::{ADDRESS, Native};
use crate::support::NATIVE;

/// Where a person reads what an object is for.
const DESCRIPTION: &str = "mlp.dev/description";
/// The label that names an owner.
const OWNER: &str = "mlp.dev/owner";

/// Collects the result of one lowering.
pub(super) struct Builder<'a> {
    pub(super) input: LowerInput<'a>,
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) needs: Needs,
}

impl<'a> Builder<'a> {
    /// Starts with a check that nothing is set that this lowering does not serve.
    pub(super) fn new(input: &LowerInput<'a>, served: &[&str]) -> Self {
        let diagnostics = super::served::unserved(input.declaration, served);
        Self { input: *input, diagnostics, needs: Needs::new() }
    }

    pub(super) fn declaration(&self) -> &'a Declaration {
        self.input.declaration
    }

    /// An attribute of the declaration; null counts as absent.
    pub(super) fn attribute(&self, path: &str) -> Option<&'a PlanValue> {
        let mut value = &self.input.declaration.body;
        for word in path.split('.') {
            value = value.field(word)?;
        }
        Some(value).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, path: &str) -> Option<&'a str> {
        self.attribute(path).and_then(Value::as_text)
    }

    pub(super) fn error(&mut self, code: &str, path: &str, headline: impl Into<String>, help: &str) {
        let found = Diagnostic::error(code, headline).on(&self.declaration().address, path);
        self.diagnostics.push(if help.is_empty() { found } else { found.help(help) });
    }

    pub(super) fn not_served(&mut self, path: &str, what: &str, help: &str) {
        let headline = format!("{what} is not served by the Kubernetes provider");
        self.error(codes::NOT_SERVED, path, headline, help);
    }

    pub(super) fn ask(&mut self, need: Need) -> Option<&'a Fact> {
        self.input.facts.ask(need, &mut self.needs)
    }

    /// The declaration an attribute refers to; says so when there is none in this environment.
    pub(super) fn referred(&mut self, value: &PlanValue, kind: &str, path: &str) -> Option<&'a Declaration> {
        let reference = reference_of(value);
        let declarations = &self.input.platform.declarations;
        let found = reference.as_ref().and_then(|reference| declarations.get(&reference.address));
        let found = found.filter(|found| found.kind == kind);
        if found.is_none() {
            let text = match reference {
                Some(reference) => format!("`{reference}` is no {kind} of this environment"),
                None => format!("a reference to a {kind} is needed here"),
            };
            self.error(codes::UNRESOLVED, path, text, "");
        }
        found
    }

    /// Whether images have to be pinned.
    pub(super) fn is_production(&self) -> bool {
        self.input.platform.environment.mode == Mode::Production
    }

    /// What must be there before: objects of declarations it refers to, also through those that are only declared.
    fn dependencies(&self) -> BTreeSet<ResourceId> {
        let own = &self.declaration().address;
        let mut seen = BTreeSet::from([own.clone()]);
        let mut open: Vec<&Address> = self.declaration().edges.iter().map(|edge| &edge.to).collect();
        let mut found = BTreeSet::new();
        while let Some(address) = open.pop() {
            if !seen.insert(address.clone()) {
                continue;
            }
            let Some(target) = self.input.platform.declarations.get(address) else { continue };
            if NATIVE.contains(&target.kind) {
                found.insert(ResourceId::new(address.clone(), ""));
            } else {
                open.extend(target.edges.iter().map(|edge| &edge.to));
            }
        }
        found
    }

    fn lifecycle(&self, stateful: bool) -> Lifecycle {
        let path = Path::of(&["lifecycle", "protect"]);
        let written = matches!(
            self.declaration().origins.0.get(&path),
            Some(Origin::Written { .. } | Origin::Environment { .. })
        );
        let protect = match self.attribute("lifecycle.protect").and_then(Value::as_bool) {
            Some(true) => true,
            Some(false) if written => false,
            _ => stateful && self.is_production(),
        };
        let keep = self.text("lifecycle.on_destroy") == Some("keep");
        let ignored = self.attribute("lifecycle.ignore_changes").and_then(Value::as_list).unwrap_or_default();
        Lifecycle {
            protect,
            on_destroy: if keep { OnDestroy::Keep } else { OnDestroy::Delete },
            create_before_destroy: false,
            ignore_changes: ignored.iter().filter_map(|path| path.as_text()?.parse().ok()).collect(),
            ..Lifecycle::default()
        }
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
        if !role.is_empty() {
            depends_on.insert(ResourceId::new(address.clone(), ""));
        }
        Desired {
            identity: names::identity(native, namespace, &self.name()),
            id,
            kind: native.name(),
            from: BTreeMap::from([
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
        Lowered { desired, diagnostics: self.diagnostics, needs: self.needs }
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
