//! Tests of the behaviour that the two engines share, and of copies from one to the other. Only
//! with `TEST_STATE=postgres`.

use std::collections::BTreeSet;

use lab::certificates::{Authority, Shape};

use super::*;
use crate::config;
use crate::store::sql::values;
use crate::store::tables::TABLES;

/// Tables that only several instances need.
const OF_INSTANCES: [&str; 6] = [
    "ad_connector",
    "lease",
    "instance",
    "candidate",
    "late_send",
    "run_request",
];

/// Table, column, class of the type, and whether it may be NULL.
type Column = (String, String, &'static str, bool);

fn columns_of_sqlite(store: &Store) -> BTreeSet<Column> {
    let found = store.read(|sql| {
        sql.rows(
            "SELECT m.name, c.name, c.type, c.\"notnull\", c.pk FROM sqlite_schema AS m, pragma_table_info(m.name) AS c
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'",
            &[],
            |row| {
                let is_null: bool = row.get::<i64>(3)? == 0 && row.get::<i64>(4)? == 0;
                Ok((row.get(0)?, row.get(1)?, class(&row.get::<String>(2)?), is_null))
            },
        )
    });
    found.unwrap().into_iter().collect()
}

fn columns_of_postgres(store: &Store) -> BTreeSet<Column> {
    let found = store.read(|sql| {
        sql.rows(
            "SELECT table_name::text, column_name::text, data_type::text, is_nullable::text
             FROM information_schema.columns WHERE table_schema = 'public'",
            &[],
            |row| {
                let is_null = row.get::<String>(3)? == "YES";
                Ok((row.get(0)?, row.get(1)?, class(&row.get::<String>(2)?), is_null))
            },
        )
    });
    found.unwrap().into_iter().collect()
}

fn class(name: &str) -> &'static str {
    match name {
        "INTEGER" | "bigint" => "integer",
        "TEXT" | "text" => "text",
        "BLOB" | "bytea" => "octets",
        _ => "another",
    }
}

#[test]
fn r28_both_schemas_have_the_same_tables_and_columns() {
    if !engines::on_postgres() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = Store::open(&directory.path().join("state.db"), StoreAccess::ReadWrite).unwrap();
    let room = Room::new();
    let there: BTreeSet<Column> = columns_of_postgres(&room.store)
        .into_iter()
        .filter(|(table, ..)| !OF_INSTANCES.contains(&table.as_str()))
        .collect();
    assert_eq!(columns_of_sqlite(&file), there);
    let listed: BTreeSet<(String, String)> = TABLES
        .iter()
        .flat_map(|table| {
            let columns = table.columns.iter();
            columns.map(|(column, _)| (table.name.to_owned(), (*column).to_owned()))
        })
        .collect();
    let known: BTreeSet<(String, String)> = there
        .into_iter()
        .map(|(table, column, ..)| (table, column))
        .collect();
    assert_eq!(listed, known, "everything is copied");
}

#[test]
fn a_state_is_copied_both_ways_and_is_the_same() {
    if !engines::on_postgres() {
        return;
    }
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a"), user(2, "b"), unmappable(3, "no name")]);
    let out = room.store.next_batch(run, 0, 1, ANY, 0).unwrap();
    room.store
        .settle(run, &out, &answered(&seqs(&out), &[], &[]), NOW)
        .unwrap();
    room.end(run);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("copy.db");
    let file = Store::open(&path, StoreAccess::ReadWrite).unwrap();
    let copied = room.store.copy_to(&file).unwrap();
    assert!(copied.rows.contains(&("object", 2)), "{copied:?}");
    assert!(matches!(
        room.store.copy_to(&file),
        Err(StoreError::NotEmpty { .. })
    ));
    let back = StateLocation::Database(Box::new(engines::new_database("back")));
    let back = Store::open(&back, StoreAccess::ReadWrite).unwrap();
    assert_eq!(file.copy_to(&back).unwrap(), copied);
    // The numbers go on behind those that were copied.
    let run = begin(&back, room.connection);
    back.stage_page(run, &[user(1, "c"), user(4, "d")], false, NOW)
        .unwrap();
    assert_eq!(back.next_batch(run, 0, 9, ANY, 0).unwrap().len(), 3);
}

