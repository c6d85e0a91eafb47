//! Results of the searches in scope.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::directory::Entry;
use crate::identity::{Guid, Kind};
use crate::store::SliceContent;

use crate::sync::entry_fields::guid_of;

/// Results of searches in scope; several connections add to it in parallel.
#[derive(Debug, Default)]
pub(super) struct FoundInScope(Mutex<SliceContent>);

impl FoundInScope {
    /// Adds a page of objects of `kind`, and their parents that are no container by class.
    pub(super) fn record(&self, kind: Kind, entries: &[Entry], parents: BTreeSet<String>) {
        let mut found = self.locked();
        found.kinds.insert(kind);
        found.parents.extend(parents);
        for guid in entries.iter().filter_map(guid_of) {
            found.guids.insert(guid);
        }
    }

    /// Adds the results of another read.
    pub(super) fn extend(&self, more: &SliceContent) {
        let mut found = self.locked();
        found.kinds.extend(&more.kinds);
        found.guids.extend(&more.guids);
    }

    /// Returns those of `guids` that were not found.
    pub(super) fn lacks(&self, mut guids: Vec<Guid>) -> Vec<Guid> {
        let mut found = self.locked();
        found.guids.sort();
        guids.retain(|guid| !found.guids.contains(*guid));
        guids
    }

    /// Returns everything that was found.
    pub(super) fn into_found(self) -> SliceContent {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn locked(&self) -> MutexGuard<'_, SliceContent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
