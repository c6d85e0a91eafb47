//! The token endpoints and the ingest call.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, LOCATION};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::stream;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::answer::{self, Answer, ErrorForm};
use super::form::{self, Parsed};
use super::span::OpenSpan;
use super::wire::{Listener, Wire};
use super::{Shared, pages};

/// Answers until stopped.
pub(super) async fn serve(listener: Listener, shared: Shared, stop: CancellationToken) {
    let app = Router::new()
        .route("/auth", any(password_token))
        .route("/auth/oidc", any(client_token))
        .route("/auth/oauth", any(client_token))
        .route(&shared.options.ingest_path, any(ingest))
        .merge(pages::router())
        .fallback(unknown)
        .with_state(shared);
    tokio::select! {
        _ = axum::serve(listener, app.into_make_service_with_connect_info::<Wire>()) => {}
        () = stop.cancelled() => {}
    }
}

async fn unknown(State(shared): State<Shared>, method: Method, uri: Uri) -> StatusCode {
    shared
        .lock()
        .violate(format!("{method} {} is no path of the gateway", uri.path()));
    StatusCode::NOT_FOUND
}

/// `/auth/oidc` and `/auth/oauth`: the client's id and secret are headers.
async fn client_token(
    State(shared): State<Shared>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
    };
    let (id, secret) = (header("clientId"), header("clientSecret"));
    let known = id == shared.options.client_id && secret == shared.options.client_secret;
    if id.is_empty() || secret.is_empty() {
        shared
            .lock()
            .violate("a client token was asked without clientId or clientSecret");
    }
    token(&shared, &wire, &parts.method, &parts.headers, known).await
}

/// `/auth`: the form `username`, `password`, `token=true`.
async fn password_token(
    State(shared): State<Shared>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 16).await.unwrap_or_default();
    let url = Uri::builder()
        .path_and_query([b"/?".as_slice(), &body].concat())
        .build()
        .unwrap_or_default();
    let fields = axum::extract::Query::<BTreeMap<String, String>>::try_from_uri(&url)
        .map(|q| q.0)
        .unwrap_or_default();
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    if field("token") != "true" {
        shared
            .lock()
            .violate("a password token was asked without token=true");
    }
    for wrong in form::check_headers(&parts.headers, "application/x-www-form-urlencoded") {
        shared.lock().violate(wrong);
    }
    let known = field("username") == shared.options.username && field("password") == shared.options.password;
    token(&shared, &wire, &parts.method, &parts.headers, known).await
}

async fn token(shared: &Shared, wire: &Wire, method: &Method, headers: &HeaderMap, known: bool) -> Response {
    if method != Method::POST {
        shared.lock().violate(format!("a token was asked with {method}"));
    }
    if !headers.contains_key("user-agent") {
        shared.lock().violate("a token was asked without User-Agent");
    }
    shared.tokens_asked.send_modify(|asked| *asked += 1);
    let scripted = shared.lock().token_script.pop_front();
    if let Some(answer) = scripted
        && let Some(response) = fault(&answer, wire).await
    {
        return response;
    }
    let mut state = shared.lock();
    if known {
        let token = state.issue_token(Instant::now() + shared.options.token_life);
        (StatusCode::CREATED, token).into_response()
    } else {
        state.counts.tokens_refused += 1;
        (StatusCode::UNAUTHORIZED, "{\"message\":\"Invalid credentials\"}").into_response()
    }
}

