//! Who may ask what: the token, the host that is addressed, the site that asks.
//!
//! - `/live` and `/ready` are open and do not come by here.
//! - Beyond loopback everything else needs the token. On loopback reading needs none; there, a page of another site must
//!   not read it either, whose host name was made to point here (DNS rebinding): so the `Host` must be loopback's or an address.
//! - Every change needs the token, and so does what makes the service bind to the directory ([`Changer`]).

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Service;
use super::problem::Problem;
use crate::config::Secret;

/// How the API wants the token: no dialog opens.
const BEARER: &str = "Bearer realm=\"ad-connector\"";

/// How the page wants it: a browser asks the person, and sends it with everything from then on.
const BASIC: &str = "Basic realm=\"ad-connector\", charset=\"UTF-8\"";

/// What is asked of every request.
#[derive(Debug)]
pub(super) struct Access {
    /// Only its digest is kept, whose comparison tells nothing of its length either.
    token: Option<[u8; 32]>,
    loopback: bool,
}

/// What a request showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Nothing,
    Token,
}

impl Access {
    /// For a listener on `address`.
    pub(super) fn new(address: SocketAddr, token: Option<&Secret>) -> Self {
        Self {
            token: token.map(|token| Sha256::digest(token.expose_secret()).into()),
            loopback: address.ip().is_loopback(),
        }
    }

    /// Whether there is a token, without which nothing can be changed.
    pub(super) const fn allows_changes(&self) -> bool {
        self.token.is_some()
    }

    /// Lets a request pass or says why not.
    fn examine(
        &self,
        method: &Method,
        headers: &HeaderMap,
        challenge: &'static str,
    ) -> Result<Shown, Problem> {
        of_this_site(method, headers)?;
        let shown = self.shown(headers, challenge)?;
        if shown == Shown::Token {
            return Ok(shown);
        }
        if !self.loopback {
            return Err(Problem::unauthorized(
                "this needs the token, since the service listens beyond loopback",
                challenge,
            ));
        }
        addressed_to_loopback(headers)?;
        Ok(shown)
    }

    /// The token, when it is the right one. Where none is configured, nothing that is shown counts.
    fn shown(&self, headers: &HeaderMap, challenge: &'static str) -> Result<Shown, Problem> {
        let (Some(token), Some(value)) = (self.token, headers.get(header::AUTHORIZATION)) else {
            return Ok(Shown::Nothing);
        };
        let given: [u8; 32] = Sha256::digest(credential(value.as_bytes())).into();
        if bool::from(given.ct_eq(&token)) {
            return Ok(Shown::Token);
        }
        Err(Problem::unauthorized("this is not the token", challenge))
    }
}

/// What stands behind `Bearer`, or the password behind `Basic`.
fn credential(value: &[u8]) -> Vec<u8> {
    let text = value.trim_ascii();
    let (scheme, rest) = text
        .iter()
        .position(u8::is_ascii_whitespace)
        .map_or((text, &[][..]), |at| text.split_at(at));
    let rest = rest.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return rest.to_vec();
    }
    if scheme.eq_ignore_ascii_case(b"basic")
        && let Ok(pair) = STANDARD.decode(rest)
        && let Some(colon) = pair.iter().position(|byte| *byte == b':')
    {
        return pair.get(colon + 1..).unwrap_or_default().to_vec();
    }
    Vec::new()
}

/// A browser tells of another site in one of two headers; other clients send neither.
fn of_this_site(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let refused = || {
        Err(Problem::forbidden(
            "the request comes from a page of another site",
            "open the page of this service itself",
        ))
    };
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let navigates = text("sec-fetch-mode") == Some("navigate") && method == Method::GET;
    if !navigates && text("sec-fetch-site").is_some_and(|site| matches!(site, "cross-site" | "same-site")) {
        return refused();
    }
    let (Some(origin), false) = (text("origin"), method.is_safe()) else {
        return Ok(());
    };
    let of_origin = origin.split_once("://").map(|(_, authority)| authority);
    match (of_origin, text("host")) {
        (Some(origin), Some(host)) if origin.eq_ignore_ascii_case(host) => Ok(()),
        _ => refused(),
    }
}

/// An attacker's host name can be made to point at loopback; `localhost` and addresses cannot be taken.
fn addressed_to_loopback(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(host) = headers.get(header::HOST) else {
        return Ok(());
    };
    let authority = host.to_str().ok().and_then(|host| Authority::from_str(host).ok());
    let name = authority.as_ref().map_or("", Authority::host);
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let lower = bare.trim_end_matches('.').to_ascii_lowercase();
    if lower == "localhost" || lower.ends_with(".localhost") || bare.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    Err(Problem::forbidden(
        "the request is addressed to a host name that is not this machine's own (a page elsewhere may have made it point here)",
        "use http://localhost or http://127.0.0.1 with the port, or send the token",
    ))
}

