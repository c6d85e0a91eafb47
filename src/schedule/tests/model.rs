//! Moments at which runs are due, by a look at the clocks of the zone every quarter of an hour, and
//! the run that follows from them.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Timelike as _, Utc};
use chrono_tz::Tz;

use super::executor::{Executed, Random};
use crate::store::RunMode;

/// Seconds between two beats. Those of the service come every second; all times of the schedules
/// here are whole multiples of this.
pub(super) const BEAT: i64 = 900;

/// Schedule of a connection, by the times of day at which it runs.
#[derive(Clone, Copy)]
pub(super) struct Schedule {
    pub(super) zone: Tz,
    pub(super) sync: &'static str,
    /// The same: `true` for an hour and minute at which it runs.
    pub(super) is_sync: fn(u32, u32) -> bool,
    /// It runs in every hour, so that each shown time counts, also one that is shown twice.
    pub(super) is_interval: bool,
    pub(super) baseline: &'static str,
    pub(super) is_baseline: fn(u32, u32) -> bool,
}

/// Times of day in the hours that the changes of the clock skip and repeat.
pub(super) const TIMES: Schedule = Schedule {
    zone: Tz::UTC,
    sync: "15,45 1,2 * * *",
    is_sync: |hour, minute| [1, 2].contains(&hour) && [15, 45].contains(&minute),
    is_interval: false,
    baseline: "15 2 * * *",
    is_baseline: |hour, minute| (hour, minute) == (2, 15),
};

/// Twice an hour.
pub(super) const INTERVAL: Schedule = Schedule {
    sync: "*/30 * * * *",
    is_sync: |_, minute| minute.is_multiple_of(30),
    is_interval: true,
    ..TIMES
};

/// Returns the moments after `from` and up to `until` at which the clocks of `zone` show a time for
/// the first time, or at which one is over that they skip.
pub(super) fn moments(
    schedule: &Schedule,
    is_due: fn(u32, u32) -> bool,
    is_interval: bool,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
) -> Vec<DateTime<Utc>> {
    let step = TimeDelta::seconds(BEAT);
    let local = |at: DateTime<Utc>| at.with_timezone(&schedule.zone).naive_local();
    let is_due = |at: NaiveDateTime| is_due(at.hour(), at.minute());
    // A day before, so that an hour that is repeated at the beginning is known.
    let mut at = from - TimeDelta::days(1);
    let mut latest = local(at);
    let mut found = Vec::new();
    while at < until {
        at += step;
        let shown = local(at);
        let due = if is_interval {
            is_due(shown)
        } else {
            let mut passed = latest + step;
            let mut any = false;
            while passed <= shown {
                any |= is_due(passed);
                passed += step;
            }
            any
        };
        latest = latest.max(shown);
        if due && at > from {
            found.push(at);
        }
    }
    found
}

/// Runs that must follow, by the moments of both schedules and the runs until now.
pub(super) struct Model {
    pub(super) sync: Vec<DateTime<Utc>>,
    pub(super) baseline: Vec<DateTime<Utc>>,
    /// Until then every tick of the baseline is done.
    pub(super) complete: DateTime<Utc>,
    pub(super) skipped: u64,
}

impl Model {
    pub(super) fn first_after(ticks: &[DateTime<Utc>], at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        ticks.get(ticks.partition_point(|tick| *tick <= at)).copied()
    }

    /// The tick of the baseline that is to be done next.
    pub(super) fn owed(&self) -> Option<DateTime<Utc>> {
        Self::first_after(&self.baseline, self.complete)
    }

    /// Returns the run that follows where the service has been idle since `idle`, after a baseline
    /// that `broke_off` or not.
    pub(super) fn next(&self, idle: DateTime<Utc>, broke_off: bool) -> Option<(DateTime<Utc>, RunMode)> {
        let sync = Self::first_after(&self.sync, idle);
        let baseline = match self.owed()? {
            // Tried again at the next tick of either schedule.
            tick if broke_off && tick <= idle => sync
                .into_iter()
                .chain(Self::first_after(&self.baseline, idle))
                .min()?,
            tick => tick.max(idle),
        };
        let (at, mode) = match sync {
            Some(sync) if sync < baseline => (sync, RunMode::Delta),
            _ => (baseline, RunMode::Baseline),
        };
        // A beat that came during the last run counts at its end.
        Some((if at <= idle { idle } else { beat_at(at) }, mode))
    }

    /// Returns the run with which a service begins at `at` that was idle since `idle`.
    pub(super) fn at_start(
        &self,
        idle: DateTime<Utc>,
        at: DateTime<Utc>,
        interrupted: Option<RunMode>,
    ) -> Option<RunMode> {
        let baseline = self
            .owed()
            .is_some_and(|tick| tick <= at)
            .then_some(RunMode::Baseline);
        let sync = Self::first_after(&self.sync, idle).is_some_and(|tick| tick <= at);
        baseline.or(interrupted).or(sync.then_some(RunMode::Delta))
    }

    /// Applies a run that came to its end.
    pub(super) fn apply(&mut self, run: Executed) {
        let Some(ended) = run.ended else { return };
        if run.is_complete {
            self.complete = ended;
        }
        let during = |tick: &&DateTime<Utc>| **tick > run.began && **tick <= ended;
        self.skipped += self.sync.iter().filter(during).count() as u64;
    }
}

/// The first beat at `at` or after it.
pub(super) fn beat_at(at: DateTime<Utc>) -> DateTime<Utc> {
    let seconds = at.timestamp();
    DateTime::from_timestamp(seconds + (BEAT - seconds.rem_euclid(BEAT)) % BEAT, 0).unwrap()
}

/// Time during which the service runs, and its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    pub(super) from: DateTime<Utc>,
    pub(super) until: DateTime<Utc>,
    /// The process is killed; else it is stopped (R26).
    pub(super) is_killed: bool,
}

/// Returns the lives of the service from `from` to `until`: days long, with pauses of up to a day.
/// Kills come 3 s after one of the `ticks`, while a run goes on.
pub(super) fn lives(
    random: &mut Random,
    ticks: &[DateTime<Utc>],
    (from, until): (DateTime<Utc>, DateTime<Utc>),
) -> Vec<Life> {
    let (mut lives, mut at) = (Vec::new(), from);
    while at < until {
        // At no moment at which a beat comes.
        let length = TimeDelta::seconds(BEAT * (1 + random.below(20 * 96)) + 137);
        let is_killed = random.below(2) == 0;
        let life = Life {
            from: at,
            until: match Model::first_after(ticks, at + length).filter(|_| is_killed) {
                Some(tick) => tick + TimeDelta::seconds(3),
                None => at + length,
            },
            is_killed,
        };
        lives.push(life);
        at = life.until + TimeDelta::seconds(60 + random.below(86_400));
    }
    lives
}
