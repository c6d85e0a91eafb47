//! Reading of a [`Config`] from variables, or of all their problems.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::body;
use super::connections::{self, ConnectionVariables, ConnectionsFile};
use super::environment::{Environment, Variables, unknown_names};
use super::inherited::InheritedVariables;
use super::one_connection;
use super::reader::VariableReader;
use super::refused::{ConfigError, ConfigProblem};
use super::values::plain;
use super::{
    Config, ConnectionOrigin, ConnectionSettings, DeltaMethod, HttpSettings, LogSettings, MappingSource,
    ReviewSettings, Secret, SecretFile, StateLocation, directory, review, sealing, service, variables as v,
};
use crate::clock;
use crate::secrets::SecretKeys;

/// Reads `.env` of the working directory and the process environment, and checks everything. The
/// connections come from `CONNECTIONS_FILE`, or from `config/connections.toml` where there is one.
///
/// # Errors
/// Every bad key, in one pass.
pub fn load() -> Result<Config, ConfigError> {
    parse_or(&Environment::read(Path::new("."))?, usual_file(), clock::now())
}

/// Checks everything as [`parse_at`] does, at the present moment.
///
/// # Errors
/// Every bad key, in one pass.
pub fn parse(variables: &impl Variables) -> Result<Config, ConfigError> {
    parse_at(variables, clock::now())
}

/// Checks everything. `now` decides whether a cron expression has a moment left to run. Files that
/// variables name are read.
///
/// # Errors
/// Every bad key, in one pass.
pub fn parse_at(variables: &impl Variables, now: DateTime<Utc>) -> Result<Config, ConfigError> {
    parse_or(variables, None, now)
}

/// Returns the path of the file of connections that is read where no variable names one.
fn usual_file() -> Option<PathBuf> {
    let path = PathBuf::from(connections::DEFAULT);
    path.exists().then_some(path)
}

/// Checks everything in the same way, with the file of connections `usual` where `CONNECTIONS_FILE`
/// is not set.
fn parse_or(
    variables: &impl Variables,
    usual: Option<PathBuf>,
    now: DateTime<Utc>,
) -> Result<Config, ConfigError> {
    match connections_file(variables, usual)? {
        Some(path) => {
            let file = ConnectionsFile::read(&path, variables);
            Ok(Config {
                connections_file: Some(path),
                ..from_file(file, variables, now)?
            })
        }
        None => from_variables(variables, now),
    }
}

fn connections_file(
    variables: &impl Variables,
    usual: Option<PathBuf>,
) -> Result<Option<PathBuf>, ConfigError> {
    let mut reader = VariableReader::new(variables);
    match reader.optional(&v::CONNECTIONS_FILE, plain::file).optional() {
        Some(named) => Ok(named.or(usual)),
        // Further problems depend on the content of the file.
        None => Err(ConfigError::new(reader.into_problems())),
    }
}

/// Reads one connection, all of it in variables; none where they name no directory.
fn from_variables(variables: &impl Variables, now: DateTime<Utc>) -> Result<Config, ConfigError> {
    let mut of_connection = VariableReader::new(variables);
    let connection = one_connection::connection(&mut of_connection, ConnectionOrigin::Environment, now);
    let mut reader = VariableReader::new(variables);
    let process = process(&mut reader, now);
    let secret_files = reader.take_secret_files();
    let mut problems = reader.into_problems();
    let is_given = |name: &str| variables.get(name).is_some_and(|value| !value.is_empty());
    let names_a_directory = body::names_a_directory(variables);
    // Without a directory, what is missing is no mistake of the service; a bad value is one.
    let (bad, missing): (Vec<_>, Vec<_>) = of_connection
        .into_problems()
        .into_iter()
        .partition(|problem| names_a_directory || is_given(&problem.name));
    problems.extend(bad);
    let missing = (!missing.is_empty()).then(|| ConfigError::new(missing));
    let config = process.map(|process| Config {
        missing,
        ..process.with(
            Vec::from_iter(connection),
            secret_files,
            InheritedVariables::of(variables),
        )
    });
    conclude(config, problems, variables, &BTreeSet::new())
}

