//! Answers while the service waits for the database of its state: it is alive, and not ready.

use std::net::SocketAddr;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio_util::sync::CancellationToken;

use super::server;

/// Answers `/live` and `/ready` until `stop`. The service itself reports later an address that
/// cannot be listened on.
pub async fn serve_waiting(address: SocketAddr, stop: CancellationToken) {
    let waiting = || async { (StatusCode::SERVICE_UNAVAILABLE, "the state cannot be used yet\n") };
    let routes = Router::new()
        .route("/live", get(|| async { "alive\n" }))
        .route("/ready", get(waiting))
        .fallback(waiting);
    if let Ok(listener) = server::listen(address) {
        server::serve(listener, routes, stop).await;
    }
}
