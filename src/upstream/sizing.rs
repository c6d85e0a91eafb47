//! Size of requests: the configured limits, and the limits that were learnt from the gateway.
//!
//! No page states the gateway's limits, and its calls are limited (300 an hour), so the limits are
//! learnt from its answers, and kept: a call that is refused as too large is lost. Only evidence is
//! learnt: a batch counts as too large when a part of it was accepted afterwards.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::request::RequestEnvelope;
use crate::config::{self, BatchAssets};

/// Assets of the first request to a gateway of which nothing is known.
pub const FIRST: usize = 500;
/// Most assets of a request.
pub const MOST: usize = 10_000;
/// Batches that may wait without larger requests, where the gateway announces no limit of calls.
const FEW_BATCHES: u64 = 10;
/// Divisor of the calls that are left: one in this many is used where larger requests would save
/// calls, since others use the account as well.
const SHARE: u64 = 4;
/// Octets at which batches do not shrink further: a request this small that is still too large is
/// refused for another reason.
const SMALLEST: usize = 64 << 10;
/// Factor by which an accepted part may be smaller than the refused whole and still prove that the
/// size was the cause.
const PART: usize = 4;

/// Limits that were learnt about a gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LearntLimits {
    /// Most assets that it accepted in one request.
    pub taken: Option<usize>,
    /// Fewest assets that it refused as too many, or took too long for.
    pub refused: Option<usize>,
    /// Octets of a request that it accepts.
    pub bytes: Option<usize>,
}

/// Assets that wait to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StagedBacklog {
    /// Number of assets, once the directory is read.
    Known(u64),
    /// The directory is still being read.
    Growing,
}

/// A request that was refused as too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge {
    pub(super) assets: usize,
    /// Octets of it, where the gateway refused it for these (413).
    pub(super) bytes: Option<usize>,
}

/// Size of one request.
#[derive(Debug)]
pub struct BatchSizing {
    envelope: RequestEnvelope,
    most: usize,
    grows: bool,
    state: Mutex<SizingState>,
}

#[derive(Debug)]
struct SizingState {
    assets: usize,
    bytes: usize,
    learnt: LearntLimits,
}

impl BatchSizing {
    pub(super) fn new(settings: &config::UpstreamSettings) -> Self {
        let (most, first, grows) = match settings.batch_assets {
            BatchAssets::Auto => (MOST, FIRST, true),
            BatchAssets::AtMost(most) => (most, most, false),
        };
        Self {
            envelope: RequestEnvelope::new(&settings.connector_uuid, &settings.source),
            most,
            grows,
            state: Mutex::new(SizingState {
                assets: first,
                bytes: settings.batch_bytes,
                learnt: LearntLimits::default(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, SizingState> {
        // Every change below leaves the state consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies the limits that an earlier run learnt.
    pub fn recall(&self, learnt: LearntLimits) {
        let mut state = self.state();
        state.learnt = learnt;
        if let Some(bytes) = learnt.bytes {
            state.bytes = state.bytes.min(bytes);
        }
        if self.grows {
            state.assets = FIRST.max(learnt.taken.unwrap_or_default());
        }
        state.assets = state.assets.min(state.learnt.most(self.most));
    }

    /// Returns the limits that were learnt so far.
    #[must_use]
    pub fn learnt(&self) -> LearntLimits {
        self.state().learnt
    }

    /// Returns the most assets of the next request.
    #[must_use]
    pub fn assets(&self) -> usize {
        self.state().assets
    }

    /// Returns the bytes that `count` assets may have together, so that the body of their request
    /// keeps the limit.
    #[must_use]
    pub fn max_asset_bytes(&self, count: usize) -> usize {
        self.state().bytes.saturating_sub(self.envelope.len(count, 0))
    }

    /// Halves the size of further batches after a body of so many bytes was too large, down to at
    /// least 64 KiB.
    pub(super) fn lower(&self, refused: usize) {
        let mut state = self.state();
        state.bytes = state.bytes.min((refused / 2).max(SMALLEST));
    }

    /// Learns that the gateway accepted a request of so many assets, after it had refused
    /// `too_large` with these among others.
    pub(super) fn accepted(&self, assets: usize, too_large: Option<TooLarge>) {
        let mut state = self.state();
        let bytes = state.bytes;
        let learnt = &mut state.learnt;
        learnt.taken = learnt.taken.max(Some(assets));
        // Limits change.
        learnt.refused = learnt.refused.filter(|refused| *refused > assets);
        if let Some(refused) = too_large.filter(|refused| assets * PART >= refused.assets) {
            learnt.refused = Some(
                learnt
                    .refused
                    .map_or(refused.assets, |known| known.min(refused.assets)),
            );
            learnt.taken = learnt
                .taken
                .filter(|taken| *taken < refused.assets)
                .or(Some(assets));
            if refused.bytes.is_some() {
                learnt.bytes = Some(bytes);
            }
            tracing::info!(
                assets = learnt.most(self.most),
                "The gateway does not take larger requests; that is remembered."
            );
        }
        state.assets = state.assets.min(state.learnt.most(self.most));
    }

    /// Doubles the requests, up to the limit of the gateway, when a full one was accepted and the
    /// backlog does not fit into the calls that are left.
    pub(super) fn grow(&self, accepted: usize, backlog: StagedBacklog, calls_left: Option<u64>) {
        let mut state = self.state();
        let batches = match backlog {
            StagedBacklog::Known(assets) => assets.div_ceil(state.assets as u64),
            StagedBacklog::Growing => u64::MAX,
        };
        let enough = calls_left.map_or(FEW_BATCHES, |left| left / SHARE);
        if self.grows && accepted >= state.assets && batches > enough {
            state.assets = (state.assets * 2).min(state.learnt.most(self.most));
        }
    }

    /// Returns `true` for a request that is larger than any that was accepted, and than the first:
    /// its size may be the cause of a refusal.
    pub(super) fn is_untried(&self, assets: usize) -> bool {
        assets > FIRST.max(self.state().learnt.taken.unwrap_or_default())
    }
}

impl LearntLimits {
    /// Returns the most assets of a request: as many as were accepted, where more were refused.
    fn most(&self, configured: usize) -> usize {
        let most = match self.refused {
            Some(refused) => (refused / 2).max(self.taken.unwrap_or_default()).max(1),
            None => configured,
        };
        most.min(configured)
    }
}

#[cfg(test)]
#[path = "sizing_tests.rs"]
mod tests;
