//! Answers of upstream: what was accepted leaves the stage and becomes what upstream holds.

use std::collections::{BTreeMap, BTreeSet};

use super::bulk_tables::{BATCH, DOCUMENT};
use super::error::StoreFault;
use super::handed_out::HandedOutVersion;
use super::ownership::StagedVersion;
use super::sql::{Sql, SqlRow, values};
use super::value::stored;
use super::{ConnectionId, Fate, KindCounts, RunId, history, ownership};

/// Answer of upstream to a batch, each item by its seq.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettledBatch {
    /// Accepted.
    pub accepted: Vec<u64>,
    /// Rejected, with upstream's reason.
    pub rejected: Vec<(u64, String)>,
    /// Of the rejected, those that may have arrived all the same: an earlier attempt of theirs was
    /// not answered, or the answer did not say which assets it rejects.
    pub unclear: Vec<u64>,
    /// Requests that it took. Without any, nothing of the batch went out.
    pub requests: u64,
    /// The run ended at it: what was sent and is not decided goes behind all that waits, so that
    /// the next run begins with others (R32).
    pub ended_run: bool,
}

/// Selects the accepted versions that were replaced on the stage while they were out: their text is
/// not stored any more.
const REPLACED: &str = "
    SELECT b.seq FROM batch AS b WHERE b.fate = 'accepted' AND b.removal = 0
        AND NOT EXISTS (SELECT 1 FROM document AS d WHERE d.seq = b.seq)";

/// Deletes the texts of the versions that upstream held before, of the removals that it accepted,
/// and of versions that were kept in case they arrive, and did not or were refused.
const FORGET_TEXTS: [&str; 3] = [
    "DELETE FROM document WHERE seq IN (
         SELECT a.document FROM batch AS b JOIN asset AS a ON a.id = b.asset
         WHERE b.fate = 'accepted' AND b.removal = 0 AND a.document <> b.seq)",
    "DELETE FROM document WHERE seq IN (SELECT seq FROM batch WHERE fate = 'accepted' AND removal = 1)",
    "DELETE FROM document WHERE seq IN (
         SELECT b.seq FROM batch AS b JOIN asset AS a ON a.id = b.asset AND a.document = b.seq
         WHERE (b.fate = 'absent' OR b.reason IS NOT NULL)
             AND NOT EXISTS (SELECT 1 FROM stage AS s WHERE s.seq = b.seq AND s.object = a.owner))",
];

/// Stores what upstream holds now. Versions of an asset are sent one after the other, so an
/// accepted one also settles the fate of all before; one that is certainly not there leaves that
/// open.
const SETTLE: &str = "
    UPDATE asset SET
        fingerprint = CASE WHEN b.fate <> 'accepted' THEN asset.fingerprint
            WHEN b.removal = 1 THEN NULL ELSE b.fingerprint END,
        document = CASE WHEN b.fate = 'accepted' AND b.removal = 0 THEN b.seq
            WHEN asset.document = b.seq AND (b.fate = 'absent' OR b.reason IS NOT NULL) THEN NULL
            ELSE asset.document END,
        accepted_at = CASE WHEN b.fate = 'accepted' THEN $1 ELSE asset.accepted_at END,
        accepted_run = CASE WHEN b.fate = 'accepted' THEN $2 ELSE asset.accepted_run END,
        sent = CASE b.fate WHEN 'accepted' THEN 0 WHEN 'absent' THEN asset.sent_before
            ELSE asset.sent END,
        out_run = NULL
    FROM batch AS b WHERE b.asset = asset.id AND asset.sent - b.seq = 0";

/// Records when upstream accepted that an object is gone.
const REMOVED: &str = "
    UPDATE removed SET sent_at = $1 WHERE asset IN (
        SELECT asset FROM batch WHERE fate = 'accepted' AND removal = 1)";

/// Takes the accepted versions from the stage.
const LEAVE_STAGE: &str = "
    DELETE FROM stage WHERE connection = $1 AND seq IN (SELECT seq FROM batch WHERE fate = 'accepted')";

/// Records rejections.
const REJECT: &str = "
    UPDATE stage SET rejected_run = $1, rejected_at = coalesce(rejected_at, $2),
        reject_reason = (SELECT b.reason FROM batch AS b WHERE b.seq = stage.seq)
    WHERE connection = $3 AND seq IN (SELECT seq FROM batch WHERE reason IS NOT NULL)";

