//! The listener: HTTP/1.1 over a bounded number of connections. A client that sends or reads
//! nothing cannot hold one.
//!
//! Every connection is accepted, and gets a slot, which another one gives up where none is free
//! ([`ConnectionSlots`]): no request waits for connections that do nothing, `/live` and `/ready`
//! neither.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use super::slots::{ConnectionSlots, HeldSlot, HolderActivity};
use super::timed_stream::TimedStream;

/// Connections at a time: a page uses two, a scraper one.
const CONNECTIONS: usize = 512;

/// Time that a connection may take to send the head of a request, or stay idle.
const HEAD_WITHIN: Duration = Duration::from_secs(15);

/// Head of a request at most, octets.
const HEAD: usize = 16 << 10;

/// Wait after the system refused a connection, mostly for want of file descriptors.
const AFTER_REFUSAL: Duration = Duration::from_millis(500);

/// Time that requests in flight may take once the service stops.
const DRAIN: Duration = Duration::from_secs(2);

/// Octets of an answer that the system keeps while the client does not read (Linux takes twice
/// that).
const UNREAD: u32 = 64 << 10;

/// Connections that the system keeps until they are accepted.
const BACKLOG: u32 = 1024;

/// Address that a request came from, in its extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeerAddress(pub(super) IpAddr);

/// Listens on `address`.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Connections that an earlier service left in TIME_WAIT do not matter.
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(UNREAD)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves `routes` until `stop`.
pub(super) async fn serve(listener: TcpListener, routes: Router, stop: CancellationToken) {
    let slots = ConnectionSlots::new(CONNECTIONS);
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        match accepted {
            Ok((stream, peer, slot)) => serve_connection(stream, peer, slot, &graceful, &routes),
            Err(error) => {
                tracing::warn!(%error, "The system refuses an HTTP connection.");
                tokio::time::sleep(AFTER_REFUSAL).await;
            }
        }
    }
    let _ = tokio::time::timeout(DRAIN, graceful.shutdown()).await;
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<ConnectionSlots>,
) -> io::Result<(TcpStream, IpAddr, HeldSlot)> {
    let (stream, peer) = listener.accept().await?;
    let peer = peer.ip().to_canonical();
    // Small answers, and events that are to be seen at once.
    let _ = stream.set_nodelay(true);
    Ok((stream, peer, slots.take(peer).await))
}

/// Serves one connection beside the others, until it ends or its slot goes to another one.
fn serve_connection(
    stream: TcpStream,
    peer: IpAddr,
    slot: HeldSlot,
    graceful: &GracefulShutdown,
    routes: &Router,
) {
    let activity = slot.activity();
    let stream = TimedStream::new(stream, slot.activity());
    let routes = TowerToHyperService::new(routes.clone());
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(PeerAddress(peer));
        let answering = AnsweringMark::begin(&activity);
        let answer = routes.call(request);
        async move {
            let answer = answer.await?;
            Ok::<_, std::convert::Infallible>(answer.map(|body| AnsweredBody {
                body,
                _answering: answering,
            }))
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD);
    let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
    tokio::spawn(async move {
        tokio::select! {
            ended = connection => {
                // A peer that breaks off needs no log entry.
                if let Err(error) = ended {
                    tracing::debug!(%error, "An HTTP connection ended.");
                }
            }
            () = slot.revoked() => {
                tracing::debug!(address = %peer, "An HTTP connection was ended in favour of another one.");
            }
        }
    });
}

/// Marks a connection as answering, until it is dropped.
struct AnsweringMark(Arc<HolderActivity>);

impl AnsweringMark {
    fn begin(activity: &Arc<HolderActivity>) -> Self {
        activity.set_answering(true);
        Self(Arc::clone(activity))
    }
}

impl Drop for AnsweringMark {
    fn drop(&mut self) {
        self.0.set_answering(false);
    }
}

/// A body whose connection answers as long as there is more of it.
struct AnsweredBody {
    body: Body,
    _answering: AnsweringMark,
}

impl hyper::body::Body for AnsweredBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
