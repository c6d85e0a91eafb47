//! The four states of a connection around a run: Registered → Scheduled → Processing → Processed →
//! Scheduled …
//!
//! Invariant kept here: one run of a connection at a time, also across processes (R21). The store
//! refuses any transition that the contract does not know; the lock ensures that no other process
//! attempts one.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::{ConnectionTimetable, NextRuns};
use crate::store::{ConnectionRow, RunLock, State};
use crate::sync::{self, Connector, RunError, RunReport, RunRequest};

/// Function that executes a run that may begin.
pub(super) type RunFunction =
    dyn Fn(Arc<Connector>, RunRequest, CancellationToken) -> RunFuture + Send + Sync;

/// Run in progress.
pub(super) type RunFuture = BoxFuture<'static, Result<RunReport, RunError>>;

/// Connection with its timetable.
#[derive(Clone)]
pub struct ScheduledConnection {
    /// Connection to run.
    pub connector: Arc<Connector>,
    /// Times of its runs.
    pub timetable: ConnectionTimetable,
    /// [`sync::run`]; a test of the schedule lets runs only take time.
    pub(super) execute: Arc<RunFunction>,
}

impl ScheduledConnection {
    /// Returns a connection that runs at the times of `timetable`.
    #[must_use]
    pub fn new(connector: Arc<Connector>, timetable: ConnectionTimetable) -> Self {
        Self {
            connector,
            timetable,
            execute: Arc::new(|connector, request, stop| {
                Box::pin(async move { sync::run(connector, request, &stop).await })
            }),
        }
    }

    /// Stores the time at which the connection is due next: it is Scheduled from now on, unless a
    /// run holds it. Without such a time its state stays: it is Registered before its first run,
    /// and Processed, or Scheduled with `last_error`, after one.
    ///
    /// # Errors
    /// The state file fails.
    pub async fn schedule(&self, next: NextRuns) -> Result<(), RunError> {
        self.set_next(next).await?;
        if next.first().is_none() {
            return Ok(());
        }
        self.enter_scheduled().await
    }

    /// Makes the connection Scheduled, unless a run holds it.
    async fn enter_scheduled(&self) -> Result<(), RunError> {
        let (id, now) = (self.connector.id, self.connector.clock.timestamp());
        self.connector
            .on_store(
                move |store| match store.connection_row(id)?.map(|row| row.state) {
                    Some(State::Registered | State::Processed) => store.schedule(id, now),
                    _ => Ok(()),
                },
            )
            .await
    }

    /// Stores the time at which the connection is due next, whatever its state.
    ///
    /// # Errors
    /// The state file fails.
    pub async fn set_next(&self, next: NextRuns) -> Result<(), RunError> {
        let id = self.connector.id;
        self.connector
            .on_store(move |store| store.set_next(id, seconds(next.sync), seconds(next.baseline)))
            .await
    }

    /// Runs once, from taking the lock to the state after the run.
    ///
    /// # Errors
    /// The run could not begin: another one holds the connection, or the state file fails. A run
    /// that began and failed is a [`RunReport`] with a failure.
    pub async fn run(&self, request: RunRequest, stop: &CancellationToken) -> Result<RunReport, RunError> {
        let _lock = self.lock(&request).await?;
        // The state is Processing although this process holds the lock: that run was killed.
        let (id, now) = (self.connector.id, self.connector.clock.now());
        self.connector
            .on_store(move |store| store.recover(id, now.timestamp()))
            .await?;
        let before = self.next().await?;
        let stored = self.row().await?.and_then(|row| time(row.next_sync));
        // The last time of the schedule stays stored until its run is over: a kill before the run
        // is on record would lose it (R25).
        let kept = NextRuns {
            sync: before.sync.or_else(|| self.timetable.missed_sync(stored, now)),
            ..before
        };
        self.set_next(kept).await?;
        // A run that begins is a next run that is known, also without a schedule.
        self.enter_scheduled().await?;
        let report = (self.execute)(Arc::clone(&self.connector), request, stop.clone()).await?;
        let after = self.next().await?;
        if (after.sync.is_none() && kept.sync.is_some()) || after.baseline != kept.baseline {
            self.set_next(after).await?;
        }
        Ok(report)
    }

    /// Returns the times at which the connection is due next. A baseline that was missed while no
    /// service ran, or broke off, stays due for the start of the service (R25, R33).
    async fn next(&self) -> Result<NextRuns, RunError> {
        let now = self.connector.clock.now();
        let row = self.row().await?;
        let baseline = row.and_then(|row| time(row.baseline_due(now.timestamp())));
        let stored = NextRuns {
            baseline,
            ..NextRuns::default()
        };
        Ok(self.timetable.resumed(stored, now))
    }

    /// Returns the time at which the last complete full read ended.
    pub(super) async fn complete(&self) -> Result<Option<DateTime<Utc>>, RunError> {
        Ok(self.row().await?.and_then(|row| time(row.last_baseline)))
    }

    async fn row(&self) -> Result<Option<ConnectionRow>, RunError> {
        let id = self.connector.id;
        self.connector
            .on_store(move |store| store.connection_row(id))
            .await
    }

    /// Takes the lock of the connection; a dry run stores nothing and needs none.
    async fn lock(&self, request: &RunRequest) -> Result<Option<RunLock>, RunError> {
        if request.dry_run {
            return Ok(None);
        }
        Ok(Some(self.connector.lock(&request.asked_by).await?))
    }
}

fn seconds(at: Option<DateTime<Utc>>) -> Option<i64> {
    at.map(|at| at.timestamp())
}

fn time(seconds: Option<i64>) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds?, 0)
}
