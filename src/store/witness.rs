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

use super::error::StoreFault;
use super::guid_list::{GuidList, with_given_guids};
use super::open_run::open_run;
use super::retention::LONGEST_TOMBSTONE_LIFETIME;
use super::sql::{Sql, values};
use super::{ConnectionId, RunId, Store, StoreError};
use crate::failpoint::Commit;
use crate::identity::{Guid, Kind};

/// Returns the condition on a row `o` of `object` that the controller returned it at some time.
/// `connection` and `controller` are the parameters for both, such as `$1`; the condition uses
/// `controller` first.
pub(super) fn returned_by(connection: &str, controller: &str) -> String {
    format!(
        "(o.changed_by IS NOT DISTINCT FROM
                 (SELECT id FROM controller WHERE invocation_id = {controller})
             OR (o.first_seq <= coalesce((SELECT w.seq FROM watermark AS w
                     WHERE w.controller = {controller} AND w.connection = {connection}
                         AND w.complete = 1), -1)
                 AND NOT EXISTS (SELECT 1 FROM missed_on AS m
                     WHERE m.connection = {connection} AND m.guid = o.guid
                         AND m.controller = {controller})))"
    )
}

impl Store {
    /// Notes which controller `run` reads from here on: what is staged afterwards is what that one
    /// returned.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written.
    pub fn read_from(&self, run: RunId, controller: Guid) -> Result<(), StoreError> {
        self.write(Commit::PlanRun, |sql| {
            open_run(sql, run)?;
            sql.execute(
                "UPDATE run SET controller = $1 WHERE id = $2",
                values![controller, run],
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
            let known: Vec<(i64, Guid)> = sql.rows(
                "SELECT seq, controller FROM watermark WHERE connection = $1 AND controller = $2
                 UNION ALL
                 SELECT seq, controller FROM dirsync_cookie WHERE connection = $1 AND $3 = 1",
                values![connection, controller, cookie],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let rows_at_most = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut objects: BTreeSet<(Kind, Guid)> = BTreeSet::new();
            for (seq, controller) in known {
                let newer = sql.first(
                    "SELECT 1 FROM last_change
                     WHERE connection = $1 AND controller <> $2 AND seq > $3 LIMIT 1",
                    values![connection, controller, seq],
                    |_| Ok(()),
                )?;
                if newer.is_none() {
                    continue;
                }
                sql.query(
                    "SELECT kind, guid FROM object
                     WHERE connection = $1 AND (first_seq > $2 OR changed_seq > $2)
                         AND changed_by IS DISTINCT FROM
                             (SELECT id FROM controller WHERE invocation_id = $3)
                     UNION ALL
                     SELECT kind, guid FROM removed_by
                     WHERE connection = $1 AND seq > $2 AND controller <> $3
                     LIMIT $4",
                    values![connection, seq, controller, rows_at_most],
                    &mut |row| {
                        objects.insert((row.get(0)?, row.get(1)?));
                        Ok(true)
                    },
                )?;
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
        let missed_before = now.saturating_sub(lag);
        let statement = format!(
            "{}SELECT g.guid FROM given AS g
             WHERE EXISTS (SELECT 1 FROM object AS o
                     WHERE o.connection = $2 AND o.guid = g.guid AND {})
                 OR EXISTS (SELECT 1 FROM missed_on AS n WHERE n.connection = $2 AND n.guid = g.guid
                     AND n.controller = $3 AND n.since <= $4)",
            with_given_guids!(),
            returned_by("$2", "$3")
        );
        let given = GuidList::new(guids);
        let proven = self.read(|sql| {
            let values = values![given, connection, controller, missed_before];
            sql.rows(&statement, values, |row| row.get(0))
        })?;
        Ok(proven.into_iter().collect())
    }
}

/// Returns the controller that `run` reads, once that is known.
pub(super) fn controller_of(sql: &dyn Sql, run: RunId) -> Result<Option<Guid>, StoreFault> {
    sql.value("SELECT controller FROM run WHERE id = $1", values![run])
}

/// Returns the number of a controller, a new one where it has none.
pub(super) fn controller_number(sql: &dyn Sql, controller: Guid) -> Result<i64, StoreFault> {
    sql.execute(
        "INSERT INTO controller (invocation_id) VALUES ($1) ON CONFLICT (invocation_id) DO NOTHING",
        values![controller],
    )?;
    sql.value(
        "SELECT id FROM controller WHERE invocation_id = $1",
        values![controller],
    )
}

/// Notes that what `controller` returned changed something, with the number `seq`. A full read of
/// another controller that broke off is not resumed then: its part would miss the change.
pub(super) fn record_change(
    sql: &dyn Sql,
    connection: ConnectionId,
    controller: Option<Guid>,
    seq: i64,
) -> Result<(), StoreFault> {
    let Some(controller) = controller else {
        return Ok(());
    };
    sql.execute(
        "INSERT INTO last_change (connection, controller, seq) VALUES ($1, $2, $3)
         ON CONFLICT (connection, controller) DO UPDATE SET seq = excluded.seq",
        values![connection, controller, seq],
    )?;
    sql.execute(
        "DELETE FROM unfinished_read WHERE connection = $1 AND controller <> $2",
        values![connection, controller],
    )?;
    Ok(())
}

/// Forgets the removals that every other controller was asked about. A watermark that is older than
/// a tombstone lives leads to a full read (R9), which asks for everything.
pub(super) fn forget_settled_removals(
    sql: &dyn Sql,
    connection: ConnectionId,
    now: i64,
) -> Result<(), StoreFault> {
    sql.execute(
        "DELETE FROM removed_by WHERE connection = $1 AND NOT EXISTS (
             SELECT 1 FROM watermark AS w
             WHERE w.connection = $1 AND w.controller <> removed_by.controller
                 AND w.seq < removed_by.seq AND w.read_at > $2)",
        values![connection, now.saturating_sub(LONGEST_TOMBSTONE_LIFETIME)],
    )?;
    Ok(())
}
