//! One lowering at work: looking at the declaration, following its references, asking for facts, and collecting what is wrong.

use std::collections::BTreeSet;

use mlp_diag::{Diagnostic, Diagnostics};
use mlp_eval::{PlanValue, Reference, reference_of};
use mlp_platform::{Declaration, Mode, Origin};
use mlp_value::facts::{Fact, Need, Needs};
use mlp_value::{Address, Path, ResourceId, Value};

use crate::{Desired, Dialect, Lifecycle, LowerInput, Lowered, OnDestroy};

/// Collects the result of one lowering.
pub struct Lowering<'a> {
    /// What it may look at.
    pub input: LowerInput<'a>,
    /// What is wrong so far.
    pub diagnostics: Diagnostics,
    /// What it would like to know.
    pub needs: Needs,
    dialect: &'static Dialect,
}

impl<'a> Lowering<'a> {
    /// Starts with a check that nothing is set that this lowering does not serve: `a.b`, `a.*.b`, and `a.**` for everything below `a`.
    #[must_use]
    pub fn new(dialect: &'static Dialect, input: &LowerInput<'a>, served: &[&str]) -> Self {
        let diagnostics = dialect.unserved(input.declaration, served);
        Self { input: *input, diagnostics, needs: Needs::new(), dialect }
    }

    /// What is lowered.
    #[must_use]
    pub fn declaration(&self) -> &'a Declaration {
        self.input.declaration
    }

    /// An attribute of the declaration; null counts as absent.
    #[must_use]
    pub fn attribute(&self, path: &str) -> Option<&'a PlanValue> {
        let mut value = &self.input.declaration.body;
        for word in path.split('.') {
            value = value.field(word)?;
        }
        Some(value).filter(|value| !value.is_null())
    }

    /// An attribute that is a text.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&'a str> {
        self.attribute(path).and_then(Value::as_text)
    }

    /// Says what is wrong with an attribute; an empty `help` is left out.
    pub fn error(&mut self, code: &str, path: &str, headline: impl Into<String>, help: &str) {
        let found = Diagnostic::error(code, headline).on(&self.declaration().address, path);
        self.diagnostics.push(if help.is_empty() { found } else { found.help(help) });
    }

    /// Says that what is written there is not served.
    pub fn not_served(&mut self, path: &str, what: &str, help: &str) {
        let headline = format!("{what} is not served by the {}", self.dialect.provider);
        self.error(self.dialect.not_served, path, headline, help);
    }

    /// What is known of the world; what is not known yet is remembered as a need.
    pub fn ask(&mut self, need: Need) -> Option<&'a Fact> {
        self.input.facts.ask(need, &mut self.needs)
    }

    /// The declaration a reference leads to, if it is of that kind.
    #[must_use]
    pub fn follow(&self, reference: &Reference, kind: &str) -> Option<&'a Declaration> {
        self.input.platform.declarations.get(&reference.address).filter(|found| found.kind == kind)
    }

    /// The declaration an attribute refers to; says so when there is none in this environment.
    pub fn referred(&mut self, value: &PlanValue, kind: &str, path: &str) -> Option<&'a Declaration> {
        let reference = reference_of(value);
        let found = reference.as_ref().and_then(|reference| self.follow(reference, kind));
        if found.is_none() {
            let text = match reference {
                Some(reference) => format!("`{reference}` is no {kind} of this environment"),
                None => format!("a reference to a {kind} is needed here"),
            };
            self.error(self.dialect.unresolved, path, text, "");
        }
        found
    }

    /// Whether the environment is one of production.
    #[must_use]
    pub fn is_production(&self) -> bool {
        self.input.platform.environment.mode == Mode::Production
    }

    /// What must be there before: objects of declarations it refers to, also through those that are only declared.
    #[must_use]
    pub fn dependencies(&self) -> BTreeSet<ResourceId> {
        let own = &self.declaration().address;
        let mut seen = BTreeSet::from([own.clone()]);
        let mut open: Vec<&Address> = self.declaration().edges.iter().map(|edge| &edge.to).collect();
        let mut found = BTreeSet::new();
        while let Some(address) = open.pop() {
            if !seen.insert(address.clone()) {
                continue;
            }
            let Some(target) = self.input.platform.declarations.get(address) else { continue };
            if self.dialect.is_native(target.kind) {
                found.insert(ResourceId::new(address.clone(), ""));
            } else {
                open.extend(target.edges.iter().map(|edge| &edge.to));
            }
        }
        found
    }

    /// The rules of life of an object of this declaration: what keeps data is protected in production unless the user wrote otherwise.
    #[must_use]
    pub fn lifecycle(&self, stateful: bool) -> Lifecycle {
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

    /// Ends with these objects.
    #[must_use]
    pub fn finish(self, desired: Vec<Desired>) -> Lowered {
        Lowered { desired, diagnostics: self.diagnostics, needs: self.needs }
    }
}
