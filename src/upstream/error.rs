//! Errors of the delivery.

use std::time::Duration;

use thiserror::Error;

use super::cause::FailureCause;
use super::refusal::RefusalKind;

use crate::exit_code;

/// Error of the delivery. The text is one sentence with the cause; [`UpstreamError::advice`] is the
/// remedy.
///
/// No secret is in it: texts of the gateway are cleaned of them before they get here (R27).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// The token endpoint, or the ingest call with a fresh token, refused the credentials.
    #[error("the Qualys gateway refused the credentials at {path}: {reason}")]
    CredentialsRefused {
        /// Path of the call that refused.
        path: String,
        /// Status and message of the answer.
        reason: String,
    },
    /// The proxy requires a log-in, or refuses the one that it received.
    #[error("the proxy refused the connection to the Qualys gateway: {reason}")]
    ProxyRefused {
        /// Status and message of the answer.
        reason: String,
    },
    /// The gateway refuses any request to the ingest path (see
    /// [`super::QualysGateway::check_ingest`]).
    #[error("the Qualys gateway refused a request without assets to {path}: {reason}")]
    IngestRefused {
        /// Path of the ingest call.
        path: String,
        /// The account lacks a right.
        denied: bool,
        /// Status and message of the answer.
        reason: String,
    },
    /// The token endpoint gave an answer that is no token, and asking again would not help.
    #[error("the token endpoint {path} gave no token: {reason}")]
    NoToken {
        /// Path of the token endpoint.
        path: String,
        /// Status and message of the answer.
        reason: String,
    },
    /// Retried until `QUALYS_GIVE_UP_AFTER`.
    #[error("gave up after {} s of failures and pauses (requests made: {requests}): {reason}", .after.as_secs())]
    GaveUp {
        /// Time that the run lost to failures and pauses.
        after: Duration,
        /// Requests made for the batch.
        requests: u64,
        /// Cause of the last failure.
        cause: FailureCause,
        /// Description of the last failure; for a pause, also its length.
        reason: String,
    },
    /// The gateway took none of several requests in a row, single assets among them, so none of
    /// them is the cause (R32).
    #[error(
        "{} each of {requests} requests in a row, whatever they held: {reason}",
        match .kind {
            RefusalKind::Failing => "gave up: the gateway failed at",
            RefusalKind::TimedOut => "gave up: the gateway did not answer in time",
            RefusalKind::NotUnderstood => "gave up: the gateway did not state that it accepted",
            RefusalKind::Content | RefusalKind::Way { .. } => "the gateway refused",
        }
    )]
    AcceptsNothing {
        /// Requests in a row.
        requests: u32,
        /// Kind of the last one.
        kind: RefusalKind,
        /// The last answer.
        reason: String,
    },
    /// More assets are refused than can be found in one run (R32).
    #[error(
        "the gateway refuses too many assets to find each of them in one run: {assets} of a batch stay staged; \
         the last answer was: {reason}"
    )]
    TooManyRefused {
        /// Undecided assets of the batch.
        assets: usize,
        /// The last answer.
        reason: String,
    },
    /// A single attempt failed (see [`super::QualysGateway::check`]).
    #[error("the Qualys gateway cannot be used: {reason}")]
    Unavailable {
        /// Its cause.
        cause: FailureCause,
        /// The failure.
        reason: String,
    },
    /// The program was stopped before the batch was accepted.
    #[error("stopped before the batch was accepted: {reason}")]
    Stopped {
        /// Activity that the stop ended.
        reason: &'static str,
    },
    /// A setting cannot be used as it is.
    #[error("{variable} cannot be used: {reason}")]
    Setting {
        /// The variable's name.
        variable: &'static str,
        /// The cause, without the value.
        reason: String,
    },
}

