//! Prerequisites of the commands: configuration, log, store, connections.

use std::sync::Arc;

use crate::config::{self, Config, DeltaMethod, MappingSource};
use crate::directory::BindGuard;
use crate::exit_code::USAGE;
use crate::identity::Kind;
use crate::mapping::Mapping;
use crate::schedule::{ConnectionTimetable, ScheduledConnection};
use crate::schema;
use crate::store::{AssetTarget, Store, StoreAccess};
use crate::sync::Connector;
use crate::upstream::QualysGateway;

use super::failure::{CommandFailure, listed};
use super::logging;

/// Reads and checks the configuration, and starts the log.
pub(super) fn configuration() -> Result<Config, CommandFailure> {
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
    Ok(config)
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

/// Makes these connections ready to run.
pub(super) fn connectors(
    config: &Config,
    connections: &[&config::ConnectionSettings],
    store: &Arc<Store>,
) -> Result<Vec<ScheduledConnection>, CommandFailure> {
    let names: Vec<&str> = config.connections.iter().map(|one| one.name.as_str()).collect();
    store.set_configured(&names)?;
    let bind_guard = BindGuard::default();
    connections
        .iter()
        .map(|connection| connector(connection, store, &bind_guard))
        .collect()
}

/// Returns the mapping table of this source.
pub(super) fn load_mapping(source: &MappingSource) -> Result<Mapping, CommandFailure> {
    Ok(match source {
        MappingSource::BuiltIn => Mapping::builtin(),
        MappingSource::File(path) => Mapping::load(path)?,
        MappingSource::Text(text) => Mapping::parse("mapping", text)?,
    })
}

/// Returns the mapping table of a connection, checked against the kinds that it is to read.
pub(super) fn mapping(connection: &config::ConnectionSettings) -> Result<Mapping, CommandFailure> {
    let mapping = load_mapping(&connection.mapping)?;
    for (kind, _) in &connection.profile.assets {
        if !mapping.has(*kind) {
            return Err(CommandFailure::new(
                USAGE,
                format_args!(
                    "AD_ASSETS asks for {}, but the mapping has no [[{kind}]] rows",
                    kind.plural()
                ),
                format_args!(
                    "add [[{kind}]] rows to the file of MAPPING_FILE (see docs/mapping.md), or leave {} out of AD_ASSETS",
                    kind.plural()
                ),
            ));
        }
    }
    let kinds = connection.profile.assets.iter().map(|(kind, _)| *kind);
    check_sources(&mapping, kinds, connection.directory.delta)?;
    if connection.removal.send && mapping.removed().is_empty() {
        return Err(CommandFailure::new(
            USAGE,
            "REMOVED_OBJECTS=send needs constants that tell a removed object from another one, but the mapping has none",
            "add a [removed] table to the file of MAPPING_FILE (see docs/mapping.md), or set REMOVED_OBJECTS=report",
        ));
    }
    Ok(mapping)
}

/// Refuses sources that a delta cannot follow (R31), all of them, unless every run reads
/// everything.
pub(super) fn check_sources(
    mapping: &Mapping,
    kinds: impl IntoIterator<Item = Kind>,
    delta: DeltaMethod,
) -> Result<(), CommandFailure> {
    if delta == DeltaMethod::Off {
        return Ok(());
    }
    let lines: Vec<String> = kinds
        .into_iter()
        .flat_map(|kind| {
            mapping
                .find_untracked_sources(kind)
                .map(move |found| (kind, found))
        })
        .map(|(kind, (row, source, reason))| {
            format!(
                "[[{kind}]] {}: `{}` {reason}; {}",
                row.target,
                source.name,
                schema::describe_remedy(schema::suggest_for_source(&source.name))
            )
        })
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    Err(CommandFailure::new(
        USAGE,
        listed("the mapping reads what a delta cannot follow", &lines.join("\n")),
        "change the rows that are named as each line says; docs/mapping.md has the reasons",
    ))
}

/// Returns a connection, ready to run. All connections of a process share the record of
/// `bind_guard` (R40).
pub(super) fn connector(
    connection: &config::ConnectionSettings,
    store: &Arc<Store>,
    bind_guard: &BindGuard,
) -> Result<ScheduledConnection, CommandFailure> {
    let timetable = ConnectionTimetable::of(&connection.schedule)
        .map_err(|error| CommandFailure::new(USAGE, error, "correct SYNC_CRON or BASELINE_CRON"))?;
    let connector = Connector {
        mapping: mapping(connection)?,
        upstream: Arc::new(QualysGateway::new(&connection.upstream)?),
        id: store.register(
            &connection.name,
            &connection.description,
            &AssetTarget {
                gateway: connection.upstream.gateway.clone(),
                connector: connection.upstream.connector_uuid.clone(),
            },
            chrono::Utc::now().timestamp(),
        )?,
        settings: connection.clone(),
        bind_guard: bind_guard.for_connection(),
        store: Arc::clone(store),
        digest: connection.digest(),
    };
    Ok(ScheduledConnection {
        connector: Arc::new(connector),
        timetable,
    })
}
