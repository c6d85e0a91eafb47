//! What the gateway does wrong, and that nothing is lost over it: the right exit code, and after the next sync the receiver holds
//! what the directory has.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lab::receiver::{Answer, ErrorForm, Options};
use lab::simulator::{Action, On};
use support::simulated::Simulated;
use support::{assert_same, changed};

/// Assets of a first sync, and the requests it needs without any trouble.
const ASSETS: usize = 250;
const REQUESTS: u64 = 3;

/// A first sync meets `answer` at its second request, gets over it, and repeats that request as it was.
async fn assert_got_over(answer: Answer, repeated: bool) {
    let lab = Simulated::new().await;
    let name = format!("{answer:?}");
    lab.receiver.script([Answer::Accept, answer]);
    lab.sync(0).await;
    lab.assert_converged();
    let ids = lab.receiver.request_ids();
    assert_eq!(ids.len() as u64, REQUESTS, "{name}: a retry keeps its requestId");
    let most = ids.values().max().copied();
    assert_eq!(most, Some(if repeated { 2 } else { 1 }), "{name}: {ids:?}");
    lab.receiver.reset();
    lab.sync(0).await;
    assert_eq!(
        lab.receiver.summary().requests,
        0,
        "{name}: everything was accepted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r19_500_and_502_are_asked_again() {
    assert_got_over(Answer::status(500), true).await;
    assert_got_over(Answer::status(502), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r19_503_waits_as_long_as_it_says() {
    let started = Instant::now();
    assert_got_over(Answer::with_header(503, "Retry-After", "2"), true).await;
    assert!(started.elapsed() >= Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn r19_409_and_429_wait_as_long_as_they_say() {
    let started = Instant::now();
    assert_got_over(Answer::with_header(429, "X-RateLimit-ToWait-Sec", "1"), true).await;
    assert_got_over(Answer::with_header(409, "X-RateLimit-ToWait-Sec", "1"), true).await;
    assert_got_over(Answer::with_header(429, "Retry-After", "1"), true).await;
    assert!(started.elapsed() >= Duration::from_secs(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn r18_a_cut_before_the_batch_was_taken_sends_it_again() {
    // The receiver sees only one of the two: the other was cut before its body was read.
    assert_got_over(Answer::CutBefore, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r18_a_cut_after_the_batch_was_taken_sends_it_again_under_its_id() {
    assert_got_over(Answer::CutAfter, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r19_a_proxy_s_page_with_status_200_is_no_success() {
    assert_got_over(Answer::Html, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r19_401_in_the_middle_gets_one_new_token() {
    let lab = Simulated::new().await;
    lab.receiver.script([Answer::Accept, Answer::RevokeToken]);
    lab.sync(0).await;
    lab.assert_converged();
    let summary = lab.receiver.summary();
    assert_eq!((summary.tokens_issued, summary.unauthorized), (2, 1));
    assert_eq!(lab.receiver.request_ids().len() as u64, REQUESTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn r19_401_with_a_new_token_too_is_77_and_loses_nothing() {
    let lab = Simulated::new().await;
    lab.receiver
        .script([Answer::Accept, Answer::RevokeToken, Answer::RevokeToken]);
    lab.sync(77)
        .await
        .said(&["refused the credentials", "QUALYS_CLIENT_ID"]);
    assert_eq!(lab.receiver.assets().len(), 100);
    lab.sync(0).await;
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread")]
async fn r19_a_200_that_carries_invalid_credentials_is_77_and_loses_nothing() {
    let lab = Simulated::new().await;
    let refused = || Answer::ErrorBody200("INVALID_CREDENTIALS".into(), "the account is expired".into());
    lab.receiver.script([refused(), refused()]);
    lab.sync(77).await.said(&["the account is expired"]);
    assert!(lab.receiver.assets().is_empty());
    lab.sync(0).await;
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread")]
async fn r19_413_halves_the_batch_until_it_fits() {
    let gateway = Options {
        max_assets: 30,
        ..Options::default()
    };
    let lab = Simulated::with(directory(), gateway).await;
    lab.sync(0).await;
    lab.assert_converged();
    assert!(
        lab.receiver
            .deliveries()
            .iter()
            .all(|delivery| delivery.assets.len() <= 30)
    );
}

/// The directory of every test here.
fn directory() -> lab::simulator::Options {
    lab::simulator::Options {
        directory: lab::simulator::Directory::new("corp.example", support::simulated::PEOPLE),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r19_413_before_the_body_is_read_halves_it_too() {
    let lab = Simulated::new().await;
    lab.receiver.script([Answer::Early(413), Answer::Early(413)]);
    lab.sync(0).await;
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread")]
async fn r19_the_limit_of_the_gateway_is_found_once_a_run() {
    const LIMIT: usize = 100_000;
    let gateway = Options {
        max_body: LIMIT,
        ..Options::default()
    };
    let mut lab = Simulated::with(directory(), gateway).await;
    lab.set("QUALYS_BATCH_BYTES", "300KiB");
    lab.set("QUALYS_BATCH_ASSETS", "10000");
    for user in lab.users() {
        lab.directory().set_text(user, "displayName", &"x".repeat(10_000));
    }
    lab.sync(0).await;
    lab.assert_converged();
    let requests = lab.receiver.requests();
    let refused = requests.iter().filter(|request| request.bytes > LIMIT).count();
    // 300 KiB, then two halves of 150; quarters fit, and so does every batch after.
    assert!((1..=3).contains(&refused), "{refused} of {}", requests.len());
    assert!(requests.len() > 15);
    assert!(requests.iter().all(|request| request.bytes <= 300 << 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asset_that_alone_is_too_large_is_rejected_alone() {
    let gateway = Options {
        max_body: 20_000,
        ..Options::default()
    };
    let lab = Simulated::with(directory(), gateway).await;
    let large = lab.groups()[3];
    lab.directory()
        .set_text(large, "description", &"x".repeat(30_000));
    let outcome = lab.sync(2).await.said(&["too large for the gateway"]);
    assert!(outcome.stderr.contains(&lab.external_id(large)));
    let mut expected = lab.expected();
    expected.remove(&lab.external_id(large));
    assert_same(&lab.receiver.assets(), &expected);

    lab.directory().set_text(large, "description", "short again");
    lab.sync(0).await;
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread")]
async fn r19_rejected_assets_are_listed_alone_and_tried_again_in_every_form() {
    for form in [
        ErrorForm::Map207,
        ErrorForm::Map200,
        ErrorForm::MapOfLists,
        ErrorForm::List,
    ] {
        let mut lab = Simulated::new().await;
        lab.set("QUALYS_BATCH_ASSETS", "500");
        let bad = [lab.users()[17], lab.users()[42]];
        let reasons: BTreeMap<String, String> = bad
            .iter()
            .map(|id| {
                (
                    lab.external_id(*id),
                    format!("no tenant for {}", lab.external_id(*id)),
                )
            })
            .collect();
        lab.receiver.script([Answer::Reject(form, reasons.clone())]);
        let outcome = lab.sync(2).await;
        let status = lab.status().await;
        assert_eq!(status["state"], "Scheduled");
        let listed = status["rejected"].as_array().unwrap();
        assert_eq!(listed.len(), 2, "{form:?}");
        for id in bad {
            let (external, dn) = (lab.external_id(id), lab.directory().dn(id));
            let line = outcome
                .stderr
                .lines()
                .find(|line| line.contains("rejected the asset") && line.contains(&external))
                .unwrap_or_else(|| panic!("{form:?}: {external} is not listed:\n{}", outcome.stderr));
            assert!(
                line.contains(&format!("no tenant for {external}")),
                "{form:?}: {line}"
            );
            assert!(
                listed
                    .iter()
                    .any(|one| one["externalAssetId"] == external && one["dn"] == dn),
                "{form:?}"
            );
        }
        let mut all_but_two = lab.expected();
        all_but_two.retain(|id, _| !reasons.contains_key(id));
        assert_same(&lab.receiver.assets(), &all_but_two);

        let again = lab.sent_by_sync().await;
        assert_same(&again, &changed(&all_but_two, &lab.expected()));
        assert_eq!(lab.status().await["state"], "Processed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_tells_the_dn() {
    let lab = Simulated::new().await;
    let bad = lab.users()[5];
    lab.directory().rename(bad, "Anna Muster");
    lab.receiver
        .script([Answer::reject(ErrorForm::Map207, &lab.external_id(bad), "no")]);
    lab.sync(2).await.said(&["CN=Anna Muster,"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r32_a_refusal_that_does_not_come_again_rejects_nothing() {
    for status in [400, 403, 404, 422] {
        let lab = Simulated::new().await;
        lab.receiver.script([Answer::Accept, Answer::status(status)]);
        lab.sync(0).await;
        lab.assert_converged();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r20_giving_up_says_how_long_it_was_asked_to_wait_and_the_next_run_sends_first() {
    for answer in [Answer::status(429), Answer::status(409)] {
        let mut lab = Simulated::new().await;
        lab.set("QUALYS_GIVE_UP_AFTER", "5s");
        lab.receiver.script([Answer::Accept, answer]);
        let started = Instant::now();
        lab.sync(69)
            .await
            .said(&["asked to wait 60 s", "QUALYS_GIVE_UP_AFTER"]);
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "{:?}",
            started.elapsed()
        );
        let status = lab.status().await;
        assert_eq!(status["state"], "Scheduled");
        assert!(
            status["lastError"]
                .as_str()
                .unwrap()
                .contains("asked to wait 60 s"),
            "{status}"
        );
        assert_eq!(lab.receiver.assets().len(), 100);
        let run = lab.last_run().await;
        assert_eq!(
            run["counts"]["users"]["read"], 220,
            "the read was completed: {run}"
        );
        assert_eq!(run["watermarkAfter"], lab.simulator.highest_usn(), "{run}");

        // The directory cannot be reached now; what waits is sent all the same.
        lab.simulator.faults().at(On::Connect, 1, Action::Cut);
        lab.sync(69).await;
        lab.assert_converged();
        lab.receiver.reset();
        lab.sync(0).await;
        assert_eq!(lab.receiver.summary().requests, 0);
        lab.assert_last_run("delta", "changes since").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r20_a_gateway_that_stays_down_is_69_and_blocks_no_read() {
    let mut lab = Simulated::new().await;
    lab.set("QUALYS_GIVE_UP_AFTER", "1s");
    lab.receiver.refuse_all(Answer::status(503));
    lab.sync(69).await.said(&["gave up", "status 503"]);
    let pending = &lab.status().await["counts"]["users"]["pending"];
    assert_eq!(pending, 220);
    // A second read with the gateway still down: one pending asset an object, the later one.
    lab.directory()
        .set_text(lab.users()[3], "mail", "new@corp.example");
    lab.sync(69).await;
    let status = lab.status().await;
    assert_eq!(status["counts"]["users"]["pending"], 220, "{status}");
    assert_eq!(status["counts"]["groups"]["pending"], 30, "{status}");
    lab.receiver.reset();
    lab.receiver.refuse_nothing();
    lab.sync(0).await;
    lab.assert_converged();
    assert_eq!(lab.receiver.summary().assets_received, ASSETS as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn r20_no_gateway_at_all_is_69_with_the_address_and_loses_nothing() {
    let mut lab = Simulated::new().await;
    let right = lab.receiver.url();
    // No other program gets this port by chance.
    let nobody = "127.0.0.1:1";
    lab.set("QUALYS_GATEWAY_URL", &format!("http://{nobody}"));
    lab.set("QUALYS_GIVE_UP_AFTER", "1s");
    lab.sync(69).await.said(&["QUALYS_GATEWAY_URL"]);
    lab.set("QUALYS_GATEWAY_URL", &right);
    lab.simulator.faults().at(On::Connect, 1, Action::Cut);
    lab.sync(69).await;
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread")]
async fn r18_the_later_of_two_versions_wins_over_retries_and_rejections() {
    let lab = Simulated::new().await;
    let user = lab.users()[0];
    lab.directory().set_text(user, "mail", "first@corp.example");
    lab.receiver
        .script([Answer::reject(ErrorForm::Map207, &lab.external_id(user), "no")]);
    lab.sync(2).await;
    lab.directory().set_text(user, "mail", "second@corp.example");
    let sent = lab.sent_by_sync().await;
    assert_eq!(sent.keys().collect::<Vec<_>>(), [&lab.external_id(user)]);
    assert_eq!(
        sent[&lab.external_id(user)]["asset"]["assetDetail"]["userAssetClass"]["email"],
        "second@corp.example"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn several_requests_in_flight_deliver_the_same() {
    let mut lab = Simulated::new().await;
    lab.set("QUALYS_CONCURRENCY", "4");
    lab.set("QUALYS_BATCH_ASSETS", "20");
    lab.receiver.script([
        Answer::status(500),
        Answer::Accept,
        Answer::CutAfter,
        Answer::status(502),
    ]);
    lab.sync(0).await;
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_log_in_upstream_works() {
    let options = Options::default();
    let mut lab = Simulated::new().await;
    lab.set("QUALYS_AUTH", "subscription");
    assert_eq!(lab.sent_by_sync().await.len(), ASSETS);
    lab.unset("QUALYS_AUTH");
    lab.unset("QUALYS_CLIENT_ID");
    lab.unset("QUALYS_CLIENT_SECRET");
    lab.set("QUALYS_USERNAME", &options.username);
    lab.set("QUALYS_PASSWORD", &options.password);
    assert_eq!(
        lab.sent_by(&["sync", "--resend", "--baseline"]).await.len(),
        ASSETS
    );
    lab.set("QUALYS_PASSWORD", "wrong");
    lab.directory().touch(lab.users()[0]);
    lab.directory().set_text(lab.users()[0], "mail", "x@corp.example");
    lab.sync(77).await.said(&["QUALYS_PASSWORD"]);
}
