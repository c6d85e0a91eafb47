//! Assets that a run leaves to the next one because of another connection (R18, R37).

use super::*;

/// A second connection with the target of the first one, and a run of each.
fn two() -> (Room, ConnectionId, [RunId; 2]) {
    let room = Room::new();
    let other = room
        .store
        .register(derive_uuid("branch"), "branch", "", &AssetTarget::default(), NOW)
        .unwrap();
    let runs = [room.run(), begin(&room.store, other)];
    (room, other, runs)
}

fn take(room: &Room, run: RunId) -> Vec<HandedOutVersion> {
    room.store.next_batch(run, 0, 9, ANY, 0).unwrap()
}

fn settle(room: &Room, run: RunId, batch: &[HandedOutVersion]) {
    room.store
        .settle(run, batch, &answered(&seqs(batch), &[], &[]), NOW)
        .unwrap();
}

/// The object of the first connection gets another id while its version with the former one is in
/// flight; the object of the second connection waits for that.
fn passed_on_in_flight(room: &Room, runs: [RunId; 2]) -> Vec<HandedOutVersion> {
    room.stage(runs[0], &[user(1, "a")]);
    let out = take(room, runs[0]);
    let contender = ObjectReading {
        guid: guid(2),
        ..user(1, "b")
    };
    room.stage(runs[1], &[contender]);
    let renamed = ObjectReading {
        guid: guid(1),
        ..user(3, "c")
    };
    room.stage(runs[0], &[renamed]);
    out
}

fn rejected(room: &Room, run: RunId) -> Vec<(Option<Guid>, String)> {
    let objects = room.store.run_objects(run, None, 9).unwrap();
    let counted = room.store.run(run).unwrap().counts.total().rejected;
    assert_eq!(counted, objects.len() as u64);
    objects.into_iter().map(|one| (one.guid, one.reason)).collect()
}

#[test]
fn r18_what_another_run_has_in_flight_is_known_until_it_is_answered() {
    let (room, _, runs) = two();
    let out = passed_on_in_flight(&room, runs);
    let left = [];
    assert_eq!(
        room.store.unsent(runs[1]).unwrap(),
        left,
        "it is read again first"
    );
    // It is read again, by the next run.
    room.end(runs[1]);
    let other = room.store.connection("branch").unwrap().unwrap().id;
    let run = begin(&room.store, other);
    let again = ObjectReading {
        guid: guid(2),
        ..user(1, "b")
    };
    room.stage(run, &[again]);
    assert_eq!(take(&room, run), []);
    let holder = UnsentAssets {
        in_flight: Some(room.connection),
        holder: "corp".to_owned(),
        assets: 1,
    };
    assert_eq!(room.store.unsent(run).unwrap(), [holder]);
    let recorded = room.store.record_unsent(run).unwrap();
    assert_eq!(recorded.len(), 1);
    let [(guid_of, reason)] = rejected(&room, run).try_into().unwrap();
    assert_eq!(guid_of, Some(guid(2)));
    for part in ["S-1-5-21-1", "connection corp", "CN=User 1,"] {
        assert!(reason.contains(part), "{reason}");
    }

    settle(&room, runs[0], &out);
    let ready = UnsentAssets {
        in_flight: None,
        holder: String::new(),
        assets: 1,
    };
    assert_eq!(room.store.unsent(run).unwrap(), [ready]);
    settle(&room, run, &take(&room, run));
    assert_eq!(room.store.unsent(run).unwrap(), []);
}

#[test]
fn r18_the_run_of_a_dead_process_has_nothing_in_flight_once_it_is_closed() {
    let (room, _, runs) = two();
    passed_on_in_flight(&room, runs);
    room.end(runs[1]);
    let other = room.store.connection("branch").unwrap().unwrap().id;
    let run = begin(&room.store, other);
    let again = ObjectReading {
        guid: guid(2),
        ..user(1, "b")
    };
    room.stage(run, &[again]);
    assert_eq!(take(&room, run), []);
    room.store.recover(room.connection, NOW).unwrap();
    assert_eq!(room.store.unsent(run).unwrap()[0].in_flight, None);
    assert_eq!(assets(&take(&room, run)), [asset("b")]);
}

#[test]
fn r37_what_becomes_an_object_s_in_a_run_that_does_not_read_it_again_is_recorded() {
    let (room, other, runs) = two();
    let out = passed_on_in_flight(&room, runs);
    settle(&room, runs[0], &out);
    let [(guid_of, reason)] = {
        assert_eq!(room.store.record_unsent(runs[1]).unwrap().len(), 1);
        rejected(&room, runs[1]).try_into().unwrap()
    };
    assert_eq!(guid_of, Some(guid(2)));
    assert!(
        reason.contains("S-1-5-21-1") && reason.contains("has to wait until"),
        "{reason}"
    );
    // Once a run.
    assert_eq!(room.store.record_unsent(runs[1]).unwrap(), []);
    room.end(runs[1]);
    let run = begin(&room.store, other);
    let again = room.store.unmapped_before(other, Kind::User, run).unwrap();
    assert_eq!(again, [guid(2)]);
    assert_eq!(
        room.store.record_unsent(run).unwrap(),
        [],
        "it was not this run's"
    );
}

#[test]
fn what_the_gateway_rejected_in_the_run_is_not_recorded_again() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a"), user(2, "a")]);
    let batch = take(&room, run);
    let no = [(batch[0].seq, "no".to_owned())];
    room.store
        .settle(run, &batch, &answered(&[batch[1].seq], &no, &[]), NOW)
        .unwrap();
    assert_eq!(room.store.unsent(run).unwrap(), []);
    assert_eq!(room.store.record_unsent(run).unwrap(), []);
}
