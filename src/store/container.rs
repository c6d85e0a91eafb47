//! Where the containers of the naming context are: what a delta needs to notice a rename or a move (R8).

use rusqlite::{Transaction, params};

use super::error::Fault;
use super::{ConnectionId, ReadEnd, Store, StoreError};
use crate::identity::Guid;

/// An organizational unit, a container, or whatever else has objects below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// objectGUID.
    pub guid: Guid,
    /// Its distinguished name, as the controller wrote it.
    pub dn: String,
}

impl Store {
    /// Returns the containers within the base context as `controller` returned them when its
    /// watermark committed, or as another one did where it has none: an increment by DirSync begins
    /// on any controller.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn containers(
        &self,
        connection: ConnectionId,
        controller: Guid,
    ) -> Result<Vec<Container>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(&format!(
                "SELECT guid, dn FROM container WHERE connection = ?1 AND controller = ({SOURCE}) ORDER BY guid"
            ))?;
            let containers = statement.query_map(params![connection, controller], |row| {
                Ok(Container {
                    guid: row.get(0)?,
                    dn: row.get(1)?,
                })
            })?;
            Ok(containers.collect::<Result<_, _>>()?)
        })
    }
}

/// The controller whose containers count for the connection `?1` and the controller `?2`: that one,
/// or the one that was read last.
const SOURCE: &str = "SELECT controller FROM watermark AS w WHERE w.connection = ?1
    AND EXISTS (SELECT 1 FROM container AS c WHERE c.connection = ?1 AND c.controller = w.controller)
    ORDER BY w.controller = ?2 DESC, w.read_at DESC LIMIT 1";

/// Stores what a read learned of containers on its controller: after a full read these are all. To
/// be called before its watermark is stored.
pub(super) fn put(
    transaction: &Transaction<'_>,
    connection: ConnectionId,
    end: &ReadEnd,
) -> Result<(), Fault> {
    let controller = end.watermark.controller;
    if end.met.is_some() {
        transaction.execute(
            "DELETE FROM container WHERE connection = ? AND controller = ?",
            params![connection, controller],
        )?;
    } else {
        transaction.execute(
            &format!(
                "INSERT OR IGNORE INTO container (connection, controller, guid, dn)
                     SELECT ?1, ?2, guid, dn FROM container
                     WHERE connection = ?1 AND controller = ({SOURCE}) AND controller <> ?2"
            ),
            params![connection, controller],
        )?;
    }
    let mut put = transaction.prepare_cached(
        "INSERT OR REPLACE INTO container (connection, controller, guid, dn) VALUES (?, ?, ?, ?)",
    )?;
    for container in &end.containers {
        put.execute(params![connection, controller, container.guid, container.dn])?;
    }
    let mut remove = transaction
        .prepare_cached("DELETE FROM container WHERE connection = ? AND controller = ? AND guid = ?")?;
    for guid in &end.containers_gone {
        remove.execute(params![connection, controller, guid])?;
    }
    Ok(())
}
