//! R32: an asset that makes the gateway refuse its batch is found, and the others arrive. A gateway
//! that refuses everything is found out, and rejects nothing.

use ad_connector::upstream::UpstreamError;
use lab::receiver::{Answer, ErrorForm, Options, Receiver, Rule};

use super::*;

/// A connection that is cut after the request was read, of which nothing is kept.
const CUT: Answer = Answer::Hang(Duration::ZERO);

fn with_message(status: u16, message: &str) -> Answer {
    Answer::Status(status, vec![], format!(r#"{{"message":"{message}"}}"#))
}

/// The items 1 to `count` in batches of 50, one after the other, as a run does it.
async fn run(upstream: &QualysGateway, count: u64) -> BatchDelivery {
    let (record, stop) = (RunRecord::default(), CancellationToken::new());
    let mut whole = BatchDelivery::default();
    let items: Vec<BatchItem> = (1..=count).map(item).collect();
    let mut batches: std::collections::VecDeque<_> = items
        .chunks(50)
        .map(|items| (Batch::new(CONNECTOR, items.to_vec()), BatchOccasion::First))
        .collect();
    while let Some((batch, occasion)) = batches.pop_front() {
        let delivery = upstream.deliver(batch.clone(), occasion, &record, &stop).await;
        whole.accepted.extend(delivery.accepted);
        whole.rejected.extend(delivery.rejected);
        whole.unclear.extend(delivery.unclear);
        whole.requests += delivery.requests;
        if delivery.postponed {
            batches.push_back((batch, BatchOccasion::Postponed));
        }
        if delivery.failure.is_some() {
            whole.failure = delivery.failure;
            break;
        }
    }
    whole
}

#[tokio::test]
async fn r32_one_refused_asset_of_sixty_delays_no_other() {
    let receiver = Receiver::start(Options::default()).await;
    let upstream = upstream(&receiver);
    let cases = [
        (
            with_message(400, "email is not valid"),
            "status 400: email is not valid",
            false,
        ),
        (
            with_message(422, "email is not valid"),
            "status 422: email is not valid",
            false,
        ),
        // A firewall that takes the name of a person for an attack.
        (Answer::status(403), "status 403", false),
        (Answer::status(500), "status 500", true),
        (Answer::status(502), "status 502", true),
        (Answer::Html, "not what the gateway sends", true),
        (CUT, "the connection broke", true),
        (Answer::CutAfter, "the connection broke", true),
        (
            Answer::ErrorBody200("INVALID_ASSET".into(), "no".into()),
            "INVALID_ASSET: no",
            true,
        ),
        (
            Answer::reject(ErrorForm::UnknownId, "x", "x"),
            "no asset of the batch",
            true,
        ),
    ];
    for (answer, reason, unclear) in cases {
        for bad in [1, 27, 50, 51, 60] {
            receiver.reset();
            receiver.refuse([external_id(bad)], answer.clone());
            let delivery = run(&upstream, 60).await;
            let case = format!("{answer:?} for {bad}");
            assert_eq!(delivery.failure, None, "{case}");
            assert_eq!(delivery.accepted.len(), 59, "{case}");
            assert_eq!(delivery.rejected.len(), 1, "{case}");
            assert_eq!(delivery.rejected[0].0, bad, "{case}");
            assert!(
                delivery.rejected[0].1.contains(reason),
                "{case}: {:?}",
                delivery.rejected
            );
            let expected = if unclear { vec![bad] } else { vec![] };
            assert_eq!(delivery.unclear, expected, "{case}");
            let requests = receiver.requests().len();
            assert!(requests <= 16, "{case}: {requests} requests");
            assert_eq!(delivery.requests, requests as u64, "{case}");
            assert_eq!(receiver.violations(), Vec::<String>::new(), "{case}");
            let mut arrived: Vec<String> = receiver.assets().into_keys().collect();
            arrived.retain(|id| *id != external_id(bad));
            assert_eq!(arrived.len(), 59, "{case}");
        }
    }
}

#[tokio::test]
async fn r32_a_time_out_that_comes_each_time_is_searched_too() {
    let receiver = Receiver::start(Options::default()).await;
    let settings = config::UpstreamSettings {
        timeout: Duration::from_millis(300),
        ..settings(&receiver)
    };
    let upstream = QualysGateway::with_pace(&settings, FAST).unwrap();
    receiver.refuse([external_id(3)], Answer::Hang(Duration::from_secs(60)));
    let delivery = run(&upstream, 8).await;
    assert_eq!((delivery.failure, delivery.accepted.len()), (None, 7));
    assert!(
        delivery.rejected[0].1.contains("no answer in time"),
        "{:?}",
        delivery.rejected
    );
    assert_eq!(delivery.unclear, [3]);
}

#[tokio::test]
async fn r32_a_gateway_that_refuses_everything_is_found_out_and_rejects_nothing() {
    let elsewhere = Receiver::start(Options::default()).await;
    let receiver = Receiver::start(Options::default()).await;
    let upstream = upstream(&receiver);
    let redirect = Answer::Redirect(format!("{}/else", elsewhere.url()));
    let cases = [
        (
            with_message(400, "connector is unknown"),
            "status 400: connector is unknown",
            69,
        ),
        (Answer::status(422), "status 422", 69),
        (Answer::status(413), "status 413", 69),
        (Answer::status(500), "gave up", 69),
        (CUT, "the connection broke", 69),
        (Answer::status(304), "status 304", 69),
        (redirect, "redirected to 127.0.0.1", 69),
        (Answer::status(403), "rights", 77),
        (Answer::status(404), "QUALYS_INGEST_PATH", 69),
        (Answer::status(405), "QUALYS_INGEST_PATH", 69),
        (Answer::status(415), "QUALYS_INGEST_PATH", 69),
        (Answer::Html, "Please log in to the proxy.", 69),
        (
            Answer::ErrorBody200("INTERNAL_ERROR".into(), "no".into()),
            "INTERNAL_ERROR: no",
            69,
        ),
    ];
    for (answer, reason, code) in cases {
        for count in [2, 60] {
            receiver.reset();
            receiver.refuse_all(answer.clone());
            let delivery = run(&upstream, count).await;
            let case = format!("{answer:?} for {count}");
            assert_eq!((delivery.accepted, delivery.rejected), (vec![], vec![]), "{case}");
            let requests = receiver.requests().len();
            let is_way = ["30", "403", "404", "405", "415", "302"]
                .iter()
                .any(|status| case.contains(&format!("status {status}")) || case.starts_with("redirect"));
            let most = if is_way { 3 } else { 10 };
            assert!(requests <= most, "{case}: {requests} requests");
            let error = delivery.failure.unwrap();
            assert!(
                matches!(error, UpstreamError::AcceptsNothing { .. }),
                "{case}: {error}"
            );
            assert!(error.to_string().contains(reason), "{case}: {error}");
            assert_eq!(error.exit_code(), code, "{case}: {error}");
        }
    }
    assert_eq!(
        elsewhere.violations(),
        Vec::<String>::new(),
        "the redirect was followed"
    );
}

#[tokio::test]
async fn r32_an_outage_that_begins_between_two_batches_becomes_no_rejection() {
    let receiver = Receiver::start(Options::default()).await;
    let upstream = upstream(&receiver);
    for answer in [Answer::status(503), CUT, Answer::status(403), Answer::status(400)] {
        // The last batch is a single asset, or few of them.
        for count in [51, 53, 100] {
            receiver.reset();
            receiver.script(std::iter::once(Answer::Accept).chain(std::iter::repeat_n(answer.clone(), 60)));
            let delivery = run(&upstream, count).await;
            assert_eq!(delivery.accepted.len(), 50, "{answer:?}");
            assert_eq!(delivery.rejected, [], "{answer:?}");
            assert!(delivery.failure.is_some(), "{answer:?}");
            assert!(delivery.requests <= 11, "{answer:?}: {}", delivery.requests);
        }
    }
}

#[tokio::test]
async fn r32_a_failure_that_passes_rejects_nothing() {
    let receiver = Receiver::start(Options::default()).await;
    let upstream = upstream(&receiver);
    for answer in [Answer::status(500), CUT, Answer::status(400), Answer::CutAfter] {
        for times in 1..=6 {
            receiver.reset();
            receiver.script(std::iter::repeat_n(answer.clone(), times));
            let delivery = run(&upstream, 60).await;
            assert_eq!(
                (delivery.failure, delivery.rejected),
                (None, vec![]),
                "{answer:?}"
            );
            assert_eq!(delivery.accepted.len(), 60, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn r32_each_part_has_a_request_id_of_its_own_that_its_retries_repeat() {
    let receiver = Receiver::start(Options::default()).await;
    receiver.refuse([external_id(7)], Answer::status(500));
    run(&upstream(&receiver), 60).await;
    let requests = receiver.requests();
    let mut ids = std::collections::BTreeMap::new();
    for request in &requests {
        let assets = ids.entry(&request.request_id).or_insert(&request.external_ids);
        assert_eq!(*assets, &request.external_ids, "one id, two batches");
    }
    assert!(ids.len() < requests.len(), "some were repeated");
    let parts: std::collections::BTreeSet<_> = ids.values().collect();
    assert_eq!(parts.len(), ids.len(), "two ids, one batch");
}

#[tokio::test]
async fn r32_only_the_asset_of_a_batch_of_one_is_refused() {
    let receiver = Receiver::start(Options::default()).await;
    let upstream = upstream(&receiver);
    receiver.refuse_all(Answer::status(400));
    let delivery = deliver(&upstream, batch(1)).await;
    assert_eq!((delivery.failure, delivery.requests), (None, 2));
    assert_eq!(delivery.rejected, [(1, "status 400".to_owned())]);
    receiver.refuse_all(Answer::status(500));
    let delivery = deliver(&upstream, batch(1)).await;
    assert!(delivery.rejected.is_empty() && delivery.failure.is_some());
    assert!(delivery.requests <= 10, "{}", delivery.requests);
}

#[tokio::test]
async fn r18_r32_a_rejection_after_an_attempt_without_an_answer_is_unclear() {
    let receiver = Receiver::start(Options::default()).await;
    for (first, unclear) in [
        (Answer::CutAfter, vec![2]),
        (Answer::status(500), vec![2]),
        // These say that nothing was taken.
        (Answer::status(429), vec![]),
        (Answer::RevokeToken, vec![]),
        (Answer::status(413), vec![]),
    ] {
        receiver.reset();
        let case = format!("{first:?}");
        receiver.refuse([external_id(2)], Answer::status(422));
        receiver.script([first]);
        let delivery = deliver(&upstream(&receiver), batch(2)).await;
        assert_eq!(
            (delivery.accepted, delivery.rejected.len()),
            (vec![1], 1),
            "{case}"
        );
        assert_eq!(delivery.unclear, unclear, "{case}");
    }
}

#[tokio::test]
async fn a_proxy_that_requires_a_log_in_is_final_at_once() {
    let receiver = Receiver::start(Options::default()).await;
    let upstream = upstream(&receiver);
    receiver.refuse_all(Answer::status(407));
    let delivery = run(&upstream, 60).await;
    assert_eq!((delivery.accepted, delivery.rejected), (vec![], vec![]));
    let error = delivery.failure.unwrap();
    assert!(matches!(error, UpstreamError::ProxyRefused { .. }), "{error}");
    assert_eq!((error.exit_code(), delivery.requests), (77, 1));
    assert!(error.advice().contains("HTTPS_PROXY"), "{}", error.advice());
    receiver.script_tokens([Answer::status(407)]);
    let other = QualysGateway::with_pace(&settings(&receiver), FAST).unwrap();
    let delivery = deliver(&other, batch(1)).await;
    assert_eq!(delivery.failure.unwrap().exit_code(), 77);
    assert_eq!(delivery.requests, 0);
}

#[tokio::test]
async fn r32_a_batch_that_is_not_answered_in_time_is_halved_at_once() {
    let receiver = Receiver::start(Options::default()).await;
    let settings = config::UpstreamSettings {
        timeout: Duration::from_millis(400),
        ..settings(&receiver)
    };
    let upstream = QualysGateway::with_pace(&settings, FAST).unwrap();
    // The gateway needs too long for more than 20 assets.
    receiver.set_rule(Some(Rule::new(|assets| {
        (assets.len() > 20).then_some(Answer::Hang(Duration::from_secs(60)))
    })));
    let delivery = run(&upstream, 50).await;
    assert_eq!((delivery.failure, delivery.accepted.len()), (None, 50));
    let requests = receiver.requests();
    assert_eq!(requests[0].external_ids.len(), 50);
    assert_eq!(requests[1].external_ids.len(), 25, "not the same again");
    assert!(requests.len() <= 9, "{}", requests.len());
    // All the time: the advice names what can be set.
    receiver.refuse_all(Answer::Hang(Duration::from_secs(60)));
    let delivery = run(&upstream, 50).await;
    assert_eq!((delivery.accepted, delivery.rejected), (vec![], vec![]));
    let error = delivery.failure.unwrap();
    let advice = error.advice();
    assert!(
        advice.contains("QUALYS_BATCH_ASSETS") && advice.contains("QUALYS_TIMEOUT"),
        "{error}: {advice}"
    );
}

#[tokio::test]
async fn r19_retry_after_is_kept_on_every_status() {
    let receiver = Receiver::start(Options::default()).await;
    let upstream = upstream(&receiver);
    for status in [
        202, 302, 400, 403, 404, 408, 413, 422, 425, 429, 500, 502, 503, 504,
    ] {
        receiver.reset();
        receiver.script([match status {
            202 => Answer::Status(
                202,
                vec![("Retry-After".to_owned(), "300".to_owned())],
                r#"{"message":"thank you"}"#.to_owned(),
            ),
            _ => Answer::with_header(status, "Retry-After", "300"),
        }]);
        let start = tokio::time::Instant::now();
        let delivery = run(&upstream, 4).await;
        assert_eq!((delivery.failure, delivery.accepted.len()), (None, 4), "{status}");
        assert!(
            start.elapsed() >= Duration::from_millis(300),
            "{status}: {:?}",
            start.elapsed()
        );
    }
}

#[tokio::test]
async fn r20_failures_between_acceptances_add_up_and_pauses_to_limit_calls_do_not() {
    let receiver = Receiver::start(Options::default()).await;
    let settings = config::UpstreamSettings {
        give_up_after: Duration::from_millis(500),
        ..settings(&receiver)
    };
    let alternate = |answer: Answer, times| {
        std::iter::repeat_with(move || [answer.clone(), Answer::Accept])
            .take(times)
            .flatten()
    };
    // Each failure costs the run a fifth of the limit.
    let upstream = QualysGateway::with_pace(&settings, FAST).unwrap();
    receiver.script(alternate(Answer::with_header(503, "Retry-After", "100"), 100));
    let delivery = run(&upstream, 2000).await;
    let error = delivery.failure.unwrap();
    assert!(matches!(error, UpstreamError::GaveUp { .. }), "{error}");
    assert!(
        (50..=300).contains(&delivery.accepted.len()),
        "{}",
        delivery.accepted.len()
    );
    receiver.clear_scripts();
    receiver.reset();
    let upstream = QualysGateway::with_pace(&settings, FAST).unwrap();
    receiver.script(alternate(Answer::with_header(429, "Retry-After", "100"), 10));
    let delivery = run(&upstream, 500).await;
    assert_eq!((delivery.failure, delivery.accepted.len()), (None, 500));
}
