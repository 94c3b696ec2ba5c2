//! Addresses that stand as such, and not as references; their keys may be computed: `to = storage.lake[each.key]`.

use mlp_diag::{Diagnostic, Diagnostics, one_of};
use mlp_eval::{Outcome, PlanValue, evaluate};
use mlp_platform::kinds;
use mlp_syntax::{Expr, ExprKind};
use mlp_value::{Address, Number, Path, Value};

use crate::codes;
use crate::evaluator::{Evaluator, Instance};
use crate::expression::lower;
use crate::scope::NameScope;

/// The text of the address that is written, its keys computed for the instance it is written in.
pub(crate) fn address<'t>(
    evaluator: &Evaluator<'t>,
    owner: &Instance<'t>,
    expr: &Expr,
    path: &Path,
) -> Result<String, Diagnostics> {
    let scope = NameScope::of(evaluator, owner, path.clone());
    let inside: String = owner.address.module.iter().map(|call| format!("module.{call}.")).collect();
    let text = written(expr, &scope)?;
    Ok(inside + &checked(text, expr)?)
}

/// The text, if it is the address of something that a block can declare.
fn checked(text: String, expr: &Expr) -> Result<String, Diagnostics> {
    let wrong = |code: &str, headline: String| Diagnostic::error(code, headline).at(expr.span, "");
    let address: Address = text.parse().map_err(|why: String| {
        let help = "write kind and name as it is declared: `storage.lake`, or `storage.lake[\"eu\"]` for one of several";
        vec![wrong(codes::NOT_A_REFERENCE, why).help(help)]
    })?;
    // Native kinds, which providers know, have two words.
    let kind = &*address.kind;
    if kinds::kind(kind).is_none() && !kind.contains('_') {
        let help = one_of(kind, kinds::KINDS.iter().map(|kind| kind.name));
        return Err(vec![wrong(codes::WRONG_KIND, format!("`{kind}` is not a kind of block")).help(help)]);
    }
    Ok(text)
}

fn written(expr: &Expr, scope: &NameScope<'_, '_>) -> Result<String, Diagnostics> {
    match &expr.kind {
        ExprKind::Name(name) => Ok(name.clone()),
        ExprKind::Parens(inner) => written(inner, scope),
        ExprKind::Attr(target, name) => Ok(format!("{}.{}", written(target, scope)?, name.name)),
        ExprKind::Index(target, key) => {
            let target = written(target, scope)?;
            let found = evaluate(&lower(key), scope)?;
            Ok(format!("{target}[{}]", key_of(&found).map_err(|why| vec![refused(key, &why)])?))
        }
        _ => {
            let problem =
                Diagnostic::error(codes::NOT_A_REFERENCE, "the address of a declaration is expected");
            Err(vec![
                problem.at(expr.span, "").help("write it as in an expression: `storage.lake[each.key]`"),
            ])
        }
    }
}

fn refused(key: &Expr, why: &str) -> Diagnostic {
    Diagnostic::error(codes::WRONG_TYPE, "this cannot be the key of an instance")
        .at(key.span, why)
        .help("give it a string, or the number of an instance of `count`")
}

/// A key as it stands in an address.
fn key_of(found: &Outcome) -> Result<String, String> {
    if found.sensitive || found.ephemeral {
        return Err("it would show a value that must not be shown or kept".to_owned());
    }
    match &found.value {
        Value::Text(text) => Ok(format!("{text:?}")),
        Value::Number(number) if is_place(number) => Ok(number.to_string()),
        other => Err(format!("this is {}", crate::words::value(other as &PlanValue))),
    }
}

fn is_place(number: &Number) -> bool {
    number.to_i64().is_some_and(|number| number >= 0)
}
