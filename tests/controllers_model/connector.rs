//! Records of the connector, and the conclusions that a run draws from them.

use fastrand::Rng;

use super::domain::{Domain, OBJECTS, State};

/// The rules, each of which can be switched off to see that a history goes wrong without it.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// R2: a delta re-reads what other controllers returned since this controller's watermark.
    pub reread: bool,
    /// R2: and what they removed.
    pub reread_removed: bool,
    /// R2: a resumed full read re-reads what other controllers returned or removed since it began.
    pub reread_resumed: bool,
    /// R2: a read that returns a candidate counts as a change of it, although its value is the
    /// same.
    pub returns_are_changes: bool,
    /// R22: a controller proves the absence only of what it returned before.
    pub witness: bool,
    /// R22: the same holds for a place out of scope.
    pub witness_of_scope: bool,
    /// R22: what a controller missed is recorded, not only how much was known at its watermark.
    pub record_misses: bool,
    /// R22: what a read missed is recorded in the transaction of its watermark, not after the
    /// look-ups.
    pub misses_commit_with_watermark: bool,
}

impl Rules {
    pub const ALL: Self = Self {
        reread: true,
        reread_removed: true,
        reread_resumed: true,
        returns_are_changes: true,
        witness: true,
        witness_of_scope: true,
        record_misses: true,
        misses_commit_with_watermark: true,
    };
}

/// How far a run gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Some objects are read and stored, the watermark is not.
    DuringRead,
    /// The watermark is stored, and no candidate was looked up.
    BeforeLookUps,
    /// Some candidates were looked up.
    DuringLookUps,
    Complete,
}

/// An object that upstream holds.
#[derive(Debug, Clone, Copy)]
pub struct KnownObject {
    pub value: usize,
    /// Sequence number at which it became known.
    first_seq: u32,
    /// Sequence number of the last read that changed it; a read that found it unchanged leaves no
    /// trace.
    changed_seq: u32,
    /// Controller of that read.
    changed_by: usize,
}

#[derive(Debug, Clone, Copy)]
struct Watermark {
    usn: u32,
    /// Sequence number when it was committed.
    known_seq: u32,
}

/// A full read that broke off, to be resumed on the same controller.
#[derive(Debug, Clone, Copy)]
pub struct UnfinishedRead {
    controller: usize,
    usn: u32,
    /// Sequence number when it began.
    begun_seq: u32,
    read: [bool; OBJECTS],
}

#[derive(Debug, Clone, Copy)]
pub struct Removal {
    pub object: usize,
    pub on: usize,
}

pub struct Connector {
    pub objects: [Option<KnownObject>; OBJECTS],
    pub removals: Vec<Removal>,
    pub unfinished: Option<UnfinishedRead>,
    /// Sequence number and controller of the last removal.
    removed: [Option<(u32, usize)>; OBJECTS],
    watermarks: Vec<Option<Watermark>>,
    missed_on: Vec<[bool; OBJECTS]>,
    candidates: [bool; OBJECTS],
    seq: u32,
    rules: Rules,
    random: Rng,
}

impl Connector {
    pub fn new(controllers: usize, rules: Rules, random: Rng) -> Self {
        Self {
            objects: [None; OBJECTS],
            removals: Vec::new(),
            unfinished: None,
            removed: [None; OBJECTS],
            watermarks: vec![None; controllers],
            missed_on: vec![[false; OBJECTS]; controllers],
            candidates: [false; OBJECTS],
            seq: 0,
            rules,
            random,
        }
    }

    /// Makes one run on a controller.
    pub fn run(&mut self, domain: &mut Domain, on: usize, full: bool, ending: Ending) {
        let usn = domain.replicas[on].highest_usn;
        let (usn, missed) = match self.watermarks[on] {
            Some(watermark) if !full => {
                let since = (watermark.usn, watermark.known_seq);
                let asked = self.changed_since(domain, on, since.0, true, Some(since.1));
                (usn, self.read(domain, on, asked, ending))
            }
            _ => self.read_in_full(domain, on, ending),
        };
        let Some(missed) = missed else { return };
        // One transaction from here to the watermark, so that every miss is judged by the watermark
        // before.
        if self.rules.misses_commit_with_watermark || ending == Ending::Complete {
            self.record_misses(on, missed);
        }
        for (candidate, missed) in self.candidates.iter_mut().zip(missed) {
            *candidate |= missed;
        }
        let before = self.watermarks[on].replace(Watermark {
            usn,
            known_seq: self.seq,
        });
        if ending == Ending::Complete || ending == Ending::DuringLookUps {
            self.look_up_candidates(domain, on, before, ending);
        }
    }

    /// Returns what a delta asks for: what changed on the controller after `usn`, and what others
    /// returned or removed after `known_seq`.
    fn changed_since(
        &self,
        domain: &Domain,
        on: usize,
        usn: u32,
        delta: bool,
        known_seq: Option<u32>,
    ) -> [bool; OBJECTS] {
        std::array::from_fn(|object| {
            let changed_here = domain.replicas[on].records[object].is_some_and(|record| {
                record.usn > usn && (record.state() != State::Deleted || domain.shows_tombstones)
            });
            let Some(known_seq) = known_seq else {
                return changed_here;
            };
            let returned = self.objects[object]
                .is_some_and(|known| known.changed_seq > known_seq && known.changed_by != on);
            let removed = self.removed[object].is_some_and(|(seq, by)| seq > known_seq && by != on);
            let (reread, reread_removed) = if delta {
                (self.rules.reread, self.rules.reread_removed)
            } else {
                (self.rules.reread_resumed, self.rules.reread_resumed)
            };
            changed_here || (returned && reread) || (removed && reread_removed)
        })
    }

