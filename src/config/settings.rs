//! Settings as the rest of the program reads them: checked, with their defaults.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;

use super::inherited::InheritedVariables;
use super::reach::{ReachLimits, ReachPolicy};
use super::refused::ConfigError;
use super::review::ReviewSettings;
use super::schedule::ScheduleSettings;
use super::secret::{Secret, SecretFile};
use super::state::StateLocation;
use crate::identity::{DistinguishedName, Kind};
use crate::secrets::SecretKeys;

/// All settings that the program gets from outside.
#[derive(Debug, Clone)]
pub struct Config {
    /// `CONNECTIONS_FILE`, where the connections are read from one.
    pub connections_file: Option<PathBuf>,
    /// The configured directories, each with its profile, schedule and upstream; names are unique.
    /// Empty where neither the environment nor a file names one.
    pub connections: Vec<ConnectionSettings>,
    /// Problems for which the environment configures no connection, where it names none.
    pub missing: Option<ConfigError>,
    /// Stored connections that cannot be used, for a command that works on all.
    pub unusable: Vec<UnusableConnection>,
    /// Variables that the connections of the API share.
    pub inherited: InheritedVariables,
    /// `STATE_URL`, with `STATE_PASSWORD`, `STATE_CA_CERTIFICATE` and `INSTANCE_NAME`.
    pub state: StateLocation,
    /// `SECRETS_KEY`, `SECRETS_KEY_OLD`: keys of the secrets in the state, where there is one.
    pub secrets: Option<SecretKeys>,
    /// `HTTP_LISTEN`, `HTTP_TOKEN`, `HTTP_READ_TOKEN`.
    pub http: HttpSettings,
    /// `NOTIFY_URL`: webhook that gets a message when something needs a person.
    pub notify: Option<Secret>,
    /// `QUALYS_API_*`, `REVIEW_*`, where accounts are reviewed.
    pub review: Option<ReviewSettings>,
    /// `LOG_FORMAT`, `LOG_LEVEL`.
    pub log: LogSettings,
    /// Files from which secrets were read, of the service and the connections of environment and
    /// file.
    pub secret_files: Vec<SecretFile>,
}

/// One configured directory with its profile, schedule, mapping and upstream.
#[derive(Debug, Clone)]
pub struct ConnectionSettings {
    /// Identity of the connection, which a new name does not change: state, locks and leases belong
    /// to it.
    pub uuid: Uuid,
    /// Place where the connection is configured.
    pub origin: ConnectionOrigin,
    /// Version of the configuration in the state; `None` of environment and file.
    pub stored: Option<StoredVersion>,
    /// `CONNECTION_NAME`, shown everywhere. 1 to 64 of `A-Z a-z 0-9 . _ -` (it becomes part of a
    /// file name and a URL path).
    pub name: String,
    /// `CONNECTION_DESCRIPTION`.
    pub description: String,
    /// Address of the directory and the way to connect to it.
    pub directory: DirectorySettings,
    /// Objects and attributes to read there.
    pub profile: ProfileSettings,
    /// Times of the runs.
    pub schedule: ScheduleSettings,
    /// Mapping table: the built-in one, `MAPPING_FILE`, or a text that was sent over HTTP.
    pub mapping: MappingSource,
    /// Handling of objects that are gone.
    pub removal: RemovalSettings,
    /// Destination of the assets.
    pub upstream: UpstreamSettings,
    /// Files from which its secrets were read.
    pub secret_files: Vec<SecretFile>,
}

/// Place where a connection is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionOrigin {
    /// Variables of the environment or of `.env`.
    Environment,
    /// The file of connections.
    File,
    /// The API or the page; the configuration is in the state.
    Api,
}

/// Stored connection that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusableConnection {
    /// Its name.
    pub name: String,
    /// Cause.
    pub reason: String,
    /// Next step.
    pub remedy: String,
}

/// Version of a configuration that is in the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredVersion {
    /// Number of its changes, from 1 on.
    pub revision: i64,
    /// `true` when no runs are to be made.
    pub is_disabled: bool,
}

impl ConnectionOrigin {
    /// Returns the name that the API shows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::File => "file",
            Self::Api => "api",
        }
    }
}

/// Place of a mapping table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MappingSource {
    /// The table that is built in.
    BuiltIn,
    /// The file that `MAPPING_FILE` names.
    File(PathBuf),
    /// Text in the form of the mapping file.
    Text(String),
}

