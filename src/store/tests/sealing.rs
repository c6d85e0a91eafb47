//! Secrets in the state: none can be read, and keys are replaced (R35).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::stored::{FIELD, PASSWORD, content, keys, make, password};
use super::*;
use crate::secrets::{SealError, SecretKeys};
use crate::store::sql::values;

/// Returns everything that the state holds, as octets.
fn everything(room: &Room) -> Vec<u8> {
    let mut octets = Vec::new();
    for table in crate::store::tables::TABLES {
        room.store
            .read(|sql| {
                let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
                let select = format!("SELECT {} FROM {}", columns.join(", "), table.name);
                sql.query(&select, &[], &mut |row| {
                    for place in 0..columns.len() {
                        let value = row.value(place)?;
                        octets.extend(
                            value
                                .text()
                                .map(str::as_bytes)
                                .or(value.blob())
                                .unwrap_or_default(),
                        );
                        octets.push(0);
                    }
                    Ok(true)
                })
            })
            .unwrap();
    }
    if !engines::on_postgres() {
        for file in std::fs::read_dir(room.directory.path()).unwrap() {
            octets.extend(std::fs::read(file.unwrap().path()).unwrap());
        }
    }
    octets
}

fn holds(octets: &[u8], part: &[u8]) -> bool {
    octets.windows(part.len()).any(|window| window == part)
}

#[test]
fn r35_no_secret_is_in_the_state_in_any_form() {
    let room = Room::new();
    let keys = keys();
    let made = make(&room.store, 1, "a", &keys);
    room.store
        .replace_connection(
            made.uuid,
            1,
            &content("a"),
            &password("Another-Staple-9"),
            Some(&keys),
            NOW,
        )
        .unwrap();
    let octets = everything(&room);
    assert!(holds(&octets, b"directory.password"), "the search works");
    for secret in [PASSWORD, "Another-Staple-9", &keys.present().expose_text()] {
        let hex = secret.bytes().fold(String::new(), |mut hex, octet| {
            let _ = write!(hex, "{octet:02x}");
            hex
        });
        let utf16: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for form in [
            secret.as_bytes(),
            hex.as_bytes(),
            hex.to_uppercase().as_bytes(),
            STANDARD.encode(secret).trim_end_matches('=').as_bytes(),
            &utf16,
        ] {
            assert!(!holds(&octets, form), "{secret}");
        }
    }
    let key = STANDARD.decode(keys.present().expose_text().as_str()).unwrap();
    assert!(!holds(&octets, &key), "the key");
    let printed = format!("{:?} {:?}", room.store.stored_connections(), password(PASSWORD));
    assert!(!printed.contains(PASSWORD), "{printed}");
}

#[test]
fn r35_everything_is_sealed_anew_beside_other_instances() {
    let room = Room::new();
    let (first, new) = (keys(), keys());
    let (a, b) = (
        make(&room.store, 1, "a", &first),
        make(&room.store, 2, "b", &first),
    );
    let both = SecretKeys::new(new.present().clone(), vec![first.present().clone()]);
    // As long as the state is sealed with the former key, every instance writes with that one.
    let c = make(&room.store, 3, "c", &both);
    let id = |stored: &StoredConnection| stored.secrets[FIELD].sealed.key_id().unwrap();
    assert_eq!(id(&c), first.present().id());
    // An instance that has the new key alone changes nothing.
    assert!(matches!(
        room.store.rekey_secrets(&new),
        Err(StoreError::Refusal(ConnectionRefusal::OtherKey(_)))
    ));
    let rekeyed = room.store.rekey_secrets(&both).unwrap();
    assert_eq!((rekeyed.sealed, rekeyed.already, rekeyed.failed.len()), (3, 0, 0));
    let again = room.store.rekey_secrets(&both).unwrap();
    assert_eq!((again.sealed, again.already, again.failed.len()), (0, 3, 0));
    // The former key is not needed any more.
    let opened = room.store.open_secrets(Some(&new)).unwrap();
    assert_eq!(
        (opened.opened, opened.failed.len(), opened.other_key),
        (3, 0, None)
    );
    for stored in room.store.stored_connections().unwrap() {
        let secret = &stored.secrets[FIELD];
        assert_eq!(secret.open(&new).unwrap().expose_secret(), PASSWORD);
        assert_eq!(
            (secret.changed_at, stored.revision),
            (NOW, 1),
            "nobody changed it"
        );
    }
    // An instance that has the former key alone writes nothing, and says why.
    let refused = room
        .store
        .replace_connection(a.uuid, 1, &content("a"), &password("x"), Some(&first), NOW);
    assert!(matches!(
        refused,
        Err(StoreError::Refusal(ConnectionRefusal::OtherKey(
            SealError::UnknownKey(_)
        )))
    ));
    // A secret that was set while it was being sealed anew stays.
    let stale = &b.secrets[FIELD];
    let changed = room.store.stored_connection(a.uuid).unwrap().unwrap();
    let sealed = changed.secrets[FIELD].sealed.clone();
    assert!(!room.store.replace_sealed(stale, &sealed).unwrap());
}

