//! Several domain controllers that lag behind each other: which objects have to be read again after
//! a change of controller (R2), and whose absence a controller proves (R22).
//!
//! Why a note of changes is enough for R2: when the watermark of a controller commits, the store
//! holds of every object what that controller returned. From then on only a reading that changes an
//! asset, or a removal, makes the two differ, and only when it came from another controller. These
//! are noted with a number; those above the number of the watermark are read again. An object that
//! was missed and is returned counts as changed as well: the controller that missed it is asked
//! again. An increment by DirSync goes on from its cookie, whatever the controller: there the
//! moment of the cookie counts as well.
//!
//! Why a number is not enough for R22: a complete read may miss an object that another controller
//! returned. The object is then older than the watermark, and was never returned all the same. So
//! it is noted in `missed_on`.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use rusqlite::{Transaction, params};

use super::error::Fault;
use super::run::open_run;
use super::{ConnectionId, RunId, Store, StoreError};
use crate::failpoint::Commit;
use crate::identity::{Guid, Kind};

/// Condition on a row `o` of `expected`, for the connection `:connection` and the controller
/// `:controller`: the controller returned the object at some time.
pub(super) const RETURNED: &str =
    "(o.changed_by IS (SELECT id FROM controller WHERE invocation_id = :controller) OR (
    o.first_seq <= coalesce((SELECT seq FROM watermark
        WHERE connection = :connection AND controller = :controller AND complete = 1), -1)
    AND NOT EXISTS (SELECT 1 FROM missed_on AS m
        WHERE m.connection = :connection AND m.guid = o.guid AND m.controller = :controller)))";

/// Seconds after which a watermark leads to a full read (R9): a year is twice the usual tombstoneLifetime of 180 days
/// (MS-ADTS 3.1.1.5.5).
const LONGEST_TOMBSTONE_LIFETIME: i64 = 365 * 86_400;

impl Store {
    /// Notes which controller `run` reads from here on: what is staged afterwards is what that one
    /// returned.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written.
    pub fn read_from(&self, run: RunId, controller: Guid) -> Result<(), StoreError> {
        self.write(Commit::PlanRun, |transaction| {
            open_run(transaction, run)?;
            transaction.execute(
                "UPDATE run SET controller = ? WHERE id = ?",
                params![controller, run],
            )?;
            Ok(())
        })
    }

    /// Returns the objects that what another controller returned changed or removed after the
    /// watermark of `controller` committed, at most `limit` of them; none where there is no such
    /// watermark (R2). With `cookie`, what is read is an increment by DirSync: then also those that
    /// changed after the cookie committed, by what another controller returned than the one that
    /// gave it. It looks at every object, but only after a change of controller.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn changed_elsewhere(
        &self,
        connection: ConnectionId,
        controller: Guid,
        cookie: bool,
        limit: usize,
    ) -> Result<Vec<(Kind, Guid)>, StoreError> {
        self.read(|sql| {
            // Numbers from which on, and the controller whose changes are known.
            let known: Vec<(i64, Guid)> = sql
                .prepare_cached(
                    "SELECT seq, controller FROM watermark WHERE connection = ?1 AND controller = ?2
                     UNION ALL
                     SELECT seq, controller FROM dirsync_cookie WHERE connection = ?1 AND ?3",
                )?
                .query_map(params![connection, controller, cookie], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect::<Result<_, _>>()?;
            let mut newer = sql.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM last_change WHERE connection = ? AND controller <> ? AND seq > ?)",
            )?;
            let mut changed = sql.prepare_cached(
                "SELECT kind, guid FROM card WHERE connection = ?1 AND max(first_seq, changed_seq) > ?3
                     AND changed_by IS NOT (SELECT id FROM controller WHERE invocation_id = ?2)
                 UNION ALL
                 SELECT kind, guid FROM removed_by WHERE connection = ?1 AND seq > ?3 AND controller <> ?2 LIMIT ?4",
            )?;
            let mut objects = BTreeSet::new();
            for (seq, controller) in known {
                if !newer.query_row(params![connection, controller, seq], |row| row.get::<_, bool>(0))? {
                    continue;
                }
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                let rows = changed.query_map(params![connection, controller, seq, limit], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?;
                objects.extend(rows.collect::<Result<Vec<(Kind, Guid)>, _>>()?);
            }
            Ok(objects.into_iter().take(limit).collect())
        })
    }

    /// Returns those of `guids` whose absence on `controller` proves that they are gone: the
    /// controller returned them before, or has missed them for `lag` (R22).
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn proven_by_absence(
        &self,
        connection: ConnectionId,
        controller: Guid,
        guids: &[Guid],
        lag: Duration,
        now: i64,
    ) -> Result<HashSet<Guid>, StoreError> {
        let lag = i64::try_from(lag.as_secs()).unwrap_or(i64::MAX);
        self.read(|sql| {
            let mut proven = sql.prepare_cached(&format!(
                "SELECT EXISTS (SELECT 1 FROM card AS o WHERE o.connection = :connection AND o.guid = :guid AND {RETURNED})
                     OR EXISTS (SELECT 1 FROM missed_on WHERE connection = :connection AND guid = :guid
                         AND controller = :controller AND since <= :missed_before)"
            ))?;
            let mut set = HashSet::new();
            for guid in guids {
                let is_proven = proven.query_row(
                    rusqlite::named_params! {
                        ":connection": connection, ":controller": controller, ":guid": guid,
                        ":missed_before": now.saturating_sub(lag),
                    },
                    |row| row.get::<_, bool>(0),
                )?;
                if is_proven {
                    set.insert(*guid);
                }
            }
            Ok(set)
        })
    }
}

