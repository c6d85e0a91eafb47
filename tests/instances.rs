//! Two instances on one PostgreSQL database (R34): each fails in every way at any moment, and what
//! the gateway holds is in the end what the directory has, with nothing lost, nothing wrongly
//! removed and nothing sent again but what was in flight.
//!
//! `INSTANCE_FAULTS` is how many faults there are (default 6), `INSTANCE_SEED` where they begin.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use lab::postgres::Server;
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
        let ways = [Proxy::start(address).await, Proxy::start(address).await];
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
    let faults = number("INSTANCE_FAULTS").unwrap_or(6);
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
