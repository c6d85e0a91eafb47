//! Configuration of a run: nothing is sent with a configuration that was changed (R35), and nothing
//! that was staged with another mapping before it was read again.

use super::stored::{content, keys, make, row_of};
use super::*;

/// A stored connection with a run that has staged three objects.
fn running(room: &Room) -> (StoredConnection, RunId) {
    let made = make(&room.store, 1, "a", &keys());
    let row = row_of(&room.store, &made);
    let run = begin_with(&room.store, row, &of(1));
    let page = [user(1, "a"), user(2, "b"), user(3, "c")];
    room.store.stage_page(run, &page, false, NOW).unwrap();
    (made, run)
}

fn of(revision: i64) -> RunBasis {
    RunBasis {
        revision: Some(revision),
        digest: [1; 32],
    }
}

fn is_refused<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    match result {
        Err(error @ StoreError::ConnectionChanged) => {
            assert_eq!(error.exit_code(), 4);
            assert!(error.advice().contains("next run"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn r35_a_run_hands_out_nothing_once_its_connection_was_changed_disabled_or_deleted() {
    type Change = fn(&Store, &StoredConnection) -> Result<(), StoreError>;
    let changes: [Change; 3] = [
        |store, made| {
            let none = SecretChanges::new();
            store
                .replace_connection(made.uuid, 1, &content("a"), &none, None, NOW)
                .map(drop)
        },
        |store, made| {
            store
                .set_connection_disabled(made.uuid, true, Some(1), NOW)
                .map(drop)
        },
        |store, made| store.delete_connection(made.uuid, 1, NOW),
    ];
    for change in changes {
        let room = Room::new();
        let (made, run) = running(&room);
        let out = room.store.next_batch(run, 0, 1, ANY, 0).unwrap();
        assert_eq!(out.len(), 1);
        // Another instance stores the change.
        let other = room.open(StoreAccess::ReadWrite).unwrap();
        change(&other, &made).unwrap();
        is_refused(room.store.next_batch(run, 0, 1, ANY, 0));
        is_refused(room.store.stage_page(run, &[user(4, "d")], false, NOW));
        // The answer to what was out is stored, also with a batch that is refused.
        let settled = (out.clone(), answered(&seqs(&out), &[], &[]));
        let limits = BatchLimits {
            after: 0,
            assets: 1,
            bytes: ANY,
            item_overhead: 0,
        };
        is_refused(room.store.turn(run, &[settled], Some(limits), NOW));
        room.store
            .settle(run, &out, &answered(&seqs(&out), &[], &[]), NOW)
            .unwrap();
        room.store.end_run(run, &RunEnd::default(), NOW).unwrap();
        let row = room.store.connection("a").unwrap().unwrap();
        let waiting: u64 = room.store.pending(row.id).unwrap().counts.values().sum();
        assert_eq!(waiting, 2, "what was staged is kept");
        if row.state != State::Scheduled {
            room.store.schedule(row.id, NOW).unwrap();
        }
        // Nor does a run begin with what was.
        is_refused(room.store.begin_run(row.id, RunMode::Delta, "", &of(1), NOW));
    }
}

#[test]
fn r35_a_run_of_a_file_has_no_revision_and_one_of_a_stored_connection_needs_it() {
    let room = Room::new();
    let made = make(&room.store, 1, "a", &keys());
    let row = row_of(&room.store, &made);
    room.store.schedule(row, NOW).unwrap();
    let begin = |connection, revision| {
        let basis = RunBasis {
            revision,
            digest: [1; 32],
        };
        room.store.begin_run(connection, RunMode::Delta, "", &basis, NOW)
    };
    is_refused(begin(row, None));
    is_refused(begin(row, Some(2)));
    begin(row, Some(1)).unwrap();
    room.store.schedule(room.connection, NOW).unwrap();
    is_refused(begin(room.connection, Some(1)));
    begin(room.connection, None).unwrap();
}

#[test]
fn what_was_staged_with_another_mapping_is_read_again_before_it_is_sent() {
    let room = Room::new();
    let with = |digest: u8| RunBasis {
        revision: None,
        digest: [digest; 32],
    };
    let begin = |digest| begin_with(&room.store, room.connection, &with(digest));
    let run = begin(1);
    room.stage(run, &[user(1, "a"), user(2, "b"), user(3, "c")]);
    // Upstream accepts the first, and the second may have arrived.
    let first = room.store.next_batch(run, 0, 1, ANY, 0).unwrap();
    room.store
        .settle(run, &first, &answered(&seqs(&first), &[], &[]), NOW)
        .unwrap();
    let second = room.store.next_batch(run, 0, 1, ANY, 0).unwrap();
    assert_eq!(second[0].guid, guid(2));
    let unanswered = answered(&[], &[], &seqs(&second));
    room.store.settle(run, &second, &unanswered, NOW).unwrap();
    let mark = Watermark {
        controller: guid(9),
        scope: [1; 32],
        usn: 7,
        read_at: NOW,
    };
    room.store
        .complete_read(run, &[], false, &end_at(mark), NOW)
        .unwrap();
    room.end(run);
    // The same mapping: what waits is sent.
    let run = begin(1);
    assert_eq!(room.waiting(), 2);
    room.end(run);
    // Another one: nothing is sent, and no delta goes on from the watermark.
    let run = begin(2);
    assert_eq!(room.waiting(), 0);
    assert_eq!(room.store.next_batch(run, 0, 9, ANY, 0).unwrap(), []);
    let marks = room.store.watermarks(room.connection).unwrap();
    assert_eq!(marks.len(), 1);
    assert_eq!(marks[0].scope, [0; 32], "a scope that nobody has");
    // The full read stages what upstream does not hold for certain.
    room.stage(run, &[user(1, "a"), user(2, "b"), user(3, "new")]);
    let sent = room.drain(run);
    assert_eq!(assets(&sent), [asset("b"), asset("new")]);
    room.end(run);
}

#[test]
fn removals_stay_when_the_mapping_changes_and_what_was_to_be_sent_once_more_is() {
    let room = Room::new();
    let with = |digest: u8| RunBasis {
        revision: None,
        digest: [digest; 32],
    };
    let begin = |digest| begin_with(&room.store, room.connection, &with(digest));
    let run = begin(1);
    room.stage(run, &[user(1, "a"), user(2, "b")]);
    room.drain(run);
    // Sent once more, although upstream holds it (`--resend`).
    room.store.stage_page(run, &[user(2, "b")], true, NOW).unwrap();
    // The object 1 is gone, and its removal waits: a version without an object.
    room.store
        .write(Commit::Conclude, |sql| {
            for statement in [
                "INSERT INTO removed (connection, asset, guid, kind, dn, reason, removed_at, run)
                 SELECT connection, asset, guid, kind, dn, 'gone', 1, 1 FROM object WHERE kind = 'user' AND id =
                     (SELECT min(id) FROM object)",
                "INSERT INTO document (seq, json) VALUES (900, 'gone')",
                "INSERT INTO stage (connection, seq, asset, kind, fingerprint, staged_at)
                 SELECT connection, 900, asset, kind, (SELECT fingerprint FROM asset WHERE id = removed.asset), 1
                 FROM removed",
                "UPDATE asset SET owner = NULL WHERE id = (SELECT asset FROM removed)",
                "DELETE FROM object WHERE id = (SELECT min(id) FROM object)",
                "UPDATE sequence SET last = 900",
            ] {
                sql.execute(statement, &[])?;
            }
            Ok(())
        })
        .unwrap();
    room.end(run);
    let run = begin(2);
    let waiting = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
    assert_eq!(assets(&waiting), ["gone"]);
    room.store
        .settle(run, &waiting, &answered(&seqs(&waiting), &[], &[]), NOW)
        .unwrap();
    // Mapped to the same, it is sent all the same: it was to be sent once more.
    room.stage(run, &[user(2, "b")]);
    assert_eq!(assets(&room.drain(run)), [asset("b")]);
    room.end(run);
}
