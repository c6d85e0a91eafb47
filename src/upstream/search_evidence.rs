//! Evidence of a search through a batch: which assets are proven to be the cause, and what may
//! still be asked (R32).

use super::BatchDelivery;
use super::error::UpstreamError;
use super::refusal::RefusalKind;
use super::request::BatchItem;
use super::run_record::{RefusedAlone, RunRecord};
use super::search::{BatchOccasion, BatchSearch, SearchPart, SearchRequest};

/// Refusals in a row that end a search among assets that were rejected in an earlier run: these
/// assets delay the others no longer.
const MOST_REPEATED: u32 = 6;

impl BatchSearch {
    /// Rejects the assets that were refused alone and are proven to be the cause.
    pub(super) fn reject_proven(&mut self, record: &RunRecord, delivery: &mut BatchDelivery) {
        let is_proven = |alone: &RefusedAlone| match alone.refusal.kind {
            _ if self.ask.contains(&alone.item.seq) => false,
            _ if alone.confirmed => true,
            RefusalKind::Way { .. } => alone.first > alone.before,
            RefusalKind::Content => {
                self.occasion == BatchOccasion::RejectedBefore || alone.first > alone.before
            }
            RefusalKind::Failing | RefusalKind::TimedOut | RefusalKind::NotUnderstood => {
                self.failed_before(record)
            }
        };
        let (proven, open): (Vec<_>, Vec<_>) = self.alone.iter().cloned().partition(is_proven);
        self.alone = open;
        for alone in proven {
            delivery.reject(alone.item.seq, alone.refusal.reason, alone.unclear);
        }
    }

    /// Returns `true` when a failure may be taken for that of an earlier run: the gateway accepted
    /// something in this run, or the asset is the only one of the batch. A gateway that fails for
    /// several assets, and accepts none, is the cause itself.
    fn failed_before(&self, record: &RunRecord) -> bool {
        let only =
            self.tested == 1 && self.suspect.is_empty() && self.rest.is_empty() && self.untested.is_empty();
        self.occasion == BatchOccasion::RejectedBefore && (record.acceptances() > 0 || only)
    }

    /// Returns an asset that was refused alone and is to be sent alone again: another was accepted
    /// since.
    pub(super) fn to_ask_again(&self, record: &RunRecord) -> Option<BatchItem> {
        let accepted = record.acceptances();
        let asked = |alone: &&RefusedAlone| accepted > alone.first || self.ask.contains(&alone.item.seq);
        self.alone.iter().find(asked).map(|alone| alone.item.clone())
    }

    /// Returns an asset that was accepted before, and of which no newer version can be in flight
    /// (R18): one of this batch, or the last of the run while nothing else is in flight.
    pub(super) fn control(&self, record: &RunRecord) -> Option<BatchItem> {
        let of_run = || {
            let exclusive = self.occasion == BatchOccasion::Postponed || record.has_one_sender();
            record.accepted_last().filter(|_| exclusive)
        };
        let control = self.accepted_last.clone().or_else(of_run)?;
        let is_it = |alone: &RefusedAlone| alone.item.external_id == control.external_id;
        (!self.alone.iter().any(is_it)).then_some(control)
    }

    pub(super) fn may_search(&self, record: &RunRecord) -> bool {
        if self.occasion == BatchOccasion::RejectedBefore {
            record.may_search(true) && self.in_a_row < MOST_REPEATED
        } else {
            record.may_search(false)
        }
    }

    /// Ends a search that the run may not continue: assets that were rejected before are rejected
    /// again, all others stay undecided.
    pub(super) fn end_search(
        &mut self,
        record: &RunRecord,
        delivery: &mut BatchDelivery,
    ) -> Result<(), UpstreamError> {
        let untested: usize = self.untested.iter().map(Vec::len).sum();
        let left = self.suspect.len() + self.rest.len() + untested;
        let Some(refusal) = self.last.clone().filter(|_| left > 0) else {
            return Ok(());
        };
        if self.occasion != BatchOccasion::RejectedBefore {
            return Err(UpstreamError::TooManyRefused {
                assets: left + self.alone.len(),
                reason: refusal.reason,
            });
        }
        if refusal.kind != RefusalKind::Content && record.acceptances() == 0 {
            return Err(RunRecord::accepts_nothing(self.in_a_row, &refusal));
        }
        let reason = format!(
            "{} (sent together with other assets that were rejected before)",
            refusal.reason
        );
        let rest = self.rest.drain(..).chain(self.untested.drain(..).flatten());
        for item in self.suspect.drain(..).chain(rest) {
            delivery.reject(item.seq, reason.clone(), self.unclear.contains(&item.seq));
        }
        Ok(())
    }

    /// Sends an asset again that the run accepted before, when nothing else is left to send and
    /// nothing was accepted since the assets were refused alone. If the gateway accepts it, they
    /// are sent alone again.
    pub(super) fn compare(
        &mut self,
        record: &RunRecord,
        delivery: &mut BatchDelivery,
    ) -> Result<Option<SearchRequest>, UpstreamError> {
        if let Some(control) = self.control(record) {
            return Ok(Some(self.put_in_flight(vec![control], SearchPart::Control, 1)));
        }
        let only = self.alone.len() == 1 && !record.has_postponed();
        let for_content = |alone: &RefusedAlone| alone.refusal.kind == RefusalKind::Content;
        let answered = record.acceptances() > self.before;
        match self.alone.first() {
            // The only asset of the run: its own answer is the only evidence. Or all others were
            // rejected one by one.
            Some(alone) if answered || (only && for_content(alone)) => {
                for alone in std::mem::take(&mut self.alone) {
                    delivery.reject(alone.item.seq, alone.refusal.reason, alone.unclear);
                }
                Ok(None)
            }
            Some(alone) => Err(RunRecord::accepts_nothing(record.in_a_row(), &alone.refusal)),
            None => Ok(None),
        }
    }
}
