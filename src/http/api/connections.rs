//! Connections: where each stands.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::ListPage;
use crate::http::access::RequestRights;
use crate::http::extract::{NamedConnection, ServiceState};
use crate::http::problem::{HttpProblem, RefusalResponses};
use crate::http::service::HttpService;
use crate::schedule::ConnectionHandle;
use crate::view::{ConnectionView, ProgressView};

/// Returns a connection with the run that goes on, as these rights show it.
async fn shown(
    service: &Arc<HttpService>,
    handle: &ConnectionHandle,
    rights: RequestRights,
) -> Result<ConnectionView, HttpProblem> {
    let mut connection = service.standing(handle).await?.shown(service, handle);
    let running = handle.live().borrow().progress.clone();
    connection.progress = running.and_then(|running| ProgressView::of(&running));
    Ok(rights.shown(connection))
}

/// Every connection.
#[utoipa::path(
    get, path = "/api/v1/connections", tag = "connections", operation_id = "listConnections",
    responses((status = 200, description = "Every connection, by name.", body = ListPage<ConnectionView>), RefusalResponses)
)]
pub(super) async fn list(
    rights: RequestRights,
    State(service): ServiceState,
) -> Result<Json<ListPage<ConnectionView>>, HttpProblem> {
    let mut items = Vec::new();
    for handle in service.handles.values() {
        items.push(shown(&service, handle, rights).await?);
    }
    Ok(Json(ListPage { items, next: None }))
}

/// One connection.
#[utoipa::path(
    get, path = "/api/v1/connections/{name}", tag = "connections", operation_id = "getConnection",
    params(("name" = String, Path, description = "CONNECTION_NAME")),
    responses((status = 200, description = "Where it stands.", body = ConnectionView), RefusalResponses)
)]
pub(super) async fn one(
    rights: RequestRights,
    State(service): ServiceState,
    NamedConnection(handle): NamedConnection,
) -> Result<Json<ConnectionView>, HttpProblem> {
    Ok(Json(shown(&service, &handle, rights).await?))
}
