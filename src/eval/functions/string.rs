//! Text.

use mlp_value::{Type, Value};

use super::arguments::{Arguments, blame, give, text};
use super::collection::texts;
use super::define::Want::{Any, Bool, Number, Text, Texts};
use super::define::{FunctionInfo, new, nullable, p};
use super::{Given, verbs};
use crate::text::characters;
use crate::typed::{Typed, tuple};

pub(super) const FUNCTIONS: &[FunctionInfo] = &[
    new("chomp", "The text without line ends at its end.", &[p("text", Text)], Text, |call| {
        text(call.text(0)?.trim_end_matches(['\n', '\r']))
    })
    .examples(&[("chomp(\"hello\\n\")", "\"hello\"")]),
    new("endswith", "Whether the text ends so.", &[p("text", Text), p("suffix", Text)], Bool, |call| {
        give(Value::Bool(call.text(0)?.ends_with(&*call.text(1)?)))
    })
    .examples(&[("endswith(\"hello world\", \"world\")", "true")]),
    new("format", "The values put into a format such as `%s: %05.2f`.", &[p("format", Text)], Text, format)
        .variadic(nullable("values", Any))
        .deciding()
        .examples(&[("format(\"%s: %05.2f\", \"pi\", 3.14159)", "\"pi: 03.14\"")])
        .differs("a width or precision beyond 4096 is refused"),
    new(
        "formatlist",
        "One text for each item of the lists, as `format` makes it.",
        &[p("format", Text)],
        Texts,
        formatlist,
    )
    .variadic(nullable("lists", Any))
    .examples(&[("formatlist(\"%s-%s\", [\"a\", \"b\"], \"x\")", "[\"a-x\", \"b-x\"]")]),
    new(
        "indent",
        "The text with every line but the first indented.",
        &[p("spaces", Number), p("text", Text)],
        Text,
        indent,
    )
    .examples(&[("indent(2, \"a\\nb\")", "\"a\\n  b\"")]),
    new(
        "join",
        "The items of the lists as one text with a separator between.",
        &[p("separator", Text)],
        Text,
        join,
    )
    .variadic(p("lists", Texts))
    .examples(&[("join(\", \", [\"foo\", \"bar\"])", "\"foo, bar\"")]),
    new("lower", "The text in lower case.", &[p("text", Text)], Text, |call| {
        let text = call.text(0)?;
        let letters = text.chars().map(|letter| letter.to_lowercase().next().unwrap_or(letter));
        self::text(letters.collect::<String>())
    })
    .examples(&[("lower(\"HELLO\")", "\"hello\"")]),
    new(
        "split",
        "The texts between the separators.",
        &[p("separator", Text), p("text", Text)],
        Texts,
        split,
    )
    .examples(&[("split(\",\", \"foo,bar\")", "[\"foo\", \"bar\"]")]),
    new("startswith", "Whether the text starts so.", &[p("text", Text), p("prefix", Text)], Bool, startswith)
        .deciding()
        .examples(&[("startswith(\"hello world\", \"hello\")", "true")]),
    new("strcontains", "Whether the text contains the part.", &[p("text", Text), p("part", Text)], Bool, |call| {
        give(Value::Bool(call.text(0)?.contains(&*call.text(1)?)))
    })
    .examples(&[("strcontains(\"hello world\", \"wor\")", "true")]),
    new("strrev", "The text backwards.", &[p("text", Text)], Text, |call| {
        text(characters(&call.text(0)?).rev().collect::<String>())
    })
    .examples(&[("strrev(\"hello\")", "\"olleh\"")]),
    new(
        "substr",
        "A part of the text, in characters; a negative offset counts from the end, a negative length takes the rest.",
        &[p("text", Text), p("offset", Number), p("length", Number)],
        Text,
        substr,
    )
    .examples(&[("substr(\"hello world\", 1, 4)", "\"ello\""), ("substr(\"hello\", -2, -1)", "\"lo\"")]),
    new("title", "The text with the first letter of every word in upper case.", &[p("text", Text)], Text, title)
        .examples(&[("title(\"hello world\")", "\"Hello World\"")]),
    new(
        "trim",
        "The text without the characters at its ends.",
        &[p("text", Text), p("characters", Text)],
        Text,
        |call| {
            let characters = call.text(1)?;
            text(call.text(0)?.trim_matches(|letter| characters.contains(letter)))
        },
    )
    .examples(&[("trim(\"?!hello?!\", \"!?\")", "\"hello\"")]),
    new(
        "trimprefix",
        "The text without the prefix, if it has it.",
        &[p("text", Text), p("prefix", Text)],
        Text,
        |call| {
            let body = call.text(0)?;
            text(body.strip_prefix(&*call.text(1)?).unwrap_or(&body))
        },
    )
    .examples(&[("trimprefix(\"helloworld\", \"hello\")", "\"world\"")]),
    new("trimspace", "The text without blanks at its ends.", &[p("text", Text)], Text, |call| {
        text(call.text(0)?.trim())
    })
    .examples(&[("trimspace(\"  hello\\n\\n\")", "\"hello\"")]),
    new(
        "trimsuffix",
        "The text without the suffix, if it has it.",
        &[p("text", Text), p("suffix", Text)],
        Text,
        |call| {
            let body = call.text(0)?;
            text(body.strip_suffix(&*call.text(1)?).unwrap_or(&body))
        },
    )
    .examples(&[("trimsuffix(\"helloworld\", \"world\")", "\"hello\"")]),
    new("upper", "The text in upper case.", &[p("text", Text)], Text, |call| {
        let text = call.text(0)?;
        self::text(text.chars().map(upper).collect::<String>())
    })
    .examples(&[("upper(\"hello\")", "\"HELLO\"")]),
];

