//! The token in its three modes, its renewal and its refusal.

use ad_connector::config::UpstreamAuth;
use ad_connector::upstream::UpstreamError;
use lab::receiver::{Answer, Options, Receiver};

use super::*;

fn modes() -> [UpstreamAuth; 3] {
    let Options {
        client_id,
        client_secret,
        username,
        password,
        ..
    } = Options::default();
    [
        UpstreamAuth::Client {
            id: client_id.clone().into(),
            secret: client_secret.clone().into(),
        },
        UpstreamAuth::Subscription {
            id: client_id.into(),
            secret: client_secret.into(),
        },
        UpstreamAuth::Password {
            username: username.into(),
            password: password.into(),
        },
    ]
}

#[tokio::test]
async fn each_mode_gets_a_token_and_delivers() {
    for auth in modes() {
        let receiver = Receiver::start(Options::default()).await;
        let settings = config::UpstreamSettings {
            auth,
            ..settings(&receiver)
        };
        let upstream = QualysGateway::with_pace(&settings, FAST).unwrap();
        assert_eq!(upstream.check().await, Ok(()));
        assert_delivered(&receiver, &deliver(&upstream, batch(1)).await, 1);
        assert_eq!(receiver.summary().tokens_issued, 1);
    }
}

#[tokio::test]
async fn refused_credentials_end_with_77_after_one_request() {
    let receiver = Receiver::start(Options {
        client_secret: "another".into(),
        ..Options::default()
    })
    .await;
    let upstream = upstream(&receiver);
    let delivery = deliver(&upstream, batch(1)).await;
    let error = delivery.failure.unwrap();
    assert_eq!((error.exit_code(), delivery.requests), (77, 0));
    assert!(error.to_string().contains("/auth/oidc: status 401"), "{error}");
    assert!(error.advice().contains("QUALYS_CLIENT_SECRET"));
    assert_eq!(
        receiver.summary().tokens_refused,
        1,
        "asking again may lock the account"
    );
    assert_eq!(upstream.check().await.unwrap_err().exit_code(), 77);
}

#[tokio::test]
async fn r19_a_refused_token_is_renewed_once() {
    let receiver = Receiver::start(Options::default()).await;
    for answer in [
        Answer::RevokeToken,
        Answer::ErrorBody200("INVALID_CREDENTIALS".into(), "expired".into()),
    ] {
        receiver.reset();
        let upstream = upstream(&receiver);
        receiver.script([answer]);
        let delivery = deliver(&upstream, batch(1)).await;
        assert_delivered(&receiver, &delivery, 1);
        assert_eq!(
            (
                delivery.requests,
                delivery.retries,
                receiver.summary().tokens_issued
            ),
            (2, 1, 2)
        );
        assert_eq!(receiver.request_ids().len(), 1);
    }
}

#[tokio::test]
async fn r19_a_second_refusal_is_about_the_credentials() {
    let receiver = Receiver::start(Options::default()).await;
    let invalid = || Answer::ErrorBody200("INVALID_CREDENTIALS".into(), "account expired".into());
    for answers in [[Answer::RevokeToken, Answer::RevokeToken], [invalid(), invalid()]] {
        receiver.reset();
        receiver.script(answers);
        let delivery = deliver(&upstream(&receiver), batch(2)).await;
        let error = delivery.failure.unwrap();
        assert_eq!((error.exit_code(), delivery.requests), (77, 2), "{error}");
        assert_eq!(
            (delivery.accepted, delivery.rejected),
            (vec![], vec![]),
            "they stay staged"
        );
    }
}

