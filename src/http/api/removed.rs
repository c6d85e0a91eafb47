//! Objects that are gone or seem to be, and objects that did not get through.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{List, Paging, limited, position};
use crate::http::extract::{Named, Of};
use crate::http::guards::NameReader;
use crate::http::problem::{Problem, Query, Refusals};
use crate::store::RejectionPlace;
use crate::view::{Rejection, Removal, RemovalState};

/// Which list, and which page of it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
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
    /// What is on this page.
    items: Vec<Removal>,
    /// `after` of the next page; `null` at the end.
    #[schema(required)]
    next: Option<String>,
}

/// The objects that are gone, held back, or not decided.
#[utoipa::path(
    get, path = "/api/v1/connections/{name}/removed", tag = "removals", operation_id = "listRemoved",
    params(("name" = String, Path, description = "CONNECTION_NAME"), Wanted),
    security(("bearer" = []), ("basic" = [])),
    responses((status = 200, description = "A page of the list.", body = RemovalList), Refusals)
)]
pub(super) async fn list(
    _: NameReader,
    State(service): Of,
    Named(handle): Named,
    Query(wanted): Query<Wanted>,
) -> Result<Json<RemovalList>, Problem> {
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
    let page = List::page(
        found,
        limit,
        |last| last.place.to_string(),
        |removal| Removal::new(name, state, list.as_deref(), removal),
    );
    Ok(Json(RemovalList {
        items: page.items,
        next: page.next,
        list,
    }))
}

/// The objects that did not get through: the mapping could make no asset of them, or upstream refused it.
#[utoipa::path(
    get, path = "/api/v1/connections/{name}/rejected", tag = "inventory", operation_id = "listRejected",
    params(("name" = String, Path, description = "CONNECTION_NAME"), Paging),
    security(("bearer" = []), ("basic" = [])),
    responses((status = 200, description = "A page of them.", body = List<Rejection>), Refusals)
)]
pub(super) async fn rejected(
    _: NameReader,
    State(service): Of,
    Named(handle): Named,
    Query(paging): Query<Paging>,
) -> Result<Json<List<Rejection>>, Problem> {
    let limit = limited(paging.limit)?;
    let after: Option<RejectionPlace> = position(paging.after.as_deref())?;
    let id = handle.connector().id;
    let found = service
        .read(move |store| store.rejections_after(id, after.as_ref(), limit + 1))
        .await?;
    Ok(Json(List::page(
        found,
        limit,
        |last| RejectionPlace::from(last).to_string(),
        Rejection::new,
    )))
}
