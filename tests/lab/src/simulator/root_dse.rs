//! The rootDSE (MS-ADTS 3.1.1.3.2): what a controller says of itself to anybody.

use super::ber::{self, OCTETS, SEQUENCE, Writer};
use super::controller::Controller;
use super::directory::Domain;
use super::message::{EXTENDED_DN, GET_STATS, START_TLS, SUPPORTED_CONTROLS, Search, WHO_AM_I};
use super::search::write_values;
use super::time;

/// Capabilities by which a client knows Active Directory (MS-ADTS 3.1.1.3.4.3): AD, V51, LDAP integration, V60, V61.
const CAPABILITIES: [&str; 5] = [
    "1.2.840.113556.1.4.800",
    "1.2.840.113556.1.4.1670",
    "1.2.840.113556.1.4.1791",
    "1.2.840.113556.1.4.1935",
    "1.2.840.113556.1.4.2080",
];

/// Capability of a read-only controller.
const PARTIAL_SECRETS: &str = "1.2.840.113556.1.4.1920";

/// What the entry is made of.
pub(super) struct Facts<'a> {
    pub(super) domain: &'a Domain,
    pub(super) controller: &'a Controller,
    pub(super) last_sequence: u64,
    /// Seconds since the Unix epoch.
    pub(super) now: i64,
    /// isSynchronized: the first replication has been completed.
    pub(super) is_synchronized: bool,
    /// Whether it says what a search costs.
    pub(super) tells_cost: bool,
    /// An attribute that is shown with this value, or not at all.
    pub(super) replaced: Option<(&'static str, Option<&'static str>)>,
    /// `true` when it offers names with GUIDs and SIDs.
    pub(super) extended_names: bool,
    /// `true` for a read-only controller.
    pub(super) is_read_only: bool,
}

/// Writes the entry with the attributes that `search` wants.
pub(super) fn write(
    search: &Search,
    facts: &Facts<'_>,
    message_id: i64,
    write_more: impl FnOnce(&mut Writer),
    out: &mut Writer,
) {
    let all = search.attributes.is_empty() || search.attributes.iter().any(|name| name == "*");
    let wanted = |name: &str| {
        all || search
            .attributes
            .iter()
            .any(|wanted| wanted.eq_ignore_ascii_case(name))
    };
    let message = out.open(SEQUENCE);
    out.integer(ber::INTEGER, message_id);
    let entry = out.open(0x64);
    out.octets(OCTETS, b"");
    let list = out.open(SEQUENCE);
    for (name, mut values) in attributes(facts) {
        if facts.tells_cost && name == "supportedControl" {
            values.push(GET_STATS.to_owned());
        }
        match facts.replaced {
            Some((replaced, None)) if replaced == name => continue,
            Some((replaced, Some(value))) if replaced == name => values = vec![value.to_owned()],
            _ => {}
        }
        if facts.is_read_only && name == "supportedCapabilities" {
            values.push(PARTIAL_SECRETS.to_owned());
        }
        if !facts.extended_names {
            values.retain(|value| value != EXTENDED_DN);
        }
        if wanted(name) {
            write_values(name, values.iter().map(String::as_bytes), search.types_only, out);
        }
    }
    write_more(out);
    out.close(list);
    out.close(entry);
    out.close(message);
}

fn attributes(facts: &Facts<'_>) -> Vec<(&'static str, Vec<String>)> {
    let Facts {
        domain, controller, ..
    } = facts;
    let one = |value: &str| vec![value.to_owned()];
    let many = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect::<Vec<_>>();
    let (configuration, schema) = (domain.configuration(), domain.schema());
    let settings = controller.settings_dn(domain);
    let host = controller.host(domain);
    vec![
        ("currentTime", vec![time::generalized(facts.now)]),
        ("subschemaSubentry", vec![format!("CN=Aggregate,{schema}")]),
        ("dsServiceName", one(&settings)),
        (
            "namingContexts",
            vec![domain.dn.clone(), configuration.clone(), schema.clone()],
        ),
        ("defaultNamingContext", one(&domain.dn)),
        ("schemaNamingContext", one(&schema)),
        ("configurationNamingContext", one(&configuration)),
        ("rootDomainNamingContext", one(&domain.dn)),
        ("supportedControl", many(&SUPPORTED_CONTROLS)),
        ("supportedLDAPVersion", many(&["3", "2"])),
        (
            "supportedLDAPPolicies",
            many(&[
                "MaxPageSize",
                "MaxValRange",
                "MaxConnIdleTime",
                "MaxQueryDuration",
            ]),
        ),
        (
            "supportedSASLMechanisms",
            many(&["GSSAPI", "GSS-SPNEGO", "EXTERNAL", "DIGEST-MD5"]),
        ),
        (
            "highestCommittedUSN",
            vec![controller.usn(facts.last_sequence).to_string()],
        ),
        ("dnsHostName", one(&host)),
        (
            "ldapServiceName",
            vec![format!(
                "{}:{}$@{}",
                domain.dns,
                controller.name.to_lowercase(),
                domain.dns.to_uppercase()
            )],
        ),
        (
            "serverName",
            one(settings.split_once(',').map_or("", |(_, server)| server)),
        ),
        ("supportedCapabilities", many(&CAPABILITIES)),
        ("supportedExtension", many(&[START_TLS, WHO_AM_I])),
        (
            "isSynchronized",
            one(if facts.is_synchronized { "TRUE" } else { "FALSE" }),
        ),
        ("isGlobalCatalogReady", one("TRUE")),
        ("domainFunctionality", one("7")),
        ("forestFunctionality", one("7")),
        ("domainControllerFunctionality", one("7")),
    ]
}
