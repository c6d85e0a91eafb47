//! Objects that the assets of others name: groups, managers. A rename of such an object, and a
//! change of a group's members (`memberOf` is a back-link), changes the asset without a change of
//! the object of which it is made. So a delta compares the changes in the directory with the
//! version of each object that was read last (R31).
//!
//! The objects that an asset names are stored as notes in the transaction that stores the asset. So
//! a note is a part of the version from which the asset was made, whichever controller returned it
//! and whatever happened to the named object meanwhile; and a later change of an object is above
//! the watermark. Notes identify objects by GUID, and names by their exact octets: nothing depends
//! on how a directory compares names (R38).

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::{Guid, Kind, LinkedName};

/// Octets of a note.
const OCTETS: usize = 16;

/// Bits of an object's number that hold the relation in a note.
const RELATION: u64 = 0b11;

/// Name in the note of an object whose name the asset does not show.
const UNSHOWN: u64 = 0;

/// Relation between an object and one that its asset names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkRelation {
    /// The object is a member of the group, by `member` of that group.
    Member = 0,
    /// The object has the group as its primary group.
    Primary = 1,
    /// Any other relation; a change of it is a change of the object itself.
    Other = 2,
}

/// Object that an asset names, and the name that it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkNote {
    /// Number of the object, with the relation in its lowest bits.
    object: u64,
    name: u64,
}

/// Object with the names that it has now, or without any when it was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedObject {
    number: u64,
    /// Hashes of its first step and of its whole name.
    names: [u64; 2],
}

/// State of the directory with which notes are compared.
#[derive(Debug, Clone, Copy)]
pub struct LinkState<'a> {
    /// Objects that changed, sorted.
    pub changed: &'a [NamedObject],
    /// Every group that the account sees, sorted; `None` where only changes are known.
    pub groups: Option<&'a [NamedObject]>,
    /// Numbers of the groups whose members are known.
    pub asked: &'a BTreeSet<u64>,
    /// Their members: number of the member, number of the group; sorted, each once.
    pub members: &'a [(u64, u64)],
    /// Kinds of which memberships are stored.
    pub grouped: &'a [Kind],
    /// `true` when the controller gives GUIDs of members; `false` means that names stand for them.
    pub by_guid: bool,
}

/// Returns the number by which notes identify an object: 62 bits of its GUID, or of its name where
/// the controller gives no GUID. Two objects of a million share one with a chance of 10^-7; then
/// one is read needlessly, or a rename of it missed.
#[must_use]
pub fn object_number(object: &LinkedName<'_>) -> u64 {
    let number = match object.guid {
        Some(guid) => {
            let (high, low) = guid.as_bytes().split_at(8);
            // Multiplied by an odd number, so that halves which are alike do not cancel out.
            first_octets(high).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ first_octets(low)
        }
        None => hash(b"dn", object.dn),
    };
    number & !RELATION
}

fn rdn_number(object: &LinkedName<'_>) -> u64 {
    hash(b"rdn", object.rdn())
}

fn dn_number(object: &LinkedName<'_>) -> u64 {
    hash(b"dn", object.dn)
}

/// Returns 64 bits of SHA-256, never 0.
fn hash(of: &[u8], octets: &[u8]) -> u64 {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(of)
        .chain_update(octets)
        .finalize()
        .into();
    first_octets(&digest).max(1)
}

