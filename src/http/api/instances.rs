//! Instances that share the state.

use axum::Json;
use axum::extract::State;

use crate::http::extract::ServiceState;
use crate::http::problem::{HttpProblem, RefusalResponses};
use crate::view::InstanceView;

/// Every instance that shares the state with this one; none where the state is a file.
#[utoipa::path(
    get, path = "/api/v1/instances", tag = "connections", operation_id = "listInstances",
    responses((status = 200, description = "Every instance, by name.", body = Vec<InstanceView>), RefusalResponses)
)]
pub(super) async fn list(State(service): ServiceState) -> Result<Json<Vec<InstanceView>>, HttpProblem> {
    let instances = service.read(|store| store.instances()).await?;
    Ok(Json(instances.into_iter().map(InstanceView::from).collect()))
}
