//! Sentences about a TLS connection that failed, each with a remedy.

use std::fmt;

use super::certificate::{PeerCertificate, date};
use super::problem::{FEWEST_RSA_BITS, TlsProblem};

/// Reason why there is no TLS connection, with the certificate that the server showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFault {
    /// Kind of the fault.
    pub problem: TlsProblem,
    /// Certificate that the server showed, if it came to that.
    pub shown: Option<Box<PeerCertificate>>,
}

impl From<TlsProblem> for TlsFault {
    fn from(problem: TlsProblem) -> Self {
        Self { problem, shown: None }
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.shown.as_deref();
        match &self.problem {
            TlsProblem::NoRoots { own: true, why } => {
                write!(f, "AD_CERTIFICATE holds no certificate that can be a root")?;
                why.as_ref().map_or(Ok(()), |why| write!(f, " ({why})"))?;
            }
            TlsProblem::NoRoots { own: false, why } => {
                write!(f, "the system has no root certificates")?;
                why.as_ref().map_or(Ok(()), |why| write!(f, " ({why})"))?;
            }
            TlsProblem::ServerName(name) => {
                write!(
                    f,
                    "\"{name}\" is neither a DNS name nor an address, so no certificate can be verified against it"
                )?;
            }
            TlsProblem::UnknownIssuer => {
                let issuer = issuer(shown);
                write!(
                    f,
                    "the server certificate is issued by a CA that is not trusted{issuer}"
                )?;
                match shown
                    .and_then(|shown| shown.issuers.last())
                    .map(|last| &last.issuer)
                {
                    Some(end) => write!(
                        f,
                        ", and the chain that the server sends ends at {end}, which is not trusted either"
                    )?,
                    None => write!(f, ", and the server sends no certificate of that CA")?,
                }
            }
            TlsProblem::OwnAsRoot => write!(
                f,
                "the file of AD_CERTIFICATE holds the server certificate itself, and not that of the CA that issued it{}",
                issuer(shown)
            )?,
            TlsProblem::SelfSigned => write!(
                f,
                "the server shows a certificate that it issued itself{}: no CA vouches for it",
                issuer(shown)
            )?,
            TlsProblem::OtherKey => write!(
                f,
                "the server certificate is issued by a CA that is not trusted{}: a trusted one bears this name, and has another key",
                issuer(shown)
            )?,
            TlsProblem::Impostor => {
                write!(
                    f,
                    "the server does not hold the key of the certificate that it shows"
                )?;
            }
            TlsProblem::WeakSignature => write!(
                f,
                "the server certificate, or that of a CA above it, is signed in a way that proves nothing any more, such as SHA-1"
            )?,
            TlsProblem::UnknownKind(kind) => write!(
                f,
                "the server certificate, or that of a CA above it, has a key or a signature that this program does not verify: {kind}"
            )?,
            TlsProblem::WeakKey { issuer, bits } => {
                match issuer {
                    Some(issuer) => write!(f, "the RSA key of the CA {issuer}")?,
                    None => write!(f, "the RSA key of the server certificate")?,
                }
                write!(
                    f,
                    " has {bits} bits: with fewer than {FEWEST_RSA_BITS} it proves nothing any more"
                )?;
            }
            TlsProblem::IssuerExpired(issuer) => write!(
                f,
                "the certificate of the CA {}, which the server sends, expired on {}; its own is valid",
                issuer.subject,
                date(issuer.not_after)
            )?,
            TlsProblem::IssuerNotYetValid(issuer) => write!(
                f,
                "the certificate of the CA {}, which the server sends, is not valid before {}",
                issuer.subject,
                date(issuer.not_before)
            )?,
            TlsProblem::AddressAsName(address) => write!(
                f,
                "the server certificate has {address} as a DNS name, and not as an address, so that no client finds it there"
            )?,
            TlsProblem::NameConstraint => write!(
                f,
                "a CA above the server certificate may not issue for its names (name constraints)"
            )?,
            TlsProblem::WrongName(expected) => match shown {
                Some(shown) if shown.names.is_empty() => write!(
                    f,
                    "the server certificate has no subjectAltName, so that \"{expected}\" cannot be verified"
                )?,
                Some(shown) => {
                    write!(
                        f,
                        "the server certificate is for {}, not for {expected}",
                        shown.names.join(", ")
                    )?;
                }
                None => write!(f, "the server certificate is not for {expected}")?,
            },
            TlsProblem::Expired => write!(
                f,
                "the server certificate expired{}",
                shown
                    .map(|shown| format!(" on {}", date(shown.not_after)))
                    .unwrap_or_default()
            )?,
            TlsProblem::NotYetValid => write!(
                f,
                "the server certificate is not valid before {}",
                shown.map_or_else(|| "later".to_owned(), |shown| date(shown.not_before))
            )?,
            TlsProblem::CaAsServer => {
                write!(f, "the server shows the certificate of a CA as its own")?;
            }
            TlsProblem::WrongPurpose => {
                write!(
                    f,
                    "the server certificate is not meant for servers (extended key usage)"
                )?;
            }
            TlsProblem::NotPinned => write!(f, "the server certificate is none of AD_CERTIFICATE_SHA256")?,
            TlsProblem::Certificate(why) => write!(f, "the server certificate cannot be verified: {why}")?,
            TlsProblem::NotTls => write!(f, "the server does not speak TLS on this port")?,
            TlsProblem::Alert(alert) => {
                write!(f, "the server ended the TLS handshake with the alert {alert}")?
            }
            TlsProblem::Closed => write!(f, "the server closed the connection during the TLS handshake")?,
            TlsProblem::OldVersion => write!(f, "the server speaks no TLS newer than 1.1")?,
            TlsProblem::Incompatible(why) => {
                write!(
                    f,
                    "the server has no cipher suite in common with this program: {why}"
                )?;
            }
            TlsProblem::Other(why) => write!(f, "TLS failed: {why}")?,
        }
        shown.map_or(Ok(()), |shown| write!(f, "; shown was a {shown}"))
    }
}

