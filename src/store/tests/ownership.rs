//! Random lives of two connections to one target against a model (R37).

use proptest::prelude::*;

use super::*;

const OBJECTS: u8 = 3;
const IDS: u8 = 3;

/// Fate of a version that was handed out.
#[derive(Debug, Clone, Copy)]
enum Arrival {
    Accepted,
    Rejected,
    Unanswered,
    Lost,
}

#[derive(Debug, Clone)]
enum Step {
    Read(usize, Vec<(u8, u8, u8)>),
    Lose(usize, u8),
    Take(usize, usize),
    Answer(usize, Arrival),
    NextRun(usize),
    Die(Arrival),
}

fn step() -> impl Strategy<Value = Step> {
    let arrival = prop_oneof![
        4 => Just(Arrival::Accepted),
        1 => Just(Arrival::Rejected),
        1 => Just(Arrival::Unanswered),
        1 => Just(Arrival::Lost),
    ];
    let page = prop::collection::vec((0..OBJECTS, 0..IDS, 0..3_u8), 1..4);
    prop_oneof![
        5 => (0..2_usize, page).prop_map(|(who, page)| Step::Read(who, page)),
        3 => (0..2_usize, 0..OBJECTS).prop_map(|(who, object)| Step::Lose(who, object)),
        4 => (0..2_usize, 1..4_usize).prop_map(|(who, most)| Step::Take(who, most)),
        4 => (0..2_usize, arrival.clone()).prop_map(|(who, arrival)| Step::Answer(who, arrival)),
        1 => (0..2_usize).prop_map(Step::NextRun),
        1 => arrival.prop_map(Step::Die),
    ]
}

/// The world around the store.
struct World {
    room: Room,
    connections: [ConnectionId; 2],
    runs: [RunId; 2],
    /// Objects of the directory as each connection read them: id and asset.
    live: BTreeMap<(usize, u8), (String, String)>,
    /// Assets that upstream holds.
    upstream: BTreeMap<String, String>,
    /// Batches in flight.
    out: [Vec<Vec<HandedOutVersion>>; 2],
}

