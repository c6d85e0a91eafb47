//! Search for the assets that make the gateway refuse a batch (R32).
//!
//! Pure: the sender asks for the next request ([`BatchSearch::next`]) and reports how it ended
//! ([`BatchSearch::ended`]). A refused batch is halved. When the first half is accepted, the cause
//! is in the second, which is halved without being sent. When the first half is refused, the second
//! is set aside, and sent as a whole once the cause is found. So one bad asset among `n` costs
//! about log2(n) requests, and the others arrive in two or three.
//!
//! Invariant: an asset is rejected for a refusal of a request only after it was refused alone,
//! another asset was accepted, and it was refused alone again, since a gateway may refuse
//! everything for a while. After an answer that is no failure (5xx, none) it is enough that another
//! asset of the batch was accepted before it was refused alone. Where nothing else is left to send,
//! an asset that was accepted before is sent again for this. The exceptions are an asset that an
//! earlier run proved to be bad, and the only asset of a run, when it is refused for what it holds:
//! nothing else can be asked.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::BatchDelivery;
use super::error::UpstreamError;
use super::refusal::{RefusalKind, RequestRefusal};
use super::request::BatchItem;
use super::run_record::{CONTROL_AFTER, RefusedAlone, RunRecord};

/// Times that a batch is sent before a failure counts as one that comes each time.
const ATTEMPTS: u32 = 3;
/// Times that a part of a refused batch, or a batch of assets that were rejected in an earlier run,
/// is sent before a failure counts as one that comes each time.
const ATTEMPTS_OF_A_PART: u32 = 2;
/// Role of a batch in the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchOccasion {
    /// Assets that the run has not sent yet.
    First,
    /// Assets that the gateway rejected in an earlier run.
    RejectedBefore,
    /// A batch that was [postponed](BatchDelivery::postponed), when nothing else is left to send.
    Postponed,
}

/// Outcome of one request.
#[derive(Debug)]
pub(super) enum RequestOutcome {
    Accepted,
    Except(BTreeMap<usize, String>),
    /// Reason, with the octets of the request where it was refused for these.
    TooLarge(String, Option<usize>),
    Refused(RequestRefusal),
    Failed(UpstreamError),
}

/// Request that is to be sent now.
#[derive(Debug)]
pub(super) struct SearchRequest {
    pub(super) items: Vec<BatchItem>,
    /// Times that it is sent while it fails. Any other refusal counts at once.
    pub(super) attempts: u32,
}

/// Part that the request in flight has in the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SearchPart {
    /// Assets of which nothing is known.
    Untested,
    /// A part of the assets of which at least one is bad.
    Suspect,
    /// An asset that was refused alone.
    Alone,
    /// An asset that was accepted before: an answer to it shows whether the gateway accepts
    /// anything.
    Control,
}

/// Request in flight.
#[derive(Debug)]
pub(super) struct InFlight {
    items: Vec<BatchItem>,
    part: SearchPart,
    attempts: u32,
}

impl InFlight {
    const NONE: Self = Self {
        items: Vec::new(),
        part: SearchPart::Untested,
        attempts: 0,
    };
}

/// Search through one batch.
#[derive(Debug)]
pub(super) struct BatchSearch {
    pub(super) occasion: BatchOccasion,
    /// Requests to be sent as they are, unless the gateway accepts nothing.
    pub(super) untested: VecDeque<Vec<BatchItem>>,
    /// Assets of which at least one is bad.
    pub(super) suspect: Vec<BatchItem>,
    /// Assets set aside by the search through `suspect`.
    pub(super) rest: Vec<BatchItem>,
    /// Assets that were refused alone and are not proven to be the cause yet.
    pub(super) alone: Vec<RefusedAlone>,
    /// `seq` of the assets in `alone` that are to be sent once more in any case.
    pub(super) ask: BTreeSet<u64>,
    pub(super) in_flight: InFlight,
    /// `seq` of assets that an attempt may have delivered.
    pub(super) unclear: BTreeSet<u64>,
    /// Acceptances of the run before this batch.
    pub(super) before: u64,
    /// Assets refused alone, and all assets that are decided or refused alone: the expected
    /// distance of the bad ones.
    pub(super) found: usize,
    pub(super) tested: usize,
    pub(super) last: Option<RequestRefusal>,
    /// The asset of this batch that was accepted last.
    pub(super) accepted_last: Option<BatchItem>,
    /// Refused requests of this search since the last accepted one.
    pub(super) in_a_row: u32,
}

