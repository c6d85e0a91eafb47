//! Handle of a connection of the service: it starts runs and shows the present state.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::{ConnectionTimetable, ScheduledConnection};
use crate::clock;
use crate::store::{ConnectionId, KindCounts, RequestedRun, RunMode, RunPhases};
use crate::sync::{BegunRun, Connector, DirectoryProgress, RunError, RunProgress, RunReport, RunRequest};

/// Handle of a connection that the service runs, for other parts of the program.
#[derive(Clone)]
pub struct ConnectionHandle {
    connection: ScheduledConnection,
    orders: mpsc::Sender<RunCommand>,
    live: watch::Receiver<CurrentRun>,
    done: Arc<Mutex<ServiceTotals>>,
}

/// State of the service for one connection.
#[derive(Debug, Clone, Default)]
pub struct CurrentRun {
    /// Run in progress, or about to begin.
    pub progress: Option<Arc<RunProgress>>,
    /// Runs that ended since the start of the service.
    pub ended: u64,
}

/// Results of the runs of this service, since its start.
#[derive(Debug, Clone, Default)]
pub struct ServiceTotals {
    /// Runs by mode and outcome.
    pub runs: BTreeMap<(&'static str, &'static str), u64>,
    /// Counts of objects.
    pub counts: KindCounts,
    /// Durations of the phases.
    pub phases: RunPhases,
    /// Requests to the gateway that were repeated.
    pub retries: u64,
    /// Operations on the directory, and the certificate seen last.
    pub directory: DirectoryProgress,
    /// Exit code with which `sync` would have ended for the last run.
    pub last_exit_code: Option<u8>,
}

/// Request for a run, with a channel for the error of a run that could not begin.
pub(super) struct RunCommand {
    pub(super) request: RunRequest,
    /// `None` for a run of the schedule.
    pub(super) refused: Option<oneshot::Sender<RunError>>,
}

impl RunCommand {
    /// Returns a run of the schedule.
    pub(super) fn due(mode: RunMode, asked_by: &str) -> Self {
        Self {
            request: RunRequest::new(mode, asked_by),
            refused: None,
        }
    }
}

/// Receiving side of a [`ConnectionHandle`], for the service.
pub struct ConnectionWorker {
    pub(super) connection: ScheduledConnection,
    pub(super) orders: mpsc::Receiver<RunCommand>,
    live: watch::Sender<CurrentRun>,
    done: Arc<Mutex<ServiceTotals>>,
}

/// Reason for which a requested run did not begin.
#[derive(Debug, thiserror::Error)]
pub enum CommandRefusal {
    /// The service executes another run of the connection, which is this one.
    #[error("another run holds the connection: run {} of this service, asked for by: {}", .0.run, .0.asked_by)]
    Busy(BegunRun),
    /// Another run of the connection is about to begin.
    #[error("another run of the connection is about to begin")]
    AboutToRun,
    /// The run could not begin.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The connection is another instance's, which did not begin the run in time.
    #[error("the instance that holds the connection has not begun the run yet")]
    NoHolder,
    /// The service is stopping.
    #[error("the service is stopping")]
    Stopping,
    /// The connection is disabled.
    #[error("the connection is disabled")]
    Disabled,
}

/// Returns both sides of a connection that the service is to run.
#[must_use]
pub fn open(connection: ScheduledConnection) -> (ConnectionHandle, ConnectionWorker) {
    // One at a time: a request that finds the channel full gets the answer that a run is about to
    // begin.
    let (orders, taken) = mpsc::channel(1);
    let (live, seen) = watch::channel(CurrentRun::default());
    let done = Arc::new(Mutex::new(ServiceTotals::default()));
    let handle = ConnectionHandle {
        connection: connection.clone(),
        orders,
        live: seen,
        done: Arc::clone(&done),
    };
    let counter = ConnectionWorker {
        connection,
        orders: taken,
        live,
        done,
    };
    (handle, counter)
}

impl ConnectionHandle {
    /// Returns the connection.
    #[must_use]
    pub fn connector(&self) -> &Arc<Connector> {
        &self.connection.connector
    }

    /// Returns the timetable of the connection.
    #[must_use]
    pub fn timetable(&self) -> &ConnectionTimetable {
        &self.connection.timetable
    }

    /// Returns a receiver of the service's state for the connection.
    #[must_use]
    pub fn live(&self) -> watch::Receiver<CurrentRun> {
        self.live.clone()
    }

    /// Returns the totals of its runs.
    #[must_use]
    pub fn done(&self) -> ServiceTotals {
        locked(&self.done).clone()
    }

