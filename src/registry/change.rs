//! Changes of stored connections: each is checked as a whole, and stored in one transaction.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::open;
use super::stored::{PASSWORD, password_of, reach, state_of};
use crate::check::{MappingMistake, read_mapping};
use crate::config::{
    BodyRefusal, CheckedConnection, Config, ConnectionOrigin, ConnectionSettings, FieldProblem,
    PasswordChange, ReachRefusal, StoredConfiguration, in_the_body_s_words, list_problems,
};
use crate::schedule::StoredState;
use crate::store::{
    ConnectionContent, ConnectionRefusal, SecretChange, SecretChanges, Store, StoreError, StoredConnection,
};
use crate::sync::RunError;

/// Reason for which a change is refused; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// No connection has the name.
    #[error("no connection is named `{0}`")]
    Unknown(String),
    /// The connection is configured by the environment or the file.
    #[error("the connection `{name}` is configured in {place}, and cannot be changed here")]
    FromFile {
        /// Its name.
        name: String,
        /// The environment, or the path of the file.
        place: String,
    },
    /// The body has mistakes.
    #[error("the body is refused: {}", list_problems(.0))]
    Invalid(Vec<FieldProblem>),
    /// The address changed, and the secret is not in the body (R35).
    #[error("{} changed, so the password has to be sent again: a stored one does not follow an address", .0.join(", "))]
    SecretRequired(Vec<String>),
    /// Another connection has the name.
    #[error("another connection is named `{0}`")]
    NameTaken(String),
    /// The store refuses the change.
    #[error(transparent)]
    Refused(ConnectionRefusal),
    /// A run of another process or instance holds the connection.
    #[error("{0} holds the connection; it is deleted, and was not purged")]
    Held(String),
    /// The store fails.
    #[error(transparent)]
    Store(RunError),
}

/// Connection after a change.
pub struct ConnectionChange {
    /// Its identity.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// Its configuration, as it is stored now.
    pub state: StoredState,
}

impl From<BodyRefusal> for ChangeError {
    fn from(refusal: BodyRefusal) -> Self {
        match refusal {
            BodyRefusal::Invalid(problems) => Self::Invalid(problems),
            BodyRefusal::SecretRequired(keys) => Self::SecretRequired(keys),
        }
    }
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refusal(ConnectionRefusal::NameTaken { name }) => Self::NameTaken(name),
            StoreError::Refusal(refusal) => Self::Refused(refusal),
            StoreError::HeldElsewhere { holder } => Self::Held(holder),
            error => Self::Store(error.into()),
        }
    }
}

impl From<StoredConnection> for ConnectionChange {
    fn from(stored: StoredConnection) -> Self {
        Self {
            uuid: stored.uuid,
            state: state_of(&stored),
            name: stored.content.name,
        }
    }
}

/// Stored connections of a state, for changes by the variables of this process.
#[derive(Clone, Copy)]
pub struct ConnectionEditor<'a> {
    /// Settings of the process.
    pub config: &'a Config,
    /// The state.
    pub store: &'a Store,
}

