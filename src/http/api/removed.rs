//! Objects that are gone or seem to be, and objects that did not get through.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{ListPage, PageQuery, limited, position};
use crate::http::extract::{NamedConnection, ServiceState};
use crate::http::guards::NameReader;
use crate::http::problem::{CheckedQuery, HttpProblem, RefusalResponses};
use crate::store::RejectionPlace;
use crate::view::{RejectionView, RemovalState, RemovalView};

/// Which list, and which page of it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RemovedQuery {
    /// `removed` (the newest first), `held` or `undecided`; `removed` where it is missing.
    #[param(inline)]
    state: Option<RemovalState>,
    /// Items at most, 1 to 200; 50 where it is missing.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// `next` of the page before.
    after: Option<String>,
}

/// A page of objects that are gone or seem to be.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RemovalList {
    /// Names the list of those held back now; `null` when nothing is held back.
    #[schema(required)]
    list: Option<String>,
    /// Items of this page.
    items: Vec<RemovalView>,
    /// `after` of the next page; `null` at the end.
    #[schema(required)]
    next: Option<String>,
}

/// The objects that are gone, held back, or not decided.
#[utoipa::path(
    get, path = "/api/v1/connections/{name}/removed", tag = "removals", operation_id = "listRemoved",
    params(("name" = String, Path, description = "CONNECTION_NAME"), RemovedQuery),
    security(("bearer" = []), ("basic" = [])),
    responses((status = 200, description = "A page of the list.", body = RemovalList), RefusalResponses)
)]
pub(super) async fn list(
    _: NameReader,
    State(service): ServiceState,
    NamedConnection(handle): NamedConnection,
    CheckedQuery(wanted): CheckedQuery<RemovedQuery>,
) -> Result<Json<RemovalList>, HttpProblem> {
    let limit = limited(wanted.limit)?;
    let state = wanted.state.unwrap_or_default();
    let after = wanted.after.as_deref();
    let id = handle.connector().id;
    let name = handle.connector().name();
    let (list, found) = if state == RemovalState::Removed {
        let before: Option<i64> = position(after)?;
        service
            .read(move |store| Ok((store.held_list(id)?, store.removed(id, None, before, limit + 1)?)))
            .await?
    } else {
        let after: Option<i64> = position(after)?;
        let held = state == RemovalState::Held;
        service
            .read(move |store| Ok((store.held_list(id)?, store.undecided(id, held, after, limit + 1)?)))
            .await?
    };
    let page = ListPage::page(
        found,
        limit,
        |last| last.place.to_string(),
        |removal| RemovalView::new(name, state, list.as_deref(), removal),
    );
    Ok(Json(RemovalList {
        items: page.items,
        next: page.next,
        list,
    }))
}

/// The objects that did not get through: the mapping could make no asset of them, or upstream
/// refused it.
#[utoipa::path(
    get, path = "/api/v1/connections/{name}/rejected", tag = "inventory", operation_id = "listRejected",
    params(("name" = String, Path, description = "CONNECTION_NAME"), PageQuery),
    security(("bearer" = []), ("basic" = [])),
    responses((status = 200, description = "A page of them.", body = ListPage<RejectionView>), RefusalResponses)
)]
pub(super) async fn rejected(
    _: NameReader,
    State(service): ServiceState,
    NamedConnection(handle): NamedConnection,
    CheckedQuery(paging): CheckedQuery<PageQuery>,
) -> Result<Json<ListPage<RejectionView>>, HttpProblem> {
    let limit = limited(paging.limit)?;
    let after: Option<RejectionPlace> = position(paging.after.as_deref())?;
    let id = handle.connector().id;
    let found = service
        .read(move |store| store.rejections_after(id, after.as_ref(), limit + 1))
        .await?;
    Ok(Json(ListPage::page(
        found,
        limit,
        |last| RejectionPlace::from(last).to_string(),
        RejectionView::new,
    )))
}