impl UpstreamError {
    /// Returns the exit code of the contract: 77 for refused credentials, else 69.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::CredentialsRefused { .. }
            | Self::ProxyRefused { .. }
            | Self::IngestRefused { denied: true, .. }
            | Self::AcceptsNothing {
                kind: RefusalKind::Way { denied: true },
                ..
            } => exit_code::REFUSED,
            _ => exit_code::UNAVAILABLE,
        }
    }

    /// Returns `true` when the error concerns one batch alone, so that the others are to be sent
    /// all the same.
    #[must_use]
    pub const fn is_of_one_batch(&self) -> bool {
        matches!(self, Self::TooManyRefused { .. })
    }

    /// Returns `true` when the assets that were sent last may be the cause, so that the next run is
    /// to begin with others.
    #[must_use]
    pub const fn may_be_of_assets(&self) -> bool {
        matches!(self, Self::AcceptsNothing { .. } | Self::GaveUp { .. })
    }

    /// Returns the remedy, one sentence.
    #[must_use]
    pub fn advice(&self) -> String {
        let advice = match self {
            Self::CredentialsRefused { .. } => {
                "Check QUALYS_CLIENT_ID and QUALYS_CLIENT_SECRET (or QUALYS_USERNAME and QUALYS_PASSWORD), QUALYS_AUTH, \
                 and in the Qualys UI whether the account is active and may use the API."
            }
            Self::NoToken { .. } => {
                "Check that QUALYS_GATEWAY_URL is the gateway of your platform (https://gateway.qg…), not the UI or the \
                 API server, and that QUALYS_AUTH is the mode of your credentials."
            }
            Self::IngestRefused { denied: true, .. }
            | Self::AcceptsNothing {
                kind: RefusalKind::Way { denied: true },
                ..
            } => {
                "Check in the Qualys UI whether the account may import assets; the next run sends what is staged first."
            }
            Self::IngestRefused { .. } => {
                "Check QUALYS_GATEWAY_URL and QUALYS_INGEST_PATH, and whether a proxy is on the way (HTTPS_PROXY)."
            }
            Self::AcceptsNothing {
                kind: RefusalKind::Content | RefusalKind::Way { .. },
                ..
            } => {
                "Check QUALYS_GATEWAY_URL, QUALYS_INGEST_PATH, QUALYS_CONNECTOR_UUID and QUALYS_SOURCE, and the mapping \
                 against the answer; the next run sends what is staged first."
            }
            Self::TooManyRefused { .. } => {
                "Correct the causes that the answers to the rejected assets name (`ad-connector status`), most likely in the mapping; \
                 the next run goes on with what is staged."
            }
            Self::ProxyRefused { .. } => return FailureCause::ProxyLogin.advice(),
            Self::AcceptsNothing { kind, .. } => {
                let cause = match kind {
                    RefusalKind::TimedOut => FailureCause::TimedOut,
                    RefusalKind::NotUnderstood => FailureCause::NotUnderstood,
                    _ => FailureCause::Other,
                };
                return cause.advice();
            }
            Self::GaveUp { cause, .. } | Self::Unavailable { cause, .. } => return cause.advice(),
            Self::Stopped { .. } => "Nothing is lost: the next run sends what is staged first.",
            Self::Setting { .. } => "Correct the variable and start again.",
        };
        advice.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_the_contract() {
        let path = || "/auth".to_owned();
        let reason = || "status".to_owned();
        let nothing = |denied| UpstreamError::AcceptsNothing {
            requests: 3,
            kind: RefusalKind::Way { denied },
            reason: reason(),
        };
        let ingest = |denied| UpstreamError::IngestRefused {
            path: path(),
            denied,
            reason: reason(),
        };
        let refused = UpstreamError::CredentialsRefused {
            path: path(),
            reason: reason(),
        };
        let proxy = UpstreamError::ProxyRefused { reason: reason() };
        for error in [refused, proxy, nothing(true), ingest(true)] {
            assert_eq!(error.exit_code(), 77, "{error}");
        }
        let unavailable = UpstreamError::Unavailable {
            cause: FailureCause::Name,
            reason: reason(),
        };
        let stopped = UpstreamError::Stopped { reason: "waiting" };
        for error in [nothing(false), ingest(false), unavailable, stopped] {
            assert_eq!(error.exit_code(), 69, "{error}");
        }
    }

    #[test]
    fn advice_fits_the_cause() {
        let cases = [
            (FailureCause::Name, "resolve"),
            (FailureCause::Proxy, "HTTPS_PROXY"),
            (FailureCause::ProxyLogin, "password"),
            (FailureCause::RateLimit, "API limit"),
            (FailureCause::TimedOut, "QUALYS_TIMEOUT"),
            (FailureCause::TimedOut, "QUALYS_BATCH_ASSETS"),
            (FailureCause::NotUnderstood, "QUALYS_ACCEPT_UNKNOWN"),
            (FailureCause::Other, "firewall"),
        ];
        for (cause, expected) in cases {
            let error = UpstreamError::Unavailable {
                cause,
                reason: String::new(),
            };
            assert!(error.advice().contains(expected), "{expected}");
        }
        let timed_out = UpstreamError::AcceptsNothing {
            requests: 9,
            kind: RefusalKind::TimedOut,
            reason: String::new(),
        };
        assert!(timed_out.advice().contains("QUALYS_TIMEOUT"));
    }

    #[test]
    fn giving_up_says_how_long_and_why() {
        let error = UpstreamError::GaveUp {
            after: Duration::from_millis(900_400),
            requests: 7,
            cause: FailureCause::Other,
            reason: "status 503".to_owned(),
        };
        assert_eq!(
            error.to_string(),
            "gave up after 900 s of failures and pauses (requests made: 7): status 503"
        );
    }
}
