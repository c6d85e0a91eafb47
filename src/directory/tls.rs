//! The TLS side of a connection: which certificates are trusted, and the handshake.
//!
//! INVARIANT: a connection comes out of [`handshake`] only when the server proved the key of a
//! certificate that either chains to a trusted root and bears the expected name, or is pinned.
//! There is no way to turn this off.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config;
use crate::tls::{
    HandshakeRecord, IssuerCertificate, PeerCertificate, RecordingVerifier, TlsFault, TlsProblem, hex,
};

/// Turns `stream` into a TLS connection to `host`.
///
/// # Errors
/// [`TlsFault`] with the certificate that the server showed, where there is one. No time limit of
/// its own.
pub async fn handshake(
    stream: TcpStream,
    host: &str,
    settings: &config::DirectorySettings,
) -> Result<(TlsStream<TcpStream>, Option<PeerCertificate>), TlsFault> {
    let expected = settings
        .server_name
        .as_deref()
        .unwrap_or(host)
        .trim_end_matches('.')
        .to_owned();
    let name = ServerName::try_from(expected.clone())
        .map_err(|_| TlsFault::from(TlsProblem::ServerName(expected.clone())))?;
    let (config, record) = client_config(host, settings)?;
    let outcome = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let seen = record.last();
    match outcome {
        Ok(stream) => Ok((stream, seen.shown)),
        Err(error) => {
            let problem = match TlsProblem::of(&error, &expected, seen.shown.as_ref(), seen.accepted) {
                TlsProblem::UnknownIssuer if is_given_as_root(seen.shown.as_ref(), settings) => {
                    TlsProblem::OwnAsRoot
                }
                TlsProblem::OtherKey => {
                    TlsProblem::weak_issuer(&trusted(settings)).unwrap_or(TlsProblem::OtherKey)
                }
                problem => problem,
            };
            Err(TlsFault {
                problem,
                shown: seen.shown.map(Box::new),
            })
        }
    }
}

/// Returns `true` when `AD_CERTIFICATE` holds the certificate that the server shows.
fn is_given_as_root(shown: Option<&PeerCertificate>, settings: &config::DirectorySettings) -> bool {
    let given = settings.certificates.as_deref().unwrap_or_default();
    shown.is_some_and(|shown| given.iter().any(|der| hex(&Sha256::digest(der)) == shown.sha256))
}

/// Returns the CAs in `AD_CERTIFICATE`.
fn trusted(settings: &config::DirectorySettings) -> Vec<IssuerCertificate> {
    let given = settings.certificates.as_deref().unwrap_or_default();
    given
        .iter()
        .filter_map(|der| IssuerCertificate::read(der))
        .collect()
}

fn client_config(
    host: &str,
    settings: &config::DirectorySettings,
) -> Result<(ClientConfig, HandshakeRecord), TlsFault> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let pins: Vec<[u8; 32]> = settings.pins_for(host).map(|pin| pin.sha256).collect();
    // A pin names exactly one certificate; roots need not be there then, so that a missing CA file
    // cannot stop it.
    let verifier: Arc<dyn ServerCertVerifier> = if pins.is_empty() {
        chain_verifier(settings, &provider)?
    } else {
        Arc::new(PinVerifier {
            provider: Arc::clone(&provider),
            pins,
        })
    };
    let record = HandshakeRecord::default();
    let verifier = RecordingVerifier {
        verifier,
        record: record.clone(),
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsFault::from(TlsProblem::Other(error.to_string())))?
        .dangerous() // the library's name for any verifier of one's own
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    // Each connection shows and verifies its certificate; a resumed one would show none.
    config.resumption = rustls::client::Resumption::disabled();
    Ok((config, record))
}

fn chain_verifier(
    settings: &config::DirectorySettings,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, TlsFault> {
    let mut roots = RootCertStore::empty();
    let mut refused = Vec::new();
    match &settings.certificates {
        Some(certificates) => {
            for der in certificates {
                if let Err(error) = roots.add(CertificateDer::from(der.as_slice())) {
                    refused.push(error.to_string());
                }
            }
        }
        None => {
            let system = rustls_native_certs::load_native_certs();
            refused.extend(system.errors.iter().map(ToString::to_string));
            // One unreadable root among a hundred good ones must not make the others unusable.
            let (_, ignored) = roots.add_parsable_certificates(system.certs);
            if ignored > 0 {
                tracing::debug!(
                    ignored,
                    "Some roots of the system are no certificates that can be used."
                );
            }
        }
    }
    if roots.is_empty() {
        let problem = TlsProblem::NoRoots {
            own: settings.certificates.is_some(),
            why: refused.first().cloned(),
        };
        return Err(problem.into());
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| TlsProblem::Other(error.to_string()).into())
}

/// Comparison of a certificate with pins; signatures are verified as by the library.
#[derive(Debug)]
struct PinVerifier {
    provider: Arc<CryptoProvider>,
    pins: Vec<[u8; 32]>,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown: [u8; 32] = Sha256::digest(end_entity.as_ref()).into();
        if self.pins.contains(&shown) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
