//! `run`: the service.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::SecretFile;
use crate::http;
use crate::notify;
use crate::schedule;
use crate::store::Access;
use crate::upstream::Webhook;

use super::failure::Failure;
use super::{review, setup, signals, supervisor};

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
        let secret_files = config.secret_files.clone();
        signals::on_hangup(move || renew_secrets(&secret_files))?;
        let (mut scheduler, beats) = schedule::heartbeat().await.map_err(Failure::internal)?;
        let (handles, counters): (Vec<_>, Vec<_>) = connections.into_iter().map(schedule::open).unzip();
        if let (Some(url), Some(first)) = (&config.notify, config.connections.first()) {
            let webhook = Webhook::new(url, &first.upstream)?;
            let (handles, state, stop) = (handles.clone(), config.state.clone(), stop.clone());
            tokio::spawn(async move { notify::watch(handles, webhook, &state, stop).await });
        }
        if let Some(reviews) = review::schedule(&config, &chosen, &handles)? {
            tokio::spawn(reviews.serve(beats.clone(), stop.clone()));
        }
        let http = match config.http.listen {
            Some(address) => {
                let served = http::serve(
                    address,
                    &config.http,
                    &config.state,
                    handles,
                    beats.clone(),
                    stop.clone(),
                );
                served.await?
            }
            None => None,
        };
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            state = %config.state.display(),
            http = http.map(|address| address.to_string()),
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
