//! Decision about a batch after an answer, as a type (R19). It is a pure function of status,
//! headers, body and batch.
//!
//! Invariant (R18): an asset counts as accepted only on evidence of the answer. What is not
//! understood is asked again with the same request id, and then reported, never taken as accepted,
//! unless `QUALYS_ACCEPT_UNKNOWN` is set.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use serde_json::Value;

use super::asset_errors;
use super::evidence::{self, Evidence};
use super::request::BatchItem;
use super::retry_after;
use super::text;

/// Answer with as much of its body as is looked at.
#[derive(Debug, Clone, Default)]
pub struct GatewayAnswer {
    /// Status code, 100 to 999.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, decompressed.
    pub body: Vec<u8>,
    /// The body was longer, or broke off.
    pub cut: bool,
}

/// Decision about a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchDecision {
    /// Every asset was accepted.
    Accepted,
    /// Every asset was accepted except these: index in the batch → reason. Never empty.
    AcceptedExcept(BTreeMap<usize, String>),
    /// The gateway asks for a pause: all senders wait this long (1 s to 1 h), then the same request
    /// is sent again.
    Wait {
        /// Length of the pause.
        pause: Duration,
        /// Status and message.
        reason: String,
    },
    /// The token was refused: get a new one, once, then send the same request again.
    NewToken {
        /// Status and message.
        reason: String,
    },
    /// Too large: send it in halves.
    Split {
        /// Status and message.
        reason: String,
    },
    /// Failure that may pass: send the same request again, after a back-off or after the pause that
    /// the gateway asked for.
    Retry {
        /// Pause that the gateway asked for (1 s to 1 h), if any.
        pause: Option<Duration>,
        /// Description of the failure.
        reason: String,
    },
    /// A 2xx that states nothing known: send the same request again, after a back-off.
    NotUnderstood {
        /// Status, and the first words of the body.
        reason: String,
    },
    /// The gateway does not take this batch because of something in it: find the assets that are
    /// the cause (R32).
    Refused {
        /// Status and message.
        reason: String,
    },
    /// The proxy requires a log-in (407): no request reaches the gateway.
    ProxyRefused {
        /// Status and message.
        reason: String,
    },
    /// The gateway refuses the way of the request or the account, whatever the request holds.
    Final {
        /// Status, message and, where known, a hint.
        reason: String,
        /// The account lacks a right (403).
        denied: bool,
    },
}

/// Decides what an answer to these items means. `now` is for a `Retry-After` that is a date;
/// `accept_unknown` is `QUALYS_ACCEPT_UNKNOWN`.
#[must_use]
pub fn decide(
    answer: &GatewayAnswer,
    items: &[BatchItem],
    now: SystemTime,
    accept_unknown: bool,
) -> BatchDecision {
    let reason = || describe(answer);
    match answer.status {
        200..=299 => match published(answer, items) {
            BatchDecision::NotUnderstood { .. } if accept_unknown && may_be_a_success(answer) => {
                BatchDecision::Accepted
            }
            decision => decision,
        },
        300..=399 => BatchDecision::Final {
            reason: redirected(answer),
            denied: false,
        },
        400 | 422 => BatchDecision::Refused { reason: reason() },
        401 => BatchDecision::NewToken { reason: reason() },
        409 | 429 => BatchDecision::Wait {
            pause: retry_after::rate_limit(&answer.headers, now),
            reason: reason(),
        },
        413 => BatchDecision::Split { reason: reason() },
        407 => BatchDecision::ProxyRefused { reason: reason() },
        408 | 425 | 500..=599 => BatchDecision::Retry {
            pause: retry_after::retry_after(&answer.headers, now),
            reason: reason(),
        },
        403 => BatchDecision::Final {
            reason: format!(
                "{} (the account may not import assets: check its rights in the Qualys UI)",
                reason()
            ),
            denied: true,
        },
        404 | 405 | 415 => BatchDecision::Final {
            reason: format!("{} (check QUALYS_INGEST_PATH and QUALYS_GATEWAY_URL)", reason()),
            denied: false,
        },
        _ => BatchDecision::Final {
            reason: reason(),
            denied: false,
        },
    }
}

