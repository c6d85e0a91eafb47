//! Guards of the routes: each asks [`Access`](super::access::AccessPolicy) before anything is
//! answered.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::access::{BASIC, BEARER, RequestDenial, RequestRights, RequestSender};
use super::problem::HttpProblem;
use super::service::HttpService;

/// Guards the API and the metrics.
pub(super) async fn guard(State(service): State<Arc<HttpService>>, request: Request, next: Next) -> Response {
    pass(&service, request, next, BEARER).await
}

/// Guards the page and its files.
pub(super) async fn guard_page(
    State(service): State<Arc<HttpService>>,
    request: Request,
    next: Next,
) -> Response {
    pass(&service, request, next, BASIC).await
}

async fn pass(service: &HttpService, mut request: Request, next: Next, challenge: &'static str) -> Response {
    let access = &service.access;
    match access.examine(request.method(), request.headers(), challenge) {
        Ok(rights) => {
            request.extensions_mut().insert(rights);
            next.run(request).await
        }
        Err(RequestDenial::Problem(problem)) => problem.into_response(),
        Err(RequestDenial::WrongToken) => {
            let client = RequestSender::of(request.extensions(), request.headers());
            access.refuse_wrong(client, challenge).await.into_response()
        }
    }
}

/// Proof that the request may read names of people: what answers with some takes it as its first
/// argument.
pub(super) struct NameReader;

impl FromRequestParts<Arc<HttpService>> for NameReader {
    type Rejection = HttpProblem;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<HttpService>) -> Result<Self, HttpProblem> {
        match parts.extensions.get::<RequestRights>() {
            Some(RequestRights::ReadNames | RequestRights::Change) => Ok(Self),
            _ if !service.access.shows_names() => Err(HttpProblem::new(
                StatusCode::FORBIDDEN,
                "names_off",
                "neither HTTP_TOKEN nor HTTP_READ_TOKEN is configured, so no names of people are shown over HTTP",
                "set one of them (or HTTP_TOKEN_FILE, HTTP_READ_TOKEN_FILE) to a long random text and start the service \
                 again; the commands of ad-connector show the same",
            )),
            _ => Err(HttpProblem::unauthorized(
                "this shows names of people, so it needs a token",
                BEARER,
            )),
        }
    }
}

/// Proof that the request may change something, and its sender: what changes something takes it as
/// its first argument.
pub(super) struct Changer(RequestSender);

impl Changer {
    /// Names the sender for the history, the log and the lock.
    pub(super) fn asked_by(&self) -> String {
        format!("API from {}", self.0)
    }
}

impl FromRequestParts<Arc<HttpService>> for Changer {
    type Rejection = HttpProblem;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<HttpService>) -> Result<Self, HttpProblem> {
        match parts.extensions.get::<RequestRights>() {
            Some(RequestRights::Change) => Ok(Self(RequestSender::of(&parts.extensions, &parts.headers))),
            _ if !service.access.allows_changes() => Err(HttpProblem::new(
                StatusCode::FORBIDDEN,
                "changes_off",
                "no HTTP_TOKEN is configured, so nothing can be changed over HTTP",
                "set HTTP_TOKEN (or HTTP_TOKEN_FILE) to a long random text and start the service again",
            )),
            Some(RequestRights::ReadNames) => Err(HttpProblem::new(
                StatusCode::FORBIDDEN,
                "read_only",
                "this is HTTP_READ_TOKEN, with which nothing can be changed",
                "send the value of HTTP_TOKEN as `Authorization: Bearer …`",
            )),
            _ => Err(HttpProblem::unauthorized("this needs the token", BEARER)),
        }
    }
}
