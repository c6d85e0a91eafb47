//! Reasons for which the gateway does not accept a request.

/// Reason for which the gateway did not accept a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestRefusal {
    /// Kind of the answer.
    pub(super) kind: RefusalKind,
    /// Status and message of the answer, or the way in which the connection ended.
    pub(super) reason: String,
}

/// Kind of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The answer is about the content of the request: 400, 422, 413, a 2xx that reports an error.
    Content,
    /// The answer is about the way to the gateway or the rights of the account: 3xx, 403, 404, 405,
    /// 415 and their likes; `denied` for 403.
    Way {
        /// The account lacks a right.
        denied: bool,
    },
    /// 5xx, or a cut connection, each time that the request was sent.
    Failing,
    /// There was no answer within `QUALYS_TIMEOUT`.
    TimedOut,
    /// A 2xx that states nothing known, each time that the request was sent.
    NotUnderstood,
}

impl RefusalKind {
    /// Returns `true` when the same request may be accepted a little later.
    pub(super) const fn may_pass(self) -> bool {
        matches!(self, Self::Failing | Self::TimedOut | Self::NotUnderstood)
    }
}
