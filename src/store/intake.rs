//! What is done to an object that was read: its row, what waits of it, and what is known of it otherwise.

use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::error::Fault;
use super::newcomers::Newcomers;
use super::put::Sequence;
use super::stage::{Fingerprint, Reading, Staged};
use super::{ConnectionId, Fate, RunId, history, links, newcomers, scratch, witness};
use crate::identity::Guid;

/// How a stored row compares with what was read.
struct Compared {
    /// It is of the same version.
    same_asset: bool,
    /// It has the same kind, DN and external id.
    same_names: bool,
}

/// The row on the stage.
struct Waiting {
    // As what was read, where there is something to compare with.
    same_asset: bool,
    same_kind: bool,
    seq: i64,
    asset: i64,
    sent: i64,
    removal: bool,
}

/// The object's row.
struct Card {
    id: i64,
    /// Upstream holds an asset of it.
    known: bool,
    /// With what was read, where there is something to compare with.
    compared: Option<Compared>,
}

/// Everything that is done to an object, prepared once a page.
pub(super) struct Statements<'t> {
    transaction: &'t Transaction<'t>,
    newcomers: &'t mut Option<Newcomers>,
    connection: ConnectionId,
    run: RunId,
    now: i64,
    /// The controller that returned what is read.
    controller: Option<Guid>,
    /// Its number.
    number: Option<i64>,
    /// The number of the last change.
    changed: Option<i64>,
    card: rusqlite::CachedStatement<'t>,
    new_card: rusqlite::CachedStatement<'t>,
    /// `None` where a card can be changed in its place.
    adopt_card: Option<rusqlite::CachedStatement<'t>>,
    rename_card: rusqlite::CachedStatement<'t>,
    drop_bare_card: rusqlite::CachedStatement<'t>,
    waiting: rusqlite::CachedStatement<'t>,
    set_kind: rusqlite::CachedStatement<'t>,
    withdraw: rusqlite::CachedStatement<'t>,
    drop_text: rusqlite::CachedStatement<'t>,
    new_text: rusqlite::CachedStatement<'t>,
    stage: rusqlite::CachedStatement<'t>,
    mark_changed: rusqlite::CachedStatement<'t>,
    mark_returned: rusqlite::CachedStatement<'t>,
    sequence: Sequence<'t>,
    unmapped_in: rusqlite::CachedStatement<'t>,
    note_unmapped: rusqlite::CachedStatement<'t>,
    // These are `None` when there is nothing that they could find: a full read asks a million times.
    forget_unmapped: Option<rusqlite::CachedStatement<'t>>,
    found_again: Option<rusqlite::CachedStatement<'t>>,
    returned: Option<rusqlite::CachedStatement<'t>>,
    no_longer_removed: Option<rusqlite::CachedStatement<'t>>,
    no_longer_missed: bool,
}