    /// Requests a run and waits until it has begun.
    ///
    /// # Errors
    /// The reason for which it did not begin.
    pub async fn ask(&self, request: RunRequest) -> Result<BegunRun, CommandRefusal> {
        if let Some(running) = &self.live.borrow().progress {
            return Err(match running.begun().borrow().clone() {
                Some(begun) => CommandRefusal::Busy(begun),
                None => CommandRefusal::AboutToRun,
            });
        }
        let connector = &self.connection.connector;
        if connector.settings.stored.is_some_and(|stored| stored.is_disabled) {
            return Err(CommandRefusal::Disabled);
        }
        if connector.store.sending_right(connector.id).is_none() {
            return self.ask_holder(request).await;
        }
        connector.bind_guard.allow_now(&connector.settings.directory);
        let mut begun = request.progress.begun();
        let (refused, refusal) = oneshot::channel();
        self.orders
            .try_send(RunCommand {
                request,
                refused: Some(refused),
            })
            .map_err(|full| match full {
                mpsc::error::TrySendError::Full(_) => CommandRefusal::AboutToRun,
                mpsc::error::TrySendError::Closed(_) => CommandRefusal::Stopping,
            })?;
        tokio::select! {
            biased;
            // The error is sent before the run drops its progress; a run that began sends none.
            Ok(error) = refusal => Err(CommandRefusal::Run(error)),
            begun = begun.wait_for(Option::is_some) => match begun.as_deref() {
                Ok(Some(begun)) => Ok(begun.clone()),
                _ => Err(CommandRefusal::Stopping),
            },
        }
    }
}

/// Time that the holder has to begin a run, and the pause between two looks whether it has.
const BEGINS_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(500);

impl ConnectionHandle {
    /// Asks the instance that holds the connection for a run, and waits until it has begun.
    async fn ask_holder(&self, request: RunRequest) -> Result<BegunRun, CommandRefusal> {
        let connector = &self.connection.connector;
        let id = connector.id;
        let asked = RequestedRun {
            mode: request.mode,
            approve: request.approve,
            asked_by: request.asked_by,
        };
        let (asked_by, wanted) = (asked.asked_by.clone(), asked.mode);
        let last = connector
            .on_store(move |store| {
                let last = store.runs(id, 1)?.pop();
                store.request_run(id, &asked)?;
                Ok(last.map(|run| run.id))
            })
            .await?;
        let deadline = clock::timer_instant() + BEGINS_WITHIN;
        while clock::timer_instant() < deadline {
            tokio::time::sleep(LOOK_EVERY).await;
            let by = asked_by.clone();
            let begun = connector
                .on_store(move |store| store.run_asked_by(id, &by, last))
                .await?;
            if let Some((run, at)) = begun {
                return Ok(BegunRun {
                    run,
                    wanted,
                    asked_by,
                    at,
                });
            }
        }
        Err(CommandRefusal::NoHolder)
    }
}

impl ConnectionWorker {
    /// Returns the identity of the connection.
    #[must_use]
    pub fn uuid(&self) -> uuid::Uuid {
        self.connection.connector.settings.uuid
    }

    /// Returns the row of the connection and the digest of its settings, as instances compare them
    /// (R34).
    #[must_use]
    pub fn candidate(&self) -> (ConnectionId, String) {
        let connector = &self.connection.connector;
        (connector.id, connector.digest.clone())
    }

    /// Records that the run `progress` is about to begin.
    pub(super) fn begins(&self, progress: &Arc<RunProgress>) {
        self.live
            .send_modify(|live| live.progress = Some(Arc::clone(progress)));
    }

    /// Records that the run ended, or did not begin.
    pub(super) fn ended(&self, progress: &RunProgress, report: Option<&RunReport>) {
        if let Some(report) = report {
            locked(&self.done).add(report, progress);
        }
        self.live.send_modify(|live| {
            live.progress = None;
            live.ended += u64::from(report.is_some());
        });
    }
}

impl ServiceTotals {
    fn add(&mut self, report: &RunReport, progress: &RunProgress) {
        let outcome = report.end().outcome.name();
        *self.runs.entry((report.mode.name(), outcome)).or_default() += 1;
        self.counts += &report.counts;
        let failure = report.failure.as_ref();
        self.last_exit_code = Some(failure.map_or(0, RunError::exit_code));
        let add = |sum: &mut Duration, more: Duration| *sum += more;
        add(&mut self.phases.connecting, report.phases.connecting);
        add(&mut self.phases.reading, report.phases.reading);
        add(&mut self.phases.examining, report.phases.examining);
        add(&mut self.phases.delivering, report.phases.delivering);
        self.retries += report.retries;
        let directory = progress.directory();
        self.directory.counters.round_trips += directory.counters.round_trips;
        self.directory.counters.pages += directory.counters.pages;
        self.directory.counters.referrals += directory.counters.referrals;
        if directory.certificate.is_some() {
            self.directory.certificate = directory.certificate;
        }
    }
}

/// Locks the totals. Each change is complete, so a panic during one leaves the state consistent.
fn locked(done: &Mutex<ServiceTotals>) -> MutexGuard<'_, ServiceTotals> {
    done.lock().unwrap_or_else(PoisonError::into_inner)
}
