//! The service: every connection runs when it is due, one run at a time, until the service is
//! stopped.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use tokio::sync::watch;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tokio_util::sync::CancellationToken;

use super::connection_handle::RunCommand;
use super::{ConnectionWorker, NextRuns, ScheduledConnection, tenure};
use crate::clock;
use crate::store::{RunMode, State, StoreError};
use crate::sync::{RunError, warn_of_restore};

/// Heartbeat, every second, UTC. [`super::ConnectionTimetable`] decides which runs are due: the
/// scheduler's own zones are an hour off after a daylight-saving change, and its jobs may overlap.
const HEARTBEAT: &str = "* * * * * *";

/// Seconds between two looks for runs that were asked for at another instance.
const REQUESTS_EVERY: i64 = 2;

/// Time without a tick of the scheduler after which a beat is sent in its place. The scheduler
/// keeps its next tick as a time of day, so a clock that is set back an hour would stop it for an
/// hour (R29); this time is measured by the clock that only goes forward.
const SILENCE: Duration = Duration::from_secs(5);

/// Error that ends the service.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The heartbeat does not start.
    #[error("the scheduler cannot start: {0}")]
    Scheduler(#[from] JobSchedulerError),
    /// A connection cannot be scheduled.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A task panicked: a defect.
    #[error("internal error: the schedule of a connection panicked: {0}")]
    Panicked(#[from] tokio::task::JoinError),
}

/// Times of the heartbeat; `/live` reads them too.
pub type Heartbeats = watch::Receiver<DateTime<Utc>>;

/// Starts the heartbeat.
///
/// # Errors
/// The scheduler cannot start.
pub async fn heartbeat() -> Result<(JobScheduler, Heartbeats), ServiceError> {
    let (beat, beats) = watch::channel(clock::now());
    let beat = Arc::new(beat);
    tokio::spawn(fill_silence(Arc::clone(&beat)));
    let mut scheduler = JobScheduler::new().await?;
    scheduler
        .add(Job::new_async(HEARTBEAT, move |_, _| {
            let beat = Arc::clone(&beat);
            Box::pin(async move {
                beat.send_replace(clock::now());
            })
        })?)
        .await?;
    scheduler.start().await?;
    scheduler.set_shutdown_handler(Box::new(|| Box::pin(async {})));
    Ok((scheduler, beats))
}

/// Sends a beat when the scheduler sent none for [`SILENCE`]; never ends.
async fn fill_silence(beat: Arc<watch::Sender<DateTime<Utc>>>) {
    let mut beats = beat.subscribe();
    loop {
        if tokio::time::timeout(SILENCE, beats.changed()).await.is_err() {
            beat.send_replace(clock::now());
        }
    }
}

/// Keeps the schedule of one connection until `stop`, whenever this process holds it; a run in
/// progress is then ended according to R26.
///
/// # Errors
/// The state file fails at the start. Failed runs are no error of the service: they are logged,
/// shown, and tried again at the next tick.
pub async fn keep(
    mut counter: ConnectionWorker,
    beats: Heartbeats,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let connector = Arc::clone(&counter.connection.connector);
    let is_shared = connector.store.lease_changes().is_some();
    while let Some(tenure) = tenure::begin(&connector, &stop).await {
        let kept = keep_while(&mut counter, beats.clone(), &tenure).await;
        tenure.cancel();
        match kept {
            // The database may be back in a moment.
            Err(error) if is_shared => {
                tracing::error!(connection = connector.name(), error = %error, advice = error.advice(), "The connection cannot be scheduled.");
                tokio::time::sleep(tenure::PAUSE).await;
            }
            kept if !is_shared => return kept,
            _ => {}
        }
        if stop.is_cancelled() {
            break;
        }
    }
    Ok(())
}

/// Keeps the schedule of one connection until `stop`.
async fn keep_while(
    counter: &mut ConnectionWorker,
    mut beats: Heartbeats,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let connection = counter.connection.clone();
    let mut looked = connection.connector.clock.now();
    let (mut next, wanted) = at_start(&connection, looked).await?;
    let mut wanted = wanted.map(|(mode, asked_by)| RunCommand::due(mode, &asked_by));
    connection.schedule(next).await?;
    if next.first().is_some() {
        tracing::info!(
            connection = connection.connector.name(),
            state = %State::Scheduled,
            next_sync = next.sync.map(|at| at.to_rfc3339()),
            next_baseline = next.baseline.map(|at| at.to_rfc3339()),
            "The connection is scheduled."
        );
    } else {
        tracing::info!(
            connection = connection.connector.name(),
            "The connection has no next run; it runs when somebody asks for it."
        );
    }
    loop {
        if let Some(order) = wanted.take() {
            next = run_due(counter, next, order, stop).await;
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            Some(order) = counter.orders.recv() => {
                wanted = Some(order);
                continue;
            }
            beat = beats.changed() => if beat.is_err() { return Ok(()) },
        }
        let now = connection.connector.clock.now();
        next = follow_clock(&connection, next, now).await;
        // Before the schedule, whose runs may leave no pause.
        if (now - looked).num_seconds().abs() >= REQUESTS_EVERY {
            looked = now;
            wanted = requested(&connection).await;
        }
        if wanted.is_none() {
            wanted = due(&connection, &mut next, now).await;
        }
    }
}

/// Returns the run that was asked for at another instance.
async fn requested(connection: &ScheduledConnection) -> Option<RunCommand> {
    // Where the state fails, so does the next run, which reports it.
    let request = tenure::requested(&connection.connector).await.ok()??;
    let mut order = RunCommand::due(request.mode, &request.asked_by);
    order.request.approve = request.approve;
    Some(order)
}

/// Returns the next runs at `now`, and stores them when the clock was set back so far that the
/// schedule is earlier now (R29): the stored times are shown.
async fn follow_clock(connection: &ScheduledConnection, next: NextRuns, now: DateTime<Utc>) -> NextRuns {
    let corrected = connection.timetable.corrected(next, now);
    if corrected == next {
        return next;
    }
    let name = connection.connector.name();
    let stored = connection.set_next(corrected).await;
    tracing::warn!(
        connection = name,
        next_sync = corrected.sync.map(|at| at.to_rfc3339()),
        next_baseline = corrected.baseline.map(|at| at.to_rfc3339()),
        "The clock was set back; the next runs are computed anew."
    );
    if let Err(error) = stored {
        tracing::error!(connection = name, error = %error, advice = error.advice(), "The next run could not be stored.");
    }
    corrected
}

/// Returns the run that is due at `now`. A full read that another process completed meanwhile was
/// the baseline (R33).
async fn due(
    connection: &ScheduledConnection,
    next: &mut NextRuns,
    now: DateTime<Utc>,
) -> Option<RunCommand> {
    if next.due(now)? == RunMode::Baseline {
        // When the state file fails, so does the run, which reports it.
        let complete = connection.complete().await.ok().flatten();
        *next = connection.timetable.completed(*next, complete, now);
    }
    let mode = next.due(now)?;
    let asked_by = match next.retry {
        Some(_) if mode == RunMode::Baseline => due_since(*next),
        _ => format!("{} schedule", mode.name()),
    };
    Some(RunCommand::due(mode, &asked_by))
}

/// Returns the reason of a baseline whose tick was missed, or that broke off.
fn due_since(next: NextRuns) -> String {
    let since = next.baseline.unwrap_or_default();
    let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
    format!("baseline schedule, due since {since}")
}

/// Returns the next runs of a connection after a start, with the run that is due at once.
async fn at_start(
    connection: &ScheduledConnection,
    now: DateTime<Utc>,
) -> Result<(NextRuns, Option<(RunMode, String)>), RunError> {
    let id = connection.connector.id;
    let (row, last) = connection
        .connector
        .on_store(move |store| Ok((store.connection_row(id)?, store.runs(id, 1)?.pop())))
        .await?;
    warn_of_restore(
        Some(connection.connector.name()),
        row.as_ref().and_then(|row| row.restored_at),
    );
    let stored = row.as_ref().map_or_else(NextRuns::default, |row| NextRuns {
        sync: row.next_sync.and_then(|at| DateTime::from_timestamp(at, 0)),
        baseline: row
            .baseline_due(now.timestamp())
            .and_then(|at| DateTime::from_timestamp(at, 0)),
        retry: None,
    });
    let next = connection.timetable.resumed(stored, now);
    let due = next.due(now);
    let wanted = if let Some(run) = last.filter(|run| run.ended.is_none()) {
        let mode = due.filter(|due| *due == RunMode::Baseline).unwrap_or(run.wanted);
        Some((mode, "a run that was interrupted is resumed".to_owned()))
    } else if due == Some(RunMode::Baseline) {
        Some((RunMode::Baseline, due_since(next)))
    } else if due == Some(RunMode::Delta) {
        Some((
            RunMode::Delta,
            "delta schedule, missed while the service was down".to_owned(),
        ))
    } else if connection.connector.settings.schedule.on_start && connection.timetable.may_run_at_start(now) {
        Some((RunMode::Delta, "start of the service".to_owned()))
    } else {
        None
    };
    Ok((next, wanted))
}

/// Runs once, on schedule or on request, and returns the next runs after it. A failure of the state
/// file during that is logged, and does not end the service: the next tick tries again, as after
/// any other failure.
async fn run_due(
    counter: &ConnectionWorker,
    next: NextRuns,
    order: RunCommand,
    stop: &CancellationToken,
) -> NextRuns {
    let connection = &counter.connection;
    let name = connection.connector.name();
    let clock = &connection.connector.clock;
    let started = clock.now();
    let mode = order.request.mode;
    let progress = Arc::clone(&order.request.progress);
    counter.begins(&progress);
    let run = connection.run(order.request, stop).await;
    counter.ended(&progress, run.as_ref().ok());
    match &run {
        Ok(_) => {}
        Err(RunError::Lock(held)) => {
            tracing::warn!(connection = name, reason = %held, "The run was skipped.");
        }
        Err(RunError::Store(changed @ StoreError::ConnectionChanged)) => {
            tracing::info!(connection = name, reason = %changed, "The run was skipped.");
        }
        Err(error) => {
            tracing::error!(connection = name, error = %error, advice = error.advice(), "The run could not begin.");
        }
    }
    let ended = clock.now();
    let complete = connection.complete().await.ok().flatten();
    let after = connection.timetable.following(next, mode, complete, ended);
    if mode == RunMode::Baseline
        && let Some(retry) = after.retry.filter(|_| !stop.is_cancelled())
    {
        tracing::warn!(
            connection = name,
            due_since = after.baseline.map(|at| at.to_rfc3339()),
            next_baseline = retry.to_rfc3339(),
            "The baseline is not complete, and stays due."
        );
    }
    let skipped = connection.timetable.skipped(started, ended);
    if skipped > 0 {
        tracing::warn!(
            connection = name,
            skipped,
            seconds = (ended - started).num_seconds(),
            "The run took longer than the interval of its schedule; ticks that fell into it are skipped."
        );
    }
    if let (Err(error), Some(refused)) = (run, order.refused) {
        // The receiver may be gone.
        let _ = refused.send(error);
    }
    if let Err(error) = store_result(connection, skipped, after).await {
        tracing::error!(connection = name, error = %error, advice = error.advice(), "The next run could not be stored.");
    }
    after
}

/// Stores the result of [`run_due`].
async fn store_result(
    connection: &ScheduledConnection,
    skipped: u64,
    next: NextRuns,
) -> Result<(), RunError> {
    let id = connection.connector.id;
    if skipped > 0 {
        connection
            .connector
            .on_store(move |store| store.skip_ticks(id, skipped))
            .await?;
    }
    connection.set_next(next).await
}

/// Longest time for a stop in all; R26 allows 25 s.
pub const STOP_WITHIN: Duration = Duration::from_secs(24);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn r29_a_scheduler_that_falls_silent_does_not_stop_the_schedule() {
        let (beat, mut beats) = watch::channel(Utc::now());
        let filling = tokio::spawn(fill_silence(Arc::new(beat)));
        for _ in 0..3 {
            let beaten = tokio::time::timeout(2 * SILENCE, beats.changed()).await;
            assert!(matches!(beaten, Ok(Ok(()))), "a beat is made up");
        }
        filling.abort();
    }
}
