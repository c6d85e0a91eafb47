//! One batch, from the first request to the last decision.
//!
//! Invariant (R18): an item is reported as accepted only after an answer that accepted it. Whatever ends the work early
//! (stop, give up, refused credentials) leaves the items that are still open in neither list, so they stay staged.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::answer::{self, Answer, Decision};
use super::client;
use super::error::UpstreamError;
use super::pace::backoff;
use super::request::{Batch, Item};
use super::token::{NoToken, Token};
use super::{Delivery, Upstream};

/// Of the answer to a batch, this much is read at least …
const ANSWER: usize = 1 << 20;
/// … and this much more for each asset, which may all be rejected with a reason.
const ANSWER_PER_ASSET: usize = 4 << 10;

/// How one request ended.
pub(super) enum Outcome {
    Accepted,
    Except(BTreeMap<usize, String>),
    TooLarge(String),
    Rejected(String),
    Failed(UpstreamError),
}

/// What one batch has gone through so far.
struct Progress {
    request_id: Uuid,
    requests: u64,
    /// Failures since the last pause that the gateway asked for; back-off grows with it.
    failures: u32,
    /// When the first answer failed: from then on counts `QUALYS_GIVE_UP_AFTER`.
    failing_since: Option<Instant>,
    /// A new token was got because the old one was refused.
    renewed: bool,
}

/// Delivers a batch, in halves where it is too large.
pub(super) async fn deliver(upstream: &Upstream, batch: Batch, stop: &CancellationToken) -> Delivery {
    let mut delivery = Delivery::default();
    let mut parts = VecDeque::from([(batch, false)]);
    while let Some((part, mut unclear)) = parts.pop_front() {
        let outcome = send(upstream, &part, stop, &mut delivery, &mut unclear).await;
        // Each half is another request, so it has another id. Their order stays.
        for half in delivery.settle(part.items, outcome, unclear).into_iter().rev() {
            parts.push_front((Batch::new(&upstream.connector_uuid, half), unclear));
        }
        if delivery.failure.is_some() {
            break;
        }
    }
    delivery
}

impl Delivery {
    /// Notes how the request for these items ended; gives them back in halves when they were too many for one.
    pub(super) fn settle(&mut self, mut items: Vec<Item>, outcome: Outcome, unclear: bool) -> Vec<Vec<Item>> {
        match outcome {
            Outcome::Accepted => self.accepted.extend(items.iter().map(|item| item.seq)),
            Outcome::Except(mut reasons) => {
                for (index, item) in items.iter().enumerate() {
                    match reasons.remove(&index) {
                        Some(reason) => self.reject(item.seq, reason, unclear),
                        None => self.accepted.push(item.seq),
                    }
                }
            }
            Outcome::TooLarge(_) if items.len() > 1 => {
                let second = items.split_off(items.len() / 2);
                return vec![items, second];
            }
            Outcome::TooLarge(reason) => {
                let reason = format!("{reason} (this asset alone is too large for the gateway)");
                self.reject_all(&items, &reason, unclear);
            }
            Outcome::Rejected(reason) => self.reject_all(&items, &reason, unclear),
            Outcome::Failed(error) => {
                tracing::warn!(reason = %error, "What is left of the batch stays staged.");
                self.failure = Some(error);
            }
        }
        Vec::new()
    }

    fn reject_all(&mut self, items: &[Item], reason: &str, unclear: bool) {
        for item in items {
            self.reject(item.seq, reason.to_owned(), unclear);
        }
    }

    fn reject(&mut self, seq: u64, reason: String, unclear: bool) {
        self.rejected.push((seq, reason));
        if unclear {
            self.unclear.push(seq);
        }
    }
}

