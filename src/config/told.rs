//! What the catalogue of hardware tells an expression: as its value, and as the reason why a condition fails.

use mlp_diag::Diagnostic;
use mlp_eval::{Expr as Ir, Node, Outcome};
use mlp_platform::Because;
use mlp_platform::schema::Scope;

use crate::codes;
use crate::scope::NameScope;

/// The prices that an expression asks for, as it asks for them.
pub(crate) fn prices(expr: &Ir, scope: &NameScope<'_, '_>, found: &mut Vec<Because>) {
    if let (Node::Call { function, .. }, Some(span)) = (&expr.node, expr.span)
        && &**function == "price"
        && let Ok(Outcome { value, sensitive, ephemeral, .. }) = mlp_eval::evaluate(expr, scope)
    {
        let name = (scope.evaluator().text_of)(span);
        found.push(Because { name, value, sensitive: sensitive || ephemeral });
        return;
    }
    expr.children(&mut |child| prices(child, scope, found));
}

/// Puts what the catalogue of hardware says in the place of the question: who looks at the expression later has no catalogue. A
/// rule about what the plan holds is looked at while there is one.
pub(crate) fn priced(
    expr: &mut Ir,
    names: &[&str],
    outer: &NameScope<'_, '_>,
    problems: &mut Vec<Diagnostic>,
) {
    let mut open = false;
    expr.traversals(&mut |_, _| open = true);
    if open && names == Scope::Policy.roots() {
        return;
    }
    if open {
        problems.push(
            Diagnostic::error(codes::NOT_KNOWN, "the catalogue of hardware is read when the plan is made")
                .at_opt(expr.span, "this names what is known only later")
                .help("ask about a `compute` or an accelerator phrase that is written in the specification"),
        );
        return;
    }
    match mlp_eval::evaluate(expr, outer).map(|found| found.value.known()) {
        Ok(Ok(value)) => expr.node = Node::Literal { value },
        // The catalogue is still being read: all of this is asked again once it is.
        Ok(Err(_)) => {}
        Err(more) => problems.extend(more),
    }
}
