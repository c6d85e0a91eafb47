//! Result of the delivery of a batch.

use super::error::UpstreamError;

/// What became of a batch. An item that is in neither list was not decided upon and stays staged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BatchDelivery {
    /// [`Item::seq`](super::BatchItem::seq) of what the gateway accepted.
    pub accepted: Vec<u64>,
    /// [`Item::seq`](super::BatchItem::seq) of what it rejected, with the reason.
    pub rejected: Vec<(u64, String)>,
    /// Of the rejected, those that the gateway may hold all the same: an earlier attempt of theirs went without a clear
    /// answer, or the answer rejects assets without saying which.
    pub unclear: Vec<u64>,
    /// Nothing of the batch was accepted, so nothing shows yet whether the assets or the gateway
    /// are the cause: the batch is to be delivered once more when nothing else is left
    /// ([`Occasion::Postponed`](super::BatchOccasion::Postponed)). No item of it is decided upon.
    pub postponed: bool,
    /// Why the rest was not decided upon.
    pub failure: Option<UpstreamError>,
    /// Ingest requests sent.
    pub requests: u64,
    /// Attempts after the first one of each request, those that ended at the token included.
    pub retries: u64,
}
