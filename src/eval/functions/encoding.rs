//! JSON, YAML, CSV, base64 and URLs.

use std::io::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mlp_value::{Type, Value};

use super::arguments::{Arguments, Fault, blame, give, text};
use super::define::Want::{Any, Text};
use super::define::{FunctionInfo, new, nullable, p};
use super::{Given, json, yaml};
use crate::typed::Typed;

pub(super) const FUNCTIONS: &[FunctionInfo] = &[
    new("base64decode", "The text that was encoded as base64.", &[p("text", Text)], Text, |call| {
        match String::from_utf8(decoded(call)?) {
            Ok(decoded) => text(decoded),
            Err(_) => blame(0, "its bytes are not UTF-8 text"),
        }
    })
    .examples(&[("base64decode(\"SGVsbG8=\")", "\"Hello\"")]),
    new("base64encode", "The text's UTF-8 bytes as base64.", &[p("text", Text)], Text, |call| {
        encoded(call, call.text(0)?.as_bytes())
    })
    .examples(&[("base64encode(\"Hello\")", "\"SGVsbG8=\"")]),
    new(
        "base64gzip",
        "The text's UTF-8 bytes compressed by gzip, as base64.",
        &[p("text", Text)],
        Text,
        |call| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            let body = call.text(0)?;
            call.budget.text(body.len())?;
            let written = encoder.write_all(body.as_bytes()).and_then(|()| encoder.finish());
            encoded(call, &written.map_err(|error| error.to_string())?)
        },
    )
    .differs("the bytes differ from those of Terraform's compressor; unpacked they are the same"),
    new(
        "csvdecode",
        "The rows of a CSV text with a header, as a list of objects.",
        &[p("text", Text)],
        Any,
        csvdecode,
    )
    .examples(&[("csvdecode(\"a,b\\n1,2\\n\")", "[{ a = \"1\", b = \"2\" }]")]),
    new("jsondecode", "The value of a JSON text.", &[p("text", Text)], Any, |call| {
        let text = call.text(0)?;
        json::read(&text, call)
            .map_or_else(|fault| if fault.exhausted { Err(fault) } else { blame(0, fault.why) }, give)
    })
    .examples(&[("jsondecode(\"{\\\"a\\\": [1, true]}\")", "{ a = [1, true] }")]),
    new("jsonencode", "The value as JSON text.", &[nullable("value", Any)], Text, |call| {
        let mut written = String::new();
        json::write(call.value(0), &mut written, call.budget)?;
        text(written)
    })
    .examples(&[("jsonencode({ b = 1, a = [true, null] })", "\"{\\\"a\\\":[true,null],\\\"b\\\":1}\"")]),
    new(
        "textdecodebase64",
        "The text whose bytes in an encoding were encoded as base64.",
        &[p("text", Text), p("encoding", Text)],
        Text,
        |call| {
            let bytes = decoded(call)?;
            let encoding = Encoding::named(call)?;
            match encoding.read(&bytes) {
                Some(read) => text(read),
                None => blame(0, "its bytes are no text in that encoding"),
            }
        },
    )
    .examples(&[("textdecodebase64(\"SABpAA==\", \"UTF-16LE\")", "\"Hi\"")])
    .differs(ENCODINGS),
    new(
        "textencodebase64",
        "The text's bytes in an encoding, as base64.",
        &[p("text", Text), p("encoding", Text)],
        Text,
        |call| {
            let encoding = Encoding::named(call)?;
            match encoding.write(&call.text(0)?) {
                Some(bytes) => encoded(call, &bytes),
                None => blame(0, "it holds a character that the encoding lacks"),
            }
        },
    )
    .examples(&[("textencodebase64(\"Hi\", \"UTF-16LE\")", "\"SABpAA==\"")])
    .differs(ENCODINGS),
    new("urlencode", "The text escaped for the query of a URL.", &[p("text", Text)], Text, urlencode)
        .examples(&[("urlencode(\"a b&c\")", "\"a+b%26c\"")]),
    new("yamldecode", "The value of a YAML text of one document.", &[p("text", Text)], Any, |call| {
        let text = call.text(0)?;
        yaml::read(&text, call)
            .map_or_else(|fault| if fault.exhausted { Err(fault) } else { blame(0, fault.why) }, give)
    })
    .examples(&[("yamldecode(\"a: 1\\nb: [x, 2.5]\\n\")", "{ a = 1, b = [\"x\", 2.5] }")]),
    new("yamlencode", "The value as YAML text.", &[nullable("value", Any)], Text, |call| {
        let mut written = String::new();
        yaml::write(call.value(0), &mut written, call.budget)?;
        text(written)
    })
    .examples(&[("yamlencode({ a = 1, b = [\"x\"] })", "\"\\\"a\\\": 1\\n\\\"b\\\":\\n- \\\"x\\\"\\n\"")]),
];

const ENCODINGS: &str =
    "knows `UTF-8`, `UTF-16`, `UTF-16LE`, `UTF-16BE`, `ISO-8859-1` and `US-ASCII`; others are refused";

