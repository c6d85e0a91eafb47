//! The directory's contents: a tree of objects, most of them computed, and the sequence of their changes.
//!
//! Objects `1024..1024+count` are synthetic ([`People`]): nothing of them is held until one is changed; then it is stored
//! whole like any other. Every change takes the next number of one sequence; a controller's USN is that number plus an
//! offset of its own, so that several controllers can serve the same directory with different USNs ([`super::Controller`]).
//! A [`Directory::replica`] has contents of its own, to which changes come by replication alone.

mod changes;
mod content;
mod domain;
mod replication;
mod structure;
mod view;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{SystemTime, UNIX_EPOCH};

pub use domain::Domain;
use replication::Replication;
pub(super) use replication::Vector;
pub use view::View;

use super::names::{self, Rdn};
use super::people::{Kind, People};
use super::schema::{Attribute, Values};

/// Number of the first synthetic object; below it stand the domain's containers.
pub(super) const FIRST_SYNTHETIC: u32 = 1024;
/// RID of the first synthetic object; a domain's own accounts stay below 1000 (MS-ADTS 3.1.1.1.9.2).
const FIRST_RID: u32 = 1104;

/// An object, by the number under which the simulator knows it; clients never see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub(super) u32);

/// The directory behind one or several simulators. Clones share the contents.
#[derive(Debug, Clone)]
pub struct Directory {
    state: Arc<RwLock<State>>,
}

/// An object that is held.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) guid: [u8; 16],
    pub(super) rid: Option<u32>,
    pub(super) kind: Kind,
    /// `None` for the head of a naming context.
    pub(super) parent: Option<u32>,
    /// `CN`, `OU`; for the head of a naming context, empty.
    pub(super) rdn_kind: &'static str,
    /// The value of the RDN, unescaped; for the head of a naming context, its whole name.
    pub(super) name: String,
    pub(super) attributes: BTreeMap<Attribute, Vec<Vec<u8>>>,
    pub(super) members: BTreeSet<u32>,
    pub(super) created: i64,
    pub(super) changed: i64,
    pub(super) created_sequence: u64,
    pub(super) sequence: u64,
    /// When deleted: what restoring gives back.
    pub(super) deleted: Option<Box<Deleted>>,
}

/// What a deleted object was.
#[derive(Debug, Clone)]
pub(super) struct Deleted {
    pub(super) parent: u32,
    pub(super) name: String,
    pub(super) attributes: BTreeMap<Attribute, Vec<Vec<u8>>>,
    pub(super) members: BTreeSet<u32>,
    pub(super) member_of: Vec<u32>,
}

/// The contents; searches read it page by page, so that writers never wait long.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) domain: Domain,
    pub(super) people: People,
    pub(super) stored: HashMap<u32, Object>,
    /// Stored objects by the number of their last change.
    pub(super) by_sequence: BTreeMap<u64, u32>,
    /// Stored objects by parent and [`names::key`].
    children: BTreeMap<(u32, String), u32>,
    /// Organizational units of each kind of synthetic object.
    units: [Vec<u32>; 3],
    /// Groups of which an object was made a member by a change.
    back_links: BTreeMap<u32, BTreeSet<u32>>,
    hidden: BTreeSet<u32>,
    /// Deleted objects that the recycle bin does not hold any more.
    pub(super) recycled: BTreeSet<u32>,
    /// Objects whose objectGUID the account may not read.
    without_guid: BTreeSet<u32>,
    next_id: u32,
    next_sequence: u64,
    clock: Option<i64>,
    /// `None` while there is no other replica.
    replication: Option<Replication>,
}

impl Directory {
    /// A domain with its usual containers, organizational units, and `people`.
    #[must_use]
    pub fn new(dns: &str, people: People) -> Self {
        Self {
            state: Arc::new(RwLock::new(structure::build(Domain::new(dns), people))),
        }
    }

    /// Names and identity of the domain.
    #[must_use]
    pub fn domain(&self) -> Domain {
        self.read().domain.clone()
    }

    /// The object with this distinguished name, in any case; also a deleted one.
    #[must_use]
    pub fn find(&self, dn: &str) -> Option<ObjectId> {
        self.read().resolve(dn).ok().map(ObjectId)
    }

    /// All objects of a kind that are neither deleted nor hidden, in the order of their creation.
    #[must_use]
    pub fn all(&self, kind: Kind) -> Vec<ObjectId> {
        let state = self.read();
        (0..state.next_id)
            .filter(|&id| state.exists(id) && !state.is_hidden(id))
            .filter(|&id| {
                state
                    .view(id, 0)
                    .is_some_and(|view| view.kind() == kind && !view.is_deleted())
            })
            .map(ObjectId)
            .collect()
    }

    /// The distinguished name.
    #[must_use]
    pub fn dn(&self, id: ObjectId) -> String {
        let mut dn = Vec::new();
        self.read().dn_into(id.0, &mut dn);
        String::from_utf8(dn).unwrap()
    }

