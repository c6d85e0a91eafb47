//! What a client can read of one object.

use std::collections::BTreeSet;

use super::super::filter::Source;
use super::super::people::Kind;
use super::super::schema::{Attribute, Known, Values};
use super::super::{filter, names, time};
use super::{FIRST_RID, FIRST_SYNTHETIC, Object, State};

/// One object, stored or computed, as one controller shows it.
#[derive(Clone, Copy)]
pub struct View<'a> {
    state: &'a State,
    id: u32,
    stored: Option<&'a Object>,
    usn_offset: i64,
}

impl<'a> View<'a> {
    pub(super) const fn new(state: &'a State, id: u32, stored: Option<&'a Object>, usn_offset: i64) -> Self {
        Self {
            state,
            id,
            stored,
            usn_offset,
        }
    }

    /// What the object is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.stored.map_or_else(
            || self.state.people.at(self.id - FIRST_SYNTHETIC).0,
            |object| object.kind,
        )
    }

    /// Whether it is deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.stored.is_some_and(|object| {
            object.deleted.is_some()
                || object
                    .attributes
                    .contains_key(&Attribute::Known(Known::IsDeleted))
        })
    }

    /// Whether it was created by a change after number `sequence`.
    pub(in super::super) fn created_after(&self, sequence: u64) -> bool {
        let created = self
            .stored
            .map_or(u64::from(self.id) + 1, |object| object.created_sequence);
        created > sequence
    }

    /// The GUID, as bytes on the wire.
    #[must_use]
    pub fn guid(&self) -> [u8; 16] {
        self.stored.map_or_else(
            || self.state.people.guid(self.id - FIRST_SYNTHETIC),
            |object| object.guid,
        )
    }

    /// The attributes that `*` may give.
    #[must_use]
    pub fn names(&self) -> Vec<Attribute> {
        let others = self
            .stored
            .into_iter()
            .flat_map(|object| object.attributes.keys());
        let others = others
            .filter(|attribute| matches!(attribute, Attribute::Other(_)))
            .cloned();
        Known::ALL
            .iter()
            .map(|&known| Attribute::Known(known))
            .chain(others)
            .collect()
    }

    /// Appends the distinguished name.
    pub fn dn_into(&self, out: &mut Vec<u8>) {
        self.state.dn_into(self.id, out);
    }

    pub(in super::super) fn rid(&self) -> Option<u32> {
        self.stored.map_or_else(
            || Some(FIRST_RID + self.id - FIRST_SYNTHETIC),
            |object| object.rid,
        )
    }

    /// The numbers of its members, where none was put on it as an attribute.
    pub(in super::super) fn members(&self) -> Vec<u32> {
        self.state.members(self.id)
    }

    /// Adds the distinguished name of an object as a value.
    pub(in super::super) fn push_dn(&self, id: u32, out: &mut Values) {
        out.push_with(|bytes| self.state.dn_into(id, bytes));
    }

    fn push_name(&self, out: &mut Values) {
        match self.stored {
            Some(object) => out.push(object.name.as_bytes()),
            None => out.push(self.state.people.name(self.id - FIRST_SYNTHETIC).as_bytes()),
        }
    }

    fn push_usn(&self, sequence: u64, out: &mut Values) {
        out.push_number(
            i64::try_from(sequence)
                .unwrap_or(i64::MAX)
                .saturating_add(self.usn_offset),
        );
    }

    /// The attributes that every object has, or that the tree decides; whether `known` was one of them.
    fn system(&self, known: Known, out: &mut Values) -> bool {
        let sequence = u64::from(self.id) + 1;
        let created = || self.state.people.created(self.id - FIRST_SYNTHETIC);
        match known {
            Known::ObjectGuid => {
                if !self.state.without_guid.contains(&self.id) {
                    out.push(&self.guid());
                }
            }
            Known::ObjectSid => {
                if let Some(rid) = self.rid() {
                    out.push(&self.state.domain.sid((rid != 0).then_some(rid)));
                }
            }
            Known::DistinguishedName => self.push_dn(self.id, out),
            Known::UsnChanged => self.push_usn(self.stored.map_or(sequence, |object| object.sequence), out),
            Known::UsnCreated => self.push_usn(
                self.stored.map_or(sequence, |object| object.created_sequence),
                out,
            ),
            Known::WhenCreated => {
                out.push(
                    time::generalized(self.stored.map_or_else(created, |object| object.created)).as_bytes(),
                );
            }
            Known::WhenChanged => {
                out.push(
                    time::generalized(self.stored.map_or_else(created, |object| object.changed)).as_bytes(),
                );
            }
            Known::InstanceType => out.push_number(4),
            Known::Member => self
                .state
                .members(self.id)
                .into_iter()
                .for_each(|member| self.push_dn(member, out)),
            Known::MemberOf => self
                .state
                .member_of(self.id)
                .into_iter()
                .for_each(|group| self.push_dn(group, out)),
            Known::IsDeleted => {
                if self.is_deleted() {
                    out.push(b"TRUE");
                }
            }
            Known::LastKnownParent => {
                if let Some(deleted) = self.stored.and_then(|object| object.deleted.as_deref()) {
                    self.push_dn(deleted.parent, out);
                }
            }
            Known::LastKnownRdn => {
                if let Some(deleted) = self.stored.and_then(|object| object.deleted.as_deref()) {
                    out.push(deleted.name.as_bytes());
                }
            }
            Known::Name => match self.stored {
                Some(object) if object.parent.is_none() => out.push(head_name(&object.name).as_bytes()),
                _ => self.push_name(out),
            },
            Known::Cn => match self.stored {
                Some(object) if object.rdn_kind != "CN" => {}
                _ => self.push_name(out),
            },
            Known::Ou => {
                if self.stored.is_some_and(|object| object.rdn_kind == "OU") {
                    self.push_name(out);
                }
            }
            Known::ObjectClass if self.stored.is_none_or(|object| object.kind != Kind::Other) => {
                classes(self.kind())
                    .iter()
                    .for_each(|class| out.push(class.as_bytes()));
            }
            Known::ObjectCategory if self.stored.is_none_or(|object| object.kind != Kind::Other) => {
                let deleted = self.stored.is_some_and(|object| object.deleted.is_some());
                if !deleted {
                    let dn = |bytes: &mut Vec<u8>| category(self.kind(), &self.state.domain.dn, bytes);
                    out.push_with(dn);
                }
            }
            _ => return false,
        }
        true
    }
}