impl<'t> Statements<'t> {
    pub(super) fn prepare(
        transaction: &'t Transaction<'t>,
        newcomers: &'t mut Option<Newcomers>,
        connection: ConnectionId,
        run: RunId,
        now: i64,
    ) -> Result<Self, Fault> {
        // DELETE FROM a table that has rows of the connection.
        let deleting_from = |table: &str| -> Result<_, Fault> {
            let any: bool = transaction
                .prepare_cached(&format!(
                    "SELECT EXISTS (SELECT 1 FROM {table} WHERE connection = ?)"
                ))?
                .query_row([connection], |row| row.get(0))?;
            let delete = || format!("DELETE FROM {table} WHERE connection = ? AND guid = ?");
            Ok(any.then(|| transaction.prepare_cached(&delete())).transpose()?)
        };
        let adopting = scratch::adopting(transaction)?;
        let controller = witness::controller_of(transaction, run)?;
        let missed: bool = transaction
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM missed_on WHERE connection = ? AND controller = ?)",
            )?
            .query_row(params![connection, controller], |row| row.get(0))?;
        Ok(Self {
            transaction,
            newcomers,
            connection,
            run,
            now,
            controller,
            number: controller
                .map(|controller| witness::number_of(transaction, controller))
                .transpose()?,
            changed: None,
            card: transaction.prepare_cached(
                "SELECT fingerprint, kind, dn, external_id, id FROM card WHERE connection = ? AND guid = ?",
            )?,
            new_card: transaction.prepare_cached(
                "INSERT INTO object (connection, guid, kind, dn, external_id, first_seq, changed_by)
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
            )?,
            adopt_card: adopting.map(|adopt| transaction.prepare_cached(adopt)).transpose()?,
            rename_card: transaction.prepare_cached(
                "UPDATE object SET kind = ?, dn = ?, external_id = coalesce(?, external_id) WHERE id = ?",
            )?,
            drop_bare_card: transaction
                .prepare_cached("DELETE FROM object WHERE id = ? AND fingerprint IS NULL")?,
            waiting: transaction.prepare_cached(
                "SELECT fingerprint, kind, seq, asset, sent, removal FROM stage WHERE object = ?",
            )?,
            set_kind: transaction.prepare_cached("UPDATE stage SET kind = ? WHERE seq = ?")?,
            withdraw: transaction.prepare_cached("DELETE FROM stage WHERE seq = ?")?,
            drop_text: transaction.prepare_cached("DELETE FROM asset WHERE id = ?")?,
            new_text: transaction.prepare_cached("INSERT INTO asset (json) VALUES (?)")?,
            stage: transaction.prepare_cached(
                "INSERT INTO stage (seq, connection, object, kind, fingerprint, asset, staged_at, sent, removal)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
            )?,
            mark_changed: transaction
                .prepare_cached(
                "UPDATE object SET changed_seq = ?1, changed_by = ?2,
                     first_seq = iif(first_seq = 0 AND fingerprint IS NULL, ?1, first_seq) WHERE id = ?3",
            )?,
            mark_returned: transaction.prepare_cached("UPDATE object SET returned = 1 WHERE id = ?")?,
            sequence: Sequence::of(transaction)?,
            unmapped_in: transaction
                .prepare_cached("SELECT run FROM unmapped WHERE connection = ? AND guid = ?")?,
            note_unmapped: transaction.prepare_cached(
                "INSERT INTO unmapped (connection, guid, kind, dn, reason, since, run, controller)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                 ON CONFLICT (connection, guid) DO UPDATE SET kind = excluded.kind, dn = excluded.dn,
                     reason = excluded.reason, run = excluded.run, controller = excluded.controller",
            )?,
            forget_unmapped: deleting_from("unmapped")?,
            found_again: deleting_from("candidate")?,
            returned: deleting_from("removed")?,
            no_longer_removed: deleting_from("removed_by")?,
            no_longer_missed: missed,
        })
    }

    /// Stores what concerns all of the page. To be called at its end.
    pub(super) fn finish(self) -> Result<(), Fault> {
        self.sequence.keep()?;
        match self.changed {
            Some(seq) => witness::record_change(self.transaction, self.connection, self.controller, seq),
            None => Ok(()),
        }
    }

    /// Notes that the controller returned the object: it is not missed on it, and is removed by
    /// none.
    fn note_returned(&mut self, guid: Guid) -> Result<(), Fault> {
        self.delete(guid, |statements| &mut statements.no_longer_removed)?;
        match self.controller.filter(|_| self.no_longer_missed) {
            Some(controller) => witness::record_returned(self.transaction, self.connection, controller, guid),
            None => Ok(()),
        }
    }

    /// Notes a change of what upstream holds or is about to get of an object (R2).
    fn note_change(&mut self, card: i64, seq: i64) -> Result<(), Fault> {
        self.mark_changed.execute(params![seq, self.number, card])?;
        self.changed = Some(seq);
        Ok(())
    }

    /// Whether it is the first time in this run.
    pub(super) fn unmapped(&mut self, reading: &Reading, reason: &str) -> Result<bool, Fault> {
        let Reading { guid, kind, dn, .. } = reading;
        let noted_in: Option<RunId> = self
            .unmapped_in
            .query_row(params![self.connection, guid], |row| row.get(0))
            .optional()?;
        let first = noted_in != Some(self.run);
        if first {
            let told = history::Told {
                fate: Fate::Unmapped,
                guid: Some(*guid),
                kind: *kind,
                dn,
                external_id: None,
                reason,
            };
            history::tell(self.transaction, self.run, &told)?;
        }
        let card = self.card(*guid, None)?;
        self.note_returned(*guid)?;
        let found_again = self.delete(*guid, |statements| &mut statements.found_again)?;
        self.delete(*guid, |statements| &mut statements.returned)?;
        if let Some(card) = card {
            self.adopt(card.id)?;
            if found_again {
                let seq = self.sequence.next();
                self.note_change(card.id, seq)?;
            }
            self.rename_card
                .execute(params![kind, dn, None::<&str>, card.id])?;
            if let Some(waiting) = self.waiting(card.id, None)?
                && waiting.removal
            {
                self.withdraw(&waiting)?;
                self.drop_bare_card.execute([card.id])?;
            }
        }
        self.note_unmapped.execute(params![
            self.connection,
            guid,
            kind,
            dn,
            reason,
            self.now,
            self.run,
            self.controller
        ])?;
        // From here on there is something to find: an object may come twice.
        let forget = "DELETE FROM unmapped WHERE connection = ? AND guid = ?";
        self.forget_unmapped = Some(self.transaction.prepare_cached(forget)?);
        Ok(first)
    }

    /// Runs a statement that deletes by GUID, if there is anything to delete; `true` when there
    /// was.
    fn delete(
        &mut self,
        guid: Guid,
        statement: impl FnOnce(&mut Self) -> &mut Option<rusqlite::CachedStatement<'t>>,
    ) -> Result<bool, Fault> {
        let connection = self.connection;
        match statement(self) {
            Some(statement) => Ok(statement.execute(params![connection, guid])? > 0),
            None => Ok(false),
        }
    }

    fn card(
        &mut self,
        guid: Guid,
        asset: Option<(&Reading, &Staged, &Fingerprint)>,
    ) -> Result<Option<Card>, Fault> {
        if let Some(newcomers) = self.newcomers {
            if newcomers.is_new(guid) {
                return Ok(None);
            }
            // There is something to look up.
            newcomers::index(self.transaction)?;
            *self.newcomers = None;
        }
        let found = self.card.query_row(params![self.connection, guid], |row| {
            Ok(Card {
                id: row.get(4)?,
                known: row.get_ref(0)? != ValueRef::Null,
                compared: asset.map(|asset| compared(row, asset)).transpose()?,
            })
        });
        Ok(found.optional()?)
    }

    fn adopt(&mut self, card: i64) -> Result<(), Fault> {
        if let Some(statement) = &mut self.adopt_card {
            statement.execute([card])?;
        }
        Ok(())
    }

    /// What waits of the object, compared with `asset` where there is one.
    fn waiting(
        &mut self,
        card: i64,
        asset: Option<(&Reading, &Staged, &Fingerprint)>,
    ) -> Result<Option<Waiting>, Fault> {
        let found = self.waiting.query_row([card], |row| {
            Ok(Waiting {
                same_asset: match asset {
                    Some((_, _, fingerprint)) => row.get_ref(0)?.as_blob()? == fingerprint,
                    None => false,
                },
                same_kind: match asset {
                    Some((reading, _, _)) => row.get_ref(1)?.as_str()? == reading.kind.name(),
                    None => false,
                },
                seq: row.get(2)?,
                asset: row.get(3)?,
                sent: row.get(4)?,
                removal: row.get(5)?,
            })
        });
        Ok(found.optional()?)
    }

    fn withdraw(&mut self, waiting: &Waiting) -> Result<(), Fault> {
        self.withdraw.execute([waiting.seq])?;
        self.drop_text.execute([waiting.asset])?;
        Ok(())
    }

    /// Whether the asset is on the stage now.
    pub(super) fn mapped(
        &mut self,
        reading: &Reading,
        asset: &Staged,
        fingerprint: &Fingerprint,
        resend: bool,
    ) -> Result<bool, Fault> {
        let Reading { guid, kind, dn, .. } = reading;
        self.note_returned(*guid)?;
        self.delete(*guid, |statements| &mut statements.forget_unmapped)?;
        let found_again = self.delete(*guid, |statements| &mut statements.found_again)?;
        let read = Some((reading, asset, fingerprint));
        let card = self.card(*guid, read)?;
        let returned = !card.as_ref().is_some_and(|card| card.known)
            && self.delete(*guid, |statements| &mut statements.returned)?;
        let Some(card) = card else {
            // What waits has a card.
            let seq = self.sequence.next();
            let card = self.new_card.insert(params![
                self.connection,
                guid,
                kind,
                dn,
                asset.external_id,
                seq,
                self.number
            ])?;
            self.changed = Some(seq);
            if returned {
                self.mark_returned.execute([card])?;
            }
            links::note(self.transaction, card, reading)?;
            self.put(seq, card, reading, asset, fingerprint, 0)?;
            return Ok(true);
        };
        if returned {
            self.adopt(card.id)?;
            self.mark_returned.execute([card.id])?;
        }
        if found_again {
            self.adopt(card.id)?;
            let seq = self.sequence.next();
            self.note_change(card.id, seq)?;
        }
        if links::differs(self.transaction, card.id, reading)? {
            self.adopt(card.id)?;
            links::note(self.transaction, card.id, reading)?;
        }
        if card.compared.as_ref().is_some_and(|card| !card.same_names) {
            self.adopt(card.id)?;
            self.rename_card
                .execute(params![kind, dn, asset.external_id, card.id])?;
        }
        let same_as_upstream = card.compared.is_some_and(|card| card.same_asset);
        let held_upstream = !resend && same_as_upstream;
        let waiting = self.waiting(card.id, read)?;
        if let Some(waiting) = &waiting
            && waiting.same_asset
            && !waiting.removal
        {
            if !waiting.same_kind {
                self.set_kind.execute(params![kind, waiting.seq])?;
            }
            return Ok(true);
        }
        match &waiting {
            Some(waiting) if held_upstream && waiting.sent == 0 => {
                self.withdraw(waiting)?;
                self.adopt(card.id)?;
                let seq = self.sequence.next();
                self.note_change(card.id, seq)?;
                return Ok(false);
            }
            None if held_upstream => return Ok(false),
            Some(waiting) => self.withdraw(waiting)?,
            None => {}
        }
        self.adopt(card.id)?;
        let seq = self.sequence.next();
        // What is sent once more, and is what upstream holds, changes nothing.
        if !same_as_upstream || waiting.is_some() {
            self.note_change(card.id, seq)?;
        }
        let sent = waiting.map_or(0, |waiting| waiting.sent);
        self.put(seq, card.id, reading, asset, fingerprint, sent)?;
        Ok(true)
    }

    /// Puts a version on the stage. `sent` is the newest one before it whose fate is not known.
    fn put(
        &mut self,
        seq: i64,
        card: i64,
        reading: &Reading,
        asset: &Staged,
        fingerprint: &Fingerprint,
        sent: i64,
    ) -> Result<(), Fault> {
        let text = self.new_text.insert([&asset.json])?;
        self.stage.execute(params![
            seq,
            self.connection,
            card,
            reading.kind,
            fingerprint,
            text,
            self.now,
            sent
        ])?;
        Ok(())
    }
}

/// Compares a row that begins with fingerprint, kind, dn, external_id, without copying them. No fingerprint is like no other.
fn compared(
    row: &Row<'_>,
    (reading, asset, fingerprint): (&Reading, &Staged, &Fingerprint),
) -> rusqlite::Result<Compared> {
    Ok(Compared {
        same_asset: row.get_ref(0)?.as_blob_or_null()? == Some(fingerprint),
        same_names: row.get_ref(1)?.as_str()? == reading.kind.name()
            && row.get_ref(2)?.as_str()? == reading.dn
            && row.get_ref(3)?.as_str()? == asset.external_id,
    })
}
