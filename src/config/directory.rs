//! `AD_*`: address of the directory, the way to connect to it, and the objects to read there.

use std::time::Duration;

use super::environment::Variables;
use super::reader::{FieldValue, VariableReader};
use super::refused::{ValueFault, quoted};
use super::values::{certificate, filter, host, pin, plain, quantity};
use super::variables::{self as v, VariableDefinition};
use super::{
    CertificatePin, DeltaMethod, DirectoryAuth, DirectorySettings, DomainSettings, LdapTransport,
    ProfileSettings, ReachPolicy, SearchScope, Secret,
};
use crate::identity::Kind;

const DAY: Duration = Duration::from_secs(86_400);

/// Reads the directory; `None` when anything in it is bad.
pub(super) fn directory(
    reader: &mut VariableReader<'_, impl Variables>,
    delta: Option<DeltaMethod>,
) -> Option<DirectorySettings> {
    let hosts = hosts(reader);
    let transport = reader.value(
        &v::AD_TRANSPORT,
        plain::choice(&[
            ("ldaps", LdapTransport::Ldaps),
            ("starttls", LdapTransport::StartTls),
            ("ldap", LdapTransport::Ldap),
        ]),
    );
    let port = port(reader, transport);
    let certificates = reader
        .optional(&v::AD_CERTIFICATE, certificate::certificates)
        .optional();
    let named = hosts.as_ref().map(|(hosts, _)| hosts.as_slice());
    let pins = pins(reader, named, transport);
    let server_name = reader.optional(&v::AD_SERVER_NAME, host::host).optional();
    let auth = auth(
        reader,
        transport,
        hosts.as_ref().map_or(&[], |(hosts, _)| hosts.as_slice()),
        server_name.as_ref(),
    );
    let page_size = reader.value(&v::AD_PAGE_SIZE, quantity::number(1..=100_000));
    let parallel_reads = reader.value(&v::AD_PARALLEL_READS, quantity::number(1..=16));
    let timeout = reader.value(&v::AD_TIMEOUT, quantity::duration(Duration::from_millis(1)..=DAY));
    let (hosts, domain) = hosts?;
    Some(DirectorySettings {
        hosts,
        domain,
        transport: transport?,
        port: port?,
        auth: auth?,
        certificates: certificates?,
        pins: pins?,
        server_name: server_name?,
        page_size: page_size?,
        parallel_reads: parallel_reads?,
        timeout: timeout?,
        delta: delta?,
        reach: ReachPolicy::Unrestricted,
    })
}

/// Reads `AD_HOST`, or `AD_DOMAIN`. Both together are no mistake: the contract knows both, and the
/// host is what was meant.
fn hosts(reader: &mut VariableReader<'_, impl Variables>) -> Option<(Vec<String>, Option<DomainSettings>)> {
    let domain = reader.optional(&v::AD_DOMAIN, host::domain);
    let dns_server = reader.optional(&v::AD_DNS_SERVER, host::dns_server).optional();
    let site = reader.value(&v::AD_SITE, host::site);
    let allow_read_only = reader.value(&v::AD_ALLOW_RODC, plain::boolean);
    match (reader.optional(&v::AD_HOST, host::hosts), domain) {
        (FieldValue::Given(hosts), _) => Some((hosts, None)),
        (FieldValue::Absent, FieldValue::Given(name)) => {
            let domain = DomainSettings {
                name,
                dns_server: dns_server?,
                site: site?,
                allow_read_only: allow_read_only?,
            };
            Some((Vec::new(), Some(domain)))
        }
        (FieldValue::Absent, FieldValue::Absent) => {
            reader.require(&v::AD_HOST, "is required");
            None
        }
        (FieldValue::Bad, _) | (_, FieldValue::Bad) => None,
    }
}

/// Reads `AD_CERTIFICATE_SHA256`. A pin that can never match is refused: it would leave its host to
/// any CA without a message.
fn pins(
    reader: &mut VariableReader<'_, impl Variables>,
    hosts: Option<&[String]>,
    transport: Option<LdapTransport>,
) -> Option<Vec<CertificatePin>> {
    let pins = reader
        .optional(&v::AD_CERTIFICATE_SHA256, pin::pins)
        .optional()?
        .unwrap_or_default();
    let idle = |pin: &&CertificatePin| {
        hosts.is_some_and(|hosts| !hosts.is_empty() && !hosts.iter().any(|host| pin.speaks_about(host)))
    };
    if let Some(host) = pins.iter().find(idle).and_then(|pin| pin.host.as_deref()) {
        let fault = ValueFault::new(
            format!("pins a certificate of {}, which is not in AD_HOST", quoted(host)),
            "write the host as AD_HOST has it, or leave HOST= out",
        );
        reader.refuse(&v::AD_CERTIFICATE_SHA256, fault);
    } else if !pins.is_empty() && transport == Some(LdapTransport::Ldap) {
        let fault = ValueFault::new(
            "pins a certificate, and with AD_TRANSPORT=ldap no certificate is shown",
            "use ldaps or starttls, or leave the pins out",
        );
        reader.refuse(&v::AD_CERTIFICATE_SHA256, fault);
    }
    Some(pins)
}

