//! State of a read, and the operations that every kind of read uses.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use crate::directory::{LdapSearch, SearchCounts, Session};
use crate::identity::{Guid, GuidSet, Kind};
use crate::store::{RunId, RunMode, RunPlan};
use crate::sync::links::MappingLinks;
use crate::sync::{Connector, Plan, ReadScope, RunError, RunPhase, RunRequest};

use super::containers::Containers;
use super::found::FoundInScope;
use super::memberships::Membership;
use super::nearest::controller_of;
use super::piece::ReadPiece;

/// State of a read over one controller.
pub(super) struct ReadContext<'a> {
    pub(super) connector: &'a Connector,
    pub(super) request: &'a RunRequest,
    pub(super) run: RunId,
    pub(super) scope: ReadScope,
    pub(super) session: Session,
    /// `true` when deleted objects may be requested. The rights of the account decide which are
    /// returned.
    pub(super) shows_deleted: bool,
    pub(super) containers: Containers,
    pub(super) membership: Membership,
    pub(super) links: MappingLinks,
    pub(super) controller: Guid,
    /// rootDSE dsServiceName.
    pub(super) server: String,
    pub(super) now: i64,
    pub(super) pieces: mpsc::Sender<ReadPiece>,
    pub(super) planned: &'a Mutex<Option<Plan>>,
    pub(super) pages: u64,
    pub(super) referrals: u64,
}

/// Result of a complete read.
pub(super) struct CompletedRead {
    /// USN up to which the directory is known now.
    pub(super) usn: u64,
    /// Cookie with which the next DirSync search continues.
    pub(super) cookie: Option<Vec<u8>>,
    /// Known objects that changed, and were not found in scope.
    pub(super) missed: Vec<Guid>,
    /// Objects that a full read found in scope.
    pub(super) in_scope: Option<GuidSet>,
    /// Kinds of which a full read found nothing.
    pub(super) empty: Vec<Kind>,
}

impl ReadContext<'_> {
    /// Publishes the plan: progress, mode, log and history.
    pub(super) async fn publish_plan(&self, plan: &Plan) -> Result<(), RunError> {
        self.request.progress.enter(RunPhase::Reading);
        self.request.progress.set_mode(match plan {
            Plan::Full { .. } => RunMode::Baseline,
            Plan::Delta { .. } | Plan::DirSync { .. } => RunMode::Delta,
        });
        record_plan(self.connector, self.run, &self.session, self.controller, plan).await?;
        *self.planned.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan.clone());
        Ok(())
    }

    /// Waits until everything that was sent to the stager is stored.
    pub(super) async fn wait_until_stored(&self) -> Result<(), RunError> {
        wait_until_stored(&self.pieces).await
    }

    /// Runs one search to its end; its objects are added to `in_scope`. Returns the number of
    /// entries.
    pub(super) async fn search(
        &mut self,
        kind: Kind,
        search: LdapSearch,
        in_scope: &FoundInScope,
    ) -> Result<u64, RunError> {
        let searched = self.search_over(&self.session, kind, search, in_scope).await?;
        self.add(searched);
        Ok(searched.entries)
    }

    /// Runs one search to its end over `session`.
    pub(super) async fn search_over(
        &self,
        session: &Session,
        kind: Kind,
        search: LdapSearch,
        in_scope: &FoundInScope,
    ) -> Result<SearchCounts, RunError> {
        if self.membership.concerns(kind) {
            return self
                .search_with_memberships(session, kind, search, in_scope)
                .await;
        }
        let mut pages = session.search(search);
        while let Some(entries) = pages.next().await? {
            self.request.progress.add_read(entries.len() as u64);
            in_scope.record(kind, &entries, self.containers.record_parents_of(&entries));
            self.send(ReadPiece::Page(kind, entries)).await?;
        }
        Ok(pages.counts())
    }

    /// Adds the cost of a search that came to its end.
    pub(super) fn add(&mut self, searched: SearchCounts) {
        self.pages += searched.pages;
        self.referrals += searched.referrals;
    }

    pub(super) async fn send(&self, piece: ReadPiece) -> Result<(), RunError> {
        self.pieces.send(piece).await.map_err(|_| stager_gone())
    }

    pub(super) fn kinds(&self) -> Vec<Kind> {
        self.scope.kinds().collect()
    }

    /// Returns the kinds that are read, and as which an object of `kind` may be found now.
    pub(super) fn kinds_for(&self, kind: Kind) -> Vec<Kind> {
        self.scope.kinds_for(kind).collect()
    }
}

/// Waits until everything that was sent to the stager is stored.
pub(super) async fn wait_until_stored(pieces: &mpsc::Sender<ReadPiece>) -> Result<(), RunError> {
    let (stored, when_stored) = oneshot::channel();
    pieces
        .send(ReadPiece::Store(stored))
        .await
        .map_err(|_| stager_gone())?;
    when_stored.await.map_err(|_| stager_gone())
}

/// Records the plan in the log and the history.
async fn record_plan(
    connector: &Connector,
    run: RunId,
    session: &Session,
    controller: Guid,
    plan: &Plan,
) -> Result<(), RunError> {
    let (mode, reason, before) = match plan {
        Plan::Full { reason } => (RunMode::Baseline, reason.clone(), None),
        Plan::Delta { since } => (RunMode::Delta, plan.to_string(), Some(*since)),
        Plan::DirSync { .. } => (RunMode::Delta, plan.to_string(), None),
    };
    let read_from = controller_of(session);
    tracing::info!(
        controller = session.host(),
        choice = read_from.choice,
        controller_site = read_from.site,
        client_site = read_from.client_site,
        mode = mode.name(),
        reason,
        "Reading the directory."
    );
    let planned = RunPlan {
        mode,
        reason,
        controller: Some(controller),
        read_from,
        watermark_before: before,
    };
    connector
        .on_store(move |store| store.plan_run(run, &planned))
        .await
}

/// Returns the error of a run whose stager ended first; the stager's own error is the better one.
pub(super) fn stager_gone() -> RunError {
    RunError::Panicked {
        task: "stage",
        cause: "it ended before the read did".to_owned(),
    }
}
