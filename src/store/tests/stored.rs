//! Connections made over HTTP, in the store: revisions, names, deletion (R35).

use uuid::Uuid;

use super::*;
use crate::config::Secret;
use crate::secrets::{SealError, SecretKey, SecretKeys};
use secrecy::ExposeSecret as _;

pub(super) const PASSWORD: &str = "Correct-Horse-7-Battery";
pub(super) const FIELD: &str = "directory.password";

pub(super) fn keys() -> SecretKeys {
    SecretKeys::new(SecretKey::generate().unwrap(), Vec::new())
}

pub(super) fn content(name: &str) -> ConnectionContent {
    ConnectionContent {
        name: name.to_owned(),
        body: r#"{"directory":{"host":["dc1"]}}"#.to_owned(),
        disabled: false,
    }
}

pub(super) fn password(text: &str) -> SecretChanges {
    SecretChanges::from([(FIELD.to_owned(), SecretChange::Set(Secret::from(text)))])
}

/// Makes the connection `number` with a password.
pub(super) fn make(store: &Store, number: u128, name: &str, keys: &SecretKeys) -> StoredConnection {
    let uuid = Uuid::from_u128(number);
    store
        .create_connection(uuid, &content(name), &password(PASSWORD), Some(keys), NOW)
        .unwrap()
}

/// Registers the row of a stored connection, as a service does.
pub(super) fn row_of(store: &Store, stored: &StoredConnection) -> ConnectionId {
    let row = store
        .register(
            stored.uuid,
            &stored.content.name,
            "",
            &AssetTarget::default(),
            NOW,
        )
        .unwrap();
    engines::hold(store, row);
    row
}

pub(super) fn refusal<T: std::fmt::Debug>(result: Result<T, StoreError>) -> ConnectionRefusal {
    match result.unwrap_err() {
        StoreError::Refusal(refusal) => {
            assert!(refusal.advice().len() > 15);
            refusal
        }
        other => panic!("{other}"),
    }
}

#[test]
fn r35_a_connection_is_stored_with_its_secret_sealed_and_its_revision_grows() {
    let room = Room::new();
    let keys = keys();
    let before = room.store.stored_changes().unwrap();
    let made = make(&room.store, 1, "head-office", &keys);
    assert_eq!((made.revision, made.created_at, made.deleted_at), (1, NOW, None));
    let opened = made.secrets[FIELD].open(&keys).unwrap();
    assert_eq!(opened.expose_secret(), PASSWORD);
    // Another body, and the secret stays.
    let body = ConnectionContent {
        body: "{}".to_owned(),
        ..content("head-office")
    };
    let replaced = room
        .store
        .replace_connection(made.uuid, 1, &body, &SecretChanges::new(), None, NOW + 5)
        .unwrap();
    assert_eq!((replaced.revision, replaced.updated_at), (2, NOW + 5));
    assert_eq!(replaced.content, body);
    assert_eq!(replaced.secrets, made.secrets);
    // Another secret, then none.
    let set = room
        .store
        .replace_connection(made.uuid, 2, &body, &password("new"), Some(&keys), NOW + 6)
        .unwrap();
    assert_eq!(set.secrets[FIELD].changed_at, NOW + 6);
    assert_eq!(set.secrets[FIELD].open(&keys).unwrap().expose_secret(), "new");
    let removed = SecretChanges::from([(FIELD.to_owned(), SecretChange::Remove)]);
    let without = room
        .store
        .replace_connection(made.uuid, 3, &body, &removed, None, NOW + 7)
        .unwrap();
    assert_eq!(without.secrets.len(), 0);
    assert_eq!(room.store.stored_changes().unwrap(), before + 4);
    assert_eq!(room.store.stored_connections().unwrap(), [without]);
}

#[test]
fn r35_without_the_key_of_the_state_no_secret_is_stored() {
    let room = Room::new();
    let (first, second) = (keys(), keys());
    let uuid = Uuid::from_u128(2);
    let create = |keys: Option<&SecretKeys>| {
        room.store
            .create_connection(uuid, &content("b"), &password("x"), keys, NOW)
    };
    assert_eq!(refusal(create(None)), ConnectionRefusal::NoKey);
    make(&room.store, 1, "a", &first);
    let ConnectionRefusal::OtherKey(SealError::UnknownKey(id)) = refusal(create(Some(&second))) else {
        panic!("another key was taken");
    };
    assert_eq!(id, first.present().id());
    assert_eq!(room.store.stored_connections().unwrap().len(), 1);
    // Without a secret no key is needed.
    room.store
        .create_connection(uuid, &content("b"), &SecretChanges::new(), None, NOW)
        .unwrap();
}