/// Guards the API and the metrics.
pub(super) async fn guard(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    pass(&service, request, next, BEARER).await
}

/// Guards the page and its files.
pub(super) async fn guard_page(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Response {
    pass(&service, request, next, BASIC).await
}

async fn pass(service: &Service, mut request: Request, next: Next, challenge: &'static str) -> Response {
    match service
        .access
        .examine(request.method(), request.headers(), challenge)
    {
        Ok(shown) => {
            request.extensions_mut().insert(shown);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Proof that the request showed the token: what changes something takes it as its first argument.
pub(super) struct Changer;

impl FromRequestParts<Arc<Service>> for Changer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, Problem> {
        if parts.extensions.get() == Some(&Shown::Token) {
            return Ok(Self);
        }
        if service.access.allows_changes() {
            return Err(Problem::unauthorized("this needs the token", BEARER));
        }
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "changes_off",
            "no HTTP_TOKEN is configured, so nothing can be changed over HTTP",
            "set HTTP_TOKEN (or HTTP_TOKEN_FILE) to a long random text and start the service again",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(address: &str, token: Option<&str>) -> Access {
        Access::new(
            address.parse().unwrap(),
            token.map(|token| Secret::from(token.to_owned())).as_ref(),
        )
    }

    fn examined(access: &Access, method: &Method, headers: &[(&'static str, &str)]) -> Result<Shown, u16> {
        let headers = headers
            .iter()
            .map(|(name, value)| (axum::http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        access
            .examine(method, &headers, BEARER)
            .map_err(|problem| problem.into_response().status().as_u16())
    }

    #[test]
    fn beyond_loopback_nothing_goes_without_the_token() {
        let access = access("0.0.0.0:8080", Some("s3cret"));
        let get = |headers: &[(&'static str, &str)]| examined(&access, &Method::GET, headers);
        assert_eq!(get(&[("host", "connector:8080")]), Err(401));
        assert_eq!(get(&[("authorization", "Bearer s3cre")]), Err(401));
        assert_eq!(get(&[("authorization", "Bearer")]), Err(401));
        assert_eq!(get(&[("authorization", "s3cret")]), Err(401));
        assert_eq!(get(&[("authorization", "bearer  s3cret")]), Ok(Shown::Token));
        // x:s3cret, :s3cret, s3cret
        assert_eq!(get(&[("authorization", "Basic eDpzM2NyZXQ=")]), Ok(Shown::Token));
        assert_eq!(get(&[("authorization", "Basic OnMzY3JldA==")]), Ok(Shown::Token));
        assert_eq!(get(&[("authorization", "Basic czNjcmV0")]), Err(401));
    }

    #[test]
    fn an_empty_credential_is_never_the_token() {
        let access = access("127.0.0.1:0", Some("s3cret"));
        assert_eq!(
            examined(&access, &Method::GET, &[("authorization", "Digest x")]),
            Err(401)
        );
        let none = super::tests::access("127.0.0.1:0", None);
        assert_eq!(
            examined(&none, &Method::GET, &[("authorization", "Bearer ")]),
            Ok(Shown::Nothing)
        );
    }

    #[test]
    fn on_loopback_only_this_machine_is_addressed() {
        let access = access("127.0.0.1:8080", Some("s3cret"));
        let get = |host: &str| examined(&access, &Method::GET, &[("host", host)]);
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:8080",
            "[::1]:8080",
            "a.localhost",
            "192.0.2.7",
        ] {
            assert_eq!(get(host), Ok(Shown::Nothing), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "",
        ] {
            assert_eq!(get(host), Err(403), "{host}");
        }
        let proxied = [("host", "connector.example"), ("authorization", "Bearer s3cret")];
        assert_eq!(examined(&access, &Method::GET, &proxied), Ok(Shown::Token));
    }

    #[test]
    fn a_page_of_another_site_changes_and_reads_nothing() {
        let access = access("127.0.0.1:8080", Some("s3cret"));
        let token = ("authorization", "Bearer s3cret");
        let host = ("host", "localhost:8080");
        let post = |more: (&'static str, &str)| examined(&access, &Method::POST, &[token, host, more]);
        assert_eq!(post(("origin", "http://localhost:8080")), Ok(Shown::Token));
        assert_eq!(post(("origin", "http://evil.example")), Err(403));
        assert_eq!(post(("origin", "null")), Err(403));
        assert_eq!(post(("sec-fetch-site", "cross-site")), Err(403));
        assert_eq!(post(("sec-fetch-site", "same-origin")), Ok(Shown::Token));
        let get = [host, ("sec-fetch-site", "same-site")];
        assert_eq!(examined(&access, &Method::GET, &get), Err(403));
        let link = [
            host,
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
        ];
        assert_eq!(
            examined(&access, &Method::GET, &link),
            Ok(Shown::Nothing),
            "a link to the page"
        );
    }
}
