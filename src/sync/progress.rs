//! How far a run has come, for whoever watches it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of the run in progress. Each only grows.
#[derive(Debug, Default)]
pub struct Progress {
    read: AtomicU64,
    staged: AtomicU64,
    accepted: AtomicU64,
    rejected: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// Objects read from the directory.
    pub read: u64,
    /// Assets staged for delivery by this run.
    pub staged: u64,
    /// Assets that upstream accepted in this run.
    pub accepted: u64,
    /// Objects that could not be mapped, and assets that upstream refused.
    pub rejected: u64,
}

impl Progress {
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

    /// The counters now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            read: self.read.load(Ordering::Relaxed),
            staged: self.staged.load(Ordering::Relaxed),
            accepted: self.accepted.load(Ordering::Relaxed),
            rejected: self.rejected.load(Ordering::Relaxed),
        }
    }
}
