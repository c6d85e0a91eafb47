//! Delivery of one batch, from the first request to the last decision.
//!
//! Invariant (R18): an item is reported as accepted only after an answer that accepted it. When the
//! work ends early (stop, give up, refused credentials), the items that are still open are in
//! neither list, so they stay staged.

use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::answer::{self, BatchDecision, GatewayAnswer};
use super::cause::FailureCause;
use super::client::NoAnswer;
use super::error::UpstreamError;
use super::failed_request::{PassingFailure, RequestLimits, failed, refused};
use super::lesson::SizeLesson;
use super::refusal::RefusalKind;
use super::request::Batch;
use super::retry::{RequestAttempts, back_off, close_gate, no_token, pass_gate};
use super::retry_after;
use super::run_record::RunRecord;
use super::search::{BatchOccasion, BatchSearch, RequestOutcome};
use super::token::BearerToken;
use super::{BatchDelivery, QualysGateway};
use crate::clock;

/// Octets of the answer to a batch that are read at least …
const ANSWER: usize = 1 << 20;
/// … and further octets for each asset, since all of them may be rejected with a reason.
const ANSWER_PER_ASSET: usize = 4 << 10;

/// Delivers a batch, in parts where it is too large or something in it is refused (R32).
pub(super) async fn deliver(
    upstream: &QualysGateway,
    batch: Batch,
    occasion: BatchOccasion,
    record: &RunRecord,
    stop: &CancellationToken,
) -> BatchDelivery {
    let mut delivery = BatchDelivery::default();
    let mut search = BatchSearch::new(batch.items, occasion, record);
    let mut lesson = SizeLesson::default();
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
        let limits = RequestLimits {
            attempts: request.attempts,
            expected: occasion == BatchOccasion::RejectedBefore,
        };
        let mut unclear = false;
        let sent = send(upstream, &part, limits, record, stop, &mut delivery, &mut unclear).await;
        let outcome = lesson.learn(&upstream.sizing, part.items.len(), sent);
        if let Err(error) = search.ended(outcome, unclear, record, &mut delivery) {
            break error;
        }
    };
    // The run logs the reason of the failure.
    tracing::debug!(reason = %failure, "The rest of the batch stays staged.");
    delivery.failure = Some(failure);
    delivery
}

impl BatchDelivery {
    /// Records that the gateway rejected an asset, which an attempt may have delivered all the same
    /// when `unclear`.
    pub(super) fn reject(&mut self, seq: u64, reason: String, unclear: bool) {
        self.rejected.push((seq, reason));
        if unclear {
            self.unclear.push(seq);
        }
    }
}

/// Sends one request until there is a decision that ends it. Sets `unclear` when a part of the
/// batch may have arrived without an answer that confirmed it.
async fn send(
    upstream: &QualysGateway,
    batch: &Batch,
    limits: RequestLimits,
    record: &RunRecord,
    stop: &CancellationToken,
    delivery: &mut BatchDelivery,
    unclear: &mut bool,
) -> RequestOutcome {
    let body = upstream.envelope.body(batch);
    let mut progress = RequestAttempts {
        record,
        request_id: batch.request_id,
        requests: 0,
        failures: 0,
        renewed: false,
    };
    loop {
        if let Err(error) = pass_gate(upstream, stop, &progress).await {
            return RequestOutcome::Failed(error);
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
                Err(error) => return RequestOutcome::Failed(error),
            },
        };
        let permit = tokio::select! {
            biased;
            () = stop.cancelled() => return stopped("it waited for another request to end"),
            permit = upstream.in_flight.acquire() => permit,
        };
        if upstream.gate.closed_for().is_some() {
            // The request that was in flight before brought a pause.
            continue;
        }
        let Some(call) = upstream.calls.take() else {
            // The request in flight before was the last one that is allowed.
            continue;
        };
        if !record.may_send() {
            return stopped("another instance may hold the connection");
        }
        let started = clock::timer_instant();
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
            .answer_counts
            .count(answered.as_ref().ok().map(|answer| answer.status));
        // A gateway that cannot be reached has refused nothing.
        let reached = answered.as_ref().map_or_else(|none| none.connected, |_| true);
        let mut cause = FailureCause::Other;
        let decision = match answered {
            Ok(mut answer) => {
                upstream.tokens.hide_in(&mut answer, Some(&token));
                let now = clock::system_time();
                let decision = answer::decide(&answer, &batch.items, now, upstream.accept_unknown);
                *unclear |= leaves_unclear(&decision, answer.status);
                keep_pause(
                    upstream,
                    &decision,
                    retry_after::retry_after(&answer.headers, now),
                );
                decision
            }
            Err(none) if none.cause == FailureCause::ProxyLogin => {
                BatchDecision::ProxyRefused { reason: none.reason }
            }
            Err(none) => {
                *unclear |= none.connected;
                cause = none.cause;
                BatchDecision::Retry {
                    pause: None,
                    reason: none.reason,
                }
            }
        };
        log(&decision, batch, progress.requests);
        let next = match decision {
            BatchDecision::Accepted => return RequestOutcome::Accepted,
            BatchDecision::AcceptedExcept(reasons) => return RequestOutcome::Except(reasons),
            BatchDecision::Split { reason } => {
                upstream.sizing.lower(body.len());
                return match refused(record, limits, batch, RefusalKind::Content, reason) {
                    RequestOutcome::Refused(refusal) => {
                        RequestOutcome::TooLarge(refusal.reason, Some(body.len()))
                    }
                    failed => failed,
                };
            }
            BatchDecision::Refused { reason } => {
                return refused(record, limits, batch, RefusalKind::Content, reason);
            }
            BatchDecision::ProxyRefused { reason } => {
                return RequestOutcome::Failed(UpstreamError::ProxyRefused { reason });
            }
            BatchDecision::Final { reason, denied } => {
                return refused(record, limits, batch, RefusalKind::Way { denied }, reason);
            }
            BatchDecision::NewToken { reason } if progress.renewed => {
                let path = upstream.ingest_path.clone();
                Err(UpstreamError::CredentialsRefused {
                    path,
                    reason: format!("{reason}, with a new token too"),
                })
            }
            BatchDecision::NewToken { .. } => {
                progress.renewed = true;
                upstream.tokens.refused(&token).await;
                Ok(())
            }
            BatchDecision::Wait { pause, reason } => close_gate(upstream, pause, reason, &progress),
            BatchDecision::Retry { pause, reason } if reached => {
                let kind = match cause {
                    FailureCause::TimedOut => RefusalKind::TimedOut,
                    _ => RefusalKind::Failing,
                };
                let failure = PassingFailure { kind, pause, reason };
                match failed(upstream, batch, limits, failure, stop, &mut progress).await {
                    ControlFlow::Break(outcome) => return outcome,
                    ControlFlow::Continue(()) => Ok(()),
                }
            }
            BatchDecision::NotUnderstood { reason } => {
                let failure = PassingFailure {
                    kind: RefusalKind::NotUnderstood,
                    pause: None,
                    reason,
                };
                match failed(upstream, batch, limits, failure, stop, &mut progress).await {
                    ControlFlow::Break(outcome) => return outcome,
                    ControlFlow::Continue(()) => Ok(()),
                }
            }
            BatchDecision::Retry { pause, reason } => {
                back_off(upstream, pause, cause, reason, stop, &progress).await
            }
        };
        if let Err(error) = next {
            return RequestOutcome::Failed(error);
        }
    }
}

