//! Result of the delivery of a batch.

use super::error::UpstreamError;

/// Result of the delivery of a batch. An item that is in neither list is undecided and stays
/// staged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BatchDelivery {
    /// [`BatchItem::seq`](super::BatchItem::seq) of each item that the gateway accepted.
    pub accepted: Vec<u64>,
    /// [`BatchItem::seq`](super::BatchItem::seq) of each item that it rejected, with the reason.
    pub rejected: Vec<(u64, String)>,
    /// Rejected items that the gateway may hold all the same: an earlier attempt of theirs went
    /// without a clear answer, or the answer rejects assets without naming them.
    pub unclear: Vec<u64>,
    /// Nothing of the batch was accepted, so it is not known yet whether the assets or the gateway
    /// are the cause: the batch is to be delivered once more when nothing else is left
    /// ([`BatchOccasion::Postponed`](super::BatchOccasion::Postponed)). All its items are
    /// undecided.
    pub postponed: bool,
    /// Failure because of which the rest is undecided.
    pub failure: Option<UpstreamError>,
    /// Ingest requests sent.
    pub requests: u64,
    /// Attempts after the first one of each request, those that ended at the token included.
    pub retries: u64,
}
