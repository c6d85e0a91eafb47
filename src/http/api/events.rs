//! Server-sent events about connections and runs, as they happen.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderName;
use axum::response::IntoResponse;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::stream::unfold;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::http::access::{RequestRights, RequestSender};
use crate::http::extract::{NamedConnection, ServiceState};
use crate::http::problem::{HttpProblem, RefusalResponses};
use crate::http::service::HttpService;
use crate::http::slots::HeldSlot;
use crate::schedule::{ConnectionHandle, CurrentRun};
use crate::view::{ConnectionView, ProgressView, RunView};

/// Time between two looks at the progress of a run.
const LOOK: Duration = Duration::from_millis(250);

/// Looks at the progress for each read of the state file, which shows the runs of commands beside
/// the service.
const LOOKS_A_READ: u32 = 4;

/// Lets nginx pass on each event at once.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A browser that lost the stream comes back after this.
const COME_BACK: Duration = Duration::from_secs(3);

/// Events of a connection: `connection` (where it stands), `progress` (of the run that goes on) and
/// `run` (one that ended).
#[utoipa::path(
    get, path = "/api/v1/connections/{name}/events", tag = "connections", operation_id = "streamEvents",
    params(("name" = String, Path, description = "CONNECTION_NAME")),
    responses(
        (status = 200, description = "Server-sent events: `connection` with a Connection, `progress` with a Progress, `run` with a Run. \
            The first two come at once, then each on change.",
         body = String, content_type = "text/event-stream"),
        RefusalResponses
    )
)]
pub(super) async fn stream(
    rights: RequestRights,
    client: RequestSender,
    State(service): ServiceState,
    NamedConnection(handle): NamedConnection,
) -> Result<impl IntoResponse, HttpProblem> {
    let slot = service.streams.take(client.peer()).await;
    slot.activity().set_answering(true);
    // A state file that cannot be read is better reported as a status than in a stream.
    service.standing(&handle).await?;
    let mut every = interval(LOOK);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watcher = EventWatcher {
        live: handle.live(),
        has_worker: true,
        ended: handle.live().borrow().ended,
        service,
        handle,
        every,
        looks: 0,
        waiting: VecDeque::new(),
        connection: None,
        progress: None,
        rights,
        slot,
    };
    let events = unfold(watcher, |mut watcher| async {
        let event = watcher.next().await?;
        Some((Ok::<_, Infallible>(event), watcher))
    });
    let events = Sse::new(events).keep_alive(KeepAlive::default());
    Ok(([(UNBUFFERED, "no")], events))
}

/// Stream of events for one client, and the values that it sent last.
struct EventWatcher {
    service: Arc<HttpService>,
    handle: ConnectionHandle,
    live: watch::Receiver<CurrentRun>,
    /// `true` until the service has dropped the sender of `live`.
    has_worker: bool,
    every: Interval,
    looks: u32,
    waiting: VecDeque<Event>,
    connection: Option<ConnectionView>,
    progress: Option<ProgressView>,
    ended: u64,
    rights: RequestRights,
    slot: HeldSlot,
}

impl EventWatcher {
    /// Returns the next event; `None` when the service stops, the slot is given to another stream,
    /// or the connection is gone.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            let changed = tokio::select! {
                biased;
                () = self.service.stop.cancelled() => return None,
                () = self.slot.revoked() => return None,
                changed = self.live.changed(), if self.has_worker => {
                    self.has_worker = changed.is_ok();
                    true
                }
                _ = self.every.tick() => false,
            };
            if !self.has_worker {
                self.follow()?;
            }
            self.look(changed).await;
        }
    }

    /// Takes the connection as it is configured now: the service runs this handle no more, since
    /// the connection is disabled or was changed. `None` when it is gone, or cannot be used.
    fn follow(&mut self) -> Option<()> {
        let now = self
            .service
            .registry
            .set()
            .named(self.handle.connector().name())?;
        let handle = now.handle.ok()?;
        if !Arc::ptr_eq(handle.connector(), self.handle.connector()) {
            self.live = handle.live();
            self.handle = handle;
            self.has_worker = true;
        }
        Some(())
    }

    /// Looks for changes. A state file that cannot be read now is read again at the next look.
    async fn look(&mut self, changed: bool) {
        if changed || self.looks.is_multiple_of(LOOKS_A_READ) {
            let _ = self.read().await;
        }
        self.looks = self.looks.wrapping_add(1);
        let running = self.live.borrow_and_update().progress.clone();
        let progress = running.and_then(|running| ProgressView::of(&running));
        if let Some(now) = &progress
            && self.progress.as_ref() != Some(now)
        {
            self.push("progress", now);
        }
        self.progress = progress;
    }

    async fn read(&mut self) -> Result<(), HttpProblem> {
        let ended = self.live.borrow().ended;
        let standing = self.service.standing(&self.handle).await?;
        let connection = standing.shown(&self.service, &self.handle);
        // The end of a run is sent even when nothing visible changed.
        if self.connection.as_ref() != Some(&connection) || ended != self.ended {
            let running = self.live.borrow().progress.clone();
            let told = ConnectionView {
                progress: running.and_then(|running| ProgressView::of(&running)),
                ..connection.clone()
            };
            let shown = self.rights.shown(told);
            self.push("connection", &shown);
        }
        if let Some(run) = standing.last_run
            && self.last_run_told() != Some(run.id.number())
            && self.connection.is_some()
        {
            let shown = self
                .rights
                .shown(RunView::new(self.handle.connector().name(), &run));
            self.push("run", &shown);
        }
        self.ended = ended;
        self.connection = Some(connection);
        Ok(())
    }

    fn last_run_told(&self) -> Option<i64> {
        Some(self.connection.as_ref()?.last_run.as_ref()?.run)
    }

    fn push(&mut self, name: &str, data: &impl Serialize) {
        // Nothing that is shown has a key that is no text, which alone could fail.
        if let Ok(event) = Event::default().event(name).retry(COME_BACK).json_data(data) {
            self.waiting.push_back(event);
        }
    }
}
