//! How a function is defined: its parameters, what it does, examples that a test evaluates, and how it stands to Terraform's.

use mlp_value::Type;

use super::{Arguments, Given};
use crate::typed::converts;

/// A function of the language.
#[derive(Debug, Clone)]
pub struct FunctionInfo {
    /// Its name.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub doc: &'static str,
    /// What it takes, in order.
    pub parameters: &'static [Parameter],
    /// How many of the parameters may be left out, from the end.
    pub optional: usize,
    /// What any number of further arguments are.
    pub variadic: Option<Parameter>,
    /// What it gives.
    pub returns: Want,
    /// Calls with what they come to.
    pub examples: &'static [(&'static str, &'static str)],
    /// How it stands to the function of that name in Terraform.
    pub terraform: Terraform,
    pub(crate) holes: Holes,
    pub(crate) body: Body,
    /// It takes one part of its argument out, however many there are.
    pub(crate) picks: bool,
}

/// What a function takes at a place.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name, in messages and documentation.
    pub name: &'static str,
    /// What an argument is converted to.
    pub want: Want,
    /// Whether it may be null.
    pub nullable: bool,
}

/// What arguments are converted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Want {
    Any,
    Text,
    Number,
    Bool,
    List,
    Texts,
    Bools,
    Numbers,
    /// A list, a tuple or a set.
    Items,
    /// A list or a tuple, in which items have numbers.
    Sequence,
    /// A map or an object.
    Fields,
    /// A set of texts.
    TextSet,
    Set,
    /// A map of lists of texts.
    TextLists,
}

/// How a function stands to the one of that name in Terraform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terraform {
    /// The same.
    Same,
    /// Different, and how.
    Differs(&'static str),
    /// Terraform has none of that name.
    Own,
}

/// When arguments that are not known make the result unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holes {
    /// A hole anywhere in an argument does.
    Anywhere,
    /// Only an argument that is itself a hole does; items may be holes.
    Argument,
    /// None: the function decides.
    Never,
}

/// How a function is computed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body {
    /// From its arguments' values; `None` when that cannot be known yet.
    Values(fn(&Arguments<'_>) -> Given),
    /// By the interpreter, which decides what to evaluate.
    Form(Form),
    /// By what knows the object it asks about: the call stays as it is.
    Kept,
}

/// Functions that look at how their arguments come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Try,
    Can,
    Sensitive,
    Nonsensitive,
    IsSensitive,
    EphemeralAsNull,
}

/// A parameter that must not be null.
pub(super) const fn p(name: &'static str, want: Want) -> Parameter {
    Parameter { name, want, nullable: false }
}

/// A parameter that may be null.
pub(super) const fn nullable(name: &'static str, want: Want) -> Parameter {
    Parameter { name, want, nullable: true }
}

