//! Position at which a DirSync search goes on (R2): one cookie a connection, since any controller
//! may take it.

use super::error::StoreFault;
use super::sql::{Sql, values};
use super::{ConnectionId, ReadEnd, Store, StoreError};
use crate::identity::Guid;

/// Answer of a controller at the end of a DirSync search (MS-ADTS 3.1.1.3.4.1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// Digest of what was read, as in [`super::Watermark`].
    pub scope: [u8; 32],
    /// Octets as the controller sent them; only controllers interpret them.
    pub octets: Vec<u8>,
    /// Beginning of the read that it belongs to, Unix seconds (R9).
    pub read_at: i64,
    /// invocationId of the controller that gave it.
    pub controller: Guid,
}

impl Store {
    /// Returns the cookie of the last read that gave one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn cookie(&self, connection: ConnectionId) -> Result<Option<Cookie>, StoreError> {
        self.read(|sql| {
            sql.first(
                "SELECT scope, cookie, read_at, controller FROM dirsync_cookie WHERE connection = $1",
                values![connection],
                |row| {
                    Ok(Cookie {
                        scope: row.get("scope")?,
                        octets: row.get("cookie")?,
                        read_at: row.get("read_at")?,
                        controller: row.get("controller")?,
                    })
                },
            )
        })
    }
}

/// Stores the cookie of a read instead of the last one. A read of another scope makes that one
/// worthless, even without one of its own, as with watermarks.
pub(super) fn put(sql: &dyn Sql, connection: ConnectionId, end: &ReadEnd) -> Result<(), StoreFault> {
    let mark = &end.watermark;
    sql.execute(
        "DELETE FROM dirsync_cookie WHERE connection = $1 AND scope <> $2",
        values![connection, mark.scope],
    )?;
    if let Some(cookie) = &end.cookie {
        sql.execute(
            "INSERT INTO dirsync_cookie (connection, scope, cookie, read_at, controller, seq)
                 VALUES ($1, $2, $3, $4, $5, (SELECT last FROM sequence))
             ON CONFLICT (connection) DO UPDATE SET
                 scope = excluded.scope, cookie = excluded.cookie, read_at = excluded.read_at,
                 controller = excluded.controller, seq = excluded.seq",
            values![connection, mark.scope, cookie, mark.read_at, mark.controller],
        )?;
    }
    Ok(())
}
