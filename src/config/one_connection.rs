//! Settings of one connection, out of its variables.

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::environment::Variables;
use super::reader::VariableReader;
use super::{ConnectionOrigin, ConnectionSettings, DeltaMethod, directory, service, upstream};

/// Reads all settings of one connection.
pub(super) fn connection(
    reader: &mut VariableReader<'_, impl Variables>,
    origin: ConnectionOrigin,
    now: DateTime<Utc>,
) -> Option<ConnectionSettings> {
    let name = service::name(reader);
    let delta = directory::delta(reader);
    let directory = directory::directory(reader, delta);
    let profile = directory::profile(reader, delta);
    let schedule = service::schedule(reader, now);
    let mapping = service::mapping(reader);
    let removal = service::removal(reader);
    let upstream = upstream::upstream(reader);
    let ((name, description), mut directory, profile) = (name?, directory?, profile?);
    if !profile.members_of.is_empty() {
        // Members come and go without a change of their own that a delta would see.
        directory.delta = DeltaMethod::Off;
    }
    Some(ConnectionSettings {
        uuid: derive_uuid(&name),
        origin,
        stored: None,
        name,
        description,
        directory,
        profile,
        schedule: schedule?,
        mapping: mapping?,
        removal: removal?,
        upstream: upstream?,
        secret_files: reader.take_secret_files(),
    })
}

/// Returns the identity of a connection that is given none: made of its name, so that it is the
/// same at every start and at every instance (RFC 9562 section 5.8).
#[must_use]
pub fn derive_uuid(name: &str) -> Uuid {
    let digest = Sha256::digest(format!("ad-connector connection {name}"));
    let mut octets = [0; 16];
    octets.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(octets).into_uuid()
}
