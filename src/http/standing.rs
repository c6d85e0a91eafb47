//! Status of a connection at the moment of a request.

use super::problem::HttpProblem;
use super::service::HttpService;
use crate::clock;
use crate::schedule::{ConnectionFault, ConnectionHandle, ServedConnection, StoredState};
use crate::store::{self, State};
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
        let view = view::ConnectionView::new(
            &self.row,
            &self.counted,
            self.last_run.as_ref(),
            &handle.connector().settings,
            service.access.allows_changes(),
            clock::unix_seconds(),
        );
        match service.registry.set().named(handle.connector().name()) {
            Some(ServedConnection {
                stored: Some(stored), ..
            }) => with_stored(view, &stored),
            _ => view,
        }
    }
}

/// Returns a stored connection that cannot be used, with the reason in place of the last error.
pub(super) fn unusable(
    connection: &ServedConnection,
    fault: &ConnectionFault,
    service: &HttpService,
) -> view::ConnectionView {
    let stored = connection.stored.as_ref();
    let description = stored.and_then(|stored| stored.body["description"].as_str());
    let view = view::ConnectionView {
        name: connection.name.clone(),
        description: description.unwrap_or_default().to_owned(),
        uuid: connection.uuid.to_string(),
        origin: connection.origin.name(),
        state: State::Registered.name(),
        last_error: Some(fault.reason.clone()),
        last_error_remedy: Some(fault.remedy.clone()),
        changes_allowed: service.access.allows_changes(),
        version: env!("CARGO_PKG_VERSION"),
        ..view::ConnectionView::default()
    };
    match &connection.stored {
        Some(stored) => with_stored(view, stored),
        None => view,
    }
}

/// Returns a view with what is stored of the configuration.
pub(super) fn with_stored(view: view::ConnectionView, stored: &StoredState) -> view::ConnectionView {
    view::ConnectionView {
        revision: Some(stored.revision),
        disabled: stored.is_disabled,
        created_at: view::time(Some(stored.created_at)),
        updated_at: view::time(Some(stored.updated_at)),
        configuration: Some(view::stored_configuration(
            &stored.body,
            stored.is_disabled,
            stored.password_set_at,
        )),
        ..view
    }
}

impl HttpService {
    /// Returns what is known of a connection.
    pub(super) async fn standing(
        &self,
        handle: &ConnectionHandle,
    ) -> Result<ConnectionStanding, HttpProblem> {
        // By its number: its name may just have been changed.
        let id = handle.connector().id;
        let found = self
            .read(move |store| {
                let row = store.connection_row(id)?;
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
