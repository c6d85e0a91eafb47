//! The HTTP client: TLS, proxy and limits. Nothing of it comes from the process environment or a process default.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderValue, USER_AGENT};
use reqwest::{Client, NoProxy, Proxy, RequestBuilder, redirect, retry};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use secrecy::ExposeSecret;

use super::answer::Answer;
use super::error::UpstreamError;
use super::text;
use crate::config;

/// A firewall in front of the gateway drops calls without one.
const AGENT: &str = concat!("ad-connector/", env!("CARGO_PKG_VERSION"));
/// Longest time for TCP and TLS; a gateway that is there answers in a fraction of it.
const CONNECT: Duration = Duration::from_secs(15);
/// Shorter than what firewalls and balancers forget connections after, so that a batch does not go into a dead one.
const IDLE: Duration = Duration::from_secs(30);
/// How much of the body of an error is looked at.
const ERROR_BODY: usize = 64 << 10;

/// A client for one gateway.
pub(super) fn client(settings: &config::Upstream) -> Result<Client, UpstreamError> {
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .connect_timeout(CONNECT.min(settings.timeout))
        .timeout(settings.timeout)
        .pool_idle_timeout(IDLE)
        .tcp_keepalive(IDLE)
        .tls_backend_preconfigured(tls(settings)?);
    if let Some(url) = &settings.https_proxy {
        let proxy = Proxy::https(url.expose_secret()).map_err(|_| {
            setting(
                "HTTPS_PROXY",
                "it is not the URL of a proxy, `http://[user:password@]host:port`",
            )
        })?;
        let exceptions = settings.no_proxy.as_deref().and_then(NoProxy::from_string);
        builder = builder.proxy(proxy.no_proxy(exceptions));
    }
    builder
        .build()
        .map_err(|error| setting("QUALYS_GATEWAY_URL", &cause(&error)))
}

fn setting(variable: &'static str, reason: &str) -> UpstreamError {
    UpstreamError::Setting {
        variable,
        reason: reason.to_owned(),
    }
}

/// The system's roots and those of `QUALYS_CA_CERTIFICATE`, TLS 1.2 and 1.3.
fn tls(settings: &config::Upstream) -> Result<ClientConfig, UpstreamError> {
    let mut roots = RootCertStore::empty();
    for certificate in &settings.certificates {
        roots
            .add(CertificateDer::from(certificate.as_slice()))
            .map_err(|error| setting("QUALYS_CA_CERTIFICATE", &error.to_string()))?;
    }
    // Loopback, the only plain address that is allowed, needs no roots.
    if settings.gateway.starts_with("https:") {
        let system = rustls_native_certs::load_native_certs();
        // One unreadable root of the system is no reason to distrust the others.
        let (taken, skipped) = roots.add_parsable_certificates(system.certs);
        tracing::debug!(taken, skipped, "The root certificates of the system were read.");
        if roots.is_empty() {
            let reason =
                "the system has no root certificates and none are given, so no gateway can be verified";
            return Err(setting("QUALYS_CA_CERTIFICATE", reason));
        }
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| setting("QUALYS_GATEWAY_URL", &error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Reason for which a request got no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoAnswer {
    /// There was a connection, so the request may have arrived.
    pub(super) connected: bool,
    /// The cause as text.
    pub(super) reason: String,
}

/// Sends a request and reads its answer, at most `longest` bytes of a 2xx.
pub(super) async fn exchange(request: RequestBuilder, longest: usize) -> Result<Answer, NoAnswer> {
    let sent = request
        .header(USER_AGENT, HeaderValue::from_static(AGENT))
        .send()
        .await;
    let mut response = sent.map_err(|error| no_answer(&error))?;
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
            // The status of an error says enough without its body.
            Err(_) if !response.status().is_success() => {
                cut = true;
                break;
            }
            Err(error) => return Err(no_answer(&error)),
        }
    }
    Ok(Answer {
        status,
        headers,
        body,
        cut,
    })
}

fn no_answer(error: &reqwest::Error) -> NoAnswer {
    NoAnswer {
        connected: !error.is_connect(),
        reason: cause(error),
    }
}

/// What a client error comes down to, without the URL: the innermost cause says it, the outermost says when.
fn cause(error: &reqwest::Error) -> String {
    let when = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke"
    };
    let mut innermost: Option<&dyn Error> = error.source();
    while let Some(deeper) = innermost.and_then(Error::source) {
        innermost = Some(deeper);
    }
    match innermost {
        Some(innermost) => format!("{when}: {}", text::line(&innermost.to_string(), 200)),
        None => when.to_owned(),
    }
}
