//! Body of a connection that is made over HTTP: its keys, the variables that they stand for, and
//! all mistakes of one.
//!
//! A body sets the same variables as the environment, with the same checks. A key that is absent or
//! null has the default of its variable; what no key sets, such as the gateway and its credentials,
//! is the environment's ([`InheritedVariables`]). No path of a file and no `${NAME}` is taken: a
//! body comes from outside.

mod document;
mod keys;
mod reading;
mod shown;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use uuid::Uuid;

use super::environment::Variables;
use super::inherited::InheritedVariables;
use super::one_connection;
use super::reader::VariableReader;
use super::refused::ConfigProblem;
use super::variables::{self as v};
use super::{
    Config, ConnectionOrigin, ConnectionSettings, DirectoryAuth, DirectorySettings, FieldProblem,
    MappingSource, Secret, UpstreamSettings, list_problems, upstream,
};

pub use document::ConnectionDocument;
pub(super) use keys::is_inherited;
pub use keys::{in_the_body_s_words, variable_of_key};
pub use reading::{ConnectionBody, PasswordChange};
pub use shown::{body_of, body_with_documents};

/// Reason for which a body is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyRefusal {
    /// Some keys have mistakes: all of them.
    Invalid(Vec<FieldProblem>),
    /// The connection leads to another server, or trusts another certificate, and the secret is not
    /// in the body (R35). Names the keys that changed.
    SecretRequired(Vec<String>),
}

/// Connection of a body that has no mistakes.
#[derive(Debug, Clone)]
pub struct CheckedConnection {
    /// Its settings.
    pub settings: ConnectionSettings,
    /// The body without secrets, as it is stored and shown.
    pub body: Value,
    /// Change of the password.
    pub password: PasswordChange,
    /// `true` when no runs are to be made.
    pub is_disabled: bool,
}

/// Returns `true` when the variables of the process describe a connection of their own: one of
/// those that a body would set for the directory, or the name.
pub(super) fn names_a_directory(variables: &impl Variables) -> bool {
    let is_given = |name: &str| variables.get(name).is_some_and(|value| !value.is_empty());
    let is_of_directory =
        |key: &&keys::BodyKey| matches!(key.section, "directory" | "profile") || key.name == "name";
    let mut of_directory = keys::KEYS
        .iter()
        .filter(is_of_directory)
        .filter_map(|key| key.variable);
    of_directory
        .any(|variable| is_given(variable.name) || variable.file_name().is_some_and(|file| is_given(&file)))
}

/// Variables of a connection of the API: those that its body sets over those of the service.
struct BodyVariables<'a> {
    texts: BTreeMap<&'static str, &'a str>,
    inherited: &'a InheritedVariables,
}

impl Variables for BodyVariables<'_> {
    fn get(&self, name: &str) -> Option<OsString> {
        let own = self.texts.get(name).map(|text| OsString::from(*text));
        own.or_else(|| self.inherited.get(name).cloned())
    }

    fn names(&self) -> Vec<String> {
        let own = self.texts.keys().map(|name| (*name).to_owned());
        own.chain(self.inherited.names().cloned()).collect()
    }
}

impl fmt::Display for BodyRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(problems) => f.write_str(&list_problems(problems)),
            Self::SecretRequired(keys) => write!(f, "{} changed without the password", keys.join(", ")),
        }
    }
}

/// Configuration of a connection that is stored.
#[derive(Debug, Clone)]
pub struct StoredConfiguration<'a> {
    /// Identity of the connection.
    pub uuid: Uuid,
    /// Its body without secrets.
    pub body: &'a Value,
    /// Its password, where there is one that opens.
    pub password: Option<Secret>,
    /// `true` when there is a password, also where it does not open.
    pub has_password: bool,
    /// Time of its last change.
    pub changed_at: DateTime<Utc>,
}

impl InheritedVariables {
    /// Checks the body of a new connection.
    ///
    /// # Errors
    /// Every mistake, in one pass.
    pub fn check_new(
        &self,
        value: &Value,
        uuid: Uuid,
        now: DateTime<Utc>,
    ) -> Result<CheckedConnection, BodyRefusal> {
        let (body, problems) = ConnectionBody::read(value, now);
        let password = match body.password() {
            PasswordChange::Set(secret) => Some(secret.clone()),
            PasswordChange::Keep | PasswordChange::Remove => None,
        };
        self.conclude(body, problems, uuid, password, now)
    }

    /// Checks the body that is to replace the configuration of a connection, whose password it
    /// keeps unless it has a new one.
    ///
    /// # Errors
    /// Every mistake, in one pass; or that the password must be supplied again (R35).
    pub fn check_replacement(
        &self,
        value: &Value,
        stored: &StoredConfiguration<'_>,
        now: DateTime<Utc>,
    ) -> Result<CheckedConnection, BodyRefusal> {
        let (body, problems) = ConnectionBody::read(value, now);
        let (password, is_kept) = match body.password() {
            PasswordChange::Set(secret) => (Some(secret.clone()), false),
            // One that does not open now may open later: it does not follow the address either.
            PasswordChange::Keep => (stored.password.clone(), stored.has_password),
            PasswordChange::Remove => (None, false),
        };
        let checked = self.conclude(body, problems, stored.uuid, password, now)?;
        if is_kept {
            let before = self.settings(stored).ok();
            let before = before.as_ref().map(|settings| &settings.directory);
            let changed = changed_address(before, &checked.settings.directory);
            if !changed.is_empty() {
                return Err(BodyRefusal::SecretRequired(changed));
            }
        }
        Ok(checked)
    }

