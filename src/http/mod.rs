//! HTTP interface of the service: the status page, the API with its OpenAPI document, metrics,
//! `/live` and `/ready`.
//!
//! Everything is read over a connection of its own to the state file, so that no request delays a
//! run. The [`ConnectionHandle`] shows the progress of a run and takes commands.

mod access;
mod api;
mod counts;
mod extract;
mod guards;
mod health;
mod metrics;
mod page;
mod problem;
mod server;
mod service;
mod slots;
mod standing;
mod timed_stream;
mod waiting;
mod wrong_tokens;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::config::{HttpSettings, StateLocation};
use crate::registry::ConnectionRegistry;
use crate::schedule::Heartbeats;
use crate::store::{Store, StoreAccess as Opened, StoreError};

use access::AccessPolicy;
use counts::CountCache;
use problem::HttpProblem;
use service::HttpService;
use slots::ConnectionSlots;

pub use api::document;
pub use waiting::serve_waiting;

/// Body of a request at most, octets; most calls take some ten.
const BODY: usize = 16 << 10;

/// Time that an answer may take, its body not included; a search stops by itself before.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The same for a call that reads the directory, and for a change, which waits for a run to end or
/// to begin.
const CHANGE_WITHIN: Duration = Duration::from_secs(30);

/// Event streams at a time: one a page.
const STREAMS: usize = 64;

/// Searches through the inventory at a time: each keeps a processor busy for seconds. Others wait.
const SEARCHES: usize = 2;

/// Headers of every answer. They forbid a browser to load anything of another origin, to run
/// anything inline, to show the page in a frame, and to guess the type of content.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

/// State as the answers read it, over connections of their own.
#[derive(Debug)]
pub struct StateReaders {
    requests: Arc<Store>,
    /// For `/ready`, which waits for no other reader.
    health: Arc<Store>,
}

impl StateReaders {
    /// Opens the state.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(state: &StateLocation) -> Result<Self, StoreError> {
        let opened = || Store::open(state, Opened::ReadOnly).map(Arc::new);
        Ok(Self {
            requests: opened()?,
            health: opened()?,
        })
    }
}

/// Listens on `address` until `stop`, and returns the address as the system chose it. One that
/// cannot be listened on is no reason to stop synchronising: it is tried again every
/// [`LISTEN_AGAIN`], and none is returned.
pub fn serve(
    address: SocketAddr,
    http: &HttpSettings,
    state: StateReaders,
    registry: Arc<ConnectionRegistry>,
    beats: Heartbeats,
    stop: CancellationToken,
) -> Option<SocketAddr> {
    let service = Arc::new(HttpService {
        registry,
        store: state.requests,
        health: state.health,
        beats,
        access: AccessPolicy::new(address, http),
        counts: CountCache::default(),
        streams: ConnectionSlots::new(STREAMS),
        searches: Semaphore::new(SEARCHES),
        look_ups: Arc::new(Semaphore::new(1)),
        stop: stop.clone(),
    });
    let routes = routes(service);
    match server::listen(address) {
        Ok(listener) => {
            let local = listener.local_addr().unwrap_or(address);
            tokio::spawn(server::serve(listener, routes, stop));
            Some(local)
        }
        Err(error) => {
            tracing::error!(
                %address,
                %error,
                advice = "free the port, choose another HTTP_LISTEN, or set HTTP_LISTEN=off",
                "Nothing can be answered over HTTP; the connections run, and it is tried again."
            );
            tokio::spawn(serve_later(address, routes, stop));
            None
        }
    }
}

/// Time between two attempts to listen.
const LISTEN_AGAIN: Duration = Duration::from_secs(10);

/// Calls [`server::serve`] as soon as `address` can be listened on.
async fn serve_later(address: SocketAddr, routes: Router, stop: CancellationToken) {
    let listener = async {
        loop {
            tokio::time::sleep(LISTEN_AGAIN).await;
            if let Ok(listener) = server::listen(address) {
                return listener;
            }
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        listener = listener => {
            tracing::info!(%address, "It is answered over HTTP now.");
            server::serve(listener, routes, stop).await;
        }
    }
}

/// Returns every route with its guards.
fn routes(service: Arc<HttpService>) -> Router {
    let open = Router::new()
        .route("/live", get(health::live))
        .route("/ready", get(health::ready))
        .method_not_allowed_fallback(not_this_way);
    let page = page::routes()
        .method_not_allowed_fallback(not_this_way)
        .layer(from_fn_with_state(Arc::clone(&service), guards::guard_page));
    let guarded = api::routes()
        .route("/metrics", get(metrics::show))
        .fallback(nowhere)
        .method_not_allowed_fallback(not_this_way)
        .layer(from_fn_with_state(Arc::clone(&service), guards::guard));
    guarded
        .merge(open)
        .merge(page)
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn(in_time))
        .layer(from_fn(with_headers))
        .with_state(service)
}

async fn nowhere() -> HttpProblem {
    HttpProblem::not_found(
        "there is nothing at this path",
        "see /api/openapi.json for the calls",
    )
}

async fn not_this_way() -> HttpProblem {
    HttpProblem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "this path does not know the method",
        "see /api/openapi.json for the calls",
    )
}

/// Ends a request that takes too long: a body that does not come, a directory that does not answer.
async fn in_time(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let limit = if request.method() != Method::GET || path.ends_with("/preview") || path.ends_with("/why") {
        CHANGE_WITHIN
    } else {
        ANSWER_WITHIN
    };
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => HttpProblem::new(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            format_args!("there was no answer within {} s", limit.as_secs()),
            "try again; should it come again, look at the log and at the load of the machine",
        )
        .into_response(),
    }
}

async fn with_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}
