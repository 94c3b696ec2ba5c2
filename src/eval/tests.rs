//! The interpreter and the functions, as tables.

use std::sync::Arc;

use mlp_diag::{Diagnostic, Span};
use mlp_value::{Type, Value};

use crate::BinaryOp::{Add, And, Divide, Equal, Less, Multiply, Or};
use crate::*;

#[path = "bounds.rs"]
mod bounds;
#[path = "later.rs"]
mod later;
#[path = "marks.rs"]
mod marks;

/// `model` and `secret` are known, `later` is not, everything else means nothing; `a.txt` is a file.
struct World {
    later: Option<PlanValue>,
}

impl Scope for World {
    fn resolve(&self, traversal: &Traversal, span: Option<Span>) -> Result<Resolved, Diagnostic> {
        let model = || Value::object([("name", Value::text("fraud")), ("sizes", list([int(1), int(2)]))]);
        let (value, sensitive) = match (&*traversal.root, &self.later) {
            ("model", _) => (model(), false),
            ("secret", _) => (Value::text("s3"), true),
            ("later", Some(value)) => (value.clone(), false),
            ("later", None) => (hole(Type::Any), false),
            (other, _) => return Err(Diagnostic::error("MLP0300", format!("no `{other}`")).at_opt(span, "")),
        };
        Ok(Resolved::plain(value, 0, sensitive))
    }

    fn read_file(&self, path: &str) -> Result<Option<String>, String> {
        match path {
            "a.txt" => Ok(Some("hello {{ name }}{% if n > 1 %}s{% endif %}\n".to_owned())),
            "later.txt" => Ok(None),
            _ => Err(format!("`{path}` does not exist")),
        }
    }

    fn file_exists(&self, path: &str) -> Result<Option<bool>, String> {
        Ok(Some(path == "a.txt"))
    }
}

fn e(node: Node) -> Expr {
    Expr::new(node, None)
}

fn int(number: i64) -> PlanValue {
    Value::int(number)
}

fn num(text: &str) -> PlanValue {
    Value::Number(text.parse().unwrap())
}

fn text(text: &str) -> PlanValue {
    Value::text(text)
}

fn list(items: impl IntoIterator<Item = PlanValue>) -> PlanValue {
    Value::list(items)
}

fn lit(value: PlanValue) -> Expr {
    Expr::literal(value.known().unwrap())
}

fn name(root: &str, steps: &[&str]) -> Expr {
    let steps = steps.iter().map(|step| match step.parse() {
        Ok(index) => TraversalStep::Index(index),
        Err(_) => TraversalStep::Attr(Arc::from(*step)),
    });
    e(Node::Traverse { traversal: Traversal { root: Arc::from(root), steps: steps.collect() } })
}

fn op(operator: BinaryOp, left: Expr, right: Expr) -> Expr {
    e(Node::Binary { operator, left: Box::new(left), right: Box::new(right) })
}

fn cond(condition: Expr, then: Expr, otherwise: Expr) -> Expr {
    e(Node::Conditional {
        condition: Box::new(condition),
        then: Box::new(then),
        otherwise: Box::new(otherwise),
    })
}

fn fun(function: &str, arguments: Vec<Expr>) -> Expr {
    e(Node::Call { function: Arc::from(function), arguments, expand_last: false })
}

fn f(function: &str, arguments: &[PlanValue]) -> Expr {
    fun(function, arguments.iter().cloned().map(lit).collect())
}

fn each(collection: Expr, key: Option<Expr>, value: Expr, condition: Option<Expr>) -> Expr {
    let (key_name, value_name) = (Some(Arc::from("k")), Arc::from("v"));
    e(Node::For {
        parts: Box::new(ForExpr { key_name, value_name, collection, key, value, condition, group: false }),
    })
}

fn template(parts: Vec<Part>) -> Expr {
    e(Node::Template { parts })
}

fn word(text: &str) -> Part {
    Part::Text { text: Arc::from(text) }
}

fn hole(ty: Type) -> PlanValue {
    Value::Hole(Unknown::from(Later {
        ty,
        not_null: false,
        prefix: None,
        residual: Box::new(name("later", &[])),
        after: vec!["storage.lake".to_owned()],
    }))
}