/// Reads the connections of a file.
pub(super) fn from_file(
    mut file: ConnectionsFile,
    variables: &impl Variables,
    now: DateTime<Utc>,
) -> Result<Config, ConfigError> {
    file.check(variables);
    let mut problems = std::mem::take(&mut file.problems);
    if !file.is_whole {
        return Err(ConfigError::new(problems));
    }
    let layered = file.process(variables);
    let mut reader = VariableReader::new(&layered);
    let process = process(&mut reader, now);
    let secret_files = reader.take_secret_files();
    problems.extend(told(reader, &layered));
    let connections = read_connections(&file, variables, now, &mut problems);
    let inherited = InheritedVariables::of(&layered);
    let config = process.map(|process| process.with(connections, secret_files, inherited));
    conclude(config, problems, variables, &file.references)
}

/// Reads every connection of a file, and notes the problems.
fn read_connections(
    file: &ConnectionsFile,
    variables: &impl Variables,
    now: DateTime<Utc>,
    problems: &mut Vec<ConfigProblem>,
) -> Vec<ConnectionSettings> {
    let mut connections = Vec::new();
    for layered in file.connections(variables) {
        let mut reader = VariableReader::new(&layered);
        let read = one_connection::connection(&mut reader, ConnectionOrigin::File, now);
        connections.extend(read.map(|read| ConnectionSettings {
            uuid: layered.uuid().unwrap_or(read.uuid),
            ..read
        }));
        problems.extend(told(reader, &layered));
    }
    connections
}

/// Connection of a file that is to be imported.
#[derive(Debug, Clone)]
pub struct ImportedConnection {
    /// Its settings.
    pub settings: ConnectionSettings,
    /// `true` when the file gives its identity; otherwise that is made of the name.
    pub has_uuid: bool,
}

/// Reads the connections of a file that is to be imported. What it says of the service counts as a
/// default of its connections.
///
/// # Errors
/// Every bad key, in one pass.
pub fn load_connections(path: &Path) -> Result<Vec<ImportedConnection>, ConfigError> {
    import(path, &Environment::read(Path::new("."))?, clock::now())
}

pub(super) fn import(
    path: &Path,
    variables: &impl Variables,
    now: DateTime<Utc>,
) -> Result<Vec<ImportedConnection>, ConfigError> {
    let variables = connections::WithoutName(variables);
    let mut file = ConnectionsFile::read(path, &variables);
    file.check(&variables);
    let mut problems = std::mem::take(&mut file.problems);
    if file.is_whole {
        let read = read_connections(&file, &variables, now, &mut problems);
        if problems.is_empty() {
            // Without a problem none is left out.
            let given = file.connections(&variables);
            let given = given.iter().map(|layered| layered.uuid().is_some());
            let imported = read.into_iter().zip(given);
            return Ok(imported
                .map(|(settings, has_uuid)| ImportedConnection { settings, has_uuid })
                .collect());
        }
    }
    Err(ConfigError::new(problems))
}

/// Returns the problems that a reader found, in the words of the file. A value that was complained
/// about already is not called missing.
fn told<V: Variables>(
    reader: VariableReader<'_, ConnectionVariables<'_, V>>,
    layered: &ConnectionVariables<'_, V>,
) -> Vec<ConfigProblem> {
    let problems = reader.into_problems().into_iter();
    problems
        .filter(|problem| !layered.is_known_to_be_bad(&problem.name))
        .map(|problem| layered.in_the_files_words(problem))
        .collect()
}

/// Settings that exist once, whatever the number of connections.
struct ServiceSettings {
    state: StateLocation,
    secrets: Option<SecretKeys>,
    http: HttpSettings,
    notify: Option<Secret>,
    review: Option<ReviewSettings>,
    log: LogSettings,
}

fn process(reader: &mut VariableReader<'_, impl Variables>, now: DateTime<Utc>) -> Option<ServiceSettings> {
    let state = service::state(reader);
    let secrets = sealing::keys(reader);
    let http = service::http(reader);
    let notify = service::notify(reader);
    let review = review::review(reader, now);
    let log = service::log(reader);
    Some(ServiceSettings {
        state: state?,
        secrets: secrets?,
        http: http?,
        notify: notify?,
        review: review?,
        log: log?,
    })
}

