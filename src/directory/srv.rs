//! Finds the controllers of a domain by DNS: the SRV records of `_ldap._tcp.dc._msdcs.DOMAIN`, and
//! of `_ldap._tcp.SITE._sites.dc._msdcs.DOMAIN` for those of a site (RFC 2782, MS-ADTS 6.3.2.3).
//!
//! INVARIANT: a forged answer learns no password. A host of another domain may have a certificate
//! of its own from a public authority, so such a host counts only where `AD_CERTIFICATE`, or a pin
//! for any host, says which certificates are good.
//!
//! The records name the controllers; their addresses are found as for any host, and their
//! certificates are verified against these names. The port of a record is that of unencrypted LDAP,
//! so it is used for the netlogon ping, and `AD_PORT` decides for everything else.

use std::time::Duration;

use fastrand::Rng;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData};
use tokio::time::timeout;

use super::error::DirectoryError;
use super::error::seconds;
use crate::config;
use crate::text::printable;

/// Longest wait for all DNS servers together, each asked twice.
const LIMIT: Duration = Duration::from_secs(20);

/// Time that one DNS server may take to answer.
const ANSWER: Duration = Duration::from_secs(4);

/// Longest wait for the records of a site. The servers have just named the controllers of the
/// domain.
const SITE_LIMIT: Duration = Duration::from_secs(1);

/// Port of a record that has none.
const LDAP_PORT: u16 = 389;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SrvTarget {
    priority: u16,
    weight: u16,
    named: NamedController,
}

/// A controller that DNS names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedController {
    /// Its DNS name, lower-case.
    pub host: String,
    /// Its port of unencrypted LDAP, where it also answers over UDP.
    pub ldap_port: u16,
}

/// Finds the controllers of `domain`, in the order in which they are to be tried: all of them
/// (R39). Their number is bounded by the length of a DNS message, 64 KiB (RFC 1035 section 4.2.2).
///
/// # Errors
/// When DNS names none, with the reason.
pub async fn controllers(
    domain: &config::DomainSettings,
    settings: &config::DirectorySettings,
    rng: &mut Rng,
) -> Result<Vec<NamedController>, DirectoryError> {
    let unknown = |cause: String| DirectoryError::Discover {
        domain: domain.name.clone(),
        cause: printable(&cause),
    };
    let name = format!("_ldap._tcp.dc._msdcs.{}.", domain.name.trim_end_matches('.'));
    let name = Name::from_ascii(&name).map_err(|error| unknown(error.to_string()))?;
    let targets = targets(&name, domain, LIMIT).await.map_err(unknown)?;
    let (named, outside) = allowed(targets, domain, settings, rng);
    if named.is_empty() {
        return Err(unknown(if outside > 0 {
            format!(
                "the SRV records of {name} name hosts of other domains, for which only AD_CERTIFICATE or a pin can vouch"
            )
        } else {
            format!("the SRV records of {name} name no host")
        }));
    }
    tracing::debug!(domain = domain.name, hosts = ?hosts(&named), "Controllers were found by DNS.");
    Ok(named)
}

/// Finds the controllers that serve `site`, in the order of their records; none where DNS does not
/// name any in time. Read-only controllers are among them, which register for their site alone
/// (MS-ADTS 6.3.2.3).
pub async fn site_controllers(
    domain: &config::DomainSettings,
    site: &str,
    settings: &config::DirectorySettings,
    rng: &mut Rng,
) -> Vec<NamedController> {
    let labels = ["_ldap", "_tcp", site, "_sites", "dc", "_msdcs"];
    let parts = domain.name.trim_end_matches('.').split('.');
    let name = Name::from_labels(labels.into_iter().chain(parts).map(str::as_bytes));
    let found = match name {
        Ok(mut name) => {
            name.set_fqdn(true);
            targets(&name, domain, SITE_LIMIT).await
        }
        Err(error) => Err(error.to_string()),
    };
    match found {
        Ok(targets) => {
            let (named, _) = allowed(targets, domain, settings, rng);
            tracing::debug!(site = printable(site), hosts = ?hosts(&named), "Controllers of the site were found by DNS.");
            named
        }
        Err(error) => {
            let (site, error) = (printable(site), printable(&error));
            tracing::debug!(site, error, "DNS names no controller of the site.");
            Vec::new()
        }
    }
}

fn hosts(named: &[NamedController]) -> Vec<&str> {
    named.iter().map(|one| one.host.as_str()).collect()
}

/// Asks for the SRV records of `name`.
///
/// # Errors
/// The reason why there are none.
async fn targets(
    name: &Name,
    domain: &config::DomainSettings,
    limit: Duration,
) -> Result<Vec<SrvTarget>, String> {
    let resolver = resolver(domain).map_err(|error| format!("the resolver cannot be set up: {error}"))?;
    let answer = timeout(limit, resolver.srv_lookup(name.clone()))
        .await
        .map_err(|_| format!("no answer from DNS within {}", seconds(limit)))?;
    let answer = answer.map_err(|error| match &error {
        error if error.is_nx_domain() => format!("there is no name {name}"),
        error if error.is_no_records_found() => format!("{name} has no SRV record"),
        NetError::Timeout => "no DNS server answers".to_owned(),
        error => error.to_string(),
    })?;
    let targets = answer.answers().iter().filter_map(|record| match &record.data {
        RData::SRV(srv) => Some(SrvTarget {
            priority: srv.priority,
            weight: srv.weight,
            named: NamedController {
                host: host(&srv.target)?,
                ldap_port: if srv.port == 0 { LDAP_PORT } else { srv.port },
            },
        }),
        _ => None,
    });
    Ok(targets.collect())
}

