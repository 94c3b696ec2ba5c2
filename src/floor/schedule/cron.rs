//! A cron expression in a time zone, as instants.
//!
//! The expression is matched against the wall clock of the zone. Daylight saving bends that clock, and what that means
//! depends on what was asked for:
//!
//! - With hours that are named (`30 2 * * *`) a time of day is meant. One that does not exist happens once, at the first
//!   instant that does; one that comes twice happens the first time.
//! - With every hour (`15 * * * *`, `0 */2 * * *`) an interval is meant: it goes on through the hour that is repeated,
//!   and an hour that does not exist is no loss.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

use crate::Problem;

/// Offsets of a zone that are tried before a schedule counts as one that never comes: centuries of them.
const MOST_OFFSETS: usize = 1000;
/// Times of the wall clock that may fall into one gap: every minute of a day that was left out.
const MOST_TRIES: usize = 3000;

/// A cron expression in a time zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
    every_hour: bool,
    key: String,
}

impl Schedule {
    /// Reads five fields of cron (lists, ranges, steps, names of days and months), or `@hourly`, `@daily`, `@weekly`,
    /// `@monthly`, `@yearly`, and the name of a zone (`Europe/Berlin`).
    ///
    /// # Errors
    /// The subject of the problem is `cron` or `timezone`, whichever cannot be read.
    pub fn parse(cron: &str, timezone: &str) -> Result<Self, Problem> {
        // Of the program itself: what a schedule means does not depend on the machine.
        let zone = TimeZoneDatabase::bundled().get(timezone).map_err(|_| unknown_zone(timezone))?;
        let refused = |why: String| {
            Problem::new("MLP0755", format!("`{cron}` is no schedule: {why}"))
                .help(
                    "write minute, hour, day of month, month and day of week: `0 3 * * 1` is Mondays at 3:00",
                )
                .at("cron")
        };
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let parsed = parser.parse(cron).map_err(|error| refused(plain(&error.to_string())))?;
        let hours = cron.split_whitespace().nth(1);
        // `@hourly` is the one short form that names no hour.
        let every_hour =
            hours.map_or(cron.trim().eq_ignore_ascii_case("@hourly"), |hours| hours.starts_with('*'));
        let key = format!("{} {timezone}", cron.split_whitespace().collect::<Vec<_>>().join(" "));
        let schedule = Self { cron: parsed, zone, every_hour, key };
        if schedule.civil_after(DateTime::constant(2000, 1, 1, 0, 0, 0, 0), true).is_none() {
            return Err(refused("no date fulfils it".to_owned()));
        }
        Ok(schedule)
    }

    /// The text that tells one schedule from another.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The first instant after another, both in milliseconds of Unix time; none where time as we count it ends before.
    #[must_use]
    pub fn next_after(&self, unix_ms: u64) -> Option<u64> {
        let after = Timestamp::from_millisecond(i64::try_from(unix_ms).ok()?).ok()?;
        let next = if self.every_hour { self.next_interval(after) } else { self.next_time_of_day(after) }?;
        u64::try_from(next.as_millisecond()).ok()
    }

    /// Within one offset the wall clock runs evenly, so its matches are instants.
    fn next_interval(&self, after: Timestamp) -> Option<Timestamp> {
        let mut from = after;
        let mut inclusive = false;
        for _ in 0..MOST_OFFSETS {
            let offset = self.zone.to_offset(from);
            let change = self.zone.following(from).next().map(|transition| transition.timestamp());
            let found = offset.to_timestamp(self.civil_after(offset.to_datetime(from), inclusive)?).ok()?;
            match change {
                Some(change) if found >= change => (from, inclusive) = (change, true),
                _ => return Some(found),
            }
        }
        None
    }

    /// Times of the wall clock in their order are instants in the same order, so none is skipped.
    fn next_time_of_day(&self, after: Timestamp) -> Option<Timestamp> {
        let mut civil = self.zone.to_datetime(after);
        for _ in 0..MOST_TRIES {
            civil = self.civil_after(civil, false)?;
            let instant = self.instant(civil)?;
            if instant > after {
                return Some(instant);
            }
        }
        None
    }

    /// The instant of a time of the wall clock.
    fn instant(&self, civil: DateTime) -> Option<Timestamp> {
        match self.zone.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(civil).ok(),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(civil).ok(),
            AmbiguousOffset::Gap { after, .. } => {
                // Read with the offset after the gap it lies before it, and the gap is the next change from there.
                let before = after.to_timestamp(civil).ok()?;
                self.zone.following(before).next().map(|transition| transition.timestamp())
            }
        }
    }

    fn civil_after(&self, civil: DateTime, inclusive: bool) -> Option<DateTime> {
        self.cron.find_next_occurrence(&civil, inclusive).ok()
    }
}

