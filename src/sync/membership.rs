//! Who is a member of which group, for mappings that ask for it (`@groups`, `@members`, `@member_count`). Nothing here is asked of
//! the directory for any other mapping.
//!
//! A membership stands in `member` of the group; `memberOf` of the member is computed from it, so a change of membership
//! changes the `uSNChanged` of the group alone. A primary group stands in `primaryGroupID` of the member alone (MS-ADTS
//! 3.1.1.1.9.2: it is a RID of the domain).
//!
//! Why no change of `@groups` is missed: of every object is noted, with its asset, what groups it named ([`crate::store`]). A read that
//! comes upon a changed group asks it for its members, and every object for which this says something else than what is
//! noted is read again, also when it was read before in this run. A group that changes after that has a uSNChanged above the
//! watermark, which was read before (R1).

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use crate::config::SearchScope;
use crate::directory::{DirectoryError, Entry, Search, Session};
use crate::identity::{DistinguishedName, Guid, Kind, Sid};
use crate::mapping::{GROUPS, MEMBER_COUNT, MEMBERS, Mapping};
use crate::store::{GroupNames, Memberships};

use super::RunError;
use super::met::Met;
use super::read::{Piece, Reader, Searched};
use super::scope::{OBJECT_GUID, Scope};
use super::seen::{PRIMARY, groups_of};
use super::stage::guid_of;

/// The primary groups that a domain has from its first day, as RIDs (MS-ADTS 3.1.1.6: users, guests, computers, domain controllers, read-only
/// domain controllers), in order.
const USUAL: [u32; 5] = [513, 514, 515, 516, 521];

/// Selects whoever has another primary group than [`USUAL`]: by ranges, since `primaryGroupID` is indexed (MS-ADA3: searchFlags
/// holds fATTINDEX) and a negation never uses an index.
const UNUSUAL: &str =
    "(|(primaryGroupID<=512)(&(primaryGroupID>=517)(primaryGroupID<=520))(primaryGroupID>=522))";

/// SIDs in one filter.
const SIDS_PER_FILTER: usize = 50;

/// Members of changed groups that are held against what is noted at a time: 16 octets each, beyond what the last group has.
const LINKS: usize = 500_000;

/// Tells the number of a primary group from that of the same group as any other.
const AS_PRIMARY: u64 = 0x9E37_79B9_7F4A_7C15;

/// A group that changed.
#[derive(Debug)]
pub(super) struct ChangedGroup {
    pub(super) guid: Guid,
    /// `None` when it was deleted.
    pub(super) dn: Option<String>,
}

/// What a mapping wants to know of memberships, and what a run knows of primary groups.
#[derive(Debug, Default)]
pub(super) struct Membership {
    /// Kinds of which the groups are wanted.
    grouped: BTreeSet<Kind>,
    /// Whether the members of groups are wanted.
    members: bool,
    /// Names of groups by SID, `None` of one that the account does not see.
    primaries: Mutex<BTreeMap<Vec<u8>, Option<String>>>,
    usual_known: OnceCell<()>,
    /// The RIDs of all groups that may be primary groups.
    rids: OnceCell<BTreeSet<u32>>,
}

/// Entries that cannot be handed on yet.
#[derive(Debug, Default)]
struct Late {
    /// Whose primary group is not known yet.
    guids: Vec<Guid>,
    /// The SIDs of these groups.
    sids: BTreeSet<Vec<u8>>,
    /// Groups that may be primary groups, with their RIDs.
    groups: Vec<(Guid, u32)>,
}

impl Membership {
    pub(super) fn of(mapping: &Mapping) -> Self {
        let grouped = Kind::ALL.into_iter().filter(|kind| mapping.reads(*kind, GROUPS));
        Self {
            grouped: grouped.collect(),
            members: [MEMBERS, MEMBER_COUNT]
                .iter()
                .any(|source| mapping.reads(Kind::Group, source)),
            ..Self::default()
        }
    }

    /// Whether entries of the kind lack something that their attributes do not say.
    pub(super) fn concerns(&self, kind: Kind) -> bool {
        self.grouped.contains(&kind) || (self.members && kind == Kind::Group)
    }

