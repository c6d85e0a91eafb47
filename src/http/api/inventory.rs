//! The inventory: what upstream holds.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};

use super::search::{self, SearchPattern};
use super::{limited, position};
use crate::clock;
use crate::http::extract::{NamedConnection, ServiceState, part};
use crate::http::guards::NameReader;
use crate::http::problem::{CheckedQuery, HttpProblem, RefusalResponses};
use crate::http::service::HttpService;
use crate::identity::{Guid, Kind};
use crate::store;
use crate::view::time;

/// Longest duration of a search.
const SEARCH_FOR: Duration = Duration::from_secs(5);

/// Characters of a search at most.
const LONGEST_SEARCH: usize = 256;

/// Query of the inventory.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct InventoryQuery {
    /// Only this kind: `user`, `group`, `computer` or `role`.
    kind: Option<String>,
    /// A part of any value of the asset (name, mail, …), of the SID, of the GUID or of the DN; case
    /// does not matter. 1 to 256 characters.
    #[param(min_length = 1, max_length = 256)]
    q: Option<String>,
    /// Items at most, 1 to 200; 50 where it is missing.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// `next` of the page before.
    after: Option<String>,
}

/// A page of the inventory, by GUID.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Inventory)]
pub(super) struct InventoryPage {
    /// Items of this page.
    items: Vec<InventoryItem>,
    /// `after` of the next page; `null` at the end.
    #[schema(required)]
    next: Option<String>,
    /// The search took too long: `next` goes on where it stopped.
    truncated: bool,
}

/// An object that upstream holds an asset of.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct InventoryItem {
    /// `user`, `group`, `computer` or `role`.
    kind: &'static str,
    /// `name` of its asset, else the first part of its DN.
    name: String,
    /// `displayName` of its asset.
    #[schema(required)]
    display_name: Option<String>,
    /// `email` of its asset.
    #[schema(required)]
    mail: Option<String>,
    /// Its distinguished name, as last read.
    dn: String,
    /// Its SID.
    external_asset_id: String,
    /// objectGUID.
    vendor_asset_id: String,
    /// Time at which upstream accepted the asset.
    #[schema(required)]
    accepted_at: Option<String>,
    /// In which run.
    accepted_run: i64,
}

/// An object with its asset.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct InventoryAsset {
    /// `user`, `group`, `computer` or `role`.
    kind: &'static str,
    /// `name` of its asset, else the first part of its DN.
    name: String,
    /// `displayName` of its asset.
    #[schema(required)]
    display_name: Option<String>,
    /// `email` of its asset.
    #[schema(required)]
    mail: Option<String>,
    /// Its distinguished name, as last read.
    dn: String,
    /// Its SID.
    external_asset_id: String,
    /// objectGUID.
    vendor_asset_id: String,
    /// Time at which upstream accepted the asset.
    #[schema(required)]
    accepted_at: Option<String>,
    /// In which run.
    accepted_run: i64,
    /// The `assetData` element exactly as upstream accepted it.
    #[schema(value_type = Object)]
    asset: Box<RawValue>,
    /// A newer version that waits, or was rejected.
    #[schema(required)]
    pending: Option<PendingAsset>,
}

/// A version that upstream has not accepted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PendingAsset {
    /// The `assetData` element.
    #[schema(value_type = Object)]
    asset: Box<RawValue>,
    /// Since when it waits.
    #[schema(required)]
    staged_at: Option<String>,
    /// `true` when the asset reports to upstream that the object is gone.
    removal: bool,
    /// Time at which upstream rejected it.
    #[schema(required)]
    rejected_at: Option<String>,
    /// Reason of the rejection.
    #[schema(required)]
    reason: Option<String>,
}

/// The inventory, page by page; with `q`, what has that in it.
#[utoipa::path(
    get, path = "/api/v1/connections/{name}/inventory", tag = "inventory", operation_id = "listInventory",
    params(("name" = String, Path, description = "CONNECTION_NAME"), InventoryQuery),
    security(("bearer" = []), ("basic" = [])),
    responses((status = 200, description = "A page, by GUID.", body = InventoryPage), RefusalResponses)
)]
pub(super) async fn list(
    _: NameReader,
    State(service): ServiceState,
    NamedConnection(handle): NamedConnection,
    CheckedQuery(wanted): CheckedQuery<InventoryQuery>,
) -> Result<Json<InventoryPage>, HttpProblem> {
    let limit = limited(wanted.limit)?;
    let after: Option<Guid> = position(wanted.after.as_deref())?;
    let kind = wanted.kind.as_deref().map(kind_named).transpose()?;
    let pattern = wanted.q.as_deref().map(pattern).transpose()?;
    let _turn = match &pattern {
        Some(_) => service.searches.acquire().await.ok(),
        None => None,
    };
    let id = handle.connector().id;
    // The search ends with this call: when the client disconnects, or when its time is over.
    let stop = CancellationToken::new();
    let _goes = stop.clone().drop_guard();
    let found = service
        .read(move |store| {
            let area = search::SearchArea { connection: id, kind };
            let until = clock::instant() + SEARCH_FOR;
            search::look(store, area, pattern.as_ref(), after, limit, || {
                stop.is_cancelled() || clock::instant() >= until
            })
        })
        .await?;
    Ok(Json(InventoryPage {
        items: found.objects.iter().map(item).collect(),
        next: found.next.map(|guid| guid.to_string()),
        truncated: found.truncated,
    }))
}

