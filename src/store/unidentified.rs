//! Entries that nothing but their names distinguishes from others (R15).

use std::collections::BTreeMap;

use super::error::StoreFault;
use super::open_run::open_run;
use super::sql::{Class, Sql, SqlTable, values};
use super::{ConnectionId, KindCounts, RunId, Store, StoreError, history};
use crate::failpoint::Commit;
use crate::identity::Kind;

/// An entry in scope that shows no readable objectGUID: nothing but its name distinguishes it from
/// other objects (R15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnidentifiedEntry {
    /// Its kind.
    pub kind: Kind,
    /// Its distinguished name.
    pub dn: String,
    /// Reason for which it cannot be identified.
    pub reason: String,
}

/// Entries of a page (schema/sqlite_temporary.sql).
const UNIDENTIFIED: SqlTable = SqlTable {
    name: "unidentified",
    columns: &[
        ("position", Class::Integer),
        ("kind", Class::Text),
        ("dn", Class::Text),
        ("reason", Class::Text),
    ],
};

/// Marks those that the run has not noted before.
const DECIDE: &str = "
    UPDATE unidentified SET is_new = 1 WHERE NOT EXISTS (
        SELECT 1 FROM recheck AS r
        WHERE r.connection = $1 AND r.dn = unidentified.dn AND r.guid IS NULL AND r.run = $2)";

/// Records these in the history of the run.
const RECORD: &str = "
    INSERT INTO run_object (run, fate, kind, dn, reason)
    SELECT $1, 'unmapped', kind, dn, reason FROM unidentified WHERE is_new = 1 ORDER BY position";

/// Notes all of them, to be read again.
const NOTE: &str = "
    INSERT INTO recheck (connection, why, dn, kind, reason, since, run, controller)
    SELECT $1, 'unmapped', dn, kind, reason, $2, $3, (SELECT controller FROM run WHERE id = $3)
    FROM unidentified WHERE true
    ON CONFLICT (connection, dn) WHERE guid IS NULL DO UPDATE SET
        kind = excluded.kind, reason = excluded.reason, run = excluded.run,
        controller = excluded.controller";

impl Store {
    /// Returns the first `limit` names behind `after` of entries that could not be identified, as
    /// [`Self::unmapped_before`] does for objects.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn unidentified_before(
        &self,
        connection: ConnectionId,
        kind: Kind,
        run: RunId,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|sql| {
            sql.rows(
                "SELECT dn FROM recheck WHERE connection = $1 AND why = 'unmapped'
                     AND guid IS NULL AND kind = $2 AND run <> $3 AND dn > $4
                 ORDER BY dn LIMIT $5",
                values![connection, kind, run, after, limit],
                |row| row.get(0),
            )
        })
    }

    /// Notes entries that `run` read and could not identify; they count as read and unmapped. Of
    /// one that comes twice the later one counts. To be called before the page that they came with
    /// is committed, so that no watermark passes them (R3).
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written.
    pub fn note_unidentified(
        &self,
        run: RunId,
        entries: &[UnidentifiedEntry],
        now: i64,
    ) -> Result<(), StoreError> {
        self.write(Commit::NoteUnidentified, |sql| {
            let connection = open_run(sql, run)?;
            fill(sql, entries)?;
            sql.execute(DECIDE, values![connection, run])?;
            sql.execute(RECORD, values![run])?;
            sql.execute(NOTE, values![connection, now, run])?;
            let mut counts = KindCounts::default();
            sql.query(
                "SELECT kind, count(*) AS entries FROM unidentified WHERE is_new = 1 GROUP BY kind",
                &[],
                &mut |row| {
                    let of_kind = counts.of(row.get("kind")?);
                    of_kind.read = row.count("entries")?;
                    of_kind.unmapped = of_kind.read;
                    Ok(true)
                },
            )?;
            history::add_counts(sql, run, &counts)
        })
    }
}

fn fill(sql: &dyn Sql, entries: &[UnidentifiedEntry]) -> Result<(), StoreFault> {
    let latest: BTreeMap<&str, (usize, &UnidentifiedEntry)> = entries
        .iter()
        .enumerate()
        .map(|(position, entry)| (entry.dn.as_str(), (position, entry)))
        .collect();
    sql.clear(&UNIDENTIFIED)?;
    sql.insert(&UNIDENTIFIED, &mut |insert| {
        latest.values().try_for_each(|(position, entry)| {
            let position = i64::try_from(*position).unwrap_or(i64::MAX);
            insert(values![position, entry.kind, entry.dn, entry.reason])
        })
    })
}
