//! Reader of a run: it plans, searches, and sends page after page to the stager.
//!
//! Invariants kept here: the watermark is the highestCommittedUSN read on the same connection
//! before the search (R1); a read counts as complete only when every search ended with result code
//! 0 (R4); the objects that a read missed are stored with its watermark, and looked up after that
//! (R22).

mod containers;
mod context;
mod dirsync_delta;
mod found;
mod full_read;
mod linked_objects;
mod lookup;
mod membership_search;
mod memberships;
mod nearest;
mod piece;
mod read_plan;
mod resumption;
mod usn_delta;
mod usn_ranges;
mod watch;

use std::sync::Mutex;

use tokio::sync::{mpsc, oneshot};

use crate::directory::{Controllers, FaultOf, NextController, RootDse, Session};
use crate::store::{CandidateSelection, ReadEnd, RemovalDecision, RemovalLimits, RunId, Watermark};

use crate::sync::links::MappingLinks;
use crate::sync::{Connector, Plan, ReadScope, RunError, RunPhase, RunRequest};

use containers::Containers;
use context::{CompletedRead, ReadContext, stager_gone, wait_until_stored};
use memberships::Membership;
pub use memberships::complete;
pub(super) use piece::ReadPiece;
use read_plan::decide;

/// Show-deleted control (MS-ADTS 3.1.1.3.4.1.14).
pub(super) const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";

/// Summary of a read that came to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadSummary {
    pub(super) pages: u64,
    pub(super) referrals: u64,
}

/// Reads the objects for `request` and sends them to `pieces`, then looks up those that the read
/// missed. The plan is stored in `planned` as soon as it is known, for the report of a read that
/// breaks off later. When the controller fails, all of it begins again on the next one (R5, R39):
/// everything that was read until then is correct, and is kept.
pub(super) async fn read(
    connector: &Connector,
    request: &RunRequest,
    run: RunId,
    now: i64,
    pieces: mpsc::Sender<ReadPiece>,
    planned: &Mutex<Option<Plan>>,
) -> Result<ReadSummary, RunError> {
    let settings = &connector.settings.directory;
    let known = connector.known_controllers(request.mode).await?;
    let mut controllers = Controllers::find(settings, &connector.bind_guard, &known).await?;
    loop {
        let session = controllers.connect(settings).await?;
        request.progress.reached(&session);
        nearest::log_new_site(&session, known.site.as_deref());
        let endpoint = session.endpoint().clone();
        let attempt = ReadAttempt {
            connector,
            request,
            run,
            now,
            pieces: pieces.clone(),
            planned,
        };
        let error = match attempt.over(session).await {
            Err(RunError::Directory(error)) => *error,
            ended => return ended,
        };
        match error.fault_of() {
            FaultOf::Controller | FaultOf::ControllerOrSearch => {}
            FaultOf::Account | FaultOf::Request => return Err(error.into()),
        }
        let (cause, advice) = (error.to_string(), error.advice());
        let host = &endpoint.host;
        match controllers.leave(&endpoint, error)? {
            NextController::Other => tracing::warn!(
                controller = host,
                error = cause,
                advice,
                "The controller broke off; the read begins again on another one."
            ),
            NextController::Same => tracing::warn!(
                controller = host,
                error = cause,
                advice,
                "The controller broke off; the read begins again there."
            ),
        }
        // Ranges that ended are of this controller, and are to be stored before those of another
        // one begin.
        wait_until_stored(&pieces).await?;
    }
}

/// A read over one controller.
struct ReadAttempt<'a> {
    connector: &'a Connector,
    request: &'a RunRequest,
    run: RunId,
    now: i64,
    pieces: mpsc::Sender<ReadPiece>,
    planned: &'a Mutex<Option<Plan>>,
}

impl ReadAttempt<'_> {
    async fn over(self, mut session: Session) -> Result<ReadSummary, RunError> {
        let Self {
            connector, request, ..
        } = self;
        let root = session.root_dse().await?;
        let controller = session.invocation_id(&root).await?;
        let links = MappingLinks::of(&connector.mapping);
        if !links.is_empty() {
            session.ask_for_extended_names();
        }
        let mut context = ReadContext {
            connector,
            request,
            run: self.run,
            scope: ReadScope::new(&connector.settings.profile, &connector.mapping, &root),
            shows_deleted: root.supported_controls.iter().any(|oid| oid == SHOW_DELETED),
            session,
            controller,
            server: root.ds_service_name.clone(),
            containers: Containers::default(),
            membership: Membership::of(&connector.mapping),
            links,
            pieces: self.pieces,
            planned: self.planned,
            now: self.now,
            pages: 0,
            referrals: 0,
        };
        let read = match &request.approve {
            Some(list) => context.approve(list).await,
            None => context.read(root).await,
        };
        request.progress.add_directory(context.session.counters());
        read?;
        let summary = ReadSummary {
            pages: context.pages,
            referrals: context.referrals,
        };
        context.session.close().await;
        Ok(summary)
    }
}

impl ReadContext<'_> {
    /// Looks up the held list again and sends the decision on it to the stager.
    async fn approve(&mut self, list: &str) -> Result<(), RunError> {
        self.request.progress.enter(RunPhase::Examining);
        let (run, controller) = (self.run, self.controller);
        self.connector
            .on_store(move |store| store.read_from(run, controller))
            .await?;
        self.examine(CandidateSelection::Held).await?;
        self.send(ReadPiece::Conclude(RemovalDecision::Approved(list.to_owned())))
            .await
    }

    /// Reads, sends the result to the stager, and looks up the missing objects.
    async fn read(&mut self, root: RootDse) -> Result<(), RunError> {
        let decided = decide(
            self.connector,
            self.request,
            &mut self.session,
            &root,
            self.controller,
            &self.scope,
            self.now,
        )
        .await?;
        let elsewhere = decided.changed_elsewhere;
        let known = match decided.plan {
            Plan::Full { reason } => self.read_everything(reason, root).await?,
            Plan::Delta { since } => {
                self.publish_plan(&Plan::Delta { since }).await?;
                self.read_delta(since, &elsewhere, root).await?
            }
            Plan::DirSync { cookie } => self.read_dirsync_delta(cookie, &elsewhere, root).await?,
        };
        let empty = known.empty.clone();
        self.complete(known).await?;
        self.request.progress.enter(RunPhase::Examining);
        self.examine(CandidateSelection::Every).await?;
        let removal = &self.connector.settings.removal;
        let limits = RemovalLimits {
            max_count: removal.max_count,
            max_percent: removal.max_percent,
            empty,
        };
        self.send(ReadPiece::Conclude(RemovalDecision::Threshold(limits)))
            .await
    }

    /// Sends the end of the read to the stager, and waits until it is stored: missed objects are
    /// looked up only when they cannot be lost any more.
    async fn complete(&mut self, known: CompletedRead) -> Result<(), RunError> {
        let (containers, containers_gone) = self.containers.changes();
        let end = ReadEnd {
            watermark: Watermark {
                controller: self.controller,
                scope: self.scope.digest(),
                usn: known.usn,
                read_at: self.now,
            },
            host: self.session.host().to_owned(),
            server: self.server.clone(),
            cookie: known.cookie,
            kinds: self.kinds(),
            missed: known.missed,
            met: known.in_scope,
            containers,
            containers_gone,
            ended: self.connector.clock.timestamp(),
        };
        let (stored, when_stored) = oneshot::channel();
        self.send(ReadPiece::Complete(Box::new(end), stored)).await?;
        when_stored.await.map_err(|_| stager_gone())
    }
}
