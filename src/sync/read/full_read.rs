//! A full read: every object in scope, then the changes during the read.
//!
//! Invariants kept here: it ends with a delta from its own watermark (R4), the highestCommittedUSN
//! from before its first search (R1); a read that resumes an earlier one keeps the watermark of
//! that one, and looks for containers that moved since that one began (R8).

use std::sync::{Mutex, PoisonError};

use futures_util::future::{try_join, try_join_all};

use crate::directory::{RootDse, SearchCounts, Session};
use crate::identity::GuidSet;
use crate::store::{ReadSlice, UnfinishedRead};

use super::context::{CompletedRead, ReadContext};
use super::found::FoundInScope;
use super::piece::ReadPiece;
use super::resumption;
use super::usn_ranges::{self, UsnRanges};
use crate::sync::{Plan, RunError};

/// Attempts of a full read that is repeated because a container moved during it.
const ATTEMPTS: usize = 5;

impl ReadContext<'_> {
    /// Reads every object in scope, then the changes during the read: a full read is no snapshot,
    /// an object that moves between two pages can be missed by both (R4). When a container moved
    /// during the read, so did everything below it, and all is read again. `reason` states why a
    /// delta is not possible.
    pub(super) async fn read_everything(
        &mut self,
        reason: String,
        root: RootDse,
    ) -> Result<CompletedRead, RunError> {
        let mut unfinished = self.resumable(&root).await?;
        let reason = match &unfinished {
            Some(unfinished) => format!("{reason}; {}", resumption::describe(unfinished)),
            None => reason,
        };
        self.publish_plan(&Plan::Full { reason }).await?;
        let (run, scope) = (self.run, self.scope.digest());
        self.connector
            .on_store(move |store| store.leave_other_scopes(run, scope))
            .await?;
        let mut before = root;
        for _ in 0..ATTEMPTS {
            let resumes = unfinished.is_some();
            let id = self.connector.id;
            let first = self
                .connector
                .on_store(move |store| store.knows_nothing(id))
                .await?;
            let begun = match unfinished.take() {
                Some(unfinished) => unfinished,
                None => self.begin(&before).await?,
            };
            let since = begun.highest;
            let in_scope = FoundInScope::default();
            self.read_rest(&before, begun, &in_scope).await?;
            // The watch asks the store which of the vanished objects are known.
            self.wait_until_stored().await?;
            // Before the USN up to which this read goes: the cookie finds every change that the
            // read does not include.
            let cookie = self.cookie_of_now().await?;
            let after = self.session.root_dse().await?;
            let met_after = FoundInScope::default();
            let changed = self
                .read_changed(since, since, after.highest_committed_usn, &met_after)
                .await?;
            self.look_up_parents().await?;
            let Some(moved) = changed.moved else {
                if resumes {
                    // Objects that the earlier run could not map were not read again.
                    self.read_unmapped().await?;
                }
                self.reread_linked(changed.objects, true).await?;
                in_scope.extend(&met_after.into_found());
                let mut found = in_scope.into_found();
                found.guids.sort();
                return Ok(CompletedRead {
                    usn: after.highest_committed_usn,
                    cookie,
                    missed: changed.missed,
                    in_scope: Some(if first { GuidSet::everything() } else { found.guids }),
                    empty: self
                        .kinds()
                        .into_iter()
                        .filter(|kind| !found.kinds.contains(kind))
                        .collect(),
                });
            };
            tracing::info!(reason = moved, "Reading everything again.");
            before = after;
        }
        Err(RunError::Unsteady)
    }

    /// Returns the unfinished full read, if this run may resume it.
    async fn resumable(&mut self, root: &RootDse) -> Result<Option<UnfinishedRead>, RunError> {
        // `resend` is for all objects; and an account that cannot read uSNChanged, for which ranges
        // are empty, gets the advice to read without them.
        if self.request.resend || !self.is_by_ranges() {
            return Ok(None);
        }
        let id = self.connector.id;
        let Some(unfinished) = self.connector.on_store(move |store| store.unfinished(id)).await? else {
            return Ok(None);
        };
        let facts = resumption::ResumptionFacts {
            controller: self.controller,
            scope: self.scope.digest(),
            highest_committed_usn: root.highest_committed_usn,
            now: self.now,
        };
        let unfit = match resumption::unfit(&unfinished, &facts) {
            None => self.moved_since(&unfinished).await?,
            unfit => unfit,
        };
        if let Some(reason) = unfit {
            tracing::info!(reason, "The full read that broke off begins anew.");
            return Ok(None);
        }
        Ok(Some(unfinished))
    }

    /// Records the beginning of a full read.
    async fn begin(&mut self, root: &RootDse) -> Result<UnfinishedRead, RunError> {
        self.load_containers().await?;
        let (containers, _) = self.containers.changes();
        let begun = UnfinishedRead {
            controller: self.controller,
            scope: self.scope.digest(),
            highest: root.highest_committed_usn,
            begun_at: self.now,
            containers,
            slices: Vec::new(),
        };
        if self.is_by_ranges() {
            let (run, noted) = (self.run, begun.clone());
            self.connector
                .on_store(move |store| store.begin_full_read(run, &noted))
                .await?;
        }
        Ok(begun)
    }

    /// Returns `true` when the read is divided into ranges of uSNChanged. With a single connection
    /// whole searches do as well: one page after the other.
    const fn is_by_ranges(&self) -> bool {
        self.connector.settings.directory.parallel_reads > 1
    }

    /// Reads the missing part of the full read `begun`: over one connection search by search, over
    /// several range by range.
    async fn read_rest(
        &mut self,
        root: &RootDse,
        begun: UnfinishedRead,
        in_scope: &FoundInScope,
    ) -> Result<(), RunError> {
        if !self.is_by_ranges() {
            for kind in self.kinds() {
                if let Some(search) = self.scope.everything(kind) {
                    self.search(kind, search, in_scope).await?;
                }
            }
            return Ok(());
        }
        let settings = &self.connector.settings.directory;
        let finished = begun.slices.iter().map(|slice| slice.usns.clone());
        let slices = UsnRanges::missing(begun.highest, finished, settings.page_size);
        let oldest = self.containers.oldest();
        let slices = Mutex::new(slices.shared_by(settings.parallel_reads, settings.page_size, oldest));
        for slice in begun.slices {
            in_scope.extend(&slice.found);
            self.containers.record_parents(slice.found.parents);
        }
        let own = self.read_ranges(&self.session, &slices, in_scope);
        let others = async {
            let helpers = usn_ranges::helpers(settings, &self.session, root).await;
            let read = try_join_all(
                helpers
                    .iter()
                    .map(|session| self.read_ranges(session, &slices, in_scope)),
            )
            .await;
            for helper in &helpers {
                self.request.progress.add_directory(helper.counters());
            }
            read
        };
        // The other sessions connect while the first one reads.
        let (own, others) = try_join(own, others).await?;
        for searched in others.into_iter().chain([own]) {
            self.add(searched);
        }
        Ok(())
    }

    /// Reads ranges over one connection until none is left.
    async fn read_ranges(
        &self,
        session: &Session,
        slices: &Mutex<UsnRanges>,
        in_scope: &FoundInScope,
    ) -> Result<SearchCounts, RunError> {
        let locked = || slices.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = SearchCounts::default();
        loop {
            let Some(usns) = locked().next() else {
                return Ok(all);
            };
            let of_slice = FoundInScope::default();
            let mut entries = 0;
            for kind in self.kinds() {
                if let Some(search) = self.scope.slice(kind, &usns) {
                    let searched = self.search_over(session, kind, search, &of_slice).await?;
                    entries += searched.entries;
                    all += searched;
                }
            }
            locked().learn(&usns, entries);
            let found = of_slice.into_found();
            in_scope.extend(&found);
            // A range without entries costs nothing to read again; and the account may get the
            // right to read them before that.
            if entries > 0 {
                self.send(ReadPiece::Slice(Box::new(ReadSlice { usns, found })))
                    .await?;
            }
        }
    }
}
