//! Certificates for tests: a certificate authority, what it issues, and what is wrong with certificates in the field.
//!
//! Keys are ECDSA P-256, made in a millisecond, so every test may have an authority of its own. Names that parse as an IP
//! address become IP subject alternative names, all others DNS names.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig};

/// A certificate authority: a root, or an intermediate that a root issued.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Certificates between this authority (included) and its root (not included): a server must send them.
    chain: Vec<CertificateDer<'static>>,
}

/// How a server certificate differs from a sound one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Nothing wrong: valid from 2020 to 2119, with subject alternative names.
    Sound,
    /// The last day of it was 1 February 2021.
    Expired,
    /// It begins to be valid in 2110.
    NotYetValid,
    /// Valid until this day (year, month 1-12, day 1-31), 00:00 UTC.
    Until(i32, u8, u8),
    /// The names are only in the subject's common name, as in certificates of the 2000s.
    NoSubjectAltName,
    /// It carries `CA:TRUE`: an administrator gave the server the authority's kind of certificate.
    CertificateAuthority,
    /// The subject is empty, only alternative names are there, as Windows' auto-enrolment makes them.
    NoSubject,
    /// For client authentication only.
    ClientOnly,
}

/// A server's certificate with its key.
#[derive(Clone)]
pub struct ServerCertificate {
    /// The server's certificate followed by the intermediates it has to send, PEM.
    pub cert_pem: String,
    /// The private key, PKCS #8, PEM.
    pub key_pem: String,
    /// The server's certificate alone, DER.
    pub cert_der: Vec<u8>,
    /// The private key, PKCS #8, DER.
    pub key_der: Vec<u8>,
    chain: Vec<CertificateDer<'static>>,
}

impl Authority {
    /// A root authority with this common name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let issuer = CertifiedIssuer::self_signed(authority_parameters(name), new_key()).unwrap();
        Self {
            issuer,
            chain: Vec::new(),
        }
    }

    /// An authority below this one. What it issues is sent with the whole chain up to, but without, the root.
    #[must_use]
    pub fn intermediate(&self, name: &str) -> Self {
        self.intermediate_in(name, Shape::Sound)
    }

    /// The same, with the validity of `shape`.
    #[must_use]
    pub fn intermediate_in(&self, name: &str, shape: Shape) -> Self {
        let mut parameters = authority_parameters(name);
        set_validity(&mut parameters, shape);
        let issuer = CertifiedIssuer::signed_by(parameters, new_key(), &self.issuer).unwrap();
        let mut chain = vec![issuer.der().clone()];
        chain.extend(self.chain.iter().cloned());
        Self { issuer, chain }
    }

    /// The authority's certificate, PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The authority's certificate, DER: what Windows exports as `.cer`.
    #[must_use]
    pub fn der(&self) -> Vec<u8> {
        self.issuer.der().to_vec()
    }

    /// The authority as the only trusted root.
    #[must_use]
    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }

    /// A certificate for `names` with the given shape.
    #[must_use]
    pub fn server(&self, names: &[&str], shape: Shape) -> ServerCertificate {
        let key = new_key();
        let certificate = server_parameters(names, shape)
            .signed_by(&key, &self.issuer)
            .unwrap();
        ServerCertificate::of(certificate.der().clone(), &key, self.chain.clone())
    }

    /// A certificate for `names` whose server forgets to send the intermediates.
    #[must_use]
    pub fn server_without_chain(&self, names: &[&str]) -> ServerCertificate {
        let key = new_key();
        let certificate = server_parameters(names, Shape::Sound)
            .signed_by(&key, &self.issuer)
            .unwrap();
        ServerCertificate::of(certificate.der().clone(), &key, Vec::new())
    }

    /// Writes `ca.pem` and `ca.cer` (DER) to `directory`, which is made when missing. Gives the path of the PEM file.
    pub fn write(&self, directory: &Path) -> PathBuf {
        fs::create_dir_all(directory).unwrap();
        let pem = directory.join("ca.pem");
        fs::write(&pem, self.pem()).unwrap();
        fs::write(directory.join("ca.cer"), self.der()).unwrap();
        pem
    }
}

impl ServerCertificate {
    /// A certificate for `names` that no authority issued.
    #[must_use]
    pub fn self_signed(names: &[&str], shape: Shape) -> Self {
        let key = new_key();
        let certificate = server_parameters(names, shape).self_signed(&key).unwrap();
        Self::of(certificate.der().clone(), &key, Vec::new())
    }

    /// A server configuration that shows this certificate, TLS 1.2 and 1.3, no client certificates.
    #[must_use]
    pub fn server_config(&self) -> Arc<ServerConfig> {
        let mut chain = vec![CertificateDer::from(self.cert_der.clone())];
        chain.extend(self.chain.iter().cloned());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key_der.clone()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        Arc::new(
            builder
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .unwrap(),
        )
    }

