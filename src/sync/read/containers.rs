//! Places of the containers, and detection of those that were renamed or moved (R8).
//!
//! Everything below a renamed or moved container gets another distinguished name without a change
//! of its own uSNChanged: no delta shows the objects that entered the scope with it, or left it. So
//! the container itself is watched.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use crate::directory::Entry;
use crate::identity::Guid;
use crate::store::Container;

use crate::sync::entry_fields::{guid_of, is_deleted, usn_created};

/// Selects the objects that have others below them, by class. `container` has subclasses, which
/// match too; an object of another class that is the parent of an object is looked up
/// ([`Containers::take_orphans`]).
pub(super) const FILTER: &str = "(|(objectClass=organizationalUnit)(objectClass=container)(objectClass=builtinDomain)(objectClass=domainDNS))";

/// Classes of [`FILTER`].
const CLASSES: [&str; 4] = ["organizationalUnit", "container", "builtinDomain", "domainDNS"];

/// Attributes that a watch must request, besides the name.
pub(super) const ATTRIBUTES: [&str; 5] = [
    "objectGUID",
    "objectClass",
    "isDeleted",
    "uSNCreated",
    "uSNChanged",
];

/// Parents of other classes that are looked up in one read. Such a parent is rare (a computer with
/// objects below it); the bound is for a directory that consists of them (R12).
const MOST_ORPHANS: usize = 10_000;

/// A container that changed.
#[derive(Debug)]
struct ChangedContainer {
    dn: String,
    created: bool,
    meanwhile: bool,
}

/// Conclusion about the containers that changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ContainerChanges {
    /// The reason for a full read: one was renamed, or moved into the base context, within it or
    /// out of it.
    pub(super) moved: Option<String>,
    /// Containers that changed during the read and are at their old place: they may have been moved
    /// away and back, and the objects below them missed.
    pub(super) unsteady: Vec<Guid>,
}

/// Containers within the base context, as far as a read knows them.
#[derive(Debug, Default)]
pub(super) struct Containers {
    known: BTreeMap<Guid, String>,
    /// Hashes of the names, to recognize parents.
    names: HashSet<u64>,
    changed: BTreeSet<Guid>,
    gone: BTreeSet<Guid>,
    /// Containers that changed, until their place is known.
    observed: BTreeMap<Guid, ChangedContainer>,
    /// Parents of objects that are none of the above.
    orphans: Mutex<BTreeSet<String>>,
    /// Lowest uSNCreated of the containers that a full read found below the root.
    oldest: Option<u64>,
}

impl Containers {
    /// Returns the containers as of the last read.
    pub(super) fn stored(containers: Vec<Container>) -> Self {
        let mut this = Self::default();
        for container in containers {
            this.names.insert(hash(&container.dn));
            this.known.insert(container.guid, container.dn);
        }
        this
    }

    /// Returns the containers as they were when a full read began that is resumed: all of them are
    /// to be stored at its end.
    pub(super) fn begun(containers: &[Container]) -> Self {
        let mut this = Self::default();
        for container in containers {
            this.put(container.guid, &container.dn);
        }
        this
    }

    /// Records that those of the `former` containers that are not known are gone.
    pub(super) fn mark_gone(&mut self, former: &[Container]) {
        let gone = former.iter().map(|container| container.guid);
        self.gone
            .extend(gone.filter(|guid| !self.known.contains_key(guid)));
    }

