//! `NOTIFY_URL`: one message when something begins to need a person, one when that is over, and the
//! URL nowhere.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{Datelike as _, TimeDelta, Utc};
use lab::certificates::{Authority, Shape};
use lab::receiver;
use lab::simulator::{self, Directory, PASSWORD, Simulator, Tls};
use serde_json::Value;
use support::simulated::{PEOPLE, Simulated};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Part of the path of the webhook, by which it would be recognised.
const SECRET: &str = "T0815-webhook-secret";
const NEVER: &str = "59 59 23 31 12 *";

/// A webhook that answers with a status and keeps what it gets.
struct Hook {
    url: String,
    status: Arc<Mutex<u16>>,
    got: Arc<Mutex<Vec<Value>>>,
}

impl Hook {
    async fn start() -> Hook {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "http://{}/services/{SECRET}?sig={SECRET}",
            listener.local_addr().unwrap()
        );
        let (status, got) = (Arc::new(Mutex::new(200)), Arc::default());
        let hook = Hook {
            url,
            status: Arc::clone(&status),
            got: Arc::clone(&got),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&status), Arc::clone(&got)));
            }
        });
        hook
    }

    /// Events with their state, in the order in which they came.
    fn events(&self) -> Vec<String> {
        let text = |message: &Value, key: &str| message[key].as_str().unwrap().to_owned();
        let got = self.got.lock().unwrap();
        got.iter()
            .map(|message| format!("{} {}", text(message, "event"), text(message, "state")))
            .collect()
    }

    /// Waits until as many messages came, and then whether more do.
    async fn settled(&self, count: usize) -> Vec<String> {
        for _ in 0..600 {
            if self.events().len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        self.events()
    }
}

/// Answers the requests of one connection.
async fn answer(mut stream: TcpStream, status: Arc<Mutex<u16>>, got: Arc<Mutex<Vec<Value>>>) {
    let mut octets = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&octets).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok())
                .unwrap_or(0_usize);
            if body.len() >= length {
                assert!(head.starts_with("POST /services/") && head.contains("application/json"));
                let status = *status.lock().unwrap();
                if status == 200 {
                    got.lock().unwrap().push(serde_json::from_str(body).unwrap());
                }
                let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
                octets.clear();
            }
        }
        let mut part = [0; 4096];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(read) => octets.extend_from_slice(&part[..read]),
        }
    }
}

async fn lab(hook: &Hook) -> Simulated {
    let mut lab = Simulated::new().await;
    lab.set("NOTIFY_URL", &hook.url);
    lab.set("LOG_LEVEL", "trace");
    lab.set("SYNC_CRON", NEVER);
    lab.set("BASELINE_CRON", "off");
    lab.set("SYNC_ON_START", "false");
    lab
}

