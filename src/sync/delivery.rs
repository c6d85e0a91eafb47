//! Deliverer of a run: takes batches from the stage in order, posts them, and settles the answers
//! of upstream.
//!
//! Invariants kept here: an asset leaves the stage only after upstream accepted it, and two
//! versions of one object are never in flight at once, so they cannot arrive out of order (R18). A
//! failing upstream ends the delivery, not the read (R20).
//!
//! An answer is applied before the next batch is posted, in the commit that hands this one out: a
//! process that dies sends nothing again except the batches that were in flight. An answer whose
//! commit failed is kept, and stored at the end of the run.
//!
//! Assets of a batch that the gateway rejected in an earlier run are posted by themselves, after
//! the others: the others do not wait for another search (R32). A batch whose answer proves nothing
//! about the cause is postponed until nothing else is left. Assets that a run left undecided when
//! it ended are sent after all others in the next one.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::failpoint::{self, Point};
use crate::identity::Guid;
use crate::store::GatewayLimits;
use crate::store::{self, RejectionOrigin, RunId, SettledBatch};
use crate::upstream::{Batch, BatchDelivery, BatchItem, BatchOccasion, RunRecord, StagedBacklog};

use super::late_send;
use super::other_runs::{self, OtherRunsWait};
use super::{Connector, RunError, RunRequest, gateway_limits};

/// Rejections of earlier runs that are looked at. Further ones are sent together with the others.
const REJECTIONS: usize = 10_000;
/// Times that the answers are stored at the end of a run, before the run fails because they cannot
/// be. Each waits for a busy state file as long as any other write.
const STORE_TRIES: u32 = 4;
/// Pause between two of these tries.
const STORE_PAUSE: Duration = Duration::from_secs(2);

/// Result of the delivery, and the failure that ended it before the stage was empty.
#[derive(Debug, Default)]
pub(super) struct DeliverySummary {
    /// Requests that repeated another.
    pub(super) retries: u64,
    pub(super) failure: Option<RunError>,
}

/// Delivers until the stage is empty and `staged` is dropped, which means that nothing more will be
/// staged.
pub(super) async fn deliver(
    connector: &Connector,
    request: &RunRequest,
    run: RunId,
    mut staged: watch::Receiver<u64>,
    stop: &CancellationToken,
) -> DeliverySummary {
    let (store, id) = (Arc::clone(&connector.store), connector.id);
    let right = store.sending_right(id);
    let record = RunRecord::new(connector.settings.upstream.concurrency)
        .sending_while(move || right.is_some() && store.sending_right(id) == right);
    let mut deliverer = Deliverer {
        connector,
        right,
        request,
        run,
        stop,
        record: Arc::new(record),
        rejected_before: BTreeSet::new(),
        after: 0,
        taken: 0,
        pending: 0,
        backlog: StagedBacklog::Growing,
        limits: GatewayLimits::default(),
        waiting: VecDeque::new(),
        postponed: VecDeque::new(),
        in_flight: JoinSet::new(),
        answered: Vec::new(),
        comparing: false,
        other_runs: OtherRunsWait::default(),
        retries: 0,
        failure: None,
    };
    let outcome = deliverer.drain(&mut staged).await;
    deliverer.finish(outcome).await
}

/// Assets that are posted together.
pub(super) struct BatchPosting {
    pub(super) items: Vec<store::HandedOutVersion>,
    pub(super) occasion: BatchOccasion,
    /// Requests that were made for them.
    pub(super) requests: u64,
}

/// Delivery of one run.
pub(super) struct Deliverer<'a> {
    pub(super) connector: &'a Connector,
    pub(super) request: &'a RunRequest,
    pub(super) run: RunId,
    pub(super) stop: &'a CancellationToken,
    pub(super) record: Arc<RunRecord>,
    /// Lease under which the run sends (R34).
    pub(super) right: Option<i64>,
    /// Objects whose waiting asset the gateway rejected in an earlier run.
    pub(super) rejected_before: BTreeSet<Guid>,
    /// Sequence number up to which everything in the stage was taken.
    pub(super) after: u64,
    /// Assets taken in this run.
    pub(super) taken: u64,
    /// Assets that waited when the run began.
    pub(super) pending: u64,
    /// Assets that wait now.
    pub(super) backlog: StagedBacklog,
    /// Limits of the gateway, as stored.
    pub(super) limits: GatewayLimits,
    /// Batches taken from the stage, to be posted next.
    pub(super) waiting: VecDeque<BatchPosting>,
    /// Batches to be posted again when nothing else is left.
    pub(super) postponed: VecDeque<BatchPosting>,
    pub(super) in_flight: JoinSet<(BatchPosting, BatchDelivery)>,
    /// A postponed batch is in flight, by itself: it contains an older version of some asset, which
    /// must not arrive after a newer one (R18).
    pub(super) comparing: bool,
    /// Results of batches that are not applied yet.
    pub(super) answered: Vec<(Vec<store::HandedOutVersion>, SettledBatch)>,
    pub(super) other_runs: OtherRunsWait,
    /// Requests that repeated another.
    pub(super) retries: u64,
    /// Failure of one batch, which does not end the delivery.
    pub(super) failure: Option<RunError>,
}

