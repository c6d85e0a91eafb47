//! The reader of a run: plan, search, and hand page after page to the stager.
//!
//! Invariants kept here: the watermark is the highestCommittedUSN read on the same connection before the search (R1); a
//! read counts as complete only when every search ended with result code 0 (R4); what a read missed is noted with its
//! watermark, and looked up after that (R22).

use std::ops::AddAssign;
use std::sync::{Mutex, PoisonError};

use chrono::Utc;
use tokio::sync::{mpsc, oneshot};

use crate::config::DeltaMethod;
use crate::directory::{Controllers, Entry, FaultOf, Next, Pages, RootDse, Search, Session};
use crate::identity::{Guid, GuidSet, Kind};
use crate::store::{Decision, Limits, ReadEnd, RunId, RunMode, RunPlan, Slice, Watermark, Which};

use super::containers::Containers;
use super::decide::decide;
use super::links::Links;
use super::membership::Membership;
use super::met::Met;
use super::{Connector, Phase, Plan, Request, RunError, Scope};

/// The show-deleted control (MS-ADTS 3.1.1.3.4.1.14).
pub(super) const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";

/// What the reader hands to the stager.
pub(super) enum Piece {
    /// Entries of one search: a page, or a piece of a large one.
    Page(Kind, Vec<Entry>),
    /// Everything of this slice was sent before.
    Slice(Box<Slice>),
    /// Everything sent before is to be stored now. Answered then.
    Store(oneshot::Sender<()>),
    /// Everything was read; the watermark and what was missed commit with what is staged last (R3). Answered then.
    Complete(Box<ReadEnd>, oneshot::Sender<()>),
    /// Everything missed was looked up: decide.
    Conclude(Decision),
}

/// What a read that came to its end was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Summary {
    pub(super) pages: u64,
    pub(super) referrals: u64,
}

/// Reads what `request` asks for and sends it to `pieces`, then looks up what the read missed. The plan is left in `planned`
/// as soon as it is known, for the report of a read that breaks off later. When the controller fails, all of it begins again on
/// the next one (R5, R39): what was read until then is true, and is kept.
pub(super) async fn read(
    connector: &Connector,
    request: &Request,
    run: RunId,
    now: i64,
    pieces: mpsc::Sender<Piece>,
    planned: &Mutex<Option<Plan>>,
) -> Result<Summary, RunError> {
    let settings = &connector.settings.directory;
    let mut controllers = Controllers::find(settings, &connector.bind_guard).await?;
    // A full read is the same on every controller, so it goes to the first.
    if request.mode == RunMode::Delta && settings.delta != DeltaMethod::Off {
        let id = connector.id;
        let reached = connector.on_store(move |store| store.reached(id)).await?;
        controllers.prefer(&reached.into_iter().map(|one| one.host).collect::<Vec<_>>());
    }
    loop {
        let session = controllers.connect(settings).await?;
        request.progress.reached(&session);
        let endpoint = session.endpoint().clone();
        let attempt = Attempt {
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
            Next::Other => tracing::warn!(
                controller = host,
                error = cause,
                advice,
                "The controller broke off; the read begins again on another one."
            ),
            Next::Same => tracing::warn!(
                controller = host,
                error = cause,
                advice,
                "The controller broke off; the read begins again there."
            ),
        }
        // Slices that ended are of this controller, and are to be stored before those of another one begin.
        stored(&pieces).await?;
    }
}

/// A read over one controller.
struct Attempt<'a> {
    connector: &'a Connector,
    request: &'a Request,
    run: RunId,
    now: i64,
    pieces: mpsc::Sender<Piece>,
    planned: &'a Mutex<Option<Plan>>,
}

impl Attempt<'_> {
    async fn over(self, mut session: Session) -> Result<Summary, RunError> {
        let Self {
            connector, request, ..
        } = self;
        let root = session.root_dse().await?;
        let controller = session.invocation_id(&root).await?;
        let links = Links::of(&connector.mapping);
        if !links.is_empty() {
            session.ask_for_extended_names();
        }
        let mut reader = Reader {
            connector,
            request,
            run: self.run,
            scope: Scope::new(&connector.settings.profile, &connector.mapping, &root),
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
            Some(list) => reader.approve(list).await,
            None => reader.read(root).await,
        };
        request.progress.add_directory(reader.session.counters());
        read?;
        let summary = Summary {
            pages: reader.pages,
            referrals: reader.referrals,
        };
        reader.session.close().await;
        Ok(summary)
    }
}

/// Waits until everything that was handed over is stored.
async fn stored(pieces: &mpsc::Sender<Piece>) -> Result<(), RunError> {
    let (stored, when_stored) = oneshot::channel();
    pieces
        .send(Piece::Store(stored))
        .await
        .map_err(|_| stager_gone())?;
    when_stored.await.map_err(|_| stager_gone())
}

/// Puts the plan into the log and the history.
async fn remember(
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
    tracing::info!(
        controller = session.host(),
        mode = mode.name(),
        reason,
        "Reading the directory."
    );
    let planned = RunPlan {
        mode,
        reason,
        controller: Some(controller),
        watermark_before: before,
    };
    connector
        .on_store(move |store| store.plan_run(run, &planned))
        .await
}

/// What a run knows of the directory while it reads.
pub(super) struct Reader<'a> {
    pub(super) connector: &'a Connector,
    pub(super) request: &'a Request,
    pub(super) run: RunId,
    pub(super) scope: Scope,
    pub(super) session: Session,
    /// Whether deleted objects may be asked for. Which of them come is another question.
    pub(super) shows_deleted: bool,
    pub(super) containers: Containers,
    pub(super) membership: Membership,
    pub(super) links: Links,
    pub(super) controller: Guid,
    /// rootDSE dsServiceName.
    server: String,
    pub(super) now: i64,
    pieces: mpsc::Sender<Piece>,
    planned: &'a Mutex<Option<Plan>>,
    pages: u64,
    referrals: u64,
}

