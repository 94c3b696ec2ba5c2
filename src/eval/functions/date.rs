//! Points of time as RFC 3339 texts.

use jiff::SignedDuration;
use jiff::civil::{DateTime, Weekday, date};
use jiff::tz::Offset;
use mlp_value::{Number as Exact, Value};

use super::Given;
use super::arguments::{Arguments, Fault, blame, give, text};
use super::define::Want::{Number, Text};
use super::define::{FunctionInfo, new, p};

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

pub(super) const FUNCTIONS: &[FunctionInfo] = &[
    new(
        "formatdate",
        "The time written as in `DD MMM YYYY hh:mm ZZZ`.",
        &[p("format", Text), p("time", Text)],
        Text,
        formatdate,
    )
    .examples(&[
        ("formatdate(\"DD MMM YYYY hh:mm ZZZ\", \"2018-01-02T23:12:01Z\")", "\"02 Jan 2018 23:12 UTC\""),
        ("formatdate(\"h'h'mm\", \"2018-01-02T03:12:01Z\")", "\"3h12\""),
    ]),
    new(
        "timeadd",
        "The time after a duration such as `1h30m` or `-10m`.",
        &[p("time", Text), p("duration", Text)],
        Text,
        |call| {
            let time = Time::argument(call, 0)?;
            let duration = duration(&call.text(1)?).or_else(|why| blame(1, why))?;
            let later = time.local.checked_add(duration).ok().map(|local| Time { local, ..time });
            match later.filter(|time| time.local.year() >= 0) {
                Some(later) => text(later.write()),
                None => blame(1, "the time after it lies beyond the years 0 to 9999"),
            }
        },
    )
    .examples(&[("timeadd(\"2017-11-22T00:00:00Z\", \"10m\")", "\"2017-11-22T00:10:00Z\"")])
    .differs("times beyond the years 0 to 9999 are refused"),
    new(
        "timecmp",
        "-1, 0 or 1: whether the first time is before, at or after the second.",
        &[p("a", Text), p("b", Text)],
        Number,
        |call| {
            let order = Time::argument(call, 0)?.since_1970().cmp(&Time::argument(call, 1)?.since_1970());
            give(Value::int(order as i64))
        },
    )
    .examples(&[("timecmp(\"2017-11-22T00:00:00Z\", \"2017-11-22T01:00:00+01:00\")", "0")]),
];

/// A point of time as date and time of day, and the offset it was written in. The last day of the last year has points that the
/// library's own timestamps do not reach.
#[derive(Clone, Copy)]
struct Time {
    local: DateTime,
    offset: Offset,
}

impl Time {
    fn argument(call: &Arguments<'_>, at: usize) -> Result<Self, Fault> {
        let text = call.text(at)?;
        Self::read(&text)
            .map_or_else(|| blame(at, format!("{text:?} is not a time such as \"2026-01-31T12:00:00Z\"")), Ok)
    }

    /// RFC 3339 to the letter; the library reads more than that.
    fn read(text: &str) -> Option<Self> {
        let part = |from: usize, to: usize| -> Option<i16> {
            let digits = text.get(from..to)?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
        };
        let short = |from: usize| part(from, from + 2).and_then(|number| i8::try_from(number).ok());
        let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        if marks.iter().any(|(at, mark)| text.as_bytes().get(*at) != Some(mark)) {
            return None;
        }
        let mut rest = text.get(19..)?;
        let mut nanos = 0;
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(|letter: char| !letter.is_ascii_digit()).filter(|end| *end > 0)?;
            nanos = format!("{:0<9.9}", &after[..end]).parse().ok()?;
            rest = &after[end..];
        }
        let offset = Self::offset(rest)?;
        let (hour, minute, second) = (short(11)?, short(14)?, short(17)?);
        let local = DateTime::new(part(0, 4)?, short(5)?, short(8)?, hour, minute, second, nanos).ok()?;
        Some(Self { local, offset })
    }

    fn offset(text: &str) -> Option<Offset> {
        if text == "Z" {
            return Some(Offset::UTC);
        }
        let (hours, minutes) = text.get(1..)?.split_once(':')?;
        let two = |text: &str| {
            let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| text.parse::<i32>().ok()).flatten()
        };
        let (hours, minutes) = (two(hours)?, two(minutes)?);
        let sign = match text.as_bytes().first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        (hours < 24 && minutes < 60)
            .then(|| Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).ok())?
    }

    fn since_1970(self) -> SignedDuration {
        let local = self.local.duration_since(date(1970, 1, 1).at(0, 0, 0, 0));
        local - SignedDuration::from_secs(i64::from(self.offset.seconds()))
    }

    fn zone(self, colon: &str) -> String {
        let sign = if self.offset.seconds() < 0 { '-' } else { '+' };
        let minutes = self.offset.seconds().abs() / 60;
        format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
    }

    fn write(self) -> String {
        let local = self.local;
        let zone = if self.offset.is_zero() { "Z".to_owned() } else { self.zone(":") };
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{zone}",
            local.year(),
            local.month(),
            local.day(),
            local.hour(),
            local.minute(),
            local.second()
        )
    }
}

