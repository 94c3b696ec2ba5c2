//! The values of variables: decided, converted to their types, validated.

use std::collections::BTreeMap;

use mlp_diag::{Diagnostic, Span, one_of};
use mlp_eval::{Outcome, PlanValue};
use mlp_syntax::ExprKind;
use mlp_value::Value;

use crate::evaluator::Evaluator;
use crate::index::{Declared, EnvironmentBlock};
use crate::partial::Merged;
use crate::resolve::literal_text;
use crate::scope::NameScope;
use crate::source::{Entry, Source};
use crate::variables::Assignment;
use crate::{codes, typexpr};

/// Decides the value of every variable.
pub(crate) fn variables<'t>(
    evaluator: &mut Evaluator<'t>,
    declared: &Merged<'t>,
    environment: &EnvironmentBlock<'t>,
    assignments: &[Assignment],
) {
    let mut found: BTreeMap<String, Option<Outcome>> = BTreeMap::new();
    let all: Vec<&Declared<'t>> = declared.values().filter(|d| d.kind.name == "variable").collect();
    for variable in &all {
        let name = variable.address.name.to_string();
        let from_environment = match environment.declared.parts.get("variables") {
            Some(Entry { source: Source::Parts(parts, ..), .. }) => parts.get(&name),
            _ => None,
        };
        let outcome = variable_value(evaluator, variable, from_environment, assignments);
        found.insert(name, outcome);
    }
    for assignment in assignments.iter().filter(|a| a.must_exist && !found.contains_key(&a.name)) {
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        evaluator.report(
            Diagnostic::error(
                codes::VARIABLE,
                format!("there is no variable `{}` ({})", assignment.name, assignment.from),
            )
            .at(assignment.expr.span, "")
            .help(one_of(&assignment.name, names.iter().copied())),
        );
    }
    evaluator.variables = found;
    for variable in all {
        validate(evaluator, 0, variable);
    }
}

fn variable_value<'t>(
    evaluator: &Evaluator<'t>,
    variable: &Declared<'t>,
    from_environment: Option<&Entry<'t>>,
    assignments: &[Assignment],
) -> Option<Outcome> {
    let name = &variable.address.name;
    let scope = NameScope::root(evaluator);
    let assigned = assignments.iter().rfind(|assignment| assignment.name == **name);
    let (outcome, span, from) = if let Some(assignment) = assigned {
        (evaluator.expression(&assignment.expr, &scope)?, assignment.expr.span, assignment.from.clone())
    } else if let Some(entry) = from_environment {
        let Source::Expr(expr, _) = &entry.source else {
            return plain_parts(evaluator, entry, variable, &scope);
        };
        (evaluator.expression(expr, &scope)?, expr.span, "the environment".to_owned())
    } else if let Some(entry) = variable.parts.get("default") {
        let Source::Expr(expr, _) = &entry.source else {
            return plain_parts(evaluator, entry, variable, &scope);
        };
        (evaluator.expression(expr, &scope)?, expr.span, "its default".to_owned())
    } else if evaluator.has_misspelt(&variable.spans) {
        return None;
    } else {
        evaluator.report(
            Diagnostic::error(codes::VARIABLE, format!("variable `{name}` has no value"))
                .at(variable.header, "declared without a default")
                .help(format!(
                    "give it one: `-var {name}=…`, `MLP_VAR_{name}`, an `.auto.mlpvars` file, or `default`"
                )),
        );
        return None;
    };
    converted(evaluator, variable, outcome, span, &from)
}

