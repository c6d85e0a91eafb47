//! One batch, from the first request to the last decision.
//!
//! Invariant (R18): an item is reported as accepted only after an answer that accepted it. Whatever ends the work early
//! (stop, give up, refused credentials) leaves the items that are still open in neither list, so they stay staged.

use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer::{self, Answer, Decision};
use super::cause::Cause;
use super::client::NoAnswer;
use super::error::UpstreamError;
use super::lesson::Lesson;
use super::refusal::{Refusal, RefusalKind};
use super::request::Batch;
use super::run_record::RunRecord;
use super::search::{Occasion, Outcome, Search};
use super::token::Token;
use super::wait;
use super::waiting::{Progress, back_off, close_gate, no_token, pass_gate};
use super::{Delivery, Upstream};

/// Of the answer to a batch, this much is read at least …
const ANSWER: usize = 1 << 20;
/// … and this much more for each asset, which may all be rejected with a reason.
const ANSWER_PER_ASSET: usize = 4 << 10;

/// Delivers a batch, in parts where it is too large or something in it is refused (R32).
pub(super) async fn deliver(
    upstream: &Upstream,
    batch: Batch,
    occasion: Occasion,
    record: &RunRecord,
    stop: &CancellationToken,
) -> Delivery {
    let mut delivery = Delivery::default();
    let mut search = Search::new(batch.items, occasion, record);
    let mut lesson = Lesson::default();
    let failure = loop {
        let request = match search.next(record, &mut delivery) {
            Ok(Some(request)) => request,
            Ok(None) => {
                lesson.conclude(&upstream.sizing, delivery.rejected.is_empty());
                return delivery;
            }
            Err(error) => break error,
        };
        // Each part is another request, so it has another id.
        let part = Batch::new(&upstream.connector_uuid, request.items);
        let limits = Limits {
            attempts: request.attempts,
            expected: occasion == Occasion::RejectedBefore,
        };
        let mut unclear = false;
        let sent = send(upstream, &part, limits, record, stop, &mut delivery, &mut unclear).await;
        let outcome = lesson.learn(&upstream.sizing, part.items.len(), sent);
        if let Err(error) = search.ended(outcome, unclear, record, &mut delivery) {
            break error;
        }
    };
    // The run logs why it failed.
    tracing::debug!(reason = %failure, "What is left of the batch stays staged.");
    delivery.failure = Some(failure);
    delivery
}

impl Delivery {
    /// Records that the gateway rejected an asset, which an attempt may have delivered all the same
    /// when `unclear`.
    pub(super) fn reject(&mut self, seq: u64, reason: String, unclear: bool) {
        self.rejected.push((seq, reason));
        if unclear {
            self.unclear.push(seq);
        }
    }
}

/// Limits of one request.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Times that it is sent while it fails.
    attempts: u32,
    /// A refusal of what it holds says nothing about the gateway.
    expected: bool,
}

