//! Killed at random moments, again and again, while the directory changes.

use std::time::{Duration, Instant};

use fastrand::Rng;
use lab::simulator::{Action, On};
use tokio::process::Child;
use tokio::task::JoinSet;

use crate::phases::Histogram;
use crate::state::StateEngine;
use crate::support::simulated::Simulated;
use crate::world::{World, died};

/// Kills in each `cargo test`, by engine.
const KILLS: u64 = 25;
const KILLS_ON_POSTGRES: u64 = 8;

/// Kills of one world; then a fresh one takes its place, so that a failure needs a short replay and
/// nothing grows. On PostgreSQL fewer, so that more worlds go on while one waits for the end of a
/// lease.
const KILLS_A_WORLD: u64 = 50;
const KILLS_A_WORLD_ON_POSTGRES: u64 = 25;

/// So many kills meet every phase, or the moments are drawn badly.
const MEETS_EVERY_PHASE: u64 = 1000;

/// How long a round waits for a moment that may not come: a service may have nothing to read or to deliver.
const PATIENCE: Duration = Duration::from_millis(2_500);

/// How the program is started in one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Delta,
    Baseline,
    Service,
}

/// How it is stopped, and when: while it waits for the answer to this search, after so many more requests to the gateway,
/// after a time, or at a place that it passes, as `CRASH_AT` says it.
#[derive(Debug, Clone)]
enum Moment {
    Search(usize),
    Arrivals(u64),
    After(Duration),
    Place(String),
}

/// What one world came to.
#[derive(Default)]
struct Score {
    killed: u64,
    rounds: u64,
    met: Histogram,
}

/// One world and how long its runs take, so that the moments fall into them on any machine.
struct Torture {
    world: World,
    delta: Duration,
    baseline: Duration,
    /// The places that a delta passes, in order.
    places: Vec<String>,
    /// The places that the program passed in the last round, one a line.
    passed: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r03_r17_r18_killed_again_and_again_it_loses_nothing_and_repeats_nothing() {
    campaign(StateEngine::Sqlite, KILLS, KILLS_A_WORLD).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r03_r17_r18_r34_killed_on_postgres_it_loses_nothing_and_repeats_nothing() {
    let each = KILLS_A_WORLD_ON_POSTGRES;
    campaign(StateEngine::Postgres, KILLS_ON_POSTGRES, each).await;
}

async fn campaign(engine: StateEngine, kills: u64, each: u64) {
    let number = |name: &str, default| match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {text}")),
        Err(_) => default,
    };
    let (kills, seed) = (number("CRASH_KILLS", kills), number("CRASH_SEED", 1));
    let side_by_side = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let side_by_side = usize::try_from(number("CRASH_THREADS", side_by_side)).unwrap();
    let started = Instant::now();
    let mut worlds = (0..kills.div_ceil(each)).map(|number| (seed + number, each.min(kills - number * each)));
    let (mut all, mut running) = (Score::default(), JoinSet::new());
    loop {
        while running.len() < side_by_side
            && let Some((seed, kills)) = worlds.next()
        {
            running.spawn(tortured(engine, seed, kills));
        }
        let Some(score) = running.join_next().await else {
            break;
        };
        let score = score.unwrap();
        all.killed += score.killed;
        all.rounds += score.rounds;
        all.met.add(&score.met);
        println!(
            "{} kills in {} rounds, {:.0?}",
            all.killed,
            all.rounds,
            started.elapsed()
        );
    }
    println!(
        "{} kills in {} rounds from seed {seed}: 0 lost, 0 wrongly removed, 0 sent again without need, in {:.0?}\n\
         What they interrupted (reading, staging and delivering go on side by side):\n{}",
        all.killed,
        all.rounds,
        started.elapsed(),
        all.met
    );
    assert!(
        all.killed < MEETS_EVERY_PHASE || all.met.missed().is_empty(),
        "never interrupted: {:?}",
        all.met.missed()
    );
}

/// Kills the program so often in one world; says how to do it again when something is wrong.
async fn tortured(engine: StateEngine, seed: u64, kills: u64) -> Score {
    let played = tokio::spawn(async move {
        let mut torture = Torture::start(engine, seed).await;
        let mut score = Score::default();
        while score.killed < kills {
            score.rounds += 1;
            assert!(
                score.rounds < 10 * kills + 100,
                "only {} of {} rounds were killed",
                score.killed,
                score.rounds
            );
            if torture.round().await {
                score.killed += 1;
                score.met.count(&torture.passed);
            }
            if torture.world.rng.u8(0..3) == 0 {
                torture.catch_up().await;
            }
        }
        torture.world.settle().await;
        score
    });
    played.await.unwrap_or_else(|failed| {
        let test = match engine {
            StateEngine::Sqlite => "killed_again",
            StateEngine::Postgres => "killed_on_postgres",
        };
        let again =
            format!("CRASH_SEED={seed} CRASH_KILLS={kills} cargo test --test crash {test} -- --nocapture");
        panic!("{failed}\nto play these kills again: {again}")
    })
}

impl Torture {
    async fn start(engine: StateEngine, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let (sees_deleted, tells_removals) = (rng.bool(), rng.bool());
        Self {
            world: World::new(engine, rng, sees_deleted, tells_removals).await,
            delta: Duration::from_millis(400),
            baseline: Duration::from_millis(800),
            places: Vec::new(),
            passed: String::new(),
        }
    }

