//! The marker beside the file: an older copy of a state is noticed.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::failpoint::Commit;
use crate::identity::GuidSet;

fn marker(room: &Room) -> PathBuf {
    room.directory.path().join("state.db.marker")
}

/// Returns the identity and number of the marker.
fn written(room: &Room) -> (String, i64) {
    let text = fs::read_to_string(marker(room)).unwrap();
    let (identity, number) = text.strip_suffix('\n').unwrap().split_once(' ').unwrap();
    (identity.to_owned(), number.parse().unwrap())
}

fn last(store: &Store) -> i64 {
    store
        .read(|sql| sql.value("SELECT last FROM sequence", &[]))
        .unwrap()
}

/// Stages this version of object 1 and has it accepted.
fn send(room: &Room, version: &str) -> Vec<HandedOutVersion> {
    let run = room.run();
    room.stage(run, &[user(1, version)]);
    let sent = room.drain(run);
    room.end(run);
    sent
}

/// Puts a copy of the file from before `later` in its place.
fn restored_from_before(room: Room, later: impl FnOnce(&Room)) -> Room {
    let copy = room.directory.path().join("copy.db");
    let into = format!("VACUUM INTO '{}'", copy.display());
    room.store.sqlite().execute_batch(&into).unwrap();
    later(&room);
    let Room { directory, store, .. } = room;
    drop(store);
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(directory.path().join(format!("state.db{end}")));
    }
    fs::rename(copy, directory.path().join("state.db")).unwrap();
    Room::within(directory)
}

fn restored_at(store: &Store) -> Option<i64> {
    store.connection("corp").unwrap().unwrap().restored_at
}

/// Returns the end of a full read that met object 1.
fn full_read() -> ReadEnd {
    let mut met = GuidSet::default();
    met.insert(guid(1));
    met.sort();
    let watermark = Watermark {
        controller: guid(200),
        scope: [1; 32],
        usn: 9,
        read_at: NOW,
    };
    ReadEnd {
        met: Some(met),
        ..end_at(watermark)
    }
}

#[test]
fn the_marker_has_identity_and_number_and_is_for_the_owner_alone() {
    let room = Room::new();
    assert!(!marker(&room).exists(), "nothing was sent yet");
    send(&room, "a");
    let (identity, number) = written(&room);
    assert_eq!((identity.len(), number), (32, last(&room.store)));
    let mode = fs::metadata(marker(&room)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let files = fs::read_dir(room.directory.path()).unwrap().count();
    assert_eq!(files, 4, "state.db, -wal, -shm and the marker");
    assert_ne!(written(&room).0, {
        let other = Room::new();
        send(&other, "a");
        written(&other).0
    });
}

#[test]
fn the_marker_is_written_once_a_second_and_at_the_end_of_a_run() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a")]);
    assert!(!marker(&room).exists());
    let first = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
    let (_, number) = written(&room);
    assert_eq!(number, last(&room.store));
    room.stage(run, &[user(2, "a")]);
    room.store.next_batch(run, first[0].seq, 9, ANY, 0).unwrap();
    assert_eq!(written(&room).1, number, "within the second");
    std::thread::sleep(std::time::Duration::from_millis(1_050));
    room.store
        .settle(run, &first, &answered(&seqs(&first), &[], &[]), NOW)
        .unwrap();
    let number = written(&room).1;
    assert_eq!(number, last(&room.store));
    room.stage(run, &[user(3, "a")]);
    room.end(run);
    assert!(written(&room).1 > number);
    assert_eq!(written(&room).1, last(&room.store));
}

