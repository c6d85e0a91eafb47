//! Verdict on one object: whether it is in ETM, and why or why not.

/// Reason why an object is in ETM or is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceVerdict {
    /// ETM holds the version that the directory returns.
    InEtm,
    /// ETM holds an asset, and the directory could not be asked.
    Unverified,
    /// ETM holds an older version.
    Outdated,
    /// Its asset waits.
    Waiting,
    /// Its asset is in flight.
    Sending,
    /// Its asset was sent without an answer.
    Unanswered,
    /// The gateway rejected its asset.
    Rejected,
    /// Another object has its id (R37).
    Conflict,
    /// The mapping makes no asset of it (R15).
    Unmapped,
    /// The account may not read its objectGUID.
    Unidentified,
    /// It is not in scope.
    OutOfScope,
    /// ETM holds an asset of it, and it is not in scope any more.
    Leaving,
    /// The threshold holds its removal back (R23).
    Held,
    /// A read missed it, and it is not decided whether it is gone (R22).
    Undecided,
    /// It was removed.
    Removed,
    /// No run has read it yet.
    NotRead,
    /// The runs have read past it.
    PassedOver,
    /// It is deleted, and no run ever read it.
    Deleted,
    /// No object with this name is known.
    NotFound,
    /// Several objects have the name.
    Ambiguous,
    /// Neither the directory nor the state has an answer.
    Unknown,
}

impl TraceVerdict {
    /// Returns the word used in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InEtm => "in_etm",
            Self::Unverified => "unverified",
            Self::Outdated => "outdated",
            Self::Waiting => "waiting",
            Self::Sending => "sending",
            Self::Unanswered => "unanswered",
            Self::Rejected => "rejected",
            Self::Conflict => "conflict",
            Self::Unmapped => "unmapped",
            Self::Unidentified => "unidentified",
            Self::OutOfScope => "out_of_scope",
            Self::Leaving => "leaving",
            Self::Held => "held",
            Self::Undecided => "undecided",
            Self::Removed => "removed",
            Self::NotRead => "not_read",
            Self::PassedOver => "passed_over",
            Self::Deleted => "deleted",
            Self::NotFound => "not_found",
            Self::Ambiguous => "ambiguous",
            Self::Unknown => "unknown",
        }
    }
}

/// End of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceConclusion {
    /// The reason.
    pub verdict: TraceVerdict,
    /// `true` when ETM holds an asset of the object, in whatever version; `None` when that is not
    /// known.
    pub in_etm: Option<bool>,
    /// The reason as a sentence.
    pub sentence: String,
    /// Next step for an operator.
    pub remedy: Option<String>,
}
