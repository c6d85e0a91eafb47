//! TLS and StartTLS: what is accepted, and what each failure says.

use std::sync::Arc;

use ad_connector::config::{CertificatePin, DirectorySettings, LdapTransport};
use ad_connector::directory::DirectoryError;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::server::*;

const NAME: &str = "dc1.corp.example";

/// A CA of the test.
struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Corp Test CA");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn der(&self) -> Vec<u8> {
        self.0.der().to_vec()
    }

    /// A server certificate for `names`, changed by `change`.
    fn issue(&self, names: &[&str], change: impl Fn(&mut CertificateParams)) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity {
            der: certificate.der().to_vec(),
            key: key.serialize_der(),
        }
    }

    fn server(&self) -> Identity {
        self.issue(&[NAME, "127.0.0.1"], |_| {})
    }
}

/// What a server shows, and its key.
#[derive(Clone)]
struct Identity {
    der: Vec<u8>,
    key: Vec<u8>,
}

impl Identity {
    fn acceptor(&self) -> TlsAcceptor {
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from(self.der.clone())],
                PrivateKeyDer::try_from(self.key.clone()).unwrap(),
            )
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.der).into()
    }
}

/// A server over TLS that accepts the bind.
async fn secured(identity: &Identity) -> Server {
    let acceptor = identity.acceptor();
    Server::start(move |stream| serve(acceptor.clone(), stream)).await
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream) {
    if let Ok(stream) = acceptor.accept(stream).await
        && let Some(mut wire) = Wire::new(stream).bound().await
    {
        wire.until_gone().await;
    }
}

/// A server that answers the request for StartTLS with `answer`, then speaks TLS.
async fn starting(identity: &Identity, answer: Vec<u8>) -> Server {
    let acceptor = identity.acceptor();
    Server::start(move |mut stream| {
        let (acceptor, answer) = (acceptor.clone(), answer.clone());
        async move {
            let mut request = [0; 31];
            stream.read_exact(&mut request).await.unwrap();
            assert!(request.ends_with(b"1.3.6.1.4.1.1466.20037"));
            stream.write_all(&answer).await.unwrap();
            serve(acceptor, stream).await;
        }
    })
    .await
}

fn ldaps(port: u16, ca: &Ca) -> DirectorySettings {
    DirectorySettings {
        transport: LdapTransport::Ldaps,
        certificates: Some(vec![ca.der()]),
        ..settings(port)
    }
}

async fn failure(settings: DirectorySettings) -> DirectoryError {
    let error = connect(&settings).await.unwrap_err();
    assert_eq!(error.exit_code(), 69);
    error
}

/// Asserts that the error says `cause` and its advice `remedy`.
fn explains(error: &DirectoryError, cause: &str, remedy: &str) {
    assert!(error.to_string().contains(cause), "{cause:?} in {error}");
    assert!(
        error.advice().contains(remedy),
        "{remedy:?} in {}",
        error.advice()
    );
}

#[tokio::test]
async fn a_certificate_of_the_given_ca_is_accepted_and_kept() {
    let ca = Ca::new();
    let identity = ca.server();
    let server = secured(&identity).await;
    let session = connect(&ldaps(server.port, &ca)).await.unwrap();
    let shown = session.certificate().unwrap();
    assert_eq!(shown.names, [NAME, "127.0.0.1"]);
    assert!(shown.issuer.contains("Corp Test CA"));
    let hex: String = identity
        .sha256()
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    assert_eq!(shown.sha256, hex);
    assert_eq!(shown.spki_sha256.len(), 64);
}

#[tokio::test]
async fn the_name_to_verify_can_be_given() {
    let ca = Ca::new();
    let server = secured(&ca.issue(&[NAME], |_| {})).await;
    let named = DirectorySettings {
        server_name: Some(NAME.to_owned()),
        ..ldaps(server.port, &ca)
    };
    assert!(connect(&named).await.is_ok());
    let error = failure(ldaps(server.port, &ca)).await;
    explains(
        &error,
        "is for dc1.corp.example, not for 127.0.0.1",
        "AD_SERVER_NAME=dc1.corp.example",
    );
}

