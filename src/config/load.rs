//! From variables to a [`Config`], or to everything that is wrong with them.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::environment::{Environment, Variables, unknown_names};
use super::reader::Reader;
use super::refused::Refused;
use super::{Config, Connection, directory, service, upstream};

/// Reads `.env` of the working directory and the process environment, and checks everything.
///
/// # Errors
/// Every bad key, in one pass.
pub fn load() -> Result<Config, Refused> {
    parse(&Environment::read(Path::new("."))?)
}

/// [`parse_at`] the present moment.
///
/// # Errors
/// Every bad key, in one pass.
pub fn parse(variables: &impl Variables) -> Result<Config, Refused> {
    parse_at(variables, Utc::now())
}

/// Checks everything. `now` decides whether a cron expression has a moment left to run. Files that variables name
/// are read.
///
/// # Errors
/// Every bad key, in one pass.
pub fn parse_at(variables: &impl Variables, now: DateTime<Utc>) -> Result<Config, Refused> {
    let mut reader = Reader::new(variables);
    let name = service::name(&mut reader);
    let directory = directory::directory(&mut reader);
    let profile = directory::profile(&mut reader);
    let schedule = service::schedule(&mut reader, now);
    let mapping_file = service::mapping_file(&mut reader);
    let removal = service::removal(&mut reader);
    let upstream = upstream::upstream(&mut reader);
    let state = service::state(&mut reader);
    let http = service::http(&mut reader);
    let log = service::log(&mut reader);
    let config = || {
        let (name, description) = name?;
        let connection = Connection {
            name,
            description,
            directory: directory?,
            profile: profile?,
            schedule: schedule?,
            mapping_file: mapping_file?,
            removal: removal?,
            upstream: upstream?,
        };
        Some(Config {
            connections: vec![connection],
            state: state?,
            http: http?,
            log: log?,
        })
    };
    conclude(reader, variables, config())
}

/// `MAPPING_FILE` alone, for the commands that look at nothing else; other bad keys do not stop them.
///
/// # Errors
/// When `.env` is malformed, or the file cannot be opened.
pub fn load_mapping_file() -> Result<Option<PathBuf>, Refused> {
    mapping_file(&Environment::read(Path::new("."))?)
}

pub(super) fn mapping_file(variables: &impl Variables) -> Result<Option<PathBuf>, Refused> {
    let mut reader = Reader::new(variables);
    match service::mapping_file(&mut reader) {
        Some(path) => Ok(path),
        None => Err(Refused::new(reader.into_problems())),
    }
}

fn conclude<T>(
    reader: Reader<'_, impl Variables>,
    variables: &impl Variables,
    found: Option<T>,
) -> Result<T, Refused> {
    let mut problems = reader.into_problems();
    problems.extend(unknown_names(variables));
    match found {
        Some(value) if problems.is_empty() => Ok(value),
        _ => Err(Refused::new(problems)),
    }
}