fn run(expr: &Expr) -> Result<Outcome, mlp_diag::Diagnostics> {
    evaluate(expr, &World { later: None })
}

fn value(expr: &Expr) -> PlanValue {
    run(expr).unwrap_or_else(|problems| panic!("{:?}", problems[0].headline)).value
}

fn refused(expr: &Expr) -> (String, String) {
    let problem = run(expr).unwrap_err().swap_remove(0);
    assert!(CODES.iter().any(|(code, _)| *code == problem.code) || problem.code == "MLP0300");
    (problem.code, format!("{} {}", problem.headline, problem.help.unwrap_or_default()))
}

#[test]
fn expressions_come_to_values() {
    let numbers = || lit(list([int(1), int(2), int(3)]));
    for (expr, wanted) in [
        (op(Add, lit(text("2")), lit(num("0.1"))), num("2.1")),
        (op(Equal, lit(text("1")), lit(int(1))), Value::Bool(false)),
        (op(Equal, lit(Value::Null), lit(Value::Null)), Value::Bool(true)),
        (op(Less, lit(int(2)), lit(int(10))), Value::Bool(true)),
        (op(And, lit(Value::Bool(false)), name("nothing", &[])), Value::Bool(false)),
        (op(Or, lit(Value::Bool(true)), name("nothing", &[])), Value::Bool(true)),
        (op(And, name("later", &[]), lit(Value::Bool(false))), Value::Bool(false)),
        (cond(lit(Value::Bool(true)), lit(int(1)), lit(text("a"))), text("1")),
        (cond(lit(text("false")), name("nothing", &[]), lit(int(2))), int(2)),
        (name("model", &["sizes", "1"]), int(2)),
        (template(vec![Part::Expr { expr: numbers() }]), list([int(1), int(2), int(3)])),
        (template(vec![word("n="), Part::Expr { expr: lit(int(3)) }]), text("n=3")),
        (
            template(vec![
                word("["),
                Part::For {
                    key_name: None,
                    value_name: Arc::from("v"),
                    collection: numbers(),
                    body: vec![Part::Expr { expr: name("v", &[]) }, word(",")],
                },
                Part::If { condition: lit(Value::Bool(true)), then: vec![word("]")], otherwise: vec![] },
            ]),
            text("[1,2,3,]"),
        ),
        (
            each(
                numbers(),
                None,
                op(Multiply, name("v", &[]), name("k", &[])),
                Some(op(Less, lit(int(1)), name("v", &[]))),
            ),
            list([int(2), int(6)]),
        ),
        (
            each(
                lit(Value::object([("a", int(1))])),
                Some(fun("upper", vec![name("k", &[])])),
                name("v", &[]),
                None,
            ),
            Value::object([("A", int(1))]),
        ),
        (
            e(Node::Splat {
                target: Box::new(lit(list([Value::object([("x", int(7))])]))),
                each: Box::new(name("$splat", &["x"])),
            }),
            list([int(7)]),
        ),
        (fun("try", vec![name("model", &["nope"]), lit(int(9))]), int(9)),
        (fun("can", vec![name("model", &["nope"])]), Value::Bool(false)),
        (
            fun(
                "templatefile",
                vec![lit(text("a.txt")), lit(Value::object([("name", text("cat")), ("n", int(2))]))],
            ),
            text("hello cats\n"),
        ),
        (fun("fileexists", vec![lit(text("b.txt"))]), Value::Bool(false)),
    ] {
        assert_eq!(value(&expr), wanted, "{expr:?}");
    }
}

