//! Watermarks: the positions up to which the domain controllers have been read (R2).

use super::error::StoreFault;
use super::open_run::open_run;
use super::sql::{Sql, values};
use super::value::stored;
use super::{ConnectionId, ReadEnd, RunId, Store, StoreError, Watermark, cookie};
use crate::failpoint::Commit;
use crate::identity::Guid;

/// Digest of no scope.
const NO_SCOPE: [u8; 32] = [0; 32];

/// Address of a controller that has a watermark. Empty texts where that is not known, of an older
/// file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReachedController {
    /// Its invocationId.
    pub controller: Guid,
    /// As in `AD_HOST`.
    pub host: String,
    /// The distinguished name of the server's settings.
    pub server: String,
}

impl Store {
    /// Takes their scope from the watermarks and the cookie of any other scope, so that no delta
    /// goes on from there: what a full read of `scope` stages is not what they stand for, even if
    /// it breaks off (R2). They still prove what each controller returned (R22).
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written.
    pub fn leave_other_scopes(&self, run: RunId, scope: [u8; 32]) -> Result<(), StoreError> {
        self.write(Commit::BeginFullRead, |sql| {
            let connection = open_run(sql, run)?;
            for statement in [
                "UPDATE watermark SET scope = $1 WHERE connection = $2 AND scope <> $3",
                "UPDATE dirsync_cookie SET scope = $1 WHERE connection = $2 AND scope <> $3",
            ] {
                sql.execute(statement, values![NO_SCOPE, connection, scope])?;
            }
            Ok(())
        })
    }

    /// Returns the watermarks of a connection, by controller.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn watermarks(&self, connection: ConnectionId) -> Result<Vec<Watermark>, StoreError> {
        self.read(|sql| {
            sql.rows(
                "SELECT controller, scope, usn, read_at FROM watermark
                 WHERE connection = $1 ORDER BY controller",
                values![connection],
                |row| {
                    Ok(Watermark {
                        controller: row.get("controller")?,
                        scope: row.get("scope")?,
                        usn: row.count("usn")?,
                        read_at: row.get("read_at")?,
                    })
                },
            )
        })
    }

    /// Returns how the controllers were reached of which there is a watermark.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn reached(&self, connection: ConnectionId) -> Result<Vec<ReachedController>, StoreError> {
        self.read(|sql| {
            sql.rows(
                "SELECT controller, host, server FROM watermark
                 WHERE connection = $1 ORDER BY controller",
                values![connection],
                |row| {
                    Ok(ReachedController {
                        controller: row.get("controller")?,
                        host: row.get("host")?,
                        server: row.get("server")?,
                    })
                },
            )
        })
    }
}

/// Stores the result of a read instead of what was known before: its watermark, which also goes
/// into the history of `run`, how the controller was reached, and where a DirSync search goes on.
/// Watermarks of another scope are worthless from here on: going back to the old scope must mean a
/// full read, because what left it meanwhile was not watched.
pub(super) fn reach(
    sql: &dyn Sql,
    connection: ConnectionId,
    run: RunId,
    end: &ReadEnd,
) -> Result<(), StoreFault> {
    let watermark = &end.watermark;
    sql.execute(
        "DELETE FROM watermark WHERE connection = $1 AND scope <> $2",
        values![connection, watermark.scope],
    )?;
    sql.execute(
        "INSERT INTO watermark (connection, controller, scope, usn, read_at, host, server, complete,
             seq)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, (SELECT last FROM sequence))
         ON CONFLICT (connection, controller) DO UPDATE SET
             scope = excluded.scope, usn = excluded.usn, read_at = excluded.read_at,
             host = excluded.host, server = excluded.server, seq = excluded.seq,
             complete = CASE WHEN excluded.complete = 1 THEN 1 ELSE watermark.complete END",
        values![
            connection,
            watermark.controller,
            watermark.scope,
            stored(watermark.usn),
            watermark.read_at,
            end.host,
            end.server,
            end.met.is_some(),
        ],
    )?;
    sql.execute(
        "UPDATE run SET watermark_after = $1 WHERE id = $2",
        values![stored(watermark.usn), run],
    )?;
    cookie::put(sql, connection, end)
}
