//! Regular expressions, in the words of RE2 that Terraform has: `\d`, `\w`, `\s` and `\b` are those of ASCII.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlp_value::{Type, Value};
use regex::{Captures, Regex, RegexBuilder};

use super::Given;
use super::arguments::{Arguments, Fault, blame, text};
use super::define::Want::{Any, List, Text};
use super::define::{FunctionInfo, new, p};
use super::string::{TEXT, row};
use crate::typed::{Typed, object};

/// What a compiled expression may take of memory.
const MAX_COMPILED: usize = 4 << 20;

pub(super) const FUNCTIONS: &[FunctionInfo] = &[
    new(
        "regex",
        "The first match: its text, or its groups as a list or, if named, an object.",
        &[p("pattern", Text), p("text", Text)],
        Any,
        |call| {
            let (pattern, body) = (pattern(0, &call.text(0)?)?, call.text(1)?);
            match pattern.captures(&body) {
                Some(found) => Ok(Some(groups(&pattern, &found))),
                None => blame(1, "the pattern matches nothing in it"),
            }
        },
    )
    .examples(&[
        ("regex(\"[a-z]+\", \"53453453.345345aaabbbccc23454\")", "\"aaabbbccc\""),
        ("regex(\"(?P<year>[0-9]+)-(?P<month>[0-9]+)\", \"2019-02\")", "{ month = \"02\", year = \"2019\" }"),
    ]),
    new(
        "regexall",
        "All matches, each as `regex` gives it.",
        &[p("pattern", Text), p("text", Text)],
        List,
        |call| {
            let (pattern, body) = (pattern(0, &call.text(0)?)?, call.text(1)?);
            let mut all = Vec::new();
            for found in pattern.captures_iter(&body) {
                call.budget.items(found.len())?;
                all.push(groups(&pattern, &found));
            }
            let ty = all.first().map_or(Type::Any, Typed::type_of);
            let list = Value::list(all.into_iter().map(|typed| typed.value));
            Ok(Some(Typed::new(list, &Type::List(Box::new(ty)))))
        },
    )
    .examples(&[("regexall(\"[a-z]+\", \"1234abcd5678efgh9\")", "[\"abcd\", \"efgh\"]")]),
    new(
        "replace",
        "The text with every part replaced; a part between slashes is a regular expression.",
        &[p("text", Text), p("part", Text), p("by", Text)],
        Text,
        replace,
    )
    .examples(&[
        ("replace(\"1 + 2 + 3\", \"+\", \"-\")", "\"1 - 2 - 3\""),
        ("replace(\"hello world\", \"/w.*d/\", \"everybody\")", "\"hello everybody\""),
    ]),
];

fn pattern(at: usize, source: &str) -> Result<Regex, Fault> {
    let built = RegexBuilder::new(&translated(source)).size_limit(MAX_COMPILED).build();
    let pattern = match built {
        Ok(pattern) => pattern,
        // What was not understood is the last line of what the library says.
        Err(error) => {
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
            return blame(at, format!("{source:?} is not a regular expression: {why}"));
        }
    };
    let named = pattern.capture_names().flatten().count();
    if named > 0 && named + 1 < pattern.captures_len() {
        return blame(at, "either all groups have names, or none");
    }
    Ok(pattern)
}

/// The expression in the words of the library, which reads classes as those of Unicode and has classes within classes.
fn translated(source: &str) -> String {
    let mut done = String::with_capacity(source.len());
    let mut letters = source.chars().peekable();
    let mut within = false;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('d') => done.push_str("[0-9]"),
                Some('D') => done.push_str("[^0-9]"),
                Some('w') => done.push_str("[0-9A-Za-z_]"),
                Some('W') => done.push_str("[^0-9A-Za-z_]"),
                Some('s') => done.push_str("[\\t\\n\\x0C\\r ]"),
                Some('S') => done.push_str("[^\\t\\n\\x0C\\r ]"),
                Some('b') if !within => done.push_str("(?-u:\\b)"),
                Some('Q') if !within => quoted(&mut letters, &mut done),
                Some(other) => done.extend(['\\', other]),
                None => done.push('\\'),
            },
            '[' if !within => {
                within = true;
                done.push('[');
                done.extend(letters.next_if_eq(&'^'));
                // A bracket that stands first is meant itself.
                if letters.next_if_eq(&']').is_some() {
                    done.push_str("\\]");
                }
            }
            '[' if letters.peek() == Some(&':') => done.push('['),
            '[' => done.push_str("\\["),
            ']' if within && done.ends_with(':') => done.push(']'),
            ']' => {
                within = false;
                done.push(']');
            }
            '&' | '~' if within => done.extend(['\\', letter]),
            other => done.push(other),
        }
    }
    done
}

/// Text that is meant itself, up to `\E`.
fn quoted(letters: &mut std::iter::Peekable<std::str::Chars<'_>>, done: &mut String) {
    let rest: String = letters.clone().collect();
    let (text, _) = rest.split_once("\\E").unwrap_or((&rest, ""));
    done.push_str(&regex::escape(text));
    let taken = text.chars().count() + if rest.contains("\\E") { 2 } else { 0 };
    for _ in 0..taken {
        letters.next();
    }
}

fn groups(pattern: &Regex, found: &Captures<'_>) -> Typed {
    let group = |at: usize| {
        let value = found.get(at).map_or(Value::Null, |part| Value::text(part.as_str()));
        Typed::new(value, TEXT)
    };
    if found.len() == 1 {
        return group(0);
    }
    if pattern.capture_names().flatten().next().is_some() {
        let names = pattern.capture_names().enumerate();
        let named: BTreeMap<Arc<str>, Typed> =
            names.filter_map(|(at, name)| Some((Arc::from(name?), group(at)))).collect();
        return object(named);
    }
    row((1..found.len()).map(group).collect())
}

fn replace(call: &Arguments<'_>) -> Given {
    let (body, part, by) = (call.text(0)?, call.text(1)?, call.text(2)?);
    let expression = part.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    let Some(expression) = expression else {
        let matches = if part.is_empty() { body.chars().count() + 1 } else { body.matches(&*part).count() };
        call.budget.text(matches.saturating_mul(by.len()).saturating_add(body.len()))?;
        return text(body.replace(&*part, &by));
    };
    let pattern = pattern(1, expression)?;
    let (mut replaced, mut end) = (String::new(), 0);
    for found in pattern.captures_iter(&body) {
        let Some(whole) = found.get(0) else { continue };
        // The replacement may repeat a group as often as it is long: it is charged before it is expanded.
        call.budget
            .text((whole.start() - end).saturating_add(by.len().saturating_mul(whole.len().max(1))))?;
        replaced.push_str(&body[end..whole.start()]);
        found.expand(&by, &mut replaced);
        end = whole.end();
    }
    replaced.push_str(&body[end..]);
    text(replaced)
}