#[test]
fn of_two_editors_exactly_one_wins() {
    let room = Room::new();
    let made = make(&room.store, 1, "a", &keys());
    let edit = |body: &str| {
        let store = room.open(StoreAccess::ReadWrite).unwrap();
        let edited = ConnectionContent {
            body: body.to_owned(),
            ..content("a")
        };
        move || store.replace_connection(made.uuid, 1, &edited, &SecretChanges::new(), None, NOW)
    };
    let (one, two) = (edit("1"), edit("2"));
    let (one, two) = std::thread::scope(|scope| {
        let (one, two) = (scope.spawn(one), scope.spawn(two));
        (one.join().unwrap(), two.join().unwrap())
    });
    let (won, lost) = if one.is_ok() { (one, two) } else { (two, one) };
    assert_eq!(refusal(lost), ConnectionRefusal::Changed { current: 2 });
    let stored = room.store.stored_connection(made.uuid).unwrap().unwrap();
    assert_eq!(stored, won.unwrap());
    // The same for the other changes.
    let disabled = room.store.set_connection_disabled(made.uuid, true, Some(1), NOW);
    assert_eq!(refusal(disabled), ConnectionRefusal::Changed { current: 2 });
    let deleted = room.store.delete_connection(made.uuid, 1, NOW);
    assert_eq!(refusal(deleted), ConnectionRefusal::Changed { current: 2 });
    let unknown = room.store.delete_connection(Uuid::from_u128(9), 1, NOW);
    assert!(matches!(refusal(unknown), ConnectionRefusal::Unknown { .. }));
}

#[test]
fn a_name_has_one_connection_wherever_it_is_configured() {
    let room = Room::new();
    let keys = keys();
    let taken = |name: &str| ConnectionRefusal::NameTaken {
        name: name.to_owned(),
    };
    let create = |number: u128, name: &str| {
        let uuid = Uuid::from_u128(number);
        room.store
            .create_connection(uuid, &content(name), &SecretChanges::new(), None, NOW)
    };
    // `corp` is configured in a file.
    assert_eq!(refusal(create(1, "corp")), taken("corp"));
    let a = make(&room.store, 1, "a", &keys);
    assert_eq!(refusal(create(2, "a")), taken("a"));
    assert!(matches!(
        refusal(create(1, "other")),
        ConnectionRefusal::UuidTaken { .. }
    ));
    make(&room.store, 2, "b", &keys);
    let renamed = |name: &str| {
        room.store
            .replace_connection(a.uuid, 1, &content(name), &SecretChanges::new(), None, NOW)
    };
    assert_eq!(refusal(renamed("b")), taken("b"));
    assert_eq!(refusal(renamed("corp")), taken("corp"));
    // A file that comes to name one of them.
    let registered = room
        .store
        .register(derive_uuid("a"), "a", "", &AssetTarget::default(), NOW);
    assert_eq!(refusal(registered), taken("a"));
    // The name of a deleted one is free.
    room.store.delete_connection(a.uuid, 1, NOW).unwrap();
    create(3, "a").unwrap();
}