#[test]
fn functions_come_to_values() {
    let texts = |items: &[&str]| list(items.iter().map(|item| text(item)));
    let abc = || texts(&["a", "b", "c"]);
    for (name, arguments, wanted) in [
        ("abs", vec![num("-1.5")], num("1.5")),
        ("ceil", vec![num("1.2")], int(2)),
        ("floor", vec![num("-1.2")], int(-2)),
        ("max", vec![int(1), int(7), int(3)], int(7)),
        ("pow", vec![int(2), int(100)], num("1267650600228229401496703205376")),
        ("pow", vec![int(2), int(-1)], num("0.5")),
        ("signum", vec![int(-4)], int(-1)),
        ("parseint", vec![text("ff"), int(16)], int(255)),
        ("log", vec![int(16), int(2)], int(4)),
        ("chomp", vec![text("a\r\n\n")], text("a")),
        (
            "format",
            vec![
                text("%s|%05.2f|%-4d|%x|%%|%q|%v"),
                text("a"),
                num("3.14159"),
                int(7),
                int(255),
                text("q"),
                list([int(1)]),
            ],
            text("a|03.14|7   |ff|%|\"q\"|[1]"),
        ),
        ("format", vec![text("%[2]s %[1]s"), text("a"), text("b")], text("b a")),
        ("format", vec![text("%e %+d"), num("12345.678"), int(3)], text("1.234568e+04 +3")),
        ("formatlist", vec![text("%s-%s"), abc(), text("x")], texts(&["a-x", "b-x", "c-x"])),
        ("indent", vec![int(2), text("a\nb")], text("a\n  b")),
        ("join", vec![text(","), abc()], text("a,b,c")),
        ("title", vec![text("hello big world")], text("Hello Big World")),
        (
            "regex",
            vec![text("(?P<a>[a-z]+)(?P<b>[0-9]+)"), text("ab12")],
            Value::object([("a", text("ab")), ("b", text("12"))]),
        ),
        ("regex", vec![text("[0-9]+"), text("ab12")], text("12")),
        ("regexall", vec![text("[0-9]"), text("1a2")], texts(&["1", "2"])),
        ("replace", vec![text("a.b.c"), text("."), text("-")], text("a-b-c")),
        ("replace", vec![text("ab12cd"), text("/([a-z])([a-z])/"), text("$2$1")], text("ba12dc")),
        ("split", vec![text(","), text("a,b,")], texts(&["a", "b", ""])),
        ("strrev", vec![text("äb")], text("bä")),
        ("substr", vec![text("hello"), int(-3), int(2)], text("ll")),
        ("trim", vec![text("?!a?"), text("!?")], text("a")),
        ("trimprefix", vec![text("aab"), text("a")], text("ab")),
        ("alltrue", vec![list([])], Value::Bool(true)),
        ("chunklist", vec![abc(), int(2)], list([texts(&["a", "b"]), texts(&["c"])])),
        ("coalesce", vec![Value::Null, text(""), text("x")], text("x")),
        ("compact", vec![list([text(""), Value::Null, text("a")])], texts(&["a"])),
        ("contains", vec![abc(), text("b")], Value::Bool(true)),
        ("distinct", vec![list([num("1000"), int(2), int(1000)])], list([int(1000), int(2)])),
        ("element", vec![abc(), int(4)], text("b")),
        ("flatten", vec![list([int(1), list([int(2), list([int(3)])])])], list([int(1), int(2), int(3)])),
        ("index", vec![abc(), text("c")], int(2)),
        ("length", vec![text("äöü")], int(3)),
        ("lookup", vec![Value::object([("a", int(1))]), text("b"), int(9)], int(9)),
        ("matchkeys", vec![abc(), texts(&["x", "y", "x"]), texts(&["x"])], texts(&["a", "c"])),
        (
            "merge",
            vec![Value::object([("a", int(1))]), Value::Null, Value::object([("a", int(2))])],
            Value::object([("a", int(2))]),
        ),
        ("one", vec![list([])], Value::Null),
        ("range", vec![int(3)], list([int(0), int(1), int(2)])),
        ("range", vec![int(3), int(1)], list([int(3), int(2)])),
        ("setintersection", vec![abc(), texts(&["c", "b", "z"])], texts(&["b", "c"])),
        (
            "setproduct",
            vec![texts(&["a", "b"]), list([int(1)])],
            list([list([text("a"), int(1)]), list([text("b"), int(1)])]),
        ),
        ("setsubtract", vec![abc(), texts(&["b"])], texts(&["a", "c"])),
        ("setunion", vec![texts(&["b"]), texts(&["a", "b"])], texts(&["a", "b"])),
        ("slice", vec![abc(), int(1), int(3)], texts(&["b", "c"])),
        ("sum", vec![list([num("0.1"), num("0.2")])], num("0.3")),
        (
            "transpose",
            vec![Value::object([("a", texts(&["x", "y"])), ("b", texts(&["x"]))])],
            Value::object([("x", texts(&["a", "b"])), ("y", texts(&["a"]))]),
        ),
        ("zipmap", vec![texts(&["a"]), list([int(1)])], Value::object([("a", int(1))])),
        ("base64encode", vec![text("héllo")], text("aMOpbGxv")),
        ("base64decode", vec![text("aMOpbGw=")], text("héll")),
        (
            "jsonencode",
            vec![Value::object([("a", list([num("1.50"), Value::Null, text("<")]))])],
            text("{\"a\":[1.5,null,\"\\u003c\"]}"),
        ),
        (
            "jsondecode",
            vec![text("{\"a\": [1.25, true]}")],
            Value::object([("a", list([num("1.25"), Value::Bool(true)]))]),
        ),
        ("urlencode", vec![text("a b/ü")], text("a+b%2F%C3%BC")),
        (
            "csvdecode",
            vec![text("a,b\r\n1,\"x,\"\"y\"\n")],
            list([Value::object([("a", text("1")), ("b", text("x,\"y"))])]),
        ),
        (
            "formatdate",
            vec![text("EEE, DD MMM YYYY hh:mm:ss ZZZ 'at'"), text("2024-02-29T23:59:01Z")],
            text("Thu, 29 Feb 2024 23:59:01 UTC at"),
        ),
        ("timeadd", vec![text("2023-12-31T23:30:00Z"), text("1h30m")], text("2024-01-01T01:00:00Z")),
        (
            "timeadd",
            vec![text("2024-03-01T00:00:00+02:00"), text("-0.5s")],
            text("2024-02-29T23:59:59+02:00"),
        ),
        ("timecmp", vec![text("2024-01-01T01:00:00+01:00"), text("2024-01-01T00:00:00Z")], int(0)),
        ("toset", vec![list([text("b"), int(1), text("b")])], texts(&["1", "b"])),
        ("tolist", vec![list([text("b"), int(1)])], texts(&["b", "1"])),
        ("type", vec![list([int(1)])], text("tuple([number])")),
        ("tostring", vec![Value::Bool(true)], text("true")),
    ] {
        assert_eq!(value(&f(name, &arguments)), wanted, "{name} {arguments:?}");
    }
}

