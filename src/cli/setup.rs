//! Prerequisites of the commands: configuration, log, store, connections.

use std::sync::Arc;

use crate::check;
use crate::config::{self, Config};
use crate::directory::BindGuard;
use crate::exit_code::USAGE;
use crate::mapping::Mapping;
use crate::registry::{self, StoredSettings};
use crate::schedule::ScheduledConnection;
use crate::store::{Store, StoreAccess};

use super::failure::CommandFailure;
use super::logging;

/// Reads and checks the configuration, with the connections that are stored, and starts the log.
pub(super) fn configuration() -> Result<Config, CommandFailure> {
    let config = config::load()?;
    logging::start(&config.log);
    with_stored(config)
}

/// Reads the configuration of the service, which may have no connection yet, and starts the log.
pub(super) fn service_configuration() -> Result<Config, CommandFailure> {
    let config = config::load()?;
    logging::start(&config.log);
    Ok(config)
}

/// Reads the [`configuration`] for a command that prints its failures on standard output itself:
/// with `LOG_LEVEL` at its default the log does not repeat them.
pub(super) fn configuration_for_a_reader() -> Result<Config, CommandFailure> {
    let mut config = config::load()?;
    if config.log.level == "info" {
        "error".clone_into(&mut config.log.level);
    }
    logging::start(&config.log);
    with_stored(config)
}

/// Adds the connections that are stored. A state that cannot be opened has none: the command that
/// needs it reports it.
fn with_stored(mut config: Config) -> Result<Config, CommandFailure> {
    if let Ok(store) = Store::open(&config.state, StoreAccess::ReadOnly) {
        for stored in StoredSettings::read(&config, &store)? {
            match stored.settings {
                Ok(settings) => config.connections.push(settings),
                Err(fault) => tracing::error!(
                    connection = stored.name,
                    error = fault.reason,
                    advice = fault.remedy,
                    "A stored connection cannot be used."
                ),
            }
        }
    }
    match config.missing {
        Some(missing) if config.connections.is_empty() => Err(missing.into()),
        _ => Ok(config),
    }
}

/// Returns the asynchronous runtime of a command.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, CommandFailure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandFailure::internal(format_args!("the runtime cannot start: {error}")))
}

/// Returns the connections that the command works on: all, or the one named.
pub(super) fn chosen<'a>(
    config: &'a Config,
    name: Option<&str>,
) -> Result<Vec<&'a config::ConnectionSettings>, CommandFailure> {
    let Some(name) = name else {
        return Ok(config.connections.iter().collect());
    };
    match config
        .connections
        .iter()
        .find(|connection| connection.name == name)
    {
        Some(connection) => Ok(vec![connection]),
        None => {
            let known: Vec<&str> = config
                .connections
                .iter()
                .map(|connection| connection.name.as_str())
                .collect();
            Err(unknown(name, &known.join(", ")))
        }
    }
}

/// Returns the connections that the command makes runs of: all that are not disabled, or the one
/// named, which must not be.
pub(super) fn enabled<'a>(
    config: &'a Config,
    name: Option<&str>,
) -> Result<Vec<&'a config::ConnectionSettings>, CommandFailure> {
    let chosen = chosen(config, name)?;
    let is_enabled = |one: &&config::ConnectionSettings| one.stored.is_none_or(|stored| !stored.is_disabled);
    let enabled: Vec<_> = chosen.into_iter().filter(is_enabled).collect();
    match name {
        Some(name) if enabled.is_empty() => Err(CommandFailure::new(
            USAGE,
            format_args!("the connection `{name}` is disabled"),
            "enable it on the page, or by POST /api/v1/connections/NAME/enable",
        )),
        _ => Ok(enabled),
    }
}

/// Returns the failure of a `--connection` that names none of those that are configured.
pub(super) fn unknown(name: &str, known: &str) -> CommandFailure {
    CommandFailure::new(
        USAGE,
        format_args!("no connection is named `{}`", super::output::one_line(name)),
        format_args!("configured: {known}"),
    )
}

/// Returns the one connection that a command works on.
pub(super) fn one<'a>(
    config: &'a Config,
    name: Option<&str>,
) -> Result<&'a config::ConnectionSettings, CommandFailure> {
    match chosen(config, name)?.as_slice() {
        [connection] => Ok(connection),
        several => {
            let names: Vec<&str> = several
                .iter()
                .map(|connection| connection.name.as_str())
                .collect();
            Err(CommandFailure::new(
                USAGE,
                "several connections are configured",
                format_args!("name one of them with --connection: {}", names.join(", ")),
            ))
        }
    }
}

/// Opens the state file.
pub(super) fn store(config: &Config, access: StoreAccess) -> Result<Arc<Store>, CommandFailure> {
    Ok(Arc::new(Store::open(&config.state, access)?))
}

/// Checks the mapping tables of these connections. To be called before [`store`], which makes the
/// file or the tables: a refused mapping leaves nothing behind.
pub(super) fn check_mappings(
    config: &Config,
    connections: &[&config::ConnectionSettings],
) -> Result<(), CommandFailure> {
    let refused: Vec<(&str, CommandFailure)> = connections
        .iter()
        .filter_map(|connection| Some((connection.name.as_str(), mapping(connection).err()?)))
        .collect();
    match refused.as_slice() {
        [] => Ok(()),
        [(_, failure)] if config.connections.len() == 1 => Err(failure.clone()),
        several => Err(CommandFailure::of_connections(several)),
    }
}

/// Makes these connections ready to run. They share the record of `bind_guard` (R40).
pub(super) fn connectors(
    config: &Config,
    connections: &[&config::ConnectionSettings],
    store: &Arc<Store>,
    bind_guard: &BindGuard,
) -> Result<Vec<ScheduledConnection>, CommandFailure> {
    let named = config.connections.iter().map(|one| (one.uuid, one.name.as_str()));
    store.set_configured(&named.collect::<Vec<_>>())?;
    connections
        .iter()
        .map(|connection| connector(connection, store, bind_guard))
        .collect()
}

/// Returns the mapping table of a connection, checked against the kinds that it is to read.
pub(super) fn mapping(connection: &config::ConnectionSettings) -> Result<Mapping, CommandFailure> {
    Ok(check::mapping_of(connection)?)
}

/// Returns a connection, ready to run.
pub(super) fn connector(
    connection: &config::ConnectionSettings,
    store: &Arc<Store>,
    bind_guard: &BindGuard,
) -> Result<ScheduledConnection, CommandFailure> {
    Ok(registry::open_connection(connection, store, bind_guard)?)
}

/// Refuses a name that no stored connection has.
pub(super) fn refuse_unknown(config: &Config, store: &Store, name: &str) -> Result<(), CommandFailure> {
    let stored = store.stored_connections()?;
    let stored = stored.iter().map(|stored| stored.content.name.as_str());
    let known: Vec<&str> = config
        .connections
        .iter()
        .map(|one| one.name.as_str())
        .chain(stored)
        .collect();
    if known.contains(&name) {
        return Ok(());
    }
    Err(unknown(name, &known.join(", ")))
}
