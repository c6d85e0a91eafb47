//! Connections and the steps of their life.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::error::StoreFault;
use super::sql::{Sql, SqlRow, values};
use super::stored_connection::{forget_next_if_disabled, rest_if_disabled};
use super::value::stored;
use super::{ConnectionId, State, Store, StoreError, requests};
use crate::failpoint::Commit;

/// One registered connection, as `status` and the API show it. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionRow {
    /// Names it in the other methods.
    pub id: ConnectionId,
    /// Its identity; `None` in a row from before there were any, until the program runs with it.
    pub uuid: Option<Uuid>,
    /// `CONNECTION_NAME`.
    pub name: String,
    /// `CONNECTION_DESCRIPTION`.
    pub description: String,
    /// Its state.
    pub state: State,
    /// Time at which it entered the state.
    pub state_since: i64,
    /// End of the last run, whatever its outcome.
    pub last_synced: Option<i64>,
    /// End of the last run that ended as processed.
    pub last_successful_sync: Option<i64>,
    /// Time at which the next run is due.
    pub next_sync: Option<i64>,
    /// Time at which the next full read is due; stays in the past until one is complete
    /// ([`Self::baseline_due`]).
    pub next_baseline: Option<i64>,
    /// End of the last complete full read.
    pub last_baseline: Option<i64>,
    /// Reason for which the last run did not end as processed.
    pub last_error: Option<String>,
    /// Remedy for that.
    pub last_error_remedy: Option<String>,
    /// Time of the last entry into each state. A state that was never entered, or not since the
    /// file has this version, is missing.
    pub entered: BTreeMap<State, i64>,
    /// Ticks of the schedule that fell into a running run, ever (R25).
    pub skipped_ticks: u64,
    /// Time at which the file was found to be an older copy of what it was; `None` again after a
    /// complete full read that sends everything.
    pub restored_at: Option<i64>,
    /// It is stored, and disabled.
    pub disabled: bool,
    /// It was stored, and is deleted: what is left is its history.
    pub deleted: bool,
    /// Name of the instance that holds it, where several share the state.
    pub held_by: Option<String>,
}

const SELECT: &str = "
    SELECT c.*, coalesce(s.disabled, 0) AS disabled,
        CASE WHEN s.deleted_at IS NULL THEN 0 ELSE 1 END AS deleted
    FROM connection AS c LEFT JOIN stored_connection AS s ON s.uuid = c.uuid";

impl ConnectionRow {
    /// Returns since when a full read is due at `now` (R33): the stored tick of `BASELINE_CRON`, if
    /// it is reached and no complete full read has ended since. A read that ended after `now` does
    /// not count: the clock was set back since.
    #[must_use]
    pub fn baseline_due(&self, now: i64) -> Option<i64> {
        let tick = self.next_baseline.filter(|tick| *tick <= now)?;
        let complete = self
            .last_baseline
            .is_some_and(|last| (tick..=now).contains(&last));
        (!complete).then_some(tick)
    }
}

impl Store {
    /// Returns every connection, by name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn connections(&self) -> Result<Vec<ConnectionRow>, StoreError> {
        self.read(|sql| {
            let mut connections = sql.rows(&format!("{SELECT} ORDER BY c.name"), &[], connection_of)?;
            for connection in &mut connections {
                connection.held_by = requests::holder(sql, connection.id)?;
            }
            Ok(connections)
        })
    }

    /// Returns the connection with this name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn connection(&self, name: &str) -> Result<Option<ConnectionRow>, StoreError> {
        self.read(|sql| {
            let mut found = sql.first(
                &format!("{SELECT} WHERE c.name = $1"),
                values![name],
                connection_of,
            )?;
            if let Some(connection) = &mut found {
                connection.held_by = requests::holder(sql, connection.id)?;
            }
            Ok(found)
        })
    }

    /// Returns the connection with this number, whatever its name is now.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn connection_row(&self, id: ConnectionId) -> Result<Option<ConnectionRow>, StoreError> {
        self.read(|sql| {
            let mut found = sql.first(&format!("{SELECT} WHERE c.id = $1"), values![id], connection_of)?;
            if let Some(connection) = &mut found {
                connection.held_by = requests::holder(sql, connection.id)?;
            }
            Ok(found)
        })
    }

    /// Records when the next run and the next full read are due, in any state; nothing is due of
    /// one that is disabled.
    ///
    /// # Errors
    /// When the connection is unknown or the file cannot be written.
    pub fn set_next(
        &self,
        connection: ConnectionId,
        next_sync: Option<i64>,
        next_baseline: Option<i64>,
    ) -> Result<(), StoreError> {
        self.write(Commit::SetNext, |sql| {
            let changed = sql.execute(
                "UPDATE connection SET next_sync = $1, next_baseline = $2 WHERE id = $3",
                values![next_sync, next_baseline, connection],
            )?;
            found(changed, connection)?;
            forget_next_if_disabled(sql, connection)?;
            sql.prove_lease(connection)
        })
    }

    /// Takes a connection from registered or processed to scheduled; one that was disabled
    /// meanwhile back to registered.
    ///
    /// # Errors
    /// [`StoreError::Transition`] from any other state.
    pub fn schedule(&self, connection: ConnectionId, now: i64) -> Result<(), StoreError> {
        self.write(Commit::Schedule, |sql| {
            sql.prove_lease(connection)?;
            // The step from processing exists as well, but it is the end of a run.
            if state(sql, connection)? == State::Processing {
                return Err(StoreError::Transition {
                    from: State::Processing,
                    to: State::Scheduled,
                }
                .into());
            }
            step(sql, connection, State::Scheduled, now)?;
            // It may have been disabled since this was decided.
            rest_if_disabled(sql, connection, now)
        })
    }

    /// Counts ticks of the schedule that fell into a running run (R25).
    ///
    /// # Errors
    /// When the connection is unknown or the file cannot be written.
    pub fn skip_ticks(&self, connection: ConnectionId, ticks: u64) -> Result<(), StoreError> {
        self.write(Commit::SkipTicks, |sql| {
            let changed = sql.execute(
                "UPDATE connection SET skipped_ticks = skipped_ticks + $1 WHERE id = $2",
                values![stored(ticks), connection],
            )?;
            found(changed, connection)?;
            sql.prove_lease(connection)
        })
    }
}

