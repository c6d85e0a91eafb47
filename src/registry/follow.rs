//! The service: every connection of the set runs on its schedule, and the set follows the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::served::{ConnectionRegistry, LookRequest, RegistryParts};
use crate::clock;
use crate::schedule::{
    self, ConnectionWorker, Heartbeats, ScheduledConnection, ServedConnection, ServiceError,
};
use crate::store::{ConnectionId, StoredConnection};
use crate::sync::RunError;

/// Time between two looks for changes by another instance.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Time between two attempts to use a connection that could not be used.
const AGAIN_EVERY: Duration = Duration::from_secs(5);

/// Task of a connection: its identity, and how it ended.
type EndedConnection = (Uuid, Result<(), RunError>);

/// Connections whose schedules are kept.
pub struct ConnectionFollower {
    registry: Arc<ConnectionRegistry>,
    beats: Heartbeats,
    stop: CancellationToken,
    requests: mpsc::Receiver<LookRequest>,
    waiting: Vec<LookRequest>,
    tasks: JoinSet<EndedConnection>,
    running: BTreeMap<Uuid, RunningConnection>,
    /// Connections before they are run, with their revisions.
    workers: Vec<(ConnectionWorker, Option<i64>)>,
    /// `true` once connections are run.
    is_serving: bool,
    /// Identities of the connections that environment and file configure.
    configured: BTreeSet<Uuid>,
    /// Number of the last change that is in force.
    seen: Option<i64>,
    /// `true` while the state cannot be read.
    is_failing: bool,
    again_at: Option<Instant>,
    /// Stored connections whose schedule failed, with the time of the next attempt.
    failed: BTreeMap<Uuid, Instant>,
}

/// Connection whose schedule is kept.
struct RunningConnection {
    /// Version of the configuration; `None` of environment and file.
    revision: Option<i64>,
    stop: CancellationToken,
    /// Its row and the digest of its settings.
    candidate: (ConnectionId, String),
}

impl ConnectionFollower {
    /// Returns the connections of environment and file, to be run together with those that are
    /// stored, until `stop`.
    #[must_use]
    pub fn new(
        parts: RegistryParts,
        configured: Vec<ScheduledConnection>,
        beats: Heartbeats,
        stop: CancellationToken,
    ) -> Self {
        let (registry, workers, requests) = ConnectionRegistry::new(parts, configured);
        Self {
            registry,
            beats,
            stop,
            requests,
            waiting: Vec::new(),
            tasks: JoinSet::new(),
            running: BTreeMap::new(),
            configured: workers.iter().map(ConnectionWorker::uuid).collect(),
            workers: workers.into_iter().map(|worker| (worker, None)).collect(),
            is_serving: false,
            seen: None,
            is_failing: false,
            again_at: None,
            failed: BTreeMap::new(),
        }
    }

    /// Returns the connections, for other parts of the program.
    #[must_use]
    pub fn registry(&self) -> &Arc<ConnectionRegistry> {
        &self.registry
    }

    /// Adds the connections that are stored to the set, before anybody asks for it; they are run by
    /// [`Self::serve`]. A state that fails is reported there.
    pub async fn prepare(&mut self) {
        if let Err(error) = self.follow().await {
            tracing::debug!(%error, "The stored connections cannot be read yet.");
        }
        self.seen = None;
    }