#[test]
fn errors_say_what_is_wrong_and_the_way_out() {
    for (expr, code, says) in [
        (op(Divide, lit(int(1)), lit(int(0))), "MLP0205", "1 is divided by zero"),
        (op(Add, lit(int(1)), lit(text("x"))), "MLP0204", "the string \"x\""),
        (op(Less, lit(Value::Null), lit(int(1))), "MLP0204", "it is null"),
        (name("model", &["nmae"]), "MLP0206", "did you mean `name`"),
        (name("model", &["sizes", "5"]), "MLP0206", "numbers 0 to 1"),
        (f("uper", &[text("a")]), "MLP0201", "did you mean `upper`"),
        (f("upper", &[]), "MLP0202", "takes 1 argument"),
        (f("element", &[list([]), int(1)]), "MLP0203", "an empty list has no items"),
        (template(vec![word("a"), Part::Expr { expr: lit(Value::Null) }]), "MLP0207", "null"),
        (template(vec![word("a"), Part::Expr { expr: lit(list([])) }]), "MLP0208", "join"),
        (cond(lit(Value::Null), lit(int(1)), lit(int(2))), "MLP0207", "condition"),
        (each(lit(list([int(1), int(2)])), Some(lit(text("k"))), lit(int(1)), None), "MLP0209", "`k`"),
        (fun("file", vec![lit(text("b.txt"))]), "MLP0203", "does not exist"),
        (fun("timeadd", vec![lit(text("2023-02-29T00:00:00Z")), lit(text("1h"))]), "MLP0203", "not a time"),
    ] {
        let (found, message) = refused(&expr);
        assert!(found == code && message.contains(says), "{found}: {message}");
    }
    let two = e(Node::List { items: vec![name("x", &[]), name("y", &[])] });
    assert_eq!(run(&two).unwrap_err().len(), 2, "all errors are reported");
}
