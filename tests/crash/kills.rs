//! Killed with SIGKILL at random moments, again and again, while the directory changes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use fastrand::Rng;
use lab::receiver::Answer;
use lab::simulator::{Action, Kind, ObjectId, On};
use serde_json::Value;
use tokio::process::Child;

use crate::audit::{self, Ran, Versions};
use crate::support::expected;
use crate::support::simulated::Simulated;

/// What runs with every `cargo test`.
const KILLS: u64 = 25;

/// Every second a run, so that a kill meets one.
const EVERY_SECOND: &str = "* * * * * *";

/// How the program is started in one round.
#[derive(Debug, Clone, Copy)]
enum Start {
    Delta,
    Baseline,
    Service,
}

/// How it is stopped, and when: while it waits for the answer to this search, after so many more requests to the gateway,
/// or after a time.
#[derive(Debug, Clone, Copy)]
enum Moment {
    Search(usize),
    Arrivals(u64),
    After(Duration),
}

/// The way from end to end, and every version that an object had.
struct Tortured {
    lab: Simulated,
    rng: Rng,
    versions: BTreeMap<String, Vec<Value>>,
    ran: Vec<Ran>,
    names: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r03_r17_r18_killed_again_and_again_it_loses_nothing_and_repeats_nothing() {
    let number = |name: &str, default| match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {text}")),
        Err(_) => default,
    };
    let (kills, seed) = (number("CRASH_KILLS", KILLS), number("CRASH_SEED", 1));
    let mut tortured = Tortured::start(seed).await;
    let (mut killed, mut rounds, started) = (0, 0, Instant::now());
    while killed < kills {
        rounds += 1;
        assert!(
            rounds < 10 * kills + 100,
            "only {killed} of {rounds} rounds were killed"
        );
        killed += u64::from(tortured.round().await);
        if tortured.rng.bool() {
            tortured.catch_up().await;
        }
        if killed.is_multiple_of(100) && killed > 0 {
            println!("{killed} kills in {rounds} rounds, {:.0?}", started.elapsed());
        }
    }
    tortured.settle().await;
    println!(
        "{killed} kills in {rounds} rounds from seed {seed}: 0 lost, 0 sent again without need, in {:.0?}",
        started.elapsed()
    );
}

impl Tortured {
    async fn start(seed: u64) -> Self {
        let mut lab = Simulated::new().await;
        for (name, value) in [
            ("AD_PAGE_SIZE", "20"),
            ("QUALYS_BATCH_ASSETS", "20"),
            ("SYNC_CRON", EVERY_SECOND),
            ("REMOVAL_MAX_PERCENT", "100"),
            ("LOG_LEVEL", "warn"),
        ] {
            lab.set(name, value);
        }
        let mut tortured = Self {
            lab,
            rng: Rng::with_seed(seed),
            versions: BTreeMap::new(),
            ran: Vec::new(),
            names: 0,
        };
        tortured.record();
        tortured
    }

    /// Starts the program, changes the directory meanwhile, kills the program; whether it still ran then.
    async fn round(&mut self) -> bool {
        let first = self.lab.receiver.deliveries().len();
        self.trouble_gateway();
        self.change();
        let (start, moment, term) = (self.draw_start(), self.draw_moment(), self.rng.u8(0..8) == 0);
        let requests = self.lab.receiver.summary().requests;
        if let Moment::Search(nth) = moment {
            self.lab.simulator.faults().at(On::Search, nth, Action::Silence);
        }
        let mut running = self.lab.connector.start(match start {
            Start::Delta => &["sync"],
            Start::Baseline => &["sync", "--baseline"],
            Start::Service => &["run"],
        });
        self.change();
        match moment {
            Moment::Search(_) => tokio::select! {
                () = self.lab.simulator.faults().happened() => {}
                _ = running.wait() => {}
                () = tokio::time::sleep(Duration::from_millis(1_200)) => {}
            },
            Moment::Arrivals(more) => tokio::select! {
                () = arrived(&self.lab, requests + more) => {}
                _ = running.wait() => {}
                // A service has nothing to deliver until something changes.
                () = tokio::time::sleep(Duration::from_millis(1_200)) => {}
            },
            Moment::After(time) => tokio::time::sleep(time).await,
        }
        self.change();
        let was_running = running.try_wait().unwrap().is_none();
        if was_running {
            end(&mut running, term).await;
        }
        self.lab.simulator.faults().clear();
        self.lab.receiver.clear_scripts();
        self.quiet().await;
        let removed = self.lab.connector.state().exists();
        self.ran.push(Ran {
            first,
            stopped: was_running && !term,
            troubled: true,
            removed: if removed {
                self.removed().await
            } else {
                Default::default()
            },
            ..Ran::default()
        });
        self.check();
        was_running && !term
    }

    /// Nothing is killed any more.
    async fn settle(&mut self) {
        for (number, arguments) in [&["sync"][..], &["sync"], &["sync", "--baseline"]]
            .iter()
            .enumerate()
        {
            let (first, before) = (self.lab.receiver.deliveries().len(), self.lab.receiver.summary());
            self.lab.connector.succeed(arguments).await;
            self.ran.push(Ran {
                first,
                ..Ran::default()
            });
            self.check();
            let after = self.lab.receiver.summary();
            let calm = number == 0 || after.requests == before.requests;
            assert!(
                calm,
                "the first run brought everything over, and then {arguments:?} posted something"
            );
        }
        self.check_nothing_is_lost();
        let (held, there) = (self.lab.receiver.assets(), self.lab.expected());
        let removed = self.removed().await;
        for sid in held.keys() {
            assert_ne!(
                removed.contains(sid),
                there.contains_key(sid),
                "{sid}: gone or not gone"
            );
        }
        let status = self.lab.status().await;
        assert_eq!(status["state"], "Processed", "{status}");
    }

