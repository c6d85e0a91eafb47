//! Memberships, for mappings that ask for them (`@groups`, `@members`, `@member_count`), and the
//! primary groups that a run has found.
//!
//! A membership is in `member` of the group; `memberOf` of the member is computed from it, so a
//! change of membership changes the `uSNChanged` of the group alone. A primary group is in
//! `primaryGroupID` of the member alone (MS-ADTS 3.1.1.1.9.2: it is a RID of the domain).
//!
//! A read that finds a changed group reads its members, and every object whose stored links differ
//! from them is read again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use crate::config::SearchScope;
use crate::directory::{DirectoryError, Entry, LdapSearch, Session};
use crate::identity::{Guid, Kind, Sid};
use crate::mapping::{GROUPS, MEMBER_COUNT, MEMBERS, Mapping};

use crate::sync::entry_fields::OBJECT_GUID;
use crate::sync::entry_fields::guid_of;
use crate::sync::links::{self, PRIMARY};
use crate::sync::scope::ReadScope;

/// Primary groups that a domain has from its first day, as RIDs (MS-ADTS 3.1.1.6: users, guests,
/// computers, domain controllers, read-only domain controllers), in order.
const USUAL: [u32; 5] = [513, 514, 515, 516, 521];

/// Selects the objects with another primary group than [`USUAL`]: by ranges, since `primaryGroupID`
/// is indexed (MS-ADA3: searchFlags holds fATTINDEX) and a negation never uses an index.
const UNUSUAL: &str =
    "(|(primaryGroupID<=512)(&(primaryGroupID>=517)(primaryGroupID<=520))(primaryGroupID>=522))";

/// SIDs in one filter.
const SIDS_PER_FILTER: usize = 50;

/// Memberships that a mapping needs, and primary groups that a run has found.
#[derive(Debug, Default)]
pub(super) struct Membership {
    /// Kinds whose groups are wanted.
    grouped: BTreeSet<Kind>,
    /// Kinds whose members are wanted.
    members: BTreeSet<Kind>,
    /// GUIDs and names of groups by SID, `None` for a group that the account does not see.
    primaries: Mutex<PrimaryGroups>,
    usual_known: OnceCell<()>,
    /// RIDs of all groups that may be primary groups.
    rids: OnceCell<BTreeSet<u32>>,
}

pub(super) type PrimaryGroups = BTreeMap<Vec<u8>, Option<(Guid, String)>>;

/// Entries that cannot be sent to the stager yet.
#[derive(Debug, Default)]
pub(super) struct IncompleteEntries {
    /// Objects whose primary group is not known yet.
    pub(super) guids: Vec<Guid>,
    /// SIDs of these groups.
    pub(super) sids: BTreeSet<Vec<u8>>,
    /// Groups that may be primary groups, with their RIDs.
    pub(super) groups: Vec<(Guid, u32)>,
}

impl Membership {
    pub(super) fn of(mapping: &Mapping) -> Self {
        let grouped = Kind::ALL.into_iter().filter(|kind| mapping.reads(*kind, GROUPS));
        Self {
            grouped: grouped.collect(),
            members: Kind::ALL
                .into_iter()
                .filter(|kind| {
                    [MEMBERS, MEMBER_COUNT]
                        .iter()
                        .any(|source| mapping.reads(*kind, source))
                })
                .collect(),
            ..Self::default()
        }
    }

    /// Returns `true` when entries of the kind lack a value that is not in their attributes.
    pub(super) fn concerns(&self, kind: Kind) -> bool {
        self.grouped.contains(&kind) || self.members.contains(&kind)
    }

    pub(super) fn primaries(&self) -> MutexGuard<'_, PrimaryGroups> {
        self.primaries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads in advance what entries of the kind need: all primary groups of a usual directory.
    pub(super) async fn prepare(
        &self,
        session: &Session,
        scope: &ReadScope,
        kind: Kind,
    ) -> Result<(), DirectoryError> {
        if kind.is_group() {
            self.rids.get_or_try_init(|| rids(session, scope)).await?;
            return Ok(());
        }
        let usual = || async {
            let domain = LdapSearch {
                scope: SearchScope::Base,
                filter: "(objectSid=*)".to_owned(),
                attributes: vec!["objectSid".to_owned()],
                ..scope.naming_context()
            };
            let mut sids = BTreeSet::new();
            session
                .each_entry(domain, |entry| {
                    let domain = entry.first("objectSid").unwrap_or_default();
                    sids.extend(USUAL.map(|rid| [domain, &rid.to_le_bytes()].concat()));
                })
                .await?;
            // The count of sub-authorities is the second octet (MS-DTYP 2.4.2.2).
            let one_more = |mut sid: Vec<u8>| {
                sid.get_mut(1).into_iter().for_each(|count| *count += 1);
                sid
            };
            self.resolve(session, scope, sids.into_iter().map(one_more).collect())
                .await
        };
        self.usual_known.get_or_try_init(usual).await?;
        Ok(())
    }

