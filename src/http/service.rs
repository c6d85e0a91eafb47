//! State that all requests share.

use std::sync::Arc;

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::access::AccessPolicy;
use super::counts::CountCache;
use super::problem::HttpProblem;
use super::slots::ConnectionSlots;
use crate::registry::ConnectionRegistry;
use crate::schedule::Heartbeats;
use crate::store::{Store, StoreError};

/// State that all requests share.
pub(super) struct HttpService {
    pub(super) registry: Arc<ConnectionRegistry>,
    /// Of this listener alone.
    pub(super) store: Arc<Store>,
    pub(super) beats: Heartbeats,
    pub(super) access: AccessPolicy,
    pub(super) counts: CountCache,
    /// For `/ready`, which waits for no other reader.
    pub(super) health: Arc<Store>,
    pub(super) streams: Arc<ConnectionSlots>,
    pub(super) searches: Semaphore,
    /// One look-up in a directory at a time.
    pub(super) look_ups: Arc<Semaphore>,
    pub(super) stop: CancellationToken,
}

impl HttpService {
    /// Runs `work` on the store away from the async threads.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, HttpProblem>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    {
        read(&self.store, work).await
    }

    /// Admits the request to the directory, or refuses it while another one looks up an object.
    pub(super) fn object_look_up(&self) -> Result<OwnedSemaphorePermit, HttpProblem> {
        Arc::clone(&self.look_ups).try_acquire_owned().map_err(|_| {
            HttpProblem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many",
                "another call is reading the directory",
                "try again in a moment",
            )
        })
    }
}

/// Runs `work` on a store away from the async threads.
pub(super) async fn read<T, F>(store: &Arc<Store>, work: F) -> Result<T, HttpProblem>
where
    T: Send + 'static,
    F: FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
{
    let store = Arc::clone(store);
    match tokio::task::spawn_blocking(move || work(&store)).await {
        Ok(result) => Ok(result?),
        Err(panic) => Err(HttpProblem::internal(format_args!("internal error: {panic}"))),
    }
}
