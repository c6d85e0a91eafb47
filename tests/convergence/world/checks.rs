//! Conditions on upstream, by what the model makes of the directory.

use std::collections::{BTreeMap, BTreeSet};

use lab::simulator::Directory;
use serde_json::Value;

use super::super::audit::{Versions, told_removed};
use super::{Object, Unit, World, model};

/// Which objects that are gone must be listed as removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// All of them.
    All,
    /// Changes that a delta can see.
    OfDelta,
    /// Changes that any delta can see, whatever controller it reads.
    Tombstones,
}

impl World {
    /// Every version of every object's asset.
    pub fn versions(&self) -> Versions<'_> {
        self.objects
            .iter()
            .map(|object| (self.sid(object), object.versions.as_slice()))
            .collect()
    }

    /// Upstream holds what the model makes of each object in scope on a controller.
    ///
    /// # Errors
    /// The first object of which it does not.
    pub fn check_held(&self, on: usize, held: &BTreeMap<String, Value>) -> Result<(), String> {
        for (dn, sid, asset) in self.expected(on) {
            match held.get(&sid) {
                Some(held) if *held == asset => {}
                Some(held) => {
                    return Err(format!(
                        "{dn} is upstream\n  {held}\nand in the directory\n  {asset}"
                    ));
                }
                None => return Err(format!("{dn} never came: {asset}")),
            }
        }
        Ok(())
    }

    /// Upstream holds each object in scope on a controller, in a version that one of the
    /// controllers had; an object that is gone on the other one may be gone.
    ///
    /// # Errors
    /// The first object of which it does not.
    pub fn check_known(&self, on: usize, held: &BTreeMap<String, Value>) -> Result<(), String> {
        let gone: BTreeSet<usize> = (0..self.replicas.len()).flat_map(|on| self.absent(on)).collect();
        let gone: BTreeSet<String> = gone.into_iter().map(|at| self.sid(&self.objects[at])).collect();
        let mut expected = self.expected(on).filter(|(_, sid, _)| !gone.contains(sid));
        match expected.find(|(_, sid, _)| !held.contains_key(sid)) {
            Some((dn, _, asset)) => Err(format!("{dn} never came: {asset}")),
            None => Ok(()),
        }
    }

    /// Nothing that a controller has in scope is listed as removed; by DirSync, unless it is gone
    /// on the other one.
    ///
    /// # Errors
    /// The first object that is.
    pub fn check_not_listed(
        &self,
        on: usize,
        removed: &BTreeSet<String>,
        dirsync: bool,
    ) -> Result<(), String> {
        let mut there = self.read_on(on);
        if dirsync {
            let gone: BTreeSet<usize> = (0..self.replicas.len()).flat_map(|on| self.absent(on)).collect();
            there.retain(|at| !gone.contains(at));
        }
        let listed = |at: &usize| removed.contains(&self.guid(&self.objects[*at]));
        match there.into_iter().find(listed) {
            Some(at) => Err(format!(
                "{} is listed as removed after a run on controller {on}, and is there",
                self.dn(&self.objects[at])
            )),
            None => Ok(()),
        }
    }

    /// Name, `externalAssetId` and asset of what a read of the controller should find.
    fn expected(&self, on: usize) -> impl Iterator<Item = (String, String, Value)> + '_ {
        let objects = self.objects.iter().filter(move |object| self.is_read(on, object));
        objects.filter_map(move |object| {
            let asset = self.asset(on, object)?;
            Some((self.replicas[on].dn(object.id), self.sid(object), asset))
        })
    }

    /// Returns `true` when the object with this GUID was a group and a role.
    pub fn was_of_both_classes(&self, guid: &str) -> bool {
        let object = self.objects.iter().find(|object| self.guid(object) == guid);
        let was = |class: &str, object: &Object| {
            let mut details = object.versions.iter().map(|asset| &asset["asset"]["assetDetail"]);
            details.any(|detail| detail.get(class).is_some())
        };
        object.is_some_and(|object| was(model::GROUP, object) && was(model::ROLE, object))
    }

    /// From here on it is noted what no read could find at some moment.
    pub fn watch(&mut self) {
        self.away = (0..self.replicas.len()).map(|on| self.absent(on)).collect();
    }

    /// Objects newly listed as removed could once be found, and was not to be found at some moment
    /// since [`World::watch`] on one of the controllers that were read, which had it (R22). Gives
    /// the `externalAssetId`s of it.
    ///
    /// # Errors
    /// The first object that was there all the time, or that no such controller ever had.
    pub fn check_newly_removed(
        &self,
        guids: &BTreeSet<String>,
        read_on: &[usize],
    ) -> Result<BTreeSet<String>, String> {
        let mut removed = BTreeSet::new();
        for (at, object) in self.objects.iter().enumerate() {
            if !guids.contains(&self.guid(object)) {
                continue;
            }
            // A tombstone proves it on a controller too that only had the object out of scope.
            let is_dead = read_on.iter().any(|on| self.replicas[*on].is_deleted(object.id));
            let has_left = self.left.contains(&at) || is_dead;
            if !has_left || !read_on.iter().any(|on| self.away[*on].contains(&at)) {
                return Err(format!(
                    "{} was reported removed by a run on controller {read_on:?}, and is there, or never was",
                    self.dn(object)
                ));
            }
            removed.insert(self.sid(object));
        }
        Ok(removed)
    }

    /// Objects listed as removed or held back are gone, and what is gone and was sent is listed:
    /// all of it after a full read on every controller, what a delta can see after a delta.
    ///
    /// # Errors
    /// The first object of which that is not true.
    pub fn check_listed(
        &self,
        removed: &BTreeSet<String>,
        held: &BTreeSet<String>,
        sent: &BTreeMap<String, Value>,
        expected: Expected,
    ) -> Result<(), String> {
        for object in &self.objects {
            // A created object may be gone from the only controller that had it.
            let Some(on) = (0..self.replicas.len()).find(|on| self.replicas[*on].exists(object.id)) else {
                continue;
            };
            let (dn, guid) = (self.dn(object), self.guid(object));
            let (is_removed, is_held) = (removed.contains(&guid), held.contains(&guid));
            if self.is_read(on, object) {
                if is_removed || is_held {
                    return Err(format!("{dn} is listed as removed, and is there"));
                }
                continue;
            }
            let deleted = self.replicas[on].is_deleted(object.id);
            let noticed = match expected {
                Expected::All => true,
                Expected::OfDelta => !self.ever_hidden && (self.sees_deleted || !deleted),
                Expected::Tombstones => !self.ever_hidden && self.sees_deleted && deleted,
            };
            let Some(asset) = sent.get(&self.sid(object)) else {
                continue;
            };
            if noticed && !is_removed && !is_held {
                return Err(format!("{dn} is gone, and not listed as removed"));
            }
            if is_removed && told_removed(asset).is_some() != self.tells_removals {
                return Err(format!("{dn} is removed, and upstream holds {asset}"));
            }
        }
        Ok(())
    }

    /// Objects that the controller has, and no read should find there.
    pub(super) fn absent(&self, on: usize) -> BTreeSet<usize> {
        let objects = self.objects.iter().enumerate();
        objects
            .filter(|(_, object)| self.replicas[on].exists(object.id) && !self.is_read(on, object))
            .map(|(at, _)| at)
            .collect()
    }

    /// Objects that a read of the controller should find.
    pub(super) fn read_on(&self, on: usize) -> BTreeSet<usize> {
        let objects = self.objects.iter().enumerate();
        objects
            .filter(|(_, object)| self.is_read(on, object))
            .map(|(at, _)| at)
            .collect()
    }

    /// Returns `true` when a read of the controller by the first profile should find the object.
    fn is_read(&self, on: usize, object: &Object) -> bool {
        self.is_read_by(0, on, object)
    }

    /// Returns `true` when a read of the controller by this profile should find the object.
    pub(super) fn is_read_by(&self, profile: usize, on: usize, object: &Object) -> bool {
        let directory = &self.replicas[on];
        if !directory.exists(object.id) || directory.is_deleted(object.id) || object.hidden {
            return false;
        }
        let parent = directory.parent(object.id);
        let hidden = |unit: &&Unit| unit.hidden && Some(unit.id) == parent;
        self.is_in_scope(profile, on, object) && !self.units.iter().any(|unit| hidden(&unit))
    }

    fn somewhere(&self, object: &Object) -> &Directory {
        let has = |directory: &&Directory| directory.exists(object.id);
        self.replicas.iter().find(has).unwrap()
    }

    pub(super) fn guid(&self, object: &Object) -> String {
        model::guid(&self.somewhere(object).guid(object.id))
    }

    fn sid(&self, object: &Object) -> String {
        self.somewhere(object).sid(object.id).unwrap()
    }

    pub(super) fn dn(&self, object: &Object) -> String {
        self.somewhere(object).dn(object.id)
    }
}
