//! Replication between the replicas of a domain, each behind a controller of its own.
//!
//! As in Active Directory (MS-ADTS 3.1.1.1.9, MS-DRSR 4.1.10): every attribute, every link value,
//! the place of an object (parent and name) and its deletion carry a stamp of their last
//! originating write, and the larger stamp wins. What a replica takes over gets the next number of
//! its own sequence. Replication goes object by object, in any order; an object that is not there
//! yet brings its parents. Two objects that get one name in one place are not resolved: that is a
//! mistake of the test.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, RwLock};

use super::super::schema::Attribute;
use super::content::Content;
use super::{Directory, Object, ObjectId, State};

/// Up-to-dateness vector (MS-DRSR 5.166): for each replica, up to which of its changes everything
/// has been taken over.
pub(in super::super) type Vector = BTreeMap<u32, u64>;

/// Number of the replica from which the others were made.
const FIRST: u32 = 1;

/// Part of an object that replicates by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Created,
    Place,
    Deleted,
    Touch,
    Attribute(Attribute),
    Member(u32),
}

/// Stamp of an originating write; the order of the fields is that in which two stamps are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Stamp {
    version: u32,
    time: i64,
    replica: u32,
    sequence: u64,
}

type Stamps = BTreeMap<Field, Stamp>;

/// State that a replica keeps for the others.
#[derive(Debug, Clone)]
pub(super) struct Replication {
    number: u32,
    all: Arc<Numbers>,
    /// The last change of the first replica when this state was copied: objects and fields without
    /// a stamp are as old.
    copied_at: u64,
    stamps: HashMap<u32, Stamps>,
    /// Without the replica itself, which is always up to date.
    vector: Vector,
}

/// Numbers that all replicas of a domain share: objects are known to the simulator by one number
/// everywhere.
#[derive(Debug)]
struct Numbers {
    next_object: AtomicU32,
    next_replica: AtomicU32,
}

/// An object on its way to another replica.
struct Incoming {
    id: u32,
    object: Object,
    content: Content,
    stamps: Stamps,
}

impl Directory {
    /// Makes a further replica of the domain, with the same contents and USNs. From here on each
    /// has its own.
    #[must_use]
    pub fn replica(&self) -> Self {
        let mut state = self.write();
        let (next_id, last) = (state.next_id, state.last_sequence());
        let replication = state.replication.get_or_insert_with(|| Replication {
            number: FIRST,
            all: Arc::new(Numbers {
                next_object: AtomicU32::new(next_id),
                next_replica: AtomicU32::new(FIRST + 1),
            }),
            copied_at: last,
            stamps: HashMap::new(),
            vector: Vector::new(),
        });
        let vector = replication.known(last);
        let number = replication.all.next_replica.fetch_add(1, Ordering::Relaxed);
        let mut copy = state.clone();
        copy.replication = copy.replication.map(|replication| Replication {
            number,
            vector,
            ..replication
        });
        Self {
            state: Arc::new(RwLock::new(copy)),
        }
    }

    /// Carries the changes of one object over to another replica, whatever else has not arrived
    /// there yet; tells whether there was anything to carry over.
    pub fn replicate_object(&self, id: ObjectId, to: &Self) -> bool {
        let path = self.read().path(id.0);
        for parent in path {
            if !to.read().exists(parent) {
                self.replicate_one(parent, to);
            }
        }
        self.replicate_one(id.0, to)
    }

    /// Carries all changes over to another replica, which knows then that it has them; gives the
    /// objects that changed there.
    pub fn replicate_all(&self, to: &Self) -> Vec<ObjectId> {
        let (ids, known) = {
            let state = self.read();
            let ids: Vec<u32> = state.by_sequence.values().copied().collect();
            (ids, state.known().expect("the directory has no other replica"))
        };
        let changed = ids
            .into_iter()
            .map(ObjectId)
            .filter(|id| self.replicate_object(*id, to))
            .collect();
        let mut state = to.write();
        let replication = state.replication.as_mut().unwrap();
        for (replica, sequence) in known {
            if replica != replication.number {
                let known = replication.vector.entry(replica).or_default();
                *known = sequence.max(*known);
            }
        }
        changed
    }

    fn replicate_one(&self, id: u32, to: &Self) -> bool {
        let incoming = {
            let state = self.read();
            let replication = state
                .replication
                .as_ref()
                .expect("the directory has no other replica");
            let Some(object) = state.stored.get(&id).filter(|object| object.parent.is_some()) else {
                return false;
            };
            Incoming {
                id,
                object: object.clone(),
                content: state.content(id),
                stamps: replication.stamps.get(&id).cloned().unwrap_or_default(),
            }
        };
        to.write().merge(incoming)
    }

    /// Tells whether this replica has the object, deleted or not.
    #[must_use]
    pub fn exists(&self, id: ObjectId) -> bool {
        self.read().exists(id.0)
    }

    /// Tells whether the object is deleted here.
    #[must_use]
    pub fn is_deleted(&self, id: ObjectId) -> bool {
        self.read().view(id.0, 0).is_some_and(|view| view.is_deleted())
    }

    /// The object above this one, of a deleted one `CN=Deleted Objects`.
    #[must_use]
    pub fn parent(&self, id: ObjectId) -> Option<ObjectId> {
        self.read().parent(id.0).map(ObjectId)
    }
}

