//! Keys of the body, and the variables that they set.

use crate::config::variables::{self as v, VariableDefinition};

/// Form of the value of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyForm {
    /// Text on one line.
    Text,
    /// List of texts, or one text.
    List,
    /// List of distinguished names, which hold commas.
    Names,
    /// Number without a fraction, not negative.
    Number,
    /// Secret, or one of the forms in which one is kept or removed.
    Secret,
    /// Certificates in PEM, or one in DER as base64.
    Certificate,
    /// Text of several lines.
    Document,
    /// `true` or `false`.
    Flag,
    /// Object that [`parse_schedule`](crate::config::parse_schedule) reads.
    Schedule,
    /// Object that [`parse_baseline`](crate::config::parse_baseline) reads.
    Baseline,
}

/// Key of the body.
#[derive(Debug)]
pub(super) struct BodyKey {
    /// Object that it stands in; empty for the body itself.
    pub section: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Form of its value.
    pub form: BodyForm,
    /// Variable of the same meaning, where there is one.
    pub variable: Option<&'static VariableDefinition>,
}

impl BodyKey {
    /// Returns the key with its section: `directory.host`.
    pub fn path(&self) -> String {
        if self.section.is_empty() {
            self.name.to_owned()
        } else {
            format!("{}.{}", self.section, self.name)
        }
    }
}

const fn key(
    section: &'static str,
    name: &'static str,
    form: BodyForm,
    variable: &'static VariableDefinition,
) -> BodyKey {
    BodyKey {
        section,
        name,
        form,
        variable: Some(variable),
    }
}

use BodyForm::{Baseline, Certificate, Document, Flag, List, Names, Number, Schedule, Secret, Text};

/// Every key.
pub(super) const KEYS: &[BodyKey] = &[
    key("", "name", Text, &v::CONNECTION_NAME),
    key("", "description", Text, &v::CONNECTION_DESCRIPTION),
    BodyKey {
        section: "",
        name: "disabled",
        form: Flag,
        variable: None,
    },
    key("directory", "host", List, &v::AD_HOST),
    key("directory", "domain", Text, &v::AD_DOMAIN),
    key("directory", "site", Text, &v::AD_SITE),
    key("directory", "transport", Text, &v::AD_TRANSPORT),
    key("directory", "port", Number, &v::AD_PORT),
    key("directory", "auth", Text, &v::AD_AUTH),
    key("directory", "bindDn", Text, &v::AD_BIND_DN),
    key("directory", "password", Secret, &v::AD_PASSWORD),
    key("directory", "certificate", Certificate, &v::AD_CERTIFICATE),
    key("directory", "certificateSha256", List, &v::AD_CERTIFICATE_SHA256),
    key("directory", "serverName", Text, &v::AD_SERVER_NAME),
    key("profile", "baseContext", Text, &v::AD_BASE_CONTEXT),
    key("profile", "searchScope", Text, &v::AD_SEARCH_SCOPE),
    key("profile", "assets", List, &v::AD_ASSETS),
    key("profile", "userFilter", Text, &v::AD_USER_FILTER),
    key("profile", "groupFilter", Text, &v::AD_GROUP_FILTER),
    key("profile", "computerFilter", Text, &v::AD_COMPUTER_FILTER),
    key("profile", "roleFilter", Text, &v::AD_ROLE_FILTER),
    key("profile", "membersOf", Names, &v::AD_MEMBER_OF),
    key("profile", "delta", Text, &v::AD_DELTA),
    key("profile", "pageSize", Number, &v::AD_PAGE_SIZE),
    BodyKey {
        section: "",
        name: "schedule",
        form: Schedule,
        variable: None,
    },
    BodyKey {
        section: "",
        name: "baseline",
        form: Baseline,
        variable: None,
    },
    key("", "mapping", Document, &v::MAPPING_FILE),
    key("removals", "objects", Text, &v::REMOVED_OBJECTS),
    key("removals", "maxCount", Number, &v::REMOVAL_MAX_COUNT),
    key("removals", "maxPercent", Number, &v::REMOVAL_MAX_PERCENT),
    key("removals", "lag", Text, &v::REMOVAL_LAG),
    key("upstream", "connectorUuid", Text, &v::QUALYS_CONNECTOR_UUID),
    key("upstream", "source", Text, &v::QUALYS_SOURCE),
];

/// Keys that decide which server is dialled and trusted: whoever changes one must supply the secret
/// again (R35).
pub(super) const ADDRESS: [&str; 7] = [
    "host",
    "domain",
    "port",
    "transport",
    "certificate",
    "certificateSha256",
    "serverName",
];

/// Beginnings of the variables that a connection of the API takes from the service: the gateway
/// with its credentials, and limits that the operator sets for every connection. When it runs, the
/// body alone says.
const INHERITED: [&str; 5] = ["AD_", "QUALYS_", "KRB5", "HTTPS_PROXY", "NO_PROXY"];

/// Returns the key that sets the variable with this name.
pub(super) fn of_variable(name: &str) -> Option<&'static BodyKey> {
    KEYS.iter()
        .find(|key| key.variable.is_some_and(|variable| variable.name == name))
}

/// Returns the name of the variable that a key of the body sets, by its path: `directory.host`.
#[must_use]
pub fn variable_of_key(path: &str) -> Option<&'static str> {
    let key = KEYS.iter().find(|key| key.path() == path)?;
    key.variable.map(|variable| variable.name)
}

/// Returns `true` when a connection of the API takes the variable from the service: no key of the
/// body sets it, or it stands for a key that the body leaves out, such as `QUALYS_SOURCE`.
pub(in crate::config) fn is_inherited(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let stem = name.strip_suffix("_FILE").unwrap_or(&name);
    let is_of_the_body = of_variable(stem).is_some() && !stem.starts_with("QUALYS_");
    !is_of_the_body && INHERITED.iter().any(|beginning| name.starts_with(beginning))
}

/// Returns the sections of the body, and the names of its keys in `section`.
pub(super) fn names_in(section: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = KEYS
        .iter()
        .filter(|key| key.section == section)
        .map(|key| key.name)
        .collect();
    if section.is_empty() {
        let mut sections: Vec<&'static str> = KEYS.iter().map(|key| key.section).collect();
        sections.retain(|section| !section.is_empty());
        sections.dedup();
        names.extend(sections);
    }
    names
}

/// Returns a text about variables in the words of the body: the names of variables that a key sets
/// become that key.
#[must_use]
pub fn in_the_body_s_words(text: &str) -> String {
    let is_of_a_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    text.split_inclusive(|character: char| !is_of_a_name(character))
        .map(|word| {
            let name = word.trim_end_matches(|character: char| !is_of_a_name(character));
            match of_variable(name) {
                Some(key) => format!("{}{}", key.path(), &word[name.len()..]),
                None => word.to_owned(),
            }
        })
        .collect()
}