    /// Reads the objects that are asked for, and returns the known ones that were not found; `None`
    /// when the read broke off.
    fn read(
        &mut self,
        domain: &Domain,
        on: usize,
        asked: [bool; OBJECTS],
        ending: Ending,
    ) -> Option<[bool; OBJECTS]> {
        let mut missed = [false; OBJECTS];
        for object in (0..OBJECTS).filter(|object| asked[*object]) {
            if ending == Ending::DuringRead && self.random.usize(0..2) == 0 {
                continue;
            }
            match domain.shown(on, object) {
                Some(value) => self.apply(on, object, value),
                None => missed[object] = self.objects[object].is_some(),
            }
        }
        (ending != Ending::DuringRead).then_some(missed)
    }

    /// Reads everything, or what an unfinished read of the same controller left, and then what
    /// changed since it began (R4). Returns its watermark, and what was missed.
    fn read_in_full(&mut self, domain: &Domain, on: usize, ending: Ending) -> (u32, Option<[bool; OBJECTS]>) {
        let highest_usn = domain.replicas[on].highest_usn;
        let fresh = UnfinishedRead {
            controller: on,
            usn: highest_usn,
            begun_seq: self.seq,
            read: [false; OBJECTS],
        };
        let mut read = self
            .unfinished
            .filter(|unfinished| unfinished.controller == on)
            .unwrap_or(fresh);
        for object in 0..OBJECTS {
            let there = domain.replicas[on].records[object].is_some_and(|record| record.usn <= read.usn);
            if !there || read.read[object] || (ending == Ending::DuringRead && self.random.usize(0..2) == 0) {
                continue;
            }
            if let Some(value) = domain.shown(on, object) {
                self.apply(on, object, value);
                read.read[object] = true;
            }
        }
        if ending == Ending::DuringRead {
            self.unfinished = Some(read);
            return (read.usn, None);
        }
        self.unfinished = None;
        let asked = self.changed_since(domain, on, read.usn, false, Some(read.begun_seq));
        let gone = self.read(domain, on, asked, Ending::Complete).unwrap_or_default();
        let missed = std::array::from_fn(|object| {
            let met = read.read[object] || (asked[object] && domain.shown(on, object).is_some());
            self.objects[object].is_some() && (gone[object] || !met)
        });
        (read.usn, Some(missed))
    }

    /// Records an object as the controller returned it.
    fn apply(&mut self, on: usize, object: usize, value: usize) {
        let before = self.objects[object];
        let returned = self.candidates[object] && self.rules.returns_are_changes;
        if returned || before.is_none_or(|known| known.value != value) {
            self.seq += 1;
            let first_seq = before.map_or(self.seq, |known| known.first_seq);
            self.objects[object] = Some(KnownObject {
                value,
                first_seq,
                changed_seq: self.seq,
                changed_by: on,
            });
        }
        self.missed_on[on][object] = false;
        self.candidates[object] = false;
    }

    /// Tells from the records that the controller returned the object before.
    fn has_shown(&self, on: usize, object: usize, watermark: Option<Watermark>) -> bool {
        let Some(known) = self.objects[object] else {
            return false;
        };
        let missed = self.rules.record_misses && self.missed_on[on][object];
        known.changed_by == on || (!missed && watermark.is_some_and(|mark| known.first_seq <= mark.known_seq))
    }

    fn record_misses(&mut self, on: usize, missed: [bool; OBJECTS]) {
        for object in (0..OBJECTS).filter(|object| missed[*object]) {
            if !self.has_shown(on, object, self.watermarks[on]) {
                self.missed_on[on][object] = true;
            }
        }
    }

    /// Looks up every candidate, and removes those whose absence the controller can prove (R22).
    fn look_up_candidates(&mut self, domain: &Domain, on: usize, before: Option<Watermark>, ending: Ending) {
        // A high-water mark alone has to be that of before the run: this run's covers what it
        // missed as well.
        let watermark = if self.rules.record_misses {
            self.watermarks[on]
        } else {
            before
        };
        for object in 0..OBJECTS {
            if ending == Ending::DuringLookUps && self.random.usize(0..2) == 0 {
                continue;
            }
            if !self.candidates[object] || self.objects[object].is_none() {
                self.candidates[object] = false;
                continue;
            }
            if let Some(value) = domain.shown(on, object) {
                self.apply(on, object, value);
                continue;
            }
            let state = domain.replicas[on].records[object].map(|record| record.state());
            let proof = match state {
                Some(State::Deleted) if domain.shows_tombstones => true,
                Some(State::OutOfScope) if !self.rules.witness_of_scope => true,
                _ => !self.rules.witness || self.has_shown(on, object, watermark),
            };
            if proof {
                self.remove(on, object);
            } else {
                self.missed_on[on][object] = true;
            }
        }
    }

    fn remove(&mut self, on: usize, object: usize) {
        self.seq += 1;
        self.objects[object] = None;
        self.removed[object] = Some((self.seq, on));
        self.candidates[object] = false;
        for missed in &mut self.missed_on {
            missed[object] = false;
        }
        self.removals.push(Removal { object, on });
    }
}