#[tokio::test]
async fn many_senders_ask_for_one_token() {
    let receiver = Receiver::start(Options::default()).await;
    let settings = config::UpstreamSettings {
        concurrency: 8,
        ..settings(&receiver)
    };
    let upstream = QualysGateway::with_pace(&settings, FAST).unwrap();
    let one = |seq| deliver(&upstream, Batch::new(CONNECTOR, vec![item(seq)]));
    tokio::join!(one(1), one(2), one(3), one(4));
    assert_eq!(
        (receiver.summary().tokens_issued, receiver.assets().len()),
        (1, 4)
    );
    // All are refused with the same token; the first to say so renews it, the others take the new one.
    receiver.revoke_tokens();
    tokio::join!(one(1), one(2), one(3), one(4));
    let summary = receiver.summary();
    assert_eq!((summary.tokens_issued, summary.deliveries), (2, 8));
    assert!(summary.unauthorized >= 1);
}

#[tokio::test]
async fn a_token_is_renewed_when_its_time_is_over() {
    let receiver = Receiver::start(Options::default()).await;
    // 3.5 h in 126 ms.
    let upstream = QualysGateway::with_pace(&settings(&receiver), ClockPace::hurried(100_000)).unwrap();
    receiver.script([Answer::Slow(Duration::from_millis(130))]);
    deliver(&upstream, batch(1)).await;
    let delivery = deliver(&upstream, batch(2)).await;
    assert_delivered(&receiver, &delivery, 2);
    let summary = receiver.summary();
    assert_eq!(
        (summary.tokens_issued, summary.unauthorized),
        (2, 0),
        "before the gateway refuses it"
    );
}

#[tokio::test]
async fn r19_trouble_at_the_token_endpoint_is_retried_as_any() {
    let receiver = Receiver::start(Options::default()).await;
    receiver.script_tokens([
        Answer::status(429),
        Answer::with_header(503, "Retry-After", "1"),
        Answer::status(500),
        Answer::CutBefore,
        Answer::Html,
        Answer::EndlessBody,
        Answer::Status(201, vec![], String::new()),
    ]);
    let delivery = deliver(&upstream(&receiver), batch(1)).await;
    assert_delivered(&receiver, &delivery, 1);
    assert_eq!((delivery.requests, delivery.retries), (1, 7));
}

#[tokio::test]
async fn r20_a_token_endpoint_that_stays_broken_is_given_up() {
    let receiver = Receiver::start(Options::default()).await;
    let settings = config::UpstreamSettings {
        give_up_after: Duration::from_millis(100),
        ..settings(&receiver)
    };
    receiver.script_tokens((0..10_000).map(|_| Answer::status(500)));
    let delivery = deliver(&QualysGateway::with_pace(&settings, FAST).unwrap(), batch(1)).await;
    let error = delivery.failure.unwrap();
    assert!(
        error.to_string().contains("no token from /auth/oidc: status 500"),
        "{error}"
    );
    assert_eq!(error.exit_code(), 69);
}

#[tokio::test]
async fn what_is_no_token_endpoint_is_said_at_once() {
    let receiver = Receiver::start(Options::default()).await;
    let upstream = upstream(&receiver);
    for answer in [
        Answer::status(404),
        Answer::Redirect("https://sso.example.com/?secret".into()),
    ] {
        receiver.script_tokens([answer]);
        let error = deliver(&upstream, batch(1)).await.failure.unwrap();
        assert!(
            matches!(error, UpstreamError::NoToken { .. }) && error.exit_code() == 69,
            "{error}"
        );
        assert!(error.advice().contains("QUALYS_GATEWAY_URL"));
    }
}

#[tokio::test]
async fn the_check_never_waits() {
    let receiver = Receiver::start(Options::default()).await;
    let upstream = QualysGateway::new(&settings(&receiver)).unwrap();
    receiver.script_tokens([
        Answer::with_header(429, "Retry-After", "3000"),
        Answer::status(500),
    ]);
    let limited = upstream.check().await.unwrap_err();
    assert!(limited.to_string().contains("asked to wait 3000 s"), "{limited}");
    let broken = upstream.check().await.unwrap_err();
    assert!(broken.to_string().contains("status 500"), "{broken}");
    assert_eq!(upstream.check().await, Ok(()));
}