#[test]
fn r17_a_copy_older_than_what_it_sent_is_noticed_until_everything_was_sent_again() {
    let room = Room::new();
    send(&room, "a");
    let mut sent_since = Vec::new();
    let room = restored_from_before(room, |room| {
        sent_since = send(room, "b");
        sent_since.extend(send(room, "c"));
    });
    let noticed = restored_at(&room.store);
    assert!(noticed.is_some());
    assert_eq!(last(&room.store), written(&room).1, "no number is used twice");

    // Upstream holds `c`, and the copy says `a`. A full read alone sends nothing.
    let complete = |resend| {
        let run = room.run();
        room.store
            .complete_read(run, &[user(1, "a")], resend, &full_read(), NOW)
            .unwrap();
        let sent = room.drain(run);
        room.end(run);
        sent
    };
    assert_eq!(complete(false), []);
    assert_eq!(restored_at(&room.store), noticed);
    let run = room.run();
    room.store
        .complete_read(
            run,
            &[],
            true,
            &ReadEnd {
                met: None,
                ..full_read()
            },
            NOW,
        )
        .unwrap();
    room.end(run);
    assert_eq!(restored_at(&room.store), noticed, "a delta is no full read");
    let sent = complete(true);
    assert_eq!(assets(&sent), [asset("a")]);
    let newest = sent_since.iter().map(|item| item.seq).max().unwrap();
    assert!(sent[0].seq > newest, "{} after {newest}", sent[0].seq);
    assert_eq!(restored_at(&room.store), None);

    let room = Room::within(room.directory);
    assert_eq!(restored_at(&room.store), None, "nor at the next start");
}

#[test]
fn the_notice_ends_for_each_connection_by_itself() {
    let room = Room::new();
    let other = room
        .store
        .register(derive_uuid("other"), "other", "", &AssetTarget::default(), NOW)
        .unwrap();
    send(&room, "a");
    let room = restored_from_before(room, |room| {
        send(room, "b");
    });
    let run = begin(&room.store, other);
    let end = full_read();
    room.store.complete_read(run, &[], true, &end, NOW).unwrap();
    let rows = room.store.connections().unwrap();
    let restored: Vec<_> = rows
        .iter()
        .map(|row| (row.name.as_str(), row.restored_at.is_some()))
        .collect();
    assert_eq!(restored, [("corp", true), ("other", false)]);
}

#[test]
fn looking_and_dry_runs_neither_write_the_marker_nor_mind_it() {
    let room = Room::new();
    send(&room, "a");
    let (identity, number) = written(&room);
    fs::write(marker(&room), format!("{identity} {}\n", number + 5)).unwrap();
    for access in [StoreAccess::ReadOnly, StoreAccess::Scratch] {
        let store = Store::open(&room.path(), access).unwrap();
        assert_eq!(restored_at(&store), None, "{access:?}");
        assert_eq!(last(&store), number, "{access:?}");
    }
    let dry = Room {
        store: room.open(StoreAccess::Scratch).unwrap(),
        ..room
    };
    send(&dry, "b");
    assert_eq!(written(&dry), (identity, number + 5));
    let store = Store::open(&dry.path(), StoreAccess::ReadWrite).unwrap();
    assert!(restored_at(&store).is_some());
    assert_eq!(last(&store), number + 5);
}

#[test]
fn a_marker_of_another_state_and_one_that_cannot_be_read_are_replaced() {
    let strange = [
        format!("{} 999999\n", "0".repeat(32)),
        "not a marker".to_owned(),
        String::new(),
        "x".repeat(5_000),
    ];
    for text in strange {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("state.db.marker"), &text).unwrap();
        let room = Room::within(directory);
        assert_eq!(restored_at(&room.store), None, "{text}");
        send(&room, "a");
        assert_eq!(written(&room).1, last(&room.store), "{text}");
    }
}

/// Text of a log, which grows.
#[derive(Clone, Default)]
struct Log(std::sync::Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_marker_that_cannot_be_written_is_a_warning_once() {
    let room = Room::new();
    // A file cannot replace a folder, whoever the user is.
    fs::create_dir(marker(&room)).unwrap();
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        send(&room, "a");
        send(&room, "b");
    });
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.matches("cannot be written").count(), 1, "{log}");
    assert!(log.contains("WARN") && log.contains("state.db.marker"), "{log}");
    let left = fs::read_dir(room.directory.path()).unwrap().count();
    assert_eq!(left, 4, "nothing else is left");
}

#[test]
fn another_process_that_goes_on_meanwhile_makes_no_older_copy() {
    let room = Room::new();
    send(&room, "a");
    let beside = room.open(StoreAccess::ReadWrite).unwrap();
    send(&room, "b");
    let third = room.open(StoreAccess::ReadWrite).unwrap();
    for store in [&beside, &third] {
        store.write(Commit::EndRun, |_| Ok(())).unwrap();
        assert_eq!(restored_at(store), None);
        assert_eq!(written(&room).1, last(store));
    }
}
