//! Type constraints: `list(object({ name = string, size = optional(number) }))`.

use mlp_diag::{Diagnostic, one_of};
use mlp_syntax::{Expr, ExprKind};
use mlp_value::Type;

use crate::codes;

const WORDS: &[&str] = &["any", "string", "number", "bool", "list", "set", "map", "tuple", "object"];

/// The type that an expression names.
pub(crate) fn type_of(expr: &Expr) -> Result<Type, Diagnostic> {
    let wrong = |help: String| {
        Diagnostic::error(codes::WRONG_TYPE, "this is not a type")
            .at(expr.span, "a type is expected here")
            .help(help)
    };
    match &expr.kind {
        ExprKind::Name(name) => match name.as_str() {
            "any" => Ok(Type::Any),
            "string" => Ok(Type::String),
            "number" => Ok(Type::Number),
            "bool" => Ok(Type::Bool),
            "list" | "set" | "map" => Err(wrong(format!("say of what: `{name}(string)`"))),
            _ => Err(wrong(one_of(name, WORDS.iter().copied()))),
        },
        ExprKind::Parens(inner) => type_of(inner),
        ExprKind::Call { function, arguments, .. } => {
            let [argument] = arguments.as_slice() else {
                return Err(wrong(format!("`{}` takes one argument", function.name)));
            };
            match function.name.as_str() {
                "list" => Ok(Type::List(Box::new(type_of(argument)?))),
                "set" => Ok(Type::Set(Box::new(type_of(argument)?))),
                "map" => Ok(Type::Map(Box::new(type_of(argument)?))),
                "tuple" => match &argument.kind {
                    ExprKind::List(items) => {
                        Ok(Type::Tuple(items.iter().map(type_of).collect::<Result<_, _>>()?))
                    }
                    _ => Err(wrong("write `tuple([string, number])`".into())),
                },
                "object" => object(argument),
                other => Err(wrong(one_of(other, WORDS.iter().copied()))),
            }
        }
        _ => Err(wrong("for example `string`, `list(number)`, `object({ name = string })`".into())),
    }
}

fn object(argument: &Expr) -> Result<Type, Diagnostic> {
    let ExprKind::Object(items) = &argument.kind else {
        return Err(Diagnostic::error(codes::WRONG_TYPE, "this is not a type")
            .at(argument.span, "the attributes of an object are expected")
            .help("write `object({ name = string, size = optional(number) })`"));
    };
    let mut attributes = std::collections::BTreeMap::new();
    for (key, value) in items {
        let (ExprKind::Text(name) | ExprKind::Name(name)) = &key.kind else { continue };
        let attribute = match &value.kind {
            ExprKind::Call { function, arguments, .. } if function.name == "optional" => {
                match arguments.first() {
                    Some(inner) => (type_of(inner)?, true),
                    None => (Type::Any, true),
                }
            }
            _ => (type_of(value)?, false),
        };
        attributes.insert(name.clone(), attribute);
    }
    Ok(Type::Object(attributes))
}