impl World {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let room = match memory.is_dir() {
            true => Room::within(tempfile::tempdir_in(memory).unwrap()),
            false => Room::new(),
        };
        let other = room
            .store
            .register(derive_uuid("branch"), "branch", "", &AssetTarget::default(), NOW)
            .unwrap();
        let connections = [room.connection, other];
        let runs = connections.map(|connection| begin(&room.store, connection));
        Self {
            room,
            connections,
            runs,
            live: BTreeMap::new(),
            upstream: BTreeMap::new(),
            out: [Vec::new(), Vec::new()],
        }
    }

    fn read(&mut self, who: usize, page: &[(u8, u8, u8)]) {
        let page: Vec<ObjectReading> = page
            .iter()
            .map(|(object, id, version)| {
                let (id, json) = (
                    format!("S-{id}"),
                    asset(&format!("{who} {object} {id} {version}")),
                );
                self.live.insert((who, *object), (id.clone(), json.clone()));
                ObjectReading {
                    asset: Ok(StagedAsset {
                        external_id: id,
                        json,
                    }),
                    ..user(*object, "")
                }
            })
            .collect();
        self.room
            .store
            .stage_page(self.runs[who], &page, false, NOW)
            .unwrap();
        self.conclude(who);
    }

    fn lose(&mut self, who: usize, object: u8) {
        let store = &self.room.store;
        let mut end = end_at(Watermark {
            controller: guid(99),
            scope: [1; 32],
            usn: 1,
            read_at: NOW,
        });
        end.missed = vec![guid(object)];
        store
            .complete_read(self.runs[who], &[], false, &end, NOW)
            .unwrap();
        let verdict = [(guid(object), LookupVerdict::Gone("not found".to_owned()))];
        store.note_verdicts(self.runs[who], &verdict, NOW).unwrap();
        self.live.remove(&(who, object));
        self.conclude(who);
    }

    fn conclude(&self, who: usize) {
        let limits = RemovalLimits {
            max_count: 1000,
            max_percent: 100,
            empty: Vec::new(),
        };
        // More assets than objects may go at once, since objects change their ids.
        let list = RemovalDecision::Threshold(limits);
        let marked = |_, json: &str| Some(format!("REMOVED {json}"));
        let conclusion = self
            .room
            .store
            .conclude_removals(self.runs[who], &list, marked, NOW)
            .unwrap();
        if !conclusion.excess.is_empty() {
            let held = self.room.store.held_list(self.connections[who]).unwrap().unwrap();
            let approved = RemovalDecision::Approved(held);
            self.room
                .store
                .conclude_removals(self.runs[who], &approved, marked, NOW)
                .unwrap();
        }
    }

    fn take(&mut self, who: usize, most: usize) -> bool {
        let batch = self
            .room
            .store
            .next_batch(self.runs[who], 0, most, ANY, 0)
            .unwrap();
        let out = self.out.iter().flatten().flatten().chain(&batch);
        let mut ids: Vec<&str> = out.map(|item| item.external_id.as_str()).collect();
        ids.sort_unstable();
        assert!(
            ids.windows(2).all(|two| two[0] != two[1]),
            "one id is in flight twice: {ids:?}"
        );
        for item in batch.iter().filter(|item| item.removal) {
            let claimed = self.live.values().any(|(id, _)| *id == item.external_id);
            assert!(!claimed, "{} is sent as removed and is live", item.external_id);
        }
        let any = !batch.is_empty();
        if any {
            self.out[who].push(batch);
        }
        any
    }

    fn answer(&mut self, who: usize, arrival: Arrival) {
        if self.out[who].is_empty() {
            return;
        }
        let batch = self.out[who].remove(0);
        self.arrive(&batch, arrival);
        let answer = match arrival {
            Arrival::Accepted => answered(&seqs(&batch), &[], &[]),
            Arrival::Rejected => {
                let rejected: Vec<_> = seqs(&batch)
                    .into_iter()
                    .map(|seq| (seq, "no".to_owned()))
                    .collect();
                answered(&[], &rejected, &[])
            }
            Arrival::Unanswered | Arrival::Lost => answered(&[], &[], &[]),
        };
        self.room
            .store
            .settle(self.runs[who], &batch, &answer, NOW)
            .unwrap();
    }

    fn arrive(&mut self, batch: &[HandedOutVersion], arrival: Arrival) {
        if matches!(arrival, Arrival::Accepted | Arrival::Unanswered) {
            for item in batch {
                self.upstream
                    .insert(item.external_id.clone(), item.asset.to_string());
            }
        }
    }

    fn next_run(&mut self, who: usize) {
        while !self.out[who].is_empty() {
            self.answer(who, Arrival::Lost);
        }
        self.room.end(self.runs[who]);
        self.runs[who] = begin(&self.room.store, self.connections[who]);
        self.read_again(who);
    }

    fn die(&mut self, arrival: Arrival) {
        for batch in std::mem::take(&mut self.out).iter().flatten() {
            self.arrive(batch, arrival);
        }
        self.room.store = self.room.open(StoreAccess::ReadWrite).unwrap();
        self.runs = self
            .connections
            .map(|connection| begin(&self.room.store, connection));
        self.read_again(0);
        self.read_again(1);
    }

    /// Reads what a run reads again by GUID.
    fn read_again(&self, who: usize) {
        let (store, connection, run) = (&self.room.store, self.connections[who], self.runs[who]);
        let again = store.unmapped_before(connection, Kind::User, run).unwrap();
        let live = |object| {
            let asset = self.live.get(&(who, object));
            asset.filter(|_| again.contains(&guid(object)))
        };
        let page: Vec<ObjectReading> = (0..OBJECTS)
            .filter_map(|object| {
                let (id, json) = live(object)?.clone();
                Some(ObjectReading {
                    asset: Ok(StagedAsset {
                        external_id: id,
                        json,
                    }),
                    ..user(object, "")
                })
            })
            .collect();
        store.stage_page(run, &page, false, NOW).unwrap();
    }

    /// Delivers everything; upstream then holds one of the live objects of each id, or says that
    /// there is none.
    fn check_the_end(&mut self) {
        for who in [0, 1] {
            self.next_run(who);
        }
        let mut rounds = 0;
        while self.take(0, 9) | self.take(1, 9) {
            for who in [0, 1] {
                self.answer(who, Arrival::Accepted);
            }
            rounds += 1;
            assert!(rounds < 20, "something is sent again and again");
        }
        let store = &self.room.store;
        let removed: Vec<String> = self
            .connections
            .iter()
            .flat_map(|connection| store.removed(*connection, None, None, 99).unwrap())
            .filter_map(|removal| removal.external_id)
            .collect();
        for id in (0..IDS).map(|id| format!("S-{id}")) {
            let claims: Vec<&String> = self
                .live
                .values()
                .filter(|(other, _)| *other == id)
                .map(|(_, json)| json)
                .collect();
            let held = self.upstream.get(&id);
            if claims.is_empty() {
                assert!(
                    held.is_none_or(|json| json.starts_with("REMOVED")),
                    "{id}: {held:?}"
                );
                assert_eq!(held.is_some(), removed.contains(&id), "{id} is listed as removed");
            } else {
                assert!(
                    held.is_some_and(|json| claims.contains(&json)),
                    "{id}: {held:?} of {claims:?}"
                );
                assert!(!removed.contains(&id), "{id} is listed as removed and is live");
            }
            let waiting = self
                .connections
                .iter()
                .flat_map(|connection| store.rejections(*connection, 99).unwrap())
                .filter(|rejection| rejection.external_id.as_deref() == Some(&id))
                .count();
            assert_eq!(
                waiting,
                claims.len().saturating_sub(1),
                "{id}: objects that wait for it"
            );
        }
        store.check().unwrap();
    }
}

fn live(steps: Vec<Step>) {
    let mut world = World::new();
    for step in steps {
        match step {
            Step::Read(who, page) => world.read(who, &page),
            Step::Lose(who, object) => world.lose(who, object),
            Step::Take(who, most) => drop(world.take(who, most)),
            Step::Answer(who, arrival) => world.answer(who, arrival),
            Step::NextRun(who) => world.next_run(who),
            Step::Die(arrival) => world.die(arrival),
        }
    }
    world.check_the_end();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r37_every_id_ends_with_one_live_owner_or_is_removed(
        steps in prop::collection::vec(step(), 1..50)
    ) {
        live(steps);
    }
}
