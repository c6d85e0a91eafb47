//! Channel of the search entries: from the guard to the caller of the search, past the LDAP
//! library.
//!
//! Nearly all octets that a controller sends are entries. The library's work on each (a tree of its
//! elements, then a copy of that) costs more than reading, mapping and storing it together. So the
//! guard hands them over as the octets that came, checked and shared, and the library gets
//! everything else, with the end of the search.
//!
//! INVARIANT: octets that have been read from a server and are still held, be it by the guard, in
//! the channel or as entries of any holder, are at most [`AHEAD`] a connection, or [`BUDGET`] where
//! a single message is that large. The guard takes credit before it reads, and credit comes back
//! when the last entry of a run is dropped. So a server is read no faster than its entries are used
//! up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::frame::MAX_MESSAGE;
use crate::clock;

/// Number of octets that are read from the socket at once.
pub const CHUNK: usize = 64 * 1024;

/// Octets of entries after which a reader hands on the entries that it has, though the page goes
/// on. A page of 1000 users is smaller.
pub const PIECE: usize = 2 * 1024 * 1024;

/// Octets of one connection that are held at a time: a piece that is gathered, some that wait, one
/// that is used. Enough that the code which hands pieces on waits for the code that uses them
/// before the server has to wait.
pub const AHEAD: usize = 5 * PIECE;

/// The same while a large message is read. A piece that is being gathered never keeps the largest
/// message from being read, since only that could complete the piece.
pub const BUDGET: usize = MAX_MESSAGE + CHUNK + PIECE;

/// Item that comes over the channel.
#[derive(Debug)]
pub enum ChannelItem {
    /// Whole messages, one after another: search entries and references that answer the open
    /// request.
    Entries(Bytes),
    /// One search entry that was too large to be held: a message with what was kept of it, and why
    /// that is not all.
    Incomplete(Bytes, String),
    /// All entries of the open request came before this. Its result is with the library now, or
    /// will be in a moment.
    End,
}

/// The guard's end.
#[derive(Debug)]
pub struct EntrySender {
    items: UnboundedSender<ChannelItem>,
    budget: Arc<Semaphore>,
    /// Credit for what is being read.
    held: Option<OwnedSemaphorePermit>,
    stalls: Arc<StallRecord>,
}

/// The reader's end.
#[derive(Debug)]
pub struct EntryReceiver {
    items: UnboundedReceiver<ChannelItem>,
    stalls: Arc<StallRecord>,
}

impl EntryReceiver {
    /// Returns the next item; `None` when the guard has ended.
    pub async fn recv(&mut self) -> Option<ChannelItem> {
        self.items.recv().await
    }

    /// Returns the time, since the channel was opened, for which the server was not read because
    /// its entries were not used up.
    pub fn stalled(&self) -> Duration {
        let stalls = self.stalls.0.lock().unwrap_or_else(PoisonError::into_inner);
        stalls.ended + stalls.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// Times during which the guard waited for credit.
#[derive(Debug, Default)]
struct StallRecord(Mutex<StallState>);

#[derive(Debug, Default)]
struct StallState {
    ended: Duration,
    since: Option<Instant>,
}

impl StallRecord {
    fn begin(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).since = Some(clock::timer_instant());
    }

    fn end(&self) {
        let mut stalled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = stalled.since.take() {
            stalled.ended += since.elapsed();
        }
    }
}

/// Returns the two ends of an empty channel.
pub fn open() -> (EntrySender, EntryReceiver) {
    // The budget bounds the channel: the octets in it are part of those that are held.
    let (to, from) = unbounded_channel();
    let stalls = Arc::<StallRecord>::default();
    let sender = EntrySender {
        items: to,
        budget: Arc::new(Semaphore::new(BUDGET)),
        held: None,
        stalls: Arc::clone(&stalls),
    };
    (sender, EntryReceiver { items: from, stalls })
}

impl EntrySender {
    /// Waits until `octets` may be held by the guard, what it holds already included.
    pub async fn allow(&mut self, octets: usize) {
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Some(more) = octets.checked_sub(held).filter(|more| *more > 0) else {
            return;
        };
        // A message that is not large leaves the credit for a large one untouched: it waits until
        // that credit is there, and gives it back.
        let untouched = if octets > PIECE { 0 } else { BUDGET - AHEAD };
        let wanted = u32::try_from(more + untouched).unwrap_or(u32::MAX);
        let budget = Arc::clone(&self.budget);
        let permit = match Arc::clone(&budget).try_acquire_many_owned(wanted) {
            Ok(permit) => Ok(permit),
            Err(_) => {
                self.stalls.begin();
                let permit = budget.acquire_many_owned(wanted).await;
                self.stalls.end();
                permit
            }
        };
        // The semaphore is never closed, so there is always a permit in the end.
        if let Ok(mut permit) = permit {
            drop(permit.split(untouched));
            match &mut self.held {
                Some(held) => held.merge(permit),
                held => *held = Some(permit),
            }
        }
    }

