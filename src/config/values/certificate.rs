//! Certificate files.

use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::{PemObject as _, SectionKind};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::config::refused::{ValueFault, quoted};

/// A bundle of every public root is a quarter of this; what is larger is not a certificate file.
const LARGEST: u64 = 4 << 20;

/// Reads the certificates of a file, DER: one in DER, or one or several in PEM. Each is known to
/// parse.
pub fn certificates(path: &str) -> Result<Vec<Vec<u8>>, ValueFault> {
    let fault = |cause: String, advice: String| ValueFault::new(format!("{}: {cause}", quoted(path)), advice);
    let usual = || "give a file with the CA certificate in DER or PEM".to_owned();
    let content =
        content(Path::new(path)).map_err(|error| fault(format!("cannot be read: {error}"), usual()))?;
    decode(&content).map_err(|cause| match CertificateContainer::of(&content) {
        Some(container) => fault(container.description().to_owned(), container.conversion(path)),
        None => fault(cause, usual()),
    })
}

/// Returns certificates as PEM (RFC 7468 section 3).
pub fn to_pem(certificates: &[Vec<u8>]) -> String {
    let mut text = String::new();
    for der in certificates {
        let content = STANDARD.encode(der);
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        for (index, character) in content.chars().enumerate() {
            if index > 0 && index % 64 == 0 {
                text.push('\n');
            }
            text.push(character);
        }
        text.push_str("\n-----END CERTIFICATE-----\n");
    }
    text
}

/// Decodes the certificates in the content of a file, or returns the fault of it; nothing of the
/// content is in the message.
pub fn decode(content: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let found = parse(content)?;
    for (index, der) in found.iter().enumerate() {
        match X509Certificate::from_der(der) {
            Ok(([], _)) => {}
            Ok(_) => return Err(format!("certificate {} has bytes after its end", index + 1)),
            Err(error) => return Err(format!("certificate {} does not parse: {error}", index + 1)),
        }
    }
    Ok(found)
}

/// Form of a file that holds certificates and is not read, since OpenSSL converts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CertificateContainer {
    /// PKCS #7 in DER, as the certificate export of Windows writes a `.p7b`.
    Pkcs7Der,
    /// PKCS #7 in PEM.
    Pkcs7Pem,
    /// PKCS #7 in PEM under the heading of a certificate, as AD CS offers a chain for download.
    Pkcs7AsCertificate,
    /// A certificate with the uses that OpenSSL trusts it for.
    TrustedCertificate,
    /// PKCS #12, a `.pfx`.
    Pkcs12,
}

impl CertificateContainer {
    fn of(content: &[u8]) -> Option<Self> {
        /// DER of the OIDs pkcs7-signedData and pkcs7-data (RFC 2315, RFC 7292).
        const SIGNED_DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
        const DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
        let begins = |der: &[u8], oid: &[u8]| {
            // Behind the heads of two or three elements.
            let start = &der[..der.len().min(32)];
            start.first() == Some(&0x30) && start.windows(oid.len()).any(|window| window == oid)
        };
        let text = String::from_utf8_lossy(content);
        if text.contains("-----BEGIN PKCS7-----") || text.contains("-----BEGIN CMS-----") {
            Some(Self::Pkcs7Pem)
        } else if text.contains("-----BEGIN TRUSTED CERTIFICATE-----") {
            Some(Self::TrustedCertificate)
        } else if begins(content, SIGNED_DATA) {
            Some(Self::Pkcs7Der)
        } else if begins(content, DATA) {
            Some(Self::Pkcs12)
        } else {
            let sections = parse(content).unwrap_or_default();
            let is_chain = sections.iter().any(|der| begins(der, SIGNED_DATA));
            is_chain.then_some(Self::Pkcs7AsCertificate)
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::Pkcs7Der | Self::Pkcs7Pem | Self::Pkcs7AsCertificate => {
                "is a PKCS #7 file (.p7b), which is not read"
            }
            Self::TrustedCertificate => {
                "holds a TRUSTED CERTIFICATE, a form of OpenSSL's own, which is not read"
            }
            Self::Pkcs12 => "is a PKCS #12 file (.pfx), which is not read: it is made for private keys",
        }
    }

    /// Returns the command that converts the file into one that is read.
    fn conversion(self, path: &str) -> String {
        let path = format!("'{}'", path.replace('\'', r"'\''"));
        let command = match self {
            Self::Pkcs7Der => format!("openssl pkcs7 -inform DER -in {path} -print_certs -out ca.pem"),
            Self::Pkcs7Pem => format!("openssl pkcs7 -in {path} -print_certs -out ca.pem"),
            Self::Pkcs7AsCertificate => {
                format!("sed 's/ CERTIFICATE-/ PKCS7-/' {path} | openssl pkcs7 -print_certs -out ca.pem")
            }
            Self::TrustedCertificate => format!("openssl x509 -in {path} -out ca.pem"),
            Self::Pkcs12 => format!("openssl pkcs12 -in {path} -cacerts -nokeys -out ca.pem"),
        };
        format!("convert it with `{command}` and give that file")
    }
}

fn content(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    std::fs::File::open(path)?
        .take(LARGEST + 1)
        .read_to_end(&mut content)?;
    if u64::try_from(content.len()).is_ok_and(|length| length > LARGEST) {
        return Err(std::io::Error::other("it is larger than 4 MiB"));
    }
    Ok(content)
}

fn parse(content: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    if content.iter().all(u8::is_ascii_whitespace) {
        return Err("is empty".to_owned());
    }
    let marker = b"-----BEGIN ";
    if content.windows(marker.len()).any(|window| window == marker) {
        return from_pem(content);
    }
    match X509Certificate::from_der(content) {
        Ok(_) => Ok(vec![content.to_vec()]),
        Err(_) => Err("is neither a DER nor a PEM certificate".to_owned()),
    }
}

fn from_pem(content: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    // Editors on Windows begin a file with a byte order mark, which would hide the first section.
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let mut found = Vec::new();
    let mut key = false;
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(content) {
        match section {
            Ok((SectionKind::Certificate, der)) => found.push(der),
            Ok((kind, _)) => {
                use SectionKind::{EcPrivateKey, PrivateKey, RsaPrivateKey};
                key |= matches!(kind, PrivateKey | RsaPrivateKey | EcPrivateKey);
            }
            // The library's message may show a line of the file, which may be of a private key.
            Err(_) => return Err("is damaged PEM: a section does not end, or is not base64".to_owned()),
        }
    }
    let text = String::from_utf8_lossy(content);
    match found.is_empty() {
        false => Ok(found),
        true if key || text.contains("PRIVATE KEY-----") => {
            Err("is a private key, not a certificate".to_owned())
        }
        true => Err("is PEM without a CERTIFICATE section".to_owned()),
    }
}
