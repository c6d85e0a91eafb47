//! From a connection to a `[[connection]]` of the file of connections, without its secrets.
//!
//! Invariant kept here: what is written makes the same connection again, whatever the environment
//! and the top of the file say beside it. Only the gateway with its credentials is left to these,
//! where it is that of the service.

use std::fmt::Write as _;
use std::io;

use super::connections::{BASELINE, CONNECTION, LISTS, SCHEDULE, SHORT, UUID};
use super::describe::DescribedVariable;
use super::directory::kind_of_filter;
use super::inherited::InheritedVariables;
use super::transfer::other_credentials;
use super::values::{certificate, quantity};
use super::variables::{self as v, VariableDefinition};
use super::{ConnectionSettings, DirectoryAuth, LdapTransport, MappingSource, UpstreamSettings, ZonedCron};

/// Variables that are written in forms of their own.
const WRITTEN_APART: [&str; 7] = [
    v::CONNECTION_NAME.name,
    v::AD_PASSWORD.name,
    v::SYNC_CRON.name,
    SCHEDULE,
    v::BASELINE_CRON.name,
    v::SYNC_TIMEZONE.name,
    v::AD_ALLOW_PLAINTEXT.name,
];

/// Variables of the domain, which count for nothing beside `AD_HOST`.
const OF_THE_DOMAIN: [&str; 4] = [
    v::AD_DOMAIN.name,
    v::AD_DNS_SERVER.name,
    v::AD_SITE.name,
    v::AD_ALLOW_RODC.name,
];

/// Values that are numbers or flags.
const BARE: [&str; 8] = [
    v::AD_PORT.name,
    v::AD_PAGE_SIZE.name,
    v::AD_PARALLEL_READS.name,
    v::AD_ALLOW_RODC.name,
    v::SYNC_ON_START.name,
    v::REMOVAL_MAX_COUNT.name,
    v::REMOVAL_MAX_PERCENT.name,
    v::QUALYS_CONCURRENCY.name,
];

/// File that an exported connection names.
struct NamedDocument {
    name: String,
    holds: &'static str,
    text: String,
}

/// Connection as it is written.
struct ExportedTable<'a> {
    settings: &'a ConnectionSettings,
    documents: Vec<NamedDocument>,
    /// Variables in which secrets are to be found, and their meanings.
    secrets: Vec<(String, &'static str)>,
    lines: String,
    /// Keys without a value.
    empty: String,
}

/// Returns a connection as a file of connections: its table, and the documents that it names in
/// comments. `service` are the variables of the service, whose gateway is not written.
///
/// # Errors
/// When its mapping file cannot be read.
pub fn export(settings: &ConnectionSettings, service: &InheritedVariables) -> io::Result<String> {
    let mut table = ExportedTable {
        settings,
        documents: Vec::new(),
        secrets: Vec::new(),
        lines: String::new(),
        empty: String::new(),
    };
    table.set(UUID, &quoted(&settings.uuid.to_string()));
    table.set("name", &quoted(&settings.name));
    for (variable, text) in settings.describe() {
        if variable == v::QUALYS_GATEWAY_URL.name {
            break;
        }
        table.describe(variable, &text);
    }
    table.add_password();
    table.add_certificates();
    table.add_mapping()?;
    table.add_times();
    table.add_upstream(service.upstream().as_ref());
    Ok(table.conclude())
}

