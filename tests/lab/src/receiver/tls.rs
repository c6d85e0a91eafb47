//! The receiver's side of TLS.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// A self-signed certificate for these names or addresses, and its key, both PEM.
pub fn throwaway_certificate(names: &[&str]) -> (String, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).expect("a self-signed certificate can be made");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// Speaks HTTP/2 and HTTP/1.1, as the gateway does.
pub(super) fn acceptor(chain: &str, key: &str) -> TlsAcceptor {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain.as_bytes())
        .collect::<Result<_, _>>()
        .expect("the receiver's certificate is PEM");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("the receiver's key is PEM");
    let mut config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring knows TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("the receiver's key belongs to its certificate");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}
