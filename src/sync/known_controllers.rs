//! Knowledge of earlier runs about the controllers.

use crate::config::DeltaMethod;
use crate::directory::KnownControllers;
use crate::store::{ConnectionId, RunMode, Store, StoreError};

/// Returns what earlier runs of a connection learnt about the controllers, for a run of `mode`. A
/// command that only looks asks as a delta does: then it reaches the controller that the next delta
/// reads.
///
/// # Errors
/// When the state cannot be read.
pub fn known_controllers(
    store: &Store,
    id: ConnectionId,
    delta: DeltaMethod,
    mode: RunMode,
) -> Result<KnownControllers, StoreError> {
    // A full read is the same on every controller, so none is better because it was read before.
    let reached = match (mode, delta) {
        (RunMode::Baseline, _) | (_, DeltaMethod::Off) => Vec::new(),
        _ => store.reached(id)?,
    };
    Ok(KnownControllers {
        read_before: reached.into_iter().map(|one| one.host).collect(),
        site: store.client_site(id)?,
    })
}
