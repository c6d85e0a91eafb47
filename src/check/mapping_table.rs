//! The mapping table of a connection, checked against what the connection reads and sends.

use crate::config::{self, DeltaMethod, MappingSource};
use crate::exit_code::USAGE;
use crate::identity::Kind;
use crate::mapping::{Mapping, MappingError};
use crate::schema;

use super::failure::{StepFailure, list_below};

/// Name under which the mistakes of a text are reported that comes from no file.
const TEXT_NAME: &str = "mapping";

/// Returns the mapping table of this source.
///
/// # Errors
/// Every mistake of the table, each with its line.
pub fn load_mapping(source: &MappingSource) -> Result<Mapping, StepFailure> {
    Ok(match source {
        MappingSource::BuiltIn => Mapping::builtin(),
        MappingSource::File(path) => Mapping::load(path)?,
        MappingSource::Text(text) => Mapping::parse(TEXT_NAME, text)?,
    })
}

/// A mapping that was read, or every mistake in it.
#[derive(Debug)]
pub struct ReadMapping {
    /// The text of the table, where it is not a file.
    pub text: Option<String>,
    /// The table, or its mistakes. Never empty.
    pub mapping: Result<Mapping, Vec<MappingMistake>>,
}

/// Mistake in a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingMistake {
    /// Line, counted from 1; `None` where it concerns the table as a whole.
    pub line: Option<usize>,
    /// Description.
    pub reason: String,
    /// Next step, where the reason does not say it.
    pub remedy: Option<String>,
}

/// Reads a mapping so that every mistake can be shown at its line. With a `connection` the table
/// must also fit what that reads and sends ([`check_mapping`]).
#[must_use]
pub fn read_mapping(source: &MappingSource, connection: Option<&config::ConnectionSettings>) -> ReadMapping {
    let (text, read) = match source {
        MappingSource::BuiltIn => (Some(Mapping::builtin_text().to_owned()), Ok(Mapping::builtin())),
        MappingSource::File(path) => (None, Mapping::load(path)),
        MappingSource::Text(text) => (Some(text.clone()), Mapping::parse(TEXT_NAME, text)),
    };
    let mapping = match read {
        Err(errors) => Err(errors.as_slice().iter().map(MappingMistake::of).collect()),
        Ok(mapping) => {
            let misfits = connection.map_or_else(Vec::new, |connection| misfits(connection, &mapping));
            match misfits.is_empty() {
                true => Ok(mapping),
                false => Err(misfits),
            }
        }
    };
    ReadMapping { text, mapping }
}

impl MappingMistake {
    fn of(error: &MappingError) -> Self {
        Self {
            line: error.line,
            reason: error.reason.clone(),
            remedy: error.remedy.clone(),
        }
    }
}

/// Returns the mapping table of a connection, checked against the kinds that it is to read.
///
/// # Errors
/// As [`load_mapping`] and [`check_mapping`].
pub fn mapping_of(connection: &config::ConnectionSettings) -> Result<Mapping, StepFailure> {
    let mapping = load_mapping(&connection.mapping)?;
    check_mapping(connection, &mapping)?;
    Ok(mapping)
}

/// Checks that a mapping table fits a connection: rows for each kind that is read, sources that its
/// delta can follow, and constants for removed objects where those are sent.
///
/// # Errors
/// The first of these that is missing.
pub fn check_mapping(connection: &config::ConnectionSettings, mapping: &Mapping) -> Result<(), StepFailure> {
    if let Some(failure) = without_rows(connection, mapping).next() {
        return Err(failure);
    }
    check_sources(mapping, kinds_of(connection), connection.directory.delta)?;
    without_constants(connection, mapping).map_or(Ok(()), Err)
}

/// Returns every mistake that [`check_mapping`] finds.
fn misfits(connection: &config::ConnectionSettings, mapping: &Mapping) -> Vec<MappingMistake> {
    let untracked = describe_untracked(mapping, kinds_of(connection), connection.directory.delta);
    let untracked = untracked.into_iter().map(|reason| MappingMistake {
        line: None,
        reason,
        remedy: None,
    });
    let whole = without_rows(connection, mapping).chain(without_constants(connection, mapping));
    let whole = whole.map(|failure| MappingMistake {
        line: None,
        reason: failure.message,
        remedy: Some(failure.advice),
    });
    whole.chain(untracked).collect()
}

fn kinds_of(connection: &config::ConnectionSettings) -> impl Iterator<Item = Kind> {
    connection.profile.assets.iter().map(|(kind, _)| *kind)
}

/// Returns a failure for each kind that is read and has no rows.
fn without_rows(
    connection: &config::ConnectionSettings,
    mapping: &Mapping,
) -> impl Iterator<Item = StepFailure> {
    kinds_of(connection).filter(|kind| !mapping.has(*kind)).map(|kind| {
        StepFailure::new(
            USAGE,
            format_args!(
                "AD_ASSETS asks for {}, but the mapping has no [[{kind}]] rows",
                kind.plural()
            ),
            format_args!(
                "add [[{kind}]] rows to the file of MAPPING_FILE (see docs/mapping.md), or leave {} out of AD_ASSETS",
                kind.plural()
            ),
        )
    })
}

/// Returns a failure where removed objects are sent and the table has no constants for them.
fn without_constants(connection: &config::ConnectionSettings, mapping: &Mapping) -> Option<StepFailure> {
    let lacks = connection.removal.send && mapping.removed().is_empty();
    lacks.then(|| {
        StepFailure::new(
            USAGE,
            "REMOVED_OBJECTS=send needs constants that tell a removed object from another one, but the mapping has none",
            "add a [removed] table to the file of MAPPING_FILE (see docs/mapping.md), or set REMOVED_OBJECTS=report",
        )
    })
}

/// Returns a line for each source that a delta cannot follow, with what to read instead.
fn describe_untracked(
    mapping: &Mapping,
    kinds: impl IntoIterator<Item = Kind>,
    delta: DeltaMethod,
) -> Vec<String> {
    if delta == DeltaMethod::Off {
        return Vec::new();
    }
    kinds
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
        .collect()
}

/// Refuses sources that a delta cannot follow (R31), all of them, unless every run reads
/// everything.
///
/// # Errors
/// Each of them, with what to read instead.
pub fn check_sources(
    mapping: &Mapping,
    kinds: impl IntoIterator<Item = Kind>,
    delta: DeltaMethod,
) -> Result<(), StepFailure> {
    let lines = describe_untracked(mapping, kinds, delta);
    if lines.is_empty() {
        return Ok(());
    }
    Err(StepFailure::new(
        USAGE,
        list_below("the mapping reads what a delta cannot follow", &lines.join("\n")),
        "change the rows that are named as each line says; docs/mapping.md has the reasons",
    ))
}
