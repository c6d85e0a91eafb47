//! Answers of the gateway in a delivery: each is recorded, and stored with the next batch.

use std::sync::Arc;

use tokio::task::JoinError;

use crate::store::{self, BatchLimits, SettledBatch};
use crate::upstream::{BatchDelivery, BatchOccasion, UpstreamError};

use super::RunError;
use super::delivery::{BatchPosting, Deliverer};
use super::output::write_assets;

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
}
