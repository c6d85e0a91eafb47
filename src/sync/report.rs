//! What a run did, as the log, the history and the exit code tell it.

use crate::exit_code;
use crate::store::{Counts, KindCounts, Phases, RunId, RunMode, State};

use super::RunError;

/// What one run did.
#[derive(Debug)]
pub struct RunReport {
    /// Its number in the history.
    pub run: RunId,
    /// What it turned out to be.
    pub mode: RunMode,
    /// Why a full read, or since which USN.
    pub reason: String,
    /// Nothing was posted, and nothing of it is stored (`--dry-run`).
    pub dry: bool,
    /// By kind.
    pub counts: KindCounts,
    /// Requests to the gateway, retries included.
    pub requests: u64,
    /// Of those, repeated ones.
    pub retries: u64,
    /// Pages read from the directory.
    pub pages: u64,
    /// Referrals that were not followed (R10).
    pub referrals: u64,
    /// The watermark that the run committed.
    pub watermark: Option<u64>,
    /// Wall time, seconds.
    pub seconds: f64,
    /// What that went to.
    pub phases: Phases,
    /// Why removals are held back (R23), as a sentence.
    pub held: Option<String>,
    /// Why the run did not do all it was asked.
    pub failure: Option<RunError>,
}

impl RunReport {
    /// What to do about removals that are held back.
    pub const HELD_ADVICE: &str = super::removal_log::ADVICE;

    /// The sums over all kinds.
    #[must_use]
    pub fn total(&self) -> Counts {
        self.counts.total()
    }

    /// Objects that could not be mapped, and assets that upstream refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        let total = self.total();
        total.unmapped + total.rejected
    }

    /// The exit code of the contract: 0 done, 2 some objects were rejected, 3 removals are held back, else that of the
    /// failure.
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
    /// What the connection is now; a dry run leaves it as it was.
    fn state(&self) -> Option<State> {
        match self.exit_code() {
            _ if self.dry => None,
            exit_code::DONE => Some(State::Processed),
            _ => Some(State::Scheduled),
        }
    }

    /// The one line that tells the run.
    pub(super) fn log(&self) {
        let total = self.total();
        // One line whatever happened, so that who looks for it finds it; its level tells how it went.
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
