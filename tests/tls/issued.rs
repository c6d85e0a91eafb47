//! Cases of keys and signatures that the library of the lab does not make, but OpenSSL.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use lab::simulator::Tls;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::cases::Case;
use super::servers::Server;

/// A CA and a certificate that OpenSSL makes: kinds of keys and signatures that the lab's own
/// library has not.
struct Issued<'a> {
    /// Files are named after it.
    name: &'a str,
    /// Arguments of `openssl req` for the CA: its key, signature and extensions.
    authority: &'a str,
    /// Arguments of `openssl req` for the key of the server.
    key: &'a str,
    /// Arguments of `openssl x509` for the signature of the CA.
    signature: &'a str,
    /// `subjectAltName`.
    names: &'a str,
}

/// Arguments of `openssl req` for a new key on this curve.
const P_256: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256";

/// Arguments of `openssl req` for a new key on P-521.
const P_521: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-521";

impl Issued<'_> {
    /// Usual values, to be changed in one respect.
    const USUAL: Issued<'static> = Issued {
        name: "usual",
        authority: P_256,
        key: P_256,
        signature: "-sha256",
        names: "IP:127.0.0.1",
    };

    /// Makes both, and gives the path of the file with the CA.
    fn make(&self, folder: &Path) -> String {
        let Issued {
            name,
            authority,
            key,
            signature,
            names,
        } = self;
        std::fs::write(
            folder.join(format!("{name}.ext")),
            format!("subjectAltName={names}"),
        )
        .unwrap();
        for line in [
            format!(
                "req -x509 {authority} -nodes -keyout {name}-ca.key -out {name}-ca.pem -subj /CN=CA-{name} -days 36500"
            ),
            format!("req -new {key} -nodes -keyout {name}.key -out {name}.csr -subj /CN=dc"),
            format!(
                "x509 -req {signature} -in {name}.csr -CA {name}-ca.pem -CAkey {name}-ca.key -CAcreateserial -out {name}.pem -days 3650 \
                 -extfile {name}.ext"
            ),
        ] {
            let output = Command::new("openssl")
                .args(line.split_whitespace())
                .current_dir(folder)
                .output()
                .unwrap();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{line}: {errors}");
        }
        let path = folder.join(format!("{name}-ca.pem"));
        path.to_str().unwrap().to_owned()
    }

    /// A controller that shows the certificate.
    fn controller(&self, folder: &Path) -> Server {
        let certificate = CertificateDer::from_pem_file(folder.join(format!("{}.pem", self.name)));
        let key = PrivateKeyDer::from_pem_file(folder.join(format!("{}.key", self.name)));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.unwrap()], key.unwrap());
        Server::controller(Tls::Ldaps(Arc::new(config.unwrap())))
    }
}

/// The cases; files go to `folder`.
pub fn all(folder: &Path) -> Vec<Case> {
    let usual = Issued::USUAL;
    let works = |name: &'static str, issued: &Issued<'_>| {
        let ca = issued.make(folder);
        Case::works(name, issued.controller(folder)).with("AD_CERTIFICATE", &ca)
    };
    let refused = |name: &'static str, issued: &Issued<'_>, cause: &'static str, remedy: &'static str| Case {
        code: 69,
        cause,
        remedy,
        pin_helps: true,
        ..works(name, issued)
    };
    let weak = Issued {
        name: "weak",
        key: "-newkey rsa:1024",
        ..usual
    };
    let ca_of_weak = weak.make(folder);
    vec![
        works(
            "P-521 keys, signed with SHA-512",
            &Issued {
                name: "p521",
                authority: P_521,
                key: P_521,
                signature: "-sha512",
                ..usual
            },
        ),
        works(
            "P-256 keys, signed with SHA-512",
            &Issued {
                name: "sha512",
                signature: "-sha512",
                ..usual
            },
        ),
        works(
            "RSA keys of 4096 bits, signed with RSASSA-PSS (AlternateSignatureAlgorithm of AD CS)",
            &Issued {
                name: "pss",
                authority: "-newkey rsa:4096 -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32",
                key: "-newkey rsa:4096",
                signature: "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32",
                ..usual
            },
        ),
        refused(
            "signed with SHA-1",
            &Issued {
                name: "sha1",
                signature: "-sha1",
                ..usual
            },
            "SHA-1",
            "SHA-256",
        ),
        refused(
            "signed with SHA-224",
            &Issued {
                name: "sha224",
                signature: "-sha224",
                ..usual
            },
            "does not verify: ecdsa-with-SHA224",
            "P-521",
        ),
        refused(
            "issued by a CA with a key on a Brainpool curve",
            &Issued {
                name: "brainpool",
                authority: "-newkey ec -pkeyopt ec_paramgen_curve:brainpoolP256r1",
                ..usual
            },
            "does not verify: id-ecPublicKey",
            "P-521",
        ),
        refused(
            "issued by a CA with an RSA key for RSASSA-PSS alone",
            &Issued {
                name: "pss-key",
                authority: "-newkey rsa-pss -pkeyopt rsa_keygen_bits:2048",
                ..usual
            },
            "does not verify: ",
            "P-521",
        ),
        refused(
            "issued by a CA with an Ed448 key",
            &Issued {
                name: "ed448",
                authority: "-newkey ed448",
                signature: "",
                ..usual
            },
            "does not verify: ",
            "P-521",
        ),
        refused(
            "issued by a CA with an RSA key of 1024 bits",
            &Issued {
                name: "small",
                authority: "-newkey rsa:1024",
                ..usual
            },
            "the RSA key of the CA CN=CA-small has 1024 bits",
            "renew that CA",
        ),
        Case::fails(
            "RSA key of 1024 bits",
            Server::openssl_with(
                &folder.join("weak.pem"),
                &folder.join("weak.key"),
                &["-cipher", "ALL:@SECLEVEL=0"],
            ),
            "the RSA key of the server certificate has 1024 bits",
            "a pin does not help",
        )
        .with("AD_CERTIFICATE", &ca_of_weak),
        refused(
            "the address as a DNS name",
            &Issued {
                name: "address",
                names: "DNS:127.0.0.1,DNS:dc1.corp.example",
                ..usual
            },
            "as a DNS name, and not as an address",
            "AD_SERVER_NAME=dc1.corp.example",
        ),
        refused(
            "a name that the CA may not issue for",
            &Issued {
                name: "constrained",
                authority: &format!("{P_256} -addext nameConstraints=critical,permitted;DNS:other.example"),
                names: "DNS:dc1.corp.example",
                ..usual
            },
            "name constraints",
            "have a CA issue",
        )
        .with("AD_SERVER_NAME", "dc1.corp.example"),
    ]
}