impl ExportedTable<'_> {
    /// Writes a key whose value is in TOML.
    fn set(&mut self, key: &str, value: &str) {
        let place = if value == "\"\"" {
            &mut self.empty
        } else {
            &mut self.lines
        };
        // Writing to a text does not fail.
        let _ = writeln!(place, "{key} = {value}");
    }

    /// Writes the value of a variable as it is described.
    fn describe(&mut self, variable: &'static str, text: &str) {
        let settings = self.settings;
        let idle = !settings.directory.hosts.is_empty() && OF_THE_DOMAIN.contains(&variable);
        let is_file = [v::AD_CERTIFICATE.name, v::MAPPING_FILE.name].contains(&variable);
        if idle || is_file || WRITTEN_APART.contains(&variable) {
            return;
        }
        let text = match variable {
            name if name == v::AD_TIMEOUT.name => quantity::written(settings.directory.timeout),
            name if name == v::REMOVAL_LAG.name => quantity::written(settings.removal.lag),
            name if name == v::QUALYS_TIMEOUT.name => quantity::written(settings.upstream.timeout),
            name if name == v::QUALYS_GIVE_UP_AFTER.name => {
                quantity::written(settings.upstream.give_up_after)
            }
            name if name == v::QUALYS_BATCH_BYTES.name => format!("{text}B"),
            name => match kind_of_filter(name) {
                Some(kind) => settings.profile.own_filter(kind).unwrap_or_default().to_owned(),
                None => text.to_owned(),
            },
        };
        self.set(&key_of(variable), &in_toml(variable, &text));
    }

    /// Writes the reference to a secret.
    fn refer(&mut self, variable: &'static VariableDefinition, holds: &'static str) {
        let name = reference(&self.settings.name, variable);
        self.set(&variable.name.to_ascii_lowercase(), &format!("\"${{{name}}}\""));
        self.secrets.push((name, holds));
    }

    fn add_password(&mut self) {
        match &self.settings.directory.auth {
            DirectoryAuth::Simple { .. } => {
                self.refer(&v::AD_PASSWORD, "password of the account");
                if self.settings.directory.transport == LdapTransport::Ldap {
                    self.set(&key_of(v::AD_ALLOW_PLAINTEXT.name), "true");
                }
            }
            DirectoryAuth::Kerberos { .. } => self.set(&key_of(v::AD_PASSWORD.name), "\"\""),
        }
    }

    /// Writes the path of a file, and keeps its text; without one the key is empty.
    fn name_document(
        &mut self,
        variable: &'static str,
        suffix: &str,
        holds: &'static str,
        text: Option<String>,
    ) {
        let name = format!("{}.{suffix}", self.settings.name);
        let value = text.as_ref().map_or("", |_| name.as_str());
        self.set(&key_of(variable), &quoted(value));
        self.documents
            .extend(text.map(|text| NamedDocument { name, holds, text }));
    }

    fn add_certificates(&mut self) {
        let certificates = self.settings.directory.certificates.as_deref();
        let text = certificates.map(certificate::to_pem);
        self.name_document(
            v::AD_CERTIFICATE.name,
            "pem",
            "the CA certificates of the directory",
            text,
        );
    }

    fn add_mapping(&mut self) -> io::Result<()> {
        let text = match &self.settings.mapping {
            MappingSource::BuiltIn => None,
            MappingSource::File(path) => Some(std::fs::read_to_string(path)?),
            MappingSource::Text(text) => Some(text.clone()),
        };
        self.name_document(v::MAPPING_FILE.name, "mapping.toml", "the mapping table", text);
        Ok(())
    }

    fn add_times(&mut self) {
        let schedule = &self.settings.schedule;
        self.set(SCHEDULE, &schedule.sync.to_toml());
        self.set(BASELINE, &ZonedCron::baseline_to_toml(schedule.baseline.as_ref()));
    }

    /// Writes what differs from the gateway of the service.
    fn add_upstream(&mut self, service: Option<&UpstreamSettings>) {
        let own = &self.settings.upstream;
        let of_service = service.map(|service| {
            let upstream = UpstreamSettings {
                connector_uuid: String::new(),
                source: String::new(),
                ..service.clone()
            };
            let settings = ConnectionSettings {
                upstream,
                ..self.settings.clone()
            };
            settings.describe()
        });
        let hidden = service.map(|service| other_credentials(own, service));
        let is_hidden = |variable: &str| hidden.as_ref().is_none_or(|hidden| hidden.contains(&variable));
        let same = |described: &DescribedVariable| {
            of_service.as_ref().is_some_and(|all| all.contains(described)) && !is_hidden(described.0)
        };
        let described = self.settings.describe().into_iter();
        let described = described.skip_while(|(variable, _)| *variable != v::QUALYS_GATEWAY_URL.name);
        for (variable, text) in described.filter(|described| !same(described)) {
            match v::all().find(|known| known.name == variable) {
                Some(secret) if !text.is_empty() && (secret.secret || *secret == v::HTTPS_PROXY) => {
                    self.refer(secret, "value for the gateway");
                }
                Some(file) if *file == v::QUALYS_CA_CERTIFICATE => {
                    let certificates = &self.settings.upstream.certificates;
                    let text = (!certificates.is_empty()).then(|| certificate::to_pem(certificates));
                    let holds = "further CA certificates for the gateway";
                    self.name_document(variable, "gateway.pem", holds, text);
                }
                _ => self.describe(variable, &text),
            }
        }
    }

    fn conclude(self) -> String {
        let name = &self.settings.name;
        let mut text = format!("# The connection {name}, as `ad-connector connections export` wrote it.\n");
        for (variable, holds) in &self.secrets {
            let _ = writeln!(text, "# {variable} in the environment or in .env: the {holds}.");
        }
        if self.settings.stored.is_some_and(|stored| stored.is_disabled) {
            text.push_str("# It is disabled, for which the file has no key: with schedule = \"off\" it does not run by itself.\n");
        }
        let _ = write!(text, "[[{CONNECTION}]]\n{}", self.lines);
        if !self.empty.is_empty() {
            text.push_str(
                "# Not set. An empty text takes back what the environment or the top of the file has.\n",
            );
            text.push_str(&self.empty);
        }
        for document in &self.documents {
            let (name, holds) = (&document.name, document.holds);
            let pattern = name.replace('.', "\\.");
            let _ = write!(
                text,
                "\n# {name} holds {holds}. This command saves it, where FILE is this file:\n\
                 #   sed -n 's/^#{pattern}|//p' FILE > {name}\n"
            );
            for line in document.text.split_terminator('\n') {
                let _ = writeln!(text, "#{name}|{line}");
            }
        }
        text
    }
}

