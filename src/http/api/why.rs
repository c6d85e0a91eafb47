//! The whole way of one object, and why it is or is not in ETM.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::clock;
use crate::http::extract::{NamedConnection, ServiceState};
use crate::http::guards::NameReader;
use crate::http::problem::{CheckedQuery, HttpProblem, RefusalResponses};
use crate::sync::Tracer;
use crate::view::ObjectTrace;

/// Characters of a name at most.
const LONGEST_NAME: usize = 1024;

/// The object that is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedObject {
    /// Account name, common name, mail address, user principal name, DN, SID or GUID; 1 to 1024
    /// characters.
    #[param(min_length = 1, max_length = 1024)]
    object: String,
}

/// The whole way of one object. The service binds for it. A directory that cannot be read is part
/// of the answer.
#[utoipa::path(
    get, path = "/api/v1/connections/{name}/why", tag = "inventory", operation_id = "explainObject",
    params(("name" = String, Path, description = "CONNECTION_NAME"), WantedObject),
    security(("bearer" = []), ("basic" = [])),
    responses((status = 200, description = "Every step, and the sentence that they end in.", body = ObjectTrace), RefusalResponses)
)]
pub(super) async fn one(
    _: NameReader,
    State(service): ServiceState,
    NamedConnection(handle): NamedConnection,
    CheckedQuery(wanted): CheckedQuery<WantedObject>,
) -> Result<Json<ObjectTrace>, HttpProblem> {
    let length = wanted.object.chars().count();
    if !(1..=LONGEST_NAME).contains(&length) {
        return Err(HttpProblem::invalid(format_args!(
            "object: {length} characters are not within 1 to {LONGEST_NAME}"
        )));
    }
    let _permit = service.object_look_up()?;
    let connector = handle.connector();
    let tracer = Tracer {
        settings: &connector.settings,
        mapping: &connector.mapping,
        // A handle of its own: a refusal that is shown here is still logged by the next run.
        bind_guard: &connector.bind_guard.for_connection(),
        store: Some((&service.store, connector.id)),
        now: clock::unix_seconds(),
    };
    let trace = tracer.trace(&wanted.object).await?;
    Ok(Json(ObjectTrace::new(connector.name(), &trace)))
}
