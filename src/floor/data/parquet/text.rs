//! The text of each value: times in ISO 8601, numbers in the shortest form that is read back as the same number.

use super::kind::Unit;
use crate::data::cell::Cell;
use crate::data::time::civil_from_days;

const DAY: i64 = 86_400;
const NANOS: i64 = 1_000_000_000;
/// The first and last days that are shown, 262 thousand years from now.
const DAYS: std::ops::RangeInclusive<i64> = -96_465_292..=95_026_236;

pub(super) fn int(value: i64) -> Cell {
    Cell::Number { value: value as f64, text: value.to_string() }
}

pub(super) fn unsigned(value: u64) -> Cell {
    Cell::Number { value: value as f64, text: value.to_string() }
}

/// What is no number (pandas' missing value) is null.
pub(super) fn float64(value: f64) -> Cell {
    if value.is_nan() {
        return Cell::Null;
    }
    let text = ryu::Buffer::new().format(value).to_owned();
    if value.is_finite() { Cell::Number { value, text } } else { Cell::Text(text) }
}

pub(super) fn float32(value: f32) -> Cell {
    number(ryu::Buffer::new().format(value).to_owned())
}

pub(super) fn float16(bytes: [u8; 2]) -> Cell {
    number(half::f16::from_le_bytes(bytes).to_string())
}

/// A number by its text, whose value is the nearest to that text.
pub(super) fn number(text: String) -> Cell {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Cell::Number { value, text },
        Ok(value) if value.is_nan() => Cell::Null,
        _ => Cell::Text(text),
    }
}

/// A day since 1970.
pub(super) fn date(days: i64) -> Result<String, String> {
    let mut text = String::with_capacity(10);
    push_date(&mut text, days)?;
    Ok(text)
}

/// A time of day.
pub(super) fn time(value: i64, unit: Unit) -> Result<String, String> {
    let (seconds, nanos) = split(value, unit);
    if !(0..DAY).contains(&seconds) {
        return Err(format!("{value} {unit} is no time of a day"));
    }
    let mut text = String::with_capacity(18);
    push_time(&mut text, seconds, nanos);
    Ok(text)
}

/// A moment since 1970; an instant ends in `Z`.
pub(super) fn timestamp(value: i64, unit: Unit, utc: bool) -> Result<String, String> {
    let (seconds, nanos) = split(value, unit);
    moment(seconds, nanos, utc)
}

/// The timestamps of old: days since 4713 BC in the last number, nanoseconds of the day in the first two.
pub(super) fn timestamp96(value: &[u32], unit: Unit, utc: bool) -> Result<String, String> {
    let [low, high, day] = value else { return Err("a timestamp has no 96 bits".to_owned()) };
    const DAY_OF_1970: i64 = 2_440_588;
    let nanos = ((u64::from(*high) << 32) | u64::from(*low)) as i64;
    let within = NANOS / unit.per_second();
    let nanos = nanos.div_euclid(within) * within;
    let seconds = (i64::from(*day as i32) - DAY_OF_1970) * DAY + nanos.div_euclid(NANOS);
    moment(seconds, nanos.rem_euclid(NANOS), utc)
}

fn moment(seconds: i64, nanos: i64, utc: bool) -> Result<String, String> {
    let mut text = String::with_capacity(30);
    push_date(&mut text, seconds.div_euclid(DAY))?;
    text.push('T');
    push_time(&mut text, seconds.rem_euclid(DAY), nanos);
    if utc {
        text.push('Z');
    }
    Ok(text)
}

/// A length of time, as ISO 8601 has it.
pub(super) fn duration(value: i64, unit: Unit) -> String {
    if value == 0 {
        return "P0D".to_owned();
    }
    let per_second = unit.per_second().unsigned_abs();
    let (seconds, rest) = (value.unsigned_abs() / per_second, value.unsigned_abs() % per_second);
    let mut text = format!("{}PT{seconds}", if value < 0 { "-" } else { "" });
    if rest > 0 {
        let nanos = format!("{:09}", rest * (NANOS.unsigned_abs() / per_second));
        text.push('.');
        text.push_str(nanos.trim_end_matches('0'));
    }
    text.push('S');
    text
}

