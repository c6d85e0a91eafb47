//! A state file that is restored from an older copy (docs/operations.md).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use serde_json::Value;
use support::simulated::Simulated;

const NOTICE: &str = "restored from an older copy";
const REMEDY: &str = "sync --baseline --resend";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_restored_state_file_is_noticed_until_everything_was_sent_again() {
    let mut lab = Simulated::new().await;
    lab.connector
        .unaudited("an older history takes the place of a later one");
    lab.sync(0).await;
    let (state, user) = (lab.connector.state(), lab.users()[0]);
    let copy = std::fs::read(&state).unwrap();
    let before = lab.directory().text(user, "displayName").unwrap();
    lab.directory().set_text(user, "displayName", "changed");
    lab.directory()
        .set_text(lab.users()[1], "displayName", "changed too");
    lab.sync(0).await;
    lab.assert_converged();
    let status = lab.status().await;
    assert_eq!(status["restoredAt"], Value::Null, "{status}");

    // What the copy says of the user is true again, and is not what was sent last.
    std::fs::write(&state, copy).unwrap();
    lab.directory().set_text(user, "displayName", &before);
    let marker = state.with_file_name("state.db.marker");
    let marked = std::fs::read(&marker).unwrap();
    let dry = lab.connector.succeed(&["sync", "--dry-run"]).await;
    assert!(!dry.text().contains(NOTICE), "{}", dry.text());
    assert_eq!(std::fs::read(&marker).unwrap(), marked);
    lab.set("LOG_FORMAT", "json");
    for arguments in [&["sync"][..], &["sync", "--baseline"]] {
        let outcome = lab.connector.succeed(arguments).await;
        let mut lines = outcome.stderr.lines();
        let line = lines.find(|line| line.contains(NOTICE)).unwrap();
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&line["level"], &line["connection"]),
            (&"WARN".into(), &"active-directory".into())
        );
        assert!(line["advice"].as_str().unwrap().contains(REMEDY), "{line}");
    }
    lab.unset("LOG_FORMAT");
    let id = lab.external_id(user);
    assert_ne!(lab.receiver.assets()[&id], lab.expected()[&id], "it was not sent");

    let status = lab.status().await;
    assert!(status["restoredAt"].is_string(), "{status}");
    lab.connector.succeed(&["status"]).await.said(&[
        "restored",
        REMEDY,
        status["restoredAt"].as_str().unwrap(),
    ]);
    lab.set("SYNC_ON_START", "false");
    let mut service = lab.connector.watch(&["run"]);
    service.said(NOTICE).await;
    service.stopped_with(0).await;

    let received = lab.receiver.summary().assets_received;
    lab.connector
        .succeed(&["sync", "--baseline", "--resend"])
        .await
        .said(&[NOTICE]);
    let received = lab.receiver.summary().assets_received - received;
    assert_eq!(received, lab.expected().len() as u64, "everything is sent");
    lab.assert_converged();
    let status = lab.status().await;
    assert_eq!(status["restoredAt"], Value::Null, "{status}");
    let outcome = lab.sync(0).await;
    assert!(!outcome.text().contains(NOTICE), "{}", outcome.text());
    let status = lab.connector.succeed(&["status"]).await;
    assert!(!status.text().contains("restored"), "{}", status.text());
}
