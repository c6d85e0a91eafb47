//! The connections that this process runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

use super::change::{ChangeError, ConnectionEditor};
use super::open::open_connection;
use super::stored::{state_of, stored_settings};
use crate::clock;
use crate::config::{Config, ConnectionOrigin};
use crate::directory::BindGuard;
use crate::exit_code::BUSY;
use crate::schedule::{
    self, ConnectionFault, ConnectionSet, ConnectionWorker, ScheduledConnection, ServedConnection,
};
use crate::store::{Store, StoreError, StoredConnection};
use crate::sync::RunError;

/// Request to look for changes at once; answered when they are in force.
pub(super) type LookRequest = oneshot::Sender<()>;

/// Time that a change waits for a run of the former configuration: what R26 gives a run to end, and
/// a second for the rest.
const SETTLES_WITHIN: Duration = Duration::from_secs(26);

/// Pause between two attempts to purge a connection.
const PURGE_AGAIN: Duration = Duration::from_millis(300);

/// Requests to look for changes that wait.
const REQUESTS_AHEAD: usize = 16;

/// Connections that this process runs.
pub struct ConnectionRegistry {
    pub(super) parts: RegistryParts,
    pub(super) set: ConnectionSet,
    requests: mpsc::Sender<LookRequest>,
}

/// Everything that the connections of a process share.
pub struct RegistryParts {
    /// Settings of the process.
    pub config: Config,
    /// The state.
    pub store: Arc<Store>,
    /// Record of refused binds (R40).
    pub bind_guard: BindGuard,
    /// Name of the one connection that is run, where not all are.
    pub only: Option<String>,
}

/// Stored connection as it was opened.
pub(super) struct OpenedConnection {
    pub(super) connection: ServedConnection,
    pub(super) worker: Option<ConnectionWorker>,
    /// It cannot be used yet: another instance still holds it with its former target.
    pub(super) is_held: bool,
}

impl ConnectionRegistry {
    /// Returns a registry with the connections of environment and file, what runs them, and the
    /// requests to look for changes.
    pub(super) fn new(
        parts: RegistryParts,
        configured: Vec<ScheduledConnection>,
    ) -> (Arc<Self>, Vec<ConnectionWorker>, mpsc::Receiver<LookRequest>) {
        let (requests, received) = mpsc::channel(REQUESTS_AHEAD);
        let set = ConnectionSet::default();
        let workers = configured.into_iter().map(|connection| {
            let (handle, worker) = schedule::open(connection);
            let settings = &handle.connector().settings;
            set.insert(ServedConnection {
                name: settings.name.clone(),
                uuid: settings.uuid,
                origin: settings.origin,
                handle: Ok(handle.clone()),
                stored: None,
            });
            worker
        });
        let workers = workers.collect();
        (Arc::new(Self { parts, set, requests }), workers, received)
    }

    /// Returns the set of the connections.
    #[must_use]
    pub fn set(&self) -> &ConnectionSet {
        &self.set
    }

    /// Returns the name of the connection with this identity, as far as it is known.
    pub(super) fn name_of(&self, uuid: Uuid) -> Option<String> {
        let known = self.set.all().into_iter().find(|one| one.uuid == uuid);
        known.map(|known| known.name)
    }

