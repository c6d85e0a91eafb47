//! The service with schedules that are no cron expressions.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::simulator::{Action, On};
use serde_json::{Value, json};
use support::simulated::Simulated;

/// Returns a connection with this schedule, as a file of connections has it.
async fn with_schedule(schedule: &str) -> Simulated {
    let mut lab = Simulated::new().await;
    let file = lab.connector.folder().join("connections.toml");
    let text = format!("[[connection]]\nname = \"active-directory\"\nschedule = {schedule}\n");
    std::fs::write(&file, text).unwrap();
    lab.set("CONNECTIONS_FILE", file.to_str().unwrap());
    lab.unset("CONNECTION_NAME");
    lab.set("SYNC_ON_START", "true");
    lab
}

/// libfaketime of Debian's package faketime; it lets a process have a clock of its own.
const FAKE_CLOCK: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r25_a_schedule_that_runs_once_is_made_up_once_and_then_over() {
    if !std::path::Path::new(FAKE_CLOCK).exists() {
        lab::skip!("libfaketime is missing: apt-get install faketime");
    }
    let due = chrono::Utc::now() + chrono::TimeDelta::hours(1);
    let mut lab = with_schedule(&format!(
        "{{ once = true, startDate = \"{}\", startTime = \"{}\", timezone = \"UTC\" }}",
        due.format("%m/%d/%Y"),
        due.format("%H:%M")
    ))
    .await;
    let mut service = lab.connector.watch(&["run"]);
    service.said("connection is scheduled").await;
    let status = lab.status().await;
    assert_eq!(status["state"], "Scheduled", "{status}");
    assert_eq!(status["nextSync"], due.format("%Y-%m-%dT%H:%M:00Z").to_string());
    assert_eq!(status["nextBaseline"], Value::Null, "{status}");
    let frequency = format!("once, {} UTC", due.format("%Y-%m-%d %H:%M"));
    assert_eq!(status["runFrequency"], frequency);
    let outcome = service.stopped_with(0).await;
    assert!(
        !outcome.stderr.contains("run started"),
        "not at the start:\n{}",
        outcome.stderr
    );

    for (name, value) in [
        ("LD_PRELOAD", FAKE_CLOCK),
        ("FAKETIME", "+2h"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ] {
        lab.set(name, value);
    }
    let slow = Action::Delay(std::time::Duration::from_secs(1));
    lab.simulator.faults().at(On::Search, 2, slow);
    let mut service = lab.connector.watch(&["run"]);
    service.said("missed while the service was down").await;
    service.said("reading the directory").await;
    let status = lab.status().await;
    assert_eq!(status["state"], "Processing", "{status}");
    // A kill before the run is on record must not lose it.
    assert_eq!(status["nextSync"], due.format("%Y-%m-%dT%H:%M:00Z").to_string());
    service.said("run finished").await;
    let outcome = service.stopped_with(0).await;
    assert_eq!(
        outcome.stderr.matches("run started").count(),
        1,
        "{}",
        outcome.stderr
    );
    lab.assert_converged();
    let mut service = lab.connector.watch(&["run"]);
    service.said("has no next run").await;
    let outcome = service.stopped_with(0).await;
    assert!(!outcome.stderr.contains("run started"), "{}", outcome.stderr);
    let status = lab.status().await;
    assert_eq!(
        (&status["state"], &status["nextSync"]),
        (&json!("Processed"), &Value::Null),
        "{status}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_connection_without_a_schedule_runs_by_hand_alone() {
    let lab = with_schedule("\"off\"").await;
    let mut service = lab.connector.watch(&["run"]);
    service.said("has no next run").await;
    let status = lab.status().await;
    assert_eq!(status["state"], "Registered", "{status}");
    assert_eq!(
        (&status["nextSync"], &status["nextBaseline"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(status["runFrequency"], "by hand");
    lab.sync(0).await;
    lab.assert_converged();
    let status = lab.status().await;
    assert_eq!(
        (&status["state"], &status["nextSync"]),
        (&json!("Processed"), &Value::Null)
    );
    let outcome = service.stopped_with(0).await;
    assert!(!outcome.stderr.contains("run started"), "{}", outcome.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_failed_run_without_a_next_one_is_scheduled_with_its_error() {
    let lab = with_schedule("\"off\"").await;
    lab.simulator.faults().always(On::Bind, Action::Cut);
    lab.sync(69).await;
    let status = lab.status().await;
    assert_eq!(
        (&status["state"], &status["nextSync"]),
        (&json!("Scheduled"), &Value::Null)
    );
    assert_ne!(status["lastError"], Value::Null, "{status}");
}
