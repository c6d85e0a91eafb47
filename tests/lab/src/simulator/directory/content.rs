//! Contents of an object, deleted or not: deleting, restoring and replicating put new ones in the
//! place of the old ones.

use std::collections::{BTreeMap, BTreeSet};

use super::super::extended_dn::guid_text;
use super::super::names;
use super::super::people::Kind;
use super::super::schema::{Attribute, Known};
use super::{Deleted, State, structure};

/// Attributes that a deleted object keeps (MS-ADTS 3.1.1.5.5.1.1), of those that are held as
/// attributes.
const KEPT: [Known; 6] = [
    Known::ObjectClass,
    Known::SamAccountName,
    Known::UserAccountControl,
    Known::GroupType,
    Known::DnsHostName,
    Known::Dc,
];

/// Contents of an object. Of a deleted one, those that restoring gives back.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) parent: u32,
    pub(super) name: String,
    pub(super) attributes: BTreeMap<Attribute, Vec<Vec<u8>>>,
    /// Deleted members too, where there are other replicas: the link is there, and not shown.
    pub(super) members: BTreeSet<u32>,
    pub(super) deleted: bool,
}

impl State {
    pub(super) fn content(&self, id: u32) -> Content {
        let object = self.stored.get(&id).cloned().or_else(|| self.held(id));
        let object = object.unwrap_or_else(|| panic!("no object {id}"));
        if let Some(was) = object.deleted {
            return Content {
                parent: was.parent,
                name: was.name,
                attributes: was.attributes,
                members: was.members,
                deleted: true,
            };
        }
        let mut members = object.members;
        if object.kind == Kind::Group && self.replication.is_some() {
            let was_in = |was: &Deleted| was.member_of.contains(&id);
            let deleted = self
                .stored
                .iter()
                .filter(|(_, member)| member.deleted.as_deref().is_some_and(was_in));
            members.extend(deleted.map(|(member, _)| *member));
        }
        Content {
            parent: object
                .parent
                .expect("the head of a naming context stays as it is"),
            name: object.name,
            attributes: object.attributes,
            members,
            deleted: false,
        }
    }

    /// Gives the object these contents, with one new number of the sequence. Groups lose a deleted
    /// object as a member, and get a restored one back, without a change of their own.
    pub(super) fn put_content(&mut self, id: u32, content: Content) {
        let before = self.materialized(id).clone();
        let groups = match &before.deleted {
            Some(was) => was.member_of.clone(),
            None => self.member_of(id),
        };
        for member in &before.members {
            self.back_links.entry(*member).or_default().remove(&id);
        }
        let key = names::key(before.rdn_kind, &before.name);
        if let Some(parent) = before.parent
            && self.children.get(&(parent, key.clone())) == Some(&id)
        {
            self.children.remove(&(parent, key));
        }
        let shown = if content.deleted {
            self.tombstone(id, &before.guid, content, &groups)
        } else {
            self.live(id, content, before.deleted.is_some().then_some(&groups))
        };
        self.claim_name(shown.parent, before.rdn_kind, &shown.name, id);
        self.change(id, |object| {
            object.parent = Some(shown.parent);
            object.name = shown.name;
            object.attributes = shown.attributes;
            object.members = shown.members;
            object.deleted = shown.was;
        });
    }

    /// Attributes shown of a deleted object.
    fn tombstone(&mut self, id: u32, guid: &[u8; 16], content: Content, groups: &[u32]) -> Shown {
        for group in groups {
            self.materialized(*group).members.remove(&id);
        }
        self.back_links.remove(&id);
        let mut attributes = content.attributes.clone();
        attributes.retain(|attribute, _| KEPT.iter().any(|&kept| *attribute == Attribute::Known(kept)));
        Shown {
            parent: structure::DELETED,
            name: format!("{}\nDEL:{}", content.name, guid_text(guid)),
            attributes,
            members: BTreeSet::new(),
            was: Some(Box::new(Deleted {
                parent: content.parent,
                name: content.name,
                attributes: content.attributes,
                members: content.members,
                member_of: groups.to_vec(),
            })),
        }
    }

    /// Attributes shown of an object that is not deleted; `restored_to` are the groups that it
    /// comes back to.
    fn live(&mut self, id: u32, content: Content, restored_to: Option<&Vec<u32>>) -> Shown {
        assert!(
            !self.is_within(content.parent, id),
            "an object cannot be moved below itself"
        );
        for group in restored_to.into_iter().flatten() {
            let object = self.materialized(*group);
            match &mut object.deleted {
                Some(was) => was.members.insert(id),
                None => object.members.insert(id),
            };
            self.back_links.entry(id).or_default().insert(*group);
        }
        let mut members = content.members;
        members.retain(|member| {
            let tombstone = self
                .stored
                .get_mut(member)
                .and_then(|object| object.deleted.as_mut());
            match tombstone {
                Some(was) if was.member_of.contains(&id) => false,
                Some(was) => {
                    was.member_of.push(id);
                    false
                }
                None => {
                    self.back_links.entry(*member).or_default().insert(id);
                    true
                }
            }
        });
        Shown {
            parent: content.parent,
            name: content.name,
            attributes: content.attributes,
            members,
            was: None,
        }
    }
}

/// Attributes shown to a client, and those that restoring would give back.
struct Shown {
    parent: u32,
    name: String,
    attributes: BTreeMap<Attribute, Vec<Vec<u8>>>,
    members: BTreeSet<u32>,
    was: Option<Box<Deleted>>,
}
