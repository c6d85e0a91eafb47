//! Record of the certificates that servers show in their handshakes.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};

use super::certificate::PeerCertificate;

/// Certificate that a server showed, and whether it was accepted. A handshake that fails later does
/// not fail for the certificate.
#[derive(Debug, Clone, Default)]
pub struct Handshake {
    /// The certificate, recorded before it is verified.
    pub shown: Option<PeerCertificate>,
    /// `true` after its verification.
    pub accepted: bool,
}

/// Record of the last handshake.
#[derive(Debug, Clone, Default)]
pub struct HandshakeRecord(Arc<Mutex<Handshake>>);

impl HandshakeRecord {
    /// Returns the last handshake.
    #[must_use]
    pub fn last(&self) -> Handshake {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, handshake: Handshake) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = handshake;
    }
}

/// Verifier that records what another one verifies. That one decides alone.
#[derive(Debug)]
pub struct RecordingVerifier {
    /// Verifier of the certificates and signatures.
    pub verifier: Arc<dyn ServerCertVerifier>,
    /// Record of what it verified.
    pub record: HandshakeRecord,
}

impl ServerCertVerifier for RecordingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut handshake = Handshake {
            shown: PeerCertificate::read(end_entity, intermediates),
            accepted: false,
        };
        self.record.set(handshake.clone());
        let verified =
            self.verifier
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        handshake.accepted = true;
        self.record.set(handshake);
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