fn first_octets(octets: &[u8]) -> u64 {
    octets.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

impl LinkNote {
    /// Returns the note of an object whose first step the asset shows.
    #[must_use]
    pub fn by_rdn(object: &LinkedName<'_>, relation: LinkRelation) -> Self {
        Self::new(object, relation, rdn_number(object))
    }

    /// Returns the note of an object whose whole name the asset shows.
    #[must_use]
    pub fn by_dn(object: &LinkedName<'_>, relation: LinkRelation) -> Self {
        Self::new(object, relation, dn_number(object))
    }

    /// Returns the note of an object whose name the asset does not show.
    #[must_use]
    pub fn unshown(object: &LinkedName<'_>, relation: LinkRelation) -> Self {
        Self::new(object, relation, UNSHOWN)
    }

    fn new(object: &LinkedName<'_>, relation: LinkRelation, name: u64) -> Self {
        Self {
            object: object_number(object) | relation as u64,
            name,
        }
    }

    const fn number(self) -> u64 {
        self.object & !RELATION
    }

    const fn is_of(self, relation: LinkRelation) -> bool {
        self.object & RELATION == relation as u64
    }

    fn read(octets: [u8; OCTETS]) -> Self {
        let (object, name) = octets.split_at(OCTETS / 2);
        Self {
            object: first_octets(object),
            name: first_octets(name),
        }
    }
}

impl NamedObject {
    /// Returns an object that exists, by the name that the controller gives it.
    #[must_use]
    pub fn present(object: &LinkedName<'_>) -> Self {
        Self {
            number: object_number(object),
            names: [rdn_number(object), dn_number(object)],
        }
    }

    /// Returns an object that was deleted.
    #[must_use]
    pub fn deleted(guid: Guid) -> Self {
        let object = LinkedName {
            guid: Some(guid),
            dn: b"",
        };
        Self {
            number: object_number(&object),
            names: [0, 0],
        }
    }

    /// Returns the number by which notes identify the object.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Returns `false` when the object was deleted, or an asset shows another name than it has.
    fn is_as_noted(&self, name: u64) -> bool {
        let is_there = self.names != [0, 0];
        is_there && (name == UNSHOWN || self.names.contains(&name))
    }
}

impl LinkState<'_> {
    /// Returns `true` when the notes of an object agree with the directory.
    #[must_use]
    pub fn agrees(&self, kind: Kind, guid: Guid, dn: &str, notes: &[LinkNote]) -> bool {
        let all_called_so = notes.iter().all(|note| {
            found(self.changed, note.number()).is_none_or(|object| object.is_as_noted(note.name))
        });
        all_called_so && self.knows_groups_of(notes) && self.agrees_on_members(kind, guid, dn, notes)
    }

    fn knows_groups_of(&self, notes: &[LinkNote]) -> bool {
        let Some(groups) = self.groups else { return true };
        let mut groups_noted = notes.iter().filter(|note| !note.is_of(LinkRelation::Other));
        groups_noted
            .all(|note| found(groups, note.number()).is_some_and(|group| group.is_as_noted(note.name)))
    }

    fn agrees_on_members(&self, kind: Kind, guid: Guid, dn: &str, notes: &[LinkNote]) -> bool {
        if self.asked.is_empty() || !self.grouped.contains(&kind) {
            return true;
        }
        let number = object_number(&LinkedName {
            guid: self.by_guid.then_some(guid),
            dn: dn.as_bytes(),
        });
        let start = self.members.partition_point(|(member, _)| *member < number);
        let linked = self.members.get(start..).unwrap_or_default().iter();
        let linked = linked
            .take_while(|(member, _)| *member == number)
            .map(|(_, group)| *group);
        let noted = notes.iter().filter(|note| note.is_of(LinkRelation::Member));
        // Two names of one group may be in the notes.
        let noted: BTreeSet<u64> = noted
            .map(|note| note.number())
            .filter(|number| self.asked.contains(number))
            .collect();
        noted.into_iter().eq(linked)
    }
}

fn found(objects: &[NamedObject], number: u64) -> Option<&NamedObject> {
    let at = objects.partition_point(|object| object.number < number);
    objects.get(at).filter(|object| object.number == number)
}

/// Returns the octets of notes, as they are stored.
#[must_use]
pub fn pack(notes: &[LinkNote]) -> Vec<u8> {
    let octets = notes
        .iter()
        .flat_map(|note| [note.object.to_be_bytes(), note.name.to_be_bytes()]);
    octets.flatten().collect()
}

/// Reads stored notes into `notes`, in place of its content.
pub fn unpack(octets: &[u8], notes: &mut Vec<LinkNote>) {
    let (packed, _) = octets.as_chunks::<OCTETS>();
    notes.clear();
    notes.extend(packed.iter().copied().map(LinkNote::read));
}
