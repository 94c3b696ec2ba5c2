//! Units: strings with one closed grammar, parsed once.
//!
//! A quantity is a whole number and a unit (`10ms`, `64GiB`, `200k/d`); money alone may have decimals.

use std::time::Duration;

use crate::Number;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Milliseconds in each unit of time; a year has 365 days.
const TIME: &[(&str, u64)] =
    &[("ms", 1), ("s", SECOND), ("m", MINUTE), ("h", HOUR), ("d", DAY), ("w", 7 * DAY), ("y", 365 * DAY)];
const BYTES: &[(&str, u64)] = &[
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("PB", 1_000_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("PiB", 1 << 50),
];
const PERIODS: &[(&str, u64)] = &[
    ("s", SECOND),
    ("min", MINUTE),
    ("m", MINUTE),
    ("h", HOUR),
    ("d", DAY),
    ("month", 30 * DAY),
    ("y", 365 * DAY),
];
const COUNTS: &[(&str, u64)] = &[("", 1), ("k", 1_000), ("M", 1_000_000), ("G", 1_000_000_000)];

/// How a quantity is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparator {
    /// `>=`, or nothing written.
    AtLeast,
    /// `<=`
    AtMost,
    /// `>`
    MoreThan,
    /// `<`
    LessThan,
    /// `=`
    Exactly,
}

impl Comparator {
    /// Whether `found` stands in this relation to `wanted`.
    pub fn holds(self, found: u64, wanted: u64) -> bool {
        match self {
            Self::AtLeast => found >= wanted,
            Self::AtMost => found <= wanted,
            Self::MoreThan => found > wanted,
            Self::LessThan => found < wanted,
            Self::Exactly => found == wanted,
        }
    }
}

/// So many in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many.
    pub count: u64,
    /// In how long.
    pub per: Duration,
}

/// A length of time: `10ms`, `90s`, `5m`, `2h`, `7d`, `2w`, `3y` (of 365 days).
///
/// # Errors
/// What was expected, with an example.
pub fn duration(text: &str) -> Result<Duration, String> {
    quantity(text, TIME).map(Duration::from_millis).map_err(|fault| {
        fault.say(
            text,
            "a duration: a whole number and one of ms, s, m, h, d, w, y, for example \"90s\" or \"2h\"",
        )
    })
}

/// An amount of memory or storage: `100B`, `512KiB`, `10MB`, `64GiB`.
///
/// # Errors
/// What was expected, with an example.
pub fn bytes(text: &str) -> Result<u64, String> {
    quantity(text, BYTES).map_err(|fault| {
        fault.say(
            text,
            "a size: a whole number and one of B, KB, MB, GB, TB, KiB, MiB, GiB, TiB, for example \"64GiB\"",
        )
    })
}

/// A demand on an amount: `>=80GiB`, `<1TB`; without a comparator, at least so much.
///
/// # Errors
/// What was expected, with an example.
pub fn at_least(text: &str) -> Result<(Comparator, u64), String> {
    const COMPARATORS: &[(&str, Comparator)] = &[
        (">=", Comparator::AtLeast),
        ("<=", Comparator::AtMost),
        (">", Comparator::MoreThan),
        ("<", Comparator::LessThan),
        ("=", Comparator::Exactly),
    ];
    let trimmed = text.trim();
    let (comparator, rest) = COMPARATORS
        .iter()
        .find_map(|(sign, comparator)| Some((*comparator, trimmed.strip_prefix(sign)?)))
        .unwrap_or((Comparator::AtLeast, trimmed));
    quantity(rest, BYTES)
        .map(|amount| (comparator, amount))
        .map_err(|fault| fault.say(text, "a demand on a size, for example \">=80GiB\""))
}

/// A sum of money: `150 USD`.
///
/// # Errors
/// What was expected, with an example.
pub fn money(text: &str) -> Result<(Number, String), String> {
    sum_of_money(text).ok_or_else(|| expected(text, "a sum of money, for example \"150 USD\""))
}

/// Money by time: `40 USD/h`.
///
/// # Errors
/// What was expected, with an example.
pub fn money_rate(text: &str) -> Result<(Number, String, Duration), String> {
    let parse = || {
        let (sum, period) = text.split_once('/')?;
        let (amount, currency) = sum_of_money(sum)?;
        Some((amount, currency, time_of(period)?))
    };
    parse().ok_or_else(|| expected(text, "a price by time, for example \"40 USD/h\""))
}

/// So many in so long: `60/min`, `200k/d`.
///
/// # Errors
/// What was expected, with an example.
pub fn rate(text: &str) -> Result<Rate, String> {
    let parse = || {
        let (count, period) = text.split_once('/').ok_or(Fault::Grammar)?;
        Ok(Rate { count: quantity(count, COUNTS)?, per: time_of(period).ok_or(Fault::Grammar)? })
    };
    parse().map_err(|fault: Fault| {
        fault.say(
            text,
            "a rate: a whole number (with k, M or G), `/`, and one of s, min, h, d, for example \"60/min\"",
        )
    })
}

/// A share between 0% and 100%, in percent: `5%` is 5, `0.1%` is 0.1.
///
/// # Errors
/// What was expected, with an example.
pub fn percent(text: &str) -> Result<Number, String> {
    let parse = || {
        let number = plain_number(text.trim().strip_suffix('%')?)?;
        (number <= Number::from(100_i64)).then_some(number)
    };
    parse().ok_or_else(|| expected(text, "a percentage between 0% and 100%, for example \"5%\""))
}

