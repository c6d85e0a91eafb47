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
//! ([`entry_channel::AHEAD`]) and the library takes the rest, which [`super::received_octets`]
//! bounds. The first reason to stop is kept ([`GuardFaults`]) and is what the caller gets to see.

use std::sync::{Mutex, PoisonError};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;

use super::ber::BerFault;
use super::entry_channel;
use super::frame::FrameScan;
use super::guard_fault::{GuardFault, GuardFaults, broken};
use super::message::{self, AnswerOperation};
use super::received_octets::{AfterEntries, OpenRequest, ReceivedOctets};

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
        let Some((id, operation)) = message::request(&request) else {
            return Some(GuardFault::Message(BerFault::Unexpected(
                "a request that this client never makes",
            )));
        };
        *exchange.lock().unwrap_or_else(PoisonError::into_inner) = OpenRequest::of(id, operation);
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

#[cfg(test)]
mod tests;
