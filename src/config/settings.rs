//! Settings as the rest of the program reads them: checked, with their defaults.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;

use super::directory_settings::DirectorySettings;
use super::inherited::InheritedVariables;
use super::reach::ReachLimits;
use super::refused::ConfigError;
use super::review::ReviewSettings;
use super::schedule::ScheduleSettings;
use super::secret::{Secret, SecretFile};
use super::state::StateLocation;
use super::upstream_settings::UpstreamSettings;
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