    /// Returns the settings of a connection that is stored. A schedule that is over since its last
    /// change is no mistake.
    ///
    /// # Errors
    /// Every mistake: the variables of the service, or its version, changed since it was stored.
    pub fn settings(&self, stored: &StoredConfiguration<'_>) -> Result<ConnectionSettings, BodyRefusal> {
        let now = stored.changed_at;
        let (body, problems) = ConnectionBody::read(stored.body, now);
        let checked = self.conclude(body, problems, stored.uuid, stored.password.clone(), now)?;
        Ok(checked.settings)
    }

    /// Returns the gateway of the service; its connector is not one of the gateway's.
    pub(super) fn upstream(&self) -> Option<UpstreamSettings> {
        const NO_CONNECTOR: &str = "ffffffff-ffff-4fff-8fff-ffffffffffff";
        let variables = BodyVariables {
            texts: BTreeMap::from([(v::QUALYS_CONNECTOR_UUID.name, NO_CONNECTOR)]),
            inherited: self,
        };
        upstream::upstream(&mut VariableReader::new(&variables))
    }

    fn conclude(
        &self,
        body: ConnectionBody,
        mut problems: Vec<FieldProblem>,
        uuid: Uuid,
        password: Option<Secret>,
        now: DateTime<Utc>,
    ) -> Result<CheckedConnection, BodyRefusal> {
        let mut texts = body.texts();
        let password = password.unwrap_or_default();
        if !password.expose_secret().is_empty() {
            texts.insert(v::AD_PASSWORD.name, password.expose_secret());
        }
        let variables = BodyVariables {
            texts,
            inherited: self,
        };
        let mut reader = VariableReader::new(&variables);
        let settings = one_connection::connection(&mut reader, ConnectionOrigin::Api, now);
        let found = reader.into_problems();
        // A key whose value has the wrong type is not called missing as well.
        let found = found.into_iter().map(in_keys).filter(|found| {
            let is_known = problems.iter().any(|known| known.key == found.key);
            !is_known
        });
        let found: Vec<FieldProblem> = found.collect();
        problems.extend(found);
        match settings {
            Some(settings) if problems.is_empty() => Ok(CheckedConnection {
                settings: body.complete(settings, uuid),
                is_disabled: body.is_disabled(),
                password: body.password().clone(),
                body: body.into_stored(),
            }),
            _ => Err(BodyRefusal::Invalid(problems)),
        }
    }
}

/// Returns the problem of a variable as that of the key which sets it. What no key sets is the
/// operator's.
fn in_keys(problem: ConfigProblem) -> FieldProblem {
    let stem = problem.name.strip_suffix("_FILE").unwrap_or(&problem.name);
    match keys::of_variable(stem) {
        Some(key) => FieldProblem {
            key: key.path(),
            reason: keys::in_the_body_s_words(&problem.cause),
            remedy: keys::in_the_body_s_words(&without_file(key, &problem.advice))
                .replace("; in .env, put the value in single quotes", ""),
        },
        None => FieldProblem {
            key: if stem.starts_with("QUALYS_") {
                "upstream"
            } else {
                "directory"
            }
            .to_owned(),
            reason: format!("{} of the service {}", problem.name, problem.cause),
            remedy: problem.advice,
        },
    }
}

/// Returns an advice without the file that a variable may name instead: over HTTP there is none.
fn without_file(key: &keys::BodyKey, advice: &str) -> String {
    let file = key.variable.and_then(|variable| variable.file_name());
    let phrase = file.map(|file| format!(", or {file} to the path of a file that holds it"));
    phrase.map_or_else(|| advice.to_owned(), |phrase| advice.replace(&phrase, ""))
}

/// Returns the keys by which `after` leads to another server, or trusts another one, than `before`;
/// all of them where `before` is not known.
fn changed_address(before: Option<&DirectorySettings>, after: &DirectorySettings) -> Vec<String> {
    let Some(before) = before else {
        return keys::ADDRESS.map(in_directory).to_vec();
    };
    let domain = |of: &DirectorySettings| of.domain.as_ref().map(|domain| domain.name.to_lowercase());
    let is_changed = |key: &str| match key {
        "host" => before.hosts != after.hosts,
        "domain" => domain(before) != domain(after),
        "port" => before.port != after.port,
        "transport" => before.transport != after.transport,
        "certificate" => before.certificates != after.certificates,
        "certificateSha256" => before.pins != after.pins,
        _ => before.server_name != after.server_name,
    };
    let changed = keys::ADDRESS.into_iter().filter(|key| is_changed(key));
    changed.map(in_directory).collect()
}

fn in_directory(key: &str) -> String {
    format!("directory.{key}")
}

impl Config {
    /// Returns the way to the outside that the service itself uses: that of its first connection,
    /// or where none is configured, of the variables. `None` where these name no gateway.
    #[must_use]
    pub fn service_upstream(&self) -> Option<UpstreamSettings> {
        let first = self.connections.first().map(|first| first.upstream.clone());
        first.or_else(|| self.inherited.upstream())
    }
}

/// Returns the password that a connection binds with, where it has one.
#[must_use]
pub fn password_of(settings: &ConnectionSettings) -> Option<Secret> {
    match &settings.directory.auth {
        DirectoryAuth::Simple { password, .. } => Some(password.clone()),
        DirectoryAuth::Kerberos { .. } => None,
    }
}

impl ConnectionBody {
    /// Returns the settings with what no variable can say: texts in place of files.
    fn complete(&self, mut settings: ConnectionSettings, uuid: Uuid) -> ConnectionSettings {
        settings.uuid = uuid;
        settings.schedule = self.schedule(&settings.schedule);
        if let Some(certificates) = self.certificates() {
            settings.directory.certificates = Some(certificates.clone());
        }
        if let Some(text) = self.mapping() {
            settings.mapping = MappingSource::Text(text.to_owned());
        }
        settings
    }
}
