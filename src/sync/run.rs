//! A run as a whole.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::store::{Outcome, RemovalConclusion, RunEnd, RunId, RunMode};

use super::report::RunReport;
use super::{
    BegunRun, Connector, Plan, RunError, RunPhase, RunRequest, delivery, dry_run, read, removal_log, stager,
    warn_of_restore,
};

/// Remedy for rejected objects.
const REFUSED_ADVICE: &str = "see `ad-connector status` and `ad-connector runs --run` for each with its reason; they are tried again by every run";

/// Pages read ahead of the stager. The directory may be this far ahead of the local disk, never of
/// the gateway (R6).
const PAGES_AHEAD: usize = 1;

/// Runs once: reads the objects for `request`, maps and stages them, delivers the staged assets,
/// and closes with the state that follows from the outcome. The caller holds the connection's lock,
/// and the connection is Scheduled.
///
/// # Errors
/// The run could not be begun or closed in the state file. A run that began and failed is a
/// [`RunReport`] with a failure.
#[tracing::instrument(level = "error", name = "run", skip_all, fields(connection = connector.name(), run))]
pub async fn run(
    connector: Arc<Connector>,
    request: RunRequest,
    stop: &CancellationToken,
) -> Result<RunReport, RunError> {
    if let Some(output) = request.output.clone() {
        // A pipe is opened only when a process reads from it.
        let begun = tokio::task::spawn_blocking(move || output.begin());
        begun.await.map_err(|panic| RunError::Panicked {
            task: "output",
            cause: panic.to_string(),
        })??;
    }
    let (started, clock) = (connector.clock.timestamp(), clock::instant());
    let (id, mode, asked_by) = (connector.id, request.mode, request.asked_by.clone());
    let basis = connector.basis();
    let (run, row) = connector
        .on_store(move |store| {
            Ok((
                store.begin_run(id, mode, &asked_by, &basis, started)?,
                store.connection_row(id)?,
            ))
        })
        .await?;
    tracing::Span::current().record("run", run.number());
    request.progress.begin(BegunRun {
        run,
        wanted: mode,
        asked_by: request.asked_by.clone(),
        at: started,
    });
    tracing::info!(
        mode = mode.name(),
        asked_by = request.asked_by,
        "The run started."
    );
    if !request.dry_run {
        warn_of_restore(None, row.and_then(|row| row.restored_at));
    }

    let request = Arc::new(request);
    let (pieces, to_stage) = mpsc::channel(PAGES_AHEAD);
    let (staged, to_deliver) = watch::channel(0);
    let planned = Mutex::new(None);
    let reading = async {
        let read = tokio::select! {
            biased;
            () = stop.cancelled() => Err(RunError::Stopped),
            read = read::read(&connector, &request, run, started, pieces, &planned) => read,
        };
        request.progress.enter(RunPhase::Delivering);
        read
    };
    let staging = stage_on_thread(&connector, &request, run, started, to_stage, staged);
    let delivering = deliver_unless_dry(&connector, &request, run, to_deliver, stop);
    let (read, staged, delivered) = tokio::join!(reading, staging, delivering);

    let ends = RunParts {
        plan: planned.into_inner().unwrap_or_else(PoisonError::into_inner),
        read,
        staged,
        delivered,
    };
    conclude(&connector, &request, run, clock, ends).await
}

/// Runs the stager on a thread that may block; it ends when the reader drops its end.
async fn stage_on_thread(
    connector: &Arc<Connector>,
    request: &Arc<RunRequest>,
    run: RunId,
    now: i64,
    pieces: mpsc::Receiver<read::ReadPiece>,
    staged: watch::Sender<u64>,
) -> Result<RemovalConclusion, RunError> {
    let (connector, request) = (Arc::clone(connector), Arc::clone(request));
    let span = tracing::Span::current();
    let stager = tokio::task::spawn_blocking(move || {
        let _run = span.enter();
        stager::stage(
            &connector,
            run,
            now,
            request.resend,
            &request.progress,
            pieces,
            &staged,
        )
    });
    match stager.await {
        Ok(conclusion) => conclusion,
        Err(panic) => Err(RunError::Panicked {
            task: "stage",
            cause: panic.to_string(),
        }),
    }
}

