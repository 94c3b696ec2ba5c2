//! A JSON document of rows, written as JSON Lines while it is read.

use std::fmt;
use std::io::{Read, Write as _};

use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::SourceSpec;
use super::http::Trouble;
use super::keep::Output;
use super::wire::{BROKE_OFF, NOT_DATA};
use crate::Problem;

/// Writes every object of a list as a line; gives the bytes written.
pub(super) fn rows(spec: &SourceSpec, reader: impl Read, out: &mut Output) -> Result<u64, Trouble> {
    let mut parser = serde_json::Deserializer::from_reader(std::io::BufReader::new(reader));
    let mut bytes = 0;
    let read = parser.deserialize_seq(Rows { out, bytes: &mut bytes }).and_then(|()| parser.end());
    let Err(error) = read else { return Ok(bytes) };
    if error.is_io() || error.is_eof() {
        let problem = Problem::new(BROKE_OFF, format!("`{}` broke off: {error}", spec.uri))
            .at("uri")
            .help("apply again: nothing was changed here");
        return Err(Trouble { problem, passes: true, after: None });
    }
    let text = format!("`{}` gives no JSON list of objects: {error}", spec.uri);
    let problem = Problem::new(NOT_DATA, text)
        .at("uri")
        .help("`format = \"json\"` is one list of objects; use `jsonl` for one object a line");
    Err(problem.into())
}

struct Rows<'a> {
    out: &'a mut Output,
    bytes: &'a mut u64,
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        use serde::de::Error;
        while let Some(item) = items.next_element::<Box<RawValue>>()? {
            if !item.get().starts_with('{') {
                return Err(A::Error::custom("an item is no object"));
            }
            // Between the tokens of a document line breaks are only space; within texts they are escaped.
            let line = item.get().replace(['\n', '\r'], " ");
            self.out.write_all(line.as_bytes()).map_err(A::Error::custom)?;
            self.out.write_all(b"\n").map_err(A::Error::custom)?;
            *self.bytes += line.len() as u64 + 1;
        }
        Ok(())
    }
}