impl BatchSearch {
    pub(super) fn new(items: Vec<BatchItem>, occasion: BatchOccasion, record: &RunRecord) -> Self {
        let mut search = Self {
            occasion,
            untested: VecDeque::new(),
            suspect: Vec::new(),
            rest: Vec::new(),
            alone: Vec::new(),
            ask: BTreeSet::new(),
            in_flight: InFlight::NONE,
            unclear: BTreeSet::new(),
            before: record.acceptances(),
            found: 0,
            tested: 0,
            last: None,
            accepted_last: None,
            in_a_row: 0,
        };
        if occasion == BatchOccasion::Postponed {
            search.alone = record.take_postponed(&items);
            search.ask = search.alone.iter().map(|alone| alone.item.seq).collect();
            let unclear = search.alone.iter().filter(|alone| alone.unclear);
            search.unclear = unclear.map(|alone| alone.item.seq).collect();
        } else {
            search.untested.push_back(items);
        }
        search
    }

    /// Returns the next request, or `None` when the search is over.
    ///
    /// # Errors
    /// The gateway accepts nothing at all, or the run may not search any longer; undecided assets
    /// stay staged.
    pub(super) fn next(
        &mut self,
        record: &RunRecord,
        delivery: &mut BatchDelivery,
    ) -> Result<Option<SearchRequest>, UpstreamError> {
        self.reject_proven(record, delivery);
        if self.last.is_some() && !self.may_search(record) {
            self.end_search(record, delivery)?;
        }
        if record.in_a_row() >= CONTROL_AFTER
            && let Some(control) = self.control(record)
        {
            return Ok(Some(self.put_in_flight(vec![control], SearchPart::Control, 1)));
        }
        let probing = record.is_probing(self.in_a_row);
        if !self.suspect.is_empty() {
            let half = if probing {
                1
            } else {
                self.suspect.len().div_ceil(2)
            };
            return Ok(Some(self.take(SearchPart::Suspect, half, probing, 1)));
        }
        if let Some(piece) = self.piece() {
            let whole = if probing { 1 } else { piece.len() };
            self.suspect = piece;
            let attempts = match self.occasion {
                _ if record.in_a_row() > 0 || self.last.is_some() => ATTEMPTS_OF_A_PART,
                BatchOccasion::RejectedBefore => ATTEMPTS_OF_A_PART,
                BatchOccasion::First | BatchOccasion::Postponed => ATTEMPTS,
            };
            let request = self.take(SearchPart::Untested, whole, probing, attempts);
            let others = std::mem::take(&mut self.suspect);
            if !others.is_empty() {
                self.untested.push_front(others);
            }
            return Ok(Some(request));
        }
        if let Some(item) = self.to_ask_again(record) {
            // Without anything that the gateway accepted there is nothing to compare with: the
            // limits of the run end the search.
            let attempts = if record.acceptances() == 0 { u32::MAX } else { 1 };
            return Ok(Some(self.put_in_flight(vec![item], SearchPart::Alone, attempts)));
        }
        if self.alone.is_empty() {
            return Ok(None);
        }
        let undecided = delivery.accepted.is_empty() && delivery.rejected.is_empty();
        if self.occasion != BatchOccasion::Postponed && undecided {
            // Other batches will show whether the gateway accepts anything.
            record.postpone(std::mem::take(&mut self.alone));
            delivery.postponed = true;
            return Ok(None);
        }
        self.compare(record, delivery)
    }

    /// Reports how the request of [`BatchSearch::next`] ended. `unclear`: a part of it may have
    /// been delivered without an answer that confirmed it.
    ///
    /// # Errors
    /// The failure that ends the delivery.
    pub(super) fn ended(
        &mut self,
        outcome: RequestOutcome,
        unclear: bool,
        record: &RunRecord,
        delivery: &mut BatchDelivery,
    ) -> Result<(), UpstreamError> {
        let InFlight {
            mut items,
            part,
            attempts,
        } = std::mem::replace(&mut self.in_flight, InFlight::NONE);
        if unclear {
            self.unclear.extend(items.iter().map(|item| item.seq));
        }
        let searches = matches!(part, SearchPart::Untested | SearchPart::Suspect);
        if searches && matches!(outcome, RequestOutcome::TooLarge(..) | RequestOutcome::Refused(_)) {
            record.spend(self.occasion == BatchOccasion::RejectedBefore);
        }
        match outcome {
            RequestOutcome::Accepted => self.taken(items, part, BTreeMap::new(), record, delivery),
            RequestOutcome::Except(reasons) => self.taken(items, part, reasons, record, delivery),
            RequestOutcome::Failed(error) => return Err(error),
            RequestOutcome::TooLarge(..) if items.len() > 1 => {
                self.set_aside(part);
                let second = items.split_off(items.len() / 2);
                self.untested.push_front(second);
                self.untested.push_front(items);
            }
            RequestOutcome::TooLarge(reason, _) => {
                let reason = format!("{reason} (this asset alone is too large for the gateway)");
                let kind = RefusalKind::Content;
                return self.refused(items, part, attempts, RequestRefusal { kind, reason }, record);
            }
            RequestOutcome::Refused(refusal) => {
                return self.refused(items, part, attempts, refusal, record);
            }
        }
        Ok(())
    }

