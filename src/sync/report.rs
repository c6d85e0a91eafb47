//! Result of a run, for the log, the history and the exit code.

use crate::exit_code;
use crate::store::{KindCounts, ObjectTotals, RunId, RunMode, RunPhases, State};

use super::RunError;

/// Result of one run.
#[derive(Debug)]
pub struct RunReport {
    /// Number of the run in the history.
    pub run: RunId,
    /// Mode that the plan chose.
    pub mode: RunMode,
    /// Reason for a full read, or the USN since which changes were read.
    pub reason: String,
    /// Nothing was posted, and nothing of it is stored (`--dry-run`).
    pub dry: bool,
    /// Counts by kind.
    pub counts: KindCounts,
    /// Requests to the gateway, retries included.
    pub requests: u64,
    /// Repeated requests among these.
    pub retries: u64,
    /// Pages read from the directory.
    pub pages: u64,
    /// Referrals that were not followed (R10).
    pub referrals: u64,
    /// The watermark that the run committed.
    pub watermark: Option<u64>,
    /// Wall time, seconds.
    pub seconds: f64,
    /// Durations of its phases.
    pub phases: RunPhases,
    /// Reason for which removals are held back (R23), as a sentence.
    pub held: Option<String>,
    /// Error that kept the run from completing its request.
    pub failure: Option<RunError>,
}

impl RunReport {
    /// Remedy for removals that are held back.
    pub const HELD_ADVICE: &str = super::removal_log::ADVICE;

    /// Returns the sums over all kinds.
    #[must_use]
    pub fn total(&self) -> ObjectTotals {
        self.counts.total()
    }

    /// Returns the number of objects that could not be mapped, and of assets that upstream refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        let total = self.total();
        total.unmapped + total.rejected
    }

    /// Returns the exit code of the contract: 0 done, 2 some objects were rejected, 3 removals are
    /// held back, else that of the failure.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match &self.failure {
            Some(failure) => failure.exit_code(),
            None if self.held.is_some() => exit_code::HELD,
            None if self.refused() > 0 => exit_code::REJECTED,
            None => exit_code::DONE,
        }
    }
}

impl RunReport {
    /// Returns the state of the connection after the run; a dry run does not change it.
    fn state(&self) -> Option<State> {
        match self.exit_code() {
            _ if self.dry => None,
            exit_code::DONE => Some(State::Processed),
            _ => Some(State::Scheduled),
        }
    }

    /// Logs the one line about the run.
    pub(super) fn log(&self) {
        let total = self.total();
        // One line whatever happened, so that it can be found; its level shows the outcome.
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    mode = self.mode.name(),
                    reason = self.reason,
                    read = total.read,
                    changed = total.staged,
                    sent = total.sent,
                    accepted = total.accepted,
                    rejected = self.refused(),
                    unchanged = total.unchanged,
                    removed = total.removed,
                    held = total.held,
                    requests = self.requests,
                    referrals = self.referrals,
                    watermark = self.watermark,
                    seconds = (self.seconds * 1000.0).round() / 1000.0,
                    error = self.failure.as_ref().map(tracing::field::display),
                    advice = self.failure.as_ref().map(RunError::advice),
                    dry_run = self.dry.then_some(true),
                    state = self.state().map(State::name),
                    "The run finished."
                )
            };
        }
        match &self.failure {
            Some(RunError::Stopped) | None if self.refused() == 0 && self.held.is_none() => line!(info),
            Some(RunError::Stopped) | None => line!(warn),
            // The log has the same refusal of the account already (R40).
            Some(RunError::Directory(error)) if error.is_repeated() => line!(info),
            Some(_) => line!(error),
        }
    }
}
