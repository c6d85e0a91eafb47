//! Access to a path: the token that a request shows, the host that it addresses, the site that
//! sends it.
//!
//! - `/live` and `/ready` are open and are not checked here.
//! - Beyond loopback, and by way of a proxy, everything else needs a token.
//! - On loopback state, counts and metrics need none. A page of another site whose host name was
//!   made to point here (DNS rebinding) must not read them either: so the `Host` must be loopback's
//!   or an address.
//! - Names of people need a token everywhere ([`NameReader`](super::guards::NameReader)), and every
//!   change needs `HTTP_TOKEN` ([`Changer`](super::guards::Changer)).

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{Extensions, HeaderMap, HeaderName, Method, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::problem::HttpProblem;
use super::server::PeerAddress;
use super::wrong_tokens::WrongTokens;
use crate::config::{HttpSettings, Secret};
use crate::view::WithoutNames;

/// Challenge of the API: no dialog opens.
pub(super) const BEARER: &str = "Bearer realm=\"ad-connector\"";

/// Challenge of the page: a browser asks the person, and sends the token with everything from then
/// on.
pub(super) const BASIC: &str = "Basic realm=\"ad-connector\", charset=\"UTF-8\"";

/// Header in which a proxy names its client.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Headers of which each says that a request came by way of a proxy.
const OF_PROXIES: [HeaderName; 4] = [
    FORWARDED_FOR,
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-real-ip"),
];

/// Tokens of the service, and the conditions that every request must meet.
#[derive(Debug)]
pub(super) struct AccessPolicy {
    change: Option<Secret>,
    read: Option<Secret>,
    loopback: bool,
    wrong: WrongTokens,
}

/// Digest of a token. Its comparison does not reveal the token's length either.
#[derive(Debug)]
struct TokenDigest([u8; 32]);

impl TokenDigest {
    fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }

    fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// Rights of a request, by the token that it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RequestRights {
    /// No token: state, counts, metrics.
    Open,
    /// `HTTP_READ_TOKEN`: names of people as well.
    ReadNames,
    /// `HTTP_TOKEN`: changes as well.
    Change,
}

/// Refusal of a request.
#[derive(Debug)]
pub(super) enum RequestDenial {
    /// It shows a token that is none of the service's.
    WrongToken,
    Problem(HttpProblem),
}

impl From<HttpProblem> for RequestDenial {
    fn from(problem: HttpProblem) -> Self {
        Self::Problem(problem)
    }
}

impl AccessPolicy {
    /// Returns the policy for a listener on `address`.
    pub(super) fn new(address: SocketAddr, http: &HttpSettings) -> Self {
        Self {
            change: http.token.clone(),
            read: http.read_token.clone(),
            loopback: address.ip().is_loopback(),
            wrong: WrongTokens::default(),
        }
    }

    /// Reports whether there is a token with which something can be changed.
    pub(super) const fn allows_changes(&self) -> bool {
        self.change.is_some()
    }

    /// Reports whether there is a token with which names of people can be read.
    pub(super) const fn shows_names(&self) -> bool {
        self.change.is_some() || self.read.is_some()
    }

    /// Returns the rights of a request, or why it is refused.
    pub(super) fn examine(
        &self,
        method: &Method,
        headers: &HeaderMap,
        challenge: &'static str,
    ) -> Result<RequestRights, RequestDenial> {
        of_this_site(method, headers)?;
        let rights = self.rights(headers)?;
        if rights > RequestRights::Open {
            return Ok(rights);
        }
        let needed = |why: &str| RequestDenial::from(HttpProblem::unauthorized(why, challenge));
        if !self.loopback {
            return Err(needed(
                "this needs a token, since the service listens beyond loopback",
            ));
        }
        if OF_PROXIES.iter().any(|name| headers.contains_key(name)) {
            return Err(needed(
                "this needs a token, since the request came by way of a proxy",
            ));
        }
        addressed_to_loopback(headers)?;
        Ok(rights)
    }

