//! Changes in the directory of a pair, and what the gateway must hold of it.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use lab::simulator::ObjectId;
use serde_json::Value;

use crate::pair::{Pair, REMOVED};
use crate::support::{Assets, assert_same};

/// Where new users are made.
const USERS: &str = "CN=Users,DC=corp,DC=example";

/// Objects that are gone, and those that were touched in the present round.
#[derive(Default)]
pub struct World {
    /// `externalAssetId` → last asset with the mark.
    pub gone: Assets,
    deleted: Vec<ObjectId>,
    /// Ids of the assets that may arrive in this round.
    pub touched: BTreeSet<String>,
    names: u64,
}

impl World {
    /// Forgets what was gone: a state that is empty has never known it.
    pub fn forget(&mut self) {
        self.gone.clear();
        self.deleted.clear();
    }

    /// Gives a user another name; returns its `externalAssetId`.
    pub fn rename(&mut self, pair: &Pair, user: ObjectId, name: &str) -> String {
        pair.lab.directory().set_text(user, "displayName", name);
        let id = pair.lab.external_id(user);
        self.touched.insert(id.clone());
        id
    }

    /// Gives so many users, drawn with repetition, names that they may have had before.
    pub fn change(&mut self, pair: &Pair, rng: &mut Rng, count: usize, label: &str) {
        let users = pair.lab.users();
        for _ in 0..count {
            let user = users[rng.usize(0..users.len())];
            self.rename(pair, user, &format!("{label}.{}", rng.u8(0..9)));
        }
    }

    /// Lets one object come back from the recycle bin, where any is in it.
    pub fn restore(&mut self, pair: &Pair, rng: &mut Rng) {
        if self.deleted.is_empty() {
            return;
        }
        let user = self.deleted.swap_remove(rng.usize(0..self.deleted.len()));
        pair.lab.directory().restore(user);
        let id = pair.lab.external_id(user);
        self.gone.remove(&id);
        self.touched.insert(id);
    }

    /// Deletes users that were not touched in this round, and makes as many new ones; returns the
    /// ids of the former. Users of `spared` stay.
    pub fn delete(
        &mut self,
        pair: &Pair,
        rng: &mut Rng,
        count: usize,
        spared: &[ObjectId],
    ) -> BTreeSet<String> {
        let directory = pair.lab.directory();
        let expected = pair.lab.expected();
        let mut users = pair.lab.users();
        rng.shuffle(&mut users);
        let mut ids = BTreeSet::new();
        for user in users {
            let id = pair.lab.external_id(user);
            if ids.len() == count {
                break;
            }
            if spared.contains(&user) || self.touched.contains(&id) {
                continue;
            }
            self.gone.insert(id.clone(), marked(&expected[&id]));
            directory.delete(user);
            self.deleted.push(user);
            self.names += 1;
            let name = format!("New {}", self.names);
            let new = directory.create_user(USERS, &name, &[("displayName", &name)]);
            self.touched.insert(pair.lab.external_id(new));
            self.touched.insert(id.clone());
            ids.insert(id);
        }
        ids
    }

    /// Everything that the gateway must hold.
    pub fn expected(&self, pair: &Pair) -> Assets {
        let mut expected = pair.lab.expected();
        expected.extend(self.gone.clone());
        expected
    }

    /// Everybody who is there may arrive in this round.
    pub fn touch_all(&mut self, pair: &Pair) {
        self.touched.extend(pair.lab.expected().into_keys());
    }
}

/// Returns an asset with the mark of objects that are gone.
fn marked(asset: &Value) -> Value {
    let mut asset = asset.clone();
    asset["asset"]["assetDetail"][REMOVED] = Value::from("REMOVED");
    asset
}

/// Returns whether an asset has the mark.
fn is_marked(asset: &Value) -> bool {
    !asset["asset"]["assetDetail"][REMOVED].is_null()
}

/// Number of deliveries and of requests before a round.
#[derive(Debug, Clone, Copy)]
pub struct Since {
    pub delivery: usize,
    pub span: usize,
}

impl Since {
    pub fn now(pair: &Pair) -> Self {
        Self {
            delivery: pair.lab.receiver.deliveries().len(),
            span: pair.lab.receiver.spans().len(),
        }
    }
}

/// Assets that were sent again as they were, and how often, since a delivery.
pub fn repeated(pair: &Pair, from: usize) -> BTreeMap<String, usize> {
    let mut last: BTreeMap<String, Value> = BTreeMap::new();
    let mut again = BTreeMap::new();
    for (at, delivery) in pair.lab.receiver.deliveries().into_iter().enumerate() {
        for (id, asset) in delivery.external_ids.into_iter().zip(delivery.assets) {
            if last.get(&id) == Some(&asset) && at >= from {
                *again.entry(id.clone()).or_default() += 1;
            }
            last.insert(id, asset);
        }
    }
    again
}

/// Ids of the assets that were sent as removed since a delivery.
pub fn told_removed(pair: &Pair, from: usize) -> BTreeSet<String> {
    let deliveries = pair.lab.receiver.deliveries_after(from);
    let sent = deliveries
        .iter()
        .flat_map(|delivery| delivery.external_ids.iter().zip(&delivery.assets));
    sent.filter(|(_, asset)| is_marked(asset))
        .map(|(id, _)| id.clone())
        .collect()
}

/// Pairs of requests that were at the receiver at one moment, of those since a request; without
/// those with one request, where one may be late.
pub fn overlapping(pair: &Pair, from: usize, one_may_be_late: bool) -> Vec<String> {
    let spans = pair.lab.receiver.spans();
    let mut found = Vec::new();
    for (number, span) in spans.iter().enumerate().skip(from) {
        for (before, other) in spans[..number].iter().enumerate() {
            if other.connector_uuid == span.connector_uuid && span.overlaps(other) {
                found.push((before, number));
            }
        }
    }
    if let Some((first, second)) = found.first().copied()
        && one_may_be_late
    {
        let without = |one| found.iter().filter(move |(a, b)| *a != one && *b != one);
        let late = [first, second]
            .into_iter()
            .min_by_key(|one| without(*one).count())
            .unwrap();
        found = without(late).copied().collect();
    }
    let told = found.into_iter();
    told.map(|(first, second)| format!("{:?} and {:?}", spans[first], spans[second]))
        .collect()
}

/// Checks that the gateway holds what the directory has, with the marks of what is gone.
#[track_caller]
pub fn assert_held(pair: &Pair, world: &World) {
    assert_same(&pair.lab.receiver.assets(), &world.expected(pair));
}