/// A length of time for people: its two largest units, `2 m 5 s`.
pub fn format_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut words = Vec::new();
    for (unit, size) in [("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1)] {
        if words.len() == 2 || (unit == "ms" && !words.is_empty() && duration.as_secs() >= 10) {
            break;
        }
        if rest >= size {
            words.push(format!("{} {unit}", rest / size));
            rest %= size;
        } else if !words.is_empty() {
            break;
        }
    }
    if words.is_empty() { "0 s".to_owned() } else { words.join(" ") }
}

/// An amount of memory or storage for people: `1.5 MiB`.
pub fn format_bytes(bytes: u64) -> String {
    const UNITS: &[(&str, u64)] =
        &[("PiB", 1 << 50), ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let Some((unit, size)) = UNITS.iter().find(|(_, size)| bytes >= *size) else {
        return format!("{bytes} B");
    };
    let tenths = u128::from(bytes) * 10 / u128::from(*size);
    if tenths.is_multiple_of(10) {
        format!("{} {unit}", tenths / 10)
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

/// Why a quantity was refused.
enum Fault {
    Grammar,
    Overflow,
}

impl Fault {
    fn say(self, text: &str, wanted: &str) -> String {
        match self {
            Self::Grammar => expected(text, wanted),
            Self::Overflow => format!("{text:?} is too large: expected {wanted}"),
        }
    }
}

fn expected(text: &str, wanted: &str) -> String {
    format!("{text:?} is not {wanted}")
}

/// A whole number and one of the units, with at most blanks between them, in the smallest unit.
fn quantity(text: &str, units: &[(&str, u64)]) -> Result<u64, Fault> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(Fault::Grammar);
    }
    let (_, size) = units.iter().find(|(name, _)| *name == unit.trim_start()).ok_or(Fault::Grammar)?;
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(*size)).ok_or(Fault::Overflow)
}

fn time_of(period: &str) -> Option<Duration> {
    let (_, length) = PERIODS.iter().find(|(name, _)| *name == period.trim())?;
    Some(Duration::from_millis(*length))
}

fn sum_of_money(text: &str) -> Option<(Number, String)> {
    let (amount, currency) = text.trim().split_once(' ')?;
    let currency = currency.trim();
    let is_code = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
    is_code.then_some((plain_number(amount)?, currency.to_owned()))
}

/// Digits with at most one point in between: no sign, no exponent.
fn plain_number(text: &str) -> Option<Number> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !digits || text.starts_with('.') || text.ends_with('.') {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_one_grammar() {
        let seconds = Duration::from_secs;
        for (text, wanted) in [
            ("10ms", Duration::from_millis(10)),
            ("90s", seconds(90)),
            ("5m", seconds(300)),
            ("2h", seconds(7_200)),
            ("7d", seconds(604_800)),
            ("3y", seconds(3 * 365 * 86_400)),
        ] {
            assert_eq!(duration(text), Ok(wanted), "{text}");
        }
        for (text, wanted) in
            [("64GiB", 64 << 30), ("10MB", 10_000_000), ("512KiB", 512 << 10), ("100B", 100)]
        {
            assert_eq!(bytes(text), Ok(wanted), "{text}");
        }
        assert_eq!(at_least(">=80GiB"), Ok((Comparator::AtLeast, 80 << 30)));
        assert_eq!(at_least("<1TB"), Ok((Comparator::LessThan, 1_000_000_000_000)));
        assert_eq!(rate("60/min"), Ok(Rate { count: 60, per: seconds(60) }));
        assert_eq!(rate("200k/d"), Ok(Rate { count: 200_000, per: seconds(86_400) }));
        assert_eq!(percent("0.1%"), Ok("0.1".parse().unwrap()));
        assert_eq!(money("150 USD"), Ok((150_i64.into(), "USD".to_owned())));
        assert_eq!(money_rate("40 USD/h"), Ok((40_i64.into(), "USD".to_owned(), seconds(3_600))));
    }

    #[test]
    fn what_is_not_in_the_grammar_is_refused_with_an_example() {
        for text in ["", "s", "10", "1.5h", "-1s", "10 parsecs", "5M", "１0s"] {
            assert!(duration(text).unwrap_err().contains("for example"), "{text}");
        }
        for text in ["", "64", "64gib", "GiB", "1e3B"] {
            assert!(bytes(text).is_err(), "{text}");
        }
        for text in ["150", "USD 150", "150 usd", "1. USD", "1e9 USD"] {
            assert!(money(text).is_err(), "{text}");
        }
        assert!(percent("101%").is_err());
        assert!(rate("60").is_err() && rate("/min").is_err() && money_rate("40 USD").is_err());
        assert!(at_least("!=3GB").is_err());
    }

    #[test]
    fn overflow_is_refused() {
        assert!(bytes("99999999PiB").unwrap_err().contains("too large"));
        assert!(duration("18446744073709551615y").unwrap_err().contains("too large"));
        assert!(rate("99999999999999999999k/s").unwrap_err().contains("too large"));
    }

    #[test]
    fn people_read_round_figures() {
        for (millis, wanted) in [
            (0, "0 s"),
            (250, "250 ms"),
            (1_500, "1 s 500 ms"),
            (12_345, "12 s"),
            (125_000, "2 m 5 s"),
            (3_600_000, "1 h"),
            (90_061_000, "1 d 1 h"),
        ] {
            assert_eq!(format_duration(Duration::from_millis(millis)), wanted);
        }
        for (bytes, wanted) in
            [(100, "100 B"), (1536, "1.5 KiB"), (1 << 20, "1 MiB"), (u64::MAX, "16383.9 PiB")]
        {
            assert_eq!(format_bytes(bytes), wanted);
        }
    }
}
