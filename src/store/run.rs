//! Runs: their beginning, their end, their history.

use std::sync::PoisonError;
use std::time::Duration;

use rusqlite::{OptionalExtension, Row, Transaction, named_params, params};

use super::connection::{state, step};
use super::error::Fault;
use super::value::{count, count_or_null, stored};
use super::{
    ConnectionId, Flights, KindCounts, Outcome, RunId, RunMode, State, Store, StoreError, history, newcomers,
};
use crate::failpoint::Commit;
use crate::identity::Guid;

/// Runs kept for each connection: a week and a half of runs every quarter of an hour.
pub(super) const KEPT_RUNS: i64 = 1000;

/// What `last_error` and the run's `error` say of a run whose process died.
const INTERRUPTED: &str =
    "the process ended in the middle of the run; what was staged is sent by the next run";

/// What to do about that.
const INTERRUPTED_REMEDY: &str =
    "nothing; should it come again, look for what ends the process: the log, memory, the machine";

/// What the time of a run went to. Delivery goes on beside the reading; the four follow each other, and are the whole run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Phases {
    /// Until it was known what to read: connecting, binding, planning.
    pub connecting: Duration,
    /// Until everything was read.
    pub reading: Duration,
    /// Looking up what was missed.
    pub examining: Duration,
    /// Delivering what the reading had left on the stage.
    pub delivering: Duration,
}

impl Phases {
    /// Each phase with its name, in their order.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, Duration); 4] {
        [
            ("connecting", self.connecting),
            ("reading", self.reading),
            ("examining", self.examining),
            ("delivering", self.delivering),
        ]
    }

    /// The whole run.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.connecting + self.reading + self.examining + self.delivering
    }
}

/// What is known of a run once it has looked at the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPlan {
    /// How much it reads.
    pub mode: RunMode,
    /// Why it reads that much: one sentence.
    pub reason: String,
    /// The domain controller's invocationId.
    pub controller: Option<Guid>,
    /// The watermark that the run reads from (a USN).
    pub watermark_before: Option<u64>,
}

/// How a run ended. What it did was counted by each step of it ([`Store::run`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// [`Outcome::Processed`] makes the connection processed, every other outcome makes it scheduled with `error`.
    pub outcome: Outcome,
    /// Why it is not processed: one sentence.
    pub error: Option<String>,
    /// What to do about that.
    pub remedy: Option<String>,
    /// Requests upstream that were repeated ones.
    pub retries: u64,
    /// What its time went to; `None` when nobody was there to measure it.
    pub phases: Option<Phases>,
    /// LDAP pages read.
    pub pages: u64,
    /// Referrals and continuation references met (R10).
    pub referrals: u64,
}

impl Default for RunEnd {
    fn default() -> Self {
        Self {
            outcome: Outcome::Processed,
            error: None,
            remedy: None,
            retries: 0,
            phases: None,
            pages: 0,
            referrals: 0,
        }
    }
}

/// One run, as `runs` and the API show it. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// What was asked for.
    pub wanted: RunMode,
    /// What was done.
    pub mode: RunMode,
    /// Why.
    pub reason: String,
    /// Who asked for it: `schedule`, `sync`, `API`.
    pub asked_by: String,
    /// When it began.
    pub started: i64,
    /// When it ended; `None` while it runs, or after its process died.
    pub ended: Option<i64>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Why it did not end as processed.
    pub error: Option<String>,
    /// What to do about that.
    pub remedy: Option<String>,
    /// What its time went to, once it has ended.
    pub phases: Option<Phases>,
    /// What became of the objects.
    pub counts: KindCounts,
    /// Requests upstream.
    pub requests: u64,
    /// Of those, repeated ones.
    pub retries: u64,
    /// LDAP pages read.
    pub pages: u64,
    /// Referrals and continuation references met.
    pub referrals: u64,
    /// The domain controller's invocationId.
    pub controller: Option<Guid>,
    /// The watermark that the run read from.
    pub watermark_before: Option<u64>,
    /// The watermark that the run committed.
    pub watermark_after: Option<u64>,
    /// The name of the list of removals that the run held back (R23).
    pub held_list: Option<String>,
}

