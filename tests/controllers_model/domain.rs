//! Controllers of one domain, each with its own state of every object.

use fastrand::Rng;

/// Number of objects in a history.
pub const OBJECTS: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    InScope,
    OutOfScope,
    Deleted,
}

/// Value with the time at which it was written; the last writer wins, attribute by attribute
/// (MS-ADTS 3.1.1.1.9).
#[derive(Debug, Clone, Copy)]
struct Attribute<T> {
    value: T,
    written: (u32, u32),
}

impl<T: Copy> Attribute<T> {
    /// Takes the other controller's value if it is newer.
    fn merge(&mut self, other: Self) -> bool {
        let newer = self.written < other.written;
        if newer {
            *self = other;
        }
        newer
    }
}

/// One object as one controller has it.
#[derive(Debug, Clone, Copy)]
pub struct Record {
    pub usn: u32,
    value: Attribute<usize>,
    in_scope: Attribute<bool>,
    /// A deletion or restoration wins over every one before it, whatever the time.
    deleted: Attribute<bool>,
}

impl Record {
    pub fn state(&self) -> State {
        match (self.deleted.value, self.in_scope.value) {
            (true, _) => State::Deleted,
            (false, true) => State::InScope,
            (false, false) => State::OutOfScope,
        }
    }
}

pub struct Replica {
    pub highest_usn: u32,
    pub records: [Option<Record>; OBJECTS],
}

impl Replica {
    fn put(&mut self, object: usize, record: Record) {
        self.highest_usn += 1;
        self.records[object] = Some(Record {
            usn: self.highest_usn,
            ..record
        });
    }
}

pub struct Domain {
    pub replicas: Vec<Replica>,
    /// The account sees deleted objects.
    pub shows_tombstones: bool,
    /// Objects that were ever deleted or moved out of scope on any controller.
    pub left: [bool; OBJECTS],
    random: Rng,
    clock: u32,
}

impl Domain {
    pub fn new(controllers: usize, shows_tombstones: bool, random: Rng) -> Self {
        let replica = |_| Replica {
            highest_usn: 0,
            records: [None; OBJECTS],
        };
        Self {
            replicas: (0..controllers).map(replica).collect(),
            shows_tombstones,
            left: [false; OBJECTS],
            random,
            clock: 0,
        }
    }

    /// Returns the value of an object that the controller returns in scope.
    pub fn shown(&self, on: usize, object: usize) -> Option<usize> {
        let record = self.replicas[on].records[object]?;
        (record.state() == State::InScope).then_some(record.value.value)
    }

    /// Creates or changes an object. Few values, so that one often returns.
    pub fn write(&mut self, on: usize, object: usize) {
        let value = self.random.usize(0..3);
        // An object is created on one controller alone: a second one would have another GUID.
        let created = self
            .replicas
            .iter()
            .any(|replica| replica.records[object].is_some());
        let in_scope = self.random.usize(0..4) > 0;
        let now = self.now();
        let replica = &mut self.replicas[on];
        match replica.records[object] {
            Some(record) if record.deleted.value => {}
            Some(record) => replica.put(
                object,
                Record {
                    value: attribute(value, now),
                    ..record
                },
            ),
            None if created => {}
            None => {
                let (value, in_scope) = (attribute(value, now), attribute(in_scope, now));
                replica.put(
                    object,
                    Record {
                        usn: 0,
                        value,
                        in_scope,
                        deleted: attribute(false, now),
                    },
                );
            }
        }
    }

    pub fn move_object(&mut self, on: usize, object: usize, into_scope: bool) {
        let now = self.now();
        let Some(record) = self.replicas[on].records[object] else {
            return;
        };
        if !record.deleted.value && record.in_scope.value != into_scope {
            self.left[object] |= !into_scope;
            self.replicas[on].put(
                object,
                Record {
                    in_scope: attribute(into_scope, now),
                    ..record
                },
            );
        }
    }

    pub fn delete(&mut self, on: usize, object: usize) {
        let now = self.now();
        let Some(record) = self.replicas[on].records[object].filter(|record| !record.deleted.value) else {
            return;
        };
        self.left[object] = true;
        let deleted = Attribute {
            value: true,
            written: (record.deleted.written.0 + 1, now),
        };
        self.replicas[on].put(object, Record { deleted, ..record });
    }

    pub fn restore(&mut self, on: usize, object: usize) {
        let value = self.random.usize(0..3);
        let now = self.now();
        let Some(record) = self.replicas[on].records[object].filter(|record| record.deleted.value) else {
            return;
        };
        let deleted = Attribute {
            value: false,
            written: (record.deleted.written.0 + 1, now),
        };
        let (value, in_scope) = (attribute(value, now), attribute(true, now));
        self.replicas[on].put(
            object,
            Record {
                deleted,
                value,
                in_scope,
                ..record
            },
        );
    }

    fn now(&mut self) -> u32 {
        self.clock += 1;
        self.clock
    }

    pub fn replicate(&mut self, from: usize, to: usize, object: usize) {
        let Some(theirs) = self.replicas[from].records[object] else {
            return;
        };
        let Some(mut ours) = self.replicas[to].records[object] else {
            return self.replicas[to].put(object, theirs);
        };
        let changes = [
            ours.value.merge(theirs.value),
            ours.in_scope.merge(theirs.in_scope),
            ours.deleted.merge(theirs.deleted),
        ];
        if changes.contains(&true) {
            self.replicas[to].put(object, ours);
        }
    }

    pub fn replicate_all(&mut self, from: usize, to: usize) {
        for object in 0..OBJECTS {
            self.replicate(from, to, object);
        }
    }
}

fn attribute<T>(value: T, now: u32) -> Attribute<T> {
    Attribute {
        value,
        written: (0, now),
    }
}
