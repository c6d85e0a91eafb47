//! A password that a controller refused is not tried again and again: the account would be locked
//! out (R40).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::path::PathBuf;

use lab::simulator::{Account, Action, On, PASSWORD, READER, Refusal};
use reqwest::Method;
use serde_json::json;
use support::http::{Served, TOKEN};
use support::simulated::Simulated;

/// A schedule that is due every second, and one that is not due while a test runs, unless that is
/// on New Year's Eve.
const EVERY_SECOND: &str = "* * * * * *";
const NEVER: &str = "59 59 23 31 12 *";

/// Number of profiles that share the account.
const PROFILES: usize = 8;

/// A connection with [`PROFILES`] profiles; its password is in the file whose path is returned.
async fn profiles(password: &str) -> (Simulated, PathBuf) {
    let mut lab = Simulated::new().await;
    let folder = lab.connector.folder().join("config");
    std::fs::create_dir_all(&folder).unwrap();
    let file = lab.connector.folder().join("password");
    std::fs::write(&file, password).unwrap();
    let tables: String = (1..=PROFILES)
        .map(|number| {
            let connector = format!("6f2a1d3c-5b7e-4c89-9a01-00000000000{number}");
            format!("[[connection.profile]]\nname = \"p{number}\"\nqualys_connector_uuid = \"{connector}\"\n")
        })
        .collect();
    let tables = format!("[[connection]]\nname = \"corp\"\n{tables}");
    std::fs::write(folder.join("connections.toml"), tables).unwrap();
    lab.unset("AD_PASSWORD");
    lab.set("AD_PASSWORD_FILE", file.to_str().unwrap());
    lab.set("SYNC_CRON", EVERY_SECOND);
    lab.set("BASELINE_CRON", "off");
    lab.connector
        .unaudited("each profile sends to a connector of its own");
    (lab, file)
}

fn binds(lab: &Simulated) -> u64 {
    lab.simulator.statistics().counts().binds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r40_eight_profiles_of_a_service_try_a_refused_password_once() {
    let (lab, file) = profiles("wrong-and-secret").await;
    let mut service = lab.connector.watch(&["run"]);
    // The start, and several ticks of each profile.
    service.said_times("The run finished", 5 * PROFILES).await;
    assert_eq!(binds(&lab), 1);
    let log = service.stopped_with(0).await.stderr;
    let of_level = |level: &str| {
        log.lines()
            .filter(|line| line.contains(level) && line.contains("The run finished"))
            .count()
    };
    assert_eq!(of_level("ERROR"), PROFILES, "once for each profile:\n{log}");
    assert_eq!(of_level(" WARN"), 0);
    assert!(of_level(" INFO") >= 4 * PROFILES, "{log}");
    for part in [
        "is put off until",
        "svc-reader@corp.example",
        "data 52e",
        "restart the service",
    ] {
        assert!(log.contains(part), "{part}");
    }
    assert!(!log.contains("wrong-and-secret"), "R27");

    // A changed password is tried when it is read: at the start.
    std::fs::write(file, PASSWORD).unwrap();
    lab.connector.succeed(&["sync"]).await;
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r40_a_locked_or_expired_account_is_left_alone_and_one_command_tries_once() {
    for refusal in [
        Refusal::PasswordExpired,
        Refusal::Disabled,
        Refusal::Expired,
        Refusal::MustChange,
        Refusal::LockedOut,
    ] {
        let (lab, _) = profiles(PASSWORD).await;
        let refused = Account::refused(READER, refusal);
        lab.simulator.set_accounts(vec![refused]);
        lab.sync(77).await;
        assert_eq!(binds(&lab), 1, "{refusal:?}: sync");
        lab.connector.run(&["check"]).await.ended_with(77);
        assert_eq!(binds(&lab), 2, "{refusal:?}: check");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r40_an_operator_may_ask_but_three_attempts_an_hour_are_the_most() {
    let (mut lab, _) = profiles("wrong").await;
    lab.set("SYNC_CRON", NEVER);
    lab.set("HTTP_LISTEN", "127.0.0.1:0");
    lab.set("HTTP_TOKEN", TOKEN);
    let mut served = Served::start(&lab.connector).await;
    served.service.said_times("The run finished", PROFILES).await;
    assert_eq!(binds(&lab), 1);
    for (asked, expected) in [2, 3, 3, 3].into_iter().enumerate() {
        let path = format!("/api/v1/connections/corp.p{}/sync", asked + 1);
        let request = served
            .request(Method::POST, &path)
            .bearer_auth(TOKEN)
            .json(&json!({"mode": "delta"}));
        served.send(request).await.with(202);
        served
            .service
            .said_times("The run finished", PROFILES + 1 + asked)
            .await;
        assert_eq!(binds(&lab), expected, "{asked}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r40_a_service_whose_password_is_changed_in_the_directory_tries_the_old_one_once_more() {
    let (mut lab, _) = profiles(PASSWORD).await;
    // With several connections a baseline binds more often.
    lab.set("AD_PARALLEL_READS", "3");
    let mut service = lab.connector.watch(&["run"]);
    service.said_times("The run finished", 2 * PROFILES).await;
    let refused = |log: &str| log.matches("is put off until").count();
    assert_eq!(refused(&service.log()), 0);
    let changed = Account {
        password: "another".to_owned(),
        ..Account::reader()
    };
    lab.simulator.set_accounts(vec![changed]);
    service.said_times("is put off until", 4 * PROFILES).await;
    let log = service.stopped_with(0).await.stderr;
    // A password that worked within the last minute is tried side by side.
    let judged = log
        .lines()
        .filter(|line| line.contains("ERROR") && !line.contains("is put off until"));
    let judged = judged.filter(|line| line.contains("data 52e")).count();
    assert!((1..=3).contains(&judged), "{judged}:\n{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r40_what_was_not_judged_is_tried_again_at_the_next_tick() {
    let (lab, _) = profiles(PASSWORD).await;
    lab.simulator.faults().always(On::Bind, Action::Cut);
    let mut service = lab.connector.watch(&["run"]);
    service.said_times("The run finished", 2 * PROFILES).await;
    lab.simulator.faults().clear();
    service.said_times("state=\"Processed\"", PROFILES).await;
    lab.assert_converged();
    assert!(!service.log().contains("is put off until"));
    service.stopped_with(0).await;
}
