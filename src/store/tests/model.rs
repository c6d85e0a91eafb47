//! Random lives of the stage against a model that fits in the head.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const OBJECTS: u8 = 4;
const VERSIONS: u8 = 3;

/// Outcome of one asset of a request.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Accepted,
    Rejected,
    /// Upstream took it, but its answer was lost.
    ArrivedUnanswered,
    Lost,
}

#[derive(Debug, Clone)]
enum Step {
    Stage {
        page: Vec<(u8, u8)>,
        resend: bool,
    },
    Take {
        most: usize,
        go_on: bool,
    },
    Answer {
        batch: usize,
        fates: Vec<Fate>,
    },
    NextRun,
    /// A run with another mapping, which reads everything first.
    OtherMapping {
        changed: Vec<u8>,
    },
    Die {
        fates: Vec<Fate>,
    },
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        3 => Just(Fate::Accepted),
        1 => Just(Fate::Rejected),
        1 => Just(Fate::ArrivedUnanswered),
        1 => Just(Fate::Lost),
    ];
    prop::collection::vec(fate, 4)
}

fn step() -> impl Strategy<Value = Step> {
    let page = prop::collection::vec((0..OBJECTS, 0..VERSIONS), 1..4);
    prop_oneof![
        5 => (page, prop::bool::weighted(0.1)).prop_map(|(page, resend)| Step::Stage { page, resend }),
        4 => (1..4_usize, any::<bool>()).prop_map(|(most, go_on)| Step::Take { most, go_on }),
        4 => (0..3_usize, fates()).prop_map(|(batch, fates)| Step::Answer { batch, fates }),
        1 => Just(Step::NextRun),
        1 => prop::collection::vec(0..VERSIONS, 4).prop_map(|changed| Step::OtherMapping { changed }),
        1 => fates().prop_map(|fates| Step::Die { fates }),
    ]
}

/// The world around the store.
#[derive(Default)]
struct World {
    /// The directory, as far as it was read.
    read: BTreeMap<Guid, String>,
    /// Assets that upstream really holds.
    upstream: BTreeMap<Guid, String>,
    /// Assets that upstream reported as accepted.
    accepted: BTreeMap<Guid, String>,
    /// Objects of which a version got no answer since upstream accepted one.
    uncertain: BTreeSet<Guid>,
    /// Objects that somebody wants to be sent again.
    resent: BTreeSet<Guid>,
    /// The last version handed out.
    handed_out: BTreeMap<Guid, (u64, String)>,
    out: Vec<Vec<HandedOutVersion>>,
}

impl World {
    fn stage(&mut self, room: &Room, run: RunId, page: &[(u8, u8)], resend: bool) {
        let page: Vec<ObjectReading> = page
            .iter()
            .map(|(object, version)| user(*object, &version.to_string()))
            .collect();
        room.store.stage_page(run, &page, resend, NOW).unwrap();
        // Of an object that comes twice in a page the later reading counts.
        let latest: BTreeMap<Guid, ObjectReading> =
            page.into_iter().map(|reading| (reading.guid, reading)).collect();
        for reading in latest.into_values() {
            let version = reading.asset.unwrap().json;
            if resend {
                self.resent.insert(reading.guid);
            } else if self.read.get(&reading.guid) != Some(&version) {
                self.resent.remove(&reading.guid);
            }
            self.read.insert(reading.guid, version);
        }
    }

    fn take(&mut self, batch: Vec<HandedOutVersion>) {
        for item in &batch {
            let guid = item.guid;
            assert_eq!(
                self.read.get(&guid),
                Some(&item.asset.to_string()),
                "not the latest version of {guid}"
            );
            assert!(
                self.out.iter().flatten().all(|other| other.guid != guid),
                "two versions of {guid} are out at once"
            );
            if let Some((seq, version)) = self.handed_out.insert(guid, (item.seq, item.asset.to_string())) {
                assert!(
                    item.seq > seq || (item.seq == seq && *item.asset == *version),
                    "{guid} goes backwards from {seq} to {}",
                    item.seq
                );
            }
            assert!(
                self.accepted.get(&guid) != Some(&item.asset.to_string())
                    || self.uncertain.contains(&guid)
                    || self.resent.contains(&guid),
                "{guid} is sent again, although upstream certainly holds it"
            );
        }
        if !batch.is_empty() {
            self.out.push(batch);
        }
    }