    /// Returns the settings of the process.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.parts.config
    }

    /// Returns a record of refused binds for one more use of a directory.
    #[must_use]
    pub fn bind_guard(&self) -> BindGuard {
        self.parts.bind_guard.for_connection()
    }

    /// Looks at the stored connections, or changes them, away from the async threads.
    ///
    /// # Errors
    /// As `work`; a panic of it counts as a failure of the store.
    pub async fn edit<T, F>(self: &Arc<Self>, work: F) -> Result<T, ChangeError>
    where
        T: Send + 'static,
        F: FnOnce(ConnectionEditor<'_>) -> Result<T, ChangeError> + Send + 'static,
    {
        let registry = Arc::clone(self);
        let edit = move || {
            work(ConnectionEditor {
                config: &registry.parts.config,
                store: &registry.parts.store,
            })
        };
        match tokio::task::spawn_blocking(edit).await {
            Ok(result) => result,
            Err(panic) => Err(ChangeError::Store(RunError::Panicked {
                task: "registry",
                cause: panic.to_string(),
            })),
        }
    }

    /// Waits until every change that is stored is in force here, and runs of the former
    /// configuration have ended. A run that takes longer hands out nothing any more: the store
    /// refuses it.
    pub async fn settle(&self) {
        let (request, settled) = oneshot::channel();
        if self.requests.send(request).await.is_ok() {
            // Dropped when the service stops.
            let _ = tokio::time::timeout(SETTLES_WITHIN, settled).await;
        }
    }

    /// Forgets everything of a connection that was deleted; waits until `deadline` for a run of
    /// another process or instance, which ends by itself.
    ///
    /// # Errors
    /// As [`ConnectionEditor::purge`].
    pub async fn purge(self: &Arc<Self>, uuid: Uuid, deadline: Instant) -> Result<(), ChangeError> {
        loop {
            let purged = self.edit(move |editor| editor.purge(uuid)).await;
            match purged {
                Err(ChangeError::Held(_)) if clock::timer_instant() < deadline => {
                    tokio::time::sleep(PURGE_AGAIN).await;
                }
                purged => return purged,
            }
        }
    }

    /// Opens a stored connection: its secret, its settings, its row in the store.
    pub(super) async fn open(&self, stored: StoredConnection) -> OpenedConnection {
        let (uuid, name) = (stored.uuid, stored.content.name.clone());
        let mut is_held = false;
        let opened = match stored_settings(&self.parts.config, &stored) {
            Ok(settings) => {
                let (store, bind_guard) = (Arc::clone(&self.parts.store), self.parts.bind_guard.clone());
                let open = move || open_connection(&settings, &store, &bind_guard);
                match tokio::task::spawn_blocking(open).await {
                    Ok(opened) => opened.map_err(|failure| {
                        is_held = failure.exit_code == BUSY;
                        ConnectionFault {
                            reason: failure.message,
                            remedy: failure.advice,
                        }
                    }),
                    Err(panic) => Err(ConnectionFault {
                        reason: format!("internal error: {panic}"),
                        remedy: "this is a defect of ad-connector: please report it with the log".to_owned(),
                    }),
                }
            }
            Err(fault) => Err(fault),
        };
        let (handle, worker) = match opened.map(schedule::open) {
            Ok((handle, worker)) => (Ok(handle), Some(worker)),
            Err(fault) => (Err(fault), None),
        };
        OpenedConnection {
            connection: ServedConnection {
                name,
                uuid,
                origin: ConnectionOrigin::Api,
                handle,
                stored: Some(Arc::new(state_of(&stored))),
            },
            worker,
            is_held,
        }
    }

    /// Returns whether the database of the state keeps runs from being made.
    #[must_use]
    pub fn is_hindered(&self) -> bool {
        self.parts.store.is_hindered()
    }

    /// Notes in the store which connections exist: objects of the others yield their assets (R37).
    pub(super) async fn configure(&self) -> Result<(), RunError> {
        let served = self.set.all();
        self.on_store(move |store| {
            let named = served.iter().map(|one| (one.uuid, one.name.as_str()));
            store.set_configured(&named.collect::<Vec<_>>())
        })
        .await
    }

    /// Runs `work` on the store away from the async threads.
    pub(super) async fn on_store<T, F>(&self, work: F) -> Result<T, RunError>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    {
        let store = Arc::clone(&self.parts.store);
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(result) => Ok(result?),
            Err(panic) => Err(RunError::Panicked {
                task: "registry",
                cause: panic.to_string(),
            }),
        }
    }
}