/// Selects versions that wait and are what upstream holds for certain, now that the fate of those
/// before them is known (R17).
const HELD: &str = "
    SELECT s.connection, s.seq, s.asset FROM batch AS b
    JOIN asset AS a ON a.id = b.asset
    JOIN stage AS s ON s.object = a.owner
    WHERE s.asset = a.id AND a.sent = 0 AND s.fingerprint = a.fingerprint AND s.seq <> b.seq";

/// Selects versions that were sent, are neither accepted nor rejected, and were not replaced since.
const UNDECIDED: &str = "
    SELECT s.connection, s.seq, s.asset FROM batch AS b CROSS JOIN stage AS s
    WHERE b.fate = 'unknown' AND b.reason IS NULL AND s.connection = $1 AND s.seq = b.seq
    ORDER BY b.seq";

/// Stores the outcome of a batch, and adds to `counts` the numbers sent, accepted and rejected.
pub(super) fn settle(
    sql: &dyn Sql,
    connection: ConnectionId,
    run: RunId,
    items: &[HandedOutVersion],
    answered: &SettledBatch,
    now: i64,
    counts: &mut KindCounts,
) -> Result<(), StoreFault> {
    let items: BTreeMap<u64, &HandedOutVersion> = items.iter().map(|item| (item.seq, item)).collect();
    fill(sql, &items, answered)?;
    let replaced: Vec<u64> = sql.rows(REPLACED, &[], |row| row.count(0))?;
    sql.insert(&DOCUMENT, &mut |insert| {
        let texts = replaced.iter().filter_map(|seq| items.get(seq));
        texts
            .into_iter()
            .try_for_each(|item| insert(values![stored(item.seq), item.asset.as_ref()]))
    })?;
    for statement in FORGET_TEXTS {
        sql.execute(statement, &[])?;
    }
    sql.execute(SETTLE, values![now, run])?;
    sql.execute(REMOVED, values![now])?;
    sql.execute(LEAVE_STAGE, values![connection])?;
    sql.execute(REJECT, values![run, now, connection])?;
    let held = sql.rows(HELD, &[], version_of)?;
    ownership::withdraw(sql, &held)?;
    if answered.ended_run {
        let undecided = sql.rows(UNDECIDED, values![connection], version_of)?;
        ownership::put_behind(sql, &undecided)?;
    }
    record(sql, run, &items, answered, counts)
}

fn version_of(row: &SqlRow<'_>) -> Result<StagedVersion, StoreFault> {
    Ok(StagedVersion {
        connection: row.get(0)?,
        seq: row.get(1)?,
        asset: row.get(2)?,
    })
}

/// Writes the batch with its fates into its temporary table.
fn fill(
    sql: &dyn Sql,
    items: &BTreeMap<u64, &HandedOutVersion>,
    answered: &SettledBatch,
) -> Result<(), StoreFault> {
    let accepted: BTreeSet<u64> = answered.accepted.iter().copied().collect();
    let rejected: BTreeMap<u64, &str> = answered
        .rejected
        .iter()
        .map(|(seq, reason)| (*seq, reason.as_str()))
        .collect();
    sql.clear(&BATCH)?;
    sql.insert(&BATCH, &mut |insert| {
        items.values().try_for_each(|item| {
            let reason = rejected.get(&item.seq).copied();
            let fate = if accepted.contains(&item.seq) {
                "accepted"
            } else if answered.requests == 0 || (reason.is_some() && !answered.unclear.contains(&item.seq)) {
                "absent"
            } else {
                "unknown"
            };
            insert(values![
                stored(item.seq),
                item.row,
                item.removal,
                item.fingerprint,
                fate,
                reason
            ])
        })
    })
}

/// Counts the batch, and records its rejections in the history of the run.
fn record(
    sql: &dyn Sql,
    run: RunId,
    items: &BTreeMap<u64, &HandedOutVersion>,
    answered: &SettledBatch,
    counts: &mut KindCounts,
) -> Result<(), StoreFault> {
    if answered.requests > 0 {
        for item in items.values() {
            counts.of(item.kind).sent += 1;
        }
    }
    for item in answered.accepted.iter().filter_map(|seq| items.get(seq)) {
        counts.of(item.kind).accepted += 1;
    }
    let rejected = answered.rejected.iter().filter_map(|(seq, reason)| {
        let item = items.get(seq)?;
        counts.of(item.kind).rejected += 1;
        Some(history::RecordedObject {
            fate: Fate::Rejected,
            guid: Some(item.guid),
            kind: item.kind,
            dn: &item.dn,
            external_id: Some(&item.external_id),
            reason,
        })
    });
    history::record_objects(sql, run, rejected)
}