impl ServiceSettings {
    fn with(
        self,
        connections: Vec<ConnectionSettings>,
        mut secret_files: Vec<SecretFile>,
        inherited: InheritedVariables,
    ) -> Config {
        let of_connections = connections.iter().flat_map(|one| one.secret_files.clone());
        secret_files.extend(of_connections);
        Config {
            connections_file: None,
            connections,
            missing: None,
            unusable: Vec::new(),
            inherited,
            state: self.state,
            secrets: self.secrets,
            http: self.http,
            notify: self.notify,
            review: self.review,
            log: self.log,
            secret_files,
        }
    }
}

/// Reads a place of the state as `STATE_URL` is, with the variables of the environment that belong
/// to a database.
///
/// # Errors
/// The problems of it.
pub fn state_location(text: &str) -> Result<StateLocation, ConfigError> {
    let environment = Environment::read(Path::new("."))?;
    let mut reader = VariableReader::new(&environment);
    let located = service::state_at(&mut reader, text);
    located.ok_or_else(|| ConfigError::new(reader.into_problems()))
}

/// Settings of one connection that its mapping depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingSettings {
    /// Name of the connection; empty where it is bad, which is a matter of the command that uses
    /// it.
    pub connection: String,
    /// Mapping table.
    pub source: MappingSource,
    /// Method by which changes are found. The default where it is bad.
    pub delta: DeltaMethod,
}

/// Returns what the mapping of each connection depends on, for the commands that look at nothing
/// else; other bad keys do not stop them. Without a file of connections it is one.
///
/// # Errors
/// When `.env` or the file of connections is malformed, or a mapping file cannot be opened.
pub fn load_mapping_settings() -> Result<Vec<MappingSettings>, ConfigError> {
    read_mapping_settings(&Environment::read(Path::new("."))?, usual_file())
}

pub(super) fn read_mapping_settings(
    variables: &impl Variables,
    usual: Option<PathBuf>,
) -> Result<Vec<MappingSettings>, ConfigError> {
    let Some(path) = connections_file(variables, usual)? else {
        let mut reader = VariableReader::new(variables);
        let Some(source) = service::mapping(&mut reader) else {
            return Err(ConfigError::new(reader.into_problems()));
        };
        let name = service::name(&mut reader).map(|(name, _)| name);
        return Ok(vec![build_mapping_settings(
            name.unwrap_or_default(),
            source,
            variables,
        )]);
    };
    let file = ConnectionsFile::read(&path, variables);
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for layered in file.connections(variables) {
        let mut reader = VariableReader::new(&layered);
        if let Some(mapping) = service::mapping(&mut reader) {
            let name = layered.connection().unwrap_or_default().to_owned();
            found.push(build_mapping_settings(name, mapping, &layered));
        }
        problems.extend(told(reader, &layered));
    }
    if !file.is_whole {
        problems.extend(file.problems);
    }
    if problems.is_empty() && !found.is_empty() {
        Ok(found)
    } else {
        Err(ConfigError::new(problems))
    }
}

fn build_mapping_settings(
    connection: String,
    source: MappingSource,
    variables: &impl Variables,
) -> MappingSettings {
    // Bad values here are reported by the commands that connect.
    let mut reader = VariableReader::new(variables);
    let delta = directory::delta(&mut reader).unwrap_or(DeltaMethod::Usn);
    let delta = if directory::has_member_of(&mut reader) {
        DeltaMethod::Off
    } else {
        delta
    };
    MappingSettings {
        connection,
        source,
        delta,
    }
}

fn conclude(
    config: Option<Config>,
    mut problems: Vec<ConfigProblem>,
    variables: &impl Variables,
    wanted: &BTreeSet<String>,
) -> Result<Config, ConfigError> {
    problems.extend(unknown_names(variables, wanted));
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(ConfigError::new(problems)),
    }
}
