//! The program killed, stopped, and left without a disk: nothing is lost, and nothing is sent twice without need (R3, R18,
//! R20, R26, R28, R29).
//!
//! `CRASH_KILLS` says how often it is killed, `CRASH_SEED` when, `CRASH_STATE=postgres` that the
//! state of `points` is in PostgreSQL; docs/testing.md says more. Needs the places at which the
//! program can be killed, which a release build has not.
#![cfg(debug_assertions)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

#[path = "support/audit.rs"]
mod audit;
#[path = "crash/diary.rs"]
mod diary;
#[path = "crash/disk.rs"]
mod disk;
#[path = "crash/kills.rs"]
mod kills;
#[path = "support/ledger.rs"]
mod ledger;
#[path = "crash/older.rs"]
mod older;
#[path = "crash/phases.rs"]
mod phases;
#[path = "crash/points.rs"]
mod points;
#[path = "crash/signals.rs"]
mod signals;
#[path = "crash/state.rs"]
mod state;
#[path = "crash/world.rs"]
mod world;
