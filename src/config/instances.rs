//! `for_each` and `count`: one block, several instances.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use mlp_diag::{Diagnostic, Span};
use mlp_eval::{Outcome, PlanValue, convert};
use mlp_syntax::{Expr, ExprKind};
use mlp_value::{Address, Key, Type, Value};

use crate::codes;
use crate::evaluator::Evaluator;
use crate::index::Declared;
use crate::scope::NameScope;
use crate::source::Source;

/// Which instance is evaluated: what `each` and `count` mean.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Repeat {
    /// The only one.
    None,
    /// By key.
    Each(Arc<str>, Outcome),
    /// By number.
    Count(u64),
}

/// The most instances of one block.
const MOST: u64 = 1_000_000;

/// What the instances of a block come to.
pub(crate) enum Instances {
    /// These.
    Known(Vec<(Address, Repeat)>),
    /// Known only after something was applied.
    After(Vec<String>),
    /// It cannot be said.
    Refused(Box<Diagnostic>),
    /// What is wrong was reported.
    Failed,
}

/// The instances of a block with `for_each` or `count`, evaluated in a room.
pub(crate) fn instances<'t>(
    evaluator: &Evaluator<'t>,
    room: usize,
    declared: &Declared<'t>,
    attribute: &'static str,
) -> Instances {
    let Some(entry) = declared.parts.get(attribute) else { return Instances::Failed };
    let expander = Expander { evaluator, room, declared, span: entry.source.span() };
    if attribute == "for_each"
        && let Some(count) = declared.parts.get("count")
    {
        let problem = Diagnostic::error(codes::REPEAT, format!("{} has both", declared.address))
            .at(entry.name, "`for_each`")
            .at(count.name, "and `count`")
            .help("keep one of the two");
        return Instances::Refused(Box::new(problem));
    }
    let Source::Expr(expr, _) = &entry.source else {
        return expander.refuse(attribute, "a block", &format!("write `{attribute} = …`"));
    };
    let Some(outcome) = evaluator.expression(expr, &NameScope::room(evaluator, room)) else {
        return Instances::Failed;
    };
    // What was told at the last apply of what this waits for is as good as known.
    let outcome = match evaluator.remembered(outcome) {
        Ok(outcome) => outcome,
        Err(problems) => {
            problems.into_iter().for_each(|problem| evaluator.report(problem));
            return Instances::Failed;
        }
    };
    if outcome.ephemeral {
        return expander.refuse(
            attribute,
            "which instances there are is remembered, and this value must not be",
            "give it a value that may be kept",
        );
    }
    if attribute == "count" { expander.count(&outcome) } else { expander.each(expr, outcome) }
}

/// Whether a list of values is one, and no set.
fn is_list(ty: &Type) -> bool {
    matches!(ty, Type::List(_) | Type::Tuple(_))
}

struct Expander<'e, 't> {
    evaluator: &'e Evaluator<'t>,
    room: usize,
    declared: &'e Declared<'t>,
    span: Span,
}

