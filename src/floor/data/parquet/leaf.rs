//! One leaf column: a batch of its values with their levels, and the cells of them.

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType, FixedLenByteArray, Int96};

use super::kind::Kind;
use super::{decimal, text};
use crate::data::cell::Cell;

/// A leaf column of the file, and what was read of it last.
pub(super) struct Leaf {
    kind: Kind,
    reader: Option<ColumnReader>,
    values: Values,
    /// The cells of the values that are not null, each of which is taken once.
    cells: std::vec::IntoIter<Cell>,
    levels: Levels,
    at: usize,
}

/// The levels of a batch. Where the column has none of a kind, all are the same.
struct Levels {
    count: usize,
    defined: Vec<i16>,
    repeated: Vec<i16>,
    /// The level of definition of a value.
    full: i16,
    has_defined: bool,
    has_repeated: bool,
}

#[derive(Default)]
struct Values {
    bools: Vec<bool>,
    i32s: Vec<i32>,
    i64s: Vec<i64>,
    i96s: Vec<Int96>,
    f32s: Vec<f32>,
    f64s: Vec<f64>,
    bytes: Vec<ByteArray>,
    fixed: Vec<FixedLenByteArray>,
}

impl Leaf {
    /// A column with its highest levels of definition and repetition.
    pub(super) fn new(kind: Kind, full: i16, deepest: i16) -> Self {
        let levels = Levels {
            count: 0,
            defined: Vec::new(),
            repeated: Vec::new(),
            full,
            has_defined: full > 0,
            has_repeated: deepest > 0,
        };
        Self { kind, reader: None, values: Values::default(), cells: Vec::new().into_iter(), levels, at: 0 }
    }

    /// Goes on with the next group of rows.
    pub(super) fn go_on(&mut self, reader: ColumnReader) {
        self.reader = Some(reader);
    }

    /// Reads that many rows.
    pub(super) fn read(&mut self, rows: usize) -> Result<(), String> {
        let Self { reader: Some(reader), values, levels, kind, .. } = self else {
            return Err("a group of rows has too few columns".to_owned());
        };
        let cells = match reader {
            ColumnReader::BoolColumnReader(reader) => {
                levels.read(reader, rows, &mut values.bools)?;
                each(&values.bools, kind, |value| Ok(Cell::Bool(*value)))
            }
            ColumnReader::Int32ColumnReader(reader) => {
                levels.read(reader, rows, &mut values.i32s)?;
                cells_of_i32(&values.i32s, kind)
            }
            ColumnReader::Int64ColumnReader(reader) => {
                levels.read(reader, rows, &mut values.i64s)?;
                cells_of_i64(&values.i64s, kind)
            }
            ColumnReader::Int96ColumnReader(reader) => {
                levels.read(reader, rows, &mut values.i96s)?;
                let Kind::Timestamp { unit, utc } = *kind else { return Err(astray(kind)) };
                each(&values.i96s, kind, |value| text::timestamp96(value.data(), unit, utc).map(Cell::Text))
            }
            ColumnReader::FloatColumnReader(reader) => {
                levels.read(reader, rows, &mut values.f32s)?;
                each(&values.f32s, kind, |value| Ok(text::float32(*value)))
            }
            ColumnReader::DoubleColumnReader(reader) => {
                levels.read(reader, rows, &mut values.f64s)?;
                each(&values.f64s, kind, |value| Ok(text::float64(*value)))
            }
            ColumnReader::ByteArrayColumnReader(reader) => {
                levels.read(reader, rows, &mut values.bytes)?;
                cells_of_bytes(&values.bytes, kind)
            }
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                levels.read(reader, rows, &mut values.fixed)?;
                cells_of_fixed(&values.fixed, kind)
            }
        };
        self.cells = cells?.into_iter();
        self.at = 0;
        Ok(())
    }

    /// The cells of all rows of the batch, of a column that is not repeated.
    pub(super) fn take_all(&mut self) -> Result<Vec<Cell>, String> {
        self.at = self.levels.count;
        let found = std::mem::take(&mut self.cells);
        if found.len() == self.levels.count {
            return Ok(found.collect());
        }
        let (mut found, full) = (found, self.levels.full);
        let cell = |defined: &i16| {
            if *defined < full { Ok(Cell::Null) } else { found.next().ok_or_else(|| TORN.to_owned()) }
        };
        self.levels.defined.iter().map(cell).collect()
    }

    /// The level of definition of what comes next; none at the end of the batch.
    pub(super) fn defined(&self) -> Option<i16> {
        if self.at >= self.levels.count {
            return None;
        }
        if self.levels.has_defined { self.levels.defined.get(self.at).copied() } else { Some(0) }
    }

    /// The level of repetition of what comes next; 0 is a new row.
    pub(super) fn repeated(&self) -> i16 {
        self.levels.repeated.get(self.at).copied().unwrap_or(0)
    }

    /// Passes what is next: its cell, which is null where there is no value.
    pub(super) fn take(&mut self) -> Result<Cell, String> {
        let Some(defined) = self.defined() else { return Err(TORN.to_owned()) };
        self.at += 1;
        if defined < self.levels.full {
            Ok(Cell::Null)
        } else {
            self.cells.next().ok_or_else(|| TORN.to_owned())
        }
    }
}