    /// Starts the program, changes the directory meanwhile, kills the program; whether it still ran then.
    async fn round(&mut self) -> bool {
        let first = self.world.arrived();
        self.world.trouble_gateway();
        self.world.change(true);
        let start = self.draw_start();
        let moment = self.draw_moment(start);
        let place = match &moment {
            Moment::Place(place) => Some(place.clone()),
            _ => None,
        };
        let term = place.is_none() && self.world.rng.u8(0..8) == 0;
        let requests = self.world.lab.receiver.summary().requests;
        if let Moment::Search(nth) = moment {
            let faults = self.world.lab.simulator.faults();
            faults.at(On::Search, nth, Action::Silence);
        }
        let begun = Instant::now();
        self.world.passed();
        self.world
            .note(format!("{start:?}, to be killed at {moment:?}, SIGTERM {term}"));
        let arguments: &[&str] = match start {
            Start::Delta => &["sync"],
            Start::Baseline => &["sync", "--baseline"],
            Start::Service => &["run"],
        };
        let mut running = self.world.start(arguments, place.as_deref());
        self.world.change(false);
        self.wait(&moment, requests, &mut running).await;
        self.world.change(false);
        let killed = match running.try_wait().unwrap() {
            Some(status) => {
                if start == Start::Baseline && !died(status) {
                    self.baseline = begun.elapsed();
                }
                assert!(
                    died(status) || matches!(status.code(), Some(0 | 69)),
                    "it ended with {status} by itself"
                );
                died(status)
            }
            None => {
                end(&mut running, term).await;
                !term
            }
        };
        self.passed = self.world.passed();
        if killed {
            self.world.outlive().await;
        }
        self.world.over(first, killed).await;
        let places: Vec<&str> = self.passed.lines().rev().take(8).collect();
        self.world.note(format!(
            "killed {killed} after {:.0?}, last places first: {places:?}",
            begun.elapsed()
        ));
        killed
    }

    async fn wait(&self, moment: &Moment, requests: u64, running: &mut Child) {
        let lab = &self.world.lab;
        match moment {
            Moment::Search(_) => tokio::select! {
                () = lab.simulator.faults().happened() => {}
                _ = running.wait() => {}
                () = tokio::time::sleep(PATIENCE) => {}
            },
            Moment::Arrivals(more) => tokio::select! {
                () = arrived(lab, requests + more) => {}
                _ = running.wait() => {}
                () = tokio::time::sleep(PATIENCE) => {}
            },
            Moment::Place(_) => tokio::select! {
                _ = running.wait() => {}
                () = tokio::time::sleep(PATIENCE) => {}
            },
            Moment::After(time) => tokio::select! {
                _ = running.wait() => {}
                () = tokio::time::sleep(*time) => {}
            },
        }
    }

    async fn catch_up(&mut self) {
        self.world.passed();
        let begun = Instant::now();
        self.world.catch_up().await;
        self.delta = begun.elapsed();
        self.places = self.world.passed().lines().map(str::to_owned).collect();
    }

    fn draw_start(&mut self) -> Start {
        match self.world.rng.u8(0..10) {
            0..6 => Start::Delta,
            6..9 => Start::Baseline,
            _ => Start::Service,
        }
    }

    fn draw_moment(&mut self, start: Start) -> Moment {
        let (searches, long) = match start {
            Start::Delta => (8, self.delta),
            Start::Baseline => (20, self.baseline),
            Start::Service => (8, self.delta + Duration::from_secs(1)),
        };
        let rng = &mut self.world.rng;
        match rng.u8(0..10) {
            0 => Moment::Arrivals(rng.u64(1..4)),
            1..3 => Moment::Search(rng.usize(1..searches)),
            3..5 => Moment::Place(format!("any:{}", rng.usize(1..=self.places.len().max(60)))),
            // Each with the same chance, however often it is passed.
            5 if !self.places.is_empty() => {
                let place = &self.places[rng.usize(0..self.places.len())];
                let passes = self.places.iter().filter(|other| *other == place).count();
                Moment::Place(format!("{place}:{}", rng.usize(1..=passes)))
            }
            _ => Moment::After(long.mul_f64(rng.f64())),
        }
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
