//! Messages from the reader to the stager of a run.

use tokio::sync::oneshot;

use crate::directory::Entry;
use crate::identity::Kind;
use crate::store::{ReadEnd, ReadSlice, RemovalDecision};

/// Message from the reader to the stager.
pub(in crate::sync) enum ReadPiece {
    /// Entries of one search: a page, or a piece of a large one.
    Page(Kind, Vec<Entry>),
    /// End of this range of uSNChanged: everything of it was sent before.
    Slice(Box<ReadSlice>),
    /// Request to store everything sent before. It is answered after that.
    Store(oneshot::Sender<()>),
    /// End of the read; the watermark and the missed objects commit with the assets that are staged
    /// last (R3). It is answered after that.
    Complete(Box<ReadEnd>, oneshot::Sender<()>),
    /// End of the look-up: every missed object was looked up, so the removals can be decided.
    Conclude(RemovalDecision),
}