/// Sends one request until there is a decision that ends it. Sets `unclear` when something of the
/// batch may have arrived without an answer that said so.
async fn send(
    upstream: &Upstream,
    batch: &Batch,
    limits: Limits,
    record: &RunRecord,
    stop: &CancellationToken,
    delivery: &mut Delivery,
    unclear: &mut bool,
) -> Outcome {
    let body = upstream.envelope.body(batch);
    let mut progress = Progress {
        record,
        request_id: batch.request_id,
        requests: 0,
        failures: 0,
        renewed: false,
    };
    loop {
        if let Err(error) = pass_gate(upstream, stop, &progress).await {
            return Outcome::Failed(error);
        }
        let token = tokio::select! {
            biased;
            () = stop.cancelled() => return stopped("it was getting a token"),
            token = upstream.tokens.current() => token,
        };
        let token = match token {
            Ok(token) => token,
            Err(none) => match no_token(upstream, none, stop, &progress).await {
                Ok(()) => {
                    delivery.retries += 1;
                    continue;
                }
                Err(error) => return Outcome::Failed(error),
            },
        };
        let permit = tokio::select! {
            biased;
            () = stop.cancelled() => return stopped("it waited for another request to end"),
            permit = upstream.in_flight.acquire() => permit,
        };
        if upstream.gate.closed_for().is_some() {
            // The request that was waited for brought a pause.
            continue;
        }
        let Some(call) = upstream.calls.take() else {
            // It was the last one that is allowed.
            continue;
        };
        let started = Instant::now();
        if progress.requests > 0 {
            delivery.retries += 1;
        }
        progress.requests += 1;
        delivery.requests += 1;
        let answered = tokio::select! {
            biased;
            answered = post(upstream, &body, &token, batch.items.len()) => answered,
            () = drained(upstream, stop) => return stopped("the request in flight was not answered in time"),
        };
        let headers = answered.as_ref().ok().map(|answer| &answer.headers);
        upstream
            .calls
            .answered(call, headers, started.elapsed(), |wait| upstream.pace.real(wait));
        drop(permit);
        upstream
            .tally
            .count(answered.as_ref().ok().map(|answer| answer.status));
        // A gateway that cannot be reached has refused nothing.
        let reached = answered.as_ref().map_or_else(|none| none.connected, |_| true);
        let mut cause = Cause::Other;
        let decision = match answered {
            Ok(mut answer) => {
                upstream.tokens.hide_in(&mut answer, Some(&token));
                let now = SystemTime::now();
                let decision = answer::decide(&answer, &batch.items, now, upstream.accept_unknown);
                *unclear |= leaves_unclear(&decision, answer.status);
                keep_pause(upstream, &decision, wait::retry_after(&answer.headers, now));
                decision
            }
            Err(none) if none.cause == Cause::ProxyLogin => Decision::ProxyRefused { reason: none.reason },
            Err(none) => {
                *unclear |= none.connected;
                cause = none.cause;
                Decision::Retry {
                    pause: None,
                    reason: none.reason,
                }
            }
        };
        log(&decision, batch, progress.requests);
        let next = match decision {
            Decision::Accepted => return Outcome::Accepted,
            Decision::AcceptedExcept(reasons) => return Outcome::Except(reasons),
            Decision::Split { reason } => {
                upstream.sizing.lower(body.len());
                return match refused(record, limits, batch, RefusalKind::Content, reason) {
                    Outcome::Refused(refusal) => Outcome::TooLarge(refusal.reason, Some(body.len())),
                    failed => failed,
                };
            }
            Decision::Refused { reason } => {
                return refused(record, limits, batch, RefusalKind::Content, reason);
            }
            Decision::ProxyRefused { reason } => {
                return Outcome::Failed(UpstreamError::ProxyRefused { reason });
            }
            Decision::Final { reason, denied } => {
                return refused(record, limits, batch, RefusalKind::Way { denied }, reason);
            }
            Decision::NewToken { reason } if progress.renewed => {
                let path = upstream.ingest_path.clone();
                Err(UpstreamError::CredentialsRefused {
                    path,
                    reason: format!("{reason}, with a new token too"),
                })
            }
            Decision::NewToken { .. } => {
                progress.renewed = true;
                upstream.tokens.refused(&token).await;
                Ok(())
            }
            Decision::Wait { pause, reason } => close_gate(upstream, pause, reason, &progress),
            Decision::Retry { pause, reason } if reached => {
                let kind = match cause {
                    Cause::TimedOut => RefusalKind::TimedOut,
                    _ => RefusalKind::Failing,
                };
                let failure = Failure { kind, pause, reason };
                match failed(upstream, batch, limits, failure, stop, &mut progress).await {
                    ControlFlow::Break(outcome) => return outcome,
                    ControlFlow::Continue(()) => Ok(()),
                }
            }
            Decision::NotUnderstood { reason } => {
                let failure = Failure {
                    kind: RefusalKind::NotUnderstood,
                    pause: None,
                    reason,
                };
                match failed(upstream, batch, limits, failure, stop, &mut progress).await {
                    ControlFlow::Break(outcome) => return outcome,
                    ControlFlow::Continue(()) => Ok(()),
                }
            }
            Decision::Retry { pause, reason } => {
                back_off(upstream, pause, cause, reason, stop, &progress).await
            }
        };
        if let Err(error) = next {
            return Outcome::Failed(error);
        }
    }
}

/// A failure that may pass.
struct Failure {
    kind: RefusalKind,
    /// Pause that the gateway asked for.
    pause: Option<Duration>,
    reason: String,
}

/// Counts a failure that may pass, and waits for the next attempt, unless there is none. A batch
/// that was not answered in time is halved at once: it takes the gateway too long.
async fn failed(
    upstream: &Upstream,
    batch: &Batch,
    limits: Limits,
    failure: Failure,
    stop: &CancellationToken,
    progress: &mut Progress<'_>,
) -> ControlFlow<Outcome> {
    let Failure { kind, pause, reason } = failure;
    progress.failures += 1;
    let refusal = Refusal { kind, reason };
    // A gateway that says when to come again is not tried at random: `QUALYS_GIVE_UP_AFTER` is the
    // limit.
    if pause.is_none()
        && let Err(error) = count(progress.record, limits, batch, &refusal)
    {
        return ControlFlow::Break(Outcome::Failed(error));
    }
    let cause = match kind {
        RefusalKind::TimedOut => Cause::TimedOut,
        RefusalKind::NotUnderstood => Cause::NotUnderstood,
        _ => Cause::Other,
    };
    let is_too_slow = kind == RefusalKind::TimedOut && batch.items.len() > 1;
    match back_off(upstream, pause, cause, refusal.reason.clone(), stop, progress).await {
        Err(error) => ControlFlow::Break(Outcome::Failed(error)),
        Ok(()) if is_too_slow => ControlFlow::Break(Outcome::TooLarge(refusal.reason, None)),
        Ok(()) if progress.failures >= limits.attempts => ControlFlow::Break(Outcome::Refused(refusal)),
        Ok(()) => ControlFlow::Continue(()),
    }
}

