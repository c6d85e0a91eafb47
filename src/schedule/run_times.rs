//! Moments of a schedule in any of its forms (R25).

use chrono::{DateTime, NaiveDateTime, Utc};

use super::{CronError, CronSchedule, local_time};
use crate::config::{LocalStart, RunRecurrence, RunSchedule, ZonedCron};

/// Schedule whose moments can be computed.
#[derive(Debug, Clone)]
pub struct RunTimes {
    form: TimesForm,
    /// First moment at which it may run, where a start is given.
    begins: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone)]
enum TimesForm {
    ByHand,
    Cron(Box<CronSchedule>),
    /// Every so many seconds of elapsed time from a moment in Unix seconds on.
    Interval {
        anchor: i64,
        seconds: i64,
    },
    Recurring(RunRecurrence),
    Once(DateTime<Utc>),
}

impl CronSchedule {
    /// Parses an expression of the configuration.
    ///
    /// # Errors
    /// It is no cron expression.
    pub fn of(cron: &ZonedCron) -> Result<Self, CronError> {
        Self::parse(&cron.text, cron.zone)
    }
}

impl From<CronSchedule> for RunTimes {
    fn from(cron: CronSchedule) -> Self {
        Self {
            form: TimesForm::Cron(Box::new(cron)),
            begins: None,
        }
    }
}

impl RunTimes {
    /// Returns the moments of a schedule of the configuration.
    ///
    /// # Errors
    /// Its cron expression is none.
    pub fn new(schedule: &RunSchedule) -> Result<Self, CronError> {
        let begins = schedule.start().map(|start| instant_of(&start));
        let form = match schedule {
            RunSchedule::ByHand => TimesForm::ByHand,
            RunSchedule::Cron(cron) => TimesForm::Cron(Box::new(CronSchedule::of(cron)?)),
            RunSchedule::Interval(interval) => TimesForm::Interval {
                anchor: begins.unwrap_or_default().timestamp(),
                seconds: interval.length().num_seconds().max(1),
            },
            RunSchedule::Recurring(recurrence) => TimesForm::Recurring(recurrence.clone()),
            RunSchedule::Once(start) => TimesForm::Once(instant_of(start)),
        };
        Ok(Self { form, begins })
    }

    /// Returns the first moment after `instant` at which a run is due; `None` when there is none.
    #[must_use]
    pub fn next_after(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.form {
            TimesForm::ByHand => None,
            TimesForm::Cron(cron) => cron.next_after(instant),
            TimesForm::Interval { anchor, seconds } => {
                // A part of a second after a tick, the tick is over: both are whole seconds.
                let passed = instant.timestamp() - anchor;
                let ticks = if passed < 0 { 0 } else { passed / seconds + 1 };
                DateTime::from_timestamp(anchor + ticks * seconds, 0)
            }
            TimesForm::Recurring(recurrence) => next_day(recurrence, instant),
            TimesForm::Once(at) => Some(*at).filter(|at| *at > instant),
        }
    }

    /// Returns at most `count` moments after `from`, in order.
    #[must_use]
    pub fn next_runs(&self, from: DateTime<Utc>, count: usize) -> Vec<DateTime<Utc>> {
        std::iter::successors(self.next_after(from), |at| self.next_after(*at))
            .take(count)
            .collect()
    }

    /// Returns how many times a run was due after `from` and not after `until`, counted up to
    /// `most`.
    #[must_use]
    pub fn ticks_between(&self, from: DateTime<Utc>, until: DateTime<Utc>, most: u64) -> u64 {
        local_time::count_ticks(|at| self.next_after(at), from, until, most)
    }

    /// Reports whether there is no schedule, so that nothing is ever due.
    #[must_use]
    pub fn is_by_hand(&self) -> bool {
        matches!(self.form, TimesForm::ByHand)
    }

    /// Reports whether a run may be started at `now` only because the service starts: not one that
    /// is to run once or by hand, nor one whose start is still to come.
    #[must_use]
    pub fn may_run_at_start(&self, now: DateTime<Utc>) -> bool {
        let repeats = !matches!(self.form, TimesForm::ByHand | TimesForm::Once(_));
        repeats && self.begins.is_none_or(|begins| begins <= now)
    }
}

fn instant_of(start: &LocalStart) -> DateTime<Utc> {
    local_time::instant_of(NaiveDateTime::new(start.date, start.time), start.zone)
}

/// Returns the first moment after `instant` at which the clocks show the time of day on one of the
/// days.
fn next_day(recurrence: &RunRecurrence, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let start = &recurrence.start;
    let today = instant.with_timezone(&start.zone).date_naive();
    // Times of days before today are over: what occurs twice is due the first time. A time of
    // tomorrow is over as well where the clocks were set back over midnight, so that the same day
    // of the next week is the ninth from today.
    let first = today.max(start.date);
    first
        .iter_days()
        .take(9)
        .filter(|date| {
            let days = recurrence.days.as_ref();
            days.is_none_or(|days| days.contains(&chrono::Datelike::weekday(date)))
        })
        .map(|date| instant_of(&LocalStart { date, ..*start }))
        .find(|at| *at > instant)
}
