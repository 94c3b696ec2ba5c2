//! What is not known yet: residuals, and what is certain all the same.

use super::*;
use crate::BinaryOp::{Add, And, Equal};

/// What is not known is computed from its residual to the same value as if it had been known from the start.
#[test]
fn residuals_come_to_what_the_expression_would_have() {
    let later = || name("later", &[]);
    let text_known = |value: &str| World { later: Some(text(value)) };
    let list_known = || World { later: Some(list([int(3), int(4)])) };
    let in_for = each(
        lit(list([int(10), int(20)])),
        None,
        each(later(), None, op(Add, name("v", &[]), name("k", &[])), None),
        None,
    );
    let shadow = each(lit(list([int(5)])), None, each(later(), None, name("v", &[]), None), None);
    let spread = e(Node::Call {
        function: Arc::from("max"),
        arguments: vec![lit(int(1)), later()],
        expand_last: true,
    });
    let splat = e(Node::Splat {
        target: Box::new(later()),
        each: Box::new(op(Add, name("$splat", &[]), name("model", &["sizes", "0"]))),
    });
    let picked = cond(op(Equal, later(), lit(text("a"))), name("model", &["name"]), name("model", &["nope"]));
    for (expr, world) in [
        (template(vec![word("s3://"), Part::Expr { expr: later() }, word("/x")]), text_known("b")),
        (fun("upper", vec![later()]), text_known("b")),
        (picked, text_known("a")),
        (fun("try", vec![op(Add, later(), lit(int(1))), name("model", &["name"])]), text_known("x")),
        (fun("can", vec![op(Add, later(), lit(int(1)))]), text_known("x")),
        (in_for, list_known()),
        (shadow, list_known()),
        (spread, list_known()),
        (splat, list_known()),
        (e(Node::Index { target: Box::new(later()), key: Box::new(lit(int(1))) }), list_known()),
        (name("later", &["1"]), list_known()),
        (
            template(vec![
                Part::For {
                    key_name: None,
                    value_name: Arc::from("v"),
                    collection: later(),
                    body: vec![
                        Part::Expr { expr: name("v", &[]) },
                        Part::Expr { expr: name("model", &["name"]) },
                    ],
                },
                word("."),
            ]),
            list_known(),
        ),
    ] {
        let pending = value(&expr);
        assert!(pending.has_holes(), "{expr:?}");
        let mut after = Vec::new();
        let finished = pending.fill(&mut |hole: &Unknown| {
            after.extend(hole.after.clone());
            let json = serde_json::to_string(&hole.residual).unwrap();
            let residual: Expr = serde_json::from_str(&json).unwrap();
            residual.traversals(&mut |traversal, _| {
                assert!(traversal.root.starts_with('$') || matches!(&*traversal.root, "later" | "model"))
            });
            evaluate(&residual, &world).map(|outcome| outcome.value)
        });
        assert_eq!(finished.unwrap(), evaluate(&expr, &world).unwrap().value, "{expr:?}");
        assert!(after.contains(&"storage.lake".to_owned()));
    }
}

#[test]
fn a_template_knows_how_it_starts() {
    let expr = template(vec![word("s3://"), Part::Expr { expr: name("later", &[]) }]);
    let Value::Hole(hole) = value(&expr) else { panic!("known") };
    assert_eq!((hole.prefix.as_deref(), hole.ty.clone(), hole.not_null), (Some("s3://"), Type::String, true));
    assert_eq!(value(&op(Equal, expr.clone(), lit(text("gs://x")))), Value::Bool(false));
    assert!(value(&op(Equal, expr, lit(text("s3://x")))).has_holes());
}

#[test]
fn an_unknown_is_converted_when_it_comes() {
    let wanted = Type::List(Box::new(Type::String));
    let Value::Hole(hole) = convert(&hole(Type::Any), &wanted).unwrap() else { panic!("known") };
    let world = World { later: Some(list([int(1)])) };
    assert_eq!(evaluate(&hole.residual, &world).unwrap().value, list([text("1")]));
    assert!(
        convert(&Value::Hole(Unknown::from(Later { ty: Type::Bool, ..hole.into_later() })), &wanted).is_err()
    );
}

