//! What was meant where a name is misspelt: reading goes on as if it were written right, so that a slip is told once.

use mlp_diag::{FileId, Span, did_you_mean};
use mlp_platform::kinds::{self, KINDS};
use mlp_platform::schema::{Attribute, Kind};
use mlp_syntax::{Expr, ExprKind};

use crate::source::Expected;

/// The file that nothing stands in: what is wrong there follows from something else.
pub(crate) const NOWHERE: FileId = FileId(u32::MAX);

/// Stands for a value that is there and cannot be used.
pub(crate) static UNUSABLE: Expr =
    Expr { kind: ExprKind::Broken, span: Span { file: NOWHERE, start: 0, end: 0 } };

/// Words for blocks from elsewhere, and what they are here.
const FOREIGN: &[(&str, &str)] = &[
    ("terraform", "project"),
    ("job", "pipeline"),
    ("workflow", "pipeline"),
    ("task", "pipeline"),
    ("dag", "pipeline"),
    ("service", "endpoint"),
    ("deployment", "endpoint"),
    ("serving", "endpoint"),
    ("table", "dataset"),
    ("bucket", "storage"),
    ("cluster", "compute"),
    ("pool", "compute"),
    ("feature_view", "features"),
    ("feature_group", "features"),
    ("env", "environment"),
    ("target", "environment"),
    ("var", "variable"),
    ("local", "locals"),
    ("notebook", "workspace"),
    ("role", "access"),
    ("permission", "access"),
];

/// The kind that a block's name is a slip of.
pub(crate) fn meant_kind(written: &str) -> Option<&'static Kind> {
    did_you_mean(written, KINDS.iter().map(|kind| kind.name)).and_then(kinds::kind)
}

/// What a word of another tool is called here.
pub(crate) fn foreign(written: &str) -> Option<&'static str> {
    let word = written.to_ascii_lowercase();
    FOREIGN.iter().find(|(name, _)| *name == word).map(|(_, here)| *here)
}

/// The attribute that a name is a slip of.
pub(crate) fn meant_attribute(written: &str, expected: &Expected) -> Option<&'static Attribute> {
    did_you_mean(written, expected.names().iter().copied()).and_then(|name| expected.find(name))
}

/// A label as a name: what cannot stand in one is `_`.
pub(crate) fn as_name(label: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
    let name: String = label.chars().map(plain).collect();
    if name.starts_with(|c: char| c.is_alphabetic() || c == '_') { name } else { format!("_{name}") }
}
