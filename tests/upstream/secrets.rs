//! R27: no secret, no token in the log at any level, nor in an error. Assets are not in it at `info`.

use std::io;
use std::sync::{Arc, Mutex};

use ad_connector::config::UpstreamAuth;
use lab::receiver::{Answer, Options, Receiver, throwaway_certificate};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::ExposeSecret;
use tracing_subscriber::filter::LevelFilter;

use super::*;

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

/// One delivery after another, through every kind of answer that tells something.
async fn deliveries(receiver: &Receiver, settings: &config::UpstreamSettings, shown: &mut String) {
    let credentials = match &settings.auth {
        UpstreamAuth::Client { id, secret } | UpstreamAuth::Subscription { id, secret } => [id, secret],
        UpstreamAuth::Password { username, password } => [username, password],
    };
    let [who, proof] = credentials.map(ExposeSecret::expose_secret);
    let upstream = QualysGateway::with_pace(settings, FAST).unwrap();
    shown.push_str(&format!("{upstream:?} {settings:?}"));
    upstream.check().await.unwrap();
    // Error pages like to echo what they were sent.
    let echo = receiver.tokens().join(" ");
    let echo = format!(r#"{{"message":"Bearer {echo} for {who} with {proof} is bad"}}"#);
    let told = |code| Answer::Status(code, vec![], echo.clone());
    receiver.script([
        told(429),
        told(503),
        Answer::Html,
        Answer::CutAfter,
        told(401),
        told(400),
    ]);
    for count in [2, 1] {
        shown.push_str(&format!("{:?}", deliver(&upstream, batch(count)).await));
    }
    receiver.script([told(401), told(401)]);
    let failed = deliver(&upstream, batch(1)).await;
    shown.push_str(&format!("{failed:?} {}", failed.failure.as_ref().unwrap()));
}

#[tokio::test]
async fn r27_no_secret_in_any_log_line_or_error() {
    let log = Log::default();
    let writer = log.clone();
    // Everything of every crate, the `log` records of the libraries included.
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .init();

    let (certificate, key) = throwaway_certificate(&["127.0.0.1"]);
    let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let plain = Receiver::start(Options::default()).await;
    let tls = Receiver::start(Options {
        tls: Some((certificate, key)),
        ..Options::default()
    })
    .await;
    let (proxy, _) = wire::proxy().await;
    let known = Options::default();
    let password = UpstreamAuth::Password {
        username: known.username.clone().into(),
        password: known.password.clone().into(),
    };
    let over_tls = config::UpstreamSettings {
        certificates: vec![der.to_vec()],
        https_proxy: Some(proxy.into()),
        ..settings(&tls)
    };
    let mut shown = String::new();
    deliveries(&plain, &settings(&plain), &mut shown).await;
    deliveries(
        &plain,
        &config::UpstreamSettings {
            auth: password.clone(),
            ..settings(&plain)
        },
        &mut shown,
    )
    .await;
    deliveries(&tls, &over_tls, &mut shown).await;
    deliveries(
        &tls,
        &config::UpstreamSettings {
            auth: password,
            ..over_tls
        },
        &mut shown,
    )
    .await;

    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(
        log.contains("TRACE") && log.contains("The gateway accepted the batch."),
        "the log was not captured"
    );
    assert!(
        log.contains("proxy("),
        "the records of the libraries were not captured"
    );
    let mut secrets = vec![
        known.client_id,
        known.client_secret,
        known.username,
        known.password,
        "geheim".to_owned(),
    ];
    secrets.push("lab-password%20%26%20more".to_owned());
    secrets.extend(plain.tokens());
    secrets.extend(tls.tokens());
    assert!(secrets.len() > 10);
    for secret in secrets {
        assert!(!shown.contains(&secret), "`{secret}` is shown: {shown}");
        let line = log.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "`{secret}` is in the log");
    }
    let leaking = log
        .lines()
        .find(|l| l.contains("confidential") && !l.contains("TRACE") && !l.contains("DEBUG"));
    assert_eq!(leaking, None, "an asset is in the log");
}
