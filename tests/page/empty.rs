//! A service without any connection, and a directory and a gateway for one.

use std::fs;

use crate::stage::{Stage, set};
use crate::support::simulated::Simulated;

/// `SECRETS_KEY`: 32 octets in base64.
pub const KEY: &str = "c2l4dGVlbiBvY3RldHMsIGFuZCBzaXh0ZWVuIG1vcmU=";

/// Variables that a connection of the page has in its body.
const OF_A_CONNECTION: [&str; 10] = [
    "AD_HOST",
    "AD_PORT",
    "AD_BIND_DN",
    "AD_PASSWORD",
    "AD_CERTIFICATE",
    "AD_PAGE_SIZE",
    "SYNC_CRON",
    "BASELINE_CRON",
    "SYNC_ON_START",
    "AD_BASE_CONTEXT",
];

/// A directory that no connection leads to yet.
pub struct UnusedDirectory {
    /// Port of LDAPS on 127.0.0.1.
    pub port: String,
    /// CA certificate in PEM.
    pub authority: String,
    /// Bind name.
    pub account: String,
    /// Its password.
    pub password: String,
}

impl UnusedDirectory {
    /// Takes the directory of `lab` out of its environment.
    pub async fn taken_from(lab: Simulated) -> (Simulated, Self) {
        let mut lab = set(lab).await;
        let environment = lab.connector.clone_environment();
        let directory = Self {
            port: environment["AD_PORT"].clone(),
            authority: fs::read_to_string(&environment["AD_CERTIFICATE"]).unwrap(),
            account: environment["AD_BIND_DN"].clone(),
            password: environment["AD_PASSWORD"].clone(),
        };
        for name in OF_A_CONNECTION {
            lab.unset(name);
        }
        lab.set("SECRETS_KEY", KEY);
        lab.set("HTTP_ALLOW_LOOPBACK_TARGETS", "true");
        lab.set("HTTP_TARGET_PORTS", &directory.port);
        (lab, directory)
    }
}

impl Stage {
    /// Starts the service, which has no connection to schedule.
    pub async fn start_empty(lab: Simulated) -> Self {
        let origin = format!("http://{}", lab.connector.clone_environment()["HTTP_LISTEN"]);
        let mut service = lab.connector.watch(&["run"]);
        service.said("the service started").await;
        Self { lab, service, origin }
    }
}