/// What a read came to.
pub(super) struct Known {
    /// The USN up to which the directory is known now.
    pub(super) usn: u64,
    /// Where the next DirSync search goes on.
    pub(super) cookie: Option<Vec<u8>>,
    /// Known objects that changed, and were not found in scope.
    pub(super) missed: Vec<Guid>,
    /// After a full read, everything that was found in scope.
    pub(super) met: Option<GuidSet>,
    /// Kinds of which a full read found nothing.
    pub(super) empty: Vec<Kind>,
}

impl Reader<'_> {
    /// Looks up the held list again and hands over the decision on it.
    async fn approve(&mut self, list: &str) -> Result<(), RunError> {
        self.request.progress.enter(Phase::Examining);
        let (run, controller) = (self.run, self.controller);
        self.connector
            .on_store(move |store| store.read_from(run, controller))
            .await?;
        self.examine(Which::Held).await?;
        self.send(Piece::Conclude(Decision::Approved(list.to_owned())))
            .await
    }

    /// Reads, hands over what the read came to, and looks up what is missing.
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
            Plan::Full { reason } => self.full(reason, root).await?,
            Plan::Delta { since } => {
                self.follow(&Plan::Delta { since }).await?;
                self.changes(since, &elsewhere, root).await?
            }
            Plan::DirSync { cookie } => self.since_cookie(cookie, &elsewhere, root).await?,
        };
        let empty = known.empty.clone();
        self.complete(known).await?;
        self.request.progress.enter(Phase::Examining);
        self.examine(Which::Every).await?;
        let removal = &self.connector.settings.removal;
        let limits = Limits {
            max_count: removal.max_count,
            max_percent: removal.max_percent,
            empty,
        };
        self.send(Piece::Conclude(Decision::Threshold(limits))).await
    }

    /// Tells what is done from here on.
    pub(super) async fn follow(&self, plan: &Plan) -> Result<(), RunError> {
        self.request.progress.enter(Phase::Reading);
        self.request.progress.set_mode(match plan {
            Plan::Full { .. } => RunMode::Baseline,
            Plan::Delta { .. } | Plan::DirSync { .. } => RunMode::Delta,
        });
        remember(self.connector, self.run, &self.session, self.controller, plan).await?;
        *self.planned.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan.clone());
        Ok(())
    }

    /// Waits until everything that was handed over is stored.
    pub(super) async fn stored(&self) -> Result<(), RunError> {
        stored(&self.pieces).await
    }

    /// Hands over the end of the read, and waits until it is stored: what was missed is looked up only when it can no
    /// longer be forgotten.
    async fn complete(&mut self, known: Known) -> Result<(), RunError> {
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
            met: known.met,
            containers,
            containers_gone,
            ended: Utc::now().timestamp(),
        };
        let (stored, when_stored) = oneshot::channel();
        self.send(Piece::Complete(Box::new(end), stored)).await?;
        when_stored.await.map_err(|_| stager_gone())
    }

    /// Runs one search to its end; `met` gains what came. Gives how many entries that were.
    pub(super) async fn search(&mut self, kind: Kind, search: Search, met: &Met) -> Result<u64, RunError> {
        let searched = self.search_over(&self.session, kind, search, met).await?;
        self.add(searched);
        Ok(searched.entries)
    }

    /// As [`Self::search`], over `session`.
    pub(super) async fn search_over(
        &self,
        session: &Session,
        kind: Kind,
        search: Search,
        met: &Met,
    ) -> Result<Searched, RunError> {
        if self.membership.concerns(kind) {
            return self.search_with_memberships(session, kind, search, met).await;
        }
        let mut pages = session.search(search);
        let mut came = 0;
        while let Some(entries) = pages.next().await? {
            came += entries.len() as u64;
            self.request.progress.add_read(entries.len() as u64);
            met.note(kind, &entries, self.containers.note_parents_of(&entries));
            self.send(Piece::Page(kind, entries)).await?;
        }
        Ok(Searched {
            entries: came,
            pages: pages.pages(),
            referrals: pages.referrals(),
        })
    }

    /// Adds what a search that came to its end took.
    pub(super) fn count(&mut self, pages: &Pages) {
        self.count_answers(pages.pages(), pages.referrals());
    }

    pub(super) fn count_answers(&mut self, answers: u64, referrals: u64) {
        self.pages += answers;
        self.referrals += referrals;
    }

    pub(super) fn add(&mut self, searched: Searched) {
        self.pages += searched.pages;
        self.referrals += searched.referrals;
    }

    pub(super) async fn send(&self, piece: Piece) -> Result<(), RunError> {
        self.pieces.send(piece).await.map_err(|_| stager_gone())
    }

    pub(super) fn kinds(&self) -> Vec<Kind> {
        self.scope.kinds().collect()
    }
}

/// What one or several searches gave.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Searched {
    pub(super) entries: u64,
    pages: u64,
    referrals: u64,
}

impl Searched {
    /// Adds what a search that came to its end took, but for its entries.
    pub(super) fn count(&mut self, pages: &Pages) {
        self.pages += pages.pages();
        self.referrals += pages.referrals();
    }
}

impl AddAssign for Searched {
    fn add_assign(&mut self, more: Self) {
        self.entries += more.entries;
        self.pages += more.pages;
        self.referrals += more.referrals;
    }
}

/// The stager ended first, so the run has a better error than this one.
fn stager_gone() -> RunError {
    RunError::Panicked {
        task: "stage",
        cause: "it ended before the read did".to_owned(),
    }
}
