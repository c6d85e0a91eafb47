//! Containers of a directory, for the choice of a base context.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::trial::configuration;
use crate::check::{self, BrowsedContainers};
use crate::config::ConnectionDocument;
use crate::http::extract::ServiceState;
use crate::http::guards::Changer;
use crate::http::problem::{ChangeRefusals, CheckedBody, HttpProblem, RefusalResponses};

/// Body of `browse`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Browse)]
pub(super) struct BrowseBody {
    /// Configuration of a connection.
    #[schema(value_type = ConnectionDocument)]
    connection: Value,
    /// Name of the stored connection whose password is used, where the configuration has none and
    /// its address is the same.
    of: Option<String>,
    /// Object whose containers are wanted; the root of the domain where it is absent.
    dn: Option<String>,
}

/// Containers below an object, and what the profile would read.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Browsed)]
pub(super) struct BrowsedView {
    /// The object.
    dn: String,
    /// One level below it, by name.
    containers: Vec<ContainerView>,
    /// `false` where there are more.
    is_complete: bool,
    /// Objects that the profile would read, by kind.
    counts: Vec<KindCountView>,
}

/// Container of a directory.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DirectoryContainer)]
struct ContainerView {
    /// Its distinguished name.
    dn: String,
    /// Its name.
    name: String,
    /// `domain`, `organizationalUnit` or `container`.
    kind: &'static str,
}

/// Number of objects of a kind.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = KindCount)]
struct KindCountView {
    /// `users`, `groups`, `computers` or `roles`.
    kind: &'static str,
    /// Objects that were counted.
    count: u64,
    /// `false` where there may be more.
    is_complete: bool,
    /// Reason why they could not be counted.
    #[schema(required)]
    reason: Option<String>,
}

impl From<BrowsedContainers> for BrowsedView {
    fn from(browsed: BrowsedContainers) -> Self {
        let container = |one: check::DirectoryContainer| ContainerView {
            dn: one.dn,
            name: one.name,
            kind: one.kind.name(),
        };
        let count = |one: check::KindCount| KindCountView {
            kind: one.kind.plural(),
            count: one.count,
            is_complete: one.is_complete,
            reason: one.failure.map(|failure| failure.message),
        };
        Self {
            dn: browsed.dn,
            containers: browsed.containers.into_iter().map(container).collect(),
            is_complete: browsed.is_complete,
            counts: browsed.counts.into_iter().map(count).collect(),
        }
    }
}

/// Lists the containers below an object of the directory, and counts what the profile would read.
#[utoipa::path(
    post, path = "/api/v1/connections/browse", tag = "configuration", operation_id = "browseDirectory",
    request_body = BrowseBody,
    security(("bearer" = []), ("basic" = [])),
    responses(
        (status = 200, description = "Containers and counts.", body = BrowsedView),
        (status = 502, description = "The directory cannot be read.", body = HttpProblem),
        ChangeRefusals, RefusalResponses
    )
)]
pub(super) async fn browse(
    _: Changer,
    State(service): ServiceState,
    CheckedBody(body): CheckedBody<BrowseBody>,
) -> Result<Json<BrowsedView>, HttpProblem> {
    let settings = configuration(&service, body.of, body.connection).await?;
    let _permit = service.object_look_up()?;
    let bind_guard = service.registry.bind_guard();
    let browsed = check::browse(&settings, &bind_guard, body.dn.as_deref()).await?;
    Ok(Json(browsed.into()))
}
