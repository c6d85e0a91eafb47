//! Times at which a connection runs without being asked, in the forms of the API and of the file of
//! connections. `crate::schedule` computes the moments.

mod forms;
#[cfg(test)]
mod hostile_tests;
mod keys;
mod shown;
#[cfg(test)]
mod tests;

use chrono::{Duration, NaiveDate, NaiveTime, Weekday};
use chrono_tz::Tz;

use super::variables::{BASELINE_CRON, DefaultValue, SYNC_CRON, VariableDefinition};
pub use forms::{parse_baseline, parse_schedule};

/// Times of the runs.
#[derive(Debug, Clone)]
pub struct ScheduleSettings {
    /// `SYNC_CRON` with `SYNC_TIMEZONE`, or `schedule`.
    pub sync: RunSchedule,
    /// `BASELINE_CRON`; `None` is `off`.
    pub baseline: Option<ZonedCron>,
    /// `SYNC_ON_START`.
    pub on_start: bool,
}

/// Times of the deltas of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunSchedule {
    /// No times: the connection runs when somebody asks for it.
    ByHand,
    /// Times of a cron expression.
    Cron(ZonedCron),
    /// Times that are equally far apart.
    Interval(RunInterval),
    /// The same time of day, each day or on some days of the week.
    Recurring(RunRecurrence),
    /// One moment.
    Once(LocalStart),
}

/// Cron expression as written, checked, with the zone in which it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZonedCron {
    /// Expression of 5, 6 or 7 fields, or a nickname.
    pub text: String,
    /// Zone of its times.
    pub zone: Tz,
}

/// Interval of elapsed time, whatever clocks show meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInterval {
    /// Whole minutes, 1 to [`RunInterval::MOST_MINUTES`].
    pub minutes: u32,
    /// First tick. Without one, ticks count from 1970-01-01T00:00:00Z, so that neither a restart
    /// nor another instance shifts them.
    pub start: Option<LocalStart>,
    /// Zone that was given without a start: it changes nothing, and is shown as it was given.
    pub zone: Option<Tz>,
}

/// Time of day that comes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecurrence {
    /// Days of the week, in the order from Sunday, never empty; `None` is every day.
    pub days: Option<Vec<Weekday>>,
    /// First day, and time of each day.
    pub start: LocalStart,
}

/// Day and time that the clocks of a zone show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalStart {
    /// Day, of the years 1970 to 2099.
    pub date: NaiveDate,
    /// Time of day, in whole minutes.
    pub time: NaiveTime,
    /// Zone of both.
    pub zone: Tz,
}

/// Word for no schedule at all, where a file or a variable has no `null`.
pub(super) const OFF: &str = "off";

/// Days of the week as they are written, with those that they stand for.
const DAYS: [(&str, Weekday); 7] = [
    ("SUN", Weekday::Sun),
    ("MON", Weekday::Mon),
    ("TUE", Weekday::Tue),
    ("WED", Weekday::Wed),
    ("THU", Weekday::Thu),
    ("FRI", Weekday::Fri),
    ("SAT", Weekday::Sat),
];

impl ScheduleSettings {
    /// Returns the zone of the deltas, else that of the baselines, else UTC.
    #[must_use]
    pub fn timezone(&self) -> Tz {
        let baseline = self.baseline.as_ref().map(|cron| cron.zone);
        self.sync.timezone().or(baseline).unwrap_or(Tz::UTC)
    }
}

impl RunInterval {
    /// Longest interval: 366 days.
    pub const MOST_MINUTES: u32 = 366 * 24 * 60;
}

impl RunSchedule {
    /// Returns the zone of its times; `None` where it has none.
    #[must_use]
    pub fn timezone(&self) -> Option<Tz> {
        match self {
            Self::ByHand => None,
            Self::Cron(cron) => Some(cron.zone),
            Self::Interval(interval) => interval.start.map(|start| start.zone).or(interval.zone),
            Self::Recurring(recurrence) => Some(recurrence.start.zone),
            Self::Once(start) => Some(start.zone),
        }
    }

    /// Returns `true` for a schedule that comes again. A connection that runs once, or by hand
    /// alone, has no baselines but those that were asked for, and no run at the start of the
    /// service.
    #[must_use]
    pub const fn repeats(&self) -> bool {
        match self {
            Self::Cron(_) | Self::Interval(_) | Self::Recurring(_) => true,
            Self::ByHand | Self::Once(_) => false,
        }
    }

    /// Returns the start that is given.
    #[must_use]
    pub fn start(&self) -> Option<LocalStart> {
        match self {
            Self::ByHand | Self::Cron(_) => None,
            Self::Interval(interval) => interval.start,
            Self::Recurring(recurrence) => Some(recurrence.start),
            Self::Once(start) => Some(*start),
        }
    }

    /// Returns the baselines of a connection that says nothing about them: those of the default of
    /// `BASELINE_CRON` in UTC, where the schedule repeats.
    #[must_use]
    pub fn default_baseline(&self) -> Option<ZonedCron> {
        ZonedCron::default_of(&BASELINE_CRON).filter(|_| self.repeats())
    }
}

impl RunInterval {
    /// Returns its length.
    #[must_use]
    pub fn length(&self) -> Duration {
        Duration::minutes(i64::from(self.minutes))
    }
}

impl ZonedCron {
    /// Returns the default of a variable, in UTC.
    fn default_of(variable: &VariableDefinition) -> Option<Self> {
        match variable.unset {
            DefaultValue::Default(text) => Some(Self {
                text: text.to_owned(),
                zone: Tz::UTC,
            }),
            _ => None,
        }
    }
}

impl Default for RunSchedule {
    /// Returns the default of `SYNC_CRON`, in UTC.
    fn default() -> Self {
        ZonedCron::default_of(&SYNC_CRON).map_or(Self::ByHand, Self::Cron)
    }
}
