//! Dry runs: TEMP tables shadow what a run writes, because SQLite looks a name up in `temp` first.

use rusqlite::Connection;

use super::error::Fault;

/// Tables that a run writes and that are small enough to copy.
const COPIED: [&str; 11] = [
    "connection",
    "run",
    "run_count",
    "run_object",
    "watermark",
    "stage",
    "unmapped",
    "unidentified",
    "candidate",
    "removed",
    "container",
];

/// Tables as large as the directory: shadowed empty, and read together with the file's through the view `known`.
const OVERLAID: [&str; 2] = ["object", "asset"];

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
    transaction.commit()?;
    Ok(())
}

/// Creates the view `known`: the objects that upstream accepted an asset of, with the asset's text as `json`.
/// What reads objects reads the view, what writes them writes the tables.
pub(super) fn name_known_objects(sql: &Connection, shadowed: bool) -> Result<(), Fault> {
    let of = |schema: &str| {
        format!(
            "SELECT o.connection, o.guid, o.kind, o.dn, o.external_id, o.fingerprint, o.accepted_at, o.accepted_run,
                    (SELECT a.json FROM {schema}.asset AS a WHERE a.id = o.asset) AS json
             FROM {schema}.object AS o"
        )
    };
    let view = if shadowed {
        format!(
            "{} UNION ALL {} WHERE NOT EXISTS (SELECT 1 FROM temp.object AS t
                 WHERE t.connection = o.connection AND t.guid = o.guid)",
            of("temp"),
            of("main")
        )
    } else {
        of("main")
    };
    sql.execute_batch(&format!("CREATE TEMP VIEW known AS {view}"))?;
    Ok(())
}
