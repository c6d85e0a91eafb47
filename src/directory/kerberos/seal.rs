//! The security layer of a SASL bind (RFC 4422 section 3.7) over a connection without TLS: every
//! octet in both directions is in a buffer, four octets of length and a sealed token.
//!
//! INVARIANT: nothing is read past a buffer that is longer than agreed, unsealed or altered, and no
//! octet is sent unsealed. Memory grows with what has arrived, never with what a length claims.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Seals and opens messages, in their order.
pub trait SealLayer {
    /// Seals the next message.
    ///
    /// # Errors
    /// With the reason, when it cannot be sealed.
    fn seal(&mut self, message: &[u8]) -> Result<Vec<u8>, String>;
    /// Opens the next token.
    ///
    /// # Errors
    /// With the reason, when it is not a token that the other side sealed.
    fn open(&mut self, token: &[u8]) -> Result<Vec<u8>, String>;
}

/// Longest token that is taken, as the bind announces it: the largest number that fits (RFC 4752
/// section 3.1). As long as the longest message that the guard passes; some servers seal a whole
/// message at a time, however long.
pub const LONGEST: u32 = 0xFF_FFFF;

/// Upper bound of the octets that sealing may add to a message, with a margin: 60 octets with AES
/// (RFC 4121 section 4.2.4).
const OVERHEAD: usize = 256;

/// Least free capacity, in octets, of the buffer into which the socket is read.
const CHUNK: usize = 64 * 1024;

/// The length before each token.
const HEADER: usize = 4;

/// A connection whose octets are sealed on the way.
#[derive(Debug)]
pub struct SealedStream<S, L> {
    socket: S,
    layer: L,
    /// Most of a message that is sealed at once.
    most: usize,
    /// Buffers as they arrived.
    arrived: BytesMut,
    /// Octets that were opened and not read yet.
    opened: Bytes,
    /// Octets that were sealed and not sent yet.
    leaving: BytesMut,
}

impl<S, L> SealedStream<S, L> {
    /// Returns the layer over `socket`, whose other side takes tokens of at most `theirs` octets.
    /// `None` when that is too little for anything.
    pub fn new(socket: S, layer: L, theirs: usize) -> Option<Self> {
        let most = theirs.checked_sub(OVERHEAD).filter(|most| *most >= OVERHEAD)?;
        Some(Self {
            socket,
            layer,
            most,
            arrived: BytesMut::new(),
            opened: Bytes::new(),
            leaving: BytesMut::new(),
        })
    }
}

impl<S, L: SealLayer> SealedStream<S, L> {
    /// Opens the next whole buffer; `false` when more octets are needed.
    fn open_next(&mut self) -> io::Result<bool> {
        let Some(header) = self.arrived.first_chunk::<HEADER>() else {
            return Ok(false);
        };
        let length = u32::from_be_bytes(*header);
        if length > LONGEST {
            return Err(refused(format!(
                "a sealed buffer of {length} octets; the most that was agreed is {LONGEST}"
            )));
        }
        let end = HEADER + usize::try_from(length).map_err(io::Error::other)?;
        if self.arrived.len() < end {
            return Ok(false);
        }
        let buffer = self.arrived.split_to(end);
        let token = buffer.get(HEADER..).unwrap_or_default();
        self.opened = Bytes::from(self.layer.open(token).map_err(refused)?);
        Ok(true)
    }

    /// Sends what was sealed.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        S: AsyncWrite + Unpin,
    {
        while !self.leaving.is_empty() {
            let sent = ready!(Pin::new(&mut self.socket).poll_write(context, &self.leaving))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.leaving.advance(sent);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin, L: SealLayer + Unpin> AsyncRead for SealedStream<S, L> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.opened.is_empty() {
                let part = this.opened.split_to(this.opened.len().min(into.remaining()));
                into.put_slice(&part);
                return Poll::Ready(Ok(()));
            }
            if this.open_next()? {
                continue;
            }
            this.arrived.reserve(CHUNK);
            let mut room = (&mut this.arrived).limit(CHUNK);
            let read = tokio_util::io::poll_read_buf(Pin::new(&mut this.socket), context, &mut room);
            match (ready!(read)?, this.arrived.is_empty()) {
                (0, true) => return Poll::Ready(Ok(())),
                (0, false) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                _ => {}
            }
        }
    }
}

impl<S: AsyncWrite + Unpin, L: SealLayer + Unpin> AsyncWrite for SealedStream<S, L> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_send(context))?;
        let part = from.get(..this.most).unwrap_or(from);
        let token = this.layer.seal(part).map_err(io::Error::other)?;
        this.leaving
            .put_u32(u32::try_from(token.len()).map_err(io::Error::other)?);
        this.leaving.extend_from_slice(&token);
        Poll::Ready(Ok(part.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(context))?;
        Pin::new(&mut this.socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(context))?;
        Pin::new(&mut this.socket).poll_shutdown(context)
    }
}

fn refused(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("refused {what}"))
}

#[cfg(test)]
mod tests;
