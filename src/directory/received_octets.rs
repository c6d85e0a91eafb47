//! Octets from the server that the guard has not passed on, and the check of the messages in them.

use std::io;
use std::sync::{Mutex, PoisonError};

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::entry_channel::CHUNK;
use super::frame::FrameScan;
use super::guard_fault::{GuardFault, MAX_ANSWER, MAX_NOTIFICATIONS, broken, refusal};
use super::message::{self, AnswerOperation, LdapMessage, NOTICE_OF_DISCONNECTION, RequestOperation};
use super::oversized::{OversizedBeginning, OversizedEntry};

/// Most octets that are discarded of entries that are too large in the answer to one request.
const MAX_DISCARDED: usize = 4 * MAX_ANSWER;

/// Largest message for the library, in octets, each element counted as [`ELEMENT`] more: a result
/// code, some texts, referrals, and a paging cookie, which is at most 64 KiB.
pub(super) const MAX_RESULT: usize = 1024 * 1024;

/// Octets that an element costs in the library beside its own.
const ELEMENT: usize = 64;

/// The socket is read into what is left of a buffer, unless that is less than this.
const LEAST: usize = 16 * 1024;

/// The one request that is open, and what has come for it.
#[derive(Debug, Default)]
pub(super) struct OpenRequest {
    open: Option<(u32, RequestOperation)>,
    answered: usize,
    /// Octets of entries that are too large.
    discarded: usize,
}

impl OpenRequest {
    /// Returns the open request in which `request` was asked with this message id, and nothing was
    /// answered.
    pub(super) const fn of(id: u32, request: RequestOperation) -> Self {
        Self {
            open: Some((id, request)),
            answered: 0,
            discarded: 0,
        }
    }
}

/// Octets that have arrived from the server and were not passed on.
#[derive(Debug, Default)]
pub(super) struct ReceivedOctets {
    buffer: BytesMut,
    scan: FrameScan,
    /// The entry that is being read, when it is too large to be held.
    oversized: Option<OversizedEntry>,
    notifications: u32,
}

/// Item that follows after the entries that a check has found.
#[derive(Debug)]
pub(super) enum AfterEntries {
    /// A message for the library.
    Result(BytesMut, AnswerOperation),
    /// A message with what was kept of an entry that is too large, and why that is not all of it.
    Incomplete { message: Vec<u8>, reason: String },
    /// Number of octets of a notification, which is ignored, or of an entry that is too large.
    Dropped(usize),
    /// A message that is refused, with the fault.
    Fault(GuardFault),
    /// No whole message yet: more octets are needed.
    Read,
}

impl ReceivedOctets {
    /// Takes out the whole messages for the channel of the entries, up to the first octet that
    /// belongs to none of them, and returns them with the item that follows.
    pub(super) fn check(&mut self, exchange: &Mutex<OpenRequest>) -> (BytesMut, AfterEntries) {
        if let Some(oversized) = self.oversized.take() {
            return (BytesMut::new(), self.skip(oversized, exchange));
        }
        let mut good = 0;
        loop {
            let rest = self.buffer.get(good..).unwrap_or_default();
            let whole = match self.scan.advance(rest) {
                Ok(Some(whole)) => whole,
                Ok(None) => return (self.buffer.split_to(good), AfterEntries::Read),
                Err(fault) => {
                    let beginning = OversizedEntry::begin(rest, fault).map_err(|fault| refusal(fault, rest));
                    let entries = self.buffer.split_to(good);
                    let then = match beginning {
                        Ok(OversizedBeginning::Unknown) => AfterEntries::Read,
                        Ok(OversizedBeginning::Entry(oversized, start)) => {
                            self.begin_skipping(oversized, start, exchange)
                        }
                        Err(fault) => AfterEntries::Fault(fault),
                    };
                    return (entries, then);
                }
            };
            self.scan.restart();
            let message = rest.get(..whole.length).unwrap_or_default();
            let admitted = admit(message, whole.elements, exchange);
            if let Ok(Some(AnswerOperation::Entry | AnswerOperation::Reference)) = admitted {
                good += whole.length;
                continue;
            }
            let entries = self.buffer.split_to(good);
            let then = match admitted {
                Ok(Some(answer)) => AfterEntries::Result(self.buffer.split_to(whole.length), answer),
                Ok(None) if self.notifications < MAX_NOTIFICATIONS => {
                    self.notifications += 1;
                    self.buffer.advance(whole.length);
                    AfterEntries::Dropped(whole.length)
                }
                Ok(None) => AfterEntries::Fault(GuardFault::Notifications),
                Err(fault) => AfterEntries::Fault(fault),
            };
            return (entries, then);
        }
    }

