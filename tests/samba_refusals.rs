//! What the program says when a real Active Directory (Samba), the gateway or the configuration refuses: the exit code,
//! the reason, the next step, and never a secret.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::net::TcpListener;
use std::path::Path;

use lab::certificates::Authority;
use lab::receiver::{Options, Receiver};
use lab::samba::Domain;
use support::Connector;

/// A domain, a receiver, and the connector that would work with them; or nothing where no domain can run.
async fn working() -> Option<(Domain, Receiver, Connector)> {
    let domain = lab::samba::domain()?;
    let receiver = Receiver::start(Options::default()).await;
    let connector = Connector::new(&domain, &receiver);
    Some((domain, receiver, connector))
}

/// Checks that both `sync` and `check` end with `code` and say `words`, and that nothing was posted.
async fn assert_refused(connector: &Connector, receiver: &Receiver, code: i32, words: &[&str]) {
    for command in ["sync", "check"] {
        connector.run(&[command]).await.ended_with(code).said(words);
    }
    assert_eq!(receiver.summary().requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_works_passes_the_check() {
    let Some((domain, receiver, connector)) = working().await else {
        return;
    };
    connector
        .succeed(&["check"])
        .await
        .said(&[&domain.place().host()]);
    assert_eq!(receiver.summary().requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_77() {
    let Some((_domain, receiver, connector)) = working().await else {
        return;
    };
    let connector = connector.with("AD_PASSWORD", "not-the-right-one");
    assert_refused(&connector, &receiver, 77, &["AD_PASSWORD"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_client_secret_is_77() {
    let Some((_domain, receiver, connector)) = working().await else {
        return;
    };
    let connector = connector.with("QUALYS_CLIENT_SECRET", "not-the-right-one");
    assert_refused(&connector, &receiver, 77, &["QUALYS_CLIENT_SECRET"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_port_is_69() {
    let Some((domain, receiver, connector)) = working().await else {
        return;
    };
    let port = TcpListener::bind((domain.place().address(), 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let connector = connector.with("AD_PORT", &port.to_string());
    assert_refused(&connector, &receiver, 69, &[&port.to_string(), "refused"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_ldap_without_permission_is_64() {
    let Some((_domain, receiver, connector)) = working().await else {
        return;
    };
    let connector = connector.with("AD_TRANSPORT", "ldap");
    assert_refused(&connector, &receiver, 64, &["AD_ALLOW_PLAINTEXT", "AD_TRANSPORT"]).await;
}

/// Samba answers as Windows does where LDAP signing is required: strongerAuthRequired, code 8 (RFC 4511, appendix A).
#[tokio::test(flavor = "multi_thread")]
async fn plain_ldap_that_the_controller_refuses_is_69_with_the_remedy() {
    let Some((_domain, receiver, connector)) = working().await else {
        return;
    };
    let connector = connector
        .with("AD_TRANSPORT", "ldap")
        .with("AD_ALLOW_PLAINTEXT", "true");
    assert_refused(&connector, &receiver, 69, &["sign", "AD_TRANSPORT", "ldaps"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_key_is_named_in_one_pass() {
    let Some((_domain, receiver, connector)) = working().await else {
        return;
    };
    let connector = connector
        .with("AD_HOTS", "dc1")
        .with("QUALYS_CLIENTID", "x")
        .with("AD_PAGE_SIZE", "many");
    let words = [
        "AD_HOTS",
        "AD_HOST",
        "QUALYS_CLIENTID",
        "QUALYS_CLIENT_ID",
        "AD_PAGE_SIZE",
    ];
    assert_refused(&connector, &receiver, 64, &words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_be_read_is_64() {
    let Some((_domain, receiver, connector)) = working().await else {
        return;
    };
    let nonsense = connector.folder().join("nonsense.cer");
    std::fs::write(&nonsense, "not a certificate").unwrap();
    let connector = connector.with("AD_CERTIFICATE", "/no/such/file.cer");
    assert_refused(
        &connector,
        &receiver,
        64,
        &["AD_CERTIFICATE", "/no/such/file.cer"],
    )
    .await;
    let connector = connector.with("AD_CERTIFICATE", nonsense.to_str().unwrap());
    assert_refused(&connector, &receiver, 64, &["AD_CERTIFICATE", "nonsense.cer"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_issuer_is_69_and_says_which_variable_helps() {
    let Some((_domain, receiver, connector)) = working().await else {
        return;
    };
    let other = Authority::new("Another Authority").write(connector.folder());
    let connector = connector.with("AD_CERTIFICATE", other.to_str().unwrap());
    assert_refused(
        &connector,
        &receiver,
        69,
        &["not trusted", "CN=Lab Domain Authority", "AD_CERTIFICATE"],
    )
    .await;
    let connector = connector
        .without("AD_CERTIFICATE")
        .with("AD_TRANSPORT", "starttls");
    assert_refused(
        &connector,
        &receiver,
        69,
        &["not trusted", "CN=Lab Domain Authority", "AD_CERTIFICATE"],
    )
    .await;
}

/// The forms in which a careless program lets a secret out: as it is, quoted, as JSON, as bytes, in a URL, in base 64.
fn forms(secret: &str) -> Vec<String> {
    let bytes: Vec<String> = secret.bytes().map(|byte| byte.to_string()).collect();
    let percent = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    vec![
        secret.to_owned(),
        format!("{secret:?}").trim_matches('"').to_owned(),
        serde_json::to_string(secret)
            .unwrap()
            .trim_matches('"')
            .to_owned(),
        format!("{:?}", secret.as_bytes().escape_ascii().to_string())
            .trim_matches('"')
            .to_owned(),
        secret.as_bytes().escape_ascii().to_string(),
        bytes.join(", "),
        secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
        secret.bytes().map(percent).collect(),
        secret
            .bytes()
            .map(percent)
            .collect::<String>()
            .replace("%20", "+"),
        base64(secret.as_bytes()),
    ]
}

/// Without the last group, whose letters depend on what follows the secret.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| {
        let bits = chunk
            .iter()
            .fold(0usize, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(LETTERS[bits >> shift & 63]))
    };
    bytes.chunks_exact(3).flat_map(group).collect()
}

#[test]
fn a_leak_is_recognised_in_every_form() {
    let secret = "a \"b\" ü+c/d";
    let forms = forms(secret);
    for leak in [
        format!("password={secret}"),
        format!("{:?}", Some(secret)),
        serde_json::json!({ "password": secret }).to_string(),
        format!("{:?}", secret.as_bytes()),
        "a+%22b%22+%C3%BC%2Bc%2Fd".to_owned(),
        "YSAiYiIgw7wrYy9k".to_owned(),
    ] {
        assert!(forms.iter().any(|form| leak.contains(form)), "{leak}");
    }
}

/// Checks that nothing of `text` is one of the secrets.
#[track_caller]
fn assert_no_secret(what: &str, text: &str, secrets: &[String]) {
    for secret in secrets {
        for form in forms(secret) {
            if let Some(at) = text.find(&form) {
                let before: String = text[..at]
                    .chars()
                    .rev()
                    .take(200)
                    .collect::<Vec<_>>()
                    .into_iter()
                    .rev()
                    .collect();
                panic!("{what} holds a secret as {form}, after: {before}");
            }
        }
    }
}

fn assert_no_secret_in_files(folder: &Path, secrets: &[String]) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        assert_no_secret(&path.display().to_string(), &text, secrets);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r27_no_secret_comes_out_at_the_most_talkative_log_level() {
    let Some((domain, receiver, connector)) = working().await else {
        return;
    };
    let mut connector = connector
        .with("LOG_LEVEL", "trace")
        .with("AD_BASE_CONTEXT", &domain.odd_unit());
    let right = (
        domain.place().connector().password.to_owned(),
        Options::default().client_secret,
    );
    let wrong = ("Falsch-&-Geheim Ω".to_owned(), "Auch\\Falsch\"99".to_owned());
    for (password, client_secret) in [(&right.0, &right.1), (&wrong.0, &right.1), (&right.0, &wrong.1)] {
        for format in ["text", "json"] {
            connector = connector
                .with("LOG_FORMAT", format)
                .with("AD_PASSWORD", password)
                .with("QUALYS_CLIENT_SECRET", client_secret);
            let mut said = String::new();
            for command in [
                &["check"][..],
                &["sync", "--baseline", "--resend"],
                &["status", "--json"],
                &["runs"],
            ] {
                said += &connector.run(command).await.text();
            }
            assert!(said.len() > 1_000, "no log at all? {said}");
            let mut secrets = receiver.tokens();
            secrets.extend([password.clone(), client_secret.clone()]);
            assert_no_secret("the output", &said, &secrets);
            assert_no_secret_in_files(connector.folder(), &secrets);
        }
    }
    assert!(!receiver.tokens().is_empty() && !receiver.assets().is_empty());
}
