//! Cron expressions in a time zone, correct over daylight-saving changes (R25).

use chrono::offset::LocalResult;
use chrono::{DateTime, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;
use croner::Cron as Pattern;
use croner::parser::{CronParser, Seconds, Year};

use super::local_time;

/// Cron expression bound to its time zone.
#[derive(Debug, Clone)]
pub struct CronSchedule {
    pattern: Pattern,
    zone: Tz,
    /// The expression names every hour, so it is an interval and no list of times of day.
    every_hour: bool,
}

/// Error of a text that is no cron expression, or of one that can never be due.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a cron expression: {reason}")]
pub struct CronError {
    text: String,
    reason: String,
}

impl CronSchedule {
    /// Parses 5 fields (minute hour day month weekday), 6 (seconds first) or 7 (year last).
    ///
    /// # Errors
    /// A field is out of range, or the expression has another number of fields.
    pub fn parse(text: &str, zone: Tz) -> Result<Self, CronError> {
        let refused = |reason: String| CronError {
            text: text.to_owned(),
            reason,
        };
        let fields = text.split_whitespace().count();
        if !text.trim_start().starts_with('@') && !(5..=7).contains(&fields) {
            return Err(refused(format!(
                "it has {fields} fields; 5, 6 (seconds first) or 7 (year last) are needed"
            )));
        }
        let pattern = CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Optional)
            .build()
            .parse(text)
            .map_err(|error| refused(error.to_string()))?;
        Ok(Self {
            every_hour: pattern.pattern.hours.values().len() == 24,
            pattern,
            zone,
        })
    }

    /// Returns the first time after `instant` at which the expression is due; `None` when it never
    /// is again.
    ///
    /// A local time that a change of the clock skips is due right after the change, and one that
    /// occurs twice is due the first time (R25). An expression of every hour is an interval, which
    /// passes on as time does: none of its ticks is repeated or left out.
    #[must_use]
    pub fn next_after(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.every_hour {
            self.next_of_interval(instant)
        } else {
            self.next_of_times(instant)
        }
    }

    fn next_of_times(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut local = instant.with_timezone(&self.zone).naive_local();
        // Where the clock was set back, local times up to that of the change were due before.
        loop {
            local = self.next_local(local, false)?;
            let due = local_time::instant_of(local, self.zone);
            if due > instant {
                return Some(due);
            }
        }
    }

    fn next_of_interval(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = instant.with_timezone(&self.zone).naive_local();
        let later = self.next_at_later_local(local, instant)?;
        match self.zone.from_local_datetime(&local) {
            // The clock is set back before `local` is over: earlier local times occur again.
            LocalResult::Ambiguous(first, second) if instant < second => {
                let again = self.next_local(self.start_of_overlap(first, second), true)?;
                match self.zone.from_local_datetime(&again) {
                    LocalResult::Ambiguous(_, again) => Some(later.min(again.to_utc())),
                    _ => Some(later),
                }
            }
            _ => Some(later),
        }
    }

    /// Returns the first due time after `instant` whose local time is after `local`, that of
    /// `instant`.
    fn next_at_later_local(&self, mut local: NaiveDateTime, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        loop {
            local = self.next_local(local, false)?;
            match self.zone.from_local_datetime(&local) {
                LocalResult::Single(due) => return Some(due.to_utc()),
                LocalResult::Ambiguous(first, second) => {
                    let due = if first > instant { first } else { second };
                    return Some(due.to_utc());
                }
                LocalResult::None => {}
            }
        }
    }

    /// Returns the first local time that occurs twice in the overlap in which a local time is
    /// `first`, and once more `second`.
    fn start_of_overlap(&self, first: DateTime<Tz>, second: DateTime<Tz>) -> NaiveDateTime {
        let offset = first.offset().fix();
        // Changes are at whole seconds. Parts of a second would end beside the change, and the time
        // that is shown at the change itself would be lost.
        let (mut before, mut after) = (first.timestamp(), second.timestamp());
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap_or_default();
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if self.zone.offset_from_utc_datetime(&at(middle).naive_utc()).fix() == offset {
                before = middle;
            } else {
                after = middle;
            }
        }
        let change = at(after);
        change.with_timezone(&self.zone).naive_local()
    }

    /// Returns the next time of the expression on a clock without changes.
    fn next_local(&self, after: NaiveDateTime, inclusive: bool) -> Option<NaiveDateTime> {
        let next = self.pattern.find_next_occurrence(&after.and_utc(), inclusive);
        next.ok().map(|next| next.naive_utc())
    }

    /// Returns how many times the expression was due after `from` and not after `until`, counted up
    /// to `most`.
    #[must_use]
    pub fn ticks_between(&self, from: DateTime<Utc>, until: DateTime<Utc>, most: u64) -> u64 {
        local_time::count_ticks(|at| self.next_after(at), from, until, most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn berlin(text: &str) -> CronSchedule {
        CronSchedule::parse(text, chrono_tz::Europe::Berlin).unwrap()
    }

    fn next_ones(cron: &CronSchedule, from: &str, count: usize) -> Vec<String> {
        let mut instant = at(from);
        (0..count)
            .map(|_| {
                instant = cron.next_after(instant).unwrap();
                instant.format("%Y-%m-%dT%H:%M:%SZ").to_string()
            })
            .collect()
    }

    #[test]
    fn five_six_and_seven_fields() {
        let utc = chrono_tz::UTC;
        let from = "2026-11-22T10:04:38Z";
        assert_eq!(
            next_ones(&CronSchedule::parse("*/15 * * * *", utc).unwrap(), from, 2),
            ["2026-11-22T10:15:00Z", "2026-11-22T10:30:00Z"]
        );
        assert_eq!(
            next_ones(&CronSchedule::parse("*/10 * * * * *", utc).unwrap(), from, 2),
            ["2026-11-22T10:04:40Z", "2026-11-22T10:04:50Z"]
        );
        assert_eq!(
            next_ones(&CronSchedule::parse("0 0 2 1 1 * 2028", utc).unwrap(), from, 1),
            ["2028-01-01T02:00:00Z"]
        );
        assert_eq!(
            next_ones(&CronSchedule::parse("0 2 * * SUN", utc).unwrap(), from, 1),
            ["2026-11-29T02:00:00Z"]
        );
    }

    #[test]
    fn refuses_what_is_no_expression() {
        for text in [
            "",
            "* * * *",
            "61 * * * *",
            "* * * * * * * *",
            "every minute please now ok",
        ] {
            let error = CronSchedule::parse(text, chrono_tz::UTC).unwrap_err().to_string();
            assert!(error.contains("is not a cron expression"), "{text}: {error}");
        }
    }

    #[test]
    fn an_expression_that_never_comes_has_no_next() {
        assert_eq!(
            CronSchedule::parse("0 0 30 2 *", chrono_tz::UTC)
                .ok()
                .and_then(|cron| cron.next_after(at("2026-01-01T00:00:00Z"))),
            None
        );
    }

    #[test]
    fn r25_a_skipped_local_time_runs_once_right_after() {
        // 2027-03-28 02:00 CET becomes 03:00 CEST: 02:30 does not exist.
        assert_eq!(
            next_ones(&berlin("30 2 * * *"), "2027-03-27T12:00:00Z", 2),
            ["2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"]
        );
    }

    #[test]
    fn r25_a_doubled_local_time_runs_once() {
        // 2026-10-25 03:00 CEST becomes 02:00 CET: 02:30 occurs twice, 00:30Z and 01:30Z.
        assert_eq!(
            next_ones(&berlin("30 2 * * *"), "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
    }

    #[test]
    fn r25_a_fixed_hour_keeps_its_local_time_over_the_change() {
        assert_eq!(
            next_ones(&berlin("0 0 18 * * *"), "2027-03-27T12:00:00Z", 2),
            ["2027-03-27T17:00:00Z", "2027-03-28T16:00:00Z"]
        );
    }

    #[test]
    fn r25_every_time_of_a_list_that_is_skipped_runs_once_right_after() {
        for (text, expected) in [
            ("30 2,14 * * *", ["2027-03-28T01:00:00Z", "2027-03-28T12:30:00Z"]),
            ("0,30 2 * * *", ["2027-03-28T01:00:00Z", "2027-03-29T00:00:00Z"]),
            ("15 1,2 * * *", ["2027-03-28T00:15:00Z", "2027-03-28T01:00:00Z"]),
            ("30 */2 * * *", ["2027-03-27T23:30:00Z", "2027-03-28T01:00:00Z"]),
            ("0 30 1-2 * * *", ["2027-03-28T00:30:00Z", "2027-03-28T01:00:00Z"]),
        ] {
            let from = if text == "30 */2 * * *" {
                "2027-03-27T22:00:00Z"
            } else {
                "2027-03-28T00:00:00Z"
            };
            assert_eq!(next_ones(&berlin(text), from, 2), expected, "{text}");
        }
    }

    #[test]
    fn r25_every_time_of_a_list_that_is_doubled_runs_once() {
        for (text, expected) in [
            ("30 2,14 * * *", ["2026-10-25T00:30:00Z", "2026-10-25T13:30:00Z"]),
            ("0,30 2 * * *", ["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z"]),
            ("30 2,3 * * *", ["2026-10-25T00:30:00Z", "2026-10-25T02:30:00Z"]),
            ("30 */2 * * *", ["2026-10-25T00:30:00Z", "2026-10-25T03:30:00Z"]),
            ("0 0 1-3 * * *", ["2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"]),
        ] {
            assert_eq!(
                next_ones(&berlin(text), "2026-10-24T23:30:00Z", 2),
                expected,
                "{text}"
            );
        }
        let list = berlin("0,30 2 * * *");
        // The service starts in the hour that occurs again: both were due before.
        assert_eq!(
            next_ones(&list, "2026-10-25T01:10:00Z", 1),
            ["2026-10-26T01:00:00Z"]
        );
    }

    #[test]
    fn r25_a_change_of_half_an_hour_and_one_at_midnight() {
        let next =
            |zone, text, from, count| next_ones(&CronSchedule::parse(text, zone).unwrap(), from, count);
        // 2026-10-04 02:00 becomes 02:30, 2026-04-05 02:00 becomes 01:30.
        let lord_howe = chrono_tz::Australia::Lord_Howe;
        assert_eq!(
            next(lord_howe, "15 2 * * *", "2026-10-03T12:00:00Z", 2),
            ["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"]
        );
        assert_eq!(
            next(lord_howe, "*/15 * * * *", "2026-04-04T14:40:00Z", 4),
            [
                "2026-04-04T14:45:00Z",
                "2026-04-04T15:00:00Z",
                "2026-04-04T15:15:00Z",
                "2026-04-04T15:30:00Z"
            ]
        );
        // 2026-11-01 01:00 becomes 00:00 in Havana, 2026-03-08 00:00 becomes 01:00.
        assert_eq!(
            next(
                chrono_tz::America::Havana,
                "30 0 * * *",
                "2026-11-01T00:00:00Z",
                2
            ),
            ["2026-11-01T04:30:00Z", "2026-11-02T05:30:00Z"]
        );
        assert_eq!(
            next(chrono_tz::America::Havana, "0 0 * * *", "2026-03-08T00:00:00Z", 1),
            ["2026-03-08T05:00:00Z"]
        );
    }

    #[test]
    fn r25_an_interval_is_due_at_the_change_of_the_clock_from_any_second_before() {
        let lord_howe = CronSchedule::parse("*/30 * * * *", chrono_tz::Australia::Lord_Howe).unwrap();
        for (cron, change) in [
            (berlin("*/30 * * * *"), "2027-10-31T01:00:00Z"),
            (lord_howe, "2027-04-03T15:00:00Z"),
        ] {
            let change = at(change);
            for seconds in 1..1_800 {
                let before = change - chrono::TimeDelta::seconds(seconds);
                assert_eq!(cron.next_after(before), Some(change), "{before}");
            }
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(32))]

        /// Around any change, each local time of a list is due once, and an interval passes on.
        #[test]
        fn r25_each_time_of_a_list_runs_once_in_any_year(
            year in 2000_i32..2037,
            minute in 0_u32..60,
            hour in 0_u32..23,
            zone in proptest::sample::select(vec![
                chrono_tz::Europe::Berlin,
                chrono_tz::America::New_York,
                chrono_tz::Australia::Lord_Howe,
                chrono_tz::America::Sao_Paulo,
                chrono_tz::America::Havana,
            ]),
        ) {
            let noon = |year| zone.with_ymd_and_hms(year, 1, 1, 12, 0, 0).unwrap();
            let (start, end) = (noon(year).to_utc(), noon(year + 1).to_utc());
            let daily = CronSchedule::parse(&format!("{minute} {hour} * * *"), zone).unwrap();
            let days = (noon(year + 1).date_naive() - noon(year).date_naive()).num_days().cast_unsigned();
            proptest::prop_assert_eq!(daily.ticks_between(start, end, 1_000), days);
            let listed = CronSchedule::parse(&format!("{minute} {hour},{} * * *", hour + 1), zone).unwrap();
            // Both may fall into one gap, and are one run then.
            let ticks = listed.ticks_between(start, end, 1_000);
            proptest::prop_assert!((2 * days - 1..=2 * days).contains(&ticks), "{}", ticks);
        }
    }

    #[test]
    fn an_interval_runs_through_both_changes() {
        assert_eq!(
            next_ones(&berlin("*/30 * * * *"), "2026-10-24T23:45:00Z", 6),
            [
                "2026-10-25T00:00:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:00:00Z",
                "2026-10-25T02:30:00Z"
            ]
        );
        assert_eq!(
            next_ones(&berlin("30 * * * *"), "2026-10-24T23:45:00Z", 3),
            [
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:30:00Z"
            ]
        );
        assert_eq!(
            next_ones(&berlin("0 0-23 * * *"), "2027-03-28T00:15:00Z", 2),
            ["2027-03-28T01:00:00Z", "2027-03-28T02:00:00Z"]
        );
        assert_eq!(
            next_ones(&berlin("*/30 * * * *"), "2027-03-28T00:15:00Z", 3),
            [
                "2027-03-28T00:30:00Z",
                "2027-03-28T01:00:00Z",
                "2027-03-28T01:30:00Z"
            ]
        );
    }

    #[test]
    fn counts_the_ticks_of_an_interval() {
        let cron = CronSchedule::parse("*/15 * * * *", chrono_tz::UTC).unwrap();
        assert_eq!(
            cron.ticks_between(at("2026-11-22T10:00:00Z"), at("2026-11-22T11:00:00Z"), 100),
            4
        );
        assert_eq!(
            cron.ticks_between(at("2026-11-22T10:00:00Z"), at("2026-11-22T11:00:00Z"), 3),
            3
        );
        assert_eq!(
            cron.ticks_between(at("2026-11-22T10:01:00Z"), at("2026-11-22T10:14:59Z"), 100),
            0
        );
    }
}
