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
mod tests {
    use super::*;
    use crate::sync::entry_fields::{is_changed_after, is_newer};

    fn guid(number: u8) -> Guid {
        Guid::from([number; 16])
    }

    fn entry(number: u8, dn: &str, class: &str, created: u64) -> Entry {
        let text = |value: &str| vec![value.as_bytes().to_vec()];
        Entry::new(
            dn,
            vec![
                ("objectGUID".to_owned(), vec![vec![number; 16]]),
                ("objectClass".to_owned(), text(class)),
                ("uSNCreated".to_owned(), text(&created.to_string())),
            ],
        )
    }

    /// Returns containers within `OU=In`.
    fn containers() -> Containers {
        let at = |number, dn: &str| Container {
            guid: guid(number),
            dn: dn.to_owned(),
        };
        Containers::stored(vec![
            at(1, "OU=A,OU=In,DC=corp,DC=example"),
            at(3, "CN=PC,OU=In,DC=corp,DC=example"),
        ])
    }

    /// Returns the decision on object `number` seen at `dn`, changed since USN 100; the server
    /// finds it within the base or not.
    fn settled(
        number: u8,
        dn: &str,
        class: &str,
        created: u64,
        within: bool,
        meanwhile: bool,
    ) -> ContainerChanges {
        let entry = entry(number, dn, class, created);
        let mut containers = containers();
        containers.observe(&entry, guid(number), is_newer(&entry, 100), meanwhile);
        let within = within.then_some(guid(number)).into_iter().collect();
        containers.settle(&within)
    }

    #[test]
    fn r08_a_container_that_comes_goes_or_is_renamed_in_scope_is_a_reason_to_read_everything() {
        let unit = "organizationalUnit";
        let moved = |number, dn, class, created, within| {
            settled(number, dn, class, created, within, false)
                .moved
                .unwrap_or_default()
        };
        assert!(moved(1, "OU=B,OU=In,DC=corp,DC=example", unit, 7, true).contains("renamed or moved"));
        assert!(
            moved(1, "OU=A,OU=Out,DC=corp,DC=example", unit, 7, false)
                .contains("renamed or moved to OU=A,OU=Out")
        );
        // Not known though it is old: it was outside, hidden, restored, or no container before.
        assert!(moved(2, "OU=Far,OU=In,DC=corp,DC=example", unit, 7, true).contains("renamed or moved to"));
        assert!(moved(9, "OU=X,OU=In,DC=corp,DC=example", unit, 100, true).contains("appeared"));
        // A computer with objects below it is no container by class, but known as one.
        assert!(moved(3, "CN=PC2,OU=In,DC=corp,DC=example", "computer", 7, true).contains("renamed"));
    }

    #[test]
    fn r38_the_server_says_what_is_within_the_base_and_a_new_spelling_is_a_new_name() {
        let unit = "organizationalUnit";
        let (sharp, plain) = (
            "OU=Stra\u{df}e,OU=In,DC=corp,DC=example",
            "OU=a,OU=in,DC=corp,DC=example",
        );
        assert!(settled(9, sharp, unit, 7, true, false).moved.is_some());
        assert!(settled(9, sharp, unit, 7, false, false).moved.is_none());
        assert!(settled(1, plain, unit, 7, true, false).moved.is_some());
    }

    #[test]
    fn r08_other_changes_of_containers_do_not_cost_a_full_read() {
        let unit = "organizationalUnit";
        let same = "OU=A,OU=In,DC=corp,DC=example";
        let nothing = ContainerChanges::default();
        assert_eq!(settled(1, same, unit, 7, true, false), nothing, "an attribute");
        assert_eq!(
            settled(2, "OU=Farther,DC=corp,DC=example", unit, 7, false, true),
            nothing,
            "outside"
        );
        let new = "OU=New,OU=In,DC=corp,DC=example";
        assert_eq!(settled(9, new, unit, 101, true, true), nothing, "new");
        let user = "CN=U,OU=In,DC=corp,DC=example";
        assert_eq!(settled(9, user, "user", 7, true, true), nothing, "no container");
    }

