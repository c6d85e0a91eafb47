//! Scheduled baselines: one that was missed or broke off stays due until a full read is complete.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::time::Duration;

use ad_connector::store::{Store, StoreAccess};
use chrono::{DateTime, Utc};
use lab::simulator::{Action, On, Outcome};
use serde_json::Value;
use support::service::Service;
use support::simulated::Simulated;

const EVERY_SECOND: &str = "* * * * * *";
/// Not due while a test runs, unless that is on New Year's Eve.
const NEVER: &str = "59 59 23 31 12 *";

/// A connection that was read once, whose baseline came due while no service ran. `cron` is its
/// `SYNC_CRON`.
async fn due(cron: &str) -> Simulated {
    let mut lab = Simulated::new().await;
    lab.set("SYNC_CRON", cron);
    lab.set("BASELINE_CRON", NEVER);
    lab.set("SYNC_ON_START", "false");
    lab.sync(0).await;
    assert_eq!(lab.status().await["baselineDue"], false);
    comes_due(&lab).await;
    lab
}

/// Waits for a tick of `BASELINE_CRON`, which lies after the last complete baseline.
async fn comes_due(lab: &Simulated) {
    let tick = Utc::now().timestamp() + 1;
    {
        let store = Store::open(&lab.connector.state(), StoreAccess::ReadWrite).unwrap();
        let row = store.connections().unwrap().remove(0);
        store.set_next(row.id, row.next_sync, Some(tick)).unwrap();
    }
    tokio::time::sleep(Duration::from_millis(2_000)).await;
    let status = lab.status().await;
    assert_eq!(status["baselineDue"], true, "{status}");
    assert_eq!(time(&status["nextBaseline"]).timestamp(), tick);
}

fn time(at: &Value) -> DateTime<Utc> {
    at.as_str().unwrap().parse().unwrap()
}

/// Mode, outcome and reason of each run, the oldest first.
async fn runs(lab: &Simulated) -> Vec<(String, String, String)> {
    let text = lab.connector.succeed(&["runs", "--json"]).await.stdout;
    let mut runs: Vec<_> = text
        .lines()
        .map(|line| {
            let run: Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| run[key].as_str().unwrap_or_default().to_owned();
            (text("mode"), text("outcome"), text("askedBy"))
        })
        .collect();
    runs.reverse();
    runs
}

/// No baseline is due any more: the last complete one ended at `since` or later, and the next one
/// is ahead.
async fn assert_complete(lab: &Simulated, since: DateTime<Utc>) {
    let status = lab.status().await;
    assert_eq!(status["baselineDue"], false, "{status}");
    let complete = time(&status["lastCompleteBaseline"]);
    assert!(complete.timestamp() >= since.timestamp(), "{status}");
    assert!(time(&status["nextBaseline"]) > Utc::now(), "{status}");
}

