//! What to do after an answer, as a type (R19). Pure: status, headers, body and the batch decide, nothing else.
//!
//! The rule that guards everything here: an asset counts as accepted only when the answer says so. What cannot be
//! understood is asked again with the same request id, or kept and reported, never taken as accepted.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use reqwest::Url;
use reqwest::header::{HeaderMap, LOCATION};
use serde_json::{Map, Value};

use super::rejection;
use super::request::Item;
use super::text;
use super::wait;

/// An answer with as much of its body as is looked at.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Status code, 100 to 999.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, decompressed.
    pub body: Vec<u8>,
    /// The body was longer, or broke off.
    pub cut: bool,
}

/// What to do with the batch now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Every asset was accepted.
    Accepted,
    /// Every asset was accepted but these: index in the batch → reason. Never empty.
    AcceptedExcept(BTreeMap<usize, String>),
    /// The gateway asks for a pause: everyone waits this long (1 s to 1 h), then the same request again.
    Wait {
        /// How long.
        pause: Duration,
        /// Status and message.
        reason: String,
    },
    /// The token was refused: get a new one, once, then the same request again.
    NewToken {
        /// Status and message.
        reason: String,
    },
    /// Too large: send it in halves.
    Split {
        /// Status and message.
        reason: String,
    },
    /// Passing trouble: the same request again, after a back-off or after what the gateway asked for.
    Retry {
        /// What the gateway asked for (1 s to 1 h), if anything.
        pause: Option<Duration>,
        /// What happened.
        reason: String,
    },
    /// The gateway does not take this batch because of something in it: find the assets that are
    /// the cause (R32).
    Refused {
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

/// Decides what an answer to these items means. `now` is for a `Retry-After` that is a date.
#[must_use]
pub fn decide(answer: &Answer, items: &[Item], now: SystemTime) -> Decision {
    let reason = || said(answer);
    match answer.status {
        207 => published(answer, items),
        200..=299 => published(answer, items),
        300..=399 => Decision::Final {
            reason: redirected(answer),
            denied: false,
        },
        400 | 422 => Decision::Refused { reason: reason() },
        401 => Decision::NewToken { reason: reason() },
        409 | 429 => Decision::Wait {
            pause: wait::rate_limit(&answer.headers, now),
            reason: reason(),
        },
        413 => Decision::Split { reason: reason() },
        503 => Decision::Retry {
            pause: wait::retry_after(&answer.headers, now),
            reason: reason(),
        },
        408 | 425 | 500..=599 => Decision::Retry {
            pause: None,
            reason: reason(),
        },
        403 => Decision::Final {
            reason: format!(
                "{} (the account may not import assets: check its rights in the Qualys UI)",
                reason()
            ),
            denied: true,
        },
        404 => Decision::Final {
            reason: format!("{} (check QUALYS_INGEST_PATH and QUALYS_GATEWAY_URL)", reason()),
            denied: false,
        },
        _ => Decision::Final {
            reason: reason(),
            denied: false,
        },
    }
}

/// A 2xx: the body has the last word.
fn published(answer: &Answer, items: &[Item]) -> Decision {
    let again = |what: &str| Decision::Retry {
        pause: None,
        reason: format!("status {}, but {what}", answer.status),
    };
    if answer.cut {
        return again("its body is too long or broke off");
    }
    let partial = answer.status == 207;
    if answer.body.trim_ascii().is_empty() && !partial {
        return Decision::Accepted;
    }
    let body: Map<String, Value> = match text::json(&answer.body) {
        Some(Value::Object(body)) => body,
        // A proxy's page comes with a 200 as well.
        _ if !partial => return again("its body is not what the gateway sends"),
        _ => Map::new(),
    };
    let code = text::field(&body, &["responseCode", "errorCode", "code"]);
    if code.as_deref().is_some_and(is_about_the_account) {
        return Decision::NewToken { reason: said(answer) };
    }
    let errors = text::entry(&body, "assetsError").filter(|errors| is_filled(errors));
    match errors {
        Some(errors) => match rejection::matched(errors, items) {
            Ok(rejected) => Decision::AcceptedExcept(rejected),
            Err(why) => Decision::Refused {
                reason: format!("some assets were rejected, but {why}: {}", said(answer)),
            },
        },
        None if partial => Decision::Refused {
            reason: format!("only a part was accepted, but not said which: {}", said(answer)),
        },
        None => match code {
            Some(code) if !is_success(&code) => Decision::Refused { reason: said(answer) },
            None if ["error", "errors", "errorMessage"]
                .iter()
                .any(|key| text::entry(&body, key).is_some_and(is_filled)) =>
            {
                Decision::Refused { reason: said(answer) }
            }
            _ => Decision::Accepted,
        },
    }
}

/// Anything but nothing: `null`, `false`, `""`, `[]`, `{}` and `0` say that there is no error.
fn is_filled(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(object) => !object.is_empty(),
    }
}

/// `responseCode` of a success: `SUCCESSFULLY_PUBLISHED`, the only one that is documented, and its likes.
fn is_success(code: &str) -> bool {
    let code = code.to_ascii_uppercase();
    let good = ["SUCCESS", "PUBLISHED", "ACCEPTED"];
    let bad = ["FAIL", "ERROR", "INVALID", "NOT", "PARTIAL"];
    ["OK", "200", "201", "202"].contains(&code.as_str())
        || (good.iter().any(|word| code.starts_with(word)) && !bad.iter().any(|word| code.contains(word)))
}

/// Codes that say that the account or its token is the trouble: `INVALID_CREDENTIALS` and 2001 (account expired).
pub(super) fn is_about_the_account(code: &str) -> bool {
    let code = code.to_ascii_uppercase();
    let words = [
        "CREDENTIAL",
        "UNAUTHORIZED",
        "UNAUTHENTICATED",
        "AUTHENTICATION",
        "TOKEN",
        "ACCOUNT",
    ];
    code == "2001" || words.iter().any(|word| code.contains(word))
}

/// Status and message of an answer, one line, bounded.
pub(super) fn said(answer: &Answer) -> String {
    match text::message(&answer.body) {
        Some(message) => format!("status {}: {message}", answer.status),
        None => format!("status {}", answer.status),
    }
}

/// Redirects are not followed: they would carry the token to wherever they lead.
pub(super) fn redirected(answer: &Answer) -> String {
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
