//! The deliverer of a run: takes batches from the stage in order, posts them, and settles what upstream answered.
//!
//! Invariants kept here: an asset leaves the stage only after upstream accepted it, and two versions of one object are
//! never in flight at once, so they cannot arrive out of order (R18). A failing upstream ends the delivery, not the
//! read (R20).
//!
//! An answer is taken in before the next batch is posted, in the commit that hands this one out: a process that dies sends no more
//! again than what was in flight.

use std::io::ErrorKind;
use std::sync::Arc;

use chrono::Utc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::failpoint::{self, Point};
use crate::store::{self, Answered, Room, RunId};
use crate::upstream::{Batch, Delivery, Item};

use super::{Connector, Request, RunError};

/// How the delivery went, and why it ended before the stage was empty.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// Requests that repeated another.
    pub(super) retries: u64,
    pub(super) failure: Option<RunError>,
}

/// Delivers until the stage is empty and `staged` says, by being dropped, that nothing more will be staged.
pub(super) async fn deliver(
    connector: &Connector,
    request: &Request,
    run: RunId,
    mut staged: watch::Receiver<u64>,
    stop: &CancellationToken,
) -> Summary {
    let mut deliverer = Deliverer {
        connector,
        request,
        run,
        stop,
        after: 0,
        taken: 0,
        in_flight: JoinSet::new(),
        answered: Vec::new(),
        retries: 0,
    };
    let outcome = deliverer.drain(&mut staged).await;
    deliverer.finish(outcome).await
}

struct Deliverer<'a> {
    connector: &'a Connector,
    request: &'a Request,
    run: RunId,
    stop: &'a CancellationToken,
    /// Everything in the stage up to this sequence number was taken.
    after: u64,
    /// Assets taken in this run.
    taken: u64,
    in_flight: JoinSet<(Vec<store::Item>, Delivery)>,
    /// What became of batches, not taken in yet.
    answered: Vec<(Vec<store::Item>, Answered)>,
    /// Requests that repeated another.
    retries: u64,
}

