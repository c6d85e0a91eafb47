//! Which groups the assets of objects name. A change of its members is a change of the group alone (`memberOf` is a back-link), so
//! a delta compares what the groups say with what was last read of each object.
//!
//! Invariant kept here: the groups of an object are noted in the transaction that takes in the asset which names them. So what is noted
//! is what the asset was made of, whatever happened to the group meanwhile; and a group that changes after that changes
//! behind the watermark.

use std::collections::{BTreeSet, HashSet};

use rusqlite::{Transaction, params};

use super::error::Fault;
use super::{ConnectionId, ReadEnd, Reading, Store, StoreError};
use crate::identity::{DistinguishedName, Guid, Kind};

/// What a read learned of the names of groups; after a full read these are all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupNames {
    /// Names, as [`DistinguishedName::fingerprint`]s.
    pub names: Vec<(Guid, u64)>,
    /// Groups that are no more.
    pub gone: Vec<Guid>,
}

/// What groups say of their members.
#[derive(Debug)]
pub struct Memberships<'a> {
    /// The names of all groups there are; an object that names another one is astray.
    pub names: &'a HashSet<u64>,
    /// The groups whose members are known.
    pub groups: &'a BTreeSet<u64>,
    /// Their members: name of the member, name of the group; sorted, each once.
    pub links: &'a [(u64, u64)],
}

/// Objects whose noted groups are others than those that the groups say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Astray {
    /// The objects.
    pub objects: Vec<(Kind, Guid)>,
    /// What they name, and no group is called.
    pub unknown: BTreeSet<u64>,
}

impl Memberships<'_> {
    /// Whether `noted`, sorted, is what the groups say of `dn`; notes in `unknown` what no group is called.
    fn agree(&self, dn: &str, noted: &[u64], unknown: &mut BTreeSet<u64>) -> bool {
        let strange = noted.iter().filter(|group| !self.names.contains(group));
        let all_known = strange.map(|group| unknown.insert(*group)).count() == 0;
        if self.groups.is_empty() {
            return all_known;
        }
        let member = DistinguishedName::fingerprint_of(dn);
        let start = self.links.partition_point(|(other, _)| *other < member);
        let said = self.links.get(start..).unwrap_or_default();
        let said = said.iter().take_while(|(other, _)| *other == member);
        let noted = noted.iter().filter(|group| self.groups.contains(group));
        all_known && noted.eq(said.map(|(_, group)| group))
    }
}

impl Store {
    /// What every group was called at the last read that came to its end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn group_names(&self, connection: ConnectionId) -> Result<Vec<(Guid, u64)>, StoreError> {
        self.read(|sql| {
            let mut names = sql.prepare_cached("SELECT guid, name FROM group_name WHERE connection = ?")?;
            let names = names.query_map([connection], |row| {
                Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
            })?;
            Ok(names.collect::<Result<_, _>>()?)
        })
    }

    /// The objects of `kinds` whose noted groups are others than `said`: they have to be read again. It looks at every object.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn astray(
        &self,
        connection: ConnectionId,
        kinds: &[Kind],
        said: &Memberships<'_>,
    ) -> Result<Astray, StoreError> {
        self.read(|sql| {
            let mut astray = Astray::default();
            let mut objects =
                sql.prepare_cached("SELECT guid, kind, dn, groups FROM card WHERE connection = ?")?;
            let mut rows = objects.query([connection])?;
            let mut noted = Vec::new();
            while let Some(row) = rows.next()? {
                let kind = Kind::from_name(row.get_ref(1)?.as_str()?);
                let Some(kind) = kind.filter(|kind| kinds.contains(kind)) else {
                    continue;
                };
                noted.clear();
                if let Some(packed) = row.get_ref(3)?.as_blob_or_null()? {
                    noted.extend(
                        packed
                            .as_chunks::<8>()
                            .0
                            .iter()
                            .map(|name| u64::from_be_bytes(*name)),
                    );
                }
                if !said.agree(row.get_ref(2)?.as_str()?, &noted, &mut astray.unknown) {
                    astray.objects.push((kind, row.get(0)?));
                }
            }
            Ok(astray)
        })
    }
}

fn packed(reading: &Reading) -> Option<Vec<u8>> {
    let groups = reading.groups.as_ref()?;
    Some(groups.iter().flat_map(|group| group.to_be_bytes()).collect())
}

/// Whether the groups of the object with the number `card` are others than those noted.
pub(super) fn differs(transaction: &Transaction<'_>, card: i64, reading: &Reading) -> Result<bool, Fault> {
    let Some(groups) = packed(reading) else {
        return Ok(false);
    };
    let mut compare = transaction.prepare_cached("SELECT groups IS NOT ? FROM card WHERE id = ?")?;
    Ok(compare.query_row(params![groups, card], |row| row.get(0))?)
}

/// Notes the groups of the object with the number `card`, whose row can be changed.
pub(super) fn note(transaction: &Transaction<'_>, card: i64, reading: &Reading) -> Result<(), Fault> {
    if let Some(groups) = packed(reading) {
        let mut note = transaction.prepare_cached("UPDATE object SET groups = ? WHERE id = ?")?;
        note.execute(params![groups, card])?;
    }
    Ok(())
}

/// Takes in what a read learned of the names of groups.
pub(super) fn take_in(
    transaction: &Transaction<'_>,
    connection: ConnectionId,
    end: &ReadEnd,
) -> Result<(), Fault> {
    if end.met.is_some() {
        transaction.execute("DELETE FROM group_name WHERE connection = ?", [connection])?;
    }
    let mut put = transaction
        .prepare_cached("INSERT OR REPLACE INTO group_name (connection, guid, name) VALUES (?, ?, ?)")?;
    for (guid, name) in &end.groups.names {
        put.execute(params![connection, guid, name.cast_signed()])?;
    }
    let mut remove =
        transaction.prepare_cached("DELETE FROM group_name WHERE connection = ? AND guid = ?")?;
    for guid in &end.groups.gone {
        remove.execute(params![connection, guid])?;
    }
    Ok(())
}
