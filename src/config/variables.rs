//! The one table of all variables: name, default, meaning. Everything else that lists variables is
//! made from it.

/// One variable of the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VariableDefinition {
    /// Its name.
    pub name: &'static str,
    /// Value that holds when it is not set.
    pub unset: DefaultValue,
    /// A secret is never printed, and may be given as `NAME_FILE` (R27).
    pub secret: bool,
    /// One line, with the values it takes.
    pub meaning: &'static str,
}

/// Value that holds when a variable is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultValue {
    /// It must be set. The example file shows this value.
    Required(&'static str),
    /// It must be set under a condition.
    RequiredFor {
        /// In words, after "required for".
        condition: &'static str,
        /// Set in the example file when not empty.
        example: &'static str,
    },
    /// This value, in the notation of the variable.
    Default(&'static str),
    /// The value that this text describes.
    Described(&'static str),
    /// Nothing.
    Nothing,
}

/// Variables that belong together, under a heading.
#[derive(Debug, Clone, Copy)]
pub struct VariableGroup {
    /// The heading.
    pub title: &'static str,
    /// Its variables, in the order of the contract.
    pub variables: &'static [VariableDefinition],
}

macro_rules! variables {
    (@secret secret) => { true };
    (@secret plain) => { false };
    ($($title:literal { $($name:ident: $kind:ident, $unset:expr, $meaning:literal;)* })*) => {
        $($(
            #[doc = $meaning]
            pub const $name: VariableDefinition = VariableDefinition {
                name: stringify!($name),
                unset: $unset,
                secret: variables!(@secret $kind),
                meaning: $meaning,
            };
        )*)*
        /// Every variable, by group.
        pub const GROUPS: &[VariableGroup] = &[$(VariableGroup { title: $title, variables: &[$($name),*] }),*];
    };
}

use DefaultValue::{Default, Described, Nothing, Required, RequiredFor};

variables! {
    "Connection" {
        CONNECTION_NAME: plain, Default("active-directory"),
            "Name shown everywhere: 1 to 64 of letters, digits, `.`, `_`, `-`";
        CONNECTION_DESCRIPTION: plain, Nothing,
            "What this connection is for, shown beside its name";
        CONNECTIONS_FILE: plain, Described("`config/connections.toml`, if there is one"),
            "File with several connections, in the form of config/connections.example.toml";
    }
    "Active Directory" {
        AD_HOST: plain, Required("dc1.corp.example.com"),
            "Domain controller, host name or IP address; several, comma-separated, are tried in order; not needed with AD_DOMAIN";
        AD_DOMAIN: plain, Nothing,
            "DNS domain whose controllers are found by SRV record, where AD_HOST is not set";
        AD_DNS_SERVER: plain, Described("the system's"),
            "DNS server to ask for the SRV records, an IP address, with its port when that is not 53";
        AD_SITE: plain, Default("auto"),
            "Site whose controllers are tried first, with AD_DOMAIN: `auto` (the site of this computer), its name, or `off`";
        AD_ALLOW_RODC: plain, Default("false"),
            "`true` lets a read-only controller of AD_DOMAIN be read where no other one can be; values may be missing there";
        AD_TRANSPORT: plain, Default("ldaps"),
            "Protection of the LDAP connection: `ldaps`, `starttls` or `ldap` (none; kerberos seals it)";
        AD_PORT: plain, Described("636, or 389 for starttls and ldap"),
            "Port of the domain controller; those of the global catalogue, 3268 and 3269, are refused";
        AD_AUTH: plain, Default("simple"),
            "How the account proves itself: `simple` (name and password) or `kerberos` (keytab or credential cache)";
        AD_BIND_DN: plain, RequiredFor { condition: "simple", example: "svc-ad-connector@corp.example.com" },
            "Account to read with: a DN, `user@domain` or `DOMAIN\\user`; for kerberos `user@REALM`, or the keytab's own";
        AD_PASSWORD: secret, RequiredFor { condition: "simple", example: "change-me" },
            "Password of the account";
        AD_CERTIFICATE: plain, Described("system roots"),
            "File with the CA certificate of the domain controllers, `.cer` DER or PEM, one or several";
        AD_CERTIFICATE_SHA256: plain, Nothing,
            "Pins: comma-separated SHA-256 of the server certificate, hex or base64, optionally `HOST=` before it";
        AD_SERVER_NAME: plain, Described("the host"),
            "Name to verify in the certificate, and to know the controller by for kerberos, when AD_HOST is an IP address";
        AD_ALLOW_PLAINTEXT: plain, Default("false"),
            "`true` lets the password go over an unencrypted `ldap` connection";
        AD_BASE_CONTEXT: plain, Described("the domain root (rootDSE)"),
            "Root DN of the search";
        AD_SEARCH_SCOPE: plain, Default("subtree"),
            "How deep below the root: `subtree`, `onelevel` or `base`";
        AD_ASSETS: plain, Default("users,groups"),
            "What to read, comma-separated: `users`, `groups`, `computers`, `roles`";
        AD_USER_FILTER: plain, Nothing,
            "Extra LDAP filter for users, ANDed";
        AD_GROUP_FILTER: plain, Nothing,
            "Extra LDAP filter for groups, ANDed";
        AD_COMPUTER_FILTER: plain, Nothing,
            "Extra LDAP filter for computers, ANDed";
        AD_ROLE_FILTER: plain, Nothing,
            "LDAP filter for the groups that are sent as roles instead of as groups; required with `roles`";
        AD_MEMBER_OF: plain, Nothing,
            "DN of a group, or several separated by `;`: only members are read, those of groups in it too, and every run reads everything";
        AD_DELTA: plain, Default("usn"),
            "How changes are found: `usn` (by uSNChanged), `dirsync` (by the DirSync control, also after a change of controller), or `off` to read everything each time";
        AD_PAGE_SIZE: plain, Default("1000"),
            "Objects a page, 1 to 100000";
        AD_PARALLEL_READS: plain, Default("2"),
            "Parallel LDAP connections for a baseline, 1 to 16; from 2 on, one that broke off goes on where it was";
        AD_TIMEOUT: plain, Default("60s"),
            "Limit of one LDAP operation, up to 1d";
    }
    "Schedule" {
        SYNC_CRON: plain, Default("*/15 * * * *"),
            "When to read changes: a cron expression of 5, 6 (with seconds) or 7 (with year) fields";
        BASELINE_CRON: plain, Default("0 2 * * SUN"),
            "When to read everything: a cron expression, or `off`; a baseline stays due until one is complete";
        SYNC_TIMEZONE: plain, Default("UTC"),
            "Time zone of both schedules, an IANA name such as `Europe/Berlin`";
        SYNC_ON_START: plain, Default("true"),
            "`true` runs once as soon as the service starts";
    }
    "Mapping and removals" {
        MAPPING_FILE: plain, Described("the built-in table"),
            "File with the mapping table, in the form of config/mapping.toml";
        REMOVED_OBJECTS: plain, Default("report"),
            "What to do with objects gone from the directory: `report`, or `send` their last asset marked as removed";
        REMOVAL_LAG: plain, Default("24h"),
            "How long a controller that never returned an object must miss it before it counts as gone, up to 60d";
        REMOVAL_MAX_COUNT: plain, Default("500"),
            "More removals of one kind than this in a run: nothing is removed before approval";
        REMOVAL_MAX_PERCENT: plain, Default("10"),
            "The same, in percent of the known objects of the kind, 0 to 100";
    }
    "Qualys" {
        QUALYS_GATEWAY_URL: plain, Required("https://gateway.qg1.apps.qualys.com"),
            "Gateway of the Qualys platform, `https://gateway…`; plain http only to loopback";
        QUALYS_AUTH: plain, Described("from what is set"),
            "Token endpoint: `client` (/auth/oidc), `subscription` (/auth/oauth) or `password` (/auth)";
        QUALYS_CLIENT_ID: secret, RequiredFor { condition: "client and subscription", example: "change-me" },
            "Client id from the Qualys UI";
        QUALYS_CLIENT_SECRET: secret, RequiredFor { condition: "client and subscription", example: "change-me" },
            "Client secret from the Qualys UI";
        QUALYS_USERNAME: secret, RequiredFor { condition: "password", example: "" },
            "User name of a Qualys account";
        QUALYS_PASSWORD: secret, RequiredFor { condition: "password", example: "" },
            "Password of the Qualys account";
        QUALYS_CONNECTOR_UUID: plain, Required("00000000-0000-0000-0000-000000000000"),
            "UUID of the connector, from the Qualys UI";
        QUALYS_SOURCE: plain, Default("Microsoft Active Directory"),
            "Source named in each request";
        QUALYS_INGEST_PATH: plain, Default("/rest/2.0/am/connector/asset/data/sync"),
            "Path of the ingestion call, beginning with `/`";
        QUALYS_CA_CERTIFICATE: plain, Nothing,
            "File with extra root certificates, DER or PEM, for TLS-inspecting proxies";
        QUALYS_BATCH_ASSETS: plain, Default("auto"),
            "Assets in one request at most: `auto` begins at 500 and follows the gateway's limits, or 1 to 10000";
        QUALYS_BATCH_BYTES: plain, Default("4MiB"),
            "Size of one request at most, 256B to 64MiB";
        QUALYS_CONCURRENCY: plain, Default("1"),
            "Requests in flight, 1 to 32";
        QUALYS_TIMEOUT: plain, Default("90s"),
            "Limit of one request, up to 1d";
        QUALYS_GIVE_UP_AFTER: plain, Default("15m"),
            "How long one run keeps retrying, up to 30d; what is staged stays staged";
        QUALYS_ACCEPT_UNKNOWN: plain, Default("false"),
            "`true` takes a 2xx that says nothing known as accepted, for a gateway that answers in another form";
        HTTPS_PROXY: plain, Nothing,
            "Proxy for requests to Qualys, `http://[user:password@]host:port`; `https_proxy` is read too";
        NO_PROXY: plain, Nothing,
            "Hosts that are reached without the proxy, comma-separated: names, addresses, networks, or `*`; `no_proxy` is read too";
    }
    "Review of Qualys accounts" {
        QUALYS_API_URL: plain, Nothing,
            "API server of the Qualys platform, `https://qualysapi…`, another host than the gateway; with it, Qualys accounts are reviewed against the directory";
        QUALYS_API_USERNAME: plain, RequiredFor { condition: "the review", example: "" },
            "Login of the Qualys account that lists accounts and asset groups";
        QUALYS_API_PASSWORD: secret, RequiredFor { condition: "the review", example: "" },
            "Password of that account";
        REVIEW_CRON: plain, Default("0 6 * * *"),
            "When to review, where QUALYS_API_URL is set: a cron expression in the time zone of the first connection, or `off`";
        REVIEW_MATCH: plain, Default("userPrincipalName,mail,proxyAddresses,sAMAccountName,objectGUID"),
            "Attributes that the external id of a Qualys account is looked for in, comma-separated, the first one first";
        REVIEW_ALLOW: plain, Nothing,
            "Logins of Qualys accounts that are listed and never reported, comma-separated";
        REVIEW_ROLE_GROUPS: plain, Nothing,
            "Groups that grant roles, `Manager=CN=Qualys Admins,…;Auditor=CN=…`: who has the role must be in the group, or in one within it";
        REVIEW_DORMANT_DAYS: plain, Default("90"),
            "Days without a log-in after which an account is reported as dormant, 1 to 3650";
        REVIEW_NEVER_USED_DAYS: plain, Default("30"),
            "Days after which an account that nobody has logged in with is reported as never used, 1 to 3650";
        REVIEW_MAX_MANAGERS: plain, Default("5"),
            "More active Managers than this are reported, 1 to 10000";
    }
    "State, HTTP and log" {
        STATE_URL: plain, Default("sqlite:/var/lib/ad-connector/state.db"),
            "Where the state is kept: `sqlite:PATH`, or `postgres://USER@HOST[:PORT]/DATABASE`, which several instances can share";
        STATE_PASSWORD: secret, Nothing,
            "Password of the PostgreSQL user";
        STATE_CA_CERTIFICATE: plain, Nothing,
            "File with the CA certificate of the PostgreSQL server, DER or PEM; without it the system's roots count";
        SECRETS_KEY: secret, Nothing,
            "Key that secrets of connections made over HTTP are sealed with in the state, base64 of 32 octets; `ad-connector secrets new-key` makes one, the same for every instance";
        SECRETS_KEY_OLD: secret, Nothing,
            "Former values of SECRETS_KEY with commas between them, which open what is still sealed with them until `ad-connector secrets rekey`";
        INSTANCE_NAME: plain, Described("host name"),
            "Name of this instance where several share a state";
        HTTP_LISTEN: plain, Default("127.0.0.1:8080"),
            "Address and port of the status page, the API and the metrics; `off`";
        HTTP_TOKEN: secret, Nothing,
            "Needed for every change over HTTP, and shows names of people, 16 characters or more; this or HTTP_READ_TOKEN is required to listen beyond loopback";
        HTTP_READ_TOKEN: secret, Nothing,
            "Shows names of people over HTTP and changes nothing, 16 characters or more";
        HTTP_ALLOW_LOOPBACK_TARGETS: plain, Default("false"),
            "`true` lets connections made over HTTP lead to this computer itself";
        HTTP_TARGET_PORTS: plain, Default("389,636"),
            "Ports that connections made over HTTP may lead to, comma-separated";
        HTTP_TARGET_HOSTS: plain, Described("every host"),
            "Hosts that connections made over HTTP may lead to, comma-separated: names, addresses, and `*.corp.example` or `.corp.example` for all below a domain";
        NOTIFY_URL: secret, Nothing,
            "Webhook that gets a message when something needs a person, in the form that Slack and Teams take; https, plain http only to loopback";
        LOG_FORMAT: plain, Default("text"),
            "Form of the log: `text` or `json`";
        LOG_LEVEL: plain, Default("info"),
            "Log filter: `error`, `warn`, `info`, `debug`, `trace`, or `TARGET=LEVEL` pairs, comma-separated";
    }
}

/// Names that begin so are ours; one that is not in the table is a mistake.
pub const PREFIXES: &[&str] = &[
    "CONNECTION_",
    "CONNECTIONS_",
    "AD_",
    "SYNC_",
    "BASELINE_",
    "MAPPING_",
    "REMOVED_",
    "REMOVAL_",
    "QUALYS_",
    "STATE_",
    "SECRETS_",
    "INSTANCE_",
    "HTTP_",
    "NOTIFY_",
    "REVIEW_",
    "LOG_",
];

/// Returns every variable, in the order of the reference.
pub fn all() -> impl Iterator<Item = &'static VariableDefinition> {
    GROUPS.iter().flat_map(|group| group.variables)
}

/// Returns the place of a variable, or of its `_FILE` form, in the reference.
pub(super) fn position(name: &str) -> Option<usize> {
    all().position(|variable| variable.name == name || variable.file_name().as_deref() == Some(name))
}

impl VariableDefinition {
    /// Returns `NAME_FILE` for a secret.
    #[must_use]
    pub fn file_name(&self) -> Option<String> {
        self.secret.then(|| format!("{}_FILE", self.name))
    }

    /// Returns the default in the notation of the variable, where there is one.
    #[must_use]
    pub const fn default(&self) -> Option<&'static str> {
        match self.unset {
            DefaultValue::Default(value) => Some(value),
            _ => None,
        }
    }
}

/// Returns `true` for a name with one of our prefixes that the platform did not set.
pub(super) fn is_ours(name: &str) -> bool {
    // STATE_DIRECTORY, LOG_NAMESPACE and NOTIFY_SOCKET come from systemd (systemd.exec(5),
    // sd_notify(3)), HTTP_PROXY is the proxy for plain http.
    const FOREIGN: &[&str] = &["HTTP_PROXY", "STATE_DIRECTORY", "LOG_NAMESPACE", "NOTIFY_SOCKET"];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && !FOREIGN.contains(&name)
        && !is_service_link(name)
}

/// Kubernetes announces each service in a pod's environment (`AD_CONNECTOR_SERVICE_HOST`,
/// `AD_CONNECTOR_PORT`, `AD_CONNECTOR_PORT_8080_TCP_ADDR`), so one named `ad-connector` looks like
/// our own.
fn is_service_link(name: &str) -> bool {
    let after_port = name.split_once("_PORT_").map(|(_, rest)| rest);
    name == "AD_CONNECTOR_PORT"
        || name.contains("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || after_port.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}
