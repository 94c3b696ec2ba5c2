//! Conversion, and what is or may be known of a value.

use mlp_value::{Type, Value};

use super::{Arguments, Body, Form, FunctionInfo, Given, Holes, MANY, function, structural};
use crate::convert::{common, convert, type_of};
use crate::equality::to_set;

pub(super) const FUNCTIONS: &[FunctionInfo] = &[
    function("tobool", "tobool(value)", "The value as a bool.", Type::Bool, (1, 1), |call| {
        to(call, &Type::Bool)
    }),
    function("tonumber", "tonumber(value)", "The value as a number.", Type::Number, (1, 1), |call| {
        to(call, &Type::Number)
    }),
    function("tostring", "tostring(value)", "The value as a string.", Type::String, (1, 1), |call| {
        to(call, &Type::String)
    }),
    structural(
        "tolist",
        "tolist(value)",
        "The value as a list of items of one type.",
        Type::Any,
        (1, 1),
        |call| {
            if call.value(0).is_null() {
                return Ok(Some(Value::Null));
            }
            let item = item_type(call.list(0)?.iter());
            to(call, &Type::List(Box::new(item)))
        },
    ),
    function(
        "toset",
        "toset(value)",
        "The value as a set: sorted and without duplicates.",
        Type::Any,
        (1, 1),
        |call| {
            if call.value(0).is_null() {
                return Ok(Some(Value::Null));
            }
            let item = item_type(call.list(0)?.iter());
            let items: Result<Vec<_>, _> = call.list(0)?.iter().map(|value| convert(value, &item)).collect();
            Ok(Some(Value::list(to_set(items?))))
        },
    ),
    structural(
        "tomap",
        "tomap(value)",
        "The value as a map of values of one type.",
        Type::Any,
        (1, 1),
        |call| {
            if call.value(0).is_null() {
                return Ok(Some(Value::Null));
            }
            let item = item_type(call.object(0)?.values());
            to(call, &Type::Map(Box::new(item)))
        },
    ),
    structural("type", "type(value)", "The name of the value's type.", Type::String, (1, 1), |call| {
        Ok(Some(Value::text(match call.value(0) {
            Value::Null => "null".to_owned(),
            value => type_of(value).to_string(),
        })))
    }),
    structural(
        "timestamp",
        "timestamp()",
        "The time of the apply, known only then.",
        Type::String,
        (0, 0),
        |call| Ok(call.scope.now().map(Value::text)),
    ),
    structural("uuid", "uuid()", "A new random UUID, known only at apply.", Type::String, (0, 0), |call| {
        Ok(call.scope.new_uuid().map(Value::text))
    }),
    form(
        "can",
        "can(expression)",
        "Whether the expression can be computed without an error.",
        Type::Bool,
        (1, 1),
        Form::Can,
    ),
    form(
        "issensitive",
        "issensitive(value)",
        "Whether the value must not be shown.",
        Type::Bool,
        (1, 1),
        Form::IsSensitive,
    ),
    form(
        "nonsensitive",
        "nonsensitive(value)",
        "The value, free to be shown.",
        Type::Any,
        (1, 1),
        Form::Nonsensitive,
    ),
    form(
        "sensitive",
        "sensitive(value)",
        "The value, never to be shown.",
        Type::Any,
        (1, 1),
        Form::Sensitive,
    ),
    form(
        "try",
        "try(expressions...)",
        "The first of the expressions that can be computed without an error.",
        Type::Any,
        (1, MANY),
        Form::Try,
    ),
];

const fn form(
    name: &'static str,
    signature: &'static str,
    doc: &'static str,
    returns: Type,
    (least, most): (usize, usize),
    form: Form,
) -> FunctionInfo {
    FunctionInfo {
        name,
        signature,
        doc,
        returns,
        least,
        most,
        holes: Holes::Argument,
        body: Body::Form(form),
    }
}

fn to(call: &Arguments<'_>, ty: &Type) -> Given {
    convert(call.value(0), ty).map(Some)
}

/// The type all items can become; anything, when there is none.
fn item_type<'v>(items: impl Iterator<Item = &'v crate::PlanValue>) -> Type {
    let mut types = items.filter(|item| !item.is_null()).map(type_of);
    let Some(first) = types.next() else {
        return Type::Any;
    };
    types.try_fold(first, |so_far, ty| common(&so_far, &ty)).unwrap_or(Type::Any)
}
