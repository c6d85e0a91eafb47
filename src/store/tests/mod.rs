//! Tests of the store.

mod controllers;
mod crash;
mod delivery;
mod engines;
mod history;
mod identity;
mod interleaving;
mod leases;
mod lifecycle;
mod links;
mod locking;
mod marker;
mod model;
mod opening;
mod ownership;
mod paging;
mod plans;
mod removal;
mod removal_text;
mod retention;
mod review;
mod run_basis;
mod sealing;
mod shared;
mod slices;
mod speed;
mod staging;
mod statements;
mod stored;
mod unsent;

use std::path::PathBuf;

use tempfile::TempDir;

use std::collections::BTreeMap;

use super::*;
use crate::config::derive_uuid;
use crate::identity::{Guid, Kind};

/// 2026-11-22T02:10:34Z.
const NOW: i64 = 1_795_313_434;

/// More than any test stages.
const ANY: usize = 1 << 30;

/// A state of its own, with one connection: a file, or with `TEST_STATE=postgres` a database.
struct Room {
    directory: TempDir,
    location: StateLocation,
    store: Store,
    connection: ConnectionId,
}

impl Room {
    fn new() -> Self {
        Self::within(tempfile::tempdir().unwrap())
    }

    fn within(directory: TempDir) -> Self {
        let location = engines::location(&directory);
        let store = Store::open(&location, StoreAccess::ReadWrite).unwrap();
        let connection = store
            .register(
                derive_uuid("corp"),
                "corp",
                "the directory",
                &AssetTarget::default(),
                NOW,
            )
            .unwrap();
        engines::hold(&store, connection);
        Self {
            directory,
            location,
            store,
            connection,
        }
    }

    /// Opens the state once more.
    fn open(&self, access: StoreAccess) -> Result<Store, StoreError> {
        Store::open(&self.location, access)
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("state.db")
    }

    /// Begins a run from whatever state.
    fn run(&self) -> RunId {
        begin(&self.store, self.connection)
    }

    fn end(&self, run: RunId) {
        self.store.end_run(run, &RunEnd::default(), NOW).unwrap();
    }

    fn stage(&self, run: RunId, page: &[ObjectReading]) -> ObjectTotals {
        self.store.stage_page(run, page, false, NOW).unwrap().total()
    }

    /// Sends everything that waits, all of it accepted, until nothing is left; returns what was
    /// sent.
    fn drain(&self, run: RunId) -> Vec<HandedOutVersion> {
        let mut sent = Vec::new();
        loop {
            let batch = self.store.next_batch(run, 0, 100, ANY, 0).unwrap();
            if batch.is_empty() {
                return sent;
            }
            self.store
                .settle(run, &batch, &answered(&seqs(&batch), &[], &[]), NOW)
                .unwrap();
            sent.extend(batch);
        }
    }

    fn waiting(&self) -> u64 {
        self.store.pending(self.connection).unwrap().counts.values().sum()
    }
}

fn begin(store: &Store, connection: ConnectionId) -> RunId {
    begin_with(store, connection, &RunBasis::default())
}

fn begin_with(store: &Store, connection: ConnectionId, basis: &RunBasis) -> RunId {
    engines::hold(store, connection);
    let state = store
        .connections()
        .unwrap()
        .into_iter()
        .find(|found| found.id == connection)
        .unwrap()
        .state;
    if matches!(state, State::Registered | State::Processed) {
        store.schedule(connection, NOW).unwrap();
    }
    store
        .begin_run(connection, RunMode::Delta, "a test", basis, NOW)
        .unwrap()
}

fn guid(number: u8) -> Guid {
    Guid::from([number; 16])
}

/// Returns the object `number` as a user whose asset holds `version`.
fn user(number: u8, version: &str) -> ObjectReading {
    ObjectReading {
        guid: guid(number),
        kind: Kind::User,
        dn: format!("CN=User {number},OU=Staff,DC=corp,DC=example"),
        asset: Ok(StagedAsset {
            external_id: format!("S-1-5-21-{number}"),
            json: asset(version),
        }),
        linked: None,
    }
}

fn unmappable(number: u8, reason: &str) -> ObjectReading {
    ObjectReading {
        asset: Err(reason.to_owned()),
        ..user(number, "")
    }
}

fn asset(version: &str) -> String {
    format!(r#"{{"asset":{{"version":"{version}"}}}}"#)
}

fn seqs(items: &[HandedOutVersion]) -> Vec<u64> {
    items.iter().map(|item| item.seq).collect()
}

fn assets(items: &[HandedOutVersion]) -> Vec<&str> {
    items.iter().map(|item| item.asset.as_ref()).collect()
}

/// Returns an answer to one request.
fn answered(accepted: &[u64], rejected: &[(u64, String)], unclear: &[u64]) -> SettledBatch {
    SettledBatch {
        accepted: accepted.to_vec(),
        rejected: rejected.to_vec(),
        unclear: unclear.to_vec(),
        requests: 1,
        ended_run: false,
    }
}

/// Returns the target with the connector of this name.
fn target(connector: &str) -> AssetTarget {
    AssetTarget {
        gateway: "https://gateway.example".to_owned(),
        connector: connector.to_owned(),
    }
}

/// Returns the end of a delta that missed nothing.
fn end_at(watermark: Watermark) -> ReadEnd {
    ReadEnd {
        watermark,
        host: "dc1".to_owned(),
        server: "CN=NTDS Settings,CN=DC1".to_owned(),
        cookie: None,
        kinds: vec![Kind::User],
        missed: Vec::new(),
        met: None,
        containers: Vec::new(),
        containers_gone: Vec::new(),
        ended: NOW,
    }
}
