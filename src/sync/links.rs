//! Objects that the assets of a mapping name beside the object itself: groups, managers, members.
//! For any other mapping none of this is requested from the directory.
//!
//! Every change of such a name is found: the store holds for each object, with its asset, the
//! objects that it names and the kind of each link ([`crate::store`]). A delta watches the whole
//! naming context; an object is read again when the store holds another name for an object that
//! changed or was deleted, also when it was read before in this run. A named object that changes
//! after that has a uSNChanged above the watermark, which was read before (R1). Objects are
//! identified by the GUIDs of the extended-DN control; no decision depends on how names compare
//! (R38).

use std::collections::{BTreeMap, BTreeSet};

use crate::directory::Entry;
use crate::identity::{DistinguishedName, Guid, Kind, LinkNote, LinkRelation, LinkedName, NamedObject};
use crate::mapping::{LinkAttribute, Mapping, ShownName};

use super::entry_fields::is_deleted;

/// Attribute that no server returns, and that the reader adds ([`super::read`]): of a user or
/// computer the distinguished name of its primary group, of a group those of the objects that have
/// it as their primary group.
pub(super) const PRIMARY: &str = "@primary";

/// Back-link of `member`. A change of it is no change of the member (MS-ADTS 3.1.1.1.6).
pub(super) const MEMBER_OF: &str = "memberof";

/// Links that the assets of a mapping show, by kind.
#[derive(Debug, Default)]
pub(super) struct MappingLinks(BTreeMap<Kind, Vec<LinkAttribute>>);

/// Objects that changed since the last read, as far as an asset may name them.
#[derive(Debug, Default)]
pub(super) struct ChangedObjects {
    pub(super) names: Vec<NamedObject>,
    /// Groups among them that were not deleted, where memberships are stored.
    pub(super) groups: Vec<Guid>,
}

impl MappingLinks {
    pub(super) fn of(mapping: &Mapping) -> Self {
        let links = Kind::ALL.into_iter().map(|kind| (kind, mapping.links(kind)));
        Self(links.filter(|(_, links)| !links.is_empty()).collect())
    }

    /// Returns `true` when no asset names another object.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the kinds whose assets name other objects.
    pub(super) fn kinds(&self) -> Vec<Kind> {
        self.0.keys().copied().collect()
    }

    /// Returns the kinds whose assets name the groups that the object is in.
    pub(super) fn grouped(&self) -> Vec<Kind> {
        let grouped = self.0.iter().filter(|(_, links)| links.iter().any(is_membership));
        grouped.map(|(kind, _)| *kind).collect()
    }

    /// Returns `true` when an asset shows whole names: these change with every container above the
    /// named object, anywhere in the naming context, without a change of the named object.
    pub(super) fn shows_places(&self) -> bool {
        self.0.values().flatten().any(|link| link.shown == ShownName::Dn)
    }

    /// Returns the links of an entry's asset, in the form of the store; `None` for a kind that
    /// names no objects.
    pub(super) fn notes(&self, kind: Kind, entry: &Entry) -> Option<Vec<LinkNote>> {
        let mut notes = BTreeSet::new();
        for link in self.0.get(&kind)? {
            let mut note = |object: &LinkedName<'_>, relation| {
                notes.insert(match link.shown {
                    ShownName::Nothing => LinkNote::unshown(object, relation),
                    ShownName::Rdn => LinkNote::by_rdn(object, relation),
                    ShownName::Dn => LinkNote::by_dn(object, relation),
                });
            };
            if is_membership(link) {
                // No watch covers groups of other domains.
                for group in groups_of(entry).filter(|group| link.with_primary || !group.is_primary) {
                    note(&group.link, group.relation());
                }
                continue;
            }
            let primary = link.with_primary.then(|| entry.values(PRIMARY));
            for value in entry.values(&link.attribute).chain(primary.into_iter().flatten()) {
                note(&linked(entry, value), LinkRelation::Other);
            }
        }
        Some(notes.into_iter().collect())
    }

    /// Adds an object that a watch returned. `by_guid` means that the controller returns GUIDs with
    /// names.
    pub(super) fn observe(&self, changed: &mut ChangedObjects, entry: &Entry, guid: Guid, by_guid: bool) {
        if self.is_empty() {
            return;
        }
        let is_group = is_group(entry);
        if !is_group && self.0.values().flatten().all(is_membership) {
            return;
        }
        if is_deleted(entry) {
            changed.names.push(NamedObject::deleted(guid));
            return;
        }
        changed.names.push(named(entry, guid, by_guid));
        if is_group && self.0.values().flatten().any(is_membership) {
            changed.groups.push(guid);
        }
    }
}

impl ChangedObjects {
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

fn is_membership(link: &LinkAttribute) -> bool {
    link.attribute == MEMBER_OF
}

/// Returns `true` for a group. A deleted one has its class, but no category any more (MS-ADTS
/// 3.1.1.5.5.1).
fn is_group(entry: &Entry) -> bool {
    entry
        .values("objectClass")
        .any(|class| class.eq_ignore_ascii_case(b"group"))
}

/// Returns the object of an entry in the form in which links are compared.
pub(super) fn named(entry: &Entry, guid: Guid, by_guid: bool) -> NamedObject {
    NamedObject::present(&LinkedName {
        guid: by_guid.then_some(guid),
        dn: entry.dn.as_bytes(),
    })
}

/// Splits a value of an entry that names an object; the value of a server without the extended-DN
/// control is the name.
pub(super) fn linked<'a>(entry: &Entry, value: &'a [u8]) -> LinkedName<'a> {
    if entry.has_extended_names() {
        LinkedName::of(value)
    } else {
        LinkedName {
            guid: None,
            dn: value,
        }
    }
}

/// Returns a value that names an object in the form of the server of `entry`.
pub(super) fn written(entry: &Entry, guid: Guid, dn: &str) -> String {
    if entry.has_extended_names() {
        format!("<GUID={guid}>;{dn}")
    } else {
        dn.to_owned()
    }
}

/// Group that an object is a direct member of.
pub(super) struct GroupOf<'a> {
    link: LinkedName<'a>,
    pub(super) name: DistinguishedName,
    pub(super) is_primary: bool,
}

impl GroupOf<'_> {
    const fn relation(&self) -> LinkRelation {
        if self.is_primary {
            LinkRelation::Primary
        } else {
            LinkRelation::Member
        }
    }
}

/// Returns the groups that the entry is a direct member of, in its own domain. Groups of other
/// domains are left out: their presence in `memberOf` depends on the controller, and none reports
/// their changes.
pub(super) fn groups_of(entry: &Entry) -> impl Iterator<Item = GroupOf<'_>> {
    let own = DistinguishedName::parse(&entry.dn).ok();
    let direct = entry.values(MEMBER_OF).map(|group| (group, false));
    let primary = entry.values(PRIMARY).map(|group| (group, true));
    direct.chain(primary).filter_map(move |(group, is_primary)| {
        let link = linked(entry, group);
        let name = DistinguishedName::parse(str::from_utf8(link.dn).ok()?).ok()?;
        let is_near = own.as_ref().is_some_and(|own| own.shares_domain_with(&name));
        is_near.then_some(GroupOf {
            link,
            name,
            is_primary,
        })
    })
}
