//! Progress of a run, for observers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::clock;
use crate::directory::{Session, SessionCounters};
use crate::store::{RunId, RunMode, RunPhases};

/// Progress of the run. Each counter only grows.
#[derive(Debug, Default)]
pub struct RunProgress {
    read: AtomicU64,
    staged: AtomicU64,
    accepted: AtomicU64,
    rejected: AtomicU64,
    begun: watch::Sender<Option<BegunRun>>,
    course: Mutex<PhaseTimes>,
    directory: Mutex<DirectoryProgress>,
}

/// Run that began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BegunRun {
    /// Its number.
    pub run: RunId,
    /// Requested mode.
    pub wanted: RunMode,
    /// Origin of the request.
    pub asked_by: String,
    /// Time of the beginning, Unix seconds.
    pub at: i64,
}

/// Phase of a run. They follow each other in this order; delivery runs in parallel with the
/// reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunPhase {
    /// Connecting, binding, choosing the plan.
    Connecting,
    /// Reading the directory.
    Reading,
    /// Looking up the objects that the read missed.
    Examining,
    /// Delivering the assets that are left on the stage after the read.
    Delivering,
}

impl RunPhase {
    /// Returns the word used in JSON, as in [`RunPhases::named`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Reading => "reading",
            Self::Examining => "examining",
            Self::Delivering => "delivering",
        }
    }
}

/// Counters of a run at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProgressSnapshot {
    /// Objects read from the directory.
    pub read: u64,
    /// Assets staged for delivery by this run.
    pub staged: u64,
    /// Assets that upstream accepted in this run.
    pub accepted: u64,
    /// Objects that could not be mapped, and assets that upstream refused.
    pub rejected: u64,
}

/// Operations on the directory, and the controller that answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirectoryProgress {
    /// Sum over all connections that were opened.
    pub counters: SessionCounters,
    /// Host of the controller, and the end of the certificate that it showed, Unix seconds.
    pub certificate: Option<(String, i64)>,
}

/// Times of the phases so far.
#[derive(Debug, Default)]
struct PhaseTimes {
    mode: Option<RunMode>,
    present: Option<(RunPhase, Instant)>,
    past: RunPhases,
}

impl RunProgress {
    pub(super) fn add_read(&self, objects: u64) {
        self.read.fetch_add(objects, Ordering::Relaxed);
    }

    pub(super) fn add_staged(&self, assets: u64) {
        self.staged.fetch_add(assets, Ordering::Relaxed);
    }

    pub(super) fn add_accepted(&self, assets: u64) {
        self.accepted.fetch_add(assets, Ordering::Relaxed);
    }

    pub(super) fn add_rejected(&self, assets: u64) {
        self.rejected.fetch_add(assets, Ordering::Relaxed);
    }

    /// Records that the run has its row in the history, and connects.
    pub(super) fn begin(&self, begun: BegunRun) {
        self.enter(RunPhase::Connecting);
        self.begun.send_replace(Some(begun));
    }

    /// Enters a later phase; an earlier one does not return.
    pub(super) fn enter(&self, phase: RunPhase) {
        let now = clock::instant();
        let mut course = self.course();
        if course.present.is_some_and(|(present, _)| present >= phase) {
            return;
        }
        course.past = course.until(now);
        course.present = Some((phase, now));
    }

    /// Records the mode that the plan chose.
    pub(super) fn set_mode(&self, mode: RunMode) {
        self.course().mode = Some(mode);
    }

    /// Records the controller that was reached.
    pub(super) fn reached(&self, session: &Session) {
        let certificate = session.certificate();
        let certificate = certificate.map(|shown| (session.host().to_owned(), shown.not_after));
        self.lock_directory().certificate = certificate;
    }

    /// Adds the operations over a connection to a controller.
    pub(super) fn add_directory(&self, more: SessionCounters) {
        let counters = &mut self.lock_directory().counters;
        counters.round_trips += more.round_trips;
        counters.pages += more.pages;
        counters.referrals += more.referrals;
    }

    /// Returns the counters at this moment.
    #[must_use]
    pub fn snapshot(&self) -> ProgressSnapshot {
        ProgressSnapshot {
            read: self.read.load(Ordering::Relaxed),
            staged: self.staged.load(Ordering::Relaxed),
            accepted: self.accepted.load(Ordering::Relaxed),
            rejected: self.rejected.load(Ordering::Relaxed),
        }
    }

    /// Returns a receiver that changes once, when the run begins.
    #[must_use]
    pub fn begun(&self) -> watch::Receiver<Option<BegunRun>> {
        self.begun.subscribe()
    }

    /// Returns the mode that the plan chose, once that is known.
    #[must_use]
    pub fn mode(&self) -> Option<RunMode> {
        self.course().mode
    }

    /// Returns the present phase; `None` before the run began.
    #[must_use]
    pub fn phase(&self) -> Option<RunPhase> {
        self.course().present.map(|(phase, _)| phase)
    }

    /// Returns the durations of the phases so far.
    #[must_use]
    pub fn phases(&self) -> RunPhases {
        self.course().until(clock::instant())
    }

    /// Returns the operations on the directory over the connections that ended so far.
    #[must_use]
    pub fn directory(&self) -> DirectoryProgress {
        self.lock_directory().clone()
    }

    /// Locks the phases. No thread panics while holding the lock, and each change is complete.
    fn course(&self) -> MutexGuard<'_, PhaseTimes> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_directory(&self) -> MutexGuard<'_, DirectoryProgress> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PhaseTimes {
    /// Returns the phases until `now`, the present one included.
    fn until(&self, now: Instant) -> RunPhases {
        let mut phases = self.past;
        if let Some((present, since)) = self.present {
            let spent: &mut Duration = match present {
                RunPhase::Connecting => &mut phases.connecting,
                RunPhase::Reading => &mut phases.reading,
                RunPhase::Examining => &mut phases.examining,
                RunPhase::Delivering => &mut phases.delivering,
            };
            *spent += now.saturating_duration_since(since);
        }
        phases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_follow_each_other_and_are_the_whole_run() {
        let started = clock::instant();
        let at = |seconds| started + Duration::from_secs(seconds);
        let mut course = PhaseTimes {
            present: Some((RunPhase::Connecting, at(0))),
            ..PhaseTimes::default()
        };
        course.past = course.until(at(2));
        course.present = Some((RunPhase::Delivering, at(2)));
        let phases = course.until(at(7));
        assert_eq!(phases.connecting, Duration::from_secs(2));
        assert_eq!(phases.delivering, Duration::from_secs(5));
        assert_eq!(phases.total(), Duration::from_secs(7));

        let progress = RunProgress::default();
        assert_eq!(progress.phase(), None);
        progress.enter(RunPhase::Examining);
        progress.enter(RunPhase::Reading);
        assert_eq!(progress.phase(), Some(RunPhase::Examining), "no way back");
        for (phase, (name, _)) in [
            RunPhase::Connecting,
            RunPhase::Reading,
            RunPhase::Examining,
            RunPhase::Delivering,
        ]
        .iter()
        .zip(RunPhases::default().named())
        {
            assert_eq!(phase.name(), name);
        }
    }
}
