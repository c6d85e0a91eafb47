//! Connections by identity and name: their rows, and which of them the program runs with.
//!
//! A row belongs to the identity of a connection; its name may change. A connection that is not
//! configured any more keeps its row and its history. When another one takes its name, the row of
//! the former one gets the suffix `~ID`, which no configured name has, and the other one begins
//! with a row of its own.

use uuid::Uuid;

use super::error::StoreFault;
use super::sql::{Sql, values};
use super::{AssetTarget, ConnectionId, ConnectionRefusal, State, Store, StoreError, ownership, target};
use crate::config::derive_uuid;
use crate::failpoint::Commit;

impl Store {
    /// Stores a connection: as [`State::Registered`] where its identity is new, else its name and
    /// description change. With another target than before everything of it is staged for that
    /// one. A row of this name from before there were identities, or whose identity was made of the
    /// name, becomes that of a connection that is configured in a file.
    ///
    /// # Errors
    /// [`ConnectionRefusal::NameTaken`] by another connection that is configured; or the file
    /// cannot be written.
    pub fn register(
        &self,
        uuid: Uuid,
        name: &str,
        description: &str,
        target: &AssetTarget,
        now: i64,
    ) -> Result<ConnectionId, StoreError> {
        self.write(Commit::Register, |sql| {
            let target = target::number(sql, target)?;
            let Some((connection, target_before)) = find(sql, uuid, name)? else {
                refuse_stored_name(sql, uuid, name)?;
                free_name(sql, uuid, name)?;
                return sql.value(
                    "INSERT INTO connection
                         (uuid, name, description, target, state, state_since, registered_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $6) RETURNING id",
                    values![uuid, name, description, target, State::Registered, now],
                );
            };
            if target_before != target {
                sql.refuse_if_held(connection)?;
                target::retarget(sql, connection, target, now)?;
            }
            sql.execute(
                "UPDATE connection SET uuid = $1, description = $2, target = $3 WHERE id = $4",
                values![uuid, description, target, connection],
            )?;
            refuse_stored_name(sql, uuid, name)?;
            rename(sql, uuid, name)?;
            Ok(connection)
        })
    }

    /// Notes which connections are configured, by identity and name; those in the state always are,
    /// by the name that they have there, until they are deleted. The objects of the others yield
    /// their assets to those that wait for them, since nobody reads them any more (R37). New names
    /// are stored, also where connections exchange them.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub fn set_configured(&self, connections: &[(Uuid, &str)]) -> Result<(), StoreError> {
        self.write(Commit::Register, |sql| {
            // This process may not know yet that a stored connection was renamed or deleted.
            let stored: Vec<Uuid> = sql.rows("SELECT uuid FROM stored_connection", &[], |row| row.get(0))?;
            let connections: Vec<(Uuid, &str)> = connections
                .iter()
                .filter(|(uuid, _)| !stored.contains(uuid))
                .copied()
                .collect();
            sql.mark_abandoned()?;
            sql.execute(
                "UPDATE connection SET configured = 1
                 WHERE uuid IN (SELECT uuid FROM stored_connection WHERE deleted_at IS NULL)",
                &[],
            )?;
            for (uuid, name) in &connections {
                if let Some((connection, _)) = find(sql, *uuid, name)? {
                    sql.execute(
                        "UPDATE connection SET configured = 1, uuid = $1 WHERE id = $2",
                        values![uuid, connection],
                    )?;
                }
            }
            // First each gives up its name, then each takes its new one.
            for (uuid, name) in &connections {
                sql.execute(
                    "UPDATE connection SET name = name || '~' || CAST(id AS TEXT)
                     WHERE uuid = $1 AND name <> $2",
                    values![uuid, name],
                )?;
            }
            for (uuid, name) in &connections {
                rename(sql, *uuid, name)?;
            }
            // Also where another instance has it still.
            sql.execute(
                "UPDATE connection SET configured = 0
                 WHERE uuid IN (SELECT uuid FROM stored_connection WHERE deleted_at IS NOT NULL)",
                &[],
            )?;
            ownership::pass_on_abandoned(sql)
        })
    }
}

/// Returns the row of a connection with its target.
fn find(sql: &dyn Sql, uuid: Uuid, name: &str) -> Result<Option<(ConnectionId, i64)>, StoreFault> {
    sql.first(
        "SELECT id, target FROM connection WHERE uuid = $1
             OR (name = $2 AND (uuid IS NULL OR uuid = $3)
                 AND NOT EXISTS (SELECT 1 FROM connection AS c WHERE c.uuid = $1)
                 AND NOT EXISTS (SELECT 1 FROM stored_connection AS s WHERE s.uuid = $1))",
        values![uuid, name, derive_uuid(name)],
        |row| Ok((row.get("id")?, row.get("target")?)),
    )
}

/// Gives the row of a connection its name, where it has a row and another name.
pub(super) fn rename(sql: &dyn Sql, uuid: Uuid, name: &str) -> Result<(), StoreFault> {
    let is_other = sql.first(
        "SELECT 1 FROM connection WHERE uuid = $1 AND name <> $2",
        values![uuid, name],
        |_| Ok(()),
    )?;
    if is_other.is_none() {
        return Ok(());
    }
    free_name(sql, uuid, name)?;
    sql.execute(
        "UPDATE connection SET name = $1 WHERE uuid = $2",
        values![name, uuid],
    )?;
    Ok(())
}

/// Refuses a name that another connection has which is configured.
pub(super) fn refuse_taken_name(sql: &dyn Sql, uuid: Uuid, name: &str) -> Result<(), StoreFault> {
    refuse_stored_name(sql, uuid, name)?;
    let taken = sql.first(
        "SELECT 1 FROM connection WHERE name = $1 AND uuid IS DISTINCT FROM $2 AND configured = 1",
        values![name, uuid],
        |_| Ok(()),
    )?;
    taken.map_or(Ok(()), |()| Err(name_taken(name)))
}

/// Refuses a name that another stored connection has.
fn refuse_stored_name(sql: &dyn Sql, uuid: Uuid, name: &str) -> Result<(), StoreFault> {
    let taken = sql.first(
        "SELECT 1 FROM stored_connection WHERE name = $1 AND uuid <> $2 AND deleted_at IS NULL",
        values![name, uuid],
        |_| Ok(()),
    )?;
    taken.map_or(Ok(()), |()| Err(name_taken(name)))
}

/// Takes a name from the row of a connection that is not configured any more.
fn free_name(sql: &dyn Sql, uuid: Uuid, name: &str) -> Result<(), StoreFault> {
    refuse_taken_name(sql, uuid, name)?;
    sql.execute(
        "UPDATE connection SET name = name || '~' || CAST(id AS TEXT)
         WHERE name = $1 AND uuid IS DISTINCT FROM $2",
        values![name, uuid],
    )?;
    Ok(())
}

fn name_taken(name: &str) -> StoreFault {
    let name = name.to_owned();
    ConnectionRefusal::NameTaken { name }.into()
}
