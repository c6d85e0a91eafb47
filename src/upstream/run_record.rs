//! Evidence of the gateway's answers to one run, shared by all requests of the run (R32).
//!
//! Invariant: an asset is blamed for a refusal only while the gateway is known to accept others,
//! and a gateway that accepts nothing receives a bounded number of requests. Both follow from the
//! counts of this file.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::UpstreamError;
use super::refusal::{RefusalKind, RequestRefusal};
use super::request::BatchItem;
use crate::clock;

/// Refusals in a row after which the gateway counts as one that accepts nothing. With a new token
/// (401) a run sends such a gateway 10 requests.
pub(super) const MOST_IN_A_ROW: u32 = 9;
/// Single assets that are tried where the way is refused and nothing was accepted.
const MOST_ALONE: u32 = 2;
/// Refusals in a row after which single assets are tried: most of them are good, so an answer to
/// one of them distinguishes a gateway that accepts nothing from a batch with a bad asset in it.
const PROBES_AFTER: u32 = 3;
/// Refusals in a row after which an asset that was accepted before is sent again: where most assets
/// are bad, single ones prove nothing.
pub(super) const CONTROL_AFTER: u32 = MOST_IN_A_ROW - 2;
/// Refused requests that a run may spend without an accepted one in between. Ten searches in
/// batches of 500.
const MOST_CREDIT: u32 = 100;
/// Refused requests that an accepted one pays for, besides the logarithm of its assets: as many as
/// a search among so many takes. A search continues as long as one request in four is accepted.
const EARNED: u32 = 3;
/// Refused requests that a run spends on searches among assets that were rejected before.
const REPEATED_CREDIT: u32 = 32;

/// An asset that was refused alone, with what is known about whether it is the cause.
#[derive(Debug, Clone)]
pub(super) struct RefusedAlone {
    pub(super) item: BatchItem,
    pub(super) refusal: RequestRefusal,
    /// Acceptances of the run before any request that held the asset.
    pub(super) before: u64,
    /// Acceptances of the run when it was refused alone for the first time.
    pub(super) first: u64,
    /// The asset was refused alone, another asset was accepted, and it was refused alone again.
    pub(super) confirmed: bool,
    /// An attempt may have delivered the asset.
    pub(super) unclear: bool,
}

/// Record of the answers to one run. It is shared by all requests of the run.
#[derive(Debug)]
pub struct RunRecord {
    state: Mutex<RunRecordState>,
    has_one_sender: bool,
    right: SendingRight,
}

/// Question whether the run may still send, asked directly before each request.
pub struct SendingRight(Box<dyn Fn() -> bool + Send + Sync>);

impl fmt::Debug for SendingRight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendingRight")
    }
}

impl Default for RunRecord {
    /// Returns the record of a run that delivers one batch after the other.
    fn default() -> Self {
        Self::new(1)
    }
}

#[derive(Debug)]
struct RunRecordState {
    /// Requests of which the gateway accepted something, or to which it gave a result for each
    /// asset.
    accepted: u64,
    /// The asset that was accepted last.
    accepted_last: Option<BatchItem>,
    /// Requests that were refused or failed since.
    in_a_row: u32,
    /// The last of them was refused for its way.
    way_is_refused: bool,
    /// Requests among them with a single asset that were refused for their way.
    alone_in_a_row: u32,
    /// Failures since the last acceptance or pause; back-off grows with it.
    failures: u32,
    /// Time of the first failure since the last acceptance.
    failing_since: Option<Instant>,
    /// Pauses since then that the gateway asked for to limit calls.
    paused: Duration,
    /// Time from failures to the acceptances that ended them, without such pauses.
    lost: Duration,
    credit: u32,
    repeated_credit: u32,
    /// [`BatchItem::seq`] → knowledge about an asset of a postponed batch.
    postponed: BTreeMap<u64, RefusedAlone>,
}

impl Default for RunRecordState {
    fn default() -> Self {
        Self {
            accepted: 0,
            accepted_last: None,
            in_a_row: 0,
            way_is_refused: false,
            alone_in_a_row: 0,
            failures: 0,
            failing_since: None,
            paused: Duration::ZERO,
            lost: Duration::ZERO,
            credit: MOST_CREDIT,
            repeated_credit: REPEATED_CREDIT,
            postponed: BTreeMap::new(),
        }
    }
}

impl RunRecord {
    /// Returns the record of a run that delivers at most so many batches at once.
    #[must_use]
    pub fn new(senders: usize) -> Self {
        Self {
            state: Mutex::default(),
            has_one_sender: senders <= 1,
            right: SendingRight(Box::new(|| true)),
        }
    }

    /// Lets the run send only while `may_send` says so (R34).
    #[must_use]
    pub fn sending_while(mut self, may_send: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.right = SendingRight(Box::new(may_send));
        self
    }

    /// Returns whether the run may send now.
    pub(super) fn may_send(&self) -> bool {
        (self.right.0)()
    }

    /// Returns `true` when nothing else of the run is in flight while a batch is.
    pub(super) const fn has_one_sender(&self) -> bool {
        self.has_one_sender
    }

