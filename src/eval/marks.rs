//! Marks: what must not be shown, and what must not be kept.

use super::*;
use crate::BinaryOp::{Add, Equal};

#[test]
fn secrecy_follows_the_value() {
    let joined = template(vec![word("x"), Part::Expr { expr: name("secret", &[]) }]);
    assert!(run(&joined).unwrap().sensitive);
    assert!(!run(&fun("nonsensitive", vec![joined.clone()])).unwrap().sensitive);
    assert_eq!(value(&fun("issensitive", vec![joined])), Value::Bool(true));
    let chosen = cond(op(Equal, name("secret", &[]), lit(text("s3"))), lit(int(1)), lit(int(2)));
    assert!(run(&chosen).unwrap().sensitive);
}

#[test]
fn secrets_are_in_no_message() {
    for expr in [
        op(Add, name("secret", &[]), lit(int(1))),
        fun("tonumber", vec![name("secret", &[])]),
        fun("parseint", vec![name("secret", &[]), lit(int(10))]),
        fun("timeadd", vec![name("secret", &[]), lit(text("1h"))]),
        fun("lookup", vec![lit(Value::object([("a", int(1))])), name("secret", &[])]),
        e(Node::Index { target: Box::new(name("model", &[])), key: Box::new(name("secret", &[])) }),
        cond(name("secret", &[]), lit(int(1)), lit(int(2))),
        each(lit(list([int(1), int(2)])), Some(name("secret", &[])), lit(int(1)), None),
    ] {
        let problem = run(&expr).unwrap_err().swap_remove(0);
        let all = format!("{} {:?} {:?}", problem.headline, problem.help, problem.notes);
        assert!(!all.contains("s3"), "{all}");
    }
}

/// What must not be kept is joined like what must not be shown.
#[test]
fn ephemeral_follows_the_value() {
    struct Passing;
    impl Scope for Passing {
        fn resolve(&self, _: &Traversal, _: Option<Span>) -> Result<Resolved, Diagnostic> {
            Ok(Resolved { ephemeral: true, ..Resolved::plain(Value::text("token"), 0, false) })
        }
    }
    let run = |expr: &Expr| evaluate(expr, &Passing).unwrap();
    let joined = template(vec![word("x"), Part::Expr { expr: name("token", &[]) }]);
    assert!(run(&joined).ephemeral && !run(&joined).sensitive);
    assert!(run(&fun("upper", vec![joined.clone()])).ephemeral);
    let kept = run(&fun("ephemeralasnull", vec![joined]));
    assert_eq!((kept.value, kept.ephemeral), (Value::Null, false));
}
