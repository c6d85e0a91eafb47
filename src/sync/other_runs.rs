//! Other connections with the same target: an asset that the run of one has in flight is sent by no
//! other run before that one is answered (R18). A run waits for the answer, since it ends as
//! Processed only when upstream accepted every asset of it.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::store::{RunId, UnsentAssets};

use super::{Connector, RunError, RunRequest};

/// Time that a run waits in all: a request is answered within seconds. A gateway that does not
/// answer the other run would not answer this one either.
const LONGEST: Duration = Duration::from_secs(30);
/// Pause between two reads of the state file.
const PAUSE: Duration = Duration::from_millis(100);
/// Pause between two looks whether a process lives.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Wait of one run for the requests of others.
#[derive(Debug, Default)]
pub(super) struct OtherRunsWait {
    since: Option<Instant>,
    /// When it last looked whether the other processes live.
    looked: Option<Instant>,
}

impl OtherRunsWait {
    /// Returns `true` when the run has assets to send that it left out before, after a wait where
    /// others have them in flight; `false` when there are none, or the time is over.
    pub(super) async fn wait(
        &mut self,
        connector: &Connector,
        run: RunId,
        stop: &CancellationToken,
    ) -> Result<bool, RunError> {
        loop {
            let unsent = connector.on_store(move |store| store.unsent(run)).await?;
            if unsent.is_empty() {
                return Ok(false);
            }
            if unsent.iter().any(|unsent| unsent.in_flight.is_none()) {
                return Ok(true);
            }
            let is_first = self.since.is_none();
            if self.since.get_or_insert_with(clock::instant).elapsed() >= LONGEST {
                return Ok(false);
            }
            for unsent in &unsent {
                if is_first {
                    tracing::info!(
                        assets = unsent.assets,
                        holder = unsent.holder,
                        "Assets are in flight in the run of another connection; this run waits for the answer."
                    );
                }
                if self.looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
                    close_if_dead(connector, unsent).await?;
                }
            }
            if self.looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
                self.looked = Some(clock::instant());
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return Err(RunError::Stopped),
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }
}

/// Closes the run that has the assets in flight if its process is dead: no answer can arrive any
/// more.
async fn close_if_dead(connector: &Connector, unsent: &UnsentAssets) -> Result<(), RunError> {
    let Some(holder) = unsent.in_flight else {
        return Ok(());
    };
    let now = connector.clock.timestamp();
    // The run has the lock as long as its process lives.
    connector
        .on_store(move |store| {
            let Ok(lock) = store.lock(holder, "closing a dead run", "", now) else {
                return Ok(());
            };
            store.recover(holder, now)?;
            drop(lock);
            Ok(())
        })
        .await
}

/// Records the assets that the run leaves to the next one because of other connections.
pub(super) async fn record_unsent(
    connector: &Connector,
    request: &RunRequest,
    run: RunId,
) -> Result<(), RunError> {
    let unsent = connector.on_store(move |store| store.record_unsent(run)).await?;
    request.progress.add_rejected(unsent.len() as u64);
    for one in unsent {
        tracing::warn!(
            kind = %one.kind,
            external_asset_id = one.external_id,
            dn = one.dn,
            reason = one.reason,
            "The asset is left to the next run."
        );
    }
    Ok(())
}