/// A duration in Go's words: `1h30m`, `-10m`, `1.5h`.
fn duration(text: &str) -> Result<SignedDuration, String> {
    const UNITS: [(&str, i64); 8] = [
        ("ms", 1_000_000),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ns", 1),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
    ];
    let wrong = || format!("{text:?} is not a duration such as \"1h30m\" or \"-10m\"");
    let (sign, mut rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (if text.starts_with('-') { -1 } else { 1 }, rest),
        None => (1, text),
    };
    if rest == "0" {
        return Ok(SignedDuration::ZERO);
    }
    if rest.is_empty() || rest.len() > 64 {
        return Err(wrong());
    }
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').ok_or_else(wrong)?;
        let (number, after) = rest.split_at(end);
        let (unit, nanos) = UNITS.iter().find(|(unit, _)| after.starts_with(unit)).ok_or_else(wrong)?;
        let number: Exact = number.parse().map_err(|_| wrong())?;
        let nanos = number.times(&Exact::from(*nanos)).floor().to_i64().ok_or_else(wrong)?;
        total = total.checked_add(nanos).ok_or_else(wrong)?;
        rest = &after[unit.len()..];
    }
    Ok(SignedDuration::from_nanos(sign * total))
}

fn formatdate(call: &Arguments<'_>) -> Given {
    let (format, time) = (call.text(0)?, Time::argument(call, 1)?);
    let mut written = String::new();
    let mut letters = format.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\'' {
            quoted(&mut letters, &mut written).or_else(|why| blame(0, why))?;
        } else if letter.is_ascii_alphabetic() {
            let mut count = 1;
            while letters.next_if_eq(&letter).is_some() {
                count += 1;
            }
            written.push_str(&field(time, letter, count).or_else(|why| blame(0, why))?);
        } else {
            written.push(letter);
        }
        call.budget.text(10)?;
    }
    text(written)
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

fn weekday(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}

fn field(time: Time, letter: char, count: usize) -> Result<String, String> {
    let local = time.local;
    let month = MONTHS[usize::try_from(local.month() - 1).unwrap_or(0) % 12];
    let (hour, day) = (local.hour(), weekday(local.weekday()));
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    Ok(match (letter, count) {
        ('Y', 4) => format!("{:04}", local.year()),
        ('Y', 2) => format!("{:02}", local.year() % 100),
        ('M', 4) => month.to_owned(),
        ('M', 3) => month[..3].to_owned(),
        ('M', 2) => format!("{:02}", local.month()),
        ('M', 1) => local.month().to_string(),
        ('D', 2) => format!("{:02}", local.day()),
        ('D', 1) => local.day().to_string(),
        ('E', 4) => day.to_owned(),
        ('E', 3) => day[..3].to_owned(),
        ('h', 2) => format!("{hour:02}"),
        ('h', 1) => hour.to_string(),
        ('H', 2) => format!("{twelve:02}"),
        ('H', 1) => twelve.to_string(),
        ('A', 2) => if hour < 12 { "AM" } else { "PM" }.to_owned(),
        ('a', 2) => if hour < 12 { "am" } else { "pm" }.to_owned(),
        ('m', 2) => format!("{:02}", local.minute()),
        ('m', 1) => local.minute().to_string(),
        ('s', 2) => format!("{:02}", local.second()),
        ('s', 1) => local.second().to_string(),
        ('Z', 5) => time.zone(":"),
        ('Z', 4) => time.zone(""),
        ('Z', 3) if time.offset.is_zero() => "UTC".to_owned(),
        ('Z', 3) => time.zone(""),
        ('Z', 1) if time.offset.is_zero() => "Z".to_owned(),
        ('Z', 1) => time.zone(":"),
        _ => {
            let run = letter.to_string().repeat(count.min(8));
            return Err(format!("`{run}` means nothing in a format; write other text in single quotes"));
        }
    })
}
