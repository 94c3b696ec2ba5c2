//! Type constraints: `list(object({ name = string, size = optional(number, 8) }))`, and the defaults in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlp_diag::{Diagnostic, Span, one_of};
use mlp_eval::{Outcome, PlanValue, Resolved, Scope, Traversal, evaluate};
use mlp_syntax::{Expr, ExprKind};
use mlp_value::{Type, Value};

use crate::codes;
use crate::expression::lower;

const WORDS: &[&str] = &["any", "string", "number", "bool", "list", "set", "map", "tuple", "object"];

/// A type, and what its optional attributes are when they are left out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Constraint {
    pub(crate) ty: Type,
    defaults: Defaults,
}

/// Where in a type there are defaults.
#[derive(Debug, Clone, PartialEq)]
enum Defaults {
    None,
    /// Of every item of a list, set or map.
    Each(Box<Defaults>),
    Tuple(Vec<Defaults>),
    Object {
        own: BTreeMap<String, PlanValue>,
        inner: BTreeMap<String, Defaults>,
    },
}

impl Constraint {
    /// Anything at all.
    pub(crate) fn any() -> Self {
        Self::plain(Type::Any)
    }

    fn plain(ty: Type) -> Self {
        Self { ty, defaults: Defaults::None }
    }

    fn each(inner: Self, ty: impl FnOnce(Box<Type>) -> Type) -> Self {
        let defaults = match inner.defaults {
            Defaults::None => Defaults::None,
            some => Defaults::Each(Box::new(some)),
        };
        Self { ty: ty(Box::new(inner.ty)), defaults }
    }

    /// The value as the type wants it, with the defaults of what is left out or null.
    ///
    /// # Errors
    /// What was expected, what was found, and where inside the value.
    pub(crate) fn convert(&self, outcome: &Outcome) -> Result<Outcome, String> {
        let filled = match &self.defaults {
            Defaults::None => outcome.clone(),
            some => Outcome::marked(some.fill(&outcome.value), outcome.marks()),
        };
        filled.convert(&self.ty)
    }
}

impl Defaults {
    fn fill(&self, value: &PlanValue) -> PlanValue {
        match (self, value) {
            (Self::Each(inner), Value::List(items)) => {
                PlanValue::list(items.iter().map(|item| inner.fill(item)))
            }
            (Self::Each(inner), Value::Object(items)) => {
                PlanValue::object(items.iter().map(|(key, item)| (key.clone(), inner.fill(item))))
            }
            (Self::Tuple(each), Value::List(items)) if items.len() == each.len() => {
                PlanValue::list(items.iter().zip(each).map(|(item, inner)| inner.fill(item)))
            }
            (Self::Object { own, inner }, Value::Object(items)) => {
                let mut filled: BTreeMap<Arc<str>, PlanValue> =
                    items.iter().map(|(key, item)| (key.clone(), item.clone())).collect();
                for (name, default) in own {
                    let item = filled.entry(Arc::from(name.as_str())).or_insert(Value::Null);
                    if item.is_null() {
                        item.clone_from(default);
                    }
                }
                for (name, inner) in inner {
                    if let Some(item) = filled.get_mut(name.as_str()) {
                        *item = inner.fill(item);
                    }
                }
                PlanValue::object(filled)
            }
            _ => value.clone(),
        }
    }
}

/// The type that an expression names.
pub(crate) fn type_of(expr: &Expr) -> Result<Type, Diagnostic> {
    constraint(expr).map(|found| found.ty)
}

