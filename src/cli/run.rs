//! `run`: the service.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::http::{self, HttpError};
use crate::notify;
use crate::schedule;
use crate::store::Access;
use crate::upstream::Webhook;

use super::failure::{Failure, USAGE};
use super::{setup, signals, supervisor};

/// Time for the heartbeat to end, within R26's 25 s together with [`schedule::STOP_WITHIN`].
const SCHEDULER_ENDS_WITHIN: Duration = Duration::from_millis(500);

/// Runs every chosen connection on its schedule until SIGTERM or Ctrl-C, which end it with 0.
pub(super) fn run(connection: Option<&str>) -> Result<u8, Failure> {
    let config = setup::configuration()?;
    let chosen = setup::chosen(&config, connection)?;
    let connections = setup::connectors(&config, &chosen, || setup::store(&config, Access::ReadWrite))?;
    let runtime = setup::runtime()?;
    let served = runtime.block_on(async {
        let stop = CancellationToken::new();
        signals::cancel_on_signal(stop.clone())?;
        let (mut scheduler, beats) = schedule::heartbeat().await.map_err(Failure::internal)?;
        let (desks, counters): (Vec<_>, Vec<_>) = connections.into_iter().map(schedule::open).unzip();
        if let (Some(url), Some(first)) = (&config.notify, config.connections.first()) {
            let webhook = Webhook::new(url, &first.upstream)?;
            let (desks, state, stop) = (desks.clone(), config.state.clone(), stop.clone());
            tokio::spawn(async move { notify::watch(desks, webhook, &state, stop).await });
        }
        let page = match config.http.listen {
            Some(address) => {
                let served = http::serve(
                    address,
                    &config.http,
                    &config.state,
                    desks,
                    beats.clone(),
                    stop.clone(),
                );
                let served = served.await;
                Some(served.map_err(refused)?)
            }
            None => None,
        };
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            state = %config.state.display(),
            http = page.as_ref().map(|page| page.address.to_string()),
            connections = counters.len(),
            "The service started."
        );
        supervisor::ready(beats.clone());
        let stopping = stop.clone();
        tokio::spawn(async move {
            stopping.cancelled().await;
            supervisor::stopping();
        });
        let served = signals::in_time(&stop, schedule::serve(counters, beats, stop.clone())).await;
        let served = served.unwrap_or(Ok(())).map_err(|error| match error {
            schedule::ServiceError::Run(error) => Failure::from(error),
            error => Failure::internal(error),
        });
        // It only sends itself a word; should that not be heard, the process ends all the same.
        let _ = tokio::time::timeout(SCHEDULER_ENDS_WITHIN, scheduler.shutdown()).await;
        served
    });
    // A read that hangs in the system must not hold up the end; everything staged is on disk.
    runtime.shutdown_background();
    served?;
    tracing::info!("The service stopped.");
    Ok(0)
}

/// Why nobody can be answered over HTTP.
fn refused(error: HttpError) -> Failure {
    match error {
        HttpError::Store(error) => error.into(),
        HttpError::Listen { .. } => Failure::new(
            USAGE,
            error,
            "choose another address or port, or set HTTP_LISTEN=off",
        ),
    }
}
