//! Kinds of failure of a TLS connection, read from the error of the TLS library and from what the
//! server showed.

use std::io;
use std::net::IpAddr;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, PeerIncompatible};
use x509_parser::asn1_rs::{FromDer as _, Oid};
use x509_parser::oid_registry::{OidRegistry, format_oid};

use super::certificate::{IssuerCertificate, PeerCertificate};

/// The kinds of failure that have a remedy of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsProblem {
    /// Nothing to trust: no root at all.
    NoRoots {
        /// `true` where `AD_CERTIFICATE` is given.
        own: bool,
        /// The first reason.
        why: Option<String>,
    },
    /// Neither a DNS name nor an address.
    ServerName(String),
    /// The chain ends at a CA that is not trusted.
    UnknownIssuer,
    /// As before, and what is given as the CA's certificate is the server's.
    OwnAsRoot,
    /// No CA issued it.
    SelfSigned,
    /// The CA that is trusted has the issuer's name, and another key.
    OtherKey,
    /// The certificate is good, and the server has not the key to it.
    Impostor,
    /// A signature in the chain is of a kind that proves nothing any more.
    WeakSignature,
    /// A signature or a key in the chain is of this kind, which the program does not verify.
    UnknownKind(String),
    /// The RSA key has so few bits that it proves nothing any more: that of this CA, or the
    /// server's own.
    WeakKey {
        /// Subject of the CA; `None` for the server certificate.
        issuer: Option<String>,
        /// Size of the key.
        bits: usize,
    },
    /// `notAfter` of a CA above the server certificate lies in the past.
    IssuerExpired(Box<IssuerCertificate>),
    /// `notBefore` of a CA above the server certificate lies in the future.
    IssuerNotYetValid(Box<IssuerCertificate>),
    /// The expected address is in the certificate as if it were a DNS name.
    AddressAsName(String),
    /// A CA above the server certificate may not issue for its names.
    NameConstraint,
    /// Other names than this expected one are in the certificate.
    WrongName(String),
    /// `notAfter` lies in the past.
    Expired,
    /// `notBefore` lies in the future.
    NotYetValid,
    /// The server shows the certificate of a CA as its own.
    CaAsServer,
    /// The certificate is for another use than a server.
    WrongPurpose,
    /// Not one of `AD_CERTIFICATE_SHA256`.
    NotPinned,
    /// Another flaw of the certificate.
    Certificate(String),
    /// The answer is no TLS.
    NotTls,
    /// The server ended the handshake with this alert.
    Alert(String),
    /// The server ended the connection without an alert.
    Closed,
    /// The server speaks no version that is secure.
    OldVersion,
    /// No cipher suite or the like in common.
    Incompatible(String),
    /// Anything else.
    Other(String),
}

