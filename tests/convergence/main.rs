//! Nothing is lost and nothing is sent twice, whatever happens: random histories of a directory, of the program and of all
//! that can go wrong between them (R1 to R9, R15 to R20).
//!
//! `CONVERGENCE_HISTORIES` says how many, `CONVERGENCE_SEED` from which seed on,
//! `CONVERGENCE_CONTROLLERS` with how many controllers, `CONVERGENCE_PROFILES` and
//! `CONVERGENCE_IDENTITY` with how many profiles for one target and with which source of the id;
//! `CONVERGENCE_ROLES=1` with roles in all of them;
//! `CONVERGENCE_LIST=1` to list all that fail; docs/testing.md says more.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod arrivals;
#[path = "../support/audit.rs"]
mod audit;
mod directed;
mod faults;
mod history;
mod model;
mod owned;
mod player;
mod program;
mod shrink;
#[path = "../support/sums.rs"]
mod sums;
mod sums_tests;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use history::{Choice, History, Identity};
use player::{Met, Trace};

/// What runs with every `cargo test`.
const HISTORIES: u64 = 300;

/// Histories that do not converge, where all are listed.
const FAILED: &str = "history failed";

/// What so many histories must have met.
const EXPECTED: [&str; 21] = [
    "became of another class",
    "batch kept without an answer",
    "connections side by side",
    "delta",
    "failed at the directory",
    "failed at the gateway",
    "full read",
    "full read resumed",
    "killed",
    "id of another object at the end",
    "id of two objects at the end",
    "object removed",
    "promise kept but for what was refused",
    "promise kept by a profile",
    "promise kept by controller 0",
    "promise kept by controller 1",
    "rejected some",
    "removal told",
    "removals held back",
    "single assets refused",
    "stopped",
];

#[test]
fn random_histories_converge() {
    let number = |name: &str, default| match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {text}")),
        Err(_) => default,
    };
    let first = number("CONVERGENCE_SEED", 1);
    let histories = number("CONVERGENCE_HISTORIES", HISTORIES);
    let threads = number(
        "CONVERGENCE_THREADS",
        std::thread::available_parallelism().map_or(1, |n| n.get() as u64),
    );
    // One or two; 0 leaves it to the seed.
    let count = |name| {
        usize::try_from(number(name, 0))
            .ok()
            .filter(|count| (1..=2).contains(count))
    };
    let choice = Choice {
        controllers: count("CONVERGENCE_CONTROLLERS"),
        profiles: count("CONVERGENCE_PROFILES"),
        identity: std::env::var("CONVERGENCE_IDENTITY").ok().map(|name| {
            Identity::named(&name)
                .unwrap_or_else(|| panic!("CONVERGENCE_IDENTITY is sid, mail or account, not {name}"))
        }),
        refuses_nothing: number("CONVERGENCE_REFUSALS", 1) == 0,
        roles: number("CONVERGENCE_ROLES", 0) == 1,
    };
    let is_all = choice.controllers.is_none() && choice.profiles.is_none() && choice.identity.is_none();
    // Every history is played, and those that fail are listed, in place of shrinking the first one.
    let lists_all = number("CONVERGENCE_LIST", 0) == 1;
    let (next, failed, found) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::new(None));
    let met = Mutex::new(Met::new());
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= histories {
                        return;
                    }
                    let history = History::draw(first.wrapping_add(number), &choice);
                    let mut trace = Trace::new();
                    match played(&history, &mut trace) {
                        Ok(more) => add(&mut met.lock().unwrap(), more),
                        Err(reason) if lists_all => {
                            add(&mut met.lock().unwrap(), Met::from([(FAILED, 1)]));
                            println!("seed {}: {reason}\n{}", history.seed, trace.join("\n"));
                        }
                        Err(reason) => {
                            failed.store(true, Ordering::Relaxed);
                            found.lock().unwrap().get_or_insert((number, history, reason));
                            return;
                        }
                    }
                    if (number + 1).is_multiple_of(1_000) {
                        println!("{} histories in {:.0?}", number + 1, started.elapsed());
                    }
                }
            });
        }
    });
    let Some((number, history, reason)) = found.into_inner().unwrap() else {
        let met = met.into_inner().unwrap();
        println!(
            "{histories} histories from seed {first} converged in {:.1?}: {met:?}",
            started.elapsed()
        );
        assert_eq!(
            met.get(FAILED),
            None,
            "histories that do not converge are listed above"
        );
        for what in EXPECTED {
            let often = met.get(what).copied().unwrap_or(0);
            let all = histories >= HISTORIES && is_all && !choice.refuses_nothing;
            assert!(!all || often > 0, "never met: {what}");
        }
        return;
    };
    let seed = history.seed;
    println!(
        "History {} (seed {seed}) failed: {reason}\nShrinking it ...",
        number + 1
    );
    let (shortest, reason) = shrink::shrink(history, reason, failure);
    panic!(
        "history {} of this run does not converge: {reason}\n\n{shortest}\nas it went:\n{}\nto replay the whole history: \
         {choice}CONVERGENCE_SEED={seed} CONVERGENCE_HISTORIES=1 cargo test --test convergence -- --nocapture\n",
        number + 1,
        told(&shortest)
    );
}

/// Why the history fails, if it does.
fn failure(history: &History) -> Option<String> {
    played(history, &mut Trace::new()).err()
}

fn add(met: &mut Met, more: Met) {
    for (what, often) in more {
        *met.entry(what).or_default() += often;
    }
}

/// Plays it; a panic of the test's own thread is a failure too.
fn played(history: &History, trace: &mut Trace) -> Result<Met, String> {
    match catch_unwind(AssertUnwindSafe(|| player::play(history, trace))) {
        Ok(played) => played,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(format!("panic: {}", text.unwrap_or_default()))
        }
    }
}

/// What was seen step by step.
fn told(history: &History) -> String {
    let mut trace = Trace::new();
    // It may go well this time; what was seen before it failed is of use all the same.
    let _ = played(history, &mut trace);
    trace.join("\n")
}
