//! Connections: where each stands.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;

use super::ListPage;
use crate::http::access::RequestRights;
use crate::http::extract::{AnyConnection, ServiceState};
use crate::http::problem::{HttpProblem, RefusalResponses};
use crate::http::service::HttpService;
use crate::http::standing;
use crate::schedule::ServedConnection;
use crate::view::{ConnectionView, ProgressView};

/// Returns a connection with the run that goes on, as these rights show it.
pub(super) async fn shown(
    service: &Arc<HttpService>,
    connection: &ServedConnection,
    rights: RequestRights,
) -> Result<ConnectionView, HttpProblem> {
    let view = match &connection.handle {
        Ok(handle) => {
            let mut view = service.standing(handle).await?.shown(service, handle);
            let running = handle.live().borrow().progress.clone();
            view.progress = running.and_then(|running| ProgressView::of(&running));
            view
        }
        Err(fault) => standing::unusable(connection, fault, service),
    };
    Ok(rights.shown(view))
}

/// Connection with its revision as a header.
pub(super) struct TaggedConnection(pub(super) ConnectionView);

impl IntoResponse for TaggedConnection {
    fn into_response(self) -> axum::response::Response {
        let tag = self.0.revision.map(entity_tag);
        let mut response = Json(self.0).into_response();
        if let Some(tag) = tag {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

/// Returns the entity tag of a revision (RFC 9110 section 8.8.3).
fn entity_tag(revision: i64) -> HeaderValue {
    let text = format!("\"{revision}\"");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("\"\""))
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
    for connection in service.registry.set().all() {
        items.push(shown(&service, &connection, rights).await?);
    }
    Ok(Json(ListPage { items, next: None }))
}

/// One connection.
#[utoipa::path(
    get, path = "/api/v1/connections/{name}", tag = "connections", operation_id = "getConnection",
    params(("name" = String, Path, description = "CONNECTION_NAME")),
    responses(
        (status = 200, description = "Where it stands, and how it is configured.", body = ConnectionView,
         headers(("ETag" = String, description = "Its revision, where it is stored."))),
        RefusalResponses
    )
)]
pub(super) async fn one(
    rights: RequestRights,
    State(service): ServiceState,
    AnyConnection(connection): AnyConnection,
) -> Result<TaggedConnection, HttpProblem> {
    Ok(TaggedConnection(shown(&service, &connection, rights).await?))
}