/// Keeps a `Retry-After` of any answer whose decision has no pause itself.
fn keep_pause(upstream: &QualysGateway, decision: &BatchDecision, asked: Option<Duration>) {
    let has_pause = matches!(decision, BatchDecision::Wait { .. } | BatchDecision::Retry { .. });
    if let Some(pause) = asked.filter(|_| !has_pause) {
        upstream.gate.close(upstream.pace.real(pause));
    }
}

/// Returns `true` when a part of the batch may have been accepted without an answer that confirmed
/// it. A 2xx that is no success reports a part that was accepted, or may; an error that passes can
/// arise anywhere between here and the storage of the asset.
pub(super) fn leaves_unclear(decision: &BatchDecision, status: u16) -> bool {
    let taken = matches!(decision, BatchDecision::Refused { .. }) && status < 300;
    taken
        || matches!(
            decision,
            BatchDecision::Retry { .. } | BatchDecision::NotUnderstood { .. }
        )
}

fn stopped(reason: &'static str) -> RequestOutcome {
    RequestOutcome::Failed(UpstreamError::Stopped { reason })
}

/// Posts one request and returns its answer.
async fn post(
    upstream: &QualysGateway,
    body: &Bytes,
    token: &BearerToken,
    assets: usize,
) -> Result<GatewayAnswer, NoAnswer> {
    let longest = ANSWER + assets * ANSWER_PER_ASSET;
    upstream
        .client
        .exchange(upstream.request(body, token), longest)
        .await
}

/// Resolves when a request in flight has had its time after the stop (R26).
async fn drained(upstream: &QualysGateway, stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(upstream.pace.drain()).await;
}

/// Logs a decision. Reasons come from the gateway, cleaned; the run logs assets and ids of people.
fn log(decision: &BatchDecision, batch: &Batch, attempt: u64) {
    let (request_id, assets) = (batch.request_id, batch.items.len());
    match decision {
        BatchDecision::Accepted => {
            tracing::debug!(%request_id, assets, attempt, "The gateway accepted the batch.")
        }
        BatchDecision::AcceptedExcept(rejected) => tracing::warn!(
            %request_id, assets, attempt, rejected = rejected.len(), "The gateway accepted a part of the batch."
        ),
        BatchDecision::Wait { pause, reason } => tracing::warn!(
            %request_id, assets, attempt, seconds = pause.as_secs(), reason,
            "The gateway asks for a pause, so all requests wait."
        ),
        BatchDecision::NewToken { reason } => {
            tracing::debug!(%request_id, assets, attempt, reason, "The gateway refused the token.");
        }
        BatchDecision::Split { reason } => {
            tracing::info!(%request_id, assets, attempt, reason, "The batch is too large for the gateway.");
        }
        BatchDecision::Retry { reason, .. } | BatchDecision::NotUnderstood { reason } => {
            tracing::warn!(%request_id, assets, attempt, reason, "The batch was not delivered.");
        }
        BatchDecision::Refused { reason } => {
            tracing::warn!(
                %request_id, assets, attempt, reason,
                "The gateway refused the batch; the assets that are the cause are searched."
            );
        }
        // The run logs it when it concerns every request.
        BatchDecision::Final { reason, .. } | BatchDecision::ProxyRefused { reason } => {
            tracing::debug!(%request_id, assets, attempt, reason, "The gateway refused the request.");
        }
    }
}
