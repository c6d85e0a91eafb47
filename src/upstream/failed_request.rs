//! Outcome of a request that the gateway refused or did not answer.

use std::ops::ControlFlow;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::QualysGateway;
use super::cause::FailureCause;
use super::error::UpstreamError;
use super::refusal::{RefusalKind, RequestRefusal};
use super::request::Batch;
use super::retry::{RequestAttempts, back_off};
use super::run_record::RunRecord;
use super::search::RequestOutcome;

/// Limits of one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestLimits {
    /// Times that it is sent while it fails.
    pub(super) attempts: u32,
    /// A refusal of its content proves nothing about the gateway.
    pub(super) expected: bool,
}

/// A failure that may pass.
pub(super) struct PassingFailure {
    pub(super) kind: RefusalKind,
    /// Pause that the gateway asked for.
    pub(super) pause: Option<Duration>,
    pub(super) reason: String,
}

/// Counts a failure that may pass, and waits for the next attempt, unless there is none. A batch
/// that was not answered in time is halved at once: the gateway needs too long for it.
pub(super) async fn failed(
    upstream: &QualysGateway,
    batch: &Batch,
    limits: RequestLimits,
    failure: PassingFailure,
    stop: &CancellationToken,
    progress: &mut RequestAttempts<'_>,
) -> ControlFlow<RequestOutcome> {
    let PassingFailure { kind, pause, reason } = failure;
    progress.failures += 1;
    let refusal = RequestRefusal { kind, reason };
    // A gateway that states the time of the next attempt is not tried at random:
    // `QUALYS_GIVE_UP_AFTER` is the limit.
    if pause.is_none()
        && let Err(error) = count(progress.record, limits, batch, &refusal)
    {
        return ControlFlow::Break(RequestOutcome::Failed(error));
    }
    let cause = match kind {
        RefusalKind::TimedOut => FailureCause::TimedOut,
        RefusalKind::NotUnderstood => FailureCause::NotUnderstood,
        _ => FailureCause::Other,
    };
    let is_too_slow = kind == RefusalKind::TimedOut && batch.items.len() > 1;
    match back_off(upstream, pause, cause, refusal.reason.clone(), stop, progress).await {
        Err(error) => ControlFlow::Break(RequestOutcome::Failed(error)),
        Ok(()) if is_too_slow => ControlFlow::Break(RequestOutcome::TooLarge(refusal.reason, None)),
        Ok(()) if progress.failures >= limits.attempts => {
            ControlFlow::Break(RequestOutcome::Refused(refusal))
        }
        Ok(()) => ControlFlow::Continue(()),
    }
}

/// Counts a refusal, and returns it as the outcome of the request.
pub(super) fn refused(
    record: &RunRecord,
    limits: RequestLimits,
    batch: &Batch,
    kind: RefusalKind,
    reason: String,
) -> RequestOutcome {
    let refusal = RequestRefusal { kind, reason };
    match count(record, limits, batch, &refusal) {
        Ok(()) => RequestOutcome::Refused(refusal),
        Err(error) => RequestOutcome::Failed(error),
    }
}

/// Counts a refusal. A refusal of assets that were rejected before proves nothing about the
/// gateway, unless it is about the way there; and each of them may be the cause of that, too.
fn count(
    record: &RunRecord,
    limits: RequestLimits,
    batch: &Batch,
    refusal: &RequestRefusal,
) -> Result<(), UpstreamError> {
    match refusal.kind {
        RefusalKind::Way { .. } if limits.expected => record.refused(refusal, 0),
        _ if limits.expected => Ok(()),
        _ => record.refused(refusal, batch.items.len()),
    }
}