/// The parser's words without the name of its own type.
fn plain(text: &str) -> String {
    let text = ["Invalid pattern: ", "Component error: "]
        .iter()
        .fold(text, |text, prefix| text.strip_prefix(prefix).unwrap_or(text));
    let text = text.replace("CronPattern", "it").replace("Pattern", "it");
    let text = text.trim_end_matches('.');
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

fn unknown_zone(name: &str) -> Problem {
    let database = TimeZoneDatabase::bundled();
    let known: Vec<String> = database.available().map(|known| known.as_str().to_owned()).collect();
    // `Berlin` is the city of `Europe/Berlin`.
    let city = |known: &&String| known.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name));
    let near = known.iter().find(city).map(String::as_str);
    let near = near.or_else(|| mlp_diag::did_you_mean(name, known.iter().map(String::as_str)));
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "use a name of the IANA database: `UTC`, `Europe/Berlin`, `America/New_York`".to_owned(),
    };
    Problem::new("MLP0756", format!("there is no time zone `{name}`")).help(help).at("timezone")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> u64 {
        u64::try_from(text.parse::<Timestamp>().unwrap().as_millisecond()).unwrap()
    }

    /// The next instants after another, in the clock of the zone.
    #[track_caller]
    fn check(cron: &str, zone: &str, after: &str, expected: &[&str]) {
        let schedule = Schedule::parse(cron, zone).unwrap();
        let mut at = ms(after);
        let mut found = Vec::new();
        for _ in expected {
            at = schedule.next_after(at).unwrap();
            let zoned = Timestamp::from_millisecond(at as i64).unwrap().to_zoned(schedule.zone.clone());
            found.push(zoned.strftime("%Y-%m-%d %H:%M %:z").to_string());
        }
        assert_eq!(found, expected, "{cron} in {zone}");
    }

    #[test]
    fn lists_ranges_steps_names_and_short_forms() {
        let from = "2026-01-01T00:00:00Z";
        check("0 3 * * 1", "UTC", from, &["2026-01-05 03:00 +00:00", "2026-01-12 03:00 +00:00"]);
        check("0 3 * * mon", "UTC", from, &["2026-01-05 03:00 +00:00"]);
        check(
            "15,45 9-10 * * *",
            "UTC",
            from,
            &["2026-01-01 09:15 +00:00", "2026-01-01 09:45 +00:00", "2026-01-01 10:15 +00:00"],
        );
        check("*/20 * * * *", "UTC", from, &["2026-01-01 00:20 +00:00", "2026-01-01 00:40 +00:00"]);
        check("0 0 29 FEB *", "UTC", from, &["2028-02-29 00:00 +00:00"]);
        check("@daily", "Asia/Kolkata", from, &["2026-01-02 00:00 +05:30"]);
        check("@hourly", "UTC", from, &["2026-01-01 01:00 +00:00"]);
        check("0 12 1 * 0", "UTC", from, &["2026-01-01 12:00 +00:00", "2026-01-04 12:00 +00:00"]);
    }

    #[test]
    fn an_instant_is_not_after_itself() {
        let schedule = Schedule::parse("* * * * *", "UTC").unwrap();
        assert_eq!(schedule.next_after(60_000), Some(120_000));
        assert_eq!(schedule.next_after(59_999), Some(60_000));
    }

    #[test]
    fn a_time_that_does_not_exist_happens_once_at_the_next_instant_that_does() {
        // In Berlin the clock goes from 02:00 to 03:00 on 2026-03-29.
        let before = "2026-03-28T12:00:00Z";
        check("30 2 * * *", "Europe/Berlin", before, &["2026-03-29 03:00 +02:00", "2026-03-30 02:30 +02:00"]);
        check(
            "*/20 2 * * *",
            "Europe/Berlin",
            before,
            &["2026-03-29 03:00 +02:00", "2026-03-30 02:00 +02:00"],
        );
        check(
            "0 2,3 * * *",
            "Europe/Berlin",
            before,
            &["2026-03-29 03:00 +02:00", "2026-03-30 02:00 +02:00"],
        );
    }

    #[test]
    fn a_time_that_comes_twice_happens_the_first_time() {
        // In New York the clock goes from 02:00 back to 01:00 on 2026-11-01.
        let before = "2026-10-31T12:00:00Z";
        check(
            "30 1 * * *",
            "America/New_York",
            before,
            &["2026-11-01 01:30 -04:00", "2026-11-02 01:30 -05:00"],
        );
        // From within the second time.
        check("30 1 * * *", "America/New_York", "2026-11-01T06:10:00Z", &["2026-11-02 01:30 -05:00"]);
    }

    #[test]
    fn an_interval_goes_on_through_both_changes() {
        check(
            "30 * * * *",
            "America/New_York",
            "2026-11-01T05:00:00Z",
            &["2026-11-01 01:30 -04:00", "2026-11-01 01:30 -05:00", "2026-11-01 02:30 -05:00"],
        );
        check(
            "0 */2 * * *",
            "Europe/Berlin",
            "2026-03-28T23:30:00Z",
            &["2026-03-29 04:00 +02:00", "2026-03-29 06:00 +02:00"],
        );
        // Half an hour is a change too.
        check(
            "15 * * * *",
            "Australia/Lord_Howe",
            "2026-04-04T14:00:00Z",
            &["2026-04-05 01:15 +11:00", "2026-04-05 02:15 +10:30"],
        );
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_a_way_out() {
        for cron in
            ["", "hello", "* * * *", "61 * * * *", "0 0 0 * * *", "0 0 30 2 *", "@reboot", "0 25 * * *"]
        {
            let problem = Schedule::parse(cron, "UTC").unwrap_err();
            assert_eq!((problem.code, problem.subject.as_deref()), ("MLP0755", Some("cron")), "{cron}");
            assert!(problem.help.is_some());
        }
        let problem = Schedule::parse("0 3 * * *", "Europa/Berlin").unwrap_err();
        assert_eq!((problem.code, problem.subject.as_deref()), ("MLP0756", Some("timezone")));
        assert_eq!(problem.help.as_deref(), Some("did you mean `Europe/Berlin`?"));
    }
}
