//! Errors that prevent a review or the reading of a list.

use std::time::Duration;

use crate::exit_code::{INTERNAL, REFUSED, UNAVAILABLE};
use crate::upstream::{FailureCause, UpstreamError};

/// Reason for which the Qualys API gave no list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReviewError {
    /// The credentials or the account are refused.
    #[error("the Qualys API server refused the account at {call}: {reason}")]
    Credentials {
        /// Path of the call.
        call: &'static str,
        /// Status and message.
        reason: String,
    },
    /// The account lacks a right.
    #[error("the account may not use {call} of the Qualys API: {reason}")]
    Denied {
        /// Path of the call.
        call: &'static str,
        /// Status and message.
        reason: String,
    },
    /// No answer, or only failures.
    #[error("the Qualys API server cannot be used: {call}: {reason}")]
    Unavailable {
        /// Path of the call.
        call: &'static str,
        /// Cause of the failure.
        cause: FailureCause,
        /// Last failure.
        reason: String,
    },
    /// The limit of calls is used up for longer than may be waited.
    #[error("the Qualys API limits the calls of the account: {call}: wait {} s: {reason}", .pause.as_secs())]
    Limited {
        /// Path of the call.
        call: &'static str,
        /// Pause that was asked for.
        pause: Duration,
        /// Status and message.
        reason: String,
    },
    /// The answer is no list.
    #[error("the answer of the Qualys API to {call} was not understood: {reason}")]
    NotUnderstood {
        /// Path of the call.
        call: &'static str,
        /// Description of the answer.
        reason: String,
    },
    /// A setting cannot be used as it is.
    #[error(transparent)]
    Setting(#[from] UpstreamError),
    /// A defect of the program.
    #[error("internal error: {0}")]
    Internal(String),
}

impl ReviewError {
    /// Returns the exit code of the contract.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Credentials { .. } | Self::Denied { .. } => REFUSED,
            Self::Unavailable {
                cause: FailureCause::ProxyLogin,
                ..
            } => REFUSED,
            Self::Setting(error) => error.exit_code(),
            Self::Internal(_) => INTERNAL,
            Self::Unavailable { .. } | Self::Limited { .. } | Self::NotUnderstood { .. } => UNAVAILABLE,
        }
    }

    /// Returns the next step, one sentence.
    #[must_use]
    pub fn advice(&self) -> String {
        let advice = match self {
            Self::Credentials { .. } => {
                "Check QUALYS_API_USERNAME and QUALYS_API_PASSWORD, and in the Qualys UI that the account is active, has \
                 accepted the licence agreement and may use the API."
            }
            Self::Denied { .. } => {
                "Give the API account the role Manager and access to the API (docs/review.md lists the rights)."
            }
            Self::Unavailable { cause, .. } => match cause {
                FailureCause::Tls { .. } => {
                    "Check QUALYS_API_URL and the certificate that answers there; where a proxy inspects TLS, put its CA \
                     certificate into the file of QUALYS_CA_CERTIFICATE."
                }
                FailureCause::Name => {
                    "Check the host in QUALYS_API_URL and that this machine can resolve it, or set HTTPS_PROXY."
                }
                FailureCause::Proxy => {
                    "Check HTTPS_PROXY and that the proxy lets this machine reach the Qualys API server."
                }
                FailureCause::ProxyLogin => {
                    "Give HTTPS_PROXY a user name and a password that the proxy accepts."
                }
                FailureCause::TimedOut => {
                    "Raise QUALYS_TIMEOUT, and check that this machine reaches QUALYS_API_URL (firewall, HTTPS_PROXY)."
                }
                _ => "Check that this machine reaches QUALYS_API_URL (firewall, HTTPS_PROXY).",
            },
            Self::Limited { .. } => {
                "Run the review less often, or at another time than other users of the API; QUALYS_GIVE_UP_AFTER is how long \
                 it waits."
            }
            Self::NotUnderstood { .. } => {
                "Check that QUALYS_API_URL is the API server of the platform (https://qualysapi…), not the gateway or the \
                 UI, and that no proxy on the way answers in its place."
            }
            Self::Setting(error) => return error.advice(),
            Self::Internal(_) => "This is a defect of ad-connector: please report it with the log.",
        };
        advice.to_owned()
    }
}