    /// The GUID, as bytes on the wire.
    #[must_use]
    pub fn guid(&self, id: ObjectId) -> [u8; 16] {
        self.read().view(id.0, 0).unwrap().guid()
    }

    /// The SID of a user, group or computer as text.
    #[must_use]
    pub fn sid(&self, id: ObjectId) -> Option<String> {
        let state = self.read();
        let rid = state.view(id.0, 0)?.rid()?;
        let [one, two, three] = state.domain.sid;
        Some(format!("S-1-5-21-{one}-{two}-{three}-{rid}"))
    }

    /// Every attribute of the object with its values, as a search for `*` gives them from a controller whose USNs are the
    /// sequence itself: what an independent check compares with.
    #[must_use]
    pub fn attributes(&self, id: ObjectId) -> BTreeMap<String, Vec<Vec<u8>>> {
        use super::filter::Source;
        let state = self.read();
        let view = state.view(id.0, 0).unwrap();
        let mut values = Values::default();
        let mut all = BTreeMap::new();
        for attribute in view.names() {
            values.clear();
            view.values(&attribute, &mut values);
            if !values.is_empty() {
                all.insert(
                    attribute.name().to_owned(),
                    values.iter().map(<[u8]>::to_vec).collect(),
                );
            }
        }
        all
    }

    /// The first value of an attribute as text.
    #[must_use]
    pub fn text(&self, id: ObjectId, attribute: &str) -> Option<String> {
        use super::filter::Source;
        let mut values = Values::default();
        self.read()
            .view(id.0, 0)?
            .values(&Attribute::named(attribute), &mut values);
        values
            .iter()
            .next()
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// The number of the last change in the directory.
    #[must_use]
    pub fn last_sequence(&self) -> u64 {
        self.read().last_sequence()
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap()
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap()
    }
}

impl State {
    /// What is known of object `id`; `None` when it does not exist.
    pub(super) fn view(&self, id: u32, usn_offset: i64) -> Option<View<'_>> {
        let stored = self.stored.get(&id);
        (stored.is_some() || self.synthetic(id).is_some()).then(|| View::new(self, id, stored, usn_offset))
    }

    /// Numbers of all objects lie below this one.
    pub(super) const fn next_id(&self) -> u32 {
        self.next_id
    }

    /// The number of the last change.
    pub(super) const fn last_sequence(&self) -> u64 {
        self.next_sequence - 1
    }

    /// Index among the people, whether stored by now or not.
    pub(super) fn synthetic(&self, id: u32) -> Option<u32> {
        id.checked_sub(FIRST_SYNTHETIC)
            .filter(|&index| index < self.people.count())
    }

    /// The synthetic object whose number of last change is `sequence`, if it was never changed.
    pub(super) fn untouched_at(&self, sequence: u64) -> Option<u32> {
        let id = u32::try_from(sequence.checked_sub(1)?).ok()?;
        (self.synthetic(id).is_some() && !self.stored.contains_key(&id)).then_some(id)
    }

    /// The sequence numbers that synthetic objects were given at the start.
    pub(super) fn synthetic_sequences(&self) -> std::ops::Range<u64> {
        let first = u64::from(FIRST_SYNTHETIC) + 1;
        first..first + u64::from(self.people.count())
    }

    fn exists(&self, id: u32) -> bool {
        self.stored.contains_key(&id) || self.synthetic(id).is_some()
    }

    /// Whether the account may not see the object: it or its parent was hidden.
    pub(super) fn is_hidden(&self, id: u32) -> bool {
        !self.hidden.is_empty()
            && (self.hidden.contains(&id)
                || self
                    .parent(id)
                    .is_some_and(|parent| self.hidden.contains(&parent)))
    }

    pub(super) fn parent(&self, id: u32) -> Option<u32> {
        match self.stored.get(&id) {
            Some(object) => object.parent,
            None => self.synthetic(id).map(|index| self.synthetic_parent(index)),
        }
    }

    fn synthetic_parent(&self, index: u32) -> u32 {
        let (kind, unit) = self.people.unit(index);
        self.units[kind as usize][unit]
    }

    /// Whether the object is `base` or below it, in the same naming context.
    pub(super) fn is_within(&self, id: u32, base: u32) -> bool {
        let mut at = Some(id);
        while let Some(current) = at {
            if current == base {
                return true;
            }
            at = self.parent(current);
        }
        false
    }

    /// Appends the distinguished name.
    pub(super) fn dn_into(&self, id: u32, out: &mut Vec<u8>) {
        let mut at = Some(id);
        while let Some(current) = at {
            if current != id {
                out.push(b',');
            }
            if let Some(object) = self.stored.get(&current) {
                if object.parent.is_none() {
                    out.extend_from_slice(object.name.as_bytes());
                    return;
                }
                out.extend_from_slice(object.rdn_kind.as_bytes());
                out.push(b'=');
                names::escape_into(&object.name, out);
                at = object.parent;
            } else {
                let index = current - FIRST_SYNTHETIC;
                out.extend_from_slice(b"CN=");
                names::escape_into(&self.people.name(index), out);
                at = Some(self.synthetic_parent(index));
            }
        }
    }

