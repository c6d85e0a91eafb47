//! The guard between the socket and the LDAP library.
//!
//! The library trusts what it reads: nested BER overflows its stack, a long length makes it buffer
//! without end, an operation that it does not expect makes it panic. So it never gets the socket,
//! but one end of a socket pair; the guard holds the other end and the real connection, and passes
//! on whole messages that it has checked ([`super::frame`], [`message`]): search entries and
//! references over the [`entry_channel`], everything else to the library.
//!
//! INVARIANTS: a message is passed on only when it is whole and well-formed and answers the one
//! request that is open. The end of a search is in the channel, after its entries, before the
//! library gets it. The socket is read no faster than entries are used up
//! ([`entry_channel::AHEAD`]) and the library takes the rest, which is bounded by [`MAX_RESULT`].
//! The first reason to stop is kept ([`GuardFaults`]) and is what the caller gets to see.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;

use super::ber::BerFault;
use super::entry_channel::{self, CHUNK};
use super::frame::{FrameFault, FrameScan};
use super::message::{self, AnswerOperation, LdapMessage, NOTICE_OF_DISCONNECTION, RequestOperation};
use super::oversized::{OversizedBeginning, OversizedEntry};
use super::result_code::{LdapResult, without};
use crate::config::Secret;
use crate::text::printable;

/// Most octets that may answer one request: one page of results, which is used up piece by piece. A
/// page of 1000 groups with 1500 members each, as large as Windows makes them, is about 150 MiB; of
/// users, 3 MiB.
const MAX_ANSWER: usize = 256 * 1024 * 1024;

/// Most octets that are discarded of entries that are too large in the answer to one request.
const MAX_DISCARDED: usize = 4 * MAX_ANSWER;

/// Largest message for the library, in octets, each element counted as [`ELEMENT`] more: a result
/// code, some texts, referrals, and a paging cookie, which is at most 64 KiB.
const MAX_RESULT: usize = 1024 * 1024;

/// Octets that an element costs in the library beside its own.
const ELEMENT: usize = 64;

/// The socket is read into what is left of a buffer, unless that is less than this.
const LEAST: usize = 16 * 1024;

/// Notifications other than Notice of Disconnection are ignored, as RFC 4511 section 4.4 demands,
/// but not for ever.
const MAX_NOTIFICATIONS: u32 = 100;

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

    fn set(&self, fault: GuardFault) {
        // Only the first is the cause; the others are its consequences.
        let _ = self.0.set(fault);
    }
}

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

/// Runs until either side ends. `socket` is the server, `library` the other end of what the LDAP
/// library holds.
pub async fn run<S>(socket: S, library: UnixStream, lane: entry_channel::EntrySender, faults: GuardFaults)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (from_server, to_server) = tokio::io::split(socket);
    let (from_library, to_library) = library.into_split();
    let exchange = Mutex::new(OpenRequest::default());
    let fault = tokio::select! {
        fault = answers(from_server, to_library, lane, &exchange) => fault,
        fault = requests(from_library, to_server, &exchange) => fault,
    };
    if let Some(fault) = fault {
        faults.set(fault);
    }
}

/// Carries requests to the server and records each. `None` when the library is done.
async fn requests(
    mut library: impl AsyncRead + Unpin,
    mut server: impl AsyncWrite + Unpin,
    exchange: &Mutex<OpenRequest>,
) -> Option<GuardFault> {
    let mut buffer = BytesMut::new();
    loop {
        let mut scan = FrameScan::default();
        let whole = loop {
            match scan.advance(&buffer) {
                Ok(Some(whole)) => break whole,
                Ok(None) => {}
                Err(fault) => return Some(GuardFault::Frame(fault)),
            }
            match library.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => {
                    let _ = server.shutdown().await;
                    return None;
                }
                Ok(_) => {}
            }
        };
        let request = buffer.split_to(whole.length);
        let open = message::request(&request);
        if open.is_none() {
            return Some(GuardFault::Message(BerFault::Unexpected(
                "a request that this client never makes",
            )));
        }
        *exchange.lock().unwrap_or_else(PoisonError::into_inner) = OpenRequest {
            open,
            ..OpenRequest::default()
        };
        let written = async {
            server.write_all(&request).await?;
            server.flush().await
        };
        if let Err(error) = written.await {
            return Some(broken(&error));
        }
    }
}

/// Carries answers to the channel of the entries and to the library, each after its check.
async fn answers(
    mut server: impl AsyncRead + Unpin,
    mut library: impl AsyncWrite + Unpin,
    mut lane: entry_channel::EntrySender,
    exchange: &Mutex<OpenRequest>,
) -> Option<GuardFault> {
    let mut inbox = ReceivedOctets::default();
    loop {
        let (entries, then) = inbox.check(exchange);
        // Messages that were good before a fault still count. Where no receiver is left, no reason
        // is needed either.
        if !entries.is_empty() && !lane.send(entries.freeze()) {
            return None;
        }
        match then {
            AfterEntries::Result(message, answer) => {
                if answer == AnswerOperation::SearchDone && !lane.end() {
                    return None;
                }
                library
                    .write_all(&message::readable_result(&message)?)
                    .await
                    .ok()?;
                lane.release(message.len());
            }
            AfterEntries::Incomplete { message, reason } => {
                if !lane.send_incomplete(message.into(), reason) {
                    return None;
                }
            }
            AfterEntries::Dropped(octets) => drop(lane.release(octets)),
            AfterEntries::Fault(fault) => return Some(fault),
            AfterEntries::Read => {
                let allowed = inbox.wanted();
                lane.allow(allowed).await;
                if let Some(fault) = inbox.read(&mut server, allowed).await {
                    return Some(fault);
                }
            }
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
    fn wanted(&self) -> usize {
        self.scan.announced().unwrap_or_else(|| self.held()) + CHUNK
    }

    /// Reads some octets, so that at most `allowed` are held.
    async fn read(&mut self, server: &mut (impl AsyncRead + Unpin), allowed: usize) -> Option<GuardFault> {
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

fn broken(error: &io::Error) -> GuardFault {
    GuardFault::Broken(error.to_string())
}

#[cfg(test)]
mod tests;