impl<'t> Expander<'_, 't> {
    fn refuse(&self, attribute: &str, why: &str, help: &str) -> Instances {
        let address = &self.declared.address;
        let of = if self.declared.kind.labels.is_empty() {
            format!("this `{}`", address.kind)
        } else {
            address.to_string()
        };
        let headline = format!("`{attribute}` of {of} cannot be used");
        Instances::Refused(Box::new(
            Diagnostic::error(codes::REPEAT, headline).at(self.span, why).help(help.to_owned()),
        ))
    }

    fn count(&self, outcome: &Outcome) -> Instances {
        if outcome.sensitive {
            return self.refuse(
                "count",
                "how many there are would show a sensitive value",
                "give it a number that may be shown; `nonsensitive(…)` says that it may",
            );
        }
        match convert(&outcome.value, &Type::Number) {
            Ok(Value::Hole(hole)) => Instances::After(hole.into_later().after),
            Ok(Value::Number(number)) => match number.to_i64().map(u64::try_from) {
                Some(Ok(count)) if count <= MOST => {
                    let one =
                        |index| (self.declared.address.with_key(Key::Index(index)), Repeat::Count(index));
                    Instances::Known((0..count).map(one).collect())
                }
                _ => self.refuse(
                    "count",
                    &format!("{number} is not a whole number from 0 to {MOST}"),
                    "give it how many instances there are",
                ),
            },
            Ok(_) => self.refuse("count", "this is null", "give it a number; 0 makes none"),
            Err(_) if matches!(outcome.value, Value::Bool(_)) => {
                self.refuse("count", "this is a truth value", "write `<condition> ? 1 : 0`")
            }
            Err(why) => self.refuse(
                "count",
                &why,
                "give it how many instances there are, such as `length(var.names)`",
            ),
        }
    }

    fn each(&self, expr: &Expr, outcome: Outcome) -> Instances {
        const HELP: &str = "use a map, an object or a set of strings";
        let secret = self.secret_items(expr);
        if outcome.sensitive && secret.is_none() {
            return self.refuse(
                "for_each",
                "its keys become part of addresses, and would show a sensitive value",
                "give it keys that may be shown, such as `nonsensitive(toset(keys(…)))`, and look the values up by `each.key`",
            );
        }
        let secret = secret.unwrap_or_default();
        match &outcome.value {
            Value::Object(items) => {
                let one = |(key, item): (&Arc<str>, &PlanValue)| {
                    let sensitive = secret.get(&**key).copied().unwrap_or(false);
                    self.instance(key, Outcome { sensitive, ..Outcome::plain(item.clone()) })
                };
                Instances::Known(items.iter().map(one).collect())
            }
            Value::List(items) => self.set(&outcome.type_of(), items),
            Value::Hole(hole) => Instances::After(hole.after.clone()),
            Value::Null => self.refuse("for_each", "this is null", &format!("{HELP}; `{{}}` makes none")),
            other => self.refuse("for_each", &format!("this is a {}", other.kind()), HELP),
        }
    }

    fn instance(&self, key: &Arc<str>, value: Outcome) -> (Address, Repeat) {
        let address = self.declared.address.with_key(Key::Text(key.clone()));
        (address, Repeat::Each(key.clone(), value))
    }

    fn set(&self, ty: &Type, items: &[PlanValue]) -> Instances {
        let mut after: Vec<String> = Vec::new();
        for item in items {
            if let Value::Hole(hole) = item {
                after.extend(hole.after.iter().cloned());
            }
        }
        if !after.is_empty() {
            after.sort();
            after.dedup();
            return Instances::After(after);
        }
        if is_list(ty) {
            return self.refuse(
                "for_each",
                "this is a list: its items have numbers, and no keys that stay when it changes",
                "use `toset(…)` where the strings themselves are the keys, or a map: `{ for item in … : item.name => item }`",
            );
        }
        let mut found: Vec<(Address, Repeat)> = Vec::new();
        let mut keys: HashSet<&str> = HashSet::new();
        for item in items {
            let Value::Text(key) = item else {
                let what = if item.is_null() { "null".to_owned() } else { format!("a {}", item.kind()) };
                return self.refuse(
                    "for_each",
                    &format!("every item becomes a key, which is a string, and this holds {what}"),
                    "use a set of strings, or a map: `{ for item in … : item.name => item }`",
                );
            };
            if !keys.insert(key) {
                return self.refuse(
                    "for_each",
                    &format!("\"{key}\" stands in it twice"),
                    "a set holds each string once: `toset(…)`",
                );
            }
            found.push(self.instance(key, Outcome::plain(item.clone())));
        }
        Instances::Known(found)
    }

    /// Which values of a literal object are secret, by key; `None` where it is no such object, or a key is secret itself.
    fn secret_items(&self, expr: &Expr) -> Option<BTreeMap<String, bool>> {
        let ExprKind::Object(items) = &expr.kind else { return None };
        let scope = NameScope::room(self.evaluator, self.room);
        let mut found = BTreeMap::new();
        for (key, value) in items {
            let (ExprKind::Text(name) | ExprKind::Name(name)) = &key.kind else { return None };
            found.insert(name.clone(), self.evaluator.expression(value, &scope)?.sensitive);
        }
        Some(found)
    }
}
