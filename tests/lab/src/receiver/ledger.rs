//! What a connector sent, counted from the first request to the last, to be held against its own history.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::answer::{Answer, ErrorForm};
use super::state::State;

/// Counts by the class of the asset (`userAssetClass`, or `?` where it cannot be told).
pub type ByClass = BTreeMap<String, u64>;

/// What was counted of one connector. Every asset of a request that was read is in exactly one of these counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Ingest requests whose body was read.
    pub requests: u64,
    /// Assets kept, and the answer said so.
    pub accepted: ByClass,
    /// Of the accepted, single assets that were kept before as they are: sent again on demand, or
    /// by a search for the cause of refusals (R32), in which case the connector does not count
    /// them.
    pub repeated: u64,
    /// Assets rejected one by one, and the answer said which.
    pub rejected: ByClass,
    /// Of the rejected, single assets that were kept before as they are. The connector does not
    /// count them either where it sent them to see whether the gateway accepts anything (R32).
    pub rejected_again: u64,
    /// Assets kept, but the connector cannot have learned it.
    pub untold: u64,
    /// Assets kept, and whether the connector learned it depends on how it reads the answer, or how long it waits.
    pub unclear: u64,
    /// Assets of requests that were refused as a whole, or not answered.
    pub refused: u64,
}

/// The ledgers of all connectors of a receiver.
#[derive(Debug, Clone)]
pub struct Books(pub(super) Arc<Mutex<State>>);

impl Books {
    /// What was counted of the connector with this UUID, and how many requests came of which nothing was read: they may have
    /// been anybody's.
    pub fn of(&self, connector_uuid: &str) -> (Ledger, u64) {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ledger = state.ledgers.get(connector_uuid).cloned();
        (ledger.unwrap_or_default(), state.unread)
    }
}

impl Ledger {
    /// A batch of which all but `rejected` is kept.
    pub(super) fn keep(
        &mut self,
        assets: &[(String, Value)],
        rejected: &BTreeMap<String, String>,
        answer: &Answer,
        is_known: bool,
    ) {
        if is_known && assets.len() == 1 {
            let again = match rejected.is_empty() {
                true => &mut self.repeated,
                false => &mut self.rejected_again,
            };
            *again += 1;
        }
        for (id, asset) in assets {
            let counts = if rejected.contains_key(id) {
                &mut self.rejected
            } else {
                match answer {
                    Answer::CutAfter | Answer::Reject(ErrorForm::UnknownId, _) => {
                        self.untold += 1;
                        continue;
                    }
                    Answer::AcceptWith(..) | Answer::Slow(_) => {
                        self.unclear += 1;
                        continue;
                    }
                    _ => &mut self.accepted,
                }
            };
            *counts.entry(class(asset)).or_default() += 1;
        }
    }

    /// A batch of which nothing is kept.
    pub(super) fn refuse(&mut self, assets: &[(String, Value)]) {
        self.refused += assets.len() as u64;
    }
}

fn class(asset: &Value) -> String {
    let classes = asset["asset"]["assetDetail"].as_object();
    classes
        .and_then(|classes| classes.keys().find(|key| key.ends_with("AssetClass")))
        .map_or_else(|| "?".to_owned(), Clone::clone)
}