impl Source for View<'_> {
    fn in_chain(&self, attribute: &Attribute, out: &mut Values) {
        if *attribute != Attribute::Known(Known::MemberOf) {
            return;
        }
        let (mut groups, mut ahead) = (BTreeSet::new(), self.state.member_of(self.id));
        while let Some(group) = ahead.pop() {
            if groups.insert(group) {
                self.push_dn(group, out);
                ahead.extend(self.state.member_of(group));
            }
        }
    }

    fn values(&self, attribute: &Attribute, out: &mut Values) {
        let overridden = self.stored.and_then(|object| object.attributes.get(attribute));
        if let Some(values) = overridden {
            values.iter().for_each(|value| out.push(value));
            return;
        }
        let Attribute::Known(known) = *attribute else {
            return;
        };
        if !self.system(known, out) && self.stored.is_none() {
            self.state
                .people
                .values(self.id - FIRST_SYNTHETIC, known, &self.state.domain.dns, out);
        }
    }
}

const fn classes(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::User => &["top", "person", "organizationalPerson", "user"],
        Kind::Group => &["top", "group"],
        Kind::Computer => &["top", "person", "organizationalPerson", "user", "computer"],
        Kind::Unit => &["top", "organizationalUnit"],
        Kind::Other => &["top"],
    }
}

fn category(kind: Kind, domain_dn: &str, out: &mut Vec<u8>) {
    let name = match kind {
        Kind::User => "Person",
        Kind::Group => "Group",
        Kind::Computer => "Computer",
        Kind::Unit => "Organizational-Unit",
        Kind::Other => "Top",
    };
    for part in ["CN=", name, ",CN=Schema,CN=Configuration,", domain_dn] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// The value of the first component: `corp` of `DC=corp,DC=example`.
fn head_name(dn: &str) -> &str {
    dn.split(',')
        .next()
        .and_then(|first| first.split_once('='))
        .map_or(dn, |(_, value)| value)
}

/// Bytes of a GUID given in its text form (first three groups little-endian on the wire, MS-DTYP 2.3.4) or as 32 hex
/// digits in the order of the wire.
pub(super) fn guid_of_text(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.chars().filter(|&character| character != '-').collect();
    let mut bytes: [u8; 16] = hex(&digits)?.try_into().ok()?;
    if text.contains('-') {
        bytes[..4].reverse();
        bytes[4..6].reverse();
        bytes[6..8].reverse();
    }
    Some(bytes)
}

/// Bytes of a SID given as `S-1-5-21-…` or as hex digits.
pub(super) fn sid_of_text(text: &str) -> Option<Vec<u8>> {
    let Some(parts) = text.strip_prefix("S-1-").or_else(|| text.strip_prefix("s-1-")) else {
        return hex(text);
    };
    let mut parts = parts.split('-');
    let authority: u64 = parts.next()?.parse().ok()?;
    let parts: Vec<u32> = parts.map(str::parse).collect::<Result<_, _>>().ok()?;
    let mut bytes = vec![1, u8::try_from(parts.len()).ok()?];
    bytes.extend_from_slice(&authority.to_be_bytes()[2..]);
    bytes.extend(parts.iter().flat_map(|part| part.to_le_bytes()));
    Some(bytes)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    text.as_bytes().chunks(2).map(names::hex_pair).collect()
}

/// The category that objects of class `class` have, for those that are stored with attributes of their own.
pub(super) fn stored_category(class: &str, schema_dn: &str) -> Vec<u8> {
    filter::category_dn(class, schema_dn).into_bytes()
}
