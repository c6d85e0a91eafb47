//! `mapping show` and `mapping check`.

use crate::check::{self, SchemaReport};
use crate::config::{self, DeltaMethod, MappingSettings, MappingSource};
use crate::directory::{self, BindGuard, KnownControllers};
use crate::exit_code::USAGE;
use crate::identity::Kind;
use crate::mapping::{Mapping as Table, RowOrigin, RowSource, TableRow};
use crate::registry::settings_without_secret;
use crate::store::{Store, StoreAccess};

use super::arguments::MappingCommand;
use super::failure::CommandFailure;
use super::output::say;
use super::setup;

/// Works without the rest of the configuration: a table can be written before there is a
/// connection. Where there is one, `check` asks its directory for the schema as well.
pub(super) fn run(connection: Option<&str>, options: &MappingCommand) -> Result<u8, CommandFailure> {
    match options {
        MappingCommand::Show => show(&check::load_mapping(&configured(connection)?.source)?),
        MappingCommand::Check { file: Some(file) } => {
            // The file is checked also where the configuration cannot be read: with the default of
            // AD_DELTA.
            let delta = match configured(connection) {
                Ok(settings) => settings.delta,
                Err(failure) if connection.is_some() => return Err(failure),
                Err(_) => DeltaMethod::Usn,
            };
            check(connection, &MappingSource::File(file.clone()), delta)
        }
        MappingCommand::Check { file: None } => {
            let MappingSettings { source, delta, .. } = configured(connection)?;
            check(connection, &source, delta)
        }
    }
}

/// Returns the settings of the connection named. Without a name, those that all connections have;
/// of their ways to find changes, one that is not a full read in every run.
fn configured(connection: Option<&str>) -> Result<MappingSettings, CommandFailure> {
    let stored = stored_settings(connection);
    // Where only stored connections exist, the variables describe none.
    let is_any_configured = config::load().map_or(true, |config| !config.connections.is_empty());
    let mut all = if stored.is_empty() || is_any_configured {
        config::load_mapping_settings()?
    } else {
        Vec::new()
    };
    all.extend(stored);
    let names = || {
        let names: Vec<&str> = all.iter().map(|settings| settings.connection.as_str()).collect();
        names.join(", ")
    };
    if let Some(wanted) = connection {
        return match all.iter().find(|settings| settings.connection == wanted) {
            Some(settings) => Ok(settings.clone()),
            None => Err(setup::unknown(wanted, &names())),
        };
    }
    let strictest = all
        .iter()
        .find(|settings| settings.delta != DeltaMethod::Off)
        .or(all.first());
    match strictest {
        Some(settings) if all.iter().all(|other| other.source == settings.source) => Ok(settings.clone()),
        _ => Err(CommandFailure::new(
            USAGE,
            "the connections have several mapping files",
            format_args!("name one of them with --connection: {}", names()),
        )),
    }
}

/// Returns what the mapping of each stored connection depends on; none where the state or the rest
/// of the configuration cannot be read, which is no matter of the mapping.
fn stored_settings(connection: Option<&str>) -> Vec<MappingSettings> {
    let Ok(config) = config::load() else {
        return Vec::new();
    };
    let Ok(store) = Store::open(&config.state, StoreAccess::ReadOnly) else {
        return Vec::new();
    };
    let stored = store.stored_connections().unwrap_or_default();
    let chosen = stored
        .iter()
        .filter(|one| connection.is_none_or(|name| one.content.name == name));
    chosen
        .filter_map(|one| settings_without_secret(&config, one).ok())
        .map(|settings| MappingSettings {
            connection: settings.name,
            source: settings.mapping,
            delta: settings.directory.delta,
        })
        .collect()
}

fn show(table: &Table) -> Result<u8, CommandFailure> {
    for kind in Kind::ALL.into_iter().filter(|kind| table.has(*kind)) {
        say(kind)?;
        let rows: Vec<[String; 4]> = table.rows(kind).iter().map(cells).collect();
        say(super::status::columns(&rows).trim_end())?;
    }
    Ok(0)
}

/// Returns source, target, form and what else the row says.
fn cells(row: &TableRow) -> [String; 4] {
    let joined =
        |part: fn(&RowSource) -> String| row.sources().iter().map(part).collect::<Vec<_>>().join(", ");
    let (source, form) = match &row.origin {
        RowOrigin::Sources(_) => (
            joined(|source| source.name.clone()),
            joined(|source| source.form.name().to_owned()),
        ),
        RowOrigin::Constant(literal) => (literal.to_string(), "constant".to_owned()),
    };
    let mut more = Vec::new();
    if row.required {
        more.push("required".to_owned());
    }
    if let Some(default) = &row.default {
        more.push(format!("default {default}"));
    }
    [source, row.target.to_string(), form, more.join(", ")]
}

fn check(connection: Option<&str>, source: &MappingSource, delta: DeltaMethod) -> Result<u8, CommandFailure> {
    let name = source.describe();
    let table = check::load_mapping(source)?;
    let kinds = || Kind::ALL.into_iter().filter(|kind| table.has(*kind));
    check::check_sources(&table, kinds(), delta)?;
    let rows: Vec<String> = kinds()
        .map(|kind| format!("{} {} rows", table.rows(kind).len(), kind))
        .collect();
    say(format_args!("{name}: good, {}", rows.join(", ")))?;
    let config = match setup::configuration_for_a_reader() {
        Ok(config) => config,
        Err(_) => {
            say(
                "schema: not asked, since the configuration is not complete (ad-connector check names what is missing)",
            )?;
            return Ok(0);
        }
    };
    let runtime = setup::runtime()?;
    let mut refused = Vec::new();
    let bind_guard = BindGuard::default();
    for connection in setup::chosen(&config, connection)? {
        let (guard, known) = (
            bind_guard.for_connection(),
            setup::known_controllers(&config, connection),
        );
        match runtime.block_on(ask_schema(connection, &guard, &known, &table)) {
            Ok(report) => {
                say(format_args!("schema of {}: {}", connection.name, report.summary))?;
                report
                    .notes
                    .iter()
                    .try_for_each(|note| say(format_args!("  {note}")))?;
            }
            Err(failure) => refused.push((connection.name.as_str(), failure)),
        }
    }
    match refused.as_slice() {
        [] => Ok(0),
        several => Err(CommandFailure::of_connections(several)),
    }
}

/// Returns what the schema says of the table, or why the table is refused. A directory that cannot
/// be reached is no failure.
async fn ask_schema(
    connection: &config::ConnectionSettings,
    bind_guard: &BindGuard,
    known: &KnownControllers,
    table: &Table,
) -> Result<SchemaReport, CommandFailure> {
    let mut session = match directory::connect(&connection.directory, bind_guard, known).await {
        Ok(session) => session,
        Err(error) => {
            let failure = CommandFailure::from(error);
            return Ok(SchemaReport {
                summary: "not asked, since the directory cannot be reached".to_owned(),
                notes: failure.message().lines().map(str::to_owned).collect(),
            });
        }
    };
    let report = check::check_schema(&mut session, connection, table).await;
    session.close().await;
    Ok(report?)
}
