//! Time during which this process holds a connection: always, or where several instances share the
//! state, as long as its lease (R34).

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::store::RequestedRun;
use crate::sync::{Connector, RunError};

/// Pause after the state failed, before the connection is looked at again.
pub(super) const PAUSE: Duration = Duration::from_secs(3);

/// Waits until the connection is held, and returns what ends when it is not any more, or at `stop`;
/// `None` when the service stops before.
pub(super) async fn begin(connector: &Connector, stop: &CancellationToken) -> Option<CancellationToken> {
    let token = stop.child_token();
    let Some(mut changes) = connector.store.lease_changes() else {
        return Some(token);
    };
    let (store, id) = (std::sync::Arc::clone(&connector.store), connector.id);
    while store.sending_right(id).is_none() {
        tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            changed = changes.changed() => changed.ok()?,
        }
    }
    tracing::info!(
        connection = connector.name(),
        "This instance holds the connection."
    );
    let (ends, name) = (token.clone(), connector.name().to_owned());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                biased;
                () = ends.cancelled() => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
            if store.sending_right(id).is_none() {
                tracing::info!(
                    connection = name,
                    "This instance does not hold the connection any more."
                );
                ends.cancel();
            }
        }
    });
    Some(token)
}

/// Returns the run that was asked for at another instance, if any.
pub(super) async fn requested(connector: &Connector) -> Result<Option<RequestedRun>, RunError> {
    let (id, basis) = (connector.id, connector.basis());
    connector
        .on_store(move |store| store.take_run_request(id, &basis))
        .await
}
