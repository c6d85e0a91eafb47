//! Settings of the gateway, as the rest of the program reads them.

use std::fmt;
use std::time::Duration;

use super::secret::Secret;

/// The Qualys gateway (`QUALYS_*`).
#[derive(Debug, Clone)]
pub struct UpstreamSettings {
    /// `QUALYS_GATEWAY_URL` without a trailing slash: `https://…`, plain http only to loopback.
    pub gateway: String,
    /// `QUALYS_AUTH` with what it needs.
    pub auth: UpstreamAuth,
    /// `QUALYS_CONNECTOR_UUID`, lower-case.
    pub connector_uuid: String,
    /// `QUALYS_SOURCE`.
    pub source: String,
    /// `QUALYS_INGEST_PATH`, begins with `/`.
    pub ingest_path: String,
    /// `QUALYS_CA_CERTIFICATE`: extra roots, DER.
    pub certificates: Vec<Vec<u8>>,
    /// `QUALYS_BATCH_ASSETS`.
    pub batch_assets: BatchAssets,
    /// `QUALYS_BATCH_BYTES`, bytes of a request body.
    pub batch_bytes: usize,
    /// `QUALYS_CONCURRENCY`, requests in flight, 1 to 32.
    pub concurrency: usize,
    /// `QUALYS_TIMEOUT`, one request.
    pub timeout: Duration,
    /// `QUALYS_GIVE_UP_AFTER`, how long one run keeps retrying.
    pub give_up_after: Duration,
    /// `QUALYS_ACCEPT_UNKNOWN`: a 2xx that states nothing known counts as an acceptance.
    pub accept_unknown: bool,
    /// `HTTPS_PROXY` as given (it may hold a password).
    pub https_proxy: Option<Secret>,
    /// `NO_PROXY`, in the forms that the HTTP library knows.
    pub no_proxy: Option<String>,
}

/// `QUALYS_BATCH_ASSETS`: most assets of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchAssets {
    /// As many as the gateway takes and its limit of calls makes necessary.
    Auto,
    /// This many, 1 to 10,000.
    AtMost(usize),
}

impl fmt::Display for BatchAssets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::AtMost(assets) => assets.fmt(f),
        }
    }
}

/// `QUALYS_AUTH`: which token endpoint is asked, and with what.
#[derive(Debug, Clone)]
pub enum UpstreamAuth {
    /// `POST /auth/oidc` with `clientId` and `clientSecret` headers (user level).
    Client {
        /// `QUALYS_CLIENT_ID`.
        id: Secret,
        /// `QUALYS_CLIENT_SECRET`.
        secret: Secret,
    },
    /// `POST /auth/oauth` with the same headers (subscription level).
    Subscription {
        /// `QUALYS_CLIENT_ID`.
        id: Secret,
        /// `QUALYS_CLIENT_SECRET`.
        secret: Secret,
    },
    /// `POST /auth` with the form `username`, `password`, `token=true`.
    Password {
        /// `QUALYS_USERNAME`.
        username: Secret,
        /// `QUALYS_PASSWORD`.
        password: Secret,
    },
}
