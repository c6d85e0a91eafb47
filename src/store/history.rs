//! History of a run: counts, and a list of objects, both written in the transaction of each step.
//! So the history of a run that failed or was killed holds what it did until then, and its lists
//! are as long as its counts say; only what changed its class ([`Fate::Reclassified`]) is not
//! counted.

use super::error::StoreFault;
use super::sql::{Class, Sql, SqlRow, SqlTable, values};
use super::value::stored;
use super::{Fate, KindCounts, ObjectTotals, RunId, Store, StoreError};
use crate::identity::{Guid, Kind};

/// Rows of `run_object` kept, by which old lists are measured: some 30 MB. The list of a
/// connection's latest run is kept whatever its length.
const KEPT_OBJECTS: i64 = 100_000;

/// An object that a run did not get through, removed, or found in another class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunObject {
    /// Its place in the list, for the next page.
    pub place: i64,
    /// Its fate in that run.
    pub fate: Fate,
    /// objectGUID; `None` where the entry showed none that can be read.
    pub guid: Option<Guid>,
    /// Its kind; of a reclassified object the one that it was.
    pub kind: Kind,
    /// Its distinguished name.
    pub dn: String,
    /// `externalAssetId`, where there is an asset.
    pub external_id: Option<String>,
    /// Reason for its fate.
    pub reason: String,
}

impl Store {
    /// Returns `limit` objects from behind the place `after` that `run` did not get through, or
    /// removed: as many in all as its counts say, and those that changed their class; in the order
    /// in which they were found, or none when the run is too old.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn run_objects(
        &self,
        run: RunId,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<RunObject>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|sql| {
            sql.rows(
                "SELECT id, fate, guid, kind, dn, external_id, reason FROM run_object
                 WHERE run = $1 AND id > $2 ORDER BY id LIMIT $3",
                values![run, after.unwrap_or(0), limit],
                |row| {
                    Ok(RunObject {
                        place: row.get("id")?,
                        fate: row.get("fate")?,
                        guid: row.get("guid")?,
                        kind: row.get("kind")?,
                        dn: row.get("dn")?,
                        external_id: row.get("external_id")?,
                        reason: row.get("reason")?,
                    })
                },
            )
        })
    }
}

/// Adds to the counts of `run`.
pub(super) fn add_counts(sql: &dyn Sql, run: RunId, more: &KindCounts) -> Result<(), StoreFault> {
    for (kind, counts) in &more.0 {
        sql.execute(
            "INSERT INTO run_count (run, kind, read, unchanged, staged, sent, accepted, rejected,
                 unmapped, removed, held)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             ON CONFLICT (run, kind) DO UPDATE SET
                 read = run_count.read + excluded.read,
                 unchanged = run_count.unchanged + excluded.unchanged,
                 staged = run_count.staged + excluded.staged,
                 sent = run_count.sent + excluded.sent,
                 accepted = run_count.accepted + excluded.accepted,
                 rejected = run_count.rejected + excluded.rejected,
                 unmapped = run_count.unmapped + excluded.unmapped,
                 removed = run_count.removed + excluded.removed,
                 held = run_count.held + excluded.held",
            values![
                run,
                kind,
                stored(counts.read),
                stored(counts.unchanged),
                stored(counts.staged),
                stored(counts.sent),
                stored(counts.accepted),
                stored(counts.rejected),
                stored(counts.unmapped),
                stored(counts.removed),
                stored(counts.held),
            ],
        )?;
    }
    Ok(())
}

/// Returns the counts of `run` so far.
pub(super) fn counts(sql: &dyn Sql, run: RunId) -> Result<KindCounts, StoreFault> {
    let counts = sql.rows("SELECT * FROM run_count WHERE run = $1", values![run], |row| {
        Ok((row.get("kind")?, counts_of(row)?))
    })?;
    Ok(KindCounts(counts.into_iter().collect()))
}

fn counts_of(row: &SqlRow<'_>) -> Result<ObjectTotals, StoreFault> {
    Ok(ObjectTotals {
        read: row.count("read")?,
        unchanged: row.count("unchanged")?,
        staged: row.count("staged")?,
        sent: row.count("sent")?,
        accepted: row.count("accepted")?,
        rejected: row.count("rejected")?,
        unmapped: row.count("unmapped")?,
        removed: row.count("removed")?,
        held: row.count("held")?,
    })
}

/// Object for the list of a run.
pub(super) struct RecordedObject<'a> {
    pub(super) fate: Fate,
    pub(super) guid: Option<Guid>,
    pub(super) kind: Kind,
    pub(super) dn: &'a str,
    pub(super) external_id: Option<&'a str>,
    pub(super) reason: &'a str,
}

/// Lists of objects of runs.
const RUN_OBJECT: SqlTable = SqlTable {
    name: "run_object",
    columns: &[
        ("run", Class::Integer),
        ("fate", Class::Text),
        ("guid", Class::Blob),
        ("kind", Class::Text),
        ("dn", Class::Text),
        ("external_id", Class::Text),
        ("reason", Class::Text),
    ],
};

/// Records objects in the list of `run`; the caller counts them.
pub(super) fn record_objects<'a>(
    sql: &dyn Sql,
    run: RunId,
    objects: impl Iterator<Item = RecordedObject<'a>>,
) -> Result<(), StoreFault> {
    let mut objects = objects;
    sql.insert(&RUN_OBJECT, &mut |insert| {
        objects.try_for_each(|object| {
            insert(values![
                run,
                object.fate,
                object.guid,
                object.kind,
                object.dn,
                object.external_id,
                object.reason,
            ])
        })
    })
}

/// Deletes the lists of runs so old that [`KEPT_OBJECTS`] came after them; each list is there as a
/// whole, or not at all.
pub(super) fn forget_old(sql: &dyn Sql) -> Result<(), StoreFault> {
    sql.execute(
        "DELETE FROM run_object
         WHERE run <= (SELECT run FROM run_object
                 WHERE id <= (SELECT max(id) FROM run_object) - $1 ORDER BY id DESC LIMIT 1)
             AND run NOT IN (SELECT max(id) FROM run GROUP BY connection)",
        values![KEPT_OBJECTS],
    )?;
    Ok(())
}
