//! Two instances on one PostgreSQL database (R34): each fails in every way at any moment, and what
//! the gateway holds is in the end what the directory has, with nothing lost, nothing wrongly
//! removed and nothing sent again but what was in flight. And a database that fails (R29).
//!
//! `INSTANCE_FAULTS` is how many faults there are, `INSTANCE_SEED` the seed of the first pair, and
//! `INSTANCE_THREADS` how many pairs are played side by side.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

#[path = "../support/mod.rs"]
mod support;

mod away;
mod fault;
mod outcome;
mod pair;
mod refusing;
mod requested;
mod round;
mod score;
mod shown;
mod world;

use std::time::Instant;

use round::Campaign;
use score::Score;
use tokio::task::JoinSet;

/// Faults of one pair; then a fresh one takes its place, so that a failure needs a short replay.
const FAULTS_OF_A_PAIR: u64 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn r34_two_instances_lose_nothing_and_send_nothing_twice_but_what_was_in_flight() {
    let number = |name: &str, default| match std::env::var(name) {
        Ok(text) => text
            .parse::<u64>()
            .unwrap_or_else(|_| panic!("{name} is not a number: {text}")),
        Err(_) => default,
    };
    let faults = number("INSTANCE_FAULTS", 9);
    let seed = number("INSTANCE_SEED", 1);
    let side_by_side = number("INSTANCE_THREADS", 3).max(1);
    let pairs = faults.div_ceil(FAULTS_OF_A_PAIR).max(side_by_side.min(faults));
    let mut waiting = (0..pairs).map(|pair| (seed + pair, faults / pairs + u64::from(pair < faults % pairs)));
    let (mut running, mut all, begun) = (JoinSet::new(), Score::default(), Instant::now());
    let mut failures = Vec::new();
    loop {
        while failures.is_empty()
            && running.len() < usize::try_from(side_by_side).unwrap()
            && let Some((seed, faults)) = waiting.next()
        {
            running.spawn(played(seed, faults));
        }
        let Some(ended) = running.join_next().await else {
            break;
        };
        match ended.unwrap() {
            Ok(score) => all.add(score),
            Err(failed) => failures.push(failed),
        }
        let count: usize = all.met.values().sum();
        println!("{count} faults, {:.0?}", begun.elapsed());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    println!(
        "{faults} faults from seed {seed}: 0 lost, 0 wrongly removed, 0 sent again without need, in {:.0?}\n{all}",
        begun.elapsed()
    );
}

/// Plays the faults of one seed; says how to do it again when something is wrong.
async fn played(seed: u64, faults: u64) -> Result<Score, String> {
    let played = tokio::spawn(async move {
        let mut campaign = Campaign::new(seed).await;
        for number in 1..=faults {
            campaign.round(number).await;
        }
        campaign.finish().await
    });
    played.await.map_err(|failed| {
        format!(
            "{failed}\nto play these faults again: INSTANCE_SEED={seed} INSTANCE_FAULTS={faults} INSTANCE_THREADS=1 \
             cargo test --test instances two_instances -- --nocapture"
        )
    })
}
