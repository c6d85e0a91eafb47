//! Connections of the service, a set that changes while it runs: some are made, changed and deleted
//! over HTTP.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;
use uuid::Uuid;

use super::ConnectionHandle;
use crate::config::ConnectionOrigin;

/// Connections of the service, by name. All clones show the same set.
#[derive(Clone, Default)]
pub struct ConnectionSet {
    connections: Arc<RwLock<BTreeMap<String, ServedConnection>>>,
}

/// One connection of the service.
#[derive(Clone)]
pub struct ServedConnection {
    /// Its name.
    pub name: String,
    /// Identity, which a new name does not change.
    pub uuid: Uuid,
    /// Place where it is configured.
    pub origin: ConnectionOrigin,
    /// Handle, or the reason for which it cannot be used.
    pub handle: Result<ConnectionHandle, ConnectionFault>,
    /// Configuration, where it is stored.
    pub stored: Option<Arc<StoredState>>,
}

/// Reason for which a stored connection cannot be used: its secret does not open, or its
/// configuration does not fit the variables of the service any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionFault {
    /// The thing and the cause.
    pub reason: String,
    /// The next step.
    pub remedy: String,
}

/// Configuration of a stored connection, as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredState {
    /// Number of the version, which grows with every change.
    pub revision: i64,
    /// `true` when no runs are made.
    pub is_disabled: bool,
    /// Time of its creation, Unix seconds.
    pub created_at: i64,
    /// Time of the last change, Unix seconds.
    pub updated_at: i64,
    /// Time at which its password was set, Unix seconds; `None` where it has none.
    pub password_set_at: Option<i64>,
    /// The configuration without secrets.
    pub body: Value,
}

impl ServedConnection {
    /// Returns `true` when no runs are made.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.stored.as_ref().is_some_and(|stored| stored.is_disabled)
    }
}

impl ConnectionSet {
    /// Returns every connection, by name.
    #[must_use]
    pub fn all(&self) -> Vec<ServedConnection> {
        self.read(|connections| connections.values().cloned().collect())
    }

    /// Returns the handles of the connections that runs are made of.
    #[must_use]
    pub fn running(&self) -> Vec<ConnectionHandle> {
        self.read(|connections| {
            let enabled = connections.values().filter(|one| !one.is_disabled());
            enabled
                .filter_map(|one| one.handle.as_ref().ok().cloned())
                .collect()
        })
    }

    /// Returns the connection with this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<ServedConnection> {
        self.read(|connections| connections.get(name).cloned())
    }

    /// Adds a connection, in place of the one of its name or identity.
    pub fn insert(&self, connection: ServedConnection) {
        let mut connections = self.connections.write().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|_, known| known.uuid != connection.uuid);
        connections.insert(connection.name.clone(), connection);
    }

    /// Removes the connection with this identity.
    pub fn remove(&self, uuid: Uuid) {
        let mut connections = self.connections.write().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|_, known| known.uuid != uuid);
    }

    /// Reads the set. Each change is complete, so a panic during one leaves it consistent.
    fn read<T>(&self, work: impl FnOnce(&BTreeMap<String, ServedConnection>) -> T) -> T {
        work(&self.connections.read().unwrap_or_else(PoisonError::into_inner))
    }
}
