//! Why nothing, or not everything, could be delivered.

use std::time::Duration;

use thiserror::Error;

use super::run_record::RefusalKind;

/// What went wrong upstream. The text is one sentence with the cause; [`UpstreamError::advice`] is the next step.
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
    /// The token endpoint gave an answer that is no token, and asking again would not help.
    #[error("the token endpoint {path} gave no token: {reason}")]
    NoToken {
        /// Path of the token endpoint.
        path: String,
        /// Status and message of the answer.
        reason: String,
    },
    /// Retried until `QUALYS_GIVE_UP_AFTER`.
    #[error("gave up {} s after the first failure (requests made: {requests}): {reason}", .after.as_secs())]
    GaveUp {
        /// Time since the first failed answer.
        after: Duration,
        /// Requests made for the batch.
        requests: u64,
        /// The last failure; for a wait, also how long it was asked to wait.
        reason: String,
    },
    /// The gateway took none of several requests in a row, single assets among them, so none of
    /// them is the cause (R32).
    #[error(
        "{} each of {requests} requests in a row, whatever they held: {reason}",
        match .kind {
            RefusalKind::Failing => "gave up: the gateway failed at",
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
    /// So many assets are refused that not each of them can be found in one run (R32).
    #[error(
        "the gateway refuses too many assets to find each of them in one run: {assets} of a batch stay staged; \
         the last answer was: {reason}"
    )]
    TooManyRefused {
        /// Assets of the batch that are not decided.
        assets: usize,
        /// The last answer.
        reason: String,
    },
    /// A single attempt failed (see [`super::Upstream::check`]).
    #[error("the Qualys gateway cannot be used: {reason}")]
    Unavailable {
        /// The failure.
        reason: String,
    },
    /// The program was told to stop before the batch was accepted.
    #[error("stopped before the batch was accepted: {reason}")]
    Stopped {
        /// What it was doing.
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
    /// The exit code of the contract: 77 for refused credentials, else 69.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::CredentialsRefused { .. }
            | Self::AcceptsNothing {
                kind: RefusalKind::Way { denied: true },
                ..
            } => 77,
            _ => 69,
        }
    }

    /// Whether it ended because the program was told to stop, not because of the gateway.
    #[must_use]
    pub const fn is_stop(&self) -> bool {
        matches!(self, Self::Stopped { .. })
    }

    /// Returns `true` when it concerns one batch alone, so that the others are to be sent all the
    /// same.
    #[must_use]
    pub const fn is_of_one_batch(&self) -> bool {
        matches!(self, Self::TooManyRefused { .. })
    }

    /// What to do about it, one sentence.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::CredentialsRefused { .. } => {
                "Check QUALYS_CLIENT_ID and QUALYS_CLIENT_SECRET (or QUALYS_USERNAME and QUALYS_PASSWORD), QUALYS_AUTH, \
                 and in the Qualys UI whether the account is active and may use the API."
            }
            Self::NoToken { .. } => {
                "Check that QUALYS_GATEWAY_URL is the gateway of your platform (https://gateway.qg…), not the UI or the \
                 API server, and that QUALYS_AUTH is the mode of your credentials."
            }
            Self::AcceptsNothing {
                kind: RefusalKind::Way { denied: true },
                ..
            } => {
                "Check in the Qualys UI whether the account may import assets; the next run sends what is staged first."
            }
            Self::AcceptsNothing {
                kind: RefusalKind::NotUnderstood,
                ..
            } => NOT_UNDERSTOOD,
            Self::AcceptsNothing {
                kind: RefusalKind::Content | RefusalKind::Way { .. },
                ..
            } => {
                "Check QUALYS_GATEWAY_URL, QUALYS_INGEST_PATH, QUALYS_CONNECTOR_UUID and QUALYS_SOURCE, and the mapping \
                 against what the answer says; the next run sends what is staged first."
            }
            Self::TooManyRefused { .. } => {
                "Mend what the answers to the rejected assets say (`ad-connector status`), most likely in the mapping; \
                 the next run goes on with what is staged."
            }
            Self::GaveUp { reason, .. }
            | Self::Unavailable { reason }
            | Self::AcceptsNothing { reason, .. } => network_advice(reason),
            Self::Stopped { .. } => "Nothing is lost: the next run sends what is staged first.",
            Self::Setting { .. } => "Correct the variable and start again.",
        }
    }
}

/// The next step for an answer that states nothing known.
const NOT_UNDERSTOOD: &str = "Check that QUALYS_GATEWAY_URL, QUALYS_INGEST_PATH and HTTPS_PROXY lead to the gateway; \
    only if it is the gateway that accepts assets with this answer, set QUALYS_ACCEPT_UNKNOWN=true; the next run sends what \
    is staged first.";

/// The next step for a failure that reached us as text.
fn network_advice(reason: &str) -> &'static str {
    let reason = reason.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if says(&["is not understood"]) {
        NOT_UNDERSTOOD
    } else if says(&["certificate", "unknownissuer", "tls"]) {
        "Check the clock, and if a proxy inspects TLS on the way, give its CA certificate in QUALYS_CA_CERTIFICATE."
    } else if says(&["dns", "name resolution", "lookup"]) {
        "Check the host in QUALYS_GATEWAY_URL and that this machine can resolve it, or set HTTPS_PROXY."
    } else if says(&["proxy", "tunnel"]) {
        "Check HTTPS_PROXY and that the proxy lets this machine reach the gateway."
    } else if says(&["asked to wait", "429", "409"]) {
        "The account's API limit is used up: run less often, or raise QUALYS_GIVE_UP_AFTER; the next run sends what is \
         staged first."
    } else {
        "Check that this machine reaches QUALYS_GATEWAY_URL (firewall, HTTPS_PROXY); the next run sends what is staged \
         first."
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unavailable(reason: &str) -> UpstreamError {
        UpstreamError::Unavailable {
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn exit_codes_are_those_of_the_contract() {
        let refused = UpstreamError::CredentialsRefused {
            path: "/auth".into(),
            reason: "401".into(),
        };
        assert_eq!(refused.exit_code(), 77);
        assert_eq!(unavailable("x").exit_code(), 69);
        assert_eq!(UpstreamError::Stopped { reason: "waiting" }.exit_code(), 69);
    }

    #[test]
    fn advice_fits_the_cause() {
        let cases = [
            ("invalid peer certificate: UnknownIssuer", "QUALYS_CA_CERTIFICATE"),
            ("dns error: failed to lookup address", "resolve"),
            ("tunnel error: unsuccessful", "HTTPS_PROXY"),
            ("status 429; it asked to wait 1800 s", "API limit"),
            ("connection refused", "firewall"),
        ];
        for (reason, expected) in cases {
            assert!(unavailable(reason).advice().contains(expected), "{reason}");
        }
    }

    #[test]
    fn giving_up_says_how_long_and_why() {
        let error = UpstreamError::GaveUp {
            after: Duration::from_millis(900_400),
            requests: 7,
            reason: "status 503".to_owned(),
        };
        assert_eq!(
            error.to_string(),
            "gave up 900 s after the first failure (requests made: 7): status 503"
        );
    }
}
