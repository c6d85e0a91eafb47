//! Configuration that a run works with. A run of a stored connection proves in each transaction
//! that hands out or stages that its connection is still the one it was begun with: nothing is sent
//! with an old profile once the change is stored, whatever instance stored it.

use super::error::StoreFault;
use super::open_run::{open_run, unknown};
use super::sql::{Sql, values};
use super::{ConnectionId, Engine, RunId, Store, StoreError};

/// Configuration that a run works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunBasis {
    /// Revision of the stored connection; `None` where it is configured in a file or by the
    /// environment.
    pub revision: Option<i64>,
    /// Digest of what is read and of the mapping: a version that was staged with another one is
    /// read again before it is sent.
    pub digest: [u8; 32],
}

/// Finds the run, if its connection is the one that it was begun with.
const PROVE: &str = "
    SELECT 1 FROM run AS r JOIN connection AS c ON c.id = r.connection
    LEFT JOIN stored_connection AS s ON s.uuid = c.uuid AND s.deleted_at IS NULL
    WHERE r.id = $1 AND r.revision IS NOT DISTINCT FROM s.revision AND coalesce(s.disabled, 0) = 0";

/// Finds the connection, if it still has a revision and may run.
const IS_THE_SAME: &str = "
    SELECT 1 FROM connection AS c
    LEFT JOIN stored_connection AS s ON s.uuid = c.uuid AND s.deleted_at IS NULL
    WHERE c.id = $1 AND s.revision IS NOT DISTINCT FROM $2 AND coalesce(s.disabled, 0) = 0";

/// Notes that what waits has to be staged anew, even where upstream holds the same for certain: it
/// was staged to be sent once more.
const SENT_ONCE_MORE: &str = "
    UPDATE asset SET sent = s.seq FROM stage AS s
    WHERE s.connection = $1 AND s.object IS NOT NULL AND asset.id = s.asset AND asset.owner = s.object
        AND asset.sent = 0 AND asset.fingerprint = s.fingerprint";

/// Keeps the text of a version that may be upstream, where the asset has no other: a removal is
/// made of it. One that was refused may be upstream too, by an attempt before that had no answer,
/// and nothing else is left of it.
const KEEP_TEXT: &str = "
    UPDATE asset SET document = s.seq FROM stage AS s
    WHERE s.connection = $1 AND s.object IS NOT NULL AND asset.id = s.asset
        AND asset.document IS NULL AND asset.sent = s.seq";

/// Takes the versions of objects from the stage. Removals stay. The scope of what was read becomes
/// one that nobody has, so that the next read is a full one and stages everything that upstream
/// does not hold.
const WITHDRAW: [&str; 3] = [
    "DELETE FROM document WHERE seq IN (
         SELECT s.seq FROM stage AS s JOIN asset AS a ON a.id = s.asset
         WHERE s.connection = $1 AND s.object IS NOT NULL AND a.document IS DISTINCT FROM s.seq)",
    "DELETE FROM stage WHERE connection = $1 AND object IS NOT NULL",
    "DELETE FROM unfinished_read WHERE connection = $1",
];

/// Finds a connection that another instance still runs with a configuration that is not the stored
/// one any more, or still holds although it is deleted.
const ELSEWHERE: &str = "
    SELECT 1 FROM stored_connection AS s JOIN connection AS c ON c.uuid = s.uuid
    JOIN lease AS l ON l.connection = c.id
    LEFT JOIN run AS r ON r.connection = c.id AND r.ended IS NULL
    WHERE l.expires_at > clock_timestamp() AND l.holder <> $1
        AND (s.deleted_at IS NOT NULL
            OR (r.id IS NOT NULL AND (s.disabled = 1 OR r.revision IS DISTINCT FROM s.revision)))
    LIMIT 1";

/// Finds a complete read with this scope.
const READ_WITH: &str = "
    SELECT 1 FROM watermark WHERE connection = $1 AND scope = $2
    UNION SELECT 1 FROM dirsync_cookie WHERE connection = $1 AND scope = $2";

impl Store {
    /// Returns `true` while another instance runs a stored connection with a former configuration.
    /// Of a file there are no other instances.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn runs_otherwise_elsewhere(&self) -> Result<bool, StoreError> {
        let Engine::Postgres(engine) = &self.engine else {
            return Ok(false);
        };
        let own = engine.leases.known_id().unwrap_or_default();
        let found = self.read(|sql| sql.first(ELSEWHERE, values![own], |_| Ok(())))?;
        Ok(found.is_some())
    }
}

/// Refuses to begin a run of a connection that is not the one that `basis` was read from.
pub(super) fn refuse_changed(
    sql: &dyn Sql,
    connection: ConnectionId,
    basis: &RunBasis,
) -> Result<(), StoreFault> {
    match sql.first(IS_THE_SAME, values![connection, basis.revision], |_| Ok(()))? {
        Some(()) => Ok(()),
        None => Err(StoreError::ConnectionChanged.into()),
    }
}

/// Returns the connection of `run`, which must be open and whose connection must be the one that it
/// was begun with. In a transaction that writes it also proves that this process still holds the
/// connection (R34).
pub(super) fn unchanged_run(sql: &dyn Sql, run: RunId) -> Result<ConnectionId, StoreFault> {
    let connection = open_run(sql, run)?;
    match sql.first(PROVE, values![run], |_| Ok(()))? {
        Some(()) => Ok(connection),
        None => Err(StoreError::ConnectionChanged.into()),
    }
}

/// Takes from the stage what was made with another digest. No run of the connection is open.
pub(super) fn withdraw_of_others(
    sql: &dyn Sql,
    connection: ConnectionId,
    basis: &RunBasis,
) -> Result<(), StoreFault> {
    let before: Option<[u8; 32]> = sql
        .first(
            "SELECT read_with FROM connection WHERE id = $1",
            values![connection],
            |row| row.get(0),
        )?
        .ok_or_else(|| StoreFault::Unknown(format!("connection {}", connection.0)))?;
    if before == Some(basis.digest) {
        return Ok(());
    }
    // The root of the domain may have been written out: then a read had this very scope.
    let was_read = sql.first(READ_WITH, values![connection, basis.digest], |_| Ok(()))?;
    if before.is_some() && was_read.is_none() {
        for statement in [SENT_ONCE_MORE, KEEP_TEXT].iter().chain(&WITHDRAW) {
            sql.execute(statement, values![connection])?;
        }
        for table in ["watermark", "dirsync_cookie"] {
            sql.execute(
                &format!("UPDATE {table} SET scope = $1 WHERE connection = $2"),
                values![[0_u8; 32], connection],
            )?;
        }
    }
    sql.execute(
        "UPDATE connection SET read_with = $1 WHERE id = $2",
        values![basis.digest, connection],
    )?;
    Ok(())
}

/// Stores the revision that a run works with, and proves it.
pub(super) fn begin(sql: &dyn Sql, run: RunId, basis: &RunBasis) -> Result<(), StoreFault> {
    let found = sql.execute(
        "UPDATE run SET revision = $1 WHERE id = $2",
        values![basis.revision, run],
    )?;
    if found == 0 {
        return Err(unknown(run));
    }
    unchanged_run(sql, run).map(drop)
}