impl TlsProblem {
    /// Reads the library's error. `expected` is the name that was to be in the certificate, `shown`
    /// the certificate, and `accepted` whether that was accepted before something else failed.
    #[must_use]
    pub fn of(error: &io::Error, expected: &str, shown: Option<&PeerCertificate>, accepted: bool) -> Self {
        let Some(inner) = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        else {
            return match error.kind() {
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe => Self::Closed,
                _ => Self::Other(error.to_string()),
            };
        };
        match inner {
            rustls::Error::InvalidCertificate(CertificateError::BadSignature) if accepted => {
                match shown.and_then(|shown| weak(shown.rsa_bits)) {
                    Some(bits) => Self::WeakKey { issuer: None, bits },
                    None => Self::Impostor,
                }
            }
            rustls::Error::InvalidCertificate(flaw) => Self::of_certificate(flaw, expected, shown),
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            rustls::Error::AlertReceived(AlertDescription::ProtocolVersion)
            | rustls::Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13) => {
                Self::OldVersion
            }
            rustls::Error::AlertReceived(AlertDescription::HandshakeFailure) => {
                Self::Incompatible("the server says HandshakeFailure".to_owned())
            }
            rustls::Error::AlertReceived(alert) => Self::Alert(format!("{alert:?}")),
            rustls::Error::PeerIncompatible(why) => Self::Incompatible(format!("{why:?}")),
            other => Self::Other(other.to_string()),
        }
    }

    fn of_certificate(flaw: &CertificateError, expected: &str, shown: Option<&PeerCertificate>) -> Self {
        let issuers = shown.map_or(&[][..], |shown| shown.issuers.as_slice());
        match flaw {
            CertificateError::UnknownIssuer if shown.is_some_and(|shown| shown.self_issued) => {
                Self::SelfSigned
            }
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::BadSignature => Self::weak_issuer(issuers).unwrap_or(Self::OtherKey),
            CertificateError::UnsupportedSignatureAlgorithmContext {
                signature_algorithm_id,
                ..
            } => Self::of_signature(signature_algorithm_id),
            CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
                public_key_algorithm_id,
                ..
            } => Self::UnknownKind(algorithm(public_key_algorithm_id)),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                let is_address = expected.parse::<IpAddr>().is_ok();
                let is_named = shown.is_some_and(|shown| shown.names.iter().any(|name| name == expected));
                if is_address && is_named {
                    Self::AddressAsName(expected.to_owned())
                } else {
                    Self::WrongName(expected.to_owned())
                }
            }
            CertificateError::Expired => Self::Expired,
            CertificateError::ExpiredContext { not_after, .. } => {
                let is_it = |issuer: &&IssuerCertificate| is_at(issuer.not_after, *not_after);
                match issuers.iter().find(is_it) {
                    Some(issuer) if !shown.is_some_and(|shown| is_at(shown.not_after, *not_after)) => {
                        Self::IssuerExpired(Box::new(issuer.clone()))
                    }
                    _ => Self::Expired,
                }
            }
            CertificateError::NotValidYet => Self::NotYetValid,
            CertificateError::NotValidYetContext { not_before, .. } => {
                let is_it = |issuer: &&IssuerCertificate| is_at(issuer.not_before, *not_before);
                match issuers.iter().find(is_it) {
                    Some(issuer) if !shown.is_some_and(|shown| is_at(shown.not_before, *not_before)) => {
                        Self::IssuerNotYetValid(Box::new(issuer.clone()))
                    }
                    _ => Self::NotYetValid,
                }
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Self::WrongPurpose
            }
            // The outcome of the comparison with pins.
            CertificateError::ApplicationVerificationFailure => Self::NotPinned,
            // The library gives these only as text.
            CertificateError::Other(other) => match format!("{other:?}") {
                text if text.contains("CaUsedAsEndEntity") => Self::CaAsServer,
                text if text.contains("NameConstraintViolation") => Self::NameConstraint,
                _ => Self::Certificate(flaw.to_string()),
            },
            other => Self::Certificate(other.to_string()),
        }
    }

    /// Returns the problem with a CA whose RSA key is too small, where there is one: no signature
    /// of it is verified.
    pub(crate) fn weak_issuer(issuers: &[IssuerCertificate]) -> Option<Self> {
        issuers.iter().find_map(|issuer| {
            Some(Self::WeakKey {
                bits: weak(issuer.rsa_bits)?,
                issuer: Some(issuer.subject.clone()),
            })
        })
    }

    /// Returns the problem with a signature of this kind, the content of an `AlgorithmIdentifier`.
    fn of_signature(identifier: &[u8]) -> Self {
        let is_weak = Oid::from_der(identifier)
            .is_ok_and(|(_, oid)| WEAK_SIGNATURES.contains(&oid.to_id_string().as_str()));
        if is_weak {
            Self::WeakSignature
        } else {
            Self::UnknownKind(algorithm(identifier))
        }
    }
}

/// Signatures with MD2, MD5 and SHA-1: of RSA (RFC 8017 appendix C, and 1.3.14.3.2.29 of older
/// programs), ECDSA (RFC 3279) and DSA.
const WEAK_SIGNATURES: [&str; 6] = [
    "1.2.840.113549.1.1.2",
    "1.2.840.113549.1.1.4",
    "1.2.840.113549.1.1.5",
    "1.3.14.3.2.29",
    "1.2.840.10045.4.1",
    "1.2.840.10040.4.3",
];

/// Fewest bits of an RSA key that the TLS library verifies.
pub(crate) const FEWEST_RSA_BITS: usize = 2048;

/// Returns the size of an RSA key that is too small.
fn weak(rsa_bits: Option<usize>) -> Option<usize> {
    rsa_bits.filter(|bits| *bits < FEWEST_RSA_BITS)
}

/// Returns `true` when both are the same second.
fn is_at(seconds: i64, time: UnixTime) -> bool {
    u64::try_from(seconds).is_ok_and(|seconds| seconds == time.as_secs())
}

/// Returns the OIDs in the content of an `AlgorithmIdentifier`, that of the algorithm first, with
/// their names.
fn algorithm(identifier: &[u8]) -> String {
    let registry = OidRegistry::default().with_all_crypto().with_x509();
    let mut names = Vec::new();
    let mut rest = identifier;
    while let Ok((further, oid)) = Oid::from_der(rest) {
        names.push(format_oid(&oid, &registry));
        rest = further;
    }
    if names.is_empty() {
        "of an unknown kind".to_owned()
    } else {
        names.join(", ")
    }
}
