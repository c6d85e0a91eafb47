//! The three calls, each checked for its form.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::stream;
use tokio_util::sync::CancellationToken;

use super::{Api, Fault, Shared, content};

/// Answers until stopped.
pub(super) async fn serve(listener: tokio::net::TcpListener, shared: Shared, stop: CancellationToken) {
    let app = Router::new()
        .route("/msp/user_list.php", any(users))
        .route("/api/2.0/fo/asset/group/", any(groups))
        .route("/qps/rest/2.0/search/am/user/", any(rbac))
        .fallback(unknown)
        .with_state(shared);
    tokio::select! {
        _ = axum::serve(listener, app) => {}
        () = stop.cancelled() => {}
    }
}

async fn unknown(State(shared): State<Shared>, method: Method, uri: Uri) -> StatusCode {
    let mut state = shared.lock();
    state
        .violations
        .push(format!("{method} {} is no path of the console", uri.path()));
    StatusCode::NOT_FOUND
}

async fn users(State(shared): State<Shared>, request: Request) -> Response {
    answer(&shared, Api::Users, request, |shared, _| {
        content::user_list(&shared.lock().options)
    })
    .await
}

async fn groups(State(shared): State<Shared>, request: Request) -> Response {
    answer(&shared, Api::Groups, request, |shared, form| {
        let field = |name: &str| {
            let mut pairs = form.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.to_owned())
        };
        if field("action").as_deref() != Some("list") {
            shared
                .lock()
                .violations
                .push(format!("asset groups without action=list: {form}"));
        }
        let from = field("id_min").and_then(|id| id.parse().ok()).unwrap_or(0);
        content::group_list(&shared.lock().options, from, &shared.base)
    })
    .await
}

async fn rbac(State(shared): State<Shared>, request: Request) -> Response {
    answer(&shared, Api::Rbac, request, |shared, body| {
        let after = body
            .split_once("operator=\"GREATER\">")
            .and_then(|(_, rest)| rest.split_once('<')?.0.parse().ok());
        content::rbac(&shared.lock().options, after.unwrap_or(0))
    })
    .await
}

/// Counts a request as long as it is answered.
struct InFlight<'a>(&'a Shared);

impl<'a> InFlight<'a> {
    fn new(shared: &'a Shared) -> Self {
        let mut state = shared.lock();
        state.in_flight += 1;
        state.most_in_flight = state.most_in_flight.max(state.in_flight);
        Self(shared)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.lock().in_flight -= 1;
    }
}

async fn answer(
    shared: &Shared,
    api: Api,
    request: Request,
    document: fn(&Shared, &str) -> String,
) -> Response {
    let _in_flight = InFlight::new(shared);
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 16).await.unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    *shared.lock().requests.entry(api).or_default() += 1;
    for wrong in violations(&parts.method, &parts.headers, &parts.uri) {
        shared.lock().violations.push(wrong);
    }
    if !is_known(shared, &parts.headers) {
        let text = "<?xml version=\"1.0\"?><SIMPLE_RETURN><RESPONSE><CODE>2000</CODE><TEXT>Bad Login/Password</TEXT></RESPONSE></SIMPLE_RETURN>";
        return (StatusCode::UNAUTHORIZED, text).into_response();
    }
    let fault = {
        let mut state = shared.lock();
        let scripted = state.faults.get_mut(&api).and_then(|faults| faults.pop_front());
        scripted.or_else(|| state.always.get(&api).cloned())
    };
    let right = || xml(document(shared, &body));
    match fault {
        None => right(),
        Some(Fault::Slow(long)) => {
            tokio::time::sleep(long).await;
            right()
        }
        Some(Fault::Status(code, headers, body)) => {
            let mut response = (StatusCode::from_u16(code).unwrap(), body).into_response();
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
        Some(Fault::Document(body)) => xml(body),
        Some(Fault::Html) => {
            "<!DOCTYPE html><html><body>Please log in to the proxy.</body></html>".into_response()
        }
        Some(Fault::Empty) => StatusCode::OK.into_response(),
        Some(Fault::Cut(part)) => xml(beginning(document(shared, &body), part)),
        Some(Fault::Break(part)) => {
            let first = Bytes::from(beginning(document(shared, &body), part));
            let pieces = stream::unfold(Some(first), |first| async move {
                match first {
                    Some(first) => Some((Ok(first), None)),
                    None => {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        Some((Err(io::Error::other("broken")), None))
                    }
                }
            });
            Body::from_stream(pieces).into_response()
        }
    }
}

fn beginning(document: String, part: usize) -> String {
    let mut end = document.len() * part / 1000;
    while !document.is_char_boundary(end) {
        end -= 1;
    }
    document[..end].to_owned()
}

fn xml(document: String) -> Response {
    let stream = stream::iter([Ok::<_, Infallible>(Bytes::from(document))]);
    (
        [("content-type", "text/xml;charset=UTF-8")],
        Body::from_stream(stream),
    )
        .into_response()
}

fn is_known(shared: &Shared, headers: &HeaderMap) -> bool {
    let state = shared.lock();
    let expected = format!("{}:{}", state.options.username, state.options.password);
    let given = headers.get("authorization").and_then(|value| value.to_str().ok());
    given.and_then(|given| given.strip_prefix("Basic ")) == Some(&base64(expected.as_bytes()))
}

fn violations(method: &Method, headers: &HeaderMap, uri: &Uri) -> Vec<String> {
    let mut wrong = Vec::new();
    if method != Method::POST {
        wrong.push(format!("{} was asked with {method}", uri.path()));
    }
    for name in ["x-requested-with", "user-agent", "authorization"] {
        if !headers.contains_key(name) {
            wrong.push(format!("{} was asked without {name}", uri.path()));
        }
    }
    wrong
}

/// Base64 (RFC 4648 section 4).
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let part = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let number = part(0) << 16 | part(1) << 8 | part(2);
        for at in 0..4 {
            let letter = LETTERS[(number >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= chunk.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    text
}