    pub(super) fn put_in_flight(
        &mut self,
        items: Vec<BatchItem>,
        part: SearchPart,
        attempts: u32,
    ) -> SearchRequest {
        self.in_flight = InFlight {
            items: items.clone(),
            part,
            attempts,
        };
        SearchRequest { items, attempts }
    }

    /// Takes the next `count` of the suspects, at random when the gateway is probed: a fixed choice
    /// would select the same bad assets in every run.
    fn take(&mut self, part: SearchPart, count: usize, random: bool, attempts: u32) -> SearchRequest {
        if random {
            let chosen = fastrand::usize(..self.suspect.len().max(1));
            self.suspect.swap(0, chosen);
        }
        let others = self.suspect.split_off(count.min(self.suspect.len()));
        let items = std::mem::replace(&mut self.suspect, others);
        self.suspect.sort_unstable_by_key(|item| item.seq);
        self.put_in_flight(items, part, attempts)
    }

    /// Takes the assets to be sent as a whole. When several bad ones were found, it takes so many
    /// that one more is expected among them.
    fn piece(&mut self) -> Option<Vec<BatchItem>> {
        if self.rest.is_empty() {
            return self.untested.pop_front();
        }
        self.rest.sort_unstable_by_key(|item| item.seq);
        let count = if self.found > 1 {
            self.tested.div_ceil(self.found).clamp(1, self.rest.len())
        } else {
            self.rest.len()
        };
        let others = self.rest.split_off(count);
        Some(std::mem::replace(&mut self.rest, others))
    }

    /// Records that the gateway accepted the assets, except those with reasons.
    fn taken(
        &mut self,
        items: Vec<BatchItem>,
        part: SearchPart,
        mut reasons: BTreeMap<usize, String>,
        record: &RunRecord,
        delivery: &mut BatchDelivery,
    ) {
        self.in_a_row = 0;
        if part == SearchPart::Control {
            record.accepted_again();
            return;
        }
        self.tested += items.len();
        let last = items
            .iter()
            .enumerate()
            .rev()
            .find(|(index, _)| !reasons.contains_key(index));
        let last = last.map(|(_, item)| item);
        record.accepted(items.len(), last);
        self.accepted_last = last.cloned().or(self.accepted_last.take());
        for (index, item) in items.iter().enumerate() {
            self.alone.retain(|alone| alone.item.seq != item.seq);
            self.ask.remove(&item.seq);
            match reasons.remove(&index) {
                Some(reason) => delivery.reject(item.seq, reason, self.unclear.contains(&item.seq)),
                None => delivery.accepted.push(item.seq),
            }
        }
    }

    fn refused(
        &mut self,
        items: Vec<BatchItem>,
        part: SearchPart,
        attempts: u32,
        refusal: RequestRefusal,
        record: &RunRecord,
    ) -> Result<(), UpstreamError> {
        self.last = Some(refusal.clone());
        self.in_a_row = self.in_a_row.saturating_add(attempts);
        if part == SearchPart::Control {
            // A failure may pass; an answer does not.
            return match refusal.kind {
                kind if kind.may_pass() => Ok(()),
                _ => Err(RunRecord::accepts_nothing(record.in_a_row(), &refusal)),
            };
        }
        self.set_aside(part);
        let [item] = items.as_slice() else {
            self.suspect = items;
            return Ok(());
        };
        self.ask.remove(&item.seq);
        let accepted = record.acceptances();
        let unclear = self.unclear.contains(&item.seq);
        let known = self.alone.iter_mut().find(|alone| alone.item.seq == item.seq);
        if let Some(alone) = known {
            alone.confirmed |= accepted > alone.first;
            alone.refusal = refusal;
            alone.unclear = unclear;
            return Ok(());
        }
        self.found += 1;
        self.tested += 1;
        self.alone.push(RefusedAlone {
            item: item.clone(),
            refusal,
            before: self.before,
            first: accepted,
            confirmed: false,
            unclear,
        });
        Ok(())
    }

    /// Sets the rest of the suspects aside: a part was refused, so nothing is known of the others.
    fn set_aside(&mut self, part: SearchPart) {
        if part == SearchPart::Suspect {
            self.rest.append(&mut self.suspect);
        }
    }
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