#[tokio::test(flavor = "multi_thread")]
async fn check_sends_a_test_and_says_when_it_is_not_taken() {
    let hook = Hook::start().await;
    let lab = lab(&hook).await;
    let outcome = lab.connector.succeed(&["check"]).await;
    assert!(!outcome.text().contains(SECRET), "R27: {}", outcome.text());
    outcome.said(&["ok      webhook"]);
    assert_eq!(hook.events(), ["test test"]);
    assert!(
        hook.got.lock().unwrap()[0]["text"]
            .as_str()
            .unwrap()
            .contains("test")
    );
    for (status, word) in [(404, "status 404"), (503, "status 503")] {
        *hook.status.lock().unwrap() = status;
        let outcome = lab.connector.run(&["check"]).await.ended_with(69);
        assert!(!outcome.text().contains(SECRET), "R27: {}", outcome.text());
        outcome.said(&["FAILED  webhook", word, "NOTIFY_URL"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_would_go_out_unencrypted_is_refused_without_showing_it() {
    let hook = Hook::start().await;
    let mut lab = lab(&hook).await;
    for url in [
        format!("http://hooks.example/{SECRET}"),
        format!("ftp://127.0.0.1/{SECRET}"),
        SECRET.to_owned(),
    ] {
        lab.set("NOTIFY_URL", &url);
        let outcome = lab.connector.run(&["check"]).await.ended_with(64);
        assert!(!outcome.text().contains(SECRET), "R27: {}", outcome.text());
        outcome.said(&["NOTIFY_URL: "]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn refused_credentials_and_failed_runs_are_told_once_and_their_end_after_a_restart() {
    let hook = Hook::start().await;
    let mut lab = lab(&hook).await;
    lab.set("SYNC_CRON", "* * * * * *");
    lab.set("AD_PASSWORD", "wrong");
    let mut service = lab.connector.watch(&["run"]);
    service.said_times("The run finished", 6).await;
    let mut events = hook.settled(2).await;
    events.sort();
    assert_eq!(events, ["credentials_refused begun", "runs_failed begun"]);
    let log = service.stopped_with(0).await.stderr;
    assert!(!log.contains(SECRET), "R27");

    // Still so after a restart: nothing new. Then it works again.
    let service = lab.connector.watch(&["run"]);
    assert_eq!(hook.settled(2).await.len(), 2);
    service.stopped_with(0).await;
    lab.set("AD_PASSWORD", PASSWORD);
    let service = lab.connector.watch(&["run"]);
    let mut events = hook.settled(4).await.split_off(2);
    events.sort();
    assert_eq!(events, ["credentials_refused over", "runs_failed over"]);
    service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r23_held_removals_are_told_once_and_again_when_they_are_through() {
    let hook = Hook::start().await;
    let lab = lab(&hook).await;
    lab.sync(0).await;
    for user in lab.users().into_iter().take(60) {
        lab.directory().delete(user);
    }
    lab.connector.run(&["sync", "--baseline"]).await.ended_with(3);
    let service = lab.connector.watch(&["run"]);
    assert_eq!(hook.settled(1).await, ["removals_held begun"]);
    let message = hook.got.lock().unwrap()[0].clone();
    assert_eq!(message["connection"], "active-directory");
    assert!(message["text"].as_str().unwrap().contains("approve"), "{message}");
    service.stopped_with(0).await;
    lab.connector.succeed(&["approve-removals"]).await;
    let service = lab.connector.watch(&["run"]);
    assert_eq!(
        hook.settled(2).await,
        ["removals_held begun", "removals_held over"]
    );
    service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r33_a_baseline_that_is_too_old_is_told_once_and_its_successor() {
    let hook = Hook::start().await;
    let mut lab = lab(&hook).await;
    lab.sync(0).await;
    let complete = |days_ago: i64| {
        let at = (Utc::now() - TimeDelta::days(days_ago)).timestamp();
        let file = rusqlite::Connection::open(lab.connector.folder().join("state.db")).unwrap();
        let rows = file
            .execute("UPDATE connection SET last_baseline = $1", [at])
            .unwrap();
        assert_eq!(rows, 1);
    };
    // Two ticks of a daily schedule, and a day.
    complete(4);
    // A time of day that is not within the next minutes, so that no baseline begins by itself.
    let later = Utc::now() + TimeDelta::hours(6);
    lab.set("BASELINE_CRON", &format!("0 {} * * *", later.format("%H")));
    let service = lab.connector.watch(&["run"]);
    assert_eq!(hook.settled(1).await, ["baseline_old begun"]);
    service.stopped_with(0).await;
    lab.connector.succeed(&["sync", "--baseline"]).await;
    let service = lab.connector.watch(&["run"]);
    assert_eq!(hook.settled(2).await, ["baseline_old begun", "baseline_old over"]);
    service.stopped_with(0).await;
}

/// The certificate of a server at 127.0.0.1 that ends in `days`.
fn ending_in(authority: &Authority, days: i64) -> lab::certificates::ServerCertificate {
    let end = Utc::now() + TimeDelta::days(days);
    let part = |number: u32| u8::try_from(number).unwrap();
    authority.server(
        &["127.0.0.1"],
        Shape::Until(end.year(), part(end.month()), part(end.day())),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn certificates_that_end_soon_are_told_of_and_their_renewal() {
    let hook = Hook::start().await;
    let authority = Authority::new("Lab Authority");
    let presented = ending_in(&authority, 10);
    let mut lab = Simulated::with(
        simulator::Options {
            directory: Directory::new("corp.example", PEOPLE),
            ..Default::default()
        },
        receiver::Options {
            tls: Some((presented.cert_pem.clone(), presented.key_pem.clone())),
            ..Default::default()
        },
    )
    .await;
    let root = authority.write(lab.connector.folder());
    for (name, value) in [
        ("NOTIFY_URL", hook.url.as_str()),
        ("AD_CERTIFICATE", root.to_str().unwrap()),
        ("QUALYS_CA_CERTIFICATE", root.to_str().unwrap()),
        ("SYNC_CRON", NEVER),
        ("BASELINE_CRON", "off"),
    ] {
        lab.set(name, value);
    }
    let controller = |certificate: &lab::certificates::ServerCertificate| {
        Simulator::start(simulator::Options {
            directory: lab.directory().clone(),
            tls: Tls::Ldaps(certificate.server_config()),
            ..Default::default()
        })
    };
    let (soon, renewed) = (controller(&presented), controller(&ending_in(&authority, 300)));
    for (simulator, told) in [
        (
            &soon,
            ["controller_certificate begun", "gateway_certificate begun"].as_slice(),
        ),
        (&renewed, &["controller_certificate over"]),
    ] {
        let before = hook.events().len();
        lab.set("AD_PORT", &simulator.addr().port().to_string());
        let service = lab.connector.watch(&["run"]);
        let mut events = hook.settled(before + told.len()).await.split_off(before);
        events.sort();
        assert_eq!(events, told);
        service.stopped_with(0).await;
    }
    let text = hook.got.lock().unwrap()[0]["text"].as_str().unwrap().to_owned();
    assert!(text.contains("127.0.0.1 ends in 9 days"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_webhook_that_takes_nothing_holds_up_no_run() {
    let hook = Hook::start().await;
    *hook.status.lock().unwrap() = 500;
    let mut lab = lab(&hook).await;
    lab.set("SYNC_CRON", "* * * * * *");
    lab.sync(0).await;
    for user in lab.users().into_iter().take(60) {
        lab.directory().delete(user);
    }
    lab.connector.run(&["sync", "--baseline"]).await.ended_with(3);
    let mut service = lab.connector.watch(&["run"]);
    service.said("did not accept a message").await;
    service.said_times("The run finished", 5).await;
    // Longer than three attempts take.
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert!(hook.events().is_empty());
    let log = service.stopped_with(0).await.stderr;
    assert!(!log.contains(SECRET), "R27");
    assert_eq!(
        log.matches("did not accept a message").count(),
        1,
        "not again for a while"
    );
}
