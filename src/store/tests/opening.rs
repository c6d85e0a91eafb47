//! The file itself: R28, R29, dry runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rusqlite::Connection as Sql;

use super::*;
use crate::store::open::{MIGRATIONS, opened_with};

/// Returns all migrations there are, and then `more`.
fn and_then(more: &[&'static str]) -> Vec<&'static str> {
    [MIGRATIONS, more].concat()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Every error says what to do, and ends with 69.
fn refusal(result: Result<Store, StoreError>) -> StoreError {
    let error = result.unwrap_err();
    assert_eq!(error.exit_code(), 69);
    assert!(error.advice().len() > 20, "{error}");
    error
}

#[test]
fn files_and_directories_are_made_for_the_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("var/lib/state.db");
    let store = Store::open(&path, StoreAccess::ReadWrite).unwrap();
    store
        .register(derive_uuid("corp"), "corp", "", &AssetTarget::default(), NOW)
        .unwrap();
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for file in ["state.db", "state.db-wal", "state.db-shm"] {
        assert_eq!(mode(&path.with_file_name(file)), 0o600, "{file}");
    }
}

#[test]
fn every_commit_waits_for_the_disk_and_the_log_is_bounded() {
    let room = Room::new();
    let number = |pragma| {
        room.store
            .sqlite()
            .pragma_query_value(None, pragma, |row| row.get(0))
            .unwrap()
    };
    let settings: Vec<i64> = ["synchronous", "foreign_keys", "wal_autocheckpoint", "cache_size"]
        .into_iter()
        .map(number)
        .collect();
    // 2 is FULL.
    assert_eq!(settings, [2, 1, 20_000, -24576]);
}

#[test]
fn looking_without_a_file_makes_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let error = refusal(Store::open(&path, StoreAccess::ReadOnly));
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");
    assert!(error.advice().contains("ad-connector sync"));
    assert!(!path.exists());
}

#[test]
fn r28_a_newer_file_is_refused_with_both_versions_and_left_alone() {
    let room = Room::new();
    let path = room.path();
    room.store
        .sqlite()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    for access in [
        StoreAccess::ReadWrite,
        StoreAccess::ReadOnly,
        StoreAccess::Scratch,
    ] {
        let error = refusal(Store::open(&path, access));
        assert!(
            matches!(
                error,
                StoreError::Newer {
                    found: 99,
                    known: SCHEMA_VERSION,
                    ..
                }
            ),
            "{error}"
        );
        assert!(error.to_string().contains("99") && error.to_string().contains(&SCHEMA_VERSION.to_string()));
    }
    room.store
        .register(
            derive_uuid("still there"),
            "still there",
            "",
            &AssetTarget::default(),
            NOW,
        )
        .unwrap();
}

#[test]
fn r28_an_older_file_is_migrated_with_what_it_holds() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a")]);
    let path = room.path();
    drop(room.store);
    let later = and_then(&["ALTER TABLE connection ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue'"]);
    for access in [StoreAccess::ReadOnly, StoreAccess::Scratch] {
        let error = opened_with(&path, access, &later).unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::Older { found, known, .. } if found == SCHEMA_VERSION && known == found + 1
            ),
            "{error}"
        );
    }
    let sql = opened_with(&path, StoreAccess::ReadWrite, &later).unwrap();
    let colour: String = sql
        .query_row("SELECT colour FROM connection", [], |row| row.get(0))
        .unwrap();
    let version: i32 = sql
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    let staged: String = sql
        .query_row(
            "SELECT json FROM stage JOIN document ON document.seq = stage.seq",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(
        (colour.as_str(), version, staged),
        ("blue", SCHEMA_VERSION + 1, asset("a"))
    );
    drop(sql);
    // And the program of before refuses it.
    assert!(matches!(
        refusal(Store::open(&path, StoreAccess::ReadWrite)),
        StoreError::Newer { found, known, .. } if known == SCHEMA_VERSION && found == known + 1
    ));
}

