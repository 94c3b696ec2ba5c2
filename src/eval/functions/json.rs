//! JSON with exact numbers, both ways.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlp_value::Value;

use super::Fault;
use super::arguments::Arguments;
use crate::PlanValue;
use crate::budget::Budget;

/// Deeper than this is no document that a person meant.
const MAX_DEPTH: usize = 200;

/// JSON as Terraform writes it: exact numbers, sorted keys, and `<`, `>`, `&` escaped.
pub(super) fn write(value: &PlanValue, out: &mut String, budget: &Budget) -> Result<(), Fault> {
    let push = |text: &str, out: &mut String| -> Result<(), Fault> {
        budget.text(text.len())?;
        out.push_str(text);
        Ok(())
    };
    match value {
        Value::Null => push("null", out),
        Value::Bool(truth) => push(if *truth { "true" } else { "false" }, out),
        Value::Number(number) => push(&number.to_string(), out),
        Value::Text(text) => push(&quoted(text), out),
        Value::List(items) => {
            push("[", out)?;
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out, budget)?;
            }
            out.push(']');
            Ok(())
        }
        Value::Object(items) => {
            push("{", out)?;
            for (at, (key, item)) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                push(&quoted(key), out)?;
                out.push(':');
                write(item, out, budget)?;
            }
            out.push('}');
            Ok(())
        }
        Value::Hole(_) => Err("a value is not known yet".into()),
    }
}

/// Text in quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = serde_json::Value::from(text).to_string();
    for (letter, escape) in [
        ('<', "\\u003c"),
        ('>', "\\u003e"),
        ('&', "\\u0026"),
        ('\u{2028}', "\\u2028"),
        ('\u{2029}', "\\u2029"),
    ] {
        if quoted.contains(letter) {
            quoted = quoted.replace(letter, escape);
        }
    }
    quoted
}

/// The value of a JSON text. The library reads numbers as floats, so the structure is read here, and texts by the library.
pub(super) fn read(text: &str, call: &Arguments<'_>) -> Result<PlanValue, Fault> {
    let mut reader = Reader { text, at: 0, call };
    let value = reader.value(0)?;
    reader.blanks();
    if reader.at < text.len() {
        return Err(reader.fault("nothing more").into());
    }
    Ok(value)
}

struct Reader<'t, 'c> {
    text: &'t str,
    at: usize,
    call: &'c Arguments<'c>,
}

impl Reader<'_, '_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn fault(&self, wanted: &str) -> String {
        let line = self.text[..self.at].matches('\n').count() + 1;
        let found: String = self.rest().chars().take(12).collect();
        let found = if found.is_empty() { "the end".to_owned() } else { format!("{found:?}") };
        format!("it is not JSON: line {line} has {found} where {wanted} is expected")
    }

    /// Whether the letter stands here; then it is passed.
    fn takes(&mut self, letter: char) -> bool {
        self.blanks();
        let here = self.rest().starts_with(letter);
        self.at += usize::from(here);
        here
    }

    fn value(&mut self, depth: usize) -> Result<PlanValue, Fault> {
        if depth > MAX_DEPTH {
            return Err(format!("it is nested more than {MAX_DEPTH} levels deep").into());
        }
        self.call.budget.items(1)?;
        self.blanks();
        for (word, value) in
            [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))]
        {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        match self.rest().chars().next() {
            Some('[') => self.list(depth),
            Some('{') => self.object(depth),
            Some('"') => Ok(Value::Text(self.quoted()?)),
            Some('-' | '0'..='9') => self.number(),
            _ => Err(self.fault("a value").into()),
        }
    }

    fn list(&mut self, depth: usize) -> Result<PlanValue, Fault> {
        self.at += 1;
        let mut items = Vec::new();
        if self.takes(']') {
            return Ok(Value::list(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.takes(']') {
                return Ok(Value::list(items));
            }
            if !self.takes(',') {
                return Err(self.fault("`,` or `]`").into());
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<PlanValue, Fault> {
        self.at += 1;
        let mut items = BTreeMap::new();
        if self.takes('}') {
            return Ok(Value::Object(Arc::new(items.into_iter().collect())));
        }
        loop {
            self.blanks();
            if !self.rest().starts_with('"') {
                return Err(self.fault("a key in quotes").into());
            }
            let key = self.quoted()?;
            if !self.takes(':') {
                return Err(self.fault("`:`").into());
            }
            items.insert(key, self.value(depth + 1)?);
            if self.takes('}') {
                return Ok(Value::Object(Arc::new(items.into_iter().collect())));
            }
            if !self.takes(',') {
                return Err(self.fault("`,` or `}`").into());
            }
        }
    }

    fn quoted(&mut self) -> Result<Arc<str>, Fault> {
        let bytes = self.rest().as_bytes();
        let mut end = 1;
        while end < bytes.len() && bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let text = self.rest().get(..=end).ok_or_else(|| self.fault("a text that ends"))?;
        let read: String = serde_json::from_str(text).map_err(|_| self.fault("a text"))?;
        self.at += end + 1;
        Ok(Arc::from(read))
    }

    fn number(&mut self) -> Result<PlanValue, Fault> {
        let rest = self.rest();
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && !"+-.eE".contains(letter));
        let text = &rest[..end.unwrap_or(rest.len())];
        // The library knows what a number looks like; what it is worth is read exactly.
        let is_number = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        let number = text.parse().ok().filter(|_| is_number).ok_or_else(|| self.fault("a number"))?;
        self.at += text.len();
        Ok(Value::Number(number))
    }
}
