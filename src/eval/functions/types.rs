//! Conversion, and what is or may be known, shown and kept of a value.

use std::sync::Arc;

use mlp_value::{Type, Value};

use super::Given;
use super::arguments::{Arguments, blame};
use super::define::Want::{Any, Bool, Number, Text};
use super::define::{Form, FunctionInfo, new, nullable};
use crate::convert::convert_typed;
use crate::typed::{Typed, concrete, converts};
use crate::unknown::{Waits, residual_typed};

pub(super) const FUNCTIONS: &[FunctionInfo] = &[
    form("can", "Whether the expression can be computed without an error.", "expression", Bool, Form::Can)
        .examples(&[("can(tonumber(\"x\"))", "false"), ("can({ a = 1 }.a)", "true")]),
    form(
        "ephemeralasnull",
        "The value, or null if it must not be kept.",
        "value",
        Any,
        Form::EphemeralAsNull,
    )
    .examples(&[("ephemeralasnull(\"kept\")", "\"kept\"")]),
    form("issensitive", "Whether the value must not be shown.", "value", Bool, Form::IsSensitive)
        .examples(&[("issensitive(sensitive(\"x\"))", "true"), ("issensitive(\"x\")", "false")])
        .differs(MARKS),
    form("nonsensitive", "The value, free to be shown.", "value", Any, Form::Nonsensitive)
        .examples(&[("nonsensitive(sensitive(\"x\"))", "\"x\"")])
        .differs(MARKS),
    form("sensitive", "The value, never to be shown.", "value", Any, Form::Sensitive)
        .examples(&[("issensitive(sensitive(1))", "true")])
        .differs(MARKS),
    new("timestamp", "The time of the apply, known only then.", &[], Text, |call| {
        Ok(call.scope.now().map(|now| Value::text(now).into()))
    }),
    new("tobool", "The value as a bool.", &[nullable("value", Any)], Bool, |call| to(call, &Type::Bool))
        .deciding()
        .examples(&[("tobool(\"true\")", "true")]),
    new("tolist", "The value as a list of items of one type.", &[nullable("value", Any)], Any, |call| {
        to(call, &Type::List(Box::new(Type::Any)))
    })
    .deciding()
    .examples(&[("tolist([\"a\", \"b\", 3])", "[\"a\", \"b\", \"3\"]")]),
    new("tomap", "The value as a map of values of one type.", &[nullable("value", Any)], Any, |call| {
        to(call, &Type::Map(Box::new(Type::Any)))
    })
    .deciding()
    .examples(&[("tomap({ a = \"foo\", b = true })", "{ a = \"foo\", b = \"true\" }")]),
    new("tonumber", "The value as a number.", &[nullable("value", Any)], Number, |call| {
        to(call, &Type::Number)
    })
    .deciding()
    .examples(&[("tonumber(\"1.50\")", "1.5")]),
    new(
        "toset",
        "The value as a set: sorted and without duplicates.",
        &[nullable("value", Any)],
        Any,
        |call| to(call, &Type::Set(Box::new(Type::Any))),
    )
    .deciding()
    .examples(&[("toset([\"c\", \"b\", \"b\"])", "[\"b\", \"c\"]")]),
    new("tostring", "The value as a string.", &[nullable("value", Any)], Text, |call| {
        to(call, &Type::String)
    })
    .deciding()
    .examples(&[("tostring(12.50)", "\"12.5\"")]),
    form(
        "try",
        "The first of the expressions that can be computed without an error.",
        "expression",
        Any,
        Form::Try,
    )
    .variadic(nullable("expressions", Any))
    .examples(&[("try({ a = 1 }.b, \"none\")", "\"none\"")]),
    new("type", "The name of the value's type.", &[nullable("value", Any)], Text, |call| {
        Ok(Some(match call.value(0) {
            Value::Null if call.type_of(0) == Type::Any => Value::text("null").into(),
            _ => Value::text(call.type_of(0).to_string()).into(),
        }))
    })
    .deciding()
    .examples(&[
        ("type(toset([\"a\"]))", "\"set(string)\""),
        ("type([1, \"a\"])", "\"tuple([number, string])\""),
    ])
    .own(),
    new("uuid", "A new random UUID, known only at apply.", &[], Text, |call| {
        Ok(call.scope.new_uuid().map(|uuid| Value::text(uuid).into()))
    }),
];

const MARKS: &str =
    "the mark is the whole value's: a list or object with a sensitive item is itself sensitive";

const fn form(
    name: &'static str,
    doc: &'static str,
    parameter: &'static str,
    returns: super::define::Want,
    form: Form,
) -> FunctionInfo {
    const EXPRESSION: &[super::Parameter] = &[nullable("expression", Any)];
    const VALUE: &[super::Parameter] = &[nullable("value", Any)];
    let parameters = if parameter.len() == "value".len() { VALUE } else { EXPRESSION };
    new(name, doc, parameters, returns, |_| Ok(None)).form(form)
}

fn to(call: &Arguments<'_>, ty: &Type) -> Given {
    let typed = call.typed(0);
    let from = typed.type_of();
    if typed.value.is_null() {
        return match converts(&from, ty, false) {
            true => Ok(Some(Typed::new(Value::Null, ty))),
            false => blame(0, format!("a {ty} is needed, this is a {from} that is null")),
        };
    }
    // A set may shrink once what is in it is known: as a whole it is not known.
    if let (Value::List(_), Type::Set(_)) = (&typed.value, ty)
        && typed.value.has_holes()
    {
        let ty = concrete(&from, ty).or_else(|why| blame(0, why))?;
        let node = residual_typed(&typed.value, &Some(Arc::new(ty.clone()))).node;
        let mut hole = Waits::of([&typed.value]).hole(ty, node, None);
        hole.not_null = true;
        return Ok(Some(Value::Hole(hole).into()));
    }
    convert_typed(&typed, ty).map(Some).or_else(|why| blame(0, why))
}
