//! First reads of several connections into one fresh file, in any order of their transactions, with
//! kills (R30).

use std::collections::BTreeSet;

use super::*;
use crate::identity::GuidSet;

const CONNECTIONS: usize = 4;
const PAGES: u8 = 4;
const OBJECTS: u8 = 3;

/// Numbers that look random: a linear congruential generator (Knuth, MMIX).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// Process that makes the first read of one connection.
struct Process {
    store: Store,
    connection: ConnectionId,
    run: RunId,
    next_page: u8,
    out: Vec<HandedOutVersion>,
    ended: bool,
}

impl Process {
    fn start(location: &StateLocation, number: usize) -> Self {
        let store = Store::open(location, StoreAccess::ReadWrite).unwrap();
        // Half of them share a target.
        let target = target(&(number / 2).to_string());
        let connection = store
            .register(
                derive_uuid(&format!("c{number}")),
                &format!("c{number}"),
                "",
                &target,
                NOW,
            )
            .unwrap();
        let run = begin(&store, connection);
        let plan = RunPlan {
            mode: RunMode::Baseline,
            reason: String::new(),
            controller: Some(guid(200)),
            read_from: RunController::default(),
            watermark_before: None,
        };
        store.plan_run(run, &plan).unwrap();
        Self {
            store,
            connection,
            run,
            next_page: 0,
            out: Vec::new(),
            ended: false,
        }
    }

    fn step(&mut self, number: usize) {
        let Self { store, run, .. } = self;
        if !self.out.is_empty() {
            let all = answered(&seqs(&self.out), &[], &[]);
            store
                .settle(*run, &std::mem::take(&mut self.out), &all, NOW)
                .unwrap();
        } else if self.next_page < PAGES {
            store
                .stage_page(*run, &page(number, self.next_page), false, NOW)
                .unwrap();
            self.next_page += 1;
            self.out = store.next_batch(*run, 0, 2, ANY, 0).unwrap();
        } else {
            let mut end = end_at(Watermark {
                controller: guid(200),
                scope: [1; 32],
                usn: 9,
                read_at: NOW,
            });
            let mut met = GuidSet::default();
            (0..PAGES)
                .flat_map(|page_number| page(number, page_number))
                .for_each(|one| met.insert(one.guid));
            met.sort();
            end.met = Some(met);
            store.complete_read(*run, &[], false, &end, NOW).unwrap();
            loop {
                let batch = store.next_batch(*run, 0, 9, ANY, 0).unwrap();
                if batch.is_empty() {
                    break;
                }
                store
                    .settle(*run, &batch, &answered(&seqs(&batch), &[], &[]), NOW)
                    .unwrap();
            }
            store.end_run(*run, &RunEnd::default(), NOW).unwrap();
            self.ended = true;
        }
    }
}

fn page(number: usize, page: u8) -> Vec<ObjectReading> {
    let first = u8::try_from(number).unwrap() * PAGES * OBJECTS + page * OBJECTS;
    (first..first + OBJECTS).map(|object| user(object, "a")).collect()
}

fn interleave(seed: u64) {
    let memory = Path::new("/dev/shm");
    let directory = match memory.is_dir() {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    };
    let location = engines::location(&directory);
    let mut random = Random(seed);
    let mut processes: Vec<Option<Process>> = (0..CONNECTIONS).map(|_| None).collect();
    let mut kills = 3;
    while processes
        .iter()
        .any(|process| process.as_ref().is_none_or(|process| !process.ended))
    {
        let number = random.below(CONNECTIONS);
        let process = &mut processes[number];
        match process {
            Some(process) if process.ended => {}
            Some(_) if kills > 0 && random.below(8) == 0 => {
                *process = None;
                kills -= 1;
            }
            Some(process) => process.step(number),
            None => *process = Some(Process::start(&location, number)),
        }
    }
    for (number, process) in processes.into_iter().flatten().enumerate() {
        let held: BTreeSet<Guid> = process
            .store
            .objects(process.connection, None, None, 99)
            .unwrap()
            .into_iter()
            .map(|object| object.guid)
            .collect();
        let read: BTreeSet<Guid> = (0..PAGES)
            .flat_map(|at| page(number, at))
            .map(|one| one.guid)
            .collect();
        assert_eq!(held, read, "seed {seed}, connection {number}");
        assert_eq!(process.store.watermarks(process.connection).unwrap().len(), 1);
        process.store.check().unwrap();
        if engines::on_postgres() {
            continue;
        }
        let integrity: String = process
            .store
            .sqlite()
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(integrity, "ok", "seed {seed}");
    }
}

#[test]
fn r30_first_reads_at_once_lose_nothing_in_any_order_and_with_kills() {
    // INTERLEAVINGS=500 for more.
    let count = std::env::var("INTERLEAVINGS")
        .ok()
        .and_then(|count| count.parse().ok());
    for seed in 0..count.unwrap_or(60) {
        interleave(seed);
    }
}
