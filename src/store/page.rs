//! Objects that were read, stored page by page: one page, one transaction (R3), only differences
//! (R17), one pending asset an object (R18).

use std::collections::HashSet;

use super::error::StoreFault;
use super::reading::{Fingerprint, ObjectReading, fingerprint};
use super::run_basis::unchanged_run;
use super::sql::Sql;
use super::stage_page::PageWriter;
use super::{
    ConnectionId, KindCounts, ReadEnd, RunId, Store, StoreError, connection, container, history, recheck,
    rejections, retention, unfinished_read, watermark, witness,
};
use crate::failpoint::Commit;

impl Store {
    /// Stores a page of what the open run `run` read; of an object that comes twice the later one
    /// counts. For each object:
    ///
    /// - the version that waits on the stage already stays there, in its place;
    /// - the version that upstream holds is unchanged: nothing is sent, and another version that
    ///   waits leaves the stage, unless it was handed out before and may have arrived: then this
    ///   one is staged to follow it;
    /// - any other version is staged, in the place of one that waits;
    /// - an object whose id is that of another live object waits until that one is gone (R37);
    /// - an object without an asset is noted as unmapped; what waits of it, and what upstream
    ///   holds, stays;
    /// - an object that was missed or removed before is neither any more, and nothing waits to say
    ///   so to upstream.
    ///
    /// `resend` stages what upstream holds as well.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written: then nothing of the page is stored.
    pub fn stage_page(
        &self,
        run: RunId,
        page: &[ObjectReading],
        resend: bool,
        now: i64,
    ) -> Result<KindCounts, StoreError> {
        self.apply(Commit::StagePage, run, page, resend, now, |_, _| Ok(()))
    }

    /// Stages the last page of a read that came to its end, as [`Self::stage_page`] does: its
    /// watermark, the containers and what it missed commit with it. Such a read has asked again for
    /// everything that could not be mapped before, so what of that it did not find is forgotten;
    /// and a full read has nothing left to go on with. A full read with `resend` ends the notice
    /// that the file was restored from an older copy ([`super::ConnectionRow::restored_at`]).
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written: then nothing of the page is stored.
    pub fn complete_read(
        &self,
        run: RunId,
        page: &[ObjectReading],
        resend: bool,
        end: &ReadEnd,
        now: i64,
    ) -> Result<KindCounts, StoreError> {
        self.apply(Commit::CompleteRead, run, page, resend, now, |sql, id| {
            // By the watermark from before: it says what the controller returned until now.
            recheck::record_missing(sql, id, end, now)?;
            container::put(sql, id, end)?;
            watermark::reach(sql, id, run, end)?;
            witness::forget_settled_removals(sql, id, now)?;
            rejections::forget_unmapped(sql, id, run)?;
            if end.met.is_some() {
                unfinished_read::forget(sql, id)?;
                connection::record_full_read(sql, id, end.ended, resend)?;
                retention::after_full_read(sql, id, now)?;
            }
            Ok(())
        })
    }

    /// Stores a page, and what `then` stores, in one transaction.
    pub(super) fn apply(
        &self,
        commit: Commit,
        run: RunId,
        page: &[ObjectReading],
        resend: bool,
        now: i64,
        then: impl FnOnce(&dyn Sql, ConnectionId) -> Result<(), StoreFault>,
    ) -> Result<KindCounts, StoreError> {
        // Outside the transaction, so that others can use the file meanwhile.
        let page = latest_readings(page);
        self.write(commit, |sql| {
            let connection = unchanged_run(sql, run)?;
            let writer = PageWriter {
                sql,
                connection,
                run,
                resend,
                now,
            };
            let counts = writer.store(&page)?;
            history::add_counts(sql, run, &counts)?;
            then(sql, connection)?;
            Ok(counts)
        })
    }
}

/// Returns the last reading of each object with the fingerprint of its asset, in the order of the
/// GUIDs: the index by GUID is then walked through once a commit, from one end to the other.
fn latest_readings(page: &[ObjectReading]) -> Vec<(&ObjectReading, Fingerprint)> {
    let mut seen = HashSet::with_capacity(page.len());
    let mut latest: Vec<(&ObjectReading, Fingerprint)> = page
        .iter()
        .rev()
        .filter(|reading| seen.insert(reading.guid))
        .map(|reading| {
            let asset = reading.asset.as_ref();
            (reading, asset.map_or([0; 16], |asset| fingerprint(&asset.json)))
        })
        .collect();
    latest.sort_unstable_by_key(|(reading, _)| reading.guid);
    latest
}
