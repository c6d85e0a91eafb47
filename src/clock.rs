//! Clock of the program: the only place that asks the system for the time. Code that decides gets
//! the time as an argument; who calls it asks here.

#![allow(
    clippy::disallowed_methods,
    reason = "all others are to ask this module, so that it shows where time matters"
)]

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
