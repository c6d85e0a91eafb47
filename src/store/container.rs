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
    /// Every container, as of the last read that came to its end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn containers(&self, connection: ConnectionId) -> Result<Vec<Container>, StoreError> {
        self.read(|sql| {
            let mut statement =
                sql.prepare_cached("SELECT guid, dn FROM container WHERE connection = ? ORDER BY guid")?;
            let containers = statement.query_map([connection], |row| {
                Ok(Container {
                    guid: row.get(0)?,
                    dn: row.get(1)?,
                })
            })?;
            Ok(containers.collect::<Result<_, _>>()?)
        })
    }
}

/// Takes in what a read learned of containers: after a full read these are all.
pub(super) fn take_in(
    transaction: &Transaction<'_>,
    connection: ConnectionId,
    end: &ReadEnd,
) -> Result<(), Fault> {
    if end.met.is_some() {
        transaction.execute("DELETE FROM container WHERE connection = ?", [connection])?;
    }
    let mut put = transaction
        .prepare_cached("INSERT OR REPLACE INTO container (connection, guid, dn) VALUES (?, ?, ?)")?;
    for container in &end.containers {
        put.execute(params![connection, container.guid, container.dn])?;
    }
    let mut remove = transaction.prepare_cached("DELETE FROM container WHERE connection = ? AND guid = ?")?;
    for guid in &end.containers_gone {
        remove.execute(params![connection, guid])?;
    }
    Ok(())
}
