//! Inspection of one object: the values that the directory returns, requested part by part.
//!
//! Invariants kept here: the server decides (R38), names and values are compared nowhere else. The
//! place is a search below the base context with the GUID in the filter, and each part of a filter
//! is a search of the object alone. A run would read the result of the search in scope.

use crate::directory::{DirectoryError, Entry, LdapSearch, RootDse, Session};
use crate::identity::{Guid, Kind, Sid};
use crate::mapping::{Asset, Mapping, RowExplanation, RowOutcome};

use super::entry_fields::OBJECT_GUID;
use super::entry_fields::{guid_of, is_deleted};
use super::entry_source::EntrySource;
use super::filter_part::split_and;
use super::object_name::filter_by_name;
use super::read::SHOW_DELETED;
use super::read::complete;
use super::scope::ReadScope;

/// Beginning of the term that `AD_MEMBER_OF` adds.
const MEMBER_OF: &str = "(memberOf:1.2.840.113556.1.4.1941:=";

/// Result of the inspection of one object on one controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Host of the controller, as in `AD_HOST`.
    pub controller: String,
    /// Its invocationId, where the account may read it.
    pub invocation_id: Option<Guid>,
    /// Digest of the scope ([`ReadScope::digest`]).
    pub scope: [u8; 32],
    /// The base context.
    pub base: String,
    /// The object.
    pub object: LocatedObject,
}

/// Object as the controller returns it by its GUID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocatedObject {
    /// The controller does not return such an object to the account.
    Missing,
    /// Its tombstone, with the distinguished name of that.
    Deleted(String),
    /// The object.
    Present(Box<PresentObject>),
}

/// Object that is there, with every condition of the scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentObject {
    /// Its distinguished name.
    pub dn: String,
    /// Its most specific object class.
    pub class: String,
    /// `uSNChanged`, where the account may read it.
    pub usn: Option<u64>,
    /// Place in the directory.
    pub place: ObjectPlace,
    /// Kind that it matches.
    pub kind: KindMatch,
    /// Parts of the extra filter of the kind, in order; empty where it has none.
    pub filter: Vec<FilterPart>,
    /// Asset of it, where the search in scope gives it.
    pub mapped: Option<MappedObject>,
}

/// Place of an object, as the search decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectPlace {
    /// The object is in scope.
    InScope,
    /// The object is below the base context, but not within `AD_SEARCH_SCOPE`.
    OutsideSearchScope,
    /// The object is not below the base context.
    OutsideBase,
    /// The base context does not exist, or the account may not see it.
    NoBase,
}

/// Kind of an object, as the search decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KindMatch {
    /// A kind that is read.
    Read(Kind),
    /// A kind that `AD_ASSETS` does not name.
    NotRead(Kind),
    /// None of the kinds.
    None,
}

/// Part of the extra filter, and whether it matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterPart {
    /// Its text, with its parentheses.
    pub text: String,
    /// Variable that it comes from.
    pub variable: &'static str,
    /// `true` where it matches.
    pub result: PartResult,
}

/// Result of one part of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartResult {
    /// The part matches.
    Matches,
    /// The opposite of the part matches.
    Refuses,
    /// Neither the part nor its opposite matches: it tests an attribute that the account may not
    /// read (RFC 4511 section 4.5.1.7).
    Undefined,
}

/// Result of the mapping for an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedObject {
    /// Its kind.
    pub kind: Kind,
    /// The asset, or the reason why there is none (R15).
    pub asset: Result<Asset, String>,
    /// Rows that gave a value.
    pub values: usize,
    /// Rows of which the key is left out, since the object has no value.
    pub absent: usize,
    /// Values that were rejected, or left out because they cannot be decoded: a sentence each.
    pub rejected: Vec<String>,
}

/// Object of the naming context that a name means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectOfName {
    /// objectGUID; `None` where the account may not read it.
    pub guid: Option<Guid>,
    /// Its distinguished name.
    pub dn: String,
    /// Its most specific object class.
    pub class: String,
    /// objectSid, where it has one.
    pub sid: Option<String>,
}

