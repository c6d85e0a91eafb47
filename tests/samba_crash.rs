//! The program killed again and again while it reads a real Active Directory (Samba): nothing is lost.
//!
//! `CRASH_SAMBA_KILLS` says how often while the directory changes, `CRASH_SEED` when.
#![cfg(debug_assertions)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

#[path = "support/audit.rs"]
mod audit;
#[path = "support/ledger.rs"]
mod ledger;
#[path = "crash/phases.rs"]
#[allow(dead_code, reason = "too few kills to ask for every phase")]
mod phases;

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use audit::Ran;
use fastrand::Rng;
use lab::receiver::{Answer, Options, Receiver};
use lab::samba::{Change, Domain};
use ledger::Ledger;
use phases::Histogram;
use support::{Connector, assert_same, people};

/// Every second kill falls while it delivers (after so many more requests), the others at some moment of reading.
enum Moment {
    Arrivals(u64),
    After(Duration),
}

fn moment(number: u64) -> Moment {
    if number.is_multiple_of(2) {
        Moment::Arrivals(1 + number / 8)
    } else {
        // 20 ms to 0.8 s: from before the bind to the middle of delivering.
        Moment::After(Duration::from_millis(20 + number * 40))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r03_r18_twenty_kills_during_a_baseline_lose_nothing() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    // Small batches, slowly answered: 2,291 assets take longer than all the kills.
    let connector = Connector::new(&domain, &receiver).with("QUALYS_BATCH_ASSETS", "25");
    receiver.script(std::iter::repeat_n(Answer::Slow(Duration::from_millis(40)), 60));
    let mut killed = 0;
    for number in 0..20 {
        let seen = receiver.summary().requests;
        let mut running = connector.start(&["sync", "--baseline"]);
        match moment(number) {
            Moment::Arrivals(more) => tokio::select! {
                () = receiver.arrived(seen + more) => {}
                // Nothing left to deliver: it ends by itself.
                ended = running.wait() => assert!(ended.unwrap().success()),
            },
            Moment::After(time) => tokio::time::sleep(time).await,
        }
        if running.try_wait().unwrap().is_none() {
            // SIGKILL on Unix: no handler runs, nothing is flushed.
            running.kill().await.unwrap();
            killed += 1;
        }
    }
    assert!(killed >= 15, "only {killed} of 20 were killed while they worked");
    connector.succeed(&["sync"]).await;
    assert_same(&receiver.assets(), &domain.expected(&domain.root()));
    assert_eq!(receiver.violations(), Vec::<String>::new());
}

/// What runs with every `cargo test`.
const KILLS: u64 = 20;

/// Kills between two looks at what was lost.
const KILLS_A_CHAPTER: u64 = 5;

/// A unit whose objects change, and the program that is killed while it reads it.
struct Tortured<'d> {
    domain: &'d Domain,
    unit: String,
    receiver: Receiver,
    connector: Connector,
    ledger: Ledger,
    rng: Rng,
    met: Histogram,
    killed: u64,
    rounds: u64,
    /// How long a quiet delta takes.
    delta: Duration,
    /// How many places it passes.
    places: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn r03_r17_r18_r22_killed_while_the_domain_changes() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let number = |name: &str, default: u64| {
        let set = std::env::var(name).map(|text| text.parse().unwrap());
        set.unwrap_or(default)
    };
    let (kills, seed) = (number("CRASH_SAMBA_KILLS", KILLS), number("CRASH_SEED", 1));
    let mut tortured = Tortured::start(&domain, seed).await;
    let started = Instant::now();
    for chapter in 0.. {
        if tortured.killed >= kills {
            break;
        }
        assert!(tortured.rounds < 5 * kills + 50, "only {} kills", tortured.killed);
        tortured.chapter(chapter).await;
        if chapter % 10 == 9 {
            println!("{} kills, {:.0?}", tortured.killed, started.elapsed());
        }
    }
    tortured.settle().await;
    println!(
        "{} kills in {} rounds on Samba from seed {seed}: 0 lost, 0 wrongly removed, 0 sent again without need, in {:.0?}\n{}",
        tortured.killed,
        tortured.rounds,
        started.elapsed(),
        tortured.met
    );
}

impl<'d> Tortured<'d> {
    async fn start(domain: &'d Domain, seed: u64) -> Self {
        let unit = domain.fresh_unit("crash");
        domain.apply(&people(&unit, "crash"));
        let receiver = Receiver::start(Options::default()).await;
        // It sees tombstones, so a delta notices what was deleted.
        let administrator = domain.place().administrator();
        let connector = Connector::new(domain, &receiver)
            .with("AD_BIND_DN", &administrator.dn)
            .with("AD_PASSWORD", administrator.password)
            .with("AD_BASE_CONTEXT", &unit)
            .with("AD_PAGE_SIZE", "5")
            .with("QUALYS_BATCH_ASSETS", "2")
            .with("REMOVAL_MAX_PERCENT", "100")
            .with("LOG_LEVEL", "warn");
        let log = connector.folder().join("places.log").display().to_string();
        let mut tortured = Self {
            domain,
            unit,
            receiver,
            connector: connector.with("CRASH_LOG", &log),
            ledger: Ledger::default(),
            rng: Rng::with_seed(seed),
            met: Histogram::default(),
            killed: 0,
            rounds: 0,
            delta: Duration::from_millis(500),
            places: 60,
        };
        tortured.ledger.record(domain.expected(&tortured.unit));
        tortured
    }