/// Reads `AD_PORT`. The ports of the global catalogue are refused: it holds the attributes that
/// isMemberOfPartialAttributeSet marks and no others, so an attribute that is absent there says
/// nothing of the object, and a change of it is not seen.
fn port(reader: &mut VariableReader<'_, impl Variables>, transport: Option<LdapTransport>) -> Option<u16> {
    let checked = |text: &str| match quantity::number(1..=u16::MAX)(text)? {
        port @ (3268 | 3269) => Err(ValueFault::new(
            format!(
                "{port} is a port of the global catalogue, which holds only a part of the attributes of each object, so values \
                 would be missing and changes missed"
            ),
            "use 636 for ldaps, 389 for starttls or ldap, or leave it out; for several domains, write a connection for each \
             (docs/connections.md)",
        )),
        port => Ok(port),
    };
    match reader.optional(&v::AD_PORT, checked).optional()? {
        Some(port) => Some(port),
        // RFC 4511 section 5.2 (389), and 636 by IANA's registry of ports.
        None => transport.map(|transport| match transport {
            LdapTransport::Ldaps => 636,
            LdapTransport::StartTls | LdapTransport::Ldap => 389,
        }),
    }
}

/// `AD_AUTH`, before what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AuthMethod {
    Simple,
    Kerberos,
}

/// Reads the method; `built_in` is `true` when this program was built with Kerberos.
fn method(text: &str, built_in: bool) -> Result<AuthMethod, ValueFault> {
    match plain::choice(&[("simple", AuthMethod::Simple), ("kerberos", AuthMethod::Kerberos)])(text)? {
        AuthMethod::Kerberos if !built_in => Err(ValueFault::new(
            "`kerberos` is not in this program: it was built without the feature `kerberos`",
            "take the container image or the Debian package, or build with `cargo build --release --features kerberos` (docs/install.md); \
             or use AD_AUTH=simple with AD_BIND_DN and AD_PASSWORD",
        )),
        method => Ok(method),
    }
}

fn auth(
    reader: &mut VariableReader<'_, impl Variables>,
    transport: Option<LdapTransport>,
    hosts: &[String],
    server_name: Option<&Option<String>>,
) -> Option<DirectoryAuth> {
    let method = reader.value(&v::AD_AUTH, |text| method(text, cfg!(feature = "kerberos")));
    let plaintext_allowed = reader.value(&v::AD_ALLOW_PLAINTEXT, plain::boolean);
    let name = reader.optional(&v::AD_BIND_DN, plain::text(1024));
    let password = reader.secret(&v::AD_PASSWORD);
    match method? {
        AuthMethod::Simple => simple(reader, transport, plaintext_allowed, name, password),
        AuthMethod::Kerberos => {
            // A bad server name is one problem; it is not asked as well whether a name is needed.
            let server_name = server_name.map_or(Some(""), |name| name.as_deref());
            super::kerberos::kerberos(reader, name, !password.is_absent(), hosts, server_name)
        }
    }
}

fn simple(
    reader: &mut VariableReader<'_, impl Variables>,
    transport: Option<LdapTransport>,
    plaintext_allowed: Option<bool>,
    name: FieldValue<String>,
    password: FieldValue<Secret>,
) -> Option<DirectoryAuth> {
    if name.is_absent() {
        reader.require(&v::AD_BIND_DN, "is required for AD_AUTH=simple");
    }
    if password.is_absent() {
        reader.require(&v::AD_PASSWORD, "is required for AD_AUTH=simple");
    }
    if transport == Some(LdapTransport::Ldap) && plaintext_allowed == Some(false) {
        let fault = ValueFault::new(
            "`ldap` would send the password unencrypted",
            "use ldaps or starttls; or set AD_ALLOW_PLAINTEXT=true if the network is trusted",
        );
        reader.refuse(&v::AD_TRANSPORT, fault);
    }
    match (name, password) {
        (FieldValue::Given(name), FieldValue::Given(password)) => {
            Some(DirectoryAuth::Simple { name, password })
        }
        _ => None,
    }
}

