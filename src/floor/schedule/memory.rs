//! What is durable about a schedule: how far it was looked at, what was answered, what was missed.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::Schedule;

/// How late an instant may be answered without counting as missed: who looks every second is never that late.
const ON_TIME_MS: u64 = 60_000;
/// Answered instants that are remembered: a day of every minute.
const REMEMBERED: usize = 1500;
/// The most instants that `all` makes up for; older ones are missed.
const MOST_MADE_UP: usize = 1000;
/// Instants after which counting what was missed ends: two years of every minute.
const MOST_COUNTED: u64 = 1_000_000;

/// Which missed instants are made up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// None of them.
    #[default]
    None,
    /// The last of them, once.
    Last,
    /// Each of them.
    All,
}

impl CatchUp {
    /// Reads `none`, `last` or `all`.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            "last" => Some(Self::Last),
            "all" => Some(Self::All),
            _ => None,
        }
    }
}

/// What is durable about a schedule. Times are milliseconds of Unix time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Memory {
    /// The schedule that this is about.
    #[serde(default)]
    schedule: String,
    /// Every instant until then was looked at.
    #[serde(default)]
    until: u64,
    /// The instants that were answered, the newest of them.
    #[serde(default)]
    answered: BTreeSet<u64>,
    /// How many instants were missed.
    #[serde(default)]
    pub missed: u64,
    /// The newest instant that was missed.
    #[serde(default)]
    pub last_missed: Option<u64>,
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Due {
    /// The instants to answer, oldest first.
    pub fire: Vec<u64>,
    /// How many were missed and are not made up for.
    pub missed: u64,
}

impl Memory {
    /// The instants that are due, each given once in all time. The caller makes `self` durable before it acts.
    ///
    /// A schedule that is new or was changed begins now. A clock that was set back is believed: what was answered is not
    /// answered again, and what lies ahead comes.
    pub fn due(&mut self, schedule: &Schedule, catch_up: CatchUp, now: u64) -> Due {
        if self.schedule != schedule.key() || now < self.until {
            schedule.key().clone_into(&mut self.schedule);
            self.until = now;
            return Due::default();
        }
        let Some((open, count)) = self.passed(schedule, now) else { return Due::default() };
        self.until = now;
        let on_time = |instant: &u64| now.saturating_sub(*instant) < ON_TIME_MS;
        let newest = open.back().copied();
        let fire: Vec<u64> = match catch_up {
            CatchUp::All => open.iter().copied().collect(),
            CatchUp::Last => newest.into_iter().collect(),
            CatchUp::None => newest.filter(on_time).into_iter().collect(),
        };
        let missed = count.saturating_sub(fire.len() as u64);
        let last_missed = open.iter().rev().find(|instant| !fire.contains(instant)).copied();
        self.miss(missed, last_missed);
        self.answered.extend(&fire);
        while self.answered.len() > REMEMBERED {
            self.answered.pop_first();
        }
        Due { fire, missed }
    }

    /// What would be missed if nobody looked until now: how many instants, and the newest of them.
    #[must_use]
    pub fn overdue(&self, schedule: &Schedule, now: u64) -> Option<(u64, u64)> {
        if self.schedule != schedule.key() || now < self.until {
            return None;
        }
        let (open, count) = self.passed(schedule, now)?;
        open.back().filter(|newest| now.saturating_sub(**newest) >= ON_TIME_MS).map(|newest| (count, *newest))
    }

    /// Counts instants as missed that were given to be answered and could not be.
    pub fn miss(&mut self, count: u64, newest: Option<u64>) {
        self.missed = self.missed.saturating_add(count);
        if count > 0 {
            self.last_missed = self.last_missed.max(newest);
        }
    }

    /// Looks at the schedule as if it began now; nothing that passed counts as missed.
    pub fn skip(&mut self, schedule: &Schedule, now: u64) {
        schedule.key().clone_into(&mut self.schedule);
        self.until = now;
    }

    /// The newest instants that passed and were not answered, and how many there are; none where nothing passed.
    fn passed(&self, schedule: &Schedule, now: u64) -> Option<(VecDeque<u64>, u64)> {
        let mut at = schedule.next_after(self.until).filter(|next| *next <= now)?;
        let (mut open, mut count) = (VecDeque::new(), 0);
        loop {
            if !self.was_answered(at) {
                open.push_back(at);
                count += 1;
            }
            if open.len() > MOST_MADE_UP {
                open.pop_front();
            }
            match schedule.next_after(at) {
                Some(next) if next <= now && count < MOST_COUNTED => at = next,
                _ => return Some((open, count)),
            }
        }
    }

