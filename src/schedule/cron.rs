//! Cron expressions in a time zone, right over daylight-saving changes (R25).

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron as Pattern;
use croner::parser::{CronParser, Seconds, Year};

/// A cron expression bound to its time zone.
#[derive(Debug, Clone)]
pub struct Cron {
    text: String,
    pattern: Pattern,
    zone: Tz,
}

/// Why a text is not a cron expression that can ever be due.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a cron expression: {reason}")]
pub struct CronError {
    text: String,
    reason: String,
}

impl Cron {
    /// Parses 5 fields (minute hour day month weekday), 6 (seconds first) or 7 (year last).
    ///
    /// # Errors
    /// When a field is out of range, or the expression has another number of fields.
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
            text: text.to_owned(),
            pattern,
            zone,
        })
    }

    /// The first time after `instant` at which the expression is due; `None` when it never is again.
    ///
    /// A local time that a daylight-saving change skips is due right after the change; one that comes twice is due
    /// once, unless the expression repeats within the hour.
    #[must_use]
    pub fn next_after(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = instant.with_timezone(&self.zone);
        self.pattern
            .find_next_occurrence(&local, false)
            .ok()
            .map(|next| next.with_timezone(&Utc))
    }

    /// How many times the expression was due after `from` and not after `until`, counted up to `most`.
    #[must_use]
    pub fn ticks_between(&self, from: DateTime<Utc>, until: DateTime<Utc>, most: u64) -> u64 {
        let mut ticks = 0;
        let mut at = from;
        while ticks < most {
            match self.next_after(at) {
                Some(next) if next <= until => {
                    ticks += 1;
                    at = next;
                }
                _ => break,
            }
        }
        ticks
    }

    /// The expression as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn berlin(text: &str) -> Cron {
        Cron::parse(text, chrono_tz::Europe::Berlin).unwrap()
    }

    fn next_ones(cron: &Cron, from: &str, count: usize) -> Vec<String> {
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
            next_ones(&Cron::parse("*/15 * * * *", utc).unwrap(), from, 2),
            ["2026-11-22T10:15:00Z", "2026-11-22T10:30:00Z"]
        );
        assert_eq!(
            next_ones(&Cron::parse("*/10 * * * * *", utc).unwrap(), from, 2),
            ["2026-11-22T10:04:40Z", "2026-11-22T10:04:50Z"]
        );
        assert_eq!(
            next_ones(&Cron::parse("0 0 2 1 1 * 2028", utc).unwrap(), from, 1),
            ["2028-01-01T02:00:00Z"]
        );
        assert_eq!(
            next_ones(&Cron::parse("0 2 * * SUN", utc).unwrap(), from, 1),
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
            let error = Cron::parse(text, chrono_tz::UTC).unwrap_err().to_string();
            assert!(error.contains("is not a cron expression"), "{text}: {error}");
        }
    }

    #[test]
    fn an_expression_that_never_comes_has_no_next() {
        assert_eq!(
            Cron::parse("0 0 30 2 *", chrono_tz::UTC)
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
        // 2026-10-25 03:00 CEST becomes 02:00 CET: 02:30 comes twice, 00:30Z and 01:30Z.
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
        let cron = Cron::parse("*/15 * * * *", chrono_tz::UTC).unwrap();
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
