//! What is known of a connection at the moment of a request.

use chrono::Utc;

use super::problem::Problem;
use super::service::Service;
use crate::schedule::ConnectionHandle;
use crate::store;
use crate::view::{self, Counted};

/// Connection with everything that is known of it.
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
    pub(super) fn shown(&self, service: &Service, handle: &ConnectionHandle) -> view::Connection {
        view::Connection::new(
            &self.row,
            &self.counted,
            self.last_run.as_ref(),
            &handle.connector().settings,
            service.access.allows_changes(),
            Utc::now().timestamp(),
        )
    }
}

impl Service {
    /// Returns what is known of a connection.
    pub(super) async fn standing(&self, handle: &ConnectionHandle) -> Result<Standing, Problem> {
        let (name, id) = (handle.connector().name().to_owned(), handle.connector().id);
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
        let ended = handle.live().borrow().ended;
        let count = self.read(move |store| Counted::of(store, id));
        let counted = self.counts.of(&row, ended, count).await?;
        Ok(Standing {
            row,
            counted,
            last_run,
            last_finished,
        })
    }
}
