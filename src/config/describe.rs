//! Description of a configuration in force, for people who look for a fault in it: every variable
//! with its value; for a secret only whether it is set (R27).

use sha2::{Digest as _, Sha256};

use super::variables as v;
use super::{
    Config, ConnectionSettings, DeltaMethod, DirectoryAuth, DirectorySettings, LdapTransport, MappingSource,
    ReachLimits, ReviewSettings, RunSchedule, ScheduleSettings, SearchScope, SitePolicy, StateLocation,
    TargetHost, UpstreamAuth,
};
use crate::identity::{DistinguishedName, Kind};
use crate::secrets::SecretKeys;

/// Variable and value.
pub type DescribedVariable = (&'static str, String);

/// Variables that may differ between instances which run the same connection: files, and how a
/// controller or the gateway is reached from the host.
const OF_THE_HOST: [&str; 10] = [
    v::MAPPING_FILE.name,
    v::AD_CERTIFICATE.name,
    v::AD_DNS_SERVER.name,
    v::AD_SITE.name,
    v::AD_PASSWORD.name,
    v::QUALYS_CA_CERTIFICATE.name,
    v::QUALYS_CLIENT_SECRET.name,
    v::QUALYS_PASSWORD.name,
    v::HTTPS_PROXY.name,
    v::NO_PROXY.name,
];

/// Text in the place of a secret.
const SET: &str = "[set]";

impl Config {
    /// Describes the settings that exist once in a process.
    #[must_use]
    pub fn describe(&self) -> Vec<DescribedVariable> {
        let database = match &self.state {
            StateLocation::Database(database) => Some(database),
            StateLocation::File(_) => None,
        };
        let mut described = vec![
            (
                v::CONNECTIONS_FILE.name,
                or_none(self.connections_file.as_ref().map(|path| path.display())),
            ),
            (v::STATE_URL.name, self.state.url()),
            (
                v::STATE_PASSWORD.name,
                set_if(database.is_some_and(|of| of.password.is_some())),
            ),
            (
                v::STATE_CA_CERTIFICATE.name,
                database.map_or_else(String::new, |of| {
                    format!("{} certificates", of.certificates.len())
                }),
            ),
            (v::SECRETS_KEY.name, set_if(self.secrets.is_some())),
            (
                v::SECRETS_KEY_OLD.name,
                set_if(self.secrets.as_ref().is_some_and(SecretKeys::has_older)),
            ),
            (
                v::INSTANCE_NAME.name,
                database.map_or_else(super::host_name, |of| of.instance.clone()),
            ),
            (
                v::HTTP_LISTEN.name,
                self.http
                    .listen
                    .map_or_else(|| "off".to_owned(), |at| at.to_string()),
            ),
            (v::HTTP_TOKEN.name, set_if(self.http.token.is_some())),
            (v::HTTP_READ_TOKEN.name, set_if(self.http.read_token.is_some())),
        ];
        described.extend(self.http.reach.describe());
        described.extend([
            (v::NOTIFY_URL.name, set_if(self.notify.is_some())),
            (
                v::LOG_FORMAT.name,
                format!("{:?}", self.log.format).to_lowercase(),
            ),
            (v::LOG_LEVEL.name, self.log.level.clone()),
        ]);
        described.extend(self.review.iter().flat_map(ReviewSettings::describe));
        described
    }
}

impl ReachLimits {
    /// Describes the limits of the connections that are made over HTTP.
    fn describe(&self) -> [DescribedVariable; 3] {
        let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
        let hosts = self.hosts.as_ref();
        let hosts = hosts.map(|hosts| {
            hosts
                .iter()
                .map(TargetHost::to_string)
                .collect::<Vec<_>>()
                .join(",")
        });
        [
            (
                v::HTTP_ALLOW_LOOPBACK_TARGETS.name,
                self.allow_loopback.to_string(),
            ),
            (v::HTTP_TARGET_PORTS.name, ports.join(",")),
            (v::HTTP_TARGET_HOSTS.name, or_none(hosts)),
        ]
    }
}

impl ReviewSettings {
    /// Describes the settings of the review.
    #[must_use]
    pub fn describe(&self) -> Vec<DescribedVariable> {
        let groups = self.role_groups.iter();
        let groups = groups.map(|granted| format!("{}={}", granted.role, granted.group.as_str()));
        vec![
            (v::QUALYS_API_URL.name, self.url.clone()),
            (v::QUALYS_API_USERNAME.name, self.username.clone()),
            (v::QUALYS_API_PASSWORD.name, SET.to_owned()),
            (
                v::REVIEW_CRON.name,
                self.cron.clone().unwrap_or_else(|| "off".to_owned()),
            ),
            (v::REVIEW_MATCH.name, self.attributes.join(",")),
            (v::REVIEW_ALLOW.name, self.allow.join(",")),
            (v::REVIEW_ROLE_GROUPS.name, groups.collect::<Vec<_>>().join(";")),
            (v::REVIEW_DORMANT_DAYS.name, self.dormant_days.to_string()),
            (v::REVIEW_NEVER_USED_DAYS.name, self.never_used_days.to_string()),
            (v::REVIEW_MAX_MANAGERS.name, self.max_managers.to_string()),
        ]
    }
}

/// Describes the times of the runs under the name by which they can be set.
fn describe_times(schedule: &RunSchedule) -> DescribedVariable {
    match schedule {
        RunSchedule::Cron(cron) => (v::SYNC_CRON.name, cron.text.clone()),
        other => ("schedule", other.text()),
    }
}

/// Describes the baselines, with their zone where it is another one than that of the deltas.
fn describe_baseline(schedule: &ScheduleSettings) -> String {
    match &schedule.baseline {
        None => "off".to_owned(),
        Some(cron) if cron.zone == schedule.timezone() => cron.text.clone(),
        Some(cron) => format!("{} {}", cron.text, cron.zone.name()),
    }
}

impl ConnectionSettings {
    /// Describes the connection with everything of it.
    #[must_use]
    pub fn describe(&self) -> Vec<DescribedVariable> {
        let mut described = vec![
            (v::CONNECTION_NAME.name, self.name.clone()),
            (v::CONNECTION_DESCRIPTION.name, self.description.clone()),
        ];
        described.extend(describe_directory(&self.directory));
        described.extend(self.describe_profile());
        described.extend([
            describe_times(&self.schedule.sync),
            (v::BASELINE_CRON.name, describe_baseline(&self.schedule)),
            (v::SYNC_TIMEZONE.name, self.schedule.timezone().name().to_owned()),
            (v::SYNC_ON_START.name, self.schedule.on_start.to_string()),
            (
                v::MAPPING_FILE.name,
                match &self.mapping {
                    MappingSource::BuiltIn => or_none(None::<&str>),
                    source => source.describe(),
                },
            ),
            (
                v::REMOVED_OBJECTS.name,
                if self.removal.send { "send" } else { "report" }.to_owned(),
            ),
            (v::REMOVAL_LAG.name, format!("{:?}", self.removal.lag)),
            (v::REMOVAL_MAX_COUNT.name, self.removal.max_count.to_string()),
            (v::REMOVAL_MAX_PERCENT.name, self.removal.max_percent.to_string()),
        ]);
        described.extend(self.describe_upstream());
        described
    }

    /// Returns the digest of everything that decides what the connection reads, sends and removes.
    /// Paths of files are not in it, since they may differ from host to host; the content of the
    /// mapping is.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (name, value) in self.describe() {
            if !OF_THE_HOST.contains(&name) {
                hash.update(format!("{name}={value}\n"));
            }
        }
        // Whether the last line has an end makes no other table.
        match &self.mapping {
            MappingSource::BuiltIn => {}
            MappingSource::File(path) => {
                // A file that cannot be read is reported by the code that needs it.
                let content = std::fs::read(path).unwrap_or_default();
                hash.update(content.trim_ascii_end());
            }
            MappingSource::Text(text) => hash.update(text.trim_ascii_end()),
        }
        let octets = hash.finalize();
        octets
            .iter()
            .take(6)
            .map(|octet| format!("{octet:02x}"))
            .collect()
    }

    fn describe_profile(&self) -> Vec<DescribedVariable> {
        let profile = &self.profile;
        let kinds: Vec<&str> = profile.assets.iter().map(|(kind, _)| kind.plural()).collect();
        let filter = |kind: Kind| {
            let extra = profile.assets.iter().find(|(asked, _)| *asked == kind);
            or_none(extra.and_then(|(_, extra)| extra.as_ref()))
        };
        vec![
            (
                v::AD_BASE_CONTEXT.name,
                or_none(profile.base_context.as_ref().map(DistinguishedName::as_str)),
            ),
            (
                v::AD_SEARCH_SCOPE.name,
                match profile.scope {
                    SearchScope::Subtree => "subtree",
                    SearchScope::OneLevel => "onelevel",
                    SearchScope::Base => "base",
                }
                .to_owned(),
            ),
            (v::AD_ASSETS.name, kinds.join(",")),
            (
                v::AD_MEMBER_OF.name,
                profile
                    .members_of
                    .iter()
                    .map(DistinguishedName::as_str)
                    .collect::<Vec<_>>()
                    .join(";"),
            ),
            (v::AD_USER_FILTER.name, filter(Kind::User)),
            (v::AD_GROUP_FILTER.name, filter(Kind::Group)),
            (v::AD_COMPUTER_FILTER.name, filter(Kind::Computer)),
            (v::AD_ROLE_FILTER.name, filter(Kind::Role)),
        ]
    }

    fn describe_upstream(&self) -> Vec<DescribedVariable> {
        let upstream = &self.upstream;
        let (method, client, password) = match &upstream.auth {
            UpstreamAuth::Client { .. } => ("client", true, false),
            UpstreamAuth::Subscription { .. } => ("subscription", true, false),
            UpstreamAuth::Password { .. } => ("password", false, true),
        };
        vec![
            (v::QUALYS_GATEWAY_URL.name, upstream.gateway.clone()),
            (v::QUALYS_AUTH.name, method.to_owned()),
            (v::QUALYS_CLIENT_ID.name, set_if(client)),
            (v::QUALYS_CLIENT_SECRET.name, set_if(client)),
            (v::QUALYS_USERNAME.name, set_if(password)),
            (v::QUALYS_PASSWORD.name, set_if(password)),
            (v::QUALYS_CONNECTOR_UUID.name, upstream.connector_uuid.clone()),
            (v::QUALYS_SOURCE.name, upstream.source.clone()),
            (v::QUALYS_INGEST_PATH.name, upstream.ingest_path.clone()),
            (
                v::QUALYS_CA_CERTIFICATE.name,
                format!("{} certificates", upstream.certificates.len()),
            ),
            (v::QUALYS_BATCH_ASSETS.name, upstream.batch_assets.to_string()),
            (v::QUALYS_BATCH_BYTES.name, upstream.batch_bytes.to_string()),
            (v::QUALYS_CONCURRENCY.name, upstream.concurrency.to_string()),
            (v::QUALYS_TIMEOUT.name, format!("{:?}", upstream.timeout)),
            (
                v::QUALYS_GIVE_UP_AFTER.name,
                format!("{:?}", upstream.give_up_after),
            ),
            (v::QUALYS_ACCEPT_UNKNOWN.name, upstream.accept_unknown.to_string()),
            (v::HTTPS_PROXY.name, set_if(upstream.https_proxy.is_some())),
            (v::NO_PROXY.name, or_none(upstream.no_proxy.as_ref())),
        ]
    }
}

