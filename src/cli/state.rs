//! `state copy`: moves the state from one place to another.

use crate::clock;
use crate::config;
use crate::store::{Store, StoreAccess};

use super::arguments::{State, StateCopy};
use super::failure::CommandFailure;
use super::output::say;
use super::setup;

/// Works on the state as a whole.
pub(super) fn run(command: &State) -> Result<u8, CommandFailure> {
    match command {
        State::Copy(options) => copy(options),
    }
}

/// Copies everything to a new place, and compares both. No instance may run meanwhile: each
/// connection is held until the end.
fn copy(options: &StateCopy) -> Result<u8, CommandFailure> {
    let config = setup::service_configuration()?;
    let to = config::state_location(&options.to)?;
    let from = Store::open(&config.state, StoreAccess::ReadWrite)?;
    let now = clock::unix_seconds();
    let mut held = Vec::new();
    for connection in from.connections()? {
        held.push(
            from.lock(connection.id, "state copy", "", now)
                .map_err(crate::sync::RunError::from)?,
        );
    }
    let target = Store::open(&to, StoreAccess::ReadWrite)?;
    let copied = from.copy_to(&target)?;
    for (table, rows) in &copied.rows {
        say(format_args!("{table}: {rows} rows, equal"))?;
    }
    say(format_args!(
        "copied to {to}: set STATE_URL to it on every instance"
    ))?;
    drop(held);
    Ok(0)
}
