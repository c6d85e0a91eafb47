//! The listening socket: plain or TLS, and connections that a handler can cut.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{Options, tls};

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// The peers whose connections stand, from the moment they were accepted.
pub(super) type Peers = Arc<watch::Sender<BTreeSet<SocketAddr>>>;

/// A peer, as long as its connection stands.
struct Standing {
    peer: SocketAddr,
    peers: Peers,
}

impl Standing {
    fn new(peer: SocketAddr, peers: &Peers) -> Self {
        peers.send_modify(|peers| {
            peers.insert(peer);
        });
        Self {
            peer,
            peers: Arc::clone(peers),
        }
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.peers.send_modify(|peers| {
            peers.remove(&self.peer);
        });
    }
}

/// A connection that ends as soon as its token is cancelled.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    cut: CancellationToken,
    cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
    _standing: Standing,
}

/// The handle by which a handler cuts the connection that it answers on.
#[derive(Debug, Clone)]
pub(super) struct Wire(CancellationToken);

impl Wire {
    pub(super) fn cut(&self) {
        self.0.cancel();
    }
}

impl Connected<IncomingStream<'_, Listener>> for Wire {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        Self(stream.io().cut.clone())
    }
}

/// Accepts and shakes hands in the background, so that one silent client holds up nobody.
pub(super) struct Listener {
    address: SocketAddr,
    connections: mpsc::Receiver<(Connection, SocketAddr)>,
}

impl Listener {
    pub(super) async fn bind(options: &Options, peers: &Peers, stop: &CancellationToken) -> Self {
        let acceptor = options.tls.as_ref().map(|(chain, key)| tls::acceptor(chain, key));
        let listener = TcpListener::bind(options.listen)
            .await
            .expect("the receiver's address is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (sender, connections) = mpsc::channel(64);
        tokio::spawn(accept(
            listener,
            acceptor,
            sender,
            Arc::clone(peers),
            stop.clone(),
        ));
        Self { address, connections }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    sender: mpsc::Sender<(Connection, SocketAddr)>,
    peers: Peers,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((socket, peer)) = accepted else { continue };
        let (acceptor, sender, cut) = (acceptor.clone(), sender.clone(), stop.child_token());
        let standing = Standing::new(peer, &peers);
        tokio::spawn(async move {
            let stream: Box<dyn Stream> = match acceptor {
                None => Box::new(socket),
                Some(acceptor) => match acceptor.accept(socket).await {
                    Ok(stream) => Box::new(stream),
                    Err(error) => {
                        tracing::info!(%peer, %error, "A TLS handshake failed.");
                        return;
                    }
                },
            };
            let cancelled = Box::pin(cut.clone().cancelled_owned());
            // Fails only when the receiver is gone, and then the connection may go too.
            let _ = sender
                .send((
                    Connection {
                        stream,
                        cut,
                        cancelled,
                        _standing: standing,
                    },
                    peer,
                ))
                .await;
        });
    }
}

impl axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        match self.connections.recv().await {
            Some(connection) => connection,
            // The receiver was stopped; the server's task ends with it.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Connection {
    fn ended(&mut self, cx: &mut Context<'_>) -> bool {
        self.cut.is_cancelled() || self.cancelled.as_mut().poll(cx).is_ready()
    }
}

fn reset() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionReset)
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ended(cx) {
            return Poll::Ready(Err(reset()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.ended(cx) {
            return Poll::Ready(Err(reset()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ended(cx) {
            return Poll::Ready(Err(reset()));
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
