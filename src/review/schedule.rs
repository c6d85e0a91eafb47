//! Reviews of the service: when one is due, and where it is kept.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::directories::Source;
use super::document::Review;
use super::run::Reviewer;
use crate::config;
use crate::schedule::{ConnectionSet, CronSchedule, Heartbeats};
use crate::sync::{Connector, RunError};

/// Reviews on a schedule.
pub struct ReviewSchedule {
    /// Settings.
    pub settings: config::ReviewSettings,
    /// Schedule.
    pub cron: CronSchedule,
    /// Connections of the service, whose directories are asked.
    pub connections: ConnectionSet,
    /// Connections that are configured and not run by this service.
    pub unasked: Vec<String>,
}

impl ReviewSchedule {
    /// Makes reviews when they are due, until `stop`. One that failed is made at the next tick.
    pub async fn serve(self, mut beats: Heartbeats, stop: CancellationToken) {
        let mut tried: Option<DateTime<Utc>> = None;
        loop {
            let now = *beats.borrow_and_update();
            if self.is_due(tried, now).await {
                tried = Some(now);
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = self.make(now) => {}
                }
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = beats.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Reports whether a review is due: the first one at once, each further one at the first tick
    /// after the one before. Of several instances that share a state, the holder of the first
    /// connection makes the reviews.
    async fn is_due(&self, tried: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
        let is_held = |first: &Arc<Connector>| first.store.sending_right(first.id).is_some();
        if !self.connectors().first().is_some_and(is_held) {
            return false;
        }
        let last = match self.on_store(|store| store.last_review()).await {
            Ok(last) => last.and_then(|last| DateTime::from_timestamp(last.at, 0)),
            Err(error) => {
                // The runs report it.
                tracing::debug!(%error, "The last review cannot be read.");
                return false;
            }
        };
        match last.max(tried) {
            None => true,
            Some(last) => self.cron.next_after(last).is_some_and(|next| next <= now),
        }
    }

    /// Returns the connections that are asked.
    fn connectors(&self) -> Vec<Arc<Connector>> {
        let running = self.connections.running();
        running
            .iter()
            .map(|handle| Arc::clone(handle.connector()))
            .collect()
    }

    async fn make(&self, now: DateTime<Utc>) {
        let connectors = self.connectors();
        let sources: Vec<Source<'_>> = connectors
            .iter()
            .map(|connector| Source {
                settings: &connector.settings,
                mapping: &connector.mapping,
                bind_guard: &connector.bind_guard,
            })
            .collect();
        let Some(first) = connectors.first() else {
            return;
        };
        // What is not asked makes the review incomplete (R36).
        let mut unasked = self.unasked.clone();
        let is_asked = |name: &String| connectors.iter().any(|asked| asked.name() == name);
        unasked.extend(
            self.connections
                .all()
                .into_iter()
                .map(|one| one.name)
                .filter(|name| !is_asked(name)),
        );
        let reviewer = Reviewer {
            settings: &self.settings,
            upstream: &first.settings.upstream,
            sources: &sources,
            unasked: &unasked,
        };
        match reviewer.review(now).await {
            Ok(review) => self.keep(review).await,
            Err(error) => {
                tracing::error!(%error, advice = error.advice(), "The accounts of Qualys could not be reviewed.");
            }
        }
    }

    async fn keep(&self, review: Review) {
        let counts: serde_json::Map<String, serde_json::Value> = review
            .counts()
            .into_iter()
            .map(|(code, count)| (code.name().to_owned(), count.into()))
            .collect();
        let counts = serde_json::Value::from(counts).to_string();
        let (at, complete) = (review.at.timestamp(), review.complete);
        let (accounts, findings) = (review.users.len(), review.findings.len());
        let document = match serde_json::to_string(&review) {
            Ok(document) => document,
            Err(error) => {
                tracing::error!(%error, "The review cannot be written; this is a defect.");
                return;
            }
        };
        drop(review);
        match self
            .on_store(move |store| store.keep_review(at, complete, &counts, &document))
            .await
        {
            Ok(()) => tracing::info!(
                accounts,
                findings,
                complete,
                "The accounts of Qualys were reviewed."
            ),
            Err(error) => {
                tracing::error!(%error, advice = error.advice(), "The review could not be kept.");
            }
        }
    }

    async fn on_store<T, F>(&self, work: F) -> Result<T, RunError>
    where
        T: Send + 'static,
        F: FnOnce(&crate::store::Store) -> Result<T, crate::store::StoreError> + Send + 'static,
    {
        match self.connectors().first() {
            Some(connector) => connector.on_store(work).await,
            None => Err(RunError::Stopped),
        }
    }
}
