//! Places of the containers of the naming context, which a delta needs to notice a rename or a move
//! (R8).

use super::error::StoreFault;
use super::sql::{Sql, SqlRow, values};
use super::{ConnectionId, Container, ReadEnd, Store, StoreError};
use crate::identity::Guid;

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
            sql.rows(
                &format!(
                    "SELECT guid, dn FROM container
                     WHERE connection = $1 AND controller = ({SOURCE}) ORDER BY guid"
                ),
                values![connection, controller],
                container_of,
            )
        })
    }
}

/// The controller whose containers count for the connection `$1` and the controller `$2`: that one,
/// or the one that was read last.
const SOURCE: &str = "SELECT w.controller FROM watermark AS w WHERE w.connection = $1
    AND EXISTS (SELECT 1 FROM container AS c
        WHERE c.connection = $1 AND c.controller = w.controller)
    ORDER BY CASE WHEN w.controller = $2 THEN 0 ELSE 1 END, w.read_at DESC LIMIT 1";

/// Reads a row with the columns `guid` and `dn`.
pub(super) fn container_of(row: &SqlRow<'_>) -> Result<Container, StoreFault> {
    Ok(Container {
        guid: row.get("guid")?,
        dn: row.get("dn")?,
    })
}

/// Stores what a read learned of containers on its controller: after a full read these are all. To
/// be called before its watermark is stored.
pub(super) fn put(sql: &dyn Sql, connection: ConnectionId, end: &ReadEnd) -> Result<(), StoreFault> {
    let controller = end.watermark.controller;
    if end.met.is_some() {
        sql.execute(
            "DELETE FROM container WHERE connection = $1 AND controller = $2",
            values![connection, controller],
        )?;
    } else {
        sql.execute(
            &format!(
                "INSERT INTO container (connection, controller, guid, dn)
                     SELECT $1, $2, guid, dn FROM container
                     WHERE connection = $1 AND controller = ({SOURCE}) AND controller <> $2
                 ON CONFLICT (connection, controller, guid) DO NOTHING"
            ),
            values![connection, controller],
        )?;
    }
    for container in &end.containers {
        sql.execute(
            "INSERT INTO container (connection, controller, guid, dn) VALUES ($1, $2, $3, $4)
             ON CONFLICT (connection, controller, guid) DO UPDATE SET dn = excluded.dn",
            values![connection, controller, container.guid, container.dn],
        )?;
    }
    for guid in &end.containers_gone {
        sql.execute(
            "DELETE FROM container WHERE connection = $1 AND controller = $2 AND guid = $3",
            values![connection, controller, guid],
        )?;
    }
    Ok(())
}
