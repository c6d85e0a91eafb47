//! The history.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;

use super::{List, Paging, limited, position};
use crate::http::access::Rights;
use crate::http::extract::{Named, Of, part};
use crate::http::guards::NameReader;
use crate::http::problem::{Problem, Query, Refusals};
use crate::http::service::Service;
use crate::view::{Run, RunObject};

/// The runs of a connection, newest first.
#[utoipa::path(
    get, path = "/api/v1/connections/{name}/runs", tag = "runs", operation_id = "listRuns",
    params(("name" = String, Path, description = "CONNECTION_NAME"), Paging),
    responses((status = 200, description = "Runs, the newest first.", body = List<Run>), Refusals)
)]
pub(super) async fn list(
    rights: Rights,
    State(service): Of,
    Named(handle): Named,
    Query(paging): Query<Paging>,
) -> Result<Json<List<Run>>, Problem> {
    let limit = limited(paging.limit)?;
    let before: Option<i64> = position(paging.after.as_deref())?;
    let id = handle.connector().id;
    let runs = service
        .read(move |store| store.runs_before(id, before, limit + 1))
        .await?;
    let name = handle.connector().name();
    Ok(Json(List::page(
        runs,
        limit,
        |run| run.id.to_string(),
        |run| rights.shown(Run::new(name, run)),
    )))
}

/// The objects that a run did not get through, or removed, in the order in which they were found. As many as its counts say, or none when
/// the run is so old that its list is no longer kept.
#[utoipa::path(
    get, path = "/api/v1/connections/{name}/runs/{run}/objects", tag = "runs", operation_id = "listRunObjects",
    params(
        ("name" = String, Path, description = "CONNECTION_NAME"), ("run" = i64, Path, description = "Number of the run"), Paging
    ),
    security(("bearer" = []), ("basic" = [])),
    responses((status = 200, description = "A page of them.", body = List<RunObject>), Refusals)
)]
pub(super) async fn objects(
    _: NameReader,
    State(service): Of,
    Named(handle): Named,
    RunNumber(number): RunNumber,
    Query(paging): Query<Paging>,
) -> Result<Json<List<RunObject>>, Problem> {
    let limit = limited(paging.limit)?;
    let after: Option<i64> = position(paging.after.as_deref())?;
    let id = handle.connector().id;
    let found = service
        .read(move |store| {
            let latest = store.runs_before(id, number.checked_add(1), 1)?.pop();
            match latest.filter(|run| run.id.number() == number) {
                Some(run) => Ok(Some(store.run_objects(run.id, after, limit + 1)?)),
                None => Ok(None),
            }
        })
        .await?;
    let Some(objects) = found else {
        return Err(Problem::not_found(
            format_args!("there is no run {number} in the history of the connection"),
            "GET …/runs lists those that are kept",
        ));
    };
    let name = handle.connector().name();
    Ok(Json(List::page(
        objects,
        limit,
        |object| object.place.to_string(),
        |object| RunObject::new(name, number, object),
    )))
}

/// The run that a path names.
pub(super) struct RunNumber(i64);

impl FromRequestParts<Arc<Service>> for RunNumber {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Service>) -> Result<Self, Problem> {
        let number = part(parts, "run").await;
        let number = number.and_then(|number| number.parse().ok());
        number
            .map(Self)
            .ok_or_else(|| Problem::invalid("run: it is not the number of a run"))
    }
}