/// What is said of levels that contradict each other.
pub(super) const TORN: &str = "the levels of a column do not go together";

impl Levels {
    fn read<T: DataType>(
        &mut self,
        reader: &mut ColumnReaderImpl<T>,
        rows: usize,
        values: &mut Vec<T::T>,
    ) -> Result<(), String> {
        self.defined.clear();
        self.repeated.clear();
        values.clear();
        let mut read = 0;
        // A page may end inside a row, so that fewer are read at a time.
        while read < rows {
            let defined = self.has_defined.then_some(&mut self.defined);
            let repeated = self.has_repeated.then_some(&mut self.repeated);
            let (more, _, _) = reader
                .read_records(rows - read, defined, repeated, values)
                .map_err(|error| error.to_string())?;
            if more == 0 {
                return Err("a column ends before its rows do".to_owned());
            }
            read += more;
        }
        self.count = match (self.has_repeated, self.has_defined) {
            (true, _) => self.repeated.len(),
            (false, true) => self.defined.len(),
            (false, false) => values.len(),
        };
        let whole = self.has_defined && self.has_repeated;
        if whole && self.defined.len() != self.repeated.len() { Err(TORN.to_owned()) } else { Ok(()) }
    }
}

fn astray(kind: &Kind) -> String {
    format!("values of {kind} are stored as what they cannot be")
}

fn each<T>(
    values: &[T],
    kind: &Kind,
    cell: impl Fn(&T) -> Result<Cell, String>,
) -> Result<Vec<Cell>, String> {
    if *kind == Kind::Null {
        return Ok(vec![Cell::Null; values.len()]);
    }
    values.iter().map(cell).collect()
}

fn cells_of_i32(values: &[i32], kind: &Kind) -> Result<Vec<Cell>, String> {
    let wide = |value: &i32| i64::from(*value);
    match *kind {
        Kind::Int { bits: 8, signed: true } => {
            each(values, kind, |value| Ok(text::int((*value as i8).into())))
        }
        Kind::Int { bits: 16, signed: true } => {
            each(values, kind, |value| Ok(text::int((*value as i16).into())))
        }
        Kind::Int { bits: 8, .. } => each(values, kind, |value| Ok(text::int((*value as u8).into()))),
        Kind::Int { bits: 16, .. } => each(values, kind, |value| Ok(text::int((*value as u16).into()))),
        Kind::Int { signed: true, .. } => each(values, kind, |value| Ok(text::int(wide(value)))),
        Kind::Int { .. } => each(values, kind, |value| Ok(text::int((*value as u32).into()))),
        Kind::Decimal { scale, .. } => {
            each(values, kind, |value| Ok(text::number(decimal::scaled(&value.to_string(), scale))))
        }
        Kind::Date => each(values, kind, |value| text::date(wide(value)).map(Cell::Text)),
        Kind::Time(unit) => each(values, kind, |value| text::time(wide(value), unit).map(Cell::Text)),
        Kind::Timestamp { unit, utc } => {
            each(values, kind, |value| text::timestamp(wide(value), unit, utc).map(Cell::Text))
        }
        Kind::Null => each(values, kind, |_| Ok(Cell::Null)),
        _ => Err(astray(kind)),
    }
}

