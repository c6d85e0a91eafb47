//! Waits of one request: for a pause that the gateway asked for, before the next attempt, for a
//! token. None outlasts `QUALYS_GIVE_UP_AFTER`.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::QualysGateway;
use super::backoff::backoff;
use super::cause::FailureCause;
use super::error::UpstreamError;
use super::run_record::RunRecord;
use super::token::NoToken;

/// Attempts of one request so far.
pub(super) struct RequestAttempts<'a> {
    pub(super) record: &'a RunRecord,
    pub(super) request_id: Uuid,
    pub(super) requests: u64,
    /// Times that it failed after it reached the gateway.
    pub(super) failures: u32,
    /// A new token was obtained because the old one was refused.
    pub(super) renewed: bool,
}

/// Waits while the gateway asks for a pause. Another sender may prolong it meanwhile.
pub(super) async fn pass_gate(
    upstream: &QualysGateway,
    stop: &CancellationToken,
    progress: &RequestAttempts<'_>,
) -> Result<(), UpstreamError> {
    while let Some(left) = upstream.paused_for() {
        progress.must_not_outlast(upstream, left, FailureCause::RateLimit, || {
            format!(
                "the gateway asked to wait another {:.0} s before any request",
                left.as_secs_f64()
            )
        })?;
        pause(left, stop).await?;
    }
    if stop.is_cancelled() {
        Err(UpstreamError::Stopped {
            reason: "it had not been sent yet",
        })
    } else {
        Ok(())
    }
}

/// Sleeps, unless the program is stopping.
async fn pause(long: Duration, stop: &CancellationToken) -> Result<(), UpstreamError> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(UpstreamError::Stopped { reason: "it waited to be sent again" }),
        () = tokio::time::sleep(long) => Ok(()),
    }
}

/// Makes all requests pause, also when this batch gives up: the gateway asked for it.
pub(super) fn close_gate(
    upstream: &QualysGateway,
    pause: Duration,
    reason: String,
    progress: &RequestAttempts<'_>,
) -> Result<(), UpstreamError> {
    let real = upstream.pace.real(pause);
    upstream.gate.close(real);
    progress.record.pause(real);
    progress.must_not_outlast(upstream, real, FailureCause::RateLimit, || {
        format!("{reason}; it asked to wait {} s", pause.as_secs())
    })
}

/// Waits before the same request is sent again: as long as the gateway asked for, else a growing
/// back-off.
pub(super) async fn back_off(
    upstream: &QualysGateway,
    asked: Option<Duration>,
    cause: FailureCause,
    reason: String,
    stop: &CancellationToken,
    progress: &RequestAttempts<'_>,
) -> Result<(), UpstreamError> {
    let failures = progress.record.count_failure();
    let wait = asked.unwrap_or_else(|| backoff(failures, fastrand::f64()));
    let real = upstream.pace.real(wait);
    progress.must_not_outlast(upstream, real, cause, || match asked {
        Some(asked) => format!("{reason}; it asked to wait {} s", asked.as_secs()),
        None => reason,
    })?;
    pause(real, stop).await
}

/// Waits for the next attempt to get a token, unless none would help.
pub(super) async fn no_token(
    upstream: &QualysGateway,
    none: NoToken,
    stop: &CancellationToken,
    progress: &RequestAttempts<'_>,
) -> Result<(), UpstreamError> {
    let path = upstream.tokens.path();
    let (reason, pause, cause) = match &none {
        NoToken::Wait(pause, reason) => (reason, Some(*pause), FailureCause::RateLimit),
        NoToken::Retry(pause, reason) => (reason, *pause, FailureCause::Other),
        NoToken::Unusable(reason) => (reason, None, FailureCause::NoToken),
        NoToken::NoAnswer(answer) if answer.cause != FailureCause::ProxyLogin => {
            (&answer.reason, None, answer.cause.clone())
        }
        _ => return Err(none.into_error(path)),
    };
    tracing::warn!(request_id = %progress.request_id, path, reason, "The token endpoint gave no token and is asked again.");
    let reason = format!("no token from {path}: {reason}");
    match (none, pause) {
        (NoToken::Wait(..), Some(pause)) => close_gate(upstream, pause, reason, progress),
        _ => back_off(upstream, pause, cause, reason, stop, progress).await,
    }
}

impl RequestAttempts<'_> {
    /// Gives up at once when the next wait would end after the limit.
    fn must_not_outlast(
        &self,
        upstream: &QualysGateway,
        wait: Duration,
        cause: FailureCause,
        reason: impl FnOnce() -> String,
    ) -> Result<(), UpstreamError> {
        let failing = self.record.failing_for();
        if failing.saturating_add(wait) <= upstream.give_up_after {
            return Ok(());
        }
        Err(UpstreamError::GaveUp {
            after: failing,
            requests: self.requests,
            cause,
            reason: reason(),
        })
    }
}
