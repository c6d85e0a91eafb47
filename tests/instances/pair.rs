//! Two instances on one PostgreSQL database, with a way to the database for each that can be cut.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use lab::postgres::{Bouncer, Server};
use lab::proxy::Proxy;
use lab::simulator::{self, Directory, PASSWORD, People};

use crate::support::http::TOKEN;
use crate::support::service::Service;
use crate::support::simulated::Simulated;

/// Few enough that a run takes less than the pause between two.
const PEOPLE: People = People {
    seed: 11,
    users: 120,
    groups: 10,
    computers: 5,
};

/// Time until a change has arrived, whatever happens: a lease that ends, a look, a run.
pub const ARRIVES_WITHIN: Duration = Duration::from_secs(60);

/// Time in which a process that was started listens to signals, on a machine that is busy.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// `QUALYS_BATCH_ASSETS`.
pub const BATCH: usize = 20;

/// `REMOVAL_MAX_COUNT`: a list of more users is held back.
pub const REMOVED_AT_ONCE: usize = 8;

/// Key below `asset.assetDetail` that marks the asset of an object that is gone.
pub const REMOVED: &str = "lifecycle";

/// `INSTANCE_NAME` of each.
pub const NAMES: [&str; 2] = ["one", "two"];

/// libfaketime of Debian's package faketime; it gives a process a clock of its own.
const FAKE_CLOCK: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// Database, two ways to it, and what shares it.
pub struct Pair {
    pub lab: Simulated,
    pub bouncer: Bouncer,
    pub server: Server,
    pub database: String,
    pub ways: [Proxy; 2],
    pub services: [Option<Service>; 2],
    started: [Instant; 2],
    /// Hours by which the clock of each is wrong, from its next start on.
    pub clocks: [i32; 2],
    /// The database demands TLS.
    pub is_encrypted: bool,
    client: reqwest::Client,
}

/// Log of an instance.
pub struct LogText(String);

impl LogText {
    /// Checks that each of these is in it.
    #[track_caller]
    pub fn said(&self, words: &[&str]) {
        for word in words {
            assert!(self.0.contains(word), "{word} is not in the log:\n{}", self.0);
        }
    }
}

/// Runs what blocks, while the other tasks of the runtime go on.
pub fn blocking<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

/// Returns a client for the API.
pub fn client() -> reqwest::Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
    client.timeout(Duration::from_secs(30)).build().unwrap()
}

/// Sends a request to an instance; gives status and body, or `None` where nobody answers.
pub async fn ask(request: reqwest::RequestBuilder) -> Option<(u16, String)> {
    let response = request.bearer_auth(TOKEN).send().await.ok()?;
    Some((response.status().as_u16(), response.text().await.ok()?))
}

impl Pair {
    /// Sets everything up, and starts no instance.
    pub async fn new() -> Self {
        let directory = Directory::new("corp.example", PEOPLE);
        let directory = simulator::Options {
            directory,
            ..Default::default()
        };
        let mut lab = Simulated::with(directory, Default::default()).await;
        lab.connector.unaudited("its state is no file");
        let server = blocking(|| Server::start(true));
        let database = blocking(|| server.create_database());
        let address = SocketAddr::from((server.address, server.port));
        // The second goes through a pooler.
        let bouncer = blocking(|| server.pooled());
        let ways = [Proxy::start(address).await, Proxy::start(bouncer.address).await];
        let mapping = lab.connector.folder().join("mapping.toml");
        let table = include_str!("../../config/mapping.toml");
        let removed = format!("{table}\n[removed]\nasset.assetDetail.{REMOVED} = \"REMOVED\"\n");
        std::fs::write(&mapping, removed).unwrap();
        for (name, value) in [
            // It reads Deleted Objects, so a delta notices what was deleted.
            ("AD_BIND_DN", "administrator@corp.example"),
            ("AD_PASSWORD", PASSWORD),
            ("SYNC_CRON", "* * * * * *"),
            ("BASELINE_CRON", "off"),
            ("SYNC_ON_START", "true"),
            ("QUALYS_BATCH_ASSETS", &BATCH.to_string()),
            ("MAPPING_FILE", mapping.to_str().unwrap()),
            ("REMOVED_OBJECTS", "send"),
            ("REMOVAL_LAG", "0s"),
            ("REMOVAL_MAX_COUNT", &REMOVED_AT_ONCE.to_string()),
            ("REMOVAL_MAX_PERCENT", "100"),
            ("HTTP_TOKEN", TOKEN),
            ("LOG_LEVEL", "warn"),
        ] {
            lab.set(name, value);
        }
        Self {
            lab,
            bouncer,
            server,
            database,
            ways,
            services: [None, None],
            started: [Instant::now(); 2],
            clocks: [0, 0],
            is_encrypted: false,
            client: client(),
        }
    }

    /// Address of an instance for the API. It is of its own, so that no connection that goes out
    /// takes its port.
    fn listens_at(&self, which: usize) -> SocketAddr {
        let [high, low] = self.ways[which].address.port().to_be_bytes();
        SocketAddr::from((Ipv4Addr::new(127, 101, high, low), 8080))
    }

    /// Returns the URL of a path of the API of an instance.
    pub fn url(&self, which: usize, path: &str) -> String {
        format!("http://{}{path}", self.listens_at(which))
    }

    /// Lets the commands that are started next be an instance.
    pub fn point_to(&mut self, which: usize) {
        let url = self
            .server
            .tcp_url(self.ways[which].address.port(), &self.database);
        let url = if self.is_encrypted {
            url.replace("?sslmode=disable", "")
        } else {
            url
        };
        let listen = self.listens_at(which).to_string();
        self.lab.set("STATE_URL", &url);
        self.lab.set("INSTANCE_NAME", NAMES[which]);
        self.lab.set("HTTP_LISTEN", &listen);
    }

