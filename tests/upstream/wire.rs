//! TLS, HTTP versions and the proxy.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::Version;
use lab::receiver::{Options, Receiver, throwaway_certificate};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A receiver that speaks TLS, and settings that trust it.
async fn tls_receiver() -> (Receiver, config::UpstreamSettings) {
    let (certificate, key) = throwaway_certificate(&["127.0.0.1"]);
    let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let receiver = Receiver::start(Options {
        tls: Some((certificate, key)),
        ..Options::default()
    })
    .await;
    let settings = config::UpstreamSettings {
        certificates: vec![der.to_vec()],
        ..settings(&receiver)
    };
    (receiver, settings)
}

#[tokio::test]
async fn over_tls_it_speaks_http_2() {
    let (receiver, settings) = tls_receiver().await;
    let delivery = deliver(&QualysGateway::with_pace(&settings, FAST).unwrap(), batch(2)).await;
    assert_delivered(&receiver, &delivery, 2);
    assert_eq!(receiver.requests()[0].version, Version::HTTP_2);
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused_with_the_way_out() {
    let (receiver, settings) = tls_receiver().await;
    let settings = config::UpstreamSettings {
        certificates: Vec::new(),
        ..settings
    };
    let error = QualysGateway::with_pace(&settings, FAST)
        .unwrap()
        .check()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no CA vouches for it"), "{error}");
    assert!(
        error.advice().contains("QUALYS_CA_CERTIFICATE"),
        "{}",
        error.advice()
    );
    assert_eq!((error.exit_code(), receiver.summary().tokens_issued), (69, 0));
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let (certificate, key) = throwaway_certificate(&["gateway.example.com"]);
    let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let receiver = Receiver::start(Options {
        tls: Some((certificate, key)),
        ..Options::default()
    })
    .await;
    let settings = config::UpstreamSettings {
        certificates: vec![der.to_vec()],
        ..settings(&receiver)
    };
    let error = QualysGateway::with_pace(&settings, FAST)
        .unwrap()
        .check()
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("is for gateway.example.com, not for 127.0.0.1"),
        "{error}"
    );
    assert!(
        error.advice().contains("QUALYS_GATEWAY_URL"),
        "{}",
        error.advice()
    );
}

#[test]
fn r27_settings_that_cannot_be_used_are_named_without_their_value() {
    let rubbish = |https_proxy: Option<&str>, certificates| {
        let gateway = "https://gateway.example.com".to_owned();
        let auth = config::UpstreamAuth::Client {
            id: String::from("i").into(),
            secret: String::from("s").into(),
        };
        config::UpstreamSettings {
            gateway,
            auth,
            connector_uuid: CONNECTOR.to_owned(),
            source: String::from("s"),
            ingest_path: String::from("/x"),
            certificates,
            batch_assets: config::BatchAssets::AtMost(1),
            batch_bytes: 1,
            concurrency: 1,
            timeout: LIMIT,
            give_up_after: LIMIT,
            accept_unknown: false,
            https_proxy: https_proxy.map(|url| url.to_owned().into()),
            no_proxy: None,
        }
    };
    let cases = [
        (rubbish(Some("http://user:geheim@:::"), vec![]), "HTTPS_PROXY"),
        (rubbish(None, vec![b"geheim".to_vec()]), "QUALYS_CA_CERTIFICATE"),
    ];
    for (settings, variable) in cases {
        let error = QualysGateway::new(&settings).unwrap_err();
        assert!(error.to_string().starts_with(variable), "{error}");
        assert!(!error.to_string().contains("geheim"), "{error}");
    }
}

const LIMIT: Duration = Duration::from_secs(1);

/// A proxy that tunnels, and counts whom it let through with the right password (`user:geheim`).
pub(super) async fn proxy() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tunnels = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tunnels);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(tunnel(client, Arc::clone(&counted)));
        }
    });
    (format!("http://user:geheim@{address}"), tunnels)
}

async fn tunnel(mut client: TcpStream, tunnels: Arc<AtomicUsize>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    if !head
        .to_ascii_lowercase()
        .contains("proxy-authorization: basic dxnlcjpnzwhlaw0=")
    {
        return client
            .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            .await;
    }
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut server = TcpStream::connect(target).await?;
    tunnels.fetch_add(1, Ordering::SeqCst);
    client
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await?;
    tokio::io::copy_bidirectional(&mut client, &mut server)
        .await
        .map(|_| ())
}

#[tokio::test]
async fn the_proxy_is_used_unless_the_host_is_excepted() {
    let (receiver, settings) = tls_receiver().await;
    for (no_proxy, expected) in [
        (None, 1),
        (Some("example.com"), 1),
        (Some("example.com,127.0.0.1"), 0),
        (Some("example.com,127.0.0.0/8"), 0),
        // As the configuration writes `*`.
        (Some("*,0.0.0.0/0,::/0"), 0),
    ] {
        let (url, tunnels) = proxy().await;
        let settings = config::UpstreamSettings {
            https_proxy: Some(url.into()),
            no_proxy: no_proxy.map(str::to_owned),
            ..settings.clone()
        };
        let delivery = deliver(&QualysGateway::with_pace(&settings, FAST).unwrap(), batch(1)).await;
        assert_delivered(&receiver, &delivery, 1);
        assert_eq!(tunnels.load(Ordering::SeqCst), expected, "{no_proxy:?}");
    }
}

#[tokio::test]
async fn r27_a_proxy_that_refuses_is_named_without_its_password() {
    let (_receiver, settings) = tls_receiver().await;
    let (url, _) = proxy().await;
    let settings = config::UpstreamSettings {
        https_proxy: Some(url.replace("geheim", "falsch").into()),
        ..settings
    };
    let error = QualysGateway::with_pace(&settings, FAST)
        .unwrap()
        .check()
        .await
        .unwrap_err();
    assert!(!error.to_string().contains("falsch"), "{error}");
    assert_eq!(error.exit_code(), 77, "{error}");
    assert!(
        error.advice().contains("HTTPS_PROXY"),
        "{error}: {}",
        error.advice()
    );
}
