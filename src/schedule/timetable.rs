//! Timetable: runs that are due, decided against the stored next run (R25), and baselines that stay
//! due (R33).

use chrono::{DateTime, Utc};

use super::{CronError, CronSchedule, RunTimes};
use crate::config::ScheduleSettings;
use crate::store::RunMode;

/// Most ticks that are counted in one gap: a day of every-second ticks. Counting is for the report,
/// not for the schedule.
const MOST_TICKS: u64 = 86_400;

/// Most ticks that are counted since the last success: by then it is known that the runs fail.
const MOST_MISSED: u64 = 100;

/// Both schedules of a connection.
#[derive(Debug, Clone)]
pub struct ConnectionTimetable {
    sync: RunTimes,
    baseline: Option<CronSchedule>,
}

/// Next times at which a connection is due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NextRuns {
    /// Next time of the deltas; `None` where the schedule is over or there is none.
    pub sync: Option<DateTime<Utc>>,
    /// Next time of `BASELINE_CRON`; stays in the past until a full read is complete (R33).
    pub baseline: Option<DateTime<Utc>>,
    /// Time at which a baseline that is due and broke off is tried again.
    pub retry: Option<DateTime<Utc>>,
}

impl NextRuns {
    /// Returns the earlier one.
    #[must_use]
    pub fn first(&self) -> Option<DateTime<Utc>> {
        match (self.sync, self.baseline) {
            (Some(sync), Some(baseline)) => Some(sync.min(baseline)),
            (sync, baseline) => sync.or(baseline),
        }
    }

    /// Returns the run that is due at `now`: a baseline covers a delta that is due at the same
    /// time.
    #[must_use]
    pub fn due(&self, now: DateTime<Utc>) -> Option<RunMode> {
        let reached = |next: Option<DateTime<Utc>>| next.is_some_and(|next| next <= now);
        if reached(self.retry.or(self.baseline)) {
            Some(RunMode::Baseline)
        } else if reached(self.sync) {
            Some(RunMode::Delta)
        } else {
            None
        }
    }
}

impl ConnectionTimetable {
    /// Returns a timetable of deltas and, where they are on, baselines.
    #[must_use]
    pub fn new(sync: impl Into<RunTimes>, baseline: Option<CronSchedule>) -> Self {
        Self {
            sync: sync.into(),
            baseline,
        }
    }

    /// Returns the timetable of a configured connection.
    ///
    /// # Errors
    /// A cron expression is none.
    pub fn of(schedule: &ScheduleSettings) -> Result<Self, CronError> {
        let baseline = schedule.baseline.as_ref().map(CronSchedule::of);
        Ok(Self::new(RunTimes::new(&schedule.sync)?, baseline.transpose()?))
    }

    /// Reports whether a delta may be started at `now` because the service starts.
    #[must_use]
    pub fn may_run_at_start(&self, now: DateTime<Utc>) -> bool {
        self.sync.may_run_at_start(now)
    }

    /// Returns the next runs after `now`.
    #[must_use]
    pub fn after(&self, now: DateTime<Utc>) -> NextRuns {
        NextRuns {
            sync: self.sync.next_after(now),
            baseline: self
                .baseline
                .as_ref()
                .and_then(|baseline| baseline.next_after(now)),
            retry: None,
        }
    }

    /// Returns `next` after a complete full read that ended at `complete`: it is the baseline of
    /// every tick up to that time (R33). A time after `now` does not count: the clock was set back
    /// since.
    #[must_use]
    pub fn completed(&self, next: NextRuns, complete: Option<DateTime<Utc>>, now: DateTime<Utc>) -> NextRuns {
        let covered = |tick: DateTime<Utc>| complete.is_some_and(|at| (tick..=now).contains(&at));
        match next.baseline {
            Some(tick) if covered(tick) => NextRuns {
                sync: next.sync,
                ..self.after(now)
            },
            _ => next,
        }
    }

