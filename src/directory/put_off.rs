//! Bind that is put off (R40).

use chrono::{DateTime, SecondsFormat, Utc};

/// Refused attempts of one account within [`PUT_OFF_FOR`], at most.
pub(super) const MOST_REFUSED: usize = 3;

/// Bind that is not tried, since the account was refused a short time ago.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the bind of {account} is put off until {}: the account was refused at {} ({cause})",
    written(.next),
    written(.refused)
)]
pub struct PutOff {
    /// `AD_BIND_DN`.
    pub account: String,
    /// Time of the refusal.
    pub refused: DateTime<Utc>,
    /// Time of the next attempt.
    pub next: DateTime<Utc>,
    /// The controller's reason.
    pub cause: String,
    /// Next step for the reason.
    pub(super) cause_advice: String,
    /// The connection's log has the refusal already.
    pub(super) repeated: bool,
}

impl PutOff {
    /// Returns the next step.
    #[must_use]
    pub fn advice(&self) -> String {
        format!(
            "{}; then restart the service, which reads AD_PASSWORD again, or ask for a run: it tries at once, but of one account no \
             more than {MOST_REFUSED} attempts an hour are made that a controller refuses, so that it is not locked out",
            self.cause_advice
        )
    }
}

pub(super) fn written(time: &DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
