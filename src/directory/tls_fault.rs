//! Sentences about a TLS connection that failed, each with a remedy: without them each is a support
//! call.

use std::fmt;

use super::certificate::{PeerCertificate, date};
use super::tls_problem::{FEWEST_RSA_BITS, TlsProblem};
use crate::config::Transport;

/// Why there is no TLS connection, with the certificate that the server showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFault {
    /// What went wrong.
    pub problem: TlsProblem,
    /// What the server showed, if it came to that.
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

/// The issuer, in brackets, where there is one.
fn issuer(shown: Option<&PeerCertificate>) -> String {
    shown
        .filter(|shown| !shown.issuer.is_empty())
        .map(|shown| format!(" ({})", shown.issuer))
        .unwrap_or_default()
}

impl TlsFault {
    /// The certificate, where it is what was refused. Another fault, above all that the server has not the key to it, says nothing
    /// against the certificate, and pinning it mends nothing.
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

    /// The next step.
    #[must_use]
    pub fn advice(&self, transport: Transport, port: u16) -> String {
        let shown = self.shown.as_deref();
        match &self.problem {
            TlsProblem::NoRoots { own: true, .. } => {
                "put the certificate of the issuing CA, PEM or DER, into the file of AD_CERTIFICATE".to_owned()
            }
            TlsProblem::NoRoots { own: false, .. } => {
                "set AD_CERTIFICATE to the file of the CA that issued the controllers' certificates".to_owned()
            }
            TlsProblem::ServerName(_) => "write AD_HOST or AD_SERVER_NAME as a DNS name".to_owned(),
            TlsProblem::UnknownIssuer => {
                "put that CA's certificate into the file of AD_CERTIFICATE, which takes several; where the CA stands below a root that is in \
                 it, the controller may send its certificate instead"
                    .to_owned()
            }
            TlsProblem::OwnAsRoot => {
                "put the certificate of that CA into the file; or pin this one with AD_CERTIFICATE_SHA256".to_owned()
            }
            TlsProblem::SelfSigned => {
                "issue the controller a certificate from your CA; or pin this one with AD_CERTIFICATE_SHA256, once the controller's \
                 administrator says the same SHA-256"
                    .to_owned()
            }
            TlsProblem::OtherKey => {
                "if the CA was renewed with a new key, add its new certificate to the file of AD_CERTIFICATE, which takes several".to_owned()
            }
            TlsProblem::Impostor => {
                "find out who answers in the controller's place; nothing was sent there".to_owned()
            }
            TlsProblem::WeakSignature => {
                "renew the CA and the controller's certificate with SHA-256; or pin this one with AD_CERTIFICATE_SHA256".to_owned()
            }
            TlsProblem::UnknownKind(_) => {
                "issue certificates with RSA keys of 2048 to 8192 bits, ECDSA keys on P-256, P-384 or P-521, or Ed25519, signed with \
                 SHA-256, SHA-384 or SHA-512; or pin this one with AD_CERTIFICATE_SHA256"
                    .to_owned()
            }
            TlsProblem::WeakKey { issuer: None, .. } => {
                format!("issue the controller a certificate with an RSA key of {FEWEST_RSA_BITS} bits or more; a pin does not help")
            }
            TlsProblem::WeakKey {
                issuer: Some(_), ..
            } => format!(
                "renew that CA with an RSA key of {FEWEST_RSA_BITS} bits or more, and then the controller's certificate; or pin this one with \
                 AD_CERTIFICATE_SHA256"
            ),
            TlsProblem::IssuerExpired(_) => {
                "install the renewed certificate of that CA on the controller, or put it into the file of AD_CERTIFICATE; or pin the \
                 controller's with AD_CERTIFICATE_SHA256"
                    .to_owned()
            }
            TlsProblem::IssuerNotYetValid(_) => "check this computer's clock and that of the CA".to_owned(),
            TlsProblem::AddressAsName(address) => match shown
                .and_then(|shown| shown.names.iter().find(|name| *name != address))
            {
                Some(name) => format!(
                    "set AD_HOST to a name of the certificate, or AD_SERVER_NAME={name}; or issue a certificate with the address as an IP \
                     address in subjectAltName"
                ),
                None => "issue a certificate with the address as an IP address in subjectAltName; or pin this one with \
                         AD_CERTIFICATE_SHA256"
                    .to_owned(),
            },
            TlsProblem::NameConstraint => {
                "have a CA issue the certificate whose name constraints permit the controller's names; or pin this one with \
                 AD_CERTIFICATE_SHA256"
                    .to_owned()
            }
            TlsProblem::WrongName(_) => match shown.and_then(|shown| shown.names.first()) {
                Some(name) => format!("set AD_HOST to a name of the certificate, or AD_SERVER_NAME={name}"),
                None => {
                    "issue a certificate with the controller's DNS name in subjectAltName, or pin this one with AD_CERTIFICATE_SHA256"
                        .to_owned()
                }
            },
            TlsProblem::Expired => "renew the controller's certificate; check this computer's clock too".to_owned(),
            TlsProblem::NotYetValid => "check this computer's clock and the controller's".to_owned(),
            TlsProblem::CaAsServer => {
                "issue a server certificate for the controller, or pin this one with AD_CERTIFICATE_SHA256".to_owned()
            }
            TlsProblem::WrongPurpose => {
                "issue the controller a certificate with the extended key usage Server Authentication".to_owned()
            }
            TlsProblem::NotPinned => shown.map_or_else(
                || "correct AD_CERTIFICATE_SHA256".to_owned(),
                |shown| {
                    format!(
                        "if the controller's certificate was renewed, and its administrator says the same SHA-256, set AD_CERTIFICATE_SHA256={}",
                        shown.sha256
                    )
                },
            ),
            TlsProblem::Certificate(_) => {
                "issue the controller another certificate, or pin this one with AD_CERTIFICATE_SHA256".to_owned()
            }
            TlsProblem::NotTls | TlsProblem::Closed if transport == Transport::Ldaps && port == 389 => {
                "389 is the port without TLS: set AD_PORT=636, or AD_TRANSPORT=starttls".to_owned()
            }
            TlsProblem::NotTls => format!("check that port {port} is the controller's LDAPS port (636), or set AD_TRANSPORT=starttls"),
            TlsProblem::Closed => format!(
                "a controller without a server certificate does this: install one; or check that port {port} is the controller's {}",
                match transport {
                    Transport::StartTls => "LDAP port (389)",
                    Transport::Ldaps | Transport::Ldap => "LDAPS port (636), not 389",
                }
            ),
            TlsProblem::OldVersion => {
                "enable TLS 1.2 on the controller (Schannel in its registry); older versions can be broken, and are not spoken".to_owned()
            }
            TlsProblem::Alert(_) | TlsProblem::Incompatible(_) => {
                "the controller must offer TLS 1.2 or 1.3 with a modern cipher suite; its event log, source Schannel, says more".to_owned()
            }
            TlsProblem::Other(_) => "run `ad-connector check`; the controller's event log, source Schannel, may say more".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(names: &[&str]) -> Box<PeerCertificate> {
        Box::new(PeerCertificate {
            subject: String::new(),
            issuer: "CN=Corp CA".to_owned(),
            self_issued: false,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            not_before: 1_700_000_000,
            not_after: 1_731_536_000,
            sha256: "ab".repeat(32),
            sha256_base64: String::new(),
            spki_sha256: "cd".repeat(32),
            rsa_bits: None,
            issuers: Vec::new(),
        })
    }

    #[test]
    fn a_wrong_name_says_which_names_would_do() {
        let fault = TlsFault {
            problem: TlsProblem::WrongName("10.0.0.1".to_owned()),
            shown: Some(certificate(&["dc1.corp.example", "corp.example"])),
        };
        assert!(
            fault
                .to_string()
                .contains("dc1.corp.example, corp.example, not for 10.0.0.1"),
            "{fault}"
        );
        assert!(
            fault
                .advice(Transport::Ldaps, 636)
                .contains("AD_SERVER_NAME=dc1.corp.example")
        );
    }

    #[test]
    fn a_certificate_without_names_is_told_from_one_with_others() {
        let fault = TlsFault {
            problem: TlsProblem::WrongName("dc1".to_owned()),
            shown: Some(certificate(&[])),
        };
        assert!(fault.to_string().contains("no subjectAltName"), "{fault}");
        assert!(
            fault
                .advice(Transport::Ldaps, 636)
                .contains("AD_CERTIFICATE_SHA256")
        );
    }

    #[test]
    fn an_expired_certificate_says_since_when() {
        let fault = TlsFault {
            problem: TlsProblem::Expired,
            shown: Some(certificate(&["dc1"])),
        };
        assert!(fault.to_string().contains("expired on 2024-11-13"), "{fault}");
    }

    #[test]
    fn tls_on_the_plain_port_points_to_the_right_one() {
        let fault = TlsFault::from(TlsProblem::Closed);
        assert!(fault.advice(Transport::Ldaps, 389).contains("AD_PORT=636"));
        assert!(fault.advice(Transport::Ldaps, 636).contains("server certificate"));
    }
}
