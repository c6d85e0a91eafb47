//! Messages from the reader to the stager of a run.

use tokio::sync::oneshot;

use crate::directory::Entry;
use crate::identity::Kind;
use crate::store::{Decision, ReadEnd, Slice};

/// Message from the reader to the stager.
pub(in crate::sync) enum ReadPiece {
    /// Entries of one search: a page, or a piece of a large one.
    Page(Kind, Vec<Entry>),
    /// Everything of this slice was sent before.
    Slice(Box<Slice>),
    /// Everything sent before is to be stored now. Answered then.
    Store(oneshot::Sender<()>),
    /// Everything was read; the watermark and what was missed commit with what is staged last (R3). Answered then.
    Complete(Box<ReadEnd>, oneshot::Sender<()>),
    /// Everything missed was looked up: decide.
    Conclude(Decision),
}
