//! Dates and times as they stand in data: RFC 3339, and ISO 8601 without an offset, which means UTC.

const DAY: f64 = 86_400.0;

/// Seconds since 1970 of `2026-01-31`.
#[must_use]
pub fn parse_date(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (year, month, day) = (number(&bytes[..4])?, number(&bytes[5..7])?, number(&bytes[8..])?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    Some(days_from_civil(year, month, day) as f64 * DAY)
}

/// Days since 1970 of `2026-01-31`, or of a year beyond the four digits with its sign: `+12026-01-31`.
pub(super) fn parse_days(text: &str) -> Option<i64> {
    let Some(signed) = text.strip_prefix(['+', '-']) else {
        return parse_date(text).map(|at| (at / DAY) as i64);
    };
    let (year, rest) = signed.split_once('-')?;
    let year = if year.len() > 3 && year.len() < 10 { number(year.as_bytes())? } else { return None };
    let year = if text.starts_with('-') { -year } else { year };
    let (month, day) = rest.split_once('-').filter(|(month, day)| month.len() == 2 && day.len() == 2)?;
    let (month, day) = (number(month.as_bytes())?, number(day.as_bytes())?);
    let valid = (1..=12).contains(&month) && day > 0 && day <= days_in_month(year, month);
    valid.then(|| days_from_civil(year, month, day))
}

/// Seconds since 1970 of `2026-01-31T12:00:00.5+01:00`; a space may stand for `T`, and no offset means UTC.
#[must_use]
pub fn parse_timestamp(text: &str) -> Option<f64> {
    let date = parse_date(text.get(..10)?)?;
    let clock = Clock::parse(text.get(10..)?.strip_prefix(['T', 't', ' '])?)?;
    Some(date + clock.minutes as f64 * 60.0 + clock.second.parse::<f64>().ok()? - clock.offset as f64)
}

/// The same, exactly: whole seconds, and nanoseconds on top of them.
pub(super) fn parse_instant(text: &str) -> Option<(i64, i64)> {
    let (date, clock) = match text.as_bytes().first()? {
        b'+' | b'-' => text.split_once('T')?,
        _ => (text.get(..10)?, text.get(10..)?.strip_prefix(['T', 't', ' '])?),
    };
    let days = parse_days(date)?;
    let clock = Clock::parse(clock)?;
    let (second, nanos) = clock.exact()?;
    Some((days * 86_400 + clock.minutes * 60 + second - clock.offset, nanos))
}

/// Nanoseconds since midnight of `12:00:00.5`.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    let clock = Clock::parse(text).filter(|_| text.bytes().all(|byte| !byte.is_ascii_alphabetic()))?;
    let (second, nanos) = clock.exact()?;
    let whole = clock.minutes * 60 + second;
    (whole < 86_400 && clock.offset == 0).then_some(whole * 1_000_000_000 + nanos)
}

/// A time of day, as it is written.
struct Clock<'a> {
    minutes: i64,
    /// Two digits, perhaps with a fraction.
    second: &'a str,
    /// Seconds east of UTC.
    offset: i64,
}

impl<'a> Clock<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let clock = text.as_bytes();
        if clock.len() < 5 || clock[2] != b':' {
            return None;
        }
        let (hour, minute) = (number(&clock[..2])?, number(&clock[3..5])?);
        let (second, rest) = seconds(text.get(5..)?)?;
        // 60 is a leap second.
        if hour > 23 || minute > 59 || second.get(..2)? > "60" {
            return None;
        }
        Some(Self { minutes: hour * 60 + minute, second, offset: offset(rest)? })
    }

    /// The second and its nanoseconds; what is finer is left out.
    fn exact(&self) -> Option<(i64, i64)> {
        let (second, fraction) = self.second.split_once('.').unwrap_or((self.second, ""));
        let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9).collect::<Vec<_>>();
        Some((number(second.as_bytes())?, number(&digits)?))
    }
}

/// The seconds at the start of the text (none is 0), and what follows them.
fn seconds(text: &str) -> Option<(&str, &str)> {
    let Some(rest) = text.strip_prefix(':') else { return Some(("00", text)) };
    let end = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (digits, rest) = rest.split_at(end);
    let plain = digits.len() >= 2 && digits.as_bytes()[..2].iter().all(u8::is_ascii_digit);
    let fraction = digits.len() == 2 || (digits.len() > 3 && digits.as_bytes()[2] == b'.');
    let points = digits.bytes().filter(|byte| *byte == b'.').count();
    (plain && fraction && points <= 1).then_some((digits, rest))
}

/// Seconds east of UTC.
fn offset(text: &str) -> Option<i64> {
    let sign = match text.as_bytes().first() {
        None => return Some(0),
        Some(b'Z' | b'z') if text.len() == 1 => return Some(0),
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(_) => return None,
    };
    let digits: Vec<u8> = text[1..].bytes().filter(|byte| *byte != b':').collect();
    if digits.len() != 4 || !(text.len() == 5 || text.as_bytes()[3] == b':') {
        return None;
    }
    let (hours, minutes) = (number(&digits[..2])?, number(&digits[2..])?);
    (hours < 24 && minutes < 60).then(|| sign * (hours * 3600 + minutes * 60))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Year, month and day of days since 1970-01-01, after Howard Hinnant's `civil_from_days`.
pub(crate) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Days since 1970-01-01, after Howard Hinnant's `days_from_civil`.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        assert_eq!(parse_date("1970-01-01"), Some(0.0));
        assert_eq!(parse_date("2000-03-01"), Some(951_868_800.0));
        assert_eq!(parse_timestamp("2026-01-31T12:00:00Z"), Some(1_769_860_800.0));
        assert_eq!(parse_timestamp("2026-01-31T13:00:00.5+01:00"), Some(1_769_860_800.5));
        assert_eq!(parse_timestamp("2026-01-31 12:00"), Some(1_769_860_800.0));
        assert_eq!(parse_timestamp("2026-01-31 11:00:00-0100"), Some(1_769_860_800.0));
    }

    #[test]
    fn instants_are_exact() {
        assert_eq!(parse_instant("3000-01-01T00:00:00.123456789Z"), Some((32_503_680_000, 123_456_789)));
        assert_eq!(parse_instant("1969-12-31 23:59:59.5+01:00"), Some((-3601, 500_000_000)));
        assert_eq!(parse_instant("+10000-01-01T00:00:00"), Some((253_402_300_800, 0)));
        assert_eq!(parse_instant("-0001-12-31T23:59:59Z"), Some((-62_167_219_201, 0)));
        assert_eq!(parse_time("23:59:59.000000001"), Some(86_399_000_000_001));
        for text in ["24:00:00", "23:59:60", "12:00:00Z", "12:00:00+01:00", "1:00:00"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn days_go_there_and_back() {
        for days in (-96_465_292..95_026_236).step_by(1009) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
            let text = if (0..=9999).contains(&year) { format!("{year:04}") } else { format!("{year:+05}") };
            assert_eq!(parse_days(&format!("{text}-{month:02}-{day:02}")), Some(days));
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["2026-02-29", "2026-13-01", "2026-1-1", "20260101", "", "é026-01-01"] {
            assert_eq!(parse_date(text), None, "{text}");
        }
        for text in [
            "2026-01-31",
            "2026-01-31T",
            "2026-01-31T25:00:00Z",
            "2026-01-31T12:00:0Z",
            "2026-01-31T12:00:00Q",
            "2026-01-31T12:00:00+1",
            "2026-01-31T12:00:00.Z",
            "2026-01-31T12:00:00+01:0é",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }
}
