//! The cases, in the order of the table.

use std::path::Path;

use lab::certificates::{Authority, ServerCertificate, Shape};
use lab::simulator::Tls;
use rustls::version::TLS12;
use sha2::{Digest as _, Sha256};

use super::issued;
use super::servers::{self, Server};

/// One way in which TLS to a controller succeeds or fails.
pub struct Case {
    /// What is the matter, as in the table.
    pub name: &'static str,
    pub server: Server,
    /// Variables beside the usual ones.
    pub settings: Vec<(&'static str, String)>,
    /// The exit code of `check` and of `sync`.
    pub code: i32,
    /// Must be in the message.
    pub cause: &'static str,
    /// Must be in what is to be done.
    pub remedy: &'static str,
    /// Whether a pin of the certificate that was shown makes it work.
    pub pin_helps: bool,
}

/// The names that a good certificate bears.
const NAMES: &[&str] = &["127.0.0.1"];

/// `ServerHello` of TLS 1.0: what a controller answers that has nothing newer (RFC 2246 section 7.4.1.3).
fn hello_of_tls_1_0() -> Vec<u8> {
    let mut hello = vec![0x16, 0x03, 0x01, 0x00, 42, 0x02, 0x00, 0x00, 38, 0x03, 0x01];
    hello.extend([7; 32]);
    hello.extend([0x00, 0xC0, 0x13, 0x00]);
    hello
}

impl Case {
    pub fn works(name: &'static str, server: Server) -> Case {
        Case {
            name,
            server,
            settings: Vec::new(),
            code: 0,
            cause: "",
            remedy: "",
            pin_helps: false,
        }
    }

    pub fn fails(name: &'static str, server: Server, cause: &'static str, remedy: &'static str) -> Case {
        Case {
            code: 69,
            cause,
            remedy,
            ..Case::works(name, server)
        }
    }

    /// A certificate that is refused, and would not be if it were pinned.
    fn refused(
        name: &'static str,
        certificate: &ServerCertificate,
        cause: &'static str,
        remedy: &'static str,
    ) -> Case {
        Case {
            pin_helps: true,
            ..Case::fails(name, Server::ldaps(certificate), cause, remedy)
        }
    }

