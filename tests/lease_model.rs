//! Model of lease, stage and late send (R34), small enough that every order of events is looked at:
//! two instances that may freeze or die between any two steps, a lease that may end at any moment,
//! and requests that may arrive or be lost.
//!
//! One thing is left out, as docs/high-availability.md says: an instance that dies while a request
//! of it is out, and whose lease had ended before that arrived.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

use std::collections::{HashSet, VecDeque};

/// Versions that the directory comes to.
const VERSIONS: u8 = 3;

/// Leases that are given.
const EPOCHS: u8 = 4;

/// Parts of the program, each of which can be left out to see its consequences.
#[derive(Debug, Clone, Copy)]
struct Rules {
    /// Transactions prove the lease.
    proves: bool,
    /// Versions that may have been sent late are recorded.
    notes: bool,
    /// A version whose fate is unknown is sent again.
    doubts: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Down,
    Idle,
    /// Holds the lease, as far as it knows.
    Holding,
    /// Has this version from the stage.
    HandedOut(u8),
    /// Has looked at its lease, and is about to write the request.
    Checked(u8),
    /// The request is on its way; `late` when the lease was not its own any more.
    Written {
        version: u8,
        late: bool,
    },
    /// Answered, or lost.
    Ended {
        version: u8,
        accepted: bool,
        late: bool,
    },
    /// Is about to store the answer.
    Settling(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Instance {
    step: Step,
    epoch: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    directory: u8,
    gateway: u8,
    /// In the database from here on.
    accepted: u8,
    staged: Option<u8>,
    /// A version was handed out whose fate is unknown.
    unknown: bool,
    late: bool,
    holder: usize,
    epoch: u8,
    live: bool,
    instances: [Instance; 2],
}

impl World {
    fn new() -> Self {
        let idle = Instance {
            step: Step::Idle,
            epoch: 0,
        };
        Self {
            directory: 1,
            gateway: 0,
            accepted: 0,
            staged: None,
            unknown: false,
            late: false,
            holder: 0,
            epoch: 0,
            live: false,
            instances: [idle, idle],
        }
    }

    fn owns(&self, who: usize) -> bool {
        self.epoch > 0 && self.holder == who && self.epoch == self.instances[who].epoch
    }

    /// The same with one instance at another step.
    fn at(&self, who: usize, step: Step) -> Self {
        let mut next = self.clone();
        next.instances[who].step = step;
        next
    }

    /// Everything that can happen next.
    fn successors(&self, rules: Rules) -> Vec<Self> {
        let mut next = Vec::new();
        if self.directory < VERSIONS {
            let mut changed = self.clone();
            changed.directory += 1;
            next.push(changed);
        }
        if self.live {
            let mut ended = self.clone();
            ended.live = false;
            next.push(ended);
        }
        for who in 0..2 {
            self.add_steps(who, rules, &mut next);
        }
        next
    }

    fn add_steps(&self, who: usize, rules: Rules, next: &mut Vec<Self>) {
        let may_write = self.owns(who) || !rules.proves;
        match self.instances[who].step {
            Step::Down => next.push(self.at(who, Step::Idle)),
            Step::Idle => {
                if !self.live && self.epoch < EPOCHS {
                    let mut taken = self.at(who, Step::Holding);
                    (taken.holder, taken.epoch, taken.live) = (who, self.epoch + 1, true);
                    taken.instances[who].epoch = taken.epoch;
                    next.push(taken);
                }
            }
            Step::Holding => {
                // A run: what was sent late is staged once more, then what the directory has.
                if may_write {
                    next.push(self.read(rules));
                } else {
                    next.push(self.at(who, Step::Idle));
                }
                if let Some(version) = self.staged.filter(|_| may_write) {
                    let mut out = self.at(who, Step::HandedOut(version));
                    out.unknown = true;
                    next.push(out);
                }
            }
            Step::HandedOut(version) => {
                let certain = self.owns(who) && self.live;
                next.push(self.at(
                    who,
                    if certain {
                        Step::Checked(version)
                    } else {
                        Step::Idle
                    },
                ));
            }
            Step::Checked(version) => {
                let late = !self.owns(who);
                next.push(self.at(who, Step::Written { version, late }));
            }
            Step::Written { version, late } => {
                let late = late || !self.owns(who);
                let ended = |accepted| Step::Ended {
                    version,
                    accepted,
                    late,
                };
                let mut arrived = self.at(who, ended(true));
                arrived.gateway = version;
                next.push(arrived.clone());
                // Its answer is lost, or the request itself.
                arrived.instances[who].step = ended(false);
                next.push(arrived);
                next.push(self.at(who, ended(false)));
            }
            Step::Ended {
                version, accepted, ..
            } => {
                let after = if accepted {
                    Step::Settling(version)
                } else {
                    Step::Holding
                };
                let mut told = self.at(who, after);
                if !(self.owns(who) && self.live) && rules.notes {
                    told.late = true;
                }
                next.push(told);
            }
            Step::Settling(version) => {
                if may_write {
                    let mut settled = self.at(who, Step::Holding);
                    settled.accepted = version;
                    settled.unknown = false;
                    settled.staged = self.staged.filter(|staged| *staged != version);
                    next.push(settled);
                } else {
                    next.push(self.at(who, Step::Idle));
                }
            }
        }
        if self.owns(who) && !self.live && !matches!(self.instances[who].step, Step::Down | Step::Idle) {
            let mut renewed = self.clone();
            renewed.live = true;
            next.push(renewed);
        }
        match self.instances[who].step {
            Step::Down | Step::Ended { late: true, .. } => {}
            Step::Written { version, late } => {
                if !late && self.owns(who) {
                    // It dies, and its request arrives or does not.
                    let mut arrived = self.at(who, Step::Down);
                    arrived.gateway = version;
                    next.extend([arrived, self.at(who, Step::Down)]);
                }
            }
            _ => next.push(self.at(who, Step::Down)),
        }
    }

    /// A run that read the directory.
    fn read(&self, rules: Rules) -> Self {
        let mut read = self.clone();
        if self.late {
            read.late = false;
            read.unknown = true;
        }
        let is_held = self.accepted == self.directory && !(read.unknown && rules.doubts);
        read.staged = (!is_held).then_some(self.directory);
        read
    }

    /// Nothing is left to do, as far as the database says.
    fn is_quiet(&self) -> bool {
        let rests = |instance: &Instance| matches!(instance.step, Step::Down | Step::Idle | Step::Holding);
        self.staged.is_none()
            && !self.late
            && self.accepted == self.directory
            && self.instances.iter().all(rests)
    }
}

/// Looks at every state that can be reached; returns how many there are, or one in which the
/// gateway holds something else than the database says.
fn explore(rules: Rules) -> Result<usize, World> {
    let mut seen = HashSet::from([World::new()]);
    let mut queue = VecDeque::from([World::new()]);
    while let Some(world) = queue.pop_front() {
        if world.is_quiet() && world.gateway != world.directory {
            return Err(world);
        }
        for next in world.successors(rules) {
            if seen.insert(next.clone()) {
                queue.push_back(next);
            }
        }
    }
    Ok(seen.len())
}

const AS_BUILT: Rules = Rules {
    proves: true,
    notes: true,
    doubts: true,
};

#[test]
fn r34_no_order_of_events_sends_an_old_version_last() {
    match explore(AS_BUILT) {
        Ok(states) => assert!(states > 10_000, "only {states} states"),
        Err(world) => panic!("{world:?}"),
    }
}

#[test]
fn r34_each_of_its_parts_is_needed() {
    for broken in [
        Rules {
            proves: false,
            ..AS_BUILT
        },
        Rules {
            notes: false,
            ..AS_BUILT
        },
        Rules {
            doubts: false,
            ..AS_BUILT
        },
    ] {
        assert!(explore(broken).is_err(), "{broken:?}");
    }
}
