//! Batches: hands out what waits on the stage, in its order (R18, R20).

use std::sync::Arc;

use super::bulk_tables::BATCH;
use super::error::StoreFault;
use super::handed_out::HandedOutVersion;
use super::open_run::open_run;
use super::run_basis::unchanged_run;
use super::sql::{Sql, values};
use super::value::stored;
use super::{ConnectionId, KindCounts, RunId, SettledBatch, Store, StoreError, history, settle};
use crate::failpoint::Commit;

/// Bounds of a batch.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Last `seq` handed out in this run, 0 before the first.
    pub after: u64,
    /// Most assets of it.
    pub assets: usize,
    /// Most octets of these together.
    pub bytes: usize,
    /// Octets that each of them takes besides its own.
    pub item_overhead: usize,
}

/// Selects what waits behind `$1`, in order: versions of an object that owns its asset, and
/// removals of an asset without an owner, so that no request holds an id twice (R37 d). What
/// upstream rejected in this run waits for the next one, and so does what another run has in
/// flight: this run does not know when that is answered.
const WAITING: &str = "
    SELECT s.seq, coalesce(o.guid, r.guid) AS guid, coalesce(o.kind, r.kind) AS kind,
        coalesce(o.dn, r.dn) AS dn, a.external_id, d.json, CASE WHEN s.object IS NULL THEN 1 ELSE 0 END
            AS removal,
        a.id AS row, s.fingerprint,
        (SELECT run.id FROM run WHERE run.id = a.out_run AND run.ended IS NULL) AS out_run
    FROM stage AS s
    JOIN asset AS a ON a.id = s.asset
    JOIN document AS d ON d.seq = s.seq
    LEFT JOIN object AS o ON o.id = s.object
    LEFT JOIN removed AS r ON r.asset = s.asset AND s.object IS NULL
    WHERE s.seq > $1 AND s.connection = $2 AND s.rejected_run IS DISTINCT FROM $3
        AND (a.owner = s.object OR (a.owner IS NULL AND s.object IS NULL))
        AND NOT EXISTS (SELECT 1 FROM run AS n
            WHERE n.id = a.out_run AND n.ended IS NULL AND n.id IS DISTINCT FROM $3)
    ORDER BY s.seq LIMIT $4";

/// Notes that the fate of these versions is unknown from now on, and that they are in flight.
const HAND_OUT: &str = "
    UPDATE asset SET sent_before = asset.sent, sent = b.seq, out_run = $1 FROM batch AS b
    WHERE b.asset = asset.id";

impl Store {
    /// Hands out what is to be sent next, in the order of the stage, from behind `after` (0 for the
    /// first batch of a run, then the last `seq` got): at most `max_assets` items, whose assets and
    /// `item_overhead` for each stay within `max_bytes`; one item is given even if it alone is
    /// larger. Rows that upstream rejected in this run are left for the next one.
    ///
    /// Every batch handed out goes to [`Self::settle`], also when no answer came. An asset of which
    /// the run of another connection has a version in flight is left for the next run. The batch
    /// ends before an asset of which this run has a version in flight: an empty batch while others
    /// are out means "ask again after the next settle", an empty batch while none is out means that
    /// the stage holds nothing more for this run.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written.
    pub fn next_batch(
        &self,
        run: RunId,
        after: u64,
        max_assets: usize,
        max_bytes: usize,
        item_overhead: usize,
    ) -> Result<Vec<HandedOutVersion>, StoreError> {
        let limits = BatchLimits {
            after,
            assets: max_assets,
            bytes: max_bytes,
            item_overhead,
        };
        Ok(self.turn(run, &[], Some(limits), 0)?.1)
    }

    /// Stores the outcome of a batch of `run`, all of it in one transaction. `items` is the whole
    /// batch as it was handed out; those that are neither accepted nor rejected got no answer, and
    /// stay to be sent again. What was accepted leaves the stage; of an object that was staged anew
    /// meanwhile the newer version stays. What was rejected stays until the next run. Returns how
    /// many were sent, accepted and rejected, by kind.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written; the batch then is still out, and
    /// settling it can be repeated.
    pub fn settle(
        &self,
        run: RunId,
        items: &[HandedOutVersion],
        answered: &SettledBatch,
        now: i64,
    ) -> Result<KindCounts, StoreError> {
        let settled = [(items.to_vec(), answered.clone())];
        Ok(self.turn(run, &settled, None, now)?.0)
    }

    /// Calls [`Self::settle`] for every batch of `settled`, then [`Self::next_batch`] where there
    /// are `limits` for one, in one transaction: a commit waits for the disk.
    ///
    /// # Errors
    /// As either; then nothing of both was done, and it can be repeated.
    pub fn turn(
        &self,
        run: RunId,
        settled: &[(Vec<HandedOutVersion>, SettledBatch)],
        limits: Option<BatchLimits>,
        now: i64,
    ) -> Result<(KindCounts, Vec<HandedOutVersion>), StoreError> {
        let commit = if settled.is_empty() {
            Commit::NextBatch
        } else {
            Commit::Settle
        };
        self.write(commit, |sql| {
            // An answer is stored whatever the connection has become since.
            let connection = match limits {
                Some(_) => unchanged_run(sql, run)?,
                None => open_run(sql, run)?,
            };
            let mut counts = KindCounts::default();
            for (items, answered) in settled {
                settle::settle(sql, connection, run, items, answered, now, &mut counts)?;
            }
            if !settled.is_empty() {
                history::add_counts(sql, run, &counts)?;
                let requests: u64 = settled.iter().map(|(_, answered)| answered.requests).sum();
                sql.execute(
                    "UPDATE run SET requests = requests + $1 WHERE id = $2",
                    values![stored(requests), run],
                )?;
            }
            let batch = match limits {
                Some(limits) => hand_out(sql, connection, run, limits)?,
                None => Vec::new(),
            };
            Ok((counts, batch))
        })
    }
}

fn hand_out(
    sql: &dyn Sql,
    connection: ConnectionId,
    run: RunId,
    limits: BatchLimits,
) -> Result<Vec<HandedOutVersion>, StoreFault> {
    let mut batch: Vec<HandedOutVersion> = Vec::new();
    let mut bytes = 0;
    let rows = i64::try_from(limits.assets.max(1)).unwrap_or(i64::MAX);
    sql.query(
        WAITING,
        values![stored(limits.after), connection, run, rows],
        &mut |row| {
            if row.get::<Option<RunId>>(9)?.is_some() {
                return Ok(false);
            }
            let json = row.value(5)?.text().unwrap_or_default();
            bytes += json.len() + limits.item_overhead;
            let full = batch.len() >= limits.assets || bytes > limits.bytes;
            if full && !batch.is_empty() {
                return Ok(false);
            }
            batch.push(HandedOutVersion {
                seq: row.count(0)?,
                guid: row.get(1)?,
                kind: row.get(2)?,
                dn: row.get(3)?,
                external_id: row.get(4)?,
                asset: Arc::from(json),
                removal: row.get(6)?,
                row: row.get(7)?,
                fingerprint: row.get(8)?,
            });
            Ok(true)
        },
    )?;
    if !batch.is_empty() {
        sql.clear(&BATCH)?;
        sql.insert(&BATCH, &mut |insert| {
            batch.iter().try_for_each(|item| {
                insert(values![
                    stored(item.seq),
                    item.row,
                    item.removal,
                    item.fingerprint,
                    "unknown",
                    None::<&str>
                ])
            })
        })?;
        sql.execute(HAND_OUT, values![run])?;
    }
    Ok(batch)
}
