//! Hands out what waits on the stage, and takes in what upstream answered (R18, R20).

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Transaction, named_params, params};

use super::error::Fault;
use super::run::open_run;
use super::stage::fingerprint;
use super::value::stored;
use super::{ConnectionId, Fate, InFlight, KindCounts, RunId, Store, StoreError, history};
use crate::failpoint::Commit;
use crate::identity::{Guid, Kind};

/// One version of one object's asset, handed out to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its place in the order of the stage; another version of the object has another.
    pub seq: u64,
    /// objectGUID.
    pub guid: Guid,
    /// The object's kind.
    pub kind: Kind,
    /// The object's distinguished name.
    pub dn: String,
    /// `externalAssetId` of the asset.
    pub external_id: String,
    /// One `assetData` element.
    pub asset: String,
    /// Whether it says that the object is gone.
    pub removal: bool,
}

/// What upstream said of a batch, each item by its seq.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answered {
    /// Accepted.
    pub accepted: Vec<u64>,
    /// Rejected, with upstream's reason.
    pub rejected: Vec<(u64, String)>,
    /// Of the rejected, those that may have arrived all the same: an earlier attempt of theirs was not answered, or the answer
    /// did not say which assets it rejects.
    pub unclear: Vec<u64>,
    /// Requests that it took. Without any, nothing of the batch went out.
    pub requests: u64,
}

impl Store {
    /// Hands out what is to be sent next, in the order of the stage, from behind `after` (0 for the first batch of a run, then the
    /// last `seq` got): at most `max_assets` items, whose assets and `item_overhead` for each stay within `max_bytes`; one item is
    /// given even if it alone is larger. Rows that upstream rejected in this run are left for the next one.
    ///
    /// Every batch handed out goes to [`Self::settle`], also when no answer came. The batch ends before an object of
    /// which an earlier version is still out: an empty batch while others are out means "ask again after the next
    /// settle", an empty batch while none is out means that the stage holds nothing more for this run.
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
    ) -> Result<Vec<Item>, StoreError> {
        self.write_in_flight(Commit::NextBatch, |transaction, in_flight| {
            let connection = open_run(transaction, run)?;
            let mut batch = Vec::new();
            let mut bytes = 0;
            // NOT INDEXED: in the order of the table itself, so that only what is handed out is read.
            let mut waiting = transaction.prepare_cached(
                "SELECT seq, guid, kind, dn, external_id, asset, sent, removal FROM stage NOT INDEXED
                 WHERE seq > :after AND connection = :connection AND rejected_run IS NOT :run ORDER BY seq",
            )?;
            let mut rows = waiting
                .query(named_params! { ":after": stored(after), ":connection": connection, ":run": run })?;
            while let Some(row) = rows.next()? {
                let guid = row.get(1)?;
                bytes += row.get_ref(5)?.as_bytes()?.len() + item_overhead;
                let full = batch.len() >= max_assets || bytes > max_bytes;
                if (full && !batch.is_empty()) || in_flight.contains_key(&(connection, guid)) {
                    break;
                }
                let seq: i64 = row.get(0)?;
                in_flight.insert(
                    (connection, guid),
                    InFlight {
                        seq,
                        sent_before: row.get(6)?,
                    },
                );
                batch.push(Item {
                    seq: u64::try_from(seq).unwrap_or(0),
                    guid,
                    kind: row.get(2)?,
                    dn: row.get(3)?,
                    external_id: row.get(4)?,
                    asset: row.get(5)?,
                    removal: row.get(7)?,
                });
            }
            let mut mark = transaction.prepare_cached("UPDATE stage SET sent = seq WHERE seq = ?")?;
            for item in &batch {
                mark.execute([stored(item.seq)])?;
            }
            Ok(batch)
        })
    }

    /// Takes in what became of a batch of `run`, all of it in one transaction. `items` is the whole batch as it was handed out;
    /// those that are neither accepted nor rejected got no answer, and stay to be sent
    /// again. What was accepted leaves the stage; of an object that was staged anew meanwhile the newer version stays. What
    /// was rejected stays until the next run. Gives how many were sent, accepted and rejected, by kind.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written; the batch then is still out, and settling it can be repeated.
    pub fn settle(
        &self,
        run: RunId,
        items: &[Item],
        answered: &Answered,
        now: i64,
    ) -> Result<KindCounts, StoreError> {
        let items: BTreeMap<u64, &Item> = items.iter().map(|item| (item.seq, item)).collect();
        self.write_in_flight(Commit::Settle, |transaction, in_flight| {
            let connection = open_run(transaction, run)?;
            let answer = Answer {
                transaction,
                connection,
                run,
                now,
            };
            let mut counts = KindCounts::default();
            if answered.requests > 0 {
                for item in items.values() {
                    counts.of(item.kind).sent += 1;
                }
            }
            for item in answered.accepted.iter().filter_map(|seq| items.get(seq)) {
                answer.accepted(item)?;
                counts.of(item.kind).accepted += 1;
            }
            for (item, reason) in answered
                .rejected
                .iter()
                .filter_map(|(seq, reason)| items.get(seq).map(|item| (item, reason)))
            {
                let out = in_flight
                    .get(&(connection, item.guid))
                    .filter(|out| out.seq == stored(item.seq) && !answered.unclear.contains(&item.seq));
                answer.rejected(item, reason, out.map(|out| out.sent_before))?;
                counts.of(item.kind).rejected += 1;
            }
            for item in items.values() {
                let key = (connection, item.guid);
                if in_flight.get(&key).is_some_and(|out| out.seq == stored(item.seq)) {
                    in_flight.remove(&key);
                }
            }
            history::add(transaction, run, &counts)?;
            transaction
                .prepare_cached("UPDATE run SET requests = requests + ? WHERE id = ?")?
                .execute(params![stored(answered.requests), run])?;
            Ok(counts)
        })
    }
}