impl MappingSource {
    /// Returns the place as a message names it: a path, or a phrase.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::BuiltIn => "built-in table".to_owned(),
            Self::File(path) => path.display().to_string(),
            Self::Text(_) => "table of the connection".to_owned(),
        }
    }
}

/// Address of the directory and the way to connect to it (`AD_*`).
#[derive(Debug, Clone)]
pub struct DirectorySettings {
    /// `AD_HOST`: names or addresses, tried in order. Empty only where the domain is named instead.
    pub hosts: Vec<String>,
    /// `AD_DOMAIN`, where no host is named: its controllers are found by DNS.
    pub domain: Option<DomainSettings>,
    /// `AD_TRANSPORT`.
    pub transport: LdapTransport,
    /// `AD_PORT`; default by transport.
    pub port: u16,
    /// `AD_AUTH` with what it needs.
    pub auth: DirectoryAuth,
    /// `AD_CERTIFICATE`: the CA certificates of the file, DER. `None` means the system roots.
    pub certificates: Option<Vec<Vec<u8>>>,
    /// `AD_CERTIFICATE_SHA256`: when not empty, the server certificate must match one of them.
    pub pins: Vec<CertificatePin>,
    /// `AD_SERVER_NAME`: the name to verify in the certificate instead of the host.
    pub server_name: Option<String>,
    /// `AD_PAGE_SIZE`, 1 to 100 000 entries a page.
    pub page_size: u32,
    /// `AD_PARALLEL_READS`, 1 to 16 parallel LDAP connections for a baseline. From 2 on it is read
    /// in slices, and goes on with those that are missing when it broke off.
    pub parallel_reads: usize,
    /// `AD_TIMEOUT`, one LDAP operation.
    pub timeout: Duration,
    /// `AD_DELTA`.
    pub delta: DeltaMethod,
    /// Limits of the addresses that are connected to.
    pub reach: ReachPolicy,
}

/// A domain whose controllers are found by SRV record (RFC 2782, MS-ADTS 6.3.2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainSettings {
    /// `AD_DOMAIN`: its DNS name.
    pub name: String,
    /// `AD_DNS_SERVER`: the server that is asked instead of the system's DNS servers.
    pub dns_server: Option<SocketAddr>,
    /// `AD_SITE`.
    pub site: SitePolicy,
    /// `AD_ALLOW_RODC`: a read-only controller may be read where no other one can be.
    pub allow_read_only: bool,
}

/// `AD_SITE`: the site whose controllers are tried before the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SitePolicy {
    /// The site of this computer, as the controllers answer it.
    Auto,
    /// The site with this name.
    Named(String),
    /// None: the order of the SRV records.
    Off,
}

/// `AD_TRANSPORT`: how the LDAP connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LdapTransport {
    /// TLS from the first byte (636).
    Ldaps,
    /// Plain, then the StartTLS extended operation (RFC 4511 section 4.14) before anything else.
    StartTls,
    /// No TLS. A simple bind over it needs `AD_ALLOW_PLAINTEXT=true`, which `config` checks.
    Ldap,
}

/// `AD_AUTH`: how the account proves itself.
#[derive(Debug, Clone)]
pub enum DirectoryAuth {
    /// LDAP simple bind with `AD_BIND_DN` (a DN, `user@domain` or `DOMAIN\user`) and `AD_PASSWORD`.
    Simple {
        /// As written by the user; AD accepts all three forms in the name field (MS-ADTS
        /// 5.1.1.1.1).
        name: String,
        /// Never empty: an empty password is an unauthenticated bind (RFC 4513 section 5.1.2).
        password: Secret,
    },
    /// SASL bind with a Kerberos ticket (RFC 4752), which the Kerberos library gets from the keytab
    /// or the credential cache that its own variables name (`KRB5_CLIENT_KTNAME`, `KRB5CCNAME`,
    /// `KRB5_CONFIG`). Only where the feature `kerberos` is built in.
    Kerberos {
        /// `AD_BIND_DN`: the owner of the ticket, `user@REALM`. `None` is the keytab's first entry,
        /// or the cache's owner.
        principal: Option<String>,
        /// The file that `KRB5_CLIENT_KTNAME` names; a keytab with another content holds another
        /// key (R40).
        keytab: Option<PathBuf>,
    },
}

