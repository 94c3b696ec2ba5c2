//! YAML, both ways: written as Terraform writes it, read by its words of YAML 1.1.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlp_value::{Number, Value};
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::arguments::{Arguments, Fault};
use crate::PlanValue;
use crate::budget::Budget;
use crate::convert::{describe, to_text};

/// Deeper than this is no document that a person meant.
const MAX_DEPTH: usize = 200;

/// Writes a value: keys and texts in quotes, lists under a key not indented.
pub(super) fn write(value: &PlanValue, out: &mut String, budget: &Budget) -> Result<(), Fault> {
    node(value, 0, out, budget)?;
    // A bare word alone needs a sign that the document ends.
    if matches!(value, Value::Null | Value::Bool(_) | Value::Number(_)) {
        out.push_str("...\n");
    }
    Ok(())
}

fn node(value: &PlanValue, indent: usize, out: &mut String, budget: &Budget) -> Result<(), Fault> {
    budget.text(indent + 8)?;
    let pad = " ".repeat(indent);
    match value {
        Value::Hole(_) => return Err("a value is not known yet".into()),
        Value::List(items) if items.is_empty() => out.push_str("[]\n"),
        Value::Object(items) if items.is_empty() => out.push_str("{}\n"),
        Value::List(items) => {
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { &pad } else { "" });
                out.push_str("- ");
                node(item, indent + 2, out, budget)?;
            }
        }
        Value::Object(items) => {
            for (at, (key, item)) in items.iter().enumerate() {
                out.push_str(if at > 0 { &pad } else { "" });
                budget.text(key.len())?;
                out.push_str(&quoted(key));
                out.push(':');
                match item {
                    Value::List(items) if !items.is_empty() => {
                        out.push('\n');
                        out.push_str(&pad);
                        node(item, indent, out, budget)?;
                    }
                    Value::Object(items) if !items.is_empty() => {
                        out.push('\n');
                        out.push_str(&" ".repeat(indent + 2));
                        node(item, indent + 2, out, budget)?;
                    }
                    _ => {
                        out.push(' ');
                        node(item, indent + 2, out, budget)?;
                    }
                }
            }
        }
        Value::Text(text) => {
            budget.text(text.len().saturating_add(text.matches('\n').count().saturating_mul(indent)))?;
            written(text, indent.max(2), out);
        }
        Value::Null => out.push_str("null\n"),
        simple => {
            out.push_str(&to_text(simple)?);
            out.push('\n');
        }
    }
    Ok(())
}

/// A text: in a block where it has several lines and nothing that a block would lose.
fn written(text: &str, indent: usize, out: &mut String) {
    let odd = |letter: char| letter.is_control() && letter != '\n' || letter == '\u{feff}';
    let block = text.contains('\n')
        && !text.starts_with([' ', '\n'])
        && !text.ends_with(' ')
        && !text.contains(" \n")
        && !text.contains(odd);
    if !block {
        out.push_str(&quoted(text));
        out.push('\n');
        return;
    }
    let body = text.trim_end_matches('\n');
    out.push_str(match text.len() - body.len() {
        0 => "|-\n",
        1 => "|\n",
        _ => "|+\n",
    });
    for line in body.split('\n') {
        if !line.is_empty() {
            out.push_str(&" ".repeat(indent));
            out.push_str(line);
        }
        out.push('\n');
    }
    out.push_str(&"\n".repeat((text.len() - body.len()).saturating_sub(1)));
}

fn quoted(text: &str) -> String {
    let mut done = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => done.push_str("\\\""),
            '\\' => done.push_str("\\\\"),
            '\n' => done.push_str("\\n"),
            '\t' => done.push_str("\\t"),
            '\r' => done.push_str("\\r"),
            '\0' => done.push_str("\\0"),
            '\u{7}' => done.push_str("\\a"),
            '\u{8}' => done.push_str("\\b"),
            '\u{1b}' => done.push_str("\\e"),
            '\u{a0}' => done.push_str("\\_"),
            '\u{2028}' => done.push_str("\\L"),
            '\u{2029}' => done.push_str("\\P"),
            other if other.is_control() => done.push_str(&format!("\\x{:02X}", u32::from(other))),
            other => done.push(other),
        }
    }
    done.push('"');
    done
}

