//! Arguments of the handlers, made of the request.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::problem::HttpProblem;
use super::service::HttpService;
use crate::schedule::{ConnectionHandle, ServedConnection};

/// Returns the part of the path that its route calls `name`.
pub(super) async fn part(parts: &mut Parts, name: &str) -> Option<String> {
    let path = Path::<BTreeMap<String, String>>::from_request_parts(parts, &()).await;
    path.ok().and_then(|mut path| path.remove(name))
}

/// Connection that the path names, which can be used.
pub(super) struct NamedConnection(pub(super) ConnectionHandle);

/// Connection that the path names, whether it can be used or not.
pub(super) struct AnyConnection(pub(super) ServedConnection);

/// Name in the path, of a connection that is stored or not: a change looks it up itself.
pub(super) struct ConnectionName(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for ConnectionName {
    type Rejection = HttpProblem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, HttpProblem> {
        Ok(Self(match part(parts, "name").await {
            Some(name) => name,
            // The route of a call whose name a connection may have too.
            None => parts.uri.path().rsplit('/').next().unwrap_or_default().to_owned(),
        }))
    }
}

impl FromRequestParts<Arc<HttpService>> for NamedConnection {
    type Rejection = HttpProblem;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<HttpService>) -> Result<Self, HttpProblem> {
        let AnyConnection(connection) = AnyConnection::from_request_parts(parts, service).await?;
        connection
            .handle
            .map(Self)
            .map_err(|fault| HttpProblem::new(StatusCode::CONFLICT, "not_usable", fault.reason, fault.remedy))
    }
}

impl FromRequestParts<Arc<HttpService>> for AnyConnection {
    type Rejection = HttpProblem;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<HttpService>) -> Result<Self, HttpProblem> {
        let ConnectionName(name) = ConnectionName::from_request_parts(parts, service).await?;
        let connection = service.registry.set().named(&name);
        connection.map(Self).ok_or_else(|| unknown_connection(&name))
    }
}

/// Returns 404: no connection has this name.
pub(super) fn unknown_connection(name: &str) -> HttpProblem {
    HttpProblem::not_found(
        format_args!("no connection is named `{name}`"),
        "GET /api/v1/connections lists them",
    )
}

/// State of the service, as a handler takes it.
pub(super) type ServiceState = State<Arc<HttpService>>;
