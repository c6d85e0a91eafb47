//! Takes in what was read: one page, one transaction (R3), only differences (R17), one pending asset an object (R18).

use rusqlite::{OptionalExtension, Row, Statement, Transaction, named_params, params};
use sha2::{Digest, Sha256};

use super::error::Fault;
use super::run::open_run;
use super::{
    ConnectionId, Fate, KindCounts, ReadEnd, RunId, Store, StoreError, Watermark, candidate, container,
    history, waiting, watermark,
};
use crate::failpoint::Commit;
use crate::identity::{Guid, Kind};

/// One object as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// objectGUID: the identity of the object (R7).
    pub guid: Guid,
    /// Its kind.
    pub kind: Kind,
    /// Its distinguished name, as the controller wrote it.
    pub dn: String,
    /// Its asset, or why there is none (R15).
    pub asset: Result<Staged, String>,
}

/// An asset to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// `externalAssetId` of the asset.
    pub external_id: String,
    /// One `assetData` element, byte-identical for the same content (R16).
    pub json: String,
}

/// What tells two versions of an asset apart: the first 16 bytes of their SHA-256. Two different versions of one object
/// share it with a chance of 2^-128.
pub(super) type Fingerprint = [u8; 16];

/// The fingerprint of an asset.
pub(super) fn fingerprint(json: &str) -> Fingerprint {
    let digest: [u8; 32] = Sha256::digest(json.as_bytes()).into();
    let mut first = [0; 16];
    first.copy_from_slice(&digest[..16]);
    first
}

impl Store {
    /// Takes in a page of what the open run `run` read; of an object that comes twice the later one counts. For each object:
    ///
    /// - the version that waits on the stage already stays there, in its place;
    /// - the version that upstream holds is unchanged: nothing is sent, and another version that waits leaves the stage,
    ///   unless it was handed out before and may have arrived: then this one is staged to follow it;
    /// - any other version is staged, in the place of one that waits;
    /// - an object without an asset is noted as unmapped; what waits of it, and what upstream holds, stays;
    /// - an object that was missed or removed before is neither any more, and nothing waits to tell upstream so.
    ///
    /// `resend` stages what upstream holds as well. `advance` is given with the last page of a read (which may be empty)
    /// and commits with it.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written: then nothing of the page is stored.
    pub fn stage_page(
        &self,
        run: RunId,
        page: &[Reading],
        resend: bool,
        advance: Option<&Watermark>,
        now: i64,
    ) -> Result<KindCounts, StoreError> {
        self.take_in(
            Commit::StagePage,
            run,
            page,
            resend,
            now,
            |transaction, connection| match advance {
                Some(reached) => watermark::advance(transaction, connection, run, reached),
                None => Ok(()),
            },
        )
    }

    /// As [`Self::stage_page`] for the last page of a read that came to its end: its watermark, the containers and what it
    /// missed commit with it. Such a read has asked again for everything that could not be mapped before, so what of that it
    /// did not find is forgotten.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written: then nothing of the page is stored.
    pub fn complete_read(
        &self,
        run: RunId,
        page: &[Reading],
        resend: bool,
        end: &ReadEnd,
        now: i64,
    ) -> Result<KindCounts, StoreError> {
        self.take_in(
            Commit::CompleteRead,
            run,
            page,
            resend,
            now,
            |transaction, connection| {
                watermark::advance(transaction, connection, run, &end.watermark)?;
                waiting::forget_unmapped(transaction, connection, run)?;
                container::take_in(transaction, connection, end)?;
                candidate::note(transaction, connection, end, now)
            },
        )
    }