/// A letter's own capital; one that would become several letters stays.
fn upper(letter: char) -> char {
    let mut capital = letter.to_uppercase();
    match (capital.next(), capital.next()) {
        (Some(capital), None) => capital,
        _ => letter,
    }
}

fn title(call: &Arguments<'_>) -> Given {
    let mut start = true;
    let mut done = String::new();
    for letter in call.text(0)?.chars() {
        done.push(if start { upper(letter) } else { letter });
        start = match letter {
            '_' => false,
            letter if letter.is_ascii() => !letter.is_ascii_alphanumeric(),
            letter if letter.is_alphanumeric() => false,
            letter => letter.is_whitespace(),
        };
    }
    text(done)
}

fn format(call: &Arguments<'_>) -> Given {
    let Value::Text(format) = call.value(0) else { return Ok(None) };
    if call.values.iter().any(|typed| typed.value.has_holes()) {
        return Ok(None);
    }
    let values: Vec<_> = call.values[1..].iter().map(|typed| &typed.value).collect();
    text(verbs::format(format, &values, call.budget)?)
}

fn formatlist(call: &Arguments<'_>) -> Given {
    let format = call.text(0)?;
    let mut length = None;
    for at in 1..call.len() {
        if let Value::List(items) = call.value(at) {
            if length.is_some_and(|length| length != items.len()) {
                return blame(at, "the lists have different lengths");
            }
            length = Some(items.len());
        }
    }
    let length = length.unwrap_or(1);
    call.budget.items(length)?;
    let mut made = Vec::with_capacity(length);
    for number in 0..length {
        let row: Vec<_> = (1..call.len())
            .map(|at| call.value(at).as_list().map_or(call.value(at), |items| &items[number]))
            .collect();
        made.push(Value::text(verbs::format(&format, &row, call.budget)?));
    }
    Ok(Some(texts(made)))
}

fn indent(call: &Arguments<'_>) -> Given {
    let (spaces, body) = (call.size(0)?, call.text(1)?);
    let lines = body.matches('\n').count();
    call.budget.text(lines.saturating_mul(spaces).saturating_add(body.len()))?;
    text(body.replace('\n', &format!("\n{}", " ".repeat(if lines == 0 { 0 } else { spaces }))))
}

fn join(call: &Arguments<'_>) -> Given {
    if call.len() < 2 {
        return Err("at least one list is needed".into());
    }
    let separator = call.text(0)?;
    let mut joined = String::new();
    let mut first = true;
    for at in 1..call.len() {
        for item in call.texts(at)? {
            if !first {
                call.budget.text(separator.len())?;
                joined.push_str(&separator);
            }
            first = false;
            call.budget.text(item.len())?;
            joined.push_str(&item);
        }
    }
    text(joined)
}

fn split(call: &Arguments<'_>) -> Given {
    let (separator, body) = (call.text(0)?, call.text(1)?);
    if separator.is_empty() {
        call.budget.items(body.len())?;
        return Ok(Some(texts(body.chars().map(|letter| Value::text(letter.to_string())))));
    }
    call.budget.items(body.matches(&*separator).count() + 1)?;
    Ok(Some(texts(body.split(&*separator).map(Value::text))))
}

/// The start of a text may be known before the text is.
fn startswith(call: &Arguments<'_>) -> Given {
    match (call.value(0), call.value(1)) {
        (Value::Text(body), Value::Text(prefix)) => give(Value::Bool(body.starts_with(&**prefix))),
        (Value::Hole(hole), Value::Text(prefix)) => match &hole.prefix {
            Some(known) if known.starts_with(&**prefix) => give(Value::Bool(true)),
            Some(known) if !prefix.starts_with(known.as_str()) => give(Value::Bool(false)),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

fn substr(call: &Arguments<'_>) -> Given {
    let (body, offset, length) = (call.text(0)?, call.integer(1)?, call.integer(2)?);
    let skip = match usize::try_from(offset) {
        Ok(offset) => offset,
        Err(_) => {
            let back = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
            characters(&body).count().saturating_sub(back)
        }
    };
    let take = usize::try_from(length).unwrap_or(usize::MAX);
    text(characters(&body).skip(skip).take(take).collect::<String>())
}

/// Groups of a match as a tuple.
pub(super) fn row(items: Vec<Typed>) -> Typed {
    tuple(items)
}

/// The type of a text or null.
pub(super) const TEXT: &Type = &Type::String;