impl DirectoryAuth {
    /// Returns the secret that is sent and must never be repeated (R27); empty where it is no
    /// secret.
    #[must_use]
    pub fn secret(&self) -> Secret {
        match self {
            Self::Simple { password, .. } => password.clone(),
            Self::Kerberos { .. } => Secret::default(),
        }
    }

    /// Returns `true` when the bind is by Kerberos.
    #[must_use]
    pub const fn is_kerberos(&self) -> bool {
        matches!(self, Self::Kerberos { .. })
    }
}

impl DirectorySettings {
    /// Returns the pins that speak about `host`, as in [`DirectorySettings::hosts`].
    pub fn pins_for<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a CertificatePin> {
        self.pins.iter().filter(move |pin| pin.speaks_about(host))
    }
}

/// One accepted server certificate (`AD_CERTIFICATE_SHA256`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificatePin {
    /// The host it is for, lower-case; `None` is any host.
    pub host: Option<String>,
    /// SHA-256 of the DER certificate.
    pub sha256: [u8; 32],
}

impl CertificatePin {
    /// Returns `true` when the pin is for `host`. The final dot of a complete name makes no other
    /// name of it.
    #[must_use]
    pub fn speaks_about(&self, host: &str) -> bool {
        let plain = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
        self.host
            .as_deref()
            .is_none_or(|pinned| plain(pinned) == plain(host))
    }
}

/// `AD_DELTA`: how changes are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeltaMethod {
    /// By `uSNChanged` ("Polling for Changes Using uSNChanged").
    Usn,
    /// By the DirSync control (MS-ADTS 3.1.1.3.4.1.3), with object security.
    DirSync,
    /// Never: every run is a baseline.
    Off,
}

/// Objects and attributes that are read from the directory.
#[derive(Debug, Clone)]
pub struct ProfileSettings {
    /// `AD_BASE_CONTEXT`; `None` is the domain root that rootDSE names.
    pub base_context: Option<DistinguishedName>,
    /// `AD_SEARCH_SCOPE`.
    pub scope: SearchScope,
    /// `AD_MEMBER_OF`: the group to whose members the extra filters are narrowed. A change of
    /// membership leaves the member's `uSNChanged` as it was, so a delta would miss it:
    /// `directory.delta` is off.
    pub members_of: Vec<DistinguishedName>,
    /// `AD_ASSETS` with each kind's extra filter (`AD_USER_FILTER`, …, and `AD_MEMBER_OF`), in the
    /// order of [`Kind`]. Never empty.
    pub assets: Vec<(Kind, Option<String>)>,
}

/// `AD_SEARCH_SCOPE` (RFC 4511 section 4.5.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchScope {
    /// The base and everything below.
    Subtree,
    /// The immediate children of the base.
    OneLevel,
    /// The base object alone.
    Base,
}

/// Handling of objects that are gone from the directory (R22 to R24).
#[derive(Debug, Clone)]
pub struct RemovalSettings {
    /// `REMOVED_OBJECTS=send`: also post the object's last asset with the mapping's `[removed]`
    /// constants.
    pub send: bool,
    /// `REMOVAL_LAG`: how long a controller that never returned an object must miss it.
    pub lag: Duration,
    /// `REMOVAL_MAX_COUNT`, objects of one kind in one run.
    pub max_count: u64,
    /// `REMOVAL_MAX_PERCENT`, 0 to 100, of the known objects of one kind.
    pub max_percent: u8,
}

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

/// The HTTP listener: status page, API, metrics.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// `HTTP_LISTEN`; `None` is `off`.
    pub listen: Option<SocketAddr>,
    /// `HTTP_TOKEN`: needed for every change, and shows names of people.
    pub token: Option<Secret>,
    /// `HTTP_READ_TOKEN`: shows names of people. One of the two is required to listen beyond
    /// loopback.
    pub read_token: Option<Secret>,
    /// `HTTP_ALLOW_LOOPBACK_TARGETS`, `HTTP_TARGET_PORTS`, `HTTP_TARGET_HOSTS`: limits of the
    /// connections that are made over HTTP.
    pub reach: ReachLimits,
}

/// Form and level of the log.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// `LOG_FORMAT`.
    pub format: LogFormat,
    /// `LOG_LEVEL`, a tracing filter, checked.
    pub level: String,
}

/// `LOG_FORMAT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