/// An interval that counts months.
pub(super) fn interval_months(months: i32) -> String {
    format!("{} years {} mons", months.div_euclid(12), months.rem_euclid(12))
}

/// An interval of months, days and milliseconds, each of which counts by itself.
pub(super) fn interval(months: i32, days: i32, milliseconds: i32) -> String {
    let mut parts = Vec::new();
    let mut part = |count: i32, name: &str| {
        if count != 0 {
            parts.push(format!("{count} {name}"));
        }
    };
    part(months, "mons");
    part(days, "days");
    part(milliseconds / 3_600_000, "hours");
    part(milliseconds / 60_000 % 60, "mins");
    let rest = milliseconds % 60_000;
    if rest != 0 {
        let sign = if rest < 0 { "-" } else { "" };
        parts.push(format!("{sign}{}.{:03} secs", (rest / 1000).abs(), (rest % 1000).abs()));
    }
    if parts.is_empty() { "0 secs".to_owned() } else { parts.join(" ") }
}

fn split(value: i64, unit: Unit) -> (i64, i64) {
    let per_second = unit.per_second();
    (value.div_euclid(per_second), value.rem_euclid(per_second) * (NANOS / per_second))
}

fn push_date(text: &mut String, days: i64) -> Result<(), String> {
    if !DAYS.contains(&days) {
        return Err(format!("{days} days since 1970 are no date"));
    }
    let (year, month, day) = civil_from_days(days);
    if (0..=9999).contains(&year) {
        push_two(text, year / 100);
        push_two(text, year % 100);
    } else {
        text.push_str(&format!("{year:+05}"));
    }
    for part in [month, day] {
        text.push('-');
        push_two(text, part);
    }
    Ok(())
}

/// With as many digits of the second as it has, in threes.
fn push_time(text: &mut String, seconds: i64, nanos: i64) {
    push_two(text, seconds / 3600);
    text.push(':');
    push_two(text, seconds / 60 % 60);
    text.push(':');
    push_two(text, seconds % 60);
    if nanos != 0 {
        let digits = format!(".{nanos:09}");
        let end = if nanos % 1_000_000 == 0 {
            4
        } else if nanos % 1000 == 0 {
            7
        } else {
            10
        };
        text.push_str(&digits[..end]);
    }
}

fn push_two(text: &mut String, number: i64) {
    for digit in [number / 10, number % 10] {
        text.push(char::from(b'0' + digit as u8));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_the_digits_they_need() {
        let at = |value, unit| timestamp(value, unit, true).unwrap();
        assert_eq!(at(1_769_860_800, Unit::Second), "2026-01-31T12:00:00Z");
        assert_eq!(at(-1, Unit::Millisecond), "1969-12-31T23:59:59.999Z");
        assert_eq!(at(1, Unit::Nanosecond), "1970-01-01T00:00:00.000000001Z");
        assert_eq!(at(253_402_300_800, Unit::Second), "+10000-01-01T00:00:00Z");
        assert_eq!(timestamp(-62_167_219_201, Unit::Second, false).unwrap(), "-0001-12-31T23:59:59");
        assert!(timestamp(i64::MAX, Unit::Microsecond, true).is_err());
        assert!(time(86_400, Unit::Second).is_err());
    }

    #[test]
    fn timestamps_of_96_bits_reach_as_far_as_their_days() {
        let far = timestamp96(&[0, 0, 5_373_484], Unit::Nanosecond, false).unwrap();
        assert_eq!(far, "9999-12-31T00:00:00");
        let nanos = [1_000_001, 0, 2_440_588];
        assert_eq!(timestamp96(&nanos, Unit::Microsecond, false).unwrap(), "1970-01-01T00:00:00.001");
    }

    #[test]
    fn lengths_of_time() {
        assert_eq!(duration(-1500, Unit::Millisecond), "-PT1.5S");
        assert_eq!(duration(i64::MIN, Unit::Second), "-PT9223372036854775808S");
        assert_eq!(interval(1, -1, 3_723_004), "1 mons -1 days 1 hours 2 mins 3.004 secs");
        assert_eq!(interval(0, 0, -1), "-0.001 secs");
        assert_eq!(interval_months(-13), "-2 years 11 mons");
    }
}