#[test]
fn a_renamed_connection_keeps_everything_of_it() {
    let room = Room::new();
    let made = make(&room.store, 1, "a", &keys());
    let row = row_of(&room.store, &made);
    let basis = RunBasis {
        revision: Some(1),
        digest: [0; 32],
    };
    room.store.schedule(row, NOW).unwrap();
    let run = room
        .store
        .begin_run(row, RunMode::Delta, "", &basis, NOW)
        .unwrap();
    room.store.stage_page(run, &[user(1, "a")], false, NOW).unwrap();
    room.store.end_run(run, &RunEnd::default(), NOW).unwrap();
    let renamed = room
        .store
        .replace_connection(made.uuid, 1, &content("z"), &SecretChanges::new(), None, NOW)
        .unwrap();
    assert_eq!(room.store.connection("a").unwrap(), None);
    assert_eq!(room.store.connection("z").unwrap().unwrap().id, row);
    assert_eq!(row_of(&room.store, &renamed), row, "the next start finds it");
    assert_eq!(room.store.runs(row, 9).unwrap().len(), 1);
    assert_eq!(room.store.pending(row).unwrap().counts.values().sum::<u64>(), 1);
    // Also where a file gives the identity, and names are exchanged.
    let (one, two) = (Uuid::from_u128(11), Uuid::from_u128(12));
    let register = |uuid, name| room.store.register(uuid, name, "", &AssetTarget::default(), NOW);
    let (first, second) = (register(one, "one").unwrap(), register(two, "two").unwrap());
    room.store.set_configured(&[(one, "two"), (two, "one")]).unwrap();
    assert_eq!(register(one, "two").unwrap(), first);
    assert_eq!(register(two, "one").unwrap(), second);
    assert_eq!(room.store.connection("two").unwrap().unwrap().id, first);
}

#[test]
fn who_takes_the_name_of_a_former_connection_begins_anew() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a")]);
    room.end(run);
    // `corp` is not configured any more; one that is made over HTTP gets its name.
    room.store.set_configured(&[]).unwrap();
    if engines::on_postgres() {
        // This process holds it, so nobody else does.
        assert_eq!(
            room.store.connection("corp").unwrap().unwrap().id,
            room.connection
        );
    }
    let made = make(&room.store, 1, "corp", &keys());
    let row = row_of(&room.store, &made);
    assert_ne!(row, room.connection);
    assert_eq!(room.store.runs(row, 9).unwrap().len(), 0);
    assert_eq!(room.store.connection("corp").unwrap().unwrap().id, row);
    let former = format!("corp~{}", room.connection.0);
    assert_eq!(
        room.store.connection(&former).unwrap().unwrap().id,
        room.connection
    );
    assert_eq!(
        room.store.runs(room.connection, 9).unwrap().len(),
        1,
        "it keeps its history"
    );
    assert_eq!(room.waiting(), 1);
}

#[test]
fn a_row_from_before_and_one_whose_identity_was_made_of_its_name_are_taken_over() {
    let room = Room::new();
    let register = |uuid| {
        room.store
            .register(uuid, "corp", "", &AssetTarget::default(), NOW)
            .unwrap()
    };
    room.store
        .write(Commit::Register, |sql| {
            sql.execute("UPDATE connection SET uuid = NULL", &[])
        })
        .unwrap();
    assert_eq!(register(derive_uuid("corp")), room.connection);
    // The file gives an identity now.
    let given = Uuid::from_u128(5);
    room.store.set_configured(&[(given, "corp")]).unwrap();
    assert_eq!(register(given), room.connection);
    let row = room.store.connection("corp").unwrap().unwrap();
    assert_eq!(row.uuid, Some(given));
}

#[test]
fn a_disabled_connection_rests_as_registered() {
    let room = Room::new();
    let made = make(&room.store, 1, "a", &keys());
    let row = row_of(&room.store, &made);
    let state = || room.store.connection("a").unwrap().unwrap();
    room.store.schedule(row, NOW).unwrap();
    room.store.set_next(row, Some(NOW + 60), None).unwrap();
    let disabled = room
        .store
        .set_connection_disabled(made.uuid, true, None, NOW + 1)
        .unwrap();
    assert_eq!((disabled.revision, disabled.content.disabled), (2, true));
    assert_eq!((state().state, state().next_sync), (State::Registered, None));
    assert!(state().disabled);
    let again = room
        .store
        .set_connection_disabled(made.uuid, true, Some(2), NOW + 2)
        .unwrap();
    assert_eq!(again, disabled, "nothing changes");
    let enabled = room
        .store
        .set_connection_disabled(made.uuid, false, Some(2), NOW + 3)
        .unwrap();
    assert_eq!((enabled.revision, state().disabled), (3, false));
    // A run that goes on takes it there at its end.
    room.store.schedule(row, NOW).unwrap();
    let basis = RunBasis {
        revision: Some(3),
        ..RunBasis::default()
    };
    let run = room
        .store
        .begin_run(row, RunMode::Delta, "", &basis, NOW)
        .unwrap();
    room.store
        .set_connection_disabled(made.uuid, true, Some(3), NOW)
        .unwrap();
    assert_eq!(state().state, State::Processing);
    room.store.end_run(run, &RunEnd::default(), NOW).unwrap();
    assert_eq!(state().state, State::Registered);
}