/// Returns the issuer, in brackets, where there is one.
fn issuer(shown: Option<&PeerCertificate>) -> String {
    shown
        .filter(|shown| !shown.issuer.is_empty())
        .map(|shown| format!(" ({})", shown.issuer))
        .unwrap_or_default()
}

impl TlsFault {
    /// Returns the certificate, where it is what was refused. Another fault, above all that the
    /// server has not the key to it, says nothing against the certificate, and pinning it mends
    /// nothing.
    #[must_use]
    pub fn refused(&self) -> Option<&PeerCertificate> {
        let of_certificate = match &self.problem {
            TlsProblem::UnknownIssuer
            | TlsProblem::OwnAsRoot
            | TlsProblem::SelfSigned
            | TlsProblem::OtherKey
            | TlsProblem::WeakSignature
            | TlsProblem::UnknownKind(_)
            | TlsProblem::WeakKey { issuer: Some(_), .. }
            | TlsProblem::IssuerExpired(_)
            | TlsProblem::IssuerNotYetValid(_)
            | TlsProblem::AddressAsName(_)
            | TlsProblem::NameConstraint
            | TlsProblem::WrongName(_)
            | TlsProblem::Expired
            | TlsProblem::NotYetValid
            | TlsProblem::CaAsServer
            | TlsProblem::WrongPurpose
            | TlsProblem::NotPinned
            | TlsProblem::Certificate(_) => true,
            TlsProblem::NoRoots { .. }
            | TlsProblem::ServerName(_)
            | TlsProblem::Impostor
            | TlsProblem::WeakKey { issuer: None, .. }
            | TlsProblem::NotTls
            | TlsProblem::Alert(_)
            | TlsProblem::Closed
            | TlsProblem::OldVersion
            | TlsProblem::Incompatible(_)
            | TlsProblem::Other(_) => false,
        };
        self.shown.as_deref().filter(|_| of_certificate)
    }
}
