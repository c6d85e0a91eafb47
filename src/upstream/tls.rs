//! TLS to the gateway: trusted roots, and what a failed handshake showed.
//!
//! Invariant: certificates are verified by the library alone; [`RecordingVerifier`] only keeps the
//! certificate that was shown, so that a refusal can be explained.

use std::error::Error;
use std::io;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use super::error::UpstreamError;
use crate::config;
use crate::tls::{HandshakeRecord, RecordingVerifier, TlsFault, TlsProblem};

/// Returns the fault of TLS among the causes of an error, if it is one.
pub(super) fn fault(record: &HandshakeRecord, error: &(dyn Error + 'static), host: &str) -> Option<TlsFault> {
    let error = std::iter::successors(Some(error), |&error| error.source()).find_map(rustls_error)?;
    let last = record.last();
    let error = io::Error::other(error.clone());
    Some(TlsFault {
        problem: TlsProblem::of(&error, host, last.shown.as_ref(), last.accepted),
        shown: last.shown.map(Box::new),
    })
}

/// Returns the error of the TLS library: this one, or one that it wraps. The source of an I/O error
/// is that of the error in it, so those are unwrapped.
fn rustls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut error = error;
    loop {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        error = error.downcast_ref::<io::Error>()?.get_ref()?;
    }
}

/// Returns the next step for a fault of the gateway's TLS.
pub(super) fn advice(problem: &TlsProblem) -> &'static str {
    match problem {
        TlsProblem::UnknownIssuer | TlsProblem::SelfSigned | TlsProblem::OtherKey => {
            "If a proxy inspects TLS on the way, put its CA certificate into the file of QUALYS_CA_CERTIFICATE, which takes \
             several; if none does, check QUALYS_GATEWAY_URL and the root certificates of this system."
        }
        TlsProblem::WrongName(_) => {
            "Set QUALYS_GATEWAY_URL to the host name of the gateway as Qualys gives it; where a proxy inspects TLS, let it \
             issue certificates with that name."
        }
        TlsProblem::Expired
        | TlsProblem::NotYetValid
        | TlsProblem::IssuerExpired(_)
        | TlsProblem::IssuerNotYetValid(_) => {
            "Check the clock of this computer; if it is right, whoever issued the certificate (Qualys, or a proxy that \
             inspects TLS) has to renew it."
        }
        TlsProblem::Impostor => "Find out who answers in the gateway's place; nothing was sent there.",
        TlsProblem::NotTls => {
            "Check the port in QUALYS_GATEWAY_URL, and that HTTPS_PROXY is a proxy that tunnels (CONNECT) to the gateway."
        }
        TlsProblem::OldVersion | TlsProblem::Alert(_) | TlsProblem::Incompatible(_) => {
            "The gateway, or a proxy that inspects TLS, must offer TLS 1.2 or 1.3 with a modern cipher suite; check which of \
             them answers."
        }
        _ => {
            "Check the clock, and if a proxy inspects TLS on the way, which certificate it shows; its CA certificate goes \
             into QUALYS_CA_CERTIFICATE."
        }
    }
}

/// Returns the error for a variable that cannot be used.
pub(super) fn setting(variable: &'static str, reason: &str) -> UpstreamError {
    UpstreamError::Setting {
        variable,
        reason: reason.to_owned(),
    }
}

/// Returns the TLS settings: the system's roots and those of `QUALYS_CA_CERTIFICATE`, TLS 1.2 and
/// 1.3.
pub(super) fn config(
    settings: &config::UpstreamSettings,
) -> Result<(ClientConfig, HandshakeRecord), UpstreamError> {
    let mut roots = RootCertStore::empty();
    for certificate in &settings.certificates {
        roots
            .add(CertificateDer::from(certificate.as_slice()))
            .map_err(|error| setting("QUALYS_CA_CERTIFICATE", &error.to_string()))?;
    }
    let record = HandshakeRecord::default();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| setting("QUALYS_GATEWAY_URL", &error.to_string()))?;
    // Loopback, the only plain address that is allowed, needs no roots.
    let mut config = if settings.gateway.starts_with("https:") {
        let system = rustls_native_certs::load_native_certs();
        // One unreadable root of the system is no reason to distrust the others.
        let (taken, skipped) = roots.add_parsable_certificates(system.certs);
        tracing::debug!(taken, skipped, "The root certificates of the system were read.");
        if roots.is_empty() {
            let reason =
                "the system has no root certificates and none are given, so no gateway can be verified";
            return Err(setting("QUALYS_CA_CERTIFICATE", reason));
        }
        let library = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| setting("QUALYS_CA_CERTIFICATE", &error.to_string()))?;
        let recorder = RecordingVerifier {
            verifier: library,
            record: record.clone(),
        };
        builder
            .dangerous() // the library's name for any verifier of one's own
            .with_custom_certificate_verifier(Arc::new(recorder))
            .with_no_client_auth()
    } else {
        builder.with_root_certificates(roots).with_no_client_auth()
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, record))
}