    /// Looks up the groups with these SIDs.
    pub(super) async fn resolve(
        &self,
        session: &Session,
        scope: &ReadScope,
        sids: BTreeSet<Vec<u8>>,
    ) -> Result<(), DirectoryError> {
        let sids: Vec<Vec<u8>> = sids.into_iter().collect();
        for chunk in sids.chunks(SIDS_PER_FILTER) {
            let mut found = BTreeMap::new();
            let mut search = scope.with_sids(chunk);
            search.attributes.push(OBJECT_GUID.to_owned());
            session
                .each_entry(search, |entry| {
                    if let Some((sid, guid)) = entry.first("objectSid").zip(guid_of(entry)) {
                        found.insert(sid.to_vec(), (guid, entry.dn.clone()));
                    }
                })
                .await?;
            let mut primaries = self.primaries();
            for sid in chunk {
                primaries.insert(sid.clone(), found.remove(sid));
            }
        }
        Ok(())
    }

    /// Adds the known memberships to the entry; `false` when a search is needed first, which is
    /// recorded in `late`.
    pub(super) fn complete(&self, kind: Kind, entry: &mut Entry, late: &mut IncompleteEntries) -> bool {
        let Some(guid) = guid_of(entry).filter(|_| entry.unfit().is_none()) else {
            return true;
        };
        if kind.is_group() {
            let rid = rid_of(entry).filter(|rid| self.rids.get().is_some_and(|rids| rids.contains(rid)));
            late.groups.extend(rid.map(|rid| (guid, rid)));
            return rid.is_none();
        }
        let Some(sid) = primary_group_of(entry) else {
            return true;
        };
        let known = self.primaries().get(&sid).cloned();
        let Some(group) = known else {
            late.guids.push(guid);
            late.sids.insert(sid);
            return false;
        };
        let group = group.map(|(guid, dn)| links::written(entry, guid, &dn));
        entry.add(PRIMARY, group.as_deref());
        true
    }
}

/// Adds to an entry that was looked up by itself the memberships that the mapping needs.
///
/// # Errors
/// As any search.
pub async fn complete(
    session: &Session,
    scope: &ReadScope,
    mapping: &Mapping,
    kind: Kind,
    entry: &mut Entry,
) -> Result<(), DirectoryError> {
    let membership = Membership::of(mapping);
    if !membership.concerns(kind) {
        return Ok(());
    }
    if kind.is_group() {
        membership.prepare(session, scope, kind).await?;
    } else {
        let sids = primary_group_of(entry).into_iter().collect();
        membership.resolve(session, scope, sids).await?;
    }
    let mut late = IncompleteEntries::default();
    membership.complete(kind, entry, &mut late);
    for (_, rid) in late.groups {
        let members = primary_members(session, scope, rid).await?;
        add_members(entry, &members);
    }
    Ok(())
}

/// Returns the RIDs of all groups that may be primary groups: the usual ones, and those of any
/// object.
async fn rids(session: &Session, scope: &ReadScope) -> Result<BTreeSet<u32>, DirectoryError> {
    let unusual = LdapSearch {
        filter: UNUSUAL.to_owned(),
        attributes: vec!["primaryGroupID".to_owned()],
        ..scope.naming_context()
    };
    let mut rids = BTreeSet::from(USUAL);
    session
        .each_entry(unusual, |entry| rids.extend(primary_rid(entry)))
        .await?;
    Ok(rids)
}

/// Returns GUIDs and distinguished names of all objects whose primary group this is.
pub(super) async fn primary_members(
    session: &Session,
    scope: &ReadScope,
    rid: u32,
) -> Result<Vec<(Guid, String)>, DirectoryError> {
    let search = LdapSearch {
        filter: format!("(primaryGroupID={rid})"),
        attributes: vec![OBJECT_GUID.to_owned()],
        ..scope.naming_context()
    };
    let mut members = Vec::new();
    session
        .each_entry(search, |entry| {
            members.extend(guid_of(entry).map(|guid| (guid, entry.dn.clone())));
        })
        .await?;
    Ok(members)
}

pub(super) fn add_members(group: &mut Entry, members: &[(Guid, String)]) {
    let written: Vec<String> = members
        .iter()
        .map(|(guid, dn)| links::written(group, *guid, dn))
        .collect();
    group.add(PRIMARY, written.iter().map(String::as_str));
}

fn primary_rid(entry: &Entry) -> Option<u32> {
    entry.text("primaryGroupID")?.parse().ok()
}

/// Returns the RID of a group of the domain; the SIDs of others have none of five sub-authorities.
fn rid_of(group: &Entry) -> Option<u32> {
    let sid = Sid::from_bytes(group.first("objectSid")?).ok()?;
    match sid.sub_authorities() {
        [21, _, _, _, rid] => Some(*rid),
        _ => None,
    }
}

/// Returns the SID of the primary group: that of the object with another RID.
fn primary_group_of(entry: &Entry) -> Option<Vec<u8>> {
    let sid = entry.first("objectSid")?;
    Sid::from_bytes(sid).ok()?;
    let (domain, _) = sid
        .split_last_chunk::<4>()
        .filter(|(domain, _)| domain.len() > 8)?;
    Some([domain, &primary_rid(entry)?.to_le_bytes()].concat())
}
