//! R26: what a stop does to a delivery.

use ad_connector::upstream::UpstreamError;
use lab::receiver::{Answer, Options, Receiver};
use tokio::time::Instant;

use super::*;

/// Far longer than any of these tests may take.
const LONG: Duration = Duration::from_secs(60);

/// Delivers one asset, and stops once `count` ingest requests have arrived.
async fn stopped_after(receiver: &Receiver, upstream: &QualysGateway, count: u64) -> BatchDelivery {
    let stop = CancellationToken::new();
    let stopping = async {
        receiver.arrived(count).await;
        stop.cancel();
    };
    tokio::join!(deliver_until(upstream, batch(1), &stop), stopping).0
}

fn assert_open(delivery: &BatchDelivery) {
    assert!(
        matches!(delivery.failure, Some(UpstreamError::Stopped { .. })),
        "{delivery:?}"
    );
    assert_eq!((&delivery.accepted, &delivery.rejected), (&vec![], &vec![]));
}

#[tokio::test]
async fn r26_a_stop_before_the_start_sends_nothing() {
    let receiver = Receiver::start(Options::default()).await;
    let stop = CancellationToken::new();
    stop.cancel();
    let delivery = deliver_until(&upstream(&receiver), batch(1), &stop).await;
    assert_open(&delivery);
    assert_eq!((delivery.requests, receiver.summary().tokens_issued), (0, 0));
}

#[tokio::test]
async fn r26_a_stop_ends_a_wait_at_once() {
    let receiver = Receiver::start(Options::default()).await;
    let settings = config::UpstreamSettings {
        give_up_after: 2 * LONG,
        ..settings(&receiver)
    };
    for status in [429, 503] {
        receiver.reset();
        // At the true pace: a minute.
        let upstream = QualysGateway::new(&settings).unwrap();
        receiver.script([Answer::with_header(status, "Retry-After", "60")]);
        let start = Instant::now();
        assert_open(&stopped_after(&receiver, &upstream, 1).await);
        assert!(start.elapsed() < LONG / 2, "{status}");
    }
}

#[tokio::test]
async fn r26_the_request_in_flight_is_given_its_time() {
    let receiver = Receiver::start(Options::default()).await;
    let upstream = QualysGateway::new(&settings(&receiver)).unwrap();
    receiver.script([Answer::Slow(Duration::from_millis(200))]);
    let delivery = stopped_after(&receiver, &upstream, 1).await;
    assert_delivered(&receiver, &delivery, 1);
}

#[tokio::test]
async fn r26_a_request_that_takes_longer_is_dropped_and_not_accepted() {
    let receiver = Receiver::start(Options::default()).await;
    for answer in [Answer::Hang(LONG), Answer::Slow(LONG)] {
        receiver.reset();
        receiver.script([answer]);
        let start = Instant::now();
        // 20 s in 20 ms.
        assert_open(&stopped_after(&receiver, &upstream(&receiver), 1).await);
        assert!(start.elapsed() < LONG / 2);
    }
}

#[tokio::test]
async fn r26_no_new_request_follows_the_one_in_flight() {
    let receiver = Receiver::start(Options::default()).await;
    let upstream = QualysGateway::new(&settings(&receiver)).unwrap();
    let stop = CancellationToken::new();
    receiver.script([Answer::status(413)]);
    let stopping = async {
        receiver.arrived(1).await;
        stop.cancel();
    };
    let (delivery, ()) = tokio::join!(deliver_until(&upstream, batch(2), &stop), stopping);
    assert_open(&delivery);
    assert_eq!(delivery.requests, 1);
}

#[tokio::test]
async fn r26_a_stop_ends_the_wait_for_a_token() {
    let receiver = Receiver::start(Options::default()).await;
    let upstream = QualysGateway::new(&settings(&receiver)).unwrap();
    receiver.script_tokens([Answer::Hang(LONG)]);
    let stop = CancellationToken::new();
    let start = Instant::now();
    let stopping = async {
        receiver.tokens_asked(1).await;
        stop.cancel();
    };
    let (delivery, ()) = tokio::join!(deliver_until(&upstream, batch(1), &stop), stopping);
    assert_open(&delivery);
    assert!(start.elapsed() < LONG / 2);
}