/// Stores that a complete full read ended at `ended` (R33). With `resend` it staged everything, so
/// nothing is left of a restored copy.
pub(super) fn record_full_read(
    sql: &dyn Sql,
    connection: ConnectionId,
    ended: i64,
    resend: bool,
) -> Result<(), StoreFault> {
    let changed = sql.execute(
        "UPDATE connection SET last_baseline = $1,
             restored_at = CASE WHEN $2 = 1 THEN NULL ELSE restored_at END
         WHERE id = $3",
        values![ended, resend, connection],
    )?;
    found(changed, connection)
}

/// Moves a connection to `to`, if the contract knows the step.
pub(super) fn step(sql: &dyn Sql, connection: ConnectionId, to: State, now: i64) -> Result<(), StoreFault> {
    let from = state(sql, connection)?;
    if !from.may_become(to) {
        return Err(StoreError::Transition { from, to }.into());
    }
    sql.execute(
        "UPDATE connection SET state = $1, state_since = $2,
             scheduled_at = CASE WHEN $1 = 'Scheduled' THEN $2 ELSE scheduled_at END,
             processing_at = CASE WHEN $1 = 'Processing' THEN $2 ELSE processing_at END,
             processed_at = CASE WHEN $1 = 'Processed' THEN $2 ELSE processed_at END
         WHERE id = $3",
        values![to, now, connection],
    )?;
    Ok(())
}

/// Returns the state that a connection is in.
pub(super) fn state(sql: &dyn Sql, connection: ConnectionId) -> Result<State, StoreFault> {
    sql.first(
        "SELECT state FROM connection WHERE id = $1",
        values![connection],
        |row| row.get(0),
    )?
    .ok_or_else(|| unknown(connection))
}

fn unknown(connection: ConnectionId) -> StoreFault {
    StoreFault::Unknown(format!("connection {}", connection.0))
}

fn found(changed: usize, connection: ConnectionId) -> Result<(), StoreFault> {
    if changed == 0 {
        Err(unknown(connection))
    } else {
        Ok(())
    }
}

fn connection_of(row: &SqlRow<'_>) -> Result<ConnectionRow, StoreFault> {
    let mut entered = BTreeMap::new();
    for (state, column) in [
        (State::Registered, "registered_at"),
        (State::Scheduled, "scheduled_at"),
        (State::Processing, "processing_at"),
        (State::Processed, "processed_at"),
    ] {
        if let Some(at) = row.get(column)? {
            entered.insert(state, at);
        }
    }
    Ok(ConnectionRow {
        entered,
        id: row.get("id")?,
        uuid: row.get("uuid")?,
        disabled: row.get("disabled")?,
        deleted: row.get("deleted")?,
        name: row.get("name")?,
        description: row.get("description")?,
        state: row.get("state")?,
        state_since: row.get("state_since")?,
        last_synced: row.get("last_synced")?,
        last_successful_sync: row.get("last_successful_sync")?,
        next_sync: row.get("next_sync")?,
        next_baseline: row.get("next_baseline")?,
        last_baseline: row.get("last_baseline")?,
        last_error: row.get("last_error")?,
        last_error_remedy: row.get("last_error_remedy")?,
        skipped_ticks: row.count("skipped_ticks")?,
        restored_at: row.get("restored_at")?,
        held_by: None,
    })
}