/// The value of a YAML text of one document.
pub(super) fn read(text: &str, call: &Arguments<'_>) -> Result<PlanValue, Fault> {
    let mut reader = Reader { parser: Parser::new_from_str(text), anchors: BTreeMap::new(), call };
    let mut found = None;
    loop {
        match reader.next()? {
            Event::StreamEnd => return found.ok_or_else(|| "it holds no document".into()),
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            _ if found.is_some() => return Err("it holds more than one document".into()),
            event => found = Some(reader.value(event, 0)?),
        }
    }
}

struct Reader<'t, 'c> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    anchors: BTreeMap<usize, PlanValue>,
    call: &'c Arguments<'c>,
}

impl<'t> Reader<'t, '_> {
    fn next(&mut self) -> Result<Event<'t>, Fault> {
        match self.parser.next() {
            Some(Ok((event, _))) => Ok(event),
            Some(Err(error)) => Err(format!("it is not YAML: {error}").into()),
            None => Ok(Event::StreamEnd),
        }
    }

    fn value(&mut self, event: Event<'t>, depth: usize) -> Result<PlanValue, Fault> {
        if depth > MAX_DEPTH {
            return Err(format!("it is nested more than {MAX_DEPTH} levels deep").into());
        }
        self.call.budget.items(1)?;
        let (value, anchor) = match event {
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned();
                let value = value.ok_or("an alias stands inside what it names")?;
                // What is shared here is written out in full elsewhere.
                crate::budget::check_size(&value)?;
                return Ok(value);
            }
            Event::Scalar(text, style, anchor, tag) => (scalar(&text, style, tag.as_deref())?, anchor),
            Event::SequenceStart(anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.object(depth)?, anchor),
            _ => return Err("it is not YAML: a value is missing".into()),
        };
        self.anchors.insert(anchor, value.clone());
        Ok(value)
    }

    fn list(&mut self, depth: usize) -> Result<PlanValue, Fault> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Value::list(items)),
                event => items.push(self.value(event, depth + 1)?),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<PlanValue, Fault> {
        let (mut items, mut merged) = (BTreeMap::new(), BTreeMap::new());
        loop {
            let event = match self.next()? {
                Event::MappingEnd => break,
                event => event,
            };
            let merges = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let key = self.value(event, depth + 1)?;
            let event = self.next()?;
            let value = self.value(event, depth + 1)?;
            match (merges, &value) {
                (true, Value::Object(more)) => {
                    merged.extend(more.iter().map(|(key, item)| (key.clone(), item.clone())))
                }
                (true, _) => return Err("`<<` needs a mapping".into()),
                _ => {
                    let key = to_text(&key)
                        .map_err(|_| format!("a key must be a text, one is {}", describe(&key)))?;
                    items.insert(key, value);
                }
            }
        }
        merged.extend(items);
        Ok(Value::Object(Arc::new(merged.into_iter().collect())))
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<PlanValue, Fault> {
    let tag = tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str());
    if style != ScalarStyle::Plain && tag.is_none() || matches!(tag, Some("str" | "binary")) {
        return Ok(Value::text(text));
    }
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" => {
            Value::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => {
            Value::Bool(false)
        }
        ".inf" | ".Inf" | ".INF" | "+.inf" | "-.inf" | ".nan" | ".NaN" | ".NAN" => {
            return Err(format!("`{text}` is not a finite number").into());
        }
        _ => match number(text) {
            Some(number) => Value::Number(number),
            None if is_date(text) => Value::text(format!("{text}T00:00:00Z")),
            None => Value::text(text),
        },
    })
}

fn number(text: &str) -> Option<Number> {
    let plain = text.replace('_', "");
    let (sign, digits) = match plain.strip_prefix(['-', '+']) {
        Some(digits) => (if plain.starts_with('-') { "-" } else { "" }, digits),
        None => ("", plain.as_str()),
    };
    for (prefix, base) in [("0x", 16), ("0b", 2), ("0o", 8)] {
        if let Some(digits) = digits.strip_prefix(prefix) {
            return Number::from_radix(&format!("{sign}{digits}"), base);
        }
    }
    if !digits.starts_with(|letter: char| letter.is_ascii_digit() || letter == '.') {
        return None;
    }
    // A zero in front makes it octal, as in C.
    if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte))
    {
        return Number::from_radix(&format!("{sign}{digits}"), 8);
    }
    let decimal = digits.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    let exponent = digits.split(['e', 'E']).nth(1);
    let plain_exponent = exponent.is_none_or(|exponent| {
        exponent.trim_start_matches(['+', '-']).bytes().all(|byte| byte.is_ascii_digit())
    });
    if decimal && plain_exponent { format!("{sign}{digits}").parse().ok() } else { None }
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}