fn cells_of_i64(values: &[i64], kind: &Kind) -> Result<Vec<Cell>, String> {
    const DAY: i64 = 86_400_000;
    match *kind {
        Kind::Int { signed: true, .. } => each(values, kind, |value| Ok(text::int(*value))),
        Kind::Int { .. } => each(values, kind, |value| Ok(text::unsigned(*value as u64))),
        Kind::Decimal { scale, .. } => {
            each(values, kind, |value| Ok(text::number(decimal::scaled(&value.to_string(), scale))))
        }
        Kind::DateMilliseconds => each(values, kind, |value| text::date(value / DAY).map(Cell::Text)),
        Kind::Time(unit) => each(values, kind, |value| text::time(*value, unit).map(Cell::Text)),
        Kind::Timestamp { unit, utc } => {
            each(values, kind, |value| text::timestamp(*value, unit, utc).map(Cell::Text))
        }
        Kind::Duration(unit) => each(values, kind, |value| Ok(Cell::Text(text::duration(*value, unit)))),
        Kind::Null => each(values, kind, |_| Ok(Cell::Null)),
        _ => Err(astray(kind)),
    }
}

fn cells_of_bytes(values: &[ByteArray], kind: &Kind) -> Result<Vec<Cell>, String> {
    match *kind {
        Kind::Text => each(values, kind, |value| {
            let text = std::str::from_utf8(value.data());
            text.map(|text| Cell::Text(text.to_owned()))
                .map_err(|error| format!("a text is not UTF-8: {error}"))
        }),
        Kind::Decimal { scale, .. } => each(values, kind, |value| decimal_cell(value.data(), scale)),
        Kind::Null => each(values, kind, |_| Ok(Cell::Null)),
        _ => Err(astray(kind)),
    }
}

fn cells_of_fixed(values: &[FixedLenByteArray], kind: &Kind) -> Result<Vec<Cell>, String> {
    match *kind {
        Kind::Float16 => each(values, kind, |value| {
            let bytes = value.data().try_into().map_err(|_| "a half has no two bytes".to_owned())?;
            Ok(text::float16(bytes))
        }),
        Kind::Decimal { scale, .. } => each(values, kind, |value| decimal_cell(value.data(), scale)),
        Kind::Interval | Kind::IntervalMonths => each(values, kind, |value| {
            let [months, days, milliseconds] = parts(value.data()).ok_or("an interval has no 12 bytes")?;
            Ok(Cell::Text(match kind {
                Kind::IntervalMonths => text::interval_months(months),
                _ => text::interval(months, days, milliseconds),
            }))
        }),
        Kind::Null => each(values, kind, |_| Ok(Cell::Null)),
        _ => Err(astray(kind)),
    }
}

fn decimal_cell(bytes: &[u8], scale: u32) -> Result<Cell, String> {
    let text = decimal::to_text(bytes, scale).ok_or_else(|| "a decimal has more than 32 bytes".to_owned())?;
    Ok(text::number(text))
}

fn parts(bytes: &[u8]) -> Option<[i32; 3]> {
    let bytes: [u8; 12] = bytes.try_into().ok()?;
    let part = |at: usize| i32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    Some([part(0), part(4), part(8)])
}
