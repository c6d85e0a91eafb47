//! HTTP client: proxy and limits. None of its settings comes from the process environment or a
//! process default.

use std::error::Error;
use std::time::Duration;

use reqwest::header::{HeaderValue, USER_AGENT};
use reqwest::{Client, NoProxy, Proxy, RequestBuilder, Url, redirect, retry};
use secrecy::ExposeSecret;

use super::answer::GatewayAnswer;
use super::cause::FailureCause;
use super::error::UpstreamError;
use super::text;
use super::tls;
use crate::config;
use crate::tls::{HandshakeRecord, PeerCertificate};

/// User agent. A firewall in front of the gateway drops calls without one.
pub(super) const AGENT: &str = concat!("ad-connector/", env!("CARGO_PKG_VERSION"));
/// Longest time for TCP and TLS; a gateway that can be reached answers in a fraction of it.
const CONNECT: Duration = Duration::from_secs(15);
/// Longest time for which an idle connection is kept. It is shorter than the time after which
/// firewalls and balancers forget connections, so that a batch is not sent into a dead one.
const IDLE: Duration = Duration::from_secs(30);
/// Octets of the body of an error that are looked at.
const ERROR_BODY: usize = 64 << 10;

/// HTTP client of one gateway.
#[derive(Clone)]
pub(super) struct GatewayClient {
    http: Client,
    host: String,
    handshakes: HandshakeRecord,
}

/// Reason for which a request got no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoAnswer {
    /// A connection existed, so the request may have arrived.
    pub(super) connected: bool,
    pub(super) cause: FailureCause,
    /// The cause as text.
    pub(super) reason: String,
}

impl NoAnswer {
    /// Returns the error for a request to this path that is not made again.
    pub(super) fn into_error(self, path: &str) -> UpstreamError {
        match self.cause {
            FailureCause::ProxyLogin => UpstreamError::ProxyRefused { reason: self.reason },
            cause => UpstreamError::Unavailable {
                cause,
                reason: format!("{path}: {}", self.reason),
            },
        }
    }
}

impl GatewayClient {
    pub(super) fn new(settings: &config::UpstreamSettings) -> Result<Self, UpstreamError> {
        let (tls, handshakes) = tls::config(settings)?;
        let mut builder = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .connect_timeout(CONNECT.min(settings.timeout))
            .timeout(settings.timeout)
            .pool_idle_timeout(IDLE)
            .tcp_keepalive(IDLE)
            .tls_backend_preconfigured(tls);
        if let Some(url) = &settings.https_proxy {
            let proxy = Proxy::https(url.expose_secret()).map_err(|_| {
                tls::setting(
                    "HTTPS_PROXY",
                    "it is not the URL of a proxy, `http://[user:password@]host:port`",
                )
            })?;
            let exceptions = settings.no_proxy.as_deref().and_then(NoProxy::from_string);
            builder = builder.proxy(proxy.no_proxy(exceptions));
        }
        let http = builder
            .build()
            .map_err(|error| tls::setting("QUALYS_GATEWAY_URL", &innermost(&error)))?;
        let url = Url::parse(&settings.gateway).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        Ok(Self {
            http,
            host: host.to_owned(),
            handshakes,
        })
    }

    pub(super) fn post(&self, url: &str) -> RequestBuilder {
        self.http.post(url)
    }

    /// Returns the certificate that the gateway showed last, and whether it was accepted.
    pub(super) fn certificate(&self) -> Option<(PeerCertificate, bool)> {
        let last = self.handshakes.last();
        Some((last.shown?, last.accepted))
    }

    /// Sends a request and reads its answer, at most `longest` bytes of a 2xx.
    pub(super) async fn exchange(
        &self,
        request: RequestBuilder,
        longest: usize,
    ) -> Result<GatewayAnswer, NoAnswer> {
        let sent = request
            .header(USER_AGENT, HeaderValue::from_static(AGENT))
            .send()
            .await;
        let mut response = sent.map_err(|error| self.no_answer(&error))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let longest = if response.status().is_success() {
            longest
        } else {
            ERROR_BODY.min(longest)
        };
        let (mut body, mut cut) = (Vec::new(), false);
        loop {
            match response.chunk().await {
                Ok(None) => break,
                Ok(Some(chunk)) if body.len() + chunk.len() <= longest => body.extend_from_slice(&chunk),
                Ok(Some(chunk)) => {
                    body.extend(chunk.iter().take(longest.saturating_sub(body.len())));
                    cut = true;
                    break;
                }
                // The status of an error is enough without its body.
                Err(_) if !response.status().is_success() => {
                    cut = true;
                    break;
                }
                Err(error) => return Err(self.no_answer(&error)),
            }
        }
        Ok(GatewayAnswer {
            status,
            headers,
            body,
            cut,
        })
    }

    /// Reduces an error to its cause, without the URL: the innermost error has the cause, the
    /// outermost the moment.
    pub(super) fn no_answer(&self, error: &reqwest::Error) -> NoAnswer {
        let connected = !error.is_connect();
        let when = if error.is_timeout() {
            "no answer in time"
        } else if connected {
            "the connection broke"
        } else {
            "no connection"
        };
        if let Some(fault) = tls::fault(&self.handshakes, error, &self.host) {
            return NoAnswer {
                connected,
                cause: FailureCause::Tls {
                    advice: tls::advice(&fault.problem).to_owned(),
                },
                reason: format!("{when}: {}", text::line(&fault.to_string(), 600)),
            };
        }
        let innermost = innermost(error);
        NoAnswer {
            connected,
            cause: cause(error, connected),
            reason: match innermost.as_str() {
                "" => when.to_owned(),
                innermost => format!("{when}: {innermost}"),
            },
        }
    }
}

/// Classifies a failure. The libraries below have these faults only as text.
fn cause(error: &reqwest::Error, connected: bool) -> FailureCause {
    let causes: Vec<String> = causes(error)
        .map(|cause| cause.to_string().to_ascii_lowercase())
        .collect();
    let has = |text: &str| causes.iter().any(|cause| cause.contains(text));
    if has("proxy authorization required") {
        FailureCause::ProxyLogin
    } else if has("tunnel error") {
        FailureCause::Proxy
    } else if has("dns error") || has("failed to lookup") {
        FailureCause::Name
    } else if connected && error.is_timeout() {
        FailureCause::TimedOut
    } else {
        FailureCause::Other
    }
}

fn innermost(error: &reqwest::Error) -> String {
    causes(error)
        .last()
        .map_or_else(String::new, |cause| text::line(&cause.to_string(), 200))
}

/// Returns the causes of an error, from the outermost to the innermost.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}
