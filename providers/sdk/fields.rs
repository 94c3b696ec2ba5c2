//! Field tables: the single truth about a native field.

use mlp_value::Type;
use serde::{Deserialize, Serialize};

/// A native resource kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceKind {
    /// Name, `local_dataset`.
    pub name: String,
    /// One sentence.
    pub doc: String,
    /// Version of its fields in states and plans.
    pub schema_version: u32,
    /// Its fields; a nested value follows the rules of its field.
    pub fields: Vec<Field>,
    /// Whether destroying it loses data, for `protect` and the list that `destroy` prints.
    pub stateful: bool,
    /// Whether nothing is made of it outside: what is remembered is all there is.
    #[serde(default)]
    pub in_state: bool,
    /// Outputs that a change in place leaves as they are: what names them does not wait for it.
    #[serde(default)]
    pub lasting: Vec<Lasting>,
}

/// An output that a change in place leaves as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lasting {
    /// Its name.
    pub output: String,
    /// The fields whose change changes it.
    pub unless: Vec<String>,
}

/// A native field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Name.
    pub name: String,
    /// One sentence.
    pub doc: String,
    /// Whether and by whom it is given.
    pub presence: Presence,
    /// What a change of it does.
    pub change: Change,
    /// When two values of it are the same.
    pub equality: Equality,
    /// Who owns it once it runs.
    pub ownership: Ownership,
    /// Never shown.
    pub secret: bool,
    /// Never read back.
    pub write_only: bool,
    /// What its values are, where a specification sets it by itself.
    #[serde(default = "any")]
    pub ty: Type,
}

fn any() -> Type {
    Type::Any
}

/// Whether and by whom a field is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// We must give it.
    Required,
    /// We may give it.
    Optional,
    /// The target fills it in when we do not.
    ServerDefault,
    /// Only the target gives it; a change of it is drift.
    Computed,
}

/// What a change does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// In place.
    Update,
    /// In place, only more or fewer.
    Resize,
    /// A new object; the reason is shown.
    Replace(String),
    /// A new immutable version beside the old; the reason is shown.
    NewVersion(String),
}

/// When two values are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Equality {
    /// To the letter.
    Exact,
    /// Lists in any order.
    Unordered,
    /// Lists of objects, matched by this key.
    Keyed(String),
    /// Text without regard to case.
    CaseInsensitive,
    /// Text that holds JSON.
    Json,
    /// Numbers within this relative tolerance, written as a decimal.
    Float(String),
    /// Keyed fingerprints, `<key>:<mark>`: those of different keys say nothing about each other.
    Fingerprint,
}

/// Who owns a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ownership {
    /// The specification.
    Ours,
    /// The running platform: set at creation, then never reset and never drift.
    Runtime,
    /// The specification, and the running platform moves it on by itself (a run refreshes a dataset): what it moved is an
    /// event and no drift, and what the specification asks for still counts.
    Advances,
}

impl ResourceKind {
    /// A kind.
    pub fn new(name: &str, doc: &str, fields: Vec<Field>) -> Self {
        Self {
            name: name.into(),
            doc: doc.into(),
            schema_version: 1,
            fields,
            stateful: false,
            in_state: false,
            lasting: Vec::new(),
        }
    }

    /// Destroying it loses data.
    #[must_use]
    pub fn stateful(mut self) -> Self {
        self.stateful = true;
        self
    }

    /// Nothing outside is made of it: what is remembered is all there is.
    #[must_use]
    pub fn in_state(mut self) -> Self {
        self.in_state = true;
        self
    }

    /// This output stays as it is when something is changed in place that is not one of these fields.
    #[must_use]
    pub fn lasts(mut self, output: &str, unless: &[&str]) -> Self {
        let unless = unless.iter().map(|name| (*name).to_owned()).collect();
        self.lasting.push(Lasting { output: output.to_owned(), unless });
        self
    }

    /// The outputs that a change in place of some fields leaves as they are.
    pub fn lasting<'k>(&'k self, changes: &impl Fn(&str) -> bool) -> impl Iterator<Item = &'k str> {
        self.lasting
            .iter()
            .filter(|one| !one.unless.iter().any(|field| changes(field)))
            .map(|one| one.output.as_str())
    }

    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Field {
    /// A field with an exact comparison that we own.
    pub fn new(name: &str, presence: Presence, change: Change, doc: &str) -> Self {
        Self {
            name: name.into(),
            doc: doc.into(),
            presence,
            change,
            equality: Equality::Exact,
            ownership: Ownership::Ours,
            secret: false,
            write_only: false,
            ty: Type::Any,
        }
    }

    /// A required field that is updated in place.
    pub fn required(name: &str, doc: &str) -> Self {
        Self::new(name, Presence::Required, Change::Update, doc)
    }

    /// An optional field that is updated in place.
    pub fn optional(name: &str, doc: &str) -> Self {
        Self::new(name, Presence::Optional, Change::Update, doc)
    }

    /// A field only the target gives.
    pub fn computed(name: &str, doc: &str) -> Self {
        Self::new(name, Presence::Computed, Change::Update, doc)
    }

    /// A change of it makes a new object.
    #[must_use]
    pub fn replaces(mut self, reason: &str) -> Self {
        self.change = Change::Replace(reason.into());
        self
    }

    /// A change of it makes a new version.
    #[must_use]
    pub fn new_version(mut self, reason: &str) -> Self {
        self.change = Change::NewVersion(reason.into());
        self
    }

    /// How it is compared.
    #[must_use]
    pub fn equality(mut self, equality: Equality) -> Self {
        self.equality = equality;
        self
    }

    /// The running platform owns it.
    #[must_use]
    pub fn runtime(mut self) -> Self {
        self.ownership = Ownership::Runtime;
        self
    }

    /// The running platform moves it on by itself.
    #[must_use]
    pub fn advances(mut self) -> Self {
        self.ownership = Ownership::Advances;
        self
    }

    /// What its values are.
    #[must_use]
    pub fn ty(mut self, ty: Type) -> Self {
        self.ty = ty;
        self
    }

    /// It is never shown.
    #[must_use]
    pub fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// It is never read back.
    #[must_use]
    pub fn write_only(mut self) -> Self {
        self.write_only = true;
        self
    }
}
