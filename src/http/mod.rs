//! What the service answers over HTTP: `/live` and `/ready`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use chrono::Utc;
use tokio_util::sync::CancellationToken;

use crate::schedule::Beats;
use crate::store::Store;

/// Seconds without a heartbeat after which the schedule counts as stuck; it beats every second.
const STUCK_AFTER: i64 = 60;

/// A listener that answers.
#[derive(Debug)]
pub struct Page {
    /// Where it listens; the port that was really given where 0 was asked for.
    pub address: SocketAddr,
}

struct Health {
    beats: Beats,
    store: Arc<Store>,
}

/// Listens on `address` until `stop`.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(
    address: SocketAddr,
    beats: Beats,
    store: Arc<Store>,
    stop: CancellationToken,
) -> std::io::Result<Page> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    let page = Page {
        address: listener.local_addr()?,
    };
    let routes = Router::new()
        .route("/live", get(live))
        .route("/ready", get(ready))
        .with_state(Arc::new(Health { beats, store }));
    tokio::spawn(async move {
        let served = axum::serve(listener, routes)
            .with_graceful_shutdown(stop.cancelled_owned())
            .await;
        if let Err(error) = served {
            tracing::error!(%error, "The HTTP listener ended.");
        }
    });
    Ok(page)
}

/// Alive: the schedule's heart beats.
async fn live(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    let silent = (Utc::now() - *health.beats.borrow()).num_seconds();
    if silent <= STUCK_AFTER {
        (StatusCode::OK, "alive\n".to_owned())
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the schedule has not moved for {silent} s\n"),
        )
    }
}

/// Ready: alive, and the state file can be read.
async fn ready(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    let store = Arc::clone(&health.store);
    match tokio::task::spawn_blocking(move || store.connections()).await {
        Ok(Ok(_)) => live(State(health)).await,
        // The cause may hold a path; it is in the log of the run that fails over it.
        _ => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the state file cannot be read\n".to_owned(),
        ),
    }
}
