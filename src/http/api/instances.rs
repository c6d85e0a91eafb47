//! Instances that share the state.

use axum::Json;
use axum::extract::State;

use crate::http::extract::Of;
use crate::http::problem::{Problem, Refusals};
use crate::view::Instance;

/// Every instance that shares the state with this one; none where the state is a file.
#[utoipa::path(
    get, path = "/api/v1/instances", tag = "connections", operation_id = "listInstances",
    responses((status = 200, description = "Every instance, by name.", body = Vec<Instance>), Refusals)
)]
pub(super) async fn list(State(service): Of) -> Result<Json<Vec<Instance>>, Problem> {
    let instances = service.read(|store| store.instances()).await?;
    Ok(Json(instances.into_iter().map(Instance::from).collect()))
}
