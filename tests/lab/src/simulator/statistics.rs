//! What was asked of a simulator: numbers for tests that count round trips.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::message::{Control, Scope, Search};

/// The most searches that are remembered one by one.
const REMEMBERED: usize = 10_000;

/// Counts since the simulator's start or the last [`Statistics::reset`].
#[derive(Debug, Default)]
pub struct Statistics {
    pub(super) connections: AtomicU64,
    pub(super) pings: AtomicU64,
    pub(super) binds: AtomicU64,
    pub(super) operations: AtomicU64,
    pub(super) searches: AtomicU64,
    pub(super) pages: AtomicU64,
    pub(super) entries: AtomicU64,
    pub(super) bytes: AtomicU64,
    seen: Mutex<Vec<SeenSearch>>,
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Connections accepted.
    pub connections: u64,
    /// Requests over UDP.
    pub pings: u64,
    /// Bind requests.
    pub binds: u64,
    /// Requests of every kind.
    pub operations: u64,
    /// Searches, counted at their first page.
    pub searches: u64,
    /// Search requests: first and later pages.
    pub pages: u64,
    /// Entries returned.
    pub entries: u64,
    /// Bytes sent, before TLS.
    pub bytes: u64,
}

/// A search that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenSearch {
    /// Its base as sent.
    pub base: String,
    /// How deep it went.
    pub scope: Scope,
    /// Its filter as text.
    pub filter: String,
    /// The attributes asked for.
    pub attributes: Vec<String>,
    /// The OIDs of the controls sent along.
    pub controls: Vec<String>,
}

impl Statistics {
    /// The counts now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            connections: read(&self.connections),
            pings: read(&self.pings),
            binds: read(&self.binds),
            operations: read(&self.operations),
            searches: read(&self.searches),
            pages: read(&self.pages),
            entries: read(&self.entries),
            bytes: read(&self.bytes),
        }
    }

    /// The searches asked for so far, ten thousand at most, without later pages.
    #[must_use]
    pub fn searches(&self) -> Vec<SeenSearch> {
        self.seen.lock().unwrap().clone()
    }

    /// Begins again at zero.
    pub fn reset(&self) {
        let counters = [
            &self.connections,
            &self.pings,
            &self.binds,
            &self.operations,
            &self.searches,
            &self.pages,
            &self.entries,
            &self.bytes,
        ];
        counters
            .into_iter()
            .for_each(|counter| counter.store(0, Ordering::Relaxed));
        self.seen.lock().unwrap().clear();
    }

    pub(super) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn saw(&self, search: &Search, controls: &[Control]) {
        Self::add(&self.searches, 1);
        let mut seen = self.seen.lock().unwrap();
        if seen.len() < REMEMBERED {
            seen.push(SeenSearch {
                base: search.base.clone(),
                scope: search.scope,
                filter: search.filter.to_string(),
                attributes: search.attributes.clone(),
                controls: controls.iter().map(|control| control.oid.clone()).collect(),
            });
        }
    }
}