    /// Starts an instance that does not run.
    pub fn start(&mut self, which: usize) {
        if self.services[which].is_some() {
            return;
        }
        self.point_to(which);
        let hours = self.clocks[which];
        if hours == 0 {
            self.lab.unset("LD_PRELOAD");
        } else {
            self.lab.set("LD_PRELOAD", FAKE_CLOCK);
            self.lab.set("FAKETIME", &format!("{hours:+}h"));
            self.lab.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        self.services[which] = Some(self.lab.connector.watch(&["run"]));
        self.started[which] = Instant::now();
        self.lab.unset("LD_PRELOAD");
    }

    /// Sends a signal to an instance: `KILL`, `TERM`, `STOP`, `CONT`, `HUP`.
    pub async fn signal(&self, which: usize, name: &str) {
        self.services[which].as_ref().unwrap().signal(name).await;
    }

    /// Length of what an instance has logged.
    pub fn logged(&self, which: usize) -> usize {
        self.services[which].as_ref().unwrap().log().len()
    }

    /// Waits until an instance has logged `text` after the first `from` octets, and returns what it
    /// logged since.
    pub async fn says(&self, which: usize, from: usize, text: &str) -> LogText {
        let begun = Instant::now();
        loop {
            let log = self.services[which].as_ref().unwrap().log()[from..].to_owned();
            if log.contains(text) {
                return LogText(log);
            }
            assert!(
                begun.elapsed() < ARRIVES_WITHIN,
                "{text} is not logged\n{}",
                self.told()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until a query has this result.
    pub async fn counts(&self, query: &str, result: &str) {
        let begun = Instant::now();
        while self.try_query(query) != result {
            assert!(begun.elapsed() < ARRIVES_WITHIN, "{query}\n{}", self.told());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Gives the first user another name.
    pub fn rename_first(&self, name: &str) {
        let user = self.lab.users()[0];
        self.lab.directory().set_text(user, "displayName", name);
    }

    /// Ends an instance by a signal. One that is asked to stop must do so with 0 (R26), unless it
    /// was only about to start, and did not listen to signals yet.
    pub async fn end(&mut self, which: usize, signal: &str) {
        self.signal(which, signal).await;
        let service = self.services[which].take().unwrap();
        let is_starting = self.started[which].elapsed() < STARTS_WITHIN;
        let outcome = service.ended().await;
        let has_died = outcome.code.is_none() && (signal == "KILL" || is_starting);
        if !has_died {
            outcome.ended_with(0);
        }
    }

    /// Ends both where they run.
    pub async fn end_both(&mut self) {
        for which in 0..2 {
            if self.services[which].is_some() {
                self.end(which, "TERM").await;
            }
        }
    }

    /// Returns the result of statements in the database.
    pub fn query(&self, statements: &str) -> String {
        blocking(|| self.server.query(&self.database, statements))
    }

    /// Returns the same, or a text that says why there is none: the tables may not be there yet.
    pub fn try_query(&self, statements: &str) -> String {
        let said = blocking(|| self.server.try_query(&self.database, statements));
        said.trim().to_owned()
    }

    /// The instance that holds the connection.
    pub fn holder(&self) -> Option<usize> {
        let name = self.try_query("SELECT holder_name FROM lease WHERE expires_at > clock_timestamp()");
        NAMES.iter().position(|one| *one == name)
    }

    /// Asks an instance for a run or an approval; gives the status, or `None` where nobody answers.
    pub async fn post(&self, which: usize, action: &str, body: String) -> Option<u16> {
        let path = format!("/api/v1/connections/active-directory/{action}");
        let request = self
            .client
            .post(self.url(which, &path))
            .header("Content-Type", "application/json")
            .body(body);
        Some(ask(request).await?.0)
    }

    /// Asks an instance for a path.
    pub async fn get(&self, which: usize, path: &str) -> Option<(u16, String)> {
        ask(self.client.get(self.url(which, path))).await
    }

    /// Waits until a path of an instance answers with `status`.
    pub async fn answers(&self, which: usize, path: &str, status: u16) {
        let begun = Instant::now();
        loop {
            let answer = self.get(which, path).await;
            if answer.as_ref().is_some_and(|(answered, _)| *answered == status) {
                return;
            }
            assert!(
                begun.elapsed() < ARRIVES_WITHIN,
                "{path}: {answer:?} in place of {status}\n{}",
                self.told()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until the gateway holds what the directory has.
    pub async fn arrived(&self, what: &str) {
        let begun = Instant::now();
        while self.lab.receiver.assets() != self.lab.expected() {
            if begun.elapsed() > ARRIVES_WITHIN {
                println!("{what}:\n{}", self.told());
                crate::support::assert_same(&self.lab.receiver.assets(), &self.lab.expected());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Returns what a failure shows: leases, runs, and the ends of all logs.
    pub fn told(&self) -> String {
        let tail = |text: &str| {
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(60)..].join("\n")
        };
        let mut told = String::new();
        for (which, service) in self.services.iter().enumerate() {
            let log = service.as_ref().map(Service::log).unwrap_or_default();
            told += &format!("===== {}\n{}\n", NAMES[which], tail(&log));
        }
        told += &format!("===== server\n{}\n", tail(&self.server.log()));
        let held = self.try_query(
            "SELECT * FROM lease; SELECT clock_timestamp(); SELECT * FROM late_send;
             SELECT seq, asset, kind, rejected_run, reject_reason FROM stage;
             SELECT id, mode, reason, asked_by, to_timestamp(started), to_timestamp(ended), outcome, error,
                 held_list FROM run ORDER BY id DESC LIMIT 15",
        );
        told + &held
    }
}