/// Searches the naming context for the objects that `name` means, in scope or not. Returns the
/// first `most`, and the number of further ones.
///
/// # Errors
/// The search cannot be completed.
pub async fn find_by_name(
    session: &Session,
    scope: &ReadScope,
    name: &str,
    most: usize,
) -> Result<(Vec<ObjectOfName>, usize), DirectoryError> {
    let search = LdapSearch {
        filter: filter_by_name(name),
        attributes: [OBJECT_GUID, "objectSid", "objectClass"]
            .map(str::to_owned)
            .to_vec(),
        ..scope.naming_context()
    };
    let (mut found, mut more) = (Vec::new(), 0);
    let take = |entry: &Entry| {
        if found.len() == most {
            more += 1;
            return;
        }
        found.push(ObjectOfName {
            guid: guid_of(entry),
            dn: entry.dn.clone(),
            class: class_of(entry),
            sid: entry
                .first("objectSid")
                .and_then(|octets| Sid::from_bytes(octets).ok())
                .map(|sid| sid.to_string()),
        });
    };
    session.each_entry(search, take).await?;
    Ok((found, more))
}

/// Reads the object as a run would: by its GUID in scope, with the attributes that the mapping
/// needs.
///
/// # Errors
/// A search cannot be completed.
pub async fn read_in_scope(
    session: &Session,
    scope: &ReadScope,
    mapping: &Mapping,
    guid: Guid,
) -> Result<Option<(Kind, Entry)>, DirectoryError> {
    let mut found = None;
    for kind in scope.kinds() {
        for search in scope.with_guids(kind, &[guid]) {
            let take = |entry: &Entry| {
                found.get_or_insert_with(|| (kind, entry.copied()));
            };
            session.each_entry(search, take).await?;
        }
    }
    if let Some((kind, entry)) = &mut found {
        complete(session, scope, mapping, *kind, entry).await?;
    }
    Ok(found)
}

/// Inspects the object with this GUID; `now` are Unix seconds.
///
/// # Errors
/// A search cannot be completed.
pub async fn inspect(
    session: &mut Session,
    root: &RootDse,
    scope: &ReadScope,
    mapping: &Mapping,
    guid: Guid,
    now: i64,
) -> Result<Inspection, DirectoryError> {
    let shows_deleted = root.supported_controls.iter().any(|oid| oid == SHOW_DELETED);
    let name = format!("<GUID={guid}>");
    let attributes = ["objectClass", "uSNChanged", "isDeleted"];
    let object = match session.lookup(&name, &attributes, shows_deleted).await? {
        None => LocatedObject::Missing,
        Some(entry) if is_deleted(&entry) => LocatedObject::Deleted(entry.dn),
        Some(entry) => {
            let present = inspect_present(session, scope, mapping, guid, &entry, now).await?;
            LocatedObject::Present(Box::new(present))
        }
    };
    Ok(Inspection {
        controller: session.host().to_owned(),
        invocation_id: session.invocation_id(root).await.ok(),
        scope: scope.digest(),
        base: scope.base().to_owned(),
        object,
    })
}

async fn inspect_present(
    session: &Session,
    scope: &ReadScope,
    mapping: &Mapping,
    guid: Guid,
    entry: &Entry,
    now: i64,
) -> Result<PresentObject, DirectoryError> {
    let place = place(session, scope, guid).await?;
    let kind = kind(session, scope, guid).await?;
    let mut filter = Vec::new();
    let without_roles = scope.without_roles();
    if let KindMatch::Read(kind) = kind {
        for text in scope.extra_filter(kind).map(split_and).unwrap_or_default() {
            filter.push(FilterPart {
                text: text.to_owned(),
                variable: match &without_roles {
                    Some(without) if without == text => "AD_ROLE_FILTER",
                    _ => variable_of(kind, text),
                },
                result: part_result(session, guid, text).await?,
            });
        }
    }
    let mapped = match place {
        ObjectPlace::NoBase => None,
        _ => read_in_scope(session, scope, mapping, guid).await?,
    };
    Ok(PresentObject {
        dn: entry.dn.clone(),
        class: class_of(entry),
        usn: entry.text("uSNChanged").and_then(|usn| usn.parse().ok()),
        place,
        kind,
        filter,
        mapped: mapped.map(|(kind, entry)| map(mapping, kind, &entry, now)),
    })
}

