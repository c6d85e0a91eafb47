//! Requests sized to the limits of the gateway (`QUALYS_BATCH_ASSETS=auto`), on the real program.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::time::Duration;

use lab::receiver::Options;
use lab::simulator::{Directory, People};
use support::simulated::{PEOPLE, Simulated};

/// So many users, and a gateway with limits.
async fn lab(users: u32, gateway: Options) -> Simulated {
    let people = People {
        users,
        groups: 0,
        computers: 0,
        ..PEOPLE
    };
    let directory = lab::simulator::Options {
        directory: Directory::new("corp.example", people),
        ..Default::default()
    };
    let mut lab = Simulated::with(directory, gateway).await;
    lab.set("AD_ASSETS", "users");
    lab.unset("QUALYS_BATCH_ASSETS");
    lab
}

fn sizes(lab: &Simulated) -> Vec<usize> {
    let requests = lab.receiver.requests();
    requests
        .iter()
        .map(|request| request.external_ids.len())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_grow_while_the_directory_is_read_and_keep_within_the_announced_rate() {
    let gateway = Options {
        rate: Some((8, Duration::from_secs(3600))),
        ..Options::default()
    };
    let lab = lab(4000, gateway).await;
    lab.sync(0).await;
    lab.assert_converged();
    let sizes = sizes(&lab);
    assert_eq!(sizes[0], 500);
    assert!(sizes.len() <= 5, "eight of 500 would be needed: {sizes:?}");
    assert_eq!(lab.receiver.summary().limited, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_is_made_beyond_the_announced_rate() {
    let gateway = Options {
        rate: Some((3, Duration::from_secs(3600))),
        ..Options::default()
    };
    let mut lab = lab(1000, gateway).await;
    lab.set("QUALYS_BATCH_ASSETS", "100");
    lab.sync(69).await.said(&["asked to wait", "API limit"]);
    let summary = lab.receiver.summary();
    assert_eq!((summary.requests, summary.limited), (3, 0));
    let status = lab.status().await;
    assert_eq!(status["counts"]["users"]["pending"], 700);
    assert_eq!(status["backlogRequests"], 7, "{status}");
    assert!(status["backlogThrough"].is_string(), "{status}");
    lab.connector
        .succeed(&["status"])
        .await
        .said(&["about 7 requests, through at"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_takes_is_learnt_once_and_kept_over_a_restart() {
    let gateway = Options {
        max_assets: 1000,
        ..Options::default()
    };
    let lab = lab(4500, gateway).await;
    lab.sync(0).await;
    lab.assert_converged();
    let first = sizes(&lab);
    assert_eq!(first.iter().filter(|size| **size > 1000).count(), 1, "{first:?}");
    lab.receiver.reset();
    lab.connector.succeed(&["sync", "--baseline", "--resend"]).await;
    lab.assert_converged();
    let again = sizes(&lab);
    assert!(again.iter().all(|size| *size <= 1000), "{again:?}");
    assert!(again.len() <= 7, "{again:?}");
    assert_eq!(lab.status().await["backlogRequests"], serde_json::Value::Null);
}
