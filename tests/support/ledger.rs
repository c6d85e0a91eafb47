//! What a directory had and what the program did, round after round: the two sides that must agree.

use ad_connector::config::StateLocation;
use ad_connector::store::{Store, StoreAccess, StoreError};
use lab::receiver::Receiver;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

use crate::audit::{self, Ran, Versions};
use crate::support::Assets;

/// Every version that an object had, and every run.
#[derive(Default)]
pub struct Ledger {
    versions: BTreeMap<String, Vec<Value>>,
    ran: Vec<Ran>,
}

impl Ledger {
    /// Notes how the directory is now.
    pub fn record(&mut self, assets: Assets) {
        for (sid, asset) in assets {
            let versions = self.versions.entry(sid).or_default();
            if versions.last() != Some(&asset) {
                versions.push(asset);
            }
        }
    }

    /// Notes a run that is over.
    pub fn ran(&mut self, ran: Ran) {
        self.ran.push(ran);
    }

    /// How many runs were noted.
    pub fn rounds(&self) -> usize {
        self.ran.len()
    }

    /// Everything that arrived so far was right, see [`audit::check`].
    ///
    /// # Errors
    /// The first delivery that was not.
    pub fn check(&self, receiver: &Receiver) -> Result<(), String> {
        assert_eq!(receiver.violations(), Vec::<String>::new());
        let versions: Versions<'_> = self
            .versions
            .iter()
            .map(|(sid, versions)| (sid.clone(), versions.as_slice()))
            .collect();
        audit::check(&versions, &receiver.deliveries(), &self.ran, 1)
            .map_err(|wrong| format!("round {}: {wrong}", self.rounds()))
    }
}

/// `externalAssetId`s of what the state lists as removed. It must be intact; before its schema was
/// made it lists nothing.
#[track_caller]
pub fn removed(state: impl Into<StateLocation>) -> BTreeSet<String> {
    let store = match Store::open(state, StoreAccess::ReadOnly) {
        Ok(store) => store,
        Err(StoreError::Missing { .. } | StoreError::Older { .. }) => return BTreeSet::new(),
        Err(error) => panic!("{error}"),
    };
    store.check().unwrap();
    let Some(connection) = store.connections().unwrap().pop() else {
        return BTreeSet::new();
    };
    let removed = store.removed(connection.id, None, None, usize::MAX).unwrap();
    removed
        .into_iter()
        .filter_map(|removed| removed.external_id)
        .collect()
}
