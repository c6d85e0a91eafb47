//! `run`: the service.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::{Config, ConnectionSettings, SecretFile};
use crate::directory::BindGuard;
use crate::exit_code::USAGE;
use crate::http::{self, StateReaders};
use crate::notify;
use crate::registry::{ConnectionFollower, RegistryParts};
use crate::schedule::{self, ConnectionSet, ScheduledConnection};
use crate::store::{Store, StoreAccess};
use crate::upstream::Webhook;

use super::failure::CommandFailure;
use super::{review, setup, signals, supervisor};

/// Time for the heartbeat to end, within R26's 25 s together with [`schedule::STOP_WITHIN`].
const SCHEDULER_ENDS_WITHIN: Duration = Duration::from_millis(500);

/// Pause between two attempts to open the state in a database.
const STATE_AGAIN: Duration = Duration::from_secs(2);

/// Runs every chosen connection on its schedule until SIGTERM or Ctrl-C, which end it with 0.
pub(super) fn run(connection: Option<&str>) -> Result<u8, CommandFailure> {
    let config = setup::service_configuration()?;
    let chosen: Vec<&ConnectionSettings> = config
        .connections
        .iter()
        .filter(|one| connection.is_none_or(|name| one.name == name))
        .collect();
    setup::check_mappings(&config, &chosen)?;
    let runtime = setup::runtime()?;
    let served = runtime.block_on(async {
        let stop = CancellationToken::new();
        signals::cancel_on_signal(stop.clone())?;
        // Before the state is waited for: its password may be among the secrets.
        let served = Arc::new(OnceLock::<ConnectionSet>::new());
        let (secret_files, followed) = (config.secret_files.clone(), Arc::clone(&served));
        signals::on_hangup(move || {
            let mut files = secret_files.clone();
            files.extend(followed.get().map(stored_files).unwrap_or_default());
            renew_secrets(&files);
        })?;
        let bind_guard = BindGuard::default();
        let open = || OpenedState::open(&config, connection, &chosen, &bind_guard);
        let Some(opened) = waited_for(&config, &stop, open).await? else {
            return Ok(());
        };
        let OpenedState {
            store,
            connections,
            readers,
        } = opened;
        end_with_older_schema(Arc::clone(&store), stop.clone());
        let state = Arc::clone(&store);
        let (mut scheduler, beats) = schedule::heartbeat().await.map_err(CommandFailure::internal)?;
        let count = connections.len();
        let parts = RegistryParts {
            config: config.clone(),
            store,
            bind_guard,
            only: connection.map(str::to_owned),
        };
        let mut follower = ConnectionFollower::new(parts, connections, beats.clone(), stop.clone());
        follower.prepare().await;
        let registry = Arc::clone(follower.registry());
        let set = registry.set();
        // Nobody else sets it.
        let _: Result<(), ConnectionSet> = served.set(set.clone());
        if let Some(url) = &config.notify {
            let upstream = config.service_upstream().ok_or_else(no_gateway)?;
            let webhook = Webhook::new(url, &upstream)?;
            let (set, state, stop) = (set.clone(), config.state.clone(), stop.clone());
            tokio::spawn(async move { notify::watch(set, webhook, state.file(), stop).await });
        }
        if let Some(reviews) = review::schedule(&config, &chosen, set)? {
            tokio::spawn(reviews.serve(beats.clone(), stop.clone()));
        }
        let http = match config.http.listen.zip(readers) {
            Some((address, readers)) => http::serve(
                address,
                &config.http,
                readers,
                Arc::clone(&registry),
                beats.clone(),
                stop.clone(),
            ),
            None => None,
        };
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            state = %config.state,
            http = http.map(|address| address.to_string()),
            connections = count,
            "The service started."
        );
        supervisor::ready(beats.clone());
        let stopping = stop.clone();
        tokio::spawn(async move {
            stopping.cancelled().await;
            supervisor::stopping();
        });
        let served = signals::in_time(&stop, follower.serve()).await;
        let served = served.unwrap_or(Ok(())).map_err(|error| match error {
            schedule::ServiceError::Run(error) => CommandFailure::from(error),
            error => CommandFailure::internal(error),
        });
        // The scheduler only sends itself a message; where it is not received, the process ends all
        // the same.
        let _ = tokio::time::timeout(SCHEDULER_ENDS_WITHIN, scheduler.shutdown()).await;
        match state.newer_schema() {
            Some(newer) => Err(newer.into()),
            None => served,
        }
    });
    // A read that hangs in the system must not hold up the end; everything staged is on disk.
    runtime.shutdown_background();
    served?;
    tracing::info!("The service stopped.");
    Ok(0)
}

