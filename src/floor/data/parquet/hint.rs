//! What Arrow's writers say about columns beside the schema of Parquet: the metadata `ARROW:schema`, a flatbuffer in
//! base64 (Schema.fbs and Message.fbs of the Arrow format). Only in there it stands that integers are durations.

use std::cell::Cell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::kind::Unit;

/// Arrow's type of a column, as far as it says what Parquet's does not.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Hint {
    Text,
    Date { milliseconds: bool },
    Time(Unit),
    Timestamp { unit: Unit, zone: bool },
    Duration(Unit),
    IntervalMonths,
    List(Box<Hint>),
    Struct(Vec<(String, Hint)>),
    Map(Box<Hint>),
    Other,
}

/// The types of all columns, from the text of the metadata.
pub(super) fn decode(encoded: &str) -> Result<Hint, String> {
    let bytes = STANDARD.decode(encoded).map_err(|error| wrong(&error.to_string()))?;
    // Since Arrow 0.15 a message begins with a mark and its length.
    let message = match bytes.strip_prefix(&[0xff; 4]) {
        Some(rest) if rest.len() > 4 => &rest[4..],
        _ => &bytes,
    };
    // A field takes at least 16 bytes; one that stands in several places is damage, and could be read for ever.
    let fields_left = Cell::new(message.len() / 16);
    let buffer = Buffer { bytes: message, fields_left: &fields_left };
    buffer.schema().ok_or_else(|| wrong("it is cut off or makes no sense"))
}

fn wrong(why: &str) -> String {
    format!("its metadata `ARROW:schema` cannot be read: {why}")
}

/// How deep types may be nested; deeper ones are damage.
const DEPTH: usize = 64;

/// A flatbuffer. Reads beyond its end are none.
#[derive(Clone, Copy)]
struct Buffer<'a> {
    bytes: &'a [u8],
    fields_left: &'a Cell<usize>,
}

/// A table in it: where it starts, and where the offsets of its fields are.
#[derive(Clone, Copy)]
struct Fields<'a> {
    buffer: Buffer<'a>,
    start: usize,
    offsets: &'a [u8],
}

impl<'a> Buffer<'a> {
    fn read<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    fn u16(self, at: usize) -> Option<u16> {
        self.read(at).map(u16::from_le_bytes)
    }

    fn u32(self, at: usize) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.read(at)?)).ok()
    }

    /// Where an offset that stands here leads to.
    fn follow(self, at: usize) -> Option<usize> {
        at.checked_add(self.u32(at)?)
    }

    fn table(self, start: usize) -> Option<Fields<'a>> {
        let back = i64::from(i32::from_le_bytes(self.read(start)?));
        let table = usize::try_from(i64::try_from(start).ok()? - back).ok()?;
        let length = usize::from(self.u16(table)?);
        let offsets = self.bytes.get(table.checked_add(4)?..table.checked_add(length)?)?;
        Some(Fields { buffer: self, start, offsets })
    }

    fn schema(self) -> Option<Hint> {
        let message = self.table(self.follow(0)?)?;
        const IS_SCHEMA: u8 = 1;
        if message.u8(1)? != IS_SCHEMA {
            return None;
        }
        let schema = message.table(2)?;
        let columns = schema.tables(1)?.into_iter().map(|field| field.named(0));
        columns.collect::<Option<Vec<_>>>().map(Hint::Struct)
    }
}

impl<'a> Fields<'a> {
    /// Where the field of a number is; none where it has its default.
    fn at(&self, number: usize) -> Option<usize> {
        let offset = self.offsets.get(number * 2..number * 2 + 2)?;
        let offset = usize::from(u16::from_le_bytes([offset[0], offset[1]]));
        if offset == 0 { None } else { self.start.checked_add(offset) }
    }

    fn u8(&self, number: usize) -> Option<u8> {
        self.buffer.read::<1>(self.at(number)?).map(|[byte]| byte)
    }

    fn u16(&self, number: usize, default: u16) -> Option<u16> {
        self.at(number).map_or(Some(default), |at| self.buffer.u16(at))
    }