    /// Begins to skip an entry that is too large, when it may come.
    fn begin_skipping(
        &mut self,
        oversized: OversizedEntry,
        start: usize,
        exchange: &Mutex<OpenRequest>,
    ) -> AfterEntries {
        let mut exchange = exchange.lock().unwrap_or_else(PoisonError::into_inner);
        if exchange.open != Some((oversized.id, RequestOperation::Search)) {
            return AfterEntries::Fault(GuardFault::Unasked(oversized.id));
        }
        exchange.discarded += oversized.length;
        if exchange.discarded > MAX_DISCARDED {
            return AfterEntries::Fault(GuardFault::TooMuch);
        }
        self.oversized = Some(oversized);
        self.scan.restart();
        self.buffer.advance(start);
        AfterEntries::Dropped(start)
    }

    /// Goes on with an entry that is too large.
    fn skip(&mut self, mut oversized: OversizedEntry, exchange: &Mutex<OpenRequest>) -> AfterEntries {
        let step = match oversized.advance(&self.buffer) {
            Ok(step) => step,
            Err(fault) => return AfterEntries::Fault(GuardFault::Frame(fault)),
        };
        self.buffer.advance(step.consumed);
        if step.consumed > 0 {
            self.oversized = Some(oversized);
            return AfterEntries::Dropped(step.consumed - step.kept);
        }
        if !step.ended {
            self.oversized = Some(oversized);
            return AfterEntries::Read;
        }
        let (message, reason) = oversized.finish();
        match admit(&message, 0, exchange) {
            Ok(_) => AfterEntries::Incomplete { message, reason },
            Err(fault) => AfterEntries::Fault(fault),
        }
    }

    /// Returns the number of octets that are held.
    fn held(&self) -> usize {
        self.buffer.len() + self.oversized.as_ref().map_or(0, OversizedEntry::held)
    }

    /// Returns the buffer into which octets are read.
    pub(super) const fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Returns the number of octets that should be held, those that are here included.
    pub(super) fn wanted(&self) -> usize {
        self.scan.announced().unwrap_or_else(|| self.held()) + CHUNK
    }

    /// Reads some octets, so that at most `allowed` are held.
    pub(super) async fn read(
        &mut self,
        server: &mut (impl AsyncRead + Unpin),
        allowed: usize,
    ) -> Option<GuardFault> {
        let cut = if self.buffer.is_empty() && self.oversized.is_none() {
            GuardFault::Closed
        } else {
            GuardFault::Truncated
        };
        let room = allowed.saturating_sub(self.held());
        if self.buffer.capacity() - self.buffer.len() < LEAST {
            self.buffer.reserve(room);
        }
        match server.read_buf(&mut (&mut self.buffer).limit(room)).await {
            Ok(0) => Some(cut),
            Ok(_) => None,
            // Many TLS peers close without close_notify; whether it cut a message is all that
            // matters.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Some(cut),
            Err(error) => Some(broken(&error)),
        }
    }
}

/// Returns the operation of one whole message that may be passed on; `None` for a notification,
/// which is dropped.
fn admit(
    bytes: &[u8],
    elements: usize,
    exchange: &Mutex<OpenRequest>,
) -> Result<Option<AnswerOperation>, GuardFault> {
    match message::answer(bytes).map_err(GuardFault::Message)? {
        LdapMessage::Notification { name, outcome } if name == NOTICE_OF_DISCONNECTION => {
            Err(GuardFault::Disconnected(outcome))
        }
        LdapMessage::Notification { .. } => Ok(None),
        LdapMessage::Answer { id, answer } => {
            let mut exchange = exchange.lock().unwrap_or_else(PoisonError::into_inner);
            match exchange.open {
                Some((open, request)) if open == id && request.admits(answer) => {}
                _ => return Err(GuardFault::Unasked(id)),
            }
            exchange.answered += bytes.len();
            if exchange.answered > MAX_ANSWER {
                return Err(GuardFault::TooMuch);
            }
            if answer.is_last() {
                if bytes.len() + ELEMENT * elements > MAX_RESULT {
                    return Err(GuardFault::LongResult(bytes.len()));
                }
                exchange.open = None;
            }
            Ok(Some(answer))
        }
    }
}

#[cfg(test)]
mod tests;
