//! Hands out what waits on the stage, and takes in what upstream answered (R18, R20).

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, Row, Transaction, named_params, params};

use super::error::Fault;
use super::run::open_run;
use super::stage::fingerprint;
use super::value::stored;
use super::{ConnectionId, Fate, Flights, InFlight, KindCounts, RunId, Store, StoreError, history, scratch};
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
        let room = Room {
            after,
            assets: max_assets,
            bytes: max_bytes,
            item_overhead,
        };
        Ok(self.turn(run, &[], Some(room), 0)?.1)
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
        let settled = [(items.to_vec(), answered.clone())];
        Ok(self.turn(run, &settled, None, now)?.0)
    }

    /// [`Self::settle`] for every batch of `settled`, then [`Self::next_batch`] if there is `room` for one, in one
    /// transaction: a commit waits for the disk.
    ///
    /// # Errors
    /// As either; then nothing of both was done, and it can be repeated.
    pub fn turn(
        &self,
        run: RunId,
        settled: &[(Vec<Item>, Answered)],
        room: Option<Room>,
        now: i64,
    ) -> Result<(KindCounts, Vec<Item>), StoreError> {
        let commit = if settled.is_empty() {
            Commit::NextBatch
        } else {
            Commit::Settle
        };
        self.write_in_flight(commit, |transaction, in_flight| {
            let connection = open_run(transaction, run)?;
            let answer = Answer {
                transaction,
                connection,
                run,
                now,
            };
            let mut counts = KindCounts::default();
            let mut landing = BTreeSet::new();
            for (items, answered) in settled {
                answer.take_in(items, answered, in_flight, &mut counts)?;
                let landed = items.iter().map(|item| (connection, item.guid, stored(item.seq)));
                landing.extend(landed.filter(|(connection, guid, seq)| {
                    in_flight
                        .get(&(*connection, *guid))
                        .is_some_and(|out| out.seq == *seq)
                }));
            }
            if !settled.is_empty() {
                history::add(transaction, run, &counts)?;
                let requests: u64 = settled.iter().map(|(_, answered)| answered.requests).sum();
                transaction
                    .prepare_cached("UPDATE run SET requests = requests + ? WHERE id = ?")?
                    .execute(params![stored(requests), run])?;
            }
            let is_out = |guid| {
                in_flight
                    .get(&(connection, guid))
                    .is_some_and(|out| !landing.contains(&(connection, guid, out.seq)))
            };
            let (batch, out) = match room {
                Some(room) => handed_out(transaction, connection, run, room, is_out)?,
                None => (Vec::new(), Vec::new()),
            };
            let change = move |in_flight: &mut Flights| {
                for (connection, guid, _) in landing {
                    in_flight.remove(&(connection, guid));
                }
                in_flight.extend(out);
            };
            Ok(((counts, batch), change))
        })
    }
}

/// What a batch may be.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// The last `seq` handed out in this run, 0 before the first.
    pub after: u64,
    /// Most assets of it.
    pub assets: usize,
    /// Most octets of these together.
    pub bytes: usize,
    /// Octets that each of them takes besides its own.
    pub item_overhead: usize,
}

/// The next rows of the stage that fit, and what is in flight with them.
type HandedOut = (Vec<Item>, Vec<((ConnectionId, Guid), InFlight)>);

fn handed_out(
    transaction: &Transaction<'_>,
    connection: ConnectionId,
    run: RunId,
    room: Room,
    is_out: impl Fn(Guid) -> bool,
) -> Result<HandedOut, Fault> {
    let (mut batch, mut out) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    // NOT INDEXED: in the order of the table itself, so that only what is handed out is read.
    let mut waiting = transaction.prepare_cached(
        "SELECT seq, guid, card.kind, dn, external_id, (SELECT json FROM text WHERE text.id = stage.asset), sent,
             removal
         FROM stage NOT INDEXED CROSS JOIN card ON card.id = stage.object
         WHERE seq > :after AND stage.connection = :connection AND rejected_run IS NOT :run ORDER BY seq",
    )?;
    let mut rows = waiting
        .query(named_params! { ":after": stored(room.after), ":connection": connection, ":run": run })?;
    while let Some(row) = rows.next()? {
        let guid = row.get(1)?;
        bytes += row.get_ref(5)?.as_bytes()?.len() + room.item_overhead;
        let full = batch.len() >= room.assets || bytes > room.bytes;
        if (full && !batch.is_empty()) || is_out(guid) {
            break;
        }
        let seq: i64 = row.get(0)?;
        let sent_before = row.get(6)?;
        out.push(((connection, guid), InFlight { seq, sent_before }));
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
    if let Some(last) = batch.last() {
        // The very rows that were handed out.
        transaction
            .prepare_cached(
                "UPDATE stage NOT INDEXED SET sent = seq
                 WHERE seq > :after AND seq <= :last AND connection = :connection AND rejected_run IS NOT :run",
            )?
            .execute(named_params! {
                ":after": stored(room.after), ":last": stored(last.seq), ":connection": connection, ":run": run,
            })?;
    }
    Ok((batch, out))
}

/// An answer that is being taken in.
struct Answer<'t> {
    transaction: &'t Transaction<'t>,
    connection: ConnectionId,
    run: RunId,
    now: i64,
}

