//! Leases of connections in a database (R34). Only with `TEST_STATE=postgres`.

use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::store::sql::values;

/// Longest wait for something that the keeper does with its next looks.
const SOON: Duration = Duration::from_secs(12);

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < end, "{what} within {SOON:?}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// Returns two processes with one database.
fn two() -> Option<(Room, Store)> {
    if !engines::on_postgres() {
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let location = engines::location(&directory);
    let store = Store::open(&location, StoreAccess::ReadWrite).unwrap();
    let connection = store
        .register(derive_uuid("corp"), "corp", "", &AssetTarget::default(), NOW)
        .unwrap();
    let room = Room {
        directory,
        location,
        store,
        connection,
    };
    let other = room.open(StoreAccess::ReadWrite).unwrap();
    Some((room, other))
}

/// Lets the lease end, as time would.
fn expire(store: &Store) {
    store
        .write(crate::failpoint::Commit::SetNext, |sql| {
            sql.execute("UPDATE lease SET expires_at = clock_timestamp()", values![])
        })
        .unwrap();
}

#[test]
fn r34_one_holder_at_a_time_and_who_is_refused_learns_who_it_is() {
    let Some((room, other)) = two() else { return };
    let lock = room.store.lock(room.connection, "sync", "d1", NOW).unwrap();
    let refused = other.lock(room.connection, "sync", "d2", NOW).unwrap_err();
    let told = refused.to_string();
    assert_eq!(refused.exit_code(), 4);
    for part in ["instance one", "sync", "d1", "d2"] {
        assert!(told.contains(part), "{told}");
    }
    // Nor twice in one process.
    assert!(room.store.lock(room.connection, "sync", "d1", NOW).is_err());
    drop(lock);
    other.lock(room.connection, "sync", "d2", NOW).unwrap();
}

#[test]
fn r34_every_transaction_of_a_run_proves_the_lease_and_the_epoch_only_grows() {
    let Some((room, other)) = two() else { return };
    let lock = room.store.lock(room.connection, "sync", "", NOW).unwrap();
    room.store.schedule(room.connection, NOW).unwrap();
    let run = room
        .store
        .begin_run(room.connection, RunMode::Delta, "", &RunBasis::default(), NOW)
        .unwrap();
    room.stage(run, &[user(1, "a"), user(2, "a")]);
    let out = room.store.next_batch(run, 0, 1, ANY, 0).unwrap();
    let right = room.store.sending_right(room.connection);
    expire(&room.store);
    let taken = other.lock(room.connection, "sync", "", NOW).unwrap();
    assert!(other.sending_right(room.connection) > right);
    let lost = |what: &str, result: Result<(), StoreError>| {
        assert!(matches!(result, Err(StoreError::LeaseLost)), "{what}: {result:?}");
    };
    lost(
        "stage",
        room.store.stage_page(run, &[user(3, "a")], false, NOW).map(drop),
    );
    lost(
        "settle",
        room.store
            .settle(run, &out, &answered(&seqs(&out), &[], &[]), NOW)
            .map(drop),
    );
    lost("hand out", room.store.next_batch(run, 0, 1, ANY, 0).map(drop));
    lost("end", room.store.end_run(run, &RunEnd::default(), NOW));
    lost("schedule", room.store.set_next(room.connection, None, None));
    assert_eq!(room.store.sending_right(room.connection), None);
    // The other goes on with all of it: what was in flight, and what was not.
    let next = other
        .begin_run(room.connection, RunMode::Delta, "", &RunBasis::default(), NOW)
        .unwrap();
    assert_eq!(other.next_batch(next, 0, 9, ANY, 0).unwrap().len(), 2);
    drop((lock, taken));
}

#[test]
fn r34_what_was_sent_late_is_sent_once_more() {
    let Some((room, other)) = two() else { return };
    engines::hold(&room.store, room.connection);
    let run = room.run();
    room.stage(run, &[user(1, "a")]);
    let late = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
    engines::hold(&other, room.connection);
    let run = begin(&other, room.connection);
    other.stage_page(run, &[user(1, "b")], false, NOW).unwrap();
    let out = other.next_batch(run, 0, 9, ANY, 0).unwrap();
    other
        .settle(run, &out, &answered(&seqs(&out), &[], &[]), NOW)
        .unwrap();
    other.end_run(run, &RunEnd::default(), NOW).unwrap();
    // The first wakes up: its request may have arrived after that of the other.
    room.store.note_late_send(room.connection, &late).unwrap();
    let run = begin(&other, room.connection);
    let again = other.next_batch(run, 0, 9, ANY, 0).unwrap();
    assert_eq!(assets(&again), [asset("b")]);
    other
        .settle(run, &again, &answered(&seqs(&again), &[], &[]), NOW)
        .unwrap();
    other.end_run(run, &RunEnd::default(), NOW).unwrap();
    let run = begin(&other, room.connection);
    assert!(other.next_batch(run, 0, 9, ANY, 0).unwrap().is_empty(), "once");
}

#[test]
fn r34_removals_that_were_sent_late_are_sent_once_more_and_count_for_no_threshold() {
    let Some((room, other)) = two() else { return };
    engines::hold(&room.store, room.connection);
    let marked = |_: Kind, text: &str| Some(text.replace("}}", r#","gone":true}}"#));
    let limit = |max_count| {
        RemovalDecision::Threshold(RemovalLimits {
            max_count,
            max_percent: 100,
            empty: Vec::new(),
        })
    };
    let find_gone = |store: &Store, run: RunId, numbers: &[u8]| {
        let watermark = Watermark {
            controller: guid(200),
            scope: [1; 32],
            usn: 7,
            read_at: NOW,
        };
        let end = ReadEnd {
            missed: numbers.iter().copied().map(guid).collect(),
            ..end_at(watermark)
        };
        store.complete_read(run, &[], false, &end, NOW).unwrap();
        let verdict = || LookupVerdict::Gone("deleted".to_owned());
        let verdicts: Vec<_> = end.missed.iter().map(|guid| (*guid, verdict())).collect();
        store.note_verdicts(run, &verdicts, NOW).unwrap();
    };
    let deliver = |store: &Store, run: RunId| {
        let out = store.next_batch(run, 0, 9, ANY, 0).unwrap();
        let all = answered(&seqs(&out), &[], &[]);
        store.settle(run, &out, &all, NOW).unwrap();
        out
    };
    let run = room.run();
    room.stage(run, &[user(1, "a"), user(2, "b"), user(3, "c")]);
    deliver(&room.store, run);
    find_gone(&room.store, run, &[1, 2]);
    let concluded = room.store.conclude_removals(run, &limit(9), marked, NOW).unwrap();
    assert_eq!(concluded.staged, 2, "{concluded:?}");
    let late = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
    assert_eq!(late.len(), 2);
    engines::hold(&other, room.connection);
    let run = begin(&other, room.connection);
    assert_eq!(deliver(&other, run).len(), 2);
    other.end_run(run, &RunEnd::default(), NOW).unwrap();
    // The first wakes up; and now a third object is gone, which is more than may go unasked.
    room.store.note_late_send(room.connection, &late).unwrap();
    let run = begin(&other, room.connection);
    find_gone(&other, run, &[3]);
    let concluded = other.conclude_removals(run, &limit(0), marked, NOW).unwrap();
    let excess: Vec<u64> = concluded.excess.iter().map(|excess| excess.gone).collect();
    assert_eq!((excess, concluded.staged), (vec![1], 2), "{concluded:?}");
    let list = other.held_list(room.connection).unwrap();
    assert_eq!(assets(&deliver(&other, run)), assets(&late));
    other.end_run(run, &RunEnd::default(), NOW).unwrap();
    // What is held is the third one alone, and nothing is sent once more again.
    let run = begin(&other, room.connection);
    find_gone(&other, run, &[3]);
    let concluded = other.conclude_removals(run, &limit(0), marked, NOW).unwrap();
    assert_eq!(concluded.staged, 0);
    assert_eq!(other.held_list(room.connection).unwrap(), list);
    let approved = RemovalDecision::Approved(list.unwrap());
    let concluded = other.conclude_removals(run, &approved, marked, NOW).unwrap();
    assert_eq!((concluded.refused, concluded.staged), (false, 1));
}

/// Registers four connections.
fn four(store: &Store) -> Vec<(ConnectionId, String)> {
    let register = |name: String| store.register(derive_uuid(&name), &name, "", &target(""), NOW);
    let named = (0..4).map(|number| register(format!("c{number}")).unwrap());
    named.map(|id| (id, "same".to_owned())).collect()
}

/// Counts the connections that an instance holds.
fn count_held(store: &Store, connections: &[(ConnectionId, String)]) -> usize {
    let held = |(id, _): &&(ConnectionId, String)| store.sending_right(*id).is_some();
    connections.iter().filter(held).count()
}

#[test]
fn r34_instances_that_start_together_share_from_the_start() {
    let Some((room, other)) = two() else { return };
    let connections = four(&room.store);
    room.store.join(connections.clone());
    other.join(connections.clone());
    eventually("two hold half each", || {
        [&room.store, &other].map(|store| count_held(store, &connections)) == [2, 2]
    });
    let epoch: Option<i64> = room
        .store
        .read(|sql| sql.first("SELECT max(epoch) FROM lease", values![], |row| row.get(0)))
        .unwrap();
    assert_eq!(epoch, Some(1), "no lease had two holders");
}

#[test]
fn r34_instances_share_the_connections_and_take_over_what_is_free() {
    let Some((room, other)) = two() else { return };
    let connections = four(&room.store);
    let held = |store: &Store| count_held(store, &connections);
    room.store.join(connections.clone());
    eventually("the only one holds all", || held(&room.store) == 4);
    other.join(connections.clone());
    eventually("two hold half each", || {
        held(&room.store) == 2 && held(&other) == 2
    });
    let names: Vec<usize> = room
        .store
        .instances()
        .unwrap()
        .iter()
        .map(|instance| instance.connections.len())
        .collect();
    assert_eq!(names, [2, 2]);
    room.store.leave();
    eventually("the one that is left holds all", || held(&other) == 4);
    assert_eq!(other.takeovers(connections[0].0), Some(0), "nobody died");
}

#[test]
fn r34_settings_that_differ_do_not_take_turns() {
    let Some((room, other)) = two() else { return };
    room.store.join(vec![(room.connection, "one".to_owned())]);
    eventually("it is held", || {
        room.store.sending_right(room.connection).is_some()
    });
    other.join(vec![(room.connection, "two".to_owned())]);
    thread::sleep(Duration::from_secs(1));
    // The holder lives, and only its lease ended.
    expire(&room.store);
    eventually("it is held again", || {
        room.store.sending_right(room.connection).is_some()
    });
    assert_eq!(other.sending_right(room.connection), None);
    room.store.leave();
    eventually("nobody has the other settings", || {
        other.sending_right(room.connection).is_some()
    });
}
