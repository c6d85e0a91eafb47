//! Content of a server certificate, for `check` and for errors.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::text::printable;

/// Most names of a certificate that are shown. A controller's has a handful; a server that shows
/// thousands is no controller.
const MOST_NAMES: usize = 32;
/// Most certificates of CAs that are looked at. A chain has two or three.
const MOST_ISSUERS: usize = 16;

/// The certificate that a server showed, whether or not it was accepted. Its texts are printable,
/// and of bounded length: anybody may have written them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Subject, RFC 4514 order of the certificate; empty for certificates that Windows enrolled by
    /// itself.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// `true` when subject and issuer are the same: no other CA has signed it.
    pub self_issued: bool,
    /// The names of subjectAltName that a client compares: DNS names, then addresses; the first of
    /// them where there are many.
    pub names: Vec<String>,
    /// Start of validity, seconds since the Unix epoch.
    pub not_before: i64,
    /// End of validity, seconds since the Unix epoch.
    pub not_after: i64,
    /// SHA-256 of the DER certificate, lower-case hexadecimal: what `AD_CERTIFICATE_SHA256` takes.
    pub sha256: String,
    /// The same in base64, which it takes as well.
    pub sha256_base64: String,
    /// SHA-256 of the public key (SubjectPublicKeyInfo), lower-case hexadecimal; it stays when a
    /// certificate is renewed with its key.
    pub spki_sha256: String,
    /// Size of the RSA key in bits; `None` for a key of another kind.
    pub rsa_bits: Option<usize>,
    /// Certificates that the server sent behind this one, the last of them last.
    pub issuers: Vec<IssuerCertificate>,
}

/// Certificate of a CA, with what may be the reason that a chain is refused. Its texts are
/// printable, and of bounded length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerCertificate {
    /// Subject.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// Start of validity, seconds since the Unix epoch.
    pub not_before: i64,
    /// End of validity, seconds since the Unix epoch.
    pub not_after: i64,
    /// Size of the RSA key in bits; `None` for a key of another kind.
    pub rsa_bits: Option<usize>,
}

impl IssuerCertificate {
    /// Reads a DER certificate; `None` when it is not one.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        Some(Self {
            subject: printable(&certificate.subject().to_string()),
            issuer: printable(&certificate.issuer().to_string()),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            rsa_bits: rsa_bits(&certificate),
        })
    }
}

impl PeerCertificate {
    /// Reads a DER certificate and the `further` ones sent with it; `None` when it is not one.
    #[must_use]
    pub fn read(der: &[u8], further: &[CertificateDer<'_>]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let mut dns = Vec::new();
        let mut addresses = Vec::new();
        if let Ok(Some(names)) = certificate.subject_alternative_name() {
            for name in &names.value.general_names {
                match name {
                    GeneralName::DNSName(name) => dns.push(printable(name)),
                    GeneralName::IPAddress(octets) => addresses.extend(address(octets)),
                    _ => {}
                }
            }
        }
        dns.append(&mut addresses);
        dns.truncate(MOST_NAMES);
        let sha256 = Sha256::digest(der);
        let further = further.iter().take(MOST_ISSUERS);
        Some(Self {
            subject: printable(&certificate.subject().to_string()),
            issuer: printable(&certificate.issuer().to_string()),
            self_issued: certificate.subject().as_raw() == certificate.issuer().as_raw(),
            names: dns,
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            sha256: hex(&sha256),
            sha256_base64: STANDARD.encode(sha256),
            spki_sha256: hex(&Sha256::digest(certificate.public_key().raw)),
            rsa_bits: rsa_bits(&certificate),
            issuers: further.filter_map(|der| IssuerCertificate::read(der)).collect(),
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

/// Returns the day of a time in seconds since the Unix epoch, `2026-11-22`, UTC.
#[must_use]
pub fn date(seconds: i64) -> String {
    chrono::DateTime::from_timestamp(seconds, 0)
        .map_or_else(|| seconds.to_string(), |time| time.format("%Y-%m-%d").to_string())
}

/// Returns lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn rsa_bits(certificate: &X509Certificate<'_>) -> Option<usize> {
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => Some(key.key_size()),
        _ => None,
    }
}

fn address(octets: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(octets) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    <[u8; 16]>::try_from(octets)
        .ok()
        .map(|sixteen| std::net::Ipv6Addr::from(sixteen).to_string())
}