/// A function computed from its arguments once all of them are known.
pub(super) const fn new(
    name: &'static str,
    doc: &'static str,
    parameters: &'static [Parameter],
    returns: Want,
    body: fn(&Arguments<'_>) -> Given,
) -> FunctionInfo {
    FunctionInfo {
        name,
        doc,
        parameters,
        optional: 0,
        variadic: None,
        returns,
        examples: &[],
        terraform: Terraform::Same,
        holes: Holes::Anywhere,
        body: Body::Values(body),
        picks: false,
    }
}

impl FunctionInfo {
    pub(super) const fn examples(mut self, examples: &'static [(&'static str, &'static str)]) -> Self {
        self.examples = examples;
        self
    }

    pub(super) const fn variadic(mut self, parameter: Parameter) -> Self {
        self.variadic = Some(parameter);
        self
    }

    pub(super) const fn optional(mut self, count: usize) -> Self {
        self.optional = count;
        self
    }

    pub(super) const fn differs(mut self, how: &'static str) -> Self {
        self.terraform = Terraform::Differs(how);
        self
    }

    pub(super) const fn picking(mut self) -> Self {
        self.picks = true;
        self
    }

    pub(super) const fn own(mut self) -> Self {
        self.terraform = Terraform::Own;
        self
    }

    /// Takes items that are not known yet as they are.
    pub(super) const fn structural(mut self) -> Self {
        self.holes = Holes::Argument;
        self
    }

    /// Decides itself what follows from what is not known.
    pub(super) const fn deciding(mut self) -> Self {
        self.holes = Holes::Never;
        self
    }

    pub(super) const fn form(mut self, form: Form) -> Self {
        self.body = Body::Form(form);
        self
    }

    pub(super) const fn kept(mut self) -> Self {
        self.body = Body::Kept;
        self.terraform = Terraform::Own;
        self
    }

    /// Whether it reads the catalogue of hardware, which is known when the plan is made and not where a condition is looked at later.
    pub fn reads_catalog(&self) -> bool {
        matches!(self.name, "offers" | "price")
    }

    /// Whether a call of it stays as it is, because the object it asks about is known only to its provider.
    pub fn is_kept(&self) -> bool {
        matches!(self.body, Body::Kept)
    }

    /// The fewest and the most arguments it takes; no most where any number may follow.
    pub fn counts(&self) -> (usize, Option<usize>) {
        let most = self.parameters.len();
        (most - self.optional, self.variadic.is_none().then_some(most))
    }

    /// How it is called: `lookup(map, key, default?)`.
    pub fn signature(&self) -> String {
        let needed = self.parameters.len() - self.optional;
        let names = self.parameters.iter().enumerate().map(|(at, parameter)| {
            let mark = if at < needed { "" } else { "?" };
            format!("{}{mark}", parameter.name)
        });
        let names: Vec<String> = names.chain(self.variadic.map(|rest| format!("{}...", rest.name))).collect();
        format!("{}({})", self.name, names.join(", "))
    }

    /// What it takes at a place.
    pub(crate) fn parameter(&self, at: usize) -> Option<Parameter> {
        self.parameters.get(at).copied().or(self.variadic)
    }
}

impl Want {
    /// As a type.
    pub fn ty(self) -> Type {
        let list = |item: Type| Type::List(Box::new(item));
        match self {
            Self::Any | Self::Items | Self::Sequence | Self::Fields => Type::Any,
            Self::Text => Type::String,
            Self::Number => Type::Number,
            Self::Bool => Type::Bool,
            Self::List => list(Type::Any),
            Self::Texts => list(Type::String),
            Self::Bools => list(Type::Bool),
            Self::Numbers => list(Type::Number),
            Self::TextSet => Type::Set(Box::new(Type::String)),
            Self::Set => Type::Set(Box::new(Type::Any)),
            Self::TextLists => Type::Map(Box::new(list(Type::String))),
        }
    }

    /// Whether something of a type may become it.
    pub(crate) fn takes(self, ty: &Type) -> bool {
        match (self, ty) {
            (_, Type::Any) | (Self::Any, _) => true,
            (Self::Items, Type::List(_) | Type::Tuple(_) | Type::Set(_)) => true,
            (Self::Sequence, Type::List(_) | Type::Tuple(_)) => true,
            (Self::Fields, Type::Map(_) | Type::Object(_)) => true,
            (Self::Items | Self::Sequence | Self::Fields, _) => false,
            _ => converts(ty, &self.ty(), false),
        }
    }

    /// Its name, in documentation.
    pub fn word(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Text => "string",
            Self::Number => "number",
            Self::Bool => "bool",
            Self::List => "list",
            Self::Texts => "list of strings",
            Self::Bools => "list of bools",
            Self::Numbers => "list of numbers",
            Self::Items => "list or set",
            Self::Sequence => "list",
            Self::Fields => "map or object",
            Self::TextSet => "set of strings",
            Self::Set => "set",
            Self::TextLists => "map of lists of strings",
        }
    }
}