/// Returns the key of a variable in a `[[connection]]`.
fn key_of(variable: &str) -> String {
    let short = SHORT.iter().find(|(_, known)| known.name == variable);
    short.map_or_else(|| variable.to_ascii_lowercase(), |(short, _)| (*short).to_owned())
}

/// Returns the name of the variable that is to hold a secret of a connection.
fn reference(connection: &str, secret: &VariableDefinition) -> String {
    let mut name: String = connection
        .chars()
        .map(|character| match character {
            '.' | '-' => '_',
            other => other.to_ascii_uppercase(),
        })
        .collect();
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert(0, '_');
    }
    let last = match secret {
        password if *password == v::AD_PASSWORD => "PASSWORD",
        other => other.name,
    };
    let whole = format!("{name}_{last}");
    // A connection named qualys must not take the password of the gateway.
    if v::position(&whole).is_some() && whole != secret.name {
        return format!("{name}_CONNECTION_{last}");
    }
    whole
}

/// Returns the value of a variable in TOML.
fn in_toml(variable: &str, text: &str) -> String {
    if BARE.contains(&variable) && (text.parse::<i64>().is_ok() || text.parse::<bool>().is_ok()) {
        return text.to_owned();
    }
    let is_list = LISTS.iter().any(|list| list.name == variable);
    if is_list && text.contains(',') {
        let items: Vec<String> = text.split(',').map(quoted).collect();
        return format!("[{}]", items.join(", "));
    }
    quoted(text)
}

/// Returns a basic string of TOML, in which the file finds no `${NAME}`.
fn quoted(text: &str) -> String {
    let mut whole = String::from("\"");
    for character in text.replace("${", "$${").chars() {
        match character {
            '"' => whole.push_str("\\\""),
            '\\' => whole.push_str("\\\\"),
            other if other.is_control() => {
                let _ = write!(whole, "\\u{:04X}", u32::from(other));
            }
            other => whole.push(other),
        }
    }
    whole.push('"');
    whole
}

#[cfg(test)]
#[path = "export_tests.rs"]
mod tests;
