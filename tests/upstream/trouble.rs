//! R19, R20: waits, retries and giving up.

use ad_connector::upstream::UpstreamError;
use lab::receiver::{Answer, Options, Receiver};
use tokio::time::Instant;

use super::*;

/// Longer than any single wait of these tests, far shorter than what a hung test may take.
const SHORT: Duration = Duration::from_millis(250);

fn impatient(receiver: &Receiver, give_up_after: Duration) -> QualysGateway {
    let settings = config::UpstreamSettings {
        give_up_after,
        ..settings(receiver)
    };
    QualysGateway::with_pace(&settings, FAST).unwrap()
}

#[tokio::test]
async fn r19_passing_trouble_is_retried_with_the_same_request() {
    let receiver = Receiver::start(Options::default()).await;
    let upstream = upstream(&receiver);
    let cases = [
        Answer::status(408),
        Answer::status(425),
        Answer::status(500),
        Answer::status(502),
        Answer::with_header(503, "Retry-After", "2"),
        Answer::status(504),
        Answer::Html,
        Answer::EndlessBody,
        Answer::HugeContentLength,
        Answer::Status(200, vec![], r#"{"responseCode":"SUCCESSF"#.to_owned()),
    ];
    for answer in cases {
        receiver.reset();
        let name = format!("{answer:?}");
        receiver.script([answer.clone(), answer]);
        let delivery = deliver(&upstream, batch(2)).await;
        assert_delivered(&receiver, &delivery, 2);
        assert_eq!((delivery.requests, delivery.retries), (3, 2), "{name}");
        assert_eq!(
            receiver.request_ids().into_values().collect::<Vec<_>>(),
            [3],
            "{name}"
        );
    }
}

#[tokio::test]
async fn r18_a_cut_connection_is_retried_and_may_deliver_twice_but_never_not() {
    let receiver = Receiver::start(Options::default()).await;
    let upstream = upstream(&receiver);
    receiver.script([Answer::CutBefore, Answer::CutAfter]);
    let delivery = deliver(&upstream, batch(2)).await;
    assert_delivered(&receiver, &delivery, 2);
    assert_eq!(delivery.requests, 3);
    let deliveries = receiver.deliveries();
    assert_eq!(deliveries.len(), 2);
    let request = |number: usize| (&deliveries[number].request_id, &deliveries[number].assets);
    assert_eq!(
        request(0),
        request(1),
        "the same request, so the gateway can tell"
    );
}

#[tokio::test]
async fn r19_silence_is_retried_after_the_timeout() {
    let receiver = Receiver::start(Options::default()).await;
    let settings = config::UpstreamSettings {
        timeout: Duration::from_secs(1),
        ..settings(&receiver)
    };
    let upstream = QualysGateway::with_pace(&settings, FAST).unwrap();
    let long = Duration::from_secs(60);
    receiver.script([Answer::Hang(long), Answer::Slow(long)]);
    let delivery = deliver(&upstream, batch(1)).await;
    assert_delivered(&receiver, &delivery, 1);
    assert_eq!(delivery.requests, 3);
}

#[tokio::test]
async fn r19_a_rate_limit_is_waited_out_as_long_as_asked() {
    let receiver = Receiver::start(Options::default()).await;
    let upstream = upstream(&receiver);
    let cases = [
        (Answer::with_header(409, "X-RateLimit-ToWait-Sec", "200"), 200),
        (Answer::with_header(429, "Retry-After", "150"), 150),
        (Answer::with_header(429, "X-RateLimit-ToWait-Sec", "-3"), 60),
        (Answer::status(429), 60),
        (Answer::with_header(503, "Retry-After", "150"), 150),
    ];
    for (answer, seconds) in cases {
        receiver.reset();
        let name = format!("{answer:?}");
        receiver.script([answer]);
        let start = Instant::now();
        let delivery = deliver(&upstream, batch(1)).await;
        assert!(
            start.elapsed() >= Duration::from_millis(seconds),
            "{name}: {:?}",
            start.elapsed()
        );
        assert_delivered(&receiver, &delivery, 1);
        assert_eq!(receiver.request_ids().into_values().collect::<Vec<_>>(), [2]);
    }
}

#[tokio::test]
async fn r19_one_pause_holds_all_senders() {
    let receiver = Receiver::start(Options::default()).await;
    let settings = config::UpstreamSettings {
        concurrency: 4,
        ..settings(&receiver)
    };
    let upstream = QualysGateway::with_pace(&settings, FAST).unwrap();
    receiver.script([Answer::with_header(429, "Retry-After", "300")]);
    let start = Instant::now();
    let others = async {
        receiver.arrived(1).await;
        // The answer must have been seen before another sender can know of it.
        while upstream.paused_for().is_none() {
            tokio::task::yield_now().await;
        }
        let other = |seq| deliver(&upstream, Batch::new(CONNECTOR, vec![item(seq)]));
        let done = tokio::join!(other(2), other(3));
        (done, start.elapsed())
    };
    let (first, ((second, third), elapsed)) = tokio::join!(deliver(&upstream, batch(1)), others);
    assert!(elapsed >= Duration::from_millis(300), "{elapsed:?}");
    assert_eq!((first.requests, second.requests, third.requests), (2, 1, 1));
    assert_eq!(receiver.assets().len(), 3);
}

#[tokio::test]
async fn no_more_requests_are_in_flight_than_allowed() {
    let receiver = Receiver::start(Options::default()).await;
    let upstream = upstream(&receiver);
    receiver.script([Answer::Slow(SHORT), Answer::Slow(SHORT)]);
    let start = Instant::now();
    let one = |seq| deliver(&upstream, Batch::new(CONNECTOR, vec![item(seq)]));
    tokio::join!(one(1), one(2));
    assert!(
        start.elapsed() >= 2 * SHORT,
        "both were in flight: {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn r20_a_wait_beyond_the_limit_gives_up_at_once_and_says_how_long() {
    let receiver = Receiver::start(Options::default()).await;
    let upstream = impatient(&receiver, SHORT);
    receiver.script([Answer::with_header(429, "X-RateLimit-ToWait-Sec", "1800")]);
    let start = Instant::now();
    let delivery = deliver(&upstream, batch(2)).await;
    assert!(start.elapsed() < Duration::from_millis(1800), "it waited");
    assert_eq!(
        (
            delivery.requests,
            delivery.accepted.len(),
            delivery.rejected.len()
        ),
        (1, 0, 0)
    );
    let error = delivery.failure.unwrap();
    assert!(error.to_string().contains("asked to wait 1800 s"), "{error}");
    assert_eq!(error.exit_code(), 69);
    assert!(error.advice().contains("API limit"));
    // Others hear it without asking again.
    let other = deliver(&upstream, batch(1)).await;
    assert!(
        matches!(other.failure, Some(UpstreamError::GaveUp { requests: 0, .. })),
        "{other:?}"
    );
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test]
async fn r20_trouble_that_lasts_ends_with_everything_still_open() {
    let receiver = Receiver::start(Options::default()).await;
    receiver.refuse_all(Answer::status(502));
    let delivery = deliver(&impatient(&receiver, SHORT), batch(2)).await;
    assert_eq!((delivery.accepted, delivery.rejected), (vec![], vec![]));
    assert!((3..=10).contains(&delivery.requests), "{}", delivery.requests);
    let error = delivery.failure.unwrap();
    assert!(error.to_string().contains("gave up"), "{error}");
    assert!(error.to_string().contains("status 502"), "{error}");
    assert_eq!(error.exit_code(), 69);
    // The batch as a whole, and each asset alone: every retry of either repeats its requestId.
    assert_eq!(receiver.request_ids().len(), 3);
}

#[tokio::test]
async fn r20_a_gateway_that_is_away_is_given_up_and_one_that_comes_back_is_not() {
    let receiver = Receiver::start(Options::default()).await;
    let address = receiver.address();
    let upstream = impatient(&receiver, SHORT);
    let patient = impatient(&receiver, Duration::from_secs(20));
    drop(receiver);
    let delivery = deliver(&upstream, batch(1)).await;
    let error = delivery.failure.unwrap();
    assert!(error.to_string().contains("no connection"), "{error}");
    assert_eq!((error.exit_code(), delivery.requests), (69, 0));

    let back = async {
        // The port is free once the old socket is closed; until then binding would fail.
        while tokio::net::TcpListener::bind(address).await.is_err() {
            tokio::task::yield_now().await;
        }
        Receiver::start(Options {
            listen: address,
            ..Options::default()
        })
        .await
    };
    let stop = CancellationToken::new();
    let (delivery, receiver) = tokio::join!(deliver_until(&patient, batch(1), &stop), back);
    assert_delivered(&receiver, &delivery, 1);
}
