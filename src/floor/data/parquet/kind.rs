//! What the columns of Parquet files hold.

use std::fmt;

use crate::data::schema::ColumnType;

/// A unit of time. Parquet has no seconds; Arrow says beside the schema that a column counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) enum Unit {
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
}

impl Unit {
    pub(super) const fn per_second(self) -> i64 {
        match self {
            Self::Second => 1,
            Self::Millisecond => 1_000,
            Self::Microsecond => 1_000_000,
            Self::Nanosecond => 1_000_000_000,
        }
    }

    /// The unit it is written in.
    const fn kept(self) -> Self {
        match self {
            Self::Second => Self::Millisecond,
            other => other,
        }
    }
}

/// What a column holds, or an item of a list, a field of a structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) enum Kind {
    /// Nothing but nulls.
    Null,
    Bool,
    Int {
        bits: u8,
        signed: bool,
    },
    Float16,
    Float32,
    Float64,
    Decimal {
        precision: u32,
        scale: u32,
    },
    Date,
    /// A date that is stored as milliseconds since 1970, as only Arrow does.
    DateMilliseconds,
    Time(Unit),
    Timestamp {
        unit: Unit,
        /// Whether it is an instant; otherwise it is what a clock shows somewhere.
        utc: bool,
    },
    Duration(Unit),
    Interval,
    /// An interval that only counts months, as only Arrow tells.
    IntervalMonths,
    Text,
    Binary,
    FixedBinary(i32),
    List(Box<Kind>),
    Struct(Vec<(String, Kind)>),
    Map(Box<Kind>, Box<Kind>),
}

impl Kind {
    /// Whether values can be cells.
    pub(super) fn is_readable(&self) -> bool {
        match self {
            Self::Binary | Self::FixedBinary(_) => false,
            Self::List(item) => item.is_readable(),
            Self::Struct(fields) => fields.iter().all(|(_, kind)| kind.is_readable()),
            Self::Map(key, value) => **key == Self::Text && value.is_readable(),
            _ => true,
        }
    }

    /// Whether it can be written: Parquet has no durations, its intervals no agreed meaning, and cells of lists,
    /// structures and maps are JSON.
    pub(in crate::data) const fn is_kept(&self) -> bool {
        !matches!(
            self,
            Self::Duration(_)
                | Self::Interval
                | Self::IntervalMonths
                | Self::List(_)
                | Self::Struct(_)
                | Self::Map(..)
        )
    }

    /// As it is written: what only says how it is stored goes.
    pub(super) fn kept(&self) -> Self {
        match self {
            Self::DateMilliseconds => Self::Date,
            Self::Time(unit) => Self::Time(unit.kept()),
            Self::Timestamp { unit, utc } => Self::Timestamp { unit: unit.kept(), utc: *utc },
            other => other.clone(),
        }
    }
}

/// The type of a column of a declared type, or of what was found in it.
pub(in crate::data) const fn typed(kind: ColumnType) -> Kind {
    match kind {
        ColumnType::String | ColumnType::Any => Kind::Text,
        ColumnType::Number => Kind::Float64,
        ColumnType::Integer => Kind::Int { bits: 64, signed: true },
        ColumnType::Bool => Kind::Bool,
        ColumnType::Timestamp => Kind::Timestamp { unit: Unit::Microsecond, utc: true },
        ColumnType::Date => Kind::Date,
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Second => "s",
            Self::Millisecond => "ms",
            Self::Microsecond => "µs",
            Self::Nanosecond => "ns",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Bool => f.write_str("Boolean"),
            Self::Int { bits, signed } => write!(f, "{}Int{bits}", if *signed { "" } else { "U" }),
            Self::Float16 => f.write_str("Float16"),
            Self::Float32 => f.write_str("Float32"),
            Self::Float64 => f.write_str("Float64"),
            Self::Decimal { precision, scale } => write!(f, "Decimal({precision}, {scale})"),
            Self::Date | Self::DateMilliseconds => f.write_str("Date"),
            Self::Time(unit) => write!(f, "Time({unit})"),
            Self::Timestamp { unit, utc: true } => write!(f, "Timestamp({unit}, UTC)"),
            Self::Timestamp { unit, utc: false } => write!(f, "Timestamp({unit})"),
            Self::Duration(unit) => write!(f, "Duration({unit})"),
            Self::Interval | Self::IntervalMonths => f.write_str("Interval"),
            Self::Text => f.write_str("Text"),
            Self::Binary => f.write_str("Binary"),
            Self::FixedBinary(length) => write!(f, "Binary({length})"),
            Self::List(item) => write!(f, "List({item})"),
            Self::Struct(fields) => {
                f.write_str("Struct(")?;
                for (at, (name, kind)) in fields.iter().enumerate() {
                    write!(f, "{}{name}: {kind}", if at > 0 { ", " } else { "" })?;
                }
                f.write_str(")")
            }
            Self::Map(key, value) => write!(f, "Map({key}, {value})"),
        }
    }
}
