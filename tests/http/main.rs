//! What the service answers over HTTP: the API and its document, who may ask what, events, metrics.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/described.rs"]
mod described;

mod access;
mod changes;
mod document;
mod hostile;
mod inventory;
mod metrics;
mod names;

use support::Connector;
use support::http::{READ_TOKEN, Served, TOKEN};
use support::simulated::Simulated;

/// A schedule that is not due while a test runs, unless that is on New Year's Eve.
const NEVER: &str = "59 59 23 31 12 *";

/// Where the connection of the tests is.
const CONNECTION: &str = "/api/v1/connections/active-directory";

/// A directory that was synced once, and the service, which listens on loopback, takes the token and waits.
async fn served() -> (Simulated, Served) {
    let mut lab = Simulated::new().await;
    quiet(&mut lab);
    lab.sync(0).await;
    let served = Served::start(&lab.connector).await;
    (lab, served)
}

/// No run begins by itself.
fn quiet(lab: &mut Simulated) {
    for (name, value) in [
        ("SYNC_CRON", NEVER),
        ("BASELINE_CRON", "off"),
        ("SYNC_ON_START", "false"),
        ("HTTP_LISTEN", "127.0.0.1:0"),
        ("HTTP_TOKEN", TOKEN),
        ("HTTP_READ_TOKEN", READ_TOKEN),
    ] {
        lab.set(name, value);
    }
}

/// The history by the command, newest first.
async fn history(connector: &Connector) -> Vec<serde_json::Value> {
    let text = connector.succeed(&["runs", "--json"]).await.stdout;
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