/// The ingest call, within the rate where there is one.
async fn ingest(State(shared): State<Shared>, wire: ConnectInfo<Wire>, request: Request) -> Response {
    let Some((allowed, window)) = shared.options.rate else {
        return answer_ingest(State(shared), wire, request).await;
    };
    let remaining = {
        let mut state = shared.lock();
        let now = Instant::now();
        state.calls.retain(|call| *call + window > now);
        state.calls.push_back(now);
        let remaining = allowed.checked_sub(state.calls.len());
        state.counts.limited += u64::from(remaining.is_none());
        remaining
    };
    let mut response = match remaining {
        Some(_) => answer_ingest(State(shared), wire, request).await,
        None => StatusCode::TOO_MANY_REQUESTS.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert("x-ratelimit-limit", allowed.into());
    headers.insert("x-ratelimit-remaining", remaining.unwrap_or(0).into());
    headers.insert("x-ratelimit-window-sec", window.as_secs().into());
    response
}

async fn answer_ingest(
    State(shared): State<Shared>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
) -> Response {
    let span = OpenSpan::begin(&shared);
    let scripted = shared.lock().ingest_script.pop_front();
    shared.arrivals.send_modify(|arrived| *arrived += 1);
    let answer = scripted.clone().unwrap_or(Answer::Accept);
    if matches!(answer, Answer::CutBefore) {
        shared.lock().unread += 1;
        wire.cut();
        return StatusCode::OK.into_response();
    }
    if let Answer::Early(code) = answer {
        shared.lock().unread += 1;
        return (status(code), [(CONNECTION, "close")]).into_response();
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, 256 << 20).await else {
        shared.lock().unread += 1;
        return StatusCode::BAD_REQUEST.into_response();
    };
    if parts.method != Method::POST {
        shared
            .lock()
            .violate(format!("the ingest call came as {}", parts.method));
    }
    for wrong in form::check_headers(&parts.headers, "application/json") {
        shared.lock().violate(wrong);
    }
    let bearer = parts
        .headers
        .get(AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.strip_prefix("Bearer "));
    let Some(bearer) = bearer else {
        shared
            .lock()
            .violate("the ingest call came without a bearer token");
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let parsed = match form::check_body(&body) {
        Ok(parsed) => parsed,
        Err(wrong) => {
            let text = wrong.join("; ");
            wrong.into_iter().for_each(|wrong| shared.lock().violate(wrong));
            return (StatusCode::BAD_REQUEST, text).into_response();
        }
    };
    if let Some(span) = &span {
        span.name(&parsed);
    }
    let answer = match &scripted {
        Some(_) => answer,
        None => shared.lock().ruled(&parsed).unwrap_or(answer),
    };
    if parsed.assets.is_empty() {
        shared.lock().counts.checks += 1;
        if !shared.lock().is_valid(bearer, Instant::now()) {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        // Unless a test says otherwise, as a gateway that requires at least one.
        let answer = match answer {
            Answer::Accept if scripted.is_none() => {
                Answer::Status(400, vec![], r#"{"message":"assetData is empty"}"#.to_owned())
            }
            answer => answer,
        };
        return match fault(&answer, &wire).await {
            Some(response) => response,
            None => json_response((200, answer::accepted())),
        };
    }
    let (version, keep_request) = (parts.version, shared.options.keep_deliveries);
    shared.lock().note(&parsed, &body, version, &answer, keep_request);
    if !shared.lock().is_valid(bearer, Instant::now()) {
        let mut state = shared.lock();
        state.ledger(&parsed).refuse(&parsed.assets);
        state.counts.unauthorized += 1;
        // The scripted answer is for the request that gets past the door.
        scripted
            .into_iter()
            .for_each(|answer| state.ingest_script.push_front(answer));
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if let Answer::RevokeToken = answer {
        let mut state = shared.lock();
        state.ledger(&parsed).refuse(&parsed.assets);
        state.counts.unauthorized += 1;
        state.tokens.insert(bearer.to_owned(), None);
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if body.len() > shared.options.max_body || parsed.assets.len() > shared.options.max_assets {
        shared.lock().ledger(&parsed).refuse(&parsed.assets);
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    if answer.keeps_nothing() {
        shared.lock().ledger(&parsed).refuse(&parsed.assets);
    }
    match fault(&answer, &wire).await {
        Some(response) => response,
        None => keep(&shared, &wire, answer, parsed).await,
    }
}

/// The answers that keep the batch, or a part of it.
async fn keep(shared: &Shared, wire: &Wire, answer: Answer, parsed: Parsed) -> Response {
    let rejected = match &answer {
        Answer::Reject(_, reasons) => reasons.clone(),
        Answer::RejectBy(judge) => parsed
            .assets
            .iter()
            .filter_map(|(id, asset)| Some((id.clone(), judge(asset)?)))
            .collect(),
        _ => BTreeMap::new(),
    };
    // A client that gives up drops this future at its next wait, so the batch is kept before any.
    shared
        .lock()
        .keep(parsed, &rejected, &answer, shared.options.keep_deliveries);
    match answer {
        Answer::Reject(form, _) => json_response(answer::rejected(form, &rejected)),
        Answer::RejectBy(_) if !rejected.is_empty() => {
            json_response(answer::rejected(ErrorForm::Map207, &rejected))
        }
        Answer::AcceptWith(code, body) => (status(code), body).into_response(),
        Answer::CutAfter => {
            wire.cut();
            StatusCode::OK.into_response()
        }
        Answer::Slow(long) => {
            tokio::time::sleep(long).await;
            json_response((200, answer::accepted()))
        }
        _ => json_response((200, answer::accepted())),
    }
}

/// The answers that keep nothing; `None` for the others.
async fn fault(answer: &Answer, wire: &Wire) -> Option<Response> {
    let response = match answer {
        Answer::Status(code, headers, body) => {
            let mut response = (status(*code), body.clone()).into_response();
            for (name, value) in headers {
                let name: axum::http::HeaderName = name.parse().expect("a scripted header has a name");
                response
                    .headers_mut()
                    .append(name, value.parse().expect("a scripted header has a value"));
            }
            response
        }
        Answer::ErrorBody200(code, message) => {
            json_response((200, serde_json::json!({"responseCode": code, "message": message})))
        }
        Answer::CutBefore => {
            wire.cut();
            StatusCode::OK.into_response()
        }
        Answer::Hang(long) => {
            tokio::time::sleep(*long).await;
            wire.cut();
            StatusCode::OK.into_response()
        }
        Answer::EndlessBody => Body::from_stream(stream::repeat_with(filler)).into_response(),
        Answer::HugeContentLength => {
            let body = Body::from_stream(stream::unfold(0, |sent| async move {
                if sent == 32 {
                    tokio::time::sleep(Duration::from_secs(3600)).await;
                }
                Some((filler(), sent + 1))
            }));
            ([(CONTENT_LENGTH, (1_u64 << 40).to_string())], body).into_response()
        }
        Answer::Redirect(to) => (StatusCode::FOUND, [(LOCATION, to.clone())]).into_response(),
        Answer::Html => {
            "<!DOCTYPE html><html><body>Please log in to the proxy.</body></html>".into_response()
        }
        _ => return None,
    };
    Some(response)
}

/// 64 KiB of blanks, which JSON allows before a value.
fn filler() -> Result<Bytes, Infallible> {
    static BLANKS: [u8; 1 << 16] = [b' '; 1 << 16];
    Ok(Bytes::from_static(&BLANKS))
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).expect("a scripted status is one")
}

fn json_response((code, body): (u16, Value)) -> Response {
    (status(code), axum::Json(body)).into_response()
}
