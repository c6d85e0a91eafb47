//! The reader of a run: plan, search, and hand page after page to the stager.
//!
//! Invariants kept here: the watermark is the highestCommittedUSN read on the same connection before the search (R1); a
//! read counts as complete only when every search ended with result code 0 (R4); a full read ends with a delta
//! from its own watermark (R4).

use std::collections::BTreeSet;
use std::ops::AddAssign;
use std::sync::{Mutex, OnceLock, PoisonError};

use futures_util::future::try_join_all;
use tokio::sync::mpsc;

use crate::directory::{self, Entry, RootDse, Search, Session};
use crate::identity::{Guid, Kind};
use crate::store::{RunId, RunMode, RunPlan, Watermark};

use super::slices::{self, Slices};
use super::{Connector, Facts, Plan, Request, RunError, Scope, plan};

/// What the reader hands to the stager.
pub(super) enum Piece {
    /// One page of one search.
    Page(Kind, Vec<Entry>),
    /// Objects that are unmappable since an earlier run and no longer in scope.
    Forget(Vec<Guid>),
    /// Everything was read; the watermark commits with what is staged last (R3).
    Complete(Watermark),
}

/// What a read that came to its end was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Summary {
    pub(super) pages: u64,
    pub(super) referrals: u64,
    pub(super) watermark: u64,
}

/// Reads what `request` asks for and sends it to `pieces`, the completion last. The plan is left in `planned` as soon as it
/// is known, for the report of a read that breaks off later.
pub(super) async fn read(
    connector: &Connector,
    request: &Request,
    run: RunId,
    now: i64,
    pieces: mpsc::Sender<Piece>,
    planned: &OnceLock<Plan>,
) -> Result<Summary, RunError> {
    let mut session = directory::connect(&connector.settings.directory).await?;
    let root = session.root_dse().await?;
    let controller = session.invocation_id(&root).await?;
    let scope = Scope::new(&connector.settings.profile, &connector.mapping, &root);
    let plan = decide(connector, request, &mut session, &root, controller, &scope, now).await?;
    remember(connector, run, &session, controller, &plan).await?;
    let plan = planned.get_or_init(|| plan);

    let mut reader = Reader {
        connector,
        request,
        scope,
        session,
        pieces,
        pages: 0,
        referrals: 0,
    };
    let usn = match plan {
        Plan::Delta { since } => reader.changes(*since, &root).await?,
        Plan::Full { .. } => reader.everything(&root).await?,
    };
    reader
        .send(Piece::Complete(Watermark {
            controller,
            scope: reader.scope.digest(),
            usn,
            read_at: now,
        }))
        .await?;
    let summary = Summary {
        pages: reader.pages,
        referrals: reader.referrals,
        watermark: usn,
    };
    reader.session.close().await;
    Ok(summary)
}

/// The plan for this controller and scope.
async fn decide(
    connector: &Connector,
    request: &Request,
    session: &mut Session,
    root: &RootDse,
    controller: Guid,
    scope: &Scope,
    now: i64,
) -> Result<Plan, RunError> {
    let id = connector.id;
    let watermarks = connector.on_store(move |store| store.watermarks(id)).await?;
    let tombstone_lifetime = if watermarks
        .iter()
        .any(|mark| now - mark.read_at >= SHORTEST_TOMBSTONE_LIFETIME)
    {
        tombstone_lifetime(session, root).await?
    } else {
        TOMBSTONE_LIFETIME
    };
    Ok(plan(&Facts {
        requested: request.mode,
        asked_by: &request.asked_by,
        method: connector.settings.directory.delta,
        controller,
        host: session.host(),
        highest_committed_usn: root.highest_committed_usn,
        scope: scope.digest(),
        tombstone_lifetime,
        now,
        watermarks: &watermarks,
    }))
}

/// Days that a tombstone lives where the forest does not say (MS-ADTS 3.1.1.5.5, tombstoneLifetime unset).
const TOMBSTONE_LIFETIME: u32 = 60;

/// Seconds below which no forest sets it (MS-ADTS 3.1.1.5.5: values under 2 days count as unset): a younger watermark
/// needs no look-up.
const SHORTEST_TOMBSTONE_LIFETIME: i64 = 2 * 86_400;

/// tombstoneLifetime of the forest, days (R9).
async fn tombstone_lifetime(session: &mut Session, root: &RootDse) -> Result<u32, RunError> {
    const ATTRIBUTE: &str = "tombstoneLifetime";
    let Some(configuration) = &root.configuration_naming_context else {
        return Ok(TOMBSTONE_LIFETIME);
    };
    let object = format!("CN=Directory Service,CN=Windows NT,CN=Services,{configuration}");
    let entry = session.lookup(&object, &[ATTRIBUTE], false).await?;
    Ok(entry
        .as_ref()
        .and_then(|entry| entry.text(ATTRIBUTE))
        .and_then(|days| days.parse().ok())
        .unwrap_or(TOMBSTONE_LIFETIME))
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
    };
    tracing::info!(connection = connector.name(), %run, controller = session.host(), mode = mode.name(), reason, "Reading the directory.");
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

