//! The mapping table of a connection, checked against what the connection reads and sends.

use crate::config::{self, DeltaMethod, MappingSource};
use crate::exit_code::USAGE;
use crate::identity::Kind;
use crate::mapping::Mapping;
use crate::schema;

use super::failure::{StepFailure, list_below};

/// Name under which the mistakes of a text are reported that comes from no file.
pub(super) const TEXT_NAME: &str = "mapping";

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
    for (kind, _) in &connection.profile.assets {
        if !mapping.has(*kind) {
            return Err(StepFailure::new(
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
    check_sources(mapping, kinds, connection.directory.delta)?;
    if connection.removal.send && mapping.removed().is_empty() {
        return Err(StepFailure::new(
            USAGE,
            "REMOVED_OBJECTS=send needs constants that tell a removed object from another one, but the mapping has none",
            "add a [removed] table to the file of MAPPING_FILE (see docs/mapping.md), or set REMOVED_OBJECTS=report",
        ));
    }
    Ok(())
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
    Err(StepFailure::new(
        USAGE,
        list_below("the mapping reads what a delta cannot follow", &lines.join("\n")),
        "change the rows that are named as each line says; docs/mapping.md has the reasons",
    ))
}
