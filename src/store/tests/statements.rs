//! Numbers of statements: on PostgreSQL each is a round trip, so none of what works on a page or a
//! batch runs more of them for more objects.

use super::*;
use crate::identity::GuidSet;
use crate::store::statement_count;

const CONTROLLER: u8 = 200;

fn numbered(number: usize) -> Guid {
    Guid::from((number as u128 + 1).to_be_bytes())
}

fn page(count: usize, version: &str) -> Vec<ObjectReading> {
    let person = |number: usize| ObjectReading {
        guid: numbered(number),
        asset: Ok(StagedAsset {
            external_id: format!("S-1-5-21-{number}"),
            json: asset(version),
        }),
        ..user(1, version)
    };
    (0..count).map(person).collect()
}

fn containers(count: usize) -> Vec<Container> {
    let unit = |number: usize| Container {
        guid: numbered(1_000_000 + number),
        dn: format!("OU=Unit {number},DC=corp,DC=example"),
    };
    (0..count).map(unit).collect()
}

/// Returns what each part of the life of so many objects runs.
fn life(count: usize) -> BTreeMap<&'static str, usize> {
    let (room, mut counted) = (Room::new(), BTreeMap::new());
    let (store, connection, run) = (&room.store, room.connection, room.run());
    let mut count_of = |what, work: &mut dyn FnMut()| {
        let before = counted.insert(what, statement_count::of(work));
        assert!(before.is_none(), "{what} is counted once");
    };
    let guids: Vec<Guid> = (0..count).map(numbered).collect();
    let batch = || store.next_batch(run, 0, count, ANY, 0).unwrap();
    let settle = |items: &[HandedOutVersion], answer: &SettledBatch| {
        store.settle(run, items, answer, NOW).unwrap();
    };
    store.read_from(run, guid(CONTROLLER)).unwrap();

    let slice = |number| ReadSlice {
        usns: number * 10..=number * 10 + 9,
        found: SliceContent::default(),
    };
    let slices: Vec<ReadSlice> = (0..count as u64).map(slice).collect();
    let begun = UnfinishedRead {
        controller: guid(CONTROLLER),
        scope: [1; 32],
        highest: 7,
        begun_at: NOW,
        containers: containers(count),
        slices: Vec::new(),
    };
    count_of("a full read begins", &mut || {
        store.begin_full_read(run, &begun).unwrap()
    });
    count_of("new objects with their slices", &mut || {
        store
            .stage_slices(run, &page(count, "a"), false, &slices, NOW)
            .unwrap();
    });
    let unidentified: Vec<UnidentifiedEntry> = (0..count)
        .map(|number| UnidentifiedEntry {
            kind: Kind::User,
            dn: format!("CN=Unidentified {number}"),
            reason: "it shows no objectGUID".to_owned(),
        })
        .collect();
    count_of("entries without a GUID", &mut || {
        store.note_unidentified(run, &unidentified, NOW).unwrap()
    });

    let mut out = Vec::new();
    count_of("a batch", &mut || out = batch());
    assert_eq!(out.len(), count);
    let all = seqs(&out);
    count_of("an answer that accepts", &mut || {
        settle(&out, &answered(&all, &[], &[]))
    });
    room.stage(run, &page(count, "b"));
    let out = batch();
    let refused: Vec<(u64, String)> = seqs(&out)
        .into_iter()
        .map(|seq| (seq, "refused".to_owned()))
        .collect();
    count_of("an answer that rejects", &mut || {
        settle(&out, &answered(&[], &refused, &[]))
    });
    count_of("changed objects", &mut || {
        room.stage(run, &page(count, "c"));
    });
    let out = batch();
    let ended = SettledBatch {
        ended_run: true,
        ..answered(&[], &[], &[])
    };
    count_of("a run that ends without an answer", &mut || settle(&out, &ended));
    // What waits is what upstream holds again, once the fate of what is out is known.
    let out = batch();
    room.stage(run, &page(count, "a"));
    let absent = SettledBatch {
        requests: 0,
        ..answered(&[], &[], &[])
    };
    count_of("versions that upstream holds", &mut || settle(&out, &absent));

    let full = ReadEnd {
        met: Some(GuidSet::default()),
        containers: containers(count),
        ..end_at(Watermark {
            controller: guid(CONTROLLER),
            scope: [1; 32],
            usn: 7,
            read_at: NOW,
        })
    };
    count_of("a full read ends", &mut || {
        store.complete_read(run, &[], false, &full, NOW).unwrap();
    });
    let gone = containers(count).iter().map(|one| one.guid).collect();
    let delta = ReadEnd {
        met: None,
        missed: guids.clone(),
        containers: Vec::new(),
        containers_gone: gone,
        ..full
    };
    count_of("a delta ends", &mut || {
        store.complete_read(run, &[], false, &delta, NOW).unwrap();
    });
    assert_eq!(store.containers(connection, guid(CONTROLLER)).unwrap(), []);

    count_of("known objects", &mut || {
        let known = store.known_among(connection, &[Kind::User], &guids).unwrap();
        assert_eq!(known, guids);
    });
    count_of("candidates", &mut || {
        let every = CandidateSelection::Every;
        let found = store.candidates(connection, &[Kind::User], every, None, count);
        assert_eq!(found.unwrap().len(), count);
    });
    count_of("what an absence proves", &mut || {
        let lag = std::time::Duration::ZERO;
        let proven = store.proven_by_absence(connection, guid(CONTROLLER), &guids, lag, NOW);
        assert_eq!(proven.unwrap().len(), count);
    });
    let verdicts = |verdict: fn(String) -> LookupVerdict| -> Vec<(Guid, LookupVerdict)> {
        let of = |guid: &Guid| (*guid, verdict("a reason".to_owned()));
        guids.iter().map(of).collect()
    };
    let (missed, gone) = (verdicts(LookupVerdict::Missed), verdicts(LookupVerdict::Gone));
    count_of("verdicts", &mut || {
        store.note_verdicts(run, &missed, NOW).unwrap()
    });
    store.note_verdicts(run, &gone, NOW).unwrap();
    let limits = RemovalLimits {
        max_count: u64::MAX,
        max_percent: 100,
        empty: Vec::new(),
    };
    count_of("removals", &mut || {
        let decision = RemovalDecision::Threshold(limits.clone());
        let marked = |_, text: &str| Some(text.replace("}}", r#","gone":true}}"#));
        let concluded = store.conclude_removals(run, &decision, marked, NOW).unwrap();
        assert_eq!(concluded.staged, count as u64);
    });
    room.end(run);
    counted
}

#[test]
fn no_more_statements_run_for_more_objects() {
    let few = life(3);
    assert_eq!(few, life(300));
    assert!(few.values().all(|count| (1..60).contains(count)), "{few:?}");
}
