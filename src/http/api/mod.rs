//! The API, `/api/v1`: one file a resource. The OpenAPI document is made from the handlers.

mod browse;
mod change;
mod connections;
mod events;
mod instances;
mod inventory;
mod mapping;
mod preview;
mod removed;
mod review;
mod runs;
mod search;
mod stored;
mod trial;
mod why;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoParams, Modify, OpenApi, ToSchema};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

use super::problem::HttpProblem;
use super::service::HttpService;
use crate::store::RunMode;

/// Body of a call that takes the configuration of a connection at most, with a mapping and
/// certificates, octets.
const CONFIGURATION_BODY: usize = 1 << 20;

/// Calls beside the names of connections.
const CALLS: [&str; 5] = ["test", "schedule", "browse", "preview", "mapping"];

/// Items of a page where nothing else is asked for, and at most.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 200;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "ad-connector",
        description = "Reads users and groups from Microsoft Active Directory and delivers them to Qualys ETM. Beyond loopback, and by \
            way of a proxy, every call needs a token; on loopback those that show names of people (HTTP_TOKEN or HTTP_READ_TOKEN) and those \
            that change something (HTTP_TOKEN)."
    ),
    modifiers(&TokenSchemes),
    components(schemas(HttpProblem))
)]
struct ApiDocument;

/// A token, in the two ways in which it is taken.
struct TokenSchemes;

impl Modify for TokenSchemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        for (name, scheme) in [
            ("bearer", HttpAuthScheme::Bearer),
            ("basic", HttpAuthScheme::Basic),
        ] {
            let scheme = HttpBuilder::new().scheme(scheme).build();
            components.add_security_scheme(name, SecurityScheme::Http(scheme));
        }
    }
}

fn described() -> OpenApiRouter<Arc<HttpService>> {
    OpenApiRouter::with_openapi(ApiDocument::openapi())
        .routes(routes!(connections::list))
        .routes(routes!(connections::one))
        .routes(routes!(instances::list))
        .routes(routes!(events::stream))
        .routes(routes!(runs::list))
        .routes(routes!(runs::objects))
        .routes(routes!(inventory::list))
        .routes(routes!(inventory::one))
        .routes(routes!(preview::one))
        .routes(routes!(why::one))
        .routes(routes!(removed::list))
        .routes(routes!(removed::rejected))
        .routes(routes!(review::standing))
        .routes(routes!(review::users))
        .routes(routes!(review::asset_groups))
        .routes(routes!(review::roles))
        .routes(routes!(review::findings))
        .routes(routes!(review::access))
        .routes(routes!(mapping::table))
        .routes(routes!(change::sync))
        .routes(routes!(change::approve_removals))
        .routes(routes!(stored::create).layer(DefaultBodyLimit::max(CONFIGURATION_BODY)))
        .routes(routes!(stored::replace, stored::delete).layer(DefaultBodyLimit::max(CONFIGURATION_BODY)))
        .routes(routes!(stored::enable))
        .routes(routes!(stored::disable))
        .routes(routes!(trial::test).layer(DefaultBodyLimit::max(CONFIGURATION_BODY)))
        .routes(routes!(trial::test_stored).layer(DefaultBodyLimit::max(CONFIGURATION_BODY)))
        .routes(routes!(trial::schedule))
        .routes(routes!(browse::browse).layer(DefaultBodyLimit::max(CONFIGURATION_BODY)))
        .routes(routes!(preview::of_configuration).layer(DefaultBodyLimit::max(CONFIGURATION_BODY)))
        .routes(routes!(mapping::read).layer(DefaultBodyLimit::max(CONFIGURATION_BODY)))
}

/// The OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    described().into_openapi()
}

/// Returns every call, and the document.
pub(super) fn routes() -> Router<Arc<HttpService>> {
    let (routes, document) = described().split_for_parts();
    let of_one = get(connections::one)
        .put(stored::replace)
        .delete(stored::delete)
        .layer(DefaultBodyLimit::max(CONFIGURATION_BODY));
    // A connection may have the name of a call.
    let routes = CALLS.iter().fold(routes, |routes, call| {
        routes.route(&format!("/api/v1/connections/{call}"), of_one.clone())
    });
    routes.route("/api/openapi.json", get(move || async move { Json(document) }))
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = List)]
struct ListPage<T> {
    /// Items of this page.
    items: Vec<T>,
    /// `after` of the next page; `null` at the end.
    #[schema(required)]
    next: Option<String>,
}

impl<T> ListPage<T> {
    /// Returns the first `limit` of `found` as a page. The caller asks for one item more than that:
    /// where it is there, another page follows, behind `key` of the last item.
    fn page<S>(mut found: Vec<S>, limit: usize, key: impl Fn(&S) -> String, shown: impl Fn(&S) -> T) -> Self {
        let more = found.len() > limit;
        found.truncate(limit);
        Self {
            items: found.iter().map(shown).collect(),
            next: found.last().filter(|_| more).map(key),
        }
    }
}

/// Beginning and length of a page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    /// Items at most, 1 to 200; 50 where it is missing.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// `next` of the page before.
    after: Option<String>,
}

/// Checks the length of a page.
fn limited(limit: Option<usize>) -> Result<usize, HttpProblem> {
    match limit.unwrap_or(PAGE) {
        limit @ 1..=LARGEST_PAGE => Ok(limit),
        other => Err(HttpProblem::invalid(format_args!(
            "limit: {other} is not within 1 to {LARGEST_PAGE}"
        ))),
    }
}

/// Parses `after`.
fn position<T: std::str::FromStr>(after: Option<&str>) -> Result<Option<T>, HttpProblem> {
    let parsed = after.map(str::parse).transpose();
    parsed.map_err(|_| HttpProblem::invalid("after: it is not the `next` of a page of this list"))
}

/// Extent of a read.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Mode)]
enum WantedMode {
    /// The changes, where these are known.
    Delta,
    /// Everything.
    Baseline,
}

impl From<WantedMode> for RunMode {
    fn from(mode: WantedMode) -> Self {
        match mode {
            WantedMode::Delta => Self::Delta,
            WantedMode::Baseline => Self::Baseline,
        }
    }
}