#[test]
fn a_deleted_connection_keeps_its_history_until_it_is_purged() {
    let room = Room::new();
    let made = make(&room.store, 1, "a", &keys());
    let row = row_of(&room.store, &made);
    room.store.schedule(row, NOW).unwrap();
    let basis = RunBasis {
        revision: Some(1),
        ..RunBasis::default()
    };
    let begin = || {
        room.store
            .begin_run(row, RunMode::Delta, "", &basis, NOW)
            .unwrap()
    };
    let run = begin();
    room.store
        .stage_page(
            run,
            &[user(1, "a"), user(2, "b"), unmappable(3, "no name")],
            false,
            NOW,
        )
        .unwrap();
    let out = room.store.next_batch(run, 0, 1, ANY, 0).unwrap();
    room.store
        .settle(run, &out, &answered(&seqs(&out), &[], &[]), NOW)
        .unwrap();
    room.store.end_run(run, &RunEnd::default(), NOW).unwrap();
    // The other connection claims both ids as well, and waits.
    let other = room.run();
    room.stage(other, &[user(1, "x"), user(2, "y")]);
    assert_eq!(room.drain(other).len(), 0);
    room.end(other);

    room.store.delete_connection(made.uuid, 1, NOW + 9).unwrap();
    let former = room.store.connection("a").unwrap().unwrap();
    assert!(former.deleted && !former.disabled);
    assert_eq!(room.store.runs(row, 9).unwrap().len(), 1);
    let deleted = room.store.deleted_connections().unwrap();
    assert_eq!(deleted[0].deleted_at, Some(NOW + 9));
    assert_eq!(deleted[0].secrets.len(), 0, "nobody needs its password any more");
    assert_eq!(room.store.stored_connections().unwrap(), []);
    // Its assets go to those that wait, which are read again first (R37).
    let other = room.run();
    room.stage(other, &[user(1, "x"), user(2, "y")]);
    assert_eq!(room.drain(other).len(), 2);
    room.end(other);

    let count = |table: &str| -> i64 {
        let statement = format!("SELECT count(*) FROM {table}");
        room.store.read(|sql| sql.value(&statement, &[])).unwrap()
    };
    room.store.purge_connection(made.uuid).unwrap();
    assert_eq!(room.store.connection("a").unwrap(), None);
    assert_eq!(room.store.deleted_connections().unwrap(), []);
    let left = [
        "connection",
        "run",
        "object",
        "stage",
        "asset",
        "document",
        "stored_connection",
    ];
    // What is left is of the other connection: two objects, whose assets upstream holds.
    assert_eq!(left.map(count), [1, 2, 2, 0, 2, 2, 0]);
    let purged = room.store.purge_connection(made.uuid);
    assert!(matches!(refusal(purged), ConnectionRefusal::Unknown { .. }));
}

#[test]
fn a_purge_leaves_nothing_of_a_connection_that_shares_no_id() {
    let room = Room::new();
    let made = make(&room.store, 1, "a", &keys());
    let row = row_of(&room.store, &made);
    room.store.schedule(row, NOW).unwrap();
    let basis = RunBasis {
        revision: Some(1),
        ..RunBasis::default()
    };
    let run = room
        .store
        .begin_run(row, RunMode::Delta, "", &basis, NOW)
        .unwrap();
    room.store
        .stage_page(run, &[user(1, "a"), user(2, "b")], false, NOW)
        .unwrap();
    let out = room.store.next_batch(run, 0, 1, ANY, 0).unwrap();
    room.store
        .settle(run, &out, &answered(&seqs(&out), &[], &[]), NOW)
        .unwrap();
    room.store.end_run(run, &RunEnd::default(), NOW).unwrap();
    room.store.delete_connection(made.uuid, 1, NOW).unwrap();
    room.store.purge_connection(made.uuid).unwrap();
    for table in ["object", "stage", "asset", "document", "run", "connection_secret"] {
        let statement = format!("SELECT count(*) FROM {table}");
        let left: i64 = room.store.read(|sql| sql.value(&statement, &[])).unwrap();
        assert_eq!(left, 0, "{table}");
    }
}
