//! A TCP stream whose peer has to read what is written: without a limit, one that does not read
//! would keep its answer forever.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::slots::HolderActivity;
use crate::clock;

/// Longest wait of a write for a peer that reads nothing.
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// Octets that a peer has to read a second, so that none stays connected by reading one at a time.
const OCTETS_A_SECOND: u64 = 4 << 10;

/// A stream whose writes end with [`ErrorKind::TimedOut`] when the peer does not read.
#[derive(Debug)]
pub(super) struct TimedStream {
    stream: TcpStream,
    activity: Arc<HolderActivity>,
    /// Moment until which the peer has to read, while something waits to be written.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl TimedStream {
    /// Marks `activity` as blocked while the peer reads nothing.
    pub(super) fn new(stream: TcpStream, activity: Arc<HolderActivity>) -> Self {
        Self {
            stream,
            activity,
            deadline: None,
        }
    }

    fn limited(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(octets)) => {
                self.extend(*octets);
                written
            }
            Poll::Ready(Err(_)) => written,
            Poll::Pending => {
                self.activity.set_blocked(true);
                let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(WRITE_WITHIN)));
                ready!(deadline.as_mut().poll(context));
                Poll::Ready(Err(io::Error::new(
                    ErrorKind::TimedOut,
                    "the peer does not read the answer",
                )))
            }
        }
    }

    /// Gives a slow peer the time that these octets are worth.
    fn extend(&mut self, octets: usize) {
        if let Some(deadline) = &mut self.deadline {
            let millis = u64::try_from(octets).unwrap_or(u64::MAX).saturating_mul(1000) / OCTETS_A_SECOND;
            let later = deadline.deadline() + Duration::from_millis(millis.min(10_000));
            deadline
                .as_mut()
                .reset(later.min(clock::timer_instant() + WRITE_WITHIN));
        }
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, octets);
        self.limited(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.limited(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Called when nothing waits to be written any more.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deadline.take().is_some() {
            self.activity.set_blocked(false);
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
