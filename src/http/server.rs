//! The listener: HTTP/1.1 over a bounded number of connections, none of which can be held by saying nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Connections at a time: a page uses two, a scraper one; the next one waits.
const CONNECTIONS: usize = 64;

/// How long a connection may take to send the head of a request, or stay idle.
const HEAD_WITHIN: Duration = Duration::from_secs(15);

/// Head of a request at most, octets.
const HEAD: usize = 16 << 10;

/// Wait after the system refused a connection, mostly for want of file descriptors.
const AFTER_REFUSAL: Duration = Duration::from_millis(500);

/// How long requests in flight may take once the service stops.
const DRAIN: Duration = Duration::from_secs(2);

/// Serves `routes` until `stop`.
pub(super) async fn serve(listener: TcpListener, routes: Router, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                let mut builder = http1::Builder::new();
                builder
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_WITHIN)
                    .max_buf_size(HEAD);
                let service = TowerToHyperService::new(routes.clone());
                let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
                tokio::spawn(async move {
                    // A peer that breaks off is no news.
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "An HTTP connection ended.");
                    }
                    drop(place);
                });
            }
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
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, Option<OwnedSemaphorePermit>)> {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.ok();
    let (stream, _) = listener.accept().await?;
    // Small answers, and events that are to be seen at once.
    let _ = stream.set_nodelay(true);
    Ok((stream, place))
}