impl ConnectionEditor<'_> {
    /// Checks the body of a connection that is not stored, for a test of it.
    ///
    /// # Errors
    /// All mistakes of the body.
    pub fn check_new(&self, body: &Value, now: DateTime<Utc>) -> Result<CheckedConnection, ChangeError> {
        self.check_whole(self.config.inherited.check_new(body, Uuid::nil(), now)?)
    }

    /// Checks the body that is to replace the configuration of a stored connection, whose password
    /// it keeps unless it has one.
    ///
    /// # Errors
    /// There is none, it is not stored, or the body is refused.
    pub fn check_replacement(
        &self,
        name: &str,
        body: &Value,
        now: DateTime<Utc>,
    ) -> Result<CheckedConnection, ChangeError> {
        self.check_against(&self.stored(name)?, body, now)
    }

    /// Stores a new connection.
    ///
    /// # Errors
    /// All mistakes of the body, a name that is taken, no key for its secret; or the store fails.
    pub fn create(&self, body: &Value, now: DateTime<Utc>) -> Result<ConnectionChange, ChangeError> {
        self.create_as(open::random_uuid(), body, now)
    }

    /// Stores a new connection in the same way, with this identity.
    ///
    /// # Errors
    /// As [`Self::create`]; or a stored connection has the identity, perhaps a deleted one.
    pub fn create_as(
        &self,
        uuid: Uuid,
        body: &Value,
        now: DateTime<Utc>,
    ) -> Result<ConnectionChange, ChangeError> {
        let checked = self.check_whole(self.config.inherited.check_new(body, uuid, now)?)?;
        self.refuse_configured_name(&checked.settings.name)?;
        let (content, secrets) = parts(&checked);
        let keys = self.config.secrets.as_ref();
        let stored = self
            .store
            .create_connection(uuid, &content, &secrets, keys, now.timestamp())?;
        Ok(stored.into())
    }

    /// Replaces the configuration of a stored connection that still has the revision `expected`.
    ///
    /// # Errors
    /// There is none, it was changed meanwhile, or the body is refused; or the store fails.
    pub fn replace(
        &self,
        name: &str,
        expected: i64,
        body: &Value,
        now: DateTime<Utc>,
    ) -> Result<ConnectionChange, ChangeError> {
        let before = self.stored(name)?;
        let checked = self.check_against(&before, body, now)?;
        self.refuse_configured_name(&checked.settings.name)?;
        let (content, secrets) = parts(&checked);
        let keys = self.config.secrets.as_ref();
        let stored = self.store.replace_connection(
            before.uuid,
            expected,
            &content,
            &secrets,
            keys,
            now.timestamp(),
        )?;
        Ok(stored.into())
    }

    /// Stops or begins the runs of a stored connection.
    ///
    /// # Errors
    /// There is none, or it was changed meanwhile; or the store fails.
    pub fn set_disabled(
        &self,
        name: &str,
        is_disabled: bool,
        expected: Option<i64>,
        now: DateTime<Utc>,
    ) -> Result<ConnectionChange, ChangeError> {
        let uuid = self.stored(name)?.uuid;
        let stored = self
            .store
            .set_connection_disabled(uuid, is_disabled, expected, now.timestamp())?;
        Ok(stored.into())
    }

    /// Deletes a stored connection that still has the revision `expected`. Its history and its list
    /// of removed objects stay.
    ///
    /// # Errors
    /// There is none, or it was changed meanwhile; or the store fails.
    pub fn delete(&self, name: &str, expected: i64, now: DateTime<Utc>) -> Result<Uuid, ChangeError> {
        let uuid = self.stored(name)?.uuid;
        self.store.delete_connection(uuid, expected, now.timestamp())?;
        Ok(uuid)
    }

    /// Forgets everything of a connection that was deleted, when no run of it goes on.
    ///
    /// # Errors
    /// There is none, a run of it goes on, or the store fails.
    pub fn purge(&self, uuid: Uuid) -> Result<(), ChangeError> {
        Ok(self.store.purge_connection(uuid)?)
    }

    /// Returns the identities of the connections that had this name when they were deleted, and
    /// were not purged; never none.
    ///
    /// # Errors
    /// There is none; or the store fails.
    pub fn deleted(&self, name: &str) -> Result<Vec<Uuid>, ChangeError> {
        let deleted = self.store.deleted_connections()?.into_iter();
        let named = deleted.filter(|one| one.content.name == name);
        let found: Vec<Uuid> = named.map(|one| one.uuid).collect();
        if found.is_empty() {
            return Err(ChangeError::Unknown(name.to_owned()));
        }
        Ok(found)
    }

    /// Returns the stored connection with this name.
    ///
    /// # Errors
    /// There is none, or it is configured elsewhere; or the store fails.
    pub fn stored(&self, name: &str) -> Result<StoredConnection, ChangeError> {
        let stored = self.store.stored_connections()?;
        let found = stored.into_iter().find(|stored| stored.content.name == name);
        found.ok_or_else(|| match self.configured(name) {
            Some(_) => {
                let file = self.config.connections_file.as_ref();
                ChangeError::FromFile {
                    name: name.to_owned(),
                    place: file
                        .map_or_else(|| "the environment".to_owned(), |path| path.display().to_string()),
                }
            }
            None => ChangeError::Unknown(name.to_owned()),
        })
    }

    /// Returns the connection of environment or file with this name.
    fn configured(&self, name: &str) -> Option<&ConnectionSettings> {
        let mut configured = self.config.connections.iter();
        configured.find(|one| one.name == name && one.origin != ConnectionOrigin::Api)
    }

    fn check_against(
        &self,
        stored: &StoredConnection,
        body: &Value,
        now: DateTime<Utc>,
    ) -> Result<CheckedConnection, ChangeError> {
        let before: Value = serde_json::from_str(&stored.content.body).unwrap_or_default();
        let configuration = StoredConfiguration {
            uuid: stored.uuid,
            body: &before,
            // One that does not open cannot be kept: it is missing then.
            password: password_of(self.config, stored).unwrap_or_default(),
            has_password: stored.secrets.contains_key(PASSWORD),
            changed_at: DateTime::from_timestamp(stored.updated_at, 0).unwrap_or_default(),
        };
        let checked = self.config.inherited.check_replacement(body, &configuration, now);
        self.check_whole(checked?)
    }

    /// Checks what depends on more than the body: the mapping, and where the service may dial
    /// (R35).
    fn check_whole(&self, mut checked: CheckedConnection) -> Result<CheckedConnection, ChangeError> {
        checked.settings.directory.reach = reach(self.config);
        let mut problems = mapping_problems(&checked.settings);
        problems.extend(reach_problems(&checked.settings));
        if problems.is_empty() {
            Ok(checked)
        } else {
            Err(ChangeError::Invalid(problems))
        }
    }

    fn refuse_configured_name(&self, name: &str) -> Result<(), ChangeError> {
        match self.configured(name) {
            Some(_) => Err(ChangeError::NameTaken(name.to_owned())),
            None => Ok(()),
        }
    }
}