    fn state(&self) -> MutexGuard<'_, RunRecordState> {
        // Every change below leaves the state consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request of so many assets that was answered for each of them; `last` of them was
    /// accepted. The request pays for a search in a batch of the same size.
    pub(super) fn accepted(&self, assets: usize, last: Option<&BatchItem>) {
        self.accepted_again();
        let mut state = self.state();
        state.accepted_last = last.cloned().or(state.accepted_last.take());
        let earned = EARNED + assets.checked_ilog2().unwrap_or_default();
        state.credit = MOST_CREDIT.min(state.credit + earned);
    }

    /// Counts the acceptance of an asset that was accepted before.
    pub(super) fn accepted_again(&self) {
        let now = clock::timer_instant();
        let mut state = self.state();
        state.accepted += 1;
        state.in_a_row = 0;
        state.way_is_refused = false;
        state.alone_in_a_row = 0;
        state.failures = 0;
        if let Some(since) = state.failing_since.take() {
            let failing = (now - since).saturating_sub(state.paused);
            state.lost += failing;
        }
        state.paused = Duration::ZERO;
    }

    /// Counts a request of so many assets that was refused or failed.
    ///
    /// # Errors
    /// [`UpstreamError::AcceptsNothing`] after [`MOST_IN_A_ROW`] of them; while nothing was
    /// accepted, as soon as the way was refused for [`MOST_ALONE`] single assets: one of them may
    /// be the cause itself.
    pub(super) fn refused(&self, refusal: &RequestRefusal, assets: usize) -> Result<(), UpstreamError> {
        let mut state = self.state();
        state.in_a_row += 1;
        state.way_is_refused = matches!(refusal.kind, RefusalKind::Way { .. });
        if state.way_is_refused && assets == 1 {
            state.alone_in_a_row += 1;
        }
        let requests = state.in_a_row;
        let way_is_shut = state.accepted == 0 && state.alone_in_a_row >= MOST_ALONE;
        drop(state);
        if requests < MOST_IN_A_ROW && !way_is_shut {
            return Ok(());
        }
        Err(Self::accepts_nothing(requests, refusal))
    }

    /// Returns `true` when single assets are to be tried, after so many refusals of one search.
    pub(super) fn is_probing(&self, in_search: u32) -> bool {
        let state = self.state();
        let refusals = state.in_a_row.max(in_search);
        refusals >= PROBES_AFTER || (refusals > 0 && state.way_is_refused && state.accepted == 0)
    }

    /// Spends a request on the search for single assets: among those that were rejected `before`,
    /// or others.
    pub(super) fn spend(&self, before: bool) {
        let mut state = self.state();
        let credit = if before {
            &mut state.repeated_credit
        } else {
            &mut state.credit
        };
        *credit = credit.saturating_sub(1);
    }

    /// Returns the error for a gateway that accepted nothing, with the last of its answers.
    pub(super) fn accepts_nothing(requests: u32, refusal: &RequestRefusal) -> UpstreamError {
        UpstreamError::AcceptsNothing {
            requests,
            kind: refusal.kind,
            reason: refusal.reason.clone(),
        }
    }

    /// Returns the number of requests accepted so far.
    pub(super) fn acceptances(&self) -> u64 {
        self.state().accepted
    }

    /// Returns the asset that the run accepted last.
    pub(super) fn accepted_last(&self) -> Option<BatchItem> {
        self.state().accepted_last.clone()
    }

    /// Returns the number of requests refused since the last acceptance.
    pub(super) fn in_a_row(&self) -> u32 {
        self.state().in_a_row
    }

    /// Returns `true` when the run may still search for single assets: among those that were
    /// rejected `before`, or others.
    pub(super) fn may_search(&self, before: bool) -> bool {
        let state = self.state();
        if before {
            state.repeated_credit > 0
        } else {
            state.credit > 0
        }
    }

    /// Counts a failure, and returns how many there were before it since the last acceptance or
    /// pause.
    pub(super) fn count_failure(&self) -> u32 {
        let mut state = self.state();
        let before = state.failures;
        state.failures = before.saturating_add(1);
        before
    }

    /// Counts a pause that the gateway asked for to limit calls. The back-off starts anew.
    pub(super) fn pause(&self, pause: Duration) {
        let mut state = self.state();
        state.failures = 0;
        state.paused += pause;
    }

    /// Returns the time that counts for `QUALYS_GIVE_UP_AFTER`: all that the run lost to failures,
    /// and at least the time since the first failure after the last acceptance, which starts to
    /// count when nothing failed before. A pause to limit calls that an acceptance ended is no
    /// failure: the run makes progress.
    pub(super) fn failing_for(&self) -> Duration {
        let now = clock::timer_instant();
        let mut state = self.state();
        let failing = now - *state.failing_since.get_or_insert(now);
        failing.max(state.lost + failing.saturating_sub(state.paused))
    }

    /// Keeps the knowledge about the assets of a postponed batch.
    pub(super) fn postpone(&self, refused: Vec<RefusedAlone>) {
        let refused = refused.into_iter().map(|alone| (alone.item.seq, alone));
        self.state().postponed.extend(refused);
    }

    /// Removes and returns the knowledge about these assets.
    pub(super) fn take_postponed(&self, items: &[BatchItem]) -> Vec<RefusedAlone> {
        let mut state = self.state();
        items
            .iter()
            .filter_map(|item| state.postponed.remove(&item.seq))
            .collect()
    }

    /// Returns `true` when any asset is postponed.
    pub(super) fn has_postponed(&self) -> bool {
        !self.state().postponed.is_empty()
    }
}
