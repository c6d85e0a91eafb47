//! Decision on the objects that are gone, and its outcome.

use super::KindCounts;
use crate::identity::Kind;

/// Limits of what is removed without asking (R23).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovalLimits {
    /// Objects of one kind.
    pub max_count: u64,
    /// Percent of the known objects of one kind, 0 to 100.
    pub max_percent: u8,
    /// Kinds of which a full read gave no object at all: their removals count as 100 %.
    pub empty: Vec<Kind>,
}

/// Authority that decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemovalDecision {
    /// The threshold, over everything that the run found gone.
    Threshold(RemovalLimits),
    /// Somebody approved the held list with this digest.
    Approved(String),
}

/// Count of a kind that is above the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemovalExcess {
    /// The kind.
    pub kind: Kind,
    /// Objects gone.
    pub gone: u64,
    /// Objects known before, those included.
    pub known: u64,
}

/// Outcome for the objects that a run found gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemovalConclusion {
    /// `removed`, `held`, and `rejected` for objects that wait for the asset of another, by kind.
    pub counts: KindCounts,
    /// The kinds above the threshold; when there is one, nothing of any kind was removed.
    pub excess: Vec<RemovalExcess>,
    /// Assets staged that report removals to upstream.
    pub staged: u64,
    /// The approved list is not the one that is held any more: nothing was removed.
    pub refused: bool,
}

/// Condition on a row `r` of `recheck` that its asset is listed as removed already: its removal may
/// have been sent late, and is only sent once more (R34).
pub(super) const IS_LISTED: &str = "EXISTS (SELECT 1 FROM removed AS m WHERE m.asset = r.asset)";

/// Objects that leave in one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    /// Everything that is gone.
    All,
    /// Only the ones that the threshold held back.
    Held,
    /// Only the ones that are listed as removed already.
    Listed,
}

/// Returns the condition on a row `r` of `recheck` that it is gone, for the parameters with the
/// connection and the run. The verdict of an earlier run does not count.
pub(super) fn is_gone(connection: &str, run: &str) -> String {
    format!(
        "r.connection = {connection} AND r.verdict = 'gone'
             AND (r.why = 'replaced' OR (r.why = 'missing' AND r.run = {run}))"
    )
}
