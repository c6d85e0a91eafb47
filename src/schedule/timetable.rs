//! What is due, decided against the stored next run (R25).

use chrono::{DateTime, Utc};

use super::Cron;
use crate::store::RunMode;

/// Ticks counted in one gap at most: a day of every-second ticks. Counting is for the report, not for the schedule.
const MOST_TICKS: u64 = 86_400;

/// The two schedules of a connection.
#[derive(Debug, Clone)]
pub struct Timetable {
    sync: Cron,
    baseline: Option<Cron>,
}

/// The next times at which a connection is due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Next {
    /// Of `SYNC_CRON`.
    pub sync: Option<DateTime<Utc>>,
    /// Of `BASELINE_CRON`.
    pub baseline: Option<DateTime<Utc>>,
}

impl Next {
    /// The earlier one.
    #[must_use]
    pub fn first(&self) -> Option<DateTime<Utc>> {
        match (self.sync, self.baseline) {
            (Some(sync), Some(baseline)) => Some(sync.min(baseline)),
            (sync, baseline) => sync.or(baseline),
        }
    }

    /// What is due at `now`: a baseline covers a delta that is due at the same time.
    #[must_use]
    pub fn due(&self, now: DateTime<Utc>) -> Option<RunMode> {
        let reached = |next: Option<DateTime<Utc>>| next.is_some_and(|next| next <= now);
        if reached(self.baseline) {
            Some(RunMode::Baseline)
        } else if reached(self.sync) {
            Some(RunMode::Delta)
        } else {
            None
        }
    }
}

impl Timetable {
    /// A timetable of `SYNC_CRON` and, where it is on, `BASELINE_CRON`.
    #[must_use]
    pub fn new(sync: Cron, baseline: Option<Cron>) -> Self {
        Self { sync, baseline }
    }

    /// The next runs after `now`.
    #[must_use]
    pub fn after(&self, now: DateTime<Utc>) -> Next {
        Next {
            sync: self.sync.next_after(now),
            baseline: self
                .baseline
                .as_ref()
                .and_then(|baseline| baseline.next_after(now)),
        }
    }

    /// The next runs for a service that starts at `now` and finds `stored`: one that was missed while the service was
    /// down is due at once, once, however many were missed; one that lies ahead is computed anew, since schedule,
    /// zone or clock may have changed meanwhile.
    #[must_use]
    pub fn resumed(&self, stored: Next, now: DateTime<Utc>) -> Next {
        let fresh = self.after(now);
        let missed = |stored: Option<DateTime<Utc>>| stored.filter(|next| *next <= now);
        Next {
            sync: missed(stored.sync).or(fresh.sync),
            baseline: self
                .baseline
                .as_ref()
                .and_then(|_| missed(stored.baseline).or(fresh.baseline)),
        }
    }

    /// `next`, unless the clock was set back and the schedule comes sooner now: then that.
    #[must_use]
    pub fn corrected(&self, next: Next, now: DateTime<Utc>) -> Next {
        let fresh = self.after(now);
        let sooner = |next: Option<DateTime<Utc>>, fresh: Option<DateTime<Utc>>| match (next, fresh) {
            (Some(next), Some(fresh)) => Some(next.min(fresh)),
            (next, _) => next,
        };
        Next {
            sync: sooner(next.sync, fresh.sync),
            baseline: sooner(next.baseline, fresh.baseline),
        }
    }

    /// How many ticks of the delta schedule fell into the run from `started` to `ended`; those are skipped (R25).
    #[must_use]
    pub fn skipped(&self, started: DateTime<Utc>, ended: DateTime<Utc>) -> u64 {
        self.sync.ticks_between(started, ended, MOST_TICKS)
    }

    /// `SYNC_CRON` as written, for `runFrequency`.
    #[must_use]
    pub fn frequency(&self) -> &str {
        self.sync.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn timetable() -> Timetable {
        let cron = |text| Cron::parse(text, chrono_tz::UTC).unwrap();
        Timetable::new(cron("*/15 * * * *"), Some(cron("0 2 * * SUN")))
    }

    #[test]
    fn due_when_its_time_has_come() {
        let next = timetable().after(at("2026-11-22T10:04:38Z"));
        assert_eq!(next.first(), Some(at("2026-11-22T10:15:00Z")));
        assert_eq!(next.due(at("2026-11-22T10:14:59Z")), None);
        assert_eq!(next.due(at("2026-11-22T10:15:00Z")), Some(RunMode::Delta));
    }

    #[test]
    fn a_baseline_covers_the_delta_of_the_same_moment() {
        let next = timetable().after(at("2026-11-29T01:59:00Z"));
        assert_eq!(next.due(at("2026-11-29T02:00:00Z")), Some(RunMode::Baseline));
    }

    #[test]
    fn r25_after_a_pause_one_run_is_made_up() {
        let stored = Next {
            sync: Some(at("2026-11-20T10:15:00Z")),
            baseline: None,
        };
        let now = at("2026-11-22T10:04:38Z");
        let next = timetable().resumed(stored, now);
        assert_eq!(next.due(now), Some(RunMode::Delta));
        assert_eq!(timetable().after(now).due(now), None, "and none after it");
    }

    #[test]
    fn r25_a_missed_baseline_is_made_up_as_a_baseline() {
        let stored = Next {
            sync: Some(at("2026-11-22T10:15:00Z")),
            baseline: Some(at("2026-11-22T02:00:00Z")),
        };
        let now = at("2026-11-22T10:04:38Z");
        assert_eq!(timetable().resumed(stored, now).due(now), Some(RunMode::Baseline));
    }

    #[test]
    fn a_schedule_changed_while_down_is_followed() {
        let stored = Next {
            sync: Some(at("2026-11-22T23:00:00Z")),
            baseline: Some(at("2027-01-01T00:00:00Z")),
        };
        let next = timetable().resumed(stored, at("2026-11-22T10:04:38Z"));
        assert_eq!(next.sync, Some(at("2026-11-22T10:15:00Z")));
        assert_eq!(next.baseline, Some(at("2026-11-29T02:00:00Z")));
        let off = Timetable::new(Cron::parse("*/15 * * * *", chrono_tz::UTC).unwrap(), None);
        assert_eq!(
            off.resumed(stored, at("2026-11-22T10:04:38Z")).baseline,
            None,
            "a baseline that was turned off"
        );
    }

    #[test]
    fn r29_a_clock_set_back_does_not_stop_the_schedule() {
        let next = timetable().after(at("2027-11-22T10:04:38Z"));
        let corrected = timetable().corrected(next, at("2026-11-22T10:04:38Z"));
        assert_eq!(corrected.sync, Some(at("2026-11-22T10:15:00Z")));
        assert_eq!(
            timetable().corrected(corrected, at("2026-11-22T10:05:00Z")),
            corrected,
            "and is left alone otherwise"
        );
    }

    #[test]
    fn r25_ticks_inside_a_run_are_counted() {
        assert_eq!(
            timetable().skipped(at("2026-11-22T10:00:00Z"), at("2026-11-22T10:50:00Z")),
            3
        );
        assert_eq!(
            timetable().skipped(at("2026-11-22T10:00:00Z"), at("2026-11-22T10:00:20Z")),
            0
        );
    }
}
