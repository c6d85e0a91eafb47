//! What has to be counted object by object is counted once for all who look.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::Utc;
use tokio::sync::Mutex;

use super::Service;
use super::problem::Problem;
use crate::schedule::Desk;
use crate::store::{self, State};
use crate::view::{self, Counted};

/// How old counts may be while a run goes on. Between runs nothing changes them.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// What was counted, by connection. Locked while it is counted, so that one counts and the others wait.
#[derive(Debug, Default)]
pub(super) struct Counts(Mutex<BTreeMap<String, Kept>>);

#[derive(Debug)]
struct Kept {
    /// State, since when, and the end of the last run: while these are the same, only a run can have changed anything.
    of: (State, i64, Option<i64>, u64),
    at: Instant,
    counted: Counted,
}

/// A connection with everything that is known of it.
pub(super) struct Standing {
    pub(super) row: store::Connection,
    pub(super) counted: Counted,
    /// The last run that ended.
    pub(super) last_run: Option<store::Run>,
    /// When the last run ended that failed in nothing.
    pub(super) last_finished: Option<i64>,
}

impl Standing {
    /// As the API shows it, without the run that goes on.
    pub(super) fn shown(&self, service: &Service, desk: &Desk) -> view::Connection {
        view::Connection::new(
            &self.row,
            &self.counted,
            self.last_run.as_ref(),
            &desk.connector().settings,
            service.access.allows_changes(),
            Utc::now().timestamp(),
        )
    }
}

impl Service {
    /// Where a connection stands.
    pub(super) async fn standing(&self, desk: &Desk) -> Result<Standing, Problem> {
        let (name, id) = (desk.connector().name().to_owned(), desk.connector().id);
        let found = self
            .read(move |store| {
                let row = store.connection(&name)?;
                // The last one may go on; then the one before is the last that ended.
                let mut runs = store.runs(id, 2)?;
                runs.retain(|run| run.ended.is_some());
                Ok((row, runs.into_iter().next(), store.last_finished(id)?))
            })
            .await?;
        let (Some(row), last_run, last_finished) = found else {
            return Err(Problem::internal(
                "internal error: the connection is not registered",
            ));
        };
        let counted = self.counted(desk, &row).await?;
        Ok(Standing {
            row,
            counted,
            last_run,
            last_finished,
        })
    }

    async fn counted(&self, desk: &Desk, row: &store::Connection) -> Result<Counted, Problem> {
        let id = desk.connector().id;
        let ended = desk.live().borrow().ended;
        let of = (row.state, row.state_since, row.last_synced, ended);
        let mut kept = self.counts.0.lock().await;
        if let Some(kept) = kept.get(&row.name)
            && kept.of == of
            && (row.state != State::Processing || kept.at.elapsed() < FRESH_FOR)
        {
            return Ok(kept.counted.clone());
        }
        let counted = self.read(move |store| Counted::of(store, id)).await?;
        let fresh = Kept {
            of,
            at: Instant::now(),
            counted: counted.clone(),
        };
        kept.insert(row.name.clone(), fresh);
        Ok(counted)
    }
}
