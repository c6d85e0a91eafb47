//! Runs: their beginning, their end, their history.

use std::time::Duration;

use super::connection::{state, step};
use super::error::StoreFault;
use super::open_run::{open_run, unknown};
use super::retention::KEPT_RUNS;
use super::run_basis::{self, unchanged_run};
use super::run_record::run_of;
use super::sql::{Sql, values};
use super::stored_connection::rest_if_disabled;
use super::value::stored;
use super::{
    ConnectionId, Outcome, RunBasis, RunEnd, RunId, RunMode, RunPhases, RunPlan, RunRow, State, Store,
    StoreError, history, late_send, retention,
};
use crate::failpoint::Commit;

/// Text of `last_error` and of the run's `error` after a run whose process died.
const INTERRUPTED: &str =
    "the process ended in the middle of the run; what was staged is sent by the next run";

/// Advice about that.
const INTERRUPTED_REMEDY: &str =
    "nothing; should it come again, look for what ends the process: the log, memory, the machine";

impl Store {
    /// Takes a connection from scheduled to processing. The caller holds the connection's
    /// [`super::RunLock`]: a run found open is therefore dead, and is closed as interrupted before.
    /// `reason` says who or what asked for the run, `basis` the configuration that it works with.
    ///
    /// # Errors
    /// [`StoreError::ConnectionChanged`] when the stored connection is another one now;
    /// [`StoreError::Transition`] when the connection is registered or processed:
    /// [`Self::schedule`] it first.
    pub fn begin_run(
        &self,
        connection: ConnectionId,
        wanted: RunMode,
        reason: &str,
        basis: &RunBasis,
        now: i64,
    ) -> Result<RunId, StoreError> {
        self.write(Commit::BeginRun, |sql| {
            close_interrupted(sql, connection, now)?;
            run_basis::refuse_changed(sql, connection, basis)?;
            run_basis::withdraw_of_others(sql, connection, basis)?;
            late_send::stage(sql, connection, now)?;
            step(sql, connection, State::Processing, now)?;
            let run = sql.value(
                "INSERT INTO run (connection, wanted, mode, reason, asked_by, started)
                     VALUES ($1, $2, $2, $3, $3, $4)
                 RETURNING id",
                values![connection, wanted, reason, now],
            )?;
            run_basis::begin(sql, run, basis)?;
            sql.execute(
                "DELETE FROM run WHERE connection = $1 AND id <=
                     (SELECT id FROM run WHERE connection = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)",
                values![connection, KEPT_RUNS],
            )?;
            Ok(run)
        })
    }

    /// Records what the run does and why, once that is known.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written.
    pub fn plan_run(&self, run: RunId, plan: &RunPlan) -> Result<(), StoreError> {
        self.write(Commit::PlanRun, |sql| {
            unchanged_run(sql, run)?;
            sql.execute(
                "UPDATE run SET mode = $1, reason = $2, controller = $3, watermark_before = $4,
                     host = $5, controller_choice = $6, controller_site = $7, client_site = $8,
                     in_site = $9
                 WHERE id = $10",
                values![
                    plan.mode,
                    plan.reason,
                    plan.controller,
                    plan.watermark_before.map(stored),
                    plan.read_from.host,
                    plan.read_from.choice,
                    plan.read_from.site,
                    plan.read_from.client_site,
                    plan.read_from.is_in_site,
                    run,
                ],
            )?;
            Ok(())
        })
    }

