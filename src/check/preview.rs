//! One object as the directory has it now, beside the asset that a mapping makes of it.

use crate::clock;
use crate::config;
use crate::directory::{BindGuard, Entry, KnownControllers, Session};
use crate::exit_code::{UNAVAILABLE, USAGE};
use crate::identity::{Guid, Kind};
use crate::mapping::{Asset, Mapping, RowExplanation};
use crate::sync::{self, EntrySource, ReadScope};

use super::connecting::connect;
use super::failure::StepFailure;
use super::mapping_table::{MappingMistake, read_mapping};

/// Objects beyond those that are returned which are counted, about.
const MOST_COUNTED: usize = 1000;

/// Longest name that is looked for, in octets.
const LONGEST_NAME: usize = 4096;

/// Result of a preview.
#[derive(Debug)]
pub enum PreviewOutcome {
    /// The mapping has mistakes. The directory was not asked.
    Mistakes(Vec<MappingMistake>),
    /// No object in scope has the name.
    NotFound(StepFailure),
    /// The object.
    Found {
        /// The first object with the name.
        object: Box<PreviewedObject>,
        /// Further objects with it; up to about a thousand are counted.
        more: usize,
    },
}

/// An object, row by row.
#[derive(Debug)]
pub struct PreviewedObject {
    /// Its kind.
    pub kind: Kind,
    /// Its distinguished name.
    pub dn: String,
    /// Its objectGUID, where the account may read it.
    pub guid: Option<Guid>,
    /// Results of the rows, in the order of the table.
    pub rows: Vec<RowExplanation>,
    /// Its asset, or the reason why there is none.
    pub asset: Result<Asset, String>,
}

impl PreviewedObject {
    /// Returns what `mapping` makes of an object that was read whole ([`find_objects`]).
    #[must_use]
    pub fn new(mapping: &Mapping, kind: Kind, entry: &Entry) -> Self {
        let seen = EntrySource::new(entry, clock::unix_seconds());
        let asset = match entry.unfit() {
            Some(reason) => Err(reason.to_owned()),
            None => mapping
                .apply(kind, &seen)
                .map_err(|unmappable| unmappable.to_string()),
        };
        Self {
            kind,
            dn: entry.dn.clone(),
            guid: entry
                .first("objectGUID")
                .and_then(|octets| Guid::from_bytes(octets).ok()),
            rows: mapping.explain(kind, &seen),
            asset,
        }
    }
}

/// Reads the object in scope with this name, and maps it by the mapping of `connection`, which may
/// be a text that was not stored yet. With a mistake in the mapping, nothing is asked.
///
/// # Errors
/// When the directory cannot be read, or the name is empty or too long.
pub async fn preview(
    connection: &config::ConnectionSettings,
    bind_guard: &BindGuard,
    name: &str,
) -> Result<PreviewOutcome, StepFailure> {
    if name.trim().is_empty() || name.len() > LONGEST_NAME {
        return Err(StepFailure::new(
            USAGE,
            format_args!("the name of the object has 1 to {LONGEST_NAME} octets"),
            "give an account name, name, mail address, DN, SID or GUID",
        ));
    }
    let mapping = match read_mapping(&connection.mapping, Some(connection)).mapping {
        Ok(mapping) => mapping,
        Err(mistakes) => return Ok(PreviewOutcome::Mistakes(mistakes)),
    };
    let mut session = connect(&connection.directory, bind_guard, &KnownControllers::default()).await?;
    let root = session.root_dse().await?;
    let scope = ReadScope::new(&connection.profile, &mapping, &root);
    let found = find_objects(&session, &scope, &mapping, name, 1).await?;
    session.close().await;
    Ok(match found.entries.first() {
        None => PreviewOutcome::NotFound(not_in_scope(&scope, name)),
        Some((kind, entry)) => PreviewOutcome::Found {
            object: Box::new(PreviewedObject::new(&mapping, *kind, entry)),
            more: found.more,
        },
    })
}

/// Objects in scope that have a name.
#[derive(Debug)]
pub struct ObjectsOfName {
    /// The first of them, whole.
    pub entries: Vec<(Kind, Entry)>,
    /// Further ones, of which up to about a thousand are counted.
    pub more: usize,
}

/// Finds the first `most` objects in scope with this name, and completes them for the mapping.
///
/// # Errors
/// As any search.
pub async fn find_objects(
    session: &Session,
    scope: &ReadScope,
    mapping: &Mapping,
    name: &str,
    most: usize,
) -> Result<ObjectsOfName, StepFailure> {
    let (mut entries, mut more) = (Vec::new(), 0);
    let filter = sync::filter_by_name(name);
    for kind in scope.kinds() {
        let Some(search) = scope.matching(kind, &filter) else {
            continue;
        };
        let mut pages = session.search(search);
        while let Some(page) = pages.next().await? {
            let free = most.saturating_sub(entries.len());
            entries.extend(page.iter().take(free).map(|entry| (kind, entry.copied())));
            more += page.len().saturating_sub(free);
            // The session is used again, so the page is read to its end.
            if more >= MOST_COUNTED && !pages.is_within_page() {
                break;
            }
        }
    }
    for (kind, entry) in &mut entries {
        sync::complete(session, scope, mapping, *kind, entry).await?;
    }
    Ok(ObjectsOfName { entries, more })
}

/// Returns the failure of a name that no object in scope has.
#[must_use]
pub fn not_in_scope(scope: &ReadScope, name: &str) -> StepFailure {
    StepFailure::new(
        UNAVAILABLE,
        format_args!("no object in scope has the account name, name, mail address, DN, SID or GUID `{name}`"),
        format_args!(
            "base context is {}; check AD_BASE_CONTEXT, AD_SEARCH_SCOPE, AD_ASSETS and the extra filters",
            scope.base()
        ),
    )
}