fn refused(record: &RunRecord, limits: Limits, batch: &Batch, kind: RefusalKind, reason: String) -> Outcome {
    let refusal = Refusal { kind, reason };
    match count(record, limits, batch, &refusal) {
        Ok(()) => Outcome::Refused(refusal),
        Err(error) => Outcome::Failed(error),
    }
}

/// Counts a refusal. One of assets that were rejected before says nothing about the gateway, unless
/// it is about the way there; and each of them may be the cause of that, too.
fn count(record: &RunRecord, limits: Limits, batch: &Batch, refusal: &Refusal) -> Result<(), UpstreamError> {
    match refusal.kind {
        RefusalKind::Way { .. } if limits.expected => record.refused(refusal, 0),
        _ if limits.expected => Ok(()),
        _ => record.refused(refusal, batch.items.len()),
    }
}

/// Keeps a `Retry-After` of any answer whose decision has no pause itself.
fn keep_pause(upstream: &Upstream, decision: &Decision, asked: Option<Duration>) {
    let has_pause = matches!(decision, Decision::Wait { .. } | Decision::Retry { .. });
    if let Some(pause) = asked.filter(|_| !has_pause) {
        upstream.gate.close(upstream.pace.real(pause));
    }
}

/// Whether something of the batch may have been taken without the answer saying so. A 2xx that is no success tells of a
/// part that was taken, or may; an error that passes comes from anywhere between here and the asset's place.
pub(super) fn leaves_unclear(decision: &Decision, status: u16) -> bool {
    let taken = matches!(decision, Decision::Refused { .. }) && status < 300;
    taken || matches!(decision, Decision::Retry { .. } | Decision::NotUnderstood { .. })
}

fn stopped(reason: &'static str) -> Outcome {
    Outcome::Failed(UpstreamError::Stopped { reason })
}

/// One request and its answer.
async fn post(upstream: &Upstream, body: &Bytes, token: &Token, assets: usize) -> Result<Answer, NoAnswer> {
    let longest = ANSWER + assets * ANSWER_PER_ASSET;
    upstream
        .client
        .exchange(upstream.request(body, token), longest)
        .await
}

/// Resolves when a request in flight has had its time after the stop (R26).
async fn drained(upstream: &Upstream, stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(upstream.pace.drain()).await;
}

/// Logs a decision. Reasons come from the gateway, cleaned; assets and ids of people are logged by
/// the run.
fn log(decision: &Decision, batch: &Batch, attempt: u64) {
    let (request_id, assets) = (batch.request_id, batch.items.len());
    match decision {
        Decision::Accepted => {
            tracing::debug!(%request_id, assets, attempt, "The gateway accepted the batch.")
        }
        Decision::AcceptedExcept(rejected) => tracing::warn!(
            %request_id, assets, attempt, rejected = rejected.len(), "The gateway accepted a part of the batch."
        ),
        Decision::Wait { pause, reason } => tracing::warn!(
            %request_id, assets, attempt, seconds = pause.as_secs(), reason,
            "The gateway asks for a pause, so all requests wait."
        ),
        Decision::NewToken { reason } => {
            tracing::debug!(%request_id, assets, attempt, reason, "The gateway refused the token.");
        }
        Decision::Split { reason } => {
            tracing::info!(%request_id, assets, attempt, reason, "The batch is too large for the gateway.");
        }
        Decision::Retry { reason, .. } | Decision::NotUnderstood { reason } => {
            tracing::warn!(%request_id, assets, attempt, reason, "The batch was not delivered.");
        }
        Decision::Refused { reason } => {
            tracing::warn!(
                %request_id, assets, attempt, reason,
                "The gateway refused the batch; the assets that are the cause are searched."
            );
        }
        // The run logs it, when it is for everything.
        Decision::Final { reason, .. } | Decision::ProxyRefused { reason } => {
            tracing::debug!(%request_id, assets, attempt, reason, "The gateway refused the request.");
        }
    }
}