#[test]
fn what_only_apply_knows_stays_unknown() {
    for expr in [fun("timestamp", vec![]), fun("uuid", vec![]), fun("file", vec![lit(text("later.txt"))])] {
        let Value::Hole(hole) = value(&expr) else { panic!("known") };
        assert_eq!(*hole.residual, expr);
    }
    assert_eq!(value(&fun("coalesce", vec![lit(Value::Null), lit(int(1)), name("later", &[])])), int(1));
    assert!(value(&fun("coalesce", vec![name("later", &[]), lit(int(1))])).has_holes());
    assert_eq!(value(&fun("length", vec![e(Node::List { items: vec![name("later", &[])] })])), int(1));
}

#[test]
fn what_is_certain_of_an_unknown_is_kept() {
    let object = Type::Object(
        [("a".to_owned(), (Type::String, false)), ("b".to_owned(), (Type::Number, false))].into(),
    );
    let of = |ty: Type, expr: &Expr| evaluate(expr, &World { later: Some(hole(ty)) }).unwrap().value;
    let later = || name("later", &[]);
    let formatted = fun("format", vec![lit(text("s3://%s")), later()]);
    let started = |with: &str| fun("startswith", vec![formatted.clone(), lit(text(with))]);
    let either = cond(op(Equal, later(), lit(text("x"))), lit(text("prod-a")), lit(text("prod-b")));
    let listed = fun("split", vec![lit(text(",")), later()]);
    for (ty, expr, wanted) in [
        (Type::String, started("s3"), Value::Bool(true)),
        (Type::String, started("gs"), Value::Bool(false)),
        (Type::String, op(Equal, formatted.clone(), lit(Value::Null)), Value::Bool(false)),
        (Type::String, op(Equal, either.clone(), lit(text("test"))), Value::Bool(false)),
        (Type::String, op(Equal, either, lit(Value::Null)), Value::Bool(false)),
        (Type::String, op(Equal, listed.clone(), lit(Value::Null)), Value::Bool(false)),
        (Type::String, op(Equal, listed, lit(text("x"))), Value::Bool(false)),
        (object.clone(), fun("keys", vec![later()]), list([text("a"), text("b")])),
        (object, fun("length", vec![later()]), int(2)),
        (Type::Tuple(vec![Type::String, Type::Bool]), fun("length", vec![later()]), int(2)),
        (Type::Bool, op(And, later(), lit(Value::Bool(false))), Value::Bool(false)),
        (Type::Number, fun("type", vec![later()]), text("number")),
    ] {
        assert_eq!(of(ty, &expr), wanted, "{expr:?}");
    }
    for (ty, expr) in [
        (Type::List(Box::new(Type::String)), fun("tobool", vec![later()])),
        (Type::Number, fun("merge", vec![later(), lit(Value::object::<&str>([]))])),
        (
            Type::Set(Box::new(Type::String)),
            e(Node::Index { target: Box::new(later()), key: Box::new(lit(int(0))) }),
        ),
    ] {
        assert!(
            evaluate(&expr, &World { later: Some(hole(ty)) }).is_err(),
            "wrong whatever it will be: {expr:?}"
        );
    }
}

/// A set stays a set where the rest of an expression has to wait.
#[test]
fn residuals_know_the_types_of_values() {
    let set = fun("toset", vec![lit(list([text("b"), text("a")]))]);
    let expr = each(
        set,
        None,
        template(vec![Part::Expr { expr: name("k", &[]) }, Part::Expr { expr: name("later", &[]) }]),
        None,
    );
    let waiting = each(
        name("later", &[]),
        None,
        each(fun("toset", vec![lit(list([text("a")]))]), None, name("k", &[]), None),
        None,
    );
    for (expr, known) in [(expr, text("!")), (waiting, list([int(1)]))] {
        let world = World { later: Some(known) };
        let finished = value(&expr)
            .fill(&mut |hole: &Unknown| evaluate(&hole.residual, &world).map(|found| found.value));
        assert_eq!(finished.unwrap(), evaluate(&expr, &world).unwrap().value, "{expr:?}");
    }
}