struct Reader<'a> {
    connector: &'a Connector,
    request: &'a Request,
    scope: Scope,
    session: Session,
    pieces: mpsc::Sender<Piece>,
    pages: u64,
    referrals: u64,
}

impl Reader<'_> {
    /// Reads every object in scope, then what changed meanwhile: a full read is no snapshot, an object that moves
    /// between two pages can be missed by both (R4). Gives the USN up to which the directory is now known.
    async fn everything(&mut self, before: &RootDse) -> Result<u64, RunError> {
        self.whole(before).await?;
        let after = self.session.root_dse().await?;
        self.changed(before.highest_committed_usn, &after).await?;
        Ok(after.highest_committed_usn)
    }

    /// Reads every object in scope: over one connection search by search, over several slice by slice.
    async fn whole(&mut self, before: &RootDse) -> Result<(), RunError> {
        let helpers = slices::helpers(&self.connector.settings.directory, &self.session, before).await;
        if helpers.is_empty() {
            for kind in self.kinds() {
                if let Some(search) = self.scope.everything(kind) {
                    self.search(kind, search, None).await?;
                }
            }
            return Ok(());
        }
        let slices = Mutex::new(Slices::up_to(before.highest_committed_usn));
        let sessions = std::iter::once(&self.session).chain(&helpers);
        let read = try_join_all(sessions.map(|session| self.slice_by_slice(session, &slices))).await?;
        for searched in read {
            self.add(searched);
        }
        Ok(())
    }

    /// Reads slices over one connection until none is left.
    async fn slice_by_slice(&self, session: &Session, slices: &Mutex<Slices>) -> Result<Searched, RunError> {
        let locked = || slices.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = Searched::default();
        loop {
            let Some(slice) = locked().next() else {
                return Ok(all);
            };
            let mut entries = 0;
            for kind in self.kinds() {
                if let Some(search) = self.scope.slice(kind, &slice) {
                    let searched = self.search_over(session, kind, search, None).await?;
                    entries += searched.entries;
                    all += searched;
                }
            }
            locked().learn(&slice, entries);
        }
    }

    /// Reads what changed since `since`, and once more what could not be mapped before (R15).
    async fn changes(&mut self, since: u64, root: &RootDse) -> Result<u64, RunError> {
        self.changed(since, root).await?;
        self.unmapped().await?;
        Ok(root.highest_committed_usn)
    }

    async fn changed(&mut self, since: u64, root: &RootDse) -> Result<(), RunError> {
        // The controller has committed nothing since: there is nothing to ask for.
        if root.highest_committed_usn <= since {
            return Ok(());
        }
        for kind in self.kinds() {
            if let Some(search) = self.scope.changed_since(kind, since) {
                self.search(kind, search, None).await?;
            }
        }
        Ok(())
    }

    async fn unmapped(&mut self) -> Result<(), RunError> {
        for kind in self.kinds() {
            let id = self.connector.id;
            let guids = self
                .connector
                .on_store(move |store| store.unmapped_guids(id, kind))
                .await?;
            let mut gone: BTreeSet<Guid> = guids.iter().copied().collect();
            for search in self.scope.with_guids(kind, &guids) {
                self.search(kind, search, Some(&mut gone)).await?;
            }
            if !gone.is_empty() {
                self.send(Piece::Forget(gone.into_iter().collect())).await?;
            }
        }
        Ok(())
    }

    /// Runs one search to its end.
    async fn search(
        &mut self,
        kind: Kind,
        search: Search,
        awaited: Option<&mut BTreeSet<Guid>>,
    ) -> Result<(), RunError> {
        let searched = self.search_over(&self.session, kind, search, awaited).await?;
        self.add(searched);
        Ok(())
    }

    /// Runs one search over `session` to its end. `awaited` loses the GUIDs of the entries that came.
    async fn search_over(
        &self,
        session: &Session,
        kind: Kind,
        search: Search,
        mut awaited: Option<&mut BTreeSet<Guid>>,
    ) -> Result<Searched, RunError> {
        let mut pages = session.search(search);
        let mut read = 0;
        while let Some(entries) = pages.next().await? {
            read += entries.len() as u64;
            self.request.progress.add_read(entries.len() as u64);
            if let Some(awaited) = awaited.as_deref_mut() {
                for guid in entries.iter().filter_map(super::stage::guid_of) {
                    awaited.remove(&guid);
                }
            }
            if self.pieces.send(Piece::Page(kind, entries)).await.is_err() {
                return Err(stager_gone());
            }
        }
        Ok(Searched {
            entries: read,
            pages: pages.pages(),
            referrals: pages.referrals(),
        })
    }

    fn add(&mut self, searched: Searched) {
        self.pages += searched.pages;
        self.referrals += searched.referrals;
    }

    async fn send(&self, piece: Piece) -> Result<(), RunError> {
        self.pieces.send(piece).await.map_err(|_| stager_gone())
    }

    fn kinds(&self) -> Vec<Kind> {
        self.scope.kinds().collect()
    }
}

/// What one or several searches gave.
#[derive(Debug, Default, Clone, Copy)]
struct Searched {
    entries: u64,
    pages: u64,
    referrals: u64,
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
