//! How a kind describes its attributes: the single truth for checking, defaults, merging, completion and documentation.

/// A portable kind.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// The block's name.
    pub name: &'static str,
    /// What it declares, one sentence.
    pub doc: &'static str,
    /// Names of its labels; most have one, `["name"]`.
    pub labels: &'static [&'static str],
    /// Its attributes and nested blocks.
    pub attributes: &'static [Attribute],
    /// Whether it also takes attributes of any other name: those of a provider, of a native resource, of `locals`.
    pub open: bool,
    /// Words after an address that name something it owns: `alias` in `model.x.alias.champion`.
    pub members: &'static [Member],
    /// Attributes known only after apply, by name: `url` in `endpoint.x.url`.
    pub outputs: &'static [Output],
    /// Whether it also takes the attributes every resource-like block takes ([`super::kinds::COMMON`]).
    pub common: bool,
    /// Whether it may stand in an environment as a partial block.
    pub partial: bool,
}

/// Something a declaration owns by name.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// The word: `alias`, `version`, `step`, `signal`, `gate`, `variant`.
    pub word: &'static str,
    /// The attribute whose keys (labelled block) or items (list of names) are the names, dotted when nested (`graph.node`);
    /// empty: any name (`version[7]`).
    pub names_from: &'static str,
    /// What a reference to it is, for wiring: `model`, `artifact` (of a step), `signal` …
    pub is: &'static str,
    /// What may stand behind its name: `passed` of a gate; `*` for what only a rule or a run can tell.
    pub facts: &'static [&'static str],
}

/// A value known after apply.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// Name.
    pub name: &'static str,
    /// Type.
    pub ty: Ty,
    /// One sentence.
    pub doc: &'static str,
}

/// An attribute, or a nested block: `scaling { … }` and `scaling = { … }` are one thing.
#[derive(Debug, Clone, Copy)]
pub struct Attribute {
    /// Name.
    pub name: &'static str,
    /// Type.
    pub ty: Ty,
    /// One sentence.
    pub doc: &'static str,
    /// Whether it must be written.
    pub required: bool,
    /// The default, as an expression of the language; empty for none.
    pub default: &'static str,
    /// How a partial block in an environment is merged.
    pub merge: Merge,
    /// By when it must be known.
    pub known: Known,
}

/// How partial blocks are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// Attribute by attribute.
    Fields,
    /// As a whole.
    Whole,
}

/// By when an attribute must be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Known {
    /// While loading: it shapes the graph.
    Load,
    /// When the plan is made.
    Plan,
    /// When it is applied.
    Apply,
}

/// The type of an attribute.
#[derive(Debug, Clone, Copy)]
pub enum Ty {
    /// Anything.
    Any,
    /// Text.
    Text,
    /// Text of one closed form: a schedule, a day, an address.
    Form(&'static crate::forms::Form),
    /// One of these words.
    Enum(&'static [&'static str]),
    /// A number.
    Number,
    /// A whole number from … to ….
    Integer(i64, i64),
    /// `true`, `false`.
    Bool,
    /// `"10ms"`.
    Duration,
    /// `"64GiB"`.
    Bytes,
    /// A demand on a size: `">=80GiB"`, `"80GiB"`.
    SizeBound,
    /// `"150 USD"`.
    Money,
    /// `"60/min"`.
    Rate,
    /// A path of the project, which must exist when the plan is made.
    Path,
    /// A type constraint: `string`, `list(number)`.
    TypeExpr,
    /// A reference to a declaration of one of these kinds (empty: any kind), or to a member whose `is` is one of them.
    Ref(&'static [&'static str]),
    /// An address, whether or not it is declared: where something was before it moved.
    Address,
    /// The bare name of a kind: `dataset`.
    KindName,
    /// Items of one type.
    List(&'static Ty),
    /// Values of one type by free keys.
    Map(&'static Ty),
    /// Named attributes, as an object or an unlabelled block.
    Object(&'static [Attribute]),
    /// Named attributes and any others beside them.
    Open(&'static [Attribute]),
    /// Unlabelled blocks of this name, kept as a list in the order written.
    Repeated(&'static [Attribute]),
    /// Labelled blocks of this name, kept by label.
    Labelled(&'static [Attribute]),
    /// Blocks with an optional label (`trigger = {…}`, `trigger { … }`, `trigger "x" { … }`); unlabelled is kept under `""`.
    MaybeLabelled(&'static [Attribute]),
    /// The first of these that fits.
    OneOf(&'static [Ty]),
    /// An expression kept for later in the named scope.
    Quoted(Scope),
}

/// What a quoted expression may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// `row.<column>`.
    Row,
    /// `candidate.<metric>`, `champion.<metric>` (null when there is none).
    Gate,
    /// `input.x output.x param.x run.id run.started_at`: a value.
    Step,
    /// The same names in a command: it is text.
    Command,
    /// The same names in an input: only what names an artifact can be one.
    Binding,
    /// `metrics.<name>`.
    Check,
    /// `self.<metric>`.
    Metric,
    /// `self`, the declaration.
    Policy,
}

impl Scope {
    /// Its name, as stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Row => "row",
            Self::Gate => "gate",
            Self::Step | Self::Command | Self::Binding => "step",
            Self::Check => "check",
            Self::Metric => "metric",
            Self::Policy => "policy",
        }
    }

    /// The names that may start a traversal in it, beside those of the specification itself.
    pub const fn roots(self) -> &'static [&'static str] {
        match self {
            Self::Row => &["row"],
            Self::Gate => &["candidate", "champion"],
            Self::Step | Self::Command | Self::Binding => &["input", "output", "param", "run"],
            Self::Check => &["metrics"],
            Self::Metric | Self::Policy => &["self"],
        }
    }

    /// Whether what is quoted must come to true or false.
    pub const fn is_condition(self) -> bool {
        !matches!(self, Self::Step | Self::Command | Self::Binding)
    }
}

impl Attribute {
    /// An optional attribute, merged whole, known at plan.
    pub const fn new(name: &'static str, ty: Ty, doc: &'static str) -> Self {
        let merge = match ty {
            Ty::Object(_) | Ty::Open(_) | Ty::Map(_) | Ty::Labelled(_) | Ty::MaybeLabelled(_) => {
                Merge::Fields
            }
            _ => Merge::Whole,
        };
        Self { name, ty, doc, required: false, default: "", merge, known: Known::Plan }
    }

    /// Must be written.
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Has a default.
    pub const fn default(mut self, expression: &'static str) -> Self {
        self.default = expression;
        self
    }

    /// Is merged whole.
    pub const fn whole(mut self) -> Self {
        self.merge = Merge::Whole;
        self
    }

    /// Must be known while loading.
    pub const fn at_load(mut self) -> Self {
        self.known = Known::Load;
        self
    }

    /// May stay unknown until apply.
    pub const fn at_apply(mut self) -> Self {
        self.known = Known::Apply;
        self
    }
}

impl Kind {
    /// The attribute of that name, the common ones included.
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        let own = self.attributes.iter().find(|attribute| attribute.name == name);
        let common = || crate::kinds::COMMON.iter().find(|attribute| attribute.name == name);
        own.or_else(|| if self.common { common() } else { None })
    }

    /// All attributes, the common ones included.
    pub fn all_attributes(&self) -> impl Iterator<Item = &'static Attribute> + Clone {
        let common: &'static [Attribute] = if self.common { crate::kinds::COMMON } else { &[] };
        self.attributes.iter().chain(common)
    }

    /// The names of all attributes.
    pub fn attribute_names(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.all_attributes().map(|attribute| attribute.name)
    }
}
