//! Hosts in order, the bind, and what a refused one says.

use std::io;
use std::sync::{Arc, Mutex};

use ad_connector::config::{DirectoryAuth, DirectorySettings};
use ad_connector::directory::DirectoryError;

use super::server::*;

async fn refusing(code: u8, diagnostic: &'static str) -> Server {
    Server::plain(move |mut wire| async move {
        if let Some(request) = wire.request().await {
            wire.send(message(request.id, 0x61, &result(code, diagnostic), &[]))
                .await;
        }
        wire.until_gone().await;
    })
    .await
}

#[tokio::test]
async fn refused_credentials_are_77_and_not_tried_on_the_next_host() {
    let diagnostic =
        "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data 775, v4563\0";
    let server = refusing(49, diagnostic).await;
    let hosts = vec!["127.0.0.1".to_owned(), "127.0.0.1".to_owned()];
    let error = connect(&DirectorySettings {
        hosts,
        ..settings(server.port)
    })
    .await
    .unwrap_err();
    assert_eq!(error.exit_code(), 77);
    assert_eq!(
        server.accepted(),
        1,
        "a second attempt would count towards the lockout"
    );
    assert!(
        error
            .to_string()
            .contains("the account is locked out (svc@corp.example)"),
        "{error}"
    );
    assert!(error.advice().contains("unlock"));
}

#[tokio::test]
async fn a_controller_that_wants_signing_is_no_refusal_of_credentials() {
    let server = refusing(8, "The server requires binds to turn on integrity checking").await;
    let error = connect(&settings(server.port)).await.unwrap_err();
    assert_eq!(error.exit_code(), 69);
    assert!(
        error.advice().contains("AD_TRANSPORT=ldaps or starttls"),
        "{}",
        error.advice()
    );
}

#[tokio::test]
async fn an_unreachable_host_is_passed_over() {
    let server = Server::bound(|mut wire| async move { wire.until_gone().await }).await;
    // Nothing listens on this address of loopback, so that it refuses at once.
    let hosts = vec!["127.0.0.99".to_owned(), "127.0.0.1".to_owned()];
    let session = connect(&DirectorySettings {
        hosts,
        ..settings(server.port)
    })
    .await
    .unwrap();
    assert_eq!(session.host(), "127.0.0.1");
}

#[tokio::test]
async fn when_all_hosts_fail_each_is_named_with_its_cause() {
    let server = refusing(52, "starting up").await;
    let hosts = vec![
        "127.0.0.99".to_owned(),
        "no-such-host.invalid".to_owned(),
        "127.0.0.1".to_owned(),
    ];
    let error = connect(&DirectorySettings {
        hosts,
        ..settings(server.port)
    })
    .await
    .unwrap_err();
    let text = error.to_string();
    assert_eq!(error.exit_code(), 69);
    for part in [
        "127.0.0.99: no connection to port",
        "no-such-host.invalid: the name cannot be resolved",
        "127.0.0.1: the controller cannot serve now",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
}

#[tokio::test]
async fn an_empty_password_is_not_sent() {
    let server = Server::bound(|mut wire| async move { wire.until_gone().await }).await;
    let auth = DirectoryAuth::Simple {
        name: "svc".to_owned(),
        password: "".into(),
    };
    let error = connect(&DirectorySettings {
        auth,
        ..settings(server.port)
    })
    .await
    .unwrap_err();
    assert!(
        matches!(error, DirectoryError::Bind { .. }),
        "the server would have said yes"
    );
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn r27_the_password_is_in_no_log_and_no_error_even_at_trace() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .try_init()
        .unwrap();
    let refused = refusing(49, "data 52e").await;
    let error = connect(&settings(refused.port)).await.unwrap_err();
    let accepted = Server::bound(|mut wire| async move { wire.until_gone().await }).await;
    let session = connect(&settings(accepted.port)).await.unwrap();
    // An answer that nobody waits for any more makes the library log what it holds.
    let broken = Server::plain(|mut wire| async move {
        wire.request().await;
    })
    .await;
    let cut = connect(&settings(broken.port)).await.unwrap_err();
    for text in [
        error.to_string(),
        format!("{error:?}"),
        error.advice(),
        format!("{session:?}"),
        format!("{cut:?}"),
    ] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(logged.contains("Bound to the controller"), "the log was captured");
    assert!(!logged.contains(PASSWORD));
    let as_octets = format!("{:?}", PASSWORD.as_bytes());
    assert!(!logged.contains(as_octets.trim_matches(['[', ']'])));
}
