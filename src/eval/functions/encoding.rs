//! JSON, base64, URLs and CSV.

use std::sync::Arc;

use mlp_value::{KnownValue, Object, Type, Value};

use super::{Arguments, FunctionInfo, Given, function};
use crate::PlanValue;
use crate::budget::Budget;

pub(super) const FUNCTIONS: &[FunctionInfo] = &[
    function(
        "base64decode",
        "base64decode(text)",
        "The text that was encoded as base64.",
        Type::String,
        (1, 1),
        base64decode,
    ),
    function(
        "base64encode",
        "base64encode(text)",
        "The text's UTF-8 bytes as base64.",
        Type::String,
        (1, 1),
        base64encode,
    ),
    function(
        "csvdecode",
        "csvdecode(text)",
        "The rows of a CSV text with a header, as a list of objects.",
        Type::Any,
        (1, 1),
        csvdecode,
    ),
    function("jsondecode", "jsondecode(text)", "The value of a JSON text.", Type::Any, (1, 1), |call| {
        let json: serde_json::Value =
            serde_json::from_str(&call.text(0)?).map_err(|error| error.to_string())?;
        Ok(Some(KnownValue::from_json(&json)?.lift()))
    }),
    function("jsonencode", "jsonencode(value)", "The value as JSON text.", Type::String, (1, 1), |call| {
        let mut text = String::new();
        json(call.value(0), &mut text, call.budget)?;
        Ok(Some(Value::text(text)))
    }),
    function(
        "urlencode",
        "urlencode(text)",
        "The text escaped for the query of a URL.",
        Type::String,
        (1, 1),
        urlencode,
    ),
];

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64encode(call: &Arguments<'_>) -> Given {
    let text = call.text(0)?;
    call.budget.text(text.len() / 3 * 4 + 4)?;
    let mut encoded = String::with_capacity(text.len() / 3 * 4 + 4);
    for chunk in text.as_bytes().chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let sextet = (bits >> (18 - 6 * at) & 63) as usize;
            encoded.push(if at <= chunk.len() { char::from(ALPHABET[sextet]) } else { '=' });
        }
    }
    Ok(Some(Value::text(encoded)))
}

fn base64decode(call: &Arguments<'_>) -> Given {
    let text = call.text(0)?;
    let refuse = || "the text is not base64".to_owned();
    let bare = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - bare.len() > 2 {
        return Err(refuse());
    }
    let mut bytes = Vec::with_capacity(bare.len() / 4 * 3 + 3);
    for chunk in bare.as_bytes().chunks(4) {
        let mut bits = 0u32;
        for at in 0..4 {
            let sextet = match chunk.get(at) {
                Some(byte) => ALPHABET.iter().position(|letter| letter == byte).ok_or_else(refuse)?,
                None => 0,
            };
            bits = bits << 6 | u32::try_from(sextet).map_err(|_| refuse())?;
        }
        let [_, first, second, third] = bits.to_be_bytes();
        bytes.extend_from_slice(&[first, second, third][..chunk.len().saturating_sub(1)]);
    }
    let decoded = String::from_utf8(bytes).map_err(|_| "the bytes are not UTF-8 text".to_owned())?;
    Ok(Some(Value::text(decoded)))
}

/// JSON as Terraform writes it: exact numbers, sorted keys, and `<`, `>`, `&` escaped.
pub(super) fn json(value: &PlanValue, out: &mut String, budget: &Budget) -> Result<(), String> {
    let mut push = |text: &str| -> Result<(), String> {
        budget.text(text.len())?;
        out.push_str(text);
        Ok(())
    };
    match value {
        Value::Null => push("null"),
        Value::Bool(truth) => push(if *truth { "true" } else { "false" }),
        Value::Number(number) => push(&number.to_string()),
        Value::Text(text) => push(&json_text(text)),
        Value::List(items) => {
            push("[")?;
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                json(item, out, budget)?;
            }
            out.push(']');
            Ok(())
        }
        Value::Object(items) => {
            push("{")?;
            for (at, (key, item)) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&json_text(key));
                out.push(':');
                json(item, out, budget)?;
            }
            out.push('}');
            Ok(())
        }
        Value::Hole(_) => Err("a value is not known yet".to_owned()),
    }
}

fn json_text(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn urlencode(call: &Arguments<'_>) -> Given {
    let text = call.text(0)?;
    call.budget.text(text.len() * 3)?;
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte))
            }
            b' ' => encoded.push('+'),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    Ok(Some(Value::text(encoded)))
}

fn csvdecode(call: &Arguments<'_>) -> Given {
    let text = call.text(0)?;
    let mut rows = csv_rows(&text)?.into_iter();
    let header: Vec<Arc<str>> = rows.next().unwrap_or_default().into_iter().map(Arc::from).collect();
    let mut objects = Vec::new();
    for (at, row) in rows.enumerate() {
        if row.len() != header.len() {
            return Err(format!("row {} has {} fields, the header has {}", at + 2, row.len(), header.len()));
        }
        call.budget.items(row.len() + 1)?;
        let object: Object<crate::Unknown> =
            header.iter().cloned().zip(row.into_iter().map(Value::text)).collect();
        objects.push(Value::Object(Arc::new(object)));
    }
    Ok(Some(Value::list(objects)))
}

/// Rows of fields after RFC 4180.
fn csv_rows(text: &str) -> Result<Vec<Vec<String>>, String> {
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut was_quoted) = (false, false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            other if quoted => field.push(other),
            '"' if field.is_empty() && !was_quoted => (quoted, was_quoted) = (true, true),
            '"' => return Err("a quote stands inside a field that is not quoted".to_owned()),
            ',' => {
                row.push(std::mem::take(&mut field));
                was_quoted = false;
            }
            '\r' if letters.peek() == Some(&'\n') => {}
            '\n' => {
                if !(row.is_empty() && field.is_empty() && !was_quoted) {
                    row.push(std::mem::take(&mut field));
                    rows.push(std::mem::take(&mut row));
                }
                was_quoted = false;
            }
            other => field.push(other),
        }
    }
    if quoted {
        return Err("a quoted field is not closed".to_owned());
    }
    if !(row.is_empty() && field.is_empty() && !was_quoted) {
        row.push(field);
        rows.push(row);
    }
    Ok(rows)
}
