//! Objects whose asset upstream accepted: the content that it holds.

use std::collections::BTreeMap;

use super::error::StoreFault;
use super::sql::{SqlRow, values};
use super::{ConnectionId, RunId, Store, StoreError};
use crate::identity::{Guid, Kind, LinkState, link_notes};

/// An object that upstream accepted an asset of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldObject {
    /// objectGUID.
    pub guid: Guid,
    /// Its kind, as last read.
    pub kind: Kind,
    /// Its distinguished name, as last read.
    pub dn: String,
    /// `externalAssetId`, as last read.
    pub external_id: String,
    /// Time at which upstream accepted the asset, Unix seconds.
    pub accepted_at: i64,
    /// In which run.
    pub accepted_run: RunId,
    /// The `assetData` element that upstream accepted last.
    pub asset: String,
}

/// Objects that upstream holds an asset of, with that asset. A condition on `o` may follow.
macro_rules! known {
    ($columns:literal, $documents:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM object AS o JOIN asset AS a ON a.id = o.asset AND a.owner = o.id ",
            $documents,
            " WHERE a.fingerprint IS NOT NULL AND o.connection = $1"
        )
    };
}

/// All that is shown of such an object.
macro_rules! known_in_whole {
    () => {
        known!(
            "o.guid, o.kind, o.dn, a.external_id, a.accepted_at, a.accepted_run, d.json",
            "JOIN document AS d ON d.seq = a.document"
        )
    };
}

impl Store {
    /// Returns the object with this GUID, if upstream holds an asset of it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn object(&self, connection: ConnectionId, guid: Guid) -> Result<Option<HeldObject>, StoreError> {
        self.read(|sql| {
            sql.first(
                concat!(known_in_whole!(), " AND o.guid = $2"),
                values![connection, guid],
                object_of,
            )
        })
    }

    /// Returns the objects of `kind` (or of any) whose GUID comes after `after`, in the order of
    /// the GUIDs on the wire: a page of the inventory.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn objects(
        &self,
        connection: ConnectionId,
        kind: Option<Kind>,
        after: Option<Guid>,
        limit: usize,
    ) -> Result<Vec<HeldObject>, StoreError> {
        let after = after.map_or_else(Vec::new, |after| after.as_bytes().to_vec());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|sql| {
            sql.rows(
                concat!(
                    known_in_whole!(),
                    " AND o.guid > $2 AND o.kind = coalesce($3, o.kind) ORDER BY o.guid LIMIT $4"
                ),
                values![connection, after, kind, limit],
                object_of,
            )
        })
    }

    /// Returns the first `limit` objects that `text` names: by GUID, by external id (the SID), by
    /// DN, or by a part of the first component of the DN, without regard to case. Reads through all
    /// objects unless `text` is a GUID.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn find(
        &self,
        connection: ConnectionId,
        text: &str,
        limit: usize,
    ) -> Result<Vec<HeldObject>, StoreError> {
        if let Ok(guid) = text.parse::<Guid>() {
            return Ok(self.object(connection, guid)?.into_iter().take(limit).collect());
        }
        let wanted = text.to_lowercase();
        let guids: Vec<Guid> = self.read(|sql| {
            let mut guids = Vec::new();
            sql.query(
                known!("o.guid, o.dn, a.external_id", ""),
                values![connection],
                &mut |row| {
                    if guids.len() >= limit {
                        return Ok(false);
                    }
                    let dn = text_in(row, 1)?.to_lowercase();
                    let named = text_in(row, 2)?.eq_ignore_ascii_case(text);
                    if named || dn == wanted || first_value(&dn).contains(&wanted) {
                        guids.push(row.get(0)?);
                    }
                    Ok(true)
                },
            )?;
            Ok(guids)
        })?;
        let mut objects = Vec::new();
        for guid in guids {
            objects.extend(self.object(connection, guid)?);
        }
        Ok(objects)
    }

    /// Returns how many objects of each kind upstream holds; a kind without any is missing.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn object_counts(&self, connection: ConnectionId) -> Result<BTreeMap<Kind, u64>, StoreError> {
        self.read(|sql| {
            let counts = sql.rows(
                concat!(known!("o.kind, count(*) AS count", ""), " GROUP BY o.kind"),
                values![connection],
                |row| Ok((row.get("kind")?, row.count("count")?)),
            )?;
            Ok(counts.into_iter().collect())
        })
    }

    /// Returns the objects of `kinds` whose record differs from `state`: they have to be read
    /// again. It looks at every object.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn misnamed(
        &self,
        connection: ConnectionId,
        kinds: &[Kind],
        state: &LinkState<'_>,
    ) -> Result<Vec<(Kind, Guid)>, StoreError> {
        self.read(|sql| {
            let mut misnamed = Vec::new();
            let mut notes = Vec::new();
            sql.query(
                "SELECT guid, kind, dn, linked FROM object WHERE connection = $1",
                values![connection],
                &mut |row| {
                    let kind = row.value(1)?.text().and_then(Kind::from_name);
                    let Some(kind) = kind.filter(|kind| kinds.contains(kind)) else {
                        return Ok(true);
                    };
                    link_notes::unpack(row.value(3)?.blob().unwrap_or_default(), &mut notes);
                    let guid = row.get(0)?;
                    let dn = row.value(2)?.text();
                    let dn = dn.ok_or_else(|| StoreFault::unreadable("a name"))?;
                    if !state.agrees(kind, guid, dn, &notes) {
                        misnamed.push((kind, guid));
                    }
                    Ok(true)
                },
            )?;
            Ok(misnamed)
        })
    }
}

/// Returns the text in a column without copying it.
fn text_in<'r>(row: &'r SqlRow<'_>, column: usize) -> Result<&'r str, StoreFault> {
    let text = row.value(column)?.text();
    text.ok_or_else(|| StoreFault::unreadable("a name"))
}

/// Returns the value of a DN's first component, with `\,` and its like unescaped. Not a parser of
/// DNs: it only has to find names that people type, in a million DNs within a second.
#[must_use]
pub fn first_value(dn: &str) -> String {
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

fn object_of(row: &SqlRow<'_>) -> Result<HeldObject, StoreFault> {
    Ok(HeldObject {
        guid: row.get("guid")?,
        kind: row.get("kind")?,
        dn: row.get("dn")?,
        external_id: row.get("external_id")?,
        accepted_at: row.get("accepted_at")?,
        accepted_run: row.get("accepted_run")?,
        asset: row.get("json")?,
    })
}