/// What waits of an object.
struct Waiting {
    seq: i64,
    object: i64,
    asset: i64,
    removal: bool,
}

/// The rows of the stage from `:first` to `:last` that a batch of the run may hold.
macro_rules! of_batch {
    () => {
        "seq >= :first AND seq <= :last AND connection = :connection AND rejected_run IS NOT :run AND removal = 0"
    };
}

impl Answer<'_> {
    /// Takes in what became of a batch.
    fn take_in(
        &self,
        items: &[Item],
        answered: &Answered,
        in_flight: &Flights,
        counts: &mut KindCounts,
    ) -> Result<(), Fault> {
        let items: BTreeMap<u64, &Item> = items.iter().map(|item| (item.seq, item)).collect();
        let sent_before = |item: &Item| {
            in_flight
                .get(&(self.connection, item.guid))
                .filter(|out| out.seq == stored(item.seq))
                .map(|out| out.sent_before)
        };
        if answered.requests > 0 {
            for item in items.values() {
                counts.of(item.kind).sent += 1;
            }
        } else {
            // Nothing of it went out, so nothing of it may have arrived.
            for item in items.values() {
                if let Some(before) = sent_before(item) {
                    self.now_certain(stored(item.seq), before, item.seq)?;
                }
            }
        }
        let done = if answered.accepted.len() == items.len() {
            self.all_accepted(&items)?
        } else {
            BTreeSet::new()
        };
        for item in answered.accepted.iter().filter_map(|seq| items.get(seq)) {
            if !done.contains(&item.seq) {
                self.accepted(item)?;
            }
            counts.of(item.kind).accepted += 1;
        }
        for (seq, reason) in &answered.rejected {
            let Some(item) = items.get(seq) else { continue };
            let certain = !answered.unclear.contains(seq);
            self.rejected(item, reason, sent_before(item).filter(|_| certain))?;
            counts.of(item.kind).rejected += 1;
        }
        Ok(())
    }

    /// Takes in a batch that was accepted as a whole, in four statements and not in four for each item. Gives the items that
    /// are done with; the others left the stage while they were out, or tell of a removal.
    fn all_accepted(&self, items: &BTreeMap<u64, &Item>) -> Result<BTreeSet<u64>, Fault> {
        let (Some((first, _)), Some((last, _))) = (items.first_key_value(), items.last_key_value()) else {
            return Ok(BTreeSet::new());
        };
        let (first, last) = (stored(*first), stored(*last));
        let sql = self.transaction;
        let here: BTreeSet<u64> = sql
            .prepare_cached(concat!("SELECT seq FROM stage NOT INDEXED WHERE ", of_batch!()))?
            .query_map(
                named_params! { ":first": first, ":last": last, ":connection": self.connection, ":run": self.run },
                |row| row.get::<_, i64>(0),
            )?
            .map(|seq| Ok(u64::try_from(seq?).unwrap_or(0)))
            .collect::<rusqlite::Result<_>>()?;
        // Rows between those of the batch would be another batch's.
        if here.iter().any(|seq| !items.contains_key(seq)) {
            return Ok(BTreeSet::new());
        }
        sql.prepare_cached(concat!(
            "DELETE FROM asset WHERE id IN (SELECT asset FROM object WHERE id IN (
                 SELECT object FROM stage NOT INDEXED WHERE ",
            of_batch!(),
            "))"
        ))?
        .execute(named_params! { ":first": first, ":last": last, ":connection": self.connection, ":run": self.run })?;
        sql.prepare_cached(concat!(
            "UPDATE object SET fingerprint = s.fingerprint, asset = s.asset, accepted_at = :now, accepted_run = :run
             FROM (SELECT object, fingerprint, asset FROM stage NOT INDEXED WHERE ",
            of_batch!(),
            ") AS s WHERE object.id = s.object"
        ))?
        .execute(named_params! {
            ":first": first, ":last": last, ":connection": self.connection, ":run": self.run, ":now": self.now,
        })?;
        sql.prepare_cached(concat!("DELETE FROM stage NOT INDEXED WHERE ", of_batch!()))?
            .execute(named_params! { ":first": first, ":last": last, ":connection": self.connection, ":run": self.run })?;
        Ok(here)
    }

    fn accepted(&self, item: &Item) -> Result<(), Fault> {
        let Some(waiting) = self.waiting(item)? else {
            return self.accepted_after_all(item);
        };
        if waiting.seq == stored(item.seq) {
            return self.accepted_and_done(item, &waiting);
        }
        if item.removal {
            self.told_removed(item.guid)?;
        } else if !waiting.removal {
            self.remember_again(item, waiting.object)?;
        }
        // Versions of an object are sent one after the other, so this answer also tells the fate of all before.
        self.now_certain(waiting.seq, 0, item.seq)?;
        self.withdraw_if_held(waiting.seq, item.guid)
    }

    /// What waits of the object: the item itself, or something newer.
    fn waiting(&self, item: &Item) -> Result<Option<Waiting>, Fault> {
        let waiting_of = |row: &Row<'_>| {
            Ok(Waiting {
                seq: row.get(0)?,
                object: row.get(1)?,
                asset: row.get(2)?,
                removal: row.get(3)?,
            })
        };
        let itself = self
            .transaction
            .prepare_cached("SELECT seq, object, asset, removal FROM stage WHERE seq = ?")?
            .query_row([stored(item.seq)], waiting_of)
            .optional()?;
        if itself.is_some() {
            return Ok(itself);
        }
        Ok(self
            .transaction
            .prepare_cached(
                "SELECT seq, object, asset, removal FROM stage
                 WHERE object = (SELECT id FROM card WHERE connection = ? AND guid = ?)",
            )?
            .query_row(params![self.connection, item.guid], waiting_of)
            .optional()?)
    }

    /// Nothing newer waits: the row of the stage becomes what upstream holds.
    fn accepted_and_done(&self, item: &Item, waiting: &Waiting) -> Result<(), Fault> {
        let sql = self.transaction;
        if item.removal {
            self.told_removed(item.guid)?;
            for (statement, id) in [
                ("DELETE FROM object WHERE id = ?", waiting.object),
                ("DELETE FROM asset WHERE id = ?", waiting.asset),
            ] {
                sql.prepare_cached(statement)?.execute([id])?;
            }
        } else {
            self.forget_text(waiting.object)?;
            sql.prepare_cached(
                "UPDATE object SET (fingerprint, asset, accepted_at, accepted_run) =
                     (SELECT fingerprint, asset, :now, :run FROM stage WHERE seq = :seq)
                 WHERE id = :id",
            )?
            .execute(named_params! {
                ":now": self.now, ":run": self.run, ":seq": waiting.seq, ":id": waiting.object,
            })?;
        }
        sql.prepare_cached("DELETE FROM stage WHERE seq = ?")?
            .execute([waiting.seq])?;
        Ok(())
    }

    /// The version left the stage while it was out: the object is what it was before, or it is gone.
    fn accepted_after_all(&self, item: &Item) -> Result<(), Fault> {
        if item.removal {
            return self.told_removed(item.guid);
        }
        let object: Option<i64> = self
            .transaction
            .prepare_cached("SELECT id FROM card WHERE connection = ? AND guid = ?")?
            .query_row(params![self.connection, item.guid], |row| row.get(0))
            .optional()?;
        // An object that is gone returns only when it returns to the scope.
        object.map_or(Ok(()), |object| self.remember_again(item, object))
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
        let (Some(Waiting { seq, .. }), Some(sent_before)) = (self.waiting(item)?, sent_before) else {
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
        let text: Option<i64> = self
            .transaction
            .prepare_cached(
                "DELETE FROM stage WHERE seq = ? AND sent = 0 AND fingerprint =
                     (SELECT fingerprint FROM known WHERE connection = ? AND guid = ?)
                 RETURNING asset",
            )?
            .query_row(params![seq, self.connection, guid], |row| row.get(0))
            .optional()?;
        if let Some(text) = text {
            self.transaction
                .prepare_cached("DELETE FROM asset WHERE id = ?")?
                .execute([text])?;
        }
        Ok(())
    }

    /// Upstream knows now that the object is gone.
    fn told_removed(&self, guid: Guid) -> Result<(), Fault> {
        self.transaction
            .prepare_cached("UPDATE removed SET sent_at = ? WHERE connection = ? AND guid = ?")?
            .execute(params![self.now, self.connection, guid])?;
        Ok(())
    }

    /// Upstream holds `item` now, of which there is no row any more. The object's names are newer, and are kept.
    fn remember_again(&self, item: &Item, object: i64) -> Result<(), Fault> {
        let sql = self.transaction;
        if let Some(adopt) = scratch::adopting(sql)? {
            sql.prepare_cached(adopt)?.execute([object])?;
        }
        self.forget_text(object)?;
        let text = sql
            .prepare_cached("INSERT INTO asset (json) VALUES (?)")?
            .insert([&item.asset])?;
        sql.prepare_cached(
            "UPDATE object SET fingerprint = ?, asset = ?, accepted_at = ?, accepted_run = ? WHERE id = ?",
        )?
        .execute(params![
            fingerprint(&item.asset),
            text,
            self.now,
            self.run,
            object
        ])?;
        Ok(())
    }

    /// Another text takes the place of what upstream held of the object.
    fn forget_text(&self, object: i64) -> Result<(), Fault> {
        self.transaction
            .prepare_cached("DELETE FROM asset WHERE id = (SELECT asset FROM object WHERE id = ?)")?
            .execute([object])?;
        Ok(())
    }
}