/// An answer that is being taken in.
struct Answer<'t> {
    transaction: &'t Transaction<'t>,
    connection: ConnectionId,
    run: RunId,
    now: i64,
}

impl Answer<'_> {
    fn accepted(&self, item: &Item) -> Result<(), Fault> {
        // What waits may have been staged or renamed since the item was handed out: its names are the newer ones.
        let waiting = self
            .transaction
            .prepare_cached("SELECT seq, kind, dn FROM stage WHERE connection = ? AND guid = ?")?
            .query_row(params![self.connection, item.guid], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let (seq, kind, dn) = waiting.unwrap_or_else(|| (stored(item.seq), item.kind, item.dn.clone()));
        if item.removal {
            self.told_removed(item.guid)?;
        } else if !self.is_removed(item.guid)? {
            self.remember(item, kind, &dn)?;
        }
        if seq == stored(item.seq) {
            self.transaction
                .prepare_cached("DELETE FROM stage WHERE seq = ?")?
                .execute([seq])?;
            return Ok(());
        }
        // Versions of an object are sent one after the other, so this answer also tells the fate of all before.
        self.now_certain(seq, 0, item.seq)?;
        self.withdraw_if_held(seq, item.guid)
    }

    fn rejected(&self, item: &Item, reason: &str, sent_before: Option<i64>) -> Result<(), Fault> {
        let told = history::Told {
            fate: Fate::Rejected,
            guid: Some(item.guid),
            kind: item.kind,
            dn: &item.dn,
            external_id: Some(&item.external_id),
            reason,
        };
        history::tell(self.transaction, self.run, &told)?;
        self.transaction
            .prepare_cached(
                "UPDATE stage SET rejected_run = :run, rejected_at = coalesce(rejected_at, :now),
                     reject_reason = :reason WHERE seq = :seq",
            )?
            .execute(named_params! {
                ":run": self.run, ":now": self.now, ":reason": reason, ":seq": stored(item.seq),
            })?;
        let waiting: Option<i64> = self
            .transaction
            .prepare_cached("SELECT seq FROM stage WHERE connection = ? AND guid = ?")?
            .query_row(params![self.connection, item.guid], |row| row.get(0))
            .optional()?;
        let (Some(seq), Some(sent_before)) = (waiting, sent_before) else {
            return Ok(());
        };
        // This version did not arrive for certain; one before it still may have.
        self.now_certain(seq, sent_before, item.seq)?;
        if seq == stored(item.seq) {
            Ok(())
        } else {
            self.withdraw_if_held(seq, item.guid)
        }
    }

    /// The fate of version `answered` is known now; `sent` is the newest version before it whose fate is not.
    fn now_certain(&self, seq: i64, sent: i64, answered: u64) -> Result<(), Fault> {
        self.transaction
            .prepare_cached("UPDATE stage SET sent = ? WHERE seq = ? AND sent <= ?")?
            .execute(params![sent, seq, stored(answered)])?;
        Ok(())
    }

    /// Takes a row from the stage that is what upstream holds for certain (R17).
    fn withdraw_if_held(&self, seq: i64, guid: Guid) -> Result<(), Fault> {
        self.transaction
            .prepare_cached(
                "DELETE FROM stage WHERE seq = ? AND sent = 0 AND fingerprint =
                     (SELECT fingerprint FROM known WHERE connection = ? AND guid = ?)",
            )?
            .execute(params![seq, self.connection, guid])?;
        Ok(())
    }

    /// Whether the object was removed while the item was out. It returns to `object` only when it returns to the scope.
    fn is_removed(&self, guid: Guid) -> Result<bool, Fault> {
        Ok(self
            .transaction
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM removed WHERE connection = ? AND guid = ?)")?
            .query_row(params![self.connection, guid], |row| row.get(0))?)
    }

    /// Upstream knows now that the object is gone.
    fn told_removed(&self, guid: Guid) -> Result<(), Fault> {
        self.transaction
            .prepare_cached("UPDATE removed SET sent_at = ? WHERE connection = ? AND guid = ?")?
            .execute(params![self.now, self.connection, guid])?;
        Ok(())
    }

    /// Upstream holds `item` now.
    fn remember(&self, item: &Item, kind: Kind, dn: &str) -> Result<(), Fault> {
        let asset: Option<i64> = self
            .transaction
            .prepare_cached("SELECT asset FROM object WHERE connection = ? AND guid = ?")?
            .query_row(params![self.connection, item.guid], |row| row.get(0))
            .optional()?;
        let asset = if let Some(asset) = asset {
            self.transaction
                .prepare_cached("UPDATE asset SET json = ? WHERE id = ?")?
                .execute(params![item.asset, asset])?;
            asset
        } else {
            self.transaction
                .prepare_cached("INSERT INTO asset (json) VALUES (?)")?
                .insert([&item.asset])?
        };
        self.transaction
            .prepare_cached(
                "INSERT INTO object (connection, guid, kind, dn, external_id, fingerprint, accepted_at,
                     accepted_run, asset)
                 VALUES (:connection, :guid, :kind, :dn, :external_id, :fingerprint, :now, :run, :asset)
                 ON CONFLICT (connection, guid) DO UPDATE SET
                     kind = excluded.kind, dn = excluded.dn, external_id = excluded.external_id,
                     fingerprint = excluded.fingerprint, accepted_at = excluded.accepted_at,
                     accepted_run = excluded.accepted_run",
            )?
            .execute(named_params! {
                ":connection": self.connection, ":guid": item.guid, ":kind": kind, ":dn": dn,
                ":external_id": item.external_id, ":fingerprint": fingerprint(&item.asset),
                ":now": self.now, ":run": self.run, ":asset": asset,
            })?;
        Ok(())
    }
}