/// Sends one request until there is a decision that ends it. `unclear` says, and is told, whether something of the batch
/// may have arrived without an answer that said so.
async fn send(
    upstream: &Upstream,
    batch: &Batch,
    stop: &CancellationToken,
    delivery: &mut Delivery,
    unclear: &mut bool,
) -> Outcome {
    let body = upstream.envelope.body(batch);
    let mut progress = Progress {
        request_id: batch.request_id,
        requests: 0,
        failures: 0,
        failing_since: None,
        renewed: false,
    };
    loop {
        if let Err(error) = pass_gate(upstream, stop, &mut progress).await {
            return Outcome::Failed(error);
        }
        let token = tokio::select! {
            biased;
            () = stop.cancelled() => return stopped("it was getting a token"),
            token = upstream.tokens.current() => token,
        };
        let token = match token {
            Ok(token) => token,
            Err(none) => match no_token(upstream, none, stop, &mut progress).await {
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
        drop(permit);
        upstream
            .tally
            .count(answered.as_ref().ok().map(|answer| answer.status));
        let decision = match answered {
            Ok(mut answer) => {
                upstream.tokens.hide_in(&mut answer, Some(&token));
                let decision = answer::decide(&answer, &batch.items, SystemTime::now());
                *unclear |= leaves_unclear(&decision, answer.status);
                decision
            }
            Err(reason) => {
                *unclear = true;
                Decision::Retry { pause: None, reason }
            }
        };
        log(&decision, batch, progress.requests);
        let next = match decision {
            Decision::Accepted => return Outcome::Accepted,
            Decision::AcceptedExcept(reasons) => return Outcome::Except(reasons),
            Decision::Split { reason } => {
                upstream.sizing.lower(body.len());
                return Outcome::TooLarge(reason);
            }
            Decision::Final { reason } => return Outcome::Rejected(reason),
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
            Decision::Wait { pause, reason } => close_gate(upstream, pause, reason, &mut progress),
            Decision::Retry { pause, reason } => back_off(upstream, pause, reason, stop, &mut progress).await,
        };
        if let Err(error) = next {
            return Outcome::Failed(error);
        }
    }
}

/// Whether something of the batch may have been taken without the answer saying so. A 2xx that is no success tells of a
/// part that was taken, or may; an error that passes comes from anywhere between here and the asset's place.
pub(super) fn leaves_unclear(decision: &Decision, status: u16) -> bool {
    let taken = matches!(decision, Decision::Final { .. }) && status < 300;
    taken || matches!(decision, Decision::Retry { .. })
}

fn stopped(reason: &'static str) -> Outcome {
    Outcome::Failed(UpstreamError::Stopped { reason })
}

/// One request and its answer.
async fn post(upstream: &Upstream, body: &Bytes, token: &Token, assets: usize) -> Result<Answer, String> {
    client::exchange(upstream.request(body, token), ANSWER + assets * ANSWER_PER_ASSET).await
}

/// Resolves when a request in flight has had its time after the stop (R26).
async fn drained(upstream: &Upstream, stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(upstream.pace.drain()).await;
}

/// Waits while the gateway wants a pause, whoever was told so. Another sender may prolong it meanwhile.
async fn pass_gate(
    upstream: &Upstream,
    stop: &CancellationToken,
    progress: &mut Progress,
) -> Result<(), UpstreamError> {
    while let Some(left) = upstream.gate.closed_for() {
        progress.must_not_outlast(upstream, left, || {
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

/// Sleeps, unless the program is told to stop.
async fn pause(long: Duration, stop: &CancellationToken) -> Result<(), UpstreamError> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(UpstreamError::Stopped { reason: "it waited to be sent again" }),
        () = tokio::time::sleep(long) => Ok(()),
    }
}

/// Everyone pauses, also when this batch gives up: the gateway did ask.
fn close_gate(
    upstream: &Upstream,
    pause: Duration,
    reason: String,
    progress: &mut Progress,
) -> Result<(), UpstreamError> {
    let real = upstream.pace.real(pause);
    upstream.gate.close(real);
    progress.failures = 0;
    progress.must_not_outlast(upstream, real, || {
        format!("{reason}; it asked to wait {} s", pause.as_secs())
    })
}

/// Waits before the same request goes again: as long as asked for, else a growing back-off.
async fn back_off(
    upstream: &Upstream,
    asked: Option<Duration>,
    reason: String,
    stop: &CancellationToken,
    progress: &mut Progress,
) -> Result<(), UpstreamError> {
    let wait = asked.unwrap_or_else(|| backoff(progress.failures, fastrand::f64()));
    progress.failures = progress.failures.saturating_add(1);
    let real = upstream.pace.real(wait);
    progress.must_not_outlast(upstream, real, || match asked {
        Some(asked) => format!("{reason}; it asked to wait {} s", asked.as_secs()),
        None => reason,
    })?;
    pause(real, stop).await
}

/// What to do when there is no token; `Ok` after the wait for the next attempt.
async fn no_token(
    upstream: &Upstream,
    none: NoToken,
    stop: &CancellationToken,
    progress: &mut Progress,
) -> Result<(), UpstreamError> {
    let path = upstream.tokens.path();
    let (asked, reason) = match none {
        NoToken::Refused(reason) => {
            return Err(UpstreamError::CredentialsRefused {
                path: path.to_owned(),
                reason,
            });
        }
        NoToken::Final(reason) => {
            return Err(UpstreamError::NoToken {
                path: path.to_owned(),
                reason,
            });
        }
        NoToken::Wait(pause, reason) => (Err(pause), reason),
        NoToken::Retry(pause, reason) => (Ok(pause), reason),
    };
    tracing::warn!(request_id = %progress.request_id, path, reason, "The token endpoint gave no token and is asked again.");
    let reason = format!("no token from {path}: {reason}");
    match asked {
        Err(pause) => close_gate(upstream, pause, reason, progress),
        Ok(pause) => back_off(upstream, pause, reason, stop, progress).await,
    }
}

impl Progress {
    /// Gives up at once when the next wait would end after the limit.
    fn must_not_outlast(
        &mut self,
        upstream: &Upstream,
        wait: Duration,
        reason: impl FnOnce() -> String,
    ) -> Result<(), UpstreamError> {
        let now = Instant::now();
        let failing = now - *self.failing_since.get_or_insert(now);
        if failing.saturating_add(wait) <= upstream.give_up_after {
            return Ok(());
        }
        Err(UpstreamError::GaveUp {
            after: failing,
            requests: self.requests,
            reason: reason(),
        })
    }
}

/// Tells the decision. Reasons come from the gateway, cleaned; assets and ids of people are told by who knows the run.
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
            tracing::info!(%request_id, assets, attempt, reason, "The gateway refused the token.");
        }
        Decision::Split { reason } => {
            tracing::info!(%request_id, assets, attempt, reason, "The batch is too large for the gateway.");
        }
        Decision::Retry { reason, .. } => {
            tracing::warn!(%request_id, assets, attempt, reason, "The batch was not delivered.");
        }
        Decision::Final { reason } => {
            tracing::error!(%request_id, assets, attempt, reason, "The gateway will not take the batch.");
        }
    }
}