    /// The directory changes while the program is killed; then it is killed a few times more, and nothing may be lost.
    async fn chapter(&mut self, number: u64) {
        let (changes, domain) = (self.changes(number), self.domain);
        tokio::task::block_in_place(|| {
            std::thread::scope(|scope| {
                let changing = scope.spawn(|| domain.apply(&changes));
                tokio::runtime::Handle::current().block_on(self.round());
                changing.join().unwrap();
            });
        });
        self.ledger.record(domain.expected(&self.unit));
        for _ in 1..KILLS_A_CHAPTER {
            self.round().await;
        }
        self.passed();
        let begun = Instant::now();
        self.quiet_run(&["sync"]).await;
        self.delta = begun.elapsed();
        self.places = self.passed().lines().count().max(60);
        self.check_settled();
    }

    /// Each object at most once, so that no version is missed.
    fn changes(&self, number: u64) -> Vec<Change> {
        let unit = &self.unit;
        let person = |number: u64| format!("CN=Person {number},{unit}");
        let mut changes: Vec<Change> = (0..9)
            .map(|one| Change::set(&person(one), "displayName", &format!("round {number}")))
            .collect();
        changes.push(Change::user(
            unit,
            &format!("New {number}"),
            &format!("crashnew{number}"),
        ));
        changes.push(Change::set(
            &format!("CN=Team,{unit}"),
            "description",
            &format!("round {number}"),
        ));
        if number >= 2 {
            changes.push(Change::delete(&format!("CN=New {},{unit}", number - 2)));
        }
        changes
    }

    async fn round(&mut self) {
        self.rounds += 1;
        let first = self.receiver.deliveries().len();
        let slow = Duration::from_millis(self.rng.u64(1..60));
        self.receiver.script(std::iter::repeat_n(Answer::Slow(slow), 6));
        self.passed();
        let arguments: &[&str] = if self.rng.u8(0..3) == 0 {
            &["sync", "--baseline"]
        } else {
            &["sync"]
        };
        // At some moment, or by its own hand at some place that it passes.
        let place = self
            .rng
            .bool()
            .then(|| format!("any:{}", self.rng.usize(1..=self.places)));
        let mut running = match &place {
            Some(place) => self.connector.start_with("CRASH_AT", place, arguments),
            None => self.connector.start(arguments),
        };
        let moment = self.delta.mul_f64(self.rng.f64() * 1.2);
        tokio::select! {
            _ = running.wait() => {}
            () = tokio::time::sleep(moment), if place.is_none() => {}
        }
        let killed = match running.try_wait().unwrap() {
            None => {
                running.kill().await.unwrap();
                true
            }
            // SIGABRT, by signal(7).
            Some(status) if status.signal() == Some(6) => true,
            Some(status) => {
                assert!(status.success(), "it ended with {status} by itself");
                false
            }
        };
        let passed = self.passed();
        if killed {
            self.killed += 1;
            self.met.count(&passed);
        }
        self.receiver.clear_scripts();
        self.receiver.idle().await;
        self.note(first, killed);
    }

    /// The places that the program passed since it was asked last, one a line.
    fn passed(&self) -> String {
        let log = self.connector.folder().join("places.log");
        let passed = std::fs::read_to_string(&log).unwrap_or_default();
        let _ = std::fs::remove_file(&log);
        passed
    }

    async fn quiet_run(&mut self, arguments: &[&str]) {
        let first = self.receiver.deliveries().len();
        self.connector.succeed(arguments).await;
        self.note(first, false);
        self.ledger.check(&self.receiver).unwrap();
    }

    fn note(&mut self, first: usize, stopped: bool) {
        self.ledger.ran(Ran {
            first,
            stopped,
            removed: ledger::removed(&self.connector.state()),
            ..Ran::default()
        });
    }

    /// Upstream holds what is there; exactly what is gone is listed as removed.
    fn check_settled(&self) {
        let there = self.domain.expected(&self.unit);
        let mut held = self.receiver.assets();
        let removed = ledger::removed(&self.connector.state());
        for sid in &removed {
            assert!(
                !there.contains_key(sid),
                "{sid} is listed as removed and is there"
            );
            held.remove(sid);
        }
        assert_same(&held, &there);
    }

    async fn settle(&mut self) {
        let calm = self.receiver.summary().requests;
        for arguments in [&["sync"][..], &["sync", "--baseline"]] {
            self.quiet_run(arguments).await;
            self.check_settled();
        }
        assert_eq!(self.receiver.summary().requests, calm, "nothing was left to send");
    }
}
