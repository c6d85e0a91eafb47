//! How far each domain controller has been read (R2).

use rusqlite::{Transaction, params};

use super::error::Fault;
use super::value::{count, stored};
use super::{ConnectionId, ReadEnd, RunId, Store, StoreError, cookie};
use crate::identity::Guid;

/// A point that a domain controller has been read up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    /// The controller's invocationId.
    pub controller: Guid,
    /// Digest of what was read: base context, scope, filters, kinds and mapping.
    pub scope: [u8; 32],
    /// highestCommittedUSN from before the read (R1).
    pub usn: u64,
    /// When that was read, Unix seconds (R9).
    pub read_at: i64,
}

/// How a controller was reached that has a watermark. Empty texts where that is not known, of an older file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Its invocationId.
    pub controller: Guid,
    /// As in `AD_HOST`.
    pub host: String,
    /// The distinguished name of the server's settings.
    pub server: String,
}

impl Store {
    /// The watermarks of a connection, by controller.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn watermarks(&self, connection: ConnectionId) -> Result<Vec<Watermark>, StoreError> {
        self.read(|sql| {
            let mut statement =
                sql.prepare_cached("SELECT * FROM watermark WHERE connection = ? ORDER BY controller")?;
            let watermarks = statement.query_map([connection], |row| {
                Ok(Watermark {
                    controller: row.get("controller")?,
                    scope: row.get("scope")?,
                    usn: count(row, "usn")?,
                    read_at: row.get("read_at")?,
                })
            })?;
            Ok(watermarks.collect::<Result<_, _>>()?)
        })
    }

    /// How the controllers were reached of which there is a watermark.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn reached(&self, connection: ConnectionId) -> Result<Vec<Reached>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT controller, host, server FROM watermark WHERE connection = ? ORDER BY controller",
            )?;
            let reached = statement.query_map([connection], |row| {
                Ok(Reached {
                    controller: row.get(0)?,
                    host: row.get(1)?,
                    server: row.get(2)?,
                })
            })?;
            Ok(reached.collect::<Result<_, _>>()?)
        })
    }
}

/// Puts what a read came to in the place of what was known before: its watermark, under which name the controller was reached,
/// and where a DirSync search goes on.
pub(super) fn reach(
    transaction: &Transaction<'_>,
    connection: ConnectionId,
    run: RunId,
    end: &ReadEnd,
) -> Result<(), Fault> {
    advance(transaction, connection, run, &end.watermark)?;
    transaction.execute(
        "UPDATE watermark SET host = ?, server = ?, complete = max(complete, ?) WHERE connection = ? AND controller = ?",
        params![end.host, end.server, end.met.is_some(), connection, end.watermark.controller],
    )?;
    cookie::put(transaction, connection, end)
}

/// Puts `watermark` in the place of the controller's last one, and into the history of `run`. Those of another scope are worthless from here on: going
/// back to the old scope must mean a full read, because what left it meanwhile was not watched.
pub(super) fn advance(
    transaction: &Transaction<'_>,
    connection: ConnectionId,
    run: RunId,
    watermark: &Watermark,
) -> Result<(), Fault> {
    transaction.execute(
        "DELETE FROM watermark WHERE connection = ? AND scope <> ?",
        params![connection, watermark.scope],
    )?;
    transaction.execute(
        "INSERT INTO watermark (connection, controller, scope, usn, read_at, seq)
             VALUES (?, ?, ?, ?, ?, (SELECT seq FROM last_seq))
         ON CONFLICT (connection, controller) DO UPDATE SET
             scope = excluded.scope, usn = excluded.usn, read_at = excluded.read_at, seq = excluded.seq",
        params![
            connection,
            watermark.controller,
            watermark.scope,
            stored(watermark.usn),
            watermark.read_at
        ],
    )?;
    transaction.execute(
        "UPDATE run SET watermark_after = ? WHERE id = ?",
        params![stored(watermark.usn), run],
    )?;
    Ok(())
}