    /// Returns the containers that only one of the lists has, or that have another name there, with
    /// the name in `recorded`.
    pub(super) fn differing<'a>(
        recorded: &'a [Container],
        present: &[Container],
    ) -> BTreeMap<Guid, Option<&'a String>> {
        let mut others: BTreeMap<Guid, &String> = present
            .iter()
            .map(|container| (container.guid, &container.dn))
            .collect();
        let mut differing = BTreeMap::new();
        for container in recorded {
            if others.remove(&container.guid) != Some(&container.dn) {
                differing.insert(container.guid, Some(&container.dn));
            }
        }
        differing.extend(others.into_keys().map(|guid| (guid, None)));
        differing
    }

    /// Adds a container found by a full read.
    pub(super) fn found(&mut self, entry: &Entry) {
        if let Some(guid) = guid_of(entry) {
            self.put(guid, &entry.dn);
        }
        if let Some(created) = usn_created(entry)
            && !is_of_class(entry, "domainDNS")
        {
            self.oldest = Some(self.oldest.map_or(created, |oldest| oldest.min(created)));
        }
    }

    /// Returns the USN below which no object is expected: an object is added to the controller
    /// after its container. 0 where that is not known. The root itself does not count: it is
    /// created before the schema, long before all other objects.
    pub(super) fn oldest(&self) -> u64 {
        self.oldest.unwrap_or(0)
    }

    fn put(&mut self, guid: Guid, dn: &str) {
        self.names.insert(hash(dn));
        self.known.insert(guid, dn.to_owned());
        self.changed.insert(guid);
        self.gone.remove(&guid);
    }

    /// Records the parents of objects in scope. Returns those that are to be looked up.
    pub(super) fn record_parents_of(&self, entries: &[Entry]) -> BTreeSet<String> {
        let parents = entries.iter().filter_map(|entry| parent(&entry.dn));
        let odd: BTreeSet<String> = parents
            .filter(|parent| !self.names.contains(&hash(parent)))
            .map(str::to_owned)
            .collect();
        self.record_parents(odd.clone());
        odd
    }

    /// Records the parent of one object.
    pub(super) fn record_parent_of(&self, dn: &str) {
        self.record_parents(parent(dn).map(str::to_owned));
    }

    /// Records parents of objects.
    pub(super) fn record_parents(&self, parents: impl IntoIterator<Item = String>) {
        for parent in parents {
            if !self.names.contains(&hash(&parent)) {
                let mut orphans = self.orphans.lock().unwrap_or_else(PoisonError::into_inner);
                if orphans.len() < MOST_ORPHANS {
                    orphans.insert(parent);
                }
            }
        }
    }

    /// Returns the parents to be looked up and passed to [`Self::found`], then to
    /// [`Self::record_parent_of`]. None is returned twice.
    pub(super) fn take_orphans(&mut self) -> Vec<String> {
        let orphans = self.orphans.get_mut().unwrap_or_else(PoisonError::into_inner);
        let orphans: Vec<String> = std::mem::take(orphans).into_iter().collect();
        for orphan in &orphans {
            self.names.insert(hash(orphan));
        }
        orphans
    }

    /// Examines an object that changed, and keeps it for [`Self::settle`] when it is a container. A
    /// deleted one is forgotten. `created` means that the object was created since the last read,
    /// `meanwhile` that it changed during this read.
    pub(super) fn observe(&mut self, entry: &Entry, guid: Guid, created: bool, meanwhile: bool) {
        if is_deleted(entry) {
            self.observed.remove(&guid);
            if self.known.remove(&guid).is_some() {
                self.changed.remove(&guid);
                self.gone.insert(guid);
            }
            return;
        }
        let is_container = CLASSES.iter().any(|class| is_of_class(entry, class));
        // The root of a naming context cannot be moved.
        let meanwhile = meanwhile && !is_of_class(entry, "domainDNS");
        if is_container || self.known.contains_key(&guid) {
            let dn = entry.dn.clone();
            self.observed.insert(
                guid,
                ChangedContainer {
                    dn,
                    created,
                    meanwhile,
                },
            );
        }
    }

    /// Returns the containers that changed; [`Self::settle`] needs to know which of them are within
    /// the base context.
    pub(super) fn observed(&self) -> Vec<Guid> {
        self.observed.keys().copied().collect()
    }

    /// Decides on the containers that changed; `within` are those that the server finds within the
    /// base context.
    pub(super) fn settle(&mut self, within: &BTreeSet<Guid>) -> ContainerChanges {
        let mut settled = ContainerChanges::default();
        let mut unsteady = Vec::new();
        for (guid, observed) in std::mem::take(&mut self.observed) {
            let ChangedContainer {
                dn,
                created,
                meanwhile,
            } = observed;
            let before = self.known.get(&guid).cloned();
            let moved = match (before, within.contains(&guid)) {
                (None, false) => continue,
                (None, true) if created => None,
                (None, true) => Some(format!(
                    "{dn} was renamed or moved to the base context, or appeared there, with what may be below it"
                )),
                (Some(before), true) if before == dn => {
                    if meanwhile {
                        unsteady.push((guid, dn));
                    }
                    continue;
                }
                (Some(before), true) => Some(format!("{before} was renamed or moved to {dn}")),
                (Some(before), false) => {
                    self.known.remove(&guid);
                    self.changed.remove(&guid);
                    self.gone.insert(guid);
                    settled.moved = settled.moved.or_else(|| {
                        Some(format!(
                            "{before} was renamed or moved to {dn}, out of the base context"
                        ))
                    });
                    continue;
                }
            };
            self.put(guid, &dn);
            settled.moved = settled.moved.or(moved);
        }
        settled.unsteady = topmost(&unsteady);
        settled
    }

    /// Returns the changes to be stored: containers with their names, and containers that no longer
    /// exist.
    pub(super) fn changes(&self) -> (Vec<Container>, Vec<Guid>) {
        let put = self.changed.iter().filter_map(|guid| {
            self.known.get(guid).map(|dn| Container {
                guid: *guid,
                dn: dn.clone(),
            })
        });
        (put.collect(), self.gone.iter().copied().collect())
    }
}

/// Returns the containers that are not below another one of them: everything below those is read
/// with them.
fn topmost(containers: &[(Guid, String)]) -> Vec<Guid> {
    let is_below = |dn: &str, other: &str| dn.strip_suffix(other).is_some_and(|below| below.ends_with(','));
    let is_topmost = |dn: &str| !containers.iter().any(|(_, other)| is_below(dn, other));
    let topmost = containers.iter().filter(|(_, dn)| is_topmost(dn));
    topmost.map(|(guid, _)| *guid).collect()
}

fn is_of_class(entry: &Entry, class: &str) -> bool {
    let mut classes = entry.values("objectClass");
    classes.any(|value| value.eq_ignore_ascii_case(class.as_bytes()))
}

/// Returns the name of the parent, as the controller wrote it: the part after the first comma that
/// is not escaped. This is cheaper than a parser, for every object of a full read; a controller
/// writes a container's name alike everywhere.
fn parent(dn: &str) -> Option<&str> {
    let mut escaped = false;
    for (at, octet) in dn.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b',' => return dn.get(at + 1..),
            _ => {}
        }
    }
    None
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
