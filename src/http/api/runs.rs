//! The history.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;

use super::{ListPage, PageQuery, limited, position};
use crate::http::access::RequestRights;
use crate::http::extract::{NamedConnection, ServiceState, part};
use crate::http::guards::NameReader;
use crate::http::problem::{CheckedQuery, HttpProblem, RefusalResponses};
use crate::http::service::HttpService;
use crate::view::{RunObjectView, RunView};

/// The runs of a connection, newest first.
#[utoipa::path(
    get, path = "/api/v1/connections/{name}/runs", tag = "runs", operation_id = "listRuns",
    params(("name" = String, Path, description = "CONNECTION_NAME"), PageQuery),
    responses((status = 200, description = "Runs, the newest first.", body = ListPage<RunView>), RefusalResponses)
)]
pub(super) async fn list(
    rights: RequestRights,
    State(service): ServiceState,
    NamedConnection(handle): NamedConnection,
    CheckedQuery(paging): CheckedQuery<PageQuery>,
) -> Result<Json<ListPage<RunView>>, HttpProblem> {
    let limit = limited(paging.limit)?;
    let before: Option<i64> = position(paging.after.as_deref())?;
    let id = handle.connector().id;
    let runs = service
        .read(move |store| store.runs_before(id, before, limit + 1))
        .await?;
    let name = handle.connector().name();
    Ok(Json(ListPage::page(
        runs,
        limit,
        |run| run.id.to_string(),
        |run| rights.shown(RunView::new(name, run)),
    )))
}

/// The objects that a run did not get through, or removed, in the order in which they were found.
/// As many as its counts say, or none when the run is so old that its list is no longer kept.
#[utoipa::path(
    get, path = "/api/v1/connections/{name}/runs/{run}/objects", tag = "runs", operation_id = "listRunObjects",
    params(
        ("name" = String, Path, description = "CONNECTION_NAME"), ("run" = i64, Path, description = "Number of the run"), PageQuery
    ),
    security(("bearer" = []), ("basic" = [])),
    responses((status = 200, description = "A page of them.", body = ListPage<RunObjectView>), RefusalResponses)
)]
pub(super) async fn objects(
    _: NameReader,
    State(service): ServiceState,
    NamedConnection(handle): NamedConnection,
    RunNumber(number): RunNumber,
    CheckedQuery(paging): CheckedQuery<PageQuery>,
) -> Result<Json<ListPage<RunObjectView>>, HttpProblem> {
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
        return Err(HttpProblem::not_found(
            format_args!("there is no run {number} in the history of the connection"),
            "GET …/runs lists those that are kept",
        ));
    };
    let name = handle.connector().name();
    Ok(Json(ListPage::page(
        objects,
        limit,
        |object| object.place.to_string(),
        |object| RunObjectView::new(name, number, object),
    )))
}

/// The run that a path names.
pub(super) struct RunNumber(i64);

impl FromRequestParts<Arc<HttpService>> for RunNumber {
    type Rejection = HttpProblem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<HttpService>) -> Result<Self, HttpProblem> {
        let number = part(parts, "run").await;
        let number = number.and_then(|number| number.parse().ok());
        number
            .map(Self)
            .ok_or_else(|| HttpProblem::invalid("run: it is not the number of a run"))
    }
}
