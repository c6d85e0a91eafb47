//! Connections that this process runs: those that environment and file configure, and those that
//! are stored, which are made, changed and deleted while it runs.
//!
//! Invariants kept here: what a change answers is in the store; a run of the former configuration
//! has ended before the present one begins; a stored connection that cannot be used stops no other.

mod change;
mod follow;
mod open;
mod stored;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::directory::BindGuard;
use crate::schedule::{
    self, ConnectionFault, ConnectionSet, ConnectionWorker, Heartbeats, ScheduledConnection, ServedConnection,
};
use crate::store::{Store, StoreError, StoredConnection};
use crate::sync::RunError;

pub use change::{ChangeError, ConnectionChange, ConnectionEditor};
pub use follow::ConnectionFollower;
pub use open::{open_connection, random_uuid};
pub use stored::{StoredSettings, settings_without_secret, state_of, stored_settings};

/// Connections that this process runs.
pub struct ConnectionRegistry {
    parts: RegistryParts,
    set: ConnectionSet,
    requests: mpsc::Sender<follow::LookRequest>,
}

/// Time that a change waits for a run of the former configuration: what R26 gives a run to end, and
/// a second for the rest.
const SETTLES_WITHIN: Duration = Duration::from_secs(26);

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
struct OpenedConnection {
    connection: ServedConnection,
    worker: Option<ConnectionWorker>,
}

impl ConnectionRegistry {
    /// Returns a registry with the connections of environment and file, and what runs them together
    /// with those that are stored.
    #[must_use]
    pub fn new(
        parts: RegistryParts,
        configured: Vec<ScheduledConnection>,
        beats: Heartbeats,
        stop: CancellationToken,
    ) -> (Arc<Self>, ConnectionFollower) {
        let (requests, received) = mpsc::channel(16);
        let set = ConnectionSet::default();
        let workers: Vec<ConnectionWorker> = configured
            .into_iter()
            .map(|connection| {
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
            })
            .collect();
        let registry = Arc::new(Self { parts, set, requests });
        let follower = ConnectionFollower::new(Arc::clone(&registry), workers, received, beats, stop);
        (registry, follower)
    }

    /// Returns the set of the connections.
    #[must_use]
    pub fn set(&self) -> &ConnectionSet {
        &self.set
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

    /// Opens a stored connection: its secret, its settings, its row in the store.
    async fn open(&self, stored: StoredConnection) -> OpenedConnection {
        let (uuid, name) = (stored.uuid, stored.content.name.clone());
        let opened = match stored_settings(&self.parts.config, &stored) {
            Ok(settings) => {
                let (store, bind_guard) = (Arc::clone(&self.parts.store), self.parts.bind_guard.clone());
                let open = move || open_connection(&settings, &store, &bind_guard);
                match tokio::task::spawn_blocking(open).await {
                    Ok(opened) => opened.map_err(|failure| ConnectionFault {
                        reason: failure.message,
                        remedy: failure.advice,
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
                origin: crate::config::ConnectionOrigin::Api,
                handle,
                stored: Some(Arc::new(state_of(&stored))),
            },
            worker,
        }
    }

    /// Notes in the store which connections exist: objects of the others yield their assets (R37).
    async fn configure(&self) -> Result<(), RunError> {
        let served = self.set.all();
        self.on_store(move |store| {
            let named = served.iter().map(|one| (one.uuid, one.name.as_str()));
            store.set_configured(&named.collect::<Vec<_>>())
        })
        .await
    }

    /// Runs `work` on the store away from the async threads.
    async fn on_store<T, F>(&self, work: F) -> Result<T, RunError>
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
