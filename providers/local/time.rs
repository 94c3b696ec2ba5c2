//! The present, and times as text.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    unix_ms(SystemTime::now())
}

/// The same for another moment.
pub(crate) fn unix_ms(moment: SystemTime) -> u64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Year, month, day, hour, minute, second of a moment, in UTC.
fn civil(unix_ms: u64) -> [u64; 6] {
    let seconds = unix_ms / 1000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days since 0000-03-01, so that the leap day is the last of a year.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    [year, month, day, rest / 3600, rest / 60 % 60, rest % 60]
}

/// `2026-11-21T14:30:00Z`.
pub(crate) fn rfc3339(unix_ms: u64) -> String {
    let [year, month, day, hour, minute, second] = civil(unix_ms);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `2026-11-21T14:30:00.250Z`, for what follows on itself within a second.
pub(crate) fn rfc3339_exact(unix_ms: u64) -> String {
    format!("{}.{:03}Z", rfc3339(unix_ms).trim_end_matches('Z'), unix_ms % 1000)
}

/// The moment that [`rfc3339`] wrote; none where the text is of another form.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let (date, rest) = text.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, at: char| -> Option<[i64; 3]> {
        let found: Vec<i64> = text.split(at).map(|part| part.parse().ok()).collect::<Option<_>>()?;
        found.try_into().ok()
    };
    let ([year, month, day], [hour, minute, second]) = (numbers(date, '-')?, numbers(rest, ':')?);
    // Years that begin in March, so that the leap day is the last of one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    u64::try_from(((days * 24 + hour) * 60 + minute) * 60 + second).ok().map(|seconds| seconds * 1000)
}

/// `20261121T143000Z`, which sorts by time.
pub(crate) fn compact(unix_ms: u64) -> String {
    rfc3339(unix_ms).replace(['-', ':'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        for moment in [0, 951_782_400_000, 1_709_208_000_000, 1_795_271_400_000] {
            assert_eq!(parse(&rfc3339(moment)), Some(moment));
        }
        assert_eq!(parse("yesterday"), None);
    }

    #[test]
    fn moments_print_in_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_795_271_400_000), "2026-11-21T14:30:00Z");
        assert_eq!(compact(1_795_271_400_000), "20261121T143000Z");
    }
}