/// The type that an expression names, with the defaults in it.
pub(crate) fn constraint(expr: &Expr) -> Result<Constraint, Diagnostic> {
    match &expr.kind {
        ExprKind::Name(name) => Ok(Constraint::plain(match name.as_str() {
            "any" => Type::Any,
            "string" => Type::String,
            "number" => Type::Number,
            "bool" => Type::Bool,
            "list" | "set" | "map" => return Err(wrong(expr, format!("say of what: `{name}(string)`"))),
            "tuple" => return Err(wrong(expr, "write `tuple([string, number])`".into())),
            "object" => return Err(wrong(expr, "write `object({ name = string })`".into())),
            "optional" => return Err(misplaced(expr.span)),
            _ => return Err(wrong(expr, one_of(name, WORDS.iter().copied()))),
        })),
        ExprKind::Text(text) if WORDS.contains(&text.as_str()) => {
            Err(wrong(expr, format!("write `{text}` without quotes")))
        }
        ExprKind::Parens(inner) => constraint(inner),
        ExprKind::Call { function, arguments, .. } => {
            if function.name == "optional" {
                return Err(misplaced(expr.span));
            }
            let [argument] = arguments.as_slice() else {
                return Err(wrong(
                    expr,
                    match WORDS.contains(&function.name.as_str()) {
                        true => format!("`{}` takes one argument", function.name),
                        false => one_of(&function.name, WORDS.iter().copied()),
                    },
                ));
            };
            match function.name.as_str() {
                "list" => Ok(Constraint::each(constraint(argument)?, Type::List)),
                "set" => Ok(Constraint::each(constraint(argument)?, Type::Set)),
                "map" => Ok(Constraint::each(constraint(argument)?, Type::Map)),
                "tuple" => tuple(argument),
                "object" => object(argument),
                name @ ("any" | "string" | "number" | "bool") => {
                    Err(wrong(expr, format!("`{name}` takes no argument")))
                }
                other => Err(wrong(expr, one_of(other, WORDS.iter().copied()))),
            }
        }
        _ => Err(wrong(expr, "for example `string`, `list(number)`, `object({ name = string })`".into())),
    }
}

fn wrong(expr: &Expr, help: String) -> Diagnostic {
    Diagnostic::error(codes::WRONG_TYPE, "this is not a type")
        .at(expr.span, "a type is expected here")
        .help(help)
}

fn misplaced(span: Span) -> Diagnostic {
    Diagnostic::error(codes::WRONG_TYPE, "`optional` stands only for an attribute of an object type")
        .at(span, "not an attribute of an object type")
        .help("write `object({ size = optional(number) })`; a variable itself is optional when it has a `default`")
}

fn tuple(argument: &Expr) -> Result<Constraint, Diagnostic> {
    let ExprKind::List(items) = &argument.kind else {
        return Err(wrong(argument, "write `tuple([string, number])`".into()));
    };
    let items = items.iter().map(constraint).collect::<Result<Vec<_>, _>>()?;
    let plain = items.iter().all(|item| item.defaults == Defaults::None);
    let (types, defaults) = items.into_iter().map(|item| (item.ty, item.defaults)).unzip();
    let defaults = if plain { Defaults::None } else { Defaults::Tuple(defaults) };
    Ok(Constraint { ty: Type::Tuple(types), defaults })
}

fn object(argument: &Expr) -> Result<Constraint, Diagnostic> {
    let ExprKind::Object(items) = &argument.kind else {
        return Err(Diagnostic::error(codes::WRONG_TYPE, "this is not a type")
            .at(argument.span, "the attributes of an object are expected")
            .help("write `object({ name = string, size = optional(number) })`"));
    };
    let mut attributes = BTreeMap::new();
    let mut own = BTreeMap::new();
    let mut inner = BTreeMap::new();
    for (key, value) in items {
        let (ExprKind::Text(name) | ExprKind::Name(name)) = &key.kind else {
            return Err(Diagnostic::error(codes::WRONG_TYPE, "the name of an attribute must be plain")
                .at(key.span, "computed")
                .help("write the name as a word"));
        };
        let (found, optional) = match &value.kind {
            ExprKind::Call { function, arguments, .. } if function.name == "optional" => {
                let (found, default) = optional(value, arguments)?;
                if let Some(default) = default {
                    own.insert(name.clone(), default);
                }
                (found, true)
            }
            _ => (constraint(value)?, false),
        };
        if found.defaults != Defaults::None {
            inner.insert(name.clone(), found.defaults);
        }
        if attributes.insert(name.clone(), (found.ty, optional)).is_some() {
            return Err(Diagnostic::error(codes::DUPLICATE, format!("the attribute `{name}` stands twice"))
                .at(key.span, "again here")
                .help("keep one of the two"));
        }
    }
    let plain = own.is_empty() && inner.is_empty();
    let defaults = if plain { Defaults::None } else { Defaults::Object { own, inner } };
    Ok(Constraint { ty: Type::Object(attributes), defaults })
}