    fn take_in(
        &self,
        commit: Commit,
        run: RunId,
        page: &[Reading],
        resend: bool,
        now: i64,
        then: impl FnOnce(&Transaction<'_>, ConnectionId) -> Result<(), Fault>,
    ) -> Result<KindCounts, StoreError> {
        // Outside the transaction, so that others can use the file meanwhile.
        let mut page: Vec<(&Reading, Fingerprint)> = page
            .iter()
            .map(|reading| {
                (
                    reading,
                    reading
                        .asset
                        .as_ref()
                        .map_or([0; 16], |asset| fingerprint(&asset.json)),
                )
            })
            .collect();
        // In the order of the keys a tree's pages are read and written once each. The sort keeps equal ones in order.
        page.sort_by_key(|(reading, _)| reading.guid);
        self.write(commit, |transaction| {
            let connection = open_run(transaction, run)?;
            let mut counts = KindCounts::default();
            let mut statements = Statements::prepare(transaction, connection, run, now)?;
            for (reading, fingerprint) in &page {
                let counts = counts.of(reading.kind);
                match &reading.asset {
                    Err(reason) if statements.unmapped(reading, reason)? => counts.unmapped += 1,
                    // Counted when it came for the first time.
                    Err(_) => continue,
                    Ok(asset) if statements.mapped(reading, asset, fingerprint, resend)? => {
                        counts.staged += 1
                    }
                    Ok(_) => counts.unchanged += 1,
                }
                counts.read += 1;
            }
            drop(statements);
            history::add(transaction, run, &counts)?;
            then(transaction, connection)?;
            Ok(counts)
        })
    }
}

/// How a stored row compares with what was read.
struct Compared {
    /// It is of the same version.
    same_asset: bool,
    /// It has the same kind, DN and external id.
    same_names: bool,
}

/// The row on the stage.
struct Waiting {
    compared: Compared,
    seq: i64,
    sent: i64,
    removal: bool,
}

/// Everything that is done to an object, prepared once a page.
struct Statements<'t> {
    transaction: &'t Transaction<'t>,
    connection: ConnectionId,
    run: RunId,
    now: i64,
    waiting: rusqlite::CachedStatement<'t>,
    known: rusqlite::CachedStatement<'t>,
    rename_known: rusqlite::CachedStatement<'t>,
    rename_waiting: rusqlite::CachedStatement<'t>,
    withdraw: rusqlite::CachedStatement<'t>,
    stage: rusqlite::CachedStatement<'t>,
    unmapped_in: rusqlite::CachedStatement<'t>,
    note_unmapped: rusqlite::CachedStatement<'t>,
    forget_unmapped: rusqlite::CachedStatement<'t>,
    /// `None` when nothing is missed: a full read asks a million times.
    found_again: Option<rusqlite::CachedStatement<'t>>,
    returned: rusqlite::CachedStatement<'t>,
    withdraw_removal: rusqlite::CachedStatement<'t>,
}

