//! A full read: every object in scope, then what changed meanwhile.
//!
//! Invariants kept here: it ends with a delta from its own watermark (R4), the highestCommittedUSN from before its first search
//! (R1); one that goes on where another broke off keeps that one's watermark, and looks for containers that moved since that
//! one began (R8).

use std::sync::{Mutex, PoisonError};

use futures_util::future::{try_join, try_join_all};

use crate::directory::{RootDse, Session};
use crate::identity::GuidSet;
use crate::store::{Slice, Unfinished};

use super::context::{CompletedRead, ReadContext, SearchCounts};
use super::found::FoundInScope;
use super::piece::ReadPiece;
use super::resumption;
use super::usn_ranges::{self, UsnRanges};
use crate::sync::{Plan, RunError};

/// How often a full read is done again because a container moved meanwhile.
const ATTEMPTS: usize = 5;

impl ReadContext<'_> {
    /// Reads every object in scope, then what changed meanwhile: a full read is no snapshot, an object that moves
    /// between two pages can be missed by both (R4). When a container moved meanwhile, so did everything below it, and
    /// all is read again. `reason` is why a delta would not do.
    pub(super) async fn full(&mut self, reason: String, root: RootDse) -> Result<CompletedRead, RunError> {
        let mut unfinished = self.resumable(&root).await?;
        let reason = match &unfinished {
            Some(unfinished) => format!("{reason}; {}", resumption::told(unfinished)),
            None => reason,
        };
        self.follow(&Plan::Full { reason }).await?;
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
            let met = FoundInScope::default();
            self.whole(&before, begun, &met).await?;
            // The watch asks the store which of the objects that went meanwhile are known.
            self.stored().await?;
            // Before the USN up to which this read goes: what the one does not know any more, the other does.
            let cookie = self.cookie_of_now().await?;
            let after = self.session.root_dse().await?;
            let met_after = FoundInScope::default();
            let changed = self
                .changed(since, since, after.highest_committed_usn, &met_after)
                .await?;
            self.odd_parents().await?;
            let Some(moved) = changed.moved else {
                if resumes {
                    // What the earlier run could not map was not asked for again.
                    self.unmapped().await?;
                }
                self.reread_linked(changed.objects, true).await?;
                met.extend(&met_after.into_found());
                let mut found = met.into_found();
                found.guids.sort();
                return Ok(CompletedRead {
                    usn: after.highest_committed_usn,
                    cookie,
                    missed: changed.missed,
                    met: Some(if first { GuidSet::everything() } else { found.guids }),
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

    /// The full read that broke off, if this one may go on with it.
    async fn resumable(&mut self, root: &RootDse) -> Result<Option<Unfinished>, RunError> {
        // Who asks for everything gets everything; and an account that cannot read uSNChanged, for which slices are empty,
        // is told to read without them.
        if self.request.resend || !self.by_slices() {
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

    /// Notes what a full read begins with.
    async fn begin(&mut self, root: &RootDse) -> Result<Unfinished, RunError> {
        self.containers().await?;
        let (containers, _) = self.containers.changes();
        let begun = Unfinished {
            controller: self.controller,
            scope: self.scope.digest(),
            highest: root.highest_committed_usn,
            begun_at: self.now,
            containers,
            slices: Vec::new(),
        };
        if self.by_slices() {
            let (run, noted) = (self.run, begun.clone());
            self.connector
                .on_store(move |store| store.begin_full_read(run, &noted))
                .await?;
        }
        Ok(begun)
    }

    /// With a single connection search by search would do as well: one page after the other.
    const fn by_slices(&self) -> bool {
        self.connector.settings.directory.parallel_reads > 1
    }

    /// Reads what is missing of the full read `begun`: over one connection search by search, over several slice by slice.
    async fn whole(&mut self, root: &RootDse, begun: Unfinished, met: &FoundInScope) -> Result<(), RunError> {
        if !self.by_slices() {
            for kind in self.kinds() {
                if let Some(search) = self.scope.everything(kind) {
                    self.search(kind, search, met).await?;
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
            met.extend(&slice.found);
            self.containers.note_parents(slice.found.parents);
        }
        let own = self.slice_by_slice(&self.session, &slices, met);
        let others = async {
            let helpers = usn_ranges::helpers(settings, &self.session, root).await;
            let read = try_join_all(
                helpers
                    .iter()
                    .map(|session| self.slice_by_slice(session, &slices, met)),
            )
            .await;
            for helper in &helpers {
                self.request.progress.add_directory(helper.counters());
            }
            read
        };
        // The others connect while the first one reads.
        let (own, others) = try_join(own, others).await?;
        for searched in others.into_iter().chain([own]) {
            self.add(searched);
        }
        Ok(())
    }

    /// Reads slices over one connection until none is left.
    async fn slice_by_slice(
        &self,
        session: &Session,
        slices: &Mutex<UsnRanges>,
        met: &FoundInScope,
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
            met.extend(&found);
            // One that gave nothing costs nothing to read again; and it may be a right that the account gets before that.
            if entries > 0 {
                self.send(ReadPiece::Slice(Box::new(Slice { usns, found })))
                    .await?;
            }
        }
    }
}
