//! Bytes in and out of one connection: whole frames in, buffered bytes out, and the faults that concern bytes.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::ber::{self, BerError};
use super::message::{Operation, Request};

/// Requests read ahead while one is served; more stay in the socket.
const READ_AHEAD: usize = 64;

/// One connection, with or without TLS.
pub(super) struct Connection<S> {
    stream: S,
    buffer: BytesMut,
    waiting: VecDeque<Request>,
    /// How many bytes may still be sent before the connection is cut.
    cut_after: Option<usize>,
    drip: bool,
}

/// Why a connection ends.
#[derive(Debug)]
pub(super) enum End {
    /// The client left, or the network.
    Left,
    /// A fault cut it.
    Cut,
    /// The client sent what is no LDAP.
    Protocol,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Left
    }
}

impl From<BerError> for End {
    fn from(_: BerError) -> Self {
        Self::Protocol
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            waiting: VecDeque::new(),
            cut_after: None,
            drip: false,
        }
    }

    /// The stream itself; what was read ahead is forgotten, as StartTLS demands (RFC 4511 section 4.14.1).
    pub(super) fn into_stream(self) -> S {
        self.stream
    }

    /// The next request.
    pub(super) async fn request(&mut self) -> Result<Request, End> {
        loop {
            if let Some(request) = self.waiting.pop_front() {
                return Ok(request);
            }
            self.decode()?;
            if self.waiting.is_empty() && self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(End::Left);
            }
        }
    }

    /// Whether the client meanwhile sent an Abandon for this request; requests that came in are kept for later.
    pub(super) async fn is_abandoned(&mut self, id: i64) -> Result<bool, End> {
        if self.waiting.len() < READ_AHEAD {
            tokio::select! {
                biased;
                read = self.stream.read_buf(&mut self.buffer) => if read? == 0 { return Err(End::Left) },
                () = std::future::ready(()) => {}
            }
            self.decode()?;
        }
        Ok(self
            .waiting
            .iter()
            .any(|request| matches!(request.operation, Operation::Abandon(of) if of == id)))
    }

    /// Sends all of these bytes, unless a fault has it otherwise.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), End> {
        let allowed = self.cut_after.map_or(bytes.len(), |left| left.min(bytes.len()));
        if self.drip {
            for byte in &bytes[..allowed] {
                self.stream.write_all(&[*byte]).await?;
                self.stream.flush().await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        } else {
            self.stream.write_all(&bytes[..allowed]).await?;
            self.stream.flush().await?;
        }
        if let Some(left) = &mut self.cut_after {
            *left -= allowed;
            if allowed < bytes.len() || *left == 0 {
                return Err(End::Cut);
            }
        }
        Ok(())
    }

    /// Cuts the connection after this many more bytes.
    pub(super) fn cut_after(&mut self, bytes: usize) {
        self.cut_after = Some(bytes);
    }

    /// One byte a second from now on.
    pub(super) fn drip(&mut self) {
        self.drip = true;
    }

    /// Closes the stream in an orderly way.
    pub(super) async fn close(mut self) {
        drop(self.stream.shutdown().await);
    }

    fn decode(&mut self) -> Result<(), End> {
        while let Some(length) = ber::frame_length(&self.buffer)? {
            if self.buffer.len() < length {
                break;
            }
            self.waiting.push_back(Request::decode(&self.buffer[..length])?);
            self.buffer.advance(length);
        }
        Ok(())
    }
}
