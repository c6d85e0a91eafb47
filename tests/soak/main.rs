//! The service over a long time: its memory, descriptors and threads stay as they are, and nothing
//! is lost, while directories change, controllers and gateway fail, and a client asks over HTTP.
//!
//! `SOAK_MINUTES` is how long (without it a few seconds, in which memory cannot be judged),
//! `SOAK_CONNECTIONS` with how many connections, `SOAK_SEED` from which seed, `SOAK_PACE` how many
//! seconds lie between two deltas of a connection (5). docs/testing.md has the rule.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failing check may panic"
)]

mod client;
mod forests;
mod judgement;
mod sample;
#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use fastrand::Rng;
use lab::receiver::{self, Answer, Receiver};
use support::http::Served;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use forests::{Forests, Pace};
use sample::Sample;

/// Duration where none is given.
const SHORT: Duration = Duration::from_secs(12);

/// Time between two measurements; more often where a soak would have fewer than [`MEASUREMENTS`].
const EVERY: Duration = Duration::from_secs(5);

/// Measurements of a soak, at least.
const MEASUREMENTS: u32 = 120;

/// Runs that the history keeps of a connection: with more, it is not the whole of what was sent.
const KEPT_RUNS: u64 = 1000;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r18_a_long_run_of_the_service_loses_nothing_and_does_not_grow() {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(
            text.parse::<u64>()
                .unwrap_or_else(|_| panic!("{name} is not a number: {text}")),
        )
    };
    let minutes = number("SOAK_MINUTES");
    let length = minutes.map_or(SHORT, |minutes| Duration::from_secs(60 * minutes));
    let default = if minutes.is_some() { 10 } else { 3 };
    let count = usize::try_from(number("SOAK_CONNECTIONS").unwrap_or(default)).unwrap();
    let seed = number("SOAK_SEED").unwrap_or(1);
    let seconds = number("SOAK_PACE").unwrap_or(5).clamp(1, 59);
    let pace = if minutes.is_some() {
        Pace::Long(seconds)
    } else {
        Pace::Short
    };

    let gateway = receiver::Options {
        // Of the deliveries of hours only the counts and the latest asset of each id.
        keep_deliveries: false,
        ..receiver::Options::default()
    };
    let receiver = Receiver::start(gateway).await;
    let mut forests = Forests::new(count, seed, pace, &receiver);
    if length.as_secs() / seconds > KEPT_RUNS * 8 / 10 {
        forests.connector.unaudited("its history keeps fewer runs");
    }
    let served = Served::start(&forests.connector).await;
    let (stop, process) = (CancellationToken::new(), served.service.id());
    let state = forests.connector.state();
    let (samples, (), (), asked) = tokio::join!(
        measure(process, &state, length, &stop),
        forests.change(Rng::with_seed(seed), &stop),
        stumble(&forests, &receiver, Rng::with_seed(seed ^ 0xF417), &stop),
        client::visit(&served, &forests, &stop),
    );
    settle(&served, &forests, &receiver).await;
    let outcome = served.service.stopped_with(0).await;
    let runs = outcome.stderr.matches("run finished").count();
    assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    forests.assert_removed(&receiver);
    println!(
        "{count} connections, {length:?}, seed {seed}: {runs} runs, {} changes, {asked} requests over HTTP, \
         {:?}",
        forests.changes(),
        receiver.summary()
    );
    // A few seconds say nothing about the memory.
    if minutes.is_some() {
        println!(
            "{}",
            judgement::judge(&samples).unwrap_or_else(|reason| panic!("{reason}"))
        );
    }
}

/// Measures the service until `length` is over, prints a row a minute, and then stops the others.
async fn measure(
    process: u32,
    state: &std::path::Path,
    length: Duration,
    stop: &CancellationToken,
) -> Vec<Sample> {
    let (started, mut samples) = (Instant::now(), Vec::<Sample>::new());
    println!("{}", Sample::HEAD);
    let mut printed = None;
    while started.elapsed() < length {
        let sample = Sample::of(process, state, started.elapsed());
        let minute = sample.at.as_secs() / 60;
        if printed != Some(minute) {
            println!("{sample}");
            printed = Some(minute);
        }
        samples.push(sample);
        sleep(EVERY.min(length / MEASUREMENTS)).await;
    }
    println!("{}", Sample::of(process, state, started.elapsed()));
    stop.cancel();
    samples
}

/// Lets controllers and gateway fail now and then, until `stop`.
async fn stumble(forests: &Forests, receiver: &Receiver, mut random: Rng, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        let pause = Duration::from_millis(500 + random.usize(..3_000) as u64);
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(pause) => {}
        }
        if random.usize(..2) == 0 {
            forests.break_one(&mut random);
            continue;
        }
        receiver.script([match random.usize(..4) {
            0 => Answer::status(500),
            1 => Answer::with_header(429, "X-RateLimit-ToWait-Sec", "1"),
            2 => Answer::RevokeToken,
            _ => Answer::CutBefore,
        }]);
    }
}

/// Longest time until everything has arrived, once nothing fails any more.
const SETTLES_WITHIN: Duration = Duration::from_secs(120);

/// Ends all faults, lets each connection make a baseline, and checks what the receiver holds.
async fn settle(served: &Served, forests: &Forests, receiver: &Receiver) {
    receiver.clear_scripts();
    forests.heal();
    let deadline = Instant::now() + SETTLES_WITHIN;
    for name in forests.names() {
        let path = format!("/api/v1/connections/{name}");
        let body = serde_json::json!({"mode": "baseline"});
        let run = loop {
            let answer = served.post(&format!("{path}/sync"), &body).await;
            if answer.status == 202 {
                break answer.json()["run"].as_i64().unwrap();
            }
            assert_eq!(answer.status, 409, "{}", answer.body);
            assert!(
                Instant::now() < deadline,
                "{name} does not begin: {}",
                answer.body
            );
            sleep(Duration::from_millis(100)).await;
        };
        loop {
            let runs = served.json(&format!("{path}/runs?limit=10")).await;
            let listed = runs["items"].as_array().unwrap();
            let asked = listed.iter().find(|one| one["run"] == run);
            let asked = asked.unwrap_or_else(|| panic!("run {run} is not listed: {runs}"));
            if asked["outcome"] == "processed" {
                break;
            }
            assert!(asked["outcome"].is_null(), "{asked}");
            assert!(Instant::now() < deadline, "{name} does not end: {asked}");
            sleep(Duration::from_millis(100)).await;
        }
    }
    forests.assert_arrived(receiver);
}
