//! Two instances on one PostgreSQL database (R34): each fails in every way at any moment, and what
//! the gateway holds is in the end what the directory has, with nothing lost, nothing wrongly
//! removed and nothing sent again but what was in flight.
//!
//! `INSTANCE_FAULTS` is how many faults there are (default 5), `INSTANCE_SEED` where they begin.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use lab::postgres::{Bouncer, Server};
use lab::proxy::Proxy;
use lab::simulator::People;
use serde_json::Value;
use support::service::Service;
use support::simulated::Simulated;

/// Few enough that a run takes less than the pause between two.
const PEOPLE: People = People {
    seed: 11,
    users: 120,
    groups: 10,
    computers: 5,
};

/// Time until a change has arrived, whatever happens: a lease that ends, a look, a run.
const ARRIVES_WITHIN: Duration = Duration::from_secs(60);

/// Longer than a lease holds.
const FREEZE: Duration = Duration::from_secs(20);

/// Numbers that look random: a linear congruential generator (Knuth, MMIX).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Database, two ways to it, and what shares it.
struct Pair {
    lab: Simulated,
    _bouncer: Bouncer,
    server: Server,
    database: String,
    ways: [Proxy; 2],
    services: [Option<Service>; 2],
}

const NAMES: [&str; 2] = ["one", "two"];

impl Pair {
    async fn new() -> Self {
        let mut lab = Simulated::of(PEOPLE).await;
        lab.connector.unaudited("its state is no file");
        let server = Server::start(true);
        let database = server.create_database();
        let address = SocketAddr::from((server.address, server.port));
        // The second goes through a pooler.
        let bouncer = server.pooled();
        let pooled = SocketAddr::from((server.address, bouncer.port));
        let ways = [Proxy::start(address).await, Proxy::start(pooled).await];
        for (name, value) in [
            ("SYNC_CRON", "* * * * * *"),
            ("BASELINE_CRON", "off"),
            ("SYNC_ON_START", "true"),
            ("QUALYS_BATCH_ASSETS", "20"),
            ("REMOVAL_LAG", "0s"),
            ("REMOVAL_MAX_COUNT", "1000"),
            ("REMOVAL_MAX_PERCENT", "100"),
            ("LOG_LEVEL", "warn"),
        ] {
            lab.set(name, value);
        }
        Self {
            lab,
            _bouncer: bouncer,
            server,
            database,
            ways,
            services: [None, None],
        }
    }

    fn point_to(&mut self, which: usize) {
        let url = self
            .server
            .tcp_url(self.ways[which].address.port(), &self.database);
        self.lab.set("STATE_URL", &url);
        self.lab.set("INSTANCE_NAME", NAMES[which]);
    }

    /// Starts an instance that does not run.
    fn start(&mut self, which: usize) {
        if self.services[which].is_none() {
            self.point_to(which);
            self.services[which] = Some(self.lab.connector.watch(&["run"]));
        }
    }

