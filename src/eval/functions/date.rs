//! Points of time as RFC 3339 texts.

use mlp_value::{Type, Value};

use super::{Arguments, FunctionInfo, Given, function};

const DAY: i64 = 86_400;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

pub(super) const FUNCTIONS: &[FunctionInfo] = &[
    function(
        "formatdate",
        "formatdate(format, time)",
        "The time written as in `DD MMM YYYY hh:mm ZZZ`.",
        Type::String,
        (2, 2),
        formatdate,
    ),
    function(
        "timeadd",
        "timeadd(time, duration)",
        "The time after a duration such as `1h30m` or `-10m`.",
        Type::String,
        (2, 2),
        |call| {
            let mut time = Time::parse(&call.text(0)?)?;
            let nanos =
                i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos) + duration(&call.text(1)?)?;
            time.seconds =
                i64::try_from(nanos.div_euclid(1_000_000_000)).map_err(|_| "the time is out of range")?;
            time.nanos =
                u32::try_from(nanos.rem_euclid(1_000_000_000)).map_err(|_| "the time is out of range")?;
            let (year, ..) = civil((time.seconds + time.offset).div_euclid(DAY));
            if !(0..=9999).contains(&year) {
                return Err("the time is out of range".to_owned());
            }
            Ok(Some(Value::text(time.write())))
        },
    ),
    function(
        "timecmp",
        "timecmp(a, b)",
        "-1, 0 or 1: whether a is before, at or after b.",
        Type::Number,
        (2, 2),
        |call| {
            let (first, second) = (Time::parse(&call.text(0)?)?, Time::parse(&call.text(1)?)?);
            let order = (first.seconds, first.nanos).cmp(&(second.seconds, second.nanos));
            Ok(Some(Value::int(order as i64)))
        },
    ),
];

/// A point of time, and the offset it was written in.
struct Time {
    seconds: i64,
    nanos: u32,
    offset: i64,
}

/// Days from 1970-01-01 of a date of the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date so many days from 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

impl Time {
    fn parse(text: &str) -> Result<Self, String> {
        Self::read(text).ok_or_else(|| format!("{text:?} is not a time such as \"2026-01-31T12:00:00Z\""))
    }

    fn read(text: &str) -> Option<Self> {
        let part = |from: usize, to: usize| -> Option<i64> {
            let digits = text.get(from..to)?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
        };
        let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
        let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
        let marks = text.bytes().enumerate().take(19).all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            10 => matches!(byte, b'T' | b't'),
            13 | 16 => byte == b':',
            _ => true,
        });
        let start = days(year, month, day);
        if !marks
            || hour > 23
            || minute > 59
            || second > 59
            || !(1..=12).contains(&month)
            || civil(start) != (year, month, day)
        {
            return None;
        }
        let mut rest = text.get(19..)?;
        let mut nanos = 0;
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(|letter: char| !letter.is_ascii_digit())?;
            if end == 0 {
                return None;
            }
            nanos = format!("{:0<9.9}", &after[..end]).parse().ok()?;
            rest = &after[end..];
        }
        let offset = match rest {
            "Z" | "z" => 0,
            _ => {
                let sign = match rest.get(..1)? {
                    "+" => 1,
                    "-" => -1,
                    _ => return None,
                };
                let (hours, minutes) = rest.get(1..)?.split_once(':')?;
                let two = |text: &str| (text.len() == 2).then(|| text.parse::<u8>().ok()).flatten();
                let (hours, minutes) = (two(hours)?, two(minutes)?);
                if hours > 23 || minutes > 59 {
                    return None;
                }
                sign * (i64::from(hours) * 3_600 + i64::from(minutes) * 60)
            }
        };
        Some(Self { seconds: start * DAY + hour * 3_600 + minute * 60 + second - offset, nanos, offset })
    }

    /// Year, month, day, day of the week from Sunday, hour, minute, second where it was written.
    fn fields(&self) -> (i64, i64, i64, usize, i64, i64, i64) {
        let local = self.seconds + self.offset;
        let (day_number, of_day) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        let (year, month, day) = civil(day_number);
        let weekday = usize::try_from((day_number + 4).rem_euclid(7)).unwrap_or(0);
        (year, month, day, weekday, of_day / 3_600, of_day / 60 % 60, of_day % 60)
    }

    fn zone(&self, colon: &str) -> String {
        let sign = if self.offset < 0 { '-' } else { '+' };
        let minutes = self.offset.abs() / 60;
        format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
    }

    fn write(&self) -> String {
        let (year, month, day, _, hour, minute, second) = self.fields();
        let zone = if self.offset == 0 { "Z".to_owned() } else { self.zone(":") };
        let fraction = match self.nanos {
            0 => String::new(),
            nanos => format!(".{}", format!("{nanos:09}").trim_end_matches('0')),
        };
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}")
    }
}