impl Store {
    /// Scheduled → processing. The caller holds the connection's [`super::RunLock`]: a run found open is therefore dead,
    /// and is closed as interrupted before. `reason` says who or what asked for the run.
    ///
    /// # Errors
    /// [`StoreError::Transition`] when the connection is registered or processed: [`Self::schedule`] it first.
    pub fn begin_run(
        &self,
        connection: ConnectionId,
        wanted: RunMode,
        reason: &str,
        now: i64,
    ) -> Result<RunId, StoreError> {
        self.write_in_flight(Commit::BeginRun, |transaction, _| {
            close_interrupted(transaction, connection, now)?;
            step(transaction, connection, State::Processing, now)?;
            // A first read may have died before it came to that.
            newcomers::index(transaction)?;
            let run = transaction.query_row(
                "INSERT INTO run (connection, wanted, mode, reason, asked_by, started) VALUES (?1, ?2, ?2, ?3, ?3, ?4)
                     RETURNING id",
                params![connection, wanted, reason, now],
                |row| row.get(0),
            )?;
            transaction.execute(
                "DELETE FROM run WHERE connection = ?1 AND id <=
                     (SELECT id FROM run WHERE connection = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                params![connection, KEPT_RUNS],
            )?;
            Ok((run, landed(connection)))
        })
    }

    /// Notes what the run does and why, once that is known.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written.
    pub fn plan_run(&self, run: RunId, plan: &RunPlan) -> Result<(), StoreError> {
        let begun = self.write(Commit::PlanRun, |transaction| {
            open_run(transaction, run)?;
            transaction.execute(
                "UPDATE run SET mode = ?, reason = ?, controller = ?, watermark_before = ? WHERE id = ?",
                params![
                    plan.mode,
                    plan.reason,
                    plan.controller,
                    plan.watermark_before.map(stored),
                    run
                ],
            )?;
            match plan.mode {
                RunMode::Baseline => newcomers::begin(transaction),
                RunMode::Delta => Ok(None),
            }
        })?;
        *self.newcomers.lock().unwrap_or_else(PoisonError::into_inner) = begun;
        Ok(())
    }

    /// Processing → processed, or → scheduled with `last_error`, together with the run's row. Settle every batch before.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written.
    pub fn end_run(&self, run: RunId, end: &RunEnd, now: i64) -> Result<(), StoreError> {
        self.write_in_flight(Commit::EndRun, |transaction, _| {
            let connection = open_run(transaction, run)?;
            let processed = end.outcome == Outcome::Processed;
            let to = if processed {
                State::Processed
            } else {
                State::Scheduled
            };
            step(transaction, connection, to, now)?;
            close(transaction, connection, run, end, now)?;
            Ok(((), landed(connection)))
        })
    }

    /// At the start of the service: a connection found in processing was interrupted, and becomes scheduled. Needs the
    /// connection's [`super::RunLock`]. Gives the run that was interrupted, if any.
    ///
    /// # Errors
    /// When the connection is unknown or the file cannot be written.
    pub fn recover(&self, connection: ConnectionId, now: i64) -> Result<Option<RunId>, StoreError> {
        self.write(Commit::Recover, |transaction| {
            close_interrupted(transaction, connection, now)
        })
    }

    /// The last `limit` runs, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn runs(&self, connection: ConnectionId, limit: usize) -> Result<Vec<Run>, StoreError> {
        self.runs_before(connection, None, limit)
    }

    /// The last `limit` runs before the one with the number `before`, newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn runs_before(
        &self,
        connection: ConnectionId,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Run>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT * FROM run WHERE connection = ? AND id < coalesce(?, 9223372036854775807)
                 ORDER BY id DESC LIMIT ?",
            )?;
            let mut runs: Vec<Run> = statement
                .query_map(params![connection, before, limit], run_of)?
                .collect::<Result<_, _>>()?;
            for run in &mut runs {
                run.counts = history::counts(sql, run.id)?;
            }
            Ok(runs)
        })
    }

    /// One run, as far as it has come.
    ///
    /// # Errors
    /// When there is no such run (any more), or the file cannot be read.
    pub fn run(&self, run: RunId) -> Result<Run, StoreError> {
        self.read(|sql| {
            let mut found = sql
                .prepare_cached("SELECT * FROM run WHERE id = ?")?
                .query_row([run], run_of)
                .optional()?
                .ok_or_else(|| Fault::Unknown(format!("run {run}")))?;
            found.counts = history::counts(sql, run)?;
            Ok(found)
        })
    }
}

/// The connection of `run`, which must be open.
pub(super) fn open_run(transaction: &Transaction<'_>, run: RunId) -> Result<ConnectionId, Fault> {
    transaction
        .prepare_cached("SELECT connection FROM run WHERE id = ? AND ended IS NULL")?
        .query_row([run], |row| row.get(0))
        .optional()?
        .ok_or_else(|| Fault::Unknown(format!("run {run}")))
}