/// A variable's value as its type wants it.
pub(crate) fn converted<'t>(
    evaluator: &Evaluator<'t>,
    variable: &Declared<'t>,
    outcome: Outcome,
    span: Span,
    from: &str,
) -> Option<Outcome> {
    let name = &variable.address.name;
    let part = |name: &str| match variable.parts.get(name).map(|entry| &entry.source) {
        Some(Source::Expr(expr, _)) => Some(*expr),
        _ => None,
    };
    let is = |name: &str, wanted| part(name).is_some_and(|expr| expr.kind == ExprKind::Bool(wanted));
    let ty = match part("type").map(typexpr::type_of) {
        None => mlp_value::Type::Any,
        Some(Ok(ty)) => ty,
        Some(Err(diagnostic)) => {
            evaluator.report(diagnostic);
            return None;
        }
    };
    let sensitive = outcome.sensitive || is("sensitive", true);
    let converted = outcome.convert(&ty).and_then(|value| {
        let refused = value.value.is_null() && is("nullable", false);
        if refused { Err("it is null, and `nullable` is false".to_owned()) } else { Ok(value) }
    });
    match converted {
        Ok(value) => Some(Outcome { sensitive, ..value }),
        Err(why) => {
            // Neither the value nor the line it stands on is shown.
            let (span, why) =
                if sensitive { (variable.header, "(sensitive)".to_owned()) } else { (span, why) };
            evaluator.report(
                Diagnostic::error(codes::VARIABLE, format!("the value of variable `{name}` is not a {ty}"))
                    .at(span, why)
                    .see(variable.header, "declared here")
                    .note(format!("the value comes from {from}"))
                    .help(format!("give it a {ty}")),
            );
            None
        }
    }
}

/// A default that was opened into parts, computed part by part.
pub(crate) fn plain_parts<'t>(
    evaluator: &Evaluator<'t>,
    entry: &Entry<'t>,
    variable: &Declared<'t>,
    scope: &NameScope<'_, 't>,
) -> Option<Outcome> {
    fn value<'t>(
        evaluator: &Evaluator<'t>,
        source: &Source<'t>,
        scope: &NameScope<'_, 't>,
        sensitive: &mut bool,
    ) -> Option<PlanValue> {
        match source {
            Source::Expr(expr, _) => {
                let outcome = evaluator.expression(expr, scope)?;
                *sensitive |= outcome.sensitive;
                Some(outcome.value)
            }
            Source::Parts(parts, ..) => {
                let mut items = Vec::new();
                for (name, entry) in parts {
                    items.push((name.clone(), value(evaluator, &entry.source, scope, sensitive)?));
                }
                Some(PlanValue::object(items))
            }
            Source::List(items, _) => items
                .iter()
                .map(|item| value(evaluator, item, scope, sensitive))
                .collect::<Option<Vec<_>>>()
                .map(PlanValue::list),
        }
    }
    let mut sensitive = matches!(
        variable.parts.get("sensitive").map(|entry| &entry.source),
        Some(Source::Expr(mlp_syntax::Expr { kind: ExprKind::Bool(true), .. }, _))
    );
    let value = value(evaluator, &entry.source, scope, &mut sensitive)?;
    Some(Outcome { sensitive, ..Outcome::plain(value) })
}

pub(crate) fn validate<'t>(evaluator: &Evaluator<'t>, room: usize, variable: &Declared<'t>) {
    let Some(Entry { source: Source::List(rules, _), .. }) = variable.parts.get("validation") else { return };
    let Ok(Some(known)) = evaluator.variable(room, &variable.address.name, None) else { return };
    for rule in rules {
        let Source::Parts(parts, ..) = rule else { continue };
        let Some(Entry { source: Source::Expr(condition, _), .. }) = parts.get("condition") else { continue };
        let Some(outcome) = evaluator.expression(condition, &NameScope::room(evaluator, room)) else {
            continue;
        };
        if outcome.value == Value::Bool(true) {
            continue;
        }
        let message =
            literal_text(parts.get("error_message")).unwrap_or_else(|| "its validation failed".into());
        let given = if known.sensitive {
            "the value is (sensitive)".to_owned()
        } else {
            let shown = known.value.to_plain_json_with(&mut |_| "(not known)".into());
            format!("the value is {shown}")
        };
        evaluator.report(
            Diagnostic::error(codes::VARIABLE, format!("variable `{}`: {message}", variable.address.name))
                .at(condition.span, "this does not hold")
                .note(given)
                .help("give it a value for which the condition holds"),
        );
    }
}
