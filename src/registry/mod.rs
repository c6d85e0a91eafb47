//! Connections that this process runs: those that environment and file configure, and those that
//! are stored, which are made, changed and deleted while it runs.
//!
//! Invariants kept here: what a change answers is in the store; a run of the former configuration
//! has ended before the present one begins; a stored connection that cannot be used stops no other.

mod change;
mod follow;
mod open;
mod served;
mod stored;

pub use change::{ChangeError, ConnectionChange, ConnectionEditor};
pub use follow::ConnectionFollower;
pub use open::{open_connection, random_uuid};
pub use served::{ConnectionRegistry, RegistryParts};
pub use stored::{StoredSettings, settings_without_secret, state_of, stored_settings};
