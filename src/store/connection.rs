//! Connections and the steps of their life.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, Transaction, named_params, params};

use super::error::Fault;
use super::value::{count, stored};
use super::{ConnectionId, State, Store, StoreError};
use crate::failpoint::Commit;

/// One registered connection, as `status` and the API show it. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Names it in the other methods.
    pub id: ConnectionId,
    /// `CONNECTION_NAME`.
    pub name: String,
    /// `CONNECTION_DESCRIPTION`.
    pub description: String,
    /// Where it is in its life.
    pub state: State,
    /// Since when.
    pub state_since: i64,
    /// When the last run ended, however it did.
    pub last_synced: Option<i64>,
    /// When the last run that ended as processed did.
    pub last_successful_sync: Option<i64>,
    /// When the next run is due.
    pub next_sync: Option<i64>,
    /// When the next full read is due.
    pub next_baseline: Option<i64>,
    /// Why the last run did not end as processed.
    pub last_error: Option<String>,
    /// What to do about that.
    pub last_error_remedy: Option<String>,
    /// When each state was entered last; one that never was, or not since the file has this version, is missing.
    pub entered: BTreeMap<State, i64>,
    /// Ticks of the schedule that fell into a running run, ever (R25).
    pub skipped_ticks: u64,
}

impl Store {
    /// Stores a connection: as [`State::Registered`] when the name is new, else only its description changes.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn register(&self, name: &str, description: &str, now: i64) -> Result<ConnectionId, StoreError> {
        self.write(Commit::Register, |transaction| {
            Ok(transaction.query_row(
                "INSERT INTO connection (name, description, state, state_since, registered_at) VALUES (?1, ?2, ?3, ?4, ?4)
                 ON CONFLICT (name) DO UPDATE SET description = excluded.description
                 RETURNING id",
                params![name, description, State::Registered, now],
                |row| row.get(0),
            )?)
        })
    }

    /// Every connection, by name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn connections(&self) -> Result<Vec<Connection>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached("SELECT * FROM connection ORDER BY name")?;
            Ok(statement
                .query_map([], connection_of)?
                .collect::<Result<_, _>>()?)
        })
    }

    /// The connection with this name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn connection(&self, name: &str) -> Result<Option<Connection>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached("SELECT * FROM connection WHERE name = ?")?;
            Ok(statement.query_row([name], connection_of).optional()?)
        })
    }

    /// Notes when the next run and the next full read are due, in any state.
    ///
    /// # Errors
    /// When the connection is unknown or the file cannot be written.
    pub fn set_next(
        &self,
        connection: ConnectionId,
        next_sync: Option<i64>,
        next_baseline: Option<i64>,
    ) -> Result<(), StoreError> {
        self.write(Commit::SetNext, |transaction| {
            let changed = transaction.execute(
                "UPDATE connection SET next_sync = ?, next_baseline = ? WHERE id = ?",
                params![next_sync, next_baseline, connection],
            )?;
            found(changed, connection)
        })
    }

    /// Registered or processed → scheduled.
    ///
    /// # Errors
    /// [`StoreError::Transition`] from any other state.
    pub fn schedule(&self, connection: ConnectionId, now: i64) -> Result<(), StoreError> {
        self.write(Commit::Schedule, |transaction| {
            // That step exists as well, but it is the end of a run.
            if state(transaction, connection)? == State::Processing {
                return Err(StoreError::Transition {
                    from: State::Processing,
                    to: State::Scheduled,
                }
                .into());
            }
            step(transaction, connection, State::Scheduled, now)
        })
    }

    /// Counts ticks of the schedule that fell into a running run (R25).
    ///
    /// # Errors
    /// When the connection is unknown or the file cannot be written.
    pub fn skip_ticks(&self, connection: ConnectionId, ticks: u64) -> Result<(), StoreError> {
        self.write(Commit::SkipTicks, |transaction| {
            let changed = transaction.execute(
                "UPDATE connection SET skipped_ticks = skipped_ticks + ? WHERE id = ?",
                params![stored(ticks), connection],
            )?;
            found(changed, connection)
        })
    }
}

/// Moves a connection to `to`, if the contract knows the step.
pub(super) fn step(
    transaction: &Transaction<'_>,
    connection: ConnectionId,
    to: State,
    now: i64,
) -> Result<(), Fault> {
    let from = state(transaction, connection)?;
    if !from.may_become(to) {
        return Err(StoreError::Transition { from, to }.into());
    }
    transaction.execute(
        "UPDATE connection SET state = :to, state_since = :now,
             scheduled_at = iif(:to = 'Scheduled', :now, scheduled_at),
             processing_at = iif(:to = 'Processing', :now, processing_at),
             processed_at = iif(:to = 'Processed', :now, processed_at) WHERE id = :connection",
        named_params! { ":to": to, ":now": now, ":connection": connection },
    )?;
    Ok(())
}

/// The state that a connection is in.
pub(super) fn state(transaction: &Transaction<'_>, connection: ConnectionId) -> Result<State, Fault> {
    transaction
        .query_row("SELECT state FROM connection WHERE id = ?", [connection], |row| {
            row.get(0)
        })
        .optional()?
        .ok_or_else(|| unknown(connection))
}

fn unknown(connection: ConnectionId) -> Fault {
    Fault::Unknown(format!("connection {}", connection.0))
}

fn found(changed: usize, connection: ConnectionId) -> Result<(), Fault> {
    if changed == 0 {
        Err(unknown(connection))
    } else {
        Ok(())
    }
}

fn connection_of(row: &Row<'_>) -> rusqlite::Result<Connection> {
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
    Ok(Connection {
        entered,
        id: row.get("id")?,
        name: row.get("name")?,
        description: row.get("description")?,
        state: row.get("state")?,
        state_since: row.get("state_since")?,
        last_synced: row.get("last_synced")?,
        last_successful_sync: row.get("last_successful_sync")?,
        next_sync: row.get("next_sync")?,
        next_baseline: row.get("next_baseline")?,
        last_error: row.get("last_error")?,
        last_error_remedy: row.get("last_error_remedy")?,
        skipped_ticks: count(row, "skipped_ticks")?,
    })
}
