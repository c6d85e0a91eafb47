//! Next step after a TLS connection to a controller that failed.

use crate::config::LdapTransport;
use crate::tls::{FEWEST_RSA_BITS, TlsFault, TlsProblem};

impl TlsFault {
    /// Returns the next step, for a controller at `port`.
    #[must_use]
    pub fn advice(&self, transport: LdapTransport, port: u16) -> String {
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
            TlsProblem::NotTls | TlsProblem::Closed if transport == LdapTransport::Ldaps && port == 389 => {
                "389 is the port without TLS: set AD_PORT=636, or AD_TRANSPORT=starttls".to_owned()
            }
            TlsProblem::NotTls => format!("check that port {port} is the controller's LDAPS port (636), or set AD_TRANSPORT=starttls"),
            TlsProblem::Closed => format!(
                "a controller without a server certificate does this: install one; or check that port {port} is the controller's {}",
                match transport {
                    LdapTransport::StartTls => "LDAP port (389)",
                    LdapTransport::Ldaps | LdapTransport::Ldap => "LDAPS port (636), not 389",
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
    use crate::tls::PeerCertificate;

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
                .advice(LdapTransport::Ldaps, 636)
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
                .advice(LdapTransport::Ldaps, 636)
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
        assert!(fault.advice(LdapTransport::Ldaps, 389).contains("AD_PORT=636"));
        assert!(
            fault
                .advice(LdapTransport::Ldaps, 636)
                .contains("server certificate")
        );
    }
}