#[test]
fn r28_a_newer_schema_is_refused_and_a_foreign_database_left_alone() {
    if !engines::on_postgres() {
        return;
    }
    let room = Room::new();
    room.store
        .write(crate::failpoint::Commit::SetNext, |sql| {
            sql.execute("UPDATE ad_connector SET schema_version = $1", values![99_i64])
        })
        .unwrap();
    for access in [
        StoreAccess::ReadWrite,
        StoreAccess::ReadOnly,
        StoreAccess::Scratch,
    ] {
        let refused = room.open(access);
        assert!(
            matches!(refused, Err(StoreError::Newer { found: 99, .. })),
            "{refused:?}"
        );
    }
    let foreign = engines::new_database("one");
    engines::sql(&foreign, "CREATE TABLE connection (id INTEGER)");
    let location = StateLocation::Database(Box::new(foreign));
    let refused = Store::open(&location, StoreAccess::ReadWrite);
    assert!(
        matches!(refused, Err(StoreError::ForeignDatabase { .. })),
        "{refused:?}"
    );
}

#[test]
fn r29_what_is_wrong_with_the_database_is_told_with_its_remedy() {
    if !engines::on_postgres() {
        return;
    }
    let good = engines::new_database("one");
    let failure = |database: config::Database| {
        let location = StateLocation::Database(Box::new(database));
        let error = Store::open(&location, StoreAccess::ReadWrite).unwrap_err();
        (error.exit_code(), format!("{error}; {}", error.advice()))
    };
    let cases = [
        (
            config::Database {
                port: 1,
                ..good.clone()
            },
            69,
            "cannot be reached",
        ),
        (
            config::Database {
                name: "nothing".into(),
                ..good.clone()
            },
            69,
            "does not exist",
        ),
        (
            config::Database {
                user: "nobody".into(),
                ..good.clone()
            },
            77,
            "refuses the user",
        ),
        (
            config::Database {
                host: engines::address(),
                is_encrypted: true,
                ..good.clone()
            },
            77,
            "STATE_CA_CERTIFICATE",
        ),
    ];
    for (database, code, part) in cases {
        let (exit, told) = failure(database);
        assert_eq!(exit, code, "{told}");
        assert!(told.contains(part), "{told}");
    }
    engines::sql(
        &good,
        &format!(
            "ALTER DATABASE {} SET default_transaction_read_only = on",
            good.name
        ),
    );
    let (exit, told) = failure(good);
    assert!(exit == 69 && told.contains("primary server"), "{told}");
}

#[test]
fn r27_the_server_is_verified_before_it_gets_the_password() {
    if !engines::on_postgres() {
        return;
    }
    let server = lab::postgres::Server::start(false);
    let address = server.address.to_string();
    let authority = Authority::new("Database Authority");
    server.demand_tls(&authority.server(&[&address], Shape::Sound), "Correct-Horse-7");
    let good = config::Database {
        host: address,
        port: server.port,
        user: lab::postgres::ROLE.into(),
        name: server.create_database(),
        is_encrypted: true,
        password: Some("Correct-Horse-7".to_owned().into()),
        certificates: vec![authority.der()],
        instance: "one".into(),
    };
    let open = |database: config::Database| {
        let location = StateLocation::Database(Box::new(database));
        Store::open(&location, StoreAccess::ReadWrite)
    };
    let refused = |database: config::Database, code: u8, part: &str| {
        let error = open(database).unwrap_err();
        let text = format!("{error}; {}", error.advice());
        assert!(error.exit_code() == code && text.contains(part), "{text}");
        assert!(!text.contains("Correct-Horse"), "{text}");
    };
    drop(open(good.clone()).unwrap());
    let other = Authority::new("Another Authority");
    let cases = [
        (vec![other.der()], "Correct-Horse-7", "STATE_CA_CERTIFICATE"),
        (vec![authority.der()], "wrong", "STATE_PASSWORD"),
    ];
    for (certificates, password, part) in cases {
        let database = config::Database {
            certificates,
            password: Some(password.to_owned().into()),
            ..good.clone()
        };
        refused(database, 77, part);
    }
    server.demand_tls(
        &authority.server(&["db.corp.example"], Shape::Sound),
        "Correct-Horse-7",
    );
    refused(good, 77, "STATE_CA_CERTIFICATE");
}
