//! What a server certificate says, for `check` and for errors.

use std::fmt;

use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The certificate that a server showed, whether or not it was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Subject, RFC 4514 order of the certificate; empty for certificates that Windows enrolled by itself.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// The names of subjectAltName that a client compares: DNS names, then addresses.
    pub names: Vec<String>,
    /// Start of validity, seconds since the Unix epoch.
    pub not_before: i64,
    /// End of validity, seconds since the Unix epoch.
    pub not_after: i64,
    /// SHA-256 of the DER certificate, lower-case hexadecimal: what `AD_CERTIFICATE_SHA256` takes.
    pub sha256: String,
    /// SHA-256 of the public key (SubjectPublicKeyInfo), lower-case hexadecimal; it stays when a certificate is renewed with its key.
    pub spki_sha256: String,
}

impl PeerCertificate {
    /// Reads a DER certificate; `None` when it is not one.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let mut dns = Vec::new();
        let mut addresses = Vec::new();
        if let Ok(Some(names)) = certificate.subject_alternative_name() {
            for name in &names.value.general_names {
                match name {
                    GeneralName::DNSName(name) => dns.push((*name).to_owned()),
                    GeneralName::IPAddress(octets) => addresses.extend(address(octets)),
                    _ => {}
                }
            }
        }
        dns.append(&mut addresses);
        Some(Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            names: dns,
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            sha256: hex(&Sha256::digest(der)),
            spki_sha256: hex(&Sha256::digest(certificate.public_key().raw)),
        })
    }
}

impl fmt::Display for PeerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.names.is_empty() {
            write!(f, "certificate without names")?;
        } else {
            write!(f, "certificate for {}", self.names.join(", "))?;
        }
        if !self.subject.is_empty() {
            write!(f, " ({})", self.subject)?;
        }
        write!(
            f,
            ", issued by {}, valid {} to {}, sha-256 {}",
            if self.issuer.is_empty() {
                "nobody"
            } else {
                &self.issuer
            },
            date(self.not_before),
            date(self.not_after),
            self.sha256
        )
    }
}

/// The day of a time in seconds since the Unix epoch, `2026-11-22`, UTC.
#[must_use]
pub fn date(seconds: i64) -> String {
    chrono::DateTime::from_timestamp(seconds, 0)
        .map_or_else(|| seconds.to_string(), |time| time.format("%Y-%m-%d").to_string())
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn address(octets: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(octets) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    <[u8; 16]>::try_from(octets)
        .ok()
        .map(|sixteen| std::net::Ipv6Addr::from(sixteen).to_string())
}