    /// What is older than all that is remembered counts as answered where something may have been forgotten.
    fn was_answered(&self, instant: u64) -> bool {
        let forgotten =
            self.answered.len() >= REMEMBERED && self.answered.first().is_some_and(|first| instant < *first);
        forgotten || self.answered.contains(&instant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    fn every_minute() -> Schedule {
        Schedule::parse("* * * * *", "UTC").unwrap()
    }

    /// A memory of that schedule that begins at minute 100.
    fn memory() -> Memory {
        let mut memory = Memory::default();
        assert_eq!(memory.due(&every_minute(), CatchUp::All, 100 * MINUTE), Due::default());
        memory
    }

    fn minutes(due: &Due) -> Vec<u64> {
        due.fire.iter().map(|instant| instant / MINUTE).collect()
    }

    #[test]
    fn each_instant_is_given_once() {
        let (mut memory, schedule) = (memory(), every_minute());
        for second in 1..=180 {
            let due = memory.due(&schedule, CatchUp::None, 100 * MINUTE + second * 1000);
            let expected = if second % 60 == 0 { vec![100 + second / 60] } else { Vec::new() };
            assert_eq!(minutes(&due), expected);
        }
        assert_eq!(memory.missed, 0);
    }

    #[test]
    fn what_was_missed_is_made_up_for_as_asked() {
        for (catch_up, expected, missed) in [
            (CatchUp::None, vec![], 5),
            (CatchUp::Last, vec![105], 4),
            (CatchUp::All, vec![101, 102, 103, 104, 105], 0),
        ] {
            let mut memory = memory();
            // Nothing is scheduled after minute 105, so that all of them are late.
            let schedule = Schedule::parse("0-45 * * * *", "UTC").unwrap();
            memory.skip(&schedule, 100 * MINUTE);
            let now = 107 * MINUTE;
            assert_eq!(memory.overdue(&schedule, now), Some((5, 105 * MINUTE)));
            let due = memory.due(&schedule, catch_up, now);
            assert_eq!(
                (minutes(&due), due.missed, memory.missed),
                (expected, missed, missed),
                "{catch_up:?}"
            );
            assert_eq!(memory.due(&schedule, catch_up, now + 1000), Due::default());
            assert_eq!(memory.overdue(&schedule, now + 1000), None);
        }
    }

    #[test]
    fn a_clock_that_is_set_back_within_the_minute_gives_nothing_twice() {
        let (mut memory, schedule) = (memory(), every_minute());
        assert_eq!(minutes(&memory.due(&schedule, CatchUp::All, 101 * MINUTE + 500)), [101]);
        for now in [101 * MINUTE - 9000, 101 * MINUTE - 1, 101 * MINUTE, 101 * MINUTE + 700] {
            assert_eq!(memory.due(&schedule, CatchUp::All, now), Due::default(), "{now}");
        }
        assert_eq!(minutes(&memory.due(&schedule, CatchUp::All, 102 * MINUTE)), [102]);
    }

    #[test]
    fn a_clock_that_was_wrong_for_long_is_believed_when_it_is_put_right() {
        let (mut memory, schedule) = (memory(), every_minute());
        let wrong = 600_000 * MINUTE;
        assert_eq!(minutes(&memory.due(&schedule, CatchUp::Last, wrong)), [600_000]);
        assert_eq!(memory.due(&schedule, CatchUp::Last, 102 * MINUTE), Due::default());
        assert_eq!(minutes(&memory.due(&schedule, CatchUp::Last, 103 * MINUTE)), [103]);
        // And when that year is reached at last, its minute was answered.
        memory.skip(&schedule, wrong - 1);
        assert_eq!(memory.due(&schedule, CatchUp::Last, wrong), Due::default());
    }

    #[test]
    fn a_changed_schedule_begins_anew() {
        let mut memory = memory();
        let other = Schedule::parse("*/5 * * * *", "UTC").unwrap();
        assert_eq!(memory.due(&other, CatchUp::All, 200 * MINUTE), Due::default());
        assert_eq!(minutes(&memory.due(&other, CatchUp::All, 205 * MINUTE)), [205]);
    }

    #[test]
    fn it_survives_being_written_down() {
        let (mut memory, schedule) = (memory(), every_minute());
        memory.due(&schedule, CatchUp::All, 101 * MINUTE);
        let text = serde_json::to_string(&memory).unwrap();
        let mut again: Memory = serde_json::from_str(&text).unwrap();
        assert_eq!(again, memory);
        assert_eq!(again.due(&schedule, CatchUp::All, 101 * MINUTE + 1), Due::default());
    }
}