impl State {
    /// A number for a new object.
    pub(super) fn new_id(&mut self) -> u32 {
        let id = match &self.replication {
            Some(replication) => replication.all.next_object.fetch_add(1, Ordering::Relaxed),
            None => self.next_id,
        };
        self.next_id = self.next_id.max(id + 1);
        id
    }

    /// Notes that the last change was an originating write of these fields.
    pub(super) fn stamp(&mut self, id: u32, fields: impl IntoIterator<Item = Field>) {
        let (time, sequence) = (self.now(), self.last_sequence());
        let Some(replication) = &mut self.replication else {
            return;
        };
        let stamps = replication.stamps.entry(id).or_default();
        for field in fields {
            // What has no stamp has its first version.
            let before = stamps.get(&field).map_or(1, |stamp| stamp.version);
            let stamp = Stamp {
                version: before + 1,
                time,
                replica: replication.number,
                sequence,
            };
            stamps.insert(field, stamp);
        }
    }

    /// The number of this replica; `None` when it is the only one.
    pub(in super::super) fn replica(&self) -> Option<u32> {
        self.replication.as_ref().map(|replication| replication.number)
    }

    /// Up to which change of each replica everything is here; `None` when there is no other
    /// replica.
    pub(in super::super) fn known(&self) -> Option<Vector> {
        let last = self.last_sequence();
        self.replication
            .as_ref()
            .map(|replication| replication.known(last))
    }

    /// Tells whether all of the object comes from changes up to those of `vector`.
    pub(in super::super) fn is_covered(&self, id: u32, vector: &Vector) -> bool {
        let Some(replication) = &self.replication else {
            return false;
        };
        let stamps = replication.stamps.get(&id);
        stamps
            .into_iter()
            .flat_map(BTreeMap::values)
            .all(|stamp| covers(vector, stamp.replica, stamp.sequence))
            && self.is_creation_covered(id, vector)
    }

    /// The same of its creation.
    pub(in super::super) fn is_creation_covered(&self, id: u32, vector: &Vector) -> bool {
        let Some(replication) = &self.replication else {
            return false;
        };
        let created = replication
            .stamps
            .get(&id)
            .and_then(|stamps| stamps.get(&Field::Created));
        created.map_or_else(
            || covers(vector, FIRST, replication.copied_at),
            |stamp| covers(vector, stamp.replica, stamp.sequence),
        )
    }

    /// The objects above, the uppermost first; of a deleted object, those where it was.
    fn path(&self, id: u32) -> Vec<u32> {
        let above = |id: u32| match self.stored.get(&id).and_then(|object| object.deleted.as_ref()) {
            Some(was) => Some(was.parent),
            None => self.parent(id),
        };
        let mut path: Vec<u32> = std::iter::successors(above(id), |id| above(*id)).collect();
        path.reverse();
        path
    }

    /// Takes over what is newer; tells whether anything was.
    fn merge(&mut self, incoming: Incoming) -> bool {
        let Incoming {
            id,
            object,
            content,
            stamps,
        } = incoming;
        if !self.exists(id) {
            self.next_id = self.next_id.max(id + 1);
            let sequence = self.next_sequence;
            let object = Object {
                parent: None,
                members: Default::default(),
                created_sequence: sequence,
                sequence,
                deleted: None,
                ..object
            };
            self.stored.insert(id, object);
            self.put_content(id, content);
            self.stamps_of(id).extend(stamps);
            return true;
        }
        let own = self.stamps_of(id).clone();
        let newer: Vec<(Field, Stamp)> = stamps
            .into_iter()
            .filter(|(field, stamp)| own.get(field).is_none_or(|own| own < stamp))
            .collect();
        if newer.is_empty() {
            return false;
        }
        let mut merged = self.content(id);
        for (field, _) in &newer {
            merged.take(field, &content);
        }
        self.put_content(id, merged);
        self.stamps_of(id).extend(newer);
        true
    }

    fn stamps_of(&mut self, id: u32) -> &mut Stamps {
        let replication = self
            .replication
            .as_mut()
            .expect("the directory has no other replica");
        replication.stamps.entry(id).or_default()
    }
}

impl Replication {
    fn known(&self, last_sequence: u64) -> Vector {
        let mut known = self.vector.clone();
        known.insert(self.number, last_sequence);
        known
    }
}

impl Content {
    /// Takes over one field.
    fn take(&mut self, field: &Field, from: &Self) {
        match field {
            Field::Created | Field::Touch => {}
            Field::Place => {
                self.parent = from.parent;
                self.name.clone_from(&from.name);
            }
            Field::Deleted => self.deleted = from.deleted,
            Field::Attribute(attribute) => match from.attributes.get(attribute) {
                Some(values) => {
                    self.attributes.insert(attribute.clone(), values.clone());
                }
                None => {
                    self.attributes.remove(attribute);
                }
            },
            Field::Member(member) => {
                if from.members.contains(member) {
                    self.members.insert(*member);
                } else {
                    self.members.remove(member);
                }
            }
        }
    }
}

fn covers(vector: &Vector, replica: u32, sequence: u64) -> bool {
    vector.get(&replica).is_some_and(|known| sequence <= *known)
}

#[cfg(test)]
mod tests;
