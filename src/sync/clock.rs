//! Clock of runs and schedules.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};

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
        self.0.as_ref().map_or_else(Utc::now, |now| now())
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
