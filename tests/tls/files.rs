//! Files for `AD_CERTIFICATE` in forms that are not read: the message names the command that
//! converts them.

use std::path::Path;
use std::process::Command;

use lab::certificates::{Authority, Shape};
use lab::receiver::{Options, Receiver};

use super::connector;
use super::servers::Server;

/// Runs a line of the shell in `folder`.
fn shell(folder: &Path, line: &str) {
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir(folder)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_another_form_is_refused_with_the_command_that_converts_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let ca = Authority::new("Lab CA");
    ca.write(folder);
    std::fs::write(folder.join("other.pem"), Authority::new("Other CA").pem()).unwrap();
    shell(folder, "cat ca.pem other.pem >both.pem");
    let receiver = Receiver::start(Options::default()).await;
    let server = Server::ldaps(&ca.server(&["127.0.0.1"], Shape::Sound));
    let to_pkcs7 = "openssl crl2pkcs7 -nocrl -certfile both.pem";
    let forms = [
        ("chain.p7b", format!("{to_pkcs7} -outform DER -out chain.p7b")),
        (
            "it's a chain.p7b",
            format!("{to_pkcs7} -out \"it's a chain.p7b\""),
        ),
        (
            "certnew.p7b",
            format!("{to_pkcs7} | sed 's/ PKCS7-/ CERTIFICATE-/' >certnew.p7b"),
        ),
        (
            "trusted.pem",
            "openssl x509 -in ca.pem -trustout -addtrust serverAuth -out trusted.pem".to_owned(),
        ),
        (
            "ca.pfx",
            "openssl pkcs12 -export -nokeys -in both.pem -passout pass: -out ca.pfx".to_owned(),
        ),
    ];
    for (name, command) in forms {
        shell(folder, &command);
        let path = folder.join(name);
        let refused = connector(&receiver, server.port, &path)
            .run(&["check"])
            .await
            .ended_with(64);
        let told = refused.stderr.split('`').rfind(|part| part.contains("openssl "));
        let told = told.unwrap_or_else(|| panic!("no command in {}", refused.stderr));
        let _ = std::fs::remove_file(folder.join("ca.pem"));
        // OpenSSL asks the person for the password of a PKCS #12 file.
        let password = if name.ends_with(".pfx") {
            " -passin pass:"
        } else {
            ""
        };
        shell(folder, &format!("{told}{password}"));
        connector(&receiver, server.port, &folder.join("ca.pem"))
            .succeed(&["check"])
            .await;
        ca.write(folder);
    }
}