/// Starts the service, whose first run is a baseline that waits in the middle of the directory.
async fn in_the_middle(lab: &Simulated) -> Service {
    lab.at_users_page(2, Action::Silence);
    let mut service = lab.connector.watch(&["run"]);
    service.said("reading the directory").await;
    lab.simulator.faults().happened().await;
    service
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r33_scheduled_runs_are_baselines_until_one_is_complete() {
    let lab = due(EVERY_SECOND).await;
    let begun = Utc::now();
    lab.simulator.faults().at(On::Connect, 1, Action::Cut);
    let busy = Outcome::error(51, "the server is busy\0");
    lab.at_users_page(2, Action::Answer(busy));
    let mut service = lab.connector.watch(&["run"]);
    service
        .said_times("the baseline is not complete, and stays due", 2)
        .await;
    service.said("mode=\"delta\"").await;
    service.stopped_with(0).await;
    let runs = runs(&lab).await;
    for (run, outcome) in runs[1..=3].iter().zip(["failed", "failed", "processed"]) {
        let (mode, ended, asked_by) = run;
        assert_eq!((mode.as_str(), ended.as_str()), ("baseline", outcome), "{runs:?}");
        assert!(asked_by.starts_with("baseline schedule, due since "), "{runs:?}");
    }
    assert!(runs[4..].iter().all(|(mode, ..)| mode == "delta"), "{runs:?}");
    assert_complete(&lab, begun).await;
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r33_a_baseline_in_which_the_service_was_killed_or_stopped_stays_due() {
    for signal in ["KILL", "TERM"] {
        let lab = due(NEVER).await;
        let begun = Utc::now();
        let service = in_the_middle(&lab).await;
        service.signal(signal).await;
        service.ended().await;
        assert_eq!(lab.status().await["baselineDue"], true, "{signal}");
        // Neither a complete delta nor a dry run is the baseline.
        lab.sync(0).await;
        lab.assert_last_run("delta", "").await;
        lab.connector.succeed(&["sync", "--baseline", "--dry-run"]).await;
        assert_eq!(lab.status().await["baselineDue"], true, "{signal}");

        let mut service = lab.connector.watch(&["run"]);
        service.said("baseline schedule, due since ").await;
        service.said("run finished").await;
        let outcome = service.stopped_with(0).await;
        assert_eq!(outcome.stderr.matches("run started").count(), 1, "made up once");
        lab.assert_last_run("baseline", "").await;
        assert_eq!(lab.last_run().await["counts"]["users"]["read"], 220);
        assert_complete(&lab, begun).await;

        let mut service = lab.connector.watch(&["run"]);
        service.said("connection is scheduled").await;
        let outcome = service.stopped_with(0).await;
        assert!(!outcome.stderr.contains("run started"), "{}", outcome.stderr);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r33_an_interrupted_delta_is_resumed_as_the_baseline_that_is_due() {
    let lab = due(NEVER).await;
    lab.directory()
        .set_text(lab.users()[0], "mail", "new@corp.example");
    lab.simulator.faults().at(On::Search, 2, Action::Silence);
    let mut sync = lab.connector.watch(&["sync"]);
    sync.said("run started").await;
    lab.simulator.faults().happened().await;
    sync.killed().await;
    let begun = Utc::now();
    let mut service = lab.connector.watch(&["run"]);
    service.said("a run that was interrupted is resumed").await;
    service.said("run finished").await;
    service.stopped_with(0).await;
    lab.assert_last_run("baseline", "").await;
    assert_complete(&lab, begun).await;
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r33_a_baseline_by_hand_beside_the_service_is_the_one_that_is_due() {
    let lab = due("*/5 * * * * *").await;
    lab.simulator.faults().at(On::Connect, 1, Action::Cut);
    let mut service = lab.connector.watch(&["run"]);
    service.said("the baseline is not complete, and stays due").await;
    let begun = Utc::now();
    while lab.connector.run(&["sync", "--baseline"]).await.code == Some(4) {}
    assert_complete(&lab, begun).await;
    service.said("asked_by=\"delta schedule\"").await;
    service.said("mode=\"delta\"").await;
    service.stopped_with(0).await;
    assert_complete(&lab, begun).await;
    let complete = runs(&lab).await;
    let complete = complete
        .iter()
        .filter(|run| run.0 == "baseline" && run.1 == "processed");
    assert_eq!(complete.count(), 2, "the first run, and the one by hand");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r33_every_complete_full_read_is_a_baseline() {
    let mut lab = due(NEVER).await;
    let begun = Utc::now();
    lab.set("AD_GROUP_FILTER", "(cn=*)");
    lab.sync(0).await;
    lab.assert_last_run("baseline", "").await;
    assert_complete(&lab, begun).await;

    // Objects that are rejected and removals that are held back do not matter.
    lab.set("REMOVAL_MAX_COUNT", "0");
    for code in [2, 3] {
        comes_due(&lab).await;
        let begun = Utc::now();
        match code {
            2 => lab.directory().set(lab.users()[1], "objectSid", &[b"broken"]),
            _ => lab.directory().delete(lab.users()[2]),
        }
        let sync = lab.connector.run(&["sync", "--baseline"]).await;
        sync.ended_with(code);
        assert_complete(&lab, begun).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r25_r33_a_sync_by_hand_leaves_a_missed_baseline_due() {
    let mut lab = due(NEVER).await;
    let before = lab.status().await;
    lab.sync(0).await;
    let status = lab.status().await;
    assert_eq!(status["nextBaseline"], before["nextBaseline"]);
    assert_eq!(status["lastCompleteBaseline"], before["lastCompleteBaseline"]);
    let said = lab.connector.succeed(&["status"]).await.stdout;
    let due = format!("due since {}", before["nextBaseline"].as_str().unwrap());
    assert!(said.contains(&due), "{said}");
    // The age is shown with BASELINE_CRON=off as well, and nothing is due.
    lab.set("BASELINE_CRON", "off");
    let status = lab.status().await;
    assert_eq!(status["baselineDue"], false);
    let said = lab.connector.succeed(&["status"]).await.stdout;
    let complete = status["lastCompleteBaseline"].as_str().unwrap();
    let line = format!("last complete baseline  {complete}, less than a minute ago");
    assert!(said.contains(&line), "{said}");
    let mut service = lab.connector.watch(&["run"]);
    service.said("connection is scheduled").await;
    let outcome = service.stopped_with(0).await;
    assert!(!outcome.stderr.contains("run started"), "{}", outcome.stderr);
    assert_eq!(lab.status().await["nextBaseline"], Value::Null);
}