#[tokio::test]
async fn an_unknown_issuer_points_to_the_ca_file() {
    let server = secured(&Ca::new().server()).await;
    let error = failure(ldaps(server.port, &Ca::new())).await;
    explains(
        &error,
        "issued by a CA that is not trusted (CN=Corp Test CA)",
        "AD_CERTIFICATE",
    );
}

#[tokio::test]
async fn validity_is_explained_with_dates() {
    let ca = Ca::new();
    let expired = ca.issue(&["127.0.0.1"], |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 2, 3);
    });
    let error = failure(ldaps(secured(&expired).await.port, &ca)).await;
    explains(&error, "expired on 2021-02-03", "renew");
    let future = ca.issue(&["127.0.0.1"], |params| {
        params.not_before = date_time_ymd(2090, 1, 2);
        params.not_after = date_time_ymd(2091, 1, 1);
    });
    let error = failure(ldaps(secured(&future).await.port, &ca)).await;
    explains(&error, "not valid before 2090-01-02", "clock");
}

#[tokio::test]
async fn a_certificate_without_subject_alt_name_is_explained() {
    let ca = Ca::new();
    let server = secured(&ca.issue(&[], |_| {})).await;
    let error = failure(ldaps(server.port, &ca)).await;
    explains(&error, "no subjectAltName", "AD_CERTIFICATE_SHA256");
}

#[tokio::test]
async fn a_ca_certificate_as_server_certificate_is_explained() {
    let ca = Ca::new();
    let identity = ca.issue(&["127.0.0.1"], |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)
    });
    let error = failure(ldaps(secured(&identity).await.port, &ca)).await;
    explains(&error, "the certificate of a CA as its own", "server certificate");
}

#[tokio::test]
async fn a_pin_stands_for_chain_and_name() {
    let identity = Ca::new().issue(&["elsewhere.example"], |_| {});
    let server = secured(&identity).await;
    let pinned = |host: Option<&str>, sha256| DirectorySettings {
        pins: vec![CertificatePin {
            host: host.map(str::to_owned),
            sha256,
        }],
        ..ldaps(server.port, &Ca::new())
    };
    assert!(connect(&pinned(None, identity.sha256())).await.is_ok());
    assert!(
        connect(&pinned(Some("127.0.0.1"), identity.sha256()))
            .await
            .is_ok()
    );
    let error = failure(pinned(Some("dc2"), identity.sha256())).await;
    explains(&error, "a CA that is not trusted", "AD_CERTIFICATE");
    let error = failure(pinned(None, [0; 32])).await;
    let hex: String = identity
        .sha256()
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    explains(
        &error,
        &format!("sha-256 {hex}"),
        &format!("AD_CERTIFICATE_SHA256={hex}"),
    );
}

#[tokio::test]
async fn a_pin_does_not_stand_for_the_key() {
    // The certificate is public: whoever shows it without its key proves nothing.
    let shown = Ca::new().server();
    let key = KeyPair::generate().unwrap().serialize_der();
    let resolver = Impostor(Arc::new(rustls::sign::CertifiedKey::new(
        vec![CertificateDer::from(shown.der.clone())],
        aws_lc_rs::sign::any_supported_type(&PrivateKeyDer::try_from(key).unwrap()).unwrap(),
    )));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = Server::start(move |stream| serve(acceptor.clone(), stream)).await;
    let pins = vec![CertificatePin {
        host: None,
        sha256: shown.sha256(),
    }];
    let error = failure(DirectorySettings {
        pins,
        ..ldaps(server.port, &Ca::new())
    })
    .await;
    assert!(matches!(error, DirectoryError::Tls { .. }), "{error}");
}

#[derive(Debug)]
struct Impostor(Arc<rustls::sign::CertifiedKey>);