/// Delivers; a dry run waits for the stage to be complete, writes the output, and posts nothing. An
/// approval of removals that are only reported posts nothing either.
async fn deliver_unless_dry(
    connector: &Connector,
    request: &RunRequest,
    run: RunId,
    mut staged: watch::Receiver<u64>,
    stop: &CancellationToken,
) -> delivery::DeliverySummary {
    let only_approves = request.approve.is_some() && !connector.settings.removal.send;
    if !request.dry_run && !only_approves {
        return delivery::deliver(connector, request, run, staged, stop).await;
    }
    while staged.changed().await.is_ok() {}
    if !request.dry_run {
        return delivery::DeliverySummary::default();
    }
    let failure = dry_run::write_only(connector, request, run).await.err();
    delivery::DeliverySummary {
        failure,
        ..delivery::DeliverySummary::default()
    }
}

/// Results of the three parts of a run.
struct RunParts {
    plan: Option<Plan>,
    read: Result<read::ReadSummary, RunError>,
    staged: Result<RemovalConclusion, RunError>,
    delivered: delivery::DeliverySummary,
}

/// Combines the three results: outcome, state, and the log line of the run. The counts are those of
/// the history, which recorded them step by step: also those of a part that failed half-way.
async fn conclude(
    connector: &Connector,
    request: &RunRequest,
    run: RunId,
    clock: Instant,
    ends: RunParts,
) -> Result<RunReport, RunError> {
    let (conclusion, stage_failure) = match ends.staged {
        Ok(conclusion) => (conclusion, None),
        Err(error) => (RemovalConclusion::default(), Some(error)),
    };
    let so_far = connector.on_store(move |store| store.run(run)).await?;
    let (summary, read_failure) = match ends.read {
        Ok(summary) => (Some(summary), None),
        Err(error) => (None, Some(error)),
    };
    let (mode, reason) = match (&ends.plan, &request.approve) {
        (_, Some(list)) => (request.mode, format!("approval of the removals {list}")),
        (Some(plan @ (Plan::Delta { .. } | Plan::DirSync { .. })), None) => {
            (RunMode::Delta, plan.to_string())
        }
        (Some(plan @ Plan::Full { .. }), None) => (RunMode::Baseline, plan.to_string()),
        (None, None) => (request.mode, "the directory could not be read".to_owned()),
    };
    let list_changed = match &request.approve {
        Some(list) if conclusion.refused => Some(RunError::ListChanged { list: list.clone() }),
        _ => None,
    };
    let report = RunReport {
        run,
        mode,
        reason,
        dry: request.dry_run,
        counts: so_far.counts,
        requests: so_far.requests,
        retries: ends.delivered.retries,
        pages: summary.map_or(0, |summary| summary.pages),
        referrals: summary.map_or(0, |summary| summary.referrals),
        watermark: so_far.watermark_after,
        held: removal_log::held(&conclusion.excess, &connector.settings.removal),
        seconds: clock.elapsed().as_secs_f64(),
        phases: request.progress.phases(),
        // The stager's failure comes first: the error of a reader that lost its stager has no cause
        // of its own.
        failure: stage_failure
            .or(read_failure)
            .or(list_changed)
            .or(ends.delivered.failure),
    };
    let (end, now) = (report.end(), connector.clock.timestamp());
    connector
        .on_store(move |store| store.end_run(run, &end, now))
        .await?;
    report.log();
    Ok(report)
}

impl RunReport {
    /// Returns the outcome for the history and the state: Processed means that upstream accepted
    /// every asset of the run.
    pub(crate) fn end(&self) -> RunEnd {
        let remedy = match &self.failure {
            Some(failure) => Some(failure.advice()),
            None if self.held.is_some() => Some(removal_log::ADVICE.to_owned()),
            None if self.refused() > 0 => Some(REFUSED_ADVICE.to_owned()),
            None => None,
        };
        let (outcome, error) = match &self.failure {
            Some(RunError::Stopped) => (Outcome::Stopped, Some(RunError::Stopped.to_string())),
            Some(failure) => (Outcome::Failed, Some(failure.to_string())),
            None if self.held.is_some() => (Outcome::Partial, self.held.clone()),
            None if self.refused() > 0 => (
                Outcome::Partial,
                Some(format!("{} objects were rejected", self.refused())),
            ),
            None => (Outcome::Processed, None),
        };
        RunEnd {
            outcome,
            error,
            remedy,
            retries: self.retries,
            phases: Some(self.phases),
            pages: self.pages,
            referrals: self.referrals,
        }
    }
}