    /// Whether the groups of any object are wanted.
    pub(super) fn names_groups(&self) -> bool {
        !self.grouped.is_empty()
    }

    /// The groups that the asset of an entry names, as the store notes them.
    pub(super) fn noted(&self, kind: Kind, entry: &Entry) -> Option<Vec<u64>> {
        if !self.grouped.contains(&kind) {
            return None;
        }
        let groups: BTreeSet<u64> = groups_of(entry)
            .map(|(group, is_primary)| group.fingerprint() ^ if is_primary { AS_PRIMARY } else { 0 })
            .collect();
        Some(groups.into_iter().collect())
    }

    fn primaries(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Option<String>>> {
        self.primaries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be known before entries of the kind come: all primary groups of a usual directory.
    async fn prepare(&self, session: &Session, scope: &Scope, kind: Kind) -> Result<(), DirectoryError> {
        if kind == Kind::Group {
            self.rids.get_or_try_init(|| rids(session, scope)).await?;
            return Ok(());
        }
        let usual = || async {
            let domain = Search {
                scope: SearchScope::Base,
                filter: "(objectSid=*)".to_owned(),
                attributes: vec!["objectSid".to_owned()],
                ..scope.naming_context()
            };
            let mut sids = BTreeSet::new();
            each_entry(session, domain, |entry| {
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

    /// Looks the groups with these SIDs up.
    async fn resolve(
        &self,
        session: &Session,
        scope: &Scope,
        sids: BTreeSet<Vec<u8>>,
    ) -> Result<(), DirectoryError> {
        let sids: Vec<Vec<u8>> = sids.into_iter().collect();
        for chunk in sids.chunks(SIDS_PER_FILTER) {
            let mut found = BTreeMap::new();
            each_entry(session, scope.with_sids(chunk), |entry| {
                if let Some(sid) = entry.first("objectSid") {
                    found.insert(sid.to_vec(), entry.dn.clone());
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

    /// Adds to the entry what is known; `false` when something has to be asked first, which is noted in `late`.
    fn complete(&self, kind: Kind, entry: &mut Entry, late: &mut Late) -> bool {
        let Some(guid) = guid_of(entry).filter(|_| entry.unfit().is_none()) else {
            return true;
        };
        if kind == Kind::Group {
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
        entry.add(PRIMARY, group.as_deref());
        true
    }
}

/// Adds to an entry that was looked up by itself what the mapping wants to know of memberships.
///
/// # Errors
/// As any search.
pub async fn complete(
    session: &Session,
    scope: &Scope,
    mapping: &Mapping,
    kind: Kind,
    entry: &mut Entry,
) -> Result<(), DirectoryError> {
    let membership = Membership::of(mapping);
    if !membership.concerns(kind) {
        return Ok(());
    }
    if kind == Kind::Group {
        membership.prepare(session, scope, kind).await?;
    } else {
        let sids = primary_group_of(entry).into_iter().collect();
        membership.resolve(session, scope, sids).await?;
    }
    let mut late = Late::default();
    membership.complete(kind, entry, &mut late);
    for (_, rid) in late.groups {
        let members = primary_members(session, scope, rid).await?;
        entry.add(PRIMARY, members.iter().map(String::as_str));
    }
    Ok(())
}

impl Reader<'_> {
    /// As [`Reader::search_over`], for entries that [`Membership::concerns`]. What cannot be completed within its page is read once more.
    pub(super) async fn search_with_memberships(
        &self,
        session: &Session,
        kind: Kind,
        search: Search,
        met: &Met,
    ) -> Result<Searched, RunError> {
        self.membership.prepare(session, &self.scope, kind).await?;
        let mut searched = Searched::default();
        let mut searches = VecDeque::from([search]);
        let mut groups = Vec::new();
        while let Some(search) = searches.pop_front() {
            let mut pages = session.search(search);
            let mut late = Late::default();
            while let Some(mut entries) = pages.next().await? {
                met.note(kind, &entries, self.containers.note_parents_of(&entries));
                entries.retain_mut(|entry| self.membership.complete(kind, entry, &mut late));
                searched.entries += self.hand_over(kind, entries).await?;
                if !pages.is_within_page() {
                    let sids = std::mem::take(&mut late.sids);
                    self.membership.resolve(session, &self.scope, sids).await?;
                }
            }
            searched.count(&pages);
            searches.extend(self.scope.with_guids(kind, &late.guids));
            groups.append(&mut late.groups);
        }
        // One after the other: the members of one group are in memory at a time.
        for (guid, rid) in groups {
            let members = primary_members(session, &self.scope, rid).await?;
            for search in self.scope.with_guids(kind, &[guid]) {
                let mut pages = session.search(search);
                while let Some(mut entries) = pages.next().await? {
                    for entry in &mut entries {
                        entry.add(PRIMARY, members.iter().map(String::as_str));
                    }
                    searched.entries += self.hand_over(kind, entries).await?;
                }
                searched.count(&pages);
            }
        }
        Ok(searched)
    }

    async fn hand_over(&self, kind: Kind, entries: Vec<Entry>) -> Result<u64, RunError> {
        let count = entries.len() as u64;
        if count > 0 {
            self.request.progress.add_read(count);
            self.send(Piece::Page(kind, entries)).await?;
        }
        Ok(count)
    }

    /// Reads again whoever names other groups than those that it is in, by what the groups in `changed` say now. After a full read
    /// (`whole`) the names of all groups are read anew. Gives what was learned of names.
    pub(super) async fn memberships(
        &mut self,
        changed: Vec<ChangedGroup>,
        whole: bool,
    ) -> Result<GroupNames, RunError> {
        let mut learned = GroupNames::default();
        if !self.membership.names_groups() || (changed.is_empty() && !whole) {
            return Ok(learned);
        }
        // One of them may have been renamed.
        self.membership.primaries().clear();
        let mut names = if whole {
            self.names_of_groups().await?
        } else {
            let id = self.connector.id;
            let names = self
                .connector
                .on_store(move |store| store.group_names(id))
                .await?;
            names.into_iter().collect()
        };
        if whole {
            learned.names = names.iter().map(|(guid, name)| (*guid, *name)).collect();
        }
        for group in changed.iter().filter(|_| !whole) {
            match &group.dn {
                Some(dn) => {
                    let name = DistinguishedName::fingerprint_of(dn);
                    names.insert(group.guid, name);
                    learned.names.push((group.guid, name));
                }
                None => {
                    names.remove(&group.guid);
                    learned.gone.push(group.guid);
                }
            }
        }
        let (mut groups, mut links) = (BTreeSet::new(), Vec::new());
        let mut strange = BTreeSet::new();
        for ChangedGroup { guid, .. } in changed {
            let Some(name) = names.get(&guid).copied() else {
                continue;
            };
            groups.insert(name);
            let object = format!("<GUID={guid}>");
            let mut take = |member: &[u8]| {
                if let Ok(member) = str::from_utf8(member) {
                    links.push((DistinguishedName::fingerprint_of(member), name));
                }
            };
            self.session.each_value(&object, "member", &mut take).await?;
            if links.len() >= LINKS {
                strange.extend(
                    self.gather(
                        &names,
                        std::mem::take(&mut groups),
                        std::mem::take(&mut links),
                        true,
                    )
                    .await?,
                );
            }
        }
        strange.extend(self.gather(&names, groups, links, true).await?);
        if whole && !strange.is_empty() {
            // What is strange to those who were read again as well is a group that the account does not see.
            let strange = self.gather(&names, BTreeSet::new(), Vec::new(), false).await?;
            learned
                .names
                .extend(strange.into_iter().map(|name| (hidden(name), name)));
        }
        Ok(learned)
    }

    /// Reads again, if asked to, whoever names other groups than `names`, or than those of `groups` that have a link to it. Gives
    /// the names that no group has.
    async fn gather(
        &mut self,
        names: &BTreeMap<Guid, u64>,
        groups: BTreeSet<u64>,
        mut links: Vec<(u64, u64)>,
        read: bool,
    ) -> Result<BTreeSet<u64>, RunError> {
        self.stored().await?;
        links.sort_unstable();
        links.dedup();
        let names: HashSet<u64> = names
            .values()
            .flat_map(|name| [*name, *name ^ AS_PRIMARY])
            .collect();
        let (id, kinds) = (self.connector.id, Vec::from_iter(self.membership.grouped.clone()));
        let astray = self
            .connector
            .on_store(move |store| {
                let said = Memberships {
                    names: &names,
                    groups: &groups,
                    links: &links,
                };
                store.astray(id, &kinds, &said)
            })
            .await?;
        if read && !astray.objects.is_empty() {
            tracing::debug!(
                objects = astray.objects.len(),
                "Groups changed: their former and new members are read again."
            );
            for kind in self.kinds() {
                let of_kind = astray.objects.iter().filter(|(other, _)| *other == kind);
                let guids: Vec<Guid> = of_kind.map(|(_, guid)| *guid).collect();
                for search in self.scope.with_guids(kind, &guids) {
                    self.search(kind, search, &Met::default()).await?;
                }
            }
        }
        Ok(astray.unknown)
    }

    /// What every group of the naming context is called.
    async fn names_of_groups(&self) -> Result<BTreeMap<Guid, u64>, RunError> {
        let search = Search {
            filter: Kind::Group.filter().to_owned(),
            attributes: vec![OBJECT_GUID.to_owned()],
            ..self.scope.naming_context()
        };
        let mut names = BTreeMap::new();
        each_entry(&self.session, search, |entry| {
            let name = || DistinguishedName::fingerprint_of(&entry.dn);
            names.extend(guid_of(entry).map(|guid| (guid, name())));
        })
        .await?;
        Ok(names)
    }
}

/// Whether the entry is a group; a deleted one has its class, but no category any more (MS-ADTS 3.1.1.5.5.1).
pub(super) fn is_group(entry: &Entry) -> bool {
    entry
        .values("objectClass")
        .any(|class| class.eq_ignore_ascii_case(b"group"))
}

/// Stands in for the objectGUID of a group that the account does not see.
fn hidden(name: u64) -> Guid {
    let mut octets = [0; 16];
    octets[8..].copy_from_slice(&name.to_be_bytes());
    Guid::from(octets)
}

/// Gives every entry of a search to `take`.
async fn each_entry(
    session: &Session,
    search: Search,
    mut take: impl FnMut(&Entry),
) -> Result<(), DirectoryError> {
    let mut pages = session.search(search);
    while let Some(entries) = pages.next().await? {
        entries.iter().for_each(&mut take);
    }
    Ok(())
}

/// The RIDs of all groups that may be primary groups: the usual ones, and what else anybody has.
async fn rids(session: &Session, scope: &Scope) -> Result<BTreeSet<u32>, DirectoryError> {
    let unusual = Search {
        filter: UNUSUAL.to_owned(),
        attributes: vec!["primaryGroupID".to_owned()],
        ..scope.naming_context()
    };
    let mut rids = BTreeSet::from(USUAL);
    each_entry(session, unusual, |entry| rids.extend(primary_rid(entry))).await?;
    Ok(rids)
}

/// The distinguished names of all objects whose primary group this is.
async fn primary_members(session: &Session, scope: &Scope, rid: u32) -> Result<Vec<String>, DirectoryError> {
    let search = Search {
        filter: format!("(primaryGroupID={rid})"),
        attributes: vec![OBJECT_GUID.to_owned()],
        ..scope.naming_context()
    };
    let mut members = Vec::new();
    each_entry(session, search, |entry| members.push(entry.dn.clone())).await?;
    Ok(members)
}

fn primary_rid(entry: &Entry) -> Option<u32> {
    entry.text("primaryGroupID")?.parse().ok()
}

/// The RID of a group of the domain; the SIDs of others have none of five sub-authorities.
fn rid_of(group: &Entry) -> Option<u32> {
    let sid = Sid::from_bytes(group.first("objectSid")?).ok()?;
    match sid.sub_authorities() {
        [21, _, _, _, rid] => Some(*rid),
        _ => None,
    }
}

/// The SID of the primary group: that of the object with another RID.
fn primary_group_of(entry: &Entry) -> Option<Vec<u8>> {
    let sid = entry.first("objectSid")?;
    Sid::from_bytes(sid).ok()?;
    let (domain, _) = sid
        .split_last_chunk::<4>()
        .filter(|(domain, _)| domain.len() > 8)?;
    Some([domain, &primary_rid(entry)?.to_le_bytes()].concat())
}
