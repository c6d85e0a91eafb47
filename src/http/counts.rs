//! Cache of what has to be counted object by object: it is counted once for all requests.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::problem::HttpProblem;
use crate::clock;
use crate::store::{ConnectionRow, State};
use crate::view::ObjectCounts;

/// Age up to which counts are shown while a run goes on. Between runs nothing changes them.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// Counts by connection. Locked while it is counted, so that one request counts and the others
/// wait.
#[derive(Debug, Default)]
pub(super) struct CountCache(Mutex<BTreeMap<String, CachedCounts>>);

#[derive(Debug)]
struct CachedCounts {
    /// State, since when, end of the last run, and runs that ended: while these are the same, only
    /// a run can have changed anything.
    of: (State, i64, Option<i64>, u64),
    at: Instant,
    counted: ObjectCounts,
}

impl CountCache {
    /// Returns the counts of the connection in `row`, of which the service has ended so many runs:
    /// the kept ones while they are true, else those that `count` makes.
    pub(super) async fn of(
        &self,
        row: &ConnectionRow,
        ended: u64,
        count: impl Future<Output = Result<ObjectCounts, HttpProblem>>,
    ) -> Result<ObjectCounts, HttpProblem> {
        let of = (row.state, row.state_since, row.last_synced, ended);
        let mut kept = self.0.lock().await;
        if let Some(kept) = kept.get(&row.name)
            && kept.of == of
            && (row.state != State::Processing || kept.at.elapsed() < FRESH_FOR)
        {
            return Ok(kept.counted.clone());
        }
        let counted = count.await?;
        let fresh = CachedCounts {
            of,
            at: clock::instant(),
            counted: counted.clone(),
        };
        kept.insert(row.name.clone(), fresh);
        Ok(counted)
    }
}
