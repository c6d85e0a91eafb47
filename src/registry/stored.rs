//! Settings of a stored connection: its body, its secret, and the variables of the service.

use chrono::DateTime;
use serde_json::Value;

use crate::config::{Config, ConnectionSettings, ReachPolicy, Secret, StoredConfiguration, StoredVersion};
use crate::schedule::{ConnectionFault, StoredState};
use crate::store::{Store, StoreError, StoredConnection};

/// Field of the password, as its secret is stored.
pub(super) const PASSWORD: &str = "directory.password";

/// Stored connection with its settings, or the reason for which it cannot be used.
pub struct StoredSettings {
    /// Its name.
    pub name: String,
    /// Its settings.
    pub settings: Result<ConnectionSettings, ConnectionFault>,
}

impl StoredSettings {
    /// Reads every stored connection.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn read(config: &Config, store: &Store) -> Result<Vec<Self>, StoreError> {
        let stored = store.stored_connections()?;
        let read = stored.into_iter().map(|stored| Self {
            settings: stored_settings(config, &stored),
            name: stored.content.name,
        });
        Ok(read.collect())
    }
}

/// Returns the settings of a stored connection.
///
/// # Errors
/// Its secret does not open, or its body does not fit the variables of the service.
pub fn stored_settings(
    config: &Config,
    stored: &StoredConnection,
) -> Result<ConnectionSettings, ConnectionFault> {
    read_settings(config, stored, password_of(config, stored)?)
}

/// Returns the settings of a stored connection for somebody who needs no secret: they hold one that
/// is no password, whether or not the stored one opens.
///
/// # Errors
/// Its body does not fit the variables of the service.
pub fn settings_without_secret(
    config: &Config,
    stored: &StoredConnection,
) -> Result<ConnectionSettings, ConnectionFault> {
    let has_password = stored.secrets.contains_key(PASSWORD);
    read_settings(config, stored, has_password.then(|| Secret::from("none")))
}

fn read_settings(
    config: &Config,
    stored: &StoredConnection,
    password: Option<Secret>,
) -> Result<ConnectionSettings, ConnectionFault> {
    let body: Value = serde_json::from_str(&stored.content.body).map_err(|error| ConnectionFault {
        reason: format!("the stored configuration of the connection is damaged: {error}"),
        remedy: "replace it, or restore the state from a back-up".to_owned(),
    })?;
    let configuration = StoredConfiguration {
        uuid: stored.uuid,
        body: &body,
        password,
        has_password: stored.secrets.contains_key(PASSWORD),
        changed_at: DateTime::from_timestamp(stored.updated_at, 0).unwrap_or_default(),
    };
    match config.inherited.settings(&configuration) {
        Ok(mut settings) => {
            settings.directory.reach = reach(config);
            settings.stored = Some(StoredVersion {
                revision: stored.revision,
                is_disabled: stored.content.disabled,
            });
            Ok(settings)
        }
        Err(refusal) => Err(ConnectionFault {
            reason: format!("the configuration of the connection is refused: {refusal}"),
            remedy: "correct the keys that are named, or the variables of the service".to_owned(),
        }),
    }
}

/// Opens the password of a stored connection, where it has one.
pub(super) fn password_of(
    config: &Config,
    stored: &StoredConnection,
) -> Result<Option<Secret>, ConnectionFault> {
    let Some(secret) = stored.secrets.get(PASSWORD) else {
        return Ok(None);
    };
    let Some(keys) = &config.secrets else {
        return Err(ConnectionFault {
            reason: "the password of the connection is sealed, and SECRETS_KEY is not set".to_owned(),
            remedy: "set SECRETS_KEY to the key of this state, and start again".to_owned(),
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

/// Returns where connections that are made over HTTP may lead (R35).
pub(super) fn reach(config: &Config) -> ReachPolicy {
    ReachPolicy::Restricted(config.http.reach.clone())
}

/// Returns the configuration as it is shown.
pub fn state_of(stored: &StoredConnection) -> StoredState {
    StoredState {
        revision: stored.revision,
        is_disabled: stored.content.disabled,
        created_at: stored.created_at,
        updated_at: stored.updated_at,
        password_set_at: stored.secrets.get(PASSWORD).map(|secret| secret.changed_at),
        body: serde_json::from_str(&stored.content.body).unwrap_or_default(),
    }
}
