//! Text.

use mlp_value::{Type, Value};
use regex::Regex;

use super::{Arguments, FunctionInfo, Given, MANY, function, verbs};

pub(super) const FUNCTIONS: &[FunctionInfo] = &[
    function(
        "chomp",
        "chomp(text)",
        "The text without line ends at its end.",
        Type::String,
        (1, 1),
        |call| text(call.text(0)?.trim_end_matches(['\n', '\r'])),
    ),
    function("endswith", "endswith(text, suffix)", "Whether the text ends so.", Type::Bool, (2, 2), |call| {
        Ok(Some(Value::Bool(call.text(0)?.ends_with(&*call.text(1)?))))
    }),
    function(
        "format",
        "format(format, values...)",
        "The values put into a format such as `%s: %05.2f`.",
        Type::String,
        (1, MANY),
        |call| {
            verbs::format(&call.text(0)?, &call.values[1..], call.budget).map(|done| Some(Value::text(done)))
        },
    ),
    function(
        "formatlist",
        "formatlist(format, lists...)",
        "One text for each item of the lists.",
        Type::Any,
        (1, MANY),
        formatlist,
    ),
    function(
        "indent",
        "indent(spaces, text)",
        "The text with every line but the first indented.",
        Type::String,
        (2, 2),
        |call| {
            let (spaces, body) = (call.size(0)?, call.text(1)?);
            let lines = body.matches('\n').count();
            call.budget.text(lines.saturating_mul(spaces).saturating_add(body.len()))?;
            text(&body.replace('\n', &format!("\n{}", " ".repeat(if lines == 0 { 0 } else { spaces }))))
        },
    ),
    function(
        "join",
        "join(separator, lists...)",
        "The items of the lists as one text with a separator between.",
        Type::String,
        (2, MANY),
        join,
    ),
    function("lower", "lower(text)", "The text in lower case.", Type::String, (1, 1), |call| {
        text(&call.text(0)?.to_lowercase())
    }),
    function(
        "regex",
        "regex(pattern, text)",
        "The first match: its text, or its groups as a list or, if named, an object.",
        Type::Any,
        (2, 2),
        |call| {
            let (pattern, body) = (pattern(&call.text(0)?)?, call.text(1)?);
            let found =
                pattern.captures(&body).ok_or_else(|| format!("`{pattern}` matches nothing in the text"))?;
            Ok(Some(groups(&pattern, &found)))
        },
    ),
    function(
        "regexall",
        "regexall(pattern, text)",
        "All matches, each as `regex` gives it.",
        Type::Any,
        (2, 2),
        |call| {
            let (pattern, body) = (pattern(&call.text(0)?)?, call.text(1)?);
            let mut all = Vec::new();
            for found in pattern.captures_iter(&body) {
                call.budget.items(found.len())?;
                all.push(groups(&pattern, &found));
            }
            Ok(Some(Value::list(all)))
        },
    ),
    function(
        "replace",
        "replace(text, part, by)",
        "The text with every part replaced; a part between slashes is a regular expression.",
        Type::String,
        (3, 3),
        replace,
    ),
    function(
        "split",
        "split(separator, text)",
        "The texts between the separators.",
        Type::Any,
        (2, 2),
        |call| {
            let (separator, body) = (call.text(0)?, call.text(1)?);
            if separator.is_empty() {
                call.budget.items(body.len())?;
                return Ok(Some(Value::list(body.chars().map(|letter| Value::text(letter.to_string())))));
            }
            call.budget.items(body.matches(&*separator).count() + 1)?;
            Ok(Some(Value::list(body.split(&*separator).map(Value::text))))
        },
    ),
    function(
        "startswith",
        "startswith(text, prefix)",
        "Whether the text starts so.",
        Type::Bool,
        (2, 2),
        |call| Ok(Some(Value::Bool(call.text(0)?.starts_with(&*call.text(1)?)))),
    ),
    function(
        "strcontains",
        "strcontains(text, part)",
        "Whether the text contains the part.",
        Type::Bool,
        (2, 2),
        |call| Ok(Some(Value::Bool(call.text(0)?.contains(&*call.text(1)?)))),
    ),
    function("strrev", "strrev(text)", "The text backwards.", Type::String, (1, 1), |call| {
        text(&call.text(0)?.chars().rev().collect::<String>())
    }),
    function(
        "substr",
        "substr(text, offset, length)",
        "A part of the text, in characters; a negative offset counts from the end, length -1 takes the rest.",
        Type::String,
        (3, 3),
        substr,
    ),
    function(
        "title",
        "title(text)",
        "The text with the first letter of every word in upper case.",
        Type::String,
        (1, 1),
        |call| {
            let mut start = true;
            let mut done = String::new();
            for letter in call.text(0)?.chars() {
                if start {
                    done.extend(letter.to_uppercase())
                } else {
                    done.push(letter)
                }
                start = !(letter.is_alphanumeric() || letter == '_' || letter == '\'');
            }
            text(&done)
        },
    ),
    function(
        "trim",
        "trim(text, characters)",
        "The text without the characters at its ends.",
        Type::String,
        (2, 2),
        |call| {
            let characters = call.text(1)?;
            text(call.text(0)?.trim_matches(|letter| characters.contains(letter)))
        },
    ),
    function(
        "trimprefix",
        "trimprefix(text, prefix)",
        "The text without the prefix, if it has it.",
        Type::String,
        (2, 2),
        |call| {
            let body = call.text(0)?;
            text(body.strip_prefix(&*call.text(1)?).unwrap_or(&body))
        },
    ),
    function(
        "trimspace",
        "trimspace(text)",
        "The text without blanks at its ends.",
        Type::String,
        (1, 1),
        |call| text(call.text(0)?.trim()),
    ),
    function(
        "trimsuffix",
        "trimsuffix(text, suffix)",
        "The text without the suffix, if it has it.",
        Type::String,
        (2, 2),
        |call| {
            let body = call.text(0)?;
            text(body.strip_suffix(&*call.text(1)?).unwrap_or(&body))
        },
    ),
    function("upper", "upper(text)", "The text in upper case.", Type::String, (1, 1), |call| {
        text(&call.text(0)?.to_uppercase())
    }),
];

