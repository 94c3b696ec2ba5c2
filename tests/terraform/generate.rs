//! The expressions: every function with edge arguments, and operators, templates and structures put together from a seed.

use std::collections::BTreeSet;

use super::pools::{CALLS, Kind, SHARED_PREAMBLE, pool};

/// Marsaglia's xorshift: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end.max(1) as u64).unwrap()
    }

    fn of<'t, T: ?Sized>(&mut self, items: &[&'t T]) -> &'t T {
        items[self.below(items.len())]
    }
}

/// Expressions written by hand, one a paragraph, beside this file.
const HANDMADE: &str = include_str!("handmade.txt");

/// All expressions with the group they belong to, the same for the same seed.
pub fn expressions(seed: u64) -> Vec<(String, String)> {
    assert!(SHARED_PREAMBLE.contains("str "), "the preamble names what the pools use");
    let mut random = Random(seed);
    let (mut seen, mut all) = (BTreeSet::new(), Vec::new());
    let mut add = |group: &str, expr: String| {
        if seen.insert(expr.clone()) {
            all.push((group.to_owned(), expr));
        }
    };
    let mut group = "handmade";
    for paragraph in HANDMADE.split("\n\n").map(str::trim_end).filter(|paragraph| !paragraph.is_empty()) {
        match paragraph.trim_start_matches('\n').strip_prefix("### ") {
            Some(name) => group = name,
            None => add(group, paragraph.trim_start_matches('\n').to_owned()),
        }
    }
    for (function, kinds, count) in CALLS {
        for _ in 0..*count {
            let arguments: Vec<String> =
                kinds.iter().map(|kind| argument(&mut random, *kind).to_owned()).collect();
            add(&format!("function {function}"), format!("{function}({})", arguments.join(", ")));
        }
    }
    for _ in 0..260 {
        add("operators", operators(&mut random, 3));
    }
    for _ in 0..160 {
        add("conditionals", conditional(&mut random));
    }
    for _ in 0..160 {
        add("for", for_expr(&mut random, 2));
    }
    for _ in 0..100 {
        add("splats", splat(&mut random));
    }
    for _ in 0..130 {
        add("templates", template(&mut random));
    }
    for _ in 0..160 {
        add("conversions", conversion(&mut random));
    }
    for _ in 0..80 {
        add("access", access(&mut random));
    }
    for _ in 0..120 {
        add("nested", nested(&mut random, 3));
    }
    all
}

fn argument(random: &mut Random, kind: Kind) -> &'static str {
    // Now and then something of another kind: errors have to agree as well.
    let kind = match random.below(14) {
        0 => Kind::Anything,
        _ => kind,
    };
    random.of(pool(kind))
}

fn any(random: &mut Random) -> &'static str {
    random.of(pool(Kind::Anything))
}

fn operators(random: &mut Random, depth: usize) -> String {
    let leaf = |random: &mut Random| {
        let kind = if random.below(3) == 0 { Kind::Bool } else { Kind::Number };
        argument(random, kind).to_owned()
    };
    if depth == 0 || random.below(4) == 0 {
        return leaf(random);
    }
    match random.below(10) {
        0 => format!("-{}", parenthesised(&leaf(random))),
        1 => format!("!{}", parenthesised(random.of(pool(Kind::Bool)))),
        2 => format!("{} {} {}", any(random), random.of(&["==", "!="]), any(random)),
        3 => format!(
            "{} {} {}",
            parenthesised(&operators(random, depth - 1)),
            random.of(&["&&", "||"]),
            parenthesised(&operators(random, depth - 1))
        ),
        4 => format!("{} {} {}", leaf(random), random.of(&["<", "<=", ">", ">="]), leaf(random)),
        5 => format!("({})", operators(random, depth - 1)),
        _ => format!(
            "{} {} {}",
            parenthesised(&operators(random, depth - 1)),
            random.of(&["+", "-", "*", "/", "%"]),
            argument(random, Kind::Number)
        ),
    }
}

fn parenthesised(expr: &str) -> String {
    if random_free(expr) { expr.to_owned() } else { format!("({expr})") }
}

/// A lone word or literal needs no brackets.
fn random_free(expr: &str) -> bool {
    expr.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte))
}

fn conditional(random: &mut Random) -> String {
    let condition = match random.below(4) {
        0 => argument(random, Kind::Bool).to_owned(),
        1 => format!("{} == {}", any(random), any(random)),
        2 => format!("local.num > {}", argument(random, Kind::Number)),
        _ => random.of(&["true", "false"]).to_owned(),
    };
    let alike =
        [Kind::Text, Kind::Number, Kind::List, Kind::Map, Kind::Texts, Kind::Anything][random.below(6)];
    let (then, otherwise) = match random.below(3) {
        0 => (any(random), any(random)),
        _ => (argument(random, alike), argument(random, alike)),
    };
    format!("{condition} ? {then} : {otherwise}")
}

fn for_expr(random: &mut Random, depth: usize) -> String {
    let names = random.of(&["v", "k, v"]);
    let pair = names.len() > 1;
    let collection = match random.below(5) {
        0 if depth > 0 => for_expr(random, depth - 1),
        0 | 1 => argument(random, Kind::Map).to_owned(),
        2 => argument(random, Kind::Set).to_owned(),
        _ => argument(random, Kind::List).to_owned(),
    };
    let value = match random.below(8) {
        0 => "v".to_owned(),
        1 if pair => "\"${k}=${v}\"".to_owned(),
        1 => "\"<${v}>\"".to_owned(),
        2 if pair => "[k, v]".to_owned(),
        2 => "[v, v]".to_owned(),
        3 => "{ it = v }".to_owned(),
        4 => "upper(v)".to_owned(),
        5 if depth > 0 => format!("[for w in {} : w if w != v]", argument(random, Kind::List)),
        6 => "try(v.a, v[0], v)".to_owned(),
        _ => "v".to_owned(),
    };
    let condition = match random.below(5) {
        0 => " if v != null",
        1 => " if v != \"a\"",
        2 if pair => " if k != 1",
        3 => " if can(tonumber(v))",
        _ => "",
    };
    let (key, group) = match (random.below(3), pair) {
        (0, _) => return format!("[for {names} in {collection} : {value}{condition}]"),
        (1, true) => ("k", ""),
        (1, false) => ("v", ""),
        (_, true) => ("upper(k)", if random.below(2) == 0 { "..." } else { "" }),
        (_, false) => ("try(length(v), \"x\")", "..."),
    };
    format!("{{ for {names} in {collection} : {key} => {value}{group}{condition} }}")
}