async fn place(session: &Session, scope: &ReadScope, guid: Guid) -> Result<ObjectPlace, DirectoryError> {
    for (searches, place) in [
        (scope.placed_in_scope(&[guid]), ObjectPlace::InScope),
        (scope.placed_within_base(&[guid]), ObjectPlace::OutsideSearchScope),
    ] {
        match gives_any(session, searches).await {
            Ok(true) => return Ok(place),
            Ok(false) => {}
            Err(error) if error.is_base_missing() => return Ok(ObjectPlace::NoBase),
            Err(error) => return Err(error),
        }
    }
    Ok(ObjectPlace::OutsideBase)
}

async fn kind(session: &Session, scope: &ReadScope, guid: Guid) -> Result<KindMatch, DirectoryError> {
    let read: Vec<Kind> = scope.kinds().collect();
    for kind in read.iter().copied() {
        if !matches(session, guid, kind.filter()).await? {
            continue;
        }
        // A group is a role where it matches the filter of these.
        if kind == Kind::Group
            && let Some(roles) = scope.extra_filter(Kind::Role)
            && matches(session, guid, roles).await?
        {
            return Ok(KindMatch::Read(Kind::Role));
        }
        return Ok(KindMatch::Read(kind));
    }
    for kind in Kind::ALL.into_iter().filter(|kind| !read.contains(kind)) {
        if matches(session, guid, kind.filter()).await? {
            return Ok(KindMatch::NotRead(kind));
        }
    }
    Ok(KindMatch::None)
}

async fn part_result(session: &Session, guid: Guid, part: &str) -> Result<PartResult, DirectoryError> {
    if matches(session, guid, part).await? {
        return Ok(PartResult::Matches);
    }
    let refuses = matches(session, guid, &format!("(!{part})")).await?;
    Ok(match refuses {
        true => PartResult::Refuses,
        false => PartResult::Undefined,
    })
}

/// Reports whether the object matches `filter`, wherever it is.
async fn matches(session: &Session, guid: Guid, filter: &str) -> Result<bool, DirectoryError> {
    match gives_any(session, vec![ReadScope::object_alone(guid, filter)]).await {
        // It was deleted, or hidden, since it was found.
        Err(error) if error.is_base_missing() => Ok(false),
        given => given,
    }
}

async fn gives_any(session: &Session, searches: Vec<LdapSearch>) -> Result<bool, DirectoryError> {
    let mut any = false;
    for search in searches {
        any |= session.each_entry(search, |_| ()).await?.entries > 0;
    }
    Ok(any)
}

/// Returns the variable that contains a part of the extra filter of `kind`.
fn variable_of(kind: Kind, part: &str) -> &'static str {
    match kind {
        _ if part.starts_with(MEMBER_OF) => "AD_MEMBER_OF",
        Kind::User => "AD_USER_FILTER",
        Kind::Group => "AD_GROUP_FILTER",
        Kind::Computer => "AD_COMPUTER_FILTER",
        Kind::Role => "AD_ROLE_FILTER",
    }
}

/// Returns the last value of objectClass, which is the most specific one (MS-ADTS 3.1.1.2.4.3).
fn class_of(entry: &Entry) -> String {
    let last = entry.values("objectClass").last();
    last.map_or_else(String::new, |class| String::from_utf8_lossy(class).into_owned())
}

fn map(mapping: &Mapping, kind: Kind, entry: &Entry, now: i64) -> MappedObject {
    let seen = EntrySource::new(entry, now);
    let rows = mapping.explain(kind, &seen);
    let asset = match entry.unfit() {
        Some(reason) => Err(reason.to_owned()),
        None => mapping.apply(kind, &seen).map_err(|error| error.to_string()),
    };
    MappedObject {
        kind,
        asset,
        values: rows.iter().filter(|row| row.outcome.json().is_some()).count(),
        absent: rows
            .iter()
            .filter(|row| row.outcome == RowOutcome::Absent)
            .count(),
        rejected: rows.iter().flat_map(rejected_values).collect(),
    }
}

fn rejected_values(row: &RowExplanation) -> Vec<String> {
    if let RowOutcome::Rejected(reason) = &row.outcome {
        return vec![reason.clone()];
    }
    let instead = match &row.outcome {
        RowOutcome::Undecodable => "the key is left out",
        _ => "another value is taken",
    };
    let faults = row.faults.iter();
    faults
        .map(|(attribute, cause)| format!("{} ← {attribute}: {cause}; {instead}", row.target))
        .collect()
}