fn describe_directory(directory: &DirectorySettings) -> Vec<DescribedVariable> {
    let (method, account) = match &directory.auth {
        DirectoryAuth::Simple { name, .. } => ("simple", Some(name)),
        DirectoryAuth::Kerberos { principal, .. } => ("kerberos", principal.as_ref()),
    };
    let domain = directory.domain.as_ref();
    let pins = directory.pins.iter().map(|pin| {
        let digits: String = pin.sha256.iter().map(|octet| format!("{octet:02x}")).collect();
        match &pin.host {
            Some(host) => format!("{host}={digits}"),
            None => digits,
        }
    });
    vec![
        (v::AD_HOST.name, directory.hosts.join(",")),
        (v::AD_DOMAIN.name, or_none(domain.map(|domain| &domain.name))),
        (
            v::AD_DNS_SERVER.name,
            or_none(domain.and_then(|domain| domain.dns_server)),
        ),
        (
            v::AD_SITE.name,
            or_none(domain.map(|domain| match &domain.site {
                SitePolicy::Auto => "auto",
                SitePolicy::Off => "off",
                SitePolicy::Named(site) => site,
            })),
        ),
        (
            v::AD_ALLOW_RODC.name,
            or_none(domain.map(|domain| domain.allow_read_only)),
        ),
        (
            v::AD_TRANSPORT.name,
            match directory.transport {
                LdapTransport::Ldaps => "ldaps",
                LdapTransport::StartTls => "starttls",
                LdapTransport::Ldap => "ldap",
            }
            .to_owned(),
        ),
        (v::AD_PORT.name, directory.port.to_string()),
        (v::AD_AUTH.name, method.to_owned()),
        (v::AD_BIND_DN.name, or_none(account)),
        (v::AD_PASSWORD.name, set_if(!directory.auth.is_kerberos())),
        (
            v::AD_CERTIFICATE.name,
            match &directory.certificates {
                Some(certificates) => format!("{} certificates", certificates.len()),
                None => "the roots of the system".to_owned(),
            },
        ),
        (v::AD_CERTIFICATE_SHA256.name, pins.collect::<Vec<_>>().join(",")),
        (v::AD_SERVER_NAME.name, or_none(directory.server_name.as_ref())),
        (v::AD_PAGE_SIZE.name, directory.page_size.to_string()),
        (v::AD_PARALLEL_READS.name, directory.parallel_reads.to_string()),
        (v::AD_TIMEOUT.name, format!("{:?}", directory.timeout)),
        (
            v::AD_DELTA.name,
            match directory.delta {
                DeltaMethod::Usn => "usn",
                DeltaMethod::DirSync => "dirsync",
                DeltaMethod::Off => "off",
            }
            .to_owned(),
        ),
    ]
}

fn set_if(set: bool) -> String {
    if set { SET } else { "" }.to_owned()
}

fn or_none(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