impl Deliverer<'_> {
    async fn drain(&mut self, staged: &mut watch::Receiver<u64>) -> Result<(), RunError> {
        // What there was when the stage gave nothing.
        let mut exhausted = None;
        loop {
            // Asked before the stage is looked at: what is staged in between is then seen in the next round.
            let complete = staged.has_changed().is_err();
            let rows = *staged.borrow_and_update();
            let settings = &self.connector.settings.upstream;
            // While the read goes on only a full batch is worth a request.
            let full = rows.saturating_sub(self.taken) >= settings.batch_assets as u64;
            let takes = self.in_flight.len() < settings.concurrency
                && exhausted != Some((complete, rows))
                && (complete || full);
            if takes || !self.answered.is_empty() {
                let next = self.turn(takes).await?;
                if !next.is_empty() {
                    self.post(next);
                } else if takes {
                    exhausted = Some((complete, rows));
                }
                continue;
            }
            if self.in_flight.is_empty() && complete {
                return Ok(());
            }
            tokio::select! {
                biased;
                Some(done) = self.in_flight.join_next() => {
                    // What waited for its answer can be handed out now.
                    exhausted = None;
                    self.hear(done)?;
                }
                // An error says that the stager is done: the next round takes what is left.
                _ = staged.changed(), if !complete => {}
            }
        }
    }

    /// Takes in what was answered. Gives a further batch where one is wanted.
    async fn turn(&mut self, takes: bool) -> Result<Vec<store::Item>, RunError> {
        let assets = self.connector.settings.upstream.batch_assets;
        let room = takes.then(|| Room {
            after: self.after,
            assets,
            bytes: self.connector.upstream.sizing().room(assets),
            item_overhead: 0,
        });
        let (run, now) = (self.run, Utc::now().timestamp());
        let answered = std::mem::take(&mut self.answered);
        let sent: Vec<store::Item> = match &self.request.output {
            Some(_) => answered
                .iter()
                .flat_map(|(items, answered)| {
                    items.iter().filter(|item| answered.accepted.contains(&item.seq))
                })
                .cloned()
                .collect(),
            None => Vec::new(),
        };
        let (_, items) = self
            .connector
            .on_store(move |store| store.turn(run, &answered, room, now))
            .await?;
        if let Some(last) = items.last() {
            self.after = last.seq;
            self.taken += items.len() as u64;
        }
        if let Err(error) = write_lines(self.request, &sent) {
            // What was handed out goes back: nothing of it went out.
            self.answered.push((items, Answered::default()));
            return Err(error);
        }
        Ok(items)
    }

    fn post(&mut self, items: Vec<store::Item>) {
        let batch = Batch::new(
            &self.connector.settings.upstream.connector_uuid,
            items
                .iter()
                .map(|item| Item {
                    seq: item.seq,
                    external_id: item.external_id.clone(),
                    asset: item.asset.clone(),
                })
                .collect(),
        );
        let (upstream, stop) = (Arc::clone(&self.connector.upstream), self.stop.clone());
        failpoint::pass(Point::Posting);
        let delivering = async move {
            let delivery = upstream.deliver(batch, &stop).await;
            failpoint::pass(Point::Answered);
            (items, delivery)
        };
        self.in_flight.spawn(delivering.in_current_span());
    }

    /// Notes what became of a batch. An error when the delivery is to end with it.
    fn hear(
        &mut self,
        done: Result<(Vec<store::Item>, Delivery), tokio::task::JoinError>,
    ) -> Result<(), RunError> {
        let (items, delivery) = done.map_err(|error| RunError::Panicked {
            task: "delivery",
            cause: error.to_string(),
        })?;
        self.retries += delivery.retries;
        self.tell(&items, &delivery);
        let answered = Answered {
            accepted: delivery.accepted,
            rejected: delivery.rejected,
            unclear: delivery.unclear,
            requests: delivery.requests,
        };
        self.answered.push((items, answered));
        match delivery.failure {
            Some(failure) => Err(failure.into()),
            None => Ok(()),
        }
    }

    /// Says which assets upstream refused, and why.
    fn tell(&self, items: &[store::Item], delivery: &Delivery) {
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

    /// Waits for what is still in flight and takes it in: an answer that came must not be forgotten because another
    /// request failed.
    async fn finish(mut self, outcome: Result<(), RunError>) -> Summary {
        let mut failure = outcome.err();
        while let Some(done) = self.in_flight.join_next().await {
            if let Err(error) = self.hear(done) {
                failure.get_or_insert(error);
            }
        }
        if !self.answered.is_empty()
            && let Err(error) = self.turn(false).await
        {
            failure.get_or_insert(error);
        }
        Summary {
            retries: self.retries,
            failure,
        }
    }
}

/// Writes the staged assets to the output and posts nothing (`--dry-run`).
pub(super) async fn write_only(connector: &Connector, request: &Request, run: RunId) -> Result<(), RunError> {
    let settings = &connector.settings.upstream;
    let (assets, bytes) = (settings.batch_assets, settings.batch_bytes);
    let mut after = 0;
    loop {
        let items = connector
            .on_store(move |store| store.next_batch(run, after, assets, bytes, 0))
            .await?;
        let Some(last) = items.last() else { break };
        after = last.seq;
        match write_lines(request, &items) {
            // Whoever reads has seen enough (`| head -1`). Nothing was sent, so nothing is lost.
            Err(RunError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => break,
            written => written?,
        }
    }
    Ok(())
}

/// One asset a line.
fn write_lines(request: &Request, items: &[store::Item]) -> Result<(), RunError> {
    let Some(output) = &request.output else {
        return Ok(());
    };
    // A poisoned lock means that another writer panicked in the middle of a line; the lines of this one are whole.
    let mut output = output.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for item in items {
        output.write_all(item.asset.as_bytes())?;
        output.write_all(b"\n")?;
    }
    Ok(output.flush()?)
}
