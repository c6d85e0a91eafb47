//! Reasons why the guard ends a connection.

use std::io;
use std::sync::{Arc, OnceLock};

use super::ber::BerFault;
use super::frame::FrameFault;
use super::result_code::{LdapResult, without};
use crate::config::Secret;
use crate::text::printable;

/// Most octets that may answer one request: one page of results, which is used up piece by piece. A
/// page of 1000 groups with 1500 members each, as large as Windows makes them, is about 150 MiB; of
/// users, 3 MiB.
pub(super) const MAX_ANSWER: usize = 256 * 1024 * 1024;

/// Notifications other than Notice of Disconnection are ignored, as RFC 4511 section 4.4 demands,
/// but not for ever.
pub(super) const MAX_NOTIFICATIONS: u32 = 100;

/// Reason why the guard ended the connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardFault {
    /// The server closed between two messages.
    #[error("the server closed the connection")]
    Closed,
    /// The server closed inside of a message.
    #[error("the server closed the connection in the middle of a message")]
    Truncated,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The server announced the end of the connection and gave a reason.
    #[error("the server ended the connection: {0}")]
    Disconnected(LdapResult),
    /// The peer is no LDAP server; the first octets, printable.
    #[error("the answer is not LDAP, it begins with \"{0}\"")]
    NotLdap(String),
    /// The peer is no LDAP server, and its octets are not shown.
    #[error("the answer is not LDAP")]
    OtherProtocol,
    /// The peer expects TLS.
    #[error("the server answered with a TLS record")]
    SpeaksTls,
    /// A message breaks a limit or is malformed.
    #[error("refused {0}")]
    Frame(FrameFault),
    /// A message lacks a part or has one too many.
    #[error("refused a message with {0}")]
    Message(BerFault),
    /// A well-formed answer to no open request.
    #[error("refused a message that answers no open request (message id {0})")]
    Unasked(u32),
    /// The answer to one request is larger than any page may be.
    #[error("refused an answer of more than {} MiB to one request", MAX_ANSWER / 1024 / 1024)]
    TooMuch,
    /// A result, which holds no entry, is larger than results are.
    #[error("refused a result of {0} octets")]
    LongResult(usize),
    /// Notifications without end.
    #[error("refused more than {MAX_NOTIFICATIONS} unsolicited notifications")]
    Notifications,
}

/// Shared place for the reason why the guard ended. Clones share it; the first reason stays.
#[derive(Debug, Clone, Default)]
pub struct GuardFaults(Arc<OnceLock<GuardFault>>);

impl GuardFaults {
    /// Returns the reason, once there is one.
    #[must_use]
    pub fn get(&self) -> Option<GuardFault> {
        self.0.get().cloned()
    }

    /// Keeps the reason, unless there is one.
    pub(super) fn set(&self, fault: GuardFault) {
        // Only the first is the cause; the others are its consequences.
        let _ = self.0.set(fault);
    }
}

impl GuardFault {
    /// Returns the same fault without `secret`, should the server repeat it (R27).
    #[must_use]
    pub fn hiding(self, secret: &Secret) -> Self {
        match self {
            Self::Disconnected(outcome) => Self::Disconnected(outcome.hiding(secret)),
            Self::NotLdap(start) => Self::NotLdap(without(&start, secret)),
            other => other,
        }
    }
}

/// Returns the fault of a peer that does not send LDAP, as far as its first octets show.
pub(super) fn refusal(fault: FrameFault, bytes: &[u8]) -> GuardFault {
    if fault != FrameFault::NotLdap {
        return GuardFault::Frame(fault);
    }
    // A TLS record: type 20 to 23, major version 3 (RFC 8446 section 5.1).
    if let [0x14..=0x17, 0x03, ..] = bytes {
        return GuardFault::SpeaksTls;
    }
    let start = bytes.get(..60).unwrap_or(bytes);
    GuardFault::NotLdap(printable(&String::from_utf8_lossy(start)))
}

/// Returns the fault of a connection that broke.
pub(super) fn broken(error: &io::Error) -> GuardFault {
    GuardFault::Broken(error.to_string())
}
