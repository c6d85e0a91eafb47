//! What upstream holds: the objects whose asset it accepted.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, named_params, params};

use super::value::count;
use super::{ConnectionId, RunId, Store, StoreError};
use crate::identity::{Guid, Kind};

/// An object that upstream accepted an asset of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// objectGUID.
    pub guid: Guid,
    /// Its kind, as last read.
    pub kind: Kind,
    /// Its distinguished name, as last read.
    pub dn: String,
    /// `externalAssetId`, as last read.
    pub external_id: String,
    /// When upstream accepted the asset, Unix seconds.
    pub accepted_at: i64,
    /// In which run.
    pub accepted_run: RunId,
    /// The `assetData` element that upstream accepted last.
    pub asset: String,
}

impl Store {
    /// The object with this GUID, if upstream holds an asset of it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn object(&self, connection: ConnectionId, guid: Guid) -> Result<Option<Object>, StoreError> {
        self.read(|sql| {
            let mut statement =
                sql.prepare_cached("SELECT * FROM known WHERE connection = ? AND guid = ?")?;
            Ok(statement
                .query_row(params![connection, guid], object_of)
                .optional()?)
        })
    }

    /// The objects of `kind` (or of any) whose GUID comes after `after`, in the order of the GUIDs on the wire: a page of the
    /// inventory.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn objects(
        &self,
        connection: ConnectionId,
        kind: Option<Kind>,
        after: Option<Guid>,
        limit: usize,
    ) -> Result<Vec<Object>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT * FROM known WHERE connection = :connection AND guid > coalesce(:after, x'')
                     AND (:kind IS NULL OR kind = :kind) ORDER BY guid LIMIT :limit",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let objects = statement.query_map(
                named_params! { ":connection": connection, ":after": after, ":kind": kind, ":limit": limit },
                object_of,
            )?;
            Ok(objects.collect::<Result<_, _>>()?)
        })
    }

    /// The first `limit` objects that `text` names: by GUID, by external id (the SID), by DN, or by a part of the first
    /// component of the DN, without regard to case. Reads through all objects unless `text` is a GUID.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn find(
        &self,
        connection: ConnectionId,
        text: &str,
        limit: usize,
    ) -> Result<Vec<Object>, StoreError> {
        if let Ok(guid) = text.parse::<Guid>() {
            return Ok(self.object(connection, guid)?.into_iter().take(limit).collect());
        }
        let wanted = text.to_lowercase();
        let guids: Vec<Guid> = self.read(|sql| {
            let mut statement =
                sql.prepare_cached("SELECT guid, dn, external_id FROM known WHERE connection = ?")?;
            let mut rows = statement.query([connection])?;
            let mut guids = Vec::new();
            while let Some(row) = rows.next()? {
                if guids.len() >= limit {
                    break;
                }
                let dn = row.get_ref(1)?.as_str()?.to_lowercase();
                let named = row.get_ref(2)?.as_str()?.eq_ignore_ascii_case(text);
                if named || dn == wanted || first_value(&dn).contains(&wanted) {
                    guids.push(row.get(0)?);
                }
            }
            Ok(guids)
        })?;
        let mut objects = Vec::new();
        for guid in guids {
            objects.extend(self.object(connection, guid)?);
        }
        Ok(objects)
    }

    /// How many objects of each kind upstream holds; a kind without any is missing.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn object_counts(&self, connection: ConnectionId) -> Result<BTreeMap<Kind, u64>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT kind, count(*) AS count FROM known WHERE connection = ? GROUP BY kind",
            )?;
            let counts =
                statement.query_map([connection], |row| Ok((row.get("kind")?, count(row, "count")?)))?;
            Ok(counts.collect::<Result<_, _>>()?)
        })
    }

    /// Gives `each` the GUID of every object of `kind` that upstream holds. The store is held meanwhile: `each` must not
    /// use it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn all_guids(
        &self,
        connection: ConnectionId,
        kind: Kind,
        mut each: impl FnMut(Guid),
    ) -> Result<(), StoreError> {
        self.read(|sql| {
            let mut statement =
                sql.prepare_cached("SELECT guid FROM known WHERE connection = ? AND kind = ?")?;
            let mut rows = statement.query(params![connection, kind])?;
            while let Some(row) = rows.next()? {
                each(row.get(0)?);
            }
            Ok(())
        })
    }
}

/// The value of a DN's first component, with `\,` and its like unescaped. Not a parser of DNs: it only has to find names
/// that people type, in a million DNs within a second.
fn first_value(dn: &str) -> String {
    let mut value = String::new();
    let mut characters = dn.chars().skip_while(|character| *character != '=').skip(1);
    while let Some(character) = characters.next() {
        match character {
            ',' | '+' => break,
            '\\' => value.extend(characters.next()),
            _ => value.push(character),
        }
    }
    value
}

fn object_of(row: &Row<'_>) -> rusqlite::Result<Object> {
    Ok(Object {
        guid: row.get("guid")?,
        kind: row.get("kind")?,
        dn: row.get("dn")?,
        external_id: row.get("external_id")?,
        accepted_at: row.get("accepted_at")?,
        accepted_run: row.get("accepted_run")?,
        asset: row.get("json")?,
    })
}