/// Nanoseconds of a duration in Go's words: `1h30m`, `-10m`, `1.5h`.
fn duration(text: &str) -> Result<i128, String> {
    let wrong = || format!("{text:?} is not a duration such as \"1h30m\" or \"-10m\"");
    let (sign, mut rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let mut total: i128 = 0;
    if rest.is_empty() || rest.len() > 64 {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').ok_or_else(wrong)?;
        let (number, after) = rest.split_at(end);
        const UNITS: [(&str, i64); 6] = [
            ("ms", 1_000_000),
            ("us", 1_000),
            ("ns", 1),
            ("h", 3_600_000_000_000),
            ("m", 60_000_000_000),
            ("s", 1_000_000_000),
        ];
        let (unit, nanos) = UNITS.iter().find(|(unit, _)| after.starts_with(unit)).ok_or_else(wrong)?;
        let number: mlp_value::Number = number.parse().map_err(|_| wrong())?;
        let nanos = number.times(&mlp_value::Number::from(*nanos)).floor().to_i64().ok_or_else(wrong)?;
        total += i128::from(nanos);
        rest = &after[unit.len()..];
    }
    Ok(sign * total)
}

fn formatdate(call: &Arguments<'_>) -> Given {
    let (format, time) = (call.text(0)?, Time::parse(&call.text(1)?)?);
    let mut written = String::new();
    let mut letters = format.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\'' {
            quoted(&mut letters, &mut written)?;
        } else if letter.is_ascii_alphabetic() {
            let mut count = 1;
            while letters.next_if_eq(&letter).is_some() {
                count += 1;
            }
            written.push_str(&field(&time, letter, count)?);
        } else {
            written.push(letter);
        }
        call.budget.text(10)?;
    }
    Ok(Some(Value::text(written)))
}

fn quoted(
    letters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    written: &mut String,
) -> Result<(), String> {
    loop {
        match letters.next() {
            Some('\'') if letters.next_if_eq(&'\'').is_some() => written.push('\''),
            Some('\'') => return Ok(()),
            Some(other) => written.push(other),
            None => return Err("a quote in the format is not closed".to_owned()),
        }
    }
}

fn field(time: &Time, letter: char, count: usize) -> Result<String, String> {
    let (year, month, day, weekday, hour, minute, second) = time.fields();
    let month_name = MONTHS[usize::try_from(month - 1).unwrap_or(0) % 12];
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    Ok(match (letter, count) {
        ('Y', 4) => format!("{year:04}"),
        ('Y', 2) => format!("{:02}", year % 100),
        ('M', 4) => month_name.to_owned(),
        ('M', 3) => month_name[..3].to_owned(),
        ('M', 2) => format!("{month:02}"),
        ('M', 1) => month.to_string(),
        ('D', 2) => format!("{day:02}"),
        ('D', 1) => day.to_string(),
        ('E', 4) => DAYS[weekday].to_owned(),
        ('E', 3) => DAYS[weekday][..3].to_owned(),
        ('h', 2) => format!("{hour:02}"),
        ('h', 1) => hour.to_string(),
        ('H', 2) => format!("{twelve:02}"),
        ('H', 1) => twelve.to_string(),
        ('A', 2) => if hour < 12 { "AM" } else { "PM" }.to_owned(),
        ('a', 2) => if hour < 12 { "am" } else { "pm" }.to_owned(),
        ('m', 2) => format!("{minute:02}"),
        ('m', 1) => minute.to_string(),
        ('s', 2) => format!("{second:02}"),
        ('s', 1) => second.to_string(),
        ('Z', 5) => time.zone(":"),
        ('Z', 4) => time.zone(""),
        ('Z', 3) if time.offset == 0 => "UTC".to_owned(),
        ('Z', 3) => time.zone(""),
        ('Z', 1) if time.offset == 0 => "Z".to_owned(),
        ('Z', 1) => time.zone(":"),
        _ => {
            let run = letter.to_string().repeat(count.min(8));
            return Err(format!("`{run}` means nothing in a format; write other text in single quotes"));
        }
    })
}
