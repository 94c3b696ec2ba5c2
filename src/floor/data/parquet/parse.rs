//! Cells as values of a type: what [`super::text`] wrote, and what a schema accepts as the type.

use super::kind::{Kind, Unit};
use crate::data::cell::Cell;
use crate::data::time::{parse_days, parse_instant, parse_time};

const NANOS: i64 = 1_000_000_000;

pub(super) fn bool(cell: &Cell) -> Option<bool> {
    match &*cell.text() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// A number of up to 32 bits, a date, or a time of day in milliseconds.
pub(super) fn i32(text: &str, kind: &Kind) -> Option<i32> {
    match *kind {
        Kind::Int { bits, signed: true } => {
            let value: i32 = text.trim_ascii().parse().ok()?;
            (i64::from(value) >> (bits - 1) == i64::from(value) >> 31).then_some(value)
        }
        Kind::Int { bits, signed: false } => {
            let value: u32 = text.trim_ascii().parse().ok()?;
            (u64::from(value) >> bits == 0).then_some(value as i32)
        }
        Kind::Date => i32::try_from(parse_days(text)?).ok(),
        _ => i32::try_from(i64(text, kind)?).ok(),
    }
}

/// A number of 64 bits, or a time.
pub(super) fn i64(text: &str, kind: &Kind) -> Option<i64> {
    match *kind {
        Kind::Int { signed: true, .. } => text.trim_ascii().parse().ok(),
        Kind::Int { signed: false, .. } => text.trim_ascii().parse::<u64>().ok().map(|value| value as i64),
        Kind::Time(unit) => Some(parse_time(text)? / (NANOS / unit.per_second())),
        Kind::Timestamp { unit, .. } => instant(text, unit),
        _ => None,
    }
}

/// Units since 1970. What is finer than the unit is left out.
fn instant(text: &str, unit: Unit) -> Option<i64> {
    let (seconds, nanos) = parse_instant(text)?;
    let per_second = unit.per_second();
    let whole = i128::from(seconds) * i128::from(per_second) + i128::from(nanos / (NANOS / per_second));
    i64::try_from(whole).ok()
}

pub(super) fn f32(text: &str) -> Option<f32> {
    text.trim_ascii().parse().ok()
}

pub(super) fn f64(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Number { value, .. } => Some(*value),
        other => other.text().trim_ascii().parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_within_their_width() {
        let int = |bits, signed| Kind::Int { bits, signed };
        for (text, kind, wanted) in [
            ("127", int(8, true), Some(127)),
            ("128", int(8, true), None),
            ("-128", int(8, true), Some(-128)),
            ("-129", int(8, true), None),
            ("-2147483648", int(32, true), Some(i32::MIN)),
            ("255", int(8, false), Some(255)),
            ("256", int(8, false), None),
            ("4294967295", int(32, false), Some(-1)),
            ("-1", int(32, false), None),
            ("007", int(16, true), Some(7)),
        ] {
            assert_eq!(i32(text, &kind), wanted, "{text} as {kind}");
        }
        assert_eq!(i64("18446744073709551615", &int(64, false)), Some(-1));
    }

    #[test]
    fn times_are_counted_in_their_unit() {
        let at = |unit| Kind::Timestamp { unit, utc: true };
        assert_eq!(i64("1969-12-31T23:59:59.9999Z", &at(Unit::Millisecond)), Some(-1));
        assert_eq!(i64("2026-01-31T12:00Z", &at(Unit::Microsecond)), Some(1_769_860_800_000_000));
        assert_eq!(i64("3000-01-01T00:00:00Z", &at(Unit::Nanosecond)), None);
        assert_eq!(i32("23:59:59.999", &Kind::Time(Unit::Millisecond)), Some(86_399_999));
    }
}
