//! Takes in what upstream answered to a batch: what was accepted leaves the stage and becomes what upstream holds.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, Row, Transaction, named_params, params};

use super::delivery::{Answered, Item};
use super::error::Fault;
use super::stage::{Fingerprint, fingerprint};
use super::value::{count, stored};
use super::{ConnectionId, Fate, Flights, KindCounts, RunId, history, scratch};
use crate::identity::Guid;

/// An answer that is being taken in.
pub(super) struct Answer<'t> {
    pub(super) transaction: &'t Transaction<'t>,
    pub(super) connection: ConnectionId,
    pub(super) run: RunId,
    pub(super) now: i64,
}

/// What waits of an object.
struct Waiting {
    seq: i64,
    object: i64,
    asset: i64,
    removal: bool,
}

/// A row of the stage whose version was accepted.
struct Accepted {
    object: i64,
    fingerprint: Fingerprint,
    asset: i64,
    /// The text of the version that upstream held before.
    before: Option<i64>,
}

/// The rows of the stage from `:first` to `:last` that a batch of the run may hold.
macro_rules! of_batch {
    () => {
        "seq >= :first AND seq <= :last AND connection = :connection AND rejected_run IS NOT :run AND removal = 0"
    };
}

impl Answer<'_> {
    /// Takes in what became of a batch; `counts` gains what was sent, accepted and rejected.
    pub(super) fn take_in(
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

    /// Takes in a batch that was accepted as a whole: its rows are looked at together, and leave the stage together. Gives the items
    /// that are done with; the others left the stage while they were out, or tell of a removal.
    fn all_accepted(&self, items: &BTreeMap<u64, &Item>) -> Result<BTreeSet<u64>, Fault> {
        let (Some((first, _)), Some((last, _))) = (items.first_key_value(), items.last_key_value()) else {
            return Ok(BTreeSet::new());
        };
        let sql = self.transaction;
        let batch = named_params! {
            ":first": stored(*first), ":last": stored(*last), ":connection": self.connection, ":run": self.run,
        };
        let here: Vec<(u64, Accepted)> = sql
            .prepare_cached(concat!(
                "SELECT seq, object, fingerprint, asset, (SELECT o.asset FROM object AS o WHERE o.id = stage.object)
                 FROM stage NOT INDEXED WHERE ",
                of_batch!()
            ))?
            .query_map(batch, |row| {
                let accepted = Accepted {
                    object: row.get(1)?,
                    fingerprint: row.get(2)?,
                    asset: row.get(3)?,
                    before: row.get(4)?,
                };
                Ok((count(row, "seq")?, accepted))
            })?
            .collect::<rusqlite::Result<_>>()?;
        // Rows between those of the batch would be another batch's.
        if here.iter().any(|(seq, _)| !items.contains_key(seq)) {
            return Ok(BTreeSet::new());
        }
        let mut take_over = sql.prepare_cached(
            "UPDATE object SET fingerprint = ?, asset = ?, accepted_at = ?, accepted_run = ? WHERE id = ?",
        )?;
        let mut forget = sql.prepare_cached("DELETE FROM asset WHERE id = ?")?;
        for (_, accepted) in &here {
            let Accepted {
                object,
                fingerprint,
                asset,
                before,
            } = accepted;
            take_over.execute(params![fingerprint, asset, self.now, self.run, object])?;
            if let Some(before) = before {
                forget.execute([before])?;
            }
        }
        sql.prepare_cached(concat!("DELETE FROM stage NOT INDEXED WHERE ", of_batch!()))?
            .execute(batch)?;
        Ok(here.into_iter().map(|(seq, _)| seq).collect())
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