    /// Runs every connection on its schedule until the service stops; a run in progress is then
    /// ended according to R26.
    ///
    /// # Errors
    /// The state file fails at the start of a connection. Failed runs are no error of the service:
    /// they are logged, shown, and tried again at the next tick.
    pub async fn serve(mut self) -> Result<(), ServiceError> {
        self.is_serving = true;
        for (worker, revision) in std::mem::take(&mut self.workers) {
            self.start(worker, revision);
        }
        self.compete();
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                Some(ended) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                    if let Err(error) = self.ended(ended) {
                        self.stop.cancel();
                        while self.tasks.join_next().await.is_some() {}
                        return Err(error);
                    }
                    self.seen = None;
                }
                Some(request) = self.requests.recv() => {
                    self.waiting.push(request);
                    self.seen = None;
                }
                _ = look.tick() => {}
            }
            match self.follow().await {
                Ok(()) => self.is_failing = false,
                // Once, not every second: the runs report the state as well.
                Err(error) if !std::mem::replace(&mut self.is_failing, true) => {
                    tracing::error!(%error, advice = error.advice(), "The stored connections cannot be read.");
                }
                Err(_) => {}
            }
        }
        while let Some(ended) = self.tasks.join_next().await {
            self.ended(ended)?;
        }
        let store = Arc::clone(&self.registry.parts.store);
        // So that other instances need not wait for the leases to end.
        let _ = tokio::task::spawn_blocking(move || store.leave()).await;
        Ok(())
    }

    fn ended(&mut self, ended: Result<EndedConnection, JoinError>) -> Result<(), ServiceError> {
        let (uuid, kept) = ended?;
        self.running.remove(&uuid);
        match kept {
            // Its rows may be gone, since somebody purged it. It stops no other connection.
            Err(error) if !self.configured.contains(&uuid) => {
                tracing::error!(
                    connection = self.registry.name_of(uuid),
                    %error,
                    advice = error.advice(),
                    "The connection cannot be scheduled."
                );
                self.failed.insert(uuid, clock::timer_instant() + AGAIN_EVERY);
                Ok(())
            }
            kept => Ok(kept?),
        }
    }

    fn start(&mut self, worker: ConnectionWorker, revision: Option<i64>) {
        let (uuid, stop, beats) = (worker.uuid(), self.stop.child_token(), self.beats.clone());
        let running = RunningConnection {
            revision,
            stop: stop.clone(),
            candidate: worker.candidate(),
        };
        self.running.insert(uuid, running);
        self.tasks
            .spawn(async move { (uuid, schedule::keep(worker, beats, stop).await) });
    }

    /// Competes with other instances for the connections that run here, and for no others: one that
    /// cannot be used here, or is disabled, is left to them (R34).
    fn compete(&self) {
        let candidates = self.running.values().map(|running| running.candidate.clone());
        self.registry.parts.store.join(candidates.collect());
    }

    /// Brings the set up to what is stored, as far as runs have ended.
    async fn follow(&mut self) -> Result<(), RunError> {
        let number = self.registry.on_store(|store| store.stored_changes()).await?;
        let is_due = self.again_at.is_some_and(|at| at <= clock::timer_instant());
        if self.seen == Some(number) && !is_due {
            return Ok(());
        }
        let stored = self.registry.on_store(|store| store.stored_connections()).await?;
        let only = self.registry.parts.only.as_deref();
        let wanted: BTreeMap<Uuid, StoredConnection> = stored
            .into_iter()
            .filter(|stored| only.is_none_or(|name| stored.content.name == name))
            .map(|stored| (stored.uuid, stored))
            .collect();
        let mut is_settled = self.end_others(&wanted);
        self.again_at = None;
        self.failed.retain(|uuid, _| wanted.contains_key(uuid));
        for stored in wanted.into_values() {
            if self.running.contains_key(&stored.uuid) {
                continue;
            }
            match self.failed.get(&stored.uuid) {
                Some(at) if *at > clock::timer_instant() => {
                    self.again_at = Some(self.again_at.map_or(*at, |earlier| earlier.min(*at)));
                }
                _ => {
                    self.failed.remove(&stored.uuid);
                    is_settled &= self.open(stored).await;
                }
            }
        }
        self.compete();
        self.registry.configure().await?;
        if is_settled && !self.waiting.is_empty() {
            let elsewhere = self
                .registry
                .on_store(|store| store.runs_otherwise_elsewhere())
                .await?;
            is_settled = !elsewhere;
        }
        if is_settled {
            self.seen = Some(number);
            for request in self.waiting.drain(..) {
                // Nobody waits any more.
                let _: Result<(), ()> = request.send(());
            }
        }
        Ok(())
    }

    /// Ends the connections that are not stored as they run, and removes those that are gone.
    /// Returns `true` when none of them still runs.
    fn end_others(&mut self, wanted: &BTreeMap<Uuid, StoredConnection>) -> bool {
        let mut is_settled = true;
        for (uuid, running) in &self.running {
            let as_it_runs = wanted
                .get(uuid)
                .is_some_and(|stored| !stored.content.disabled && Some(stored.revision) == running.revision);
            if !self.configured.contains(uuid) && !as_it_runs {
                running.stop.cancel();
                is_settled = false;
            }
        }
        for known in self.registry.set.all() {
            let is_gone = !self.configured.contains(&known.uuid) && !wanted.contains_key(&known.uuid);
            if is_gone && !self.running.contains_key(&known.uuid) {
                tracing::info!(connection = known.name, "The connection was deleted.");
                self.registry.set.remove(known.uuid);
            }
        }
        is_settled
    }

    /// Adds a stored connection to the set, and starts it unless it is disabled. Returns `false`
    /// where another instance has to end its former configuration first.
    async fn open(&mut self, stored: StoredConnection) -> bool {
        let known = self
            .registry
            .set
            .all()
            .into_iter()
            .find(|one| one.uuid == stored.uuid);
        let is_known = |known: &ServedConnection| {
            known.handle.is_ok()
                && known
                    .stored
                    .as_ref()
                    .is_some_and(|known| known.revision == stored.revision)
        };
        if stored.content.disabled && known.as_ref().is_some_and(is_known) {
            return true;
        }
        let (uuid, revision, is_disabled) = (stored.uuid, stored.revision, stored.content.disabled);
        let opened = self.registry.open(stored).await;
        match &opened.connection.handle {
            Ok(_) => {
                tracing::info!(
                    connection = opened.connection.name,
                    revision,
                    disabled = is_disabled,
                    "A stored connection is in force."
                );
            }
            Err(_) if opened.is_held => {
                tracing::debug!(
                    connection = opened.connection.name,
                    "Another instance still holds the connection with its former target."
                );
            }
            Err(fault) => {
                self.again_at = Some(clock::timer_instant() + AGAIN_EVERY);
                let before = known.and_then(|known| known.handle.err());
                if before.as_ref() != Some(fault) {
                    tracing::error!(
                        connection = opened.connection.name,
                        error = fault.reason,
                        advice = fault.remedy,
                        "A stored connection cannot be used."
                    );
                }
            }
        }
        self.registry.set.insert(opened.connection);
        let is_held = opened.is_held;
        if let Some(worker) = opened.worker.filter(|_| !is_disabled) {
            debug_assert_eq!(worker.uuid(), uuid);
            if self.is_serving {
                self.start(worker, Some(revision));
            } else {
                self.workers.push((worker, Some(revision)));
            }
        }
        !is_held
    }
}
