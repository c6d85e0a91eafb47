//! A connection, ready to run.

use std::sync::Arc;

use uuid::Uuid;

use crate::check::{StepFailure, mapping_of};
use crate::clock;
use crate::config::ConnectionSettings;
use crate::directory::BindGuard;
use crate::exit_code::USAGE;
use crate::schedule::{ConnectionTimetable, ScheduledConnection};
use crate::store::{AssetTarget, Store};
use crate::sync::{Clock, Connector, RunError};
use crate::upstream::QualysGateway;

/// Registers a connection in the store, and returns it ready to run. All connections of a process
/// share the record of `bind_guard` (R40).
///
/// # Errors
/// Its mapping, its schedule or the gateway's certificates are bad, or the store fails.
pub fn open_connection(
    settings: &ConnectionSettings,
    store: &Arc<Store>,
    bind_guard: &BindGuard,
) -> Result<ScheduledConnection, StepFailure> {
    let timetable = ConnectionTimetable::of(&settings.schedule)
        .map_err(|error| StepFailure::new(USAGE, error, "correct SYNC_CRON or BASELINE_CRON"))?;
    let id = store
        .register(
            settings.uuid,
            &settings.name,
            &settings.description,
            &AssetTarget {
                gateway: settings.upstream.gateway.clone(),
                connector: settings.upstream.connector_uuid.clone(),
            },
            clock::unix_seconds(),
        )
        .map_err(RunError::from)?;
    let connector = Connector {
        mapping: mapping_of(settings)?,
        upstream: Arc::new(QualysGateway::new(&settings.upstream)?),
        id,
        settings: settings.clone(),
        bind_guard: bind_guard.for_connection(),
        clock: Clock::default(),
        store: Arc::clone(store),
        revision: settings.stored.map(|stored| stored.revision),
        digest: settings.digest(),
    };
    Ok(ScheduledConnection::new(Arc::new(connector), timetable))
}

/// Returns a random identity for a new connection (RFC 9562 section 5.4).
#[must_use]
pub fn random_uuid() -> Uuid {
    let mut octets = [0; 16];
    fastrand::fill(&mut octets);
    uuid::Builder::from_random_bytes(octets).into_uuid()
}
