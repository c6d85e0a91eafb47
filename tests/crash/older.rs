//! A state file of an older version, with what a real one holds (R28).

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::Connection;

use crate::ledger;
use crate::support::simulated::Simulated;

/// The tables of version 1, as they were then.
const VERSION_1: &str = include_str!("../../src/store/schema/0001_first.sql");

/// Turns the state file into one that the first version wrote: its tables, with what they would have held.
pub fn make_version_1(state: &Path) {
    let (old, application_id) = (state.with_extension("old"), application_id(state));
    let sql = Connection::open(&old).unwrap();
    sql.execute_batch(&format!(
        "PRAGMA foreign_keys = OFF; PRAGMA application_id = {application_id}; PRAGMA user_version = 1; {VERSION_1}"
    ))
    .unwrap();
    sql.execute("ATTACH ? AS now", [state.to_str().unwrap()]).unwrap();
    let names = |query: &str| -> BTreeSet<String> {
        let mut statement = sql.prepare(query).unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        names.collect::<Result<_, _>>().unwrap()
    };
    for table in names("SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    {
        let columns = names(&format!("SELECT name FROM pragma_table_info('{table}', 'main')"));
        let columns = columns.into_iter().collect::<Vec<_>>().join(", ");
        sql.execute_batch(&format!(
            "INSERT INTO main.{table} ({columns}) SELECT {columns} FROM {}",
            as_it_was(&table)
        ))
        .unwrap();
    }
    sql.execute_batch("DETACH now").unwrap();
    sql.close().unwrap();
    for part in ["state.db-wal", "state.db-shm"] {
        let _ = std::fs::remove_file(state.with_file_name(part));
    }
    std::fs::rename(old, state).unwrap();
}

/// The rows of a table of version 1: since then names and assets have moved out of `stage`.
fn as_it_was(table: &str) -> String {
    match table {
        "stage" => "(SELECT s.seq, s.connection, o.guid, s.kind, o.dn, o.external_id, s.fingerprint, s.staged_at, s.sent,
                         s.rejected_run, s.rejected_at, s.reject_reason, a.json AS asset
                     FROM now.stage AS s JOIN now.object AS o ON o.id = s.object JOIN now.asset AS a ON a.id = s.asset)"
            .to_owned(),
        "object" => "now.object WHERE fingerprint IS NOT NULL".to_owned(),
        "asset" => "now.asset WHERE id IN (SELECT asset FROM now.object)".to_owned(),
        _ => format!("now.{table}"),
    }
}

fn application_id(state: &Path) -> i32 {
    let sql = Connection::open(state).unwrap();
    sql.query_row("PRAGMA application_id", [], |row| row.get(0))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn r28_a_file_of_version_1_goes_on_where_it_was() {
    let lab = Simulated::new().await;
    lab.sync(0).await;
    let requests = lab.receiver.summary().requests;
    make_version_1(&lab.connector.state());
    // Looking does not migrate.
    lab.connector
        .run(&["status"])
        .await
        .ended_with(69)
        .said(&["state.db", "1"]);
    lab.sync(0).await;
    assert_eq!(
        lab.receiver.summary().requests,
        requests,
        "what was accepted is not sent again"
    );
    lab.directory().set_text(lab.users()[0], "displayName", "changed");
    lab.sync(0).await;
    assert_eq!(lab.receiver.summary().requests, requests + 1);
    lab.assert_converged();
    assert_eq!(ledger::removed(&lab.connector.state()), BTreeSet::new());
}
