//! Prerequisites of the commands: configuration, log, store, connections.

use std::sync::Arc;

use crate::check::{self, list_below};
use crate::config::{self, Config, ConfigError, UnusableConnection};
use crate::directory::{BindGuard, KnownControllers};
use crate::exit_code::USAGE;
use crate::mapping::Mapping;
use crate::registry::{self, StoredSettings};
use crate::schedule::ScheduledConnection;
use crate::store::{RunMode, Store, StoreAccess, StoreError};
use crate::sync;

use super::failure::CommandFailure;
use super::logging;

/// Reads and checks the configuration, with the connections that are stored, and starts the log.
pub(super) fn configuration() -> Result<Config, CommandFailure> {
    let config = config::load()?;
    logging::start(&config.log);
    refuse_none(with_stored(config)?)
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
    refuse_none(with_stored(config)?)
}

/// Adds the connections that are stored. A state that cannot be opened has none: the command that
/// needs it reports it.
pub(super) fn with_stored(mut config: Config) -> Result<Config, CommandFailure> {
    if let Ok(store) = Store::open(&config.state, StoreAccess::ReadOnly) {
        refuse_configured_twice(&config, &store)?;
        for stored in StoredSettings::read(&config, &store)? {
            match stored.settings {
                Ok(settings) => config.connections.push(settings),
                Err(fault) => {
                    tracing::error!(
                        connection = stored.name,
                        error = fault.reason,
                        advice = fault.remedy,
                        "A stored connection cannot be used."
                    );
                    config.unusable.push(UnusableConnection {
                        name: stored.name,
                        reason: fault.reason,
                        remedy: fault.remedy,
                    });
                }
            }
        }
    }
    Ok(config)
}

/// Returns what the runs of a connection learnt about its controllers, so that a command reaches
/// the one that the next delta reads. Of a state that cannot be read nothing is known: the command
/// that needs it reports it.
pub(super) fn known_controllers(
    config: &Config,
    connection: &config::ConnectionSettings,
) -> KnownControllers {
    let read = || -> Result<_, StoreError> {
        let store = Store::open(&config.state, StoreAccess::ReadOnly)?;
        let Some(row) = store.connection(&connection.name)? else {
            return Ok(KnownControllers::default());
        };
        sync::known_controllers(&store, row.id, connection.directory.delta, RunMode::Delta)
    };
    read().unwrap_or_default()
}

/// Refuses a configuration without any connection.
fn refuse_none(config: Config) -> Result<Config, CommandFailure> {
    match &config.missing {
        Some(missing) if config.connections.is_empty() && config.unusable.is_empty() => {
            Err(no_connection(missing))
        }
        _ => Ok(config),
    }
}

/// Returns the failure of a command that needs a connection, and finds none.
fn no_connection(missing: &ConfigError) -> CommandFailure {
    CommandFailure::new(
        USAGE,
        list_below("no connection is configured, and none is stored", missing),
        "set the variables named above, write a file of connections, import one with `ad-connector connections import`, \
         or make a connection on the page of the service (docs/connections.md)",
    )
}

/// Refuses a connection of environment or file that is stored as well: both would run on one state.
pub(super) fn refuse_configured_twice(config: &Config, store: &Store) -> Result<(), CommandFailure> {
    let stored = store.stored_connections()?;
    let problems: Vec<String> = config
        .connections
        .iter()
        .filter_map(|configured| {
            let same = stored.iter().find(|one| one.uuid == configured.uuid)?;
            let (name, other) = (&configured.name, &same.content.name);
            Some(format!(
                "connection {name} has the uuid of {other}, which is stored: {}",
                configured.uuid
            ))
        })
        .collect();
    if problems.is_empty() {
        return Ok(());
    }
    Err(CommandFailure::new(
        USAGE,
        list_below("a connection is configured twice", &problems.join("\n")),
        "to move one from the state into a file, take `ad-connector connections export NAME`, then \
         `connections delete NAME`, which keeps its history, and only then put it into the file; \
         otherwise give it another uuid",
    ))
}

/// Returns the failure of a stored connection that cannot be used.
fn unusable(connection: &UnusableConnection) -> CommandFailure {
    CommandFailure::new(
        USAGE,
        format_args!(
            "the connection `{}` cannot be used: {}",
            connection.name, connection.reason
        ),
        &connection.remedy,
    )
}

/// Returns the failure of all stored connections that cannot be used; `None` where there is none. A
/// command that works on every connection does not end 0 then.
pub(super) fn unusable_failure(config: &Config, name: Option<&str>) -> Option<CommandFailure> {
    let failures: Vec<(&str, CommandFailure)> = config
        .unusable
        .iter()
        .filter(|one| name.is_none_or(|name| one.name == name))
        .map(|one| (one.name.as_str(), unusable(one)))
        .collect();
    match failures.as_slice() {
        [] => None,
        [(_, failure)] => Some(failure.clone()),
        several => Some(CommandFailure::of_connections(several)),
    }
}

/// Returns the asynchronous runtime of a command.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, CommandFailure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandFailure::internal(format_args!("the runtime cannot start: {error}")))
}

/// Returns the connections that the command works on: all that can be used, or the one named. Where
/// none can be used, that is a failure.
pub(super) fn chosen<'a>(
    config: &'a Config,
    name: Option<&str>,
) -> Result<Vec<&'a config::ConnectionSettings>, CommandFailure> {
    let usable = usable(config, name)?;
    match unusable_failure(config, None) {
        Some(failure) if usable.is_empty() => Err(failure),
        _ => Ok(usable),
    }
}

/// Returns the same connections for a command that shows those which cannot be used as well.
pub(super) fn usable<'a>(
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
        None => Err(unusable_failure(config, Some(name)).unwrap_or_else(|| {
            let known: Vec<&str> = config
                .connections
                .iter()
                .map(|connection| connection.name.as_str())
                .chain(config.unusable.iter().map(|one| one.name.as_str()))
                .collect();
            unknown(name, &known.join(", "))
        })),
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
    const ADVICE: &str = "enable it on the page, or by POST /api/v1/connections/NAME/enable";
    match name {
        Some(name) if enabled.is_empty() => Err(CommandFailure::new(
            USAGE,
            format_args!("the connection `{name}` is disabled"),
            ADVICE,
        )),
        None if enabled.is_empty() => Err(unusable_failure(config, None)
            .unwrap_or_else(|| CommandFailure::new(USAGE, "every connection is disabled", ADVICE))),
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
        [] => Err(unusable_failure(config, None)
            .unwrap_or_else(|| CommandFailure::internal("no connection is configured"))),
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