impl Deliverer<'_> {
    async fn drain(&mut self, staged: &mut watch::Receiver<u64>) -> Result<(), RunError> {
        self.load_rejected().await?;
        self.recall_limits().await?;
        // State of the read at which nothing could be taken from the stage.
        let mut exhausted = None;
        loop {
            // Read before the stage is looked at: assets that are staged in between are then found
            // in the next round.
            let complete = staged.has_changed().is_err();
            let rows = *staged.borrow_and_update();
            let settings = &self.connector.settings.upstream;
            self.backlog = match complete {
                true => StagedBacklog::Known((self.pending + rows).saturating_sub(self.taken)),
                false => StagedBacklog::Growing,
            };
            // While the read continues only a full batch is worth a request.
            let batch = self.connector.upstream.sizing().assets() as u64;
            let full = rows.saturating_sub(self.taken) >= batch;
            let free = self.in_flight.len() < settings.concurrency && !self.comparing;
            let is_exhausted = exhausted == Some((complete, rows));
            let takes = free && self.waiting.is_empty() && !is_exhausted && (complete || full);
            if takes || !self.answered.is_empty() {
                let next = self.apply_answers(takes).await?;
                self.store_limits(false).await;
                if !next.is_empty() {
                    self.enqueue(next);
                } else if takes {
                    exhausted = Some((complete, rows));
                }
                continue;
            }
            if let Some(posting) = self.waiting.pop_front_if(|_| free) {
                self.post(posting);
                continue;
            }
            if self.in_flight.is_empty() {
                // The stage may be empty because it waits for these.
                if let Some(posting) = self.postponed.pop_front_if(|_| is_exhausted) {
                    self.post(posting);
                    continue;
                }
                if complete {
                    if self.failure.is_none()
                        && self.other_runs.wait(self.connector, self.run, self.stop).await?
                    {
                        // Assets that were left out lie before those that were taken.
                        (self.after, exhausted) = (0, None);
                        continue;
                    }
                    return Ok(());
                }
            }
            tokio::select! {
                biased;
                Some(done) = self.in_flight.join_next() => {
                    // Assets that waited for this answer can be handed out now.
                    exhausted = None;
                    self.on_answer(done)?;
                }
                // An error means that the stager has ended: the next round takes the rest.
                _ = staged.changed(), if !complete => {}
            }
        }
    }

    async fn load_rejected(&mut self) -> Result<(), RunError> {
        let id = self.connector.id;
        let rejections = self
            .connector
            .on_store(move |store| store.rejections(id, REJECTIONS))
            .await?;
        let of_gateway = rejections
            .into_iter()
            .filter(|rejection| rejection.origin == RejectionOrigin::Upstream);
        self.rejected_before = of_gateway.filter_map(|rejection| rejection.guid).collect();
        Ok(())
    }

    /// Applies the limits that an earlier run learnt.
    async fn recall_limits(&mut self) -> Result<(), RunError> {
        let id = self.connector.id;
        let known = move |store: &store::Store| Ok((store.gateway_limits(id)?, store.pending(id)?));
        let (limits, pending) = self.connector.on_store(known).await?;
        self.limits = limits;
        self.pending = pending.counts.values().sum();
        gateway_limits::recall(self.connector, &self.limits, self.connector.clock.timestamp());
        Ok(())
    }

    /// Stores the limits where they changed: also the speed, `at_end` of the run. Without them the
    /// next run only learns them again.
    async fn store_limits(&mut self, at_end: bool) {
        if self.connector.upstream.call_takes().is_none() {
            return;
        }
        let now = self.connector.clock.timestamp();
        let limits = gateway_limits::learnt(&self.connector.upstream, &self.limits, now);
        let is_due = match at_end {
            true => limits != self.limits,
            false => gateway_limits::differs(&limits, &self.limits),
        };
        if !is_due {
            return;
        }
        let id = self.connector.id;
        let write = move |store: &store::Store| store.set_gateway_limits(id, &limits);
        match self.connector.on_store(write).await {
            Ok(()) => self.limits = limits,
            Err(error) => tracing::debug!(%error, "The gateway's limits cannot be stored."),
        }
    }

    /// Adds a batch to the queue; the assets of it that were rejected before follow by themselves,
    /// after the others.
    fn enqueue(&mut self, items: Vec<store::HandedOutVersion>) {
        let (before, first): (Vec<_>, Vec<_>) = items
            .into_iter()
            .partition(|item| self.rejected_before.contains(&item.guid));
        for (items, occasion) in [
            (first, BatchOccasion::First),
            (before, BatchOccasion::RejectedBefore),
        ] {
            if !items.is_empty() {
                self.waiting.push_back(BatchPosting {
                    items,
                    occasion,
                    requests: 0,
                });
            }
        }
    }

    fn post(&mut self, posting: BatchPosting) {
        let batch = Batch::new(
            &self.connector.settings.upstream.connector_uuid,
            posting
                .items
                .iter()
                .map(|item| BatchItem {
                    seq: item.seq,
                    external_id: item.external_id.clone(),
                    asset: Arc::clone(&item.asset),
                })
                .collect(),
        );
        let (upstream, stop) = (Arc::clone(&self.connector.upstream), self.stop.clone());
        let record = Arc::clone(&self.record);
        self.comparing = posting.occasion == BatchOccasion::Postponed;
        failpoint::pass(Point::Posting);
        let (store, id, right) = (Arc::clone(&self.connector.store), self.connector.id, self.right);
        let delivering = async move {
            let delivery = upstream.deliver(batch, posting.occasion, &record, &stop).await;
            failpoint::pass(Point::Answered);
            if delivery.requests > 0 && store.sending_right(id) != right {
                late_send::note(store, id, posting.items.clone()).await;
            }
            (posting, delivery)
        };
        self.in_flight.spawn(delivering.in_current_span());
    }

    /// Logs the assets that the gateway rejected, with the reasons.
    pub(super) fn log_rejected(&self, items: &[store::HandedOutVersion], delivery: &BatchDelivery) {
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
    async fn finish(mut self, outcome: Result<(), RunError>) -> DeliverySummary {
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
