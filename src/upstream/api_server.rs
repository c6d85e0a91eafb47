//! Qualys API server: requests with HTTP Basic authentication, and answers that are read piece by
//! piece.
//!
//! It is another host than the gateway, reached by the same proxy and with the same roots.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{Response, Url};
use secrecy::ExposeSecret;

use super::cause::FailureCause;
use super::client::{AGENT, GatewayClient, NoAnswer};
use super::credentials::SecretTexts;
use super::error::UpstreamError;
use super::{retry_after, text};
use crate::clock;
use crate::config::{self, Secret};
use crate::tls::PeerCertificate;

/// Required by every call below `/api/2.0/fo/`, whatever its value.
const REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// API server with the account that asks it.
pub struct ApiServer {
    client: GatewayClient,
    url: String,
    username: String,
    password: Secret,
}

/// Answer of the API server whose body is not read yet.
pub struct ApiAnswer<'a> {
    /// Status code.
    pub status: u16,
    response: Response,
    server: &'a ApiServer,
}

/// Request that got no answer, or not all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiFault {
    /// Its cause.
    pub cause: FailureCause,
    /// The cause as text.
    pub reason: String,
}

impl From<NoAnswer> for ApiFault {
    fn from(none: NoAnswer) -> Self {
        Self {
            cause: none.cause,
            reason: none.reason,
        }
    }
}

impl ApiServer {
    /// Ready to ask; nothing is sent yet. Proxy, roots and time limit are those of `settings`.
    ///
    /// # Errors
    /// [`UpstreamError::Setting`]: a certificate or the proxy cannot be used as it is.
    pub fn new(
        url: &str,
        username: &str,
        password: &Secret,
        settings: &config::UpstreamSettings,
    ) -> Result<Self, UpstreamError> {
        let settings = config::UpstreamSettings {
            gateway: url.to_owned(),
            ..settings.clone()
        };
        Ok(Self {
            client: GatewayClient::new(&settings)?,
            url: url.to_owned(),
            username: username.to_owned(),
            password: password.clone(),
        })
    }

    /// The base URL, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Login name of the account that asks.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// Returns the certificate that the server showed last, and whether it was accepted.
    #[must_use]
    pub fn certificate(&self) -> Option<(PeerCertificate, bool)> {
        self.client.certificate()
    }

    /// Returns path and query of `url`, if it leads to the same scheme, host and port.
    #[must_use]
    pub fn path_of(&self, url: &str) -> Option<(String, String)> {
        let (own, other) = (Url::parse(&self.url).ok()?, Url::parse(url).ok()?);
        let is_same = own.scheme() == other.scheme()
            && own.host() == other.host()
            && own.port_or_known_default() == other.port_or_known_default()
            && other.username().is_empty()
            && other.password().is_none();
        let prefix = own.path().trim_end_matches('/');
        let path = other.path().strip_prefix(prefix)?.to_owned();
        is_same.then(|| (path, other.query().unwrap_or_default().to_owned()))
    }

    /// Posts `body` to `path` and returns the answer as soon as its head is there.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn post(
        &self,
        path: &str,
        content_type: &'static str,
        body: String,
    ) -> Result<ApiAnswer<'_>, ApiFault> {
        let request = self
            .client
            .post(&format!("{}{path}", self.url))
            .basic_auth(&self.username, Some(self.password.expose_secret()))
            .header(REQUESTED_WITH, HeaderValue::from_static("ad-connector"))
            .header(USER_AGENT, HeaderValue::from_static(AGENT))
            .header(ACCEPT, HeaderValue::from_static("text/xml, application/xml"))
            .header(CONTENT_TYPE, HeaderValue::from_static(content_type))
            .body(body);
        let sent = request.send().await;
        let response = sent.map_err(|error| self.client.no_answer(&error))?;
        Ok(ApiAnswer {
            status: response.status().as_u16(),
            response,
            server: self,
        })
    }

    /// Returns `text` on one line of at most `longest` characters, without the password in any form
    /// in which it was sent: error pages often repeat a request (R27).
    #[must_use]
    pub fn shown(&self, text: &str, longest: usize) -> String {
        let text = without_password(text, &self.username, self.password.expose_secret());
        text::line(&text, longest)
    }
}

/// Returns `text` without the password, as it is and as Basic authentication sends it.
fn without_password(text: &str, username: &str, password: &str) -> String {
    let basic = STANDARD.encode(format!("{username}:{password}"));
    let mut octets = text.as_bytes().to_vec();
    SecretTexts::of([password, &basic]).hide(&mut octets, None);
    String::from_utf8_lossy(&octets).into_owned()
}

impl ApiAnswer<'_> {
    /// Returns the next piece of the body, decompressed; `None` at its end.
    ///
    /// # Errors
    /// When the body breaks off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ApiFault> {
        let chunk = self.response.chunk().await;
        chunk.map_err(|error| self.server.client.no_answer(&error).into())
    }

    /// Returns the pause that the answer asks for in a header.
    #[must_use]
    pub fn asked_pause(&self) -> Option<Duration> {
        let headers = self.response.headers();
        retry_after::asked(headers, clock::system_time())
    }

    /// Returns `true` when the server announces that no call remains in this window.
    #[must_use]
    pub fn is_last_call(&self) -> bool {
        retry_after::number(self.response.headers(), "x-ratelimit-remaining") == Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r27_a_page_that_repeats_the_request_shows_the_password_in_no_form() {
        // Base64 of `acme_1:Pass+word 1`; the form escapes `+` and the blank.
        let page = "Authorization: Basic YWNtZV8xOlBhc3Mrd29yZCAx, Pass+word 1, Pass%2Bword%201";
        let shown = without_password(page, "acme_1", "Pass+word 1");
        assert_eq!(shown, "Authorization: Basic [hidden], [hidden], [hidden]");
    }
}