impl<'t> Statements<'t> {
    fn prepare(
        transaction: &'t Transaction<'t>,
        connection: ConnectionId,
        run: RunId,
        now: i64,
    ) -> Result<Self, Fault> {
        let any_missed: bool = transaction
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM candidate WHERE connection = ?)")?
            .query_row([connection], |row| row.get(0))?;
        Ok(Self {
            transaction,
            connection,
            run,
            now,
            waiting: transaction.prepare_cached(
                "SELECT fingerprint, kind, dn, external_id, seq, sent, removal FROM stage
                 WHERE connection = ? AND guid = ?",
            )?,
            known: transaction.prepare_cached(
                "SELECT fingerprint, kind, dn, external_id FROM known WHERE connection = ? AND guid = ?",
            )?,
            rename_known: transaction.prepare_cached(
                "UPDATE object SET kind = :kind, dn = :dn, external_id = coalesce(:external_id, external_id)
                 WHERE connection = :connection AND guid = :guid",
            )?,
            rename_waiting: transaction
                .prepare_cached("UPDATE stage SET kind = ?, dn = ?, external_id = ? WHERE seq = ?")?,
            withdraw: transaction.prepare_cached("DELETE FROM stage WHERE seq = ?")?,
            stage: transaction.prepare_cached(
                "INSERT INTO stage (connection, guid, kind, dn, external_id, fingerprint, staged_at, sent, asset)
                 VALUES (:connection, :guid, :kind, :dn, :external_id, :fingerprint, :now, :sent, :asset)",
            )?,
            unmapped_in: transaction
                .prepare_cached("SELECT run FROM unmapped WHERE connection = ? AND guid = ?")?,
            note_unmapped: transaction.prepare_cached(
                "INSERT INTO unmapped (connection, guid, kind, dn, reason, since, run) VALUES (?, ?, ?, ?, ?, ?, ?)
                 ON CONFLICT (connection, guid) DO UPDATE SET
                     kind = excluded.kind, dn = excluded.dn, reason = excluded.reason, run = excluded.run",
            )?,
            forget_unmapped: transaction
                .prepare_cached("DELETE FROM unmapped WHERE connection = ? AND guid = ?")?,
            found_again: if any_missed {
                Some(transaction.prepare_cached("DELETE FROM candidate WHERE connection = ? AND guid = ?")?)
            } else {
                None
            },
            returned: transaction
                .prepare_cached("DELETE FROM removed WHERE connection = ? AND guid = ?")?,
            withdraw_removal: transaction
                .prepare_cached("DELETE FROM stage WHERE connection = ? AND guid = ? AND removal = 1")?,
        })
    }

    /// Whether it is the first time in this run.
    fn unmapped(&mut self, reading: &Reading, reason: &str) -> Result<bool, Fault> {
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
        self.found_again(*guid)?;
        self.returned.execute(params![self.connection, guid])?;
        self.withdraw_removal.execute(params![self.connection, guid])?;
        self.note_unmapped.execute(params![
            self.connection,
            guid,
            kind,
            dn,
            reason,
            self.now,
            self.run
        ])?;
        self.rename_known.execute(named_params! {
            ":kind": kind, ":dn": dn, ":external_id": None::<&str>, ":connection": self.connection, ":guid": guid,
        })?;
        Ok(first)
    }

    fn found_again(&mut self, guid: Guid) -> Result<(), Fault> {
        if let Some(statement) = &mut self.found_again {
            statement.execute(params![self.connection, guid])?;
        }
        Ok(())
    }

    /// Whether the asset is on the stage now.
    fn mapped(
        &mut self,
        reading: &Reading,
        asset: &Staged,
        fingerprint: &Fingerprint,
        resend: bool,
    ) -> Result<bool, Fault> {
        let Reading { guid, kind, dn, .. } = reading;
        self.forget_unmapped.execute(params![self.connection, guid])?;
        self.found_again(*guid)?;
        let compare = |row: &Row<'_>| compared(row, reading, asset, fingerprint);
        let known = found(&mut self.known, self.connection, *guid, compare)?;
        if known.as_ref().is_some_and(|known| !known.same_names) {
            self.rename_known.execute(named_params! {
                ":kind": kind, ":dn": dn, ":external_id": asset.external_id,
                ":connection": self.connection, ":guid": guid,
            })?;
        }
        if known.is_none() {
            self.returned.execute(params![self.connection, guid])?;
        }
        let waiting = found(&mut self.waiting, self.connection, *guid, |row| {
            Ok(Waiting {
                compared: compare(row)?,
                seq: row.get(4)?,
                sent: row.get(5)?,
                removal: row.get(6)?,
            })
        })?;
        let held_upstream = !resend && known.is_some_and(|known| known.same_asset);
        match waiting {
            Some(waiting) if waiting.compared.same_asset && !waiting.removal => {
                if !waiting.compared.same_names {
                    self.rename_waiting
                        .execute(params![kind, dn, asset.external_id, waiting.seq])?;
                }
                return Ok(true);
            }
            Some(waiting) if held_upstream && waiting.sent == 0 => {
                self.withdraw.execute([waiting.seq])?;
                return Ok(false);
            }
            None if held_upstream => return Ok(false),
            _ => {}
        }
        if let Some(waiting) = &waiting {
            self.withdraw.execute([waiting.seq])?;
        }
        self.stage.execute(named_params! {
            ":connection": self.connection, ":guid": guid, ":kind": kind, ":dn": dn,
            ":external_id": asset.external_id, ":fingerprint": fingerprint, ":now": self.now,
            ":sent": waiting.map_or(0, |waiting| waiting.sent), ":asset": asset.json,
        })?;
        Ok(true)
    }
}

/// The object's row that `statement` gives, if there is one.
fn found<T>(
    statement: &mut Statement<'_>,
    connection: ConnectionId,
    guid: Guid,
    row: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, Fault> {
    Ok(statement.query_row(params![connection, guid], row).optional()?)
}

/// Compares a row that begins with fingerprint, kind, dn, external_id, without copying them.
fn compared(
    row: &Row<'_>,
    reading: &Reading,
    asset: &Staged,
    fingerprint: &Fingerprint,
) -> rusqlite::Result<Compared> {
    Ok(Compared {
        same_asset: row.get_ref(0)?.as_blob()? == fingerprint,
        same_names: row.get_ref(1)?.as_str()? == reading.kind.name()
            && row.get_ref(2)?.as_str()? == reading.dn
            && row.get_ref(3)?.as_str()? == asset.external_id,
    })
}
