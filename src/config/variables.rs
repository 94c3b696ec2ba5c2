//! Values of variables, in a documented order: the default, the environment's `variables`, `MLP_VAR_<name>`,
//! `*.auto.mlpvars` in the order of their names, `-var-file`, `-var`; the later wins.

use mlp_diag::{Diagnostic, Diagnostics};
use mlp_syntax::{Expr, Tree};

use crate::codes;

/// A value given to a variable from outside.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// The value.
    pub expr: Expr,
    /// From where, for messages: `-var`, `MLP_VAR_x`, a file's name.
    pub from: String,
    /// A string that may be meant as another type, as from `MLP_VAR_x` and `-var`.
    pub literal: bool,
    /// A variable nobody declares is an error (`-var`) or passed over (a file shared between projects).
    pub must_exist: bool,
}

/// The assignments of an `.mlpvars` file.
pub fn assignments(tree: &Tree, from: &str, diagnostics: &mut Diagnostics) -> Vec<Assignment> {
    for block in &tree.body.blocks {
        diagnostics.push(
            Diagnostic::error(codes::VARIABLE, "a variables file holds attributes only")
                .at(block.header, "a block")
                .help("write `name = value`, one a line"),
        );
    }
    let assign = |attribute: &mlp_syntax::Attribute| Assignment {
        name: attribute.name.name.clone(),
        expr: attribute.expr.clone(),
        from: from.to_owned(),
        literal: false,
        must_exist: true,
    };
    tree.body.attributes.iter().map(assign).collect()
}
