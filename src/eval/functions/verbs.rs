//! The verbs of `format`: `%s %d %f %e %g %t %v %q %x %o %b %%`, with flags, width, precision and `%[1]d`.

use mlp_value::{Number, Value};

use super::Fault;
use super::json;
use crate::PlanValue;
use crate::budget::Budget;
use crate::convert::{describe, to_bool, to_number, to_text};
use crate::text::characters;

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
pub(super) fn format(format: &str, values: &[&PlanValue], budget: &Budget) -> Result<String, Fault> {
    let mut done = String::new();
    let (mut next, mut used, mut rest, mut numbered) = (0, 0, format, false);
    while let Some(at) = rest.find('%') {
        budget.text(at)?;
        done.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            done.push('%');
            rest = after;
            continue;
        }
        let (verb, letter) = parse(&mut rest, &mut next, &mut numbered)?;
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
    if used < values.len() && !numbered {
        return Err(format!("{} values are given, the format uses {used}", values.len()).into());
    }
    Ok(done)
}

/// What a format certainly makes at its start: its text before the first verb.
pub(super) fn certain_start(format: &PlanValue) -> Option<String> {
    let text = format.as_text()?.split('%').next().unwrap_or_default();
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn parse(rest: &mut &str, next: &mut usize, numbered: &mut bool) -> Result<(Verb, char), String> {
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
        *numbered = true;
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

fn one(verb: &Verb, letter: char, value: &PlanValue, budget: &Budget) -> Result<String, Fault> {
    if !"vstqdfFeEgGxXob".contains(letter) {
        return Err(format!("there is no verb `%{letter}`; possible are s d f e g t v q x o b and %%").into());
    }
    if value.is_null() && letter != 'v' {
        return Err(format!("`%{letter}`: the value is null").into());
    }
    let at = |why: String| format!("`%{letter}`: {why}");
    let number = || to_number(value).map_err(at);
    Ok(match letter {
        'v' => plain(verb, value, budget)?,
        's' => truncated(&to_text(value).map_err(at)?, verb.precision),
        'q' => json::quoted(&to_text(value).map_err(at)?),
        't' => to_bool(value).map_err(at)?.to_string(),
        'd' => signed(verb, whole(&number()?, letter)?.to_string()),
        'f' | 'F' => signed(verb, fixed(&number()?, verb.precision.unwrap_or(6))),
        'e' | 'E' => signed(verb, scientific(&number()?, verb.precision.unwrap_or(6), letter)),
        'g' | 'G' => signed(verb, general(&number()?, verb.precision, letter, 6)),
        _ => {
            let number = whole(&number()?, letter)?;
            let number = number.to_i64().ok_or_else(|| at(format!("{number} is too large")))?;
            let size = number.unsigned_abs();
            let text = match letter {
                'x' => format!("{size:x}"),
                'X' => format!("{size:X}"),
                'o' => format!("{size:o}"),
                _ => format!("{size:b}"),
            };
            let prefix = match (verb.sharp, letter) {
                (true, 'x') => "0x",
                (true, 'X') => "0X",
                (true, 'o') => "0",
                (true, 'b') => "0b",
                _ => "",
            };
            signed(verb, format!("{}{prefix}{text}", if number < 0 { "-" } else { "" }))
        }
    })
}

/// The value in its plainest form: simple ones as text, others as JSON.
fn plain(verb: &Verb, value: &PlanValue, budget: &Budget) -> Result<String, Fault> {
    match value {
        Value::Text(text) if !verb.sharp => Ok(text.to_string()),
        Value::Number(number) if !verb.sharp => Ok(general(number, verb.precision, 'g', 21)),
        Value::Bool(truth) if !verb.sharp => Ok(truth.to_string()),
        _ => {
            let mut text = String::new();
            json::write(value, &mut text, budget)?;
            Ok(text)
        }
    }
}

fn whole(number: &Number, letter: char) -> Result<Number, String> {
    if number.is_integer() {
        return Ok(number.clone());
    }
    Err(format!(
        "`%{letter}`: a whole number is needed, this is {}",
        describe(&Value::Number(number.clone()))
    ))
}

fn truncated(text: &str, precision: Option<usize>) -> String {
    precision.map_or_else(|| text.to_owned(), |count| characters(text).take(count).collect())
}

/// So many decimals, with zeros.
fn fixed(number: &Number, decimals: usize) -> String {
    let rounded = number.rounded_even(i64::try_from(decimals).unwrap_or(i64::MAX)).to_string();
    let have = rounded.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let point = if have == 0 && decimals > 0 { "." } else { "" };
    // What rounds to zero keeps its sign.
    let sign = if number.is_negative() && !rounded.starts_with('-') { "-" } else { "" };
    format!("{sign}{rounded}{point}{}", "0".repeat(decimals.saturating_sub(have)))
}

/// Significant digits without zeros at the end, and the place of the point behind the first of them.
fn significant(number: &Number) -> (String, i64) {
    let text = number.to_string();
    let text = text.trim_start_matches('-');
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let all = format!("{whole}{fraction}");
    let zeros = all.len() - all.trim_start_matches('0').len();
    let digits = all[zeros..].trim_end_matches('0').to_owned();
    if digits.is_empty() {
        return ("0".to_owned(), 0);
    }
    let place = i64::try_from(whole.len()).unwrap_or(i64::MAX) - i64::try_from(zeros).unwrap_or(i64::MAX) - 1;
    (digits, place)
}

/// As C and Go write it: an exponent of at least two digits.
fn scientific(number: &Number, precision: usize, letter: char) -> String {
    let (_, place) = significant(number);
    let decimals = i64::try_from(precision).unwrap_or(i64::MAX).saturating_sub(place);
    let rounded = number.rounded_even(decimals);
    let (digits, place) = significant(&rounded);
    with_exponent(number.is_negative(), &digits, precision, place, letter)
}

fn with_exponent(negative: bool, digits: &str, decimals: usize, place: i64, letter: char) -> String {
    let (first, rest) = digits.split_at(1);
    let point = if decimals > 0 { "." } else { "" };
    let (minus, sign) = (if negative { "-" } else { "" }, if place < 0 { '-' } else { '+' });
    let rest = format!("{rest:0<decimals$}");
    format!("{minus}{first}{point}{rest}{letter}{sign}{:02}", place.abs())
}

/// With an exponent where that is shorter, as C and Go decide it; `limit` is the exponent from which on it is where all digits are
/// written.
fn general(number: &Number, precision: Option<usize>, letter: char, limit: i64) -> String {
    let letter = if letter == 'G' { 'E' } else { 'e' };
    let (_, place) = significant(number);
    let wanted = precision.map(|precision| i64::try_from(precision.max(1)).unwrap_or(i64::MAX));
    let rounded = match wanted {
        Some(count) => number.rounded_even(count.saturating_sub(1).saturating_sub(place)),
        None => number.clone(),
    };
    let (digits, place) = significant(&rounded);
    let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let limit = match wanted {
        None => limit,
        Some(count) if count > length && length > place => length,
        Some(count) => count,
    };
    if place < -4 || place >= limit {
        return with_exponent(number.is_negative(), &digits, digits.len() - 1, place, letter);
    }
    rounded.to_string()
}

fn signed(verb: &Verb, text: String) -> String {
    match (text.starts_with('-'), verb.plus, verb.space) {
        (false, true, _) => format!("+{text}"),
        (false, false, true) => format!(" {text}"),
        _ => text,
    }
}

fn padded(verb: &Verb, text: String, letter: char) -> String {
    let missing = verb.width.unwrap_or(0).saturating_sub(characters(&text).count());
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
