//! `/live` and `/ready`: for supervisors and load balancers.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use super::service::{HttpService, read};
use crate::clock;
use crate::store::Store;

/// Seconds without a heartbeat after which the schedule counts as stuck; it beats every second.
const STUCK_AFTER: i64 = 60;

/// Reports whether the service is alive: the schedule's heart beats.
pub(super) async fn live(State(service): State<Arc<HttpService>>) -> (StatusCode, String) {
    let silent = (clock::now() - *service.beats.borrow()).num_seconds();
    if silent <= STUCK_AFTER {
        (StatusCode::OK, "alive\n".to_owned())
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the schedule has not moved for {silent} s\n"),
        )
    }
}

/// Reports whether the service is ready: alive, and the state can be used: a file read, a database
/// also written.
pub(super) async fn ready(State(service): State<Arc<HttpService>>) -> (StatusCode, String) {
    match read(&service.health, Store::check_usable).await {
        Ok(()) if !service.registry.is_hindered() => live(State(service)).await,
        // The cause may hold a path; it is in the log of the run that fails over it.
        _ => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the state cannot be used\n".to_owned(),
        ),
    }
}
