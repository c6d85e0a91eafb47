//! Takes in what was read: one page, one transaction (R3), only differences (R17), one pending asset an object (R18).

use std::sync::PoisonError;

use rusqlite::Transaction;
use sha2::{Digest, Sha256};

use super::error::Fault;
use super::intake::Statements;
use super::run::open_run;
use super::{
    ConnectionId, KindCounts, LinkNote, ReadEnd, RunId, Store, StoreError, Watermark, candidate, container,
    history, slice, waiting, watermark, witness,
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
    /// The objects that the asset names, sorted, each once; `None` where the mapping names none.
    pub linked: Option<Vec<LinkNote>>,
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
    /// did not find is forgotten; and a full read has nothing left to go on with.
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
                // By the watermark from before: it says what the controller returned until now.
                candidate::note(transaction, connection, end, now)?;
                container::put(transaction, connection, end)?;
                watermark::reach(transaction, connection, run, end)?;
                witness::forget_settled_removals(transaction, connection, now)?;
                waiting::forget_unmapped(transaction, connection, run)?;
                if end.met.is_some() {
                    slice::forget(transaction, connection)?;
                }
                Ok(())
            },
        )
    }

    pub(super) fn take_in(
        &self,
        commit: Commit,
        run: RunId,
        page: &[Reading],
        resend: bool,
        now: i64,
        then: impl FnOnce(&Transaction<'_>, ConnectionId) -> Result<(), Fault>,
    ) -> Result<KindCounts, StoreError> {
        // Outside the transaction, so that others can use the file meanwhile.
        let page: Vec<(&Reading, Fingerprint)> = page
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
        let mut newcomers = self.newcomers.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(commit, |transaction| {
            let connection = open_run(transaction, run)?;
            let mut counts = KindCounts::default();
            let mut statements = Statements::prepare(transaction, &mut newcomers, connection, run, now)?;
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
            statements.finish()?;
            history::add(transaction, run, &counts)?;
            then(transaction, connection)?;
            Ok(counts)
        })
    }
}
