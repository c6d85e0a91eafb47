//! Connections: where each stands.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::List;
use crate::http::access::Rights;
use crate::http::extract::{Named, Of};
use crate::http::problem::{Problem, Refusals};
use crate::http::service::Service;
use crate::schedule::ConnectionHandle;
use crate::view::{Connection, Progress};

/// A connection with the run that goes on, as these rights show it.
async fn shown(
    service: &Arc<Service>,
    handle: &ConnectionHandle,
    rights: Rights,
) -> Result<Connection, Problem> {
    let mut connection = service.standing(handle).await?.shown(service, handle);
    let running = handle.live().borrow().progress.clone();
    connection.progress = running.and_then(|running| Progress::of(&running));
    Ok(rights.shown(connection))
}

/// Every connection.
#[utoipa::path(
    get, path = "/api/v1/connections", tag = "connections", operation_id = "listConnections",
    responses((status = 200, description = "Every connection, by name.", body = List<Connection>), Refusals)
)]
pub(super) async fn list(rights: Rights, State(service): Of) -> Result<Json<List<Connection>>, Problem> {
    let mut items = Vec::new();
    for handle in service.handles.values() {
        items.push(shown(&service, handle, rights).await?);
    }
    Ok(Json(List { items, next: None }))
}

/// One connection.
#[utoipa::path(
    get, path = "/api/v1/connections/{name}", tag = "connections", operation_id = "getConnection",
    params(("name" = String, Path, description = "CONNECTION_NAME")),
    responses((status = 200, description = "Where it stands.", body = Connection), Refusals)
)]
pub(super) async fn one(
    rights: Rights,
    State(service): Of,
    Named(handle): Named,
) -> Result<Json<Connection>, Problem> {
    Ok(Json(shown(&service, &handle, rights).await?))
}
