//! What a few words may ask for: a result, or a diagnostic before the memory is full.

use super::*;

/// Text that a template doubles again and again.
fn grown(times: usize) -> Expr {
    let twice = |inner: Expr| {
        let body = vec![Part::Expr { expr: name("v", &[]) }, Part::Expr { expr: name("v", &[]) }];
        let collection = e(Node::List { items: vec![inner] });
        template(vec![Part::For { key_name: None, value_name: Arc::from("v"), collection, body }])
    };
    (0..times).fold(lit(text("ha")), |inner, _| twice(inner))
}

/// Lines of YAML of which each holds the one before it twice.
fn laughs(lines: usize) -> String {
    let line = |at: usize| {
        let name = |at: usize| if at == 0 { "a".to_owned() } else { format!("a{at}") };
        format!("{}: &{} [*{}, *{}]\n", name(at), name(at), name(at - 1), name(at - 1))
    };
    (1..=lines).map(line).collect()
}

/// A million items are no trouble.
#[test]
fn a_million_items_are_computed() {
    let many = fun("range", vec![lit(int(1_000_000))]);
    assert_eq!(value(&fun("length", vec![many.clone()])), int(1_000_000));
    assert_eq!(value(&fun("sum", vec![many])), num("499999500000"));
}

#[test]
fn a_few_words_cannot_fill_the_memory() {
    let big = || lit(int(1_000_000_000_000));
    let doubled = |inner: Expr| {
        each(
            e(Node::List { items: vec![inner] }),
            None,
            e(Node::List { items: vec![name("v", &[]), name("v", &[])] }),
            None,
        )
    };
    let bomb = (0..60).fold(lit(int(1)), |inner, _| doubled(inner));
    let square = (0..60).fold(lit(int(7)), |inner, _| {
        e(Node::Index {
            target: Box::new(each(
                e(Node::List { items: vec![inner] }),
                None,
                op(Multiply, name("v", &[]), name("v", &[])),
                None,
            )),
            key: Box::new(lit(int(0))),
        })
    });
    for expr in [
        fun("range", vec![big()]),
        fun("format", vec![lit(text("%1000000000d")), lit(int(1))]),
        fun("indent", vec![big(), lit(text("a\nb"))]),
        fun("pow", vec![lit(int(10)), big()]),
        fun(
            "replace",
            vec![
                f("replace", &[text(&"a".repeat(9000)), text("a"), text(&"b".repeat(5000))]),
                lit(text("b")),
                lit(text(&"c".repeat(5000))),
            ],
        ),
        fun("setproduct", vec![fun("range", vec![lit(int(2000))]), fun("range", vec![lit(int(2000))])]),
        bomb,
        square,
        fun("range", vec![lit(num("1e100")), lit(int(7))]),
        fun("regex", vec![lit(text("(((a{900}){900}){900}){900}")), lit(text("a"))]),
        fun(
            "substr",
            vec![
                fun("format", vec![lit(text(&"%4000s".repeat(20_000))), lit(text("a"))]),
                lit(int(0)),
                lit(int(1)),
            ],
        ),
        fun("parseint", vec![lit(text(&"f".repeat(5_000))), lit(int(16))]),
        fun("jsondecode", vec![lit(text(&"[".repeat(100_000)))]),
        fun("yamldecode", vec![lit(text(&format!("a: &a [1,1]\n{}", laughs(40))))]),
        fun(
            "templatestring",
            vec![
                lit(text("{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}")),
                lit(Value::object::<&str>([])),
            ],
        ),
        grown(60),
    ] {
        let (code, message) = refused(&expr);
        assert!(matches!(code.as_str(), "MLP0203" | "MLP0211"), "{code} {message}");
    }
    let deep = (0..5_000).fold(lit(int(1)), |inner, _| e(Node::List { items: vec![inner] }));
    assert_eq!(refused(&deep).0, "MLP0210");
    std::mem::forget(deep);
}

#[test]
fn a_long_chain_of_operators_costs_no_depth() {
    let chain = (0..2_000).fold(lit(int(0)), |left, _| op(Add, left, lit(int(1))));
    assert_eq!(value(&chain), int(2_000));
}
