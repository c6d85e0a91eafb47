//! Dry runs: TEMP tables shadow what a run writes, because SQLite looks a name up in `temp` first.

use rusqlite::Connection;

use super::error::Fault;

/// Tables that a run writes and that are small enough to copy.
const COPIED: [&str; 20] = [
    "connection",
    "run",
    "run_count",
    "run_object",
    "watermark",
    "dirsync_cookie",
    "stage",
    "last_seq",
    "unmapped",
    "unidentified",
    "candidate",
    "removed",
    "container",
    "unfinished_read",
    "unfinished_container",
    "slice",
    "controller",
    "last_change",
    "missed_on",
    "removed_by",
];

/// Tables as large as the directory: shadowed by what a run adds and changes, and read together with the file's through
/// views.
const OVERLAID: [&str; 2] = ["object", "asset"];

/// What is changed of [`OVERLAID`] is there, and new rows get numbers that the file has not.
const OVERLAY: &str = "
    INSERT INTO temp.object SELECT * FROM main.object WHERE id IN (SELECT object FROM main.stage);
    INSERT OR IGNORE INTO temp.object (id, connection, guid, kind, dn, external_id)
        SELECT id + 1, connection, x'', '', '', '' FROM main.object ORDER BY id DESC LIMIT 1;
    INSERT INTO temp.asset (id, json) SELECT max(id) + 1, '' FROM main.asset HAVING max(id) IS NOT NULL;
";

/// Shadows every table of the file.
pub(super) fn shadow(sql: &mut Connection) -> Result<(), Fault> {
    // One transaction, so that the copies are of one moment.
    let transaction = sql.transaction()?;
    for table in COPIED.into_iter().chain(OVERLAID) {
        let mut parts = transaction.prepare(
            "SELECT type, sql FROM main.sqlite_schema WHERE tbl_name = ? AND sql IS NOT NULL ORDER BY type DESC",
        )?;
        let parts: Vec<(String, String)> = parts
            .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        for (kind, statement) in parts {
            // SQLite stores a statement with its first words normalised.
            let shadow = match kind.as_str() {
                "table" => statement.replacen("CREATE TABLE ", "CREATE TABLE temp.", 1),
                _ => statement.replacen("INDEX ", "INDEX temp.", 1),
            };
            transaction.execute_batch(&shadow)?;
        }
        if COPIED.contains(&table) {
            transaction.execute_batch(&format!("INSERT INTO temp.{table} SELECT * FROM main.{table}"))?;
        }
    }
    transaction.execute_batch(OVERLAY)?;
    transaction.commit()?;
    Ok(())
}

/// Creates the views by which everything is read that [`shadow`] overlays: `card`, every object with a row, `known`, those of
/// them that upstream accepted an asset of, `expected`, those and the ones that it is about to get, and `text`, the assets.
pub(super) fn name_views(sql: &Connection, shadowed: bool) -> Result<(), Fault> {
    let (cards, texts) = if shadowed {
        (
            "SELECT * FROM temp.object
             UNION ALL
             SELECT * FROM main.object AS o WHERE NOT EXISTS (SELECT 1 FROM temp.object AS t WHERE t.id = o.id)",
            "SELECT * FROM temp.asset UNION ALL SELECT * FROM main.asset",
        )
    } else {
        ("SELECT * FROM main.object", "SELECT * FROM main.asset")
    };
    sql.execute_batch(&format!(
        "CREATE TEMP VIEW card AS {cards};
         CREATE TEMP VIEW text AS {texts};
         CREATE TEMP VIEW known AS
             SELECT connection, guid, kind, dn, external_id, fingerprint, accepted_at, accepted_run,
                 (SELECT json FROM text WHERE text.id = card.asset) AS json
             FROM card WHERE fingerprint IS NOT NULL;
         CREATE TEMP VIEW expected AS
             SELECT connection, guid, kind, dn, first_seq, changed_by FROM card
             WHERE fingerprint IS NOT NULL OR EXISTS (SELECT 1 FROM stage WHERE object = card.id AND removal = 0);"
    ))?;
    Ok(())
}

/// What copies an object's row to where it can be changed; `None` where it can be changed in its place.
pub(super) fn adopting(sql: &Connection) -> Result<Option<&'static str>, Fault> {
    let shadowed = sql.is_readonly("main")?;
    Ok(shadowed.then_some("INSERT OR IGNORE INTO temp.object SELECT * FROM main.object WHERE id = ?"))
}
