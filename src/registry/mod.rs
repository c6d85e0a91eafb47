//! Connections that this process runs: those that environment and file configure, and those that
//! are stored, which are made, changed and deleted while it runs.
//!
//! Invariants kept here: what a change answers is in the store; a run of the former configuration
//! has ended before the present one begins; a stored connection that cannot be used stops no other.

mod change;
mod follow;
mod open;

use std::sync::Arc;

use chrono::DateTime;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, ConnectionSettings, ReachPolicy, Secret, StoredConfiguration};
use crate::directory::BindGuard;
use crate::schedule::{
    self, ConnectionFault, ConnectionSet, ConnectionWorker, Heartbeats, ScheduledConnection,
    ServedConnection, StoredState,
};
use crate::store::{Store, StoreError, StoredConnection};
use crate::sync::RunError;

pub use change::{ChangeError, ConnectionChange};
pub use follow::ConnectionFollower;
pub use open::open_connection;

/// Connections that this process runs.
pub struct ConnectionRegistry {
    parts: RegistryParts,
    set: ConnectionSet,
    requests: mpsc::Sender<follow::LookRequest>,
}

/// Field of the password, as its secret is stored.
const PASSWORD: &str = "directory.password";

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

    /// Waits until every change that is stored is in force here.
    async fn settle(&self) {
        let (request, settled) = oneshot::channel();
        if self.requests.send(request).await.is_ok() {
            // Dropped when the service stops.
            let _ = settled.await;
        }
    }

    /// Opens a stored connection: its secret, its settings, its row in the store.
    async fn open(&self, stored: StoredConnection) -> OpenedConnection {
        let (uuid, name) = (stored.uuid, stored.content.name.clone());
        let revision = Some(stored.revision);
        let opened = match self.settings_of(&stored) {
            Ok(settings) => {
                let (store, bind_guard) = (Arc::clone(&self.parts.store), self.parts.bind_guard.clone());
                let open = move || open_connection(&settings, revision, &store, &bind_guard);
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

    /// Returns the settings of a stored connection.
    fn settings_of(&self, stored: &StoredConnection) -> Result<ConnectionSettings, ConnectionFault> {
        let body: Value = serde_json::from_str(&stored.content.body).map_err(|error| ConnectionFault {
            reason: format!("the stored configuration of the connection is damaged: {error}"),
            remedy: "replace it, or restore the state from a back-up".to_owned(),
        })?;
        let password = self.password_of(stored)?;
        let configuration = StoredConfiguration {
            uuid: stored.uuid,
            body: &body,
            password,
            changed_at: DateTime::from_timestamp(stored.updated_at, 0).unwrap_or_default(),
        };
        let settings = self.parts.config.inherited.settings(&configuration);
        let reached = settings.map(|mut settings| {
            settings.directory.reach = self.reach();
            settings
        });
        reached.map_err(|refusal| ConnectionFault {
            reason: format!("the configuration of the connection is refused: {refusal}"),
            remedy: "correct the keys that are named, or the variables of the service".to_owned(),
        })
    }

    /// Returns where connections that are made over HTTP may lead.
    fn reach(&self) -> ReachPolicy {
        ReachPolicy::Restricted(self.parts.config.http.reach.clone())
    }

    /// Opens the password of a stored connection, where it has one.
    fn password_of(&self, stored: &StoredConnection) -> Result<Option<Secret>, ConnectionFault> {
        let Some(secret) = stored.secrets.get(PASSWORD) else {
            return Ok(None);
        };
        let Some(keys) = &self.parts.config.secrets else {
            return Err(ConnectionFault {
                reason: "the password of the connection is sealed, and SECRETS_KEY is not set".to_owned(),
                remedy: "set SECRETS_KEY to the key of this state, and start the service again".to_owned(),
            });
        };
        match secret.open(keys) {
            Ok(password) => Ok(Some(password)),
            Err(error) => Err(ConnectionFault {
                reason: format!("the password of the connection does not open: {error}"),
                remedy: error.advice().to_owned(),
            }),
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

/// Returns the configuration as it is shown.
fn state_of(stored: &StoredConnection) -> StoredState {
    StoredState {
        revision: stored.revision,
        is_disabled: stored.content.disabled,
        created_at: stored.created_at,
        updated_at: stored.updated_at,
        password_set_at: stored.secrets.get(PASSWORD).map(|secret| secret.changed_at),
        body: serde_json::from_str(&stored.content.body).unwrap_or_default(),
    }
}
