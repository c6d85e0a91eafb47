//! R19: what is accepted, what is rejected, and what is halved.

use ad_connector::upstream::UpstreamError;
use lab::receiver::{Answer, ErrorForm, Options, Receiver, Rule};

use super::*;

#[tokio::test]
async fn r18_an_accepted_batch_is_what_the_gateway_has() {
    let receiver = Receiver::start(Options::default()).await;
    let delivery = deliver(&upstream(&receiver), batch(3)).await;
    assert_delivered(&receiver, &delivery, 3);
    assert_eq!((delivery.requests, delivery.retries), (1, 0));
    let expected: serde_json::Value = serde_json::from_str(&item(2).asset).unwrap();
    assert_eq!(receiver.assets()[&external_id(2)], expected);
    assert_eq!(receiver.requests()[0].request_id, batch(3).request_id.to_string());
}

#[tokio::test]
async fn r18_a_2xx_is_an_acceptance_only_on_evidence() {
    let receiver = Receiver::start(Options::default()).await;
    receiver.script([
        Answer::AcceptWith(201, r#"{"responseCode":"SUCCESS"}"#.to_owned()),
        Answer::AcceptWith(202, r#"{"assetsError":{}}"#.to_owned()),
        Answer::AcceptWith(202, String::new()),
        Answer::AcceptWith(204, String::new()),
    ]);
    let upstream = upstream(&receiver);
    for count in 1..=4 {
        assert_delivered(&receiver, &deliver(&upstream, batch(count)).await, count);
    }
}

/// Answers of gateways and of what stands before them, none of which states that anything was
/// accepted.
fn without_evidence() -> Vec<String> {
    [
        "",
        "OK",
        "{}",
        "[]",
        "null",
        r#"{"message":"thank you"}"#,
        r#"{"success":true}"#,
        r#"{"status":"FAILED"}"#,
        r#"{"success":false}"#,
        r#"{"fault":{"faultstring":"no route"}}"#,
        r#"{"type":"about:blank","title":"no","status":400}"#,
        r#"{"statusCode":500}"#,
        r#"{"responseCode":"UNEXPECTED_TOKEN"}"#,
        r#"{"responseCode":"SUCCESSFULLY_PUBLISHED","errors":["no"]}"#,
        r#"{"responseCode":"SUCCESSFULLY_PUBLISHED","failedAssets":2}"#,
        r#"{"responseCode":"SUCCESSFULLY_PUBLISHED","data":{"assetsError":{"x":"no"}}}"#,
        "<html><body>The requested URL was rejected.</body></html>",
    ]
    .map(str::to_owned)
    .to_vec()
}

#[tokio::test]
async fn r18_without_evidence_nothing_is_accepted_nor_rejected_and_the_answer_is_reported() {
    let receiver = Receiver::start(Options::default()).await;
    let upstream = upstream(&receiver);
    for body in without_evidence() {
        receiver.reset();
        receiver.refuse_all(Answer::Status(200, vec![], body.clone()));
        let delivery = deliver(&upstream, batch(3)).await;
        assert_eq!((delivery.accepted, delivery.rejected), (vec![], vec![]), "{body}");
        let error = delivery.failure.unwrap();
        assert_eq!(error.exit_code(), 69, "{body}: {error}");
        let words = match body.as_str() {
            "" => "it is empty",
            _ if body.starts_with('<') => "The requested URL was rejected.",
            _ if body.contains("thank you") => "thank you",
            _ => "status 200",
        };
        assert!(error.to_string().contains(words), "{body}: {error}");
        assert!(delivery.requests <= 10, "{body}: {}", delivery.requests);
    }
}

#[tokio::test]
async fn r18_accept_unknown_takes_what_says_nothing_known() {
    let receiver = Receiver::start(Options::default()).await;
    let settings = config::UpstreamSettings {
        accept_unknown: true,
        ..settings(&receiver)
    };
    let upstream = QualysGateway::with_pace(&settings, FAST).unwrap();
    for body in without_evidence() {
        receiver.reset();
        receiver.refuse_nothing();
        receiver.script([Answer::AcceptWith(200, body.clone())]);
        let unknown = ["", "OK", "{}", "[]", "null"].contains(&body.as_str())
            || body.contains("thank you")
            || body.contains(r#""success":true"#);
        let delivery = deliver(&upstream, batch(1)).await;
        assert_delivered(&receiver, &delivery, 1);
        assert_eq!(delivery.requests == 1, unknown, "{body}");
    }
}

#[tokio::test]
async fn r19_a_partial_rejection_rejects_those_alone() {
    let receiver = Receiver::start(Options::default()).await;
    let upstream = upstream(&receiver);
    for form in [
        ErrorForm::Map207,
        ErrorForm::Map200,
        ErrorForm::MapOfLists,
        ErrorForm::List,
    ] {
        receiver.reset();
        receiver.script([Answer::reject(form, &external_id(2), "email is not valid")]);
        let delivery = deliver(&upstream, batch(3)).await;
        assert_eq!(delivery.accepted, [1, 3], "{form:?}");
        assert_eq!(delivery.rejected.len(), 1, "{form:?}");
        assert_eq!(delivery.rejected[0].0, 2, "{form:?}");
        assert!(
            delivery.rejected[0].1.contains("email is not valid"),
            "{form:?}: {:?}",
            delivery.rejected
        );
        assert_eq!((delivery.failure, delivery.requests), (None, 1));
        assert_eq!(delivery.unclear, Vec::<u64>::new(), "{form:?} says which");
        assert_eq!(
            receiver.assets().into_keys().collect::<Vec<_>>(),
            [external_id(1), external_id(3)]
        );
    }
}

#[tokio::test]
async fn r19_413_halves_the_batch_until_it_fits_and_keeps_the_order() {
    let receiver = Receiver::start(Options {
        max_assets: 2,
        ..Options::default()
    })
    .await;
    let delivery = deliver(&upstream(&receiver), batch(7)).await;
    assert_delivered(&receiver, &delivery, 7);
    let order: Vec<String> = receiver
        .deliveries()
        .into_iter()
        .flat_map(|d| d.external_ids)
        .collect();
    assert_eq!(order, (1..=7).map(external_id).collect::<Vec<_>>());
    // 7 → 3 + 4 → 1 + 2, 2 + 2: every part is a request of its own, with an id of its own.
    assert_eq!((delivery.requests, delivery.retries), (7, 0));
    assert_eq!(receiver.request_ids().len(), 7);
}

#[tokio::test]
async fn r19_a_single_asset_that_is_too_large_is_rejected_and_the_others_go() {
    let receiver = Receiver::start(Options {
        max_body: 1000,
        ..Options::default()
    })
    .await;
    let mut items: Vec<BatchItem> = (1..=3).map(item).collect();
    items[1].asset = items[1].asset.replace("confidential", &"x".repeat(1000)).into();
    let delivery = deliver(&upstream(&receiver), Batch::new(CONNECTOR, items)).await;
    assert_eq!(delivery.accepted, [1, 3]);
    assert_eq!(delivery.rejected.len(), 1);
    let (seq, reason) = &delivery.rejected[0];
    assert!(
        *seq == 2 && reason.contains("413") && reason.contains("too large"),
        "{reason}"
    );
    assert_eq!(delivery.failure, None);
}

#[tokio::test]
async fn r19_a_413_that_comes_before_the_body_was_read_is_seen() {
    let receiver = Receiver::start(Options::default()).await;
    let mut items: Vec<BatchItem> = (1..=2).map(item).collect();
    for item in &mut items {
        item.asset = item.asset.replace("confidential", &"x".repeat(8 << 20)).into();
    }
    receiver.script([Answer::Early(413)]);
    let delivery = deliver(&upstream(&receiver), Batch::new(CONNECTOR, items)).await;
    assert_delivered(&receiver, &delivery, 2);
    assert_eq!(
        (delivery.requests, receiver.requests().len()),
        (3, 2),
        "it was halved, not sent again"
    );
}

#[tokio::test]
async fn r18_what_was_accepted_before_a_failure_stays_accepted_and_the_rest_is_open() {
    let receiver = Receiver::start(Options::default()).await;
    let mut settings = settings(&receiver);
    settings.give_up_after = Duration::from_millis(50);
    receiver.script([
        Answer::status(413),
        Answer::Accept,
        Answer::with_header(429, "Retry-After", "600"),
    ]);
    let delivery = deliver(&QualysGateway::with_pace(&settings, FAST).unwrap(), batch(4)).await;
    assert_eq!((delivery.accepted, delivery.rejected), (vec![1, 2], vec![]));
    assert!(matches!(delivery.failure, Some(UpstreamError::GaveUp { .. })));
}

#[tokio::test]
async fn too_many_assets_are_learnt_however_the_gateway_refuses_them() {
    let receiver = Receiver::start(Options::default()).await;
    let settings = config::UpstreamSettings {
        batch_assets: config::BatchAssets::Auto,
        ..settings(&receiver)
    };
    for status in [413, 400, 422] {
        receiver.reset();
        let upstream = QualysGateway::with_pace(&settings, FAST).unwrap();
        receiver.set_rule(Some(Rule::new(move |assets| {
            (assets.len() > 1000).then(|| Answer::status(status))
        })));
        let delivery = deliver(&upstream, batch(2000)).await;
        assert_delivered(&receiver, &delivery, 2000);
        assert_eq!(delivery.requests, 3, "{status}: the whole, and two halves");
        let learnt = upstream.sizing().learnt();
        assert_eq!(
            (learnt.taken, learnt.refused),
            (Some(1000), Some(2000)),
            "{status}"
        );
    }
    // A bad asset in a large batch is no limit.
    receiver.reset();
    let upstream = QualysGateway::with_pace(&settings, FAST).unwrap();
    receiver.refuse([external_id(1700)], Answer::status(400));
    let delivery = deliver(&upstream, batch(2000)).await;
    assert_eq!((delivery.failure, delivery.accepted.len()), (None, 1999));
    assert_eq!(delivery.rejected.len(), 1);
    let learnt = upstream.sizing().learnt();
    assert_eq!((learnt.taken, learnt.refused), (Some(1000), None));
}

#[tokio::test]
async fn a_size_that_the_gateway_is_too_slow_for_is_learnt() {
    let receiver = Receiver::start(Options::default()).await;
    let settings = config::UpstreamSettings {
        batch_assets: config::BatchAssets::Auto,
        timeout: Duration::from_secs(2),
        ..settings(&receiver)
    };
    let upstream = QualysGateway::with_pace(&settings, FAST).unwrap();
    receiver.set_rule(Some(Rule::new(|assets| {
        (assets.len() > 300).then_some(Answer::Hang(Duration::from_secs(60)))
    })));
    let delivery = deliver(&upstream, batch(500)).await;
    assert_delivered(&receiver, &delivery, 500);
    assert_eq!((delivery.requests, upstream.sizing().assets()), (3, 250));
}

#[tokio::test]
async fn no_call_is_made_beyond_the_announced_rate_by_any_sender() {
    let receiver = Receiver::start(Options {
        rate: Some((5, Duration::from_secs(1))),
        ..Options::default()
    })
    .await;
    let settings = config::UpstreamSettings {
        concurrency: 3,
        ..settings(&receiver)
    };
    // As fast as the clock goes: the window of the receiver is real.
    let upstream = QualysGateway::with_pace(&settings, ClockPace::default()).unwrap();
    assert_delivered(&receiver, &deliver(&upstream, batch(1)).await, 1);
    let start = tokio::time::Instant::now();
    let one = |seq| deliver(&upstream, Batch::new(CONNECTOR, vec![item(seq)]));
    for seq in [2, 5, 8, 11] {
        tokio::join!(one(seq), one(seq + 1), one(seq + 2));
    }
    assert_eq!((receiver.assets().len(), receiver.summary().limited), (13, 0));
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
}
