//! Answers of the gateway in a delivery: applied with the next batch, and stored at the end of the
//! run whatever ended it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinError;

use crate::store::{self, BatchLimits, SettledBatch};
use crate::upstream::{BatchDelivery, BatchOccasion, UpstreamError};

use super::RunError;
use super::delivery::{BatchPosting, Deliverer, DeliverySummary};
use super::other_runs;
use super::output::write_assets;

/// Times that the answers are stored at the end of a run, before the run fails because they cannot
/// be. Each waits for a busy state file as long as any other write.
const STORE_TRIES: u32 = 4;
/// Pause between two of these tries.
const STORE_PAUSE: Duration = Duration::from_secs(2);

impl Deliverer<'_> {
    /// Applies the answers. Returns a further batch where one is wanted. On failure the answers are
    /// kept.
    pub(super) async fn apply_answers(
        &mut self,
        takes: bool,
    ) -> Result<Vec<store::HandedOutVersion>, RunError> {
        let assets = self.connector.upstream.sizing().assets();
        let room = takes.then(|| BatchLimits {
            after: self.after,
            assets,
            bytes: self.connector.upstream.sizing().max_asset_bytes(assets),
            item_overhead: 0,
        });
        let (run, now) = (self.run, self.connector.clock.timestamp());
        let answered = Arc::new(std::mem::take(&mut self.answered));
        let stored = Arc::clone(&answered);
        let turned = self
            .connector
            .on_store(move |store| store.turn(run, &stored, room, now))
            .await;
        let items = match turned {
            Ok((_, items)) => items,
            Err(error) => {
                self.answered = Arc::unwrap_or_clone(answered);
                return Err(error);
            }
        };
        if let Some(last) = items.last() {
            self.after = last.seq;
            self.taken += items.len() as u64;
        }
        let sent = answered
            .iter()
            .flat_map(|(items, answered)| items.iter().filter(|item| answered.accepted.contains(&item.seq)));
        if let Err(error) = write_assets(self.request.output.as_deref(), sent) {
            // The batch returns to the stage: nothing of it was sent.
            if !items.is_empty() {
                self.answered.push((items, SettledBatch::default()));
            }
            return Err(error);
        }
        Ok(items)
    }

    /// Records the result of a batch. Returns an error when it ends the delivery.
    pub(super) fn on_answer(
        &mut self,
        done: Result<(BatchPosting, BatchDelivery), JoinError>,
    ) -> Result<(), RunError> {
        let (posting, delivery) = done.map_err(|error| RunError::Panicked {
            task: "delivery",
            cause: error.to_string(),
        })?;
        self.comparing = false;
        self.retries += delivery.retries;
        self.connector
            .upstream
            .adjust(delivery.accepted.len(), self.backlog);
        self.log_rejected(&posting.items, &delivery);
        let requests = posting.requests + delivery.requests;
        if delivery.postponed {
            self.postponed.push_back(BatchPosting {
                occasion: BatchOccasion::Postponed,
                requests,
                ..posting
            });
        } else {
            let answered = SettledBatch {
                accepted: delivery.accepted,
                rejected: delivery.rejected,
                unclear: delivery.unclear,
                requests,
                ended_run: delivery
                    .failure
                    .as_ref()
                    .is_some_and(UpstreamError::may_be_of_assets),
            };
            self.answered.push((posting.items, answered));
        }
        match delivery.failure {
            Some(failure) if failure.is_of_one_batch() => {
                self.failure.get_or_insert(failure.into());
                Ok(())
            }
            Some(failure) => Err(failure.into()),
            None => Ok(()),
        }
    }

    /// Logs the assets that the gateway rejected, with the reasons.
    fn log_rejected(&self, items: &[store::HandedOutVersion], delivery: &BatchDelivery) {
        self.request.progress.add_accepted(delivery.accepted.len() as u64);
        self.request.progress.add_rejected(delivery.rejected.len() as u64);
        for (seq, reason) in &delivery.rejected {
            let Some(item) = items.iter().find(|item| item.seq == *seq) else {
                continue;
            };
            tracing::warn!(
                kind = %item.kind,
                external_asset_id = item.external_id,
                dn = item.dn,
                reason,
                "The gateway rejected the asset; it is tried again on the next run."
            );
        }
    }

    /// Waits for the requests in flight and applies their answers: an answer must not be lost
    /// because another request failed.
    pub(super) async fn finish(mut self, outcome: Result<(), RunError>) -> DeliverySummary {
        let mut failure = outcome.err();
        while let Some(done) = self.in_flight.join_next().await {
            if let Err(error) = self.on_answer(done) {
                failure.get_or_insert(error);
            }
        }
        // These assets are not decided in this run any more.
        let ended_run = matches!(&failure, Some(RunError::Upstream(failure)) if failure.may_be_of_assets());
        for posting in self.waiting.drain(..).chain(self.postponed.drain(..)) {
            let answered = SettledBatch {
                requests: posting.requests,
                ended_run,
                ..SettledBatch::default()
            };
            self.answered.push((posting.items, answered));
        }
        if let Err(error) = self.store_answers().await {
            if let Some(failure) = &failure {
                tracing::error!(error = %failure, "The delivery failed.");
            }
            failure = Some(error);
        }
        self.store_limits(true).await;
        let mut failure = failure.or(self.failure);
        if failure.is_none() {
            let recorded = other_runs::record_unsent(self.connector, self.request, self.run).await;
            failure = recorded.err();
        }
        DeliverySummary {
            retries: self.retries,
            failure,
        }
    }

    /// Stores the answers that are not stored yet, with several tries: a state file that is busy or
    /// full may be so for a moment.
    async fn store_answers(&mut self) -> Result<(), RunError> {
        for attempt in 1.. {
            if self.answered.is_empty() {
                break;
            }
            let Err(error) = self.apply_answers(false).await else {
                continue;
            };
            if self.answered.is_empty() {
                // The answers are stored; only the output could not be written.
                return Err(error);
            }
            let assets = self
                .answered
                .iter()
                .map(|(_, answered)| answered.accepted.len() + answered.rejected.len());
            let assets: usize = assets.sum();
            // The time to stop is limited (R26).
            if attempt == STORE_TRIES || self.stop.is_cancelled() {
                if assets == 0 {
                    return Err(error);
                }
                tracing::error!(
                    assets,
                    %error,
                    "The gateway's answers cannot be stored; the next run sends these assets again."
                );
                return Err(RunError::AnswersNotStored {
                    assets,
                    cause: Box::new(error),
                });
            }
            tracing::warn!(assets, attempt, %error, "The gateway's answers cannot be stored yet.");
            tokio::time::sleep(STORE_PAUSE).await;
        }
        Ok(())
    }
}
