//! Views for people and machines: the JSON of the API, which the commands print with `--json` as
//! well.
//!
//! Names follow the Qualys connector API: camel case, `lastSynced`, `nextSync`, `runFrequency`. A
//! value that is not known is `null`, its key is always present. Times are UTC in whole seconds.

mod connection;
mod instance;
mod progress;
mod removal;
mod run;
mod trace;
mod without_names;

use chrono::DateTime;

pub use connection::{ConnectionView, KindStanding, ObjectCounts, StateTimes, stored_configuration};
pub use instance::InstanceView;
pub use progress::ProgressView;
pub use removal::{RejectionView, RemovalState, RemovalView};
pub use run::{KindCountsView, PhaseSeconds, RunObjectView, RunView};
pub use trace::{ObjectTrace, TraceCandidate, TraceStep};
pub use without_names::WithoutNames;

/// Formats Unix seconds as the product writes times everywhere: UTC, whole seconds.
#[must_use]
pub fn time(seconds: Option<i64>) -> Option<String> {
    let at = DateTime::from_timestamp(seconds?, 0)?;
    Some(at.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_whole_seconds() {
        assert_eq!(time(Some(1_795_313_434)).as_deref(), Some("2026-11-22T02:10:34Z"));
        assert_eq!(time(None), None);
    }
}