    /// Hands over whole messages; their credit comes back when the last part of them is dropped.
    /// `false` when nobody reads any more.
    #[must_use]
    pub fn send(&mut self, octets: Bytes) -> bool {
        let octets = self.with_credit(octets);
        self.items.send(ChannelItem::Entries(octets)).is_ok()
    }

    /// Hands over a message with a part of an entry, as [`Self::send`] does; `reason` says why the
    /// rest is missing.
    #[must_use]
    pub fn send_incomplete(&mut self, octets: Bytes, reason: String) -> bool {
        let octets = self.with_credit(octets);
        self.items.send(ChannelItem::Incomplete(octets, reason)).is_ok()
    }

    fn with_credit(&mut self, octets: Bytes) -> Bytes {
        let credit = self.release(octets.len());
        Bytes::from_owner(CreditedOctets {
            octets,
            _credit: credit,
        })
    }

    /// Reports to the reader that the open request has no further entries. `false` when nobody
    /// reads any more.
    #[must_use]
    pub fn end(&self) -> bool {
        self.items.send(ChannelItem::End).is_ok()
    }

    /// Gives up the credit for `octets`, which the guard no longer holds. The message made of an
    /// oversized entry is some octets longer than the part that was held of it.
    pub fn release(&mut self, octets: usize) -> Option<OwnedSemaphorePermit> {
        let held = self.held.as_mut()?;
        held.split(octets.min(held.num_permits()))
    }
}

/// Octets with the credit for them.
struct CreditedOctets {
    octets: Bytes,
    _credit: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for CreditedOctets {
    fn as_ref(&self) -> &[u8] {
        &self.octets
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn credit_comes_back_with_the_last_part_of_a_run() {
        let (mut sender, mut receiver) = open();
        sender.allow(BUDGET).await;
        assert!(sender.send(Bytes::from(vec![7; BUDGET])));
        assert!(sender.allow(1).now_or_never().is_none(), "all is held");
        let Some(ChannelItem::Entries(run)) = receiver.recv().await else {
            panic!("the run");
        };
        let part = run.slice(5..6);
        drop(run);
        assert!(sender.allow(1).now_or_never().is_none(), "a part holds the whole");
        assert_eq!(part, [7].as_slice());
        drop(part);
        sender.allow(BUDGET).await;
    }

    #[tokio::test]
    async fn small_messages_leave_room_for_a_large_one() {
        let (mut sender, mut receiver) = open();
        let mut sent = 0;
        while sender.allow(CHUNK).now_or_never().is_some() {
            assert!(sender.send(Bytes::from(vec![7; CHUNK])));
            sent += CHUNK;
        }
        assert_eq!(sent, AHEAD);
        // A reader has less than a piece when it waits for more.
        for _ in 0..(AHEAD - PIECE) / CHUNK + 1 {
            drop(receiver.recv().await);
        }
        assert!(sender.allow(MAX_MESSAGE + CHUNK).now_or_never().is_some());
    }

    #[tokio::test]
    async fn what_the_guard_holds_counts_once() {
        let (mut sender, _receiver) = open();
        sender.allow(BUDGET).await;
        sender.allow(BUDGET).await;
        drop(sender.release(BUDGET));
        sender.allow(BUDGET).await;
    }
}
