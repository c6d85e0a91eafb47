//! What the program says when a real Active Directory (Samba), the gateway or the configuration refuses: the exit code,
//! the reason, the next step, and never a secret.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::net::TcpListener;

use lab::certificates::Authority;
use lab::receiver::{Options, Receiver};
use lab::samba::{Change, Domain};
use support::{Connector, secrets};

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
            let mut leaks = receiver.tokens();
            leaks.extend([password.clone(), client_secret.clone()]);
            secrets::assert_none("the output", &said, &leaks);
            secrets::assert_none_in_files(connector.folder(), &leaks);
        }
    }
    assert!(!receiver.tokens().is_empty() && !receiver.assets().is_empty());
}

/// Attempts that the domain itself counted against the account (badPwdCount).
fn counted(domain: &Domain, account: &str) -> u32 {
    let found = lab::samba::ldap::search(
        domain.place(),
        &domain.place().administrator(),
        &domain.root(),
        &format!("(sAMAccountName={account})"),
        &["badPwdCount"],
    );
    let found = found.unwrap();
    let count = found.lines().find_map(|line| line.strip_prefix("badPwdCount: "));
    count.map_or(0, |count| count.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r40_eight_profiles_with_a_wrong_password_count_once_in_the_domain() {
    const PROFILES: usize = 8;
    let Some((domain, receiver, connector)) = working().await else {
        return;
    };
    // An account that no other test uses.
    let unit = domain.fresh_unit("lockout");
    let name = "lockoutreader";
    let account = [
        ("sAMAccountName", name),
        ("userPrincipalName", "lockoutreader@corp.example"),
        ("userAccountControl", "512"),
        ("unicodePwd", "The-Right-One-7"),
    ];
    domain.apply(&[
        Change::add(&format!("CN={name},{unit}"), "user", &account),
        // Samba counts only where there is a threshold. No test comes near this one.
        Change::set(&domain.root(), "lockoutThreshold", "100"),
    ]);
    let folder = connector.folder().join("config");
    std::fs::create_dir_all(&folder).unwrap();
    let profiles: String = (1..=PROFILES)
        .map(|number| {
            let connector = format!("6f2a1d3c-5b7e-4c89-9a01-00000000000{number}");
            format!(
                "[[connection.profile]]\nname = \"p{number}\"\nad_base_context = '{unit}'\n\
                 qualys_connector_uuid = \"{connector}\"\n"
            )
        })
        .collect();
    let file = format!("[[connection]]\nname = \"corp\"\n{profiles}");
    std::fs::write(folder.join("connections.toml"), file).unwrap();
    let mut connector = connector
        .with("AD_BIND_DN", &format!("CN={name},{unit}"))
        .with("AD_PASSWORD", "not-the-right-one")
        .with("SYNC_CRON", "*/2 * * * * *")
        .with("BASELINE_CRON", "off");
    connector.unaudited("each profile sends to a connector of its own");
    assert_eq!(counted(&domain, name), 0);
    let mut service = connector.watch(&["run"]);
    service.said_times("The run finished", 5 * PROFILES).await;
    service.stopped_with(0).await;
    assert_eq!(counted(&domain, name), 1);
    assert_eq!(receiver.summary().requests, 0);
    let connector = connector.with("AD_PASSWORD", "The-Right-One-7");
    connector.succeed(&["sync"]).await;
    assert_eq!(counted(&domain, name), 0, "reset by the accepted bind");
    domain.apply(&[Change::set(&domain.root(), "lockoutThreshold", "0")]);
}