/// The type in `optional(type, default)`, and the default where there is one.
fn optional(expr: &Expr, arguments: &[Expr]) -> Result<(Constraint, Option<PlanValue>), Diagnostic> {
    let (found, default) = match arguments {
        [ty] => return Ok((constraint(ty)?, None)),
        [ty, default] => (constraint(ty)?, default),
        _ => return Err(wrong(expr, "write `optional(number)` or `optional(number, 8)`".into())),
    };
    let outcome = evaluate(&lower(default), &Nameless)
        .map_err(|problems| problems.into_iter().next().unwrap_or_else(|| wrong(default, String::new())))?;
    let value = found.convert(&outcome).map_err(|why| {
        Diagnostic::error(codes::WRONG_TYPE, format!("this default is not a {}", found.ty))
            .at(default.span, why)
            .help(format!("give it a {}, or change the type", found.ty))
    })?;
    Ok((found, Some(value.value)))
}

/// Where no name means anything: the defaults in a type.
struct Nameless;

impl Scope for Nameless {
    fn resolve(&self, traversal: &Traversal, span: Option<Span>) -> Result<Resolved, Diagnostic> {
        Err(Diagnostic::error(codes::SCOPE, format!("`{traversal}` cannot stand in a type"))
            .at_opt(span, "a default in a type is a constant")
            .help("write the value itself, or fill it in where the variable is used: `coalesce(var.x.size, local.size)`"))
    }
}

#[cfg(test)]
mod tests {
    use mlp_diag::FileId;

    use super::*;

    fn parsed(text: &str) -> Expr {
        mlp_syntax::parse_expression(FileId(0), text).unwrap()
    }

    #[track_caller]
    fn check(ty: &str, value: &str, wanted: &str) {
        let found = constraint(&parsed(ty)).unwrap();
        let value = evaluate(&lower(&parsed(value)), &Nameless).unwrap();
        let converted = found.convert(&value);
        let shown = match converted {
            Ok(found) => found.value.to_plain_json_with(&mut |_| "?".into()).to_string(),
            Err(why) => why,
        };
        assert_eq!(shown, wanted, "{ty} {value:?}");
    }

    #[test]
    fn what_is_left_out_or_null_has_its_default() {
        let ty = "object({ a = string, n = optional(number, 8), in = optional(object({ b = optional(bool, true) }), {}) })";
        check(ty, "{ a = 1 }", r#"{"a":"1","in":{"b":true},"n":8}"#);
        check(ty, "{ a = 1, n = null, in = { b = \"false\" } }", r#"{"a":"1","in":{"b":false},"n":8}"#);
        check(
            "map(object({ n = optional(number, 1), m = optional(string) }))",
            "{ x = {} }",
            r#"{"x":{"m":null,"n":1}}"#,
        );
        check("list(tuple([object({ n = optional(number, 1) })]))", "[[{}]]", r#"[[{"n":1}]]"#);
        // A null where a whole value stands stays one.
        check("object({ n = optional(number, 1) })", "null", "null");
    }

    #[test]
    fn any_means_one_type_for_all() {
        check("list(any)", "[1, \"a\"]", r#"["1","a"]"#);
        check("map(any)", "{ a = true, b = \"x\" }", r#"{"a":"true","b":"x"}"#);
        check("list(any)", "[1, [2]]", "all items must have one type, these have none in common");
        check("any", "[1, [2]]", "[1,[2]]");
    }

    #[test]
    fn what_is_no_type_is_refused_with_the_way_out() {
        for (text, help) in [
            ("strin", "`string`"),
            ("\"string\"", "without quotes"),
            ("list", "list(string)"),
            ("optional(string)", "object({"),
            ("list(string, number)", "one argument"),
            ("string(1)", "no argument"),
            ("lst(string)", "`list`"),
            ("object({ a = optional(number, \"x\") })", "give it a number"),
            ("object({ a = optional(number, var.x) })", "coalesce"),
            ("object({ a = optional() })", "optional(number, 8)"),
            ("[string]", "for example"),
        ] {
            let problem = constraint(&parsed(text)).unwrap_err();
            assert!(problem.help.as_deref().is_some_and(|it| it.contains(help)), "{text}: {problem:?}");
        }
    }
}
