//! Runs that only take time: they go through the states of the store, and read and send nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::identity::{Guid, GuidSet};
use crate::store::{ConnectionRow, Outcome, ReadEnd, RunEnd, RunMode, State, Watermark};
use crate::sync::{Connector, RunError, RunReport, RunRequest};

/// Numbers that look random: a linear congruential generator (Knuth, MMIX).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: i64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// Run as it was executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Executed {
    pub(super) began: DateTime<Utc>,
    pub(super) mode: RunMode,
    /// `None` while it goes on, and after its process was killed.
    pub(super) ended: Option<DateTime<Utc>>,
    pub(super) is_complete: bool,
}

/// Executor of runs, with a record of them.
pub(super) struct Executor {
    pub(super) runs: Mutex<Vec<Executed>>,
    pub(super) random: Mutex<Random>,
}

impl Executor {
    /// Executes a run that takes 5 seconds to some minutes, now and then more than an hour, and
    /// fails now and then.
    pub(super) async fn execute(
        self: Arc<Self>,
        connector: Arc<Connector>,
        request: RunRequest,
        stop: CancellationToken,
    ) -> Result<RunReport, RunError> {
        let (id, mode, began) = (connector.id, request.mode, connector.clock.now());
        let (seconds, fails) = {
            let mut random = self.random.lock().unwrap();
            let longest = if random.below(20) == 0 { 7_000 } else { 400 };
            (5 + random.below(longest), random.below(6) == 0)
        };
        {
            let mut runs = self.runs.lock().unwrap();
            runs.push(Executed {
                began,
                mode,
                ended: None,
                is_complete: false,
            });
        }
        let (basis, asked_by, now) = (connector.basis(), request.asked_by.clone(), began.timestamp());
        let run = connector
            .on_store(move |store| store.begin_run(id, mode, &asked_by, &basis, now))
            .await?;
        assert_eq!(state(&connector).await, State::Processing);
        let stopped = tokio::select! {
            () = stop.cancelled() => true,
            () = tokio::time::sleep(Duration::from_secs(seconds.unsigned_abs())) => false,
        };
        let ended = connector.clock.now();
        let outcome = match (stopped, fails) {
            (true, _) => Outcome::Stopped,
            (_, true) => Outcome::Failed,
            _ => Outcome::Processed,
        };
        let is_complete = mode == RunMode::Baseline && outcome == Outcome::Processed;
        let end = RunEnd {
            outcome,
            error: (outcome == Outcome::Failed).then(|| "it fails".to_owned()),
            ..RunEnd::default()
        };
        let read = full_read(ended.timestamp());
        connector
            .on_store(move |store| {
                if is_complete {
                    store.complete_read(run, &[], false, &read, ended.timestamp())?;
                }
                store.end_run(run, &end, ended.timestamp())
            })
            .await?;
        let expected = if outcome == Outcome::Processed {
            State::Processed
        } else {
            State::Scheduled
        };
        assert_eq!(state(&connector).await, expected);
        let mut runs = self.runs.lock().unwrap();
        let last = runs.last_mut().unwrap();
        (last.ended, last.is_complete) = (Some(ended), is_complete);
        Ok(RunReport {
            run,
            mode,
            reason: String::new(),
            dry: false,
            counts: Default::default(),
            requests: 0,
            retries: 0,
            pages: 0,
            referrals: 0,
            watermark: None,
            seconds: 0.0,
            phases: Default::default(),
            held: None,
            failure: match outcome {
                Outcome::Stopped => Some(RunError::Stopped),
                Outcome::Failed => Some(RunError::ListChanged { list: String::new() }),
                _ => None,
            },
        })
    }
}

pub(super) fn full_read(ended: i64) -> ReadEnd {
    ReadEnd {
        watermark: Watermark {
            controller: Guid::from([1; 16]),
            scope: [0; 32],
            usn: 1,
            read_at: ended,
        },
        host: "dc1".to_owned(),
        server: "CN=dc1".to_owned(),
        cookie: None,
        kinds: Vec::new(),
        missed: Vec::new(),
        met: Some(GuidSet::default()),
        containers: Vec::new(),
        containers_gone: Vec::new(),
        ended,
    }
}

pub(super) async fn state(connector: &Connector) -> State {
    row(connector).await.state
}

pub(super) async fn row(connector: &Connector) -> ConnectionRow {
    let id = connector.id;
    connector
        .on_store(move |store| store.connection_row(id))
        .await
        .unwrap()
        .unwrap()
}