/// Returns the controller that `run` reads, once that is known.
pub(super) fn controller_of(transaction: &Transaction<'_>, run: RunId) -> Result<Option<Guid>, Fault> {
    Ok(transaction
        .prepare_cached("SELECT controller FROM run WHERE id = ?")?
        .query_row([run], |row| row.get(0))?)
}

/// Returns the number of a controller, a new one where it has none.
pub(super) fn number_of(transaction: &Transaction<'_>, controller: Guid) -> Result<i64, Fault> {
    transaction
        .prepare_cached("INSERT OR IGNORE INTO controller (invocation_id) VALUES (?)")?
        .execute([controller])?;
    Ok(transaction
        .prepare_cached("SELECT id FROM controller WHERE invocation_id = ?")?
        .query_row([controller], |row| row.get(0))?)
}

/// Notes that what `controller` returned changed something, with the number `seq`. A full read of
/// another controller that broke off is not resumed then: its part would miss the change.
pub(super) fn record_change(
    transaction: &Transaction<'_>,
    connection: ConnectionId,
    controller: Option<Guid>,
    seq: i64,
) -> Result<(), Fault> {
    let Some(controller) = controller else {
        return Ok(());
    };
    transaction
        .prepare_cached("INSERT OR REPLACE INTO last_change (connection, controller, seq) VALUES (?, ?, ?)")?
        .execute(params![connection, controller, seq])?;
    transaction
        .prepare_cached("DELETE FROM unfinished_read WHERE connection = ? AND controller <> ?")?
        .execute(params![connection, controller])?;
    Ok(())
}

/// Notes that `controller` misses the object, unless it is noted already.
pub(super) fn record_missed(
    transaction: &Transaction<'_>,
    connection: ConnectionId,
    controller: Guid,
    guid: Guid,
    now: i64,
) -> Result<(), Fault> {
    transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO missed_on (connection, guid, controller, since) VALUES (?, ?, ?, ?)",
        )?
        .execute(params![connection, guid, controller, now])?;
    Ok(())
}

/// Notes that `controller` returned the object.
pub(super) fn record_returned(
    transaction: &Transaction<'_>,
    connection: ConnectionId,
    controller: Guid,
    guid: Guid,
) -> Result<(), Fault> {
    transaction
        .prepare_cached("DELETE FROM missed_on WHERE connection = ? AND guid = ? AND controller = ?")?
        .execute(params![connection, guid, controller])?;
    Ok(())
}

/// Notes that the object was removed by what `controller` returned, with the number `seq`.
pub(super) fn record_removed(
    transaction: &Transaction<'_>,
    connection: ConnectionId,
    controller: Option<Guid>,
    (kind, guid): (Kind, Guid),
    seq: i64,
) -> Result<(), Fault> {
    transaction
        .prepare_cached("DELETE FROM missed_on WHERE connection = ? AND guid = ?")?
        .execute(params![connection, guid])?;
    let Some(controller) = controller else {
        return Ok(());
    };
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO removed_by (connection, guid, kind, controller, seq) VALUES (?, ?, ?, ?, ?)",
        )?
        .execute(params![connection, guid, kind, controller, seq])?;
    record_change(transaction, connection, Some(controller), seq)
}

/// Forgets the removals that every other controller was asked about. A watermark that is older than a tombstone lives leads to a
/// full read (R9), which asks for everything.
pub(super) fn forget_settled_removals(
    transaction: &Transaction<'_>,
    connection: ConnectionId,
    now: i64,
) -> Result<(), Fault> {
    transaction.execute(
        "DELETE FROM removed_by WHERE connection = ?1 AND NOT EXISTS (
             SELECT 1 FROM watermark AS w
             WHERE w.connection = ?1 AND w.controller <> removed_by.controller AND w.seq < removed_by.seq
                 AND w.read_at > ?2)",
        params![connection, now.saturating_sub(LONGEST_TOMBSTONE_LIFETIME)],
    )?;
    Ok(())
}
