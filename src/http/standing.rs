//! Status of a connection at the moment of a request.

use chrono::Utc;

use super::problem::HttpProblem;
use super::service::HttpService;
use crate::schedule::ConnectionHandle;
use crate::store;
use crate::view::{self, ObjectCounts};

/// Connection with everything that is known of it.
pub(super) struct ConnectionStanding {
    pub(super) row: store::ConnectionRow,
    pub(super) counted: ObjectCounts,
    /// The last run that ended.
    pub(super) last_run: Option<store::RunRow>,
    /// End of the last run that failed in nothing.
    pub(super) last_finished: Option<i64>,
}

impl ConnectionStanding {
    /// Returns the connection as the API shows it, without the run that goes on.
    pub(super) fn shown(&self, service: &HttpService, handle: &ConnectionHandle) -> view::ConnectionView {
        view::ConnectionView::new(
            &self.row,
            &self.counted,
            self.last_run.as_ref(),
            &handle.connector().settings,
            service.access.allows_changes(),
            Utc::now().timestamp(),
        )
    }
}

impl HttpService {
    /// Returns what is known of a connection.
    pub(super) async fn standing(
        &self,
        handle: &ConnectionHandle,
    ) -> Result<ConnectionStanding, HttpProblem> {
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
            return Err(HttpProblem::internal(
                "internal error: the connection is not registered",
            ));
        };
        let ended = handle.live().borrow().ended;
        let count = self.read(move |store| ObjectCounts::of(store, id));
        let counted = self.counts.of(&row, ended, count).await?;
        Ok(ConnectionStanding {
            row,
            counted,
            last_run,
            last_finished,
        })
    }
}
