//! Settings of the directory, as the rest of the program reads them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::reach::ReachPolicy;
use super::secret::Secret;

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