fn kind_named(name: &str) -> Result<Kind, HttpProblem> {
    Kind::from_name(name)
        .ok_or_else(|| HttpProblem::invalid("kind: it is none of user, group, computer, role"))
}

fn pattern(text: &str) -> Result<SearchPattern, HttpProblem> {
    let length = text.chars().count();
    if !(1..=LONGEST_SEARCH).contains(&length) {
        return Err(HttpProblem::invalid(format_args!(
            "q: {length} characters are not within 1 to {LONGEST_SEARCH}"
        )));
    }
    SearchPattern::new(text).map_err(|error| HttpProblem::invalid(format_args!("q: {error}")))
}

/// One object with its asset.
#[utoipa::path(
    get, path = "/api/v1/connections/{name}/inventory/{guid}", tag = "inventory", operation_id = "getAsset",
    params(("name" = String, Path, description = "CONNECTION_NAME"), ("guid" = String, Path, description = "objectGUID")),
    security(("bearer" = []), ("basic" = [])),
    responses((status = 200, description = "The object and its asset.", body = InventoryAsset), RefusalResponses)
)]
pub(super) async fn one(
    _: NameReader,
    State(service): ServiceState,
    NamedConnection(handle): NamedConnection,
    ObjectGuid(guid): ObjectGuid,
) -> Result<Json<InventoryAsset>, HttpProblem> {
    let id = handle.connector().id;
    let found = service
        .read(move |store| Ok((store.object(id, guid)?, store.waiting(id, guid)?)))
        .await?;
    let (Some(object), waiting) = found else {
        return Err(HttpProblem::not_found(
            format_args!("upstream holds no asset of the object {guid}"),
            "see `rejected` and `removed`, or search the inventory",
        ));
    };
    let item = item(&object);
    let pending = waiting.map(|waiting| {
        Ok::<_, HttpProblem>(PendingAsset {
            asset: raw(waiting.asset)?,
            staged_at: time(Some(waiting.staged_at)),
            removal: waiting.removal,
            rejected_at: time(waiting.rejected_at),
            reason: waiting.reject_reason,
        })
    });
    Ok(Json(InventoryAsset {
        kind: item.kind,
        name: item.name,
        display_name: item.display_name,
        mail: item.mail,
        dn: item.dn,
        external_asset_id: item.external_asset_id,
        vendor_asset_id: item.vendor_asset_id,
        accepted_at: item.accepted_at,
        accepted_run: item.accepted_run,
        asset: raw(object.asset)?,
        pending: pending.transpose()?,
    }))
}

/// Returns the JSON of the state file, as it is.
pub(super) fn raw(json: String) -> Result<Box<RawValue>, HttpProblem> {
    RawValue::from_string(json)
        .map_err(|error| HttpProblem::internal(format_args!("internal error: the stored asset: {error}")))
}

fn item(object: &store::HeldObject) -> InventoryItem {
    let asset: Value = serde_json::from_str(&object.asset).unwrap_or_default();
    // The tables of `asset.assetDetail` are one a kind, and each object has one of them.
    let detail = asset["asset"]["assetDetail"]
        .as_object()
        .and_then(|classes| classes.values().next());
    let text = |key: &str| Some(detail?.get(key)?.as_str()?.to_owned());
    InventoryItem {
        kind: object.kind.name(),
        name: text("name").unwrap_or_else(|| first_part(&object.dn)),
        display_name: text("displayName"),
        mail: text("email"),
        dn: object.dn.clone(),
        external_asset_id: object.external_id.clone(),
        vendor_asset_id: object.guid.to_string(),
        accepted_at: time(Some(object.accepted_at)),
        accepted_run: object.accepted_run.number(),
    }
}

/// Returns `CN=Anna` of `CN=Anna,OU=Berlin,…`.
fn first_part(dn: &str) -> String {
    let mut escaped = false;
    let end = dn.find(|character| {
        let ends = character == ',' && !escaped;
        escaped = character == '\\' && !escaped;
        ends
    });
    dn.get(..end.unwrap_or(dn.len())).unwrap_or(dn).to_owned()
}

/// The object that a path names.
pub(super) struct ObjectGuid(pub(super) Guid);

impl FromRequestParts<Arc<HttpService>> for ObjectGuid {
    type Rejection = HttpProblem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<HttpService>) -> Result<Self, HttpProblem> {
        let guid = part(parts, "guid").await;
        let guid = guid.and_then(|guid| guid.parse().ok());
        guid.map(Self).ok_or_else(|| {
            HttpProblem::invalid("guid: it is not a GUID, such as a34d55ee-0f3c-4c1b-9a53-6c1f6c0e7f11")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_part_of_a_name_may_hold_a_comma() {
        for (dn, part) in [
            (r"CN=Smith\, Anna,OU=B,DC=x", r"CN=Smith\, Anna"),
            (r"CN=a\\,OU=B", r"CN=a\\"),
            ("CN=alone", "CN=alone"),
            ("", ""),
        ] {
            assert_eq!(first_part(dn), part);
        }
    }
}