    /// Writes `NAME.pem` (with chain), `NAME.key` (mode 600, as Samba demands) and `NAME.cer` (DER) to `directory`, which
    /// is made when missing. Gives the paths of certificate and key.
    pub fn write(&self, directory: &Path, name: &str) -> (PathBuf, PathBuf) {
        use std::os::unix::fs::PermissionsExt;
        fs::create_dir_all(directory).unwrap();
        let certificate = directory.join(format!("{name}.pem"));
        let key = directory.join(format!("{name}.key"));
        fs::write(&certificate, &self.cert_pem).unwrap();
        fs::write(&key, &self.key_pem).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(directory.join(format!("{name}.cer")), &self.cert_der).unwrap();
        (certificate, key)
    }

    fn of(certificate: CertificateDer<'static>, key: &KeyPair, chain: Vec<CertificateDer<'static>>) -> Self {
        let mut cert_pem = pem("CERTIFICATE", &certificate);
        for issuer in &chain {
            cert_pem.push_str(&pem("CERTIFICATE", issuer));
        }
        Self {
            cert_pem,
            key_pem: key.serialize_pem(),
            cert_der: certificate.to_vec(),
            key_der: key.serialize_der(),
            chain,
        }
    }
}

fn new_key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn authority_parameters(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = common_name(name);
    parameters.not_before = date_time_ymd(2020, 1, 1);
    parameters.not_after = date_time_ymd(2120, 1, 1);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    parameters.use_authority_key_identifier_extension = true;
    parameters
}

fn set_validity(parameters: &mut CertificateParams, shape: Shape) {
    (parameters.not_before, parameters.not_after) = match shape {
        Shape::Expired => (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 2, 1)),
        Shape::NotYetValid => (date_time_ymd(2110, 1, 1), date_time_ymd(2119, 1, 1)),
        Shape::Until(year, month, day) => (date_time_ymd(2020, 1, 1), date_time_ymd(year, month, day)),
        _ => (date_time_ymd(2020, 1, 1), date_time_ymd(2119, 1, 1)),
    };
}

fn server_parameters(names: &[&str], shape: Shape) -> CertificateParams {
    let alternative: Vec<String> = match shape {
        Shape::NoSubjectAltName => Vec::new(),
        _ => names.iter().map(|&name| name.to_owned()).collect(),
    };
    let mut parameters = CertificateParams::new(alternative).unwrap();
    parameters.distinguished_name = match (shape, names.first()) {
        (Shape::NoSubject, _) | (_, None) => DistinguishedName::new(),
        (_, Some(first)) => common_name(first),
    };
    set_validity(&mut parameters, shape);
    parameters.is_ca = match shape {
        Shape::CertificateAuthority => IsCa::Ca(BasicConstraints::Unconstrained),
        _ => IsCa::ExplicitNoCa,
    };
    parameters.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    parameters.extended_key_usages = vec![match shape {
        Shape::ClientOnly => ExtendedKeyUsagePurpose::ClientAuth,
        _ => ExtendedKeyUsagePurpose::ServerAuth,
    }];
    parameters.use_authority_key_identifier_extension = true;
    parameters
}

fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