fn text(text: &str) -> Given {
    Ok(Some(Value::text(text)))
}

fn formatlist(call: &Arguments<'_>) -> Given {
    let format = call.text(0)?;
    let lengths: Vec<usize> =
        call.values[1..].iter().filter_map(|value| Some(value.as_list()?.len())).collect();
    let length = lengths.first().copied().unwrap_or(1);
    if lengths.iter().any(|other| *other != length) {
        return Err("the lists have different lengths".to_owned());
    }
    call.budget.items(length)?;
    let texts = (0..length).map(|at| {
        let row: Vec<_> = call.values[1..]
            .iter()
            .map(|value| value.as_list().map_or(value, |items| &items[at]).clone())
            .collect();
        verbs::format(&format, &row, call.budget).map(Value::text)
    });
    Ok(Some(Value::list(texts.collect::<Result<Vec<_>, _>>()?)))
}

fn join(call: &Arguments<'_>) -> Given {
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
    text(&joined)
}

fn pattern(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| format!("`{pattern}` is not a regular expression: {error}"))
}

fn groups(pattern: &Regex, found: &regex::Captures<'_>) -> crate::PlanValue {
    let group = |at: usize| found.get(at).map_or(Value::Null, |part| Value::text(part.as_str()));
    if found.len() == 1 {
        return group(0);
    }
    if pattern.capture_names().flatten().next().is_some() {
        let names = pattern.capture_names().enumerate();
        return Value::object(names.filter_map(|(at, name)| Some((name?, group(at)))));
    }
    Value::list((1..found.len()).map(group))
}

fn replace(call: &Arguments<'_>) -> Given {
    let (body, part, by) = (call.text(0)?, call.text(1)?, call.text(2)?);
    let expression = part.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    let Some(expression) = expression else {
        let matches = if part.is_empty() { body.chars().count() + 1 } else { body.matches(&*part).count() };
        call.budget.text(matches.saturating_mul(by.len()).saturating_add(body.len()))?;
        return text(&body.replace(&*part, &by));
    };
    let pattern = pattern(expression)?;
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
    text(&replaced)
}

fn substr(call: &Arguments<'_>) -> Given {
    let (body, offset, length) = (call.text(0)?, call.integer(1)?, call.integer(2)?);
    let total = body.chars().count();
    let skip = match usize::try_from(offset) {
        Ok(offset) => offset,
        Err(_) => total.saturating_sub(usize::try_from(offset.unsigned_abs()).unwrap_or(total)),
    };
    let take = match usize::try_from(length) {
        Ok(length) => length,
        Err(_) if length == -1 => total,
        Err(_) => return Err(format!("the length must be -1 or more, it is {length}")),
    };
    text(&body.chars().skip(skip).take(take).collect::<String>())
}
