//! Places of the containers of the naming context, which a delta needs to notice a rename or a move
//! (R8).

use std::collections::BTreeMap;

use super::error::StoreFault;
use super::sql::{Class, Sql, SqlRow, SqlTable, values};
use super::{ConnectionId, Container, ReadEnd, Store, StoreError};
use crate::identity::Guid;

/// Containers that a read learned of (schema/sqlite_temporary.sql).
const PLACE: SqlTable = SqlTable {
    name: "place",
    columns: &[("guid", Class::Blob), ("dn", Class::Text)],
};

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
    fill(sql, &end.containers, &end.containers_gone)?;
    sql.execute(
        "INSERT INTO container (connection, controller, guid, dn)
         SELECT $1, $2, guid, dn FROM place WHERE dn IS NOT NULL
         ON CONFLICT (connection, controller, guid) DO UPDATE SET dn = excluded.dn",
        values![connection, controller],
    )?;
    sql.execute(
        "DELETE FROM container WHERE connection = $1 AND controller = $2
             AND guid IN (SELECT guid FROM place WHERE dn IS NULL)",
        values![connection, controller],
    )?;
    Ok(())
}

/// Stores the places of the containers at the beginning of a full read.
pub(super) fn put_unfinished(
    sql: &dyn Sql,
    connection: ConnectionId,
    containers: &[Container],
) -> Result<(), StoreFault> {
    fill(sql, containers, &[])?;
    sql.execute(
        "INSERT INTO unfinished_container (connection, guid, dn) SELECT $1, guid, dn FROM place",
        values![connection],
    )?;
    Ok(())
}

/// Writes containers, and those that are no more, into their temporary table; the last of several
/// with one GUID counts.
fn fill(sql: &dyn Sql, containers: &[Container], gone: &[Guid]) -> Result<(), StoreFault> {
    let there = containers
        .iter()
        .map(|container| (container.guid, Some(container.dn.as_str())));
    let gone = gone.iter().map(|guid| (*guid, None));
    let places: BTreeMap<Guid, Option<&str>> = there.chain(gone).collect();
    sql.clear(&PLACE)?;
    sql.insert(&PLACE, &mut |insert| {
        places.iter().try_for_each(|(guid, dn)| insert(values![guid, dn]))
    })
}
