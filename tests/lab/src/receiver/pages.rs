//! What scripts ask: `/_receiver/{assets,deliveries,summary,violations}`.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};

use super::Shared;

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/_receiver/assets", get(assets))
        .route("/_receiver/deliveries", get(deliveries))
        .route("/_receiver/summary", get(summary))
        .route("/_receiver/violations", get(violations))
        .route("/_receiver/reset", post(reset))
}

/// The latest asset of each id, one JSON a line, sorted by `externalAssetId`.
async fn assets(State(shared): State<Shared>) -> impl IntoResponse {
    let mut lines = String::new();
    for asset in shared.lock().assets.values() {
        lines.push_str(&asset.to_string());
        lines.push('\n');
    }
    ([(CONTENT_TYPE, "application/x-ndjson")], lines)
}

/// Every delivery in order of arrival, one JSON a line.
async fn deliveries(State(shared): State<Shared>) -> impl IntoResponse {
    let mut lines = String::new();
    for delivery in &shared.lock().deliveries {
        lines.push_str(&serde_json::to_string(delivery).expect("a delivery is JSON"));
        lines.push('\n');
    }
    ([(CONTENT_TYPE, "application/x-ndjson")], lines)
}

async fn summary(State(shared): State<Shared>) -> impl IntoResponse {
    Json(shared.lock().summary())
}

async fn violations(State(shared): State<Shared>) -> impl IntoResponse {
    Json(shared.lock().violations.clone())
}

async fn reset(State(shared): State<Shared>) {
    shared.lock().reset();
    shared.arrivals.send_replace(0);
}
