//! What the requests of one batch show about how much the gateway takes.
//!
//! A 413 and a request that was not answered in time are about the size. A 400 or 422 for more
//! assets than were ever accepted may be, too: the batch is halved as after a 413, and the size was
//! the cause only if everything is accepted then.

use super::refusal::RefusalKind;
use super::search::Outcome;
use super::sizing::{Sizing, TooLarge};

/// Requests of one batch, as far as they were about the size.
#[derive(Debug, Default)]
pub(super) struct Lesson {
    /// Smallest request that was too large since the last acceptance.
    too_large: Option<TooLarge>,
    /// Smallest request that was refused in a way that may be about its size.
    doubtful: Option<TooLarge>,
    /// Largest request that was accepted since.
    largest: usize,
}

impl Lesson {
    /// Learns from the end of a request of so many assets. Returns the end that counts.
    pub(super) fn learn(&mut self, sizing: &Sizing, assets: usize, sent: Outcome) -> Outcome {
        match sent {
            Outcome::Refused(refusal)
                if refusal.kind == RefusalKind::Content && sizing.is_untried(assets) =>
            {
                let bytes = None;
                self.doubtful = Some(TooLarge { assets, bytes });
                self.largest = 0;
                return Outcome::TooLarge(refusal.reason, bytes);
            }
            Outcome::Refused(_) => self.doubtful = None,
            Outcome::TooLarge(_, bytes) if assets > 1 => self.too_large = Some(TooLarge { assets, bytes }),
            Outcome::Accepted | Outcome::Except(_) => {
                sizing.accepted(assets, self.too_large.take());
                self.largest = self.largest.max(assets);
            }
            Outcome::TooLarge(..) | Outcome::Failed(_) => {}
        }
        sent
    }

    /// Learns from the end of the batch.
    pub(super) fn conclude(self, sizing: &Sizing, is_accepted: bool) {
        if self.doubtful.is_some() && is_accepted {
            sizing.accepted(self.largest, self.doubtful);
        }
    }
}