/// Nothing of the connection is in flight any more.
fn landed(connection: ConnectionId) -> impl FnOnce(&mut Flights) {
    move |in_flight| in_flight.retain(|(other, _), _| *other != connection)
}

/// Closes what a dead process left open; gives the last such run.
fn close_interrupted(
    transaction: &Transaction<'_>,
    connection: ConnectionId,
    now: i64,
) -> Result<Option<RunId>, Fault> {
    if state(transaction, connection)? == State::Processing {
        step(transaction, connection, State::Scheduled, now)?;
    }
    let mut statement =
        transaction.prepare("SELECT id FROM run WHERE connection = ? AND ended IS NULL ORDER BY id")?;
    let open: Vec<RunId> = statement
        .query_map([connection], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let end = RunEnd {
        outcome: Outcome::Interrupted,
        error: Some(INTERRUPTED.to_owned()),
        remedy: Some(INTERRUPTED_REMEDY.to_owned()),
        ..RunEnd::default()
    };
    for run in &open {
        close(transaction, connection, *run, &end, now)?;
    }
    Ok(open.last().copied())
}

/// Writes the end of a run into its row and its connection.
fn close(
    transaction: &Transaction<'_>,
    connection: ConnectionId,
    run: RunId,
    end: &RunEnd,
    now: i64,
) -> Result<(), Fault> {
    let phase = |of: fn(&Phases) -> Duration| end.phases.as_ref().map(|phases| milliseconds(of(phases)));
    transaction.execute(
        "UPDATE run SET ended = :now, outcome = :outcome, error = :error, remedy = :remedy, retries = :retries,
             pages = :pages, referrals = :referrals, connecting_ms = :connecting, reading_ms = :reading,
             examining_ms = :examining, delivering_ms = :delivering WHERE id = :run",
        named_params! {
            ":now": now, ":outcome": end.outcome, ":error": end.error, ":remedy": end.remedy,
            ":retries": stored(end.retries), ":pages": stored(end.pages), ":referrals": stored(end.referrals),
            ":connecting": phase(|phases| phases.connecting), ":reading": phase(|phases| phases.reading),
            ":examining": phase(|phases| phases.examining), ":delivering": phase(|phases| phases.delivering),
            ":run": run,
        },
    )?;
    transaction.execute(
        "UPDATE connection SET last_synced = :now, last_error = :error, last_error_remedy = :remedy,
             last_successful_sync = iif(:processed, :now, last_successful_sync) WHERE id = :connection",
        named_params! {
            ":now": now, ":error": end.error, ":remedy": end.remedy, ":processed": end.outcome == Outcome::Processed,
            ":connection": connection,
        },
    )?;
    history::forget_old(transaction)
}

/// A duration as it is stored, rounded to the nearest millisecond.
fn milliseconds(long: Duration) -> i64 {
    i64::try_from((long + Duration::from_micros(500)).as_millis()).unwrap_or(i64::MAX)
}

/// The four phases of a run; `None` when they were not measured.
fn phases_of(row: &Row<'_>) -> rusqlite::Result<Option<Phases>> {
    let phase =
        |column| -> rusqlite::Result<_> { Ok(count_or_null(row, column)?.map(Duration::from_millis)) };
    let phases = (
        phase("connecting_ms")?,
        phase("reading_ms")?,
        phase("examining_ms")?,
        phase("delivering_ms")?,
    );
    Ok(match phases {
        (Some(connecting), Some(reading), Some(examining), Some(delivering)) => Some(Phases {
            connecting,
            reading,
            examining,
            delivering,
        }),
        _ => None,
    })
}

fn run_of(row: &Row<'_>) -> rusqlite::Result<Run> {
    Ok(Run {
        asked_by: row.get("asked_by")?,
        remedy: row.get("remedy")?,
        phases: phases_of(row)?,
        retries: count(row, "retries")?,
        id: row.get("id")?,
        wanted: row.get("wanted")?,
        mode: row.get("mode")?,
        reason: row.get("reason")?,
        started: row.get("started")?,
        ended: row.get("ended")?,
        outcome: row.get("outcome")?,
        error: row.get("error")?,
        counts: KindCounts::default(),
        requests: count(row, "requests")?,
        pages: count(row, "pages")?,
        referrals: count(row, "referrals")?,
        controller: row.get("controller")?,
        watermark_before: count_or_null(row, "watermark_before")?,
        watermark_after: count_or_null(row, "watermark_after")?,
        held_list: row.get("held_list")?,
    })
}