/// RFC 7468: base 64 in lines of 64 characters between two labelled lines.
fn pem(label: &str, der: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut base64 = String::with_capacity(der.len() * 4 / 3 + 4);
    for group in der.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| {
            bits << 8 | u32::from(group.get(at).copied().unwrap_or(0))
        });
        for at in 0..4 {
            let index = (bits >> (18 - 6 * at) & 63) as usize;
            base64.push(if at <= group.len() {
                char::from(ALPHABET[index])
            } else {
                '='
            });
        }
    }
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in base64.as_bytes().chunks(64) {
        text.extend(line.iter().map(|&byte| char::from(byte)));
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{ServerName, UnixTime};
    use rustls::{CertificateError, Error};
    use std::time::Duration;

    /// What a client that trusts `authority` says of `server` on 22 November 2026.
    fn verdict(authority: &Authority, server: &ServerCertificate, name: &str) -> Result<(), Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let roots = Arc::new(authority.roots());
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider)
            .build()
            .unwrap();
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(server.cert_pem.as_bytes())
            .map(Result::unwrap)
            .collect();
        let name = ServerName::try_from(name).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_795_305_600));
        verifier
            .verify_server_cert(&certificates[0], &certificates[1..], &name, &[], now)
            .map(drop)
    }

    fn refused(result: Result<(), Error>) -> CertificateError {
        match result {
            Err(Error::InvalidCertificate(reason)) => reason,
            other => panic!("not refused as a certificate: {other:?}"),
        }
    }

    #[test]
    fn a_sound_certificate_is_accepted_for_names_and_addresses() {
        let authority = Authority::new("Test CA");
        let server = authority.server(&["dc1.corp.example", "127.0.0.1", "::1"], Shape::Sound);
        for name in ["dc1.corp.example", "127.0.0.1", "::1"] {
            assert_eq!(verdict(&authority, &server, name), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_foreign_name_is_refused() {
        let authority = Authority::new("Test CA");
        let server = authority.server(&["dc1.corp.example"], Shape::Sound);
        let reason = refused(verdict(&authority, &server, "dc2.corp.example"));
        assert!(
            matches!(reason, CertificateError::NotValidForNameContext { .. }),
            "{reason:?}"
        );
    }

    #[test]
    fn validity_is_as_the_shape_says() {
        let authority = Authority::new("Test CA");
        let of = |shape| refused(verdict(&authority, &authority.server(&["dc"], shape), "dc"));
        assert!(matches!(
            of(Shape::Expired),
            CertificateError::ExpiredContext { .. }
        ));
        assert!(matches!(
            of(Shape::Until(2026, 11, 1)),
            CertificateError::ExpiredContext { .. }
        ));
        assert!(matches!(
            of(Shape::NotYetValid),
            CertificateError::NotValidYetContext { .. }
        ));
        let until_later = authority.server(&["dc"], Shape::Until(2026, 12, 24));
        assert_eq!(verdict(&authority, &until_later, "dc"), Ok(()));
    }

    #[test]
    fn a_self_signed_certificate_and_a_foreign_authority_are_unknown() {
        let authority = Authority::new("Test CA");
        let own = ServerCertificate::self_signed(&["dc"], Shape::Sound);
        assert_eq!(
            refused(verdict(&authority, &own, "dc")),
            CertificateError::UnknownIssuer
        );
        let foreign = Authority::new("Other CA").server(&["dc"], Shape::Sound);
        assert_eq!(
            refused(verdict(&authority, &foreign, "dc")),
            CertificateError::UnknownIssuer
        );
    }

    #[test]
    fn an_authority_used_as_server_is_refused_as_such() {
        let authority = Authority::new("Test CA");
        let server = authority.server(&["dc"], Shape::CertificateAuthority);
        let reason = refused(verdict(&authority, &server, "dc"));
        assert!(format!("{reason:?}").contains("CaUsedAsEndEntity"), "{reason:?}");
    }

    #[test]
    fn without_alternative_names_no_name_matches() {
        let authority = Authority::new("Test CA");
        let server = authority.server(&["dc"], Shape::NoSubjectAltName);
        let reason = refused(verdict(&authority, &server, "dc"));
        assert!(
            matches!(reason, CertificateError::NotValidForNameContext { .. }),
            "{reason:?}"
        );
        let enrolled = authority.server(&["dc"], Shape::NoSubject);
        assert_eq!(verdict(&authority, &enrolled, "dc"), Ok(()));
    }

    #[test]
    fn the_purpose_must_be_a_server() {
        let authority = Authority::new("Test CA");
        let server = authority.server(&["dc"], Shape::ClientOnly);
        let reason = refused(verdict(&authority, &server, "dc"));
        assert!(
            matches!(reason, CertificateError::InvalidPurposeContext { .. }),
            "{reason:?}"
        );
    }

    #[test]
    fn an_intermediate_is_sent_unless_forgotten() {
        let root = Authority::new("Test Root");
        let issuing = root.intermediate("Test Issuing CA");
        assert_eq!(
            verdict(&root, &issuing.server(&["dc"], Shape::Sound), "dc"),
            Ok(())
        );
        let forgotten = issuing.server_without_chain(&["dc"]);
        assert_eq!(
            refused(verdict(&root, &forgotten, "dc")),
            CertificateError::UnknownIssuer
        );
    }

    #[test]
    fn files_hold_what_memory_holds() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::new("Test CA");
        let server = authority.server(&["dc"], Shape::Sound);
        let ca = authority.write(directory.path());
        let (certificate, key) = server.write(directory.path(), "dc1");
        assert_eq!(
            CertificateDer::from_pem_file(ca).unwrap().to_vec(),
            authority.der()
        );
        assert_eq!(
            fs::read(directory.path().join("ca.cer")).unwrap(),
            authority.der()
        );
        assert_eq!(
            CertificateDer::from_pem_file(certificate).unwrap().to_vec(),
            server.cert_der
        );
        assert_eq!(
            PrivateKeyDer::from_pem_file(key).unwrap().secret_der(),
            server.key_der
        );
    }
}