    #[test]
    fn r08_a_container_that_changed_during_the_read_may_have_been_away_and_back() {
        let same = "OU=A,OU=In,DC=corp,DC=example";
        let settled = settled(1, same, "organizationalUnit", 7, true, true);
        assert_eq!((settled.moved, settled.unsteady), (None, vec![guid(1)]));
        let at = |usn: &str| {
            Entry::new(
                same,
                vec![("uSNChanged".to_owned(), vec![usn.as_bytes().to_vec()])],
            )
        };
        assert!(is_changed_after(&at("101"), 100) && !is_changed_after(&at("100"), 100));
        assert!(is_changed_after(&Entry::new(same, vec![]), 100), "unknown");
    }

    #[test]
    fn r08_what_is_below_another_container_is_read_with_it_and_the_root_is_moved_nowhere() {
        let dns = [
            (1, "OU=A,OU=In,DC=corp"),
            (2, "OU=B,OU=A,OU=In,DC=corp"),
            (3, "OU=In,DC=corp"),
            (4, "OU=OU=In,DC=corp"),
        ];
        let of = |numbers: &[u8]| -> Vec<(Guid, String)> {
            let chosen = dns.iter().filter(|(number, _)| numbers.contains(number));
            chosen
                .map(|(number, dn)| (guid(*number), (*dn).to_owned()))
                .collect()
        };
        assert_eq!(topmost(&of(&[1, 2])), [guid(1)]);
        assert_eq!(topmost(&of(&[1, 2, 3, 4])), [guid(3), guid(4)]);
        assert_eq!(topmost(&of(&[2])), [guid(2)]);

        let mut containers = Containers::begun(&[Container {
            guid: guid(5),
            dn: "DC=corp,DC=example".to_owned(),
        }]);
        let root = entry(5, "DC=corp,DC=example", "domainDNS", 7);
        containers.observe(&root, guid(5), false, true);
        assert_eq!(
            containers.settle(&BTreeSet::from([guid(5)])),
            ContainerChanges::default()
        );
    }

    #[test]
    fn what_was_observed_is_to_be_stored() {
        let mut containers = containers();
        let renamed = entry(3, "CN=PC2,OU=In,DC=corp,DC=example", "computer", 7);
        containers.observe(&renamed, guid(3), false, false);
        let dead = Entry::new(
            "CN=A\\0ADEL:1,CN=Deleted Objects,DC=corp,DC=example",
            vec![
                ("objectGUID".to_owned(), vec![vec![1; 16]]),
                ("isDeleted".to_owned(), vec![b"TRUE".to_vec()]),
            ],
        );
        containers.observe(&dead, guid(1), false, false);
        assert_eq!(containers.observed(), [guid(3)]);
        containers.settle(&BTreeSet::from([guid(3)]));
        let (changed, gone) = containers.changes();
        assert_eq!((changed.len(), gone), (1, vec![guid(1)]));
        assert_eq!(changed[0].dn, "CN=PC2,OU=In,DC=corp,DC=example");
    }

    #[test]
    fn parents_that_are_no_container_are_given_once() {
        let mut containers = containers();
        for dn in [
            "CN=One,OU=A,OU=In,DC=corp,DC=example",
            "CN=Two\\, Jr.,CN=Odd\\\\,OU=In,DC=corp,DC=example",
            "CN=Three,CN=Odd\\\\,OU=In,DC=corp,DC=example",
        ] {
            containers.record_parent_of(dn);
        }
        assert_eq!(containers.take_orphans(), ["CN=Odd\\\\,OU=In,DC=corp,DC=example"]);
        containers.record_parent_of("CN=Four,CN=Odd\\\\,OU=In,DC=corp,DC=example");
        assert!(containers.take_orphans().is_empty());
    }
}
