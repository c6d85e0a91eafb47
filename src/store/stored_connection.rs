//! Connections that are made over HTTP: their configuration with its revision, and their secrets.
//!
//! Each change is one transaction, with the expected revision in the `UPDATE` itself: of two
//! editors exactly one wins. It also counts the change, so that every instance learns of it.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::connection_secret::{self, ConnectionSecret, SecretChange};
use super::error::StoreFault;
use super::registration;
use super::sql::{Sql, SqlRow, values};
use super::{ConnectionId, ConnectionRefusal, Store, StoreError};
use crate::failpoint::Commit;
use crate::secrets::SecretKeys;

/// Connection that is made over HTTP, as it is stored. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredConnection {
    /// Identity, which never changes.
    pub uuid: Uuid,
    /// Its name and configuration.
    pub content: ConnectionContent,
    /// Number of its changes: 1 when it is new.
    pub revision: i64,
    /// Time at which it was made.
    pub created_at: i64,
    /// Time of its last change.
    pub updated_at: i64,
    /// Time at which it was deleted.
    pub deleted_at: Option<i64>,
    /// Its secrets, sealed, by field.
    pub secrets: BTreeMap<String, ConnectionSecret>,
}

/// Part of a stored connection that a person edits, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionContent {
    /// Name of the connection.
    pub name: String,
    /// Configuration as JSON, without secrets.
    pub body: String,
    /// It does not run.
    pub disabled: bool,
}

/// Changes of the secrets of a connection, by field; a field that is not named keeps what it has.
pub type SecretChanges = BTreeMap<String, SecretChange>;

const COLUMNS: &str = "uuid, name, body, disabled, revision, created_at, updated_at, deleted_at";

impl Store {
    /// Makes a connection, with revision 1.
    ///
    /// # Errors
    /// A [`ConnectionRefusal`]: its name or identity is another's, or its secrets cannot be sealed.
    pub fn create_connection(
        &self,
        uuid: Uuid,
        content: &ConnectionContent,
        secrets: &SecretChanges,
        keys: Option<&SecretKeys>,
        now: i64,
    ) -> Result<StoredConnection, StoreError> {
        self.write(Commit::Register, |sql| {
            registration::refuse_taken_name(sql, uuid, &content.name)?;
            let made = sql.execute(
                "INSERT INTO stored_connection (uuid, name, revision, body, disabled, created_at, updated_at)
                 VALUES ($1, $2, 1, $3, $4, $5, $5) ON CONFLICT (uuid) DO NOTHING",
                values![uuid, content.name, content.body, content.disabled, now],
            )?;
            if made == 0 {
                return Err(ConnectionRefusal::UuidTaken { uuid }.into());
            }
            connection_secret::change(sql, uuid, secrets, keys, now)?;
            changed(sql, uuid)
        })
    }

    /// Replaces name, configuration and disablement, and changes secrets, where the connection
    /// still has the revision `expected`. A run of it hands out nothing any more.
    ///
    /// # Errors
    /// A [`ConnectionRefusal`]: it is gone or was changed meanwhile, its new name is another's, or
    /// its secrets cannot be sealed.
    pub fn replace_connection(
        &self,
        uuid: Uuid,
        expected: i64,
        content: &ConnectionContent,
        secrets: &SecretChanges,
        keys: Option<&SecretKeys>,
        now: i64,
    ) -> Result<StoredConnection, StoreError> {
        self.write(Commit::Register, |sql| {
            current(sql, uuid)?;
            registration::refuse_taken_name(sql, uuid, &content.name)?;
            let replaced = sql.execute(
                "UPDATE stored_connection SET name = $1, body = $2, disabled = $3, updated_at = $4,
                     revision = revision + 1
                 WHERE uuid = $5 AND revision = $6 AND deleted_at IS NULL",
                values![content.name, content.body, content.disabled, now, uuid, expected],
            )?;
            if replaced == 0 {
                return Err(changed_meanwhile(sql, uuid)?);
            }
            registration::rename(sql, uuid, &content.name)?;
            connection_secret::change(sql, uuid, secrets, keys, now)?;
            rest(sql, uuid, now)?;
            changed(sql, uuid)
        })
    }

    /// Disables a connection, or enables it, where it still has the revision `expected`; without
    /// one whatever revision it has. One that is already so stays as it is, with its revision.
    ///
    /// # Errors
    /// A [`ConnectionRefusal`]: it is gone, or was changed meanwhile.
    pub fn set_connection_disabled(
        &self,
        uuid: Uuid,
        disabled: bool,
        expected: Option<i64>,
        now: i64,
    ) -> Result<StoredConnection, StoreError> {
        self.write(Commit::Register, |sql| {
            let before = current(sql, uuid)?;
            let expected = expected.unwrap_or(before.revision);
            if before.content.disabled == disabled && before.revision == expected {
                return Ok(before);
            }
            let set = sql.execute(
                "UPDATE stored_connection SET disabled = $1, updated_at = $2, revision = revision + 1
                 WHERE uuid = $3 AND revision = $4 AND deleted_at IS NULL",
                values![disabled, now, uuid, expected],
            )?;
            if set == 0 {
                return Err(changed_meanwhile(sql, uuid)?);
            }
            rest(sql, uuid, now)?;
            changed(sql, uuid)
        })
    }

