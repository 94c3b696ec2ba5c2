//! Variables, repetition and `dynamic` blocks as data.

use mlp_diag::{Severity, SourceMap, Span};
use mlp_value::facts::{Fact, Facts, Need};

use crate::tests::{HEAD, value};
use crate::{Assignment, Given, Inputs, Resolution, Undeclared, assignments, resolve};

/// Where a value is given, and what.
enum By<'a> {
    Text(&'a str, &'a str),
    File(&'a str),
}

fn resolve_with(text: &str, given: &[By<'_>], facts: &Facts) -> (Resolution, SourceMap) {
    let mut sources = SourceMap::default();
    let file = sources.add("main.mlp", text);
    let (tree, diagnostics) = mlp_syntax::parse(file, text);
    assert!(diagnostics.is_empty(), "{text}: {diagnostics:?}");
    let mut all = Vec::new();
    for by in given {
        match by {
            By::Text(name, text) => {
                let file = sources.add("<-var>", *text);
                all.push(Assignment {
                    name: (*name).to_owned(),
                    given: Given::Text((*text).to_owned()),
                    span: Span::new(file, 0, text.len()),
                    name_span: Span::new(file, 0, text.len()),
                    from: "-var".to_owned(),
                    undeclared: Undeclared::Error,
                });
            }
            By::File(text) => {
                let file = sources.add("a.mlpvars", *text);
                let (tree, _) = mlp_syntax::parse(file, text);
                let mut problems = Vec::new();
                all.extend(assignments(&tree, "a.mlpvars", &mut problems));
                assert_eq!(problems, []);
            }
        }
    }
    let inputs = Inputs {
        trees: &[&tree],
        sources: &sources,
        environment: "local",
        assignments: &all,
        root: ".",
        modules: &[],
    };
    let resolution = resolve(&inputs, facts);
    (resolution, sources)
}

/// The value of `var.v` as JSON, or the first diagnostic: its headline and the text it points at.
#[track_caller]
fn check(declaration: &str, given: &[By<'_>], wanted: &str) {
    let text = format!("{HEAD}{declaration}\nstorage \"s\" {{ labels = {{ v = jsonencode(var.v) }} }}\n");
    let (resolution, sources) = resolve_with(&text, given, &Facts::default());
    let errors = resolution.diagnostics.iter().filter(|one| one.severity != Severity::Note);
    let said: Vec<String> = errors
        .map(|one| {
            let span = one.place().unwrap();
            let at = &sources.text(span.file)[span.start as usize..span.end as usize];
            format!("{} [{at}]", one.headline)
        })
        .collect();
    let found = match said.is_empty() {
        true => {
            let shown = value(&resolution, "storage.s", "labels.v");
            serde_json::from_str::<String>(&shown).unwrap()
        }
        false => said.join(" | "),
    };
    assert_eq!(found, wanted, "{declaration}");
}

#[test]
fn text_from_outside_is_read_as_the_type_says() {
    use By::{File, Text};
    let v = |inner: &str| format!("variable \"v\" {{\n{inner}\n}}");
    for (declaration, text, wanted) in [
        ("type = string", "[1]", r#""[1]""#),
        ("type = string", "null", r#""null""#),
        ("type = number", "40", "40"),
        ("type = bool", "true", "true"),
        ("type = list(string)", "[\"a\", 1]", r#"["a","1"]"#),
        ("type = any", "{ a = [1] }", r#"{"a":[1]}"#),
        ("type = object({ a = string, n = optional(number, 3) })", "{ a = true }", r#"{"a":"true","n":3}"#),
        // Without a type, as its default is.
        ("", "01234", r#""01234""#),
        ("default = \"00000\"", "01234", r#""01234""#),
        ("default = 1", "2.50", "2.5"),
        ("default = -1", "x", r#""x""#),
        ("default = false", "true", "true"),
        ("default = []", "[1]", "[1]"),
        ("type = number", "many", "the value of variable `v` is not a number [many]"),
        ("type = list(string)", "[web]", "`web` means nothing in the value of a variable [web]"),
        ("type = list(string)", "[var.x]", "the value of a variable cannot name `var.x` [var.x]"),
    ] {
        check(&v(declaration), &[Text("v", text)], wanted);
    }
    check(&v("type = number"), &[File("v = 3")], "3");
    check(&v("type = number"), &[File("v = 3"), Text("v", "4")], "4");
    check(&v("type = number"), &[Text("v", "4"), File("v = 3")], "3");
}

#[test]
fn null_and_defaults() {
    use By::File;
    let v = |inner: &str| format!("variable \"v\" {{\n{inner}\n}}");
    check(&v("default = 1"), &[File("v = null")], "null");
    check(&v("default = 1\nnullable = false"), &[File("v = null")], "1");
    check(&v("nullable = false"), &[File("v = null")], "variable `v` may not be null [null]");
    check(&v("default = null\nnullable = false"), &[], "variable `v` may not be null [null]");
    check(&v(""), &[], "variable `v` has no value [variable \"v\"]");
    // A default is checked although another value holds.
    check(
        &v("type = number\ndefault = \"x\""),
        &[File("v = 1")],
        "the value of variable `v` is not a number [\"x\"]",
    );
    check(&v("default = local.x"), &[], "the value of a variable cannot name `local.x` [local.x]");
    check(&v("default = target.name"), &[], r#""local""#);
    check(
        &v("default = 1\nsensitive = 1 == 1"),
        &[],
        "`sensitive` of a variable is `true` or `false` [1 == 1]",
    );
}

#[test]
fn values_nobody_declares() {
    let v = "variable \"v\" {\ndefault = 1\n}";
    check(v, &[By::Text("w", "1")], "there is no variable `w`, which `-var` gives a value [1]");
    check(v, &[By::File("w = 1")], "there is no variable `w`, which `a.mlpvars` gives a value [w]");
}

#[test]
fn validations_look_at_other_values_and_show_them() {
    let rule = |condition: &str, message: &str| {
        format!(
            "variable \"most\" {{\ndefault = 8\n}}\nvariable \"v\" {{\ndefault = 9\nvalidation {{\ncondition = {condition}\nerror_message = {message}\n}}\n}}"
        )
    };
    check(&rule("var.v > var.most", "\"no\""), &[], "9");
    check(
        &rule("var.v < var.most", "\"${var.v} is too large.\""),
        &[],
        "variable `v`: 9 is too large. [var.v < var.most]",
    );
    check(&rule("var.most > 1", "\"no\""), &[], "this condition does not look at `var.v` [var.most > 1]");
    check(&rule("var.v", "\"no\""), &[], "the validation of variable `v` decides nothing [var.v]");
    let (resolution, _) = resolve_with(
        &format!("{HEAD}{}", rule("var.v < var.most && var.v > 1", "\"no\"")),
        &[],
        &Facts::default(),
    );
    assert_eq!(resolution.diagnostics[0].notes, ["`var.most` is 8", "`var.v` is 9"]);
}

#[test]
fn the_story_of_a_value_names_every_candidate() {
    let text = format!("{HEAD}variable \"v\" {{\ntype = number\ndefault = 1\n}}");
    let given = [By::File("v = 2"), By::Text("v", "3")];
    let (resolution, _) = resolve_with(&text, &given, &Facts::default());
    let story = &resolution.variables[0];
    let told: Vec<(&str, &str, bool)> =
        story.candidates.iter().map(|one| (one.from.as_str(), one.shown.as_str(), one.wins)).collect();
    assert_eq!(told, [("its default", "1", false), ("a.mlpvars", "2", false), ("-var", "3", true)]);
    assert_eq!((story.name.as_str(), story.value.as_deref()), ("var.v", Some("3")));
}

/// The addresses there are of a kind, or the first diagnostic.
#[track_caller]
fn instances(body: &str, kind: &str, wanted: &str) {
    let text = format!("{HEAD}{body}");
    let (resolution, sources) = resolve_with(&text, &[], &Facts::default());
    let found = match resolution.diagnostics.first() {
        Some(one) => {
            let span = one.place().unwrap();
            let at = &sources.text(span.file)[span.start as usize..span.end as usize];
            let said = one.labels.iter().find(|label| label.primary).unwrap();
            format!("{} [{at}] {}", one.headline, said.text)
        }
        None => {
            let platform = resolution.platform.unwrap();
            let addresses = platform.declarations.keys().filter(|address| &*address.kind == kind);
            addresses.map(ToString::to_string).collect::<Vec<_>>().join(" ")
        }
    };
    assert!(found.starts_with(wanted), "{body}\n  found  {found}\n  wanted {wanted}");
}

#[test]
fn for_each_takes_maps_and_sets_and_count_takes_numbers() {
    let s = |inner: &str| format!("storage \"s\" {{\n{inner}\n}}\n");
    for (inner, wanted) in [
        ("for_each = { b = 1, a = 2 }", "storage.s[\"a\"] storage.s[\"b\"]"),
        ("for_each = toset([\"x\", \"y\", \"x\"])", "storage.s[\"x\"] storage.s[\"y\"]"),
        ("for_each = toset([])", ""),
        ("for_each = {}", ""),
        ("count = 2", "storage.s[0] storage.s[1]"),
        ("count = \"1\"", "storage.s[0]"),
        ("count = 0", ""),
        ("for_each = [\"x\"]", "`for_each` of storage.s cannot be used [[\"x\"]] this is a list"),
        (
            "for_each = [for x in [\"a\"] : x]",
            "`for_each` of storage.s cannot be used [[for x in [\"a\"] : x]] this is a list",
        ),
        (
            "for_each = keys({ a = 1 })",
            "`for_each` of storage.s cannot be used [keys({ a = 1 })] this is a list",
        ),
        ("for_each = toset([1])", "`for_each` of storage.s cannot be used"),
        ("for_each = null", "`for_each` of storage.s cannot be used [null] this is null"),
        ("for_each = \"x\"", "`for_each` of storage.s cannot be used [\"x\"] this is a string"),
        (
            "for_each = sensitive({ a = 1 })",
            "`for_each` of storage.s cannot be used [sensitive({ a = 1 })] its keys",
        ),
        ("count = -1", "`count` of storage.s cannot be used [-1] -1 is not a whole number"),
        ("count = 1.5", "`count` of storage.s cannot be used [1.5]"),
        ("count = true", "`count` of storage.s cannot be used [true] this is a truth value"),
        ("count = null", "`count` of storage.s cannot be used [null] this is null"),
        ("count = sensitive(1)", "`count` of storage.s cannot be used [sensitive(1)]"),
        ("count = 1\nfor_each = {}", "storage.s has both [for_each]"),
    ] {
        instances(&s(inner), "storage", wanted);
    }
    let named = |ty: &str| {
        format!(
            "variable \"v\" {{\ntype = {ty}\ndefault = [\"b\", \"a\"]\n}}\nlocals {{ v = var.v }}\n{}",
            s("for_each = local.v")
        )
    };
    instances(&named("set(string)"), "storage", "storage.s[\"a\"] storage.s[\"b\"]");
    instances(
        &named("list(string)"),
        "storage",
        "`for_each` of storage.s cannot be used [local.v] this is a list",
    );
}

#[test]
fn instances_of_others_are_named_by_key_as_a_map_and_as_a_list() {
    let parts = "storage \"s\" {\n  for_each = { a = \"one\", b = \"two\" }\n  description = each.value\n}\nstorage \"n\" {\n  count = 2\n  description = \"number ${count.index}\"\n}\n";
    for (expression, wanted) in [
        ("storage.s[\"a\"].description", "\"one\""),
        ("[for k in [\"a\", \"b\"] : storage.s[k].description]", "[\"one\",\"two\"]"),
        ("{ for key, s in storage.s : key => s.description }", "{\"a\":\"one\",\"b\":\"two\"}"),
        ("values(storage.s)[*].description", "[\"one\",\"two\"]"),
        ("storage.n[*].description", "[\"number 0\",\"number 1\"]"),
        ("keys(storage.s)", "[\"a\",\"b\"]"),
        ("length(storage.n)", "2"),
        ("local.one.description", "\"one\""),
        ("[for s in [storage.s[\"b\"]] : s.description][0]", "\"two\""),
    ] {
        let body = format!(
            "{parts}locals {{ one = storage.s[\"a\"] }}\nstorage \"t\" {{\n  labels = {{ v = jsonencode({expression}) }}\n}}\n"
        );
        let (resolution, _) = resolve_with(&format!("{HEAD}{body}"), &[], &Facts::default());
        assert_eq!(resolution.diagnostics, [], "{expression}");
        let found = value(&resolution, "storage.t", "labels.v");
        assert_eq!(serde_json::from_str::<String>(&found).unwrap(), wanted, "{expression}");
    }
    instances(
        &format!("{parts}dataset \"d\" {{ storage = storage.s }}"),
        "dataset",
        "`storage.s` has several instances [storage.s]",
    );
    instances(
        &format!("{parts}dataset \"d\" {{ storage = storage.s.x }}"),
        "dataset",
        "`storage.s` has several instances [storage.s.x]",
    );
}

#[test]
fn what_instances_follow_from_is_expanded_first() {
    let body = "storage \"a\" {\n  for_each = storage.b\n  description = each.value.description\n}\nstorage \"b\" {\n  for_each = local.keys\n  description = \"of ${each.key}\"\n}\nlocals { keys = { for k, s in storage.c : k => s } }\nstorage \"c\" {\n  for_each = toset([\"x\"])\n}\n";
    instances(body, "storage", "storage.a[\"x\"] storage.b[\"x\"] storage.c[\"x\"]");
    instances(
        "storage \"a\" {\n  for_each = storage.b\n}\nstorage \"b\" {\n  for_each = storage.a\n}\n",
        "storage",
        "the instances of `storage.",
    );
}

#[test]
fn instances_that_are_known_only_after_an_apply_wait() {
    let body = "dataset \"d\" {}\nstorage \"s\" {\n  for_each = toset([dataset.d.version])\n}\n";
    let text = format!("{HEAD}{body}");
    let (resolution, _) = resolve_with(&text, &[], &Facts::default());
    assert_eq!(resolution.diagnostics, []);
    let need = Need::Remembered("dataset.d".to_owned());
    assert!(resolution.needs.contains(&need));
    let platform = resolution.platform.unwrap();
    assert_eq!(
        (platform.deferred[0].address.to_string(), &*platform.deferred[0].after),
        ("storage.s".to_owned(), &["dataset.d".to_owned()][..])
    );
    let mut facts = Facts::default();
    facts.insert(need, Fact::Text("{\"version\":\"3f2a\"}".to_owned()));
    let (resolution, _) = resolve_with(&text, &[], &facts);
    let platform = resolution.platform.unwrap();
    assert!(
        platform.deferred.is_empty()
            && platform.declarations.contains_key(&"storage.s[\"3f2a\"]".parse().unwrap())
    );
}

/// The value of an attribute of `endpoint.e`, or the first diagnostic.
#[track_caller]
fn made(body: &str, path: &str, wanted: &str) {
    let text = format!("{HEAD}model \"m\" {{\n  aliases = [\"champion\"]\n}}\n{body}");
    let (resolution, sources) = resolve_with(&text, &[], &Facts::default());
    let found = match resolution.diagnostics.first() {
        Some(one) => {
            let span = one.place().unwrap();
            format!("{} [{}]", one.headline, &sources.text(span.file)[span.start as usize..span.end as usize])
        }
        None => value(&resolution, "endpoint.e", path),
    };
    assert!(found.starts_with(wanted), "{body}\n  found  {found}\n  wanted {wanted}");
}

#[test]
fn blocks_are_made_of_collections() {
    let variants = |dynamic: &str, more: &str| {
        format!("endpoint \"e\" {{\n  dynamic \"variant\" {{\n{dynamic}\n  }}\n{more}\n}}\n")
    };
    let content = "content {\n model = model.m.alias.champion\n traffic = variant.value\n}";
    made(&variants(&format!("for_each = {{ a = 10, b = 90 }}\n{content}"), ""), "variant.b.traffic", "90");
    made(
        &variants(
            "for_each = [1, 99]\niterator = it\nlabels = [\"v${it.key}\"]\ncontent {\n model = model.m.alias.champion\n traffic = it.value\n}",
            "",
        ),
        "variant.v1.traffic",
        "99",
    );
    made(
        &variants(
            &format!("for_each = {{ a = 10 }}\n{content}"),
            "variant \"b\" {\n model = model.m.alias.champion\n traffic = 90\n}",
        ),
        "variant.b.traffic",
        "90",
    );
    made(
        &variants(
            &format!("for_each = {{ a = 10 }}\n{content}"),
            "variant \"a\" {\n model = model.m.alias.champion\n traffic = 90\n}",
        ),
        "variant",
        "`variant` \"a\" stands twice",
    );
    made(
        &variants(&format!("for_each = [1, 2]\nlabels = [\"x\"]\n{content}"), ""),
        "variant",
        "`variant` \"x\" stands twice",
    );
    made(
        &variants(&format!("for_each = [1]\n{content}"), ""),
        "variant",
        "a block of `variant` needs a label",
    );
    made(&variants("for_each = { a = 1 }", ""), "variant", "`dynamic` holds one `content` block");
    made(
        &variants(&format!("for_each = {{ a = 1 }}\nfor_eech = 1\n{content}"), ""),
        "variant",
        "`dynamic` has no attribute or block `for_eech`",
    );
    made(
        &variants("for_each = { a = 1 }\ncontent {\n modl = 1\n}", ""),
        "variant",
        "`variant` of `endpoint` has no attribute or block `modl` [modl]",
    );
    made(
        &variants(&format!("for_each = 7\n{content}"), ""),
        "variant",
        "no blocks can be made for `variant` [7]",
    );
    made(
        "endpoint \"e\" {\n  dynamic \"varant\" {\n    for_each = {}\n    content {}\n  }\n}\n",
        "variant",
        "`endpoint` has no attribute or block `varant` [\"varant\"]",
    );
    made(
        "endpoint \"e\" {\n  dynamic \"scaling\" {\n    for_each = [3]\n    content {\n max = scaling.value\n}\n  }\n}\n",
        "scaling.max",
        "3",
    );
    made(
        "endpoint \"e\" {\n  dynamic \"scaling\" {\n    for_each = [3, 4]\n    content {\n max = scaling.value\n}\n  }\n}\n",
        "scaling.max",
        "`scaling` can stand once",
    );
    made(
        "endpoint \"e\" {\n  dynamic \"protocol\" {\n    for_each = [3]\n    content {}\n  }\n}\n",
        "protocol",
        "`protocol` of `endpoint` is no block",
    );
}

#[test]
fn dynamic_blocks_lie_in_each_other_and_are_merged_by_environments() {
    let nested = "dataset \"d\" {\n  dynamic \"quality\" {\n    for_each = [1]\n    content {\n      dynamic \"expect\" {\n        for_each = { a = \"x\", b = \"y\" }\n        content {\n          check = \"not_null\"\n          columns = [expect.value, \"c${quality.value}\"]\n        }\n      }\n    }\n  }\n}\n";
    let (resolution, _) = resolve_with(&format!("{HEAD}{nested}"), &[], &Facts::default());
    assert_eq!(resolution.diagnostics, []);
    assert_eq!(value(&resolution, "dataset.d", "quality.expect.b.columns"), "[\"y\",\"c1\"]");
    let text = "project \"p\" {}\nprovider \"local\" \"here\" {}\nenvironment \"local\" {\n  provider = provider.local.here\n  endpoint \"e\" {\n    variant \"b\" {\n      traffic = 85\n    }\n  }\n}\nmodel \"m\" {\n  aliases = [\"champion\"]\n}\nendpoint \"e\" {\n  dynamic \"variant\" {\n    for_each = { a = 15, b = 90 }\n    content {\n      model = model.m.alias.champion\n      traffic = variant.value\n    }\n  }\n}\n";
    let (resolution, _) = resolve_with(text, &[], &Facts::default());
    assert_eq!(resolution.diagnostics, []);
    assert_eq!(value(&resolution, "endpoint.e", "variant.b.traffic"), "85");
    assert_eq!(value(&resolution, "endpoint.e", "variant.a.traffic"), "15");
}

#[test]
fn what_is_ephemeral_is_not_kept() {
    let head =
        "variable \"token\" {\n  default = \"t0k\"\n  ephemeral = true\n}\nlocals { t = upper(var.token) }\n";
    for (body, wanted) in [
        ("storage \"s\" {\n  description = local.t\n}\n", "an ephemeral value would be kept here [local.t]"),
        (
            "storage \"s\" {\n  labels = { a = \"x${var.token}\" }\n}\n",
            "an ephemeral value would be kept here [\"x${var.token}\"]",
        ),
        ("output \"o\" {\n  value = var.token\n}\n", "an ephemeral value would be kept here [var.token]"),
        (
            "component \"c\" {\n  code = \"src\"\n  run = \"./x ${input.a} ${var.token}\"\n}\n",
            "an ephemeral value would be kept here",
        ),
        ("storage \"s\" {\n  count = length(var.token)\n}\n", "`count` of storage.s cannot be used"),
        ("storage \"s\" {\n  description = ephemeralasnull(local.t)\n}\n", ""),
        (
            "storage \"s\" {\n  lifecycle {\n    precondition {\n      condition = var.token != \"\"\n      error_message = \"no token\"\n    }\n  }\n}\n",
            "",
        ),
    ] {
        let text = format!("{HEAD}{head}{body}");
        let (resolution, sources) = resolve_with(&text, &[], &Facts::default());
        let said: Vec<String> = resolution
            .diagnostics
            .iter()
            .map(|one| {
                let span = one.place().unwrap();
                format!(
                    "{} [{}]",
                    one.headline,
                    &sources.text(span.file)[span.start as usize..span.end as usize]
                )
            })
            .collect();
        let said = said.join(" | ");
        assert!(if wanted.is_empty() { said.is_empty() } else { said.starts_with(wanted) }, "{body}: {said}");
        if wanted.is_empty() {
            let held = format!(
                "{:?}",
                resolution.platform.unwrap().declarations.values().map(|one| &one.body).collect::<Vec<_>>()
            );
            assert!(!held.contains("t0k") && !held.contains("T0K"), "{held}");
        }
    }
}