    /// Lets `fates` happen to a batch; gives what upstream's answer says.
    fn happen(&mut self, batch: &[HandedOutVersion], fates: &[Fate]) -> (Vec<u64>, Vec<(u64, String)>) {
        let (mut accepted, mut rejected) = (Vec::new(), Vec::new());
        for (item, fate) in batch.iter().zip(fates.iter().cycle()) {
            match fate {
                Fate::Accepted => {
                    self.upstream.insert(item.guid, item.asset.to_string());
                    self.accepted.insert(item.guid, item.asset.to_string());
                    self.uncertain.remove(&item.guid);
                    self.resent.remove(&item.guid);
                    accepted.push(item.seq);
                }
                Fate::Rejected => rejected.push((item.seq, "no".to_owned())),
                Fate::ArrivedUnanswered => {
                    self.upstream.insert(item.guid, item.asset.to_string());
                    self.uncertain.insert(item.guid);
                }
                Fate::Lost => {
                    self.uncertain.insert(item.guid);
                }
            }
        }
        (accepted, rejected)
    }

    fn answer(&mut self, room: &Room, run: RunId, batch: usize, fates: &[Fate]) {
        let batch = self.out.remove(batch);
        let (accepted, rejected) = self.happen(&batch, fates);
        room.store
            .settle(run, &batch, &answered(&accepted, &rejected, &[]), NOW)
            .unwrap();
    }

    fn answer_all(&mut self, room: &Room, run: RunId, fates: &[Fate]) {
        while !self.out.is_empty() {
            self.answer(room, run, 0, fates);
        }
    }
}

fn live(steps: Vec<Step>) {
    // In memory where there is such a place: some ten thousand commits, none of which has to
    // outlive a loss of power.
    let memory = Path::new("/dev/shm");
    let mut room = if memory.is_dir() {
        Room::within(tempfile::tempdir_in(memory).unwrap())
    } else {
        Room::new()
    };
    let mut basis = RunBasis::default();
    let mut run = begin_with(&room.store, room.connection, &basis);
    let mut world = World::default();
    let mut last = 0;
    for step in steps {
        match step {
            Step::Stage { page, resend } => world.stage(&room, run, &page, resend),
            Step::Take { most, go_on } => {
                let batch = room
                    .store
                    .next_batch(run, if go_on { last } else { 0 }, most, ANY, 0)
                    .unwrap();
                last = batch.last().map_or(last, |item| item.seq);
                world.take(batch);
            }
            Step::Answer { batch, fates } if batch < world.out.len() => {
                world.answer(&room, run, batch, &fates);
            }
            Step::Answer { .. } => {}
            Step::NextRun => {
                world.answer_all(&room, run, &[Fate::Lost]);
                room.end(run);
                run = begin_with(&room.store, room.connection, &basis);
                last = 0;
            }
            Step::OtherMapping { changed } => {
                world.answer_all(&room, run, &[Fate::Lost]);
                room.end(run);
                basis.digest[0] += 1;
                // To be sent once more, whatever it becomes.
                world.uncertain.extend(&world.resent);
                run = begin_with(&room.store, room.connection, &basis);
                last = 0;
                let old = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
                assert!(old.is_empty(), "{old:?} was made with the former mapping");
                // Every other object is mapped to what it was before.
                let page: Vec<(u8, u8)> = (0..OBJECTS)
                    .zip(changed)
                    .filter_map(|(object, version)| {
                        let text = world.read.get(&guid(object))?;
                        let same = (0..VERSIONS).find(|version| asset(&version.to_string()) == *text);
                        Some((object, if version == 0 { same? } else { version }))
                    })
                    .collect();
                if !page.is_empty() {
                    world.stage(&room, run, &page, false);
                }
            }
            Step::Die { fates } => {
                // No answer is received any more.
                let unheard: Vec<Fate> = fates
                    .into_iter()
                    .map(|fate| {
                        if matches!(fate, Fate::Accepted) {
                            Fate::ArrivedUnanswered
                        } else {
                            Fate::Lost
                        }
                    })
                    .collect();
                for batch in std::mem::take(&mut world.out) {
                    world.happen(&batch, &unheard);
                }
                room.store = room.open(StoreAccess::ReadWrite).unwrap();
                run = begin_with(&room.store, room.connection, &basis);
                last = 0;
            }
        }
    }
    world.answer_all(&room, run, &[Fate::Lost]);
    room.end(run);
    let run = begin_with(&room.store, room.connection, &basis);
    loop {
        let batch = room.store.next_batch(run, 0, 2, ANY, 0).unwrap();
        if batch.is_empty() {
            break;
        }
        world.take(batch);
        world.answer_all(&room, run, &[Fate::Accepted]);
    }
    assert_eq!(
        world.upstream, world.read,
        "upstream does not hold what was read last"
    );
    assert_eq!(room.waiting(), 0);
    for (guid, version) in &world.read {
        assert_eq!(
            room.store
                .object(room.connection, *guid)
                .unwrap()
                .map(|object| object.asset)
                .as_ref(),
            Some(version)
        );
    }
    room.store.check().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r17_r18_upstream_ends_with_the_last_version_in_order_and_without_repeats(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        live(steps);
    }
}