#[test]
fn r28_a_file_from_before_the_first_release_is_refused_with_what_to_do() {
    let room = Room::new();
    room.store
        .sqlite()
        .pragma_update(None, "user_version", 11)
        .unwrap();
    for access in [
        StoreAccess::ReadWrite,
        StoreAccess::ReadOnly,
        StoreAccess::Scratch,
    ] {
        let error = refusal(Store::open(&room.path(), access));
        assert!(matches!(error, StoreError::Former { found: 11, .. }), "{error}");
        assert!(error.advice().contains("state.db-wal"), "{}", error.advice());
    }
    assert_eq!(room.store.connections().unwrap().len(), 1, "it is left alone");
}

#[test]
fn r28_a_migration_that_fails_leaves_the_old_version() {
    let room = Room::new();
    let path = room.path();
    drop(room.store);
    let broken = and_then(&["DROP TABLE watermark", "INSERT INTO nowhere VALUES (1)"]);
    opened_with(&path, StoreAccess::ReadWrite, &broken).unwrap_err();
    let store = Store::open(&path, StoreAccess::ReadWrite).unwrap();
    assert_eq!(store.watermarks(room.connection).unwrap(), []);
}

#[test]
fn r29_a_file_that_is_no_database_is_damaged_and_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let text = "not a database at all, but long enough to look like one. ".repeat(40);
    fs::write(&path, &text).unwrap();
    for access in [
        StoreAccess::ReadWrite,
        StoreAccess::ReadOnly,
        StoreAccess::Scratch,
    ] {
        let error = refusal(Store::open(&path, access));
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        assert!(error.advice().contains("state.db-wal"));
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn r29_a_damaged_page_is_found() {
    let room = Room::new();
    let run = room.run();
    for number in 0..200 {
        room.stage(run, &[user(number, &"x".repeat(2000))]);
    }
    let path = room.path();
    room.store.check().unwrap();
    drop(room.store);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xA5);
    fs::write(&path, bytes).unwrap();
    let error = Store::open(&path, StoreAccess::ReadOnly)
        .unwrap()
        .check()
        .unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

#[test]
fn r29_another_programs_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    Sql::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (x)")
        .unwrap();
    let error = refusal(Store::open(&path, StoreAccess::ReadWrite));
    assert!(
        matches!(
            error,
            StoreError::Foreign {
                application_id: 0,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn r29_a_path_that_cannot_be_is_explained() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    let error = refusal(Store::open(
        &directory.path().join("file/state.db"),
        StoreAccess::ReadWrite,
    ));
    assert!(matches!(error, StoreError::CannotOpen { .. }), "{error}");
    let error = refusal(Store::open(directory.path(), StoreAccess::ReadWrite));
    assert!(matches!(error, StoreError::CannotOpen { .. }), "{error}");
}

#[test]
fn r29_writing_where_only_reading_is_allowed_is_explained() {
    let room = Room::new();
    let reader = room.open(StoreAccess::ReadOnly).unwrap();
    assert_eq!(reader.connections().unwrap().len(), 1);
    let error = reader
        .register(derive_uuid("new"), "new", "", &AssetTarget::default(), NOW)
        .unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
}

#[test]
fn r29_a_full_disk_stores_nothing_of_the_page_and_loses_nothing_before() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a")]);
    {
        let sqlite = room.store.sqlite();
        let pages: i64 = sqlite
            .pragma_query_value(None, "page_count", |row| row.get(0))
            .unwrap();
        sqlite
            .pragma_update_and_check(None, "max_page_count", pages + 4, |_| Ok(()))
            .unwrap();
    }
    let page: Vec<ObjectReading> = (2..250).map(|number| user(number, &"x".repeat(1000))).collect();
    let watermark = Watermark {
        controller: guid(1),
        scope: [1; 32],
        usn: 9,
        read_at: NOW,
    };
    let error = room
        .store
        .complete_read(run, &page, false, &end_at(watermark), NOW)
        .unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert!(error.advice().contains("free space"));
    assert_eq!(room.store.watermarks(room.connection).unwrap(), []);
    assert_eq!(assets(&room.drain(run)), [asset("a")]);
}

#[test]
fn r29_a_file_held_by_another_process_is_busy() {
    let room = Room::new();
    let other = Sql::open(room.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    room.store
        .sqlite()
        .busy_timeout(std::time::Duration::ZERO)
        .unwrap();
    let error = room
        .store
        .register(derive_uuid("new"), "new", "", &AssetTarget::default(), NOW)
        .unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    // Looking goes on meanwhile.
    assert_eq!(
        room.open(StoreAccess::ReadOnly)
            .unwrap()
            .connections()
            .unwrap()
            .len(),
        1
    );
}

/// Stages a change, a new object and an unmappable one, sends everything, ends the run.
fn dry_run(store: &Store, connection: ConnectionId) -> Vec<String> {
    let run = begin(store, connection);
    let watermark = Watermark {
        controller: guid(1),
        scope: [1; 32],
        usn: 77,
        read_at: NOW,
    };
    let page = [user(1, "b"), user(2, "a"), user(5, "new"), unmappable(6, "no")];
    store
        .complete_read(run, &page, false, &end_at(watermark), NOW)
        .unwrap();
    let batch = store.next_batch(run, 0, 99, ANY, 0).unwrap();
    store
        .settle(run, &batch, &answered(&seqs(&batch), &[], &[]), NOW)
        .unwrap();
    assert_eq!(
        store
            .stage_page(run, &page, false, NOW)
            .unwrap()
            .total()
            .unchanged,
        3
    );
    store.end_run(run, &RunEnd::default(), NOW).unwrap();
    batch.into_iter().map(|item| item.asset.to_string()).collect()
}

#[test]
fn a_dry_run_goes_on_from_the_file_and_stores_nothing() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a"), user(2, "a")]);
    room.drain(run);
    room.stage(run, &[user(3, "waits")]);
    room.end(run);
    let dump = |store: &Store| {
        let connection = room.connection;
        (
            store.connections().unwrap(),
            store.runs(connection, 99).unwrap(),
            store.watermarks(connection).unwrap(),
            store.pending(connection).unwrap(),
            store.rejections(connection, 99).unwrap(),
            store.objects(connection, None, None, 99).unwrap(),
            store.removed(connection, None, None, 99).unwrap(),
        )
    };
    let before = dump(&room.store);
    let scratch = room.open(StoreAccess::Scratch).unwrap();
    assert_eq!(dump(&scratch), before);
    assert_eq!(
        scratch
            .register(
                derive_uuid("corp"),
                "corp",
                "the directory",
                &AssetTarget::default(),
                NOW
            )
            .unwrap(),
        room.connection
    );
    assert_eq!(
        dry_run(&scratch, room.connection),
        [asset("waits"), asset("b"), asset("new")]
    );
    assert_eq!(scratch.runs(room.connection, 99).unwrap().len(), 2);
    assert_eq!(scratch.watermarks(room.connection).unwrap().len(), 1);
    let held: Vec<String> = scratch
        .objects(room.connection, None, None, 99)
        .unwrap()
        .into_iter()
        .map(|object| object.asset)
        .collect();
    assert_eq!(held, [asset("b"), asset("a"), asset("waits"), asset("new")]);
    assert_eq!(
        scratch.object_counts(room.connection).unwrap(),
        BTreeMap::from([(Kind::User, 4)])
    );
    // The service goes on writing meanwhile, and what it did is all that is there afterwards.
    assert_eq!(dump(&room.store), before);
    let run = room.run();
    room.stage(run, &[user(9, "a")]);
    drop(scratch);
    assert_eq!(room.waiting(), 2);
}

#[test]
fn a_dry_run_without_a_file_starts_from_nothing_and_makes_none() {
    let directory = tempfile::tempdir().unwrap();
    let scratch = Store::open(&directory.path().join("var/state.db"), StoreAccess::Scratch).unwrap();
    let connection = scratch
        .register(derive_uuid("corp"), "corp", "", &AssetTarget::default(), NOW)
        .unwrap();
    assert_eq!(
        dry_run(&scratch, connection),
        [asset("b"), asset("a"), asset("new")]
    );
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}
