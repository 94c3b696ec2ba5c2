//! The verbs of `format`: `%s %d %f %e %g %t %v %q %x %o %b %%`, with flags, width, precision and `%[1]d`.

use mlp_value::{Number, Value};

use super::encoding::json;
use crate::PlanValue;
use crate::budget::Budget;
use crate::convert::{describe, to_bool, to_number, to_text};

/// Wider than this is a slip, or an attempt to fill the memory.
const MAX_WIDTH: usize = 4096;

#[derive(Default)]
struct Verb {
    minus: bool,
    plus: bool,
    space: bool,
    zero: bool,
    sharp: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Puts values into a format.
pub(super) fn format(format: &str, values: &[PlanValue], budget: &Budget) -> Result<String, String> {
    let mut done = String::new();
    let (mut next, mut used, mut rest) = (0, 0, format);
    while let Some(at) = rest.find('%') {
        budget.text(at)?;
        done.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            done.push('%');
            rest = after;
            continue;
        }
        let (verb, letter) = parse(&mut rest, &mut next)?;
        let value =
            values.get(next).ok_or_else(|| format!("`%{letter}` has no value: {} given", values.len()))?;
        next += 1;
        used = used.max(next);
        let text = padded(&verb, one(&verb, letter, value, budget)?, letter);
        budget.text(text.len())?;
        done.push_str(&text);
    }
    budget.text(rest.len())?;
    done.push_str(rest);
    if used < values.len() {
        return Err(format!("{} values are given, the format uses {used}", values.len()));
    }
    Ok(done)
}

fn parse(rest: &mut &str, next: &mut usize) -> Result<(Verb, char), String> {
    let mut verb = Verb::default();
    loop {
        let mut letters = rest.chars();
        match letters.next() {
            Some('-') => verb.minus = true,
            Some('+') => verb.plus = true,
            Some(' ') => verb.space = true,
            Some('0') => verb.zero = true,
            Some('#') => verb.sharp = true,
            _ => break,
        }
        *rest = letters.as_str();
    }
    verb.width = digits(rest)?;
    if let Some(after) = rest.strip_prefix('.') {
        *rest = after;
        verb.precision = Some(digits(rest)?.unwrap_or(0));
    }
    if let Some(after) = rest.strip_prefix('[') {
        *rest = after;
        let index = digits(rest)?.and_then(|index| index.checked_sub(1));
        *next = index.ok_or("`%[` needs a number from 1 and `]`")?;
        *rest = rest.strip_prefix(']').ok_or("`%[` needs a number from 1 and `]`")?;
    }
    let mut letters = rest.chars();
    let letter = letters.next().ok_or("the format ends within a verb")?;
    *rest = letters.as_str();
    Ok((verb, letter))
}

fn digits(rest: &mut &str) -> Result<Option<usize>, String> {
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let (number, after) = rest.split_at(end);
    *rest = after;
    if number.is_empty() {
        return Ok(None);
    }
    match number.parse() {
        Ok(number) if number <= MAX_WIDTH => Ok(Some(number)),
        _ => Err(format!("a width, precision or index of {number} is beyond {MAX_WIDTH}")),
    }
}

fn one(verb: &Verb, letter: char, value: &PlanValue, budget: &Budget) -> Result<String, String> {
    let at = |why: String| format!("`%{letter}`: {why}");
    let number = || to_number(value).map_err(at);
    Ok(match letter {
        'v' if !verb.sharp && matches!(value, Value::Text(_) | Value::Number(_) | Value::Bool(_)) => {
            to_text(value).map_err(at)?.to_string()
        }
        'v' => {
            let mut text = String::new();
            json(value, &mut text, budget)?;
            text
        }
        's' => truncated(&to_text(value).map_err(at)?, verb.precision),
        'q' => serde_json::Value::from(&*to_text(value).map_err(at)?).to_string(),
        't' => to_bool(value).map_err(at)?.to_string(),
        'd' => signed(verb, &whole(&number()?, letter)?.to_string()),
        'f' | 'F' => signed(verb, &fixed(&number()?, verb.precision.unwrap_or(6))),
        'e' | 'E' => signed(verb, &scientific(&number()?, verb.precision.unwrap_or(6), letter)),
        'g' | 'G' => signed(verb, &number()?.to_string()),
        'x' | 'X' if matches!(value, Value::Text(_)) => {
            let text = to_text(value).map_err(at)?;
            budget.text(text.len() * 2)?;
            let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
            if letter == 'X' { hex.to_uppercase() } else { hex }
        }
        'x' | 'X' | 'o' | 'b' => {
            let number = whole(&number()?, letter)?;
            let number = number.to_i64().ok_or_else(|| at(format!("{number} is too large")))?;
            let size = number.unsigned_abs();
            let text = match letter {
                'x' => format!("{size:x}"),
                'X' => format!("{size:X}"),
                'o' => format!("{size:o}"),
                _ => format!("{size:b}"),
            };
            signed(verb, &if number < 0 { format!("-{text}") } else { text })
        }
        other => {
            return Err(format!("there is no verb `%{other}`; possible are s d f e g t v q x o b and %%"));
        }
    })
}

fn whole(number: &Number, letter: char) -> Result<Number, String> {
    if number.is_integer() {
        Ok(number.clone())
    } else {
        Err(format!(
            "`%{letter}`: a whole number is needed, this is {}",
            describe(&Value::Number(number.clone()))
        ))
    }
}

fn truncated(text: &str, precision: Option<usize>) -> String {
    precision.map_or_else(|| text.to_owned(), |count| text.chars().take(count).collect())
}

/// So many decimals, with zeros.
fn fixed(number: &Number, decimals: usize) -> String {
    let rounded = number.rounded(i64::try_from(decimals).unwrap_or(i64::MAX)).to_string();
    let have = rounded.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let point = if have == 0 && decimals > 0 { "." } else { "" };
    format!("{rounded}{point}{}", "0".repeat(decimals.saturating_sub(have)))
}

/// As C and Go write it: an exponent of at least two digits.
fn scientific(number: &Number, precision: usize, letter: char) -> String {
    let text = format!("{:.precision$e}", number.to_f64());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, size) = exponent.strip_prefix('-').map_or(('+', exponent), |size| ('-', size));
    format!("{mantissa}{letter}{sign}{size:0>2}")
}

fn signed(verb: &Verb, text: &str) -> String {
    match (text.starts_with('-'), verb.plus, verb.space) {
        (false, true, _) => format!("+{text}"),
        (false, false, true) => format!(" {text}"),
        _ => text.to_owned(),
    }
}

fn padded(verb: &Verb, text: String, letter: char) -> String {
    let missing = verb.width.unwrap_or(0).saturating_sub(text.chars().count());
    if missing == 0 {
        return text;
    }
    if verb.minus {
        return format!("{text}{}", " ".repeat(missing));
    }
    if verb.zero && !matches!(letter, 's' | 'q' | 't' | 'v') {
        let sign = usize::from(text.starts_with(['-', '+', ' ']));
        return format!("{}{}{}", &text[..sign], "0".repeat(missing), &text[sign..]);
    }
    format!("{}{text}", " ".repeat(missing))
}