/// Decides what a 2xx means, from its body.
fn published(answer: &GatewayAnswer, items: &[BatchItem]) -> BatchDecision {
    if answer.cut {
        return BatchDecision::Retry {
            pause: None,
            reason: format!("status {}, but its body is too long or broke off", answer.status),
        };
    }
    if matches!(answer.status, 202 | 204) && answer.body.trim_ascii().is_empty() {
        return BatchDecision::Accepted;
    }
    let body = text::json(&answer.body);
    let mut evidence = body.as_ref().map(Evidence::read).unwrap_or_default();
    evidence.failure |= is_problem(answer);
    let refused = |why: &str| BatchDecision::Refused {
        reason: format!("{why}: {}", describe(answer)),
    };
    let is_partial = answer.status == 207 || evidence.partial;
    if evidence.account {
        return BatchDecision::NewToken {
            reason: describe(answer),
        };
    }
    // A list of errors under another name counts only where the answer states that the rest was
    // accepted.
    if evidence.success || is_partial || !evidence.errors.is_empty() {
        let is_of_assets = |errors: &&Value| asset_errors::matched(errors, items).is_ok();
        let (named, others) = evidence.failures.into_iter().partition::<Vec<_>, _>(is_of_assets);
        evidence.errors.extend(named);
        evidence.failures = others;
    }
    let fails = evidence.failure || !evidence.failures.is_empty();
    if !evidence.errors.is_empty() {
        let mut rejected = BTreeMap::new();
        for errors in &evidence.errors {
            match asset_errors::matched(errors, items) {
                Ok(reasons) => rejected.extend(reasons),
                Err(why) => return refused(&format!("some assets were rejected, but {why}")),
            }
        }
        // Without a failure of the whole, the assets that are not named were accepted.
        return if rejected.len() == items.len() || !fails {
            BatchDecision::AcceptedExcept(rejected)
        } else {
            BatchDecision::Refused {
                reason: describe(answer),
            }
        };
    }
    if is_partial && !fails {
        return refused("only a part was accepted, but the answer does not state which");
    }
    if fails {
        return BatchDecision::Refused {
            reason: describe(answer),
        };
    }
    if evidence.success {
        return BatchDecision::Accepted;
    }
    BatchDecision::NotUnderstood {
        reason: format!(
            "status {}, but its body is not what the gateway sends, and is not understood: {}",
            answer.status,
            text::message(&answer.body).unwrap_or_else(|| "it is empty".to_owned())
        ),
    }
}

/// Returns `true` for a body of RFC 9457, which describes a failure whatever the status is.
fn is_problem(answer: &GatewayAnswer) -> bool {
    let media_type = answer
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    media_type.is_some_and(|media_type| media_type.to_ascii_lowercase().contains("problem+"))
}

/// Returns `true` unless the body, which is not understood, is a page of a proxy, broken JSON, or a
/// text that speaks of a failure.
fn may_be_a_success(answer: &GatewayAnswer) -> bool {
    let body = answer.body.trim_ascii();
    let is_broken = body.starts_with(b"{") || body.starts_with(b"[");
    match text::json(body) {
        Some(value) => value != Value::Bool(false),
        None => !is_broken && !text::is_page(body) && !evidence::speaks_of_failure(body),
    }
}

/// Returns status and message of an answer, one line, bounded.
pub(super) fn describe(answer: &GatewayAnswer) -> String {
    match text::message(&answer.body) {
        Some(message) => format!("status {}: {message}", answer.status),
        None => format!("status {}", answer.status),
    }
}

/// Returns the reason for a redirect. Redirects are not followed: they would carry the token to any
/// host.
pub(super) fn redirected(answer: &GatewayAnswer) -> String {
    let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let to = match location.map(Url::parse) {
        Some(Ok(url)) => url
            .host_str()
            .map_or_else(|| "another address".to_owned(), |host| text::line(host, 100)),
        Some(Err(_)) => "another path of the same host".to_owned(),
        None => "nowhere".to_owned(),
    };
    format!(
        "status {}: redirected to {to}, which is not followed (check QUALYS_GATEWAY_URL)",
        answer.status
    )
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
