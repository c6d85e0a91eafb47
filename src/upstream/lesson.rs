//! Evidence that the requests of one batch give about the size that the gateway accepts.
//!
//! A 413 and a request that was not answered in time are about the size. A 400 or 422 for more
//! assets than were ever accepted may be, too: the batch is halved as after a 413, and the size was
//! the cause only if everything is accepted then.

use super::refusal::RefusalKind;
use super::search::RequestOutcome;
use super::sizing::{BatchSizing, TooLarge};

/// Requests of one batch, as far as they were about the size.
#[derive(Debug, Default)]
pub(super) struct SizeLesson {
    /// Smallest request that was too large since the last acceptance.
    too_large: Option<TooLarge>,
    /// Smallest request that was refused in a way that may be about its size.
    doubtful: Option<TooLarge>,
    /// Largest request that was accepted since.
    largest: usize,
}

impl SizeLesson {
    /// Learns from the end of a request of so many assets. Returns the outcome that counts.
    pub(super) fn learn(
        &mut self,
        sizing: &BatchSizing,
        assets: usize,
        sent: RequestOutcome,
    ) -> RequestOutcome {
        match sent {
            RequestOutcome::Refused(refusal)
                if refusal.kind == RefusalKind::Content && sizing.is_untried(assets) =>
            {
                let bytes = None;
                self.doubtful = Some(TooLarge { assets, bytes });
                self.largest = 0;
                return RequestOutcome::TooLarge(refusal.reason, bytes);
            }
            RequestOutcome::Refused(_) => self.doubtful = None,
            RequestOutcome::TooLarge(_, bytes) if assets > 1 => {
                self.too_large = Some(TooLarge { assets, bytes })
            }
            RequestOutcome::Accepted | RequestOutcome::Except(_) => {
                sizing.accepted(assets, self.too_large.take());
                self.largest = self.largest.max(assets);
            }
            RequestOutcome::TooLarge(..) | RequestOutcome::Failed(_) => {}
        }
        sent
    }

    /// Learns from the end of the batch.
    pub(super) fn conclude(self, sizing: &BatchSizing, is_accepted: bool) {
        if self.doubtful.is_some() && is_accepted {
            sizing.accepted(self.largest, self.doubtful);
        }
    }
}
