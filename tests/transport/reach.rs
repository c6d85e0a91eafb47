//! Connections that were made over HTTP lead only to what their limits include (R35).

use std::time::Duration;

use ad_connector::config::{DirectorySettings, LdapTransport, ReachLimits, ReachPolicy, TargetHost};
use ad_connector::directory::DirectoryError;

use super::server::*;

fn limited(port: u16, change: impl Fn(&mut ReachLimits)) -> DirectorySettings {
    let mut limits = ReachLimits {
        allow_loopback: true,
        ports: vec![port],
        hosts: None,
    };
    change(&mut limits);
    DirectorySettings {
        reach: ReachPolicy::Restricted(limits),
        ..settings(port)
    }
}

async fn refused(settings: DirectorySettings, reason: &str) {
    let error = connect(&settings).await.unwrap_err();
    assert!(error.is_out_of_reach(), "{error}");
    assert_eq!(error.exit_code(), 64);
    assert!(error.to_string().contains(reason), "{error}");
}

#[tokio::test]
async fn r35_nothing_beyond_the_limits_is_connected_to() {
    let server = Server::bound(|mut wire| async move { wire.until_gone().await }).await;
    let port = server.port;
    // A name and an address; the name shows what it leads to only when it is resolved.
    for host in ["127.0.0.1", "localhost", "::ffff:127.0.0.1", "::1", "0.0.0.0"] {
        let to_this_computer = DirectorySettings {
            hosts: vec![host.to_owned()],
            ..limited(port, |limits| limits.allow_loopback = false)
        };
        refused(to_this_computer, "made over HTTP").await;
    }
    refused(
        limited(port, |limits| limits.ports = vec![636]),
        "HTTP_TARGET_PORTS",
    )
    .await;
    let hosts = vec![TargetHost::Below("corp.example".to_owned())];
    refused(
        limited(port, |limits| limits.hosts = Some(hosts.clone())),
        "HTTP_TARGET_HOSTS",
    )
    .await;
    // Time for a connection that would still be on its way.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.accepted(), 0);

    let session = connect(&limited(port, |_| {})).await.unwrap();
    // A further connection of the session is checked as well.
    let narrowed = limited(port, |limits| limits.allow_loopback = false);
    let error = session.connect_again(&narrowed).await.unwrap_err();
    assert!(error.is_out_of_reach(), "{error}");
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn r35_a_host_out_of_reach_does_not_keep_the_next_one_from_being_tried() {
    let server = Server::bound(|mut wire| async move { wire.until_gone().await }).await;
    let settings = DirectorySettings {
        hosts: vec!["169.254.169.254".to_owned(), "127.0.0.1".to_owned()],
        ..limited(server.port, |_| {})
    };
    assert_eq!(connect(&settings).await.unwrap().host(), "127.0.0.1");
}

#[tokio::test]
async fn r35_octets_of_a_server_of_another_protocol_are_not_shown() {
    for transport in [LdapTransport::Ldap, LdapTransport::StartTls] {
        let server = Server::plain(|mut wire| async move {
            wire.send(b"SSH-2.0-secret_banner\r\n".to_vec()).await;
            wire.until_gone().await;
        })
        .await;
        let with = |settings: DirectorySettings| DirectorySettings {
            transport,
            ..settings
        };
        let shown = |error: DirectoryError| format!("{error} {error:?} {}", error.advice());
        let error = shown(connect(&with(limited(server.port, |_| {}))).await.unwrap_err());
        assert!(error.contains("the answer is not LDAP"), "{error}");
        assert!(!error.contains("banner"), "{error}");
        // An operator, who wrote the address, sees them.
        let error = shown(connect(&with(settings(server.port))).await.unwrap_err());
        assert!(error.contains("SSH-2.0-secret_banner"), "{error}");
    }
}