/// Reads `AD_DELTA`.
pub(super) fn delta(reader: &mut VariableReader<'_, impl Variables>) -> Option<DeltaMethod> {
    reader.value(
        &v::AD_DELTA,
        plain::choice(&[
            ("usn", DeltaMethod::Usn),
            ("dirsync", DeltaMethod::DirSync),
            ("off", DeltaMethod::Off),
        ]),
    )
}

/// Returns true where `AD_MEMBER_OF` is set, with which every run is a full read.
pub(super) fn has_member_of(reader: &mut VariableReader<'_, impl Variables>) -> bool {
    !reader
        .optional(&v::AD_MEMBER_OF, plain::distinguished_names)
        .is_absent()
}

/// Reads the profile; `None` when anything in it is bad. With a `delta`, the filters name nothing
/// that it cannot follow.
pub(super) fn profile(
    reader: &mut VariableReader<'_, impl Variables>,
    delta: Option<DeltaMethod>,
) -> Option<ProfileSettings> {
    let base_context = reader
        .optional(&v::AD_BASE_CONTEXT, plain::distinguished_name)
        .optional();
    let scope = reader.value(
        &v::AD_SEARCH_SCOPE,
        plain::choice(&[
            ("subtree", SearchScope::Subtree),
            ("onelevel", SearchScope::OneLevel),
            ("base", SearchScope::Base),
        ]),
    );
    let kinds = reader.value(&v::AD_ASSETS, plain::kinds);
    // Every filter is checked, also that of a kind which is not read now: it may be read later.
    let filters = Kind::ALL.map(|kind| (kind, reader.optional(filter_of(kind), filter::filter).optional()));
    let members_of = reader.optional(&v::AD_MEMBER_OF, plain::distinguished_names);
    // With AD_MEMBER_OF every run is a full read, whatever AD_DELTA says.
    if members_of.is_absent() && matches!(delta, Some(DeltaMethod::Usn | DeltaMethod::DirSync)) {
        for (kind, extra) in &filters {
            let untracked = extra
                .iter()
                .flatten()
                .flat_map(|extra| filter::find_untracked(extra));
            untracked.for_each(|fault| reader.refuse(filter_of(*kind), fault));
        }
    }
    let has_no_role_filter = filters
        .iter()
        .any(|(kind, extra)| *kind == Kind::Role && matches!(extra, Some(None)));
    if has_no_role_filter && kinds.iter().flatten().any(|kind| *kind == Kind::Role) {
        reader.require(&v::AD_ROLE_FILTER, "is required with `roles` in AD_ASSETS");
    }
    let members_of = members_of.optional();
    let mut assets = Vec::new();
    let (kinds, members_of) = (kinds?, members_of?.unwrap_or_default());
    for (kind, extra) in filters {
        let extra = both(extra?, filter::member_of_any(&members_of));
        if kinds.contains(&kind) {
            assets.push((kind, extra));
        }
    }
    Some(ProfileSettings {
        base_context: base_context?,
        scope: scope?,
        members_of,
        assets,
    })
}

impl ProfileSettings {
    /// Returns the extra filter of a kind without the part that narrows it to members of groups.
    #[must_use]
    pub fn own_filter(&self, kind: Kind) -> Option<&str> {
        let extra = self
            .assets
            .iter()
            .find(|(asked, _)| *asked == kind)?
            .1
            .as_deref()?;
        let Some(members) = filter::member_of_any(&self.members_of) else {
            return Some(extra);
        };
        // As `both` joins them.
        let own = extra.strip_prefix("(&")?.strip_suffix(')')?;
        own.strip_suffix(members.as_str())
    }
}

/// Joins both filters, where there are two.
fn both(one: Option<String>, other: Option<String>) -> Option<String> {
    match (one, other) {
        (Some(one), Some(other)) => Some(format!("(&{one}{other})")),
        (one, other) => one.or(other),
    }
}

const fn filter_of(kind: Kind) -> &'static VariableDefinition {
    match kind {
        Kind::User => &v::AD_USER_FILTER,
        Kind::Group => &v::AD_GROUP_FILTER,
        Kind::Computer => &v::AD_COMPUTER_FILTER,
        Kind::Role => &v::AD_ROLE_FILTER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kerberos_is_refused_where_it_was_not_built_in() {
        assert_eq!(method("kerberos", true).ok(), Some(AuthMethod::Kerberos));
        let fault = method("kerberos", false).unwrap_err().of("AD_AUTH");
        let said = fault.to_string();
        assert!(
            said.starts_with("AD_AUTH: `kerberos` is not in this program")
                && said.contains("--features kerberos"),
            "{said}"
        );
        assert_eq!(method("simple", false).ok(), Some(AuthMethod::Simple));
        assert!(method("ntlm", true).is_err());
    }
}
