//! Connections that are made over HTTP, and changed, disabled and deleted while a run of them goes
//! on: nothing is lost, and nothing is sent with the former configuration afterwards (R34, R35).
//!
//! `CHANGE_CELLS=all` checks every phase with every change; otherwise each phase is met with
//! some of them, and each of them in some phases. A text in place of `all` chooses those whose
//! description has it.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing check may panic"
)]

#[path = "../support/mod.rs"]
mod support;

mod checks;
mod histories;
mod instances;
mod phases;
mod wanted;
mod world;

use std::sync::Arc;

use phases::Phase;
use tokio::sync::Semaphore;
use wanted::Change;

/// Cells that are checked side by side.
const TOGETHER: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r34_a_change_in_any_phase_of_a_run_loses_nothing_and_sends_nothing_old() {
    let chosen = std::env::var("CHANGE_CELLS").unwrap_or_default();
    let mut cells = Vec::new();
    for (row, phase) in Phase::ALL.iter().enumerate() {
        for (column, change) in Change::ALL.iter().enumerate() {
            let named = format!("{phase:?} × {change:?}");
            let wanted = match chosen.as_str() {
                "" => (row + column * 3) % 8 < 1,
                "all" => true,
                text => named.contains(text),
            };
            if wanted {
                cells.push((*phase, *change));
            }
        }
    }
    let count = cells.len();
    let together = Arc::new(Semaphore::new(TOGETHER));
    let mut tasks = tokio::task::JoinSet::new();
    for (phase, change) in cells {
        let together = Arc::clone(&together);
        tasks.spawn(async move {
            let _permit = together.acquire_owned().await.unwrap();
            let checked = tokio::spawn(phases::check(phase, change)).await;
            checked
                .err()
                .map(|error| format!("{phase:?} × {change:?}: {error}"))
        });
    }
    let mut wrong = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        wrong.extend(ended.unwrap());
    }
    wrong.sort();
    assert!(
        wrong.is_empty(),
        "{} of {count} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    println!("{count} changes in a phase of a run");
}
