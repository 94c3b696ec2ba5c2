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

/// Seconds since 1970 of `2026-01-31T12:00:00.5+01:00`; a space may stand for `T`, and no offset means UTC.
#[must_use]
pub fn parse_timestamp(text: &str) -> Option<f64> {
    let date = parse_date(text.get(..10)?)?;
    let rest = text.get(10..)?.strip_prefix(['T', 't', ' '])?;
    let clock = rest.as_bytes();
    if clock.len() < 5 || clock[2] != b':' {
        return None;
    }
    let (hour, minute) = (number(&clock[..2])?, number(&clock[3..5])?);
    let (second, rest) = seconds(&rest[5..])?;
    // 60 is a leap second.
    if hour > 23 || minute > 59 || second >= 61.0 {
        return None;
    }
    Some(date + (hour * 3600 + minute * 60) as f64 + second - offset(rest)?)
}

/// The seconds at the start of the text (none is 0), and what follows them.
fn seconds(text: &str) -> Option<(f64, &str)> {
    let Some(rest) = text.strip_prefix(':') else { return Some((0.0, text)) };
    let end = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (digits, rest) = rest.split_at(end);
    let plain = digits.len() >= 2 && digits.as_bytes()[..2].iter().all(u8::is_ascii_digit);
    let fraction = digits.len() == 2 || (digits.len() > 3 && digits.as_bytes()[2] == b'.');
    if !plain || !fraction {
        return None;
    }
    Some((digits.parse().ok()?, rest))
}

/// Seconds east of UTC.
fn offset(text: &str) -> Option<f64> {
    let sign = match text.as_bytes().first() {
        None => return Some(0.0),
        Some(b'Z' | b'z') if text.len() == 1 => return Some(0.0),
        Some(b'+') => 1.0,
        Some(b'-') => -1.0,
        Some(_) => return None,
    };
    let digits: Vec<u8> = text[1..].bytes().filter(|byte| *byte != b':').collect();
    if digits.len() != 4 || !(text.len() == 5 || text.as_bytes()[3] == b':') {
        return None;
    }
    let (hours, minutes) = (number(&digits[..2])?, number(&digits[2..])?);
    (hours < 24 && minutes < 60).then(|| sign * (hours * 3600 + minutes * 60) as f64)
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
