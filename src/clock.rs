//! Clock of the program: the only place that asks the system for the time. Code that decides gets
//! the time as an argument; who calls it asks here. Runs and their schedule have a [`Clock`], in
//! whose place a test can put another one.

#![allow(
    clippy::disallowed_methods,
    reason = "all others are to ask this module, so that it shows where time matters"
)]

use std::fmt;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use chrono::{DateTime, Utc};

/// Returns the time of day.
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// Returns the time of day in Unix seconds.
pub(crate) fn unix_seconds() -> i64 {
    now().timestamp()
}

/// Returns the time of day as HTTP headers are compared with it.
pub(crate) fn system_time() -> SystemTime {
    SystemTime::now()
}

/// Returns a moment to measure from. It is not changed by steps of the time of day.
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// Returns a moment on the clock of the runtime's timers, which a test may stop.
pub(crate) fn timer_instant() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// Source of the time of day for a connection: the schedule and the runs have no other one, so that
/// a test can let a year pass.
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>>);

impl Clock {
    /// Returns a clock that shows what `now` returns, in place of the time of the system.
    #[must_use]
    pub fn showing(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(now)))
    }

    /// Returns the time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.0.as_ref().map_or_else(now, |shown| shown())
    }

    /// Returns the time in Unix seconds.
    #[must_use]
    pub fn timestamp(&self) -> i64 {
        self.now().timestamp()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "simulated clock"
        } else {
            "clock of the system"
        })
    }
}