    /// Returns the next runs after a run of `mode` that ended at `now`. Ticks of the delta schedule
    /// that fell into it are skipped. A baseline that is due stays so until a full read is complete
    /// (R33): one that broke off is tried again at the next tick of either schedule, and one that
    /// came due during a delta follows at once.
    #[must_use]
    pub fn following(
        &self,
        next: NextRuns,
        mode: RunMode,
        complete: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> NextRuns {
        let fresh = self.after(now);
        let next = self.completed(next, complete, now);
        let broke_off = mode == RunMode::Baseline && next.baseline.is_some_and(|tick| tick <= now);
        NextRuns {
            sync: fresh.sync,
            baseline: next.baseline,
            retry: if broke_off { fresh.first() } else { next.retry },
        }
    }

    /// Returns the next runs for a service that starts at `now` and finds `stored`: a run that was
    /// missed while the service was down is due at once, once, however many were missed; one that
    /// is in the future is computed anew, since schedule, zone or clock may have changed meanwhile.
    #[must_use]
    pub fn resumed(&self, stored: NextRuns, now: DateTime<Utc>) -> NextRuns {
        let fresh = self.after(now);
        let missed = |stored: Option<DateTime<Utc>>| stored.filter(|next| *next <= now);
        NextRuns {
            sync: self.missed_sync(stored.sync, now).or(fresh.sync),
            baseline: self
                .baseline
                .as_ref()
                .and_then(|_| missed(stored.baseline).or(fresh.baseline)),
            retry: None,
        }
    }

    /// Returns the stored time of a delta that is over, unless the connection runs by hand alone by
    /// now.
    pub(super) fn missed_sync(
        &self,
        stored: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        stored.filter(|next| *next <= now && !self.sync.is_by_hand())
    }

    /// Returns `next`, unless the clock was set back and the schedule is earlier now: then that.
    #[must_use]
    pub fn corrected(&self, next: NextRuns, now: DateTime<Utc>) -> NextRuns {
        let fresh = self.after(now);
        let sooner = |next: Option<DateTime<Utc>>, fresh: Option<DateTime<Utc>>| match (next, fresh) {
            (Some(next), Some(fresh)) => Some(next.min(fresh)),
            (next, _) => next,
        };
        NextRuns {
            sync: sooner(next.sync, fresh.sync),
            baseline: sooner(next.baseline, fresh.baseline),
            retry: sooner(next.retry, fresh.first()),
        }
    }

    /// Returns how many ticks of the delta schedule fell into the run from `started` to `ended`;
    /// those are skipped (R25).
    #[must_use]
    pub fn skipped(&self, started: DateTime<Utc>, ended: DateTime<Utc>) -> u64 {
        self.sync.ticks_between(started, ended, MOST_TICKS)
    }

    /// Counts the ticks of the delta schedule after `from` and up to `to`, at most [`MOST_MISSED`].
    #[must_use]
    pub fn ticks(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> u64 {
        self.sync.ticks_between(from, to, MOST_MISSED)
    }

    /// Counts the ticks of `BASELINE_CRON` in the same way; `None` where it is off.
    #[must_use]
    pub fn baseline_ticks(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<u64> {
        let baseline = self.baseline.as_ref()?;
        Some(baseline.ticks_between(from, to, MOST_MISSED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn timetable() -> ConnectionTimetable {
        let cron = |text| CronSchedule::parse(text, chrono_tz::UTC).unwrap();
        ConnectionTimetable::new(cron("*/15 * * * *"), Some(cron("0 2 * * SUN")))
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
        let stored = NextRuns {
            sync: Some(at("2026-11-20T10:15:00Z")),
            ..NextRuns::default()
        };
        let now = at("2026-11-22T10:04:38Z");
        let next = timetable().resumed(stored, now);
        assert_eq!(next.due(now), Some(RunMode::Delta));
        assert_eq!(timetable().after(now).due(now), None, "and none after it");
    }

    #[test]
    fn r25_a_missed_baseline_is_made_up_as_a_baseline() {
        let stored = NextRuns {
            sync: Some(at("2026-11-22T10:15:00Z")),
            baseline: Some(at("2026-11-22T02:00:00Z")),
            retry: None,
        };
        let now = at("2026-11-22T10:04:38Z");
        assert_eq!(timetable().resumed(stored, now).due(now), Some(RunMode::Baseline));
    }

    #[test]
    fn a_schedule_changed_while_down_is_followed() {
        let stored = NextRuns {
            sync: Some(at("2026-11-22T23:00:00Z")),
            baseline: Some(at("2027-01-01T00:00:00Z")),
            retry: None,
        };
        let next = timetable().resumed(stored, at("2026-11-22T10:04:38Z"));
        assert_eq!(next.sync, Some(at("2026-11-22T10:15:00Z")));
        assert_eq!(next.baseline, Some(at("2026-11-29T02:00:00Z")));
        let off =
            ConnectionTimetable::new(CronSchedule::parse("*/15 * * * *", chrono_tz::UTC).unwrap(), None);
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

    /// Returns a baseline that is due since Sunday, 2:00.
    fn due() -> NextRuns {
        NextRuns {
            sync: Some(at("2026-11-29T02:00:00Z")),
            baseline: Some(at("2026-11-29T02:00:00Z")),
            retry: None,
        }
    }

    const NEXT_WEEK: &str = "2026-12-06T02:00:00Z";

    #[test]
    fn r33_a_baseline_that_broke_off_is_tried_at_the_next_tick_and_stays_due() {
        let mut next = due();
        for (ended, retry) in [
            ("2026-11-29T02:03:00Z", "2026-11-29T02:15:00Z"),
            ("2026-11-29T02:17:00Z", "2026-11-29T02:30:00Z"),
        ] {
            let last_week = Some(at("2026-11-22T02:10:00Z"));
            next = timetable().following(next, RunMode::Baseline, last_week, at(ended));
            assert_eq!(next.baseline, due().baseline, "due since then");
            assert_eq!(next.due(at(ended)), None, "not at once");
            assert_eq!(next.due(at(retry)), Some(RunMode::Baseline));
        }
        let complete = Some(at("2026-11-29T02:31:00Z"));
        let ended = at("2026-11-29T02:32:00Z");
        let next = timetable().following(next, RunMode::Baseline, complete, ended);
        assert_eq!(next, timetable().after(ended));
        assert_eq!(next.baseline, Some(at(NEXT_WEEK)));
    }

    #[test]
    fn r33_a_delta_leaves_a_baseline_due() {
        let before = Some(at("2026-11-22T02:10:00Z"));
        let ended = at("2026-11-29T02:05:00Z");
        let next = timetable().following(due(), RunMode::Delta, before, ended);
        assert_eq!(
            next.due(ended),
            Some(RunMode::Baseline),
            "its tick fell into the delta"
        );
        let waiting = NextRuns {
            retry: Some(at("2026-11-29T02:15:00Z")),
            ..due()
        };
        let next = timetable().following(waiting, RunMode::Delta, before, ended);
        assert_eq!((next.baseline, next.retry), (waiting.baseline, waiting.retry));
    }

    #[test]
    fn r33_any_complete_full_read_since_the_tick_was_the_baseline() {
        let now = at("2026-11-29T02:05:00Z");
        let complete = |text: &str| timetable().completed(due(), Some(at(text)), now);
        assert_eq!(complete("2026-11-29T02:00:00Z").baseline, Some(at(NEXT_WEEK)));
        assert_eq!(complete("2026-11-29T02:05:00Z").due(now), Some(RunMode::Delta));
        assert_eq!(complete("2026-11-29T01:59:59Z"), due(), "before the tick");
        assert_eq!(complete("2026-11-29T02:05:01Z"), due(), "the clock was set back");
        assert_eq!(timetable().completed(due(), None, now), due(), "none ever was");
        let ahead = timetable().after(now);
        assert_eq!(timetable().completed(ahead, Some(now), now), ahead);
    }

    #[test]
    fn r33_nothing_is_due_with_the_baseline_off() {
        let off =
            ConnectionTimetable::new(CronSchedule::parse("*/15 * * * *", chrono_tz::UTC).unwrap(), None);
        let now = at("2026-11-29T02:05:00Z");
        let next = off.following(off.resumed(due(), now), RunMode::Baseline, None, now);
        assert_eq!((next.baseline, next.retry), (None, None));
        assert_eq!(next.due(at("2026-11-29T02:15:00Z")), Some(RunMode::Delta));
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
