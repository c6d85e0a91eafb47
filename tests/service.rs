//! The service over time: states, schedule, signals, kills, two processes at once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lab::receiver::Answer;
use lab::simulator::{Action, On, Outcome};
use support::simulated::Simulated;

/// A schedule that is due every second, and one that is not due while a test runs, unless that is on New Year's Eve.
const EVERY_SECOND: &str = "* * * * * *";
const NEVER: &str = "59 59 23 31 12 *";

/// As [`Simulated::new`], with these schedules.
async fn scheduled(cron: &str, on_start: bool) -> Simulated {
    let mut lab = Simulated::new().await;
    lab.set("SYNC_CRON", cron);
    lab.set("BASELINE_CRON", "off");
    lab.set("SYNC_ON_START", if on_start { "true" } else { "false" });
    lab
}

/// The directory answers the `nth` search from now only after something was sent, or the sender dropped.
fn hold(lab: &Simulated, nth: usize) -> Sender<()> {
    let (open, held) = channel();
    let held = Mutex::new(held);
    let wait = move || {
        // Nothing comes when the test is over: then go on.
        let _ = tokio::task::block_in_place(|| held.lock().unwrap().recv());
    };
    lab.simulator
        .faults()
        .at(On::Search, nth, Action::Run(Arc::new(wait)));
    open
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_four_states_follow_each_other_and_survive_a_restart() {
    let mut lab = scheduled(NEVER, true).await;
    // Registered, and no further, while another process holds the connection.
    let lock = lab.connector.folder().join("state.db.1.lock");
    let lock = std::fs::File::create(lock).unwrap();
    lock.lock().unwrap();
    lab.sync(4).await;
    assert_eq!(lab.status().await["state"], "Registered");
    drop(lock);

    let open = hold(&lab, 2);
    let mut service = lab.connector.watch(&["run"]);
    service.said("connection is scheduled").await;
    service.said("reading the directory").await;
    let status = lab.status().await;
    assert_eq!(status["state"], "Processing", "{status}");
    assert_eq!(status["lastSynced"], serde_json::Value::Null);
    open.send(()).unwrap();
    service.said("run finished").await;
    lab.assert_converged();
    let status = lab.status().await;
    assert_eq!(status["state"], "Processed", "{status}");
    assert!(
        status["nextSync"].as_str().unwrap().ends_with("-12-31T23:59:59Z"),
        "{status}"
    );
    assert_eq!(status["lastSynced"], status["lastSuccessfulSync"]);
    assert_eq!(status["runFrequency"], NEVER);
    service.stopped_with(0).await;
    assert_eq!(lab.status().await["state"], "Processed");

    lab.set("SYNC_ON_START", "false");
    let mut service = lab.connector.watch(&["run"]);
    service.said("connection is scheduled").await;
    assert_eq!(lab.status().await["state"], "Scheduled");
    let outcome = service.stopped_with(0).await;
    assert!(
        !outcome.stderr.contains("run started"),
        "SYNC_ON_START=false waits:\n{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("service stopped"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_arrive_by_themselves() {
    let lab = scheduled(EVERY_SECOND, false).await;
    let mut service = lab.connector.watch(&["run"]);
    lab.receiver.arrived(3).await;
    service.said("run finished").await;
    lab.assert_converged();
    lab.receiver.reset();
    lab.directory()
        .set_text(lab.users()[0], "mail", "new@corp.example");
    lab.receiver.arrived(1).await;
    let outcome = service.stopped_with(0).await;
    assert_eq!(lab.receiver.assets().len(), 1);
    assert!(outcome.stderr.contains("delta schedule"), "{}", outcome.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_failed_run_is_scheduled_again_with_its_error_and_the_next_one_clears_it() {
    let lab = scheduled(NEVER, true).await;
    let busy = Outcome::error(51, "the server is busy\0");
    lab.at_users_page(2, Action::Answer(busy));
    let mut service = lab.connector.watch(&["run"]);
    service.said("run finished").await;
    let status = lab.status().await;
    assert_eq!(status["state"], "Scheduled");
    assert!(status["lastError"].as_str().unwrap().contains("51"), "{status}");
    assert_eq!(status["lastSuccessfulSync"], serde_json::Value::Null);
    assert!(status["lastSynced"].is_string(), "{status}");
    // By hand, beside the service.
    lab.sync(0).await;
    let status = lab.status().await;
    assert_eq!(
        (&status["state"], &status["lastError"]),
        (&"Processed".into(), &serde_json::Value::Null)
    );
    lab.assert_converged();
    service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_schedule_gets_over_a_failed_run_by_itself() {
    let lab = scheduled(EVERY_SECOND, true).await;
    lab.simulator.faults().at(On::Connect, 1, Action::Cut);
    lab.receiver.script([Answer::status(400)]);
    let mut service = lab.connector.watch(&["run"]);
    lab.receiver.arrived(4).await;
    service.said_times("run finished", 3).await;
    service.stopped_with(0).await;
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r26_sigterm_during_a_read_ends_at_once_and_keeps_what_was_staged() {
    let lab = scheduled(NEVER, true).await;
    // The third page never comes.
    lab.at_users_page(3, Action::Silence);
    let service = lab.connector.watch(&["run"]);
    lab.receiver.arrived(1).await;
    service.signal("TERM").await;
    let (outcome, took) = service.ended_within(Duration::from_secs(25)).await;
    let outcome = outcome.ended_with(0);
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(outcome.stderr.contains("SIGTERM"), "{}", outcome.stderr);
    lab.assert_last_run("baseline", "no read").await;
    assert_eq!(lab.last_run().await["outcome"], "stopped");
    let had = lab.receiver.assets().len();
    assert!(had >= 100);
    lab.receiver.reset();
    lab.sync(0).await;
    assert_eq!(
        lab.receiver.assets().len(),
        250 - had,
        "what was accepted is not sent again"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r26_sigterm_during_a_request_that_hangs_ends_within_25_s_and_keeps_what_was_staged() {
    let lab = scheduled(NEVER, true).await;
    lab.receiver.script([Answer::Hang(Duration::from_secs(300))]);
    let service = lab.connector.watch(&["run"]);
    lab.receiver.arrived(1).await;
    service.signal("TERM").await;
    let (outcome, took) = service.ended_within(Duration::from_secs(25)).await;
    outcome.ended_with(0);
    assert!(
        took > Duration::from_secs(15),
        "the request got its 20 s: {took:?}"
    );
    lab.receiver.reset();
    lab.sync(0).await;
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r26_an_answer_that_comes_after_the_signal_counts() {
    let lab = scheduled(NEVER, true).await;
    lab.receiver.script([Answer::Slow(Duration::from_secs(2))]);
    let service = lab.connector.watch(&["run"]);
    lab.receiver.arrived(1).await;
    service.stopped_with(0).await;
    assert_eq!(lab.receiver.assets().len(), 100);
    lab.receiver.reset();
    lab.sync(0).await;
    assert_eq!(lab.receiver.assets().len(), 150, "the hundred are not sent again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r26_a_long_pause_or_a_dead_directory_does_not_hold_up_the_end() {
    let lab = scheduled(NEVER, true).await;
    lab.receiver
        .script([Answer::with_header(429, "Retry-After", "600")]);
    let mut service = lab.connector.watch(&["run"]);
    service.said("asks for a pause").await;
    service.signal("TERM").await;
    let (outcome, took) = service.ended_within(Duration::from_secs(25)).await;
    outcome.ended_with(0);
    assert!(took < Duration::from_secs(10), "{took:?}");

    lab.receiver.reset();
    lab.simulator.faults().at(On::Connect, 1, Action::Silence);
    let mut service = lab.connector.watch(&["run"]);
    service.said("run started").await;
    lab.simulator.faults().happened().await;
    service.signal("INT").await;
    let (outcome, took) = service.ended_within(Duration::from_secs(25)).await;
    let outcome = outcome.ended_with(0);
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(outcome.stderr.contains("Ctrl-C"));
    lab.sync(0).await;
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r26_a_sync_stopped_by_a_signal_ends_with_its_number() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let lab = Simulated::new().await;
        lab.at_users_page(3, Action::Silence);
        let sync = lab.connector.watch(&["sync"]);
        lab.receiver.arrived(1).await;
        sync.signal(signal).await;
        let outcome = sync.ended().await.ended_with(code);
        assert!(
            outcome.stderr.contains("stopped by a signal"),
            "{}",
            outcome.stderr
        );
        lab.sync(0).await;
        lab.assert_converged();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r20_killed_while_processing_the_next_start_resumes_and_converges() {
    let lab = scheduled(NEVER, false).await;
    lab.receiver
        .script([Answer::Accept, Answer::Hang(Duration::from_secs(300))]);
    let sync = lab.connector.watch(&["sync", "--baseline"]);
    lab.receiver.arrived(2).await;
    sync.killed().await;
    assert_eq!(lab.status().await["state"], "Processing");
    // What arrives now is what the killed one had not settled.
    let mut service = lab.connector.watch(&["run"]);
    service.said("a run that was interrupted is resumed").await;
    service.said("run finished").await;
    let outcome = service.stopped_with(0).await;
    assert_eq!(outcome.stderr.matches("run started").count(), 1);
    lab.assert_converged();
    assert_eq!(lab.receiver.violations(), Vec::<String>::new());
    let runs = lab.connector.succeed(&["runs"]).await.stdout;
    assert!(
        runs.contains("the process ended in the middle of the run"),
        "{runs}"
    );
    assert_eq!(
        lab.last_run().await["mode"],
        "baseline",
        "it was a baseline that was interrupted"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r21_a_second_process_ends_with_4_and_names_the_first() {
    let lab = scheduled(NEVER, true).await;
    let open = hold(&lab, 2);
    let mut service = lab.connector.watch(&["run"]);
    service.said("reading the directory").await;
    let outcome = lab.sync(4).await;
    assert!(
        outcome.stderr.contains(&format!("process {} on ", service.id())),
        "{}",
        outcome.stderr
    );
    lab.connector.succeed(&["sync", "--dry-run"]).await;
    open.send(()).unwrap();
    service.said("run finished").await;
    lab.assert_converged();
    service.stopped_with(0).await;
    assert_eq!(
        lab.connector
            .succeed(&["runs", "--json"])
            .await
            .stdout
            .lines()
            .count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r25_ticks_inside_a_long_run_are_skipped_and_counted() {
    let lab = scheduled(EVERY_SECOND, true).await;
    let open = hold(&lab, 2);
    let mut service = lab.connector.watch(&["run"]);
    service.said("reading the directory").await;
    tokio::time::sleep(Duration::from_millis(3_200)).await;
    open.send(()).unwrap();
    service.said("ticks that fell into it are skipped").await;
    let outcome = service.stopped_with(0).await;
    let skipped = lab.status().await["skippedTicks"].as_u64().unwrap();
    assert!((3..=60).contains(&skipped), "{skipped}:\n{}", outcome.stderr);
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r25_a_run_missed_while_the_service_was_down_is_made_up_once() {
    let mut lab = scheduled(EVERY_SECOND, false).await;
    let mut service = lab.connector.watch(&["run"]);
    service.said("run finished").await;
    service.stopped_with(0).await;
    let next =
        chrono::DateTime::parse_from_rfc3339(lab.status().await["nextSync"].as_str().unwrap()).unwrap();
    let left = next.to_utc() - chrono::Utc::now() + chrono::TimeDelta::milliseconds(10);
    tokio::time::sleep(left.to_std().unwrap_or_default()).await;
    lab.directory()
        .set_text(lab.users()[0], "mail", "new@corp.example");
    lab.set("SYNC_CRON", NEVER);
    let mut service = lab.connector.watch(&["run"]);
    service.said("missed while the service was down").await;
    service.said("run finished").await;
    lab.assert_converged();
    let outcome = service.stopped_with(0).await;
    assert_eq!(outcome.stderr.matches("run started").count(), 1);
}

/// libfaketime of Debian's package faketime; it lets a process have a clock of its own.
const FAKE_CLOCK: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r29_the_next_run_is_shown_as_it_is_after_the_clock_was_set_back() {
    if !std::path::Path::new(FAKE_CLOCK).exists() {
        lab::skip!("libfaketime is missing: apt-get install faketime");
    }
    let mut lab = scheduled("0 */6 * * *", false).await;
    lab.set("BASELINE_CRON", "0 0 * * SUN");
    let clock = lab.connector.folder().join("clock");
    std::fs::write(&clock, "+0d\n").unwrap();
    for (name, value) in [
        ("LD_PRELOAD", FAKE_CLOCK),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ] {
        lab.set(name, value);
    }
    let mut service = lab.connector.watch(&["run"]);
    lab.unset("LD_PRELOAD");
    service.said("connection is scheduled").await;
    let before = lab.status().await;
    std::fs::write(&clock, "-8d\n").unwrap();
    service.said("clock was set back").await;
    let after = lab.status().await;
    let time = |status: &serde_json::Value, key: &str| {
        let text = status[key].as_str().unwrap();
        chrono::DateTime::parse_from_rfc3339(text).unwrap()
    };
    let days = |key| (time(&before, key) - time(&after, key)).num_hours();
    assert!((186..=198).contains(&days("nextSync")), "{before}\n{after}");
    assert!(days("nextBaseline") >= 168, "{before}\n{after}");
    let outcome = service.stopped_with(0).await;
    assert_eq!(outcome.stderr.matches("clock was set back").count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_baseline_has_its_own_schedule() {
    let mut lab = scheduled(NEVER, false).await;
    lab.set("BASELINE_CRON", EVERY_SECOND);
    let mut service = lab.connector.watch(&["run"]);
    service.said_times("run finished", 2).await;
    service.stopped_with(0).await;
    lab.assert_converged();
    assert_eq!(lab.receiver.summary().assets_received, 250);
    lab.assert_last_run("baseline", "baseline schedule").await;
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Status line of `GET path`.
async fn get(port: u16, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_service_tells_over_http_that_it_lives() {
    let mut lab = scheduled(NEVER, false).await;
    let port = free_port();
    lab.set("HTTP_LISTEN", &format!("127.0.0.1:{port}"));
    lab.connector
        .run(&["healthcheck"])
        .await
        .ended_with(69)
        .said(&["does not answer", "ad-connector run"]);
    let mut service = lab.connector.watch(&["run"]);
    service.said("connection is scheduled").await;
    for path in ["/live", "/ready"] {
        assert_eq!(get(port, path).await, "HTTP/1.1 200 OK", "{path}");
    }
    assert!(get(port, "/no-such-page").await.contains("404"));
    lab.connector.succeed(&["healthcheck"]).await;

    service.stopped_with(0).await;
    lab.connector.run(&["healthcheck"]).await.ended_with(69);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_http_the_health_is_read_from_the_state() {
    let lab = scheduled(NEVER, true).await;
    lab.connector.run(&["healthcheck"]).await.ended_with(69);
    lab.sync(0).await;
    lab.connector.succeed(&["healthcheck"]).await;
}