    /// The object with this distinguished name, or with this `<GUID=…>` or `<SID=…>` (MS-ADTS 3.1.1.3.1.2.4).
    ///
    /// # Errors
    /// The distinguished name of the nearest ancestor that exists, empty when none does.
    pub(super) fn resolve(&self, dn: &str) -> Result<u32, String> {
        if let Some(inner) = dn.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
            let (form, value) = inner.split_once('=').ok_or_else(String::new)?;
            let found = match form.to_ascii_uppercase().as_str() {
                "GUID" => view::guid_of_text(value).and_then(|guid| self.by_guid(&guid)),
                "SID" => view::sid_of_text(value).and_then(|sid| self.by_sid(&sid)),
                _ => None,
            };
            return found.ok_or_else(String::new);
        }
        let mut path = names::parse(dn).ok_or_else(String::new)?;
        let mut at = self.naming_context(&mut path).ok_or_else(String::new)?;
        while let Some(component) = path.pop() {
            at = self.child(at, &component).ok_or_else(|| {
                let mut nearest = Vec::new();
                self.dn_into(at, &mut nearest);
                String::from_utf8(nearest).unwrap()
            })?;
        }
        Ok(at)
    }

    /// The naming context that the path ends in; takes its components off the path.
    fn naming_context(&self, path: &mut Vec<Rdn>) -> Option<u32> {
        let heads = [structure::SCHEMA, structure::CONFIGURATION, structure::DOMAIN];
        heads.into_iter().find(|head| {
            let name = names::parse(&self.stored[head].name).unwrap();
            let inside = path.len() >= name.len()
                && path[path.len() - name.len()..]
                    .iter()
                    .zip(&name)
                    .all(|(one, other)| one.key() == other.key());
            if inside {
                path.truncate(path.len() - name.len());
            }
            inside
        })
    }

    fn child(&self, parent: u32, component: &Rdn) -> Option<u32> {
        if let Some(&id) = self.children.get(&(parent, component.key())) {
            return Some(id);
        }
        let index = self.people.by_name(&component.value)?;
        let id = FIRST_SYNTHETIC + index;
        let here = component.kind.eq_ignore_ascii_case("CN") && self.synthetic_parent(index) == parent;
        (here && !self.stored.contains_key(&id)).then_some(id)
    }

    /// The object with this GUID.
    pub(super) fn by_guid(&self, guid: &[u8]) -> Option<u32> {
        let guid: [u8; 16] = guid.try_into().ok()?;
        let synthetic = self.people.by_guid(&guid).map(|index| FIRST_SYNTHETIC + index);
        synthetic.or_else(|| {
            self.stored
                .iter()
                .find(|(_, object)| object.guid == guid)
                .map(|(&id, _)| id)
        })
    }

    /// The object with this SID.
    pub(super) fn by_sid(&self, sid: &[u8]) -> Option<u32> {
        let rid = self.domain.rid(sid)?;
        let synthetic = rid
            .checked_sub(FIRST_RID)
            .filter(|&index| index < self.people.count());
        let stored = || {
            self.stored
                .iter()
                .find(|(_, object)| object.rid == Some(rid))
                .map(|(&id, _)| id)
        };
        synthetic.map(|index| FIRST_SYNTHETIC + index).or_else(stored)
    }

    /// The numbers of a group's members.
    pub(super) fn members(&self, id: u32) -> Vec<u32> {
        if let Some(object) = self.stored.get(&id) {
            // A link may have come before the object that it names.
            let is_here = |id: &u32| self.replication.is_none() || self.exists(*id);
            return object.members.iter().copied().filter(is_here).collect();
        }
        let Some(index) = self.synthetic(id) else {
            return Vec::new();
        };
        let (kind, number) = self.people.at(index);
        if kind != Kind::Group {
            return Vec::new();
        }
        let user = |number| {
            self.people
                .index(Kind::User, number)
                .map(|index| FIRST_SYNTHETIC + index)
        };
        let exists = |id: &u32| self.stored.get(id).is_none_or(|object| object.deleted.is_none());
        self.people.team(number).filter_map(user).filter(exists).collect()
    }

    /// The numbers of the groups that the object is a member of.
    pub(super) fn member_of(&self, id: u32) -> Vec<u32> {
        let mut groups = self.back_links.get(&id).cloned().unwrap_or_default();
        let team = self.synthetic(id).and_then(|index| match self.people.at(index) {
            (Kind::User, number) => self.people.team_of(number),
            _ => None,
        });
        let team = team
            .and_then(|number| self.people.index(Kind::Group, number))
            .map(|index| FIRST_SYNTHETIC + index);
        let deleted = self
            .stored
            .get(&id)
            .is_some_and(|object| object.deleted.is_some());
        groups.extend(team.filter(|group| !deleted && !self.stored.contains_key(group)));
        groups.into_iter().collect()
    }

    fn now(&self) -> i64 {
        self.clock.unwrap_or_else(|| {
            let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
        })
    }
}

#[cfg(test)]
mod tests;