    fn table(&self, number: usize) -> Option<Self> {
        self.buffer.table(self.buffer.follow(self.at(number)?)?)
    }

    fn text(&self, number: usize) -> Option<&'a str> {
        let start = self.buffer.follow(self.at(number)?)?;
        let length = self.buffer.u32(start)?;
        let from = start.checked_add(4)?;
        std::str::from_utf8(self.buffer.bytes.get(from..from.checked_add(length)?)?).ok()
    }

    /// The tables of a list; without one there are none.
    fn tables(&self, number: usize) -> Option<Vec<Self>> {
        let Some(at) = self.at(number) else { return Some(Vec::new()) };
        let start = self.buffer.follow(at)?;
        let count = self.buffer.u32(start)?;
        (0..count)
            .map(|item| self.buffer.table(self.buffer.follow(start.checked_add(4 + item * 4)?)?))
            .collect()
    }

    /// A field of the schema: its name and type.
    fn named(&self, depth: usize) -> Option<(String, Hint)> {
        Some((self.text(0).unwrap_or_default().to_owned(), self.hint(depth)?))
    }

    fn hint(&self, depth: usize) -> Option<Hint> {
        let left = &self.buffer.fields_left;
        left.set(left.get().checked_sub(1).filter(|_| depth <= DEPTH)?);
        let children = || -> Option<Vec<(String, Hint)>> {
            self.tables(5)?.iter().map(|child| child.named(depth + 1)).collect()
        };
        let only = || -> Option<Box<Hint>> { children()?.pop().map(|(_, hint)| Box::new(hint)) };
        let kind = self.table(3)?;
        // The numbers of the union `Type`.
        Some(match self.u8(2)? {
            5 | 20 | 24 => Hint::Text,
            8 => Hint::Date { milliseconds: kind.u16(0, 1)? == 1 },
            9 => Hint::Time(unit(kind.u16(0, 1)?)?),
            10 => Hint::Timestamp {
                unit: unit(kind.u16(0, 0)?)?,
                zone: kind.text(1).is_some_and(|zone| !zone.is_empty()),
            },
            11 if kind.u16(0, 0)? == 0 => Hint::IntervalMonths,
            12 | 16 | 21 | 25 | 26 => Hint::List(only()?),
            13 => Hint::Struct(children()?),
            17 => Hint::Map(only()?),
            18 => Hint::Duration(unit(kind.u16(0, 1)?)?),
            _ => Hint::Other,
        })
    }
}

fn unit(number: u16) -> Option<Unit> {
    Some(match number {
        0 => Unit::Second,
        1 => Unit::Millisecond,
        2 => Unit::Microsecond,
        3 => Unit::Nanosecond,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A schema that pyarrow wrote, of one column `d` that is `duration[s]`.
    const DURATION: &str = "/////3AAAAAQAAAAAAAKAAwABgAFAAgACgAAAAABBAAMAAAACAAIAAAABAAIAAAABAAAAAEAAAAUAAAAEAAUAAgABgAHAAwAAAAQABAAAAAAAAESEAAAABgAAAAEAAAAAAAAAAEAAABkAAYACAAGAAYAAAAAAAAA";

    #[test]
    fn a_schema_is_read_and_no_part_of_it_is() {
        let wanted = Hint::Struct(vec![("d".to_owned(), Hint::Duration(Unit::Second))]);
        assert_eq!(decode(DURATION), Ok(wanted));
        let bytes = STANDARD.decode(DURATION).unwrap();
        for end in 0..bytes.len() / 2 {
            assert!(decode(&STANDARD.encode(&bytes[..end])).is_err(), "{end}");
        }
        assert!(decode("no base64!").is_err());
    }

    #[test]
    fn fields_within_themselves_end() {
        let bytes = STANDARD.decode(DURATION).unwrap();
        for at in 0..bytes.len() {
            for value in [0, 1, 4, 0xf0, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                let _ = decode(&STANDARD.encode(&changed));
            }
        }
    }
}
