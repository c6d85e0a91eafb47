//! Where a DirSync search goes on (R2): one cookie a connection, since any controller may take it.

use rusqlite::{OptionalExtension, Transaction, params};

use super::error::Fault;
use super::{ConnectionId, ReadEnd, Store, StoreError};

/// What a controller said at the end of a DirSync search (MS-ADTS 3.1.1.3.4.1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// Digest of what was read, as in [`super::Watermark`].
    pub scope: [u8; 32],
    /// As it came; nobody but a controller reads it.
    pub octets: Vec<u8>,
    /// When the read began that it belongs to, Unix seconds (R9).
    pub read_at: i64,
}

impl Store {
    /// The cookie of the last read that gave one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn cookie(&self, connection: ConnectionId) -> Result<Option<Cookie>, StoreError> {
        self.read(|sql| {
            let mut statement =
                sql.prepare_cached("SELECT scope, cookie, read_at FROM dirsync_cookie WHERE connection = ?")?;
            let cookie = statement.query_row([connection], |row| {
                Ok(Cookie {
                    scope: row.get(0)?,
                    octets: row.get(1)?,
                    read_at: row.get(2)?,
                })
            });
            Ok(cookie.optional()?)
        })
    }
}

/// Puts the cookie of a read in the place of the last one. A read of another scope makes that one worthless, even without one of its
/// own, as with watermarks.
pub(super) fn put(
    transaction: &Transaction<'_>,
    connection: ConnectionId,
    end: &ReadEnd,
) -> Result<(), Fault> {
    let mark = &end.watermark;
    transaction.execute(
        "DELETE FROM dirsync_cookie WHERE connection = ? AND scope <> ?",
        params![connection, mark.scope],
    )?;
    if let Some(cookie) = &end.cookie {
        transaction.execute(
            "INSERT OR REPLACE INTO dirsync_cookie (connection, scope, cookie, read_at, controller, seq)
                 VALUES (?, ?, ?, ?, ?, (SELECT seq FROM last_seq))",
            params![connection, mark.scope, cookie, mark.read_at, mark.controller],
        )?;
    }
    Ok(())
}
