//! Certificate files.

use std::io::Read as _;
use std::path::Path;

use rustls::pki_types::pem::{PemObject as _, SectionKind};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::config::refused::{Fault, quoted};

/// A bundle of every public root is a quarter of this; what is larger is not a certificate file.
const LARGEST: u64 = 4 << 20;

/// The certificates of a file, DER: one in DER, or one or several in PEM. Each is known to parse.
pub fn certificates(path: &str) -> Result<Vec<Vec<u8>>, Fault> {
    let advice = "give a file with the CA certificate in DER or PEM";
    let fault = |cause: String| Fault::new(format!("{}: {cause}", quoted(path)), advice);
    let content = content(Path::new(path)).map_err(|error| fault(format!("cannot be read: {error}")))?;
    decode(&content).map_err(fault)
}

/// The certificates in the content of a file, or what is wrong with it; nothing of the content is in the message.
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