/// Returns what is stored of a checked body, and the change of its secrets.
fn parts(checked: &CheckedConnection) -> (ConnectionContent, SecretChanges) {
    let content = ConnectionContent {
        name: checked.settings.name.clone(),
        body: checked.body.to_string(),
        disabled: checked.is_disabled,
    };
    let change = match &checked.password {
        PasswordChange::Keep => None,
        PasswordChange::Remove => Some(SecretChange::Remove),
        PasswordChange::Set(secret) => Some(SecretChange::Set(secret.clone())),
    };
    let secrets: SecretChanges = BTreeMap::from_iter(change.map(|change| (PASSWORD.to_owned(), change)));
    (content, secrets)
}

/// Returns the addresses of a body that may not be dialled, as far as that is known before their
/// names are resolved.
fn reach_problems(settings: &ConnectionSettings) -> Vec<FieldProblem> {
    let directory = &settings.directory;
    let problem = |key: &str, refusal: &ReachRefusal| FieldProblem {
        key: key.to_owned(),
        reason: refusal.to_string(),
        remedy: refusal.advice(),
    };
    let hosts = directory.hosts.iter().map(|host| ("directory.host", host));
    let domain = directory
        .domain
        .iter()
        .map(|domain| ("directory.domain", &domain.name));
    let of_hosts = hosts.chain(domain).filter_map(|(key, name)| {
        let refusal = directory.reach.check_host(name).err();
        let refusal = refusal.or_else(|| {
            let address = name.parse().ok()?;
            directory
                .reach
                .check(name, SocketAddr::new(address, directory.port))
                .err()
        });
        refusal.map(|refusal| problem(key, &refusal))
    });
    let of_port = directory.reach.check_port(directory.port).err();
    let mut problems: Vec<FieldProblem> = of_port
        .iter()
        .map(|refusal| problem("directory.port", refusal))
        .collect();
    if problems.is_empty() {
        problems.extend(of_hosts);
    }
    problems
}

/// Returns the mistakes of the mapping of a connection.
fn mapping_problems(settings: &ConnectionSettings) -> Vec<FieldProblem> {
    let mistakes = read_mapping(&settings.mapping, Some(settings)).mapping.err();
    let problem = |mistake: MappingMistake| FieldProblem {
        key: "mapping".to_owned(),
        reason: match mistake.line {
            Some(line) => format!("line {line}: {}", in_the_body_s_words(&mistake.reason)),
            None => in_the_body_s_words(&mistake.reason),
        },
        remedy: mistake.remedy.map_or_else(
            || "correct it; docs/mapping.md describes the table".to_owned(),
            |remedy| in_the_body_s_words(&remedy),
        ),
    };
    mistakes.into_iter().flatten().map(problem).collect()
}
