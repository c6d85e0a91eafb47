//! R32: an asset that the gateway refuses, or that makes it refuse its whole batch, delays no other
//! and is reported with the answer.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::time::Duration;

use lab::receiver::{Answer, Options};
use lab::simulator::{ObjectId, People};
use serde_json::Value;
use support::assert_same;
use support::simulated::{PEOPLE, Simulated};

/// A connection that is cut after the request was read, of which nothing is kept.
const CUT: Answer = Answer::Hang(Duration::ZERO);

/// Sixty users, sent in batches of fifty.
async fn sixty() -> Simulated {
    let people = People {
        users: 60,
        groups: 0,
        computers: 0,
        ..PEOPLE
    };
    let mut lab = Simulated::of(people).await;
    lab.set("QUALYS_BATCH_ASSETS", "50");
    lab.set("AD_ASSETS", "users");
    lab
}

fn with_message(status: u16, message: &str) -> Answer {
    Answer::Status(status, vec![], format!(r#"{{"message":"{message}"}}"#))
}

/// The receiver holds every asset but that of `bad`.
#[track_caller]
fn assert_all_but(lab: &Simulated, bad: &[ObjectId]) {
    let mut expected = lab.expected();
    for id in bad {
        expected.remove(&lab.external_id(*id));
    }
    assert_same(&lab.receiver.assets(), &expected);
    assert_eq!(lab.receiver.violations(), Vec::<String>::new());
}

/// The log and `status` name the asset with DN, externalAssetId and the answer.
async fn assert_reported(lab: &Simulated, stderr: &str, bad: ObjectId, reason: &str) {
    let (external, dn) = (lab.external_id(bad), lab.directory().dn(bad));
    let line = stderr
        .lines()
        .find(|line| line.contains("rejected the asset") && line.contains(&external))
        .unwrap_or_else(|| panic!("{external} is not in the log:\n{stderr}"));
    assert!(line.contains(&dn) && line.contains(reason), "{line}");
    let status = lab.status().await;
    let listed = status["rejected"].as_array().unwrap();
    let is_it = |one: &&Value| one["externalAssetId"] == external && one["dn"] == dn;
    let one = listed.iter().find(is_it).unwrap_or_else(|| panic!("{status}"));
    assert!(one["reason"].as_str().unwrap().contains(reason), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r32_one_refused_asset_of_sixty_delays_no_other_and_is_reported() {
    let cases = [
        (
            with_message(400, "email is not valid"),
            "status 400: email is not valid",
        ),
        (Answer::status(422), "status 422"),
        (Answer::status(500), "status 500"),
        (CUT, "the connection broke"),
    ];
    for (number, (answer, reason)) in cases.into_iter().enumerate() {
        let lab = sixty().await;
        let bad = lab.users()[number * 17 + 1];
        lab.receiver.refuse([lab.external_id(bad)], answer.clone());
        let outcome = lab.sync(2).await;
        assert_all_but(&lab, &[bad]);
        assert_reported(&lab, &outcome.stderr, bad, reason).await;
        let requests = lab.receiver.requests().len();
        assert!(requests <= 16, "{answer:?}: {requests} requests");
        assert_eq!(lab.last_run().await["requests"], requests as u64);

        // Every run tries it again, by itself, and sends nothing else.
        lab.receiver.reset();
        let outcome = lab.sync(2).await;
        assert_reported(&lab, &outcome.stderr, bad, reason).await;
        let requests = lab.receiver.requests();
        assert!(requests.len() <= 2, "{answer:?}: {} requests", requests.len());
        assert!(
            requests
                .iter()
                .all(|request| request.external_ids == [lab.external_id(bad)])
        );

        // It waits with others, which do not wait for it.
        let others = [lab.users()[0], lab.users()[30]];
        for id in others {
            lab.directory().set_text(id, "mail", "new@corp.example");
        }
        lab.receiver.reset();
        lab.sync(2).await;
        assert_eq!(lab.receiver.assets().len(), 2, "{answer:?}");
        assert_eq!(lab.receiver.requests()[0].external_ids.len(), 2, "{answer:?}");

        lab.receiver.refuse_nothing();
        lab.sync(0).await;
        assert!(lab.receiver.assets().contains_key(&lab.external_id(bad)));
        assert_eq!(lab.status().await["state"], "Processed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r32_an_asset_that_was_mended_in_the_directory_is_accepted() {
    let lab = sixty().await;
    let bad = lab.users()[20];
    lab.receiver.refuse([lab.external_id(bad)], Answer::status(400));
    lab.sync(2).await;
    lab.receiver.refuse_nothing();
    lab.directory().set_text(bad, "mail", "valid@corp.example");
    lab.sync(0).await;
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread")]
async fn r32_in_batches_of_one_the_others_arrive_too() {
    for answer in [Answer::status(400), Answer::status(500)] {
        let people = People {
            users: 6,
            groups: 0,
            computers: 0,
            ..PEOPLE
        };
        let mut lab = Simulated::of(people).await;
        lab.set("QUALYS_BATCH_ASSETS", "1");
        lab.set("AD_ASSETS", "users");
        let bad = lab.users()[0];
        lab.receiver.refuse([lab.external_id(bad)], answer);
        lab.sync(2).await;
        assert_all_but(&lab, &[bad]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r32_a_run_does_not_begin_with_the_assets_at_which_the_last_one_ended() {
    for (answer, runs) in [(Answer::status(400), 3), (CUT, 7)] {
        let people = People {
            users: 20,
            groups: 0,
            computers: 0,
            ..PEOPLE
        };
        let mut lab = Simulated::of(people).await;
        lab.set("QUALYS_BATCH_ASSETS", "1");
        lab.set("QUALYS_GIVE_UP_AFTER", "2s");
        lab.set("AD_ASSETS", "users");
        lab.receiver.refuse_all(answer.clone());
        lab.sync(69).await;
        // All are bad but one, to which this run did not come.
        let sent: Vec<String> = lab
            .receiver
            .requests()
            .into_iter()
            .flat_map(|one| one.external_ids)
            .collect();
        let ids: Vec<String> = lab.users().iter().map(|id| lab.external_id(*id)).collect();
        let good = ids.iter().find(|id| !sent.contains(*id)).unwrap().clone();
        lab.receiver.refuse_nothing();
        lab.receiver
            .refuse(ids.into_iter().filter(|id| *id != good), answer.clone());
        let mut more = 1;
        while !lab.receiver.assets().contains_key(&good) {
            more += 1;
            assert!(more <= runs, "{answer:?}: not in {runs} runs");
            lab.connector.run(&["sync"]).await;
        }
        lab.receiver.refuse_nothing();
        lab.sync(0).await;
        lab.assert_converged();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r32_several_senders_find_it_together() {
    let mut lab = Simulated::new().await;
    lab.set("QUALYS_CONCURRENCY", "4");
    lab.set("QUALYS_BATCH_ASSETS", "20");
    let bad = [lab.users()[3], lab.users()[77], lab.groups()[9]];
    let ids: Vec<String> = bad.iter().map(|id| lab.external_id(*id)).collect();
    lab.receiver.refuse(ids, Answer::status(422));
    lab.sync(2).await;
    assert_all_but(&lab, &bad);
    assert_eq!(lab.status().await["rejected"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn r32_a_gateway_that_refuses_everything_is_found_out_and_nothing_is_rejected() {
    let cases = [
        (
            with_message(400, "connector is unknown"),
            69,
            "connector is unknown",
        ),
        (Answer::status(422), 69, "status 422"),
        (Answer::status(302), 69, "not followed"),
        (Answer::status(403), 77, "may not import"),
        (Answer::status(404), 69, "QUALYS_INGEST_PATH"),
        (Answer::status(405), 69, "status 405"),
        (Answer::status(415), 69, "status 415"),
    ];
    let lab = sixty().await;
    for (answer, code, reason) in cases {
        lab.receiver.reset();
        lab.receiver.refuse_all(answer.clone());
        let outcome = lab.sync(code).await.said(&[
            "the gateway refused each of",
            "whatever they held",
            reason,
            "what to do",
        ]);
        let requests = lab.receiver.requests().len();
        let is_way = !reason.contains("connector is unknown") && !reason.contains("422");
        let most = if is_way { 3 } else { 10 };
        assert!(requests <= most, "{answer:?}: {requests} requests");
        if is_way {
            let lines = outcome.stderr.lines().filter(|line| line.contains("status "));
            let of_log = lines
                .filter(|line| line.contains("ERROR") || line.contains("WARN"))
                .count();
            assert_eq!(of_log, 1, "{answer:?}: {}", outcome.stderr);
        }
        let status = lab.status().await;
        assert_eq!(status["rejected"], Value::Array(Vec::new()), "{answer:?}");
        assert_eq!(status["counts"]["users"]["pending"], 60, "{answer:?}");
        assert!(status["lastError"].as_str().unwrap().contains(reason), "{status}");
    }
    lab.receiver.refuse_nothing();
    lab.sync(0).await;
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread")]
async fn r32_an_outage_in_the_middle_of_a_search_becomes_no_rejection() {
    let mut lab = sixty().await;
    lab.set("QUALYS_GIVE_UP_AFTER", "20s");
    let bad = lab.users()[10];
    lab.receiver.refuse([lab.external_id(bad)], Answer::status(500));
    // The search begins, some arrive, and then nothing is accepted any more.
    let refused = std::iter::repeat_n(Answer::status(500), 4);
    let down = std::iter::repeat_n(Answer::status(500), 100);
    lab.receiver.script(refused.chain([Answer::Accept]).chain(down));
    lab.sync(69).await.said(&["gave up"]);
    assert_eq!(lab.status().await["rejected"], Value::Array(Vec::new()));
    lab.receiver.clear_scripts();
    lab.sync(2).await;
    assert_all_but(&lab, &[bad]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r32_more_bad_assets_than_can_be_found_leave_the_others_alone() {
    let gateway = Options::default();
    let people = People {
        users: 600,
        groups: 0,
        computers: 0,
        ..PEOPLE
    };
    let directory = lab::simulator::Options {
        directory: lab::simulator::Directory::new("corp.example", people),
        ..Default::default()
    };
    let mut lab = Simulated::with(directory, gateway).await;
    lab.set("AD_ASSETS", "users");
    // Nine of ten among the first three hundred.
    let users = lab.users();
    let bad: Vec<String> = (0..300)
        .filter(|number| number % 10 != 5)
        .map(|number| lab.external_id(users[number]))
        .collect();
    lab.receiver.refuse(bad.clone(), Answer::status(400));
    let outcome = lab.connector.run(&["sync"]).await;
    let arrived = lab.receiver.assets();
    if outcome.code == Some(69) && outcome.stderr.contains("too many assets") {
        assert!(
            users[300..]
                .iter()
                .all(|id| arrived.contains_key(&lab.external_id(*id)))
        );
    }
    // What was found is sent by itself from then on, so each run gets further.
    for _ in 0..12 {
        if lab.connector.run(&["sync"]).await.code == Some(2) {
            break;
        }
    }
    lab.sync(2).await;
    assert_eq!(lab.receiver.assets().len(), 600 - bad.len());
    assert_eq!(lab.status().await["counts"]["users"]["rejected"], bad.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn r18_an_answer_whose_commit_fails_is_stored_at_the_end_of_the_run() {
    let lab = Simulated::new().await;
    lab.sync(0).await;
    for id in &lab.users()[..3] {
        lab.directory().set_text(*id, "mail", "new@corp.example");
    }
    lab.receiver.reset();
    lab.receiver.script([Answer::Slow(Duration::from_secs(2))]);
    let locked = async {
        lab.receiver.arrived(1).await;
        let path = lab.connector.state();
        let state = rusqlite::Connection::open(path).unwrap();
        state.execute_batch("BEGIN IMMEDIATE").unwrap();
        // Longer than a write of the program waits for the file.
        let answered = Duration::from_secs(2);
        tokio::time::sleep(answered + ad_connector::store::BUSY_TIMEOUT + answered).await;
        state.execute_batch("ROLLBACK").unwrap();
    };
    let (outcome, ()) = tokio::join!(lab.connector.run(&["sync"]), locked);
    outcome.ended_with(69).said(&["busy"]);
    assert_eq!(lab.receiver.assets().len(), 3);
    lab.receiver.reset();
    lab.sync(0).await;
    assert_eq!(lab.receiver.summary().requests, 0, "the answer was stored");
}