    /// Returns the site of this computer, as the controller of the last run named it that knew one;
    /// empty where the directory has none for it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn client_site(&self, connection: ConnectionId) -> Result<Option<String>, StoreError> {
        self.read(|sql| {
            sql.first(
                "SELECT client_site FROM run WHERE connection = $1 AND client_site IS NOT NULL
                 ORDER BY id DESC LIMIT 1",
                values![connection],
                |row| row.get(0),
            )
        })
    }

    /// Takes the connection from processing to processed, or to scheduled with `last_error`,
    /// together with the run's row. Settle every batch before.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written.
    pub fn end_run(&self, run: RunId, end: &RunEnd, now: i64) -> Result<(), StoreError> {
        self.write(Commit::EndRun, |sql| {
            let connection = open_run(sql, run)?;
            let processed = end.outcome == Outcome::Processed;
            let to = if processed {
                State::Processed
            } else {
                State::Scheduled
            };
            step(sql, connection, to, now)?;
            close(sql, connection, run, end, now)
        })
    }

    /// Recovers at the start of the service: a connection found in processing was interrupted, and
    /// becomes scheduled. Needs the connection's [`super::RunLock`]. Returns the run that was
    /// interrupted, if any.
    ///
    /// # Errors
    /// When the connection is unknown or the file cannot be written.
    pub fn recover(&self, connection: ConnectionId, now: i64) -> Result<Option<RunId>, StoreError> {
        self.write(Commit::Recover, |sql| close_interrupted(sql, connection, now))
    }

    /// Returns the last `limit` runs, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn runs(&self, connection: ConnectionId, limit: usize) -> Result<Vec<RunRow>, StoreError> {
        self.runs_before(connection, None, limit)
    }

    /// Returns the last `limit` runs before the one with the number `before`, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn runs_before(
        &self,
        connection: ConnectionId,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<RunRow>, StoreError> {
        let before = before.unwrap_or(i64::MAX);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|sql| {
            let mut runs = sql.rows(
                "SELECT * FROM run WHERE connection = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
                values![connection, before, limit],
                run_of,
            )?;
            for run in &mut runs {
                run.counts = history::counts(sql, run.id)?;
            }
            Ok(runs)
        })
    }

    /// Returns the end of the last run that failed in nothing, and so delivered everything but what
    /// was rejected or held back; `None` where no run did that is kept.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn last_finished(&self, connection: ConnectionId) -> Result<Option<i64>, StoreError> {
        self.read(|sql| {
            sql.first(
                "SELECT ended FROM run WHERE connection = $1 AND outcome IN ('processed', 'partial') ORDER BY id DESC LIMIT 1",
                values![connection],
                |row| row.get(0),
            )
        })
    }

    /// Returns one run, as far as it has come.
    ///
    /// # Errors
    /// When there is no such run (any more), or the file cannot be read.
    pub fn run(&self, run: RunId) -> Result<RunRow, StoreError> {
        self.read(|sql| {
            let mut found = sql
                .first("SELECT * FROM run WHERE id = $1", values![run], run_of)?
                .ok_or_else(|| unknown(run))?;
            found.counts = history::counts(sql, run)?;
            Ok(found)
        })
    }
}

/// Closes what a dead process left open; returns the last such run.
fn close_interrupted(sql: &dyn Sql, connection: ConnectionId, now: i64) -> Result<Option<RunId>, StoreFault> {
    sql.prove_lease(connection)?;
    if state(sql, connection)? == State::Processing {
        step(sql, connection, State::Scheduled, now)?;
    }
    let open: Vec<RunId> = sql.rows(
        "SELECT id FROM run WHERE connection = $1 AND ended IS NULL ORDER BY id",
        values![connection],
        |row| row.get(0),
    )?;
    let end = RunEnd {
        outcome: Outcome::Interrupted,
        error: Some(INTERRUPTED.to_owned()),
        remedy: Some(INTERRUPTED_REMEDY.to_owned()),
        ..RunEnd::default()
    };
    for run in &open {
        close(sql, connection, *run, &end, now)?;
    }
    Ok(open.last().copied())
}

/// Writes the end of a run into its row and its connection.
fn close(
    sql: &dyn Sql,
    connection: ConnectionId,
    run: RunId,
    end: &RunEnd,
    now: i64,
) -> Result<(), StoreFault> {
    let phase = |of: fn(&RunPhases) -> Duration| end.phases.as_ref().map(|phases| milliseconds(of(phases)));
    sql.execute(
        "UPDATE run SET ended = $1, outcome = $2, error = $3, remedy = $4, retries = $5,
             pages = $6, referrals = $7, connecting_ms = $8, reading_ms = $9, examining_ms = $10,
             delivering_ms = $11
         WHERE id = $12",
        values![
            now,
            end.outcome,
            end.error,
            end.remedy,
            stored(end.retries),
            stored(end.pages),
            stored(end.referrals),
            phase(|phases| phases.connecting),
            phase(|phases| phases.reading),
            phase(|phases| phases.examining),
            phase(|phases| phases.delivering),
            run,
        ],
    )?;
    let successful = (end.outcome == Outcome::Processed).then_some(now);
    sql.execute(
        "UPDATE connection SET last_synced = $1, last_error = $2, last_error_remedy = $3,
             last_successful_sync = coalesce($4, last_successful_sync)
         WHERE id = $5",
        values![now, end.error, end.remedy, successful, connection],
    )?;
    rest_if_disabled(sql, connection, now)?;
    retention::after_run(sql, connection, now)
}

/// Returns a duration as it is stored, rounded to the nearest millisecond.
fn milliseconds(long: Duration) -> i64 {
    i64::try_from((long + Duration::from_micros(500)).as_millis()).unwrap_or(i64::MAX)
}
