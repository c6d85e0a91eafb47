//! Deletion of stored connections. The history and the list of removed objects stay until the
//! connection is purged.

use uuid::Uuid;

use super::error::StoreFault;
use super::sql::{Sql, values};
use super::stored_connection::{changed_meanwhile, count_change, current};
use super::{ConnectionId, ConnectionRefusal, Store, StoreError, ownership, retention};
use crate::failpoint::Commit;

/// Lists the assets that the objects of a connection own.
const OWNED: &str = "
    INSERT INTO released (asset)
    SELECT DISTINCT a.id FROM object AS o JOIN asset AS a ON a.id = o.asset
    WHERE o.connection = $1 AND a.owner = o.id";

/// Lists the assets that anything of a connection names.
const NAMED: &str = "
    INSERT INTO unneeded (asset)
    SELECT asset FROM object WHERE connection = $1
    UNION SELECT asset FROM stage WHERE connection = $1
    UNION SELECT asset FROM removed WHERE connection = $1
    UNION SELECT asset FROM recheck WHERE connection = $1 AND asset IS NOT NULL";

/// Deletes the texts that wait, but for those that an asset keeps.
const TEXTS: &str = "
    DELETE FROM document WHERE seq IN (
        SELECT s.seq FROM stage AS s JOIN asset AS a ON a.id = s.asset
        WHERE s.connection = $1 AND a.document IS DISTINCT FROM s.seq)";

impl Store {
    /// Deletes a stored connection with its secrets, where it still has the revision `expected`. A
    /// run of it hands out nothing any more. Its objects yield their assets as those of a
    /// connection do that is not configured any more (R37).
    ///
    /// # Errors
    /// A [`ConnectionRefusal`]: it is gone, or was changed meanwhile.
    pub fn delete_connection(&self, uuid: Uuid, expected: i64, now: i64) -> Result<(), StoreError> {
        self.write(Commit::Register, |sql| {
            current(sql, uuid)?;
            let deleted = sql.execute(
                "UPDATE stored_connection SET deleted_at = $1, updated_at = $1, revision = revision + 1
                 WHERE uuid = $2 AND revision = $3 AND deleted_at IS NULL",
                values![now, uuid, expected],
            )?;
            if deleted == 0 {
                return Err(changed_meanwhile(sql, uuid)?);
            }
            sql.execute("DELETE FROM connection_secret WHERE uuid = $1", values![uuid])?;
            sql.execute(
                "UPDATE connection SET configured = 0, next_sync = NULL, next_baseline = NULL WHERE uuid = $1",
                values![uuid],
            )?;
            ownership::pass_on_abandoned(sql)?;
            count_change(sql)
        })
    }

    /// Forgets everything of a connection that was deleted before.
    ///
    /// # Errors
    /// [`ConnectionRefusal::Unknown`] where it is not among the deleted ones;
    /// [`StoreError::HeldElsewhere`] while another instance runs it.
    pub fn purge_connection(&self, uuid: Uuid) -> Result<(), StoreError> {
        self.write(Commit::Register, |sql| {
            let deleted = sql.first(
                "SELECT 1 FROM stored_connection WHERE uuid = $1 AND deleted_at IS NOT NULL",
                values![uuid],
                |_| Ok(()),
            )?;
            if deleted.is_none() {
                return Err(ConnectionRefusal::Unknown { uuid }.into());
            }
            forget(sql, uuid)?;
            count_change(sql)
        })
    }
}

/// Deletes the rows of a connection. Its objects, stage, runs and lists go with its row; assets and
/// texts do not, since assets belong to the target.
fn forget(sql: &dyn Sql, uuid: Uuid) -> Result<(), StoreFault> {
    let connection: Option<ConnectionId> = sql.first(
        "SELECT id FROM connection WHERE uuid = $1",
        values![uuid],
        |row| row.get(0),
    )?;
    if let Some(connection) = connection {
        sql.refuse_if_held(connection)?;
        sql.execute("DELETE FROM contender WHERE connection = $1", values![connection])?;
        sql.clear(&ownership::RELEASED)?;
        sql.execute(OWNED, values![connection])?;
        sql.clear(&retention::UNNEEDED)?;
        sql.execute(NAMED, values![connection])?;
        sql.execute(TEXTS, values![connection])?;
        sql.execute(ownership::RELEASE, &[])?;
        ownership::pass_on(sql, None)?;
        sql.execute("DELETE FROM connection WHERE id = $1", values![connection])?;
        retention::forget_unneeded(sql)?;
    }
    sql.execute("DELETE FROM stored_connection WHERE uuid = $1", values![uuid])?;
    Ok(())
}
