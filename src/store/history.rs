//! What a run did: counted, and told by name, in the transaction of each of its steps. So the history of a run that failed
//! or was killed holds what it did until then, and its lists are as long as its counts say.

use rusqlite::{Row, Transaction, named_params, params};

use super::error::Fault;
use super::value::{count, stored};
use super::{Counts, Fate, KindCounts, RunId, Store, StoreError};
use crate::identity::{Guid, Kind};

/// Rows of `run_object` kept, by which old lists are measured: some 30 MB. The list of a connection's latest run is kept
/// whatever its length.
const KEPT_OBJECTS: i64 = 100_000;

/// An object that a run did not get through, or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunObject {
    /// Its place in the list, for the next page.
    pub place: i64,
    /// What became of it.
    pub fate: Fate,
    /// objectGUID; `None` where the entry showed none that can be read.
    pub guid: Option<Guid>,
    /// Its kind.
    pub kind: Kind,
    /// Its distinguished name.
    pub dn: String,
    /// `externalAssetId`, where there is an asset.
    pub external_id: Option<String>,
    /// Why.
    pub reason: String,
}

impl Store {
    /// `limit` objects from behind the place `after` that `run` did not get through, or removed: as many in all as its counts
    /// say, in the order in which they were found, or none when the run is too old.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn run_objects(
        &self,
        run: RunId,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<RunObject>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT id AS place, fate, guid, kind, dn, external_id, reason FROM run_object
                 WHERE run = ? AND id > ? ORDER BY id LIMIT ?",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let objects = statement.query_map(params![run, after.unwrap_or(0), limit], |row| {
                Ok(RunObject {
                    place: row.get("place")?,
                    fate: row.get("fate")?,
                    guid: row.get("guid")?,
                    kind: row.get("kind")?,
                    dn: row.get("dn")?,
                    external_id: row.get("external_id")?,
                    reason: row.get("reason")?,
                })
            })?;
            Ok(objects.collect::<Result<_, _>>()?)
        })
    }
}

/// Adds to what `run` did.
pub(super) fn add(transaction: &Transaction<'_>, run: RunId, more: &KindCounts) -> Result<(), Fault> {
    let mut add = transaction.prepare_cached(
        "INSERT INTO run_count (run, kind, read, unchanged, staged, sent, accepted, rejected, unmapped, removed, held)
         VALUES (:run, :kind, :read, :unchanged, :staged, :sent, :accepted, :rejected, :unmapped, :removed, :held)
         ON CONFLICT (run, kind) DO UPDATE SET
             read = read + excluded.read, unchanged = unchanged + excluded.unchanged,
             staged = staged + excluded.staged, sent = sent + excluded.sent,
             accepted = accepted + excluded.accepted, rejected = rejected + excluded.rejected,
             unmapped = unmapped + excluded.unmapped, removed = removed + excluded.removed,
             held = held + excluded.held",
    )?;
    for (kind, counts) in &more.0 {
        add.execute(named_params! {
            ":run": run, ":kind": kind, ":read": stored(counts.read), ":unchanged": stored(counts.unchanged),
            ":staged": stored(counts.staged), ":sent": stored(counts.sent), ":accepted": stored(counts.accepted),
            ":rejected": stored(counts.rejected), ":unmapped": stored(counts.unmapped),
            ":removed": stored(counts.removed), ":held": stored(counts.held),
        })?;
    }
    Ok(())
}

/// What `run` did so far.
pub(super) fn counts(sql: &rusqlite::Connection, run: RunId) -> Result<KindCounts, Fault> {
    let mut statement = sql.prepare_cached("SELECT * FROM run_count WHERE run = ?")?;
    let counts = statement.query_map([run], |row| Ok((row.get("kind")?, counts_of(row)?)))?;
    Ok(KindCounts(counts.collect::<Result<_, _>>()?))
}

fn counts_of(row: &Row<'_>) -> rusqlite::Result<Counts> {
    Ok(Counts {
        read: count(row, "read")?,
        unchanged: count(row, "unchanged")?,
        staged: count(row, "staged")?,
        sent: count(row, "sent")?,
        accepted: count(row, "accepted")?,
        rejected: count(row, "rejected")?,
        unmapped: count(row, "unmapped")?,
        removed: count(row, "removed")?,
        held: count(row, "held")?,
    })
}

/// An object to be told of.
pub(super) struct Told<'a> {
    pub(super) fate: Fate,
    pub(super) guid: Option<Guid>,
    pub(super) kind: Kind,
    pub(super) dn: &'a str,
    pub(super) external_id: Option<&'a str>,
    pub(super) reason: &'a str,
}

/// Tells of one object in the list of `run`; the caller counts it.
pub(super) fn tell(transaction: &Transaction<'_>, run: RunId, told: &Told<'_>) -> Result<(), Fault> {
    transaction
        .prepare_cached(
            "INSERT INTO run_object (run, fate, guid, kind, dn, external_id, reason) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            run,
            told.fate,
            told.guid,
            told.kind,
            told.dn,
            told.external_id,
            told.reason
        ])?;
    Ok(())
}

/// Drops the lists of runs so old that [`KEPT_OBJECTS`] came after them; each list is there as a whole, or not at all.
pub(super) fn forget_old(transaction: &Transaction<'_>) -> Result<(), Fault> {
    transaction.execute(
        "DELETE FROM run_object
         WHERE run <= (SELECT run FROM run_object WHERE id <= (SELECT max(id) FROM run_object) - ? ORDER BY id DESC LIMIT 1)
             AND run NOT IN (SELECT max(id) FROM run GROUP BY connection)",
        [KEPT_OBJECTS],
    )?;
    Ok(())
}