    fn misconfigured(name: &'static str, cause: &'static str, remedy: &'static str) -> Case {
        Case {
            code: 64,
            ..Case::fails(name, Server::controller(Tls::None), cause, remedy)
        }
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Case {
        self.settings.push((name, value.to_owned()));
        self
    }
}

fn sha256(certificate: &ServerCertificate) -> String {
    let digest = Sha256::digest(&certificate.cert_der);
    digest
        .iter()
        .map(|octet| format!("{octet:02X}"))
        .collect::<Vec<_>>()
        .join(":")
}

fn base64(certificate: &ServerCertificate) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(Sha256::digest(&certificate.cert_der))
}

/// All cases. `ca` is what `AD_CERTIFICATE` names where nothing else is said; files of further authorities go to `folder`.
pub async fn all(ca: &Authority, folder: &Path) -> Vec<Case> {
    let file = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let sound = ca.server(NAMES, Shape::Sound);
    let other = Authority::new("Other CA");
    let below = ca.intermediate("Issuing CA");
    let own = ServerCertificate::self_signed(NAMES, Shape::Sound);
    let expired = ServerCertificate::self_signed(&["dc9.corp.example"], Shape::Expired);
    let bundle = format!("{}{}", other.pem(), ca.pem());

    let mut cases = vec![
        Case::works(
            "certificate of the CA in `AD_CERTIFICATE`, PEM",
            Server::ldaps(&sound),
        ),
        Case::works("the same, DER (`.cer`)", Server::ldaps(&sound))
            .with("AD_CERTIFICATE", &file("ca.cer", &ca.der())),
        Case::works("several CAs in one PEM file", Server::ldaps(&sound))
            .with("AD_CERTIFICATE", &file("bundle.pem", bundle.as_bytes())),
        Case::works(
            "issued by an intermediate CA, which the controller sends",
            Server::ldaps(&below.server(NAMES, Shape::Sound)),
        ),
        Case::works(
            "the same, not sent, but in the file of `AD_CERTIFICATE`",
            Server::ldaps(&below.server_without_chain(NAMES)),
        )
        .with(
            "AD_CERTIFICATE",
            &file("chain.pem", format!("{}{}", ca.pem(), below.pem()).as_bytes()),
        ),
        Case::works(
            "no subject, only names, as Windows enrols by itself",
            Server::ldaps(&ca.server(NAMES, Shape::NoSubject)),
        ),
        Case::works(
            "another name, given as `AD_SERVER_NAME`",
            Server::ldaps(&ca.server(&["dc2.corp.example"], Shape::Sound)),
        )
        .with("AD_SERVER_NAME", "dc2.corp.example"),
        Case::works(
            "self-signed, itself in the file of `AD_CERTIFICATE`",
            Server::ldaps(&own),
        )
        .with("AD_CERTIFICATE", &file("own.pem", own.cert_pem.as_bytes())),
        Case::works(
            "anything (self-signed, expired, another name), pinned in hexadecimal",
            Server::ldaps(&expired),
        )
        .with("AD_CERTIFICATE_SHA256", &sha256(&expired)),
        Case::works(
            "the same, pinned in base64 for its host, beside another pin",
            Server::ldaps(&expired),
        )
        .with(
            "AD_CERTIFICATE_SHA256",
            &format!("{}, 127.0.0.1={}", sha256(&own), base64(&expired)),
        ),
        Case::works(
            "TLS 1.2 alone",
            Server::controller(Tls::Ldaps(servers::speaking(&sound, &[&TLS12]))),
        ),
        Case::works(
            "StartTLS",
            Server::controller(Tls::StartTls(sound.server_config())),
        )
        .with("AD_TRANSPORT", "starttls"),
    ];
    cases.extend([
        Case::refused(
            "self-signed",
            &own,
            "issued itself (CN=127.0.0.1)",
            "pin this one",
        ),
        Case::refused(
            "issued by an unknown CA",
            &other.server(NAMES, Shape::Sound),
            "a CA that is not trusted (CN=Other CA)",
            "AD_CERTIFICATE",
        ),
        Case::refused(
            "issued by an intermediate CA, which the controller does not send",
            &below.server_without_chain(NAMES),
            "sends no certificate of that CA",
            "the controller may send",
        ),
        Case::refused(
            "the intermediate CA is sent, and its root is unknown",
            &other.intermediate("Issuing CA").server(NAMES, Shape::Sound),
            "ends at CN=Other CA",
            "AD_CERTIFICATE",
        ),
        Case::refused(
            "issued by a CA that was renewed with a new key",
            &Authority::new("Lab CA").server(NAMES, Shape::Sound),
            "another key",
            "new certificate",
        ),
        Case::refused(
            "the controller's certificate in `AD_CERTIFICATE` in place of its CA's",
            &sound,
            "holds the server certificate itself",
            "certificate of that CA",
        )
        .with("AD_CERTIFICATE", &file("dc1.pem", sound.cert_pem.as_bytes())),
        Case::refused(
            "expired",
            &ca.server(NAMES, Shape::Expired),
            "expired on 2021-02-01",
            "renew",
        ),
        Case::refused(
            "issued by an intermediate CA that expired",
            &ca.intermediate_in("Issuing CA", Shape::Expired)
                .server(NAMES, Shape::Sound),
            "certificate of the CA CN=Issuing CA, which the server sends, expired on 2021-02-01",
            "renewed certificate of that CA",
        ),
        Case::refused(
            "issued by an intermediate CA that is not yet valid",
            &ca.intermediate_in("Issuing CA", Shape::NotYetValid)
                .server(NAMES, Shape::Sound),
            "CN=Issuing CA, which the server sends, is not valid before 2110-01-01",
            "clock",
        ),
        Case::refused(
            "not yet valid",
            &ca.server(NAMES, Shape::NotYetValid),
            "not valid before 2110-01-01",
            "clock",
        ),
        Case::refused(
            "for another name",
            &ca.server(&["dc2.corp.example"], Shape::Sound),
            "is for dc2.corp.example, not for",
            "AD_SERVER_NAME=dc2.corp.example",
        ),
        Case::refused(
            "the name only in the subject",
            &ca.server(NAMES, Shape::NoSubjectAltName),
            "no subjectAltName",
            "subjectAltName",
        ),
        Case::refused(
            "a CA's certificate as the server's",
            &ca.server(NAMES, Shape::CertificateAuthority),
            "certificate of a CA as its own",
            "server certificate",
        ),
        Case::refused(
            "for clients only",
            &ca.server(NAMES, Shape::ClientOnly),
            "extended key usage",
            "Server Authentication",
        ),
        Case::refused(
            "not the pinned one, though of a trusted CA",
            &sound,
            "none of AD_CERTIFICATE_SHA256",
            "administrator",
        )
        .with("AD_CERTIFICATE_SHA256", &sha256(&own)),
        Case::refused(
            "not the one pinned for this host",
            &sound,
            "none of AD_CERTIFICATE_SHA256",
            "administrator",
        )
        .with("AD_CERTIFICATE_SHA256", &format!("127.0.0.1={}", sha256(&own))),
        Case::fails(
            "the right certificate, shown by somebody without its key",
            Server::controller(Tls::Ldaps(servers::impostor(&sound, &own))),
            "does not hold the key",
            "who answers",
        ),
        Case::fails(
            "the same, pinned",
            Server::controller(Tls::Ldaps(servers::impostor(&sound, &own))),
            "does not hold the key",
            "who answers",
        )
        .with("AD_CERTIFICATE_SHA256", &sha256(&sound)),
    ]);
    cases.extend(issued::all(folder));
    cases.extend([
        Case::fails(
            "TLS 1.1 at most",
            Server::openssl(&sound, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]),
            "no TLS newer than 1.1",
            "enable TLS 1.2",
        ),
        Case::fails(
            "TLS 1.0, answered without asking",
            Server::greeting(&hello_of_tls_1_0()),
            "no TLS newer than 1.1",
            "enable TLS 1.2",
        ),
        Case::fails(
            "only cipher suites that are too weak",
            Server::openssl(
                &sound,
                &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"],
            ),
            "no cipher suite in common",
            "cipher suite",
        ),
        Case::fails(
            "StartTLS refused",
            Server::controller(Tls::None),
            "no usable server certificate",
            "install",
        )
        .with("AD_TRANSPORT", "starttls"),
        Case {
            pin_helps: true,
            ..Case::fails(
                "StartTLS, and an unknown CA",
                Server::controller(Tls::StartTls(other.server(NAMES, Shape::Sound).server_config())),
                "a CA that is not trusted",
                "AD_CERTIFICATE",
            )
        }
        .with("AD_TRANSPORT", "starttls"),
        Case::fails(
            "`ldaps` to the port of plain LDAP",
            Server::controller(Tls::None),
            "closed the connection during the TLS handshake",
            "LDAPS port (636), not 389",
        ),
        Case::fails(
            "`starttls` to the port of LDAPS",
            Server::ldaps(&sound),
            "TLS record",
            "AD_TRANSPORT=ldaps",
        )
        .with("AD_TRANSPORT", "starttls"),
        Case::fails(
            "`ldap` to the port of LDAPS",
            Server::ldaps(&sound),
            "TLS record",
            "AD_TRANSPORT=ldaps",
        )
        .with("AD_TRANSPORT", "ldap")
        .with("AD_ALLOW_PLAINTEXT", "true"),
        Case::fails(
            "something else than TLS answers",
            Server::greeting(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            "does not speak TLS",
            "636",
        ),
        Case::fails(
            "the connection is closed in the handshake",
            Server::acting(servers::close).await,
            "closed the connection during",
            "without a server certificate",
        ),
        Case::fails(
            "the connection is reset in the handshake",
            Server::acting(servers::reset).await,
            "closed the connection during",
            "without a server certificate",
        ),
    ]);
    cases.extend([
        Case::misconfigured(
            "`AD_CERTIFICATE` is not there",
            "cannot be read",
            "CA certificate",
        )
        .with("AD_CERTIFICATE", "no-such-file.pem"),
        Case::misconfigured(
            "`AD_CERTIFICATE` is a private key",
            "is a private key",
            "CA certificate",
        )
        .with("AD_CERTIFICATE", &file("dc1.key", own.key_pem.as_bytes())),
        Case::misconfigured(
            "a pin of another length, such as a SHA-1 thumbprint",
            "is not a SHA-256, but a SHA-1",
            "64 hexadecimal digits",
        )
        .with(
            "AD_CERTIFICATE_SHA256",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        ),
        Case::misconfigured(
            "a pin for a host that is not in `AD_HOST`",
            "not in AD_HOST",
            "leave HOST= out",
        )
        .with(
            "AD_CERTIFICATE_SHA256",
            &format!("dc9.corp.example={}", sha256(&sound)),
        ),
        Case::misconfigured(
            "a pin, and no TLS",
            "no certificate is shown",
            "ldaps or starttls",
        )
        .with("AD_CERTIFICATE_SHA256", &sha256(&sound))
        .with("AD_TRANSPORT", "ldap")
        .with("AD_ALLOW_PLAINTEXT", "true"),
        Case::misconfigured(
            "plain LDAP, not allowed",
            "would send the password unencrypted",
            "ldaps or starttls",
        )
        .with("AD_TRANSPORT", "ldap"),
        Case::misconfigured("`AD_SERVER_NAME` is no name", "is not a host", "host name")
            .with("AD_SERVER_NAME", "dc1 corp"),
    ]);
    cases
}