fn splat(random: &mut Random) -> String {
    let target = match random.below(4) {
        0 => any(random).to_owned(),
        1 => "local.objects".to_owned(),
        2 => random
            .of(&["[{ a = 1 }, { a = \"x\" }]", "tolist([{ a = 1 }])", "toset([{ a = [1, 2] }])"])
            .to_owned(),
        _ => random
            .of(&["local.nul", "[]", "[[1, 2], [3]]", "[null, { a = 1 }]", "[{ a = { b = [7] } }]"])
            .to_owned(),
    };
    let after =
        random.of(&["[*]", "[*].a", ".*", ".*.a", "[*].a.b", "[*][0]", "[*].a[0]", ".*.a[0]", "[*].name"]);
    let expr = format!("{}{after}", if random_free(&target) { target } else { format!("({target})") });
    match random.below(4) {
        0 => format!("length({expr})"),
        1 => format!("[for x in {expr} : x]"),
        _ => expr,
    }
}

fn template(random: &mut Random) -> String {
    let piece = |random: &mut Random| match random.below(10) {
        0 => "plain ".to_owned(),
        1 => "$${not} %%{this}".to_owned(),
        2 => format!("${{{}}}", argument(random, Kind::Number)),
        3 => format!("${{~ {} ~}}", argument(random, Kind::Text)),
        4 => format!("%{{ if {} }}yes%{{ else }}no%{{ endif }}", argument(random, Kind::Bool)),
        5 => format!("%{{ for v in {} }}<${{v}}>%{{ endfor }}", argument(random, Kind::Texts)),
        6 => format!("%{{ for k, v in {} ~}} ${{k}}=${{v}}; %{{~ endfor }}", argument(random, Kind::Map)),
        7 => " \\t\\\"\\u00e9\\n".to_owned(),
        8 => format!("%{{ if {} ~}} only %{{~ endif }}", argument(random, Kind::Bool)),
        _ => format!("${{{}}}", argument(random, Kind::Text)),
    };
    let pieces: Vec<String> = (0..=random.below(4)).map(|_| piece(random)).collect();
    // Quotes inside an interpolation are fine, and heredocs take the same pieces without the escapes.
    match random.below(4) {
        0 => format!("<<EOT\n{}\n  second\nEOT\n", pieces.concat().replace("\\\"", "\"")),
        1 => format!("<<-EOT\n    {}\n      second\n    EOT\n", pieces.concat().replace("\\\"", "\"")),
        _ => format!("\"{}\"", pieces.concat()),
    }
}

fn conversion(random: &mut Random) -> String {
    let function = random.of(&["tostring", "tonumber", "tobool", "tolist", "toset", "tomap"]);
    let inner = format!("{function}({})", any(random));
    match random.below(5) {
        0 => format!("{}({inner})", random.of(&["tolist", "toset", "length", "try", "can", "jsonencode"])),
        1 => format!("{inner} == {}", any(random)),
        2 => format!("[{inner}, {}]", any(random)),
        _ => inner,
    }
}

fn access(random: &mut Random) -> String {
    let target = random.of(&[
        "local.obj",
        "local.map",
        "local.list",
        "local.tuple",
        "local.set",
        "local.objects",
        "local.str",
        "local.nul",
        "local.deep",
        "local.u_list",
        "local.u_obj",
        "local.u_any",
        "local.num",
    ]);
    let step = random.of(&[
        ".a",
        "[0]",
        "[\"a\"]",
        "[\"1\"]",
        "[1 + 1]",
        "[-1]",
        ".nope",
        "[local.nul]",
        "[1.5]",
        "[true]",
        "[local.u_str]",
        ".x.y",
        ".x[0].y",
        ".0",
        "[\"a\"].b",
        "[length(local.str)]",
        "[local.u_num]",
    ]);
    match random.below(4) {
        0 => format!("try({target}{step}, \"fallback\")"),
        1 => format!("can({target}{step})"),
        _ => format!("{target}{step}"),
    }
}

fn nested(random: &mut Random, depth: usize) -> String {
    if depth == 0 {
        return any(random).to_owned();
    }
    let one = nested(random, depth - 1);
    match random.below(12) {
        0 => format!("[{one}, {}]", any(random)),
        1 => format!("{{ a = {one}, b = {} }}", any(random)),
        2 => format!("jsonencode({one})"),
        3 => format!("try({one}, {})", any(random)),
        4 => format!("length({one})"),
        5 => format!("flatten([{one}, {}])", any(random)),
        6 => format!("coalesce({one}, {})", any(random)),
        7 => format!("tolist([{one}, {}])", any(random)),
        8 => format!("merge({one}, {})", argument(random, Kind::Map)),
        9 => format!("[for x in [{one}] : x]"),
        10 => format!("{} ? {one} : {}", argument(random, Kind::Bool), any(random)),
        _ => format!("concat([{one}], {})", argument(random, Kind::List)),
    }
}
