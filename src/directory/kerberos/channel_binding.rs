//! Channel binding of a Kerberos ticket inside TLS, so that nobody in between can pass the ticket
//! on: `tls-server-end-point` (RFC 5929 section 4), which controllers with
//! `LdapEnforceChannelBinding=2` demand.

use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::signature_algorithm::SignatureAlgorithm;

/// The prefix of the type (RFC 5929 section 4, RFC 5056 section 2.1).
const PREFIX: &[u8] = b"tls-server-end-point:";

/// RSASSA-PSS (RFC 4055 section 3.1).
const RSASSA_PSS: &str = "1.2.840.113549.1.1.10";

/// Returns the channel binding of a connection to the server that showed this DER certificate.
/// `None` where the standard defines none: the signature algorithm has no hash of its own, or an
/// unknown one.
#[must_use]
pub fn of(der: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let mut oid = certificate.signature_algorithm.algorithm.to_id_string();
    if oid == RSASSA_PSS {
        // This one names its hash as a parameter.
        let SignatureAlgorithm::RSASSA_PSS(parameters) =
            SignatureAlgorithm::try_from(&certificate.signature_algorithm).ok()?
        else {
            return None;
        };
        oid = parameters.hash_algorithm_oid().to_id_string();
    }
    let mut binding = PREFIX.to_vec();
    match oid.as_str() {
        // MD5 and SHA-1, alone or with RSA or ECDSA: SHA-256 stands in for them, as the RFC says.
        // And SHA-256 itself.
        "1.2.840.113549.2.5"
        | "1.3.14.3.2.26"
        | "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.10045.4.1"
        | "2.16.840.1.101.3.4.2.1"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.3.2" => binding.extend_from_slice(&Sha256::digest(der)),
        "2.16.840.1.101.3.4.2.2" | "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => {
            binding.extend_from_slice(&Sha384::digest(der));
        }
        "2.16.840.1.101.3.4.2.3" | "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => {
            binding.extend_from_slice(&Sha512::digest(der));
        }
        _ => return None,
    }
    Some(binding)
}

#[cfg(test)]
mod tests {
    use rcgen::{
        CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
        SignatureAlgorithm as Signature,
    };

    use super::*;

    fn certificate(signature: &'static Signature) -> Vec<u8> {
        let key = KeyPair::generate_for(signature).unwrap();
        let parameters = CertificateParams::new(vec!["dc1.corp.example".to_owned()]).unwrap();
        parameters.self_signed(&key).unwrap().der().to_vec()
    }

    /// Returns the certificate as if it were signed by another algorithm: it replaces its two
    /// object identifiers, both of the same length.
    fn signed_by(oid: &[u8]) -> Vec<u8> {
        const ECDSA_SHA256: &[u8] = &[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];
        let mut der = certificate(&PKCS_ECDSA_P256_SHA256);
        for at in 0..der.len() - ECDSA_SHA256.len() {
            if der[at..].starts_with(ECDSA_SHA256) {
                der[at..at + oid.len()].copy_from_slice(oid);
            }
        }
        der
    }

    fn expected(hash: &[u8]) -> Option<Vec<u8>> {
        Some([b"tls-server-end-point:", hash].concat())
    }

    #[test]
    fn the_hash_is_that_of_the_signature() {
        let der = certificate(&PKCS_ECDSA_P256_SHA256);
        assert_eq!(of(&der), expected(&Sha256::digest(&der)));
        let der = certificate(&PKCS_ECDSA_P384_SHA384);
        assert_eq!(of(&der), expected(&Sha384::digest(&der)));
        let der = signed_by(&[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x04]);
        assert_eq!(of(&der), expected(&Sha512::digest(&der)), "ecdsa-with-SHA512");
    }

    #[test]
    fn weak_hashes_give_way_to_sha_256() {
        // md5, as an algorithm of eight octets
        let der = signed_by(&[0x06, 0x08, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x02, 0x05]);
        assert_eq!(of(&der), expected(&Sha256::digest(&der)));
    }

    #[test]
    fn where_the_standard_defines_none_there_is_none() {
        assert_eq!(of(&certificate(&PKCS_ED25519)), None);
        assert_eq!(of(b"no certificate"), None);
    }
}