    fn signal(&self, which: usize, signal: &str) {
        let service = self.services[which].as_ref().unwrap();
        let pid = service.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Ends an instance by a signal.
    async fn end(&mut self, which: usize, signal: &str) {
        self.signal(which, signal);
        let service = self.services[which].take().unwrap();
        service.ended().await;
    }

    /// The instance that holds the connection.
    fn holder(&self) -> Option<usize> {
        let name = self.server.query(
            &self.database,
            "SELECT holder_name FROM lease WHERE expires_at > clock_timestamp()",
        );
        NAMES.iter().position(|one| *one == name)
    }

    /// Waits until the gateway holds what the directory has.
    async fn arrived(&self, what: &str) -> Duration {
        let begun = Instant::now();
        while self.lab.receiver.assets() != self.lab.expected() {
            if begun.elapsed() > ARRIVES_WITHIN {
                let logs: Vec<String> = self.services.iter().flatten().map(Service::log).collect();
                let held = self.server.query(&self.database, "SELECT * FROM lease");
                println!(
                    "{what}: {held}\n{}\n{}",
                    logs.join("\n=====\n"),
                    self.server.log()
                );
                support::assert_same(&self.lab.receiver.assets(), &self.lab.expected());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        begun.elapsed()
    }
}

/// Ways in which an instance, the database or the way between them fails.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Kill,
    Stop,
    Freeze,
    Cut,
    Crash,
}

const FAULTS: [Fault; 5] = [Fault::Kill, Fault::Stop, Fault::Cut, Fault::Crash, Fault::Freeze];

impl Pair {
    /// Lets the fault happen; returns when it is over, with both instances up again.
    async fn suffer(&mut self, fault: Fault, which: usize, random: &mut Random) {
        match fault {
            Fault::Kill => self.end(which, "-KILL").await,
            Fault::Stop => self.end(which, "-TERM").await,
            Fault::Freeze => {
                self.signal(which, "-STOP");
                tokio::time::sleep(FREEZE).await;
                self.signal(which, "-CONT");
            }
            Fault::Cut => {
                self.ways[which].cut();
                tokio::time::sleep(Duration::from_millis(random.below(20_000))).await;
                self.ways[which].restore();
            }
            Fault::Crash => self.server.crash(),
        }
    }
}

/// Assets that were sent again as they were, and how often.
fn repeated(lab: &Simulated, from: usize) -> BTreeMap<String, usize> {
    let mut last: BTreeMap<String, Value> = BTreeMap::new();
    let mut again = BTreeMap::new();
    for (at, delivery) in lab.receiver.deliveries().into_iter().enumerate() {
        for (id, asset) in delivery.external_ids.into_iter().zip(delivery.assets) {
            if last.get(&id) == Some(&asset) && at >= from {
                *again.entry(id.clone()).or_default() += 1;
            }
            last.insert(id, asset);
        }
    }
    again
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r34_two_instances_lose_nothing_and_send_nothing_twice_but_what_was_in_flight() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let faults = number("INSTANCE_FAULTS").unwrap_or(5);
    let mut random = Random(number("INSTANCE_SEED").unwrap_or(5));
    let mut pair = Pair::new().await;
    pair.start(0);
    pair.start(1);
    pair.arrived("the first read").await;
    let mut times: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    let users = pair.lab.users();
    for round in 0..faults {
        let fault = FAULTS[usize::try_from(round % 5).unwrap()];
        let which = pair.holder().unwrap_or(0);
        let from = pair.lab.receiver.deliveries().len();
        let mut changed = BTreeSet::new();
        for _ in 0..40 {
            let user = users[usize::try_from(random.below(users.len() as u64)).unwrap()];
            pair.lab
                .directory()
                .set_text(user, "displayName", &format!("round {round}.{}", random.below(9)));
            changed.insert(pair.lab.external_id(user));
        }
        tokio::time::sleep(Duration::from_millis(random.below(2_000))).await;
        let what = format!("round {round}: {fault:?} of {}", NAMES[which]);
        let (_, took) = {
            let begun = Instant::now();
            pair.suffer(fault, which, &mut random).await;
            let user = users[0];
            pair.lab
                .directory()
                .set_text(user, "displayName", &format!("after round {round}"));
            changed.insert(pair.lab.external_id(user));
            (begun, pair.arrived(&what).await)
        };
        times
            .entry(match fault {
                Fault::Kill => "kill",
                Fault::Stop => "stop",
                Fault::Freeze => "freeze",
                Fault::Cut => "cut",
                Fault::Crash => "crash",
            })
            .or_default()
            .push(took);
        let again = repeated(&pair.lab, from);
        let unchanged: Vec<&String> = again.keys().filter(|id| !changed.contains(*id)).collect();
        assert!(
            unchanged.is_empty(),
            "{what}: unchanged assets were sent again: {unchanged:?}"
        );
        assert!(
            again.len() <= 20,
            "{what}: more than one request was sent again: {again:?}"
        );
        assert_eq!(pair.lab.receiver.violations(), Vec::<String>::new(), "{what}");
        let removed = pair.server.query(&pair.database, "SELECT count(*) FROM removed");
        assert_eq!(removed, "0", "{what}: nothing was deleted");
        pair.start(0);
        pair.start(1);
    }
    for (fault, mut took) in times {
        took.sort();
        println!(
            "{fault}: {} times, a change arrived within {:?}",
            took.len(),
            took
        );
    }
    for which in 0..2 {
        pair.end(which, "-TERM").await;
    }
}

/// Sends a request to an instance; gives status and body, or `None` where nobody listens.
async fn ask(request: reqwest::RequestBuilder) -> Option<(u16, String)> {
    let response = request.bearer_auth(support::http::TOKEN).send().await.ok()?;
    Some((response.status().as_u16(), response.text().await.ok()?))
}

/// Waits until a path of the instance at `port` answers with `status`.
async fn answers(client: &reqwest::Client, port: u16, path: &str, status: u16) {
    let begun = Instant::now();
    loop {
        let answer = ask(client.get(format!("http://127.0.0.1:{port}{path}"))).await;
        if answer.as_ref().is_some_and(|(answered, _)| *answered == status) {
            return;
        }
        assert!(
            begun.elapsed() < ARRIVES_WITHIN,
            "{path}: {answer:?} in place of {status}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
    client.timeout(Duration::from_secs(30)).build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r34_every_instance_shows_the_holder_and_passes_on_what_it_is_asked_for() {
    let mut pair = Pair::new().await;
    let client = client();
    pair.lab.set("SYNC_CRON", "59 59 23 31 12 *");
    pair.lab.set("HTTP_TOKEN", support::http::TOKEN);
    let ports = [free_port(), free_port()];
    for (which, port) in ports.iter().enumerate() {
        pair.lab.set("HTTP_LISTEN", &format!("127.0.0.1:{port}"));
        pair.start(which);
        answers(&client, *port, "/ready", 200).await;
    }
    pair.arrived("the first read").await;
    let holder = pair.holder().unwrap();
    let other = 1 - holder;
    let refused = pair.lab.sync(4).await;
    refused.said(&[&format!("instance {}", NAMES[holder]), "service"]);
    assert_eq!(pair.lab.status().await["heldBy"], NAMES[holder]);
    let shown = pair.lab.connector.succeed(&["instances", "--json"]).await.stdout;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    for (which, name) in NAMES.iter().enumerate() {
        assert_eq!(shown[which]["name"], *name, "{shown}");
        let held = usize::from(which == holder);
        assert_eq!(
            shown[which]["connections"].as_array().unwrap().len(),
            held,
            "{shown}"
        );
    }
    let base = format!("http://127.0.0.1:{}", ports[other]);
    let (status, listed) = ask(client.get(format!("{base}/api/v1/instances"))).await.unwrap();
    assert_eq!(status, 200, "{listed}");
    let (_, metrics) = ask(client.get(format!("{base}/metrics"))).await.unwrap();
    assert!(
        metrics.contains("ad_connector_lease_held{connection=\"active-directory\"} 0"),
        "{metrics}"
    );
    // What is asked for at the other reaches the holder.
    let user = pair.lab.users()[0];
    pair.lab
        .directory()
        .set_text(user, "displayName", "asked for at the other");
    let path = format!("{base}/api/v1/connections/active-directory/sync");
    let request = client.post(path).header("Content-Type", "application/json");
    let answer = ask(request.body(r#"{"mode": "delta"}"#)).await.unwrap();
    assert_eq!(answer.0, 202, "{answer:?}");
    pair.arrived("what was asked for").await;
    for which in 0..2 {
        pair.end(which, "-TERM").await;
    }
    // Moved to a file and back, the state is the same: nothing is sent again.
    let sent = pair.lab.receiver.summary().requests;
    let file = format!("sqlite:{}", pair.lab.connector.state().display());
    let copied = pair
        .lab
        .connector
        .succeed(&["state", "copy", "--to", &file])
        .await;
    copied.said(&["object:", "equal", "copied to"]);
    pair.lab.set("STATE_URL", &file);
    pair.lab.sync(0).await;
    let database = pair.server.create_database();
    let url = pair.server.url(&database);
    pair.lab.connector.succeed(&["state", "copy", "--to", &url]).await;
    pair.lab.set("STATE_URL", &url);
    pair.lab.sync(0).await;
    pair.lab.assert_converged();
    assert_eq!(
        pair.lab.receiver.summary().requests,
        sent,
        "nothing was sent again"
    );
    // A dry run works on a copy.
    pair.lab
        .directory()
        .set_text(user, "displayName", "only looked at");
    let dry = pair
        .lab
        .connector
        .succeed(&["sync", "--dry-run", "--output", "-"])
        .await;
    assert!(dry.stdout.contains("only looked at"), "{}", dry.stdout);
    assert_eq!(pair.lab.receiver.summary().requests, sent);
    pair.lab.sync(0).await;
    pair.lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r29_a_database_that_is_down_at_the_start_or_goes_away_is_waited_for() {
    let mut pair = Pair::new().await;
    let client = client();
    let port = free_port();
    pair.lab.set("HTTP_LISTEN", &format!("127.0.0.1:{port}"));
    pair.ways[0].cut();
    pair.point_to(0);
    pair.lab
        .sync(69)
        .await
        .said(&["cannot be reached", "what to do", "STATE_URL"]);
    pair.start(0);
    answers(&client, port, "/ready", 503).await;
    answers(&client, port, "/live", 200).await;
    // Reads secrets again, and leaves a service that waits for its state as it is.
    pair.signal(0, "-HUP");
    tokio::time::sleep(Duration::from_secs(1)).await;
    answers(&client, port, "/live", 200).await;
    pair.ways[0].restore();
    answers(&client, port, "/ready", 200).await;
    pair.arrived("the first read").await;
    pair.ways[0].cut();
    answers(&client, port, "/ready", 503).await;
    answers(&client, port, "/live", 200).await;
    let user = pair.lab.users()[0];
    pair.lab
        .directory()
        .set_text(user, "displayName", "changed meanwhile");
    tokio::time::sleep(Duration::from_secs(2)).await;
    pair.ways[0].restore();
    pair.arrived("a change from meanwhile").await;
    answers(&client, port, "/ready", 200).await;
    pair.end(0, "-TERM").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r28_an_instance_that_meets_newer_tables_stops_says_so_and_holds_nothing() {
    let mut pair = Pair::new().await;
    // Also one that has nothing to do notices it.
    pair.lab.set("SYNC_CRON", "59 59 23 31 12 *");
    pair.start(0);
    pair.arrived("the first read").await;
    pair.server
        .sql(&pair.database, "UPDATE ad_connector SET schema_version = 99");
    let service = pair.services[0].take().unwrap();
    let (ended, _) = service.ended_within(ARRIVES_WITHIN).await;
    ended.ended_with(69).said(&["schema version 99"]);
    assert_eq!(pair.holder(), None);
    for command in ["run", "sync"] {
        let refused = pair.lab.connector.run(&[command]).await;
        refused.ended_with(69).said(&["schema version 99"]);
    }
}