/// Returns the controllers of the records that may be connected to, in order, each once, and the
/// number of those that may not.
fn allowed(
    targets: Vec<SrvTarget>,
    domain: &config::DomainSettings,
    settings: &config::DirectorySettings,
    rng: &mut Rng,
) -> (Vec<NamedController>, usize) {
    // A pin for one host does not apply to the others.
    let anywhere = settings.certificates.is_some() || settings.pins.iter().any(|pin| pin.host.is_none());
    let mut named: Vec<NamedController> = Vec::new();
    let mut outside = 0;
    for target in ordered(targets, rng) {
        if !anywhere && !is_of(&target.named.host, &domain.name) {
            outside += 1;
        } else if !named.iter().any(|other| other.host == target.named.host) {
            named.push(target.named);
        }
    }
    (named, outside)
}

fn resolver(domain: &config::DomainSettings) -> Result<TokioResolver, NetError> {
    let mut builder = match domain.dns_server {
        None => TokioResolver::builder_tokio()?,
        Some(address) => {
            let mut server = NameServerConfig::udp_and_tcp(address.ip());
            for connection in &mut server.connections {
                connection.port = address.port();
            }
            let mut config = ResolverConfig::default();
            config.name_servers = vec![server];
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options = builder.options_mut();
    options.timeout = ANSWER;
    options.attempts = 2;
    options.cache_size = 0;
    builder.build()
}

/// Returns the host that a record names; `None` for the root, which says that there is none, and
/// for a name that no host can have.
fn host(target: &Name) -> Option<String> {
    let name = target.to_ascii();
    let name = name.trim_end_matches('.');
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    (!name.is_empty() && name.len() <= 253 && name.bytes().all(fits)).then(|| name.to_ascii_lowercase())
}

/// Reports whether the host is in the domain, or in one below.
fn is_of(host: &str, domain: &str) -> bool {
    let domain = domain.trim_end_matches('.').to_ascii_lowercase();
    host.strip_suffix(&domain)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Orders the targets by priority, the lowest number first; among equals at random, the heavier
/// ones more often first (RFC 2782).
fn ordered(mut targets: Vec<SrvTarget>, rng: &mut Rng) -> Vec<SrvTarget> {
    // Those without weight first, as the RFC wants it.
    targets.sort_by_key(|target| (target.priority, target.weight > 0));
    let mut ordered = Vec::new();
    while let Some(first) = targets.first() {
        let equals = targets
            .iter()
            .take_while(|target| target.priority == first.priority);
        let sums: Vec<u64> = equals
            .scan(0, |sum, target| {
                *sum += u64::from(target.weight);
                Some(*sum)
            })
            .collect();
        let drawn = rng.u64(0..=sums.last().copied().unwrap_or(0));
        let at = sums.iter().position(|sum| *sum >= drawn).unwrap_or(0);
        ordered.push(targets.remove(at));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(priority: u16, weight: u16, host: &str) -> SrvTarget {
        SrvTarget {
            priority,
            weight,
            named: NamedController {
                host: host.to_owned(),
                ldap_port: 389,
            },
        }
    }

    #[test]
    fn records_are_ordered_by_priority_then_weight() {
        let targets = vec![
            target(10, 0, "never first"),
            target(5, 0, "none"),
            target(5, 100, "heavy"),
            target(5, 10, "light"),
        ];
        let mut first = std::collections::BTreeMap::new();
        for seed in 0..1_000 {
            let order = ordered(targets.clone(), &mut Rng::with_seed(seed));
            assert_eq!(order.len(), 4);
            assert_eq!(order[3].named.host, "never first");
            *first.entry(order[0].named.host.clone()).or_insert(0) += 1;
        }
        assert!(
            first["heavy"] > 800 && first["light"] > 20 && first["none"] > 0,
            "{first:?}"
        );
        assert_eq!(ordered(Vec::new(), &mut Rng::with_seed(1)), []);
    }

    #[test]
    fn r12_what_is_no_host_is_no_controller() {
        let name = |text: &str| Name::from_ascii(text).unwrap();
        assert_eq!(
            host(&name("DC1.corp.example.")).as_deref(),
            Some("dc1.corp.example")
        );
        assert_eq!(host(&name(".")), None);
        let odd = Name::from_labels([&b"a\n\x1b[1mb"[..], b"example"]).unwrap();
        assert_eq!(host(&odd), None);
        assert!(is_of("dc1.corp.example", "Corp.Example.") && is_of("corp.example", "corp.example"));
        assert!(!is_of("dc1.evilcorp.example", "corp.example") && !is_of("dc1.evil.example", "corp.example"));
    }
}