#[test]
fn r35_a_secret_that_does_not_open_is_named_and_the_others_are_sealed_anew() {
    let room = Room::new();
    let (first, new) = (keys(), keys());
    make(&room.store, 1, "a", &first);
    make(&room.store, 2, "b", &first);
    // Somebody copies the secret of one connection to another one.
    room.store
        .write(Commit::Register, |sql| {
            sql.execute(
                "UPDATE connection_secret SET sealed = (SELECT sealed FROM connection_secret AS s WHERE s.uuid = $1)
                 WHERE uuid = $2",
                values![Uuid::from_u128(1), Uuid::from_u128(2)],
            )
        })
        .unwrap();
    let opened = room.store.open_secrets(Some(&first)).unwrap();
    assert_eq!(opened.opened, 1);
    let failed = &opened.failed[0];
    assert_eq!((failed.connection.as_str(), failed.field.as_str()), ("b", FIELD));
    assert_eq!(failed.error, SealError::DoesNotOpen(first.present().id()));
    let both = SecretKeys::new(new.present().clone(), vec![first.present().clone()]);
    let rekeyed = room.store.rekey_secrets(&both).unwrap();
    assert_eq!((rekeyed.sealed, rekeyed.failed.len()), (1, 1));
    // Without any key, or with another one, each is named.
    for keys in [None, Some(&first)] {
        let opened = room.store.open_secrets(keys).unwrap();
        assert_eq!((opened.opened, opened.failed.len()), (0, 2));
    }
}

#[test]
fn r28_a_state_of_version_15_gets_the_new_tables_and_keeps_what_it_holds() {
    let former = Room::new();
    let run = former.run();
    former.stage(run, &[user(1, "a")]);
    former.end(run);
    // The state as version 15 left it.
    let undo = "
        DROP TABLE connection_secret; DROP TABLE stored_connection; DROP TABLE secrets_canary; DROP TABLE stored_change;
        DROP INDEX connection_of_uuid; ALTER TABLE connection DROP COLUMN uuid;
        ALTER TABLE connection DROP COLUMN read_with; ALTER TABLE run DROP COLUMN revision;";
    match &former.location {
        StateLocation::File(_) => {
            let sqlite = former.store.sqlite();
            sqlite.execute_batch(undo).unwrap();
            sqlite.pragma_update(None, "user_version", 15).unwrap();
        }
        StateLocation::Database(database) => {
            engines::sql(database, undo);
            engines::sql(database, "UPDATE ad_connector SET schema_version = 15");
        }
    }
    let refused = former.open(StoreAccess::ReadOnly);
    assert!(
        matches!(
            refused,
            Err(StoreError::Older {
                found: 15,
                known: SCHEMA_VERSION,
                ..
            })
        ),
        "{refused:?}"
    );
    let store = former.open(StoreAccess::ReadWrite).unwrap();
    let row = store.connection("corp").unwrap().unwrap();
    assert_eq!((row.id, row.uuid, row.disabled), (former.connection, None, false));
    // The row becomes that of the connection of this name, with everything that waits.
    let registered = store.register(derive_uuid("corp"), "corp", "", &AssetTarget::default(), NOW);
    assert_eq!(registered.unwrap(), former.connection);
    let run = begin_with(
        &store,
        former.connection,
        &RunBasis {
            revision: None,
            digest: [5; 32],
        },
    );
    assert_eq!(store.next_batch(run, 0, 9, ANY, 0).unwrap().len(), 1);
    make(&store, 1, "a", &keys());
}

#[test]
fn a_copy_of_the_state_has_the_stored_connections_and_their_secrets() {
    let room = Room::new();
    let keys = keys();
    let made = make(&room.store, 1, "a", &keys);
    let gone = make(&room.store, 2, "b", &keys);
    room.store.delete_connection(gone.uuid, 1, NOW).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let copy = Store::open(&directory.path().join("copy.db"), StoreAccess::ReadWrite).unwrap();
    let copied = room.store.copy_to(&copy).unwrap();
    for table in [
        ("stored_connection", 2),
        ("connection_secret", 1),
        ("secrets_canary", 1),
        ("stored_change", 1),
    ] {
        assert!(copied.rows.contains(&table), "{table:?} in {copied:?}");
    }
    assert_eq!(copy.stored_connections().unwrap(), [made]);
    assert_eq!(
        copy.stored_changes().unwrap(),
        room.store.stored_changes().unwrap()
    );
    assert_eq!(copy.open_secrets(Some(&keys)).unwrap().opened, 1);
    // A state with a stored connection alone is a state.
    let other = tempfile::tempdir().unwrap();
    let other = Store::open(&other.path().join("other.db"), StoreAccess::ReadWrite).unwrap();
    make(&other, 9, "z", &keys);
    assert!(matches!(
        room.store.copy_to(&other),
        Err(StoreError::NotEmpty { .. })
    ));
}
