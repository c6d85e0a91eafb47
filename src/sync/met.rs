//! What the searches in scope gave.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::directory::Entry;
use crate::identity::{Guid, Kind};
use crate::store::GuidSet;

use super::stage::guid_of;

/// What searches in scope gave; several connections add to it side by side.
#[derive(Debug, Default)]
pub(super) struct Met(Mutex<Found>);

/// What came.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) guids: GuidSet,
    /// Kinds of which there was any object.
    pub(super) kinds: BTreeSet<Kind>,
}

impl Met {
    /// Adds a page of objects of `kind`.
    pub(super) fn note(&self, kind: Kind, entries: &[Entry]) {
        let mut found = self.locked();
        found.kinds.insert(kind);
        for guid in entries.iter().filter_map(guid_of) {
            found.guids.insert(guid);
        }
    }

    /// Those of `guids` that did not come.
    pub(super) fn lacks(&self, mut guids: Vec<Guid>) -> Vec<Guid> {
        let mut found = self.locked();
        found.guids.sort();
        guids.retain(|guid| !found.guids.contains(*guid));
        guids
    }

    /// Everything that came.
    pub(super) fn into_found(self) -> Found {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn locked(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