    /// Returns the rights of the token that is shown. Where none is configured, nothing that is
    /// shown counts.
    fn rights(&self, headers: &HeaderMap) -> Result<RequestRights, RequestDenial> {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Ok(RequestRights::Open);
        };
        let shown = TokenDigest::of(&credential(value.as_bytes()));
        let is = |token: &Option<Secret>| {
            let token = token.as_ref();
            token.is_some_and(|token| TokenDigest::of(token.expose_secret().as_bytes()).is(&shown))
        };
        match (is(&self.change), is(&self.read)) {
            (true, _) => Ok(RequestRights::Change),
            (false, true) => Ok(RequestRights::ReadNames),
            (false, false) if self.change.is_none() && self.read.is_none() => Ok(RequestRights::Open),
            (false, false) => Err(RequestDenial::WrongToken),
        }
    }

    /// Logs a wrong token, and lets its sender wait for the refusal.
    pub(super) async fn refuse_wrong(&self, client: RequestSender, challenge: &'static str) -> HttpProblem {
        let Some(wait) = self.wrong.take_turn(client.peer) else {
            return HttpProblem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many",
                "too many wrong tokens come from this address",
                "send the value of HTTP_TOKEN or HTTP_READ_TOKEN",
            );
        };
        tracing::warn!(address = %client, "A request with a wrong token was refused.");
        tokio::time::sleep(wait).await;
        HttpProblem::unauthorized("this is not the token", challenge)
    }
}

/// Sender of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestSender {
    peer: IpAddr,
    /// Client that the peer names; the peer is a proxy then.
    forwarded_for: Option<IpAddr>,
}

impl RequestSender {
    /// Address that the connection came from.
    pub(super) const fn peer(&self) -> IpAddr {
        self.peer
    }

    pub(super) fn of(extensions: &Extensions, headers: &HeaderMap) -> Self {
        let peer = extensions.get::<PeerAddress>().map(|peer| peer.0);
        // Each proxy adds to the end of the list: everything before came from its own client.
        let named = headers.get_all(FORWARDED_FOR).iter().next_back();
        let last = named.and_then(|named| named.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
        Self {
            peer: peer.unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
            forwarded_for: last,
        }
    }
}

impl fmt::Display for RequestSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.peer)?;
        match self.forwarded_for {
            Some(client) => write!(f, " for {client}"),
            None => Ok(()),
        }
    }
}

/// Returns the token behind `Bearer`, or the password behind `Basic`.
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

/// Refuses a request from a page of another site. A browser names the site in one of two headers;
/// other clients send neither.
fn of_this_site(method: &Method, headers: &HeaderMap) -> Result<(), HttpProblem> {
    let refused = || {
        Err(HttpProblem::forbidden(
            "the request comes from a page of another site",
            "open the page of this service itself; a proxy in front of it passes the Host header on",
        ))
    };
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let navigates = text("sec-fetch-mode") == Some("navigate") && method == Method::GET;
    let site = text("sec-fetch-site");
    if !navigates && site.is_some_and(|site| matches!(site, "cross-site" | "same-site")) {
        return refused();
    }
    // No page can set this header, and it does not depend on what a proxy makes of the host.
    if site == Some("same-origin") {
        return Ok(());
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

/// Refuses a request whose host is neither `localhost` nor an address: an attacker's host name can
/// be made to point at loopback.
fn addressed_to_loopback(headers: &HeaderMap) -> Result<(), HttpProblem> {
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
    Err(HttpProblem::forbidden(
        "the request is addressed to a host name that is not this machine's own (a page elsewhere may have made it point here)",
        "use http://localhost or http://127.0.0.1 with the port, or send a token; a proxy names its client in X-Forwarded-For",
    ))
}

impl RequestRights {
    /// Returns `view` as a request with these rights is shown it.
    pub(super) fn shown<T: WithoutNames>(self, view: T) -> T {
        match self {
            Self::Open => view.without_names(),
            Self::ReadNames | Self::Change => view,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestRights {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or(Self::Open))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestSender {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions, &parts.headers))
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