impl rustls::server::ResolvesServerCert for Impostor {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

#[tokio::test]
async fn a_port_without_tls_is_explained() {
    let ca = Ca::new();
    let plain = Server::start(|mut stream: TcpStream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let error = failure(ldaps(plain.port, &ca)).await;
    explains(&error, "does not speak TLS on this port", "636");
    let closing = Server::start(|stream: TcpStream| async move { drop(stream) }).await;
    let error = failure(ldaps(closing.port, &ca)).await;
    explains(
        &error,
        "closed the connection during the TLS handshake",
        "without a server certificate",
    );
}

#[tokio::test]
async fn r12_a_silent_tls_server_ends_with_the_time_limit() {
    let silent = Server::start(|mut stream: TcpStream| async move {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let patience = impatient(silent.port).timeout;
    let error = failure(DirectorySettings {
        timeout: patience,
        ..ldaps(silent.port, &Ca::new())
    })
    .await;
    explains(&error, "no answer to the TLS handshake within 0.3 s", "AD_PORT");
    let starting = DirectorySettings {
        transport: LdapTransport::StartTls,
        ..impatient(silent.port)
    };
    explains(&failure(starting).await, "no answer to StartTLS", "AD_TRANSPORT");
}

#[tokio::test]
async fn an_unusable_ca_file_is_named() {
    let unusable = DirectorySettings {
        certificates: Some(vec![vec![1, 2, 3]]),
        ..ldaps(1, &Ca::new())
    };
    let server = secured(&Ca::new().server()).await;
    let error = failure(DirectorySettings {
        port: server.port,
        ..unusable
    })
    .await;
    explains(&error, "AD_CERTIFICATE holds no certificate", "AD_CERTIFICATE");
}

#[tokio::test]
async fn starttls_secures_the_connection() {
    let ca = Ca::new();
    let yes = message(
        1,
        0x78,
        &[result(0, ""), element(0x8A, b"1.3.6.1.4.1.1466.20037")].concat(),
        &[],
    );
    let server = starting(&ca.server(), yes).await;
    let settings = DirectorySettings {
        transport: LdapTransport::StartTls,
        ..ldaps(server.port, &ca)
    };
    let session = connect(&settings).await.unwrap();
    assert!(session.certificate().is_some());
}

#[tokio::test]
async fn r12_clear_text_after_the_answer_to_starttls_is_refused() {
    let ca = Ca::new();
    let injected = [
        message(1, 0x78, &result(0, ""), &[]),
        message(1, 0x61, &result(0, ""), &[]),
    ]
    .concat();
    let server = starting(&ca.server(), injected).await;
    let settings = DirectorySettings {
        transport: LdapTransport::StartTls,
        ..ldaps(server.port, &ca)
    };
    explains(
        &failure(settings).await,
        "in clear text after the answer to StartTLS",
        "alters its traffic",
    );
}

#[tokio::test]
async fn a_refused_starttls_is_explained_and_nothing_goes_on_in_clear() {
    let ca = Ca::new();
    let no = message(1, 0x78, &result(52, "Error initializing SSL/TLS"), &[]);
    let server = starting(&ca.server(), no).await;
    let settings = DirectorySettings {
        transport: LdapTransport::StartTls,
        ..ldaps(server.port, &ca)
    };
    explains(
        &failure(settings.clone()).await,
        "no usable server certificate",
        "install",
    );
    for other in [
        message(1, 0x61, &result(0, ""), &[]),
        message(2, 0x78, &result(0, ""), &[]),
        message(0, 0x78, &result(0, ""), &[]),
    ] {
        let server = starting(&ca.server(), other).await;
        let error = failure(DirectorySettings {
            port: server.port,
            ..settings.clone()
        })
        .await;
        assert!(
            error
                .to_string()
                .contains("something else than the answer to StartTLS"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn r12_the_guard_stands_behind_tls_as_well() {
    let ca = Ca::new();
    let huge = vec![0x30, 0x84, 0x40, 0x00, 0x00, 0x00];
    let nested = [0x30, 0x83, 0x10, 0x00, 0x00].repeat(400_000);
    let cut = entry(1, "CN=a", &[])[..9].to_vec();
    let cases = [
        (huge, "a message of 1073741830 octets"),
        (nested, "refused"),
        (cut, "in the middle of a message"),
    ];
    for (bytes, cause) in cases {
        let acceptor = ca.server().acceptor();
        let server = Server::start(move |stream| {
            let (acceptor, bytes) = (acceptor.clone(), bytes.clone());
            async move {
                let mut wire = Wire::new(acceptor.accept(stream).await.unwrap());
                wire.request().await;
                wire.send(bytes).await;
            }
        })
        .await;
        let error = failure(ldaps(server.port, &ca)).await;
        assert!(error.to_string().contains(cause), "{cause:?} in {error}");
    }
}