/// Stops the service once another instance has migrated the tables to a version that this program
/// does not know.
fn end_with_older_schema(store: Arc<Store>, stop: CancellationToken) {
    let Some(mut changes) = store.lease_changes() else {
        return;
    };
    tokio::spawn(async move {
        while store.newer_schema().is_none() {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
        stop.cancel();
    });
}

fn no_gateway() -> CommandFailure {
    CommandFailure::new(
        USAGE,
        "NOTIFY_URL is set, and no gateway whose proxy and certificates the messages take",
        "set QUALYS_GATEWAY_URL and its credentials, which every connection needs",
    )
}

/// State, opened, with everything that the service stores in it and reads from it before it starts.
struct OpenedState {
    store: Arc<Store>,
    connections: Vec<ScheduledConnection>,
    /// Where it answers over HTTP.
    readers: Option<StateReaders>,
}

impl OpenedState {
    fn open(
        config: &Config,
        connection: Option<&str>,
        chosen: &[&ConnectionSettings],
        bind_guard: &BindGuard,
    ) -> Result<Self, CommandFailure> {
        let store = setup::store(config, StoreAccess::ReadWrite)?;
        setup::refuse_configured_twice(config, &store)?;
        if let Some(name) = connection.filter(|_| chosen.is_empty()) {
            setup::refuse_unknown(config, &store, name)?;
        }
        let readers = config.http.listen.map(|_| StateReaders::open(&config.state));
        Ok(Self {
            connections: setup::connectors(config, chosen, &store, bind_guard)?,
            readers: readers.transpose()?,
            store,
        })
    }
}

/// Opens the state. While a database cannot be used, it waits: the database may be started after
/// this service, may fail in the middle, or be repaired meanwhile. `None` at `stop`.
async fn waited_for(
    config: &Config,
    stop: &CancellationToken,
    open: impl Fn() -> Result<OpenedState, CommandFailure>,
) -> Result<Option<OpenedState>, CommandFailure> {
    let waiting = stop.child_token();
    let mut answering = None;
    let mut is_first = true;
    loop {
        let failure = match tokio::task::block_in_place(&open) {
            Err(failure) if failure.is_of_database() => failure,
            opened => {
                waiting.cancel();
                if let Some(answering) = answering {
                    // The port is needed again. A task that panicked has released it.
                    let _: Result<(), tokio::task::JoinError> = answering.await;
                }
                return opened.map(Some);
            }
        };
        if std::mem::take(&mut is_first) {
            tracing::error!(
                error = failure.message(),
                advice = failure.advice(),
                "The state cannot be used; the service waits for it."
            );
            if let Some(address) = config.http.listen {
                answering = Some(tokio::spawn(http::serve_waiting(address, waiting.clone())));
            }
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(None),
            () = tokio::time::sleep(STATE_AGAIN) => {}
        }
    }
}

/// Returns the files of the secrets that stored connections take from the variables of the service.
fn stored_files(set: &ConnectionSet) -> Vec<SecretFile> {
    let stored = set.all().into_iter().filter(|one| one.stored.is_some());
    let files = stored.filter_map(|one| Some(one.handle.ok()?.connector().settings.secret_files.clone()));
    files.flatten().collect()
}

/// Reads the secrets again that are given as files; one that cannot be read stays as it is. What
/// uses a secret sees the new one the next time: a bind, a request for a token, a request to the
/// API.
fn renew_secrets(files: &[SecretFile]) {
    let mut renewed = 0;
    for file in files {
        match file.renew() {
            Ok(is_new) => renewed += usize::from(is_new),
            Err(problem) => {
                tracing::error!(variable = file.variable(), error = %problem, "The secret cannot be read again, and stays as it is.");
            }
        }
    }
    tracing::info!(
        signal = "SIGHUP",
        files = files.len(),
        renewed,
        "The secrets that are given as files were read again."
    );
}