    /// Returns the connections that are made over HTTP and not deleted, by name; also the disabled
    /// ones.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn stored_connections(&self) -> Result<Vec<StoredConnection>, StoreError> {
        self.snapshot(|sql| select(sql, "deleted_at IS NULL ORDER BY name", None))
    }

    /// Returns those that are deleted and not purged, the last one first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn deleted_connections(&self) -> Result<Vec<StoredConnection>, StoreError> {
        self.snapshot(|sql| select(sql, "deleted_at IS NOT NULL ORDER BY deleted_at DESC, name", None))
    }

    /// Returns one of them, deleted or not.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn stored_connection(&self, uuid: Uuid) -> Result<Option<StoredConnection>, StoreError> {
        self.snapshot(|sql| Ok(select(sql, "uuid = $1", Some(uuid))?.pop()))
    }

    /// Returns the number of changes of stored connections so far: as long as it stays the same,
    /// none was changed by whatever instance.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn stored_changes(&self) -> Result<i64, StoreError> {
        self.read(|sql| sql.value("SELECT last FROM stored_change", &[]))
    }
}

/// Returns the stored connections that meet a condition, with their secrets.
fn select(sql: &dyn Sql, condition: &str, uuid: Option<Uuid>) -> Result<Vec<StoredConnection>, StoreFault> {
    let statement = format!("SELECT {COLUMNS} FROM stored_connection WHERE {condition}");
    let mut found = match uuid {
        Some(uuid) => sql.rows(&statement, values![uuid], stored_of)?,
        None => sql.rows(&statement, &[], stored_of)?,
    };
    for connection in &mut found {
        connection.secrets = connection_secret::of(sql, connection.uuid)?;
    }
    Ok(found)
}

fn stored_of(row: &SqlRow<'_>) -> Result<StoredConnection, StoreFault> {
    Ok(StoredConnection {
        uuid: row.get("uuid")?,
        content: ConnectionContent {
            name: row.get("name")?,
            body: row.get("body")?,
            disabled: row.get("disabled")?,
        },
        revision: row.get("revision")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        deleted_at: row.get("deleted_at")?,
        secrets: BTreeMap::new(),
    })
}

/// Returns a connection that is not deleted.
pub(super) fn current(sql: &dyn Sql, uuid: Uuid) -> Result<StoredConnection, StoreFault> {
    select(sql, "uuid = $1 AND deleted_at IS NULL", Some(uuid))?
        .pop()
        .ok_or_else(|| ConnectionRefusal::Unknown { uuid }.into())
}

/// Counts a change, and returns the connection as it is now.
fn changed(sql: &dyn Sql, uuid: Uuid) -> Result<StoredConnection, StoreFault> {
    count_change(sql)?;
    current(sql, uuid)
}

/// Counts a change of the stored connections.
pub(super) fn count_change(sql: &dyn Sql) -> Result<(), StoreFault> {
    sql.execute("UPDATE stored_change SET last = last + 1", &[])?;
    Ok(())
}

/// Returns the fault of a connection that has another revision than was expected.
pub(super) fn changed_meanwhile(sql: &dyn Sql, uuid: Uuid) -> Result<StoreFault, StoreFault> {
    let now = current(sql, uuid)?.revision;
    Ok(ConnectionRefusal::Changed { current: now }.into())
}

/// Takes a connection that is disabled back to registered, unless a run of it goes on: that takes
/// it there at its end.
pub(super) fn rest_if_disabled(sql: &dyn Sql, connection: ConnectionId, now: i64) -> Result<(), StoreFault> {
    sql.execute(
        "UPDATE connection SET state = 'Registered', state_since = $1, registered_at = $1,
             next_sync = NULL, next_baseline = NULL
         WHERE id = $2 AND state IN ('Scheduled', 'Processed')
             AND uuid IN (SELECT uuid FROM stored_connection WHERE disabled = 1 AND deleted_at IS NULL)",
        values![now, connection],
    )?;
    Ok(())
}

/// Forgets when a connection is due next that was disabled or deleted meanwhile.
pub(super) fn forget_next_if_disabled(sql: &dyn Sql, connection: ConnectionId) -> Result<(), StoreFault> {
    sql.execute(
        "UPDATE connection SET next_sync = NULL, next_baseline = NULL
         WHERE id = $1 AND uuid IN (
             SELECT uuid FROM stored_connection WHERE disabled = 1 OR deleted_at IS NOT NULL)",
        values![connection],
    )?;
    Ok(())
}

/// Calls [`rest_if_disabled`] for the row of a stored connection, where it has one.
fn rest(sql: &dyn Sql, uuid: Uuid, now: i64) -> Result<(), StoreFault> {
    let row = sql.first(
        "SELECT id FROM connection WHERE uuid = $1",
        values![uuid],
        |row| row.get(0),
    )?;
    row.map_or(Ok(()), |connection| rest_if_disabled(sql, connection, now))
}