    /// One run that nothing befalls. A full read would bring over what a delta lost, so it must not come first.
    async fn catch_up(&mut self) {
        let first = self.lab.receiver.deliveries().len();
        self.lab.connector.succeed(&["sync"]).await;
        let removed = self.removed().await;
        self.ran.push(Ran {
            first,
            removed,
            ..Ran::default()
        });
        self.check();
        self.check_nothing_is_lost();
    }

    fn check_nothing_is_lost(&self) {
        let held = self.lab.receiver.assets();
        for (sid, asset) in self.lab.expected() {
            assert_eq!(
                held.get(&sid),
                Some(&asset),
                "{sid} is lost, round {}",
                self.ran.len()
            );
        }
    }

    fn check(&self) {
        let versions: Versions<'_> = self
            .versions
            .iter()
            .map(|(sid, versions)| (sid.clone(), versions.as_slice()))
            .collect();
        let receiver = &self.lab.receiver;
        if let Err(wrong) = audit::check(&versions, &receiver.deliveries(), &self.ran, 1) {
            panic!("round {}: {wrong}", self.ran.len());
        }
        assert_eq!(receiver.violations(), Vec::<String>::new());
    }

    /// Up to five objects are changed, each once, so that no version is missed.
    fn change(&mut self) {
        let directory = self.lab.directory().clone();
        let users = directory.all(Kind::User);
        let groups = directory.all(Kind::Group);
        let mut changed: Vec<ObjectId> = Vec::new();
        for _ in 0..self.rng.usize(0..=5) {
            self.names += 1;
            let label = format!("v{}", self.names);
            let id = if self.rng.u8(0..8) == 0 {
                groups[self.rng.usize(0..groups.len())]
            } else {
                users[self.rng.usize(0..users.len())]
            };
            if changed.contains(&id) {
                continue;
            }
            changed.push(id);
            match self.rng.u8(0..20) {
                0 => {
                    let values = [("displayName", label.as_str())];
                    directory.create_user("CN=Users,DC=corp,DC=example", &format!("New {label}"), &values);
                }
                1 if users.len() > 150 && users.contains(&id) => directory.delete(id),
                2 => directory.rename(id, &format!("Renamed {label}")),
                3 => directory.touch(id),
                _ if groups.contains(&id) => directory.set_text(id, "description", &label),
                _ => directory.set_text(id, "displayName", &label),
            }
        }
        self.record();
    }

    fn record(&mut self) {
        for (sid, asset) in expected::assets(self.lab.directory()) {
            let versions = self.versions.entry(sid).or_default();
            if versions.last() != Some(&asset) {
                versions.push(asset);
            }
        }
    }

    /// Answers come slowly, so that kills meet them; some do not come at all.
    fn trouble_gateway(&mut self) {
        let long = Duration::from_millis(self.rng.u64(1..30));
        for _ in 0..self.rng.usize(0..15) {
            let answer = match self.rng.u8(0..12) {
                0 => Answer::CutAfter,
                1 => Answer::CutBefore,
                2 => Answer::status(503),
                _ => Answer::Slow(long),
            };
            self.lab.receiver.script([answer]);
        }
    }

    fn draw_start(&mut self) -> Start {
        match self.rng.u8(0..10) {
            0..6 => Start::Delta,
            6..8 => Start::Baseline,
            _ => Start::Service,
        }
    }

    fn draw_moment(&mut self) -> Moment {
        match self.rng.u8(0..5) {
            0 => Moment::Arrivals(self.rng.u64(1..6)),
            // A delta asks for about ten pages, a full read for thirty.
            1 => Moment::Search(self.rng.usize(1..12)),
            2 => Moment::Search(self.rng.usize(1..40)),
            3 => Moment::After(Duration::from_millis(self.rng.u64(1..60))),
            _ => Moment::After(Duration::from_millis(self.rng.u64(20..400))),
        }
    }

    /// What the killed program had sent has arrived.
    async fn quiet(&self) {
        let mut seen = None;
        loop {
            let now = self.lab.receiver.summary();
            if seen.as_ref() == Some(&now) {
                return;
            }
            seen = Some(now);
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }

    /// `externalAssetId`s of what is listed as removed.
    async fn removed(&self) -> BTreeSet<String> {
        let said = self
            .lab
            .connector
            .run(&["removed", "--json", "--limit", "10000"])
            .await;
        // Killed before the connection was registered, there is nothing to list.
        if said.code != Some(0) {
            return Default::default();
        }
        let lines = said
            .stdout
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let removed = lines.filter(|line| line["state"] == "removed");
        removed
            .map(|line| line["externalAssetId"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// Resolves when `count` requests have come; counted as the receiver does, without those whose body was not read.
async fn arrived(lab: &Simulated, count: u64) {
    while lab.receiver.summary().requests < count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// With SIGKILL, or with SIGTERM and 25 s (R26).
async fn end(running: &mut Child, term: bool) {
    if !term {
        running.kill().await.unwrap();
        return;
    }
    let id = running.id().unwrap().to_string();
    let sent = tokio::process::Command::new("kill")
        .args(["-TERM", &id])
        .status()
        .await;
    assert!(sent.unwrap().success());
    let ended = tokio::time::timeout(Duration::from_secs(25), running.wait()).await;
    ended
        .unwrap_or_else(|_| panic!("SIGTERM did not end it within 25 s"))
        .unwrap();
}