fn encoded(call: &Arguments<'_>, bytes: &[u8]) -> Given {
    call.budget.text(bytes.len() / 3 * 4 + 4)?;
    text(STANDARD.encode(bytes))
}

/// Bytes as base64.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn decoded(call: &Arguments<'_>) -> Result<Vec<u8>, Fault> {
    // Line ends are no part of it, as in mail.
    let body: String = call.text(0)?.chars().filter(|letter| !matches!(letter, '\n' | '\r')).collect();
    STANDARD.decode(body).or_else(|error| blame(0, format!("it is not base64: {error}")))
}

#[derive(Clone, Copy)]
enum Encoding {
    Utf8,
    /// Two bytes a unit, the low one first or not, with a mark at the start or not.
    Utf16 {
        low_first: bool,
        marked: bool,
    },
    Latin1,
    Ascii,
}

impl Encoding {
    fn named(call: &Arguments<'_>) -> Result<Self, Fault> {
        let name = call.text(1)?;
        Ok(match name.to_ascii_uppercase().as_str() {
            "UTF-8" | "UTF8" => Self::Utf8,
            "UTF-16LE" => Self::Utf16 { low_first: true, marked: false },
            "UTF-16BE" => Self::Utf16 { low_first: false, marked: false },
            "UTF-16" => Self::Utf16 { low_first: false, marked: true },
            "ISO-8859-1" | "LATIN1" | "ISO_8859-1" => Self::Latin1,
            "US-ASCII" | "ASCII" => Self::Ascii,
            _ => return blame(1, format!("{name:?} is not among the encodings known here; it {ENCODINGS}")),
        })
    }

    fn write(self, text: &str) -> Option<Vec<u8>> {
        let one = |most: u32| {
            let bytes = text
                .chars()
                .map(|letter| u8::try_from(u32::from(letter)).ok().filter(|byte| u32::from(*byte) <= most));
            bytes.collect::<Option<Vec<u8>>>()
        };
        match self {
            Self::Utf8 => Some(text.as_bytes().to_vec()),
            Self::Latin1 => one(0xff),
            Self::Ascii => one(0x7f),
            Self::Utf16 { low_first, marked } => {
                let units = marked.then_some(0xfeff).into_iter().chain(text.encode_utf16());
                let bytes =
                    units.map(|unit: u16| if low_first { unit.to_le_bytes() } else { unit.to_be_bytes() });
                Some(bytes.flatten().collect())
            }
        }
    }

    fn read(self, bytes: &[u8]) -> Option<String> {
        match self {
            Self::Utf8 => String::from_utf8(bytes.to_vec()).ok(),
            Self::Latin1 => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
            Self::Ascii => bytes.is_ascii().then(|| bytes.iter().map(|byte| char::from(*byte)).collect()),
            Self::Utf16 { low_first, marked } => {
                let (low_first, bytes) = match (marked, bytes) {
                    (true, [0xff, 0xfe, rest @ ..]) => (true, rest),
                    (true, [0xfe, 0xff, rest @ ..]) => (false, rest),
                    _ => (low_first, bytes),
                };
                let units = bytes.chunks(2).map(|pair| match pair {
                    [first, second] if low_first => Some(u16::from_le_bytes([*first, *second])),
                    [first, second] => Some(u16::from_be_bytes([*first, *second])),
                    _ => None,
                });
                String::from_utf16(&units.collect::<Option<Vec<u16>>>()?).ok()
            }
        }
    }
}

fn urlencode(call: &Arguments<'_>) -> Given {
    let body = call.text(0)?;
    call.budget.text(body.len() * 3)?;
    let mut encoded = String::new();
    for byte in body.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push('+'),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    text(encoded)
}

fn csvdecode(call: &Arguments<'_>) -> Given {
    let body = call.text(0)?;
    let mut rows = csv_rows(&body).or_else(|why| blame(0, why))?.into_iter();
    let Some(header) = rows.next() else { return blame(0, "it has no header line") };
    let header: Vec<Arc<str>> = header.into_iter().map(Arc::from).collect();
    if let Some(twice) = header.iter().enumerate().find(|(at, name)| header[..*at].contains(name)) {
        return blame(0, format!("its header names the column {:?} twice", twice.1));
    }
    let mut objects = Vec::new();
    for (at, row) in rows.enumerate() {
        if row.len() != header.len() {
            let why = format!("row {} has {} fields, the header has {}", at + 2, row.len(), header.len());
            return blame(0, why);
        }
        call.budget.items(row.len() + 1)?;
        objects.push(Value::Object(Arc::new(
            header.iter().cloned().zip(row.into_iter().map(Value::text)).collect(),
        )));
    }
    let columns = header.iter().map(|name| (name.to_string(), (Type::String, false)));
    let ty = Type::List(Box::new(Type::Object(columns.collect())));
    Ok(Some(Typed::new(Value::list(objects), &ty)))
}

/// Rows of fields after RFC 4180; a quote within a field that is not quoted is refused, which no library here does.
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
